//! Players whose deposit was final and is on the chain no more; see [`purr_books::freeze`].

use super::{Journal, JournalError, Lease, lease, load, store};
use purr_books::{
    Books,
    freeze::{Deposit, looked},
};
use std::collections::BTreeSet;

/// Newest deposits that are checked on the chain.
const DEPOSITS_MAX: i64 = 64;

impl Journal {
    /// Deposits that players are frozen for, and the newest ones if blocks of the chain were `replaced`.
    pub async fn deposits_to_look_for(&self, replaced: bool) -> Result<Vec<Deposit>, JournalError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT e.key, p.account FROM ledger_entries e
             JOIN postings p ON p.entry_id = e.id AND p.account LIKE 'free:%'
             WHERE e.id IN (SELECT id FROM ledger_entries WHERE kind = 'deposit' ORDER BY id DESC LIMIT $1)
             OR e.key IN (SELECT key FROM frozen) ORDER BY e.id",
        )
        .bind(if replaced { DEPOSITS_MAX } else { 0 })
        .fetch_all(&self.pool)
        .await?;
        let read = |(key, account): (String, String)| Deposit::read(key, &account);
        rows.into_iter()
            .map(|row| read(row).map_err(|error| JournalError::Corrupt(error.to_string())))
            .collect()
    }

    /// Stores the result of a look for a deposit's receipt and notifies the player's tables. Returns whether the result
    /// is new.
    pub async fn looked(
        &self,
        lease: &Lease,
        deposit: &Deposit,
        on_chain: bool,
    ) -> Result<bool, JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let mut books = Books::default();
        load::holds(&mut tx, &mut books, &BTreeSet::from([deposit.player])).await?;
        let changes = looked(&books, deposit, on_chain);
        store::store(&mut tx, &changes, 0).await?;
        tx.commit().await?;
        Ok(!changes.is_empty())
    }

    /// How many players are frozen.
    pub async fn frozen(&self) -> Result<i64, JournalError> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM frozen").fetch_one(&self.pool).await?)
    }
}
