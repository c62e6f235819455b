//! Counters of players, written in the transaction of each hand, so that a hand counts exactly once.

use crate::{
    database::{Database, DatabaseError},
    day::{Day, day_of},
    erasure,
    rooms::Hours,
};
use purr_engine::PlayerId;
use purr_facts::{Counters, NAMES, PlayerFacts, SQUARES, WIDTH};
use purr_protocol::record::HandRecord;
use purr_runtime::CancellationToken;
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinSet;

/// Bodies that are counted again at once, beside the stream.
const RECOUNT_MAX: i64 = 500;
/// Hands in one transaction of a rebuild, so that more hands share its cost.
const REBUILD_MAX: i64 = 2_000;
/// Workers of a rebuild: one reads and decodes while another writes.
const WORKERS: usize = 3;
const KEY: [&str; 6] = ["player", "day", "small_blind", "big_blind", "dealt_in", "position"];

/// The player, day and stake of a row of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    player: PlayerId,
    day: Day,
    small_blind: i64,
    big_blind: i64,
    dealt_in: i16,
    position: i16,
}

/// Rows that a transaction adds and takes away: of players, and of tables by the hour.
#[derive(Default)]
pub(crate) struct Changes {
    players: BTreeMap<Key, Counters>,
    hours: Hours,
    /// Erased players, who are not counted.
    erased: BTreeSet<PlayerId>,
}

impl Changes {
    fn each(
        &mut self,
        record: &HandRecord,
        ended_ms: i64,
        change: impl Fn(&Counters, &Counters) -> Counters,
    ) {
        // Deterministic, so that a hand that cannot be counted now is not subtracted later either.
        let facts = purr_facts::facts(record).unwrap_or_else(|error| {
            tracing::warn!(%error, table = record.table, hand = record.end.hand, "hand not counted in the statistics");
            Vec::new()
        });
        for PlayerFacts { player, position, dealt_in, small_blind, big_blind, counters, seat: _ } in facts {
            if self.erased.contains(&player) {
                continue;
            }
            let (Ok(small_blind), Ok(big_blind)) = (small_blind.try_into(), big_blind.try_into()) else {
                continue;
            };
            let (day, dealt_in, position) = (day_of(ended_ms), dealt_in.into(), position.code());
            let key = Key { player, day, small_blind, big_blind, dealt_in, position };
            let row = self.players.entry(key).or_default();
            *row = change(row, &counters);
        }
    }

    pub(crate) fn add(&mut self, record: &HandRecord, ended_ms: i64) {
        self.each(record, ended_ms, Counters::plus);
        self.hours.add(record, ended_ms);
    }

    pub(crate) fn take_away(&mut self, record: &HandRecord, ended_ms: i64) {
        self.each(record, ended_ms, Counters::minus);
        self.hours.take_away(record, ended_ms);
    }

    /// Rows are written in one order, so that two replicas never wait for each other.
    pub(crate) async fn write(self, database: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.hours.write(database).await?;
        if self.players.is_empty() {
            return Ok(());
        }
        let takes_away = self.players.values().any(|counters| counters.hands <= 0);
        let keys: Vec<&Key> = self.players.keys().collect();
        let players: Vec<&[u8]> = keys.iter().map(|key| key.player.0.as_slice()).collect();
        let days: Vec<i32> = keys.iter().map(|key| key.day).collect();
        let small: Vec<i64> = keys.iter().map(|key| key.small_blind).collect();
        let big: Vec<i64> = keys.iter().map(|key| key.big_blind).collect();
        let dealt_in: Vec<i16> = keys.iter().map(|key| key.dealt_in).collect();
        let positions: Vec<i16> = keys.iter().map(|key| key.position).collect();
        let mut query = sqlx::query(AssertSqlSafe(upsert()))
            .bind(&players)
            .bind(&days)
            .bind(&small)
            .bind(&big)
            .bind(&dealt_in)
            .bind(&positions);
        let values: Vec<[i128; WIDTH]> = self.players.values().map(Counters::values).collect();
        for column in 0..WIDTH {
            // Sent as text: sqlx has no type for PostgreSQL's numeric here, and the other columns fit into 64 bits.
            query = if column < WIDTH - SQUARES {
                let narrow = |row: &[i128; WIDTH]| i64::try_from(row[column]).unwrap_or(i64::MAX);
                query.bind(values.iter().map(narrow).collect::<Vec<i64>>())
            } else {
                query.bind(values.iter().map(|row| row[column].to_string()).collect::<Vec<String>>())
            };
        }
        query.execute(&mut *database).await?;
        if takes_away {
            // Removes rows that a rebuild would not create.
            sqlx::query("DELETE FROM player_counters WHERE hands = 0 AND player = ANY($1) AND day = ANY($2)")
                .bind(&players)
                .bind(&days)
                .execute(&mut *database)
                .await?;
        }
        Ok(())
    }
}

