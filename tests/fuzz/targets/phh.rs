//! Arbitrary hands in PHH: no panic; the fast reader and the toml crate agree; a hand that was read is written and read
//! again unchanged; and it is replayed or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use purr_engine::phh::{Phh, Replayer, read, read_as_toml, read_fast};

fuzz_target!(|text: &str| {
    if let Some(fast) = read_fast(text) {
        let toml = read_as_toml(text).expect("what the fast reader takes is TOML");
        assert_eq!(fast, toml);
    }
    let mut replayer = Replayer::new();
    for hand in read(text).into_iter().flatten().filter_map(|entry| entry.hand.ok()) {
        let written = hand.to_text().expect("what was read can be written");
        assert_eq!(Phh::parse(&written).as_ref(), Ok(&hand), "{written}");
        let _ = replayer.play(&hand);
    }
});
