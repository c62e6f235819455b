//! Running it twice: where nobody can bet any more and cards are to come, the rest of the board is
//! dealt twice if everybody in the pot agrees, and each board decides half of every pot.

use super::Table;
use crate::{
    event::{Event, Street},
    ids::{Millis, SeatIndex, SeatSet},
    list::Seats,
    refusal::Refusal,
};
use serde::{Deserialize, Serialize};

/// How far the question has come in a hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Twice {
    #[default]
    NotAsked,
    Asked {
        /// Seats that have not answered yet.
        open: SeatSet,
        deadline: Millis,
    },
    Decided,
}

impl Table {
    /// Returns the seats that are asked whether to run it twice and have not answered.
    pub fn asked_twice(&self) -> SeatSet {
        match self.hand.as_ref().map(|hand| &hand.twice) {
            Some(Twice::Asked { open, .. }) => *open,
            _ => SeatSet::default(),
        }
    }

    /// Deadline of the players in [`Self::asked_twice`], after which a missing answer counts as no, even while the
    /// clock is paused.
    pub fn twice_deadline(&self) -> Option<Millis> {
        match self.hand.as_ref()?.twice {
            Twice::Asked { deadline, .. } => Some(deadline),
            _ => None,
        }
    }

    /// Asks whether to run it twice if the table's rules and the state of the hand allow it; returns whether the hand
    /// waits for answers.
    pub(super) fn ask_twice(&mut self, events: &mut Vec<Event>) -> bool {
        if !self.config.run_it_twice {
            return false;
        }
        let deadline = self.now.saturating_add(self.config.clock.turn_ms);
        let Some(hand) = self.hand.as_mut() else { return false };
        let over = hand.able.len() <= 1 && hand.street < Street::River && hand.twice == Twice::NotAsked;
        // A player who is away or on the way out cannot agree, and all must.
        let here = |seat: SeatIndex| {
            let chair = self.seats.get(seat.index()).and_then(Option::as_ref);
            chair.is_some_and(|chair| chair.connected && !chair.leaving)
        };
        if !over || !hand.live.iter().all(here) {
            return false;
        }
        hand.twice = Twice::Asked { open: hand.live, deadline };
        let seats: Seats = hand.live.clockwise(hand.button).collect();
        events.push(Event::RunItTwiceAsked { seats, deadline });
        true
    }

    pub(super) fn answer_twice(
        &mut self,
        seat: SeatIndex,
        agree: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let hand = self.hand.as_mut().ok_or(Refusal::NoHand)?;
        let Twice::Asked { open, .. } = &mut hand.twice else {
            return Err(Refusal::NotAsked(seat));
        };
        if !open.contains(seat) {
            return Err(Refusal::NotAsked(seat));
        }
        if self.paused_since.is_some() {
            return Err(Refusal::ClockPaused);
        }
        open.remove(seat);
        let all = open.is_empty();
        events.push(Event::RunItTwiceAnswered { seat, agree });
        if agree && !all {
            return Ok(());
        }
        self.decide_twice(agree, events)
    }

    /// All have agreed, or somebody has not: the rest of the hand follows.
    pub(super) fn decide_twice(&mut self, twice: bool, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let hand = self.hand.as_mut().ok_or(Refusal::NoHand)?;
        hand.twice = Twice::Decided;
        events.push(Event::RunItTwiceDecided { twice });
        if !twice {
            let button = hand.button;
            return self.go_on(button, events);
        }
        let (common, from) = (hand.board, hand.street);
        while hand.street < Street::River {
            hand.next_street(events)?;
        }
        // The second board begins with the common cards and takes the next cards of the deal.
        hand.second_board = common;
        let mut street = from;
        while street < Street::River {
            let (next, cards) = hand.deal_street(street)?;
            cards.iter().for_each(|card| hand.second_board.push(*card));
            events.push(Event::StreetDealt { board: 1, street: next, cards });
            street = next;
        }
        self.showdown(events)
    }
}
