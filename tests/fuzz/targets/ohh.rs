//! Arbitrary hands in OHH: no panic; a hand that was read is written and read again unchanged; and it is converted to
//! PHH and replayed, or refused.
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
