//! Betting rounds: whose turn it is, what they may do, and when a street ends.

use super::{Hand, Table};
use crate::{
    command::Action,
    event::{Event, Street},
    ids::{Chips, SeatIndex},
    refusal::Refusal,
};
use serde::Serialize;

/// What the player to act may do. Folding is always possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LegalActions {
    pub check: bool,
    /// Chips that a call would put in; `None` where there is nothing to call.
    pub call: Option<Chips>,
    /// Least and most total of a bet or raise; `None` where the betting is closed to the player.
    pub raise_to: Option<(Chips, Chips)>,
}

impl Table {
    /// What this seat may do now; `None` when it is not its turn.
    pub fn legal_actions(&self, seat: SeatIndex) -> Option<LegalActions> {
        if self.to_act() != Some(seat) {
            return None;
        }
        let hand = self.hand.as_ref()?;
        let (player, stack) = (hand.player(seat)?, self.seat(seat)?.stack);
        let owed = hand.bet.saturating_sub(player.street_bet);
        let all_in = player.street_bet + stack;
        // Open to a raise: not acted yet on this street, or a full raise (in one or in several
        // short ones) since (WSOP 172); and there must be a second player who could answer it.
        let open = player.acted_at.is_none_or(|at| hand.bet - at >= hand.raise_size);
        let answerable = hand.live().any(|(other, _)| other != seat && self.stack_of(other) > 0);
        let raise_to = (open && answerable && all_in > hand.bet).then(|| {
            let full = hand.bet + hand.raise_size;
            // An all-in for less than a full raise is always possible.
            (full.min(all_in), all_in)
        });
        Some(LegalActions { check: owed == 0, call: (owed > 0).then(|| owed.min(stack)), raise_to })
    }

    fn stack_of(&self, seat: SeatIndex) -> Chips {
        self.seat(seat).map_or(0, |seat| seat.stack)
    }

    pub(super) fn act(
        &mut self,
        seat: SeatIndex,
        action: Action,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        if self.hand.is_none() {
            return Err(Refusal::NoHand);
        }
        if self.paused_since.is_some() {
            return Err(Refusal::ClockPaused);
        }
        let legal = self.legal_actions(seat).ok_or(Refusal::NotYourTurn(seat))?;
        let to_call = legal.call.unwrap_or(0);
        match action {
            Action::Check if !legal.check => return Err(Refusal::CannotCheck { to_call }),
            Action::Call if legal.call.is_none() => return Err(Refusal::NothingToCall),
            Action::RaiseTo(given) => {
                let (min, max) = legal.raise_to.ok_or(Refusal::BettingClosed(seat))?;
                if !(min..=max).contains(&given) {
                    return Err(Refusal::RaiseBounds { given, min, max });
                }
            }
            Action::Fold | Action::Check | Action::Call => {}
        }
        self.charge_time_bank();
        self.carry_out(seat, action, false, events)
    }

    /// Checks if that is free, else folds: a player who is gone or out of time.
    pub(super) fn give_up(
        &mut self,
        seat: SeatIndex,
        timed_out: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let legal = self.legal_actions(seat).ok_or(Refusal::NotYourTurn(seat))?;
        let action = if legal.check { Action::Check } else { Action::Fold };
        self.carry_out(seat, action, timed_out, events)
    }

    fn carry_out(
        &mut self,
        seat: SeatIndex,
        action: Action,
        timed_out: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        let in_front = hand.player(seat).ok_or(Refusal::NotYourTurn(seat))?.street_bet;
        let owed = hand.bet.saturating_sub(in_front);
        match action {
            Action::Fold => {
                if let Some(player) = self.hand.as_mut().and_then(|hand| hand.player_mut(seat)) {
                    player.folded = true;
                }
            }
            Action::Check => {}
            Action::Call => {
                self.put_in(seat, owed);
            }
            Action::RaiseTo(total) => {
                self.put_in(seat, total - in_front);
                if let Some(hand) = self.hand.as_mut() {
                    hand.raised_to(seat, total);
                }
            }
        }
        let stack = self.stack_of(seat);
        let mut total = in_front;
        if let Some(hand) = self.hand.as_mut() {
            let bet = hand.bet;
            if let Some(player) = hand.player_mut(seat) {
                player.acted_at = Some(bet);
                total = player.street_bet;
            }
            hand.turn = None;
        }
        let all_in = stack == 0 && action != Action::Fold;
        events.push(Event::Acted { seat, action, total, stack, all_in, timed_out });
        self.go_on(seat, events)
    }

