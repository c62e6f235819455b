//! Small seeded versions of the figures: each kind of cheat in a pool of thirty, and nobody else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use purr_engine::PlayerId;
use purr_fairplay::{
    Detector, DetectorLimits, ObserveError, PlayerStats, Signal, Snapshot, Subject,
    cases::members_of,
    judge::{Thresholds, Verdict, bots_at, judge, superusers_at},
};
use purr_fairplay_hands::EndedHand;
use purr_fairplay_sim::{Guilty, Kind, Pool, PoolPlan, Truth};

/// Plays one pool into a detector; sessions of 100 hands at five tables.
fn pool(seed: u64, guilty: &[Kind], sessions: u32) -> (Detector, Truth) {
    let guilty = guilty.iter().map(|kind| Guilty { kind: *kind, intensity: 1.0 }).collect();
    let plan = PoolPlan { guilty, together: 1.0, ..PoolPlan::default() };
    let mut pool = Pool::new(seed, 0, plan).unwrap();
    let mut detector = Detector::default();
    for _ in 0..sessions {
        pool.play_session(&mut |hand| detector.observe(hand).unwrap()).unwrap();
    }
    (detector, pool.truth().clone())
}

fn verdict(snapshot: &Snapshot) -> Verdict {
    judge(snapshot, &Thresholds::default(), 1.0)
}

/// Asserts that alarms name nobody but the guilty, and returns the guilty pair's score.
fn only_guilty(verdict: &Verdict, truth: &Truth) {
    let guilty: Vec<PlayerId> = truth.groups.iter().flat_map(|group| group.members.iter().copied()).collect();
    for alarm in &verdict.alarms {
        let honest: Vec<PlayerId> = members_of(alarm).into_iter().filter(|m| !guilty.contains(m)).collect();
        assert!(honest.is_empty(), "{alarm:?} accuses honest players");
    }
}

fn is_alarmed(verdict: &Verdict, truth: &Truth, group: usize) -> bool {
    let members = &truth.groups[group].members;
    let pair = Subject::Pair(members[0], members[1]).undirected();
    verdict.alarms.iter().any(|alarm| alarm.subject.undirected() == pair)
}

#[test]
fn each_kind_of_colluding_pair_is_found_and_nobody_else() {
    let kinds = [Kind::Dump, Kind::SoftPlay, Kind::Isolation, Kind::CardSharing];
    let (detector, truth) = pool(11, &kinds, 20);
    let verdict = verdict(&detector.snapshot(None));
    only_guilty(&verdict, &truth);
    for (at, kind) in kinds.iter().enumerate() {
        assert!(is_alarmed(&verdict, &truth, at), "{kind:?} is not found");
    }
}

#[test]
fn an_honest_pool_raises_no_alarm() {
    let (detector, _) = pool(12, &[], 20);
    let verdict = verdict(&detector.snapshot(None));
    assert!(verdict.alarms.is_empty(), "{:?}", verdict.alarms);
    assert!(verdict.ranked.len() >= 435);
}

#[test]
fn a_superuser_with_all_cards_is_found_within_five_hundred_hands() {
    let (detector, truth) = pool(13, &[Kind::Superuser], 5);
    let players: Vec<PlayerStats> = detector.snapshot(None).players;
    let scores = superusers_at(&players, 500);
    let insider = truth.groups[0].members[0];
    let honest = scores.iter().filter(|(player, _)| **player != insider).map(|(_, score)| *score);
    let honest = honest.fold(0.0, f64::max);
    assert!(scores[&insider] >= Thresholds::default().superuser, "{}", scores[&insider]);
    assert!(honest < Thresholds::default().superuser, "{honest}");
}

#[test]
fn a_naive_bot_is_found_within_three_hundred_decisions() {
    let (detector, truth) = pool(14, &[Kind::BotNaive], 3);
    let players = detector.snapshot(None).players;
    let scores = bots_at(&players, 300);
    assert!(scores[&truth.groups[0].members[0]] >= Thresholds::default().bot);
}

#[test]
fn the_same_hands_give_the_same_verdict() {
    let one = verdict(&pool(15, &[Kind::Dump], 3).0.snapshot(None));
    let two = verdict(&pool(15, &[Kind::Dump], 3).0.snapshot(None));
    assert_eq!(one.ranked, two.ranked);
}

#[test]
fn evidence_of_a_dump_names_hands_in_which_chips_were_dumped() {
    let (detector, truth) = pool(16, &[Kind::Dump], 20);
    let verdict = verdict(&detector.snapshot(None));
    let pair = Subject::Pair(truth.groups[0].members[0], truth.groups[0].members[1]).undirected();
    let alarm = verdict.alarms.iter().find(|alarm| alarm.subject.undirected() == pair).unwrap();
    assert_eq!(alarm.signal, Signal::Transfer);
    assert_eq!(alarm.evidence.len(), 5);
    let right = alarm.evidence.iter().filter(|hand| truth.groups[0].hands.contains(hand)).count();
    assert!(right >= 3, "{right} of 5");
}

/// Players of different pools have no opponent in common, so that they never meet proves nothing.
#[test]
fn players_of_different_rooms_are_not_taken_for_one_person() {
    let mut detector = Detector::default();
    for number in 0..2 {
        let mut pool = Pool::new(18, number, PoolPlan::default()).unwrap();
        for _ in 0..36 {
            pool.play_session(&mut |hand| detector.observe(hand).unwrap()).unwrap();
        }
    }
    let snapshot = detector.snapshot(None);
    assert!((400..=870).contains(&snapshot.twins.len()), "{} pairs", snapshot.twins.len());
    assert!(verdict(&snapshot).alarms.is_empty());
}

