//! What the signer takes and what it brings onto the chain, as rows of the bench's file (PURR_BENCH_OUT); as far as
//! PURR_BENCH_ONLY (signatures, accepted) where that is set. Run by
//! `make bench`; the token's folder is SOFTHSM2_CONF, which the script makes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]

mod common;

use common::{
    House, eventually,
    proxy::{Proxy, REQUESTS_PER_MINUTE},
    table::{Table, player},
};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    mechanism::Mechanism,
    object::{Attribute, ObjectClass},
    session::UserType,
    types::AuthPin,
};
use purr_chain_signer::hsm::{Token, TokenConfig};
use purr_protocol::settlement::{Balance, Entry, TableStatus};
use purr_runtime::Role;
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(10);
const TABLES: usize = 8;
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

fn row(name: &str, value: f64, unit: &str, peer: Option<(&str, f64)>, goal: Option<f64>) -> Value {
    let ratio = peer.map(|(_, peer)| value / peer);
    let met = goal.map(|goal| match ratio {
        Some(ratio) => ratio >= goal,
        None => value <= goal,
    });
    json!({"name": name, "value": value, "unit": unit, "peer": peer.map(|peer| peer.0),
        "peer_value": peer.map(|peer| peer.1), "ratio": ratio, "goal": goal, "met": met})
}

/// The figures that forge measured, in gas.txt; two of its lines have goals.
fn gas() -> Vec<Value> {
    let text = include_str!("../contracts/gas.txt");
    let mut rows = Vec::new();
    for line in text.lines() {
        let (name, value) = line.trim_start_matches("gas: ").rsplit_once(": ").unwrap();
        let goal = match name {
            "one hand of 6 seats" => Some(55_000.0),
            "a hand of 6 seats, 10 netted" => Some(6_000.0),
            _ => None,
        };
        rows.push(row(&format!("money/gas/{name}"), value.parse().unwrap(), "gas", None, goal));
    }
    rows
}

/// CPU time of this process so far, of threads that have ended as well: fields 14 and 15 of proc_pid_stat(5), in
/// hundredths of a second.
fn cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The name in brackets may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) as f64 / 100.0
}

/// Signatures a second through the signer's pool, compared with the same number of threads that only call the token; by
/// wall clock and by CPU time. Each round measures both, so that load affects both; the best round of each counts.
async fn signatures() -> [Value; 2] {
    const EACH: usize = 250;
    const THREADS: usize = 4;
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in [("pin", "1234"), ("so-pin", "5678")] {
        fs::write(dir.path().join(file), text).unwrap();
    }
    let token = Token::open(TokenConfig {
        module: MODULE.into(),
        label: "bench".into(),
        pin_file: dir.path().join("pin"),
        so_pin_file: Some(dir.path().join("so-pin")),
        init: true,
    })
    .unwrap();
    token.ensure_key("settle").unwrap();
    let signer = token.signer("settle").unwrap();
    let (mut ours, mut raw) = (0.0_f64, 0.0_f64);
    let (mut ours_cpu, mut raw_cpu) = (0.0_f64, 0.0_f64);
    for _ in 0..5 {
        let (begun, cpu) = (Instant::now(), cpu_s());
        let all = (0..THREADS).map(|n| {
            let signer = signer.clone();
            tokio::spawn(async move {
                for i in 0..EACH {
                    signer.sign([(n * EACH + i) as u8; 32]).await.unwrap();
                }
            })
        });
        for done in futures::future::join_all(all).await {
            done.unwrap();
        }
        ours = ours.max((THREADS * EACH) as f64 / begun.elapsed().as_secs_f64());
        ours_cpu += cpu_s() - cpu;
        let cpu = cpu_s();
        raw = raw.max(tokio::task::spawn_blocking(|| raw_rate(THREADS, EACH)).await.unwrap());
        raw_cpu += cpu_s() - cpu;
    }
    let count = (5 * THREADS * EACH) as f64;
    let by_cpu = Some(("the token alone", count / raw_cpu));
    [
        row("money/signatures", ours, "1/s", Some(("the token alone", raw)), Some(0.9)),
        row("money/signatures by CPU time", count / ours_cpu, "1/CPU s", by_cpu, Some(0.9)),
    ]
}

fn raw_rate(threads: usize, each: usize) -> f64 {
    let context = Pkcs11::new(Path::new(MODULE)).unwrap();
    // The PKCS#11 module is loaded once for the whole process.
    let _ = context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
    let slot = context.get_slots_with_initialized_token().unwrap()[0];
    let sessions: Vec<_> = (0..threads)
        .map(|_| {
            let session = context.open_ro_session(slot).unwrap();
            let _ = session.login(UserType::User, Some(&AuthPin::from("1234".to_owned())));
            let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(b"settle".to_vec())];
            let key = session.find_objects(&template).unwrap()[0];
            (session, key)
        })
        .collect();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for (session, key) in sessions {
            scope.spawn(move || {
                for i in 0..each {
                    session.sign(&Mechanism::Ecdsa, key, &[i as u8; 32]).unwrap();
                }
            });
        }
    });
    let rate = (threads * each) as f64 / begun.elapsed().as_secs_f64();
    // The signing context continues to use the module, so this one must not finalise it.
    std::mem::forget(context);
    rate
}

