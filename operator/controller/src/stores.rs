//! State of each store group: whether it has a master, or even two.
//!
//! A table that cannot commit blocks inside its commit and writes no summary, so its summary cannot report the loss of
//! its store. And a table only sees one of two masters.

pub mod watch;

use purr_store::StoreError;
use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

/// A group that has not answered by then is out of reach.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// Why the master of a group could not be determined.
#[derive(Debug, thiserror::Error)]
enum NotSeen {
    #[error("it does not answer within {} s", LOOK_MAX.as_secs())]
    TimeOut,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A group at the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Whole,
    /// No node accepts writes, or no node could be reached.
    NoMaster(String),
    /// Split brain: each of these nodes says that it is the master.
    Split(Vec<String>),
}

impl Seen {
    fn of(masters: Result<Vec<String>, NotSeen>) -> Self {
        match masters {
            Err(problem) => Self::NoMaster(problem.to_string()),
            Ok(masters) if masters.len() > 1 => Self::Split(masters),
            Ok(masters) if masters.is_empty() => Self::NoMaster("no node says that it is the master".into()),
            Ok(_) => Self::Whole,
        }
    }

    fn masters(&self) -> i64 {
        match self {
            Self::Whole => 1,
            Self::NoMaster(_) => 0,
            Self::Split(masters) => i64::try_from(masters.len()).unwrap_or(i64::MAX),
        }
    }
}

/// By the name of the group, as in `spec.store`.
#[derive(Default)]
pub struct Stores(RwLock<BTreeMap<String, Seen>>);

impl Stores {
    /// `None`: nobody has looked yet.
    pub fn get(&self, group: &str) -> Option<Seen> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(group).cloned()
    }

    /// Stores a state. Returns whether it is news: another error of a group without a master is none, because Redis
    /// words it differently each time.
    fn set(&self, group: &str, seen: Seen) -> bool {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(group.to_owned(), seen.clone());
        match (before, seen) {
            (Some(Seen::NoMaster(_)), Seen::NoMaster(_)) => false,
            (before, seen) => before != Some(seen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_master_is_well_two_are_a_split_and_none_is_a_loss() {
        let node = |name: &str| name.to_owned();
        assert_eq!(Seen::of(Ok(vec![node("a")])), Seen::Whole);
        assert_eq!(Seen::of(Ok(vec![node("a"), node("b")])).masters(), 2);
        assert!(matches!(Seen::of(Ok(Vec::new())), Seen::NoMaster(_)));
        assert_eq!(Seen::of(Err(NotSeen::TimeOut)), Seen::NoMaster("it does not answer within 10 s".into()));
    }

    #[test]
    fn only_what_changes_a_condition_is_news() {
        let stores = Stores::default();
        let split = Seen::Split(vec!["a".into(), "b".into()]);
        assert!(stores.get("default").is_none() && stores.set("default", Seen::Whole));
        assert!(!stores.set("default", Seen::Whole));
        assert!(stores.set("default", split.clone()) && stores.get("default") == Some(split));
        assert!(stores.set("default", Seen::NoMaster("refused".into())));
        assert!(!stores.set("default", Seen::NoMaster("time-out".into())));
        assert!(stores.set("other", Seen::Whole) && stores.set("default", Seen::Whole));
    }
}
