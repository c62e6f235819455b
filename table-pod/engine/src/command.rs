//! Commands of a table.

use crate::{
    card::Deck,
    ids::{Chips, PlayerId, SeatIndex},
};
use serde::{Deserialize, Serialize};

/// The act of a player whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Fold,
    Check,
    /// Calls what there is to call, all-in for less.
    Call,
    /// Bets or raises to this total on this street. A total that takes the whole stack is an all-in.
    RaiseTo(Chips),
}

/// What happens to a hand that its player may muck: a beaten hand at a showdown, or a hand that nobody called (WSOP
/// 145).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShowWish {
    /// The hand is mucked.
    #[default]
    Muck,
    /// The player is asked, and the hand ends with the answer or after [`SHOW_MS`](crate::config::SHOW_MS).
    Ask,
    /// It is shown.
    Show,
}

impl ShowWish {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn is_muck(&self) -> bool {
        *self == Self::Muck
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// A player takes a seat with chips that are theirs already.
    Sit {
        seat: SeatIndex,
        player: PlayerId,
        stack: Chips,
    },
    /// A player takes a seat with chips that the chain has already moved: no buy-in limits apply, and only an occupied
    /// seat is a reason to refuse.
    Seat {
        seat: SeatIndex,
        player: PlayerId,
        stack: Chips,
        /// The most rake that the player's permit allows; `None`: any.
        rake_allowed: Option<Chips>,
    },
    /// Another permit allows this much more rake of the seat.
    AllowRake {
        seat: SeatIndex,
        amount: Chips,
    },
    /// The permit came to nothing.
    DisallowRake {
        seat: SeatIndex,
        amount: Chips,
    },
    /// More chips for a seat: at once between hands, else after the hand (table stakes). The chips are moved already,
    /// so the maximum buy-in applies to the request, not to this command.
    TopUp {
        seat: SeatIndex,
        amount: Chips,
    },
    /// Gives the seat up: at once outside a hand, else when the hand ends. Until then each turn of the
    /// seat is played at once like one that times out: a check where checking is free, else a fold.
    /// A house rule: chips in the pot stay in play, and a hand that costs nothing more is not
    /// thrown away. An all-in player still plays for the pot.
    Leave {
        seat: SeatIndex,
    },
    /// The player is dealt no more hands after the running one.
    SitOut {
        seat: SeatIndex,
    },
    /// Comes back. With `post`, missed blinds are posted at once instead of waiting for the big blind
    /// (WSOP 156); see [`HouseRules`](crate::HouseRules) for the other ways in.
    SitIn {
        seat: SeatIndex,
        post: bool,
    },
    /// Deals a hand. Numbers rise; the deck is the entropy.
    StartHand {
        hand: u64,
        deck: Deck,
    },
    Act {
        seat: SeatIndex,
        action: Action,
    },
    /// A standing wish: straddle whenever under the gun, where the table has straddles (WSOP 11).
    Straddle {
        seat: SeatIndex,
        on: bool,
    },
    /// A standing wish about hands that may be mucked (WSOP 145).
    WishShow {
        seat: SeatIndex,
        wish: ShowWish,
    },
    /// The answer to [`Event::ShowAsked`](crate::Event::ShowAsked).
    Show {
        seat: SeatIndex,
        show: bool,
    },
    /// The answer to [`Event::RunItTwiceAsked`](crate::Event::RunItTwiceAsked).
    RunItTwice {
        seat: SeatIndex,
        agree: bool,
    },
    /// Advances the clock and carries out what is due.
    Tick,
    Disconnected {
        seat: SeatIndex,
    },
    Reconnected {
        seat: SeatIndex,
    },
    /// Ends the hand and gives every bet back.
    VoidHand,
    /// Stops the clocks, for instance while nothing can be stored.
    PauseClock,
    /// Resumes the paused clock with the time that was left.
    ResumeClock,
    /// Gives the player to act a whole new turn, after a take-over by a process with another clock.
    RestartClock,
}
