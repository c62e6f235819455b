//! A player who asks to be forgotten.
//!
//! Everything that players can look up loses the address: results and events stand under a name that nobody can turn back
//! without the key, shown cards are no longer found by the player, and statistics go. The record of a hand keeps its bytes until its
//! retention ends, since the settlement on chain commits to them and the other players may prove their hand; who reads it
//! here sees the name. The signer's ledger is not touched: money has its own duty to be kept.

use crate::{
    database::{Database, DatabaseError},
    names,
};
use purr_engine::PlayerId;
use sqlx::PgConnection;
use std::collections::BTreeSet;

/// Purpose of the names that erased players get.
const NAMED_FOR: &str = "erased";

/// All erased players.
pub(crate) async fn erased(database: &mut PgConnection) -> Result<BTreeSet<PlayerId>, sqlx::Error> {
    let rows: Vec<Vec<u8>> = sqlx::query_scalar("SELECT player FROM erased").fetch_all(database).await?;
    Ok(rows.into_iter().filter_map(|player| player.try_into().ok()).map(PlayerId).collect())
}

/// The name of an erased player.
pub(crate) fn name(key: &[u8; 32], player: PlayerId) -> PlayerId {
    names::name(key, NAMED_FOR, player)
}

impl Database {
    /// Erases a player and returns in how many hands the player was. A second call erases what was recorded since the
    /// first.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer: nothing has changed then.
    pub async fn erase(&self, player: PlayerId) -> Result<u64, DatabaseError> {
        let name = name(&self.names_key().await?, player);
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO erased (player) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(player.0.as_slice())
            .execute(&mut *transaction)
            .await?;
        // Deleting from the first table makes its trigger write into the last one.
        for table in ["player_counters", "player_blocks", "player_blocks_summed"] {
            sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE player = $1")))
                .bind(player.0.as_slice())
                .execute(&mut *transaction)
                .await?;
        }
        // Exported hours with this player are written again.
        sqlx::query(
            "UPDATE table_hours SET changes = changes + 1 WHERE (table_uid, hour) IN (
                 SELECT h.table_uid, (h.ended_ms / 3600000)::integer
                 FROM hand_players p JOIN hands h ON h.id = p.hand_id WHERE p.player = $1)",
        )
        .bind(player.0.as_slice())
        .execute(&mut *transaction)
        .await?;
        let hands =
            sqlx::query("UPDATE hand_players SET player = $2, low = NULL, high = NULL WHERE player = $1")
                .bind(player.0.as_slice())
                .bind(name.0.as_slice())
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        for table in ["event_inbox", "events"] {
            let sql = format!(
                "UPDATE {table} SET data = replace(data::text, $1, $2)::jsonb WHERE data::text LIKE '%' || $1 || '%'"
            );
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(player.to_string())
                .bind(name.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(hands)
    }
}
