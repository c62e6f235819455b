//! Two ways to write a table's commits.

use anyhow::Context;
use bytes::Bytes;
use purr_store::{Commit, Link, RedisStore, Store};
use redis::aio::MultiplexedConnection;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// The bytes that a commit adds to the previous one: a base that both share is there already.
fn payload(commit: &Commit, before: Option<&Commit>) -> Bytes {
    let base =
        commit.base.as_ref().filter(|base| before.and_then(|before| before.base.as_ref()) != Some(*base));
    let base = base.map(|base| base.sealed().as_ref()).unwrap_or_default();
    let hand = commit.hand.as_ref().map(|hand| hand.record.as_ref()).unwrap_or_default();
    let outbox = commit.outbox.iter().map(|entry| entry.payload.as_ref());
    let parts = [commit.snapshot.as_ref(), base, commit.log.as_ref(), hand].into_iter().chain(outbox);
    parts.collect::<Vec<&[u8]>>().concat().into()
}

/// The payloads of commits that follow each other.
pub fn payloads(commits: &[Arc<Commit>]) -> Vec<Bytes> {
    let before = std::iter::once(None).chain(commits.iter().map(|commit| Some(commit.as_ref())));
    commits.iter().zip(before).map(|(commit, before)| payload(commit, before)).collect()
}

/// A table that makes the same commits over and over, as the table itself does it: script and WAIT.
pub struct Writer {
    store: RedisStore,
    commits: Arc<[Arc<Commit>]>,
    table: String,
    number: u64,
}

impl Writer {
    pub async fn new(
        link: Link,
        replicas: u64,
        table: &str,
        commits: Arc<[Arc<Commit>]>,
    ) -> anyhow::Result<Self> {
        let store = RedisStore::new(link, replicas);
        store.take_over(table, 1).await.context("take-over")?;
        Ok(Self { store, commits, table: table.to_owned(), number: 0 })
    }

    /// Writes the next commit; returns how long it took.
    pub async fn write(&mut self) -> anyhow::Result<Duration> {
        let at = usize::try_from(self.number)? % self.commits.len();
        self.number += 1;
        let commit = Commit {
            table: self.table.clone(),
            epoch: 1,
            number: self.number,
            follows: u64::from(self.number > 1),
            replaces: false,
            ..(*self.commits[at]).clone()
        };
        let begun = Instant::now();
        self.store.commit(&commit).await?;
        Ok(begun.elapsed())
    }
}

/// Writes the same bytes with SET, for comparison.
pub struct Plain {
    connection: MultiplexedConnection,
    payloads: Vec<Bytes>,
    at: usize,
}

impl Plain {
    pub async fn new(link: &Link, commits: Arc<[Arc<Commit>]>) -> anyhow::Result<Self> {
        let connection = link.connect().await?;
        Ok(Self { connection, payloads: payloads(&commits), at: 0 })
    }

    pub async fn write(&mut self) -> anyhow::Result<Duration> {
        let payload = &self.payloads[self.at % self.payloads.len()];
        self.at += 1;
        let mut set = redis::cmd("SET");
        set.arg("t:{plain}:head").arg(payload.as_ref());
        let begun = Instant::now();
        set.query_async::<()>(&mut self.connection).await?;
        Ok(begun.elapsed())
    }
}
