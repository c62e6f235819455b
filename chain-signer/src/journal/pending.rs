//! Which tables have entries to send.

use super::{
    Journal, JournalError,
    rows::{TableRow, seat_of, words},
    undb,
};
use crate::{
    chain::batch::Waiting,
    derived::{self, NotDerived},
};
use purr_books::{
    asked::TableAsked,
    due::{self, choose},
    entry::State,
};
use purr_protocol::settlement::OpenTable;
use sqlx::Row;
use std::collections::BTreeMap;

/// Entries of one table looked at in one round.
const ENTRIES_MAX: i64 = 1_024;

/// A table with entries that wait for a transaction.
#[derive(Clone, Debug)]
pub struct PendingTable {
    pub table: TableRow,
    pub entries: Vec<Waiting>,
    /// Stacks by seat at final depth, out of the ledger; of vacated seats what they would hold.
    pub stacks: BTreeMap<u8, u64>,
    /// Milliseconds since the oldest of them was accepted.
    pub age_ms: u64,
    /// The row of the table, and what does not follow from what it asked for: then nothing of it is sent.
    pub asked: TableAsked,
    pub changed: Option<NotDerived>,
}

impl Journal {
    /// The tables whose waiting entries are due, oldest first, at most `most`; and in how many milliseconds the next one
    /// is. Tables of `without` are left out. None of a chosen table's entries is on its way: an item that fails must not take its successors with it.
    pub async fn pending<T>(
        &self,
        most: usize,
        without: &BTreeMap<String, T>,
    ) -> Result<(Vec<PendingTable>, Option<u64>), JournalError> {
        let mut waiting = self.waiting().await?;
        waiting.retain(|table| !without.contains_key(&table.uid));
        let (due, next) = choose(waiting, most);
        let mut out = Vec::with_capacity(due.len());
        for waiting in due {
            let table = self.table(&waiting.uid).await?;
            let asked = self.asked_waiting(&waiting.uid, ENTRIES_MAX).await?;
            if asked.is_empty() {
                continue;
            }
            let (entries, changed) = match derived::waiting(&asked) {
                Ok(entries) => (entries, None),
                Err(changed) => (Vec::new(), Some(changed)),
            };
            let asked = self.asked_table(&waiting.uid).await?;
            let stacks = self.stacks(&table).await?;
            let age_ms = waiting.age_ms;
            out.push(PendingTable { table, entries, stacks, age_ms, asked, changed });
        }
        Ok((out, next))
    }

    /// Every table with entries that may be sent now. What differs from the chain is sent nothing.
    async fn waiting(&self) -> Result<Vec<due::Waiting>, JournalError> {
        let rows = sqlx::query(
            "SELECT t.uid, t.config, w.age_ms, w.hands, w.seating FROM (
                 SELECT e.uid, GREATEST(0, extract(epoch FROM now() - min(e.accepted)) * 1000)::bigint AS age_ms,
                     count(*) AS hands, bool_or(e.kind <> 'hand') AS seating
                 FROM entries e WHERE e.state = $1 GROUP BY e.uid) AS w
             JOIN tables t USING (uid)
             WHERE NOT EXISTS (SELECT 1 FROM entries o WHERE o.uid = t.uid AND o.seq > t.confirmed_seq
                 AND (o.state = ANY($2) OR o.state = $3))
             AND NOT EXISTS (SELECT 1 FROM differing d WHERE d.subject = 'table:' || t.uid)",
        )
        .bind(State::Requested.as_str())
        .bind(words(&State::UNDER_WAY))
        .bind(State::Rejected.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let config: OpenTable = serde_json::from_str(row.try_get("config")?)?;
                Ok(due::Waiting {
                    uid: row.try_get("uid")?,
                    age_ms: undb(row.try_get("age_ms")?)?,
                    hands: undb(row.try_get("hands")?)?,
                    seating: row.try_get("seating")?,
                    max_hands: config.max_hands.into(),
                    max_delay_ms: config.max_delay_ms,
                })
            })
            .collect()
    }

    async fn stacks(&self, table: &TableRow) -> Result<BTreeMap<u8, u64>, JournalError> {
        // Of every seat that is taken, also of one with no chips left.
        let rows = sqlx::query(
            "SELECT o.seat, COALESCE(o.vacated, b.amount, 0) AS stack FROM seat_owners o
             LEFT JOIN balances b ON b.account = 'seat:' || o.uid || ':' || o.seat WHERE o.uid = $1",
        )
        .bind(&table.uid)
        .fetch_all(&self.pool)
        .await?;
        // The contract lets what was played before an exit settle against what the seat had then.
        rows.iter().map(|row| Ok((seat_of(row)?, undb(row.try_get("stack")?)?))).collect()
    }
}
