//! Vouchers, and the end of promises whose time is over.

use super::{
    Journal, JournalError, Lease, accept::nonce_db, bytes, chain, db, denials, frozen, lease, ledger, undb,
};
use purr_books::ledger::{Account, Posting, Transfer};
use purr_engine::PlayerId;
use serde_json::json;
use sqlx::{PgConnection, Row};

/// A withdrawal whose player's signature was found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoucherRequest {
    pub player: PlayerId,
    pub amount: u64,
    pub nonce: u64,
    pub deadline_s: u64,
}

fn free(player: PlayerId, amount: u64, key: String, kind: &'static str) -> Result<Transfer, JournalError> {
    let out = Posting::out(Account::Reserved(player), amount)?;
    Ok(Transfer::new(key, kind, vec![out, Posting::into(Account::Free(player), amount)?])?)
}

impl Journal {
    /// Sets the amount aside, once for each nonce; gives the signature if there is one already.
    ///
    /// # Errors
    /// Insufficient balance, or [`JournalError::NonceUsed`] by other values.
    pub async fn voucher(&self, request: &VoucherRequest) -> Result<Option<String>, JournalError> {
        let VoucherRequest { player, amount, nonce, deadline_s } = *request;
        let mut tx = self.pool.begin().await?;
        denials::check(&mut tx, player).await?;
        frozen::check(&mut tx, player).await?;
        let made = sqlx::query(
            "INSERT INTO vouchers (player, nonce, amount, deadline) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(player.0.as_slice())
        .bind(nonce_db(nonce))
        .bind(db(amount, "amount")?)
        .bind(db(deadline_s, "deadline")?)
        .execute(&mut *tx)
        .await?;
        if made.rows_affected() == 0 {
            let row = sqlx::query(
                "SELECT signature FROM vouchers
                 WHERE player = $1 AND nonce = $2 AND amount = $3 AND deadline = $4 AND state = 'held'",
            )
            .bind(player.0.as_slice())
            .bind(nonce_db(nonce))
            .bind(db(amount, "amount")?)
            .bind(db(deadline_s, "deadline")?)
            .fetch_optional(&mut *tx)
            .await?;
            return Ok(row.ok_or(JournalError::NonceUsed(nonce))?.try_get("signature")?);
        }
        let postings = vec![
            Posting::out(Account::Free(player), amount)?,
            Posting::into(Account::Reserved(player), amount)?,
        ];
        ledger::post(&mut tx, &Transfer::new(format!("voucher:{player}-{nonce}"), "voucher", postings)?)
            .await?;
        let note = json!({"player": player, "amount": amount, "nonce": nonce, "deadline": deadline_s});
        chain::append(&mut tx, "voucher", &note).await?;
        tx.commit().await?;
        Ok(None)
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

    /// Frees what was promised to permits and vouchers that no block can take any more: the final block is
    /// past their time. Gives how many.
    pub async fn expire(&self, lease: &Lease, final_time_s: u64) -> Result<u64, JournalError> {
        let mut tx = self.pool.begin().await?;
        lease::check(&mut tx, lease).await?;
        let now = db(final_time_s, "time")?;
        let permits = expired(
            &mut tx,
            "UPDATE reservations SET state = 'released' WHERE state = 'held' AND expiry_s < $1
             RETURNING player, amount, nonce",
            now,
        )
        .await?;
        let vouchers = expired(
            &mut tx,
            "UPDATE vouchers SET state = 'released' WHERE state = 'held' AND deadline < $1
             RETURNING player, amount, nonce",
            now,
        )
        .await?;
        let count = permits.len() as u64 + vouchers.len() as u64;
        if count == 0 {
            return Ok(0);
        }
        for (player, amount, nonce) in permits {
            ledger::post(&mut tx, &free(player, amount, format!("release:{player}-{nonce}"), "release")?)
                .await?;
        }
        for (player, amount, nonce) in vouchers {
            let key = format!("unvoucher:{player}-{nonce}");
            ledger::post(&mut tx, &free(player, amount, key, "unvoucher")?).await?;
        }
        chain::append(&mut tx, "expired", &json!({"time": final_time_s, "count": count})).await?;
        tx.commit().await?;
        Ok(count)
    }
}

async fn expired(
    conn: &mut PgConnection,
    sql: &'static str,
    now: i64,
) -> Result<Vec<(PlayerId, u64, u64)>, JournalError> {
    let rows = sqlx::query(sql).bind(now).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let player = PlayerId(bytes(row.try_get("player")?, "player")?);
            let nonce = u64::from_be_bytes(row.try_get::<i64, _>("nonce")?.to_be_bytes());
            Ok((player, undb(row.try_get("amount")?)?, nonce))
        })
        .collect()
}
