//! Limits that players set for themselves. What they allow is decided by [`purr_books::limits`].
//!
//! **Guarantees.** A change is in the hash chain. What a limit is held against is read with the player's balances locked, so
//! two reservations at the same time are counted one after the other.

use super::{Journal, JournalError, chain, db, undb};
use purr_books::{
    Books,
    ledger::Account,
    limits::{self, BREAK_S, DAY_S, Moved, Own, Session},
    promise::PromiseState,
};
use purr_engine::PlayerId;
use purr_protocol::limits::{ChangeLimits, LimitsTold, OwnLimits};
use serde_json::json;
use sqlx::{PgConnection, Row, postgres::PgRow};

/// Most moves of one player within a day that are read, the newest ones.
const MOVES_MAX: i64 = 10_000;

fn read(row: &PgRow) -> Result<(OwnLimits, Option<Session>), JournalError> {
    let at = |column| row.try_get::<Option<i64>, _>(column)?.map(undb).transpose();
    let session = match (at("began_s")?, at("seen_s")?) {
        (Some(began_s), Some(seen_s)) => Some(Session { began_s, seen_s }),
        _ => None,
    };
    Ok((serde_json::from_str(row.try_get("limits")?)?, session))
}

/// Chips that a player has brought to tables within a day and not taken back. Chips taken back reach the ledger when
/// they are final on chain; until then they count as lost.
async fn lost_day(conn: &mut PgConnection, player: PlayerId) -> Result<u64, JournalError> {
    let rows = sqlx::query(
        "SELECT amount FROM (
             SELECT amount, made AS at FROM reservations
             WHERE player = $1 AND state <> $2 AND made > now() - $4 * interval '1 second'
             UNION ALL
             SELECT -p.amount, e.at FROM postings p JOIN ledger_entries e ON e.id = p.entry_id
             WHERE p.account = $3 AND e.kind IN ('leave', 'hands') AND e.at > now() - $4 * interval '1 second'
             ORDER BY at DESC LIMIT $5) AS moves
         ORDER BY at",
    )
    .bind(player.0.as_slice())
    .bind(PromiseState::Released.as_str())
    .bind(Account::Free(player).to_string())
    .bind(db(DAY_S, "day")?)
    .bind(MOVES_MAX)
    .fetch_all(conn)
    .await?;
    let moves = rows.iter().map(|row| {
        let amount: i64 = row.try_get("amount")?;
        let size = amount.unsigned_abs();
        Ok::<_, JournalError>(if amount > 0 { Moved::Brought(size) } else { Moved::Taken(size) })
    });
    Ok(limits::lost(moves.collect::<Result<Vec<_>, _>>()?))
}

async fn own(conn: &mut PgConnection, player: PlayerId) -> Result<Option<Own>, JournalError> {
    let row = sqlx::query("SELECT limits, began_s, seen_s FROM own_limits WHERE player = $1")
        .bind(player.0.as_slice())
        .fetch_optional(&mut *conn)
        .await?;
    let Some((limits, session)) = row.as_ref().map(read).transpose()? else { return Ok(None) };
    let is_seated: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM seats WHERE player = $1)")
        .bind(player.0.as_slice())
        .fetch_one(&mut *conn)
        .await?;
    Ok(Some(Own { limits, session, is_seated, lost_day: lost_day(conn, player).await? }))
}

/// Loads a player's own limits; the caller has locked the player's balances.
pub(super) async fn load(
    conn: &mut PgConnection,
    books: &mut Books,
    player: PlayerId,
) -> Result<(), JournalError> {
    books.own.extend(own(conn, player).await?.map(|own| (player, own)));
    Ok(())
}

pub(super) async fn seen(
    conn: &mut PgConnection,
    player: PlayerId,
    session: &Session,
) -> Result<(), JournalError> {
    sqlx::query("UPDATE own_limits SET began_s = $2, seen_s = $3 WHERE player = $1")
        .bind(player.0.as_slice())
        .bind(db(session.began_s, "time")?)
        .bind(db(session.seen_s, "time")?)
        .execute(conn)
        .await?;
    Ok(())
}

/// Records that these players gave a seat up: a break begins now at the earliest.
pub(super) async fn left(conn: &mut PgConnection, players: &[PlayerId]) -> Result<(), JournalError> {
    if players.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE own_limits SET seen_s = GREATEST(seen_s, extract(epoch FROM now())::bigint)
         WHERE player = ANY($1) AND seen_s IS NOT NULL",
    )
    .bind(players.iter().map(|player| player.0.to_vec()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

fn told(own: &Own, now_s: u64) -> LimitsTold {
    let goes_on = |session: &Session| own.is_seated || now_s < session.seen_s.saturating_add(BREAK_S);
    LimitsTold {
        limits: own.limits,
        lost_day: own.lost_day,
        session_began_s: own.session.filter(goes_on).map(|session| session.began_s),
        now_s,
    }
}

impl Journal {
    /// A player's own limits, and what counts for them.
    pub async fn own_limits(&self, player: PlayerId, now_s: u64) -> Result<LimitsTold, JournalError> {
        let mut conn = self.pool.acquire().await?;
        Ok(told(&own(&mut conn, player).await?.unwrap_or_default(), now_s))
    }

    /// Changes a player's own limits: a reduction takes effect at once, a raise after a day.
    ///
    /// # Errors
    /// [`limits::BadLimit`] names what cannot be a limit.
    pub async fn change_limits(
        &self,
        player: PlayerId,
        wanted: &ChangeLimits,
        now_s: u64,
    ) -> Result<LimitsTold, JournalError> {
        let mut tx = self.pool.begin().await?;
        // The row is inserted before it is locked, so that two concurrent first changes run one after the other.
        sqlx::query("INSERT INTO own_limits (player, limits) VALUES ($1, '{}') ON CONFLICT DO NOTHING")
            .bind(player.0.as_slice())
            .execute(&mut *tx)
            .await?;
        let row = sqlx::query("SELECT limits, began_s, seen_s FROM own_limits WHERE player = $1 FOR UPDATE")
            .bind(player.0.as_slice())
            .fetch_one(&mut *tx)
            .await?;
        let (before, session) = read(&row)?;
        let after = limits::change_all(&before, wanted, now_s)?;
        if after != before {
            sqlx::query("UPDATE own_limits SET limits = $2 WHERE player = $1")
                .bind(player.0.as_slice())
                .bind(serde_json::to_string(&after)?)
                .execute(&mut *tx)
                .await?;
            chain::append(&mut tx, "ownLimits", &json!({"player": player, "limits": after})).await?;
        }
        let own = own(&mut tx, player).await?.unwrap_or_default();
        // A player who sits when the first limit is set is in a session from that moment on.
        if session.is_none() && own.is_seated {
            seen(&mut tx, player, &limits::session(&own, now_s)).await?;
        }
        tx.commit().await?;
        self.own_limits(player, now_s).await
    }
}
