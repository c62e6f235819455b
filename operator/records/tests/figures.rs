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
/// Requests of each kind.
const REQUESTS: usize = 300;

fn percentile(samples: &mut [f64], part: f64) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples[((samples.len() - 1) as f64 * part) as usize]
}

async fn connect(postgres: &Postgres) -> PgConnection {
    let mut connection = PgConnection::connect_with(&postgres.options()).await.unwrap();
    sqlx::query("SET search_path = records").execute(&mut connection).await.unwrap();
    connection
}

/// A million hands of one player over 500 days, three stakes, three to six players dealt in and their positions, made in the
/// database itself. Player 1 is in every other hand, player 2 in the ten oldest, player 3 in 300,000 hands of another table
/// beside them, all 51 hands of a third table came late. One hand in 10,000 has a big pot, one in 200 a large one.
async fn million(connection: &mut PgConnection) {
    let own = |seat| format!("decode('{}', 'hex')", hex::encode(player(seat).0));
    let counters: Vec<String> = purr_facts::NAMES.iter().map(|name| format!("(n % 7) AS {name}")).collect();
    let columns = purr_facts::NAMES.join(", ");
    let results = "INSERT INTO hand_players (hand_id, seat, player, delta, stack, low, high, day, pot)";
    let found = "ended_ms / 86400000, pot";
    for sql in [
        "INSERT INTO tables (uid, highest) VALUES ('0a', 1000000), ('0b', 300000), ('0c', 51)".to_owned(),
        "INSERT INTO hands (table_uid, hand, hash, version, conflict, epoch, ended_ms, void, rake, public, shown_ms, pot, counted)
         SELECT uid, n, decode(lpad(to_hex(n), 64, '0'), 'hex'), 0, false, 1, 1700000000000 + at, false, 5, true, 0,
             CASE WHEN n % 10000 = 0 THEN 90000 WHEN n % 200 = 0 THEN 20000 ELSE 100 + n % 1000 END, true
         FROM (SELECT '0a' AS uid, n, n::bigint * 43200 AS at, n::bigint * 43200 AS came FROM generate_series(1, 1000000) n
             UNION ALL SELECT '0b', n, n::bigint * 144000, n::bigint * 144000 FROM generate_series(1, 300000) n
             UNION ALL SELECT '0c', n, 9200000000 + n, 1000000000000 + n FROM generate_series(1, 51) n) played ORDER BY came"
            .to_owned(),
        format!(
            "{results} SELECT id, 0, {}, hand % 100 - 50, 1000,
                 CASE WHEN hand % 5 = 0 THEN hand % 26 END, CASE WHEN hand % 5 = 0 THEN 26 + hand % 26 END, {found}
             FROM hands WHERE table_uid <> '0b'",
            own(0)
        ),
        format!("{results} SELECT id, 1, {}, 0, 1000, NULL, NULL, {found} FROM hands WHERE table_uid = '0a' AND hand % 2 = 0", own(1)),
        format!("{results} SELECT id, 2, {}, 0, 1000, NULL, NULL, {found} FROM hands WHERE table_uid = '0a' AND hand <= 10", own(2)),
        format!("{results} SELECT id, 3, {}, 0, 1000, NULL, NULL, {found} FROM hands WHERE table_uid = '0b'", own(3)),
        format!(
            "INSERT INTO hand_tags (player, hand_id, tag) SELECT {own}, id, 'often' FROM hands WHERE table_uid = '0a' AND hand % 55 = 0
             UNION ALL SELECT {own}, id, 'once' FROM hands WHERE table_uid = '0a' AND hand = 55",
            own = own(0)
        ),
        format!(
            "INSERT INTO player_counters (player, day, small_blind, big_blind, dealt_in, position, {columns})
             SELECT {}, 19675 + day, 50 * stake, 100 * stake, dealt_in, position, {}
             FROM generate_series(0, 499) day, generate_series(1, 3) stake, generate_series(3, 6) dealt_in,
             LATERAL generate_series(0, dealt_in - 1) position,
             LATERAL (SELECT day * 18 + stake * 6 + position AS n) numbers",
            own(0),
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
    tokio::spawn(server.run(listener, purr_records::http::routes(database.clone(), site), stop.clone()));
    let identity = Identity::load(&dir.path().join("gateway")).unwrap();
    let gateway = InternalClient::new(identity, &address, Role::Records);
    let own = player(0);
    let mut told = serde_json::Map::new();
    let search = |query: &str| format!("search?{query}");
    let (half, rare, never) = (player(1), player(2), player(3));
    for (what, path) in [
        ("statistics, days alone", "statistics".to_owned()),
        ("statistics", "statistics".to_owned()),
        ("statistics, one stake and position", "statistics?stakes=50/100&position=btn".to_owned()),
        ("statistics of a year", "statistics?from=2024-01-01&to=2024-12-31".to_owned()),
        ("graph", "graph".to_owned()),
        ("sessions", "sessions".to_owned()),
        ("own hands, a page", search("limit=50")),
        ("own hands, 200 of a page in the middle", search("limit=200&before=500000")),
        ("won, of a day", search("result=won&from=2024-03-01&to=2024-03-01")),
        ("of a day with late hands", search("from=2024-02-29&to=2024-02-29")),
        ("of a month with late hands", search("from=2024-02-01&to=2024-02-29")),
        ("of a month, the middle", search("from=2024-02-01&to=2024-02-29&before=300000")),
        ("of all days", search("from=2020-01-01&to=2030-01-01")),
        ("of a day without hands", search("from=2022-03-01&to=2022-03-01")),
        ("lost, since long ago, of a big pot", search("result=lost&from=2023-01-01&potMin=90000")),
        ("by cards", search("cards=2c8h")),
        ("by cards that never came", search("cards=AsAd")),
        ("pot, one hand in 10,000", search("potMin=50000")),
        ("pot, one hand in 200", search("potMin=20000")),
        ("pot, none", search("potMin=1000000")),
        ("pot, most hands", search("potMax=2000")),
        ("opponent, every other hand", search(&format!("opponent={half}"))),
        ("opponent, ten hands long ago", search(&format!("opponent={rare}"))),
        ("opponent, 300,000 hands beside them", search(&format!("opponent={never}"))),
        (
            "opponent in big pots of a year",
            search(&format!("opponent={half}&potMin=50000&from=2024-01-01&to=2024-12-31")),
        ),
        ("tag of one hand", search("tag=once")),
        ("tag of 18,000 hands", search("tag=often")),
        ("tag of 18,000 hands, no pot", search("tag=often&potMin=1000000")),
    ] {
        let path = format!("/v1/players/{own}/{path}");
        if what == "statistics" {
            // Waits for the program's background work.
            while database.sum_blocks(20_500, 50).await.unwrap() > 0 {}
        }
        let (mut samples, mut hands) = (Vec::new(), Value::Null);
        for _ in 0..REQUESTS {
            let begun = Instant::now();
            let answer: Value = gateway.get(&path, WAIT).await.unwrap();
            samples.push(begun.elapsed().as_secs_f64() * 1e3);
            hands = json!(answer["hands"].as_array().map(Vec::len));
        }
        let (half, most) = (percentile(&mut samples, 0.5), percentile(&mut samples, 0.99));
        told.insert(what.into(), json!({ "p50Ms": half, "p99Ms": most, "hands": hands }));
    }
    // No hand fits: the search goes through all hands, page by page.
    let (mut before, mut samples) = (json!(i64::MAX), Vec::new());
    while before.is_number() {
        let begun = Instant::now();
        let path = format!("/v1/players/{own}/search?opponent={never}&before={before}");
        let page: Value = gateway.get(&path, WAIT).await.unwrap();
        samples.push(begun.elapsed().as_secs_f64() * 1e3);
        assert_eq!(page["hands"], json!([]));
        before = page["next"].clone();
    }
    let (pages, most) = (samples.len(), percentile(&mut samples, 0.99));
    told.insert("every page of a search that finds nothing".into(), json!({ "pages": pages, "p99Ms": most }));
    figures("page", &json!({ "ownHands": 1_000_000, "requests": REQUESTS, "of": told }));
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
