//! Showing by choice: a hand that may be mucked (beaten at a showdown, or not called) is shown if its player wants to
//! (WSOP 145).
//!
//! Players who want to be asked are asked once everything else is decided, and the pots are paid after the last answer:
//! so the hand's record has the shown cards, and nothing is added to a finished hand. Chips never depend on the answer.

use super::{Hand, Table, twice::Twice};
use crate::{
    command::ShowWish,
    config::SHOW_MS,
    event::Event,
    ids::{SeatIndex, SeatSet},
    list::Seats,
    refusal::Refusal,
};
use serde::{Deserialize, Serialize};

/// Players who are asked whether to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Showing {
    /// Seats that have not answered.
    pub(super) open: SeatSet,
    /// Seats that have shown their hands, because they had to or wanted to.
    shown: SeatSet,
}

impl Table {
    /// Returns the seats that are asked whether to show their hand and have not answered.
    pub fn asked_to_show(&self) -> SeatSet {
        self.hand.as_ref().and_then(|hand| hand.showing).unwrap_or_default().open
    }

    /// Returns the seats whose cards lie face up while others are asked whether to show theirs.
    pub fn face_up(&self) -> SeatSet {
        self.hand.as_ref().and_then(|hand| hand.showing).unwrap_or_default().shown
    }

    /// Shows or mucks the hands of these seats, which may muck, as their players have chosen before; returns whether
    /// the hand waits for answers. `shown`: seats that had to show.
    pub(super) fn offer_show(
        &mut self,
        seats: &[SeatIndex],
        mut shown: SeatSet,
        events: &mut Vec<Event>,
    ) -> bool {
        let deadline = self.now.saturating_add(SHOW_MS);
        let Some(hand) = self.hand.as_mut() else { return false };
        let mut asked = Seats::new();
        for &seat in seats {
            let chair = self.seats.get(seat.index()).and_then(Option::as_ref);
            let wish = chair.map_or(ShowWish::Muck, |chair| chair.show);
            // A player who is away or leaving is not waited for.
            if wish == ShowWish::Ask && chair.is_some_and(|chair| chair.connected && !chair.leaving) {
                asked.push(seat);
            } else {
                let shows = wish == ShowWish::Show;
                hand.turn_up(seat, shows, events);
                if shows {
                    shown.insert(seat);
                }
            }
        }
        if asked.is_empty() {
            return false;
        }
        hand.showing = Some(Showing { open: asked.iter().copied().collect(), shown });
        hand.twice = Twice::Asked { open: SeatSet::default(), deadline };
        events.push(Event::ShowAsked { seats: asked, deadline });
        true
    }

    pub(super) fn answer_show(
        &mut self,
        seat: SeatIndex,
        show: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        if self.hand.is_none() {
            return Err(Refusal::NoHand);
        }
        if !self.asked_to_show().contains(seat) {
            return Err(Refusal::NotAskedToShow(seat));
        }
        if self.paused_since.is_some() {
            return Err(Refusal::ClockPaused);
        }
        self.decide_show(seat, show, events)
    }

    /// Takes a player's answer; the last answer ends the hand.
    pub(super) fn decide_show(
        &mut self,
        seat: SeatIndex,
        show: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let hand = self.hand.as_mut().ok_or(Refusal::NoHand)?;
        let showing = hand.showing.as_mut().ok_or(Refusal::NotAskedToShow(seat))?;
        showing.open.remove(seat);
        if show {
            showing.shown.insert(seat);
        }
        let all = showing.open.is_empty();
        hand.turn_up(seat, show, events);
        if !all {
            return Ok(());
        }
        (hand.showing, hand.twice) = (None, Twice::Decided);
        self.pay_out(events)
    }

    /// Mucks the hands of players who have not answered in time.
    pub(super) fn muck_unanswered(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let Some(hand) = self.hand.as_ref() else { return Ok(()) };
        let open = self.asked_to_show();
        for seat in open.clockwise(hand.button).collect::<Seats>().iter() {
            self.decide_show(*seat, false, events)?;
        }
        Ok(())
    }
}

impl Hand {
    /// A hand that nobody called gets no event unless it is shown.
    fn turn_up(&self, seat: SeatIndex, show: bool, events: &mut Vec<Event>) {
        match self.player(seat) {
            Some(player) if show => events.push(Event::Shown { seat, cards: player.cards }),
            _ if self.live.len() > 1 => events.push(Event::Mucked { seat }),
            _ => {}
        }
    }
}
