//! Requests of the fair-play program to the signer, and answers from the signer's ledger.

use purr_engine::PlayerId;
use serde::{Deserialize, Serialize};

/// `POST /v1/voucher-holds` at the signer: holds a player's vouchers, or releases them. A hold reaches vouchers alone:
/// seats, hands and exits on chain go on, and the exit clock is the contract's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VoucherHold {
    pub player: PlayerId,
    /// Whether vouchers are held from now on.
    pub hold: bool,
    /// The author of the decision: a reviewer's case, or an administrator.
    pub by: String,
    /// 1 to 500 bytes; kept for ever.
    pub reason: String,
}

/// One act about a player's vouchers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VoucherHoldAct {
    pub hold: bool,
    pub by: String,
    pub reason: String,
    /// Seconds since 1970.
    pub at_s: u64,
}

/// `GET /v1/voucher-holds/{player}`, and the answer to a change: the newest 200 acts, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VoucherHoldTrail {
    pub player: PlayerId,
    /// Whether vouchers are held now.
    pub held: bool,
    pub acts: Vec<VoucherHoldAct>,
}

/// A payment out of the house's reserve that is final on chain: the vault's event `HousePaid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HousePayment {
    pub id: i64,
    pub to: PlayerId,
    /// Minor units.
    pub amount: u64,
    /// `0x` and 64 hex digits.
    pub tx: String,
}

/// `GET /v1/house-payments?after=ID` at the signer: at most 200, in the order in which the ledger took them in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HousePayments {
    pub payments: Vec<HousePayment>,
}

/// `GET /v1/action-number` at the signer: the vault's current `actionNumber()`. Every executed call of the admins
/// raises it, and the vault refuses a call with another number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionNumber {
    /// None: the admins' calls of this vault have no number.
    pub number: Option<u64>,
}
