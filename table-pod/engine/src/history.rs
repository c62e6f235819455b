//! The public history of a hand.

use crate::{
    config::TableConfig,
    event::Event,
    ids::{Chips, PlayerId, SeatIndex},
};
use serde::{Deserialize, Serialize};

/// A seat, its player and stack when the hand began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatStart {
    pub seat: SeatIndex,
    pub player: PlayerId,
    pub stack: Chips,
}

/// One hand: its public events, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandHistory {
    pub hand: u64,
    pub config: TableConfig,
    /// Everybody dealt in, from the button's left to the button.
    pub seats: Vec<SeatStart>,
    pub events: Vec<Event>,
}

impl HandHistory {
    /// Keeps public events only: hole cards only if they were shown. Questions whether to show are dropped, answers are
    /// kept.
    pub fn public(hand: u64, config: TableConfig, seats: Vec<SeatStart>, events: &[Event]) -> Self {
        let kept = |event: &&Event| !matches!(event, Event::Dealt { .. } | Event::ShowAsked { .. });
        let events = events.iter().filter(kept).cloned().collect();
        Self { hand, config, seats, events }
    }
}
