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

/// What happens to a player's hand that may be mucked: it is beaten at a showdown, or won because nobody called (WSOP 145).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShowWish {
    /// It is mucked.
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
    /// A player takes a seat with chips that the chain has moved already: no buy-in bounds, and only
    /// a chair that is not free refuses them.
    Seat {
        seat: SeatIndex,
        player: PlayerId,
        stack: Chips,
        /// The most rake that the player's permit allows; `None`: any.
        rake_allowed: Option<Chips>,
    },
    /// Another permit allows so much more rake of this seat.
    AllowRake {
        seat: SeatIndex,
        amount: Chips,
    },
    /// The permit came to nothing.
    DisallowRake {
        seat: SeatIndex,
        amount: Chips,
    },
    /// More chips for a seat, at once between hands, else after the hand (table stakes). They are moved
    /// already: the buy-in's maximum binds who asks for them, not this.
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
    /// Is dealt no more hands after this one.
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
    /// Time has passed: carries out what is due.
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
    /// Lets them go on with what was left.
    ResumeClock,
    /// The player to act gets a whole new turn: after a take-over, whose clock is another one.
    RestartClock,
}
