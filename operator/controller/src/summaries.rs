//! The summaries that tables publish, read for all tables at once and at a limited rate.

pub mod watch;

use crate::fleet::wake::Key;
use purr_protocol::{Epoch, summary::Summary};
use std::{
    collections::HashMap,
    sync::{
        OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// A table that has not written its summary for this long is asked whether it lives; it writes one a second.
const QUIET: Duration = Duration::from_secs(3);
/// A controller that begins waits for the summaries no longer than this.
const FIRST_READ_MAX: Duration = Duration::from_secs(5);
/// The last summaries. Any of it may be lost: then it is read again.
#[derive(Default)]
pub struct Summaries {
    known: RwLock<Known>,
    read: AtomicBool,
    /// Signals that the tables are listed. The store's own `wait_until_ready` wakes only one task, which is the
    /// controller's.
    listed: Notify,
    listed_at: OnceLock<Instant>,
}

#[derive(Default)]
struct Known {
    tables: HashMap<String, Summary>,
    /// Players on the waiting list of each fleet that has some.
    waiting: HashMap<Key, u64>,
    beats: HashMap<String, Beat>,
    signer_down: Option<String>,
}

/// The last sign of life of a table, and when it was new to this process.
#[derive(Clone, Copy)]
struct Beat {
    epoch: Epoch,
    beat: u64,
    since: Instant,
    /// The missing beat was reported already.
    told: bool,
}

impl Summaries {
    pub fn get(&self, uid: &str) -> Option<Summary> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).tables.get(uid).cloned()
    }

    /// Called once the tables are listed, so that their summaries can be read.
    pub fn tables_are_listed(&self) {
        let _ = self.listed_at.set(Instant::now());
        self.listed.notify_one();
    }

    /// Whether the summaries have been read once, or could not be read in time: tables do not wait for a group that is
    /// away.
    pub fn is_read(&self) -> bool {
        let late = || self.listed_at.get().is_some_and(|at| at.elapsed() >= FIRST_READ_MAX);
        self.read.load(Ordering::Acquire) || late()
    }

    /// Stores one table's summary, unless a round has stored a newer one of the same process.
    fn first(&self, uid: &str, summary: &Summary) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let held = known.tables.entry(uid.to_owned()).or_insert_with(|| summary.clone());
        if (held.epoch, held.beat) < (summary.epoch, summary.beat) {
            *held = summary.clone();
        }
    }

    /// Why the signer does not answer, where it does not.
    pub fn signer_down(&self) -> Option<String> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).signer_down.clone()
    }

    /// Whether the table's process of this generation has written nothing for long, though it did before.
    pub fn is_quiet(&self, uid: &str, generation: u64) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .beats
            .get(uid)
            .is_some_and(|beat| beat.epoch.generation() == generation && beat.since.elapsed() >= QUIET)
    }

    /// Stores what was read. Returns the tables whose status changes, and those whose beat has stopped.
    pub(crate) fn replace(&self, fresh: HashMap<String, Summary>) -> Vec<String> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let quiet = known.listen(&fresh);
        let differs = |uid: &&String| known.tables.get(*uid).map(visible) != fresh.get(*uid).map(visible);
        let silent = known.tables.keys().filter(|uid| !fresh.contains_key(*uid));
        let mut changed: Vec<String> = fresh.keys().filter(differs).chain(silent).cloned().collect();
        changed.extend(quiet);
        known.tables = fresh;
        changed
    }

    /// Players on a fleet's waiting list, as last read.
    pub fn waiting(&self, fleet: &Key) -> u64 {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.waiting.get(fleet).copied().unwrap_or_default()
    }

    /// Stores the lengths of waiting lists; returns the fleets whose length has changed.
    fn set_waiting(&self, mut fresh: HashMap<Key, u64>) -> Vec<Key> {
        fresh.retain(|_, size| *size > 0);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let differs = |key: &&Key| known.waiting.get(*key) != fresh.get(*key);
        let over = known.waiting.keys().filter(|key| !fresh.contains_key(*key));
        let news = fresh.keys().filter(differs).chain(over).cloned().collect();
        known.waiting = fresh;
        news
    }

    /// Says whether this changes everybody's status.
    fn set_signer(&self, down: Option<String>) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let changed = known.signer_down.is_some() != down.is_some();
        known.signer_down = down;
        changed
    }
}

