//! The log of openings: who opened which hand's hidden cards, when and why.
//!
//! # Guarantees
//! A row is committed before its fair-play part is opened. Rows are numbered without gaps, each has the SHA-256 of its own
//! content and of the row before it, and the schema refuses to change or delete one. An auditor counts them, and compares
//! the last hash with one noted earlier.

use super::database::{Database, DatabaseError, db};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{Postgres, Transaction};

/// The opener's name for the program's own scoring.
pub const DETECTORS: &str = "detectors";
/// Advisory lock: any constant that no other lock uses.
const LOCK: i64 = 0x7075_7272_6f70_656e;
const PAGE_MAX: i64 = 500;

/// A hand that is about to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub table: String,
    pub hand: i64,
    /// SHA-256 of the record.
    pub record: [u8; 32],
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Logged {
    pub id: i64,
    pub opener: String,
    pub table: String,
    pub hand: i64,
    /// SHA-256 of the record, hex.
    pub record: String,
    pub reason: String,
    pub at_ms: i64,
    /// Hex.
    pub hash: String,
}

/// One page of the log with its size and its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Openings {
    pub openings: Vec<Logged>,
    pub next: Option<i64>,
    /// Rows of the whole log.
    pub count: i64,
    /// Hash of the last row, hex; 64 zeros of an empty log.
    pub head: String,
}

/// How far the chain was checked: a row and its hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub count: i64,
    hash: [u8; 32],
}

/// The hash of a row covers every field, each after its length, so that no two rows have the same bytes.
fn link(prev: &[u8; 32], id: i64, opener: &str, opening: &Opening, reason: &str, at_ms: i64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(prev);
    hash.update(id.to_be_bytes());
    for text in [opener, &opening.table, reason] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.update(opening.hand.to_be_bytes());
    hash.update(opening.record);
    hash.update(at_ms.to_be_bytes());
    hash.finalize().into()
}

type Row = (i64, String, String, i64, Vec<u8>, String, i64, Vec<u8>, Vec<u8>);

