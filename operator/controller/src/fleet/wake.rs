//! The set of fleets whose tables have changed and that wait for a reconcile. It holds each fleet at most once.
//!
//! The debounce of kube's controller does not fit: every event restarts it, and tables that play never stop sending
//! events.

use futures::Stream;
use kube::runtime::reflector::ObjectRef;
use purr_crds::{PokerTable, PokerTableFleet};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// Changes within this time are handled in one reconcile.
const TOGETHER: Duration = Duration::from_millis(200);

/// Namespace and name.
pub type Key = (String, String);

#[derive(Clone, Default)]
pub struct Wake(Arc<Inner>);

#[derive(Default)]
struct Inner {
    waiting: Mutex<BTreeSet<Key>>,
    more: Notify,
}

/// Namespace and name of the fleet that a table belongs to.
pub fn fleet_of(table: &PokerTable) -> Option<(String, String)> {
    let owners = table.metadata.owner_references.as_deref().unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.controller == Some(true) && owner.kind == "PokerTableFleet");
    Some((table.metadata.namespace.clone()?, owner?.name.clone()))
}

impl Wake {
    /// Adds the fleet of a table, if it has one.
    pub fn about(&self, table: &PokerTable) {
        if let Some(key) = fleet_of(table) {
            self.fleet(key);
        }
    }

    /// Notes a fleet, by namespace and name.
    pub fn fleet(&self, key: Key) {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        self.0.more.notify_one();
    }

    /// The added fleets, each once for all changes within [`TOGETHER`].
    pub fn stream(&self) -> impl Stream<Item = ObjectRef<PokerTableFleet>> + use<> {
        futures::stream::unfold((self.0.clone(), BTreeSet::<Key>::new()), async |(inner, mut due)| {
            loop {
                if let Some((namespace, name)) = due.pop_first() {
                    return Some((ObjectRef::new(&name).within(&namespace), (inner, due)));
                }
                inner.more.notified().await;
                tokio::time::sleep(TOGETHER).await;
                due = std::mem::take(&mut *inner.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use futures::StreamExt;
    use tokio::time::{Instant, timeout};

    #[tokio::test(start_paused = true)]
    async fn fleets_whose_tables_never_stop_changing_are_looked_at_five_times_a_second() {
        let wake = Wake::default();
        let mut stream = Box::pin(wake.stream());
        wake.about(&testing::table());
        assert!(timeout(Duration::from_secs(9), stream.next()).await.is_err(), "a table without a fleet");
        let (noting, started) = (wake.clone(), Instant::now());
        tokio::spawn(async move {
            loop {
                noting.about(&testing::table_of("nl100"));
                noting.about(&testing::table_of("nl200"));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        for _ in 0..10 {
            assert_eq!(stream.next().await.unwrap().name, "nl100");
            assert_eq!(stream.next().await.unwrap().name, "nl200");
        }
        let took = started.elapsed();
        assert!((Duration::from_millis(1_900)..Duration::from_millis(2_500)).contains(&took), "{took:?}");
    }
}
