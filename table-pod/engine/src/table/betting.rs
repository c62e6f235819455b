//! Betting: whose turn it is, and the legal actions.

use super::{Hand, InHand, Table};
use crate::{
    command::Action,
    config::Betting,
    event::{Event, Street},
    ids::{Chips, SeatIndex},
    refusal::Refusal,
};
use serde::Serialize;

/// Actions of the player to act. Folding is always possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LegalActions {
    pub check: bool,
    /// Cost of a call; `None` if there is nothing to call.
    pub call: Option<Chips>,
    /// Least and most total of a bet or raise; `None` where the betting is closed to the player.
    pub raise_to: Option<(Chips, Chips)>,
}

impl Table {
    /// Returns the actions that this seat may take now; `None` when it is not its turn.
    pub fn legal_actions(&self, seat: SeatIndex) -> Option<LegalActions> {
        if self.to_act() != Some(seat) {
            return None;
        }
        let hand = self.hand.as_ref()?;
        let (player, stack) = (hand.player(seat)?, self.seat(seat)?.stack);
        let owed = hand.owed(seat);
        let all_in = player.street_bet + stack;
        let open = hand.is_open(player, self.config.betting) && hand.is_answerable(seat);
        let bounds = || {
            // An all-in for less than a full raise is always possible.
            let (full, most) = hand.raise_bounds(self.config.betting, all_in)?;
            Some((full.min(all_in), most.min(all_in)))
        };
        let raise_to = (open && all_in > hand.bet).then(bounds).flatten();
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
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        if self.paused_since.is_some() {
            return Err(Refusal::ClockPaused);
        }
        let legal = self.legal_actions(seat).ok_or(Refusal::NotYourTurn(seat))?;
        let to_call = legal.call.unwrap_or(0);
        match action {
            Action::Check if !legal.check => return Err(Refusal::CannotCheck { to_call }),
            Action::Call if legal.call.is_none() => return Err(Refusal::NothingToCall),
            Action::RaiseTo(given) => {
                let (min, max) = legal.raise_to.ok_or_else(|| self.why_no_raise(hand, seat))?;
                if !(min..=max).contains(&given) {
                    return Err(Refusal::RaiseBounds { given, min, max });
                }
            }
            Action::Fold | Action::Check | Action::Call => {}
        }
        self.charge_time_bank();
        self.play(seat, action, false, events)
    }

    /// The rule that stands against any raise of the player to act.
    fn why_no_raise(&self, hand: &Hand, seat: SeatIndex) -> Refusal {
        let Some(player) = hand.player(seat) else {
            return Refusal::NotYourTurn(seat);
        };
        let all_in = player.street_bet + self.stack_of(seat);
        match self.config.betting {
            _ if !hand.is_answerable(seat) => Refusal::NobodyToRaise(seat),
            _ if all_in <= hand.bet => Refusal::TooShortToRaise { all_in, bet: hand.bet },
            Betting::FixedLimit { bets_max, .. } if bets_max > 0 && hand.bets >= bets_max => {
                Refusal::BetsCapped { bets_max }
            }
            _ => Refusal::BettingClosed(seat),
        }
    }

    /// Checks if that is free, else folds: a player who is leaving or out of time.
    pub(super) fn give_up(
        &mut self,
        seat: SeatIndex,
        timed_out: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let legal = self.legal_actions(seat).ok_or(Refusal::NotYourTurn(seat))?;
        let action = if legal.check { Action::Check } else { Action::Fold };
        self.play(seat, action, timed_out, events)
    }

    fn play(
        &mut self,
        seat: SeatIndex,
        action: Action,
        timed_out: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let hand = self.hand.as_mut().ok_or(Refusal::NoHand)?;
        let player = hand.player_mut(seat).ok_or(Refusal::NotYourTurn(seat))?;
        let in_front = player.street_bet;
        match action {
            Action::Fold => {
                player.folded = true;
                hand.live.remove(seat);
                hand.able.remove(seat);
            }
            Action::Check => {}
            Action::Call => {
                let owed = hand.owed(seat);
                self.put_in(seat, owed);
            }
            Action::RaiseTo(total) => {
                hand.raised_to(seat, total, self.config.betting);
                self.put_in(seat, total - in_front);
            }
        }
        let stack = self.stack_of(seat);
        let mut total = in_front;
        if let Some(hand) = self.hand.as_mut() {
            if stack == 0 && matches!(action, Action::RaiseTo(_)) {
                hand.pushed = Some(seat);
            }
            let at = hand.bet.max(hand.full_bet);
            if let Some(player) = hand.player_mut(seat) {
                player.acted_at = Some(at);
                total = player.street_bet;
            }
            hand.turn = None;
        }
        let all_in = stack == 0 && action != Action::Fold;
        events.push(Event::Acted { seat, action, total, stack, all_in, timed_out });
        self.go_on(seat, events)
    }

