//! The shuffle as a whole, table's seed and players' entropy together, against what a uniform one does.
//!
//! Seeds are fixed, so the figures never change; neighbouring seeds differ in a few bits only, which a
//! good construction must not show. Every bound is four standard deviations on each side: an honest
//! shuffle with other seeds would miss one of them once in about 16,000 (the gap test, whose statistic
//! is skewed, once in about 1,200). A shuffle with a known bias must miss them, which shows that the
//! tests can fail.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]
#![allow(clippy::cast_possible_truncation, reason = "numbers of cards and places are below 52")]

use purr_engine::deal::{Reveal, SealedDeck};
use std::sync::LazyLock;

const HANDS: u32 = 20_000;

type Deal = [u8; 52];

/// The dealt hands: the card's number at each place.
static DEALS: LazyLock<Vec<Deal>> = LazyLock::new(|| (0..HANDS).map(deal).collect());

fn deal(number: u32) -> Deal {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    let reveal = |seat: u8| {
        let mut entropy = [seat; 32];
        entropy[28..].copy_from_slice(&number.to_be_bytes());
        Reveal { seat, entropy }
    };
    let deck = SealedDeck::new(&seed).unwrap().deck(&[reveal(0), reveal(3)]).unwrap();
    deck.cards().map(|card| card.number())
}

/// A common mistake: a byte modulo the number of remaining cards.
fn biased() -> Vec<Deal> {
    let mut state = 1u64;
    let mut byte = || {
        // SplitMix64 (Steele, Lea, Flood 2014): good bits, so the bias is the modulo's.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % 256) as usize
    };
    let mut hand = || {
        let mut deal: Deal = std::array::from_fn(|card| card as u8);
        for last in (1..52).rev() {
            deal.swap(last, byte() % (last + 1));
        }
        deal
    };
    (0..HANDS).map(|_| hand()).collect()
}

/// A figure's distance from its mean in standard deviations.
struct Deviation {
    what: &'static str,
    sigmas: f64,
}

impl Deviation {
    fn new(what: &'static str, figure: f64, mean: f64, deviation: f64) -> Self {
        println!("{what}: {figure:.3}, mean {mean:.3}, deviation {deviation:.3}");
        Self { what, sigmas: (figure - mean) / deviation }
    }

    fn within(&self) -> bool {
        self.sigmas.abs() < 4.0
    }

    fn check(&self) {
        assert!(self.within(), "{} is off by {:.2} standard deviations", self.what, self.sigmas);
    }
}

fn chi_square(counts: impl IntoIterator<Item = u32>, expected: f64) -> f64 {
    counts.into_iter().map(|count| (f64::from(count) - expected).powi(2) / expected).sum()
}

/// Counts how often each card comes at each place. A permutation's matrix has 51 * 51 free cells, so
/// 51/52 of the statistic is chi-square with 51^2 degrees of freedom: its mean is 52 * 51 = 2652, its
/// deviation sqrt(2) * 52 = 73.5.
fn place_and_card(deals: &[Deal]) -> Deviation {
    let mut counts = vec![0u32; 52 * 52];
    for deal in deals {
        for (place, card) in deal.iter().enumerate() {
            counts[place * 52 + usize::from(*card)] += 1;
        }
    }
    let chi = chi_square(counts, deals.len() as f64 / 52.0);
    Deviation::new("place and card", chi, 2_652.0, 2f64.sqrt() * 52.0)
}

/// Counts how often each card follows each other one, at 51 neighbouring pairs of places a hand. One
/// card follows another with probability 1/52; from the covariances of these events in a uniform
/// permutation (1/(52 * 52 * 51) where both can be, -1/52^2 where they exclude each other: the same
/// first card, the same second card, or the pair turned round) the statistic's mean is 51^2 = 2601
/// and its variance 2 * 2651.
fn neighbours(deals: &[Deal]) -> Deviation {
    let mut counts = vec![0u32; 52 * 52];
    for deal in deals {
        for pair in deal.windows(2) {
            counts[usize::from(pair[0]) * 52 + usize::from(pair[1])] += 1;
        }
    }
    let pairs = (0..52 * 52).filter(|at| at / 52 != at % 52).map(|at| counts[at]);
    let chi = chi_square(pairs, deals.len() as f64 / 52.0);
    Deviation::new("neighbours", chi, 2_601.0, (2.0 * 2_651.0f64).sqrt())
}

