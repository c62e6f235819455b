//! Refunds: exact to the minor unit, the same for everybody who computes them again.

use proptest::prelude::*;
use purr_engine::PlayerId;
use purr_fairplay::refunds::{RefundError, RefundHand, Refunds, refunds};
use purr_fairplay_hands::HandKey;
use std::collections::BTreeSet;

fn player(number: u8) -> PlayerId {
    PlayerId([number; 20])
}

fn hand(number: u64, deltas: &[(u8, i64)], rake: u64) -> RefundHand {
    RefundHand {
        key: HandKey { table: "t".into(), hand: number },
        deltas: deltas.iter().map(|(who, delta)| (player(*who), *delta)).collect(),
        rake,
    }
}

fn cheats(numbers: &[u8]) -> BTreeSet<PlayerId> {
    numbers.iter().map(|number| player(*number)).collect()
}

fn of(refunds: &Refunds, number: u8) -> u64 {
    refunds.refunds.get(&player(number)).copied().unwrap_or(0)
}

#[test]
fn what_two_cheats_won_goes_to_the_losers_in_proportion_and_the_odd_unit_to_the_largest_remainder() {
    // 100 attributable, losses 2 : 1: 66.67 and 33.33.
    let hands = [hand(1, &[(1, 130), (2, -30), (3, -68), (4, -34)], 2)];
    let result = refunds(&hands, &cheats(&[1, 2]), false).unwrap();
    assert_eq!((of(&result, 3), of(&result, 4), result.total), (67, 33, 100));
    assert_eq!(result.from.get(&player(1)), Some(&100));
    let with_rake = refunds(&hands, &cheats(&[1, 2]), true).unwrap();
    assert_eq!((of(&with_rake, 3), of(&with_rake, 4)), (68, 34));
}

#[test]
fn hands_that_the_cheats_lost_are_not_set_against_others() {
    let hands = [hand(1, &[(1, 50), (3, -50)], 0), hand(2, &[(1, -500), (3, 500)], 0)];
    assert_eq!(refunds(&hands, &cheats(&[1]), false).unwrap().total, 50);
}

#[test]
fn a_hand_listed_twice_or_out_of_balance_is_refused() {
    let once = hand(1, &[(1, 50), (3, -50)], 0);
    let twice = refunds(&[once.clone(), once], &cheats(&[1]), false);
    assert!(matches!(twice, Err(RefundError::Twice(_))));
    let short = refunds(&[hand(1, &[(1, 50), (3, -49)], 0)], &cheats(&[1]), false);
    assert!(matches!(short, Err(RefundError::NotZeroSum { sum: 1, .. })));
}

/// Generates hands of 2 to 9 players with random losses, all won by one player less the rake.
fn hands() -> impl Strategy<Value = Vec<RefundHand>> {
    let one = (proptest::collection::vec(0i64..1 << 40, 1..9), 0u64..1_000_000, 0usize..9, 0u8..4);
    proptest::collection::vec(one, 1..12).prop_map(|hands| {
        let build = |(number, (losses, rake, winner, twist)): (usize, (Vec<i64>, u64, usize, u8))| {
            let players = losses.len() + 1;
            let winner = winner % players;
            let mut losses = losses.into_iter();
            let mut deltas: Vec<i64> =
                (0..players).map(|at| if at == winner { 0 } else { -losses.next().unwrap_or(0) }).collect();
            let lost: i64 = -deltas.iter().sum::<i64>();
            let rake = rake.min(lost.unsigned_abs());
            deltas[winner] = lost - rake as i64;
            // Now and then a second player wins a side pot.
            if twist == 0 && players > 2 {
                let other = (winner + 1) % players;
                let part = deltas[winner] / 3;
                deltas[winner] -= part;
                deltas[other] += part;
            }
            let deltas: Vec<(u8, i64)> = (0u8..).zip(deltas).collect();
            hand(number as u64, &deltas, rake)
        };
        hands.into_iter().enumerate().map(build).collect()
    })
}

proptest! {
    #[test]
    fn refunds_sum_to_what_is_attributable_and_nobody_gets_more_than_the_loss(
        hands in hands(), guilty in proptest::collection::btree_set(0u8..9, 0..4), with_rake in any::<bool>()
    ) {
        let cheats: BTreeSet<PlayerId> = guilty.iter().map(|number| player(*number)).collect();
        let result = refunds(&hands, &cheats, with_rake).unwrap();
        prop_assert_eq!(result.refunds.values().sum::<u64>(), result.total);
        let (mut attributable, mut least) = (0i128, 0i128);
        for hand in &hands {
            let won: i128 = hand.deltas.iter().filter(|(p, _)| cheats.contains(p)).map(|(_, d)| i128::from(*d)).sum();
            let lost: i128 = hand.deltas.iter()
                .filter(|(p, d)| !cheats.contains(p) && *d < 0).map(|(_, d)| -i128::from(*d)).sum();
            let here = won.max(0).min(lost);
            least += here;
            let rake = if with_rake && here > 0 { i128::from(hand.rake).min(lost - here) } else { 0 };
            attributable += here + rake;
        }
        prop_assert_eq!(i128::from(result.total), attributable);
        prop_assert_eq!(result.from.values().map(|v| i128::from(*v)).sum::<i128>(), least);
        for (who, amount) in &result.refunds {
            prop_assert!(!cheats.contains(who));
            let lost: u64 = hands.iter().flat_map(|hand| &hand.deltas)
                .filter(|(p, d)| p == who && *d < 0).map(|(_, d)| d.unsigned_abs()).sum();
            prop_assert!(*amount <= lost);
        }
    }

    #[test]
    fn neither_the_order_of_hands_nor_of_seats_changes_a_refund(hands in hands(), guilty in 0u8..9) {
        let cheats: BTreeSet<PlayerId> = [player(guilty)].into();
        let result = refunds(&hands, &cheats, true).unwrap();
        let mut turned: Vec<RefundHand> = hands.into_iter().rev().collect();
        turned.iter_mut().for_each(|hand| hand.deltas.reverse());
        prop_assert_eq!(refunds(&turned, &cheats, true).unwrap(), result);
    }
}
