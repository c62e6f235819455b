//! What a table says about itself, for status and lobby. It may be lost.

use purr_engine::PlayerId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    pub uid: String,
    pub name: String,
    pub epoch: u64,
    pub seats: u8,
    pub players: u8,
    /// Players whose seat is being paid for.
    pub arriving: u8,
    /// The table takes nobody new; seated players play on.
    pub closed: bool,
    /// The number of the last hand that was started.
    pub hand: u64,
    pub hand_running: bool,
    pub small_blind: u64,
    pub big_blind: u64,
    pub buy_in_min: u64,
    pub buy_in_max: u64,
    /// Why the table deals no hands, where it does not.
    pub paused: Option<String>,
    /// The last entry of the table's sequence, and up to where the chain has confirmed it.
    pub sequence: u64,
    pub confirmed: u64,
    /// Deals that were given up after a player had revealed entropy.
    pub deals_void: u64,
    /// Counts up; a reader compares it with the last it saw, never with a clock.
    pub beat: u64,
    /// Seats that are taken, with those who sit there or are on the way to or from there. For the seating of a fleet:
    /// a lobby does not show it. A table of an older release leaves it out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub taken: Vec<Taken>,
}

/// A seat that nobody else can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Taken {
    pub seat: u8,
    pub player: PlayerId,
}
