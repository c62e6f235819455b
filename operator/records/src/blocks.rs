//! Sums of a player's counters over blocks of days: figures over years add few rows.
//!
//! A trigger on the counters marks a block whose counters change as not summed, so the sums are never wrong: a block that is
//! not summed is read day by day.

use crate::{
    database::{Database, DatabaseError},
    day::Day,
};
use purr_facts::NAMES;
use sqlx::AssertSqlSafe;

/// The block of a day, as the schema has it.
fn block_of(day: Day) -> i32 {
    day >> 5
}

/// SQL for a player's ($1) counters from day $2 to day $3: sums of whole blocks where they exist, single days
/// otherwise. The columns are those of player_counters without the day.
pub(crate) fn rows() -> String {
    let columns = |of: &str| {
        let names = ["small_blind", "big_blind", "dealt_in", "position"].iter().chain(&NAMES);
        names.map(|name| format!("{of}.{name}")).collect::<Vec<_>>().join(", ")
    };
    format!(
        "(WITH one AS MATERIALIZED (
              SELECT block, greatest($2, block << 5) AS first, least($3, (block << 5) + 31) AS last,
                  summed AND block << 5 >= $2 AND (block << 5) + 31 <= $3 AS whole
              FROM player_blocks_summed WHERE player = $1 AND block BETWEEN $2 >> 5 AND $3 >> 5)
          SELECT {} FROM one JOIN player_blocks b ON b.player = $1 AND b.block = one.block WHERE one.whole
          UNION ALL
          SELECT {} FROM one JOIN player_counters c ON c.player = $1 AND c.day BETWEEN one.first AND one.last
          WHERE NOT one.whole)",
        columns("b"),
        columns("c"),
    )
}

impl Database {
    /// Sums up to `most` blocks of players that ended before today; returns how many. To be called until it returns 0.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer: nothing has changed then.
    pub async fn sum_blocks(&self, today: Day, most: i64) -> Result<u64, DatabaseError> {
        let mut transaction = self.pool.begin().await?;
        // A writer of one of these blocks locks its row; the following statements see what it has committed.
        let due: Vec<(Vec<u8>, i32)> = sqlx::query_as(
            "SELECT player, block FROM player_blocks_summed WHERE NOT summed AND block < $1
             ORDER BY block DESC LIMIT $2 FOR UPDATE SKIP LOCKED",
        )
        .bind(block_of(today))
        .bind(most)
        .fetch_all(&mut *transaction)
        .await?;
        if due.is_empty() {
            return Ok(0);
        }
        let (players, blocks): (Vec<&[u8]>, Vec<i32>) =
            due.iter().map(|(player, block)| (player.as_slice(), *block)).unzip();
        let key = "small_blind, big_blind, dealt_in, position";
        let sums: Vec<String> = NAMES.iter().map(|name| format!("sum(c.{name})")).collect();
        let (names, sums) = (NAMES.join(", "), sums.join(", "));
        let due = "unnest($1::bytea[], $2::integer[]) AS due(player, block)";
        for sql in [
            format!("DELETE FROM player_blocks b USING {due} WHERE b.player = due.player AND b.block = due.block"),
            format!(
                "INSERT INTO player_blocks (player, block, {key}, {names}) SELECT due.player, due.block, {key}, {sums}
                 FROM {due} JOIN player_counters c ON c.player = due.player
                 AND c.day BETWEEN due.block << 5 AND (due.block << 5) + 31
                 GROUP BY due.player, due.block, {key}"
            ),
            format!(
                "UPDATE player_blocks_summed s SET summed = true FROM {due}
                 WHERE s.player = due.player AND s.block = due.block"
            ),
            // No counters are left: the row is deleted, because the player may have been erased.
            format!(
                "DELETE FROM player_blocks_summed s USING {due} WHERE s.player = due.player AND s.block = due.block
                 AND NOT EXISTS (SELECT 1 FROM player_blocks b WHERE b.player = s.player AND b.block = s.block)"
            ),
        ] {
            sqlx::query(AssertSqlSafe(sql)).bind(&players).bind(&blocks).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(blocks.len() as u64)
    }
}