impl Database {
    /// Logs hands that `opener` is about to open. They may only be opened after this has returned.
    pub async fn log_openings(
        &self,
        opener: &str,
        reason: &str,
        openings: &[Opening],
        now_ms: u64,
    ) -> Result<(), DatabaseError> {
        if openings.is_empty() {
            return Ok(());
        }
        let mut tx = self.pool.begin().await?;
        let (mut id, mut prev) = last(&mut tx).await?;
        let at_ms = db(now_ms);
        let (mut ids, mut prevs, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
        for opening in openings {
            id += 1;
            prevs.push(prev.to_vec());
            prev = link(&prev, id, opener, opening, reason, at_ms);
            ids.push(id);
            hashes.push(prev.to_vec());
        }
        sqlx::query(
            "INSERT INTO openings (id, opener, table_uid, hand, record, reason, at_ms, prev, hash)
             SELECT id, $2, table_uid, hand, record, $3, $4, prev, hash
             FROM unnest($1::bigint[], $5::text[], $6::bigint[], $7::bytea[], $8::bytea[], $9::bytea[])
             AS row (id, table_uid, hand, record, prev, hash)",
        )
        .bind(&ids)
        .bind(opener)
        .bind(reason)
        .bind(at_ms)
        .bind(openings.iter().map(|opening| opening.table.as_str()).collect::<Vec<_>>())
        .bind(openings.iter().map(|opening| opening.hand).collect::<Vec<_>>())
        .bind(openings.iter().map(|opening| opening.record.as_slice()).collect::<Vec<_>>())
        .bind(&prevs)
        .bind(&hashes)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Rows after `after`; of people alone where `people`.
    pub async fn openings(&self, after: i64, limit: i64, people: bool) -> Result<Openings, DatabaseError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let sql = if people {
            "SELECT id, opener, table_uid, hand, record, reason, at_ms, prev, hash FROM openings
             WHERE id > $1 AND opener <> 'detectors' ORDER BY id LIMIT $2"
        } else {
            "SELECT id, opener, table_uid, hand, record, reason, at_ms, prev, hash FROM openings
             WHERE id > $1 ORDER BY id LIMIT $2"
        };
        let rows: Vec<Row> = sqlx::query_as(sql).bind(after).bind(limit).fetch_all(&self.pool).await?;
        let full = rows.len() as u64 == limit.unsigned_abs();
        let openings: Vec<Logged> = rows
            .into_iter()
            .map(|(id, opener, table, hand, record, reason, at_ms, _, hash)| Logged {
                id,
                opener,
                table,
                hand,
                record: hex::encode(record),
                reason,
                at_ms,
                hash: hex::encode(hash),
            })
            .collect();
        let head: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT id, hash FROM openings ORDER BY id DESC LIMIT 1")
                .fetch_optional(&self.pool)
                .await?;
        let next = openings.last().filter(|_| full).map(|last| last.id);
        // Numbered from 1 without gaps.
        let (count, head) = head.unwrap_or_else(|| (0, vec![0; 32]));
        Ok(Openings { openings, next, count, head: hex::encode(head) })
    }

    /// Openings by people for one case.
    pub async fn openings_of_case(&self, case: i64) -> Result<i64, DatabaseError> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM openings WHERE opener <> 'detectors' AND reason = $1")
            .bind(reason_of_case(case))
            .fetch_one(&self.pool)
            .await?)
    }

    /// Checks the whole chain; returns how many rows it has.
    ///
    /// # Errors
    /// [`DatabaseError::Chain`] names the first row that does not follow.
    pub async fn verify_openings(&self) -> Result<i64, DatabaseError> {
        let mut checked = Checked::default();
        loop {
            let next = self.verify_more(checked).await?;
            if next == checked {
                return Ok(checked.count);
            }
            checked = next;
        }
    }

    /// Checks that a row is unchanged.
    ///
    /// # Errors
    /// [`DatabaseError::Chain`]: it is not, or is gone.
    pub async fn still_there(&self, checked: Checked) -> Result<(), DatabaseError> {
        let kept: Option<Vec<u8>> = sqlx::query_scalar("SELECT hash FROM openings WHERE id = $1")
            .bind(checked.count)
            .fetch_optional(&self.pool)
            .await?;
        let same = checked.count == 0 || kept.as_deref() == Some(&checked.hash[..]);
        if same { Ok(()) } else { Err(DatabaseError::Chain(checked.count)) }
    }

    /// Checks that the last verified row is unchanged, and up to 5,000 rows after it.
    ///
    /// # Errors
    /// [`DatabaseError::Chain`] names the first row that does not follow, or is gone.
    pub async fn verify_more(&self, checked: Checked) -> Result<Checked, DatabaseError> {
        self.still_there(checked).await?;
        let Checked { mut count, hash: mut prev } = checked;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, opener, table_uid, hand, record, reason, at_ms, prev, hash FROM openings
             WHERE id > $1 ORDER BY id LIMIT 5000",
        )
        .bind(count)
        .fetch_all(&self.pool)
        .await?;
        for (id, opener, table, hand, record, reason, at_ms, before, hash) in rows {
            let broken = || DatabaseError::Chain(id);
            let opening = Opening { table, hand, record: record.try_into().map_err(|_| broken())? };
            let follows = link(&prev, id, &opener, &opening, &reason, at_ms);
            if id != count + 1 || before != prev || hash != follows {
                return Err(broken());
            }
            (prev, count) = (follows, id);
        }
        Ok(Checked { count, hash: prev })
    }
}

/// Why a reviewer opens a hand.
pub(crate) fn reason_of_case(case: i64) -> String {
    format!("case {case}")
}

/// The end of the log, held until the transaction ends.
async fn last(tx: &mut Transaction<'_, Postgres>) -> Result<(i64, [u8; 32]), DatabaseError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut **tx).await?;
    let row: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT id, hash FROM openings ORDER BY id DESC LIMIT 1")
            .fetch_optional(&mut **tx)
            .await?;
    let Some((id, hash)) = row else { return Ok((0, [0; 32])) };
    let hash = hash.try_into().map_err(|_| DatabaseError::Chain(id))?;
    Ok((id, hash))
}
