//! The evaluator's tables and the two look-ups in them. `generate.rs` makes them and says how the keys
//! are found.
//!
//! A card adds one `u64` to its hand. From the bottom: 16 bits choose a row; 8 bits take the row's
//! carries and lead nowhere; each suit has a counter of four bits, which starts at 3, so that its
//! highest bit says "five or more"; four bits count what is no card; the top 13 bits are a column.
//! Hands of seven cards touch 118 KiB of the tables.

use crate::card::Card;
use std::hint::cold_path;

const ROWS: usize = 1 << 16;
const COLUMN_BITS: u32 = 13;
const SETS: usize = 1 << 13;

const BYTES: &[u8] = include_bytes!("tables.bin");
const OFFSETS_AT: usize = 13 * 4;
const FLUSHES_AT: usize = OFFSETS_AT + ROWS * 2;
const RANKS_AT: usize = FLUSHES_AT + SETS * 2;
const RANKS_LEN: usize = (BYTES.len() - RANKS_AT) / 2;

/// The offset of each row of the sparse table of keys in `RANKS`.
static OFFSETS: [u16; ROWS] = u16s(OFFSETS_AT);

/// The rank by row and column, where there is no flush; after them, the rank of each set of ranks of
/// one suit, 0 for fewer than five. One array, and as long as the greatest offset, column and set ask
/// for: then the compiler leaves out every check of an index, and both kinds of hands share a load.
static RANKS: [u16; SUITED + SETS] = {
    let (ranks, flushes): ([u16; RANKS_LEN], [u16; SETS]) = (u16s(RANKS_AT), u16s(FLUSHES_AT));
    let (mut all, mut i) = ([0; SUITED + SETS], 0);
    while i < RANKS_LEN {
        all[i] = ranks[i];
        i += 1;
    }
    i = 0;
    while i < SETS {
        all[SUITED + i] = flushes[i];
        i += 1;
    }
    all
};

/// The offset of the flushes in `RANKS`.
const SUITED: usize = 1 << 16;

const _: () = assert!(BYTES.len() <= 256 * 1024 && RANKS_LEN <= SUITED);
const _: () = assert!(u16::MAX as usize + (1 << COLUMN_BITS) <= SUITED + SETS);

const fn u16s<const N: usize>(at: usize) -> [u16; N] {
    let (mut values, mut i) = ([0; N], 0);
    while i < N {
        let at = at + i * 2;
        values[i] = u16::from_le_bytes([BYTES[at], BYTES[at + 1]]);
        i += 1;
    }
    values
}

/// The counters before the first card.
pub(super) const NO_CARDS: u64 = 0x3333 << COUNTERS_AT;
const COUNTERS_AT: u32 = 24;
const FLUSH: u64 = 0x8888 << COUNTERS_AT;
/// The bit that marks a number as no card, and where up to seven of them are counted.
const NO_CARD: u64 = 1 << 40;
const ANY_NO_CARD: u64 = 0xf << 40;
/// The part of a key that ranks add to.
pub(super) const RANKS_OF_KEY: u64 = !(!0 >> COLUMN_BITS) | ((1 << COUNTERS_AT) - 1);

/// A card's part of its hand's key, by its number. As long as a `u8` is wide, so that no index
/// needs a check; apart from the suits, so that an address is a base and eight times the number.
static KEYS: [u64; 256] = {
    let keys: [u16; 26] = u16s(0);
    let (mut all, mut number) = ([NO_CARD; 256], 0);
    while number < 52 {
        let (rank, suit) = (number / 4, number % 4);
        let (row, column) = (keys[2 * rank] as u64, keys[2 * rank + 1] as u64);
        all[number] = column << (64 - COLUMN_BITS) | row | 1 << (COUNTERS_AT as usize + 4 * suit);
        number += 1;
    }
    all
};

/// The bit of each card's rank among the sixteen of its suit.
static SUITS: [u64; 256] = {
    let (mut all, mut number) = ([0; 256], 0);
    while number < 52 {
        all[number] = 1 << (16 * (number % 4) + number / 4);
        number += 1;
    }
    all
};

#[inline]
pub(super) fn key(card: Card) -> u64 {
    key_of_number(card.number())
}

#[inline]
pub(super) fn key_of_number(number: u8) -> u64 {
    KEYS[usize::from(number)]
}

#[inline]
pub(super) fn suits(card: Card) -> u64 {
    suits_of_number(card.number())
}

#[inline]
pub(super) fn suits_of_number(number: u8) -> u64 {
    SUITS[usize::from(number)]
}

/// The rank of a hand by its sum; `suits` is only called for a flush, in one hand of 33.
#[inline]
pub(super) fn rank(key: u64, suits: impl FnOnce() -> u64) -> u16 {
    let flush = key & FLUSH;
    let at = if flush == 0 {
        by_ranks(key)
    } else {
        cold_path();
        by_suit(flush, suits())
    };
    RANKS[at]
}

/// As [`rank`], for numbers that need not be cards: the result is then 0, at no cost if all are cards.
#[inline]
pub(super) fn rank_of_numbers(key: u64, suits: impl FnOnce() -> u64) -> u16 {
    let special = key & (FLUSH | ANY_NO_CARD);
    let at = if special == 0 {
        by_ranks(key)
    } else {
        cold_path();
        if special & ANY_NO_CARD != 0 {
            return 0;
        }
        by_suit(special, suits())
    };
    RANKS[at]
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the row is the key's low sixteen bits")]
fn by_ranks(key: u64) -> usize {
    usize::from(OFFSETS[usize::from(key as u16)]) + (key >> (64 - COLUMN_BITS)) as usize
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "of the shifted suits thirteen bits are wanted")]
fn by_suit(flush: u64, suits: u64) -> usize {
    // A suit's flag is bit 3 of its four, and its ranks are sixteen bits.
    let first = (flush.trailing_zeros() - COUNTERS_AT - 3) * 4;
    SUITED + (suits >> first) as usize % SETS
}
