//! After the flop.

use crate::{Counters, betting::Turn};
use purr_engine::{Action, SeatIndex, event::Street, ids::SeatSet};

#[derive(Default)]
pub(crate) struct Postflop {
    /// The last raiser before the flop, while every street so far had their continuation bet.
    continues: Option<SeatIndex>,
    /// Bets and raises on this street.
    bets: u32,
    /// The street's first bet is a continuation bet.
    cbet: bool,
    acted: SeatSet,
    checked: SeatSet,
    /// Players who had checked and faced a bet, or raised afterwards: each counts once a street.
    faced: SeatSet,
    check_raised: SeatSet,
    answered_cbet: SeatSet,
}

impl Postflop {
    /// The next street begins.
    pub(crate) fn street(&mut self, street: Street, last_raiser: Option<SeatIndex>) {
        let continues = match street {
            Street::Flop => last_raiser,
            // Without a continuation bet on the previous street there is nothing to continue.
            _ => self.continues.filter(|_| self.cbet),
        };
        *self = Self { continues, ..Self::default() };
    }

    pub(crate) fn act(&mut self, turn: Turn, action: Action, counters: &mut Counters) {
        let seat = turn.seat;
        let (raises, folds) = (matches!(action, Action::RaiseTo(_)), action == Action::Fold);
        counters.aggressive += i128::from(raises);
        counters.calls += i128::from(action == Action::Call);
        counters.folds += i128::from(folds);
        if self.checked.contains(seat) && turn.faces_bet {
            counters.check_raise_of += i128::from(!self.faced.contains(seat));
            self.faced.insert(seat);
            if raises && !self.check_raised.contains(seat) {
                counters.check_raise += 1;
                self.check_raised.insert(seat);
            }
        }
        let mut cbet = false;
        if self.continues == Some(seat) && self.bets == 0 && !self.acted.contains(seat) {
            cbet = raises;
            let (made, had) = counters.cbet(turn.street);
            *had += 1;
            *made += i128::from(raises);
        }
        if self.cbet && self.bets == 1 && turn.faces_bet && !self.answered_cbet.contains(seat) {
            let (folded, had) = counters.fold_cbet(turn.street);
            *had += 1;
            *folded += i128::from(folds);
            self.answered_cbet.insert(seat);
        }
        if raises {
            self.bets += 1;
            self.cbet |= cbet;
        }
        if action == Action::Check {
            self.checked.insert(seat);
        }
        self.acted.insert(seat);
    }
}

impl Counters {
    fn cbet(&mut self, street: Street) -> (&mut i128, &mut i128) {
        match street {
            Street::Preflop | Street::Flop => (&mut self.cbet_flop, &mut self.cbet_flop_of),
            Street::Turn => (&mut self.cbet_turn, &mut self.cbet_turn_of),
            Street::River => (&mut self.cbet_river, &mut self.cbet_river_of),
        }
    }

    fn fold_cbet(&mut self, street: Street) -> (&mut i128, &mut i128) {
        match street {
            Street::Preflop | Street::Flop => (&mut self.fold_cbet_flop, &mut self.fold_cbet_flop_of),
            Street::Turn => (&mut self.fold_cbet_turn, &mut self.fold_cbet_turn_of),
            Street::River => (&mut self.fold_cbet_river, &mut self.fold_cbet_river_of),
        }
    }
}