    /// Moves chips from a stack into the pot, at most the whole stack.
    pub(super) fn put_in(&mut self, seat: SeatIndex, amount: Chips) -> Chips {
        let Some(chair) = self.seats[seat.index()].as_mut() else {
            return 0;
        };
        let Some(hand) = self.hand.as_mut() else {
            return 0;
        };
        let Some(player) = hand.player_mut(seat) else {
            return 0;
        };
        let amount = amount.min(chair.stack);
        chair.stack -= amount;
        player.street_bet += amount;
        player.total += amount;
        if chair.stack == 0 {
            hand.able.remove(seat);
        }
        amount
    }

    /// After an action of `seat`: the next player, the next street, or the end.
    pub(super) fn go_on(&mut self, mut seat: SeatIndex, events: &mut Vec<Event>) -> Result<(), Refusal> {
        loop {
            let Some(hand) = self.hand.as_ref() else {
                return Ok(());
            };
            if hand.live.len() == 1 {
                return self.win_uncontested(events);
            }
            if let Some(next) = hand.next_to_act(seat) {
                self.start_turn(next, events);
                // A player who is leaving does not hold the table up.
                if self.seat(next).is_some_and(|seat| seat.leaving) {
                    return self.give_up(next, false, events);
                }
                return Ok(());
            }
            self.return_uncalled(events);
            if self.ask_twice(events) {
                return Ok(());
            }
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
}

impl Hand {
    /// The next clockwise who still has something to decide on this street.
    fn next_to_act(&self, from: SeatIndex) -> Option<SeatIndex> {
        self.able.clockwise(from).find(|&seat| {
            let Some(player) = self.player(seat) else {
                return false;
            };
            if self.able.len() > 1 {
                return player.acted_at.is_none() || self.owed(seat) > 0;
            }
            // A player who covers all others and finds them all-in has no decision, even if a short all-in big blind
            // leaves the bet at the full blind (WSOP 150).
            self.live
                .iter()
                .any(|other| self.player(other).is_some_and(|against| against.street_bet > player.street_bet))
        })
    }

    /// Chips that a player with any stack has to add to stay in: never more than a live opponent can put in (WSOP 60).
    /// If a blind or straddle is short and some player can match it in full, callers owe it in full (WSOP 150).
    fn owed(&self, seat: SeatIndex) -> Chips {
        let Some(player) = self.player(seat).filter(|player| player.street_bet < self.bet) else {
            return 0;
        };
        // The player who bet or raised on this street has the whole bet in front.
        if self.aggressor.is_some() {
            return self.bet - player.street_bet;
        }
        let mut most = 0;
        for other in self.live.without(seat) {
            most = most.max(self.player(other).map_or(0, InHand::reach));
            if most >= self.bet {
                return self.bet - player.street_bet;
            }
        }
        most.saturating_sub(player.street_bet)
    }

    /// Open to a raise: the player has not acted yet on this street, or there was a full raise since,
    /// in one or in several short ones (WSOP 172).
    fn is_open(&self, player: &InHand, betting: Betting) -> bool {
        player.acted_at.is_none_or(|at| self.is_raised_since(at, betting))
    }

    /// Whether somebody else has chips to answer a raise with.
    fn is_answerable(&self, seat: SeatIndex) -> bool {
        !self.able.without(seat).is_empty()
    }

    /// Whether there was a full raise since a player acted who had to match this much then.
    fn is_raised_since(&self, acted_at: Chips, betting: Betting) -> bool {
        match betting {
            Betting::NoLimit => self.bet - acted_at >= self.raise_size,
            Betting::FixedLimit { .. } => self.full_bet > acted_at,
        }
    }

    /// Least and most total of a raise, for a player with this much.
    fn raise_bounds(&self, betting: Betting, all_in: Chips) -> Option<(Chips, Chips)> {
        match betting {
            Betting::NoLimit => Some((self.bet + self.raise_size, all_in)),
            Betting::FixedLimit { bets_max, .. } if bets_max > 0 && self.bets >= bets_max => None,
            Betting::FixedLimit { .. } => {
                let full = self.full_bet + self.limit(betting);
                Some((full, full))
            }
        }
    }

    /// The one size of bets and raises on this street of a fixed limit.
    fn limit(&self, betting: Betting) -> Chips {
        match betting {
            Betting::NoLimit => self.raise_size,
            Betting::FixedLimit { small_bet, big_bet, .. } => {
                if self.street >= Street::Turn {
                    big_bet
                } else {
                    small_bet
                }
            }
        }
    }

    /// A bet or raise to `total`. A short all-in lifts the bet, not the size of the next raise
    /// (WSOP 170 to 173: bet 100, all-in 140, a raise is to at least 240). In a fixed limit an all-in
    /// of half a bet or more counts as a full one (WSOP 172).
    fn raised_to(&mut self, seat: SeatIndex, total: Chips, betting: Betting) {
        match betting {
            Betting::NoLimit => {
                self.raise_size = self.raise_size.max(total.saturating_sub(self.bet));
                self.full_bet = total;
                self.bets = self.bets.saturating_add(1);
            }
            Betting::FixedLimit { .. } => {
                let size = self.limit(betting);
                if total.saturating_sub(self.full_bet) >= size.div_ceil(2) {
                    self.full_bet += size;
                    self.bets = self.bets.saturating_add(1);
                }
            }
        }
        self.bet = self.bet.max(total);
        self.aggressor = Some(seat);
    }
}
