//! Boards a second: exact enumeration and samples. `equity/<way>/<hands>`, in processor time.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use purr_bench::cpu::CpuTime;
use purr_engine::{
    Card,
    equity::{exact, monte_carlo},
};
use std::{hint::black_box, time::Duration};

const SAMPLE: u64 = 100_000;

/// Ten hands that share no card.
fn hands() -> Vec<[Card; 2]> {
    let text = ["AcKd", "7c7d", "JhTh", "2s2h", "Qd9d", "5c4c", "8h8s", "Td9c", "6s3d", "AsKh"];
    let card = |text: &str| text.parse().expect("a card");
    text.iter().map(|hand| [card(&hand[..2]), card(&hand[2..])]).collect()
}

fn equities(c: &mut Criterion<CpuTime>) {
    let hands = hands();
    for (group, sampled) in [("equity/exact", false), ("equity/monte-carlo", true)] {
        let mut group = c.benchmark_group(group);
        for players in [2, 3, 6, 10] {
            let hands = &hands[..players];
            let run = || {
                let hands = black_box(hands);
                if sampled { monte_carlo(hands, &[], &[], SAMPLE, 1) } else { exact(hands, &[], &[]) }
            };
            let boards = run().expect("no card twice")[0].boards;
            group.throughput(Throughput::Elements(boards));
            group.bench_function(BenchmarkId::from_parameter(players), |b| b.iter(run));
        }
        group.finish();
    }
}

fn criterion() -> Criterion<CpuTime> {
    Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = criterion(); targets = equities }
criterion_main!(benches);
