//! Sessions of one process: for trying things out without a cluster, and for tests.

use super::{Opened, Opening, REVOKED_PAGE, SIGN_INS_MAX, SessionStore, family_key};
use crate::{
    limits::{Rate, Verdict, gcra_all},
    seating::{
        key::FleetKey,
        model::Books,
        step::{Outcome, Standing, Step},
    },
};
use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use purr_engine::PlayerId;
use purr_protocol::{floor::Floor, summary::Summary};
use purr_store::StoreError;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::broadcast, time::Instant};

/// Revocations or messages that a subscriber may lag behind; beyond it, some are lost.
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
    /// Keys from which on no new sign-in is stored.
    room: AtomicUsize,
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
            room: AtomicUsize::new(KEYS_MAX * 3 / 4),
            letters: Mutex::default(),
        }
    }
}

#[derive(Default)]
struct Held {
    keys: HashMap<String, (String, Instant)>,
    revoked: BTreeMap<(u64, String), ()>,
    summaries: HashMap<String, Summary>,
    floors: HashMap<String, Floor>,
    /// Sign-ins by player, the oldest first.
    sign_ins: HashMap<String, Vec<String>>,
    seats: Books,
}

impl Held {
    fn live(&mut self, key: &str) -> Option<&String> {
        if self.keys.get(key).is_some_and(|(_, until)| *until <= Instant::now()) {
            self.keys.remove(key);
        }
        self.keys.get(key).map(|(value, _)| value)
    }

    fn put(&mut self, key: &str, value: &str, ttl_s: u64) -> Result<(), StoreError> {
        if self.keys.len() >= KEYS_MAX {
            self.sweep();
        }
        if self.keys.len() >= KEYS_MAX {
            return Err(StoreError::Full);
        }
        self.keys.insert(key.to_owned(), (value.to_owned(), Instant::now() + Duration::from_secs(ttl_s)));
        Ok(())
    }

    /// Drops keys that have ended, and lists of sign-ins that have all ended.
    fn sweep(&mut self) {
        let now = Instant::now();
        let Self { keys, sign_ins, .. } = self;
        keys.retain(|_, (_, until)| *until > now);
        sign_ins.retain(|_, sids| sids.iter().any(|sid| keys.contains_key(&family_key(sid))));
    }

    fn forget(&mut self, player: &str, sids: &[String]) {
        if let Some(all) = self.sign_ins.get_mut(player) {
            all.retain(|sid| !sids.contains(sid));
            if all.is_empty() {
                self.sign_ins.remove(player);
            }
        }
    }
}

impl MemorySessions {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes request counts fail, or work again, for tests.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    /// Makes request counts hang, or answer again, for tests.
    pub fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    /// The books of seats with their current time; an error while the store is down.
    fn books(&self) -> Result<(MutexGuard<'_, Held>, u64), StoreError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("down".into()));
        }
        Ok((self.held(), u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)))
    }

    fn told(&self) -> MutexGuard<'_, broadcast::Sender<String>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all channels, as a connection that breaks does.
    pub fn end_channels(&self) {
        *self.told() = broadcast::Sender::new(BEHIND_MAX);
    }

    /// Stops or resumes notifications of revocations; the record has them either way.
    pub fn set_mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::Relaxed);
    }

    /// Sets the number of keys from which on no new sign-in is stored.
    pub fn set_room(&self, keys: usize) {
        self.room.store(keys, Ordering::Relaxed);
    }

    /// Sets a key as another program of the fleet does.
    pub fn put(&self, key: &str, value: &str, ttl_s: u64) {
        // Only tests and the single-process room call this; if the store is full, a later read shows it.
        let _ = self.held().put(key, value, ttl_s);
    }

    /// Loses everything, like a store whose nodes were all replaced.
    pub fn lose(&self) {
        *self.held() = Held::default();
    }

    pub fn put_floor(&self, floor: Floor) {
        self.held().floors.insert(floor.uid.clone(), floor);
    }

    pub fn put_summary(&self, summary: Summary) {
        self.held().summaries.insert(summary.uid.clone(), summary);
    }

    fn letter_boxes(&self) -> MutexGuard<'_, HashMap<String, broadcast::Sender<String>>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gateways that are subscribed to messages.
    pub fn letter_takers(&self) -> usize {
        self.letter_boxes().values().filter(|letters| letters.receiver_count() > 0).count()
    }
}

