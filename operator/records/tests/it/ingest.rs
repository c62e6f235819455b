//! From the stream's entries to a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use common::{Postgres, TABLE, hand, record, stored};
use purr_protocol::record::HandRecord;
use purr_records::{
    Database, Fate,
    ingest::{Ingest, POSTGRES},
    metrics::Metrics,
};
use purr_runtime::{CancellationToken, Readiness};
use purr_store::StoredHand;
use sqlx::{Connection, PgConnection};
use std::time::Duration;

async fn count(postgres: &Postgres, table: &'static str) -> i64 {
    let mut connection = PgConnection::connect_with(&postgres.options()).await.unwrap();
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM records.{table}"));
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_hand_is_stored_once_though_it_is_delivered_twice() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let batch = [hand(1), hand(2), hand(1)];
    assert_eq!(database.ingest(&batch).await.unwrap(), [Fate::Stored, Fate::Stored, Fate::Duplicate]);
    assert_eq!(database.ingest(&batch).await.unwrap(), [Fate::Duplicate, Fate::Duplicate, Fate::Duplicate]);
    assert_eq!((count(&postgres, "hands").await, count(&postgres, "hand_players").await), (2, 6));
    // Two replicas run at the same time.
    let (one, other) = (postgres.database().await, postgres.database().await);
    let tables: Vec<StoredHand> =
        (0..20).map(|n| stored(&record(&format!("{n:08x}"), 1, 30), &format!("{n}-0"))).collect();
    let mut backwards = tables.clone();
    backwards.reverse();
    let (one, other) = tokio::join!(one.ingest(&tables), other.ingest(&backwards));
    let fates = [one.unwrap(), other.unwrap()].concat();
    assert_eq!(fates.iter().filter(|fate| **fate == Fate::Stored).count(), 20);
    assert_eq!(fates.iter().filter(|fate| **fate == Fate::Duplicate).count(), 20);
}

#[tokio::test]
async fn a_second_record_of_a_hand_is_kept_and_flagged() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    let other = stored(&record(TABLE, 1, 40), "1-1");
    assert_eq!(database.ingest(&[hand(1), other.clone()]).await.unwrap(), [Fate::Stored, Fate::Conflict]);
    assert_eq!(database.ingest(&[other]).await.unwrap(), [Fate::Duplicate]);
    let many: Vec<StoredHand> =
        (0..10).map(|n| stored(&record(TABLE, 1, 50 + n), &format!("2-{n}"))).collect();
    let fates = database.ingest(&many).await.unwrap();
    assert_eq!(fates.iter().filter(|fate| **fate == Fate::Conflict).count(), 6, "bounded: {fates:?}");
    assert_eq!(count(&postgres, "hands WHERE conflict").await, 8);
}

