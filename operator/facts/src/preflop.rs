//! Before the flop.

use crate::{Counters, Position, betting::Turn, position::Positions};
use purr_engine::{
    Action, SeatIndex,
    ids::{SEATS_MAX, SeatSet},
};

pub(crate) struct Preflop {
    positions: Positions,
    raises: u32,
    first_raiser: Option<SeatIndex>,
    last_raiser: Option<SeatIndex>,
    /// All players who have acted so far have folded.
    only_folds: bool,
    /// The first raise is a steal.
    stolen: bool,
    acted: SeatSet,
    in_by_choice: SeatSet,
    raised: SeatSet,
    could_raise: SeatSet,
    answered_steal: SeatSet,
}

impl Preflop {
    pub(crate) fn new(positions: Positions) -> Self {
        Self {
            positions,
            raises: 0,
            first_raiser: None,
            last_raiser: None,
            only_folds: true,
            stolen: false,
            acted: SeatSet::default(),
            in_by_choice: SeatSet::default(),
            raised: SeatSet::default(),
            could_raise: SeatSet::default(),
            answered_steal: SeatSet::default(),
        }
    }

    pub(crate) fn last_raiser(&self) -> Option<SeatIndex> {
        self.last_raiser
    }

    pub(crate) fn act(&mut self, turn: Turn, action: Action, counters: &mut Counters) {
        let seat = turn.seat;
        let (raises, folds) = (matches!(action, Action::RaiseTo(_)), action == Action::Fold);
        if turn.may_raise {
            self.could_raise.insert(seat);
            match self.raises {
                1 => {
                    counters.three_bet_of += 1;
                    counters.three_bet += i128::from(raises);
                }
                2 => {
                    counters.four_bet_of += 1;
                    counters.four_bet += i128::from(raises);
                }
                _ => {}
            }
        }
        if self.raises == 2 {
            counters.fold_three_bet_of += 1;
            counters.fold_three_bet += i128::from(folds);
            if self.first_raiser == Some(seat) {
                counters.open_fold_three_bet_of += 1;
                counters.open_fold_three_bet += i128::from(folds);
            }
        }
        self.steal(turn, raises, folds, counters);
        if raises {
            self.raises += 1;
            self.first_raiser = self.first_raiser.or(Some(seat));
            self.last_raiser = Some(seat);
            self.raised.insert(seat);
        }
        if raises || action == Action::Call {
            self.in_by_choice.insert(seat);
        }
        self.only_folds &= folds;
        self.acted.insert(seat);
    }

    fn steal(&mut self, turn: Turn, raises: bool, folds: bool, counters: &mut Counters) {
        let (seat, position) = (turn.seat, self.positions.of(turn.seat));
        let steals = matches!(position, Position::Cutoff | Position::Button | Position::SmallBlind);
        if steals && self.only_folds && !self.acted.contains(seat) && turn.may_raise {
            counters.steal_of += 1;
            counters.steal += i128::from(raises);
            self.stolen |= raises;
            return;
        }
        let blind = matches!(position, Position::SmallBlind | Position::BigBlind);
        if blind && self.stolen && self.raises == 1 && !self.answered_steal.contains(seat) {
            counters.fold_steal_of += 1;
            counters.fold_steal += i128::from(folds);
            self.answered_steal.insert(seat);
        }
    }

    /// Counts the facts that occur once a hand.
    pub(crate) fn conclude(&self, all: &mut [Counters; SEATS_MAX]) {
        for (seat, counters) in (0u8..).map(SeatIndex).zip(all) {
            counters.vpip = self.in_by_choice.contains(seat).into();
            counters.pfr = self.raised.contains(seat).into();
            counters.pfr_of = self.could_raise.contains(seat).into();
        }
    }
}
