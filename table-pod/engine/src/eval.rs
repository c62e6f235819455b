//! Hand strength: one number per hand, equal hands equal.
//!
//! A hand is a sum: each card adds to it, in any order, and two look-ups turn the sum of five, six or
//! seven cards into its rank. Sums of some of the cards can be kept ([`Hand`]), which is what
//! enumeration and equity do.

mod tables;

use crate::card::Card;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// The strength of the best five cards, from 1 for 7-5-4-3-2 to 7462 for a royal flush. Higher wins;
/// equal hands are equal. 0 is the rank of cards that make no hand, because they are fewer than five
/// or more than seven.
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

// The lowest rank of each category. There are 1277 sets of five ranks of thirteen that are no straight,
// 13 · C(12, 3) pairs, C(13, 2) · 11 two pairs, 13 · C(12, 2) trips, 10 straights, and 13 · 12 full
// houses or quads.
const PAIR: u16 = 1 + 1277;
const TWO_PAIR: u16 = PAIR + 2860;
const TRIPS: u16 = TWO_PAIR + 858;
const STRAIGHT: u16 = TRIPS + 858;
const FLUSH: u16 = STRAIGHT + 10;
const FULL_HOUSE: u16 = FLUSH + 1277;
const QUADS: u16 = FULL_HOUSE + 156;
const STRAIGHT_FLUSH: u16 = QUADS + 156;

impl HandRank {
    /// The rank of a royal flush, the highest.
    pub const BEST: Self = Self(STRAIGHT_FLUSH + 9);

    /// The category; of no hand, that of a high card.
    pub const fn category(self) -> Category {
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

    /// 1 to 7462, or 0 for no hand.
    pub const fn value(self) -> u16 {
        self.0
    }
}

/// Cards as a running sum of 16 bytes: adding a card is one addition, and the rank can be read at any time.
///
/// # Assumptions
/// No card is in it twice. It does not notice, and then its rank means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hand {
    key: u64,
    suits: u64,
}

impl Hand {
    /// No cards.
    pub const EMPTY: Self = Self { key: tables::NO_CARDS, suits: 0 };

    #[inline]
    pub fn add(&mut self, card: Card) {
        *self = self.with(card);
    }

    /// This hand with one more card.
    #[inline]
    #[must_use]
    pub fn with(self, card: Card) -> Self {
        Self { key: self.key.wrapping_add(tables::key(card)), suits: self.suits | tables::suits(card) }
    }

    /// Joins two sets of cards, such as a player's and the board's. Where many hands differ in one card, it is fastest
    /// to keep a list of one-card hands, which saves looking up the card.
    #[inline]
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        // Both sums include the counters' start; one of them is subtracted.
        let key = self.key.wrapping_sub(tables::NO_CARDS).wrapping_add(other.key);
        Self { key, suits: self.suits | other.suits }
    }

    /// The same ranks as if no two cards were of one suit: no flush, and more than four of a suit are none.
    #[inline]
    #[must_use]
    pub(crate) fn ranks_alone(self) -> Self {
        Self { key: self.key & tables::RANKS_OF_KEY, suits: 0 }
    }

    /// As [`Self::with`], for hands without suits.
    #[inline]
    #[must_use]
    pub(crate) fn with_rank(self, card: Card) -> Self {
        Self { key: self.key.wrapping_add(tables::key(card) & tables::RANKS_OF_KEY), suits: 0 }
    }

    /// As [`Self::and`], for hands without suits.
    #[inline]
    #[must_use]
    pub(crate) fn and_ranks(self, other: Self) -> Self {
        Self { key: self.key.wrapping_add(other.key), suits: 0 }
    }

    /// The rank of the best five of the five, six or seven cards. With fewer or more cards the rank is meaningless:
    /// only [`evaluate`] counts them.
    #[inline]
    #[must_use]
    pub fn rank(self) -> HandRank {
        HandRank(tables::rank(self.key, || self.suits))
    }
}

impl Default for Hand {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl FromIterator<Card> for Hand {
    fn from_iter<I: IntoIterator<Item = Card>>(cards: I) -> Self {
        cards.into_iter().fold(Self::EMPTY, Self::with)
    }
}

/// The rank of the best five of five to seven cards, 0 for fewer or more.
#[inline]
pub fn evaluate(cards: &[Card]) -> HandRank {
    if !(5..=7).contains(&cards.len()) {
        return HandRank(0);
    }
    let key = cards.iter().fold(tables::NO_CARDS, |key, card| key.wrapping_add(tables::key(*card)));
    // Most hands have no flush, so their suits need no sum.
    HandRank(tables::rank(key, || cards.iter().fold(0, |suits, card| suits | tables::suits(*card))))
}

/// As [`evaluate`], for cards given by unchecked numbers ([`Card::number`]). Returns 0 if a number is not a card's.
#[inline]
pub fn evaluate_numbers(numbers: &[u8]) -> HandRank {
    if !(5..=7).contains(&numbers.len()) {
        return HandRank(0);
    }
    let key = numbers.iter().fold(tables::NO_CARDS, |key, n| key.wrapping_add(tables::key_of_number(*n)));
    let suits = || numbers.iter().fold(0, |suits, n| suits | tables::suits_of_number(*n));
    HandRank(tables::rank_of_numbers(key, suits))
}

/// The rank of five to seven cards and the five that play: those that make the hand first, the
/// highest first, the ace of a wheel last. `None` for fewer or more cards. Of cards that would serve
/// alike, those that come first in `cards` play.
pub fn best_five(cards: &[Card]) -> Option<(HandRank, [Card; 5])> {
    let rank = evaluate(cards);
    // The sets of five in rising order of their bits, so that the earliest cards come first.
    let sets = (0u8..1 << cards.len().min(7)).filter(|set| set.count_ones() == 5);
    let mut five = sets.map(|set| pick(cards, set)).find(|five| evaluate(five) == rank && rank.0 != 0)?;
    let mut counts = [0u8; 13];
    for card in five {
        counts[usize::from(card.rank())] += 1;
    }
    let straight = matches!(rank.category(), Category::Straight | Category::StraightFlush);
    let wheel = straight && counts[0] > 0 && counts[12] > 0;
    five.sort_by_key(|card| {
        let height = if wheel && card.rank() == 12 { 0 } else { card.rank() + 1 };
        Reverse((counts[usize::from(card.rank())], height))
    });
    Some((rank, five))
}

/// The five cards at the places whose bits are set.
fn pick(cards: &[Card], mut set: u8) -> [Card; 5] {
    std::array::from_fn(|_| {
        let place = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        cards[place as usize]
    })
}
