//! Counters beside the hands that they come from, on a real PostgreSQL: each hand counts exactly once, whatever happens.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use common::{Postgres, TABLE, hand, record, stored};
use purr_protocol::record::HandRecord;
use purr_records::{Database, DatabaseError, Fate};
use purr_runtime::CancellationToken;
use purr_store::StoredHand;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;

async fn ask(postgres: &Postgres, sql: &str) -> Vec<String> {
    let mut connection = PgConnection::connect_with(&postgres.options()).await.unwrap();
    sqlx::query("SET search_path = records").execute(&mut connection).await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap()
}

/// Every counter of everybody.
async fn counters(postgres: &Postgres) -> Vec<String> {
    ask(postgres, "SELECT c::text FROM player_counters c ORDER BY 1").await
}

async fn rebuilt(postgres: &Postgres, database: &Database) -> Vec<String> {
    database.forget_counters().await.unwrap();
    assert!(counters(postgres).await.is_empty());
    while database.recount().await.unwrap() > 0 {}
    counters(postgres).await
}

#[tokio::test]
async fn a_hand_counts_once_though_it_comes_twice_and_a_rebuild_gives_the_same_bits() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let batch: Vec<StoredHand> = [1, 2, 1, 3].map(hand).to_vec();
    database.ingest(&batch).await.unwrap();
    let once = counters(&postgres).await;
    database.ingest(&batch).await.unwrap();
    assert_eq!(counters(&postgres).await, once);
    assert_eq!(ask(&postgres, "SELECT sum(hands)::text FROM player_counters").await, ["9"]);
    assert_eq!(rebuilt(&postgres, &database).await, once);
}

#[tokio::test]
async fn a_hand_in_conflict_and_a_void_one_count_for_nobody_wherever_they_come() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    database.ingest(&[hand(1)]).await.unwrap();
    let without = counters(&postgres).await;
    let other = stored(&record(TABLE, 2, 40), "1-1");
    // Both records in one transaction, in two, and with a third record.
    assert_eq!(database.ingest(&[hand(2), other]).await.unwrap(), [Fate::Stored, Fate::Conflict]);
    assert_eq!(counters(&postgres).await, without);
    database.ingest(&[hand(3)]).await.unwrap();
    assert_ne!(counters(&postgres).await, without);
    let others = [40, 50].map(|raise| stored(&record(TABLE, 3, raise), "1-1"));
    for other in others {
        assert_eq!(database.ingest(&[other]).await.unwrap(), [Fate::Conflict]);
        assert_eq!(counters(&postgres).await, without);
    }
    let mut void = record(TABLE, 4, 30);
    void.end.void = true;
    for event in &mut void.history.events {
        if let purr_engine::Event::HandEnded(end) = event {
            end.void = true;
        }
    }
    assert_eq!(database.ingest(&[stored(&void, "9-0")]).await.unwrap(), [Fate::Stored]);
    assert_eq!(counters(&postgres).await, without);
    assert_eq!(rebuilt(&postgres, &database).await, without);
}

