//! Main pot and side pots from what each player put in.

use crate::{
    ids::{Chips, SEATS_MAX, SeatIndex, SeatSet},
    list::{Blank, List},
};
use serde::{Deserialize, Serialize};

/// The contribution of one player to the hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contribution {
    pub seat: SeatIndex,
    /// Live bets and the player's own ante.
    pub amount: Chips,
    pub folded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pot {
    pub amount: Chips,
    /// Seats that can win the pot.
    pub eligible: SeatSet,
}

impl Blank for Pot {
    const BLANK: Self = Self { amount: 0, eligible: SeatSet::first(0) };
}

/// Main pot first: one layer for each player at most. Dead money is a layer of its own only where a player has
/// nothing else in, who then makes no layer.
pub type Pots = List<Pot, SEATS_MAX>;

/// Builds the pots, main pot first. Folded chips stay in the layer that they were put into; dead
/// money (a big-blind ante, a missed small blind) is the lowest layer, which everybody can win who
/// has not folded. Layers that the same players can win are one pot.
///
/// Contributions are one a seat, at most ten.
pub fn pots(contributions: &[Contribution], dead: Chips) -> Pots {
    let mut pots = Pots::new();
    let mut add = |amount: Chips, eligible: SeatSet| match pots.last_mut() {
        Some(last) if last.eligible == eligible => last.amount += amount,
        _ => pots.push(Pot { amount, eligible }),
    };
    let live = || contributions.iter().filter(|c| !c.folded);
    let reaching = |level: Chips| live().filter(|c| c.amount >= level).map(|c| c.seat).collect::<SeatSet>();
    if dead > 0 {
        add(dead, reaching(0));
    }
    let mut below = 0;
    while let Some(level) = live().map(|c| c.amount).filter(|amount| *amount > below).min() {
        let top = live().all(|c| c.amount <= level);
        // Chips of folded players above the highest live bet have no layer of their own.
        let ceiling = if top { Chips::MAX } else { level };
        let amount = contributions.iter().map(|c| c.amount.min(ceiling).saturating_sub(below)).sum();
        add(amount, reaching(level));
        below = level;
    }
    pots
}

/// Splits a pot among its winners, who come clockwise from the button's left: each odd chip goes
/// to the next of them (WSOP 148).
pub fn split(amount: Chips, winners: usize) -> impl Iterator<Item = Chips> {
    let count = winners as Chips;
    let (share, odd) = match count {
        0 => (0, 0),
        n => (amount / n, amount % n),
    };
    (0..count).map(move |place| share + Chips::from(place < odd))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(seat: u8, amount: Chips, folded: bool) -> Contribution {
        Contribution { seat: SeatIndex(seat), amount, folded }
    }

    fn seats(list: &[u8]) -> SeatSet {
        list.iter().copied().map(SeatIndex).collect()
    }

    #[test]
    fn side_pots_keep_folded_chips_in_the_layer_they_were_put_into() {
        let all = [put(0, 50, false), put(1, 200, true), put(2, 200, false), put(3, 200, false)];
        let got = pots(&all, 0);
        assert_eq!(got[0], Pot { amount: 200, eligible: seats(&[0, 2, 3]) });
        assert_eq!(got[1], Pot { amount: 450, eligible: seats(&[2, 3]) });
        assert_eq!(got.len(), 2);
    }

    #[test]
    fn a_folded_bet_above_every_live_one_stays_in_the_last_pot() {
        let got = pots(&[put(0, 30, false), put(1, 100, true), put(2, 40, false)], 0);
        assert_eq!(got[0].amount, 90);
        assert_eq!(got[1], Pot { amount: 80, eligible: seats(&[2]) });
    }

    #[test]
    fn dead_money_belongs_to_the_main_pot() {
        let got = pots(&[put(0, 10, false), put(1, 100, false), put(2, 100, false)], 7);
        assert_eq!(got[0].amount, 37);
        assert_eq!(got[1].amount, 180);
    }

    /// A stack that went into a big-blind ante as a whole has no bet, and still plays for the antes.
    #[test]
    fn who_is_all_in_with_dead_money_alone_can_win_that() {
        let got = pots(&[put(0, 0, false), put(1, 10, false), put(2, 10, false), put(3, 0, true)], 8);
        assert_eq!(
            *got,
            [Pot { amount: 8, eligible: seats(&[0, 1, 2]) }, Pot { amount: 20, eligible: seats(&[1, 2]) },]
        );
    }

    #[test]
    fn odd_chips_go_one_at_a_time_clockwise() {
        assert_eq!(split(32, 3).collect::<Vec<_>>(), [11, 11, 10]);
        assert_eq!(split(30, 3).collect::<Vec<_>>(), [10, 10, 10]);
        assert_eq!(split(5, 1).collect::<Vec<_>>(), [5]);
    }
}
