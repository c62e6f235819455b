//! Cursors: the blocks up to which logs were applied or read.

use super::{Journal, JournalError, bytes, db, undb};
use sqlx::{PgConnection, Row};

/// The block up to which logs were applied or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPosition {
    pub block: u64,
    pub block_hash: [u8; 32],
}

impl Journal {
    /// Returns the block up to which the vault's log has been applied.
    pub async fn position(&self) -> Result<Option<LogPosition>, JournalError> {
        position(&mut *self.pool.acquire().await?).await
    }
}

/// Name of the cursor of the vault's log.
pub(super) const VAULT: &str = "vault";

pub(super) async fn move_to(
    conn: &mut PgConnection,
    name: &str,
    to: LogPosition,
) -> Result<(), JournalError> {
    sqlx::query(
        "INSERT INTO cursors (name, block, block_hash) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET block = excluded.block, block_hash = excluded.block_hash",
    )
    .bind(name)
    .bind(db(to.block, "block")?)
    .bind(to.block_hash.as_slice())
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn position(conn: &mut PgConnection) -> Result<Option<LogPosition>, JournalError> {
    at(conn, VAULT).await
}

pub(super) async fn at(conn: &mut PgConnection, name: &str) -> Result<Option<LogPosition>, JournalError> {
    let row = sqlx::query("SELECT block, block_hash FROM cursors WHERE name = $1")
        .bind(name)
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
