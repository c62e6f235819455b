//! Fills the columns by which a player's own hands are found, in rows that a release before wrote without them.

use crate::database::{Database, DatabaseError};

impl Database {
    /// Fills the rows of up to `most` hands, newest first; returns how many hands. To be called until it returns 0. One replica
    /// works at a time; the others find nothing to do.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer: nothing has changed then.
    pub async fn fill_players(&self, most: i64) -> Result<u64, DatabaseError> {
        let mut transaction = self.pool.begin().await?;
        let below: Option<i64> = sqlx::query_scalar(
            "SELECT below FROM hand_players_filled WHERE below > 0 FOR UPDATE SKIP LOCKED",
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(below) = below else { return Ok(0) };
        let ids: Vec<i64> =
            sqlx::query_scalar("SELECT id FROM hands WHERE id < $1 ORDER BY id DESC LIMIT $2")
                .bind(below)
                .bind(most)
                .fetch_all(&mut *transaction)
                .await?;
        sqlx::query(
            "UPDATE hand_players p SET day = (h.ended_ms / 86400000)::integer, pot = h.pot
             FROM hands h WHERE h.id = ANY($1) AND p.hand_id = h.id AND p.day IS NULL",
        )
        .bind(&ids)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("UPDATE hand_players_filled SET below = $1")
            .bind(ids.last().copied().unwrap_or(0))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(ids.len() as u64)
    }
}
