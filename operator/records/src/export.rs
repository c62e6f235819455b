//! Hands and facts as Parquet files, hour by hour, for tools that count beside PostgreSQL.
//!
//! # Guarantees
//! A file is never changed: its name has its hash. A day's manifest is replaced in one piece and names the files that
//! count, so that whoever follows it finds each hand that counts exactly once. An hour is read in one snapshot; where a
//! hand of it is voided, replaced or comes late, the hour is written anew and its manifest points to the new files. Sums
//! over the facts are those of `player_counters`, to the unit.
//!
//! # Caveats
//! Files that no manifest names any more are removed by the same run: readers that hold a manifest for long may miss them.
//! Hours whose records retention has dropped stay as they were exported.

mod bucket;
mod columns;
pub mod manifest;
mod rows;

pub use bucket::{Bucket, Folder};

use crate::{
    database::{Database, DatabaseError},
    day::Day,
    erasure, names,
    players::date,
};
use manifest::{Entry, Kind};
use purr_engine::PlayerId;
use purr_protocol::record::HandRecord;
use rows::Rows;
use sqlx::PgConnection;
use std::{collections::BTreeSet, io};

/// Maximum number of hands in one file, which bounds memory.
const PART_HANDS: usize = 10_000;
/// Records that are read at once; one has up to some 12 KiB.
const READ_AT_ONCE: usize = 250;
/// Maximum number of days in one run.
pub const DAYS_MAX: Day = 3_660;
const HOURS: Day = 24;
const HOUR_MS: i64 = 3_600_000;
/// The advisory lock of an export.
const LOCK: i64 = 0x7075_7272_0002;
/// Purpose of the names in a pseudonymous export: a player has the same name at every table, and no other list uses it.
const NAMED_FOR: &str = "export";

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("writing Parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    #[error("{file}: {source}")]
    File { file: String, source: io::Error },
    #[error("{file}: not a manifest: {detail}")]
    Manifest { file: String, detail: String },
    #[error("hands are being counted anew: export again once `purr-records rebuild` has ended")]
    Counting,
    #[error("another export is running")]
    Running,
}

impl From<sqlx::Error> for ExportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// The hands that are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// First and last day.
    pub from: Day,
    pub to: Day,
    /// Hours that end after this moment are left for the next run, in milliseconds since 1970.
    pub until_ms: i64,
    /// Players stand under names instead of their addresses.
    pub pseudonymous: bool,
}

/// The result of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Number of hours that were written or deleted; all others were up to date.
    pub hours: u64,
    pub files: u64,
    pub hands: u64,
    /// Files that no manifest names any more.
    pub removed: u64,
}

fn at<T>(file: &str, result: io::Result<T>) -> Result<T, ExportError> {
    result.map_err(|source| ExportError::File { file: file.to_owned(), source })
}

/// The name under which a player is exported; none for the erased, who are not counted.
struct Naming {
    key: [u8; 32],
    erased: BTreeSet<PlayerId>,
    pseudonymous: bool,
}

impl Naming {
    fn name(&self, player: PlayerId) -> Option<PlayerId> {
        if self.erased.contains(&player) {
            return None;
        }
        Some(if self.pseudonymous { names::name(&self.key, NAMED_FOR, player) } else { player })
    }
}

