//! Vouchers that the fair-play program holds, and the house's payments that it follows.
//!
//! **Guarantees.** Acts are appended, never changed, and each is in the hash chain. A hold is looked at where a voucher is
//! made and nowhere else: exits, seats and hands do not know of it.

use super::{Journal, JournalError, bytes, chain, db, undb};
use purr_engine::PlayerId;
use purr_protocol::hold::{HousePayment, HousePayments, VoucherHold, VoucherHoldAct, VoucherHoldTrail};
use serde_json::json;
use sqlx::{PgConnection, Row, postgres::PgRow};

/// Longest texts, in bytes: as in the deny list.
const ACTOR_MAX: usize = 100;
const REASON_MAX: usize = 500;
/// Acts or payments in one answer.
const PAGE_MAX: i64 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHold {
    #[error("by: want 1 to {ACTOR_MAX} bytes")]
    Actor,
    #[error("reason: want 1 to {REASON_MAX} bytes")]
    Reason,
}

fn texts(by: &str, reason: &str) -> Result<(), BadHold> {
    let fits = |text: &str, max| !text.trim().is_empty() && text.len() <= max && !text.contains('\0');
    match (fits(by, ACTOR_MAX), fits(reason, REASON_MAX)) {
        (false, _) => Err(BadHold::Actor),
        (_, false) => Err(BadHold::Reason),
        _ => Ok(()),
    }
}

pub(super) async fn is_held(conn: &mut PgConnection, player: PlayerId) -> Result<bool, JournalError> {
    let held = sqlx::query_scalar(
        "SELECT COALESCE((SELECT hold FROM voucher_hold_acts WHERE player = $1 ORDER BY id DESC LIMIT 1), false)",
    )
    .bind(player.0.as_slice())
    .fetch_one(conn)
    .await?;
    Ok(held)
}

/// Stores who received a payment of the house, beside the ledger entry of the same event.
pub(super) async fn house_paid(
    conn: &mut PgConnection,
    key: &str,
    (to, amount): (PlayerId, u64),
    tx: &[u8; 32],
) -> Result<(), JournalError> {
    sqlx::query(
        "INSERT INTO house_payments (key, player, amount, tx) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING",
    )
    .bind(key)
    .bind(to.0.as_slice())
    .bind(db(amount, "amount")?)
    .bind(tx.as_slice())
    .execute(conn)
    .await?;
    Ok(())
}

impl Journal {
    /// Holds a player's vouchers, or releases them. If the state is already as requested, nothing is recorded.
    ///
    /// # Errors
    /// [`BadHold`] names what cannot be taken.
    pub async fn hold_vouchers(&self, hold: &VoucherHold) -> Result<VoucherHoldTrail, JournalError> {
        let VoucherHold { player, hold, by, reason } = hold;
        texts(by, reason)?;
        let mut tx = self.pool.begin().await?;
        // Acts about one player run one after the other.
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 50))")
            .bind(player.0.as_slice())
            .execute(&mut *tx)
            .await?;
        if is_held(&mut tx, *player).await? != *hold {
            sqlx::query(
                "INSERT INTO voucher_hold_acts (player, hold, actor, reason) VALUES ($1, $2, $3, $4)",
            )
            .bind(player.0.as_slice())
            .bind(hold)
            .bind(by)
            .bind(reason)
            .execute(&mut *tx)
            .await?;
            let kind = if *hold { "vouchersHeld" } else { "vouchersReleased" };
            chain::append(&mut tx, kind, &json!({"player": player, "by": by, "reason": reason})).await?;
        }
        tx.commit().await?;
        self.voucher_hold_trail(*player).await
    }

    /// Returns the decisions about a player's vouchers, newest first.
    pub async fn voucher_hold_trail(&self, player: PlayerId) -> Result<VoucherHoldTrail, JournalError> {
        let rows = sqlx::query(
            "SELECT hold, actor, reason, at_s FROM voucher_hold_acts WHERE player = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(player.0.as_slice())
        .bind(PAGE_MAX)
        .fetch_all(&self.pool)
        .await?;
        let act = |row: &PgRow| {
            Ok::<_, JournalError>(VoucherHoldAct {
                hold: row.try_get("hold")?,
                by: row.try_get("actor")?,
                reason: row.try_get("reason")?,
                at_s: undb(row.try_get("at_s")?)?,
            })
        };
        let acts: Vec<VoucherHoldAct> = rows.iter().map(act).collect::<Result<_, _>>()?;
        let held = acts.first().is_some_and(|act| act.hold);
        Ok(VoucherHoldTrail { player, held, acts })
    }

    /// Payments of the house with numbers after this one.
    pub async fn house_payments(&self, after: i64) -> Result<HousePayments, JournalError> {
        let rows = sqlx::query(
            "SELECT id, player, amount, tx FROM house_payments WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(PAGE_MAX)
        .fetch_all(&self.pool)
        .await?;
        let payment = |row: &PgRow| {
            Ok::<_, JournalError>(HousePayment {
                id: row.try_get("id")?,
                to: PlayerId(bytes(row.try_get("player")?, "player")?),
                amount: undb(row.try_get("amount")?)?,
                tx: format!("0x{}", hex::encode(row.try_get::<Vec<u8>, _>("tx")?)),
            })
        };
        Ok(HousePayments { payments: rows.iter().map(payment).collect::<Result<_, _>>()? })
    }
}
