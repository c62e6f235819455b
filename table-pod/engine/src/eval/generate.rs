//! Makes the evaluator's tables, from the order of poker hands and nothing else.
//!
//! This file is no part of the crate: `examples/eval-tables.rs` includes it and writes `tables.bin`,
//! `tests/eval.rs` includes it and compares. How the tables are read is in `tables.rs`.

use std::collections::BTreeMap;

/// How many cards of each rank a hand has, from deuce to ace.
type Counts = [u8; 13];

const KEY_BITS: u32 = 25;
const ROW_BITS: u32 = 13;
const COLUMN_BITS: u32 = KEY_BITS - ROW_BITS;
const KEY_MASK: u32 = (1 << KEY_BITS) - 1;

/// Odd, so that multiplying by it modulo 2^25 keeps different sums different. It spreads the sums,
/// which are crowded where they are small, evenly over the rows: of some forty numbers tried, one of
/// those with the smallest tables and the quickest look-ups.
const SPREAD: u32 = 2121;

/// All tables in the order in which `tables.rs` reads them, little-endian: a key for each rank
/// (`u32`), an offset for each row (`u32`), the rank of each set of five or more ranks of one suit
/// (`u16`), the ranks of hands without a flush (`u16`).
pub fn tables() -> Vec<u8> {
    let keys = keys();
    let (offsets, ranks) = displace(&hands(&keys));
    let mut bytes = Vec::new();
    bytes.extend(keys.iter().flat_map(|key| key.to_le_bytes()));
    bytes.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
    bytes.extend(flushes().iter().chain(&ranks).flat_map(|rank| rank.to_le_bytes()));
    bytes
}

/// A key for each rank, such that the sums of five to seven cards, modulo 2^25, differ wherever the
/// ranks do. The ace has the smallest, so that neighbours among high cards are close in the tables.
fn keys() -> [u32; 13] {
    let mut keys = smallest_keys();
    keys.reverse();
    // 2^23 is above the greatest sum, so hands of five, six and seven cards never share one.
    keys.map(|key| (key + (1 << 23)).wrapping_mul(SPREAD) & KEY_MASK)
}

/// Thirteen numbers whose sums of seven, none taken more than four times, all differ: each is the
/// smallest that serves with those before it. What differs with seven cards does so with fewer: two
/// hands of fewer cards and one sum could be filled up to seven with the same cards.
fn smallest_keys() -> [u32; 13] {
    const LIMIT: usize = 1 << 21;
    let mut keys = [0; 13];
    // The sums of exactly so many cards of the ranks that have their keys.
    let mut sums: [Vec<u32>; 8] = Default::default();
    sums[0].push(0);
    for (rank, new) in keys.iter_mut().enumerate() {
        // A key x fails where i·x + a = j·x + b for sums a and b of what else is in the hand.
        let mut taken: Vec<Vec<bool>> = vec![vec![false; 4 * LIMIT]; 5];
        for size in 1..=7usize {
            for (i, j) in (0..=4).flat_map(|j| (0..j).map(move |i| (i, j))).filter(|(_, j)| *j <= size) {
                for &a in &sums[size - i] {
                    for &b in &sums[size - j] {
                        if let Some(gap) = a.checked_sub(b).and_then(|gap| taken[j - i].get_mut(gap as usize))
                        {
                            *gap = true;
                        }
                    }
                }
            }
        }
        let serves = |x: &usize| (1..=4).all(|times| !taken[times][times * x]);
        let first = if rank == 0 { 0 } else { 1 };
        let Some(key) = (first..LIMIT).find(|x| rank == 0 || serves(x)) else {
            unreachable!("the last key is below 1.5 million");
        };
        *new = u32::try_from(key).unwrap_or(u32::MAX);
        for size in (1..=7usize).rev() {
            let more: Vec<u32> = (1..=size.min(4))
                .flat_map(|times| {
                    let add = *new * u32::try_from(times).unwrap_or(0);
                    sums[size - times].iter().map(move |sum| sum + add)
                })
                .collect();
            sums[size].extend(more);
        }
    }
    keys
}

/// The rank, by its key's sum, of every five to seven cards that make no flush.
fn hands(keys: &[u32; 13]) -> BTreeMap<u32, u16> {
    let order = order();
    let mut hands = BTreeMap::new();
    for size in 5..=7 {
        each_counts(size, &mut |counts| {
            let sum =
                counts.iter().zip(keys).fold(0u32, |sum, (n, key)| sum.wrapping_add(u32::from(*n) * key));
            let before = hands.insert(sum & KEY_MASK, order[&strength(counts)]);
            assert_eq!(before, None, "two hands with one sum");
        });
    }
    hands
}

/// The rank of every set of five or more ranks of one suit; 0 where there are fewer.
fn flushes() -> Vec<u16> {
    let order = order();
    (0..1u16 << 13)
        .map(|ranks| if ranks.count_ones() < 5 { 0 } else { order[&flush_strength(ranks)] })
        .collect()
}

