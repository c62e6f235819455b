//! The database of hands: its pool, its schema and its errors.

use crate::{boards::Boards, day::Day};
use sqlx::{
    PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

/// Connections to PostgreSQL of one replica.
const CONNECTIONS_MAX: u32 = 8;
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Schema(#[from] purr_schema::SchemaError),
    #[error("the key of players' names is not 32 bytes")]
    NamesKey,
    #[error("hand {hand} of table {table} is stored and cannot be read: {detail}")]
    Corrupt { table: String, hand: i64, detail: String },
    #[error("the record of hand {hand} of table {table} is past its retention")]
    Expired { table: String, hand: i64 },
}

impl DatabaseError {
    /// The data are at fault, not the connection: classes 22 and 23 of SQLSTATE.
    pub(crate) fn is_of_data(&self) -> bool {
        let Self::Sql(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
    }
}

/// Handle on the database; clones share the pool.
#[derive(Clone, Debug)]
pub struct Database {
    pub(crate) pool: PgPool,
    /// Read once.
    names_key: Arc<OnceLock<[u8; 32]>>,
    /// Days that there are partitions for, as far as this process has looked.
    pub(crate) days: Arc<Mutex<BTreeSet<Day>>>,
    pub(crate) boards: Boards,
}

/// Migrations of this release.
pub fn migrations() -> Migrator {
    sqlx::migrate!("./migrations")
}

impl Database {
    /// Makes the pool without connecting. Objects live in schema `records`.
    pub fn new(options: PgConnectOptions) -> Self {
        let options = options
            // Compiling a plan takes longer than any of these queries.
            .options([("search_path", "records"), ("statement_timeout", "10s"), ("jit", "off")])
            .application_name("purr-records");
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(options);
        Self { pool, names_key: Arc::default(), days: Arc::default(), boards: Boards::default() }
    }

    /// Brings the schema to this program's version.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        purr_schema::migrate(&self.pool, "records", migrations()).await?;
        self.adopt_definitions().await
    }

    /// Returns the key of players' names for others.
    pub(crate) async fn names_key(&self) -> Result<[u8; 32], DatabaseError> {
        if let Some(key) = self.names_key.get() {
            return Ok(*key);
        }
        let key: Vec<u8> = sqlx::query_scalar("SELECT key FROM names_key").fetch_one(&self.pool).await?;
        let key = key.try_into().map_err(|_| DatabaseError::NamesKey)?;
        Ok(*self.names_key.get_or_init(|| key))
    }

    /// Hand numbers that tables have skipped.
    pub async fn missing(&self) -> Result<i64, DatabaseError> {
        let sum = "SELECT coalesce(sum(last_hand - first_hand + 1), 0)::bigint FROM gaps";
        Ok(sqlx::query_scalar(sum).fetch_one(&self.pool).await?)
    }
}
