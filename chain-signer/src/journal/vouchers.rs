//! Vouchers, and the end of promises whose time is over. What is decided is in [`purr_books::request`].

use super::{Journal, JournalError, Lease, chain, lease, load, rows::nonce_db, store};
use purr_books::{
    Change,
    request::{self, VoucherRequest},
};
use serde_json::json;
use std::collections::BTreeSet;

impl Journal {
    /// Sets the amount aside, once for each nonce; gives the signature if there is one already.
    ///
    /// # Errors
    /// [`request::RequestError::Insufficient`]; [`request::RequestError::NonceUsed`] by other values; [`request::RequestError::Differs`] where books
    /// and chain do not agree about the player.
    pub async fn voucher(&self, ask: &VoucherRequest) -> Result<Option<String>, JournalError> {
        self.check_purse(ask.player).await?;
        let player = BTreeSet::from([ask.player]);
        let mut tx = self.pool.begin().await?;
        let mut books = Default::default();
        load::tables_of(&mut tx, &mut books, ask.player).await?;
        load::promises(&mut tx, &mut books, &player, &[ask.nonce]).await?;
        load::holds(&mut tx, &mut books, &player).await?;
        load::balances(&mut tx, &mut books, load::purse(ask.player).into(), &[]).await?;
        let (signature, changes) = request::voucher(&books, ask)?;
        store::store(&mut tx, &changes, 0).await?;
        tx.commit().await?;
        Ok(signature)
    }

    /// Keeps a voucher's signature; the first one stays and is given back.
    pub async fn voucher_signed(
        &self,
        request: &VoucherRequest,
        signature: &str,
    ) -> Result<String, JournalError> {
        let (player, nonce) = (request.player, request.nonce);
        let mut tx = self.pool.begin().await?;
        let kept: String = sqlx::query_scalar(
            "UPDATE vouchers SET signature = COALESCE(signature, $3) WHERE player = $1 AND nonce = $2
             RETURNING signature",
        )
        .bind(player.0.as_slice())
        .bind(nonce_db(nonce))
        .bind(signature)
        .fetch_one(&mut *tx)
        .await?;
        chain::append(
            &mut tx,
            "voucherSigned",
            &json!({"player": player, "nonce": nonce, "signature": kept}),
        )
        .await?;
        tx.commit().await?;
        Ok(kept)
    }

    /// Frees amounts reserved for permits and vouchers that have expired at the final block. Returns how many there
    /// were.
    pub async fn expire(&self, lease: &Lease, final_time_s: u64) -> Result<u64, JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let mut books = Default::default();
        load::promises_until(&mut tx, &mut books, final_time_s).await?;
        let accounts = books.promises.keys().flat_map(|id| load::purse(id.player)).collect();
        load::balances(&mut tx, &mut books, accounts, &[]).await?;
        let changes = request::expire(&books, final_time_s)?;
        let count = changes.iter().filter(|change| matches!(change, Change::Promise { .. })).count() as u64;
        if count > 0 {
            store::store(&mut tx, &changes, 0).await?;
            chain::append(&mut tx, "expired", &json!({"time": final_time_s, "count": count})).await?;
        }
        tx.commit().await?;
        Ok(count)
    }
}
