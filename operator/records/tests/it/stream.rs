//! From a table's commit through a real Redis stream to a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::certificates;
use crate::common;
use crate::redis;

use bytes::Bytes;
use certificates::Authority;
use common::{Postgres, TABLE, hand};
use purr_records::{
    ingest::{Ingest, REDIS},
    metrics::Metrics,
};
use purr_runtime::{CancellationToken, Readiness};
use purr_store::{Commit, HandEntry, HandReader, RedisStore, Store};
use redis::Redis;
use std::time::Duration;

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let held = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), held).await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn redis() -> Redis {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let authority = Authority::new();
    Redis::new(|folder, names| authority.issue(folder, names))
}

/// Commits a hand as a table does: its record is in the commit that ends the hand.
async fn play(store: &RedisStore, number: u64, commit: u64) {
    let hand = hand(number);
    let entry = HandEntry { hand: number, hash: hand.hash, record: hand.record };
    let commit = Commit {
        table: TABLE.into(),
        epoch: 1,
        number: commit,
        follows: u64::from(commit > 1),
        replaces: false,
        snapshot: Bytes::from_static(b"s"),
        base: None,
        log: Bytes::new(),
        hand: Some(entry),
        outbox: vec![],
        outbox_done: 0,
    };
    until("a commit", async || store.commit(&commit).await.is_ok()).await;
}

#[tokio::test]
async fn hands_are_stored_acknowledged_and_go_on_after_redis_was_away() {
    let (postgres, mut redis) = (Postgres::new(), redis());
    let database = postgres.database().await;
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let (readiness, stop) = (Readiness::default(), CancellationToken::new());
    let ingest = Ingest {
        database,
        metrics: metrics.clone(),
        readiness: readiness.clone(),
        stop: stop.clone(),
        is_default: true,
    };
    let running = tokio::spawn(ingest.run(HandReader::new(redis.link("records"), "pod-a")));

    let store = RedisStore::new(redis.link("table"), 0);
    for number in 1..=3 {
        play(&store, number, number).await;
    }
    until("three hands stored", async || metrics.stored.get() == 3).await;
    let mut other = HandReader::new(redis.link("records"), "pod-b");
    until("the stream empty", async || other.waiting().await.is_ok_and(|waiting| waiting == 0)).await;

    redis.kill();
    until("not ready", async || readiness.missing().iter().any(|why| why.starts_with(REDIS))).await;
    redis.start();
    // The new master knows nothing of the table, nor of the consumer group.
    play(&store, 4, 1).await;
    until("the fourth hand stored", async || metrics.stored.get() == 4).await;
    assert!(readiness.missing().is_empty());
    assert_eq!((metrics.quarantined.get(), metrics.missing.get()), (0, 0));
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn what_a_consumer_left_lying_is_taken_over() {
    let redis = redis();
    let store = RedisStore::new(redis.link("table"), 0);
    play(&store, 1, 1).await;
    let mut gone = HandReader::new(redis.link("records"), "pod-old");
    let mut left = Vec::new();
    until("the hand read", async || {
        left = gone.read().await.unwrap_or_default();
        !left.is_empty()
    })
    .await;
    drop(gone);
    let mut next = HandReader::new(redis.link("records"), "pod-new");
    assert_eq!(next.read().await.unwrap(), []);
    assert_eq!(next.claim_abandoned(Duration::from_secs(3_600)).await.unwrap(), 0, "not long enough");
    assert_eq!(next.claim_abandoned(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(next.read().await.unwrap(), left);
    assert_eq!(next.waiting().await.unwrap(), 1);
    next.acknowledge(&[left[0].id.clone()]).await.unwrap();
    assert_eq!(next.waiting().await.unwrap(), 0);
}
