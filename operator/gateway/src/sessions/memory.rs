//! Sessions of one process: for trying things out without a cluster, and for tests.

use super::{SIGN_INS_MAX, SessionStore};
use crate::limits::{Rate, Verdict, gcra};
use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use purr_protocol::summary::Summary;
use purr_store::StoreError;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::broadcast, time::Instant};

/// Revocations or letters that a listener may be behind; then it misses some.
const BEHIND_MAX: usize = 64;
/// Keys kept at most; a new one is then refused like a store that is out of memory.
const KEYS_MAX: usize = 100_000;

pub struct MemorySessions {
    held: Mutex<Held>,
    since: Instant,
    down: AtomicBool,
    silent: AtomicBool,
    told: Mutex<broadcast::Sender<String>>,
    mute: AtomicBool,
    /// By gateway.
    letters: Mutex<HashMap<String, broadcast::Sender<String>>>,
}

impl Default for MemorySessions {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            since: Instant::now(),
            down: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            told: Mutex::new(broadcast::Sender::new(BEHIND_MAX)),
            mute: AtomicBool::new(false),
            letters: Mutex::default(),
        }
    }
}

#[derive(Default)]
struct Held {
    keys: HashMap<String, (String, Instant)>,
    revoked: BTreeMap<(u64, String), ()>,
    summaries: HashMap<String, Summary>,
    /// By player, in their order.
    sign_ins: HashMap<String, Vec<String>>,
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

    /// Counts of requests fail from now on, or go on: for tests of what then happens.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    /// Counts of requests never answer from now on, or do again.
    pub fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    fn told(&self) -> MutexGuard<'_, broadcast::Sender<String>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all channels, as a connection that breaks does.
    pub fn end_channels(&self) {
        *self.told() = broadcast::Sender::new(BEHIND_MAX);
    }

    /// From now on nobody is told of a revocation as it happens, or is again; it is on record either way.
    pub fn set_mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::Relaxed);
    }

    pub fn put_summary(&self, summary: Summary) {
        self.held().summaries.insert(summary.uid.clone(), summary);
    }

    fn letter_boxes(&self) -> MutexGuard<'_, HashMap<String, broadcast::Sender<String>>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gateways that take letters.
    pub fn letter_takers(&self) -> usize {
        self.letter_boxes().values().filter(|letters| letters.receiver_count() > 0).count()
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
        if !self.mute.load(Ordering::Relaxed) {
            // Nobody listens: that is no error.
            let _ = self.told().send(sid.to_owned());
        }
        Ok(())
    }

    async fn revocations(&self) -> Result<BoxStream<'static, String>, StoreError> {
        let next = async |mut told: broadcast::Receiver<String>| {
            let sid = told.recv().await.ok()?;
            Some((sid, told))
        };
        Ok(futures::stream::unfold(self.told().subscribe(), next).boxed())
    }

    async fn post(&self, gateway: &str, letter: &str) -> Result<bool, StoreError> {
        Ok(self.letter_boxes().get(gateway).is_some_and(|letters| letters.send(letter.to_owned()).is_ok()))
    }

    async fn letters(&self, gateway: &str) -> Result<BoxStream<'static, String>, StoreError> {
        let mut boxes = self.letter_boxes();
        let own = boxes.entry(gateway.to_owned()).or_insert_with(|| broadcast::Sender::new(BEHIND_MAX));
        let next = async |mut letters: broadcast::Receiver<String>| {
            let letter = letters.recv().await.ok()?;
            Some((letter, letters))
        };
        Ok(futures::stream::unfold(own.subscribe(), next).boxed())
    }

    async fn revoked_since(&self, since_ms: u64) -> Result<Vec<String>, StoreError> {
        let held = self.held();
        Ok(held.revoked.range((since_ms, String::new())..).map(|((_, sid), ())| sid.clone()).collect())
    }

    async fn arrive(&self, key: &str, rate: Rate) -> Result<Verdict, StoreError> {
        if self.silent.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("down".into()));
        }
        let now_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut held = self.held();
        let tat = held.live(key).and_then(|tat| tat.parse().ok());
        let (next, verdict) = gcra(tat, now_us, rate);
        if let Some(next) = next {
            held.put(key, &next.to_string(), verdict.reset.as_secs() + 1)?;
        }
        Ok(verdict)
    }

    async fn remember(
        &self,
        player: &str,
        sid: &str,
        _now_ms: u64,
        _keep_s: u64,
    ) -> Result<Vec<String>, StoreError> {
        let mut held = self.held();
        if held.sign_ins.len() >= KEYS_MAX && !held.sign_ins.contains_key(player) {
            return Err(StoreError::Unavailable("out of room".into()));
        }
        let all = held.sign_ins.entry(player.to_owned()).or_default();
        all.push(sid.to_owned());
        Ok(all.drain(..all.len().saturating_sub(SIGN_INS_MAX)).collect())
    }

    async fn sign_ins(&self, player: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.held().sign_ins.get(player).cloned().unwrap_or_default())
    }

    async fn forget(&self, player: &str, sids: &[String]) -> Result<(), StoreError> {
        let mut held = self.held();
        if let Some(all) = held.sign_ins.get_mut(player) {
            all.retain(|sid| !sids.contains(sid));
            if all.is_empty() {
                held.sign_ins.remove(player);
            }
        }
        Ok(())
    }

    async fn summaries(&self, uids: &[String]) -> Result<Vec<Option<Summary>>, StoreError> {
        let held = self.held();
        Ok(uids.iter().map(|uid| held.summaries.get(uid).cloned()).collect())
    }
}
