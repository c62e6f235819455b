//! Main pot and side pots from what each player put in.

use crate::ids::{Chips, SeatIndex};
use serde::{Deserialize, Serialize};

/// What one player has put into the hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contribution {
    pub seat: SeatIndex,
    /// Live bets and an ante of one's own.
    pub amount: Chips,
    pub folded: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pot {
    pub amount: Chips,
    /// Who can win it, in seat order.
    pub eligible: Vec<SeatIndex>,
}

/// Builds the pots, main pot first. Folded chips stay in the layer that they were put into; dead
/// money (a big-blind ante, a missed small blind) belongs to the main pot. Layers that the same
/// players can win are one pot.
pub fn pots(contributions: &[Contribution], dead: Chips) -> Vec<Pot> {
    let mut levels: Vec<Chips> =
        contributions.iter().filter(|c| !c.folded && c.amount > 0).map(|c| c.amount).collect();
    levels.sort_unstable();
    levels.dedup();
    let mut pots: Vec<Pot> = Vec::with_capacity(levels.len());
    let mut below = 0;
    let top = levels.last().copied();
    for level in levels {
        // What folded players put in above the highest live bet has no layer of its own.
        let ceiling = if Some(level) == top { Chips::MAX } else { level };
        let amount = contributions.iter().map(|c| c.amount.min(ceiling).saturating_sub(below)).sum();
        let eligible: Vec<SeatIndex> =
            contributions.iter().filter(|c| !c.folded && c.amount >= level).map(|c| c.seat).collect();
        match pots.last_mut() {
            Some(last) if last.eligible == eligible => last.amount += amount,
            _ => pots.push(Pot { amount, eligible }),
        }
        below = level;
    }
    match pots.first_mut() {
        Some(main) => main.amount += dead,
        None if dead > 0 => {
            let eligible = contributions.iter().filter(|c| !c.folded).map(|c| c.seat).collect();
            pots.push(Pot { amount: dead, eligible });
        }
        None => {}
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

    fn seats(list: &[u8]) -> Vec<SeatIndex> {
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

    #[test]
    fn odd_chips_go_one_at_a_time_clockwise() {
        assert_eq!(split(32, 3).collect::<Vec<_>>(), [11, 11, 10]);
        assert_eq!(split(30, 3).collect::<Vec<_>>(), [10, 10, 10]);
        assert_eq!(split(5, 1).collect::<Vec<_>>(), [5]);
    }
}