/// A changed entry, and the reason that the quarantine gives for it.
type Spoiled = (fn(&mut StoredHand), &'static str);

/// Changes the record and hashes it again, as a faulty table would, unlike a broken connection.
fn rewrite(hand: &mut StoredHand, change: fn(&mut HandRecord)) {
    let mut record: HandRecord = serde_json::from_slice(&hand.record).unwrap();
    change(&mut record);
    let bytes = record.to_bytes().unwrap();
    hand.hash = hex::encode(HandRecord::hash(&bytes));
    hand.record = bytes.into();
}

const SPOILED: [Spoiled; 12] = [
    (|hand| hand.hash = "00".repeat(32), "hash"),
    (|hand| hand.record = hand.record.slice(1..), "hash"),
    (|hand| hand.record = vec![0; 2 << 20].into(), "at most"),
    (|hand| hand.table = "\0".into(), "the stream says"),
    (|hand| hand.hand = 8, "the stream says"),
    (|hand| rewrite(hand, |record| record.version = 4), "version 4"),
    (|hand| rewrite(hand, |record| record.table = "t'--".into()), "UID"),
    (|hand| rewrite(hand, |record| record.end.rake += 1), "how the hand ended"),
    (|hand| rewrite(hand, |record| record.history.events.clear()), "how the hand ended"),
    (|hand| rewrite(hand, |record| record.history.seats[0].stack += 1), "does not follow"),
    (|hand| rewrite(hand, |record| record.epoch = u64::MAX), "epoch"),
    (
        |hand| {
            hand.record = b"{}".as_slice().into();
            hand.hash = hex::encode(HandRecord::hash(b"{}"));
        },
        "not a hand record",
    ),
];

#[tokio::test]
async fn what_is_no_record_is_quarantined_and_takes_nothing_with_it() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    for (at, (spoil, reason)) in SPOILED.iter().enumerate() {
        let mut bad = hand(100);
        bad.id = format!("bad-{at}");
        spoil(&mut bad);
        let number = u64::try_from(at).unwrap() + 1;
        for expected in [Fate::Stored, Fate::Duplicate] {
            let fates = database.ingest(&[bad.clone(), hand(number)]).await.unwrap();
            assert_eq!(fates[1], expected);
            let Fate::Quarantined(said) = &fates[0] else { panic!("{fates:?}") };
            assert!(said.contains(reason), "{said}");
        }
    }
    assert_eq!(count(&postgres, "quarantine").await, 12);
    assert_eq!(count(&postgres, "hands").await, 12);
    assert_eq!(database.missing().await.unwrap(), 0, "a quarantined number counts for nothing");
}

#[tokio::test]
async fn skipped_numbers_are_noticed_and_forgotten_when_they_come() {
    let postgres = Postgres::new();
    let database = postgres.database().await;
    database.ingest(&[hand(1), hand(2), hand(7)]).await.unwrap();
    assert_eq!(database.missing().await.unwrap(), 4);
    database.ingest(&[hand(5)]).await.unwrap();
    assert_eq!((database.missing().await.unwrap(), count(&postgres, "gaps").await), (3, 2));
    database.ingest(&[hand(6), hand(4), hand(3)]).await.unwrap();
    assert_eq!((database.missing().await.unwrap(), count(&postgres, "gaps").await), (0, 0));
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let held = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), held).await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn ingest(database: Database) -> Ingest {
    let registry = prometheus::Registry::new();
    let metrics = Metrics::new(&registry).unwrap();
    Ingest {
        database,
        metrics,
        readiness: Readiness::default(),
        stop: CancellationToken::new(),
        is_default: true,
    }
}

#[tokio::test]
async fn a_batch_waits_for_a_database_that_is_away_and_says_so() {
    let mut postgres = Postgres::new();
    let ingest = ingest(postgres.database().await);
    ingest.store(&[hand(1)]).await.unwrap();
    postgres.kill();
    let (readiness, metrics) = (ingest.readiness.clone(), ingest.metrics.clone());
    let storing = tokio::spawn(async move { ingest.store(&[hand(1), hand(2)]).await });
    until("not ready", || readiness.missing().iter().any(|why| why.starts_with(POSTGRES))).await;
    postgres.start();
    assert_eq!(storing.await.unwrap().unwrap(), [Fate::Duplicate, Fate::Stored]);
    assert!(readiness.missing().is_empty());
    assert_eq!((metrics.stored.get(), metrics.duplicates.get()), (2, 1));
    assert!(metrics.retries.get() > 0);
}

#[tokio::test]
async fn a_stop_ends_the_waiting() {
    let mut postgres = Postgres::new();
    let ingest = ingest(postgres.database().await);
    postgres.kill();
    let (readiness, stop) = (ingest.readiness.clone(), ingest.stop.clone());
    let storing = tokio::spawn(async move { ingest.store(&[hand(1)]).await });
    until("not ready", || !readiness.missing().is_empty()).await;
    stop.cancel();
    assert_eq!(storing.await.unwrap(), None);
}
