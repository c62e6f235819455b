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
use std::{
    io::BufRead,
    time::{Duration, Instant},
};

const BATCH: usize = 100;
const TABLES: u64 = 40;

/// Adds the sealed part of a table's record and the auditor's, which no compression makes smaller.
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

/// Changes a record as if forty tables played at the same time.
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
    let records: Vec<HandRecord> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let count =
        std::env::var("PURR_RECORDS_HANDS").map_or(records.len() as u64, |text| text.parse().unwrap());
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let (mut bytes, mut facts, mut countable, mut slowest) = (0, 0, 0, 0.0_f64);
    let (mut ingesting, mut counting) = (Duration::ZERO, Duration::ZERO);
    let begun = Instant::now();
    // A batch at a time: a million hands are ten gigabytes.
    for first in (0..count).step_by(BATCH) {
        // 200 hands a second, in the order in which tables play them.
        let batch: Vec<StoredHand> = (first..count.min(first + BATCH as u64))
            .map(|number| {
                let record = records[usize::try_from(number).unwrap() % records.len()].clone();
                let record = with_sealed_parts(at_tables(record, number), number);
                stored(&record, &format!("{}-{number}", 1_700_000_000_000 + number * 5))
            })
            .collect();
        bytes += batch.iter().map(|hand| hand.record.len()).sum::<usize>();
        let one = Instant::now();
        let fates = database.ingest(&batch).await.unwrap();
        let took = one.elapsed();
        assert!(fates.iter().all(|fate| *fate == Fate::Stored), "{fates:?}");
        ingesting += took;
        // Void hands count for nobody, so a rebuild leaves them alone.
        let void = |number: &u64| records[usize::try_from(*number).unwrap() % records.len()].end.void;
        countable += (first..first + batch.len() as u64).filter(|number| !void(number)).count() as u64;
        slowest = slowest.max(took.as_secs_f64());
        let one = Instant::now();
        facts += batch
            .iter()
            .map(|hand| purr_facts::facts(&serde_json::from_slice(&hand.record).unwrap()).unwrap().len())
            .sum::<usize>();
        counting += one.elapsed();
        if first % 100_000 == 0 {
            println!("[{:4} s] {first} of {count} hands", begun.elapsed().as_secs());
        }
    }
    let ingest = count as f64 / ingesting.as_secs_f64();
    let facts_alone = count as f64 / counting.as_secs_f64();
    let begun = Instant::now();
    database.forget_counters().await.unwrap();
    let forget = begun.elapsed().as_secs_f64();
    assert_eq!(database.recount_all(&CancellationToken::new()).await.unwrap(), countable);
    let rebuild = countable as f64 / begun.elapsed().as_secs_f64();
    let mut connection = PgConnection::connect_with(&postgres.options()).await.unwrap();
    let bodies = "SELECT sum(pg_total_relation_size(inhrelid))::bigint FROM pg_inherits
                  WHERE inhparent = 'records.hand_bodies'::regclass";
    let mut sizes = vec![("hand_bodies", bodies.to_owned())];
    for table in
        ["hands", "hand_players", "player_counters", "player_blocks_summed", "table_hours", "event_inbox"]
    {
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
            "recordBytes": bytes as u64 / count,
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
