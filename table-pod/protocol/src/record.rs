//! What is kept of a hand for ever.

use purr_engine::{
    Card, HandEnd,
    deal::{Opening, Reveal},
    history::HandHistory,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The record of one hand. Its hash goes into the settlement and so onto the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandRecord {
    pub version: u8,
    pub table: String,
    pub epoch: u64,
    /// What everybody could see.
    pub history: HandHistory,
    pub end: HandEnd,
    /// The Merkle root of the deck, base64url-free: 64 hex digits.
    pub root: String,
    pub reveals: Vec<Reveal>,
    /// Of every card that everybody saw, with its place in the deal.
    pub openings: Vec<(u8, Opening)>,
    /// Every seat's hole cards and all 52 openings ([`Sealed`]), encrypted; base64.
    pub sealed: String,
}

/// What only the table and an auditor may read of a hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    pub holes: Vec<(u8, [Card; 2])>,
    pub openings: Vec<Opening>,
}

impl HandRecord {
    /// The bytes that are stored and hashed. Field order is the order of the struct.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// SHA-256 of [`Self::to_bytes`].
    pub fn hash(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }
}
