//! Generates the evaluator's tables from the order of poker hands alone.
//!
//! This file is no part of the crate: `examples/eval-tables.rs` includes it and writes `tables.bin`,
//! `tests/eval.rs` includes it and compares. How the tables are read is in `tables.rs`.

use std::collections::{BTreeMap, BTreeSet};

/// Number of cards of each rank in a hand, from deuce to ace.
type Counts = [u8; 13];

/// How a key is split: its low bits are the column, the others the row.
const COLUMN_BITS: u32 = 8;

/// Step that every card adds to the row, so that hands of five, six and seven cards never collide. [`hands`] asserts
/// that. This value gave the smallest table of some ten tried.
const ROW_STEP: u16 = 20_011;

/// A card's part of its hand's place in the tables: of the row, modulo 2^16, and of the column.
type Key = (u16, u16);

/// Rows of columns and the ranks there.
type Rows = BTreeMap<u16, BTreeMap<u16, u16>>;

/// All tables in the order in which `tables.rs` reads them, in little-endian `u16`: the row and the
/// column of each rank, an offset for each row, the rank of each set of five or more ranks of one
/// suit, the ranks of hands without a flush.
pub fn tables() -> Vec<u8> {
    let keys = keys();
    let (offsets, ranks) = displace(&hands(&keys));
    let keys = keys.iter().flat_map(|(row, column)| [*row, *column]);
    keys.chain(offsets).chain(flushes()).chain(ranks).flat_map(u16::to_le_bytes).collect()
}

/// A key for each rank, such that the sums of five to seven cards differ wherever the ranks do. Rows and columns are
/// summed apart, without a carry between them, and still identify the sum of the whole keys. The ace has the smallest
/// key, so that high cards are close in the tables.
fn keys() -> [Key; 13] {
    let mut keys = smallest_keys();
    keys.reverse();
    let low = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    keys.map(|key| (low(key >> COLUMN_BITS) + ROW_STEP, low(key & ((1 << COLUMN_BITS) - 1))))
}

/// Thirteen numbers whose sums of seven, none taken more than four times, all differ: each is the
/// smallest that serves with those before it. What differs with seven cards does so with fewer: two
/// hands of fewer cards and one sum could be filled up to seven with the same cards.
fn smallest_keys() -> [u32; 13] {
    const LIMIT: usize = 1 << 21;
    let mut keys = [0; 13];
    // The possible sums of exactly 0 to 7 cards, of the ranks that have their keys already.
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

/// The rank, by the sum of their keys, of every five to seven cards that make no flush.
fn hands(keys: &[Key; 13]) -> Rows {
    let order = order();
    let mut rows = Rows::new();
    for size in 5..=7 {
        each_counts(size, &mut |counts| {
            let (mut row, mut column) = (0u16, 0u16);
            for (n, key) in counts.iter().zip(keys) {
                row = row.wrapping_add(u16::from(*n).wrapping_mul(key.0));
                column += u16::from(*n) * key.1;
            }
            let before = rows.entry(row).or_default().insert(column, order[&strength(counts)]);
            assert_eq!(before, None, "two hands with one sum");
        });
    }
    rows
}

/// The rank of every set of five or more ranks of one suit; 0 for smaller sets.
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

/// Calls `f` with every combination of `size` cards that has at most four of a rank.
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

/// Returns the strength of a hand, comparable and without regard to suits: the category above 26 bits, then
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

/// Lays the rows of a sparse table over each other so that no two different entries meet (row
/// displacement, Tarjan and Yao 1979): the fullest first, each at the lowest place where it fits.
/// Entries of one rank may meet: 73,775 hands take 42,691 places. Rows with hands of seven cards come
/// first, so that these, which are ranked most, are close together.
fn displace(rows: &Rows) -> (Vec<u16>, Vec<u16>) {
    let sevens = sevens();
    let mut order: Vec<u16> = rows.keys().copied().collect();
    order.sort_by_key(|row| (!sevens.contains(row), std::cmp::Reverse(rows[row].len()), *row));
    // Rows of no hand begin at 0: anywhere inside.
    let (mut offsets, mut ranks, mut first_free) = (vec![0; 1 << 16], Vec::new(), 0usize);
    for row in order {
        let entries: Vec<(usize, u16)> =
            rows[&row].iter().map(|(column, rank)| (usize::from(*column), *rank)).collect();
        let (Some(&(lowest, _)), Some(&(highest, _))) = (entries.first(), entries.last()) else {
            continue;
        };
        let fits = |at: usize, rank: u16| ranks.get(at).is_none_or(|there| [0, rank].contains(there));
        let start = first_free.saturating_sub(lowest);
        let place = (start..).find(|start| entries.iter().all(|(column, rank)| fits(start + column, *rank)));
        let place = place.unwrap_or(start);
        ranks.resize(ranks.len().max(place + highest + 1), 0);
        for (column, rank) in entries {
            ranks[place + column] = rank;
        }
        while ranks.get(first_free).is_some_and(|rank| *rank != 0) {
            first_free += 1;
        }
        let Ok(offset) = u16::try_from(place) else {
            unreachable!("the table has fewer than 2^16 places");
        };
        offsets[usize::from(row)] = offset;
    }
    (offsets, ranks)
}

/// The rows of hands of seven cards.
fn sevens() -> BTreeSet<u16> {
    let (keys, mut rows) = (keys(), BTreeSet::new());
    each_counts(7, &mut |counts| {
        let of = |(n, key): (&u8, &Key)| u16::from(*n).wrapping_mul(key.0);
        rows.insert(counts.iter().zip(&keys).map(of).fold(0, u16::wrapping_add));
    });
    rows
}
