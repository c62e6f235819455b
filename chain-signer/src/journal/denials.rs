//! The deny list: who was denied, by whom, why and until when. Acts are appended and never changed, and each is in the
//! hash chain; the last act about a player counts.

use super::{Journal, JournalError, bytes, chain, db, store, undb};
use purr_engine::PlayerId;
use purr_protocol::denial::{
    Act, DENIED_MAX, Denial, DenialAct, DenialTrail, Denials, DeniedWallet, DeniedWallets, Deny, Lift,
    PAGE_MAX, REASON_MAX,
};
use purr_protocol::settlement::NoticeState;
use serde_json::json;
use sqlx::{PgConnection, Row, postgres::PgRow};

/// Longest name of the administrator who decides, in bytes.
const ACTOR_MAX: usize = 100;
/// Only one act at a time, so that the number of denied wallets is bounded; any constant that no other lock uses.
const ACT_LOCK: i64 = 0x7075_7272_6465_6e79;

/// The last act about each player, if it is a denial that has not expired.
macro_rules! live {
    () => {
        "SELECT player, actor, reason, until_s, at_s FROM (
         SELECT DISTINCT ON (player) * FROM denial_acts ORDER BY player, id DESC) AS last
         WHERE act = 'denied' AND (until_s IS NULL OR until_s > extract(epoch FROM now()))"
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDenial {
    #[error("reason: want 1 to {REASON_MAX} bytes")]
    Reason,
    #[error("by: want 1 to {ACTOR_MAX} bytes")]
    Actor,
    #[error("untilS: want seconds since 1970 after now, got {0}")]
    Until(u64),
    #[error("the list has {DENIED_MAX} wallets already; lift denials that are no longer needed")]
    Full,
    #[error("this wallet is not denied")]
    NotDenied,
}

/// Whether the last act about a player denies and has not run out.
pub(super) async fn is_denied(conn: &mut PgConnection, player: PlayerId) -> Result<bool, JournalError> {
    let denied = sqlx::query_scalar(
        "SELECT COALESCE((SELECT act = 'denied' AND (until_s IS NULL OR until_s > extract(epoch FROM now()))
         FROM denial_acts WHERE player = $1 ORDER BY id DESC LIMIT 1), false)",
    )
    .bind(player.0.as_slice())
    .fetch_one(conn)
    .await?;
    Ok(denied)
}

fn texts(by: &str, reason: &str) -> Result<(), BadDenial> {
    let fits = |text: &str, max| !text.trim().is_empty() && text.len() <= max && !text.contains('\0');
    match (fits(by, ACTOR_MAX), fits(reason, REASON_MAX)) {
        (false, _) => Err(BadDenial::Actor),
        (_, false) => Err(BadDenial::Reason),
        _ => Ok(()),
    }
}

fn player_of(row: &PgRow) -> Result<PlayerId, JournalError> {
    Ok(PlayerId(bytes(row.try_get("player")?, "player")?))
}

fn until_of(row: &PgRow) -> Result<Option<u64>, JournalError> {
    row.try_get::<Option<i64>, _>("until_s")?.map(undb).transpose()
}

async fn act(
    conn: &mut PgConnection,
    act: &'static str,
    (player, by, reason): (PlayerId, &str, &str),
    until_s: Option<u64>,
) -> Result<(), JournalError> {
    sqlx::query("INSERT INTO denial_acts (player, act, actor, reason, until_s) VALUES ($1, $2, $3, $4, $5)")
        .bind(player.0.as_slice())
        .bind(act)
        .bind(by)
        .bind(reason)
        .bind(until_s.map(|until_s| db(until_s, "untilS")).transpose()?)
        .execute(&mut *conn)
        .await?;
    chain::append(
        conn,
        if act == "denied" { "denied" } else { "denialLifted" },
        &json!({"player": player, "by": by, "reason": reason, "untilS": until_s}),
    )
    .await
}

