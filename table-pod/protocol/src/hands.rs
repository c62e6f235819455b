//! Lists of hands.

use crate::hand::Standing;
use purr_engine::SeatResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Newest first. `next` is the `before` of the page that follows, where one does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "HandList")]
pub struct Page {
    pub hands: Vec<Summary>,
    pub next: Option<i64>,
}

/// An entry of a list of hands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "HandSummary")]
pub struct Summary {
    pub table: String,
    pub hand: i64,
    /// SHA-256 of the whole record, hex: what the settlement on chain commits to.
    pub hash: String,
    /// Milliseconds since 1970.
    pub ended_at_ms: i64,
    pub void: bool,
    /// Minor units.
    pub rake: i64,
    /// There is another record of this hand.
    pub conflict: bool,
    /// The chain's decision about this record.
    #[serde(default)]
    pub standing: Standing,
    /// The chain-signer has the hand with this record, of the table's own certificate. Until then anybody with the tables'
    /// password of the store may have written the record.
    #[serde(default)]
    pub confirmed: bool,
    /// Players stand under names that differ from table to table, not with their addresses.
    #[serde(default)]
    pub pseudonymous: bool,
    #[schemars(with = "Vec<ResultSchema>")]
    pub results: Vec<SeatResult>,
    /// The asking player's own words for the hand; only in the search of own hands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// The win or loss of a seat; amounts in minor units.
#[derive(JsonSchema)]
#[schemars(rename = "HandResult")]
#[allow(dead_code, reason = "the engine's type has no schema")]
struct ResultSchema {
    seat: u8,
    /// Address, or a name that looks like one.
    player: String,
    delta: i64,
    stack: u64,
}
