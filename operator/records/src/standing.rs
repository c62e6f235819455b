//! Decides which record of a hand counts: a function of its records and of the chain's outcome.

use crate::{
    counting::Changes,
    database::{Database, DatabaseError},
};
pub use purr_protocol::hand::Standing;
use purr_protocol::record::HandRecord;
use sqlx::PgConnection;

pub(crate) type Hash = [u8; 32];

/// The fate of a hand outside the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// The chain has not decided yet.
    #[default]
    Pending,
    /// The signer has accepted the record with this hash from the table's own certificate.
    Accepted(Hash),
    /// Settled, by the record with this hash.
    Final(Hash),
    /// The hand will never settle.
    Void,
}

/// The stored form.
pub(crate) fn code(standing: Standing) -> i16 {
    match standing {
        Standing::Pending => 0,
        Standing::Final => 1,
        Standing::Replaced => 2,
        Standing::Void => 3,
    }
}

pub(crate) fn from_code(code: i16) -> Standing {
    match code {
        1 => Standing::Final,
        2 => Standing::Replaced,
        3 => Standing::Void,
        _ => Standing::Pending,
    }
}

/// One record of a hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    pub id: i64,
    pub hash: Hash,
    /// The table gave every bet back.
    pub void: bool,
    /// Whether the counters include this record.
    pub counted: bool,
    /// Milliseconds since 1970.
    pub ended_ms: i64,
}

impl Verdict {
    pub fn of(self, hash: &Hash) -> Standing {
        match self {
            Self::Pending => Standing::Pending,
            Self::Accepted(accepted) if accepted == *hash => Standing::Pending,
            Self::Accepted(_) => Standing::Replaced,
            Self::Final(settled) if settled == *hash => Standing::Final,
            Self::Final(_) => Standing::Replaced,
            Self::Void => Standing::Void,
        }
    }

    /// Whether the signer has the record with this hash.
    pub fn confirms(self, hash: &Hash) -> bool {
        matches!(self, Self::Accepted(said) | Self::Final(said) if said == *hash)
    }

    /// Combines with a later verdict of the signer or the chain. A final verdict never changes: the signer only reports
    /// final blocks.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        match (self, next) {
            (Self::Pending, next) | (Self::Accepted(_), next @ (Self::Final(_) | Self::Void)) => next,
            (known, _) => known,
        }
    }
}

/// The record that counts. A settlement decides between several; without a settlement, two records mean that none
/// counts.
pub fn counts(versions: &[Version], verdict: Verdict) -> Option<Version> {
    let one = match verdict {
        Verdict::Pending => versions.first().filter(|_| versions.len() == 1),
        Verdict::Accepted(hash) | Verdict::Final(hash) => {
            versions.iter().find(|version| version.hash == hash)
        }
        Verdict::Void => None,
    };
    one.filter(|version| !version.void).copied()
}

type Row = (i64, Vec<u8>, bool, bool, i64, i16, bool);

/// Loads the records of a hand and its verdict, locked until the transaction ends.
pub(crate) async fn load(
    database: &mut PgConnection,
    table: &str,
    hand: i64,
) -> Result<(Vec<Version>, Verdict), sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, hash, void, counted, ended_ms, standing, confirmed FROM hands
         WHERE table_uid = $1 AND hand = $2 ORDER BY version FOR UPDATE",
    )
    .bind(table)
    .bind(hand)
    .fetch_all(&mut *database)
    .await?;
    let mut verdict = early(database, table, hand).await?;
    let mut versions = Vec::with_capacity(rows.len());
    for (id, hash, void, counted, ended_ms, standing, confirmed) in rows {
        // The schema bounds the length.
        let Ok(hash) = Hash::try_from(hash) else { continue };
        verdict = match from_code(standing) {
            Standing::Final => Verdict::Final(hash),
            Standing::Void => Verdict::Void,
            Standing::Pending if confirmed => Verdict::Accepted(hash),
            Standing::Pending | Standing::Replaced => verdict,
        };
        versions.push(Version { id, hash, void, counted, ended_ms });
    }
    Ok((versions, verdict))
}

async fn early(database: &mut PgConnection, table: &str, hand: i64) -> Result<Verdict, sqlx::Error> {
    let row: Option<(Option<Vec<u8>>,)> =
        sqlx::query_as("SELECT hash FROM early_verdicts WHERE table_uid = $1 AND hand = $2")
            .bind(table)
            .bind(hand)
            .fetch_optional(&mut *database)
            .await?;
    if let Some((hash,)) = row {
        return Ok(verdict_of(hash));
    }
    let accepted: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT hash FROM early_hashes WHERE table_uid = $1 AND hand = $2")
            .bind(table)
            .bind(hand)
            .fetch_optional(database)
            .await?;
    Ok(accepted.and_then(|hash| Hash::try_from(hash).ok()).map_or(Verdict::Pending, Verdict::Accepted))
}

