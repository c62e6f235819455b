//! Writes that the watch may not show yet. Each is recorded before it is made.

use super::{
    observe::{Hashes, TableView},
    step::Step,
};
use std::collections::{BTreeMap, BTreeSet};

/// An expectation that the watch has not met after this time is given up, in seconds. ReplicaSets use the same time.
const GIVE_UP_S: i64 = 300;
/// Changes of one table that the watch may be behind by; of more, the oldest are given up.
const CHANGES_MAX: usize = 8;

#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// By name.
    creating: BTreeMap<String, Creating>,
    /// Expected changes by UID, in the order of the writes: a table may be moved and closed before the watch shows
    /// either.
    changing: BTreeMap<String, Vec<Changing>>,
    /// Expected deletions by UID, with the time of the write.
    deleting: BTreeMap<String, i64>,
    /// The highest number that was given to a table.
    number: u64,
}

#[derive(Clone, Debug)]
struct Creating {
    since_s: i64,
    of: Hashes,
    /// The answer of the API server was lost, so the same name is tried again.
    unknown: bool,
}

#[derive(Clone, Debug)]
struct Changing {
    since_s: i64,
    /// The object's generation before the change, once every earlier change is carried out.
    generation: i64,
    what: Change,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Close,
    Open,
    Move,
    Pause(bool),
}

impl Expectations {
    /// Drops expectations that the watch shows or that are too old.
    pub fn settle(&mut self, tables: &[TableView], now_s: i64) {
        let names: BTreeSet<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let by_uid: BTreeMap<&str, &TableView> =
            tables.iter().map(|table| (table.uid.as_str(), table)).collect();
        let fresh = |since_s: i64| now_s - since_s < GIVE_UP_S;
        self.creating.retain(|name, creating| !names.contains(name.as_str()) && fresh(creating.since_s));
        self.changing.retain(|uid, changes| {
            let generation = by_uid.get(uid.as_str()).map(|table| table.generation);
            changes.retain(|change| {
                generation.is_some_and(|generation| generation <= change.generation) && fresh(change.since_s)
            });
            !changes.is_empty()
        });
        self.deleting.retain(|uid, since_s| {
            by_uid.get(uid.as_str()).is_some_and(|table| !table.deleting) && fresh(*since_s)
        });
        let seen = tables.iter().map(|table| table.number).max().unwrap_or_default();
        self.number = self.number.max(seen);
    }

    /// The tables as they will be once the watch shows every write.
    pub fn overlay(&self, tables: &[TableView], wanted: &Hashes, now_s: i64) -> Vec<TableView> {
        let mut all = tables.to_vec();
        for table in &mut all {
            table.deleting |= self.deleting.contains_key(&table.uid);
            for change in self.changing.get(&table.uid).into_iter().flatten() {
                match change.what {
                    Change::Close => (table.closed, table.taking) = (true, false),
                    Change::Open => (table.closed, table.scaled_in) = (false, false),
                    Change::Move => {
                        (table.same_pod, table.settled, table.taking, table.trouble) =
                            (true, false, false, None);
                        table.unready_since_s = table.unready_since_s.map(|_| now_s);
                    }
                    Change::Pause(paused) => (table.paused, table.paused_by_fleet) = (paused, paused),
                }
            }
        }
        all.extend(self.creating.iter().map(|(name, creating)| TableView {
            name: name.clone(),
            same_play: creating.of.play == wanted.play,
            same_pod: creating.of.pod == wanted.pod,
            unready_since_s: Some(creating.since_s),
            ..TableView::default()
        }));
        all
    }

    /// Names whose creation is tried again.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.creating.iter().filter(|(_, creating)| creating.unknown).map(|(name, _)| name.as_str())
    }

    /// The number of the next table. A number is reused only if this process never saw its table.
    pub fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Records a step that is about to be written.
    pub fn record(&mut self, step: &Step, of: &Hashes, generation: i64, now_s: i64) {
        let mut change = |uid: &str, what| {
            let changes = self.changing.entry(uid.to_owned()).or_default();
            let earlier = changes.last().map_or(generation, |change| change.generation + 1);
            if changes.len() >= CHANGES_MAX {
                changes.remove(0);
            }
            changes.push(Changing { since_s: now_s, generation: generation.max(earlier), what });
        };
        match step {
            Step::AddFinalizer | Step::ReleaseFinalizer => {}
            Step::Create { name } => {
                let creating = self.creating.entry(name.clone());
                creating
                    .or_insert_with(|| Creating { since_s: now_s, of: of.clone(), unknown: false })
                    .unknown = false;
            }
            Step::Close { uid, .. } => change(uid, Change::Close),
            Step::Open { uid, .. } => change(uid, Change::Open),
            Step::Move { uid, .. } => change(uid, Change::Move),
            Step::Pause { uid, paused, .. } => change(uid, Change::Pause(*paused)),
            Step::Delete { uid, .. } => {
                self.deleting.insert(uid.clone(), now_s);
            }
        }
    }

    /// Removes the expectation of a failed step. If the outcome is unknown, a creation is tried again with the same
    /// name.
    pub fn failed(&mut self, step: &Step, known: bool) {
        match step {
            Step::AddFinalizer | Step::ReleaseFinalizer => {}
            Step::Create { name } if known => {
                self.creating.remove(name);
            }
            Step::Create { name } => {
                if let Some(creating) = self.creating.get_mut(name) {
                    creating.unknown = true;
                }
            }
            // Patches and deletions name the object they apply to, so repeating one has no effect.
            Step::Close { uid, .. }
            | Step::Open { uid, .. }
            | Step::Move { uid, .. }
            | Step::Pause { uid, .. } => {
                self.changing.remove(uid);
            }
            Step::Delete { uid, .. } => {
                self.deleting.remove(uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::step::Why;

    #[test]
    fn a_table_that_is_moved_and_closed_is_closed_until_the_watch_shows_both() {
        let (uid, of) = ("a".to_owned(), Hashes::default());
        let mut expect = Expectations::default();
        expect.record(&Step::Move { uid: uid.clone() }, &of, 4, 0);
        expect.record(&Step::Close { uid: uid.clone(), why: Why::Template }, &of, 4, 1);
        let mut shown = |generation, now_s| {
            let table = TableView { uid: uid.clone(), generation, ..TableView::default() };
            expect.settle(std::slice::from_ref(&table), now_s);
            let [table] = expect.overlay(&[table], &of, now_s).try_into().unwrap();
            (table.same_pod, table.closed)
        };
        assert_eq!(shown(4, 1), (true, true));
        assert_eq!(shown(5, 2), (false, true));
        assert_eq!(shown(6, 3), (false, false));
    }
}
