//! Sessions of one process: for trying things out without a cluster, and for tests.

use super::SessionStore;
use async_trait::async_trait;
use purr_protocol::summary::Summary;
use purr_store::StoreError;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Keys kept at most; a new one is then refused like a store that is out of memory.
const KEYS_MAX: usize = 100_000;

#[derive(Default)]
pub struct MemorySessions {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    keys: HashMap<String, (String, Instant)>,
    revoked: BTreeMap<(u64, String), ()>,
    summaries: HashMap<String, Summary>,
}

impl Held {
    fn live(&mut self, key: &str) -> Option<&String> {
        if self.keys.get(key).is_some_and(|(_, until)| *until <= Instant::now()) {
            self.keys.remove(key);
        }
        self.keys.get(key).map(|(value, _)| value)
    }

    fn put(&mut self, key: &str, value: &str, ttl_s: u64) -> Result<(), StoreError> {
        let now = Instant::now();
        if self.keys.len() >= KEYS_MAX {
            self.keys.retain(|_, (_, until)| *until > now);
        }
        if self.keys.len() >= KEYS_MAX {
            return Err(StoreError::Unavailable("out of room".into()));
        }
        self.keys.insert(key.to_owned(), (value.to_owned(), now + Duration::from_secs(ttl_s)));
        Ok(())
    }
}

impl MemorySessions {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put_summary(&self, summary: Summary) {
        self.held().summaries.insert(summary.uid.clone(), summary);
    }
}

#[async_trait]
impl SessionStore for MemorySessions {
    async fn put_new(&self, key: &str, value: &str, ttl_s: u64) -> Result<bool, StoreError> {
        let mut held = self.held();
        if held.live(key).is_some() {
            return Ok(false);
        }
        held.put(key, value, ttl_s).map(|()| true)
    }

    async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.held().live(key).cloned())
    }

    async fn take(&self, key: &str) -> Result<Option<String>, StoreError> {
        let mut held = self.held();
        let value = held.live(key).cloned();
        held.keys.remove(key);
        Ok(value)
    }

    async fn swap(&self, key: &str, old: &str, new: Option<(&str, u64)>) -> Result<bool, StoreError> {
        let mut held = self.held();
        if held.live(key).is_none_or(|value| value != old) {
            return Ok(false);
        }
        held.keys.remove(key);
        match new {
            Some((value, ttl_s)) => held.put(key, value, ttl_s).map(|()| true),
            None => Ok(true),
        }
    }

    async fn revoke(&self, sid: &str, now_ms: u64) -> Result<(), StoreError> {
        self.held().revoked.insert((now_ms, sid.to_owned()), ());
        Ok(())
    }

    async fn revoked_since(&self, since_ms: u64) -> Result<Vec<String>, StoreError> {
        let held = self.held();
        Ok(held.revoked.range((since_ms, String::new())..).map(|((_, sid), ())| sid.clone()).collect())
    }

    async fn summaries(&self, uids: &[String]) -> Result<Vec<Option<Summary>>, StoreError> {
        let held = self.held();
        Ok(uids.iter().map(|uid| held.summaries.get(uid).cloned()).collect())
    }
}
