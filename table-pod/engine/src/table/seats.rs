//! Coming, going and waiting.

use super::{BANK_MAX, DEPARTED_MAX, Departed, Seat, Table, TimeLeft};
use crate::{
    config::AMOUNT_MAX,
    event::Event,
    ids::{Chips, PlayerId, SeatIndex},
    list::Blank,
    refusal::Refusal,
};

impl Table {
    pub(super) fn sit(
        &mut self,
        seat: SeatIndex,
        player: PlayerId,
        stack: Chips,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        self.may_sit(seat, player, stack)?;
        self.take_seat(seat, player, stack, None, events)
    }

    /// Seats a player. The chain has taken the chips already, so no bound may refuse them: they would be lost.
    pub(super) fn take_seat(
        &mut self,
        seat: SeatIndex,
        player: PlayerId,
        stack: Chips,
        rake_allowed: Option<Chips>,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        self.seat_with(seat, player, stack)?;
        self.seat_mut(seat)?.rake_left = rake_allowed;
        events.push(Event::Seated { seat, player, stack });
        Ok(())
    }

    /// Changes the maximum rake that the player's permits allow; a seat without permits has no maximum to change.
    pub(super) fn allow_rake(
        &mut self,
        seat: SeatIndex,
        change: impl Fn(Chips) -> Option<Chips>,
    ) -> Result<(), Refusal> {
        let chair = self.seat_mut(seat)?;
        chair.rake_left = match chair.rake_left {
            Some(left) => Some(change(left).ok_or(Refusal::Overflow)?),
            None => None,
        };
        Ok(())
    }

    pub(super) fn seat_with(
        &mut self,
        seat: SeatIndex,
        player: PlayerId,
        stack: Chips,
    ) -> Result<(), Refusal> {
        self.check_free(seat, player)?;
        self.check_room(stack)?;
        let bank = self.config.clock.time_bank_ms;
        // A player who leaves and comes back gets the old time bank, not a full one.
        let time = self.recently_departed(player).and_then(|gone| gone.time);
        let time = time.unwrap_or(TimeLeft { preflop_ms: bank, bank_ms: bank, disconnect_ms: 0 });
        self.seats[seat.index()] = Some(Seat {
            player,
            stack,
            // Before the first hand nobody can have missed anything. Later a newcomer owes the big
            // blind, also who was here before (WSOP 154).
            owes_big: self.positions.is_some(),
            time_bank_preflop_ms: time.preflop_ms,
            time_bank_ms: time.bank_ms,
            disconnect_ms: time.disconnect_ms,
            ..Seat::BLANK
        });
        // The player who had the last big blind is recognised in any seat until the next hand.
        let back = self.departed.iter().find(|gone| gone.player == player);
        if back.and_then(|gone| gone.paid).is_some_and(|hand| hand == self.last.hand) {
            self.last.payer = Some(seat);
        }
        self.departed.retain(|gone| gone.player != player);
        self.bank += u128::from(stack);
        Ok(())
    }

    /// Checks that every sum of chips at the table still fits.
    fn check_room(&self, amount: Chips) -> Result<(), Refusal> {
        if self.bank + u128::from(amount) > BANK_MAX { Err(Refusal::Overflow) } else { Ok(()) }
    }

    /// Whether a player could sit down now. Called before chips are moved on the chain.
    pub fn may_sit(&self, seat: SeatIndex, player: PlayerId, stack: Chips) -> Result<(), Refusal> {
        self.check_free(seat, player)?;
        let (min, max) = self.buy_in_bounds(player);
        if !(min..=max).contains(&stack) {
            // A player who left with more than the maximum has to bring all of it back (no rat-holing).
            let ratholing = min > self.config.buy_in_min;
            return Err(if ratholing && stack < min {
                Refusal::RatHole { min, max }
            } else {
                Refusal::BuyIn { amount: stack, min, max }
            });
        }
        Ok(())
    }

    fn check_free(&self, seat: SeatIndex, player: PlayerId) -> Result<(), Refusal> {
        let chair = self.seats.get(seat.index()).ok_or(Refusal::NoSuchSeat(seat))?;
        if chair.is_some() {
            return Err(Refusal::SeatTaken(seat));
        }
        if let Some(at) = self.seat_of(player) {
            return Err(Refusal::SeatedAlready(at));
        }
        Ok(())
    }

    /// The least and the most that this player may sit down with now.
    pub fn buy_in_bounds(&self, player: PlayerId) -> (Chips, Chips) {
        let (min, max) = (self.config.buy_in_min, self.config.buy_in_max);
        match self.recently_departed(player) {
            Some(gone) if gone.stack > min => (gone.stack, max.max(gone.stack)),
            _ => (min, max),
        }
    }

    fn recently_departed(&self, player: PlayerId) -> Option<&Departed> {
        let recent = |gone: &&Departed| {
            gone.player == player && self.now.saturating_sub(gone.at) < self.config.rat_hole_ms
        };
        self.departed.iter().find(recent)
    }

