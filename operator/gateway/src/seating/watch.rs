//! Fleets and their tables as the Kubernetes API shows them: two watches, whose objects are reduced as they are read.
//!
//! Needs `get`, `list` and `watch` on pokertablefleets and pokertables. Without them there are no fleets, and tables are
//! chosen one by one. No request asks the API.

use super::fleets::{FleetKey, FleetView, Fleets, LABEL_FLEET, Member};
use futures::TryStreamExt;
use kube::{Client, runtime::watcher};
use purr_crds::{PokerTable, PokerTableFleet};
use purr_namespaces::{Listed, Namespaces, Served};
use purr_runtime::CancellationToken;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::{pin::pin, sync::Arc};

/// Feeds the fleets until stopped. Without the API the last known ones stay in use.
pub async fn watch(client: Client, namespaces: Namespaces, fleets: Arc<Fleets>, stop: CancellationToken) {
    let served = |namespaces| purr_namespaces::serve(client.clone(), namespaces, stop.clone());
    let (of_fleets, of_tables) = (served(namespaces.clone()), served(namespaces));
    tokio::join!(
        watch_fleets(client.clone(), of_fleets, &fleets, &stop),
        watch_tables(client.clone(), of_tables, &fleets, &stop)
    );
}

/// An object of which only the name is known: enough for its end.
fn gone<K: DeserializeOwned>(kind: &str, namespace: &str, name: &str) -> Option<K> {
    let table = json!({ "seats": 2, "blinds": { "small": 1, "big": 2 }, "buyIn": { "min": 2, "max": 2 } });
    let spec = if kind == "PokerTable" { table } else { json!({ "template": table }) };
    let metadata = json!({ "namespace": namespace, "name": name });
    let object =
        json!({ "apiVersion": "purr.poker/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec });
    serde_json::from_value(object).ok()
}

async fn watch_fleets(client: Client, served: Served, fleets: &Fleets, stop: &CancellationToken) {
    let last = |namespace: &str, name: &str| gone::<PokerTableFleet>("PokerTableFleet", namespace, name);
    let config = watcher::Config::default();
    let mut events = pin!(purr_namespaces::watch(client, served, config, Listed::default(), last));
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
                let named = meta.namespace.zip(meta.name);
                if let Some(key) = named.and_then(|(namespace, name)| FleetKey::new(namespace, name)) {
                    fleets.delete_fleet(&key);
                }
            }
            Ok(None) => return,
            Err(error) => tracing::warn!(%error, "watch of pokertablefleets"),
        }
    }
}

async fn watch_tables(client: Client, served: Served, fleets: &Fleets, stop: &CancellationToken) {
    let last = |namespace: &str, name: &str| gone::<PokerTable>("PokerTable", namespace, name);
    let config = watcher::Config::default().labels(LABEL_FLEET);
    let mut events = pin!(purr_namespaces::watch(client, served, config, Listed::default(), last));
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
                let meta = table.metadata;
                if let Some((namespace, name)) = meta.namespace.zip(meta.name) {
                    fleets.delete_table(&namespace, &name);
                }
            }
            Ok(None) => return,
            Err(error) => tracing::warn!(%error, "watch of pokertables"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_gone_is_known_by_its_name() {
        let fleet: PokerTableFleet = gone("PokerTableFleet", "purr", "nl100").unwrap();
        assert_eq!(FleetView::of(&fleet).unwrap().key, FleetKey::new("purr", "nl100").unwrap());
        assert!(gone::<PokerTable>("PokerTable", "purr", "nl100-1").is_some());
    }
}
