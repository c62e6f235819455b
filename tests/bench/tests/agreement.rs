//! Compares the evaluator with independent ones, over ten million random hands each.

use purr_bench::{
    peers::{AyaPoker, Evaluator, Freezeout, RsPoker},
    random_hands,
};
use purr_engine::{Card, eval::evaluate};

const HANDS: usize = 10_000_000;
const BATCH: usize = 100_000;

/// Two evaluators order all these hands alike if and only if each of our ranks always meets the same
/// rank of theirs, and higher ones meet higher: then any two hands compare the same in both.
fn agrees_with<E: Evaluator>(seed: u64) {
    let cards: [E::Card; 52] = std::array::from_fn(|number| E::card(u8::try_from(number).expect("below 52")));
    let mut theirs: Vec<Option<u32>> = vec![None; 7463];
    for batch in 0..HANDS / BATCH {
        for hand in random_hands(BATCH, seed + batch as u64) {
            let rank = E::rank_cards(&hand.map(|card: Card| cards[usize::from(card.number())]));
            let met = theirs[usize::from(evaluate(&hand).value())].get_or_insert(rank);
            assert_eq!(*met, rank, "{hand:?} is equal to another hand in one evaluator only");
        }
    }
    let met: Vec<u32> = theirs.into_iter().flatten().collect();
    // 4,824 ranks are possible with seven cards; the rarest, the royal and the steel wheel among them,
    // come once in 30,000 hands or seldomer.
    assert!(met.len() > 4_700, "only {} ranks came up", met.len());
    for pair in met.windows(2) {
        assert!(pair[0] < pair[1], "the evaluators order two ranks differently");
    }
}

#[test]
fn aya_poker_orders_ten_million_random_hands_alike() {
    agrees_with::<AyaPoker>(1_000_000);
}

#[test]
fn rs_poker_orders_ten_million_random_hands_alike() {
    agrees_with::<RsPoker>(2_000_000);
}

#[test]
fn freezeout_eval_orders_ten_million_random_hands_alike() {
    agrees_with::<Freezeout>(3_000_000);
}
