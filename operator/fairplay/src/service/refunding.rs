//! Refunds of decided cases: computed from records' bodies by the replayable function, kept with their inputs, and paid by
//! the house on chain.

use super::{
    cases::StepError,
    database::{Database, DatabaseError, db},
};
use crate::{
    payout::{HouseCall, pay_house},
    refunds::{RefundError, RefundHand, Refunds, refunds},
    sanctions::in_force,
};
use purr_engine::{Chips, PlayerId};
use purr_fairplay_hands::HandKey;
use purr_protocol::{fairplay_feed::FedHand, record::HandRecord};
use serde::{Deserialize, Serialize};

/// Hands of one refund.
pub const HANDS_MAX: usize = 500;

#[derive(Debug, thiserror::Error)]
pub enum RefundingError {
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("case {0} has no sanction in force: nothing is refunded of it")]
    NotDecided(i64),
    #[error("{0} hands: want 1 to {HANDS_MAX}")]
    Hands(usize),
    #[error("hand {} of table {}: {why}", .key.hand, .key.table)]
    Record { key: HandKey, why: &'static str },
    #[error("hand {} of table {} was refunded before", .0.hand, .0.table)]
    Refunded(HandKey),
    #[error(transparent)]
    Refund(#[from] RefundError),
}

impl From<sqlx::Error> for RefundingError {
    fn from(error: sqlx::Error) -> Self {
        Self::Step(StepError::Database(error.into()))
    }
}

impl From<DatabaseError> for RefundingError {
    fn from(error: DatabaseError) -> Self {
        Self::Step(StepError::Database(error))
    }
}

/// The stored input of a refund: anybody who has it computes the same refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ordered {
    pub hands: Vec<RefundHand>,
    pub with_rake: bool,
    pub result: Refunds,
}

/// The vault's data that a payment of the house needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultNow {
    /// `0x` and 40 hex digits.
    pub address: String,
    /// Number of the administrators' next call; see [`crate::payout::HouseCall::number`].
    pub number: Option<u64>,
}

/// A refund with its payments on chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundView {
    pub id: i64,
    pub case: i64,
    pub ordered_by: String,
    pub at_ms: i64,
    pub refund: Ordered,
    pub payments: Vec<Payment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    pub player: PlayerId,
    /// Minor units.
    pub amount: Chips,
    /// The call that two admins send now; none once it is paid.
    pub call: Option<HouseCall>,
    /// The transaction that the ledger has it from; none until it is final.
    pub tx: Option<String>,
}

/// The parts of a stored record that count.
///
/// # Errors
/// [`RefundingError::Record`].
pub fn refund_hand(key: &HandKey, fed: &FedHand) -> Result<RefundHand, RefundingError> {
    let bad = |why| RefundingError::Record { key: key.clone(), why };
    if fed.conflict {
        return Err(bad("there are two records of it"));
    }
    let body = fed.record.as_ref().ok_or_else(|| bad("its record is past its retention"))?;
    let whole = fed.hash.bytes().eq(hex::encode(HandRecord::hash(body.as_bytes())).bytes());
    let record: HandRecord = serde_json::from_str(body).map_err(|_| bad("its record cannot be read"))?;
    let same = record.table == key.table && record.end.hand == key.hand;
    if !whole || !same {
        return Err(bad("its record is not the one that its hash is of"));
    }
    if record.end.void {
        return Err(bad("it is void: chips went back already"));
    }
    let deltas = record.end.results.iter().map(|result| (result.player, result.delta)).collect();
    Ok(RefundHand { key: key.clone(), deltas, rake: record.end.rake })
}

impl Database {
    /// Computes and keeps the refund of these hands of a decided case.
    pub async fn order_refund(
        &self,
        case_id: i64,
        by: &str,
        hands: Vec<RefundHand>,
        with_rake: bool,
        now_ms: u64,
    ) -> Result<i64, RefundingError> {
        if hands.is_empty() || hands.len() > HANDS_MAX {
            return Err(RefundingError::Hands(hands.len()));
        }
        let case = self.case(case_id).await?.ok_or(StepError::NoCase(case_id))?;
        in_force(case.state).ok_or(RefundingError::NotDecided(case_id))?;
        let result = refunds(&hands, &case.members, with_rake)?;
        let ordered = Ordered { hands, with_rake, result };
        let body = serde_json::to_string(&ordered).map_err(|error| DatabaseError::Corrupt {
            what: "refund of case",
            id: case_id,
            detail: error.to_string(),
        })?;
        let mut tx = self.pool.begin().await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO refunds (case_id, ordered_by, body, total, at_ms) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        )
        .bind(case_id)
        .bind(by)
        .bind(body)
        .bind(db(ordered.result.total))
        .bind(db(now_ms))
        .fetch_one(&mut *tx)
        .await?;
        for hand in &ordered.hands {
            let new = sqlx::query(
                "INSERT INTO refunded_hands (table_uid, hand, refund_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(&hand.key.table)
            .bind(db(hand.key.hand))
            .bind(id)
            .execute(&mut *tx)
            .await?;
            if new.rows_affected() == 0 {
                return Err(RefundingError::Refunded(hand.key.clone()));
            }
        }
        for (player, amount) in &ordered.result.refunds {
            sqlx::query("INSERT INTO refund_payments (refund_id, player, amount) VALUES ($1, $2, $3)")
                .bind(id)
                .bind(player.0.as_slice())
                .bind(db(*amount))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(id)
    }

    /// Refunds of a case, oldest first, with the calls that pay them now.
    pub async fn refunds_of(&self, case_id: i64, vault: &VaultNow) -> Result<Vec<RefundView>, DatabaseError> {
        let rows: Vec<(i64, String, i64, String)> = sqlx::query_as(
            "SELECT id, ordered_by, at_ms, body FROM refunds WHERE case_id = $1 ORDER BY id LIMIT 100",
        )
        .bind(case_id)
        .fetch_all(&self.pool)
        .await?;
        let mut views = Vec::with_capacity(rows.len());
        for (id, ordered_by, at_ms, body) in rows {
            let refund = serde_json::from_str(&body).map_err(|error| DatabaseError::Corrupt {
                what: "refund",
                id,
                detail: error.to_string(),
            })?;
            let payment = |(player, amount, tx): (PlayerId, Chips, Option<String>)| {
                let call = tx.is_none().then(|| pay_house(&vault.address, player, amount, vault.number));
                Payment { player, amount, call, tx }
            };
            let payments = self.payments(id).await?.into_iter().map(payment).collect();
            views.push(RefundView { id, case: case_id, ordered_by, at_ms, refund, payments });
        }
        Ok(views)
    }
}