impl Journal {
    /// Denies a player, or replaces reason and end of the denial. Tables where the player sits or has a seat reserved
    /// are notified as for an exit: the running hand is played, and the seat is cashed out.
    ///
    /// # Errors
    /// [`BadDenial`] names what cannot be taken.
    pub async fn deny(&self, deny: &Deny, now_s: u64) -> Result<(), JournalError> {
        let Deny { player, by, reason, until_s } = deny;
        texts(by, reason)?;
        if let Some(until_s) = until_s.filter(|until_s| *until_s <= now_s) {
            return Err(BadDenial::Until(until_s).into());
        }
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ACT_LOCK).execute(&mut *tx).await?;
        let others: i64 =
            sqlx::query_scalar(concat!("SELECT count(*) FROM (", live!(), ") AS live WHERE player <> $1"))
                .bind(player.0.as_slice())
                .fetch_one(&mut *tx)
                .await?;
        if usize::try_from(others).unwrap_or(usize::MAX) >= DENIED_MAX {
            return Err(BadDenial::Full.into());
        }
        store::player_notice(&mut tx, *player, NoticeState::Exit(*player), &[0; 32]).await?;
        act(&mut tx, "denied", (*player, by, reason), *until_s).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends a player's denial.
    ///
    /// # Errors
    /// [`BadDenial::NotDenied`], also where the denial has run out.
    pub async fn lift(&self, lift: &Lift) -> Result<(), JournalError> {
        let Lift { player, by, reason } = lift;
        texts(by, reason)?;
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ACT_LOCK).execute(&mut *tx).await?;
        if !is_denied(&mut tx, *player).await? {
            return Err(BadDenial::NotDenied.into());
        }
        act(&mut tx, "lifted", (*player, by, reason), None).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Denied players whose address is after this one.
    pub async fn denials(&self, after: Option<PlayerId>, limit: usize) -> Result<Denials, JournalError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let after = after.map_or(Vec::new(), |player| player.0.to_vec());
        let mut rows = sqlx::query(concat!(live!(), " AND player > $1 ORDER BY player LIMIT $2"))
            .bind(after)
            .bind(i64::try_from(limit).unwrap_or(0) + 1)
            .fetch_all(&self.pool)
            .await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let denial = |row: &PgRow| {
            Ok::<_, JournalError>(Denial {
                player: player_of(row)?,
                by: row.try_get("actor")?,
                reason: row.try_get("reason")?,
                since_s: undb(row.try_get("at_s")?)?,
                until_s: until_of(row)?,
            })
        };
        let denials = rows.iter().map(denial).collect::<Result<Vec<_>, _>>()?;
        let next = denials.last().filter(|_| more).map(|last| last.player);
        Ok(Denials { denials, next })
    }

    /// Returns the decisions about a player, newest first.
    pub async fn denial_trail(&self, player: PlayerId) -> Result<DenialTrail, JournalError> {
        let mut conn = self.pool.acquire().await?;
        let denied = is_denied(&mut conn, player).await?;
        let rows = sqlx::query(
            "SELECT act, actor, reason, until_s, at_s FROM denial_acts WHERE player = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(player.0.as_slice())
        .bind(i64::try_from(PAGE_MAX).unwrap_or(i64::MAX))
        .fetch_all(&mut *conn)
        .await?;
        let act = |row: &PgRow| {
            let act: String = row.try_get("act")?;
            Ok::<_, JournalError>(DenialAct {
                act: if act == "denied" { Act::Denied } else { Act::Lifted },
                by: row.try_get("actor")?,
                reason: row.try_get("reason")?,
                until_s: until_of(row)?,
                at_s: undb(row.try_get("at_s")?)?,
            })
        };
        let acts = rows.iter().map(act).collect::<Result<_, _>>()?;
        Ok(DenialTrail { player, denied, acts })
    }

    /// The number of acts.
    pub async fn denials_version(&self) -> Result<u64, JournalError> {
        let last: i64 =
            sqlx::query_scalar("SELECT COALESCE(max(id), 0) FROM denial_acts").fetch_one(&self.pool).await?;
        undb(last)
    }

    /// All denied wallets, with the version of the list.
    pub async fn denied_wallets(&self) -> Result<DeniedWallets, JournalError> {
        // The version is read first: a list newer than its version is only read once more, while one older than its
        // version would never be read again.
        let version = self.denials_version().await?;
        let rows = sqlx::query(concat!(live!(), " ORDER BY player")).fetch_all(&self.pool).await?;
        let wallet = |row: &PgRow| {
            Ok::<_, JournalError>(DeniedWallet { player: player_of(row)?, until_s: until_of(row)? })
        };
        Ok(DeniedWallets { version, wallets: rows.iter().map(wallet).collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_names_who_and_why() {
        assert_eq!(texts("0x1", "chip dumping"), Ok(()));
        assert_eq!(texts("", "x"), Err(BadDenial::Actor));
        assert_eq!(texts("0x1", " "), Err(BadDenial::Reason));
        assert_eq!(texts("0x1", &"x".repeat(REASON_MAX + 1)), Err(BadDenial::Reason));
        assert_eq!(texts("0x1", "a\0b"), Err(BadDenial::Reason));
    }
}
