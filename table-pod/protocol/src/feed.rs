//! The signer's feed for records: seats, money, and the fate of hands, in the order of its journal.

use purr_engine::PlayerId;
use serde::{Deserialize, Serialize};

/// `GET /v1/feed?after=N`: rows of the journal after that row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Feed {
    /// The last examined row; the next request's `after`.
    pub through: u64,
    pub items: Vec<FeedItem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedItem {
    /// Names the item for ever.
    pub id: String,
    /// Milliseconds since 1970, by the clock of the journal's database.
    pub at_ms: i64,
    pub what: Happened,
}

/// A hand by its number, and the SHA-256 of the record that its settlement commits to, hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettledHand {
    pub hand: u64,
    pub hash: String,
}

/// Amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Happened {
    /// The journal has accepted that a player sits.
    SeatTaken {
        table: String,
        seat: u8,
        player: PlayerId,
        amount: u64,
    },
    ToppedUp {
        table: String,
        seat: u8,
        player: PlayerId,
        amount: u64,
    },
    /// The journal has accepted that a player leaves.
    SeatLeft {
        table: String,
        seat: u8,
        player: PlayerId,
        stack: u64,
    },
    /// The chain has refused a seat that the journal had accepted.
    SeatRefused {
        table: String,
        player: PlayerId,
    },
    /// Final on chain, like all that follow.
    Deposit {
        player: PlayerId,
        amount: u64,
    },
    Withdrawal {
        player: PlayerId,
        amount: u64,
    },
    /// The journal has accepted these hands of the table's own certificate. Not final yet.
    Accepted {
        table: String,
        hands: Vec<SettledHand>,
    },
    Settled {
        table: String,
        hands: Vec<SettledHand>,
    },
    /// Settled before the journal recorded settlements in this form.
    AlreadySettled {
        table: String,
        hands: Vec<SettledHand>,
    },
    /// These hands will never settle.
    Void {
        table: String,
        hands: Vec<SettledHand>,
    },
    /// An event of a later release.
    #[serde(other)]
    Other,
}
