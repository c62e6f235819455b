//! Asks the nodes of every store group who is their master, at a fixed interval.

use super::{LOOK_MAX, NotSeen, Seen};
use crate::{context::Context, table::store_name};
use futures::future::join_all;
use kube::runtime::reflector::{ObjectRef, Store};
use purr_crds::PokerTable;
use purr_runtime::CancellationToken;
use purr_store::{Link, LinkConfig};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, timeout},
};

/// Interval between checks of a group.
const EVERY: Duration = Duration::from_secs(2);
/// Groups that are checked concurrently.
const AT_ONCE: usize = 8;

/// Checks all groups until stopped; reconciles a group's tables when its state changes.
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
                Seen::Split(masters) => tracing::error!(
                    store = name,
                    ?masters,
                    "split brain: several nodes of the store call themselves master"
                ),
                Seen::NoMaster(problem) => tracing::warn!(store = name, problem, "the store has no master"),
                Seen::Whole => tracing::info!(store = name, "the store has one master again"),
            }
            for table in tables.state().iter().filter(|table| store_name(table) == Some(name)) {
                if changed.send(ObjectRef::from_obj(table.as_ref())).await.is_err() {
                    return;
                }
            }
        }
    }
}
