//! Schema `fairplay` of PostgreSQL: progress and checkpoints.

use crate::{
    Detector, DetectorLimits,
    checkpoint::{BadCheckpoint, Restore},
};
use sqlx::{
    PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::time::{Duration, SystemTime};

const CONNECTIONS_MAX: u32 = 8;

#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Schema(#[from] purr_schema::SchemaError),
    #[error("another program reads hands now (generation {0} is over)")]
    Replaced(i64),
    #[error("{what} {id} is stored and cannot be read: {detail}")]
    Corrupt { what: &'static str, id: i64, detail: String },
    #[error("opening {0} does not follow from the one before it: the log was changed")]
    Chain(i64),
}

/// Position at which reading continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub generation: i64,
    pub cursor: i64,
    pub judged_ms: i64,
    checkpoint: i64,
}

/// Handle on the database; clones share the pool.
#[derive(Clone, Debug)]
pub struct Database {
    pub(crate) pool: PgPool,
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Times and amounts of the system are far below the bound.
pub(crate) fn db(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn undb(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Those of this release.
pub(crate) fn migrations() -> Migrator {
    sqlx::migrate!("./migrations")
}

impl Database {
    /// Makes the pool without connecting.
    pub fn new(options: PgConnectOptions) -> Self {
        let options = options
            .options([("search_path", "fairplay"), ("statement_timeout", "60s")])
            .application_name("purr-fairplay");
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(options);
        Self { pool }
    }

    /// Brings the schema to this program's version.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        Ok(purr_schema::migrate(&self.pool, "fairplay", migrations()).await?)
    }

    /// Begins a generation: later writes of an earlier generation are refused.
    pub async fn take_over(&self) -> Result<Progress, DatabaseError> {
        let (generation, cursor, judged_ms, checkpoint) = sqlx::query_as(
            "UPDATE progress SET generation = generation + 1 RETURNING generation, cursor, judged_ms, checkpoint",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Progress { generation, cursor, judged_ms, checkpoint })
    }

    /// The detectors' state of the checkpoint; `Err` within `Ok`: this release cannot read the stored one.
    pub async fn restore(
        &self,
        progress: &Progress,
        limits: DetectorLimits,
    ) -> Result<Result<Detector, BadCheckpoint>, DatabaseError> {
        if progress.checkpoint == 0 {
            return Ok(Ok(Detector::new(limits)));
        }
        let mut restore = Restore::default();
        for part in 0i32.. {
            let bytes: Option<Vec<u8>> =
                sqlx::query_scalar("SELECT bytes FROM checkpoint_parts WHERE checkpoint = $1 AND part = $2")
                    .bind(progress.checkpoint)
                    .bind(part)
                    .fetch_optional(&self.pool)
                    .await?;
            let Some(bytes) = bytes else { break };
            if let Err(error) = restore.part(&bytes) {
                return Ok(Err(error));
            }
        }
        Ok(restore.finish(limits))
    }

    /// Starts from the first hand, with empty detectors.
    pub async fn forget_progress(&self, progress: &mut Progress) -> Result<(), DatabaseError> {
        let done = sqlx::query(
            "UPDATE progress SET cursor = 0, checkpoint = 0, judged_ms = 0 WHERE generation = $1",
        )
        .bind(progress.generation)
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 0 {
            return Err(DatabaseError::Replaced(progress.generation));
        }
        *progress = Progress { generation: progress.generation, ..Progress::default() };
        Ok(())
    }

    /// Stores state and cursor together: first the parts, then the one row that names them.
    pub async fn checkpoint(
        &self,
        detector: &Detector,
        progress: &mut Progress,
    ) -> Result<(), DatabaseError> {
        let number = progress.checkpoint + 1;
        // The statements are short: a long transaction would hold back what records can deliver. Each checks the
        // generation, so that a replaced program destroys nothing.
        sqlx::query(
            "DELETE FROM checkpoint_parts WHERE checkpoint <> $1
             AND EXISTS (SELECT 1 FROM progress WHERE generation = $2)",
        )
        .bind(progress.checkpoint)
        .bind(progress.generation)
        .execute(&self.pool)
        .await?;
        for (part, bytes) in (0i32..).zip(detector.parts()) {
            sqlx::query(
                "INSERT INTO checkpoint_parts (checkpoint, part, bytes) SELECT $1, $2, $3
                 WHERE EXISTS (SELECT 1 FROM progress WHERE generation = $4)",
            )
            .bind(number)
            .bind(part)
            .bind(bytes)
            .bind(progress.generation)
            .execute(&self.pool)
            .await?;
        }
        let done = sqlx::query(
            "UPDATE progress SET cursor = $2, judged_ms = $3, checkpoint = $4 WHERE generation = $1",
        )
        .bind(progress.generation)
        .bind(progress.cursor)
        .bind(progress.judged_ms)
        .bind(number)
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 0 {
            return Err(DatabaseError::Replaced(progress.generation));
        }
        progress.checkpoint = number;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_that_earlier_releases_cannot_use_declares_it() {
        assert_eq!(purr_schema::undeclared(&migrations()), Vec::<i64>::new());
    }
}
