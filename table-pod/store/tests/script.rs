//! The commit script in a real Redis against the rule that the other stores follow.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "../../../operator/runtime/tests/common/certificates.rs"]
mod certificates;
#[path = "../../../operator/records/tests/common/redis.rs"]
mod redis;

use bytes::Bytes;
use certificates::Authority;
use purr_store::{Base, Commit, MemoryStore, Recovered, RedisStore, Store, StoreError};
use redis::Redis;
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): the seed determines all numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    /// This value or a neighbouring one.
    fn near(&mut self, value: u64) -> u64 {
        match self.roll(4) {
            0 => value + self.roll(3),
            1 => value.saturating_sub(self.roll(3)),
            _ => value,
        }
    }
}

fn authority() -> Authority {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Authority::new()
}

async fn store(redis: &Redis) -> RedisStore {
    let store = RedisStore::new(redis.link("table"), 0);
    let up = async {
        while store.take_over("up", 1).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), up).await.unwrap();
    store
}

#[tokio::test]
async fn any_sequence_of_writes_has_the_same_answers_and_leaves_the_same_table() {
    let authority = authority();
    let redis = Redis::new(|folder, names| authority.issue(folder, names));
    // Two processes: either one changes the base that the other one knows of.
    let stores = [store(&redis).await, store(&redis).await];
    let (mut written, mut replaced, mut fenced, mut conflicts) = (0, 0, 0, 0);
    for seed in 0..60 {
        let (model, table, mut dice) = (MemoryStore::default(), format!("t{seed}"), Dice(seed));
        // Number, epoch and highest epoch of the last commit, roughly as a process would know them.
        let (mut at, mut by, mut highest) = (0, 0, 1);
        for step in 0..60 {
            let store = &stores[usize::from(dice.roll(4) == 0)];
            if dice.roll(8) == 0 {
                highest += dice.roll(2);
                let epoch = highest - dice.roll(2);
                let (left, right) =
                    (model.take_over(&table, epoch).await, store.take_over(&table, epoch).await);
                assert_eq!(left, right, "seed {seed}, step {step}: epoch {epoch}");
                continue;
            }
            let text = |what: &str| Bytes::from(format!("{what} {seed} {step}"));
            let commit = Commit {
                table: table.clone(),
                epoch: dice.near(highest).max(1),
                number: dice.near(at + 1).max(1),
                follows: dice.near(by),
                replaces: dice.roll(2) == 0,
                snapshot: text("snapshot"),
                base: match dice.roll(4) {
                    0 => None,
                    which => Some(Base::new(Bytes::from(format!("base {seed} {which}")))),
                },
                log: if dice.roll(3) == 0 { Bytes::new() } else { text("log") },
                hand: None,
                outbox: Vec::new(),
                outbox_done: 0,
            };
            let (left, right) = (model.commit(&commit).await, store.commit(&commit).await);
            assert_eq!(left, right, "seed {seed}, step {step}: {commit:?}");
            match left {
                Ok(()) => {
                    written += 1;
                    replaced += u32::from(commit.number <= at && (at, by) != (commit.number, commit.epoch));
                    (at, by, highest) = (commit.number, commit.epoch, highest.max(commit.epoch));
                }
                Err(StoreError::Fenced { .. }) => fenced += 1,
                Err(StoreError::Conflict { .. }) => conflicts += 1,
                Err(error) => panic!("{error}"),
            }
        }
        let last = u64::MAX >> 12;
        assert_eq!(
            model.take_over(&table, last).await,
            stores[0].take_over(&table, last).await,
            "seed {seed}"
        );
    }
    let enough = [written, replaced, fenced, conflicts].iter().all(|count| *count > 20);
    assert!(enough, "{written} written, {replaced} replaced, {fenced} fenced, {conflicts} conflicts");
}

#[tokio::test]
async fn a_killed_server_has_every_commit_again_from_its_own_log() {
    let authority = authority();
    let mut redis = Redis::durable(|folder, names| authority.issue(folder, names));
    let model = MemoryStore::default();
    let before = store(&redis).await;
    let text = |what: &str, number: u64| Bytes::from(format!("{what} {number}"));
    assert_eq!(model.take_over("t", 1).await, before.take_over("t", 1).await);
    for number in 1..=20 {
        let commit = Commit {
            table: "t".into(),
            epoch: 1,
            number,
            follows: u64::from(number > 1),
            replaces: false,
            snapshot: text("snapshot", number),
            base: Some(Base::new(text("base", number / 7))),
            log: text("log", number),
            hand: None,
            outbox: Vec::new(),
            outbox_done: 0,
        };
        model.commit(&commit).await.unwrap();
        before.commit(&commit).await.unwrap();
    }
    redis.kill();
    redis.start();
    let after = store(&redis).await;
    // A server that has started has another replication id, so something may have been lost for all that a table knows.
    let all = Recovered { moved: true, ..model.take_over("t", 2).await.unwrap() };
    assert_eq!(after.take_over("t", 2).await.unwrap(), all);
}
