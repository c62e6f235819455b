//! An ended hand as the detectors read it.

use purr_engine::{Card, Chips, Millis, PlayerId, SeatIndex, Street, ids::SEATS_MAX};
use serde::{Deserialize, Serialize};

/// Identifies one hand of one table: what evidence cites.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandKey {
    pub table: String,
    pub hand: u64,
}

/// One ended hand: the public record, the hole cards of everybody dealt in, and think times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndedHand {
    /// The table's UID.
    pub table: String,
    pub hand: u64,
    /// Milliseconds of the table's clock at the end of the hand.
    #[serde(default)]
    pub ended_at_ms: Millis,
    pub big_blind: Chips,
    pub button: SeatIndex,
    /// Everybody dealt in, by seat.
    pub seats: Vec<SeatPlayed>,
    /// Antes, blinds and straddles, in the order in which they were posted.
    #[serde(default)]
    pub posts: Vec<StreetPost>,
    /// In the order in which they happened.
    pub actions: Vec<StreetAction>,
    /// Zero, three, four or five cards.
    #[serde(default)]
    pub board: Vec<Card>,
    #[serde(default)]
    pub rake: Chips,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatPlayed {
    pub seat: SeatIndex,
    pub player: PlayerId,
    /// Chips before the hand.
    pub stack: Chips,
    /// `None` where the fair-play box could not be opened: the hand then counts for public signals only.
    #[serde(default)]
    pub cards: Option<[Card; 2]>,
    /// Chips won minus chips put in.
    pub delta: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreetPost {
    pub seat: SeatIndex,
    pub amount: Chips,
    /// Dead money: an ante or a missed small blind, which does not count as a bet.
    #[serde(default)]
    pub dead: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ActionKind {
    Fold,
    Check,
    Call,
    /// A bet is a raise of nothing.
    Raise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreetAction {
    pub seat: SeatIndex,
    pub street: Street,
    pub action: ActionKind,
    /// Chips in front of the seat on this street after the action.
    #[serde(default)]
    pub to: Chips,
    /// Time from sending the turn until the action arrived; `None` if it was not measured.
    #[serde(default)]
    pub think_ms: Option<u32>,
}

/// Why a hand cannot be read: the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHand {
    #[error("seats: {0} of them, want 2 to {SEATS_MAX}")]
    Seats(usize),
    #[error("seats: seat {0} is listed twice, or is not below {SEATS_MAX}")]
    SeatTwice(SeatIndex),
    #[error("seats[{0}].player: has another seat in this hand")]
    PlayerTwice(usize),
    #[error("board: {0} cards, want 0, 3, 4 or 5")]
    Board(usize),
    #[error("cards and board: {0} is there twice")]
    CardTwice(Card),
    #[error("bigBlind: must be at least 1")]
    BigBlind,
    #[error("seat {0} acts or posts, and is not among seats")]
    UnknownSeat(SeatIndex),
    #[error("actions[{at}].street: the hand is past it")]
    StreetBefore { at: usize },
    #[error("actions[{at}].street: the board has {cards} cards alone")]
    StreetNotDealt { at: usize, cards: usize },
    #[error("actions[{at}].seat: {seat} has folded")]
    Folded { at: usize, seat: SeatIndex },
    #[error("actions[{at}].to: a raise to {to} where {bet} is bet already")]
    Raise { at: usize, to: Chips, bet: Chips },
    #[error("actions[{at}].to: a call to {to} by a seat that has {front} in front of it")]
    Call { at: usize, to: Chips, front: Chips },
}

impl EndedHand {
    pub fn key(&self) -> HandKey {
        HandKey { table: self.table.clone(), hand: self.hand }
    }

    /// Checks the assumptions of the detectors.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), BadHand> {
        if !(2..=SEATS_MAX).contains(&self.seats.len()) {
            return Err(BadHand::Seats(self.seats.len()));
        }
        if self.big_blind == 0 {
            return Err(BadHand::BigBlind);
        }
        let mut seen = 0u16;
        for (at, SeatPlayed { seat, player, .. }) in self.seats.iter().enumerate() {
            let bit = if seat.index() < SEATS_MAX { 1u16 << seat.index() } else { 0 };
            if bit == 0 || seen & bit != 0 {
                return Err(BadHand::SeatTwice(*seat));
            }
            if self.seats[..at].iter().any(|other| other.player == *player) {
                return Err(BadHand::PlayerTwice(at));
            }
            seen |= bit;
        }
        if !matches!(self.board.len(), 0 | 3 | 4 | 5) {
            return Err(BadHand::Board(self.board.len()));
        }
        let mut cards = 0u64;
        for card in
            self.seats.iter().filter_map(|played| played.cards).flatten().chain(self.board.iter().copied())
        {
            let bit = 1 << card.number();
            if cards & bit != 0 {
                return Err(BadHand::CardTwice(card));
            }
            cards |= bit;
        }
        let acting = self.actions.iter().map(|a| a.seat).chain(self.posts.iter().map(|p| p.seat));
        for seat in acting {
            if seat.index() >= SEATS_MAX || seen & (1 << seat.index()) == 0 {
                return Err(BadHand::UnknownSeat(seat));
            }
        }
        self.validate_actions()
    }

    /// Seats of posts and actions are below [`SEATS_MAX`].
    fn validate_actions(&self) -> Result<(), BadHand> {
        let (mut front, mut folded) = ([0; SEATS_MAX], 0u16);
        for StreetPost { seat, amount, dead } in &self.posts {
            if !dead {
                let own: &mut Chips = &mut front[seat.index()];
                *own = own.saturating_add(*amount);
            }
        }
        let mut street = Street::Preflop;
        for (at, action) in self.actions.iter().enumerate() {
            let seat = action.seat;
            if action.street < street {
                return Err(BadHand::StreetBefore { at });
            }
            if action.street > street {
                (street, front) = (action.street, [0; SEATS_MAX]);
            }
            let dealt = match street {
                Street::Preflop => 0,
                Street::Flop => 3,
                Street::Turn => 4,
                Street::River => 5,
            };
            if self.board.len() < dealt {
                return Err(BadHand::StreetNotDealt { at, cards: self.board.len() });
            }
            if folded & (1 << seat.index()) != 0 {
                return Err(BadHand::Folded { at, seat });
            }
            let (to, own) = (action.to, front[seat.index()]);
            match action.action {
                ActionKind::Fold => folded |= 1 << seat.index(),
                ActionKind::Check => {}
                ActionKind::Call if to < own => return Err(BadHand::Call { at, to, front: own }),
                ActionKind::Call => front[seat.index()] = to,
                ActionKind::Raise => {
                    let bet = front.iter().copied().max().unwrap_or(0);
                    if to <= bet {
                        return Err(BadHand::Raise { at, to, bet });
                    }
                    front[seat.index()] = to;
                }
            }
        }
        Ok(())
    }
}
