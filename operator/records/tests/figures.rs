//! Measurements: a player's page over a million own hands, and the lag from a hand's end to its counters at 200 hands/s.
//! `make records-bench` runs them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measurement"
)]

#[path = "../../runtime/tests/common/certificates.rs"]
mod certificates;
mod common;
#[path = "common/redis.rs"]
mod redis;

use bytes::Bytes;
use certificates::Authority;
use common::{Postgres, figures, player, record, stored};
use purr_protocol::hand::Site;
use purr_records::{ingest::Ingest, metrics::Metrics};
use purr_runtime::{Callers, CancellationToken, Identity, InternalClient, Readiness, Role, Server};
use purr_store::{Commit, HandEntry, HandReader, RedisStore, Store};
use redis::Redis;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::net::TcpListener;

const WAIT: Duration = Duration::from_secs(60);

fn percentile(samples: &mut [f64], part: f64) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples[((samples.len() - 1) as f64 * part) as usize]
}

async fn connect(postgres: &Postgres) -> PgConnection {
    let mut connection = PgConnection::connect_with(&postgres.options()).await.unwrap();
    sqlx::query("SET search_path = records").execute(&mut connection).await.unwrap();
    connection
}

/// A million hands of one player over 500 days, three stakes and six positions, made in the database itself.
async fn million(connection: &mut PgConnection) {
    let own = hex::encode(player(0).0);
    let counters: Vec<String> = purr_facts::NAMES.iter().map(|name| format!("(n % 7) AS {name}")).collect();
    let columns = purr_facts::NAMES.join(", ");
    for sql in [
        "INSERT INTO tables (uid, highest) VALUES ('0a', 1000000)".to_owned(),
        "INSERT INTO hands (table_uid, hand, hash, version, conflict, epoch, ended_ms, void, rake, public, shown_ms, pot, counted)
         SELECT '0a', n, decode(lpad(to_hex(n), 64, '0'), 'hex'), 0, false, 1, 1700000000000 + n::bigint * 43200, false, 5, true, 0, 100, true
         FROM generate_series(1, 1000000) n"
            .to_owned(),
        format!(
            "INSERT INTO hand_players (hand_id, seat, player, delta, stack, low, high)
             SELECT id, 0, decode('{own}', 'hex'), hand % 100 - 50, 1000,
                 CASE WHEN hand % 5 = 0 THEN hand % 26 END, CASE WHEN hand % 5 = 0 THEN 26 + hand % 26 END FROM hands"
        ),
        format!(
            "INSERT INTO player_counters (player, day, small_blind, big_blind, dealt_in, position, {columns})
             SELECT decode('{own}', 'hex'), 19675 + day, 50 * stake, 100 * stake, 6, position, {}
             FROM generate_series(0, 499) day, generate_series(1, 3) stake, generate_series(0, 5) position,
             LATERAL (SELECT day * 18 + stake * 6 + position AS n) numbers",
            counters.join(", ")
        ),
        "ANALYZE".to_owned(),
    ] {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_players_page_over_a_million_own_hands() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let postgres = Postgres::new();
    let database = postgres.database().await;
    million(&mut connect(&postgres).await).await;
    authority.issue(&dir.path().join("records"), &["records.role.purr.internal"]);
    authority.issue(&dir.path().join("gateway"), &["gateway.role.purr.internal"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let identity = Identity::load(&dir.path().join("records")).unwrap();
    let server = Server { identity, callers: Callers::Roles, connections_max: 8 };
    let site = Site { name: "s".into(), network: "n".into(), unit: String::new(), decimals: 0 };
    let stop = CancellationToken::new();
    tokio::spawn(server.run(listener, purr_records::http::routes(database, site), stop.clone()));
    let identity = Identity::load(&dir.path().join("gateway")).unwrap();
    let gateway = InternalClient::new(identity, &address, Role::Records);
    let own = player(0);
    let mut told = serde_json::Map::new();
    for (what, path) in [
        ("statistics", format!("/v1/players/{own}/statistics")),
        (
            "statistics, one stake and position",
            format!("/v1/players/{own}/statistics?stakes=50/100&position=btn"),
        ),
        ("graph", format!("/v1/players/{own}/graph")),
        ("own hands, a page", format!("/v1/players/{own}/search?limit=50")),
        ("own hands, a page in the middle", format!("/v1/players/{own}/search?limit=50&before=500000")),
        (
            "own hands, won, of a day",
            format!("/v1/players/{own}/search?result=won&from=2024-03-01&to=2024-03-01"),
        ),
        ("own hands, by cards", format!("/v1/players/{own}/search?cards=AsKd")),
        ("sessions", format!("/v1/players/{own}/sessions")),
    ] {
        let mut samples = Vec::new();
        for _ in 0..300 {
            let begun = Instant::now();
            let _: Value = gateway.get(&path, WAIT).await.unwrap();
            samples.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let (half, most) = (percentile(&mut samples, 0.5), percentile(&mut samples, 0.99));
        told.insert(what.into(), json!({ "p50Ms": half, "p99Ms": most }));
    }
    figures("page", &json!({ "ownHands": 1_000_000, "requests": 300, "of": told }));
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn lag_from_a_hands_end_to_its_counters() {
    const TABLES: u64 = 20;
    const HANDS: u64 = 200;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let authority = Authority::new();
    let redis = Redis::new(|folder, names| authority.issue(folder, names));
    let postgres = Postgres::new();
    let ingest = Ingest {
        database: postgres.database().await,
        metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
        readiness: Readiness::default(),
        stop: CancellationToken::new(),
        is_default: true,
    };
    let stop = ingest.stop.clone();
    let running = tokio::spawn(ingest.run(HandReader::new(redis.link("records"), "pod-a")));
    let ended: Arc<Mutex<HashMap<(String, i64), Instant>>> = Arc::default();
    let mut playing = Vec::new();
    for table in 0..TABLES {
        let uid = format!("0a0b0c0d-0000-4000-8000-{table:012}");
        let (store, ended) = (RedisStore::new(redis.link("table"), 0), ended.clone());
        playing.push(tokio::spawn(async move {
            // Ten hands a second of each table.
            let mut clock = tokio::time::interval(Duration::from_millis(100));
            for number in 1..=HANDS {
                clock.tick().await;
                let hand = stored(&record(&uid, number, 30), "0-0");
                let commit = Commit {
                    table: uid.clone(),
                    epoch: 1,
                    number,
                    follows: u64::from(number > 1),
                    replaces: false,
                    snapshot: Bytes::from_static(b"s"),
                    base: None,
                    log: Bytes::new(),
                    hand: Some(HandEntry { hand: number, hash: hand.hash, record: hand.record }),
                    outbox: vec![],
                    outbox_done: 0,
                };
                let now = Instant::now();
                store.commit(&commit).await.unwrap();
                ended.lock().unwrap().insert((uid.clone(), i64::try_from(number).unwrap()), now);
            }
        }));
    }
    let mut connection = connect(&postgres).await;
    let (mut last, mut lags) = (0, Vec::new());
    let begun = Instant::now();
    while lags.len() < usize::try_from(TABLES * HANDS).unwrap() && begun.elapsed() < Duration::from_secs(120)
    {
        let rows: Vec<(i64, String, i64)> =
            sqlx::query_as("SELECT id, table_uid, hand FROM hands WHERE id > $1 AND counted ORDER BY id")
                .bind(last)
                .fetch_all(&mut connection)
                .await
                .unwrap();
        let now = Instant::now();
        for (id, uid, hand) in rows {
            last = id;
            let of = (uid, hand);
            while !ended.lock().unwrap().contains_key(&of) {
                tokio::task::yield_now().await;
            }
            lags.push(now.saturating_duration_since(ended.lock().unwrap()[&of]).as_secs_f64());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let rate = lags.len() as f64 / begun.elapsed().as_secs_f64();
    let (half, most) = (percentile(&mut lags, 0.5), percentile(&mut lags, 0.99));
    figures("lag", &json!({ "hands": lags.len(), "handsPerS": rate.round(), "p50S": half, "p99S": most }));
    for table in playing {
        table.await.unwrap();
    }
    stop.cancel();
    running.await.unwrap();
}
