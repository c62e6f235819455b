//! Which tables may move to a new pod now.
//!
//! Tables without a fleet share one budget; the tables of a fleet have the fleet's. A table holds its turn until its
//! new pod serves, so a batch that does not start keeps all other tables where they are. This is a function of values:
//! it reads neither a clock nor the API. Its state may be lost with the process: tables with a successor then take
//! their turn again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

/// Wait, in seconds, after the process begins to lead and after a group's first request: tables that are moving already
/// and tables without players go first, so they need time to ask.
const SETTLE_S: i64 = 3;
/// Time that one batch is expected to take, in seconds.
const BATCH_S: u64 = 4;
/// Longest time between two questions of a table that waits, in seconds.
const AGAIN_S_MAX: u64 = 60;

/// Tables that a node's drain moves at once. Each start takes processor time from the others' take-overs, for which players
/// wait; their own pods play on meanwhile.
const EVICTED_BATCH: usize = 3;

/// Tables with a common budget.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Tables whose pods were asked to go, as by a drain of their node.
    Evicted,
    /// Tables without a fleet.
    Single,
    /// Namespace and name of a fleet.
    Fleet(String, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Tables that move at once.
    pub batch: usize,
    /// Seconds that a new pod has to stand by.
    pub deadline_s: i64,
}

/// Order of turns: tables without players, then those with the fewest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    pub players: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Now,
    /// Ask again after this time, in seconds.
    Later {
        again_s: u64,
    },
}

#[derive(Default)]
struct Moves {
    moving: BTreeSet<String>,
    /// Waiting tables with their rank, and how long the request is valid.
    waiting: BTreeMap<String, (Rank, i64)>,
    since_s: i64,
}

/// All groups.
pub struct Pace {
    single: Budget,
    begun_s: i64,
    budgets: HashMap<Group, Budget>,
    groups: HashMap<Group, Moves>,
}

impl Pace {
    /// `single`: budget of the tables without a fleet. `now_s`: seconds since 1970.
    pub fn new(single: Budget, now_s: i64) -> Self {
        Self { single, begun_s: now_s, budgets: HashMap::new(), groups: HashMap::new() }
    }

    pub fn set_budget(&mut self, group: Group, budget: Budget) {
        self.budgets.insert(group, budget);
    }

    /// A fleet is gone.
    pub fn forget_group(&mut self, group: &Group) {
        self.budgets.remove(group);
        self.groups.remove(group);
    }

    /// A fleet that has not been read yet moves one table at a time.
    pub fn budget(&self, group: &Group) -> Budget {
        match group {
            Group::Evicted => Budget { batch: EVICTED_BATCH, ..self.single },
            Group::Single => self.single,
            Group::Fleet(..) => {
                self.budgets.get(group).copied().unwrap_or(Budget { batch: 1, ..self.single })
            }
        }
    }

    /// A table has a successor already, for instance from before this process.
    pub fn is_moving(&mut self, group: &Group, uid: &str) {
        let moves = self.groups.entry(group.clone()).or_default();
        moves.waiting.remove(uid);
        moves.moving.insert(uid.to_owned());
    }

    /// A table asks for its turn. Asking again keeps a turn that was given.
    pub fn ask(&mut self, group: &Group, uid: &str, rank: Rank, now_s: i64) -> Turn {
        let Budget { batch, .. } = self.budget(group);
        let begun_s = self.begun_s;
        let moves = self.groups.entry(group.clone()).or_default();
        if moves.moving.contains(uid) {
            return Turn::Now;
        }
        moves.waiting.retain(|_, (_, until_s)| *until_s >= now_s);
        if moves.moving.is_empty() && moves.waiting.is_empty() {
            moves.since_s = now_s;
        }
        let until_s = now_s.saturating_add_unsigned(2 * AGAIN_S_MAX);
        moves.waiting.insert(uid.to_owned(), (rank, until_s));
        // Evicted pods have a deadline, so they do not wait for the others.
        let settled = *group == Group::Evicted || now_s - moves.since_s.max(begun_s) >= SETTLE_S;
        let first = |(other, (theirs, _)): &(&String, &(Rank, i64))| (*theirs, other.as_str()) < (rank, uid);
        let before = moves.waiting.iter().filter(first).count();
        let room = batch.saturating_sub(moves.moving.len());
        if settled && before < room {
            self.is_moving(group, uid);
            return Turn::Now;
        }
        let batches = u64::try_from(before / batch.max(1)).unwrap_or(u64::MAX);
        Turn::Later { again_s: 1 + batches.saturating_mul(BATCH_S).min(AGAIN_S_MAX - 1) }
    }

    /// Ends a table's turn: the table has the wanted pod, or is gone.
    pub fn done(&mut self, group: &Group, uid: &str) {
        if let Some(moves) = self.groups.get_mut(group) {
            moves.moving.remove(uid);
            moves.waiting.remove(uid);
            if moves.moving.is_empty() && moves.waiting.is_empty() {
                self.groups.remove(group);
            }
        }
    }
}

