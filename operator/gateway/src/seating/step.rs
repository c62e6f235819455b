//! The steps of a fleet's seats and waiting list, and their outcomes. [`super::model`] applies them in memory and
//! `script.lua` in the sessions' Redis; both compute the same function of the books, the step and the time.

use super::choose::{Held, Offer};
use serde::{Deserialize, Serialize};

/// Time that a player has to be seen at the table after Sit was sent, in milliseconds.
pub const SIT_MS: u64 = 5_000;
/// Time for which a seat that its player has taken stays in the books, so that no gateway with an older summary offers it.
/// Longer than [`super::keeper::FRESH`] and a summary's way together.
pub const LINGER_MS: u64 = 10_000;
/// Time after which an absent player's place on the waiting list is given up.
pub const SEEN_MS: u64 = 90_000;
/// The first pause after a hold that ended unused, and after one that was given back. Each next one doubles.
pub const UNUSED_MS: u64 = 15_000;
pub const BACK_MS: u64 = 5_000;
/// The longest pause. A pause that ended this long ago is forgotten.
pub const PAUSE_MAX_MS: u64 = 600_000;
/// Seats of a fleet that are held at once.
pub const HOLDS_MAX: usize = 10_000;
/// Milliseconds for which the outcome of a player's last request is remembered.
pub const OWN_MS: u64 = 600_000;
/// Holds and places that end in one step; the rest end in the next.
pub const ENDS_MAX: usize = 64;
/// The longest id of a request.
pub const ID_MAX: usize = 64;

/// Whether a request may have this id.
pub fn is_id(text: &str) -> bool {
    (1..=ID_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && text != "-"
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A seat, the first of these that is still free; or, with `join`, a place on the waiting list.
    Ask { id: String, hold_ms: u64, waiting_max: u32, join: bool, offers: Vec<Offer> },
    /// Returns what the player has.
    Own,
    /// Gives back the hold or the place on the list, if its id matches.
    Back { id: Option<String> },
    /// The player sends Sit to a table.
    Sit { at: Offer },
    /// The table reports that the player has this seat.
    Confirm { at: Offer },
    /// A seat for a player on the waiting list.
    Serve { hold_ms: u64, offers: Vec<Offer> },
}

/// Speed of the waiting list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Mean time between two seats that were given to the list; 0: none was.
    pub mean_ms: u64,
    /// Since the last one, or since the list began.
    pub since_ms: u64,
}

impl Pace {
    /// Seconds until this place, counted from 1, has its turn; `None` where nothing is known yet.
    pub fn estimate_s(self, place: u64) -> Option<u64> {
        if self.mean_ms == 0 {
            return None;
        }
        let mean = self.mean_ms.max(self.since_ms);
        // The time that the first player has waited already is subtracted.
        let left = place.saturating_mul(mean).saturating_sub(self.since_ms.min(mean));
        Some(left.div_ceil(1_000))
    }
}

/// The outcome of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Held {
        at: Offer,
        left_ms: u64,
        offered: bool,
        sitting: bool,
        id: String,
    },
    /// `place` counts from 1.
    Waiting {
        place: u64,
        size: u64,
        pace: Pace,
    },
    /// The request has led to this seat, which its player took.
    Seated {
        at: Offer,
    },
    /// The request is over: its hold ended or was given back.
    Ended,
    /// The player holds a seat in another fleet, `namespace/name`.
    Elsewhere {
        fleet: String,
    },
    /// After holds that were not used.
    Paused {
        left_ms: u64,
    },
    /// All offered seats were taken by others.
    Taken,
    /// No seat is free.
    Full,
    /// Other players on the waiting list come first.
    Behind {
        size: u64,
    },
    ListFull {
        max: u64,
    },
    /// The player has neither a seat nor a place.
    None,
    /// The seat or place belongs to another request or another player.
    Other,
    /// The player sits down at this moment.
    Sitting,
    Done,
}

/// The books of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub held: Vec<Held>,
    /// Milliseconds until each of them ends.
    pub left_ms: Vec<u64>,
    /// The first of the waiting list, in its order.
    pub waiting: Vec<purr_engine::PlayerId>,
    /// Length of the whole list.
    pub size: u64,
    pub pace: Pace,
}

/// What a request for a seat says.
#[derive(Clone, Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatRequest {
    /// Chosen by the player, another one for each request: 1 to 64 letters, digits and hyphens. The same id gets the same
    /// answer, so that a request whose answer was lost may be sent again.
    pub id: String,
    /// Where no seat is free: join the waiting list.
    #[serde(default)]
    pub wait: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_grows_with_the_place_and_with_a_list_that_stands() {
        let pace = |mean_ms, since_ms| Pace { mean_ms, since_ms };
        assert_eq!(pace(0, 5_000).estimate_s(1), None);
        assert_eq!(pace(60_000, 0).estimate_s(1), Some(60));
        assert_eq!(pace(60_000, 20_000).estimate_s(1), Some(40));
        assert_eq!(pace(60_000, 20_000).estimate_s(3), Some(160));
        assert_eq!(pace(60_000, 300_000).estimate_s(2), Some(300));
    }

    #[test]
    fn an_id_has_no_characters_that_the_store_uses() {
        assert!(is_id("0a0b0c0d-0000-4000-8000-000000000001") && is_id("a"));
        for id in ["", "-", "a b", "a/b", "ä", &"a".repeat(65)] {
            assert!(!is_id(id), "{id}");
        }
    }
}
