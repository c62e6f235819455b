//! Tables, players and an API server in virtual time, with a watch cache that lags as much as a test wants.

use super::*;
use crate::{fleet::observe::Trouble, testing};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// From a pod's creation to its first service, in seconds.
const START_S: i64 = 2;
/// Longest hand that a table ends before it moves, in seconds.
const HAND_S: u64 = 20;

/// A table as the world has it.
#[derive(Clone, Debug)]
pub(super) struct Sim {
    pub(super) number: u64,
    pub(super) uid: String,
    generation: i64,
    play: String,
    /// Pod template in the object's spec.
    pub(super) pod: String,
    /// Template of the pod that runs or starts.
    pub(super) runs: String,
    pub(super) closed: bool,
    why: Option<Why>,
    closed_s: i64,
    /// Until when the old pod finishes its hand.
    drains_s: Option<i64>,
    /// From when on the pod serves.
    up_s: i64,
    served: bool,
    down_since_s: i64,
    deleting_s: Option<i64>,
    pub(super) players: u32,
}

pub(super) struct World {
    pub(super) spec: PokerTableFleetSpec,
    pub(super) generation: i64,
    pub(super) deleted: bool,
    pub(super) finalizer: bool,
    pub(super) now_s: i64,
    pub(super) tables: BTreeMap<String, Sim>,
    /// Pods of these templates never serve.
    pub(super) broken: BTreeSet<String>,
    /// How far the watch cache lags, in seconds.
    pub(super) lag_s: i64,
    /// Number of coming creations whose answer is lost.
    pub(super) lose: usize,
    pub(super) memory: Memory,
    seen: VecDeque<(i64, Vec<TableView>)>,
    /// Hashes of each version of a table, by UID and generation.
    made: BTreeMap<(String, i64), (String, String)>,
    dice: u64,
    uids: u64,
    pub(super) created: usize,
    pub(super) conflicts: usize,
    pub(super) removed: usize,
    /// Seconds in which a table was closed for want of players.
    pub(super) scale_downs: Vec<i64>,
    pub(super) moves: usize,
    pub(super) last: Option<Decision>,
    /// When the fleet was last decided on.
    decided: i64,
    restarted: bool,
}

impl World {
    pub(super) fn new(change: impl FnOnce(&mut PokerTableFleetSpec)) -> Self {
        let mut spec = testing::pokertablefleet().spec;
        (spec.replicas, spec.min_replicas, spec.max_replicas) = (4, 0, 100);
        (spec.buffer.tables, spec.buffer.percent, spec.buffer.seats) = (0, 0, 0);
        (spec.rollout.batch, spec.rollout.max_unavailable) = (3, 1);
        change(&mut spec);
        Self {
            spec,
            generation: 1,
            deleted: false,
            finalizer: true,
            now_s: 1_000_000,
            tables: BTreeMap::new(),
            broken: BTreeSet::new(),
            lag_s: 0,
            lose: 0,
            memory: Memory::new(1, 1_000_000),
            seen: VecDeque::new(),
            made: BTreeMap::new(),
            dice: 7,
            uids: 0,
            created: 0,
            conflicts: 0,
            removed: 0,
            scale_downs: Vec::new(),
            moves: 0,
            last: None,
            decided: 0,
            restarted: false,
        }
    }

