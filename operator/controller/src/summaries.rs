//! What tables say about themselves, read for all of them at once and at a limited rate.

use crate::{context::Context, fleet::wake::Key, pods::Pods};
use kube::runtime::reflector::{ObjectRef, Store};
use purr_crds::{PokerTable, PokerTableFleet};
use purr_protocol::{Epoch, summary::Summary};
use purr_runtime::CancellationToken;
use purr_store::{Sessions, StoreError};
use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, MissedTickBehavior, timeout},
};

/// Tables read in one call.
const BATCH: usize = 1_000;
/// A table that has not written its summary for this long is asked whether it lives; it writes one a second.
const QUIET: Duration = Duration::from_secs(3);
/// The first status of a table that has just come up waits for its summary no longer than this.
const FIRST_MAX: Duration = Duration::from_millis(250);
/// A controller that begins waits for the summaries no longer than this.
const FIRST_READ_MAX: Duration = Duration::from_secs(5);
/// No table's; asked for where there is none.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// The last that was read. Empty is a fine answer: all of this may be lost.
#[derive(Default)]
pub struct Summaries {
    known: RwLock<Known>,
    read: AtomicBool,
    /// The store has all tables. Its own `wait_until_ready` wakes one task, which is the controller's.
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
    /// It was news already that nothing came after it.
    told: bool,
}

impl Summaries {
    pub fn get(&self, uid: &str) -> Option<Summary> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).tables.get(uid).cloned()
    }

    /// The tables are known: what they say can be read.
    pub fn tables_are_listed(&self) {
        let _ = self.listed_at.set(Instant::now());
        self.listed.notify_one();
    }

    /// Whether the summaries were read once, or are not to be had in time: tables are not held up by a group that is away.
    pub fn is_read(&self) -> bool {
        let late = || self.listed_at.get().is_some_and(|at| at.elapsed() >= FIRST_READ_MAX);
        self.read.load(Ordering::Acquire) || late()
    }

    /// Takes in one table's summary, unless a round has brought one of the same process in the meantime.
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

    /// Takes in what was read; says whose status it changes, and who has fallen quiet.
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

    /// Takes in the waiting lists' lengths; returns the fleets for which this is news.
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
    /// Whose beat has just been missing for too long.
    fn listen(&mut self, fresh: &HashMap<String, Summary>) -> Vec<String> {
        for (uid, Summary { epoch, beat, .. }) in fresh {
            let new = Beat { epoch: *epoch, beat: *beat, since: Instant::now(), told: false };
            let held = self.beats.entry(uid.clone()).or_insert(new);
            if (held.epoch, held.beat) != (*epoch, *beat) {
                *held = new;
            }
        }
        // A summary is gone a minute after the last: then its table is deleted, or was told to be quiet.
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

/// Reads the summary of one table, whose pod has just become ready and which no round of [`watch`] has met. Its first status
/// says all of it then, and is one write in place of two. `None` where the group does not answer in time.
pub async fn first(context: &Context, uid: &str) -> Option<Summary> {
    let asked = [uid.to_owned()];
    let found = timeout(FIRST_MAX, context.sessions.summaries(&asked)).await.ok()?.ok()?;
    let summary = found.into_iter().next().flatten()?;
    context.summaries.first(uid, &summary);
    Some(summary)
}

/// What of a summary a table or its fleet acts on. Not the hand: a status that waits for nothing else does not change for it.
fn visible(summary: &Summary) -> (Epoch, u8, u8, bool, Option<&str>, bool) {
    let Summary { epoch, players, arriving, closed, paused, .. } = summary;
    (*epoch, *players, *arriving, *closed, paused.as_deref(), is_behind(summary))
}

/// The chain has not confirmed for long, in entries of the table's sequence.
pub fn is_behind(summary: &Summary) -> bool {
    summary.sequence.saturating_sub(summary.confirmed) > 64
}

/// Reads until stopped; tells whose status has changed.
pub async fn watch(
    context: Arc<Context>,
    tables: Store<PokerTable>,
    fleets: Store<PokerTableFleet>,
    changed: mpsc::Sender<ObjectRef<PokerTable>>,
    every: Duration,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::select! {
        () = stop.cancelled() => return,
        // Without the tables nobody's summary is asked for.
        () = context.summaries.listed.notified() => {}
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let all = tables.state();
        context.metrics.count_tables(
            all.iter().map(|table| table.status.as_ref().map(|status| status.phase).unwrap_or_default()),
        );
        let names: HashMap<&str, &Arc<PokerTable>> =
            all.iter().filter_map(|table| Some((table.metadata.uid.as_deref()?, table))).collect();
        let mut news: Vec<String> = match read(&context.sessions, names.keys().copied()).await {
            Ok(fresh) => context.summaries.replace(fresh),
            Err(error) => {
                // What was known stays until the group is back; the store's own conditions are the tables'.
                tracing::warn!(%error, "summaries");
                Vec::new()
            }
        };
        match read_waiting(&context.sessions, &fleets).await {
            Ok(fresh) => {
                for fleet in context.summaries.set_waiting(fresh) {
                    context.wake.fleet(fleet);
                }
            }
            // Such as a group whose access list is of the release before.
            Err(error) => tracing::debug!(%error, "waiting lists"),
        }
        let signer = ask_signer(&context.summaries, &context.reach, names.keys().next().copied()).await;
        if !context.summaries.read.swap(true, Ordering::AcqRel) {
            // No table was looked at before: all of them come to it by themselves.
            all.iter().for_each(|table| context.wake.about(table));
            continue;
        }
        if signer {
            news = names.keys().map(|uid| (*uid).to_owned()).collect();
        }
        let many = i64::try_from(news.len()).unwrap_or(i64::MAX);
        context.metrics.queued.set(many);
        for uid in news {
            if let Some(table) = names.get(uid.as_str()) {
                context.wake.about(table);
            }
            if let Some(table) = names.get(uid.as_str())
                && changed.send(ObjectRef::from_obj(table.as_ref())).await.is_err()
            {
                return;
            }
            context.metrics.queued.dec();
        }
        context.metrics.queued.set(0);
    }
}

async fn read(
    sessions: &Sessions,
    uids: impl Iterator<Item = &str>,
) -> Result<HashMap<String, Summary>, StoreError> {
    let uids: Vec<String> = uids.map(str::to_owned).collect();
    let mut fresh = HashMap::with_capacity(uids.len());
    for batch in uids.chunks(BATCH) {
        let found = sessions.summaries(batch).await?;
        let known = batch.iter().zip(found).filter_map(|(uid, summary)| Some((uid.clone(), summary?)));
        fresh.extend(known);
    }
    Ok(fresh)
}

async fn read_waiting(
    sessions: &Sessions,
    fleets: &Store<PokerTableFleet>,
) -> Result<HashMap<Key, u64>, StoreError> {
    let place = |fleet: &Arc<PokerTableFleet>| {
        Some((fleet.metadata.namespace.clone()?, fleet.metadata.name.clone()?))
    };
    let keys: Vec<Key> = fleets.state().iter().filter_map(place).collect();
    let names: Vec<String> = keys.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    Ok(keys.into_iter().zip(sessions.waiting(&names).await?).collect())
}

async fn ask_signer(summaries: &Summaries, reach: &Pods, uid: Option<&str>) -> bool {
    summaries
        .set_signer(reach.signer_answers(uid.unwrap_or(NOBODY)).await.err().map(|error| error.to_string()))
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