#[tokio::test]
async fn killed_at_twenty_random_points_the_counters_equal_a_rebuild_and_the_facts() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let seed: u64 = std::env::var("PURR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("seed {seed}");
    let mut dice = seed;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let hands: Vec<StoredHand> = (1..=200).map(hand).collect();
    let mut cut = 0;
    for round in 0..20 {
        // A process that dies in the middle of a batch, and the next one that is delivered the same and more.
        let from = usize::try_from(roll(150)).unwrap();
        let batch = hands[from..from + 50].to_vec();
        let process = Database::new(postgres.options());
        let running = tokio::spawn(async move { process.ingest(&batch).await });
        tokio::time::sleep(Duration::from_millis(roll(if round % 2 == 0 { 20 } else { 80 }))).await;
        cut += u32::from(!running.is_finished());
        if round % 4 == 3 {
            // Its connections die, not the process.
            ask(
                &postgres,
                "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE application_name = 'purr-records'",
            )
            .await;
            let _ = running.await;
        } else {
            running.abort();
        }
    }
    assert!(cut >= 10, "only {cut} batches were cut");
    let database_again = postgres.database().await;
    database_again.ingest(&hands).await.unwrap();
    let live = counters(&postgres).await;
    assert_eq!(rebuilt(&postgres, &database).await, live);
    let facts: i128 = hands
        .iter()
        .flat_map(|hand| {
            let record: HandRecord = serde_json::from_slice(&hand.record).unwrap();
            purr_facts::facts(&record).unwrap()
        })
        .map(|facts| facts.counters.won_sq)
        .sum();
    let stored = ask(&postgres, "SELECT sum(won_sq)::text FROM player_counters").await;
    assert_eq!(stored, [facts.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_by_several_workers_gives_the_same_bits_as_the_stream() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    // More hands than two workers take at once.
    for first in (1..=2_500).step_by(500) {
        database.ingest(&(first..first + 500).map(hand).collect::<Vec<_>>()).await.unwrap();
    }
    let live = counters(&postgres).await;
    let hours = ask(&postgres, "SELECT (t.hands, t.pot, t.rake, t.flops)::text FROM table_hours t").await;
    database.forget_counters().await.unwrap();
    assert_eq!(database.recount_all(&CancellationToken::new()).await.unwrap(), 2_500);
    assert_eq!(counters(&postgres).await, live);
    assert_eq!(
        ask(&postgres, "SELECT (t.hands, t.pot, t.rake, t.flops)::text FROM table_hours t").await,
        hours
    );
}

#[tokio::test]
async fn bodies_of_the_release_before_are_moved_counted_and_read_all_the_while() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    database.ingest(&[hand(1), hand(2), hand(3)]).await.unwrap();
    let counted = counters(&postgres).await;
    // The state that the previous release leaves.
    for sql in [
        "UPDATE hands h SET record = b.record, counted = false FROM hand_bodies b WHERE b.hand_id = h.id RETURNING '1'",
        "DELETE FROM hand_bodies RETURNING '1'",
        "DELETE FROM player_counters RETURNING '1'",
    ] {
        assert!(!ask(&postgres, sql).await.is_empty());
    }
    let hand_one = async || database.record_bytes(TABLE, 1).await;
    assert_eq!(hand_one().await.unwrap().unwrap(), hand(1).record);
    assert_eq!(database.move_bodies(2).await.unwrap(), 2);
    assert_eq!(hand_one().await.unwrap().unwrap(), hand(1).record);
    assert_eq!(database.move_bodies(2).await.unwrap(), 1);
    assert_eq!(database.move_bodies(2).await.unwrap(), 0);
    assert_eq!(ask(&postgres, "SELECT count(*)::text FROM hand_bodies").await, ["3"]);
    while database.recount().await.unwrap() > 0 {}
    assert_eq!(counters(&postgres).await, counted);
}

#[tokio::test]
async fn retention_drops_days_and_keeps_results_and_counters() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let day = 86_400_000_i64;
    let old = stored(&record(TABLE, 1, 30), &format!("{}-0", 100 * day));
    let new = stored(&record(TABLE, 2, 30), &format!("{}-0", 102 * day));
    database.ingest(&[old, new.clone()]).await.unwrap();
    let counted = counters(&postgres).await;
    assert_eq!(database.drop_bodies_before(101).await.unwrap(), 1);
    assert!(matches!(database.record_bytes(TABLE, 1).await, Err(DatabaseError::Expired { hand: 1, .. })));
    assert_eq!(database.record_bytes(TABLE, 2).await.unwrap().unwrap(), new.record);
    assert_eq!(ask(&postgres, "SELECT count(*)::text FROM hand_players").await, ["6"]);
    // A rebuild does not touch what it could not count again.
    database.forget_counters().await.unwrap();
    while database.recount().await.unwrap() > 0 {}
    assert_eq!(counters(&postgres).await, counted);
    assert_eq!(database.drop_bodies_before(101).await.unwrap(), 0);
}

#[tokio::test]
async fn while_another_release_counts_by_its_definitions_hands_are_stored_and_counted_later() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    ask(&postgres, "UPDATE statistics SET version = 999 RETURNING '1'").await;
    assert_eq!(database.ingest(&[hand(1)]).await.unwrap(), [Fate::Stored]);
    assert_eq!(database.recount().await.unwrap(), 0);
    assert!(counters(&postgres).await.is_empty());
    // The next start of this release computes them again.
    let next = postgres.database().await;
    while next.recount().await.unwrap() > 0 {}
    assert_eq!(ask(&postgres, "SELECT sum(hands)::text FROM player_counters").await, ["3"]);
}