impl Database {
    /// Updates the export to the state of the database.
    ///
    /// # Errors
    /// Where the database or the bucket fails, statistics are being counted anew, or another export runs. What was
    /// written before that counts, and the next run goes on from there.
    pub async fn export(&self, bucket: &impl Bucket, wanted: Wanted) -> Result<Exported, ExportError> {
        // Held until the run ends, on a connection of its own.
        let mut lock = self.pool.begin().await?;
        let alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *lock)
            .await?;
        if !alone {
            return Err(ExportError::Running);
        }
        let bodies_from: Day =
            sqlx::query_scalar("SELECT bodies_from FROM statistics").fetch_one(&mut *lock).await?;
        let mut exported = Exported::default();
        for day in wanted.from.max(bodies_from)..=wanted.to {
            self.export_day(bucket, wanted, day, &mut exported).await?;
        }
        lock.commit().await?;
        Ok(exported)
    }

    async fn export_day(
        &self,
        bucket: &impl Bucket,
        wanted: Wanted,
        day: Day,
        exported: &mut Exported,
    ) -> Result<(), ExportError> {
        let path = manifest::path(day);
        let known = at(&path, bucket.get(&path))?;
        let mut entries = manifest::parse(day, known.as_deref().unwrap_or_default())?;
        let mut changed = false;
        for hour in 0..HOURS {
            let number = day.saturating_mul(HOURS) + hour;
            if (i64::from(number) + 1) * HOUR_MS > wanted.until_ms {
                break;
            }
            let hour = u8::try_from(hour).unwrap_or_default();
            let was = entries.iter().find(|entry| entry.hour == hour).map(|entry| entry.source.as_str());
            if let Some(written) =
                self.export_hour(bucket, wanted.pseudonymous, (day, hour, number), was).await?
            {
                exported.hours += 1;
                exported.files += written.len() as u64;
                exported.hands += written
                    .iter()
                    .filter(|entry| entry.kind == Kind::Hands)
                    .map(|entry| entry.rows)
                    .sum::<u64>();
                entries.retain(|entry| entry.hour != hour);
                entries.extend(written);
                changed = true;
            }
        }
        if changed {
            at(&path, bucket.put(&path, &manifest::write(entries.clone())))?;
        }
        exported.removed += sweep(bucket, day, &entries)?;
        Ok(())
    }

    /// Writes the files of an hour if its state differs from that of the existing files.
    async fn export_hour(
        &self,
        bucket: &impl Bucket,
        pseudonymous: bool,
        (day, hour, number): (Day, u8, i32),
        was: Option<&str>,
    ) -> Result<Option<Vec<Entry>>, ExportError> {
        let mut snapshot = self.pool.begin().await?;
        for sql in [
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
            "SET LOCAL statement_timeout = '10min'",
        ] {
            sqlx::query(sql).execute(&mut *snapshot).await?;
        }
        let counting: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM hands WHERE NOT counted)")
            .fetch_one(&mut *snapshot)
            .await?;
        if counting {
            return Err(ExportError::Counting);
        }
        let state: Option<String> = sqlx::query_scalar(
            "SELECT concat_ws(':', sum(hands), sum(pot), sum(rake), sum(changes)) FROM table_hours
             WHERE hour = $1 HAVING count(*) > 0",
        )
        .bind(number)
        .fetch_optional(&mut *snapshot)
        .await?;
        let source = state.map(|state| format!("{}:{}:{state}", purr_facts::VERSION, u8::from(pseudonymous)));
        if source.as_deref() == was {
            return Ok(None);
        }
        let Some(source) = source else { return Ok(Some(Vec::new())) };
        let naming = Naming {
            key: self.names_key().await?,
            erased: erasure::erased(&mut snapshot).await?,
            pseudonymous,
        };
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM hands WHERE ended_ms >= $1 AND ended_ms < $2
             AND NOT void AND (standing = 1 OR (standing = 0 AND (confirmed OR NOT conflict)))
             ORDER BY table_uid COLLATE \"C\", hand, version",
        )
        .bind(i64::from(number) * HOUR_MS)
        .bind((i64::from(number) + 1) * HOUR_MS)
        .fetch_all(&mut *snapshot)
        .await?;
        let mut entries = Vec::new();
        for (part, ids) in ids.chunks(PART_HANDS).enumerate() {
            let mut rows = Rows::default();
            for ids in ids.chunks(READ_AT_ONCE) {
                read(&mut snapshot, ids, &naming, &mut rows).await?;
            }
            for kind in Kind::ALL {
                let (count, bytes) = match kind {
                    Kind::Hands => (rows.hands(), rows.hands_file()?),
                    Kind::Facts => (rows.facts(), rows.facts_file()?),
                };
                let entry = manifest::entry(kind, (day, hour), part, (count, &bytes), &source);
                at(&entry.file, bucket.put(&entry.file, &bytes))?;
                entries.push(entry);
            }
        }
        tracing::info!(day = date(day), hour, hands = ids.len(), "exported the hands of one hour");
        Ok(Some(entries))
    }
}

async fn read(
    snapshot: &mut PgConnection,
    ids: &[i64],
    naming: &Naming,
    rows: &mut Rows,
) -> Result<(), ExportError> {
    /// Table, number, hash, time of its end in milliseconds, and the record if it is still kept.
    type Stored = (String, i64, Vec<u8>, i64, Option<Vec<u8>>);
    let found: Vec<Stored> = sqlx::query_as(
        "SELECT h.table_uid, h.hand, h.hash, h.ended_ms, coalesce(h.record, b.record)
         FROM hands h LEFT JOIN hand_bodies b
         ON b.day = (h.ended_ms / 86400000)::integer AND b.hand_id = h.id WHERE h.id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(snapshot)
    .await?;
    for (table, hand, hash, ended_ms, record) in found {
        let Some(bytes) = record else { return Err(DatabaseError::Expired { table, hand }.into()) };
        let record: HandRecord = serde_json::from_slice(&bytes).map_err(|error| DatabaseError::Corrupt {
            table,
            hand,
            detail: error.to_string(),
        })?;
        rows.add(&record, &hash, ended_ms, |player| naming.name(player));
    }
    Ok(())
}

/// Removes a day's files that the manifest does not name: replaced ones, and leftovers of an interrupted run.
fn sweep(bucket: &impl Bucket, day: Day, entries: &[Entry]) -> Result<u64, ExportError> {
    let named: BTreeSet<&str> = entries.iter().map(|entry| entry.file.as_str()).collect();
    let mut removed = 0;
    for kind in Kind::ALL {
        let folder = manifest::folder(kind, day);
        for file in at(&folder, bucket.list(&folder))? {
            if !named.contains(file.as_str()) {
                at(&file, bucket.remove(&file))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}
