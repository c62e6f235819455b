//! Applies the chain's logs at final depth: exactly once into the books. [`purr_books::take`] decides what they change.

use super::{
    Journal, JournalError, Lease, LogPosition, chain, compared,
    cursor::{self, VAULT},
    db, feed, lease, load, store,
};
use purr_books::{
    differing::touched,
    events::{VaultEvent, VaultLog},
    take::{Tally, take, tally},
};
use serde_json::json;
use sqlx::PgConnection;
use std::collections::BTreeSet;

impl Journal {
    /// Applies the final logs up to `position`, all or none.
    pub async fn apply(
        &self,
        lease: &Lease,
        logs: &[VaultLog],
        position: LogPosition,
    ) -> Result<Tally, JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let taken = take_all(&mut tx, logs, position.block).await?;
        cursor::move_to(&mut tx, VAULT, position).await?;
        tx.commit().await?;
        Ok(taken)
    }
}

impl Journal {
    /// Returns those of the logs that were never applied.
    pub async fn missing(&self, logs: Vec<VaultLog>) -> Result<Vec<VaultLog>, JournalError> {
        missing(&mut *self.pool.acquire().await?, logs).await
    }
}

impl Journal {
    /// Seconds from acceptance until now for each hand that these logs settle. Measured right after the logs are
    /// applied; a process that ends in between leaves them out of the metric.
    pub async fn settle_seconds(&self, logs: &[VaultLog]) -> Result<Vec<f64>, JournalError> {
        let (mut ids, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
        for log in logs {
            if let VaultEvent::HandsSettled { table, first, last, .. } = &log.event {
                ids.push(table.to_vec());
                firsts.push(db(*first, "seq")?);
                lasts.push(db(*last, "seq")?);
            }
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ages = sqlx::query_scalar(
            "SELECT greatest(extract(epoch FROM clock_timestamp() - e.accepted), 0)::float8
             FROM unnest($1::bytea[], $2::bigint[], $3::bigint[]) AS settled (id, first, last)
             JOIN tables t ON t.table_id = settled.id
             JOIN entries e ON e.uid = t.uid AND e.seq BETWEEN settled.first AND settled.last
             WHERE e.kind = 'hand' AND e.state = 'confirmed'",
        );
        Ok(ages.bind(ids).bind(firsts).bind(lasts).fetch_all(&self.pool).await?)
    }
}

/// Applies logs that were read up to a block, and appends them to the hash chain.
pub(super) async fn take_all(
    conn: &mut PgConnection,
    logs: &[VaultLog],
    through: u64,
) -> Result<Tally, JournalError> {
    if logs.is_empty() {
        return Ok(Tally::default());
    }
    let books = load::for_logs(conn, logs).await?;
    let changes = take(&books, logs);
    store::store(conn, &changes, through).await?;
    compared::touch(conn, &touched(&books, logs)).await?;
    let keys: Vec<_> = logs.iter().map(VaultLog::key).collect();
    let body = json!({"through": through, "keys": keys, "events": feed::noted(logs), "vault": logs});
    chain::append(conn, "logs", &body).await?;
    Ok(tally(&changes))
}

/// Returns those of the logs that were never applied.
pub(super) async fn missing(
    conn: &mut PgConnection,
    logs: Vec<VaultLog>,
) -> Result<Vec<VaultLog>, JournalError> {
    let keys: Vec<String> = logs.iter().map(VaultLog::key).collect();
    let taken: Vec<String> = sqlx::query_scalar("SELECT key FROM ledger_entries WHERE key = ANY($1)")
        .bind(keys)
        .fetch_all(conn)
        .await?;
    let taken: BTreeSet<String> = taken.into_iter().collect();
    Ok(logs.into_iter().filter(|log| !taken.contains(&log.key())).collect())
}