/// Descents: places whose card is below the previous one. Eulerian numbers: mean (n - 1) / 2, variance (n + 1) / 12 a
/// hand (Knuth, TAOCP 3, section 5.1.3).
fn descents(deals: &[Deal]) -> Deviation {
    let found: usize = deals.iter().map(|d| d.windows(2).filter(|pair| pair[0] > pair[1]).count()).sum();
    let hands = deals.len() as f64;
    Deviation::new("descents", found as f64, hands * 25.5, (hands * 53.0 / 12.0).sqrt())
}

/// Cycles of the permutation: mean H(52), variance H(52) - H2(52) (Knuth, TAOCP 1, section 1.3.3).
fn cycles(deals: &[Deal]) -> Deviation {
    let cycles_of = |deal: &Deal| {
        let mut seen = [false; 52];
        let mut cycles = 0;
        for start in 0..52 {
            let mut at = start;
            while !seen[at] {
                seen[at] = true;
                at = usize::from(deal[at]);
                cycles += u32::from(at == start);
            }
        }
        cycles
    };
    let found: u32 = deals.iter().map(cycles_of).sum();
    let mean: f64 = (1..=52).map(|n| 1.0 / f64::from(n)).sum();
    let squares: f64 = (1..=52).map(|n| 1.0 / f64::from(n).powi(2)).sum();
    let hands = deals.len() as f64;
    Deviation::new("cycles", f64::from(found), hands * mean, (hands * (mean - squares)).sqrt())
}

/// The gap test: cards before the first ace. k come first with probability C(51 - k, 3) / C(52, 4);
/// 25 and more are one class, so chi-square has 25 degrees of freedom.
fn gap_to_the_first_ace(deals: &[Deal]) -> Deviation {
    const LAST: usize = 25;
    let mut counts = [0u32; LAST + 1];
    for deal in deals {
        let gap = deal.iter().position(|card| *card >= 48).unwrap();
        counts[gap.min(LAST)] += 1;
    }
    let ways = |gap: usize| ((51 - gap) * (50 - gap) * (49 - gap) / 6) as f64;
    let probability = |gap: usize| ways(gap) / 270_725.0;
    let tail: f64 = (LAST..49).map(probability).sum();
    let chi: f64 = (0..=LAST)
        .map(|gap| {
            let expected = deals.len() as f64 * if gap == LAST { tail } else { probability(gap) };
            chi_square([counts[gap]], expected)
        })
        .sum();
    Deviation::new("gap to the first ace", chi, LAST as f64, (2.0 * LAST as f64).sqrt())
}

/// A hand tells nothing of the next one: the card at each place against the card there a hand before,
/// 52 * 52 cells at each of 52 places. Pairs overlap, so a place's statistic is chi-square with 51^2
/// degrees of freedom plus twice one with 51 (Good 1953, "The serial test for sampling numbers"): mean
/// 52^2 - 1 = 2703, variance 2 * 51^2 + 8 * 51 = 5610. What one place says of another is a 51st part
/// at most and does not show in the sum.
fn hand_after_hand(deals: &[Deal]) -> Deviation {
    let mut total = 0.0;
    for place in 0..52 {
        let mut counts = vec![0u32; 52 * 52];
        for pair in deals.windows(2) {
            counts[usize::from(pair[0][place]) * 52 + usize::from(pair[1][place])] += 1;
        }
        total += chi_square(counts, (deals.len() - 1) as f64 / (52.0 * 52.0));
    }
    Deviation::new("hand after hand", total, 52.0 * 2_703.0, (52.0 * 5_610.0f64).sqrt())
}

#[test]
fn every_card_comes_at_every_place_equally_often() {
    place_and_card(&DEALS).check();
}

#[test]
fn every_card_follows_every_other_equally_often() {
    neighbours(&DEALS).check();
}

#[test]
fn descents_and_cycles_are_as_many_as_in_a_uniform_shuffle() {
    descents(&DEALS).check();
    cycles(&DEALS).check();
}

#[test]
fn the_first_ace_comes_as_late_as_it_should() {
    gap_to_the_first_ace(&DEALS).check();
}

#[test]
fn a_hand_tells_nothing_of_the_next() {
    hand_after_hand(&DEALS).check();
}

#[test]
fn a_biased_shuffle_would_be_seen() {
    let biased = biased();
    assert!(!place_and_card(&biased).within());
    assert!(!cycles(&biased).within() || !descents(&biased).within());
    // Ordered hands fail the serial test although each place has every card equally often.
    let turned: Vec<Deal> =
        (0..HANDS).map(|n| std::array::from_fn(|at| ((at + n as usize) % 52) as u8)).collect();
    assert!(place_and_card(&turned).sigmas < -4.0, "too even to be chance");
    assert!(!neighbours(&turned).within() && !hand_after_hand(&turned).within());
    assert!(!gap_to_the_first_ace(&turned).within());
}
