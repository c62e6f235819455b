//! A store in memory: for tests, simulators and a table without a cluster. Nothing is kept.

use crate::types::{Commit, HandEntry, LogBatch, Recovered, Store, StoreError};
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

/// As many commits' logs as Redis keeps.
const LOG_MAX: usize = 512;

impl MemoryStore {
    fn tables(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        // A panic while holding the lock is a failed test; the data is whole either way.
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
        if held.epoch > commit.epoch {
            return Err(StoreError::Fenced { highest: held.epoch });
        }
        held.epoch = commit.epoch;
        let state = &mut held.state;
        if state.commit == commit.number && state.epoch == commit.epoch {
            return Ok(());
        }
        if state.commit + 1 != commit.number {
            return Err(StoreError::Conflict { at: state.commit, offered: commit.number });
        }
        state.commit = commit.number;
        state.epoch = commit.epoch;
        state.snapshot = Some(commit.snapshot.clone());
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
            snapshot: Bytes::from(format!("{epoch}/{number}")),
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
        assert_eq!(store.commit(&commit(1, 3)).await, Err(StoreError::Conflict { at: 1, offered: 3 }));
    }
}
