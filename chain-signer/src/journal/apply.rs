//! What the chain said, at final depth: exactly once into the books. What it changes is decided by [`purr_books::take`].

use super::{Journal, JournalError, Lease, bytes, chain, db, feed, lease, load, store, undb};
use purr_books::{
    events::VaultLog,
    take::{Tally, take, tally},
};
use serde_json::json;
use sqlx::{PgConnection, Row};

/// Up to which block the log has been taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPosition {
    pub block: u64,
    pub block_hash: [u8; 32],
}

impl Journal {
    pub async fn position(&self) -> Result<Option<LogPosition>, JournalError> {
        position(&mut *self.pool.acquire().await?).await
    }

    /// Takes in the final logs up to `position`, all or none.
    pub async fn apply(
        &self,
        lease: &Lease,
        logs: &[VaultLog],
        position: LogPosition,
    ) -> Result<Tally, JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let mut taken = Tally::default();
        if !logs.is_empty() {
            let books = load::for_logs(&mut tx, logs).await?;
            let changes = take(&books, logs);
            taken = tally(&changes);
            store::store(&mut tx, &changes, position.block).await?;
        }
        sqlx::query(
            "INSERT INTO cursors (name, block, block_hash) VALUES ('vault', $1, $2)
             ON CONFLICT (name) DO UPDATE SET block = excluded.block, block_hash = excluded.block_hash",
        )
        .bind(db(position.block, "block")?)
        .bind(position.block_hash.as_slice())
        .execute(&mut *tx)
        .await?;
        if !logs.is_empty() {
            let keys: Vec<_> = logs.iter().map(VaultLog::key).collect();
            let body =
                json!({"through": position.block, "keys": keys, "events": feed::noted(logs), "vault": logs});
            chain::append(&mut tx, "logs", &body).await?;
        }
        tx.commit().await?;
        Ok(taken)
    }
}

pub(super) async fn position(conn: &mut PgConnection) -> Result<Option<LogPosition>, JournalError> {
    let row = sqlx::query("SELECT block, block_hash FROM cursors WHERE name = 'vault'")
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        Ok(LogPosition {
            block: undb(row.try_get("block")?)?,
            block_hash: bytes(row.try_get("block_hash")?, "block_hash")?,
        })
    })
    .transpose()
}
