//! Hand strength: one number per hand, equal hands equal.

use crate::card::Card;
use serde::{Deserialize, Serialize};

/// The strength of the best five cards. Higher wins; equal hands are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HandRank(u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Category {
    HighCard,
    Pair,
    TwoPair,
    Trips,
    Straight,
    Flush,
    FullHouse,
    Quads,
    StraightFlush,
}

// Each category owns a range of ranks, wide enough for its kickers.
const PAIR: u16 = 1287;
const TWO_PAIR: u16 = PAIR + 13 * 220;
const TRIPS: u16 = TWO_PAIR + 78 * 11;
const STRAIGHT: u16 = TRIPS + 13 * 66;
const FLUSH: u16 = STRAIGHT + 10;
const FULL_HOUSE: u16 = FLUSH + 1287;
const QUADS: u16 = FULL_HOUSE + 156;
const STRAIGHT_FLUSH: u16 = QUADS + 156;

impl HandRank {
    pub fn category(self) -> Category {
        match self.0 {
            STRAIGHT_FLUSH.. => Category::StraightFlush,
            QUADS.. => Category::Quads,
            FULL_HOUSE.. => Category::FullHouse,
            FLUSH.. => Category::Flush,
            STRAIGHT.. => Category::Straight,
            TRIPS.. => Category::Trips,
            TWO_PAIR.. => Category::TwoPair,
            PAIR.. => Category::Pair,
            _ => Category::HighCard,
        }
    }

    pub fn value(self) -> u16 {
        self.0
    }
}

/// The index of a set of ranks among all sets of its size, in the order in which kickers compare:
/// the highest card first (colexicographic).
fn colex(mut ranks: u16) -> u16 {
    let (mut index, mut k) = (0, 0);
    while ranks != 0 {
        k += 1;
        index += choose(ranks.trailing_zeros(), k);
        ranks &= ranks - 1;
    }
    index
}

const fn choose(n: u32, k: u32) -> u16 {
    let (mut result, mut i) = (1u32, 0);
    while i < k {
        if n < k {
            return 0;
        }
        result = result * (n - i) / (i + 1);
        i += 1;
    }
    #[allow(clippy::cast_possible_truncation, reason = "at most C(12, 5) = 792")]
    {
        result as u16
    }
}

/// Removes the place of rank `r`, so that the ranks above it move down by one.
const fn squeeze(ranks: u16, r: u16) -> u16 {
    let low = ranks & ((1 << r) - 1);
    low | (ranks >> (r + 1) << r)
}

/// The highest `n` of a set of ranks.
fn top(mut ranks: u16, n: u32) -> u16 {
    while ranks.count_ones() > n {
        ranks &= ranks - 1;
    }
    ranks
}

fn highest(ranks: u16) -> u16 {
    #[allow(clippy::cast_possible_truncation, reason = "a u16 has 16 bits")]
    {
        15 - ranks.leading_zeros() as u16
    }
}

/// The highest straight in a set of ranks, 0 for the wheel; the ace counts low as well.
fn straight(ranks: u16) -> Option<u16> {
    let wheel = ranks << 1 | ranks >> 12;
    let run = wheel & wheel >> 1 & wheel >> 2 & wheel >> 3 & wheel >> 4;
    (run != 0).then(|| highest(run))
}

/// The rank of the best five of five to seven cards (fewer cards compare by what they make).
pub fn evaluate(cards: &[Card]) -> HandRank {
    let mut suits = [0u16; 4];
    // Ranks seen at least once, twice, three and four times.
    let (mut one, mut two, mut three, mut four) = (0u16, 0u16, 0u16, 0u16);
    for card in cards {
        let bit = 1 << card.rank();
        suits[usize::from(card.suit())] |= bit;
        four |= three & bit;
        three |= two & bit;
        two |= one & bit;
        one |= bit;
    }
    let flush = suits.into_iter().find(|ranks| ranks.count_ones() >= 5);
    if let Some(high) = flush.and_then(straight) {
        return HandRank(STRAIGHT_FLUSH + high);
    }
    if four != 0 {
        let quad = highest(four);
        let kicker = top(squeeze(one, quad), 1);
        return HandRank(QUADS + quad * 12 + colex(kicker));
    }
    if three != 0 {
        let trips = highest(three);
        let pairs = squeeze(two, trips);
        if pairs != 0 {
            return HandRank(FULL_HOUSE + trips * 12 + highest(pairs));
        }
    }
    if let Some(ranks) = flush {
        return HandRank(FLUSH + colex(top(ranks, 5)));
    }
    if let Some(high) = straight(one) {
        return HandRank(STRAIGHT + high);
    }
    if three != 0 {
        let trips = highest(three);
        return HandRank(TRIPS + trips * 66 + colex(top(squeeze(one, trips), 2)));
    }
    match two.count_ones() {
        0 => HandRank(colex(top(one, 5))),
        1 => {
            let pair = highest(two);
            HandRank(PAIR + pair * 220 + colex(top(squeeze(one, pair), 3)))
        }
        _ => {
            let pairs = top(two, 2);
            let (high, low) = (highest(pairs), highest(pairs & (pairs - 1) ^ pairs));
            let kicker = top(squeeze(squeeze(one, high), low), 1);
            HandRank(TWO_PAIR + colex(pairs) * 11 + colex(kicker))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(text: &str) -> HandRank {
        let cards: Vec<Card> = text.split(' ').map(|card| card.parse().unwrap()).collect();
        evaluate(&cards)
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
        ];
        for pair in rising.windows(2) {
            assert!(rank(pair[0]) < rank(pair[1]), "{} must lose to {}", pair[0], pair[1]);
        }
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

    /// The counts are those of every published table of seven-card hands; their sum is C(52, 7).
    #[test]
    fn all_seven_card_hands_fall_into_the_published_categories() {
        let deck: Vec<Card> = Card::all().collect();
        let mut counts = [0u64; 9];
        let mut hand = [deck[0]; 7];
        fn walk(deck: &[Card], from: usize, depth: usize, hand: &mut [Card; 7], counts: &mut [u64; 9]) {
            if depth == 7 {
                counts[evaluate(hand).category() as usize] += 1;
                return;
            }
            for next in from..deck.len() {
                hand[depth] = deck[next];
                walk(deck, next + 1, depth + 1, hand, counts);
            }
        }
        walk(&deck, 0, 0, &mut hand, &mut counts);
        let published =
            [23_294_460, 58_627_800, 31_433_400, 6_461_620, 6_180_020, 4_047_644, 3_473_184, 224_848, 41_584];
        assert_eq!(counts, published);
    }
}
