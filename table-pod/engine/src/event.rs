//! Events of a table. They are complete: applying all of them gives the table's state.

use crate::{
    card::Card,
    ids::{Chips, Millis, PlayerId, SEATS_MAX, SeatIndex},
    list::{Blank, Board, List, Seats},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Street {
    Preflop,
    Flop,
    Turn,
    River,
}

/// Why chips went in without a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Post {
    Ante,
    SmallBlind,
    BigBlind,
    /// A live big blind of a player who comes in or missed it (WSOP 156).
    Live,
    /// A missed small blind: dead money (WSOP 156).
    Dead,
    /// Twice the big blind before the cards, by choice (WSOP 11).
    Straddle,
}

/// The result of one hand for one seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatResult {
    pub seat: SeatIndex,
    pub player: PlayerId,
    /// Chips won minus chips put in.
    pub delta: i64,
    /// Chips after the hand, without a top-up that waited for its end.
    pub stack: Chips,
}

impl Blank for SeatResult {
    const BLANK: Self = Self { seat: SeatIndex(0), player: PlayerId([0; 20]), delta: 0, stack: 0 };
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandEnd {
    pub hand: u64,
    /// Everybody dealt in. The deltas and the rake sum to zero.
    pub results: List<SeatResult, SEATS_MAX>,
    pub rake: Chips,
    pub void: bool,
}

fn is_first(board: &u8) -> bool {
    *board == 0
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::large_enum_variant, reason = "events live in a buffer that is used again: no heap for one")]
pub enum Event {
    Seated {
        seat: SeatIndex,
        player: PlayerId,
        stack: Chips,
    },
    ToppedUp {
        seat: SeatIndex,
        amount: Chips,
        stack: Chips,
    },
    SatOut {
        seat: SeatIndex,
    },
    SatIn {
        seat: SeatIndex,
    },
    Disconnected {
        seat: SeatIndex,
    },
    Reconnected {
        seat: SeatIndex,
    },
    /// The seat is free; `stack` goes back to the player.
    Left {
        seat: SeatIndex,
        player: PlayerId,
        stack: Chips,
    },
    HandStarted {
        hand: u64,
        button: SeatIndex,
        dealt_in: Seats,
    },
    Posted {
        seat: SeatIndex,
        post: Post,
        amount: Chips,
        stack: Chips,
    },
    /// Hole cards, visible to this seat alone.
    Dealt {
        seat: SeatIndex,
        cards: [Card; 2],
    },
    /// `total` is the amount in front of the seat on this street.
    Acted {
        seat: SeatIndex,
        action: crate::Action,
        total: Chips,
        stack: Chips,
        all_in: bool,
        timed_out: bool,
    },
    TurnStarted {
        seat: SeatIndex,
        deadline: Millis,
    },
    TimeBankStarted {
        seat: SeatIndex,
        deadline: Millis,
    },
    StreetDealt {
        /// 0; 1 for the second board of a hand that is run twice.
        #[serde(default, skip_serializing_if = "is_first")]
        board: u8,
        street: Street,
        cards: Board,
    },
    /// All players in the pot are asked whether the rest of the board is dealt twice; all must agree before the
    /// deadline.
    RunItTwiceAsked {
        seats: Seats,
        deadline: Millis,
    },
    RunItTwiceAnswered {
        seat: SeatIndex,
        agree: bool,
    },
    RunItTwiceDecided {
        twice: bool,
    },
    /// The player's standing wish has changed.
    StraddleWished {
        seat: SeatIndex,
        on: bool,
    },
    /// Returns the part of a bet that nobody called, before the pots are counted.
    Uncalled {
        seat: SeatIndex,
        amount: Chips,
        stack: Chips,
    },
    /// These players may show their hands or muck them, and the hand waits for their answers. This event is not kept in
    /// a hand's history.
    ShowAsked {
        seats: Seats,
        deadline: Millis,
    },
    Shown {
        seat: SeatIndex,
        cards: [Card; 2],
    },
    /// Gave up without showing: these cards are never seen.
    Mucked {
        seat: SeatIndex,
    },
    Raked {
        amount: Chips,
    },
    /// `pot` counts from the main pot, 0; `board` is 1 for the second board's half.
    PotWon {
        pot: u8,
        #[serde(default, skip_serializing_if = "is_first")]
        board: u8,
        seat: SeatIndex,
        amount: Chips,
        stack: Chips,
    },
    HandEnded(HandEnd),
    ClockPaused,
    ClockResumed,
}