pub(crate) fn verdict_of(hash: Option<Vec<u8>>) -> Verdict {
    match hash {
        None => Verdict::Void,
        Some(hash) => Hash::try_from(hash).map_or(Verdict::Pending, Verdict::Final),
    }
}

/// Updates the counters for a hand's change from one counted version to another.
pub(crate) async fn change(
    database: &mut PgConnection,
    (before, after): (Option<Version>, Option<Version>),
    counting: &mut Option<Changes>,
) -> Result<(), sqlx::Error> {
    if before.map(|version| version.id) == after.map(|version| version.id) {
        return Ok(());
    }
    if let Some(old) = before.filter(|version| version.counted)
        && let Some(record) = body(database, old).await?
    {
        match counting {
            Some(changes) => changes.take_away(&record, old.ended_ms),
            // Its counters follow other definitions: a release with those definitions has to subtract it, and a rebuild
            // does.
            None => tracing::error!(
                table = record.table,
                hand = record.end.hand,
                "a replaced version of a hand stays in the statistics until they are rebuilt"
            ),
        }
    }
    // A version that is not counted yet is counted later, in the state that it has then.
    if let Some(new) = after.filter(|version| version.counted)
        && let Some(record) = body(database, new).await?
    {
        match counting {
            Some(changes) => changes.add(&record, new.ended_ms),
            None => {
                sqlx::query("UPDATE hands SET counted = false WHERE id = $1")
                    .bind(new.id)
                    .execute(database)
                    .await?;
            }
        }
    }
    Ok(())
}

async fn body(database: &mut PgConnection, version: Version) -> Result<Option<HandRecord>, sqlx::Error> {
    let body: Option<(Option<Vec<u8>>,)> = sqlx::query_as(
        "SELECT coalesce(h.record, b.record) FROM hands h LEFT JOIN hand_bodies b
         ON b.day = (h.ended_ms / 86400000)::integer AND b.hand_id = h.id WHERE h.id = $1",
    )
    .bind(version.id)
    .fetch_optional(database)
    .await?;
    // The record is past its retention, so its counts stay as they are.
    let Some((Some(body),)) = body else { return Ok(None) };
    Ok(serde_json::from_slice(&body).ok())
}

/// Applies the chain's decisions about hands of tables that the caller has locked.
pub(crate) async fn settle(
    database: &mut PgConnection,
    table: &str,
    hands: &[(i64, Verdict)],
    counting: &mut Option<Changes>,
) -> Result<(), sqlx::Error> {
    for &(hand, word) in hands {
        let (versions, known) = load(database, table, hand).await?;
        let verdict = known.then(word);
        if verdict == known {
            let repeats =
                matches!(word, Verdict::Accepted(hash) if known.confirms(&hash) || known == Verdict::Void);
            if word != known && !repeats {
                tracing::error!(table, hand, "the signer says two things of a hand; the first stays");
            }
            continue;
        }
        let codes: Vec<i16> = versions.iter().map(|version| code(verdict.of(&version.hash))).collect();
        let ids: Vec<i64> = versions.iter().map(|version| version.id).collect();
        sqlx::query(
            "UPDATE hands SET standing = new.standing, confirmed = new.confirmed OR hands.confirmed
             FROM unnest($1::bigint[], $2::smallint[], $3::boolean[]) AS new(id, standing, confirmed)
             WHERE hands.id = new.id",
        )
        .bind(&ids)
        .bind(&codes)
        .bind(versions.iter().map(|version| verdict.confirms(&version.hash)).collect::<Vec<bool>>())
        .execute(&mut *database)
        .await?;
        // Records that carry the verdict themselves need no row for it.
        let carried = match verdict {
            Verdict::Accepted(hash) => versions.iter().any(|version| version.hash == hash),
            _ => codes.iter().any(|found| [Standing::Final, Standing::Void].map(code).contains(found)),
        };
        if !carried {
            keep_early(database, table, hand, verdict).await?;
        }
        change(database, (counts(&versions, known), counts(&versions, verdict)), counting).await?;
    }
    Ok(())
}