impl Known {
    /// Returns the tables whose beat has just been missing for too long.
    fn listen(&mut self, fresh: &HashMap<String, Summary>) -> Vec<String> {
        for (uid, Summary { epoch, beat, .. }) in fresh {
            let new = Beat { epoch: *epoch, beat: *beat, since: Instant::now(), told: false };
            let held = self.beats.entry(uid.clone()).or_insert(new);
            if (held.epoch, held.beat) != (*epoch, *beat) {
                *held = new;
            }
        }
        // A summary expires a minute after its last write: then its table was deleted, or its silence was reported
        // already.
        self.beats.retain(|uid, beat| fresh.contains_key(uid) || !beat.told);
        let late = |beat: &Beat| !beat.told && beat.since.elapsed() >= QUIET;
        let quiet = self.beats.iter_mut().filter(|(_, beat)| late(beat));
        quiet
            .map(|(uid, beat)| {
                beat.told = true;
                uid.clone()
            })
            .collect()
    }
}

/// The part of a summary that a table or its fleet acts on. The hand number is left out, so that a new hand alone
/// writes no status.
fn visible(summary: &Summary) -> (Epoch, u8, u8, bool, Option<&str>, bool) {
    let Summary { epoch, players, arriving, closed, paused, .. } = summary;
    (*epoch, *players, *arriving, *closed, paused.as_deref(), is_behind(summary))
}

/// The chain has not confirmed for long, in entries of the table's sequence.
pub fn is_behind(summary: &Summary) -> bool {
    summary.sequence.saturating_sub(summary.confirmed) > 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(uid: &str, hand: u64, beat: u64) -> (String, Summary) {
        (uid.to_owned(), Summary { uid: uid.into(), hand, beat, ..Summary::default() })
    }

    #[test]
    fn only_what_a_status_shows_is_news() {
        let summaries = Summaries::default();
        assert_eq!(summaries.replace(HashMap::from([summary("a", 1, 1)])), ["a"]);
        assert!(summaries.replace(HashMap::from([summary("a", 1, 2)])).is_empty());
        assert!(summaries.replace(HashMap::from([summary("a", 2, 3)])).is_empty(), "the next hand");
        let (uid, more) = summary("a", 2, 4);
        assert_eq!(summaries.replace(HashMap::from([(uid, Summary { players: 1, ..more })])), ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn tables_wait_for_the_first_summaries_and_not_for_a_group_that_is_away() {
        let summaries = Summaries::default();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!summaries.is_read(), "the tables are not listed yet");
        summaries.tables_are_listed();
        tokio::time::advance(FIRST_READ_MAX - Duration::from_millis(1)).await;
        assert!(!summaries.is_read());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(summaries.is_read());
    }

    #[test]
    fn a_table_that_falls_silent_is_news_once() {
        let summaries = Summaries::default();
        summaries.replace(HashMap::from([summary("a", 1, 1)]));
        assert_eq!(summaries.replace(HashMap::new()), ["a"]);
        assert!(summaries.replace(HashMap::new()).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_beat_that_stands_still_is_quiet_for_its_generation_alone_and_news_once() {
        let summaries = Summaries::default();
        let epoch = |generation, restarts| Epoch::new(generation, restarts).unwrap();
        let read = |epoch, beat| {
            let (uid, summary) = summary("a", 1, beat);
            summaries.replace(HashMap::from([(uid, Summary { epoch, ..summary })]))
        };
        read(epoch(2, 1), 7);
        tokio::time::advance(Duration::from_secs(2)).await;
        read(epoch(2, 1), 8);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(read(epoch(2, 1), 8).is_empty() && !summaries.is_quiet("a", 2));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(read(epoch(2, 1), 8), ["a"]);
        assert!(summaries.is_quiet("a", 2) && !summaries.is_quiet("a", 3) && !summaries.is_quiet("b", 2));
        assert!(read(epoch(2, 1), 8).is_empty());
        // Its container has started again.
        read(epoch(2, 2), 1);
        assert!(!summaries.is_quiet("a", 2));
    }

    #[test]
    fn a_waiting_list_is_news_to_its_fleet_when_its_length_changes_or_it_ends() {
        let summaries = Summaries::default();
        let key = |name: &str| ("purr".to_owned(), name.to_owned());
        let read = |a, b| summaries.set_waiting(HashMap::from([(key("a"), a), (key("b"), b)]));
        assert!(read(0, 0).is_empty(), "nobody waits anywhere");
        assert_eq!((read(3, 0), summaries.waiting(&key("a"))), (vec![key("a")], 3));
        assert!(read(3, 0).is_empty());
        assert_eq!((read(3, 1), summaries.waiting(&key("b"))), (vec![key("b")], 1));
        assert_eq!((read(0, 1), summaries.waiting(&key("a"))), (vec![key("a")], 0));
    }

    #[test]
    fn another_reason_for_the_same_outage_is_no_news() {
        let summaries = Summaries::default();
        assert!(summaries.set_signer(Some("refused".into())));
        assert!(!summaries.set_signer(Some("time-out".into())));
        assert!(summaries.set_signer(None));
    }
}
