//! Recorded hands a second, in processor time: read by the fast reader and by the toml crate alone,
//! replayed through the live engine with every end compared, and written. `hands/<what>/<reader>`.
//!
//! The hands are those of `PURR_PHH_DIR`, or a made-up one many times over where there are none.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use purr_bench::cpu::CpuTime;
use purr_engine::phh::{self, Phh, Replayer, Verdict};
use std::{env, fs, hint::black_box, path::Path, time::Duration};

const MADE_UP: &str = "variant = 'NT'\nante_trimming_status = true\nantes = [0, 0, 0, 0, 0, 0]\n\
    blinds_or_straddles = [50, 100, 0, 0, 0, 0]\nmin_bet = 100\n\
    starting_stacks = [10000, 10000, 10000, 10000, 10000, 10000]\n\
    actions = ['d dh p1 AsKd', 'd dh p2 8s4c', 'd dh p3 9c3d', 'd dh p4 Ah4h', 'd dh p5 Th5s', 'd dh p6 6c7s', \
    'p3 f', 'p4 cbr 210', 'p5 f', 'p6 f', 'p1 cc', 'p2 f', 'd db 7d5h9d', 'p1 cc', 'p4 cc', 'd db 7c', 'p1 cc', \
    'p4 cc', 'd db Qh', 'p1 cbr 230', 'p4 cc', 'p1 sm AsKd', 'p4 sm']\n\
    players = ['a', 'b', 'c', 'd', 'e', 'f']\nfinishing_stacks = [10540, 9900, 10000, 9560, 10000, 10000]\n";

fn text() -> String {
    let dir = env::var("PURR_PHH_DIR").unwrap_or_else(|_| "../../../shared/phh".into());
    let file = Path::new(&dir).join("pluribus-sample.phhs");
    fs::read_to_string(&file).unwrap_or_else(|_| {
        eprintln!("{} is not there: a made-up hand stands in", file.display());
        (0..1_000).map(|name| format!("[{name}]\n{MADE_UP}\n")).collect()
    })
}

fn hands(c: &mut Criterion<CpuTime>) {
    let text = text();
    let entries = phh::read(&text).expect("a collection");
    let hands: Vec<Phh> = entries.into_iter().map(|entry| entry.hand.expect("a hand")).collect();
    let mut replayer = Replayer::new();
    let exact = |replayer: &mut Replayer| {
        let played =
            hands.iter().map(|hand| replayer.outcome(black_box(hand)).expect("a legal hand").verdict);
        played.filter(|verdict| *verdict == Verdict::Exact).count()
    };
    assert_eq!(exact(&mut replayer), hands.len(), "every hand ends as it tells");

    let mut group = c.benchmark_group("hands");
    group.throughput(Throughput::Elements(hands.len() as u64));
    group.bench_function("read/purr", |b| b.iter(|| phh::read(black_box(&text)).map(|hands| hands.len())));
    group.bench_function("read/toml", |b| {
        b.iter(|| phh::read_as_toml(black_box(&text)).map(|hands| hands.len()))
    });
    group.bench_function("replay/purr", |b| b.iter(|| exact(&mut replayer)));
    group.bench_function("write/purr", |b| {
        b.iter(|| hands.iter().map(|hand| black_box(hand).to_string().len()).sum::<usize>());
    });
    group.finish();
}

fn criterion() -> Criterion<CpuTime> {
    Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = hands
}
criterion_main!(benches);
