//! Which tables have entries to send.

use super::{
    Journal, JournalError,
    rows::{TableRow, seat_of},
    undb,
};
use crate::{
    chain::batch::Waiting,
    derived::{self, NotDerived},
};
use purr_books::{
    asked::TableAsked,
    due::{self, choose},
};
use sqlx::Row;
use std::collections::BTreeMap;

/// Entries of one table looked at in one round.
const ENTRIES_MAX: i64 = 1_024;
/// Entries that are due looked at in one round, the longest due first.
const DUE_MAX: i64 = 4_096;

/// SQL for tables with waiting entries that nothing blocks; the candidate's own figures then decide. The states are
/// spelled out to match the partial indices.
pub const WAITING: &str = "
    WITH c AS MATERIALIZED (
        SELECT uid FROM (SELECT e.uid FROM entries e JOIN tables t USING (uid)
            WHERE e.state = 'requested' AND e.due <= now() AND e.uid <> ALL($1)
            AND NOT EXISTS (SELECT 1 FROM entries o WHERE o.uid = t.uid AND o.seq > t.confirmed_seq
                AND o.state IN ('checked', 'signed', 'broadcast', 'mined', 'rejected'))
            AND NOT EXISTS (SELECT 1 FROM differing d WHERE d.subject = 'table:' || t.uid)
            ORDER BY e.due LIMIT $2) AS due
        UNION
        SELECT t.uid FROM tables t
            WHERE t.head_seq - t.confirmed_seq >= t.max_hands AND t.uid <> ALL($1)
            AND NOT EXISTS (SELECT 1 FROM entries o WHERE o.uid = t.uid AND o.seq > t.confirmed_seq
                AND o.state IN ('checked', 'signed', 'broadcast', 'mined', 'rejected'))
            AND NOT EXISTS (SELECT 1 FROM differing d WHERE d.subject = 'table:' || t.uid))
    SELECT c.uid, w.age_ms, w.hands, w.seating, t.max_hands, t.max_delay_ms
    FROM c JOIN tables t USING (uid)
    CROSS JOIN LATERAL (
        SELECT GREATEST(0, extract(epoch FROM now() - min(e.accepted)) * 1000)::bigint AS age_ms,
            count(*) AS hands, bool_or(e.kind <> 'hand') AS seating
        FROM entries e WHERE e.uid = c.uid AND e.state = 'requested') AS w
    WHERE w.hands > 0";

/// A table with entries that wait for a transaction.
#[derive(Clone, Debug)]
pub struct PendingTable {
    pub table: TableRow,
    pub entries: Vec<Waiting>,
    /// Stacks by seat at final depth, from the ledger; for vacated seats, what the seats would hold.
    pub stacks: BTreeMap<u8, u64>,
    /// Milliseconds since the oldest of them was accepted.
    pub age_ms: u64,
    /// The table's row, with any column that does not follow from what the table asked for. If there is one, nothing of
    /// the table is sent.
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
        let without: Vec<&str> = without.keys().map(String::as_str).collect();
        let (due, next) = choose(self.waiting(&without).await?, most);
        // An entry that is not due yet is no candidate, so its time is queried separately.
        let next = if next == Some(0) { next } else { self.next_due().await? };
        let uids: Vec<&str> = due.iter().map(|waiting| waiting.uid.as_str()).collect();
        let mut tables = self.asked_tables_of(&uids).await?;
        let mut entries = self.asked_waiting_of(&uids, ENTRIES_MAX).await?;
        let mut stacks = self.stacks_of(&uids).await?;
        let (borne, none) = (self.borne_of(&uids).await?, BTreeMap::new());
        let mut out = Vec::with_capacity(due.len());
        for waiting in &due {
            let (Some((table, asked)), Some(rows)) =
                (tables.remove(&waiting.uid), entries.remove(&waiting.uid))
            else {
                continue;
            };
            let (entries, changed) = match derived::waiting(&rows, borne.get(&waiting.uid).unwrap_or(&none)) {
                Ok(entries) => (entries, None),
                Err(changed) => (Vec::new(), Some(changed)),
            };
            let stacks = stacks.remove(&waiting.uid).unwrap_or_default();
            out.push(PendingTable { table, entries, stacks, age_ms: waiting.age_ms, asked, changed });
        }
        Ok((out, next))
    }

    async fn waiting(&self, without: &[&str]) -> Result<Vec<due::Waiting>, JournalError> {
        let rows: Vec<(String, i64, i64, bool, i64, i64)> =
            sqlx::query_as(WAITING).bind(without).bind(DUE_MAX).fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|(uid, age_ms, hands, seating, max_hands, max_delay_ms)| {
                Ok(due::Waiting {
                    uid,
                    age_ms: undb(age_ms)?,
                    hands: undb(hands)?,
                    seating,
                    max_hands: undb(max_hands)?,
                    max_delay_ms: undb(max_delay_ms)?,
                })
            })
            .collect()
    }

    /// Milliseconds until the next waiting entry is due, including entries of tables that are held up.
    async fn next_due(&self) -> Result<Option<u64>, JournalError> {
        let next: Option<i64> = sqlx::query_scalar(
            "SELECT ceil(extract(epoch FROM min(due) - now()) * 1000)::bigint FROM entries
             WHERE state = 'requested' AND due > now()",
        )
        .fetch_one(&self.pool)
        .await?;
        next.map(undb).transpose()
    }

    /// Returns the shortfalls that seats bore, where any did.
    pub(super) async fn borne_of(
        &self,
        uids: &[&str],
    ) -> Result<BTreeMap<String, BTreeMap<u8, u64>>, JournalError> {
        let rows = sqlx::query("SELECT uid, seat, borne FROM seat_owners WHERE uid = ANY($1) AND borne > 0")
            .bind(uids)
            .fetch_all(&self.pool)
            .await?;
        let mut borne = BTreeMap::<String, BTreeMap<u8, u64>>::new();
        for row in &rows {
            let of_table = borne.entry(row.try_get("uid")?).or_default();
            of_table.insert(seat_of(row)?, undb(row.try_get("borne")?)?);
        }
        Ok(borne)
    }

    /// Stacks at final depth of every seat that is taken, also of one with no chips left.
    async fn stacks_of(&self, uids: &[&str]) -> Result<BTreeMap<String, BTreeMap<u8, u64>>, JournalError> {
        let rows = sqlx::query(
            "SELECT o.uid, o.seat, COALESCE(o.vacated, b.amount, 0) AS stack FROM seat_owners o
             LEFT JOIN balances b ON b.account = 'seat:' || o.uid || ':' || o.seat WHERE o.uid = ANY($1)",
        )
        .bind(uids)
        .fetch_all(&self.pool)
        .await?;
        let mut stacks = BTreeMap::<String, BTreeMap<u8, u64>>::new();
        for row in &rows {
            // The contract settles hands played before an exit against the stack that the seat had then.
            let of_table = stacks.entry(row.try_get("uid")?).or_default();
            of_table.insert(seat_of(row)?, undb(row.try_get("stack")?)?);
        }
        Ok(stacks)
    }
}
