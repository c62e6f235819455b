//! Figures of an end-to-end run, measured at the players' sockets.

use purr_client::report::Percentiles;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Actions and hands that are measured; of more, the first are.
const SAMPLES_MAX: usize = 200_000;

/// Shared by the players of one table.
#[derive(Clone, Default)]
pub struct Figures(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    /// For each shown action, by epoch and offset: when the last player received it.
    arrived: BTreeMap<(u64, u64), Instant>,
    /// When that action was sent.
    sent: BTreeMap<(u64, u64), Instant>,
    /// For each number of the table's sequence: when the hand ended, and when its settlement was reported final.
    ended: BTreeMap<u64, Instant>,
    /// When each action went out, and how long its player waited for it to be seen.
    acted: Vec<(Instant, Duration)>,
    confirmed: BTreeMap<u64, Duration>,
}

/// The file `target/e2e.json`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    pub apply_to_ready_s: f64,
    pub hands: usize,
    pub actions: usize,
    /// From sending an action until the last player has received it.
    pub action_to_last_broadcast_ms: Percentiles,
    /// From a hand's end to the report that its settlement is final.
    pub hand_end_to_confirmed_s: Percentiles,
    pub hands_confirmed: usize,
}

impl Figures {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn arrived(&self, cursor: (u64, u64)) {
        let mut held = self.held();
        if held.arrived.len() < SAMPLES_MAX {
            held.arrived.insert(cursor, Instant::now());
        }
    }

    pub fn sent(&self, cursor: (u64, u64), at: Instant) {
        let mut held = self.held();
        if held.sent.len() < SAMPLES_MAX {
            held.sent.insert(cursor, at);
        }
    }

    /// Records an action's latency, even if it had to be sent again.
    pub fn acted(&self, sent: Instant, seen: Instant) {
        let mut held = self.held();
        if held.acted.len() < SAMPLES_MAX {
            held.acted.push((sent, seen.duration_since(sent)));
        }
    }

    /// The longest that a player waited for an action which was under way after `since`.
    pub fn longest_wait(&self, since: Instant) -> Duration {
        let held = self.held();
        let under_way = held.acted.iter().filter(|(sent, wait)| *sent + *wait >= since);
        under_way.map(|(_, wait)| *wait).max().unwrap_or_default()
    }

    /// The longest time in which nothing new came to the players, of the pauses that ended after `since`.
    pub fn longest_silence(&self, since: Instant) -> Duration {
        let mut heard: Vec<Instant> = self.held().arrived.values().copied().collect();
        heard.sort_unstable();
        let pauses = heard.windows(2).filter(|pair| pair[1] >= since);
        pauses.map(|pair| pair[1].duration_since(pair[0])).max().unwrap_or_default()
    }

    pub fn hand_ended(&self, seq: u64) {
        self.held().ended.entry(seq).or_insert_with(Instant::now);
    }

    pub fn confirmed(&self, from: u64, to: u64) {
        let mut held = self.held();
        let now = Instant::now();
        let fresh: Vec<(u64, Duration)> =
            held.ended.range(from..=to).map(|(seq, ended)| (*seq, now.duration_since(*ended))).collect();
        for (seq, took) in fresh {
            held.confirmed.entry(seq).or_insert(took);
        }
    }

    /// Hands whose end was seen, and those of them that are final on chain.
    pub fn hands(&self) -> (usize, usize) {
        let held = self.held();
        (held.ended.len(), held.confirmed.len())
    }

    pub fn summary(&self, ready_after: Duration, hands: usize) -> Summary {
        let held = self.held();
        let mut actions: Vec<Duration> = held
            .sent
            .iter()
            .filter_map(|(cursor, sent)| Some(held.arrived.get(cursor)?.duration_since(*sent)))
            .collect();
        // Percentiles are printed as milliseconds: a thousandth of a second's duration makes seconds.
        let mut confirmed: Vec<Duration> = held.confirmed.values().map(|took| *took / 1000).collect();
        Summary {
            apply_to_ready_s: (ready_after.as_secs_f64() * 100.0).round() / 100.0,
            hands,
            actions: actions.len(),
            action_to_last_broadcast_ms: Percentiles::of(&mut actions),
            hand_end_to_confirmed_s: Percentiles::of(&mut confirmed),
            hands_confirmed: confirmed.len(),
        }
    }
}
