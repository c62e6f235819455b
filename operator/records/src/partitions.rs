//! Bodies by day: partitions are made before they are needed and dropped with what retention ends.
//!
//! The program does it itself, under an advisory lock, so that any managed PostgreSQL will do: no extension is needed.

use crate::{
    database::{Database, DatabaseError},
    day::{Day, MS_PER_DAY},
};
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::BTreeSet;

/// Days for which partitions are created in advance.
const AHEAD: Day = 3;
/// The advisory lock for creating and dropping partitions.
const LOCK: i64 = 0x7075_7272_0001;
/// Tables that are partitioned by day.
const BODIES: &str = "hand_bodies";
const EVENTS: &str = "events";

impl Database {
    /// Makes the partitions of these days that do not exist yet.
    pub(crate) async fn ensure_days(&self, days: &BTreeSet<Day>) -> Result<(), DatabaseError> {
        let new: Vec<Day> = {
            let known = self.days.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            days.difference(&known).copied().collect()
        };
        if new.is_empty() {
            return Ok(());
        }
        let mut transaction = self.pool.begin().await?;
        lock(&mut transaction).await?;
        for day in &new {
            for parent in [BODIES, EVENTS] {
                // Numbers alone: nothing of a record is in this text.
                let sql = format!(
                    "CREATE TABLE IF NOT EXISTS {parent}_{name} PARTITION OF {parent} FOR VALUES FROM ({day}) TO ({next})",
                    name = name(*day),
                    next = day + 1,
                );
                sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
            }
        }
        transaction.commit().await?;
        let mut known = self.days.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.extend(new);
        Ok(())
    }

    /// Makes the partitions of the next days.
    pub(crate) async fn ensure_ahead(&self, today: Day) -> Result<(), DatabaseError> {
        self.ensure_days(&(today..=today + AHEAD).collect()).await
    }

    /// Drops the bodies of all days before this one; hands, results and counters stay. Returns how many days were
    /// dropped.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer; what was dropped before that stays dropped.
    pub async fn drop_bodies_before(&self, first: Day) -> Result<u64, DatabaseError> {
        let mut transaction = self.pool.begin().await?;
        lock(&mut transaction).await?;
        let old = drop_before(&mut transaction, BODIES, first).await?;
        // Bodies that are not moved yet and too old already.
        let unmoved =
            sqlx::query("UPDATE hands SET record = NULL WHERE record IS NOT NULL AND ended_ms < $1")
                .bind(i64::from(first) * MS_PER_DAY)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        if old > 0 || unmoved > 0 {
            // Rows without bodies cannot be counted again, so their counts stay as they are.
            sqlx::query("UPDATE statistics SET bodies_from = greatest(bodies_from, $1)")
                .bind(first)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("UPDATE hands SET counted = true WHERE NOT counted AND ended_ms < $1")
                .bind(i64::from(first) * MS_PER_DAY)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        self.forget_days_before(first);
        Ok(old)
    }

    /// Drops the events that were published before this day. Returns how many days went.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer: nothing has changed then.
    pub async fn drop_events_before(&self, first: Day) -> Result<u64, DatabaseError> {
        let mut transaction = self.pool.begin().await?;
        lock(&mut transaction).await?;
        let old = drop_before(&mut transaction, EVENTS, first).await?;
        transaction.commit().await?;
        self.forget_days_before(first);
        Ok(old)
    }

    /// Forgets which partitions exist before this day: one may have been dropped, and is created again when it is
    /// needed.
    fn forget_days_before(&self, first: Day) {
        let mut known = self.days.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.retain(|day| *day >= first);
    }

    /// The bytes of the hand's first record, exactly as they were hashed, from whichever table holds them.
    ///
    /// # Errors
    /// [`DatabaseError::Expired`] where retention has dropped them.
    pub async fn record_bytes(&self, table: &str, hand: i64) -> Result<Option<Vec<u8>>, DatabaseError> {
        let found: Option<(Option<Vec<u8>>,)> = sqlx::query_as(
            "SELECT coalesce(h.record, b.record) FROM hands h LEFT JOIN hand_bodies b
             ON b.day = (h.ended_ms / 86400000)::integer AND b.hand_id = h.id
             WHERE h.table_uid = $1 AND h.hand = $2 AND h.version = 0",
        )
        .bind(table)
        .bind(hand)
        .fetch_optional(&self.pool)
        .await?;
        let Some((bytes,)) = found else { return Ok(None) };
        bytes.map(Some).ok_or_else(|| DatabaseError::Expired { table: table.to_owned(), hand })
    }

    /// Moves up to `most` record bodies from the table `hands` to the partitions; returns how many. Readers look in
    /// both places.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer: nothing has moved then.
    pub async fn move_bodies(&self, most: i64) -> Result<u64, DatabaseError> {
        let days: Vec<Day> = sqlx::query_scalar(
            "SELECT DISTINCT (ended_ms / 86400000)::integer FROM
             (SELECT ended_ms FROM hands WHERE record IS NOT NULL ORDER BY id LIMIT $1) old",
        )
        .bind(most)
        .fetch_all(&self.pool)
        .await?;
        if days.is_empty() {
            return Ok(0);
        }
        self.ensure_days(&days.into_iter().collect()).await?;
        let moved = sqlx::query(
            "WITH old AS (
                 SELECT id FROM hands WHERE record IS NOT NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
             ), copied AS (
                 INSERT INTO hand_bodies (day, hand_id, record)
                 SELECT (h.ended_ms / 86400000)::integer, h.id, h.record FROM hands h JOIN old USING (id)
             )
             UPDATE hands SET record = NULL FROM old WHERE hands.id = old.id",
        )
        .bind(most)
        .execute(&self.pool)
        .await?;
        Ok(moved.rows_affected())
    }
}

/// Returns how many were dropped.
async fn drop_before(transaction: &mut PgConnection, parent: &str, first: Day) -> Result<u64, sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = $1::regclass ORDER BY 1",
    )
    .bind(parent)
    .fetch_all(&mut *transaction)
    .await?;
    let old: Vec<String> = names.into_iter().filter(|name| is_before(parent, name, first)).collect();
    for name in &old {
        sqlx::query(AssertSqlSafe(format!("DROP TABLE {name}"))).execute(&mut *transaction).await?;
    }
    Ok(old.len() as u64)
}

async fn lock(transaction: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(transaction).await?;
    Ok(())
}

/// Names sort in the order of their days.
fn name(day: Day) -> String {
    format!("d{day:07}")
}

fn is_before(parent: &str, partition: &str, first: Day) -> bool {
    let day = partition.strip_prefix(parent).and_then(|rest| rest.strip_prefix("_d"));
    let day = day.and_then(|day| day.parse::<Day>().ok());
    day.is_some_and(|day| day < first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::day::day_of;

    #[test]
    fn a_partition_holds_one_day_of_utc_and_only_older_ones_are_dropped() {
        assert_eq!([0, 86_399_999, 86_400_000].map(day_of), [0, 0, 1]);
        assert!(is_before(BODIES, "hand_bodies_d0000009", 10));
        assert!(!is_before(BODIES, "hand_bodies_d0000010", 10));
        assert!(!is_before(BODIES, "hand_bodies_default", 10));
    }
}
