//! What gateways get: everything that all at the table could see, and nothing else.

use crate::standing::Standing;
use purr_engine::SeatResult;
pub use purr_protocol::hand::{Hand, Stored};
use serde::{Deserialize, Serialize};

/// Newest first. `next` is the `before` of the page that follows, where one does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    pub hands: Vec<Summary>,
    pub next: Option<i64>,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    /// What the chain made of it.
    #[serde(default)]
    pub standing: Standing,
    /// Players stand under names that differ from table to table, not with their addresses.
    #[serde(default)]
    pub pseudonymous: bool,
    pub results: Vec<SeatResult>,
    /// The asking player's own words for the hand; only in the search of own hands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Numbers of a table that no record has come for, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingHands {
    pub first: i64,
    pub last: i64,
}

/// Up to 200 of a table's gaps, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gaps {
    pub gaps: Vec<MissingHands>,
}
