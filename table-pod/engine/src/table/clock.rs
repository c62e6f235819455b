//! Turns, the time bank and pauses. Time is only ever an argument.

use super::Table;
use crate::{
    event::Event,
    ids::{Millis, SeatIndex},
    refusal::Refusal,
};
use serde::{Deserialize, Serialize};

/// The turn of one player.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Turn {
    pub(super) seat: SeatIndex,
    deadline: Millis,
    /// When the time bank began to run; it ends with `deadline`.
    bank_since: Option<Millis>,
}

impl Table {
    /// When [`Command::Tick`](crate::Command::Tick) is due; `None` while nothing can run out.
    pub fn next_deadline(&self) -> Option<Millis> {
        if self.paused_since.is_some() {
            return None;
        }
        Some(self.hand.as_ref()?.turn.as_ref()?.deadline)
    }

    pub(super) fn start_turn(&mut self, seat: SeatIndex, events: &mut Vec<Event>) {
        let clock = self.config.clock;
        let connected = self.seat(seat).is_some_and(|seat| seat.connected);
        let span = if connected { clock.turn_ms } else { clock.disconnect_ms };
        let deadline = self.now.saturating_add(span);
        if let Some(hand) = self.hand.as_mut() {
            hand.turn = Some(Turn { seat, deadline, bank_since: None });
            events.push(Event::TurnStarted { seat, deadline });
        }
    }

    pub(super) fn tick(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        if self.paused_since.is_some() {
            return Ok(());
        }
        let now = self.now;
        let Some(turn) = self.hand.as_ref().and_then(|hand| hand.turn.clone()) else {
            return Ok(());
        };
        if now < turn.deadline {
            return Ok(());
        }
        let seat = turn.seat;
        let bank = self.seat(seat).map_or(0, |chair| chair.time_bank_ms);
        if turn.bank_since.is_none() && bank > 0 {
            // The bank runs from the end of the turn, however late the tick came.
            let deadline = turn.deadline.saturating_add(bank);
            if let Some(hand) = self.hand.as_mut() {
                hand.turn = Some(Turn { seat, deadline, bank_since: Some(turn.deadline) });
            }
            events.push(Event::TimeBankStarted { seat, deadline });
            return if now < deadline { Ok(()) } else { self.tick(events) };
        }
        self.charge_time_bank();
        // Out of time: out of the next hands, too, so that the others do not wait again.
        if let Ok(chair) = self.seat_mut(seat)
            && !chair.sitting_out
        {
            chair.sitting_out = true;
            events.push(Event::SatOut { seat });
        }
        self.give_up(seat, true, events)
    }

    /// Takes from the bank what the turn has used of it.
    pub(super) fn charge_time_bank(&mut self) {
        let now = self.now;
        let Some(turn) = self.hand.as_ref().and_then(|hand| hand.turn.clone()) else {
            return;
        };
        if let (Some(since), Ok(chair)) = (turn.bank_since, self.seat_mut(turn.seat)) {
            chair.time_bank_ms = chair.time_bank_ms.saturating_sub(now.saturating_sub(since));
        }
    }

    pub(super) fn pause_clock(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        if self.paused_since.is_some() {
            return Err(Refusal::ClockPaused);
        }
        self.paused_since = Some(self.now);
        events.push(Event::ClockPaused);
        Ok(())
    }

    pub(super) fn resume_clock(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let since = self.paused_since.take().ok_or(Refusal::ClockNotPaused)?;
        let pause = self.now.saturating_sub(since);
        if let Some(turn) = self.hand.as_mut().and_then(|hand| hand.turn.as_mut()) {
            turn.deadline = turn.deadline.saturating_add(pause);
            turn.bank_since = turn.bank_since.map(|at| at.saturating_add(pause));
        }
        events.push(Event::ClockResumed);
        self.announce_turn(events);
        Ok(())
    }

    pub(super) fn restart_clock(&mut self, last: Millis, events: &mut Vec<Event>) -> Result<(), Refusal> {
        self.paused_since = None;
        // Spans since moments of the old clock mean nothing on the new one: what ran out by the old
        // clock's last moment is over, the others begin anew.
        let span = self.config.rat_hole_ms;
        self.departed.retain(|gone| last.saturating_sub(gone.at) < span);
        self.departed.iter_mut().for_each(|gone| gone.at = self.now);
        if let Some(seat) = self.to_act() {
            self.start_turn(seat, events);
        }
        Ok(())
    }

    fn announce_turn(&self, events: &mut Vec<Event>) {
        if let Some(turn) = self.hand.as_ref().and_then(|hand| hand.turn.as_ref()) {
            events.push(Event::TurnStarted { seat: turn.seat, deadline: turn.deadline });
        }
    }
}
