//! 10,000 tables with hands that wait and 100,000 depositors in PostgreSQL: the next due entries are found at once.
//!
//! PURR_DUE_HISTORY is how many confirmed hands each table has beside them; `make due` has the long form.

use crate::common::{House, eventually};
use purr_chain_signer::journal::{Journal, WAITING};
use sqlx::{Row, postgres::PgConnectOptions};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const TABLES: i64 = 10_000;
const DEPOSITORS: i64 = 100_000;
const HANDS: i64 = 3;
/// Bound of the median where PURR_DUE_MS names none: beside other tests, without optimisation.
const BOUND_MS: u64 = 500;

async fn run(journal: &Journal, sql: &str, values: &[i64]) {
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
    for value in values {
        query = query.bind(*value);
    }
    query.execute(journal.pool()).await.unwrap();
}

/// Tables of which every hundredth is due: it waits since longer than its table's longest delay.
async fn fill(journal: &Journal, history: i64) {
    run(
        journal,
        r#"INSERT INTO tables (uid, table_id, config, state, epoch, head_seq, confirmed_seq, max_hands, max_delay_ms)
           SELECT t::text, sha256(t::text::bytea),
             '{"epoch":1,"seats":6,"bigBlind":2,"rakeBasisPoints":0,"rakeCap":0,"maxHands":8,"maxDelayMs":600000}',
             'open', 1, $2 + $3, $2, 8, 600000 FROM generate_series(1, $1) AS t"#,
        &[TABLES, history, HANDS],
    )
    .await;
    run(
        journal,
        "INSERT INTO seat_owners (uid, seat, player) SELECT t::text, s,
             substr(sha256((t * 10 + s)::text::bytea), 1, 20) FROM generate_series(1, $1) AS t, generate_series(0, 5) AS s",
        &[TABLES],
    )
    .await;
    run(
        journal,
        "INSERT INTO balances (account, amount) SELECT 'seat:' || t || ':' || s, 1000
         FROM generate_series(1, $1) AS t, generate_series(0, 5) AS s",
        &[TABLES],
    )
    .await;
    run(
        journal,
        "INSERT INTO balances (account, amount) SELECT 'free:0x' || encode(substr(sha256(p::text::bytea), 1, 20), 'hex'), 50
         FROM generate_series(1, $1) AS p",
        &[DEPOSITORS],
    )
    .await;
    run(
        journal,
        "INSERT INTO compared (subject, changed) SELECT 'player:' || substr(account, 6), 1 FROM balances
         WHERE account LIKE 'free:%' AND $1 > 0 UNION ALL SELECT 'table:' || uid, 1 FROM tables",
        &[1],
    )
    .await;
    run(
        journal,
        r#"INSERT INTO entries (uid, seq, kind, payload_hash, payload, moved, lanes, state, accepted, due)
           SELECT t::text, s, 'hand', sha256('x'), '{"seq":' || s || ',"body":{"kind":"hand","hand":' || s ||
             ',"deltas":[{"seat":0,"player":"0x0101010101010101010101010101010101010101","delta":-5},' ||
             '{"seat":1,"player":"0x0202020202020202020202020202020202020202","delta":5}],"rake":0,"recordHash":"' ||
             repeat('ab', 32) || '","next":"n"}}', 5,
             '{"0":{"delta":-5,"rake":0},"1":{"delta":5,"rake":0}}',
             CASE WHEN s <= $2 THEN 'confirmed' ELSE 'requested' END,
             now() - CASE WHEN t % 100 = 0 THEN interval '1 hour' ELSE interval '1 second' END,
             now() + CASE WHEN t % 100 = 0 THEN interval '-50 minutes' ELSE interval '599 seconds' END
           FROM generate_series(1, $1) AS t, generate_series(1, $2 + $3) AS s"#,
        &[TABLES, history, HANDS],
    )
    .await;
    // Bound to their payloads, and each in the hash chain by itself.
    run(
        journal,
        "UPDATE entries SET payload_hash = sha256(convert_to(payload, 'UTF8')) WHERE state = 'requested' AND $1 > 0",
        &[1],
    )
    .await;
    run(
        journal,
        r#"INSERT INTO journal (id, kind, body, prev, hash)
           SELECT id, 'entry', body, sha256('x'), sha256(sha256('x') || int8send(id) || int8send(5) || 'entry'::bytea
             || int8send(octet_length(body)) || convert_to(body, 'UTF8'))
           FROM (SELECT $1 + row_number() OVER () AS id, '{"uid":"' || uid || '","seq":' || seq || ',"payloadHash":"'
               || encode(payload_hash, 'hex') || '"}' AS body FROM entries WHERE state = 'requested') AS e"#,
        &[0],
    )
    .await;
    run(journal, "ANALYZE", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_due_entry_of_ten_thousand_tables_is_found_at_once() {
    let history = std::env::var("PURR_DUE_HISTORY").map_or(5, |text| text.parse().unwrap());
    let mut house = House::empty();
    house.start_postgres();
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(house.pg_port)
        .database("postgres")
        .username("signer");
    let journal = Journal::new(options);
    eventually("PostgreSQL answers", || async { journal.migrate().await.ok() }).await;
    let begun = Instant::now();
    fill(&journal, history).await;
    println!(
        "{TABLES} tables, {history} hands each in the past: filled in {:.1} s",
        begun.elapsed().as_secs_f64()
    );

    let none = BTreeMap::<String, ()>::new();
    let (one, next) = journal.pending(200, &none).await.unwrap();
    assert_eq!(one.len(), 100, "no more are due");
    assert!(next.is_some_and(|next| (500_000..600_000).contains(&next)), "{next:?}");
    let mut took = Vec::new();
    for _ in 0..15 {
        let begun = Instant::now();
        let (due, next) = journal.pending(64, &none).await.unwrap();
        took.push(begun.elapsed());
        assert_eq!((due.len(), next), (64, Some(0)), "100 are due, and 64 fit");
        assert!(due.iter().all(|table| table.table.uid.parse::<i64>().unwrap() % 100 == 0));
        let whole = due.iter().all(|table| table.entries.len() == 3 && table.stacks.len() == 6);
        assert!(whole, "{:?}", due[0].changed);
    }
    took.sort_unstable();
    let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
    println!("the next due: median {median:?}, worst {worst:?} of {}", took.len());

    // The query plan, read without the client library.
    let explain =
        format!("EXPLAIN ANALYZE {}", WAITING.replace("$1", "ARRAY[]::text[]").replace("$2", "4096"));
    let rows = sqlx::query(sqlx::AssertSqlSafe(explain)).fetch_all(journal.pool()).await.unwrap();
    rows.iter().for_each(|row| println!("{}", row.get::<String, _>(0)));

    let begun = Instant::now();
    let candidates = journal.candidates(5).await.unwrap();
    println!("what is compared next: {:?}", begun.elapsed());
    assert_eq!(candidates.changed.len(), 5);

    let rows = sqlx::query("EXPLAIN ANALYZE SELECT subject FROM compared WHERE changed > compared ORDER BY changed, subject LIMIT 5")
        .fetch_all(journal.pool())
        .await
        .unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(plan.iter().any(|line| line.contains("compared_changed")), "{plan:#?}");
    let bound = std::env::var("PURR_DUE_MS").map_or(BOUND_MS, |text| text.parse().unwrap());
    assert!(median <= Duration::from_millis(bound), "{median:?} is above {bound} ms");
}
