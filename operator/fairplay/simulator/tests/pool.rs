//! The simulator: hands that the engine played, the same for the same seed, with the truth about them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use purr_fairplay_hands::{ActionKind, EndedHand};
use purr_fairplay_sim::{Guilty, Kind, Pool, PoolPlan, SimError};

fn played(seed: u64, guilty: &[Guilty], sessions: u32) -> (Vec<EndedHand>, Pool) {
    let plan = PoolPlan { guilty: guilty.to_vec(), session_hands: 40, ..PoolPlan::default() };
    let mut pool = Pool::new(seed, 0, plan).unwrap();
    let mut hands = Vec::new();
    for _ in 0..sessions {
        pool.play_session(&mut |hand| hands.push(hand.clone())).unwrap();
    }
    (hands, pool)
}

fn certain(kind: Kind) -> Guilty {
    Guilty { kind, intensity: 1.0 }
}

#[test]
fn the_same_seed_plays_the_same_hands_and_another_seed_others() {
    let (first, _) = played(7, &[certain(Kind::SoftPlay)], 2);
    let (again, _) = played(7, &[certain(Kind::SoftPlay)], 2);
    let (other, _) = played(8, &[certain(Kind::SoftPlay)], 2);
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[test]
fn every_hand_is_valid_conserves_chips_and_has_cards_and_think_times() {
    let (hands, _) = played(1, &[certain(Kind::Dump), certain(Kind::Superuser)], 4);
    assert_eq!(hands.len(), 4 * 5 * 40);
    for hand in &hands {
        hand.validate().unwrap();
        let sum: i64 = hand.seats.iter().map(|seat| seat.delta).sum();
        assert_eq!(sum + hand.rake as i64, 0);
        assert!(hand.seats.iter().all(|seat| seat.cards.is_some()));
        assert!(
            hand.actions.iter().all(|action| action.think_ms.is_some_and(|ms| (200..15_000).contains(&ms)))
        );
    }
}

#[test]
fn honest_players_play_like_players() {
    let (hands, _) = played(3, &[], 12);
    let actions =
        |kind| hands.iter().flat_map(|hand| &hand.actions).filter(|a| a.action == kind).count() as f64;
    let folds = actions(ActionKind::Fold) / hands.len() as f64;
    let flops = hands.iter().filter(|hand| hand.board.len() >= 3).count() as f64 / hands.len() as f64;
    assert!((2.0..5.0).contains(&folds), "{folds} folds a hand");
    assert!((0.35..0.85).contains(&flops), "{flops} of hands see a flop");
}

#[test]
fn every_kind_changes_actions_and_the_truth_names_the_hands() {
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_bot() && *kind != Kind::MultiAccount) {
        let (hands, pool) = played(5, &[certain(kind)], 20);
        let group = &pool.truth().groups[0];
        assert!(!group.hands.is_empty(), "{kind:?} changes nothing");
        for key in &group.hands {
            let hand = hands.iter().find(|hand| hand.key() == *key).unwrap();
            let dealt = |member: &purr_engine::PlayerId| hand.seats.iter().any(|seat| seat.player == *member);
            assert!(group.members.iter().any(dealt), "{kind:?} in a hand without a member");
        }
    }
}

#[test]
fn accounts_of_one_person_never_meet_and_friends_always_do() {
    let (hands, pool) = played(2, &[certain(Kind::MultiAccount)], 20);
    let twins = &pool.truth().groups[0].members;
    let friends: Vec<_> = pool
        .players()
        .filter(|(_, persona)| *persona == purr_fairplay_sim::Persona::Friend)
        .map(|(player, _)| player)
        .collect();
    let together = |players: &[purr_engine::PlayerId], hand: &EndedHand| {
        players.iter().filter(|player| hand.seats.iter().any(|seat| seat.player == **player)).count()
    };
    assert!(hands.iter().all(|hand| together(twins, hand) < 2));
    assert!(hands.iter().all(|hand| together(&friends, hand) != 1));
}

#[test]
fn seats_that_do_not_fit_and_too_many_cheats_are_refused() {
    let plan = PoolPlan { players: 31, ..PoolPlan::default() };
    assert_eq!(Pool::new(1, 0, plan).err(), Some(SimError::Seats { players: 31, seats: 6 }));
    let plan = PoolPlan { guilty: vec![certain(Kind::Dump); 20], ..PoolPlan::default() };
    assert!(matches!(Pool::new(1, 0, plan), Err(SimError::Guilty { wanted: 40, .. })));
}