#[test]
fn memory_is_bounded_and_a_bad_hand_is_named_and_not_counted() {
    let mut detector = Detector::new(DetectorLimits { pairs_max: 100, players_max: 30 });
    let mut pool = Pool::new(1, 0, PoolPlan { session_hands: 20, ..PoolPlan::default() }).unwrap();
    let mut last: Option<EndedHand> = None;
    for _ in 0..6 {
        pool.play_session(&mut |hand| {
            detector.observe(hand).unwrap();
            last = Some(hand.clone());
        })
        .unwrap();
    }
    assert!(detector.snapshot(None).pairs.len() <= 100);
    let (before, mut bad) = (detector.hands(), last.unwrap());
    bad.board.truncate(1);
    bad.board.push(purr_engine::Card::LOWEST);
    assert!(matches!(detector.observe(&bad), Err(ObserveError::Hand { .. })));
    bad.board.clear();
    bad.seats[0].player = PlayerId([9; 20]);
    assert_eq!(detector.observe(&bad), Err(ObserveError::Players(30)));
    assert_eq!(detector.hands(), before);
}

#[test]
fn a_detector_that_was_restored_goes_on_as_if_it_had_never_stopped() {
    use purr_fairplay::checkpoint::{BadCheckpoint, Restore};
    let guilty = vec![Guilty { kind: Kind::Dump, intensity: 1.0 }];
    let plan = PoolPlan { players: 12, session_hands: 50, together: 1.0, guilty, ..PoolPlan::default() };
    let mut pool = Pool::new(2, 0, plan).unwrap();
    let mut hands = Vec::new();
    for _ in 0..12 {
        pool.play_session(&mut |hand| hands.push(hand.clone())).unwrap();
    }
    let limits = DetectorLimits::default();
    let mut whole = Detector::new(limits);
    let mut kept = Detector::new(limits);
    for (at, hand) in hands.iter().enumerate() {
        whole.observe(hand).unwrap();
        kept.observe(hand).unwrap();
        if at % 377 == 376 {
            let parts: Vec<Vec<u8>> = kept.parts().collect();
            let mut restore = Restore::default();
            parts.iter().for_each(|part| restore.part(part).unwrap());
            kept = restore.finish(limits).unwrap();
            // A truncated checkpoint is not mistaken for a smaller one.
            let mut cut = Restore::default();
            parts[..parts.len() - 1].iter().for_each(|part| cut.part(part).unwrap());
            assert_eq!(cut.finish(limits).err(), Some(BadCheckpoint::Unfinished));
            let half = &parts[1][..parts[1].len() / 2];
            assert_eq!(Restore::default().part(half), Err(BadCheckpoint::Part(0)));
        }
    }
    assert_eq!(kept.hands(), 1_200);
    let (a, b) = (whole.snapshot(None), kept.snapshot(None));
    let verdict = |snapshot| judge(snapshot, &Thresholds::default(), 1.0);
    assert!(!verdict(&a).ranked.is_empty());
    assert_eq!(verdict(&a).ranked, verdict(&b).ranked);
    assert_eq!(a.players, b.players);
}

#[test]
fn think_times_are_gone_after_two_windows_and_players_after_their_days() {
    use purr_fairplay::Keep;
    const DAY_MS: u64 = 86_400_000;
    let keep = Keep { timing_ms: 90 * DAY_MS, player_ms: 400 * DAY_MS };
    let (mut detector, truth) = pool(14, &[Kind::BotNaive, Kind::Dump], 6);
    let bot = truth.groups[0].members[0];
    let timed = |detector: &Detector| {
        detector.snapshot(None).players.iter().find(|player| player.player == bot).map(|p| p.timing.is_some())
    };
    assert_eq!(timed(&detector), Some(true));
    let decided = detector.snapshot(None).players.iter().map(|player| player.decisions).sum::<u32>();
    // The window that began with the first look ends after 45 days, and again after 90.
    for (day, wanted) in [(1, true), (44, true), (46, true), (90, true), (91, false)] {
        assert_eq!(detector.expire(day * DAY_MS, keep), 0, "day {day}");
        assert_eq!(timed(&detector), Some(wanted), "day {day}");
    }
    // Everything else is unchanged.
    let snapshot = detector.snapshot(None);
    assert_eq!(snapshot.players.iter().map(|player| player.decisions).sum::<u32>(), decided);
    let score = |detector: &Detector| verdict(&detector.snapshot(None)).ranked[0].clone();
    let before = score(&detector);

    // One of thirty players is forgotten with all pairs; the counts of the others are unchanged.
    let gone = snapshot
        .players
        .iter()
        .map(|player| player.player)
        .find(|player| !truth.groups.iter().any(|group| group.members.contains(player)));
    let gone = gone.unwrap();
    assert_eq!(detector.forget_players(|player, _| *player == gone), 1);
    let left = detector.snapshot(None);
    let of_others = snapshot.pairs.iter().filter(|pair| pair.a != gone && pair.b != gone).count();
    assert_eq!((left.players.len(), left.pairs.len()), (29, of_others));
    for pair in &left.pairs {
        let was = snapshot.pairs.iter().find(|p| (p.a, p.b) == (pair.a, pair.b)).unwrap();
        assert_eq!((was.shared, was.n), (pair.shared, pair.n));
    }
    assert_eq!(score(&detector).subject, before.subject);
    // After a year and more without a hand nobody is left, and a new hand is scored.
    assert_eq!(detector.expire(402 * DAY_MS, keep), 29);
    assert_eq!((detector.players(), detector.pairs()), (0, 0));
    let mut pool = Pool::new(14, 0, PoolPlan::default()).unwrap();
    pool.play_session(&mut |hand| detector.observe(hand).unwrap()).unwrap();
    assert_eq!(detector.players(), 30);
}