/// All 7,462 strengths, numbered from 1 for the lowest.
fn order() -> BTreeMap<u32, u16> {
    let mut strengths: BTreeMap<u32, u16> = BTreeMap::new();
    each_counts(5, &mut |counts| {
        strengths.insert(strength(counts), 0);
    });
    for ranks in (0..1u16 << 13).filter(|ranks| ranks.count_ones() == 5) {
        strengths.insert(flush_strength(ranks), 0);
    }
    for (number, rank) in (1..).zip(strengths.values_mut()) {
        *rank = number;
    }
    strengths
}

/// Calls `f` with every way to have `size` cards, at most four of a rank.
fn each_counts(size: u8, f: &mut impl FnMut(&Counts)) {
    fn choose(rank: usize, left: u8, counts: &mut Counts, f: &mut impl FnMut(&Counts)) {
        if rank == counts.len() {
            if left == 0 {
                f(counts);
            }
            return;
        }
        for n in 0..=left.min(4) {
            counts[rank] = n;
            choose(rank + 1, left - n, counts, f);
        }
        counts[rank] = 0;
    }
    choose(0, size, &mut [0; 13], f);
}

/// What a hand is worth, comparable and without regard to suits: the category above 26 bits, then
/// the ranks that make it, then the kickers, each as a set of 13 bits.
fn strength(counts: &Counts) -> u32 {
    let at_least = |n| (0..13).filter(|r| counts[*r] >= n).fold(0u16, |set, r| set | 1 << r);
    let (ones, twos, threes, fours) = (at_least(1), at_least(2), at_least(3), at_least(4));
    let of =
        |category: u32, made: u16, kickers: u16| category << 26 | u32::from(made) << 13 | u32::from(kickers);
    if fours != 0 {
        return of(7, fours, top(ones & !fours, 1));
    }
    let trips = top(threes, 1);
    if trips != 0 && twos & !trips != 0 {
        return of(6, trips, top(twos & !trips, 1));
    }
    if let Some(high) = straight(ones) {
        return of(4, high, 0);
    }
    if trips != 0 {
        return of(3, trips, top(ones & !trips, 2));
    }
    let pairs = top(twos, 2);
    let category = pairs.count_ones();
    of(category, pairs, top(ones & !pairs, 5 - 2 * category))
}

fn flush_strength(ranks: u16) -> u32 {
    match straight(ranks) {
        Some(high) => 8 << 26 | u32::from(high),
        None => 5 << 26 | u32::from(top(ranks, 5)),
    }
}

/// The highest card of the best straight in a set of ranks; in the wheel the ace is low.
fn straight(ranks: u16) -> Option<u16> {
    let low = ranks << 1 | ranks >> 12;
    let runs = low & low << 1 & low << 2 & low << 3 & low << 4;
    (runs != 0).then(|| top(runs, 1) >> 1)
}

/// The highest `n` of a set of ranks.
fn top(mut ranks: u16, n: u32) -> u16 {
    while ranks.count_ones() > n {
        ranks &= ranks - 1;
    }
    ranks
}

/// Lays the rows of a sparse table over each other so that no two entries meet (row displacement,
/// Tarjan and Yao 1979): the fullest first, each at the lowest place that is free.
fn displace(hands: &BTreeMap<u32, u16>) -> (Vec<u32>, Vec<u16>) {
    let mut rows: Vec<Vec<(usize, u16)>> = vec![Vec::new(); 1 << ROW_BITS];
    for (&key, &rank) in hands {
        let column = key & ((1 << COLUMN_BITS) - 1);
        rows[(key >> COLUMN_BITS) as usize].push((column as usize, rank));
    }
    let mut order: Vec<u32> = (0..1 << ROW_BITS).collect();
    order.sort_by_key(|row| (std::cmp::Reverse(rows[*row as usize].len()), *row));
    let (mut offsets, mut ranks, mut first_free) = (vec![0; 1 << ROW_BITS], Vec::new(), 0usize);
    for row in order {
        let entries = &rows[row as usize];
        let Some(&(lowest, _)) = entries.first() else {
            continue;
        };
        let free = |at: usize| ranks.get(at).is_none_or(|rank| *rank == 0);
        let start = first_free.saturating_sub(lowest);
        let place = (start..).find(|start| entries.iter().all(|(column, _)| free(start + column)));
        let place = place.unwrap_or(start);
        // Whole rows fit, so that no key whatever, of a hand or not, leads out of the table.
        ranks.resize(ranks.len().max(place + (1 << COLUMN_BITS)), 0);
        for (column, rank) in entries {
            ranks[place + column] = *rank;
        }
        while ranks.get(first_free).is_some_and(|rank| *rank != 0) {
            first_free += 1;
        }
        // The reader adds the whole key, row and column, and so saves itself a mask.
        offsets[row as usize] = u32::try_from(place).unwrap_or(u32::MAX).wrapping_sub(row << COLUMN_BITS);
    }
    // Rows of no hand: anywhere inside.
    for (row, offset) in (0u32..).zip(&mut offsets) {
        if rows[row as usize].is_empty() {
            *offset = 0u32.wrapping_sub(row << COLUMN_BITS);
        }
    }
    (offsets, ranks)
}
