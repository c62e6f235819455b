//! Hands accepted while a shortfall was not final: no order of settlement takes more than the chain has.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests may fail loudly"
)]

mod common;

use common::{TABLES, World, cases, player};
use proptest::prelude::*;
use purr_books::{memory::MemoryJournal, take::tally};
use std::collections::BTreeMap;

const UID: &str = TABLES[0];
const SEATS: u8 = 4;

/// Loser, winner and chips; whether a range ends after the hand, and how much settles before it.
type Hand = (u8, u8, u64, bool, u8);

fn hand() -> impl Strategy<Value = Hand> {
    (0..SEATS, 0..SEATS, 1..500_u64, any::<bool>(), 0..6_u8)
}

/// Seats with these stacks at final depth, of which the first ones have exited.
fn exited(stacks: &[u64], exits: u8) -> World {
    let mut world = World::new(MemoryJournal::default());
    for (seat, stack) in (0..).zip(stacks) {
        world.deposit(player(seat), 2_000);
        // No multiple of five: such seats are never handed in.
        world.sit(UID, seat, player(seat), stack * 5 + 1);
    }
    world.settle(UID, usize::MAX);
    for seat in 0..exits {
        world.exit(player(seat));
        world.exit(player(seat));
    }
    world
}

/// Computes netted ranges as the contract does, without reserve and rake. False: the contract would reject one for
/// good.
fn chain_takes(stacks: &[u64], exits: u8, hands: &[(u8, u8, u64, bool)]) -> bool {
    let mut held: BTreeMap<u8, i128> =
        (0..).zip(stacks).map(|(seat, stack)| (seat, i128::from(stack * 5 + 1))).collect();
    let mut net = BTreeMap::<u8, i128>::new();
    for (n, (loser, winner, lost, ends)) in hands.iter().enumerate() {
        *net.entry(*loser).or_default() -= i128::from(*lost);
        *net.entry(*winner).or_default() += i128::from(*lost);
        if !ends && n + 1 < hands.len() {
            continue;
        }
        let missing: i128 =
            net.iter().filter(|(seat, delta)| **seat < exits && **delta < 0).map(|(_, d)| -d).sum();
        let won: i128 = net.values().filter(|delta| **delta > 0).sum();
        let (mut rest, before) = (missing, net.clone());
        for pro_rata in [true, false] {
            for (seat, delta) in before.iter().filter(|(_, delta)| **delta > 0) {
                let left = net[seat];
                let part = if pro_rata { delta * missing / won } else { left.min(rest) };
                rest -= part;
                *net.get_mut(seat).unwrap() -= part;
            }
        }
        for (seat, delta) in std::mem::take(&mut net) {
            let stack = held.get_mut(&seat).unwrap();
            // The amount that an emptied seat would hold changes with its own deltas only; its wins were paid out.
            *stack += if seat < exits { before[&seat] } else { delta };
            if *stack < 0 {
                return false;
            }
        }
    }
    true
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn whatever_is_netted_no_accepted_hand_takes_more_than_the_chain_has(
        stacks in prop::collection::vec(1..60_u64, usize::from(SEATS)),
        exits in 1..3_u8,
        hands in prop::collection::vec(hand(), 1..40),
    ) {
        let mut world = exited(&stacks, exits);
        let mut accepted = Vec::new();
        for (loser, winner, lost, ends, _) in hands {
            let lost = lost.min(world.model(UID, loser).map_or(0, |(_, stack)| stack));
            if loser != winner && world.loses(UID, (loser, winner), lost) {
                accepted.push((loser, winner, lost, ends));
            }
        }
        prop_assert!(chain_takes(&stacks, exits, &accepted), "{accepted:?}");
    }

    #[test]
    fn whenever_hands_settle_none_has_to_be_passed_over(
        stacks in prop::collection::vec(1..60_u64, usize::from(SEATS)),
        exits in 1..3_u8,
        hands in prop::collection::vec(hand(), 1..40),
    ) {
        let mut world = exited(&stacks, exits);
        for (loser, winner, lost, _, settles) in hands {
            world.settle(UID, usize::from(settles.saturating_sub(3)));
            let lost = lost.min(world.model(UID, loser).map_or(0, |(_, stack)| stack));
            if loser != winner {
                world.loses(UID, (loser, winner), lost);
            }
        }
        world.settle(UID, usize::MAX);
        let table = &world.journal.books().tables[UID];
        prop_assert_eq!(table.confirmed_seq, table.head_seq);
        prop_assert_eq!(tally(&world.changes).conflicts, 0);
        prop_assert_eq!(world.differences(), Vec::<String>::new());
        prop_assert_eq!(world.flaws(), []);
    }
}