    /// A generator that its seed determines completely (SplitMix64; Steele, Lea, Flood 2014).
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut PokerTableFleetSpec)) {
        change(&mut self.spec);
        self.generation += 1;
    }

    /// Restarts the controller. Its first list shows what the API server has then.
    pub(super) fn restart(&mut self) {
        self.forget();
        self.seen.clear();
    }

    /// Restarts the controller without memory; its watch cache lags as before.
    pub(super) fn forget(&mut self) {
        self.memory = Memory::new(self.generation, self.now_s);
        self.restarted = true;
    }

    pub(super) fn hashes(&self) -> Hashes {
        Hashes::of(&self.spec.template)
    }

    fn is_up(&self, table: &Sim) -> bool {
        table.deleting_s.is_none()
            && (table.drains_s.is_some() || (table.up_s <= self.now_s && !self.broken.contains(&table.runs)))
    }

    /// Whether a player who arrives now may sit down there: an order to close reaches the table within a second.
    fn takes(&self, table: &Sim) -> bool {
        self.is_up(table)
            && table.drains_s.is_none()
            && !(table.closed && table.closed_s < self.now_s)
            && table.players < self.seats()
    }

    pub(super) fn seats(&self) -> u32 {
        self.spec.template.seats.try_into().unwrap()
    }

    pub(super) fn view(&self, name: &str, table: &Sim) -> TableView {
        let hashes = self.hashes();
        let ready = self.is_up(table);
        let settled = ready && table.drains_s.is_none() && table.pod == table.runs;
        let trouble = (!ready && table.up_s <= self.now_s && self.broken.contains(&table.runs))
            .then(|| Trouble { reason: "ImageUnavailable".into(), message: "no such image".into() });
        TableView {
            name: name.to_owned(),
            uid: table.uid.clone(),
            number: table.number,
            generation: table.generation,
            same_play: table.play == hashes.play,
            same_pod: table.pod == hashes.pod,
            closed: table.closed,
            scaled_in: table.why == Some(Why::ScaleIn),
            confirmed: ready && table.closed && table.closed_s < self.now_s,
            paused: false,
            paused_by_fleet: false,
            deleting: table.deleting_s.is_some(),
            served: table.served,
            ready,
            settled,
            queued: false,
            taking: settled && !table.closed,
            trouble,
            unready_since_s: (!ready).then_some(table.down_since_s),
            players: table.players,
            counted: ready,
            seats: self.seats(),
            node: Some(format!("node-{}", table.number % 3)),
        }
    }

    pub(super) fn views(&self) -> Vec<TableView> {
        self.tables.iter().map(|(name, table)| self.view(name, table)).collect()
    }

    pub(super) fn count(&self, what: impl Fn(&TableView) -> bool) -> usize {
        self.views().iter().filter(|view| what(view)).count()
    }

    /// One second: tables and players change, the watch shows a version, and the controller decides and writes.
    pub(super) fn tick(&mut self) {
        self.now_s += 1;
        let now_s = self.now_s;
        for name in self.tables.keys().cloned().collect::<Vec<_>>() {
            let mut table = self.tables[&name].clone();
            if table.drains_s.is_some_and(|until_s| until_s <= now_s) {
                (table.drains_s, table.up_s, table.down_since_s) = (None, now_s + START_S, now_s);
                table.runs = table.pod.clone();
            }
            table.served |= self.is_up(&table);
            // The pod takes a moment to stop.
            let gone = table.deleting_s.is_some_and(|since_s| now_s - since_s >= 2);
            self.tables.insert(name.clone(), table);
            if gone {
                self.tables.remove(&name);
            }
        }
        self.seen.push_back((now_s, self.views()));
        for table in self.tables.values() {
            let of = (table.play.clone(), table.pod.clone());
            self.made.insert((table.uid.clone(), table.generation), of);
        }
        while self.seen.len() > 1 && self.seen[1].0 <= now_s - self.lag_s {
            self.seen.pop_front();
        }
        let hashes = self.hashes();
        let mut tables = self.seen[0].1.clone();
        // Old objects are compared with the template of now.
        for view in &mut tables {
            if let Some((play, pod)) = self.made.get(&(view.uid.clone(), view.generation)) {
                (view.same_play, view.same_pod) = (*play == hashes.play, *pod == hashes.pod);
            }
        }
        let seen = Observed {
            name: "nl100",
            spec: &self.spec,
            hashes: &hashes,
            generation: self.generation,
            finalizer: self.finalizer,
            deleting: self.deleted,
            orphan: false,
            tables: &tables,
            now_s,
        };
        let decision = decide(&seen, &mut self.memory);
        assert!(decision.steps.len() <= STEPS_MAX);
        for step in &decision.steps {
            self.write(step);
        }
        // Judged by what the watch shows: nobody can know what others do meanwhile. The one remaining table may be
        // full.
        let goes = |table: &TableView| {
            let is_it = |step: &&Step| step.uid() == Some(table.uid.as_str());
            let touches = |step: &Step| matches!(step, Step::Close { .. } | Step::Move { .. });
            decision.steps.iter().filter(is_it).any(touches)
        };
        let open = |table: &&TableView| !table.deleting && table.taking && table.players < table.seats;
        let stays = |table: &&TableView| !table.deleting && !table.closed && table.settled && !goes(table);
        let closes = decision.steps.iter().any(|step| matches!(step, Step::Close { .. }));
        if closes && decision.demand.least() > 0 && decision.tables.iter().any(|table| open(&table)) {
            let left = decision.tables.iter().filter(stays).count();
            assert!(left > 0, "nobody can sit down any more: {:?}", decision.steps);
        }
        self.last = Some(decision);
        self.decided = self.generation;
    }

    fn write(&mut self, step: &Step) {
        let (now_s, hand_s) = (self.now_s, 1 + self.roll(HAND_S));
        let drains_s = now_s + i64::try_from(hand_s).unwrap();
        if let Step::Create { name } = step {
            let lost = self.lose > 0;
            self.lose -= usize::from(lost);
            // Half of the creations with a lost answer were carried out.
            let arrives = !lost || self.lose.is_multiple_of(2);
            if self.tables.contains_key(name) {
                self.conflicts += 1;
            } else if arrives {
                self.create(name.clone());
            }
            if lost {
                self.memory.expect.failed(step, false);
            }
            return;
        }
        let Some(uid) = step.uid() else {
            self.finalizer = *step == Step::AddFinalizer;
            return;
        };
        let up: BTreeSet<String> =
            self.tables.values().filter(|table| self.is_up(table)).map(|table| table.uid.clone()).collect();
        let pod = self.hashes().pod;
        // A deletion names the version that the watch has shown: the API server refuses it if the table has begun to
        // serve since, because that changed its status.
        let shown = self.seen.front().and_then(|(_, views)| views.iter().find(|view| view.uid == uid));
        let stale = shown.is_some_and(|shown| {
            let now = self.tables.iter().find(|(_, table)| table.uid == uid).map(|(n, t)| self.view(n, t));
            now.is_some_and(|now| {
                (now.generation, now.served, now.ready) != (shown.generation, shown.served, shown.ready)
            })
        });
        // The watch may show a table that is gone.
        let Some(table) = self.tables.values_mut().find(|table| table.uid == uid) else { return };
        match step {
            Step::AddFinalizer | Step::ReleaseFinalizer | Step::Create { .. } => unreachable!(),
            Step::Close { why, .. } => {
                assert!(!table.closed || self.restarted, "closed twice");
                (table.closed, table.why, table.closed_s) = (true, Some(*why), now_s);
                table.generation += 1;
                if *why == Why::ScaleIn && self.scale_downs.last() != Some(&now_s) {
                    self.scale_downs.push(now_s);
                }
            }
            Step::Open { .. } => {
                (table.closed, table.why) = (false, None);
                table.generation += 1;
            }
            Step::Move { .. } => {
                self.moves += 1;
                table.generation += 1;
                table.pod = pod;
                if up.contains(&table.uid) {
                    table.drains_s.get_or_insert(drains_s);
                } else {
                    (table.runs, table.up_s) = (table.pod.clone(), now_s + START_S);
                }
            }
            Step::Pause { .. } => table.generation += 1,
            Step::Delete { .. } => {
                if stale {
                    self.conflicts += 1;
                    self.memory.expect.failed(step, true);
                    return;
                }
                if !table.closed {
                    // After a restart with a lagging cache: the deletion names the version that the cache had.
                    assert!(self.restarted, "an open table is never deleted");
                    self.memory.expect.failed(step, true);
                    return;
                }
                assert_eq!(table.players, 0, "a table with players is never deleted");
                // The table may have been deleted already.
                self.removed += usize::from(table.deleting_s.is_none());
                table.deleting_s.get_or_insert(now_s);
            }
        }
    }

    fn create(&mut self, name: String) {
        self.uids += 1;
        self.created += 1;
        let Hashes { play, pod } = self.hashes();
        let table = Sim {
            number: crate::fleet::observe::number("nl100", &name).unwrap(),
            uid: format!("uid-{}", self.uids),
            generation: 1,
            play,
            runs: pod.clone(),
            pod,
            closed: false,
            why: None,
            closed_s: 0,
            drains_s: None,
            up_s: self.now_s + START_S,
            served: false,
            down_since_s: self.now_s,
            deleting_s: None,
            players: 0,
        };
        self.tables.insert(name, table);
    }

    pub(super) fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.tick();
        }
    }

    /// Runs until this holds; returns after how many seconds.
    pub(super) fn until(&mut self, most_s: i64, what: impl Fn(&Self) -> bool) -> i64 {
        for seconds in 0..=most_s {
            if what(self) {
                return seconds;
            }
            self.tick();
        }
        panic!("not within {most_s} s: {:#?}", self.views());
    }

    /// Puts players at `wanted` tables, the fullest tables first; nobody is moved.
    pub(super) fn occupy(&mut self, wanted: usize) {
        let names: Vec<String> = self.tables.keys().cloned().collect();
        let have = self.tables.values().filter(|table| table.players > 0).count();
        let mut missing = wanted.saturating_sub(have);
        for name in names.iter().take_while(|_| have < wanted) {
            let table = &self.tables[name];
            if missing > 0 && table.players == 0 && self.takes(table) {
                self.tables.get_mut(name).unwrap().players = 2;
                missing -= 1;
            }
        }
        let mut more = have.saturating_sub(wanted);
        for name in names.iter().rev() {
            let table = self.tables.get_mut(name).unwrap();
            if more > 0 && table.players > 0 {
                table.players = 0;
                more -= 1;
            }
        }
    }

    /// One player arrives or leaves at a table that allows it.
    pub(super) fn someone(&mut self) {
        let names: Vec<String> = self.tables.keys().cloned().collect();
        if names.is_empty() {
            return;
        }
        let at = usize::try_from(self.roll(names.len() as u64)).unwrap();
        let takes = self.takes(&self.tables[&names[at]]);
        let come = self.roll(2) == 0;
        let table = self.tables.get_mut(&names[at]).unwrap();
        if come && takes {
            table.players += 1;
        } else if !come && table.drains_s.is_none() {
            table.players = table.players.saturating_sub(1);
        }
    }

    /// The tables of these players end: somebody deletes them.
    pub(super) fn end(&mut self, names: &[String]) {
        let now_s = self.now_s;
        for name in names {
            let table = self.tables.get_mut(name).unwrap();
            (table.players, table.deleting_s) = (0, Some(now_s));
        }
    }

    /// Makes the pod of a table fail and return after this time.
    pub(super) fn fail(&mut self, name: &str, seconds: i64) {
        let now_s = self.now_s;
        let table = self.tables.get_mut(name).unwrap();
        (table.up_s, table.down_since_s, table.drains_s) = (now_s + seconds, now_s, None);
        table.runs = table.pod.clone();
    }

    pub(super) fn is_done(&self) -> bool {
        let views = self.views();
        self.decided == self.generation
            && views.iter().all(|table| table.is_live() && table.settled && table.same_pod)
            && self.last.as_ref().is_some_and(|last| last.steps.is_empty() && last.rollout.stalled.is_none())
    }
}