/// One [`Pace`], shared by all reconciles.
pub struct SharedPace(Mutex<Pace>);

impl SharedPace {
    pub fn new(pace: Pace) -> Self {
        Self(Mutex::new(pace))
    }

    pub fn with<T>(&self, use_it: impl FnOnce(&mut Pace) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: Budget = Budget { batch: 2, deadline_s: 180 };

    fn asks(pace: &mut Pace, uid: usize, players: u32, now_s: i64) -> bool {
        pace.ask(&Group::Single, &format!("{uid:02}"), Rank { players }, now_s) == Turn::Now
    }

    #[test]
    fn one_batch_moves_at_a_time_and_free_tables_go_first() {
        let mut pace = Pace::new(SINGLE, 0);
        let players = |uid: usize| if uid < 6 { 4 } else { 0 };
        for uid in 0..10 {
            assert!(!asks(&mut pace, uid, players(uid), 100), "nobody has had the time to ask");
        }
        let mut order = Vec::new();
        let mut now_s = 103;
        while order.len() < 10 {
            let moved: Vec<usize> = (0..10)
                .filter(|uid| !order.contains(uid))
                .filter(|uid| asks(&mut pace, *uid, players(*uid), now_s))
                .collect();
            assert!(!moved.is_empty() && moved.len() <= 2, "{moved:?}");
            for uid in &moved {
                pace.done(&Group::Single, &format!("{uid:02}"));
            }
            order.extend(moved);
            now_s += 1;
        }
        assert_eq!(order, [6, 7, 8, 9, 0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_batch_that_does_not_come_up_keeps_all_others_where_they_are() {
        let mut pace = Pace::new(SINGLE, 0);
        for now_s in 100..1_000 {
            let moving = (0..10).filter(|uid| asks(&mut pace, *uid, 0, now_s)).count();
            assert!(moving <= 2);
        }
        // After the undo these two hold no turn, and the others do not ask.
        (0..10).for_each(|uid| pace.done(&Group::Single, &format!("{uid:02}")));
        assert!(pace.groups.is_empty());
    }

    #[test]
    fn tables_that_move_already_count_when_the_controller_starts_anew() {
        let mut pace = Pace::new(SINGLE, 100);
        assert!(!asks(&mut pace, 3, 0, 101));
        pace.is_moving(&Group::Single, "01");
        pace.is_moving(&Group::Single, "02");
        assert!(!asks(&mut pace, 3, 0, 200));
        pace.done(&Group::Single, "01");
        assert!(asks(&mut pace, 3, 0, 201));
    }

    #[test]
    fn a_table_that_asks_no_more_holds_nobody_up_for_ever() {
        let mut pace = Pace::new(Budget { batch: 1, ..SINGLE }, 0);
        asks(&mut pace, 1, 0, 100);
        assert!(!asks(&mut pace, 2, 5, 103));
        assert!(
            asks(&mut pace, 2, 5, 103 + 2 * i64::try_from(AGAIN_S_MAX).unwrap())
                || asks(&mut pace, 2, 5, 300)
        );
    }

    #[test]
    fn each_fleet_has_its_own_budget() {
        let mut pace = Pace::new(SINGLE, 0);
        let fleet = |name: &str| Group::Fleet("poker".into(), name.into());
        pace.set_budget(fleet("a"), Budget { batch: 3, ..SINGLE });
        let mut ask = |group: &Group, uid: &str| pace.ask(group, uid, Rank::default(), 100);
        for uid in ["1", "2", "3", "4"] {
            ask(&fleet("a"), uid);
            ask(&fleet("b"), uid);
        }
        let mut now = |group: &Group| {
            let asked = ["1", "2", "3", "4"].map(|uid| pace.ask(group, uid, Rank::default(), 110));
            asked.iter().filter(|turn| **turn == Turn::Now).count()
        };
        assert_eq!((now(&fleet("a")), now(&fleet("b")), now(&Group::Single)), (3, 1, 0));
    }

    #[test]
    fn evicted_tables_move_a_few_at_a_time_and_at_once() {
        let mut pace = Pace::new(SINGLE, 100);
        let ask = |pace: &mut Pace, uid: &str| pace.ask(&Group::Evicted, uid, Rank::default(), 100);
        let turns = ["1", "2", "3", "4"].map(|uid| ask(&mut pace, uid));
        assert_eq!(turns, [Turn::Now, Turn::Now, Turn::Now, Turn::Later { again_s: 1 }]);
        pace.done(&Group::Evicted, "2");
        assert_eq!(ask(&mut pace, "4"), Turn::Now);
    }

    #[test]
    fn those_at_the_end_of_the_line_ask_rarely() {
        let mut pace = Pace::new(SINGLE, 0);
        let waits: Vec<u64> = (0..1_000)
            .map(|uid: u32| match pace.ask(&Group::Single, &format!("{uid:04}"), Rank::default(), 100) {
                Turn::Later { again_s } => again_s,
                Turn::Now => panic!(),
            })
            .collect();
        assert_eq!((waits[0], waits[4], waits[999]), (1, 9, AGAIN_S_MAX));
    }
}
