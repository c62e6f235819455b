//! What gateways get: everything that all at the table could see, and nothing else.

use purr_engine::{
    HandEnd, SeatResult,
    deal::{Commitment, Opening, Reveal},
    history::HandHistory,
};
use purr_protocol::record::HandRecord;
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
    pub results: Vec<SeatResult>,
}

/// One hand in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hand {
    pub table: String,
    pub epoch: u64,
    pub hash: String,
    pub ended_at_ms: i64,
    pub conflict: bool,
    /// Of every record of this hand, the first one first.
    pub hashes: Vec<String>,
    pub history: HandHistory,
    pub end: HandEnd,
    pub root: String,
    pub commitments: Vec<Commitment>,
    pub reveals: Vec<Reveal>,
    pub openings: Vec<(u8, Opening)>,
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

/// A hand's public part, and how it is stored.
pub struct Stored {
    pub hash: String,
    pub ended_at_ms: i64,
    pub hashes: Vec<String>,
    pub record: HandRecord,
}

impl From<Stored> for Hand {
    fn from(stored: Stored) -> Self {
        let Stored { hash, ended_at_ms, hashes, record } = stored;
        // Every field by name: a new one does not compile until somebody has decided who may see it.
        // What is sealed to an auditor stays here too: a stolen key must not open what everybody has.
        let HandRecord {
            version: _,
            table,
            epoch,
            history,
            end,
            root,
            commitments,
            reveals,
            openings,
            sealed: _,
            audit: _,
            fair_play: _,
            // How far away the others were is nobody's business.
            timings: _,
        } = record;
        let conflict = hashes.len() > 1;
        Self {
            table,
            epoch,
            hash,
            ended_at_ms,
            conflict,
            hashes,
            history,
            end,
            root,
            commitments,
            reveals,
            openings,
        }
    }
}
