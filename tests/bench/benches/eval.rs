//! Seven-card hands a second, beside every evaluator of note on crates.io, three ways: all hands in
//! sequence with partial hands kept in the outer loops, random hands as arrays of cards, and random
//! hands in the form that each library ranks most quickly. `eval/<way>/<library>`, in processor time.

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use purr_bench::{
    cpu::CpuTime,
    peers::{AyaPoker, Evaluator, Freezeout, Poker, Purr, RsPoker},
    random_hands,
};
use std::{hint::black_box, time::Duration};

type Group<'a> = BenchmarkGroup<'a, CpuTime>;

/// Too many for a branch predictor to memorise, and few enough that memory is not measured.
const RANDOM_HANDS: usize = 1 << 16;

/// Step through the 1,035 pairs of lowest cards: every pair for fast libraries, a sample for slow ones, whose complete
/// enumeration takes minutes.
fn stride(library: &str) -> usize {
    match library {
        "purr" | "aya_poker" => 1,
        "poker" => 115,
        _ => 23,
    }
}

/// The lowest two cards of each part of the enumeration.
fn prefixes(stride: usize) -> Vec<(usize, usize)> {
    let pairs = (0..46).flat_map(|a| (a + 1..47).map(move |b| (a, b)));
    pairs.skip(stride / 2).step_by(stride).collect()
}

/// C(51 - b, 5) hands each.
fn hands_of(prefixes: &[(usize, usize)]) -> u64 {
    let after = |b: usize| (0..5).fold(1, |product, i| product * (51 - b as u64 - i)) / 120;
    prefixes.iter().map(|(_, b)| after(*b)).sum()
}

#[inline(never)]
fn enumerate<E: Evaluator>(deck: &[E::Added; 52], prefixes: &[(usize, usize)]) -> u64 {
    let mut sum = 0;
    for &(a, b) in prefixes {
        let two = E::with(E::with(E::empty(), deck[a]), deck[b]);
        for c in b + 1..48 {
            let three = E::with(two, deck[c]);
            for d in c + 1..49 {
                let four = E::with(three, deck[d]);
                for e in d + 1..50 {
                    let five = E::with(four, deck[e]);
                    for f in e + 1..51 {
                        let six = E::with(five, deck[f]);
                        for g in &deck[f + 1..] {
                            sum += u64::from(E::rank_partial(&E::with(six, *g)));
                        }
                    }
                }
            }
        }
    }
    sum
}

fn sequential<E: Evaluator>(group: &mut Group<'_>, library: &str) {
    let deck: [E::Added; 52] = std::array::from_fn(|number| E::added(E::card(number as u8)));
    let prefixes = prefixes(stride(library));
    group.throughput(Throughput::Elements(hands_of(&prefixes)));
    group.bench_function(BenchmarkId::from_parameter(library), |b| {
        b.iter(|| enumerate::<E>(black_box(&deck), black_box(&prefixes)));
    });
}

fn hands<E: Evaluator>() -> Vec<[E::Card; 7]> {
    random_hands(RANDOM_HANDS, 1).iter().map(|hand| hand.map(|card| E::card(card.number()))).collect()
}

fn arrays<E: Evaluator>(group: &mut Group<'_>, library: &str) {
    let hands = hands::<E>();
    group.bench_function(BenchmarkId::from_parameter(library), |b| {
        b.iter(|| black_box(&hands).iter().map(|hand| u64::from(E::rank_cards(hand))).sum::<u64>());
    });
}

fn prebuilt<E: Evaluator>(group: &mut Group<'_>, library: &str) {
    let hands: Vec<E::Prebuilt> = hands::<E>().iter().map(E::prebuild).collect();
    group.bench_function(BenchmarkId::from_parameter(library), |b| {
        b.iter(|| black_box(&hands).iter().map(|hand| u64::from(E::rank_prebuilt(hand))).sum::<u64>());
    });
}

macro_rules! all {
    ($way:ident, $group:expr) => {
        $way::<Purr>($group, "purr");
        $way::<AyaPoker>($group, "aya_poker");
        $way::<RsPoker>($group, "rs_poker");
        $way::<Freezeout>($group, "freezeout-eval");
        $way::<Poker>($group, "poker");
    };
}

fn evaluators(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("eval/sequential");
    all!(sequential, &mut group);
    group.finish();
    let mut group = c.benchmark_group("eval/arrays");
    group.throughput(Throughput::Elements(RANDOM_HANDS as u64));
    all!(arrays, &mut group);
    group.finish();
    let mut group = c.benchmark_group("eval/prebuilt");
    group.throughput(Throughput::Elements(RANDOM_HANDS as u64));
    all!(prebuilt, &mut group);
    group.finish();
}

fn criterion() -> Criterion<CpuTime> {
    Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = criterion(); targets = evaluators }
criterion_main!(benches);
