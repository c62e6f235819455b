//! Players whose deposit was final and is on the chain no more.
//!
//! That is a chain that went back further than anybody was promised. What was promised on it stands in the ledger; until
//! the deposit is back, or somebody has decided, its player is dealt no more hands and nothing of theirs is paid.

use super::{Journal, JournalError, Lease, chain, lease, tables};
use purr_engine::PlayerId;
use serde_json::json;
use sqlx::PgConnection;

/// How many of the last deposits are looked for on the chain.
const DEPOSITS_MAX: i64 = 64;

/// A deposit that the ledger has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    pub key: String,
    pub player: PlayerId,
    pub tx: [u8; 32],
}

fn read(key: String, account: &str) -> Result<Deposit, JournalError> {
    let bad = || JournalError::Corrupt(format!("deposit '{key}' of '{account}'"));
    let player = account.strip_prefix("free:").and_then(|text| text.parse().ok()).ok_or_else(bad)?;
    let tx = key.strip_prefix("log:0x").and_then(|rest| rest.split(':').next()).ok_or_else(bad)?;
    let tx = hex::decode(tx).ok().and_then(|tx| tx.try_into().ok()).ok_or_else(bad)?;
    Ok(Deposit { player, tx, key })
}

/// Refuses what would promise or pay something of a frozen player's.
pub(super) async fn check(conn: &mut PgConnection, player: PlayerId) -> Result<(), JournalError> {
    let frozen: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM frozen WHERE player = $1)")
        .bind(player.0.as_slice())
        .fetch_one(conn)
        .await?;
    if frozen { Err(JournalError::Frozen(player)) } else { Ok(()) }
}

impl Journal {
    /// Those that players are frozen for, and the newest ones where the chain was `replaced`.
    pub async fn deposits_to_look_for(&self, replaced: bool) -> Result<Vec<Deposit>, JournalError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT e.key, p.account FROM ledger_entries e JOIN postings p ON p.entry_id = e.id AND p.amount > 0
             WHERE e.id IN (SELECT id FROM ledger_entries WHERE kind = 'deposit' ORDER BY id DESC LIMIT $1)
             OR e.key IN (SELECT key FROM frozen) ORDER BY e.id",
        )
        .bind(if replaced { DEPOSITS_MAX } else { 0 })
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|(key, account)| read(key, &account)).collect()
    }

    /// Whether that is news. The player's tables are told.
    pub async fn freeze(&self, lease: &Lease, deposit: &Deposit) -> Result<bool, JournalError> {
        let sql = "INSERT INTO frozen (player, key) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        self.change("frozen", sql, lease, deposit).await
    }

    /// The deposit is on the chain again. Whether somebody was frozen for it.
    pub async fn thaw(&self, lease: &Lease, deposit: &Deposit) -> Result<bool, JournalError> {
        self.change("thawed", "DELETE FROM frozen WHERE player = $1 AND key = $2", lease, deposit).await
    }

    async fn change(
        &self,
        word: &'static str,
        sql: &'static str,
        lease: &Lease,
        deposit: &Deposit,
    ) -> Result<bool, JournalError> {
        let Deposit { player, key, tx: hash } = deposit;
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let changed = sqlx::query(sql).bind(player.0.as_slice()).bind(key).execute(&mut *tx).await?;
        let news = changed.rows_affected() > 0;
        if news {
            tables::notify_player(&mut tx, word, *player, hash).await?;
            chain::append(&mut tx, word, &json!({"player": player, "deposit": key})).await?;
        }
        tx.commit().await?;
        Ok(news)
    }

    /// How many players are frozen.
    pub async fn frozen(&self) -> Result<i64, JournalError> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM frozen").fetch_one(&self.pool).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deposit_is_read_from_what_the_ledger_calls_it() {
        let (key, account) = (format!("log:0x{}:7", "ab".repeat(32)), format!("free:0x{}", "01".repeat(20)));
        let deposit = read(key.clone(), &account).unwrap();
        assert_eq!((deposit.player, deposit.tx), (PlayerId([1; 20]), [0xab; 32]));
        assert!(read(key, "house").is_err());
        assert!(read("void:3".into(), &account).is_err());
    }
}