fn uid(n: usize) -> String {
    format!("0a0b0c0d-0000-4000-8000-{n:012x}")
}

/// Two players at each table.
async fn tables(house: &House, signer: &common::Signer) -> Vec<Table> {
    house.fund_players(1..=2 * TABLES, 100 * USDC).await;
    let gateway = house.client(signer, &Role::Gateway);
    let last = format!("/v1/balances/{}", player(2 * TABLES));
    eventually("the last deposit is seen", || async {
        let balance: Option<Balance> = gateway.get(&last, WAIT).await.ok();
        balance.filter(|balance| balance.free == 100 * USDC)
    })
    .await;
    let open = (0..TABLES).map(|n| async move {
        let table = Table::open_as(house, signer, &uid(n), 2 * n).await;
        table.sit(house, 2 * n + 1, 50 * USDC, 1).await;
        let last = table.sit(house, 2 * n + 2, 50 * USDC, 1).await;
        table.confirmed(last).await;
        table
    });
    futures::future::join_all(open).await
}

fn hand(table: &Table, n: usize) -> Entry {
    let won = if n.is_multiple_of(2) { 100 } else { -100 };
    let entry = table.hand(&[(table.others + 1, won), (table.others + 2, -won)], 0);
    table.seq.set(entry.seq);
    entry
}

/// Requests of one hand each from all tables at once: how many a second, and how long until one is in the journal,
/// which the answer waits for.
async fn accepted(tables: &[Table]) -> [Value; 2] {
    const EACH: usize = 60;
    let begun = Instant::now();
    let all = tables.iter().map(|table| async move {
        let mut took = Vec::new();
        for n in 0..EACH {
            let entry = hand(table, n);
            let asked = Instant::now();
            table.submit_as(1, &[entry]).await.unwrap();
            took.push(asked.elapsed());
        }
        took
    });
    let mut took: Vec<Duration> = futures::future::join_all(all).await.into_iter().flatten().collect();
    let rate = took.len() as f64 / begun.elapsed().as_secs_f64();
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100].as_secs_f64() * 1e3;
    [
        row("money/settlements accepted", rate, "1/s", None, None),
        row("money/request to journaled, p99", p99, "ms", None, None),
    ]
}

/// Ends when the chain has all that these tables have handed in.
async fn settled(house: &House, signer: &common::Signer, tables: &[Table], within: Duration) {
    let gateway = house.client(signer, &Role::Gateway);
    let until = Instant::now() + within;
    for table in tables {
        loop {
            let status: TableStatus = gateway.get(&table.base, WAIT).await.unwrap();
            if status.confirmed_seq == table.seq.get() {
                break;
            }
            assert!(Instant::now() < until, "{} is at {}", table.uid, status.confirmed_seq);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a bench: tests/bench.sh runs it"]
async fn bench() {
    let mut rows = gas();
    rows.extend(signatures().await);
    if std::env::var("PURR_BENCH_ONLY").is_ok_and(|only| only == "signatures") {
        return report(&rows);
    }

    let mut house = House::new().await;
    // The same key settles from the first to the last, so the limits come with a second start.
    let mut signer = house.start_signer();
    signer.ready().await;
    let mut tables = tables(&house, &signer).await;
    rows.extend(accepted(&tables).await);
    if std::env::var("PURR_BENCH_ONLY").is_ok_and(|only| only == "accepted") {
        return report(&rows);
    }
    settled(&house, &signer, &tables, Duration::from_secs(120)).await;

    // HyperEVM's limits at once: 3 M gas in a block of a second, 100 requests a minute, 8 nonces ahead.
    signer.process.kill();
    house.node("evm_setBlockGasLimit", json!(["0x2dc6c0"])).await;
    let proxy = Proxy::limiting(house.rpc_port).await;
    house.signer_env.push(("PURR_RPC_URLS".into(), format!("http://127.0.0.1:{}", proxy.port)));
    house.signer_env.push(("PURR_RPC_REQUESTS_PER_MINUTE".into(), REQUESTS_PER_MINUTE.to_string()));
    house.signer_env.push(("PURR_POLL_MS".into(), "2000".into()));
    signer = house.start_signer();
    signer.ready().await;
    for table in &mut tables {
        table.again(&house, &signer);
    }
    let (begun, mut hands) = (Instant::now(), 0);
    for n in 0..60 {
        for table in &tables {
            table.submit_as(1, &[hand(table, n)]).await.unwrap();
            hands += 1;
        }
    }
    settled(&house, &signer, &tables, Duration::from_secs(600)).await;
    let rate = f64::from(hands) / begun.elapsed().as_secs_f64();
    rows.push(row("money/hands confirmed within HyperEVM's limits", rate, "1/s", None, None));

    report(&rows);
}

fn report(rows: &[Value]) {
    let text = serde_json::to_string_pretty(rows).unwrap();
    println!("{text}");
    if let Ok(file) = std::env::var("PURR_BENCH_OUT") {
        fs::write(file, text).unwrap();
    }
}
