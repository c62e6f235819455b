//! The table's own log, decrypted: what each player should have received.

use async_trait::async_trait;
use purr_store::{Commit, MemoryStore, Recovered, Sealer, Store, StoreError};
use purr_table::{core::Shown, snapshot};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A store that keeps all of the log, which the real ones bound.
pub struct Journal {
    store: MemoryStore,
    sealer: Sealer,
    log: Mutex<BTreeMap<u64, Shown>>,
    hands: Mutex<u64>,
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    pub fn new(sealer: Sealer) -> Self {
        Self { store: MemoryStore::default(), sealer, log: Mutex::default(), hands: Mutex::default() }
    }

    /// All steps by their offsets.
    pub fn log(&self) -> BTreeMap<u64, Shown> {
        held(&self.log).clone()
    }

    /// Offset of the last step; 0: none.
    pub fn newest(&self) -> u64 {
        held(&self.log).last_key_value().map_or(0, |(offset, _)| *offset)
    }

    /// Hands that have ended.
    pub fn hands(&self) -> u64 {
        *held(&self.hands)
    }
}

#[async_trait]
impl Store for Journal {
    async fn take_over(&self, table: &str, epoch: u64) -> Result<Recovered, StoreError> {
        self.store.take_over(table, epoch).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        // The records would be kept without a bound.
        self.store.commit(&Commit { hand: None, ..commit.clone() }).await?;
        *held(&self.hands) += u64::from(commit.hand.is_some());
        if !commit.log.is_empty() {
            let plain = self.sealer.open("log", commit.epoch, commit.number, &commit.log);
            let plain = plain.map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let shown = snapshot::read_log(&plain).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            held(&self.log).insert(shown.offset, shown);
        }
        Ok(())
    }
}