#[async_trait]
impl SessionStore for MemorySessions {
    async fn open(&self, opening: &Opening<'_>) -> Result<Opened, StoreError> {
        let Opening { player, sid, family, ttl_s, once, link, .. } = *opening;
        let mut held = self.held();
        if let Some(used) = once.iter().position(|(mark, _)| held.live(mark).is_some()) {
            return Ok(Opened::Used(used));
        }
        if link.is_some_and(|(key, _)| held.live(key).is_some_and(|linked| linked != player)) {
            return Ok(Opened::LinkedElsewhere);
        }
        let room = self.room.load(Ordering::Relaxed);
        if held.keys.len() >= room {
            held.sweep();
        }
        if held.keys.len() >= room {
            return Ok(Opened::Full);
        }
        for (mark, ttl_s) in once {
            held.put(mark, "1", *ttl_s)?;
        }
        if let Some((key, ttl_s)) = link {
            held.put(key, player, ttl_s)?;
        }
        held.put(&family_key(sid), family, ttl_s)?;
        let all = held.sign_ins.entry(player.to_owned()).or_default();
        all.push(sid.to_owned());
        Ok(Opened::Opened(all.drain(..all.len().saturating_sub(SIGN_INS_MAX)).collect()))
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

    async fn renew(
        &self,
        player: &str,
        sid: &str,
        old: &str,
        new: Option<(&str, u64)>,
        _now_ms: u64,
    ) -> Result<bool, StoreError> {
        let (mut held, key) = (self.held(), family_key(sid));
        if held.live(&key).is_none_or(|value| value != old) {
            return Ok(false);
        }
        held.keys.remove(&key);
        if let Some((value, ttl_s)) = new {
            return held.put(&key, value, ttl_s).map(|()| true);
        }
        held.forget(player, &[sid.to_owned()]);
        Ok(true)
    }

    async fn revoke(&self, sid: &str, now_ms: u64) -> Result<(), StoreError> {
        self.held().revoked.insert((now_ms, sid.to_owned()), ());
        if !self.mute.load(Ordering::Relaxed) {
            // Nobody is subscribed: that is no error.
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

    async fn revoked_since(&self, since_ms: u64, page: usize) -> Result<Vec<String>, StoreError> {
        let held = self.held();
        let newest = held.revoked.range((since_ms, String::new())..).rev();
        let page = newest.skip(page.saturating_mul(REVOKED_PAGE)).take(REVOKED_PAGE);
        Ok(page.map(|((_, sid), ())| sid.clone()).collect())
    }

    async fn arrive(&self, keys: &[(String, Rate)]) -> Result<Verdict, StoreError> {
        if self.silent.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("down".into()));
        }
        let now_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut held = self.held();
        let counts: Vec<(Option<u64>, Rate)> =
            keys.iter().map(|(key, rate)| (held.live(key).and_then(|tat| tat.parse().ok()), *rate)).collect();
        let (next, verdict) = gcra_all(&counts, now_us);
        for ((key, _), tat) in keys.iter().zip(next) {
            held.put(key, &tat.to_string(), tat.saturating_sub(now_us) / 1_000_000 + 1)?;
        }
        verdict.ok_or_else(|| StoreError::Corrupt("a count of no key".into()))
    }

    async fn sign_ins(&self, player: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.held().sign_ins.get(player).cloned().unwrap_or_default())
    }

    async fn forget(&self, player: &str, sids: &[String]) -> Result<(), StoreError> {
        self.held().forget(player, sids);
        Ok(())
    }

    async fn summaries(&self, uids: &[String]) -> Result<Vec<Option<Summary>>, StoreError> {
        let held = self.held();
        Ok(uids.iter().map(|uid| held.summaries.get(uid).cloned()).collect())
    }

    async fn seat(&self, fleet: &FleetKey, player: PlayerId, step: &Step) -> Result<Outcome, StoreError> {
        let (mut held, now) = self.books()?;
        Ok(held.seats.step(now, fleet, player, step))
    }

    async fn seats(&self, fleet: &FleetKey, first: usize, _keep: bool) -> Result<Standing, StoreError> {
        let (mut held, now) = self.books()?;
        Ok(held.seats.look(now, fleet, first))
    }

    async fn seen(&self, fleet: &FleetKey, players: &[PlayerId]) -> Result<(), StoreError> {
        let (mut held, now) = self.books()?;
        held.seats.seen(now, fleet, players);
        Ok(())
    }

    async fn floors(&self, uids: &[String]) -> Result<Vec<Option<Floor>>, StoreError> {
        let held = self.held();
        Ok(uids.iter().map(|uid| held.floors.get(uid).cloned()).collect())
    }
}
