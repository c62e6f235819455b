//! The record of a hand, which is kept for ever.

use crate::{
    HistoryRule,
    audit::{About, AuditBox},
    fairplay::FairPlayBox,
    timing::ActionTiming,
};
use purr_engine::{
    Card, HandEnd,
    deal::{Commitment, Opening, Reveal},
    history::HandHistory,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Newest version that this release reads and writes. Version 1 had no commitments, and hashes as lists of numbers;
/// version 2 had neither [`HandRecord::timings`] nor [`HandRecord::fair_play`].
pub const VERSION: u8 = 3;
/// Oldest version that a table can be configured to write, for a release that may be rolled back.
pub const VERSION_WRITTEN_MIN: u8 = 2;

/// The record of one hand. Its hash goes into the settlement and so onto the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandRecord {
    /// [`VERSION`]; 0 where records have left it out, with all that is sealed.
    #[serde(default)]
    pub version: u8,
    pub table: String,
    pub epoch: u64,
    /// The part that everybody could see.
    pub history: HandHistory,
    pub end: HandEnd,
    /// One for each `acted` event of the history, in its order. Empty before version 3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timings: Vec<ActionTiming>,
    /// The Merkle root of the deck: 64 hex digits.
    pub root: String,
    /// Commitments of players before the root was published. A player who is here and not among the
    /// reveals withheld theirs.
    #[serde(default)]
    pub commitments: Vec<Commitment>,
    pub reveals: Vec<Reveal>,
    /// Every card that everybody saw, with its place in the deal.
    pub openings: Vec<(u8, Opening)>,
    /// Every seat's hole cards and all 52 leaves ([`Sealed`]), encrypted with the data key; base64.
    #[serde(default)]
    pub sealed: String,
    /// All 52 leaves, encrypted to the auditor's key, where the table has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditBox>,
    /// All hole cards and the deck's order, encrypted to the fair-play key, where the table has one. None before
    /// version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fair_play: Option<FairPlayBox>,
    /// How the hand is shown to players who were not in it.
    #[serde(default, skip_serializing_if = "HistoryRule::is_default")]
    pub shown: HistoryRule,
    /// Place, time and currency of the hand; missing in records of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// The currency and place that a hand's numbers are about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The table's name.
    pub table_name: String,
    /// The name of the currency for people, for instance USDC.
    pub unit: String,
    /// Amounts are minor units, 10^-`decimals` of the currency.
    pub decimals: u8,
    /// When the cards were dealt, in milliseconds since 1970, by the clock of the table's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at_ms: Option<u64>,
}

/// The part of a hand that only the table may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    pub holes: Vec<(u8, [Card; 2])>,
    /// [`purr_engine::deal::Leaves::to_bytes`], base64: openings follow from them.
    pub leaves: String,
}

impl HandRecord {
    /// Returns the context that the auditor's part is bound to.
    pub fn about(&self) -> About<'_> {
        About { table: &self.table, hand: self.history.hand, epoch: self.epoch, root: &self.root }
    }

    /// The bytes that are stored and hashed. Field order is the order of the struct.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// SHA-256 of [`Self::to_bytes`].
    pub fn hash(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }
}
