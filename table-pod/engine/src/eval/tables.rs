//! The evaluator's tables, 207 KiB, and the two look-ups in them. `generate.rs` makes them and says
//! how the keys are found.
//!
//! A card adds a key for its rank, in the top 25 bits of a `u64`, and one to its suit's counter of
//! four bits at the bottom. A counter starts at 3, so that its highest bit says "five or more".

use crate::card::Card;

const KEY_BITS: u32 = 25;
const ROW_BITS: u32 = 13;
const ROWS: usize = 1 << ROW_BITS;
const SETS: usize = 1 << 13;

const BYTES: &[u8] = include_bytes!("tables.bin");
const OFFSETS_AT: usize = 13 * 4;
const FLUSHES_AT: usize = OFFSETS_AT + ROWS * 4;
const RANKS_AT: usize = FLUSHES_AT + SETS * 2;
const RANKS_LEN: usize = (BYTES.len() - RANKS_AT) / 2;

/// Where each row of the sparse table of keys begins in `RANKS`, less the row's number in keys.
static OFFSETS: [u32; ROWS] = u32s(OFFSETS_AT);
/// The rank of each set of ranks of one suit, 0 for fewer than five.
static FLUSHES: [u16; SETS] = u16s(FLUSHES_AT);
/// The rank by the key, where there is no flush.
static RANKS: [u16; RANKS_LEN] = u16s(RANKS_AT);

const _: () = assert!(BYTES.len() <= 256 * 1024);

// Every key there can be, of a hand or not, leads to a place in `RANKS`: the check of the index in
// `by_ranks` never fails. Without it the look-up was 1 to 4 % faster: too little for unsafe code.
const _: () = {
    let (offsets, mut row): ([u32; ROWS], u32) = (u32s(OFFSETS_AT), 0);
    while row < 1 << ROW_BITS {
        let first = (row << (KEY_BITS - ROW_BITS)).wrapping_add(offsets[row as usize]) as usize;
        assert!(first + (1 << (KEY_BITS - ROW_BITS)) <= RANKS_LEN);
        row += 1;
    }
};

const fn u32s<const N: usize>(at: usize) -> [u32; N] {
    let (mut values, mut i) = ([0; N], 0);
    while i < N {
        let at = at + i * 4;
        values[i] = u32::from_le_bytes([BYTES[at], BYTES[at + 1], BYTES[at + 2], BYTES[at + 3]]);
        i += 1;
    }
    values
}

const fn u16s<const N: usize>(at: usize) -> [u16; N] {
    let (mut values, mut i) = ([0; N], 0);
    while i < N {
        let at = at + i * 2;
        values[i] = u16::from_le_bytes([BYTES[at], BYTES[at + 1]]);
        i += 1;
    }
    values
}

/// What a card adds to a hand.
#[derive(Clone, Copy)]
pub(super) struct Addend {
    /// Its rank's key and one for its suit's counter.
    pub key: u64,
    /// Its rank's bit among the sixteen of its suit.
    pub suits: u64,
}

/// The counters before the first card.
pub(super) const NO_CARDS: u64 = 0x3333;
const FLUSH: u64 = 0x8888;
/// The part of a key that ranks add to.
pub(super) const RANKS_OF_KEY: u64 = !0 << (64 - KEY_BITS);

/// By a card's number. As long as a `u8` is wide, so that no index needs a check.
static CARDS: [Addend; 256] = {
    let keys: [u32; 13] = u32s(0);
    let mut cards = [Addend { key: 0, suits: 0 }; 256];
    let mut number = 0;
    while number < 52 {
        let (rank, suit) = (number / 4, number % 4);
        let key = (keys[rank] as u64) << (64 - KEY_BITS) | 1 << (4 * suit);
        cards[number] = Addend { key, suits: 1 << (16 * suit + rank) };
        number += 1;
    }
    cards
};

#[inline]
pub(super) fn addend(card: Card) -> Addend {
    CARDS[usize::from(card.number())]
}

/// The rank of a hand by its sum; `suits` is asked for where there is a flush, in one hand of 33.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "of the shifted suits thirteen bits are wanted")]
pub(super) fn rank(key: u64, suits: impl FnOnce() -> u64) -> u16 {
    match key & FLUSH {
        0 => by_ranks(key),
        flush => {
            // A suit's flag is bit 3 of its four, and its ranks are sixteen bits.
            let first = (flush.trailing_zeros() - 3) * 4;
            FLUSHES[(suits() >> first) as usize % SETS]
        }
    }
}

#[inline]
fn by_ranks(key: u64) -> u16 {
    let offset = OFFSETS[(key >> (64 - ROW_BITS)) as usize];
    let at = ((key >> (64 - KEY_BITS)) as u32).wrapping_add(offset) as usize;
    RANKS[at]
}
