//! Why a command was not carried out. A refusal changed nothing.

use crate::{
    card::DeckError,
    ids::{Chips, Millis, SeatIndex},
};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no seat {0}")]
    NoSuchSeat(SeatIndex),
    #[error("seat {0} is taken")]
    SeatTaken(SeatIndex),
    #[error("seat {0} is empty")]
    SeatEmpty(SeatIndex),
    #[error("the player sits at seat {0} already")]
    SeatedAlready(SeatIndex),
    #[error("buy-in of {amount}: must be {min} to {max}")]
    BuyIn { amount: Chips, min: Chips, max: Chips },
    #[error("top-up of {amount}: must be 1 to {max}")]
    TopUp { amount: Chips, max: Chips },
    #[error("a hand is running")]
    HandRunning,
    #[error("no hand is running")]
    NoHand,
    #[error("{ready} players are ready: a hand needs 2")]
    TooFewPlayers { ready: usize },
    #[error("hand {given} follows hand {last}: numbers must rise")]
    HandNumber { given: u64, last: u64 },
    #[error("it is not the turn of seat {0}")]
    NotYourTurn(SeatIndex),
    #[error("there are {to_call} to call: a check is not possible")]
    CannotCheck { to_call: Chips },
    #[error("there is nothing to call")]
    NothingToCall,
    /// WSOP 170, 173.
    #[error("a raise to {given}: must be {min} to {max}")]
    RaiseBounds { given: Chips, min: Chips, max: Chips },
    /// A short all-in does not open the betting again to those who have acted (WSOP 172).
    #[error("the betting is not open to a raise of seat {0}")]
    BettingClosed(SeatIndex),
    /// No other player in the hand has chips behind, so nobody could call a raise (WSOP 60).
    #[error("nobody can call a raise of seat {0}: the others in the hand are all-in")]
    NobodyToRaise(SeatIndex),
    /// The whole stack does not exceed the bet to match, so putting it in is a call (WSOP 60).
    #[error("a raise must be to more than {bet}: all-in is {all_in}")]
    TooShortToRaise { all_in: Chips, bet: Chips },
    /// Fixed limit: a bet and so many raises a street.
    #[error("no more than {bets_max} bets on a street")]
    BetsCapped { bets_max: u8 },
    #[error("this table has no straddles")]
    NoStraddles,
    #[error("seat {0} is not asked whether to run it twice")]
    NotAsked(SeatIndex),
    #[error("seat {0} is not asked whether to show its hand")]
    NotAskedToShow(SeatIndex),
    #[error("seat {0} sits out already")]
    SittingOut(SeatIndex),
    #[error("seat {0} is in already")]
    SittingIn(SeatIndex),
    #[error("seat {0} has no chips")]
    NoChips(SeatIndex),
    #[error("seat {0} is leaving")]
    Leaving(SeatIndex),
    #[error("time goes forward only: {given} is before {last}")]
    TimeWentBack { given: Millis, last: Millis },
    #[error("the clock is paused")]
    ClockPaused,
    #[error("the clock is not paused")]
    ClockNotPaused,
    #[error("the player must bring back at least {min} (left with it a short while ago)")]
    RatHole { min: Chips, max: Chips },
    #[error("an amount is too large for a table")]
    Overflow,
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// Chips appeared or vanished: the table has stopped for good and needs a person.
    #[error("chips are not conserved: {expected} expected, {found} found")]
    NotConserved { expected: u128, found: u128 },
}

impl Refusal {
    /// The least and the most that would have been accepted, where an amount was out of bounds.
    pub const fn bounds(&self) -> Option<(Chips, Chips)> {
        match self {
            Self::RaiseBounds { min, max, .. } | Self::BuyIn { min, max, .. } => Some((*min, *max)),
            Self::TopUp { max, .. } => Some((1, *max)),
            Self::RatHole { min, max } => Some((*min, *max)),
            _ => None,
        }
    }

    /// The rule behind it, by its name in the rule book (WSOP Live Action Rules 2024), where it is a
    /// rule of the game and not of the table's handling.
    pub const fn rule(&self) -> Option<&'static str> {
        Some(match self {
            Self::RaiseBounds { .. } => "WSOP 170, 173: a raise is at least the last full bet or raise",
            Self::BettingClosed(_) => "WSOP 172: a short all-in does not open the betting again",
            Self::NobodyToRaise(_) => "WSOP 60: table stakes: an all-in opponent can only be called",
            Self::TooShortToRaise { .. } => {
                "WSOP 60: table stakes: all-in for no more than the bet is a call"
            }
            Self::BetsCapped { .. } => "fixed limit: a bet and three raises a street",
            Self::CannotCheck { .. } | Self::NothingToCall => "a bet is called, raised or folded to",
            Self::NotYourTurn(_) => "players act in turn",
            Self::BuyIn { .. } => "table stakes: the buy-in is bounded",
            Self::TopUp { .. } => "WSOP 60: table stakes",
            Self::RatHole { .. } => "WSOP 60: chips taken away are brought back",
            Self::NoStraddles => "WSOP 11: straddles where the table has them",
            Self::NotAsked(_) => "run it twice: those in the pot are asked once nobody can bet any more",
            Self::NotAskedToShow(_) => "WSOP 145: who may muck a hand is asked once the hand is decided",
            Self::TooFewPlayers { .. } => "a hand needs two players",
            _ => return None,
        })
    }
}