    /// Moves chips from a stack into the middle, at most what is there.
    pub(super) fn put_in(&mut self, seat: SeatIndex, amount: Chips) -> Chips {
        let Some(chair) = self.seats[seat.index()].as_mut() else {
            return 0;
        };
        let Some(player) = self.hand.as_mut().and_then(|hand| hand.player_mut(seat)) else {
            return 0;
        };
        let amount = amount.min(chair.stack);
        chair.stack -= amount;
        player.street_bet += amount;
        player.total += amount;
        amount
    }

    /// After an action of `seat`: the next player, the next street, or the end.
    pub(super) fn go_on(&mut self, mut seat: SeatIndex, events: &mut Vec<Event>) -> Result<(), Refusal> {
        loop {
            let Some(hand) = self.hand.as_ref() else {
                return Ok(());
            };
            if hand.live().count() == 1 {
                return self.win_uncontested(events);
            }
            if let Some(next) = self.next_to_act(hand, seat) {
                self.start_turn(next, events);
                // A player who is leaving does not hold the table up.
                if self.seat(next).is_some_and(|seat| seat.leaving) {
                    return self.give_up(next, false, events);
                }
                return Ok(());
            }
            self.return_uncalled(events);
            let Some(hand) = self.hand.as_mut() else {
                return Ok(());
            };
            if hand.street == Street::River {
                return self.showdown(events);
            }
            hand.next_street(events)?;
            seat = hand.button;
        }
    }

    /// The next clockwise who still has something to decide on this street.
    fn next_to_act(&self, hand: &Hand, from: SeatIndex) -> Option<SeatIndex> {
        let with_chips = hand.live().filter(|(seat, _)| self.stack_of(*seat) > 0).count();
        self.clockwise(from).find(|&seat| {
            let Some(player) = hand.player(seat) else {
                return false;
            };
            if player.folded || self.stack_of(seat) == 0 {
                return false;
            }
            // Nothing to decide for who covers everybody else and finds them all-in, though a short
            // all-in big blind leaves the bet at the full blind (WSOP 150).
            let contested = hand.live().any(|(other, against)| {
                other != seat && (self.stack_of(other) > 0 || against.street_bet > player.street_bet)
            });
            let owes = contested && player.street_bet < hand.bet;
            owes || (player.acted_at.is_none() && with_chips > 1)
        })
    }

    /// What nobody called goes back (before rake and pots).
    pub(super) fn return_uncalled(&mut self, events: &mut Vec<Event>) {
        let Some(hand) = self.hand.as_mut() else {
            return;
        };
        let mut totals: Vec<Chips> = hand.players().map(|(_, player)| player.total).collect();
        totals.sort_unstable();
        let [.., second, first] = totals[..] else {
            return;
        };
        let excess = first - second;
        let top = hand.live().find(|(_, player)| player.total == first).map(|(seat, _)| seat);
        let (Some(seat), true) = (top, excess > 0) else {
            return;
        };
        if let (Some(player), Some(chair)) = (hand.player_mut(seat), self.seats[seat.index()].as_mut()) {
            player.total -= excess;
            player.street_bet = player.street_bet.saturating_sub(excess);
            chair.stack += excess;
            events.push(Event::Uncalled { seat, amount: excess, stack: chair.stack });
        }
    }
}

impl Hand {
    /// A bet or raise to `total`. A short all-in lifts the bet, not the size of the next raise
    /// (WSOP 170 to 173: bet 100, all-in 140, a raise is to at least 240).
    fn raised_to(&mut self, seat: SeatIndex, total: Chips) {
        let size = total.saturating_sub(self.bet);
        self.raise_size = self.raise_size.max(size);
        self.bet = self.bet.max(total);
        self.aggressor = Some(seat);
    }

    fn next_street(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let (street, count) = match self.street {
            Street::Preflop => (Street::Flop, 3),
            Street::Flop => (Street::Turn, 1),
            Street::Turn | Street::River => (Street::River, 1),
        };
        let mut cards = Vec::with_capacity(count);
        for _ in 0..count {
            cards.push(self.next_card()?);
        }
        self.street = street;
        self.board.extend(&cards);
        self.bet = 0;
        self.raise_size = self.minimum_bet;
        self.aggressor = None;
        for player in self.players.iter_mut().flatten() {
            player.street_bet = 0;
            player.acted_at = None;
        }
        events.push(Event::StreetDealt { street, cards });
        Ok(())
    }
}
