//! The input of fair play: an ended hand with all hole cards and think times, the strength of its cards, and the seeded
//! generator that simulator and statistics share.
//!
//! No I/O, no clock. Amounts are minor units of the table's token.

#![forbid(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "statistics: counts and indexes far below the bounds of their types"
)]

mod hand;
mod random;
mod strength;

pub use hand::{ActionKind, BadHand, EndedHand, HandKey, SeatPlayed, StreetAction, StreetPost};
pub use random::Random;
pub use strength::{BoardStrength, preflop_percentile, straight_or_better_outs};
