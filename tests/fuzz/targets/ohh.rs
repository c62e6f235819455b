//! Hands in OHH from anywhere: no panic, what is read is written again and read as the same, and a hand is told in PHH
//! and replayed, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use purr_engine::{
    ohh::{Ohh, read},
    phh::Replayer,
};

fuzz_target!(|text: &str| {
    let mut replayer = Replayer::new();
    for hand in read(text).into_iter().flatten().filter_map(|entry| entry.hand.ok()) {
        let written = hand.to_string();
        assert_eq!(Ohh::parse(&written).as_ref(), Ok(&hand), "{written}");
        if let Ok(phh) = hand.to_phh() {
            let _ = replayer.play(&phh);
        }
    }
});
