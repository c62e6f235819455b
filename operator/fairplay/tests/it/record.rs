//! Tables' records, and the detectors' hands: the simulator writes both, the conversion must agree.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use proptest::prelude::*;
use purr_fairplay::record::{BadRecord, ended_hand, open};
use purr_fairplay_hands::EndedHand;
use purr_fairplay_sim::{Guilty, Kind, Pool, PoolPlan};
use purr_protocol::{
    fairplay::FairPlaySecret,
    record::{HandRecord, VERSION},
};

/// Hands of one table from the simulator, each with its stored record.
fn both(seed: u64, seats: usize, hands: u32, secret: &FairPlaySecret) -> Vec<(EndedHand, Vec<u8>)> {
    let guilty =
        vec![Guilty { kind: Kind::ALL[seed.to_be_bytes()[0] as usize % Kind::ALL.len()], intensity: 1.0 }];
    let plan = PoolPlan { players: 3 * seats, seats, session_hands: hands, guilty, ..PoolPlan::default() };
    let mut pool = Pool::new(seed, 0, plan).unwrap();
    let (key, mut written) = (secret.public(), Vec::new());
    pool.play_session_whole(&mut |played| {
        let mut entropy = [7; 32];
        entropy[..8].copy_from_slice(&played.hand.hand.to_be_bytes());
        let record = played.record(&played.hand.table, &key, &entropy).unwrap();
        written.push((played.hand.clone(), record.to_bytes().unwrap()));
    })
    .unwrap();
    written
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_record_that_is_opened_is_the_hand_that_the_simulator_wrote(
        seed in any::<u64>(), seats in 4usize..=10,
    ) {
        let secret = FairPlaySecret::derive(&[3; 32]);
        for (hand, bytes) in both(seed, seats, 8, &secret) {
            let record: HandRecord = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(record.version, VERSION);
            let hidden = open(&record, &secret).unwrap();
            prop_assert_eq!(ended_hand(&record, hidden.as_ref(), hand.ended_at_ms).unwrap(), hand.clone());
            // Without the key all but the cards is there.
            let blind = ended_hand(&record, None, hand.ended_at_ms).unwrap();
            let mut known = hand;
            known.seats.iter_mut().for_each(|seat| seat.cards = None);
            prop_assert_eq!(blind, known);
        }
    }
}

#[test]
fn a_void_hand_another_keys_part_and_missing_timings_are_named() {
    let secret = FairPlaySecret::derive(&[3; 32]);
    let (hand, bytes) = both(5, 6, 1, &secret).remove(0);
    let record: HandRecord = serde_json::from_slice(&bytes).unwrap();
    let hidden = open(&record, &secret).unwrap().unwrap();
    assert!(open(&record, &FairPlaySecret::derive(&[4; 32])).is_err());

    let mut void = record.clone();
    void.end.void = true;
    assert_eq!(ended_hand(&void, Some(&hidden), 0), Err(BadRecord::Void));

    let mut short = record.clone();
    short.timings.pop();
    let (timings, actions) = (short.timings.len(), record.timings.len());
    assert_eq!(ended_hand(&short, Some(&hidden), 0), Err(BadRecord::Timings { timings, actions }));

    let mut other = hidden;
    let (gone, _) = other.holes.remove(0);
    let lacks = ended_hand(&record, Some(&other), 0).unwrap_err();
    assert_eq!(lacks, BadRecord::NoCards(purr_engine::SeatIndex(gone)));

    // A record of version 2 has neither timings nor a fair-play part.
    let mut old = record;
    (old.version, old.fair_play) = (2, None);
    old.timings.clear();
    assert_eq!(open(&old, &secret).unwrap(), None);
    let read = ended_hand(&old, None, hand.ended_at_ms).unwrap();
    assert!(read.actions.iter().all(|action| action.think_ms.is_none()));
    assert_eq!(read.actions.len(), hand.actions.len());
}
