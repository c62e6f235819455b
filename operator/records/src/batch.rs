//! Writes a batch of hands to PostgreSQL in one transaction.

use crate::{
    bulk,
    check::{Checked, CheckedSeat, Malformed, check},
    counting::{self, Changes},
    database::{Database, DatabaseError},
    day::day_of,
    events,
    gaps::{Gap, after},
    standing::{self, Version},
};
use purr_protocol::record::HandRecord;
use purr_store::StoredHand;
use sqlx::PgConnection;
use std::collections::BTreeSet;

/// Records of one hand that are kept side by side; more are quarantined.
const VERSIONS_MAX: i16 = 8;
/// Bytes of a malformed record that are kept.
const QUARANTINED_BYTES_MAX: usize = 64 * 1024;

/// The outcome of an entry of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Stored,
    /// The record was stored before.
    Duplicate,
    /// Stored beside another record of the same hand.
    Conflict,
    Quarantined(String),
}

impl Database {
    /// Stores a batch and returns the fates in its order. `Ok` means that all of it is on disk.
    pub async fn ingest(&self, batch: &[StoredHand]) -> Result<Vec<Fate>, DatabaseError> {
        let checked: Vec<_> = batch.iter().map(check).collect();
        match Box::pin(self.ingest_checked(batch, &checked)).await {
            Err(error) if error.is_of_data() => {}
            other => return other,
        }
        // The database refuses one of them: each is stored alone, so that it does not affect the others.
        let mut fates = Vec::with_capacity(batch.len());
        for (hand, checked) in batch.iter().zip(checked) {
            let (hand, checked) = (std::slice::from_ref(hand), [checked]);
            fates.extend(match Box::pin(self.ingest_checked(hand, &checked)).await {
                Err(error) if error.is_of_data() => {
                    let reason = [Err(Malformed::Refused(error.to_string()))];
                    Box::pin(self.ingest_checked(hand, &reason)).await?
                }
                other => other?,
            });
        }
        Ok(fates)
    }

    async fn ingest_checked(
        &self,
        batch: &[StoredHand],
        checked: &[Result<Checked, Malformed>],
    ) -> Result<Vec<Fate>, DatabaseError> {
        self.ensure_days(&checked.iter().flatten().map(|hand| day_of(hand.ended_ms)).collect()).await?;
        let mut transaction = self.pool.begin().await?;
        // Tables are locked in one order, so that two replicas never wait for each other.
        let tables: BTreeSet<&str> = checked.iter().flatten().map(|hand| hand.table.as_str()).collect();
        let highest = bulk::lock_tables(&mut transaction, &tables).await?;
        // Another release may be counting by other definitions: then these hands are counted later.
        let mut counting = counting::begin(&mut transaction).await?;
        let known = bulk::known(&mut transaction, checked).await?;
        // The first record of a new hand needs no query of its own.
        let mut fates: Vec<Option<Fate>> = vec![None; batch.len()];
        let (mut first, mut fresh) = (BTreeSet::new(), Vec::new());
        for (at, hand) in checked.iter().enumerate() {
            let Ok(hand) = hand else { continue };
            let key = (hand.table.as_str(), hand.hand);
            if !known.contains(&key) && first.insert(key) {
                fresh.push((&batch[at], hand));
                fates[at] = Some(Fate::Stored);
            }
        }
        bulk::keep(&mut transaction, &fresh, &mut counting).await?;
        let mut raised = Vec::new();
        for (table, hands) in bulk::by_table(&fresh) {
            let mut highest = highest.get(table).copied().unwrap_or(0);
            if bulk::follow(&mut highest, &hands) {
                raised.push((table, highest));
                continue;
            }
            for hand in hands {
                count(&mut transaction, table, hand).await?;
            }
        }
        bulk::raise(&mut transaction, &raised).await?;
        let mut all = Vec::with_capacity(batch.len());
        for ((stored, checked), fate) in batch.iter().zip(checked).zip(fates) {
            all.push(match (fate, checked) {
                (Some(fate), _) => fate,
                (None, Ok(hand)) => match keep(&mut transaction, stored, hand, &mut counting).await? {
                    Some(fate) => fate,
                    None => quarantine(&mut transaction, stored, &Malformed::Versions).await?,
                },
                (None, Err(malformed)) => quarantine(&mut transaction, stored, malformed).await?,
            });
        }
        if let Some(changes) = counting {
            changes.write(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(all)
    }
}

/// `None`: there are too many records of this hand already.
async fn keep(
    database: &mut PgConnection,
    stored: &StoredHand,
    hand: &Checked,
    counting: &mut Option<Changes>,
) -> Result<Option<Fate>, sqlx::Error> {
    let (known, verdict) = standing::load(database, &hand.table, hand.hand).await?;
    if known.iter().any(|other| other.hash == hand.hash) {
        return Ok(Some(Fate::Duplicate));
    }
    let version = i16::try_from(known.len()).unwrap_or(VERSIONS_MAX);
    if version >= VERSIONS_MAX {
        return Ok(None);
    }
    let conflict = version > 0;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO hands (table_uid, hand, hash, version, conflict, epoch, ended_ms, void, rake, public, shown_ms, pot, counted, standing, confirmed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, true, $13, $14) RETURNING id",
    )
    .bind(&hand.table)
    .bind(hand.hand)
    .bind(hand.hash.as_slice())
    .bind(version)
    .bind(conflict)
    .bind(hand.epoch)
    .bind(hand.ended_ms)
    .bind(hand.void)
    .bind(hand.rake)
    .bind(hand.public)
    .bind(hand.shown_ms)
    .bind(hand.pot)
    .bind(standing::code(verdict.of(&hand.hash)))
    .bind(verdict.confirms(&hand.hash))
    .fetch_one(&mut *database)
    .await?;
    sqlx::query("INSERT INTO hand_bodies (day, hand_id, record) VALUES ($1, $2, $3)")
        .bind(day_of(hand.ended_ms))
        .bind(id)
        .bind(stored.record.as_ref())
        .execute(&mut *database)
        .await?;
    let column = |of: fn(&CheckedSeat) -> i16| hand.seats.iter().map(of).collect::<Vec<i16>>();
    let wide = |of: fn(&CheckedSeat) -> i64| hand.seats.iter().map(of).collect::<Vec<i64>>();
    let card =
        |at: usize| hand.seats.iter().map(|seat| seat.shown.map(|cards| cards[at])).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO hand_players (hand_id, seat, player, delta, stack, low, high, day, pot)
         SELECT $1, *, $8, $9 FROM
         unnest($2::smallint[], $3::bytea[], $4::bigint[], $5::bigint[], $6::smallint[], $7::smallint[])",
    )
    .bind(id)
    .bind(column(|seat| seat.seat))
    .bind(hand.seats.iter().map(|seat| seat.player.0.as_slice()).collect::<Vec<&[u8]>>())
    .bind(wide(|seat| seat.delta))
    .bind(wide(|seat| seat.stack))
    .bind(card(0))
    .bind(card(1))
    .bind(day_of(hand.ended_ms))
    .bind(hand.pot)
    .execute(&mut *database)
    .await?;
    let mut now = known.clone();
    let (hash, void) = (hand.hash, hand.void);
    now.push(Version { id, hash, void, counted: true, ended_ms: hand.ended_ms });
    let states = (standing::counts(&known, verdict), standing::counts(&now, verdict));
    standing::change(database, states, counting).await?;
    events::put(database, &[bulk::hand_ended(hand)]).await?;
    if conflict {
        sqlx::query("UPDATE hands SET conflict = true WHERE table_uid = $1 AND hand = $2")
            .bind(&hand.table)
            .bind(hand.hand)
            .execute(&mut *database)
            .await?;
        return Ok(Some(Fate::Conflict));
    }
    count(database, &hand.table, hand.hand).await?;
    Ok(Some(Fate::Stored))
}

