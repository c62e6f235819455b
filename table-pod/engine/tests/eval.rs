//! The evaluator against the order of hands, the published counts, and its own generator.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

#[path = "../src/eval/generate.rs"]
mod generate;

use purr_engine::{
    Card,
    eval::{Category, Hand, HandRank, best_five, evaluate, evaluate_numbers},
};

fn cards(text: &str) -> Vec<Card> {
    text.split(' ').map(|card| card.parse().unwrap()).collect()
}

fn rank(text: &str) -> HandRank {
    evaluate(&cards(text))
}

/// Number of hands of each rank.
type Histogram = Vec<u64>;

/// Ranks every hand of `more` cards after those in `hand`, from the deck's card `from` on.
fn walk(deck: &[Card], hand: Hand, from: usize, more: usize, counts: &mut Histogram) {
    if more == 1 {
        for card in &deck[from..] {
            counts[usize::from(hand.with(*card).rank().value())] += 1;
        }
        return;
    }
    for next in from..=deck.len() - more {
        walk(deck, hand.with(deck[next]), next + 1, more - 1, counts);
    }
}

/// The ranks of all hands of a size, on two threads.
fn all_hands(size: usize) -> Histogram {
    let deck: Vec<Card> = Card::all().collect();
    let half = |odd: usize| {
        let mut counts = vec![0; 1 << 16];
        for first in (odd..=deck.len() - size).step_by(2) {
            walk(&deck, Hand::EMPTY.with(deck[first]), first + 1, size - 1, &mut counts);
        }
        counts
    };
    std::thread::scope(|scope| {
        let odd = scope.spawn(|| half(1));
        let even = half(0);
        even.iter().zip(odd.join().unwrap()).map(|(a, b)| a + b).collect()
    })
}

fn categories(counts: &Histogram) -> [u64; 9] {
    let mut categories = [0; 9];
    for (rank, count) in (0..=u16::MAX).zip(counts).filter(|(_, count)| **count > 0) {
        let rank: HandRank = serde_json::from_value(rank.into()).unwrap();
        categories[rank.category() as usize] += count;
    }
    categories
}

/// The counts are those of every published table; their sum is C(52, 5) = 2,598,960.
#[test]
fn all_five_card_hands_fall_into_the_published_categories_and_make_7462_ranks() {
    let counts = all_hands(5);
    let published = [1_302_540, 1_098_240, 123_552, 54_912, 10_200, 5_108, 3_744, 624, 40];
    assert_eq!(categories(&counts), published);
    let ranks: Vec<usize> = (0..counts.len()).filter(|rank| counts[*rank] > 0).collect();
    assert_eq!(ranks, (1..=7462).collect::<Vec<_>>(), "ranks are dense, from 1");
    assert_eq!(HandRank::BEST.value(), 7462);
}

/// Their sum is C(52, 6) = 20,358,520. Source: the table "6-card poker hands" of Wikipedia's
/// "Poker probability".
#[test]
fn all_six_card_hands_fall_into_the_published_categories() {
    let published = [6_612_900, 9_730_740, 2_532_816, 732_160, 361_620, 205_792, 165_984, 14_664, 1_844];
    assert_eq!(categories(&all_hands(6)), published);
}

/// The counts are those of every published table; their sum is C(52, 7) = 133,784,560.
#[test]
fn all_seven_card_hands_fall_into_the_published_categories() {
    let counts = all_hands(7);
    let published =
        [23_294_460, 58_627_800, 31_433_400, 6_461_620, 6_180_020, 4_047_644, 3_473_184, 224_848, 41_584];
    assert_eq!(categories(&counts), published);
    assert_eq!(counts.iter().sum::<u64>(), 133_784_560);
    // Seven cards cannot have a hand such as 7-5-4-3-2 as their best: 4,824 ranks are left.
    assert_eq!(counts.iter().filter(|count| **count > 0).count(), 4_824);
}

#[test]
fn the_checked_in_tables_are_what_the_generator_makes_and_take_at_most_256_kib() {
    let checked_in = include_bytes!("../src/eval/tables.bin");
    assert!(checked_in.len() <= 256 * 1024);
    assert!(generate::tables() == checked_in, "run `make generate` and commit src/eval/tables.bin");
}

#[test]
fn categories_rank_as_the_rules_say() {
    let rising = [
        "7c 5d 4h 3s 2c",
        "2c 2d 3h 4s 5c",
        "2c 2d 3h 3s 4c",
        "2c 2d 2h 3s 4c",
        "Ac 2d 3h 4s 5c",
        "2c 3c 4c 5c 7c",
        "2c 2d 2h 3s 3c",
        "2c 2d 2h 2s 3c",
        "Ac 2c 3c 4c 5c",
        "Ac Kc Qc Jc Tc",
    ];
    for pair in rising.windows(2) {
        assert!(rank(pair[0]) < rank(pair[1]), "{} must lose to {}", pair[0], pair[1]);
    }
    assert_eq!(rank(rising[0]).value(), 1);
    assert_eq!(rank(rising[9]), HandRank::BEST);
}

#[test]
fn kickers_decide_highest_first() {
    assert!(rank("Ac Ad Kh 3s 2c") > rank("Ah As Qh Js Tc"));
    assert!(rank("Ac Kd Qh Js 9c 3d 2h") == rank("As Kc Qd Jh 9d 4c 2s"));
    assert!(rank("9c 9d 8h 8s Ac 7d 7h") == rank("9h 9s 8c 8d As 2c 3d"));
    assert!(rank("Kc Kd Kh 2s 2c 3d 3h") > rank("Kc Kd Kh 2s 2c 9d 8h"));
}

