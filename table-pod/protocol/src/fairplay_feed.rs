//! Ended hands as records gives them to the fair-play program, and nobody else.

use purr_engine::PlayerId;
use serde::{Deserialize, Serialize};

/// `GET /v1/fairplay/hands?after=CURSOR&limit=N` at records: hands in the order of their cursors, which never changes. A
/// hand that is not in the answer though a later one is will never be in one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandFeed {
    pub hands: Vec<FedHand>,
    /// The `after` of the next request: the last hand's cursor, or further where numbers in between belong to no hand.
    pub next: i64,
    /// Numbers that have been given out after `next`: at least as many as hands that are still to be read.
    #[serde(default)]
    pub behind: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FedHand {
    pub cursor: i64,
    pub table: String,
    pub hand: i64,
    /// SHA-256 of `record`, hex.
    pub hash: String,
    /// Milliseconds since 1970, by the clock of the store.
    pub ended_at_ms: i64,
    /// There is another record of this hand: it is unknown which of the two was played.
    #[serde(default)]
    pub conflict: bool,
    /// The stored bytes, which are JSON, with everything that is sealed; none where they are past their retention.
    #[serde(default)]
    pub record: Option<String>,
}

/// `GET /v1/fairplay/counts?from=MS&to=MS` at records: hands that ended from `from` on and before `to`, in milliseconds
/// since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandCounts {
    pub stored: u64,
    /// Ended without a result.
    pub void: u64,
    /// Hands with two records.
    pub conflict: u64,
    /// Numbers that tables have skipped, by the time at which the gap was noticed; those that no record has come for yet.
    pub lost: u64,
}

/// `GET /v1/fairplay/erased` at records: players who asked to be forgotten, with the time in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    pub players: Vec<(PlayerId, u64)>,
}
