//! Fleets and their tables as the Kubernetes API shows them: two watches, whose objects are reduced as they are read.
//!
//! Needs `get`, `list` and `watch` on pokertablefleets and pokertables. Without them there are no fleets, and tables are
//! chosen one by one. No request asks the API.

use super::fleets::{FleetKey, FleetView, Fleets, LABEL_FLEET, Member};
use futures::TryStreamExt;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher},
};
use purr_crds::{PokerTable, PokerTableFleet};
use purr_runtime::CancellationToken;
use std::{pin::pin, sync::Arc};

/// Feeds the fleets until stopped. Without the API the last known ones stay in use.
pub async fn watch(client: Client, namespace: &str, fleets: Arc<Fleets>, stop: CancellationToken) {
    tokio::join!(
        watch_fleets(client.clone(), namespace, &fleets, &stop),
        watch_tables(client, namespace, &fleets, &stop)
    );
}

async fn watch_fleets(client: Client, namespace: &str, fleets: &Fleets, stop: &CancellationToken) {
    let api: Api<PokerTableFleet> = Api::namespaced(client, namespace);
    let mut events = pin!(watcher(api, watcher::Config::default()).default_backoff());
    let mut listed = Vec::new();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(watcher::Event::Init)) => listed.clear(),
            Ok(Some(watcher::Event::InitApply(fleet))) => listed.extend(FleetView::of(&fleet)),
            Ok(Some(watcher::Event::InitDone)) => fleets.replace_fleets(std::mem::take(&mut listed)),
            Ok(Some(watcher::Event::Apply(fleet))) => {
                if let Some(view) = FleetView::of(&fleet) {
                    fleets.apply_fleet(view);
                }
            }
            Ok(Some(watcher::Event::Delete(fleet))) => {
                let meta = fleet.metadata;
                let key = meta
                    .namespace
                    .zip(meta.name)
                    .and_then(|(namespace, name)| FleetKey::new(namespace, name));
                if let Some(key) = key {
                    fleets.delete_fleet(&key);
                }
            }
            Ok(None) => return,
            Err(error) => tracing::warn!(%error, "watch of pokertablefleets"),
        }
    }
}

async fn watch_tables(client: Client, namespace: &str, fleets: &Fleets, stop: &CancellationToken) {
    let api: Api<PokerTable> = Api::namespaced(client, namespace);
    let mut events = pin!(watcher(api, watcher::Config::default().labels(LABEL_FLEET)).default_backoff());
    let mut listed = Vec::new();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(watcher::Event::Init)) => listed.clear(),
            Ok(Some(watcher::Event::InitApply(table))) => listed.extend(Member::of(&table)),
            Ok(Some(watcher::Event::InitDone)) => fleets.replace_tables(std::mem::take(&mut listed)),
            Ok(Some(watcher::Event::Apply(table))) => {
                if let Some(member) = Member::of(&table) {
                    fleets.apply_table(member);
                }
            }
            Ok(Some(watcher::Event::Delete(table))) => {
                if let Some(uid) = table.metadata.uid {
                    fleets.delete_table(&uid);
                }
            }
            Ok(None) => return,
            Err(error) => tracing::warn!(%error, "watch of pokertables"),
        }
    }
}
