//! A measurement: hands a second into PostgreSQL with facts and counters, a rebuild, and bytes a hand.
//! `make records-bench` runs it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_precision_loss, reason = "a measurement")]

mod common;

use common::{Postgres, figures, stored};
use purr_engine::Event;
use purr_protocol::record::HandRecord;
use purr_records::Fate;
use purr_runtime::CancellationToken;
use purr_store::StoredHand;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{io::BufRead, time::Instant};

const BATCH: usize = 100;
const TABLES: u64 = 40;

/// Of a table's record: the sealed part and the auditor's, which no compression makes smaller.
fn with_sealed_parts(mut record: HandRecord, number: u64) -> HandRecord {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(letters[usize::try_from(state % 64).unwrap()])
    };
    record.sealed = (0..5_600).map(letter).collect();
    record
}

/// As forty tables play them, side by side.
fn at_tables(mut record: HandRecord, number: u64) -> HandRecord {
    let (table, hand) = (number % TABLES, number / TABLES + 1);
    record.table = format!("0a0b0c0d-0000-4000-8000-{table:012}");
    record.end.hand = hand;
    record.history.hand = hand;
    for event in &mut record.history.events {
        match event {
            Event::HandStarted { hand: said, .. } => *said = hand,
            Event::HandEnded(end) => end.hand = hand,
            _ => {}
        }
    }
    record
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, with a file of records"]
async fn hands_a_second_and_bytes_a_hand() {
    let file = std::env::var("PURR_RECORDS").unwrap();
    let lines = std::io::BufReader::new(std::fs::File::open(file).unwrap()).lines();
    // 200 hands a second, in the order in which tables play them.
    let hands: Vec<StoredHand> = lines
        .zip(0u64..)
        .map(|(line, number)| {
            let record = at_tables(serde_json::from_str(&line.unwrap()).unwrap(), number);
            let record = with_sealed_parts(record, number);
            stored(&record, &format!("{}-{number}", 1_700_000_000_000 + number * 5))
        })
        .collect();
    let count = hands.len();
    let bytes: usize = hands.iter().map(|hand| hand.record.len()).sum();
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let begun = Instant::now();
    let mut slowest = 0.0_f64;
    for batch in hands.chunks(BATCH) {
        let one = Instant::now();
        let fates = database.ingest(batch).await.unwrap();
        assert!(fates.iter().all(|fate| *fate == Fate::Stored), "{fates:?}");
        slowest = slowest.max(one.elapsed().as_secs_f64());
    }
    let ingest = count as f64 / begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let facts: usize = hands
        .iter()
        .map(|hand| purr_facts::facts(&serde_json::from_slice(&hand.record).unwrap()).unwrap().len())
        .sum();
    let facts_alone = count as f64 / begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    database.forget_counters().await.unwrap();
    let forget = begun.elapsed().as_secs_f64();
    assert_eq!(database.recount_all(&CancellationToken::new()).await.unwrap(), count as u64);
    let rebuild = count as f64 / begun.elapsed().as_secs_f64();
    let mut connection = PgConnection::connect_with(&postgres.options()).await.unwrap();
    let bodies = "SELECT sum(pg_total_relation_size(inhrelid))::bigint FROM pg_inherits
                  WHERE inhparent = 'records.hand_bodies'::regclass";
    let mut sizes = vec![("hand_bodies", bodies.to_owned())];
    for table in ["hands", "hand_players", "player_counters", "table_hours", "event_inbox"] {
        sizes.push((table, format!("SELECT pg_total_relation_size('records.{table}')")));
    }
    let mut stored = serde_json::Map::new();
    for (table, sql) in sizes {
        let size: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
        stored.insert(table.into(), (size as f64 / count as f64).round().into());
    }
    let bytes_a_hand: f64 = stored.values().filter_map(serde_json::Value::as_f64).sum();
    figures(
        "bench",
        &json!({
            "hands": count,
            "recordBytes": bytes / count,
            "playersAHand": facts as f64 / count as f64,
            "ingestHandsPerS": ingest.round(),
            "slowestBatchS": slowest,
            "factsAloneHandsPerS": facts_alone.round(),
            "rebuildHandsPerS": rebuild.round(),
            "forgetS": forget,
            "bytesAHandAfterRebuild": stored,
            "daysToOneTBAt200PerS": 1e12 / (bytes_a_hand * 200.0 * 86_400.0),
        }),
    );
}
