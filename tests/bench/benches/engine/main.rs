//! Hands and actions a second for 2, 6 and 10 players, beside rs_poker's arena on the same hands. Making a table or a
//! simulation is not timed; shuffling, dealing, every action and the showdown are.
//!
//! With `PURR_BENCH_HANDS` set to a folder, the hands are written there for PokerKit.

mod arena;
mod hands;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hands::Hand;
use purr_bench::cpu::CpuTime;
use purr_engine::{Command, Event, Table};
use rand::{SeedableRng, rngs::SmallRng};
use std::{fs::File, hint::black_box, io::Write, path::Path, time::Duration};

const PLAYERS: [u8; 3] = [2, 6, 10];
const HANDS: usize = 200;

/// Plays one hand on the engine, with a reused list of events.
fn play(table: &mut Table, hand: &Hand, rng: &mut SmallRng, events: &mut Vec<Event>) {
    // A shuffle for the same work as the arena's; the hand's own deck keeps the result.
    black_box(hands::deck(rng));
    events.clear();
    let start = Command::StartHand { hand: 1, deck: hand.deck.clone() };
    table.apply_into(0, start, events).expect("a hand");
    for &(seat, action) in &hand.actions {
        table.apply_into(0, Command::Act { seat, action }, events).expect("a legal action");
    }
    assert!(table.hand().is_none());
}

fn write_hands(players: u8, list: &[Hand]) {
    let Ok(folder) = std::env::var("PURR_BENCH_HANDS") else { return };
    let mut file = File::create(Path::new(&folder).join(format!("hands-{players}.jsonl"))).expect("a file");
    for hand in list {
        serde_json::to_writer(&mut file, hand).expect("a hand");
        file.write_all(b"\n").expect("a line");
    }
}

fn engine(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("engine");
    for players in PLAYERS {
        let list = hands::hands(players, HANDS);
        write_hands(players, &list);
        for hand in &list {
            let mut peer = arena::simulation(players, hand);
            peer.simulation.run(&mut rand::rng());
            arena::check(&peer, hand);
        }
        let fresh = hands::table(players);
        let mut rng = SmallRng::seed_from_u64(1);
        let mut events = Vec::with_capacity(1_024);
        group.throughput(Throughput::Elements(list.len() as u64));
        group.bench_with_input(BenchmarkId::new(players.to_string(), "purr"), &list, |bencher, list| {
            let setup = || vec![fresh.clone(); list.len()];
            let run = |mut tables: Vec<Table>| {
                for (table, hand) in tables.iter_mut().zip(list) {
                    play(table, hand, &mut rng, &mut events);
                }
                tables
            };
            bencher.iter_batched(setup, run, BatchSize::LargeInput);
        });
        let mut rng = SmallRng::seed_from_u64(1);
        group.bench_with_input(BenchmarkId::new(players.to_string(), "rs_poker"), &list, |bencher, list| {
            let setup = || list.iter().map(|hand| arena::simulation(players, hand)).collect();
            let run = |mut peers: Vec<arena::Simulation>| {
                for peer in &mut peers {
                    peer.simulation.run(&mut rng);
                }
                peers
            };
            bencher.iter_batched(setup, run, BatchSize::LargeInput);
        });
    }
    group.finish();
}

fn criterion() -> Criterion<CpuTime> {
    Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = criterion(); targets = engine }
criterion_main!(benches);
