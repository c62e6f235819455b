//! Reads the vault's log again from an earlier block: applies what is missing, and leaves the rest as it is.
//!
//! The order to read again is a row, so it survives a restart. Any replica or command can give it; the replica that
//! holds the sender's lease carries it out.

use super::{Journal, JournalError, Lease, LogPosition, apply, bytes, cursor, db, lease, undb};
use purr_books::{
    events::{VaultLog, skipped},
    take::Tally,
};
use std::collections::{BTreeMap, BTreeSet};

/// The last position at which ledger and chain agreed in all that was compared.
const AGREED: &str = "agreed";
/// Cursor of the position up to which the log was read again because of a difference.
const LOOKED: &str = "looked";

/// The result of reading one range again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reread {
    /// Logs that had never been applied before.
    pub missing: usize,
    pub tally: Tally,
}

impl Journal {
    /// Orders the log to be read again from a block on. An earlier order is extended so that the lower block counts.
    pub async fn order_reread(&self, from: u64) -> Result<(), JournalError> {
        // LEAST ignores NULL.
        sqlx::query("UPDATE reread SET next = LEAST(next, $1)")
            .bind(db(from, "block")?)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The block that is read again next; `None`: nothing is to be read again.
    pub async fn reread(&self) -> Result<Option<u64>, JournalError> {
        let next: Option<i64> = sqlx::query_scalar("SELECT next FROM reread").fetch_one(&self.pool).await?;
        next.map(undb).transpose()
    }

    /// Events that reading again has found so far.
    pub async fn reread_found(&self) -> Result<u64, JournalError> {
        undb(sqlx::query_scalar("SELECT found FROM reread").fetch_one(&self.pool).await?)
    }

    /// Applies missing logs of a range that was read again, and moves the order's position behind the range. `ends`:
    /// this was the last range.
    pub async fn reread_range(
        &self,
        lease: &Lease,
        logs: Vec<VaultLog>,
        (from, to): (u64, u64),
        ends: bool,
    ) -> Result<Reread, JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let logs = apply::missing(&mut tx, logs).await?;
        let tally = apply::take_all(&mut tx, &logs, to).await?;
        let next = if ends { None } else { Some(db(to, "block")? + 1) };
        // If the order was extended further back meanwhile, it stays.
        sqlx::query("UPDATE reread SET next = CASE WHEN next < $1 THEN next ELSE $2 END, found = found + $3")
            .bind(db(from, "block")?)
            .bind(next)
            .bind(i64::try_from(logs.len()).map_err(|_| JournalError::Range("logs"))?)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Reread { missing: logs.len(), tally })
    }

    /// All that was compared agreed at this position.
    pub async fn agreed(&self, position: LogPosition) -> Result<(), JournalError> {
        cursor::move_to(&mut *self.pool.acquire().await?, AGREED, position).await
    }

    /// Ledger and chain differ at this position: orders, once, that the log is read again from the last position at
    /// which both agreed. Returns that position.
    pub async fn look_again(&self, position: LogPosition, first: u64) -> Result<Option<u64>, JournalError> {
        let mut tx = self.pool.begin().await?;
        let agreed = cursor::at(&mut tx, AGREED).await?.map(|agreed| agreed.block);
        let looked = cursor::at(&mut tx, LOOKED).await?.map(|looked| looked.block);
        let from = agreed.max(looked).map_or(first, |block| block + 1);
        if from > position.block {
            return Ok(None);
        }
        cursor::move_to(&mut tx, LOOKED, position).await?;
        tx.commit().await?;
        self.order_reread(from).await?;
        Ok(Some(from))
    }

    /// The first block of a final transaction whose entries are not final: a node left one of its logs out.
    pub async fn first_silent(&self, until: u64) -> Result<Option<(u64, u64)>, JournalError> {
        let row: Option<(i64, i64)> = sqlx::query_as(
            "SELECT t.block_number, t.id FROM entries e JOIN transactions t ON t.id = e.tx_id
             WHERE e.state = 'mined' AND t.state = 'confirmed' AND t.block_number <= $1
             ORDER BY t.block_number LIMIT 1",
        )
        .bind(db(until, "block")?)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|(block, tx)| Ok((undb(block)?, undb(tx)?))).transpose()
    }

    /// Blocks of our own transactions whose events these logs skip.
    pub async fn skipped_blocks(&self, logs: &[VaultLog]) -> Result<BTreeSet<u64>, JournalError> {
        let ids: BTreeSet<[u8; 32]> = logs.iter().filter_map(|log| log.event.table()).collect();
        if ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let rows: Vec<(Vec<u8>, String, i64)> =
            sqlx::query_as("SELECT table_id, uid, confirmed_seq FROM tables WHERE table_id = ANY($1)")
                .bind(ids.iter().map(|id| id.to_vec()).collect::<Vec<_>>())
                .fetch_all(&self.pool)
                .await?;
        let (mut uids, mut confirmed) = (BTreeMap::new(), BTreeMap::new());
        for (id, uid, seq) in rows {
            let id: [u8; 32] = bytes(&id, "table_id")?;
            uids.insert(id, uid);
            confirmed.insert(id, undb(seq)?);
        }
        let mut blocks = BTreeSet::new();
        for (table, first, last) in skipped(&confirmed, logs) {
            let found: Vec<i64> = sqlx::query_scalar(
                "SELECT DISTINCT t.block_number FROM entries e JOIN transactions t ON t.id = e.tx_id
                 WHERE e.uid = $1 AND e.seq BETWEEN $2 AND $3 AND t.block_number IS NOT NULL",
            )
            .bind(uids.get(&table))
            .bind(db(first, "seq")?)
            .bind(db(last, "seq")?)
            .fetch_all(&self.pool)
            .await?;
            blocks.extend(found.into_iter().map(undb).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(blocks)
    }
}
