//! The answers to gateways: everything that the whole table could see, and nothing else.

pub use purr_protocol::{
    hand::{Hand, Stored},
    hands::{Page, Summary},
};
use serde::{Deserialize, Serialize};

/// A range of hand numbers without records, both ends included.
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
