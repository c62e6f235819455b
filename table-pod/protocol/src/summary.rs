//! A table's summary of itself, for status and lobby. It may be lost.

use crate::Epoch;
use purr_engine::PlayerId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    pub uid: String,
    pub name: String,
    #[schemars(with = "u64")]
    pub epoch: Epoch,
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
    /// The same for programs. A table of an older release leaves it out: see [`Summary::holding`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub held_by: Option<Holding>,
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

/// The reason why a table deals no hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Holding {
    /// Staff have paused the table.
    Staff,
    /// The table closes for good.
    Closing,
    /// The table moves to another server.
    Moving,
    /// `spec.paused` is set.
    Owner,
    /// The signer has not accepted too many entries.
    Outbox,
    /// The chain has not settled the last hands for too long.
    ChainLate,
    /// Too many hands wait for the chain.
    ChainBehind,
    /// A reason of a newer release.
    #[serde(other)]
    Other,
}

impl Holding {
    /// The reason as players and status read it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Staff => "paused by staff",
            Self::Closing => "the table is closing",
            Self::Moving => "the table moves to another server",
            Self::Owner => "paused by its owner",
            Self::Outbox => "too many hands wait to be settled",
            Self::ChainLate => "the chain has not settled the last hands for too long",
            Self::ChainBehind => "too many hands wait for the chain",
            Self::Other => "no hands are dealt",
        }
    }
}

impl Summary {
    /// Why the table deals no hands; `None`: it deals hands. A table of the previous release gives its reason only as
    /// text.
    pub fn holding(&self) -> Option<Holding> {
        let of_text = |text: &String| match text {
            text if text == Holding::Owner.text() => Holding::Owner,
            _ => Holding::Other,
        };
        self.held_by.or_else(|| self.paused.as_ref().map(of_text))
    }
}

/// A seat that nobody else can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Taken {
    pub seat: u8,
    pub player: PlayerId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_the_release_before_says_its_reason_as_text() {
        let read = |json: &str| serde_json::from_str::<Summary>(json).unwrap().holding();
        assert_eq!(read(r#"{"paused":"paused by its owner"}"#), Some(Holding::Owner));
        assert_eq!(read(r#"{"paused":"too many hands wait for the chain"}"#), Some(Holding::Other));
        assert_eq!(read("{}"), None);
    }

    #[test]
    fn a_reason_of_a_newer_release_is_read_as_another() {
        let json = r#"{"paused":"the moon is full","heldBy":"moon"}"#;
        assert_eq!(serde_json::from_str::<Summary>(json).unwrap().holding(), Some(Holding::Other));
    }

    #[test]
    fn a_reason_is_written_for_people_and_for_programs() {
        let (held_by, paused) = (Some(Holding::ChainLate), Some(Holding::ChainLate.text().to_owned()));
        let json = serde_json::to_value(Summary { paused, held_by, ..Summary::default() }).unwrap();
        assert_eq!(json["heldBy"], "chainLate");
        let again: Summary = serde_json::from_value(json).unwrap();
        assert_eq!(again.holding(), held_by);
    }
}
