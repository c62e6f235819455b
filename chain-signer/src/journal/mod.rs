//! The signer's memory: what was accepted, checked, signed, sent and seen, before each effect.
//!
//! Guarantees: (table, sequence) is bound to one payload for ever; signed bytes are stored before they
//! are sent; every change appends to a hash chain; only the holder of the sender's lease moves
//! transactions, and its fencing number is compared inside each of those database transactions.

mod accept;
mod accepted;
mod apply;
mod asked;
mod audit;
mod chain;
mod checkpoints;
mod compared;
mod cursor;
mod denials;
mod differing;
mod feed;
mod frozen;
mod holds;
mod lease;
mod ledger;
mod limits;
mod load;
mod nonces;
mod pending;
mod receipts;
mod reread;
mod rows;
mod seated;
mod store;
mod tables;
mod transactions;
mod views;
mod vouchers;

pub use accept::{Ask, HourLimit, ReserveRequest};
pub use asked::Asked;
pub use audit::{Audit, Chain, audit};
pub use compared::Snapshot;
pub use cursor::LogPosition;
pub use denials::BadDenial;
pub use holds::BadHold;
pub use lease::{LEASE_TTL_S, Lease};
pub use nonces::NonceEvidence;
pub use pending::{PendingTable, WAITING};
pub use purr_books::request::VoucherRequest;
pub use receipts::{Receipt, ReceiptKey};
pub use reread::Reread;
pub use rows::TableRow;
pub use transactions::{Attempt, Fees, NewTransaction, Purpose, Transaction};
pub use views::{ExitBounds, Heads};

use crate::{chain::eip712::Domain, signed::Trust};
use purr_books::{
    differing::Differs, entry::IllegalTransition, ledger::LedgerError, policy::Refusal,
    promise::IllegalPromise, request::RequestError, whole::Behind,
};
use sqlx::{PgPool, migrate::Migrator, postgres::PgConnectOptions, postgres::PgPoolOptions};
use std::time::Duration;

/// Connections to PostgreSQL of one replica.
const CONNECTIONS_MAX: u32 = 16;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The refusals of the books.
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("table {0} was opened with other terms")]
    OtherTerms(String),
    #[error(transparent)]
    BadDenial(#[from] BadDenial),
    #[error(transparent)]
    BadHold(#[from] BadHold),
    #[error(transparent)]
    BadLimit(#[from] purr_books::limits::BadLimit),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    #[error(transparent)]
    Behind(#[from] Behind),
    #[error("this replica no longer holds the sender's lease")]
    LeaseLost,
    #[error("this journal is about vault {vault} on chain {chain_id}; another vault needs another database")]
    OtherVault { chain_id: u64, vault: String },
    #[error("account '{0}' has a negative balance")]
    Negative(String),
    #[error("{0} does not fit the database")]
    Range(&'static str),
    #[error("journal: {0}")]
    Corrupt(String),
    #[error("too many entries of table {0}, or of all tables, wait to be stored: hand them in again")]
    Full(String),
    #[error("entries of several tables were not stored together: {0}")]
    Batch(String),
    #[error("journal row: {0}")]
    Json(#[from] serde_json::Error),
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Schema(#[from] purr_schema::SchemaError),
}

/// Handle on the database; clones share the pool.
#[derive(Clone, Debug)]
pub struct Journal {
    pool: PgPool,
    trust: Trust,
}

/// Those of this release.
pub fn migrations() -> Migrator {
    sqlx::migrate!("./migrations")
}

impl Journal {
    /// Makes the pool without connecting. Objects live in schema `signer`.
    pub fn new(options: PgConnectOptions) -> Self {
        let options = options.options([("search_path", "signer")]).application_name("purr-chain-signer");
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(options);
        Self { pool, trust: Trust::default() }
    }

    /// The same journal, where entries are believed only with their tables' signatures.
    #[must_use]
    pub fn with_trust(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Brings the schema to this program's version.
    pub async fn migrate(&self) -> Result<(), JournalError> {
        Ok(purr_schema::migrate(&self.pool, "signer", migrations()).await?)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), JournalError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// See [`audit`].
    pub async fn audit(&self) -> Result<Audit, JournalError> {
        self.audit_with(None).await
    }

    /// See [`audit`].
    pub async fn audit_with(&self, on_chain: Option<&Chain>) -> Result<Audit, JournalError> {
        audit(&mut *self.pool.acquire().await?, on_chain, &self.trust).await
    }

    /// Chain id and vault that the journal is about.
    pub async fn domain(&self) -> Result<Option<Domain>, JournalError> {
        audit::domain(&mut *self.pool.acquire().await?).await
    }
}

pub(crate) fn db(value: u64, what: &'static str) -> Result<i64, JournalError> {
    i64::try_from(value).map_err(|_| JournalError::Range(what))
}

pub(crate) fn undb(value: i64) -> Result<u64, JournalError> {
    u64::try_from(value).map_err(|_| JournalError::Corrupt(format!("negative amount {value}")))
}

pub(crate) fn bytes<const N: usize>(value: &[u8], what: &'static str) -> Result<[u8; N], JournalError> {
    value.try_into().map_err(|_| JournalError::Corrupt(format!("{what} has {} bytes", value.len())))
}

impl JournalError {
    /// Two database transactions were in each other's way; the same again is likely to pass.
    pub fn is_deadlock(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        let code = error.as_database_error().and_then(|error| error.code());
        matches!(code.as_deref(), Some("40P01" | "40001"))
    }
}

impl JournalError {
    /// The database answered, and did not carry out a statement: others by themselves may pass.
    pub fn is_of_a_statement(&self) -> bool {
        match self {
            Self::Sql(error) => error.as_database_error().is_some(),
            _ => true,
        }
    }
}

impl JournalError {
    /// The free balance was too small.
    pub fn is_insufficient(&self) -> bool {
        use RequestError as E;
        match self {
            Self::Request(E::Insufficient(_)) => true,
            Self::Ledger(error) | Self::Request(E::Ledger(error)) => {
                matches!(error, LedgerError::Insufficient { .. })
            }
            _ => false,
        }
    }
}

impl From<Refusal> for JournalError {
    fn from(refusal: Refusal) -> Self {
        RequestError::from(refusal).into()
    }
}

impl From<IllegalPromise> for JournalError {
    fn from(error: IllegalPromise) -> Self {
        RequestError::from(error).into()
    }
}

impl From<Differs> for JournalError {
    fn from(error: Differs) -> Self {
        RequestError::from(error).into()
    }
}
