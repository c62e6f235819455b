//! Hands in PHH from anywhere: no panic, what is read is written again and read as the same, and a hand is replayed
//! or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use purr_engine::phh::Phh;

fn check(hand: &Phh) {
    let text = hand.to_text().expect("what was read can be written");
    assert_eq!(Phh::parse(&text).as_ref(), Ok(hand), "{text}");
    let _ = hand.replay();
}

fuzz_target!(|text: &str| {
    if let Ok(hand) = Phh::parse(text) {
        check(&hand);
    }
    if let Ok(hands) = Phh::parse_many(text) {
        hands.values().for_each(check);
    }
});
