//! Turns, the time banks and pauses. Time is only ever an argument.

use super::{Hand, Table, twice::Twice};
use crate::{
    config::{BIG_POT_BLINDS, SHOW_MS},
    event::{Event, Street},
    ids::{Millis, SeatIndex, SeatSet},
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
    /// The player has had the grace of a reconnection. It is given once a turn, so that reconnecting gains nothing.
    disconnected: bool,
    /// Set while the player's connection is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    away: Option<Away>,
    /// Disconnect time used in this turn, which has at most one such span.
    #[serde(default, skip_serializing_if = "is_none")]
    away_ms: Millis,
    /// Grace that ends with `deadline`. It is charged when given; the unused part is given back.
    #[serde(default, skip_serializing_if = "is_none")]
    grace_ms: Millis,
    /// Began with a take-over: the lost connection is the house's, and an absence costs the player nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    house: bool,
}

/// Snapshots contain many turns and seats, so default values are left out.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) const fn is_none(span: &Millis) -> bool {
    *span == 0
}

/// A connection lost during the player's own turn. The turn's clock stops; the time bank runs, then the disconnect
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Away {
    since: Millis,
    /// The rest of the turn.
    left_ms: Millis,
    bank_ms: Millis,
    /// Disconnect time that this absence may use.
    allowed_ms: Millis,
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
        self.start_turn_of(seat, false, events);
    }

    fn start_turn_of(&mut self, seat: SeatIndex, house: bool, events: &mut Vec<Event>) {
        let connected = self.seat(seat).is_some_and(|seat| seat.connected);
        let deadline = self.now.saturating_add(self.config.clock.turn_ms);
        let Some(hand) = self.hand.as_mut() else { return };
        hand.turn = Some(Turn {
            seat,
            deadline,
            bank_since: None,
            disconnected: false,
            away: None,
            away_ms: 0,
            grace_ms: 0,
            house,
        });
        if !connected {
            self.stop_turn();
        }
        self.announce_turn(events);
    }

    /// The time of a player whose connection is gone grows with the pot, measured in big blinds (as
    /// on PokerStars), up to a bound.
    fn disconnect_span(&self) -> Millis {
        let clock = &self.config.clock;
        let more = clock.disconnect_max_ms.saturating_sub(clock.disconnect_ms);
        let big_pot = self.config.big_blind * BIG_POT_BLINDS;
        let part = u128::from(more) * u128::from(self.pot().min(big_pot)) / u128::from(big_pot);
        // At most `more`, so it fits the type.
        clock.disconnect_ms.saturating_add(Millis::try_from(part).unwrap_or(more))
    }

    /// The time that counts: while the clock is paused, the moment when the pause began.
    fn clock_now(&self) -> Millis {
        self.paused_since.unwrap_or(self.now)
    }

    /// Stops the turn's clock where a player loses the connection in their own turn.
    pub(super) fn lose_connection(&mut self, seat: SeatIndex, events: &mut Vec<Event>) {
        if self.to_act() != Some(seat) {
            return;
        }
        self.stop_turn();
        if self.paused_since.is_none() {
            self.announce_turn(events);
        }
    }

    /// Resumes the turn with the time that was left and a short grace: dropping the connection gains no more than that,
    /// and both disconnect time and grace are bounded over the player's stay.
    pub(super) fn regain_connection(&mut self, seat: SeatIndex, events: &mut Vec<Event>) {
        if self.to_act() != Some(seat) {
            return;
        }
        let Some(left) = self.settle_time() else { return };
        let at = self.clock_now();
        let budget = self.disconnect_left(seat);
        let Some(turn) = self.hand.as_mut().and_then(|hand| hand.turn.as_mut()) else { return };
        let house = std::mem::take(&mut turn.house);
        let grace =
            if house || turn.disconnected { 0 } else { self.config.clock.reconnect_grace_ms.min(budget) };
        turn.disconnected |= !house;
        turn.grace_ms = grace;
        turn.deadline = at.saturating_add(left).saturating_add(grace);
        if let Some(chair) = self.seats[seat.index()].as_mut() {
            chair.disconnect_ms = chair.disconnect_ms.saturating_add(grace);
        }
        if self.paused_since.is_none() {
            self.announce_turn(events);
        }
    }

    /// Disconnect time that the player may still use before leaving the table.
    fn disconnect_left(&self, seat: SeatIndex) -> Millis {
        let used = self.seat(seat).map_or(0, |chair| chair.disconnect_ms);
        self.config.clock.disconnect_total_ms.saturating_sub(used)
    }

    /// The player to act is disconnected: the time bank runs first, then the disconnect time.
    fn stop_turn(&mut self) {
        let Some(seat) = self.to_act() else { return };
        let Some(left) = self.settle_time() else { return };
        let at = self.clock_now();
        let (span, budget) = (self.disconnect_span(), self.disconnect_left(seat));
        let bank = self.time_bank(seat).copied().unwrap_or(0);
        let Some(turn) = self.hand.as_mut().and_then(|hand| hand.turn.as_mut()) else { return };
        let (bank, allowed) = match turn.house {
            true => (0, span),
            false => (bank, span.saturating_sub(turn.away_ms).min(budget)),
        };
        turn.away = Some(Away { since: at, left_ms: left, bank_ms: bank, allowed_ms: allowed });
        // A player who does not return gets no second wait for the rest of the turn.
        turn.deadline = at.saturating_add(left.max(bank.saturating_add(allowed)));
    }

    /// Charges bank and disconnect time that the turn has used, and stops both; returns what is left of the turn.
    fn settle_time(&mut self) -> Option<Millis> {
        let at = self.clock_now();
        let mut turn = self.hand.as_ref().and_then(|hand| hand.turn)?;
        let (seat, unused) = (turn.seat, turn.deadline.saturating_sub(at));
        let (mut from_bank, mut away, mut back) = (0, 0, 0);
        let left = if let Some(gone) = turn.away.take() {
            let elapsed = at.saturating_sub(gone.since);
            from_bank = elapsed.min(gone.bank_ms);
            away = (elapsed - from_bank).min(gone.allowed_ms);
            turn.away_ms = turn.away_ms.saturating_add(away);
            gone.left_ms.saturating_sub(elapsed - from_bank - away)
        } else if let Some(since) = turn.bank_since.take() {
            from_bank = at.saturating_sub(since);
            0
        } else {
            back = std::mem::take(&mut turn.grace_ms).min(unused);
            unused - back
        };
        if !turn.house {
            if let Some(bank) = self.time_bank(seat) {
                *bank = bank.saturating_sub(from_bank);
            }
            if let Some(chair) = self.seats[seat.index()].as_mut() {
                chair.disconnect_ms = chair.disconnect_ms.saturating_add(away).saturating_sub(back);
            }
        }
        if let Some(hand) = self.hand.as_mut() {
            hand.turn = Some(turn);
        }
        Some(left)
    }

    /// Charges the time bank at the end of the turn.
    pub(super) fn charge_time_bank(&mut self) {
        self.settle_time();
    }

    pub(super) fn tick(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        if self.paused_since.is_some() {
            return Ok(());
        }
        if self.twice_deadline().is_some_and(|deadline| deadline <= self.now) {
            return match self.asked_to_show().is_empty() {
                true => self.decide_twice(false, events),
                false => self.muck_unanswered(events),
            };
        }
        let Some(turn) = self.hand.as_ref().and_then(|hand| hand.turn) else {
            return Ok(());
        };
        if self.now < turn.deadline {
            return Ok(());
        }
        let seat = turn.seat;
        let bank = self.time_bank(seat).copied().unwrap_or(0);
        // An absence has used the bank already.
        if turn.bank_since.is_none() && turn.away.is_none() && bank > 0 {
            // The bank runs from the end of the turn, however late the tick came.
            let deadline = turn.deadline.saturating_add(bank);
            if let Some(hand) = self.hand.as_mut() {
                hand.turn = Some(Turn { deadline, bank_since: Some(turn.deadline), grace_ms: 0, ..turn });
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
                if let Some(away) = turn.away.as_mut() {
                    away.since = away.since.saturating_add(pause);
                }
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
        // Time used by the old clock stays used; the player gets a whole new turn.
        let now = std::mem::replace(&mut self.now, last);
        self.settle_time();
        self.now = now;
        self.paused_since = None;
        // Moments of the old clock have no meaning on the new one: spans that had expired by its last moment are over,
        // the others start again.
        let span = self.config.rat_hole_ms;
        self.departed.retain(|gone| last.saturating_sub(gone.at) < span);
        self.departed.iter_mut().for_each(|gone| gone.at = self.now);
        let turn_ms = self.config.clock.turn_ms;
        if let Some(Hand { twice: Twice::Asked { deadline, .. }, showing, .. }) = self.hand.as_mut() {
            let span = if showing.is_some() { SHOW_MS } else { turn_ms };
            *deadline = self.now.saturating_add(span);
            self.announce_turn(events);
        }
        if let Some(seat) = self.to_act() {
            self.start_turn_of(seat, true, events);
        }
        Ok(())
    }

    fn announce_turn(&self, events: &mut Vec<Event>) {
        let Some(hand) = self.hand.as_ref() else { return };
        if let Some(turn) = hand.turn {
            events.push(Event::TurnStarted { seat: turn.seat, deadline: turn.deadline });
        }
        if let Twice::Asked { open, deadline } = hand.twice {
            let in_order = |open: SeatSet| open.clockwise(hand.button).collect();
            events.push(match hand.showing {
                Some(showing) => Event::ShowAsked { seats: in_order(showing.open), deadline },
                None => Event::RunItTwiceAsked { seats: in_order(open), deadline },
            });
        }
    }
}
