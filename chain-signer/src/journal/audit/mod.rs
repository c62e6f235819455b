//! `purr-chain-signer audit`: every row of the database against the hash chain, which is carried out again from its first
//! row ([`purr_books::replay`]).

mod compare;
mod steps;

pub(super) use compare::domain;

use super::{JournalError, chain, undb};
use crate::signed::Trust;
use purr_books::{asked::Changed, events::VaultLog, replay::Replay};
use serde::Serialize;
use sqlx::{PgConnection, Row};
use std::collections::BTreeMap;

/// Most changed rows that one audit names.
const CHANGED_MAX: usize = 50;

/// The result of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    pub rows: u64,
    /// Hash of the last row. Store it elsewhere, and a later audit can prove that no row was cut off.
    pub head: String,
    /// The first thing that does not fit: table, column and row, with the reason.
    pub broken: Option<String>,
    /// Rows that differ, at most fifty.
    pub changed: Vec<String>,
    /// Why the rows were not recomputed: the hash chain has rows of an earlier release that do not contain the vault's
    /// log.
    pub not_recomputed: Option<String>,
}

/// The vault's log as read from the chain, by key, at least up to the last block that the journal has applied.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    pub logs: BTreeMap<String, VaultLog>,
}

/// Rows that differ, in the order in which they were found.
#[derive(Default)]
struct Found(Vec<Changed>);

impl Found {
    fn unless(&mut self, fits: bool, changed: impl FnOnce() -> Changed) {
        if !fits && self.0.len() < CHANGED_MAX {
            self.0.push(changed());
        }
    }
}

/// Checks the hash chain, recomputes all other rows from it, and compares. With `on_chain`, the vault's log is taken
/// from the chain instead of from the journal.
///
/// # Errors
/// Where the database does not answer; what an audit finds is no error.
pub async fn audit(
    conn: &mut PgConnection,
    on_chain: Option<&Chain>,
    trust: &Trust,
) -> Result<Audit, JournalError> {
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *conn).await?;
    let audit = in_snapshot(conn, on_chain, trust).await;
    sqlx::query("ROLLBACK").execute(&mut *conn).await?;
    audit
}

async fn in_snapshot(
    conn: &mut PgConnection,
    on_chain: Option<&Chain>,
    trust: &Trust,
) -> Result<Audit, JournalError> {
    let links = chain::links(conn).await?;
    let mut audit = Audit {
        rows: links.rows,
        head: hex::encode(links.head),
        broken: links.broken,
        changed: Vec::new(),
        not_recomputed: None,
    };
    if audit.broken.is_some() {
        return Ok(audit);
    }
    let mut found = Found::default();
    let mut replay = Replay::default();
    compare::certificates(conn, &mut found).await?;
    match steps::all(conn, &mut replay, &mut found, on_chain, trust).await? {
        steps::End::All => compare::all(conn, &replay, &mut found, on_chain).await?,
        steps::End::Stopped => {}
        steps::End::OldRow(id) => {
            audit.not_recomputed = Some(format!(
                "row {id} of the hash chain is of a release before and names no events of the vault: --rpc-urls reads them \
                 from the chain"
            ));
        }
    }
    audit.changed = found.0.iter().map(ToString::to_string).collect();
    audit.broken = audit.changed.first().cloned();
    Ok(audit)
}

/// The last block that the hash chain names.
async fn through(conn: &mut PgConnection) -> Result<u64, JournalError> {
    let row = sqlx::query(
        "SELECT COALESCE(max((body::jsonb ->> 'through')::bigint), 0) AS block FROM journal WHERE kind = 'logs'",
    )
    .fetch_one(conn)
    .await?;
    undb(row.try_get("block")?)
}
