//! What is seen of each store group: whether it has a master, and whether it has two.
//!
//! A table that cannot commit stands still inside its commit and writes no summary, so its store's loss is not to be had
//! from the table. And of two masters a table sees one.

use crate::{context::Context, table::store_name};
use futures::future::join_all;
use kube::runtime::reflector::{ObjectRef, Store};
use purr_crds::PokerTable;
use purr_runtime::CancellationToken;
use purr_store::{Link, LinkConfig, StoreError};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, timeout},
};

/// Between two looks at a group.
const EVERY: Duration = Duration::from_secs(2);
/// A group that has not answered by then is out of reach.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// Groups that are looked at side by side.
const AT_ONCE: usize = 8;

/// Why a group's nodes did not say who is their master.
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
    /// Nobody takes writes, or nobody could be asked.
    NoMaster(String),
    /// Split brain: these all say that they are the master.
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

    /// Says whether this is news. Another problem of a group without a master is none: what Redis says differs each time.
    fn set(&self, group: &str, seen: Seen) -> bool {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(group.to_owned(), seen.clone());
        match (before, seen) {
            (Some(Seen::NoMaster(_)), Seen::NoMaster(_)) => false,
            (before, seen) => before != Some(seen),
        }
    }
}

/// Looks until stopped; tells the tables of a group what has changed for it.
pub async fn watch(
    context: Arc<Context>,
    links: Vec<(String, LinkConfig)>,
    tables: Store<PokerTable>,
    changed: mpsc::Sender<ObjectRef<PokerTable>>,
    stop: CancellationToken,
) {
    let links: Vec<(String, Link)> =
        links.into_iter().map(|(name, config)| (name, Link::new(config))).collect();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let mut seen = Vec::with_capacity(links.len());
        for some in links.chunks(AT_ONCE) {
            let looks = some.iter().map(|(name, link)| async move {
                let masters = timeout(LOOK_MAX, link.masters()).await;
                let masters = masters.map_err(|_| NotSeen::TimeOut);
                (name.as_str(), masters.and_then(|masters| Ok(masters?)))
            });
            seen.extend(join_all(looks).await);
        }
        for (name, masters) in seen {
            let seen = Seen::of(masters);
            context.metrics.store_masters.with_label_values(&[name]).set(seen.masters());
            if !context.stores.set(name, seen.clone()) {
                continue;
            }
            match &seen {
                Seen::Split(masters) => tracing::error!(store = name, ?masters, "split brain"),
                Seen::NoMaster(problem) => tracing::warn!(store = name, problem, "no master"),
                Seen::Whole => tracing::info!(store = name, "one master"),
            }
            for table in tables.state().iter().filter(|table| store_name(table) == Some(name)) {
                if changed.send(ObjectRef::from_obj(table.as_ref())).await.is_err() {
                    return;
                }
            }
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