    /// Adds chips. The chain has taken them already, so they are accepted even if the stack has grown meanwhile or the
    /// player is leaving.
    pub(super) fn top_up(
        &mut self,
        seat: SeatIndex,
        amount: Chips,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let in_hand = self.in_hand(seat);
        self.seat_mut(seat)?;
        self.check_room(amount)?;
        let chair = self.seat_mut(seat)?;
        if amount == 0 || amount > AMOUNT_MAX {
            return Err(Refusal::TopUp { amount, max: AMOUNT_MAX });
        }
        let held = chair.stack.checked_add(chair.pending).ok_or(Refusal::Overflow)?;
        let stack = held.checked_add(amount).ok_or(Refusal::Overflow)?;
        // Table stakes: a player in a hand only has the chips that the hand began with (WSOP 60).
        if in_hand {
            chair.pending += amount;
        } else {
            chair.stack += amount;
        }
        self.bank += u128::from(amount);
        events.push(Event::ToppedUp { seat, amount, stack });
        Ok(())
    }

    pub(super) fn leave(&mut self, seat: SeatIndex, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let in_hand = self.in_hand(seat);
        let chair = self.seat_mut(seat)?;
        if chair.leaving {
            return Err(Refusal::Leaving(seat));
        }
        chair.leaving = true;
        if in_hand {
            if self.to_act() == Some(seat) {
                return self.give_up(seat, false, events);
            }
            // A player who is leaving does not agree to anything.
            if self.asked_twice().contains(seat) {
                return self.decide_twice(false, events);
            }
            // A leaving player does not keep the others waiting for an answer whether to show.
            if self.asked_to_show().contains(seat) {
                return self.decide_show(seat, false, events);
            }
            return Ok(());
        }
        self.free(seat, events);
        Ok(())
    }

    /// Empties a seat; its chips leave the table with the player.
    pub(super) fn free(&mut self, seat: SeatIndex, events: &mut Vec<Event>) {
        let Some(gone) = self.seats[seat.index()].take() else {
            return;
        };
        let stack = gone.stack + gone.pending;
        self.bank -= u128::from(stack);
        self.departed.retain(|other| other.player != gone.player);
        if self.departed.len() == DEPARTED_MAX {
            self.departed.remove(0);
        }
        let paid = (self.last.payer == Some(seat)).then_some(self.last.hand);
        let time = Some(TimeLeft {
            preflop_ms: gone.time_bank_preflop_ms,
            bank_ms: gone.time_bank_ms,
            disconnect_ms: gone.disconnect_ms,
        });
        self.departed.push(Departed { player: gone.player, stack, at: self.now, paid, time });
        self.last.forget(seat);
        if let Some(hand) = self.hand.as_mut() {
            hand.last_before.forget(seat);
            hand.missed.iter_mut().for_each(|seats| seats.remove(seat));
        }
        events.push(Event::Left { seat, player: gone.player, stack });
    }

    pub(super) fn sit_out(&mut self, seat: SeatIndex, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let chair = self.seat_mut(seat)?;
        if chair.sitting_out {
            return Err(Refusal::SittingOut(seat));
        }
        chair.sitting_out = true;
        chair.posts = false;
        events.push(Event::SatOut { seat });
        Ok(())
    }

    pub(super) fn sit_in(
        &mut self,
        seat: SeatIndex,
        post: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let chair = self.seat_mut(seat)?;
        if chair.leaving {
            return Err(Refusal::Leaving(seat));
        }
        let waiting = chair.owes() && post && !chair.posts;
        if !chair.sitting_out && !waiting {
            return Err(Refusal::SittingIn(seat));
        }
        if chair.stack + chair.pending == 0 {
            return Err(Refusal::NoChips(seat));
        }
        chair.posts = post;
        if std::mem::take(&mut chair.sitting_out) {
            events.push(Event::SatIn { seat });
        }
        Ok(())
    }

    pub(super) fn set_connected(
        &mut self,
        seat: SeatIndex,
        connected: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let chair = self.seat_mut(seat)?;
        if std::mem::replace(&mut chair.connected, connected) != connected {
            events.push(if connected { Event::Reconnected { seat } } else { Event::Disconnected { seat } });
            if connected {
                self.regain_connection(seat, events);
            } else {
                self.lose_connection(seat, events);
            }
        }
        Ok(())
    }

    pub(super) fn wish_straddle(
        &mut self,
        seat: SeatIndex,
        on: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let allowed = self.config.straddle;
        let chair = self.seat_mut(seat)?;
        if !allowed {
            return Err(Refusal::NoStraddles);
        }
        if std::mem::replace(&mut chair.straddle, on) != on {
            events.push(Event::StraddleWished { seat, on });
        }
        Ok(())
    }

    pub(super) fn in_hand(&self, seat: SeatIndex) -> bool {
        self.hand.as_ref().is_some_and(|hand| hand.player(seat).is_some())
    }
}
