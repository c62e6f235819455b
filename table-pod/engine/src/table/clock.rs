//! Turns, the time banks and pauses. Time is only ever an argument.

use super::{Hand, Table, twice::Twice};
use crate::{
    config::BIG_POT_BLINDS,
    event::{Event, Street},
    ids::{Millis, SeatIndex},
    refusal::Refusal,
};
use serde::{Deserialize, Serialize};

/// The turn of one player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Turn {
    pub(super) seat: SeatIndex,
    deadline: Millis,
    /// When the time bank began to run; it ends with `deadline`.
    bank_since: Option<Millis>,
    /// Has had the time of a lost connection: once a turn, or losing it would be worth something.
    disconnected: bool,
}

impl Table {
    /// When [`Command::Tick`](crate::Command::Tick) is due, in milliseconds; `None` while nothing can
    /// run out.
    pub fn next_deadline(&self) -> Option<Millis> {
        if self.paused_since.is_some() {
            return None;
        }
        let hand = self.hand.as_ref()?;
        match hand.twice {
            Twice::Asked { deadline, .. } => Some(deadline),
            _ => Some(hand.turn.as_ref()?.deadline),
        }
    }

    /// Whether the running turn is on its time bank.
    pub fn on_time_bank(&self) -> bool {
        let turn = self.hand.as_ref().and_then(|hand| hand.turn.as_ref());
        turn.is_some_and(|turn| turn.bank_since.is_some())
    }

    pub(super) fn start_turn(&mut self, seat: SeatIndex, events: &mut Vec<Event>) {
        let connected = self.seat(seat).is_some_and(|seat| seat.connected);
        let span = if connected { self.config.clock.turn_ms } else { self.disconnect_span() };
        let deadline = self.now.saturating_add(span);
        if let Some(hand) = self.hand.as_mut() {
            hand.turn = Some(Turn { seat, deadline, bank_since: None, disconnected: !connected });
            events.push(Event::TurnStarted { seat, deadline });
        }
    }

    /// The time of a player whose connection is gone grows with the pot, measured in big blinds (as
    /// on PokerStars), up to a bound.
    fn disconnect_span(&self) -> Millis {
        let clock = &self.config.clock;
        let more = clock.disconnect_max_ms.saturating_sub(clock.disconnect_ms);
        let big_pot = self.config.big_blind * BIG_POT_BLINDS;
        let part = u128::from(more) * u128::from(self.pot().min(big_pot)) / u128::from(big_pot);
        // At most `more`, so it fits.
        clock.disconnect_ms.saturating_add(Millis::try_from(part).unwrap_or(more))
    }

    /// A connection that is lost in the player's own turn: the time to come back, if that is more.
    pub(super) fn lose_connection(&mut self, seat: SeatIndex, events: &mut Vec<Event>) {
        if self.paused_since.is_some() || self.to_act() != Some(seat) {
            return;
        }
        let until = self.now.saturating_add(self.disconnect_span());
        let turn = self.hand.as_ref().and_then(|hand| hand.turn).filter(|turn| !turn.disconnected);
        let Some(mut turn) = turn else { return };
        // The bank stops: it is for thinking.
        self.charge_time_bank();
        turn.disconnected = true;
        let was = turn.deadline;
        turn.deadline = if turn.bank_since.take().is_some() { until } else { until.max(was) };
        if let Some(hand) = self.hand.as_mut() {
            hand.turn = Some(turn);
        }
        if turn.deadline != was {
            self.announce_turn(events);
        }
    }

    pub(super) fn tick(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        if self.paused_since.is_some() {
            return Ok(());
        }
        if self.twice_deadline().is_some_and(|deadline| deadline <= self.now) {
            return self.decide_twice(false, events);
        }
        let Some(turn) = self.hand.as_ref().and_then(|hand| hand.turn) else {
            return Ok(());
        };
        if self.now < turn.deadline {
            return Ok(());
        }
        let seat = turn.seat;
        let connected = self.seat(seat).is_some_and(|chair| chair.connected);
        let bank = self.time_bank(seat).copied().unwrap_or(0);
        // Without a connection there is no time bank: it would run out for nothing.
        if turn.bank_since.is_none() && bank > 0 && connected {
            // The bank runs from the end of the turn, however late the tick came.
            let deadline = turn.deadline.saturating_add(bank);
            if let Some(hand) = self.hand.as_mut() {
                hand.turn = Some(Turn { deadline, bank_since: Some(turn.deadline), ..turn });
            }
            events.push(Event::TimeBankStarted { seat, deadline });
            return if self.now < deadline { Ok(()) } else { self.tick(events) };
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

    /// The bank that counts now: there is one before the flop and one after it.
    fn time_bank(&mut self, seat: SeatIndex) -> Option<&mut Millis> {
        let preflop = self.hand.as_ref().is_none_or(|hand| hand.street == Street::Preflop);
        let chair = self.seats.get_mut(seat.index())?.as_mut()?;
        Some(if preflop { &mut chair.time_bank_preflop_ms } else { &mut chair.time_bank_ms })
    }

    /// Takes from the bank what the turn has used of it.
    pub(super) fn charge_time_bank(&mut self) {
        let now = self.now;
        let Some(turn) = self.hand.as_ref().and_then(|hand| hand.turn) else {
            return;
        };
        if let (Some(since), Some(bank)) = (turn.bank_since, self.time_bank(turn.seat)) {
            *bank = bank.saturating_sub(now.saturating_sub(since));
        }
    }

    /// The banks grow by hands played, up to a bound.
    pub(super) fn grow_time_banks(&mut self, seat: SeatIndex) {
        let clock = self.config.clock;
        let Ok(chair) = self.seat_mut(seat) else { return };
        chair.hands = chair.hands.saturating_add(1);
        if chair.hands < clock.time_bank_hands {
            return;
        }
        chair.hands = 0;
        let most = clock.time_bank_max_ms.max(clock.time_bank_ms);
        for bank in [&mut chair.time_bank_preflop_ms, &mut chair.time_bank_ms] {
            *bank = (*bank + clock.time_bank_gain_ms).min(most);
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
        if let Some(Hand { turn, twice, .. }) = self.hand.as_mut() {
            if let Some(turn) = turn.as_mut() {
                turn.deadline = turn.deadline.saturating_add(pause);
                turn.bank_since = turn.bank_since.map(|at| at.saturating_add(pause));
            }
            if let Twice::Asked { deadline, .. } = twice {
                *deadline = deadline.saturating_add(pause);
            }
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
        let again = self.now.saturating_add(self.config.clock.turn_ms);
        if let Some(Hand { twice: Twice::Asked { deadline, .. }, .. }) = self.hand.as_mut() {
            *deadline = again;
            self.announce_turn(events);
        }
        if let Some(seat) = self.to_act() {
            self.start_turn(seat, events);
        }
        Ok(())
    }

    fn announce_turn(&self, events: &mut Vec<Event>) {
        let Some(hand) = self.hand.as_ref() else { return };
        if let Some(turn) = hand.turn {
            events.push(Event::TurnStarted { seat: turn.seat, deadline: turn.deadline });
        }
        if let Twice::Asked { open, deadline } = hand.twice {
            let seats = open.clockwise(hand.button).collect();
            events.push(Event::RunItTwiceAsked { seats, deadline });
        }
    }
}
