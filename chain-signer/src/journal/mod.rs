//! The signer's memory: what was accepted, checked, signed, sent and seen, before each effect.
//!
//! Guarantees: (table, sequence) is bound to one payload for ever; signed bytes are stored before they
//! are sent; every change appends to a hash chain; only the holder of the sender's lease moves
//! transactions, and its fencing number is compared inside each of those database transactions.

mod accept;
mod apply;
mod asked;
mod audit;
mod chain;
mod checkpoints;
mod denials;
mod differing;
mod feed;
mod frozen;
mod holds;
mod lease;
mod ledger;
mod load;
mod pending;
mod receipts;
mod rows;
mod store;
mod tables;
mod transactions;
mod views;
mod vouchers;

pub use accept::{HourLimit, ReserveRequest};
pub use apply::LogPosition;
pub use audit::{Audit, Chain, audit};
pub use denials::BadDenial;
pub use holds::BadHold;
pub use lease::{LEASE_TTL_S, Lease};
pub use pending::PendingTable;
pub use purr_books::request::VoucherRequest;
pub use receipts::{Receipt, ReceiptKey};
pub use rows::TableRow;
pub use transactions::{Attempt, Fees, NewTransaction, Purpose, Transaction};
pub use views::{Accounts, ExitBounds, Heads};

use crate::{chain::eip712::Domain, signed::Trust};
use purr_books::{
    differing::Differs, entry::IllegalTransition, ledger::LedgerError, policy::Refusal,
    promise::IllegalPromise, request::RequestError,
};
use purr_engine::PlayerId;
use sqlx::{PgPool, postgres::PgConnectOptions, postgres::PgPoolOptions};
use std::time::Duration;

/// Connections to PostgreSQL of one replica.
const CONNECTIONS_MAX: u32 = 16;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("no table {0}")]
    UnknownTable(String),
    #[error("epoch {given} is fenced off by {highest}")]
    Fenced { given: u64, highest: u64 },
    #[error("entry {seq} of table {uid} was accepted with another payload")]
    Conflict { uid: String, seq: u64 },
    #[error("next entry of table {uid} is {next}, not {given}")]
    Gap { uid: String, next: u64, given: u64 },
    #[error("table {0} was opened with other terms")]
    OtherTerms(String),
    #[error("table {0} is not open on chain yet")]
    NotOpen(String),
    #[error("permit nonce {0} was used before")]
    NonceUsed(u64),
    #[error(
        "a final deposit of {0} is on the chain no more: nothing of theirs is promised or paid until it is back"
    )]
    Frozen(PlayerId),
    #[error("{0} is denied: no seat and no voucher; an exit on the chain stays open")]
    Denied(PlayerId),
    #[error(transparent)]
    BadDenial(#[from] BadDenial),
    #[error("vouchers of {0} are held while a fair-play case is decided; an exit on the chain stays open")]
    Held(PlayerId),
    #[error(transparent)]
    BadHold(#[from] BadHold),
    #[error("no reservation for this permit; reserve first")]
    NoReservation,
    #[error("the free balance of {0} is too small")]
    Insufficient(PlayerId),
    #[error(transparent)]
    Differs(#[from] Differs),
    #[error(transparent)]
    Promise(#[from] IllegalPromise),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
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
    #[error("journal row: {0}")]
    Json(#[from] serde_json::Error),
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("PostgreSQL migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

/// Handle on the database; clones share the pool.
#[derive(Clone, Debug)]
pub struct Journal {
    pool: PgPool,
    trust: Trust,
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
        let there: bool =
            sqlx::query_scalar("SELECT to_regnamespace('signer') IS NOT NULL").fetch_one(&self.pool).await?;
        if !there {
            sqlx::query("CREATE SCHEMA IF NOT EXISTS signer").execute(&self.pool).await?;
        }
        sqlx::migrate!("./migrations").run(&self.pool).await?;
        Ok(())
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
    /// The free balance was too small.
    pub fn is_insufficient(&self) -> bool {
        matches!(self, Self::Insufficient(_) | Self::Ledger(LedgerError::Insufficient { .. }))
    }
}

impl From<RequestError> for JournalError {
    fn from(error: RequestError) -> Self {
        use RequestError as E;
        match error {
            E::UnknownTable(uid) => Self::UnknownTable(uid),
            E::Fenced { given, highest } => Self::Fenced { given, highest },
            E::Conflict { uid, seq } => Self::Conflict { uid, seq },
            E::Gap { uid, next, given } => Self::Gap { uid, next, given },
            E::NotOpen(uid) => Self::NotOpen(uid),
            E::NonceUsed(nonce) => Self::NonceUsed(nonce),
            E::Frozen(player) => Self::Frozen(player),
            E::Denied(player) => Self::Denied(player),
            E::Held(player) => Self::Held(player),
            E::NoReservation => Self::NoReservation,
            E::Insufficient(player) => Self::Insufficient(player),
            E::Differs(differs) => Self::Differs(differs),
            E::Refused(refusal) => Self::Refused(refusal),
            E::Ledger(error) => Self::Ledger(error),
            E::Illegal(error) => Self::Promise(error),
            E::Json(error) => Self::Corrupt(error),
        }
    }
}
