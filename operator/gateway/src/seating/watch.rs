//! Fleets and their tables as the Kubernetes API shows them: two watches, whose objects are reduced as they are read.
//!
//! Needs `get`, `list` and `watch` on pokertablefleets and pokertables. Without them there are no fleets, and tables are
//! chosen one by one. No request asks the API.

use super::{
    fleets::{FleetView, Fleets, LABEL_FLEET, Member},
    key::FleetKey,
};
use futures::TryStreamExt;
use k8s_openapi::NamespaceResourceScope;
use kube::{Client, Resource, runtime::watcher};
use purr_crds::{PokerTable, PokerTableFleet};
use purr_namespaces::{Listed, Namespaces, Served};
use purr_runtime::CancellationToken;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::{fmt::Debug, pin::pin, sync::Arc};

/// Feeds the fleets until stopped. Without the API the last known ones stay in use.
pub async fn watch(client: Client, namespaces: Namespaces, fleets: Arc<Fleets>, stop: CancellationToken) {
    let served = |namespaces| purr_namespaces::serve(client.clone(), namespaces, stop.clone());
    let all = watcher::Config::default;
    let (of_fleets, of_tables) = (served(namespaces.clone()), served(namespaces));
    tokio::join!(
        follow::<PokerTableFleet>(client.clone(), of_fleets, all(), &fleets, &stop),
        follow::<PokerTable>(client.clone(), of_tables, all().labels(LABEL_FLEET), &fleets, &stop)
    );
}

/// An object of which only the name is known: enough for its end.
fn gone<K: Shown>(namespace: &str, name: &str) -> Option<K> {
    let table = json!({ "seats": 2, "blinds": { "small": 1, "big": 2 }, "buyIn": { "min": 2, "max": 2 } });
    let spec = if K::KIND == PokerTable::KIND { table } else { json!({ "template": table }) };
    let metadata = json!({ "namespace": namespace, "name": name });
    let object =
        json!({ "apiVersion": "purr.poker/v1alpha1", "kind": K::KIND, "metadata": metadata, "spec": spec });
    serde_json::from_value(object).ok()
}

/// A kind of object that feeds the fleets.
trait Shown:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Send + 'static
{
    const KIND: &'static str;
    /// The part of the object that seating keeps.
    type View;

    fn view(&self) -> Option<Self::View>;
    fn replace(fleets: &Fleets, all: Vec<Self::View>);
    fn apply(fleets: &Fleets, view: Self::View);
    fn delete(fleets: &Fleets, namespace: String, name: String);
}

impl Shown for PokerTableFleet {
    const KIND: &'static str = "PokerTableFleet";
    type View = FleetView;

    fn view(&self) -> Option<FleetView> {
        FleetView::of(self)
    }

    fn replace(fleets: &Fleets, all: Vec<FleetView>) {
        fleets.replace_fleets(all);
    }

    fn apply(fleets: &Fleets, view: FleetView) {
        fleets.apply_fleet(view);
    }

    fn delete(fleets: &Fleets, namespace: String, name: String) {
        if let Some(key) = FleetKey::new(namespace, name) {
            fleets.delete_fleet(&key);
        }
    }
}

impl Shown for PokerTable {
    const KIND: &'static str = "PokerTable";
    type View = Member;

    fn view(&self) -> Option<Member> {
        Member::of(self)
    }

    fn replace(fleets: &Fleets, all: Vec<Member>) {
        fleets.replace_tables(all);
    }

    fn apply(fleets: &Fleets, view: Member) {
        fleets.apply_table(view);
    }

    fn delete(fleets: &Fleets, namespace: String, name: String) {
        fleets.delete_table(&namespace, &name);
    }
}

async fn follow<K: Shown>(
    client: Client,
    served: Served,
    config: watcher::Config,
    fleets: &Fleets,
    stop: &CancellationToken,
) {
    let last = |namespace: &str, name: &str| gone::<K>(namespace, name);
    let mut events = pin!(purr_namespaces::watch(client, served, config, Listed::default(), last));
    let mut listed = Vec::new();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(watcher::Event::Init)) => listed.clear(),
            Ok(Some(watcher::Event::InitApply(object))) => listed.extend(object.view()),
            Ok(Some(watcher::Event::InitDone)) => K::replace(fleets, std::mem::take(&mut listed)),
            Ok(Some(watcher::Event::Apply(object))) => {
                if let Some(view) = object.view() {
                    K::apply(fleets, view);
                }
            }
            Ok(Some(watcher::Event::Delete(object))) => {
                let meta = object.meta().clone();
                if let Some((namespace, name)) = meta.namespace.zip(meta.name) {
                    K::delete(fleets, namespace, name);
                }
            }
            Ok(None) => return,
            Err(error) => tracing::warn!(%error, kind = K::KIND, "watch"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_gone_is_known_by_its_name() {
        let fleet: PokerTableFleet = gone("purr", "nl100").unwrap();
        assert_eq!(FleetView::of(&fleet).unwrap().key, FleetKey::new("purr", "nl100").unwrap());
        assert!(gone::<PokerTable>("purr", "nl100-1").is_some());
    }
}