/// Marks hands of a locked table as accepted by the signer. Most of them have one record, which one statement confirms;
/// the others are settled one by one.
pub(crate) async fn accept(
    database: &mut PgConnection,
    table: &str,
    hands: &[(i64, Hash)],
    counting: &mut Option<Changes>,
) -> Result<(), sqlx::Error> {
    let (numbers, hashes): (Vec<i64>, Vec<&[u8]>) =
        hands.iter().map(|(hand, hash)| (*hand, hash.as_slice())).unzip();
    let confirmed: Vec<i64> = sqlx::query_scalar(
        "UPDATE hands h SET confirmed = true FROM unnest($2::bigint[], $3::bytea[]) AS new(hand, hash)
         WHERE h.table_uid = $1 AND h.hand = new.hand AND h.hash = new.hash AND h.standing = 0 AND NOT h.conflict
         RETURNING h.hand",
    )
    .bind(table)
    .bind(&numbers)
    .bind(&hashes)
    .fetch_all(&mut *database)
    .await?;
    let rest: Vec<(i64, Verdict)> = hands
        .iter()
        .filter(|(hand, _)| !confirmed.contains(hand))
        .map(|(hand, hash)| (*hand, Verdict::Accepted(*hash)))
        .collect();
    settle(database, table, &rest, counting).await
}

async fn keep_early(
    database: &mut PgConnection,
    table: &str,
    hand: i64,
    verdict: Verdict,
) -> Result<(), sqlx::Error> {
    let hash = match verdict {
        Verdict::Final(hash) => Some(hash.to_vec()),
        Verdict::Accepted(hash) => {
            sqlx::query(
                "INSERT INTO early_hashes (table_uid, hand, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(table)
            .bind(hand)
            .bind(hash.as_slice())
            .execute(database)
            .await?;
            return Ok(());
        }
        Verdict::Pending | Verdict::Void => None,
    };
    sqlx::query(
        "INSERT INTO early_verdicts (table_uid, hand, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(table)
    .bind(hand)
    .bind(hash)
    .execute(database)
    .await?;
    Ok(())
}

impl Database {
    /// Number of the player's last thousand hands that are counted but not final on the chain.
    pub(crate) async fn pending(&self, player: &[u8]) -> Result<i64, DatabaseError> {
        let count = sqlx::query_scalar(
            "SELECT count(*) FILTER (WHERE h.standing = 0 AND NOT h.void AND (h.confirmed OR NOT h.conflict)) FROM
             (SELECT hand_id FROM hand_players WHERE player = $1 ORDER BY hand_id DESC LIMIT 1000) p
             JOIN hands h ON h.id = p.hand_id",
        )
        .bind(player)
        .fetch_one(&self.pool)
        .await?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: i64, void: bool) -> Version {
        Version { id, hash: [u8::try_from(id).unwrap(); 32], void, counted: true, ended_ms: 0 }
    }

    #[test]
    fn a_settlement_decides_between_records_and_without_one_two_count_for_nothing() {
        let (one, two, void) = (version(1, false), version(2, false), version(3, true));
        let id = |versions: &[Version], verdict| counts(versions, verdict).map(|version| version.id);
        for (versions, verdict, wanted) in [
            (vec![], Verdict::Pending, None),
            (vec![one], Verdict::Pending, Some(1)),
            (vec![void], Verdict::Pending, None),
            (vec![one, two], Verdict::Pending, None),
            (vec![one, two], Verdict::Accepted([2; 32]), Some(2)),
            (vec![one], Verdict::Accepted([2; 32]), None),
            (vec![one], Verdict::Accepted([1; 32]), Some(1)),
            (vec![one, two], Verdict::Final([2; 32]), Some(2)),
            (vec![one], Verdict::Final([2; 32]), None),
            (vec![one, void], Verdict::Final([3; 32]), None),
            (vec![one], Verdict::Final([1; 32]), Some(1)),
            (vec![one, two], Verdict::Void, None),
            (vec![one], Verdict::Void, None),
        ] {
            assert_eq!(id(&versions, verdict), wanted, "{versions:?} {verdict:?}");
        }
    }

    #[test]
    fn the_first_final_word_stays() {
        let (one, two) = (Verdict::Final([1; 32]), Verdict::Final([2; 32]));
        let accepted = Verdict::Accepted([1; 32]);
        assert_eq!((Verdict::Pending.then(accepted), accepted.then(two)), (accepted, two));
        assert_eq!((accepted.then(Verdict::Accepted([2; 32])), one.then(accepted)), (accepted, one));
        assert_eq!((accepted.of(&[1; 32]), accepted.of(&[2; 32])), (Standing::Pending, Standing::Replaced));
        assert!(accepted.confirms(&[1; 32]) && one.confirms(&[1; 32]));
        assert!(!accepted.confirms(&[2; 32]) && !Verdict::Pending.confirms(&[1; 32]));
        assert_eq!(Verdict::Pending.then(one), one);
        assert_eq!(one.then(two), one);
        assert_eq!(Verdict::Void.then(one), Verdict::Void);
        for number in 0..4 {
            assert_eq!(code(from_code(number)), number);
        }
    }
}
