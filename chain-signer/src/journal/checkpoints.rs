//! The end of the hash chain, and whether the chain continues the last signed checkpoint.

use super::{Journal, JournalError, bytes, db, undb};
use crate::checkpoint::Checkpoint;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// The newest checkpoint that the hash chain does not continue.
pub(super) async fn contradicted<'a>(
    conn: &mut PgConnection,
    checkpoints: &'a [Checkpoint],
) -> Result<Option<&'a Checkpoint>, JournalError> {
    let ids = checkpoints.iter().map(|one| db(one.rows, "rows")).collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT id, hash FROM journal WHERE id = ANY($1)").bind(ids).fetch_all(conn).await?;
    let hashes: BTreeMap<u64, Vec<u8>> =
        rows.into_iter().map(|(id, hash)| Ok((undb(id)?, hash))).collect::<Result<_, JournalError>>()?;
    let other = |one: &&Checkpoint| hashes.get(&one.rows).is_none_or(|hash| *hash != one.head);
    Ok(checkpoints.iter().rev().find(other))
}

impl Journal {
    /// Number and hash of the last row; `None` for an empty chain.
    pub async fn end(&self) -> Result<Option<(u64, [u8; 32])>, JournalError> {
        let row: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT id, hash FROM journal ORDER BY id DESC LIMIT 1")
                .fetch_optional(&self.pool)
                .await?;
        row.map(|(id, hash)| Ok((undb(id)?, bytes(&hash, "journal.hash")?))).transpose()
    }

    /// The newest of these checkpoints, oldest first, that the hash chain does not continue.
    pub async fn contradicts(&self, checkpoints: &[Checkpoint]) -> Result<Option<Checkpoint>, JournalError> {
        if checkpoints.is_empty() {
            return Ok(None);
        }
        let mut conn = self.pool.acquire().await?;
        Ok(contradicted(&mut conn, checkpoints).await?.cloned())
    }
}