/// Notes which numbers are missing now.
async fn count(database: &mut PgConnection, table: &str, hand: i64) -> Result<(), sqlx::Error> {
    // The common case in one round trip: the next hand of the table.
    let next = sqlx::query("UPDATE tables SET highest = $2 WHERE uid = $1 AND highest = $2 - 1")
        .bind(table)
        .bind(hand)
        .execute(&mut *database)
        .await?;
    if next.rows_affected() == 1 {
        return Ok(());
    }
    let highest: i64 = sqlx::query_scalar("SELECT highest FROM tables WHERE uid = $1")
        .bind(table)
        .fetch_one(&mut *database)
        .await?;
    let within: Option<(i64, i64)> = sqlx::query_as(
        "SELECT first_hand, last_hand FROM gaps WHERE table_uid = $1 AND $2 BETWEEN first_hand AND last_hand",
    )
    .bind(table)
    .bind(hand)
    .fetch_optional(&mut *database)
    .await?;
    let change = after(highest, within.map(|(first, last)| Gap { first, last }), hand);
    if let Some(gap) = change.closed {
        sqlx::query("DELETE FROM gaps WHERE table_uid = $1 AND first_hand = $2")
            .bind(table)
            .bind(gap.first)
            .execute(&mut *database)
            .await?;
    }
    for gap in change.opened {
        sqlx::query("INSERT INTO gaps (table_uid, first_hand, last_hand) VALUES ($1, $2, $3)")
            .bind(table)
            .bind(gap.first)
            .bind(gap.last)
            .execute(&mut *database)
            .await?;
    }
    sqlx::query("UPDATE tables SET highest = $2 WHERE uid = $1")
        .bind(table)
        .bind(change.highest)
        .execute(&mut *database)
        .await?;
    Ok(())
}

async fn quarantine(
    database: &mut PgConnection,
    stored: &StoredHand,
    malformed: &Malformed,
) -> Result<Fate, sqlx::Error> {
    // PostgreSQL keeps no NUL in text.
    let clean = |text: &str| text.chars().filter(|c| *c != '\0').take(200).collect::<String>();
    let kept = stored.record.get(..QUARANTINED_BYTES_MAX).unwrap_or(&stored.record);
    sqlx::query(
        "INSERT INTO quarantine (stream_id, table_uid, hand, hash, record, digest, reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(clean(&stored.id))
    .bind(clean(&stored.table))
    .bind(stored.hand.to_string())
    .bind(clean(&stored.hash))
    .bind(kept)
    .bind(HandRecord::hash(&stored.record).as_slice())
    .bind(clean(&malformed.to_string()))
    .execute(database)
    .await?;
    Ok(Fate::Quarantined(malformed.to_string()))
}