fn upsert() -> String {
    let types = ["bytea", "integer", "bigint", "bigint", "smallint", "smallint"];
    let columns: Vec<&str> = KEY.iter().chain(&NAMES).copied().collect();
    let arrays: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(at, _)| match types.get(at) {
            Some(kind) => format!("${}::{kind}[]", at + 1),
            None if at < KEY.len() + WIDTH - SQUARES => format!("${}::bigint[]", at + 1),
            None => format!("${}::text[]", at + 1),
        })
        .collect();
    let selected: Vec<String> = columns
        .iter()
        .map(|name| if name.ends_with("_sq") { format!("v.{name}::numeric") } else { format!("v.{name}") })
        .collect();
    let sums: Vec<String> =
        NAMES.iter().map(|name| format!("{name} = player_counters.{name} + EXCLUDED.{name}")).collect();
    format!(
        "INSERT INTO player_counters ({columns}) SELECT {selected} FROM unnest({arrays}) AS v({columns})
         ON CONFLICT ({key}) DO UPDATE SET {sums}",
        columns = columns.join(", "),
        selected = selected.join(", "),
        arrays = arrays.join(", "),
        key = KEY.join(", "),
        sums = sums.join(", "),
    )
}

/// Begins the changes of this transaction; `None` while the counters follow other definitions.
pub(crate) async fn begin(database: &mut PgConnection) -> Result<Option<Changes>, sqlx::Error> {
    if !follows_ours(database).await? {
        return Ok(None);
    }
    Ok(Some(Changes { erased: erasure::erased(database).await?, ..Changes::default() }))
}

/// The definitions that the database's counters follow; nobody changes them before this transaction ends.
async fn follows_ours(database: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let version: i32 =
        sqlx::query_scalar("SELECT version FROM statistics FOR SHARE").fetch_one(database).await?;
    Ok(version == purr_facts::VERSION)
}

#[derive(sqlx::FromRow)]
struct Body {
    id: i64,
    ended_ms: i64,
    /// Whether this record counts, by [`crate::standing::counts`] over all records of the hand.
    counts: bool,
    record: Option<Vec<u8>>,
}

impl Database {
    /// Deletes all counters, as far back as there are bodies; [`Self::recount`] computes them again.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer: nothing has changed then.
    pub async fn forget_counters(&self) -> Result<(), DatabaseError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *transaction).await?;
        let from: i32 = sqlx::query_scalar("UPDATE statistics SET version = $1 RETURNING bodies_from")
            .bind(purr_facts::VERSION)
            .fetch_one(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM player_counters WHERE day >= $1")
            .bind(from)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM table_hours WHERE hour >= $1 * 24")
            .bind(from)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "UPDATE hands SET counted = false
             WHERE counted AND NOT void AND (standing = 1 OR (standing = 0 AND (confirmed OR NOT conflict)))
             AND ended_ms >= $1::bigint * 86400000",
        )
        .bind(from)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Deletes the counters if they follow other definitions than this program's, so that they are computed again.
    pub(crate) async fn adopt_definitions(&self) -> Result<(), DatabaseError> {
        let version: i32 = sqlx::query_scalar("SELECT version FROM statistics").fetch_one(&self.pool).await?;
        if version == purr_facts::VERSION {
            return Ok(());
        }
        tracing::warn!(
            version,
            own = purr_facts::VERSION,
            "statistics follow other definitions: counting anew"
        );
        self.forget_counters().await
    }

    /// Counts some hands that are stored and not counted; returns how many. To be called until it returns 0.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer: nothing has changed then.
    pub async fn recount(&self) -> Result<u64, DatabaseError> {
        self.recount_some(RECOUNT_MAX).await
    }

    /// Counts all stored but uncounted hands with several workers, until none is left or it is stopped; returns how
    /// many.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer: what was counted before stays.
    pub async fn recount_all(&self, stop: &CancellationToken) -> Result<u64, DatabaseError> {
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let (database, stop) = (self.clone(), stop.clone());
            workers.spawn(async move {
                let mut hands = 0;
                while !stop.is_cancelled() {
                    match database.recount_some(REBUILD_MAX).await? {
                        // Rows that another worker holds are counted there.
                        0 => break,
                        counted => hands += counted,
                    }
                }
                Ok::<u64, DatabaseError>(hands)
            });
        }
        let mut hands = 0;
        while let Some(counted) = workers.join_next().await {
            // The hands that a panicked worker has committed stay counted, and the other workers go on.
            hands += counted.unwrap_or(Ok(0))?;
        }
        Ok(hands)
    }

    async fn recount_some(&self, most: i64) -> Result<u64, DatabaseError> {
        let mut transaction = self.pool.begin().await?;
        let Some(mut changes) = begin(&mut transaction).await? else { return Ok(0) };
        let bodies: Vec<Body> = sqlx::query_as(
            "SELECT h.id, h.ended_ms, NOT h.void AND (h.standing = 1 OR (h.standing = 0 AND (h.confirmed OR NOT h.conflict))) AS counts,
             coalesce(h.record, b.record) AS record
             FROM hands h LEFT JOIN hand_bodies b
             ON b.day = (h.ended_ms / 86400000)::integer AND b.hand_id = h.id
             WHERE NOT h.counted ORDER BY h.id LIMIT $1 FOR UPDATE OF h SKIP LOCKED",
        )
        .bind(most)
        .fetch_all(&mut *transaction)
        .await?;
        for Body { counts, record, ended_ms, .. } in &bodies {
            let read = |bytes: &Vec<u8>| serde_json::from_slice::<HandRecord>(bytes).ok();
            if let Some(record) = record.as_ref().filter(|_| *counts).and_then(read) {
                changes.add(&record, *ended_ms);
            }
        }
        let ids: Vec<i64> = bodies.iter().map(|body| body.id).collect();
        Box::pin(changes.write(&mut transaction)).await?;
        sqlx::query("UPDATE hands SET counted = true WHERE id = ANY($1)")
            .bind(&ids)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(ids.len() as u64)
    }
}
