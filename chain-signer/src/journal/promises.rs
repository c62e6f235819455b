//! What was promised to permits and vouchers, and what the chain takes of it.

use super::{JournalError, accept::nonce_db, apply::Round, ledger, undb};
use purr_books::ledger::{Account, Posting};
use purr_engine::PlayerId;
use sqlx::Row;

impl Round<'_> {
    /// Takes what left a player's free balance on chain: out of Free first, then out of what is promised.
    /// What is final is never refused for want of Free; promises that nothing covers any more end.
    pub(super) async fn spend(
        &mut self,
        key: String,
        kind: &'static str,
        (player, amount): (PlayerId, u64),
        to: Account,
    ) -> Result<(), JournalError> {
        // Locked: no request may take of it between the look and the posting.
        sqlx::query("SELECT 1 FROM balances WHERE account IN ($1, $2) ORDER BY account FOR UPDATE")
            .bind(Account::Free(player).to_string())
            .bind(Account::Reserved(player).to_string())
            .execute(&mut *self.conn)
            .await?;
        let free = ledger::balance(self.conn, &Account::Free(player)).await?.min(amount);
        let postings = vec![
            Posting::out(Account::Free(player), free)?,
            Posting::out(Account::Reserved(player), amount - free)?,
            Posting::into(to, amount)?,
        ];
        self.post(key.clone(), kind, postings).await?;
        if free < amount { self.uncover(&key, player).await } else { Ok(()) }
    }

    /// Ends promises until the rest is covered; what they leave over is free. First those that no entry and
    /// no signature uses. Whatever the chain makes of the ended ones goes through [`Self::spend`].
    async fn uncover(&mut self, key: &str, player: PlayerId) -> Result<(), JournalError> {
        let reserved = ledger::balance(self.conn, &Account::Reserved(player)).await?;
        let rows = sqlx::query(
            "SELECT false AS voucher, nonce, amount, CASE state WHEN 'held' THEN 0 ELSE 2 END AS rank
             FROM reservations WHERE player = $1 AND state IN ('held', 'used')
             UNION ALL SELECT true, nonce, amount, 1 FROM vouchers WHERE player = $1 AND state = 'held'
             ORDER BY rank, amount, nonce",
        )
        .bind(player.0.as_slice())
        .fetch_all(&mut *self.conn)
        .await?;
        let mut promises = Vec::with_capacity(rows.len());
        for row in rows {
            let amount = undb(row.try_get("amount")?)?;
            promises.push((row.try_get::<bool, _>("voucher")?, row.try_get::<i64, _>("nonce")?, amount));
        }
        let mut promised: u64 = promises.iter().map(|(_, _, amount)| amount).sum();
        for (voucher, nonce, amount) in promises {
            if promised <= reserved {
                break;
            }
            let sql = match voucher {
                true => "UPDATE vouchers SET state = 'released' WHERE player = $1 AND nonce = $2",
                false => "UPDATE reservations SET state = 'released' WHERE player = $1 AND nonce = $2",
            };
            sqlx::query(sql).bind(player.0.as_slice()).bind(nonce).execute(&mut *self.conn).await?;
            promised -= amount;
            tracing::warn!(%player, voucher, amount, "a promise is no longer covered and ends");
        }
        let over = reserved.saturating_sub(promised);
        let postings =
            vec![Posting::out(Account::Reserved(player), over)?, Posting::into(Account::Free(player), over)?];
        self.post(format!("{key}:uncovered"), "release", postings).await?;
        Ok(())
    }

    /// A voucher's amount was set aside when it was signed, unless that promise has ended since.
    pub(super) async fn withdrawn(
        &mut self,
        key: String,
        player: PlayerId,
        amount: u64,
        nonce: u64,
    ) -> Result<(), JournalError> {
        let ours = sqlx::query(
            "UPDATE vouchers SET state = 'paid' WHERE player = $1 AND nonce = $2 AND state = 'held'",
        )
        .bind(player.0.as_slice())
        .bind(nonce_db(nonce))
        .execute(&mut *self.conn)
        .await?;
        if ours.rows_affected() == 0 {
            return self.spend(key, "withdraw", (player, amount), Account::Chain).await;
        }
        let postings =
            vec![Posting::out(Account::Reserved(player), amount)?, Posting::into(Account::Chain, amount)?];
        self.post(key, "withdraw", postings).await?;
        Ok(())
    }

    /// Moves a promise to a permit to its end; gives its amount if there was one.
    pub(super) async fn reservation(
        &mut self,
        player: PlayerId,
        nonce: u64,
        state: &'static str,
    ) -> Result<Option<u64>, JournalError> {
        let amount: Option<i64> = sqlx::query_scalar(
            "UPDATE reservations SET state = $3 WHERE player = $1 AND nonce = $2 AND state IN ('held', 'used')
             RETURNING amount",
        )
        .bind(player.0.as_slice())
        .bind(nonce_db(nonce))
        .bind(state)
        .fetch_optional(&mut *self.conn)
        .await?;
        amount.map(undb).transpose()
    }

    pub(super) async fn release(&mut self, player: PlayerId, nonce: u64) -> Result<(), JournalError> {
        if let Some(amount) = self.reservation(player, nonce, "released").await? {
            let postings = vec![
                Posting::out(Account::Reserved(player), amount)?,
                Posting::into(Account::Free(player), amount)?,
            ];
            self.post(format!("release:{player}-{nonce}"), "release", postings).await?;
        }
        Ok(())
    }

    /// A cancelled permit frees its money unless an entry that uses it is on its way; then the chain's
    /// answer to that entry does.
    pub(super) async fn cancelled(&mut self, player: PlayerId, nonce: u64) -> Result<(), JournalError> {
        let held: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM reservations WHERE player = $1 AND nonce = $2 AND state = 'held')",
        )
        .bind(player.0.as_slice())
        .bind(nonce_db(nonce))
        .fetch_one(&mut *self.conn)
        .await?;
        if held { self.release(player, nonce).await } else { Ok(()) }
    }
}
