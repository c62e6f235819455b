//! A store in memory: for tests, simulators and a table without a cluster. Nothing is kept.

use crate::types::{Admitted, Commit, HandEntry, Head, LogBatch, Recovered, Store, StoreError};
use async_trait::async_trait;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Same rules as Redis: fenced by epoch, commits in order, a repeat is harmless.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Mutex<HashMap<String, Held>>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    epoch: u64,
    state: Recovered,
    hands: Vec<HandEntry>,
}

/// Most commits whose logs are kept, as in Redis.
const LOG_MAX: usize = 512;

impl MemoryStore {
    fn tables(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        // A panic while holding the lock is a failed test; the data is consistent all the same.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every hand record written for a table, oldest first.
    pub fn hands(&self, table: &str) -> Vec<HandEntry> {
        self.tables().get(table).map(|held| held.hands.clone()).unwrap_or_default()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn take_over(&self, table: &str, epoch: u64) -> Result<Recovered, StoreError> {
        let mut tables = self.tables();
        let held = tables.entry(table.to_owned()).or_default();
        if held.epoch > epoch {
            return Err(StoreError::Fenced { highest: held.epoch });
        }
        held.epoch = epoch;
        Ok(held.state.clone())
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let held = tables.entry(commit.table.clone()).or_default();
        let state = &mut held.state;
        let head = Head { epoch: held.epoch, commit: state.commit, written: state.epoch };
        let admitted = head.admit(commit)?;
        held.epoch = commit.epoch;
        match admitted {
            Admitted::Repeat => return Ok(()),
            Admitted::Next => {}
            Admitted::Replace => state.log.retain(|batch| batch.commit < commit.number),
        }
        state.commit = commit.number;
        state.epoch = commit.epoch;
        state.snapshot = Some(commit.snapshot.clone());
        state.base = commit.base.as_ref().map(|base| base.sealed().clone());
        if !commit.log.is_empty() {
            state.log.push(LogBatch {
                commit: commit.number,
                epoch: commit.epoch,
                sealed: commit.log.clone(),
            });
            let excess = state.log.len().saturating_sub(LOG_MAX);
            state.log.drain(..excess);
        }
        state.outbox.extend(commit.outbox.iter().cloned());
        state.outbox.retain(|entry| entry.seq > commit.outbox_done);
        held.hands.extend(commit.hand.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn commit(epoch: u64, number: u64) -> Commit {
        Commit {
            table: "t".into(),
            epoch,
            number,
            follows: if number == 1 { 0 } else { 1 },
            replaces: false,
            snapshot: Bytes::from(format!("{epoch}/{number}")),
            base: None,
            log: Bytes::new(),
            hand: None,
            outbox: vec![],
            outbox_done: 0,
        }
    }

    #[tokio::test]
    async fn an_older_epoch_cannot_write_after_a_take_over() {
        let store = MemoryStore::default();
        store.take_over("t", 1).await.unwrap();
        store.commit(&commit(1, 1)).await.unwrap();
        let found = store.take_over("t", 2).await.unwrap();
        assert_eq!((found.commit, found.epoch), (1, 1));
        assert_eq!(store.commit(&commit(1, 2)).await, Err(StoreError::Fenced { highest: 2 }));
        store.commit(&commit(2, 2)).await.unwrap();
    }

    #[tokio::test]
    async fn a_repeated_commit_is_harmless_and_a_gap_is_refused() {
        let store = MemoryStore::default();
        store.commit(&commit(1, 1)).await.unwrap();
        store.commit(&commit(1, 1)).await.unwrap();
        assert_eq!(
            store.commit(&commit(1, 3)).await,
            Err(StoreError::Conflict { at: 1, written: 1, offered: 3 })
        );
    }

    #[tokio::test]
    async fn a_number_that_a_lower_epoch_took_is_taken_back_by_who_says_so() {
        let store = MemoryStore::default();
        for number in 1..=3 {
            store.commit(&Commit { log: Bytes::from_static(b"old"), ..commit(1, number) }).await.unwrap();
        }
        let own = Commit { follows: 1, log: Bytes::from_static(b"new"), ..commit(2, 2) };
        let conflict = StoreError::Conflict { at: 3, written: 1, offered: 2 };
        assert_eq!(store.commit(&own).await, Err(conflict));
        store.commit(&Commit { replaces: true, ..own.clone() }).await.unwrap();
        let found = store.take_over("t", 2).await.unwrap();
        let log: Vec<_> = found.log.iter().map(|batch| (batch.commit, batch.epoch)).collect();
        assert_eq!((found.commit, found.epoch, log), (2, 2, vec![(1, 1), (2, 2)]));
        // The commit is late: the table has continued, and it would overwrite the current state.
        store.commit(&Commit { follows: 2, ..commit(2, 3) }).await.unwrap();
        let late = store.commit(&Commit { replaces: true, ..own }).await;
        assert_eq!(late, Err(StoreError::Conflict { at: 3, written: 2, offered: 2 }));
    }
}
