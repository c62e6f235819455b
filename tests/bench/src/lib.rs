//! Shared parts of benchmarks and the tests of agreement.

pub mod cpu;
pub mod peers;

use purr_engine::Card;

/// Hands of seven, the same for the same seed (SplitMix64).
pub fn random_hands(count: usize, mut seed: u64) -> Vec<[Card; 7]> {
    let mut next = move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    let mut deck: Vec<Card> = Card::all().collect();
    let mut hand = move || {
        for place in 0..7 {
            let other = place + (next() % (52 - place as u64)) as usize;
            deck.swap(place, other);
        }
        std::array::from_fn(|place| deck[place])
    };
    (0..count).map(|_| hand()).collect()
}