#[test]
fn the_wheel_is_the_lowest_straight() {
    assert!(rank("Ac 2d 3h 4s 5c") < rank("2d 3h 4s 5c 6h"));
    assert_eq!(rank("Ac 2d 3h 4s 5c 9h 9d").category(), Category::Straight);
}

#[test]
fn fewer_than_five_cards_or_more_than_seven_make_no_hand_and_lose_to_every_hand() {
    let eight = cards("Ac Kc Qc Jc Tc 9c 8c 7c");
    for cards in [&eight[..0], &eight[..4], &eight[..]] {
        assert_eq!(evaluate(cards).value(), 0);
        assert_eq!(best_five(cards), None);
        assert!(evaluate(cards) < rank("7c 5d 4h 3s 2c"));
    }
}

#[test]
fn a_running_sum_ranks_as_the_cards_do_in_any_order_and_grouping() {
    let mut random = generate_hands(3);
    for _ in 0..200_000 {
        let seven = random();
        for size in 5..=7 {
            let cards = &seven[..size];
            let want = evaluate(cards);
            assert_eq!(cards.iter().rev().copied().collect::<Hand>().rank(), want);
            let (hole, board) = cards.split_at(2);
            let hole: Hand = hole.iter().copied().collect();
            assert_eq!(hole.and(board.iter().copied().collect()).rank(), want);
        }
    }
}

#[test]
fn numbers_rank_as_their_cards_do_and_not_at_all_where_one_is_no_card() {
    let mut random = generate_hands(6);
    for round in 0..200_000 {
        let seven = random();
        let size = 5 + round % 3;
        let mut numbers = seven.map(Card::number);
        assert_eq!(evaluate_numbers(&numbers[..size]), evaluate(&seven[..size]));
        for place in 0..size {
            numbers[place] = 52 + (round % 204) as u8;
            assert_eq!(evaluate_numbers(&numbers[..size]).value(), 0, "{numbers:?}");
        }
        assert_eq!(evaluate_numbers(&numbers[..size - 3]).value(), 0, "too few");
    }
    assert_eq!(evaluate_numbers(&[0, 1, 2, 3, 4, 5, 6, 7]).value(), 0, "too many");
}

/// The inner loop of equities: a list of hands with one more card each.
#[test]
fn hands_of_one_card_add_up_as_cards_do() {
    let mut random = generate_hands(7);
    for _ in 0..200_000 {
        let seven = random();
        let ones = seven.map(|card| Hand::EMPTY.with(card));
        assert_eq!(ones.into_iter().fold(Hand::EMPTY, Hand::and), seven.into_iter().collect());
    }
}

#[test]
fn the_best_of_seven_is_the_best_five_of_them_and_the_best_five_play() {
    let mut random = generate_hands(4);
    for _ in 0..20_000 {
        let seven = random();
        for size in 5..=7 {
            let cards = &seven[..size];
            let want = every_five(cards).into_iter().map(|five| evaluate(&five)).max().unwrap();
            assert_eq!(evaluate(cards), want);
            let (rank, five) = best_five(cards).unwrap();
            assert_eq!((rank, evaluate(&five)), (want, want));
            assert!(five.iter().all(|card| cards.contains(card)));
        }
    }
}

#[test]
fn the_five_that_play_come_in_the_order_in_which_they_are_read() {
    let five = |text: &str| {
        let (_, five) = best_five(&cards(text)).unwrap();
        five.map(|card| card.to_string()).join(" ")
    };
    assert_eq!(five("2c 3d Ah Kh Ks 2h 2s"), "2c 2h 2s Kh Ks");
    assert_eq!(five("Ac 2d 3h 4s 5c Kd Ks"), "5c 4s 3h 2d Ac");
    assert_eq!(five("9c 9d 8h 8s Ac 7d 7h"), "9c 9d 8h 8s Ac");
    assert_eq!(five("2c 9c Jc 3c 5c Ac Ad"), "Ac Jc 9c 5c 3c");
    assert_eq!(five("Ac 2d 9h Js 5c Kd 7s"), "Ac Kd Js 9h 7s");
    assert_eq!(five("4c 4d 4h 4s Qc Qd As"), "4c 4d 4h 4s As");
    assert_eq!(five("Td 9d 8d 7d 6d Jc Qc"), "Td 9d 8d 7d 6d");
}

/// Whatever is added, the sum leads to some entry of the tables: the look-up cannot leave them.
#[test]
fn sums_that_are_no_hand_lead_to_some_rank_and_never_out_of_the_tables() {
    let mut random = generate_hands(5);
    let mut hand = Hand::EMPTY;
    for _ in 0..1_000_000 {
        for card in random() {
            hand.add(card);
            assert!(hand.rank() <= HandRank::BEST);
        }
    }
}

fn every_five(cards: &[Card]) -> Vec<[Card; 5]> {
    (0u32..1 << cards.len())
        .filter(|set| set.count_ones() == 5)
        .map(|set| {
            let chosen = (0..cards.len()).filter(|place| set >> place & 1 == 1).map(|place| cards[place]);
            chosen.collect::<Vec<_>>().try_into().unwrap()
        })
        .collect()
}

/// Hands of seven from a generator of its own (SplitMix64), so that a seed is the same for ever.
fn generate_hands(mut seed: u64) -> impl FnMut() -> [Card; 7] {
    let mut next = move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    move || {
        let mut deck: Vec<Card> = Card::all().collect();
        std::array::from_fn(|_| {
            let at = next() % deck.len() as u64;
            deck.swap_remove(at as usize)
        })
    }
}
