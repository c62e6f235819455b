//! What the watches show, found without looking through all of it: the pods of a table, the tables of a fleet.
//!
//! Pods are kept as [`PodView`]s: of the object of the API a reconcile needs a twentieth.

use crate::table::{build::LABEL_UID, observe::PodView};
use k8s_openapi::{
    api::core::v1::Pod,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    ResourceExt,
    runtime::{reflector::ObjectRef, watcher::Event},
};
use purr_crds::PokerTable;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{PoisonError, RwLock},
};

/// Namespace and name.
type Place = (String, String);

fn place(meta: &ObjectMeta) -> Place {
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// The tables' pods, as the watch last showed them.
#[derive(Default)]
pub struct PodIndex(RwLock<Pods>);

#[derive(Default)]
struct Pods {
    by_table: HashMap<String, Vec<Held>>,
    tables: HashMap<Place, String>,
}

struct Held {
    view: PodView,
    /// The table, for whoever is to look when the pod is gone.
    owner: Option<OwnerReference>,
}

impl PodIndex {
    pub fn see(&self, event: &Event<Pod>) {
        let mut pods = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => *pods = Pods::default(),
            Event::InitApply(pod) | Event::Apply(pod) => pods.apply(pod),
            Event::Delete(pod) => pods.remove(&place(&pod.metadata)),
            Event::InitDone => {}
        }
    }

    /// The pods of the table with this UID.
    pub fn of(&self, table: &str) -> Vec<PodView> {
        let pods = self.0.read().unwrap_or_else(PoisonError::into_inner);
        pods.by_table.get(table).into_iter().flatten().map(|held| held.view.clone()).collect()
    }

    /// The node of the table's newest pod.
    pub fn node(&self, table: &str) -> Option<String> {
        let pods = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let newest = pods.by_table.get(table)?.iter().max_by_key(|held| held.view.generation)?;
        newest.view.node.clone()
    }

    /// As much of a pod as says which table it belonged to.
    pub fn last(&self, namespace: &str, name: &str) -> Option<Pod> {
        let pods = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let place = (namespace.to_owned(), name.to_owned());
        let table = pods.tables.get(&place)?;
        let held = pods.by_table.get(table)?.iter().find(|held| held.view.name == name)?;
        Some(Pod {
            metadata: ObjectMeta {
                namespace: Some(place.0),
                name: Some(place.1),
                uid: Some(held.view.uid.clone()),
                owner_references: held.owner.clone().map(|owner| vec![owner]),
                ..Default::default()
            },
            ..Default::default()
        })
    }
}

impl Pods {
    fn apply(&mut self, pod: &Pod) {
        let place = place(&pod.metadata);
        self.remove(&place);
        let Some(table) = pod.labels().get(LABEL_UID).cloned() else { return };
        let owner = pod.owner_references().iter().find(|owner| owner.controller == Some(true)).cloned();
        self.by_table.entry(table.clone()).or_default().push(Held { view: PodView::of(pod), owner });
        self.tables.insert(place, table);
    }

    fn remove(&mut self, place: &Place) {
        let Some(table) = self.tables.remove(place) else { return };
        if let Some(held) = self.by_table.get_mut(&table) {
            held.retain(|held| (&held.view.namespace, &held.view.name) != (&place.0, &place.1));
            if held.is_empty() {
                self.by_table.remove(&table);
            }
        }
    }
}

/// Which tables belong to which fleet, by the fleet's UID.
#[derive(Default)]
pub struct FleetIndex(RwLock<FleetTables>);

#[derive(Default)]
struct FleetTables {
    by_fleet: HashMap<String, BTreeSet<Place>>,
    fleets: HashMap<Place, String>,
}

impl FleetIndex {
    pub fn see(&self, event: &Event<PokerTable>) {
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => *tables = FleetTables::default(),
            Event::InitApply(table) | Event::Apply(table) => {
                let place = place(&table.metadata);
                tables.remove(&place);
                let owners = table.owner_references().iter();
                let mut of = owners.filter(|owner| owner.kind == "PokerTableFleet");
                if let Some(owner) = of.next() {
                    tables.by_fleet.entry(owner.uid.clone()).or_default().insert(place.clone());
                    tables.fleets.insert(place, owner.uid.clone());
                }
            }
            Event::Delete(table) => tables.remove(&place(&table.metadata)),
            Event::InitDone => {}
        }
    }

    /// The tables of the fleet with this UID, in the order of their names.
    pub fn of(&self, fleet: &str) -> Vec<ObjectRef<PokerTable>> {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let places = tables.by_fleet.get(fleet).into_iter().flatten();
        places.map(|(namespace, name)| ObjectRef::new(name).within(namespace)).collect()
    }
}

impl FleetTables {
    fn remove(&mut self, place: &Place) {
        let Some(fleet) = self.fleets.remove(place) else { return };
        if let Some(places) = self.by_fleet.get_mut(&fleet) {
            places.remove(place);
            if places.is_empty() {
                self.by_fleet.remove(&fleet);
            }
        }
    }
}

/// Drops what no reconcile reads, before an object enters the cache.
pub fn prune(table: &mut PokerTable) {
    table.managed_fields_mut().clear();
    table.annotations_mut().retain(|key, _| key.starts_with("purr.poker/"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn pod(namespace: &str, name: &str, table: &str) -> Pod {
        serde_json::from_value(serde_json::json!({
            "metadata": {"namespace": namespace, "name": name, "uid": format!("{namespace}/{name}"),
                "labels": {LABEL_UID: table, "purr.poker/generation": "1"},
                "ownerReferences": [{"apiVersion": "purr.poker/v1alpha1", "kind": "PokerTable", "name": "nl100-1",
                    "uid": table, "controller": true}]},
            "spec": {"containers": [], "nodeName": format!("node-of-{table}")},
        }))
        .unwrap()
    }

    fn names(pods: Vec<PodView>) -> Vec<String> {
        pods.into_iter().map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect()
    }

    #[test]
    fn pods_of_one_name_in_two_namespaces_belong_to_their_own_tables() {
        let index = PodIndex::default();
        index.see(&Event::Apply(pod("a", "nl100-1-1", "1")));
        index.see(&Event::Apply(pod("b", "nl100-1-1", "2")));
        assert_eq!(names(index.of("1")), ["a/nl100-1-1"]);
        assert_eq!(names(index.of("2")), ["b/nl100-1-1"]);
        assert_eq!(index.node("2").as_deref(), Some("node-of-2"));
        let gone = index.last("a", "nl100-1-1").unwrap();
        assert_eq!(gone.metadata.owner_references.as_ref().unwrap()[0].uid, "1");
        index.see(&Event::Delete(gone));
        assert!(index.of("1").is_empty() && index.last("a", "nl100-1-1").is_none());
        assert_eq!(names(index.of("2")), ["b/nl100-1-1"]);
    }

    #[test]
    fn a_pods_name_that_is_used_again_moves_to_its_new_table() {
        let index = PodIndex::default();
        index.see(&Event::Apply(pod("a", "nl100-1-1", "1")));
        index.see(&Event::Apply(pod("a", "nl100-1-1", "3")));
        assert!(index.of("1").is_empty());
        assert_eq!(index.of("3").len(), 1);
        index.see(&Event::Init);
        assert!(index.of("3").is_empty());
    }

    #[test]
    fn a_fleet_finds_its_own_tables_and_no_other_fleets_of_its_name() {
        let index = FleetIndex::default();
        let table = testing::table_of("nl100");
        let fleet = table.metadata.owner_references.as_ref().unwrap()[0].uid.clone();
        let mut other = table.clone();
        other.metadata.namespace = Some("elsewhere".into());
        other.metadata.owner_references.as_mut().unwrap()[0].uid = "other".into();
        index.see(&Event::InitApply(table.clone()));
        index.see(&Event::Apply(other));
        let mut single = testing::table();
        single.metadata.name = Some("single".into());
        index.see(&Event::Apply(single));
        let found = index.of(&fleet);
        assert_eq!((found.len(), found[0].namespace.as_deref()), (1, Some("poker")));
        assert_eq!(index.of("other")[0].namespace.as_deref(), Some("elsewhere"));
        index.see(&Event::Delete(table));
        assert!(index.of(&fleet).is_empty());
    }

    #[test]
    fn a_pruned_table_keeps_our_annotations_and_nothing_of_others() {
        let mut table = testing::table();
        let own = crate::fleet::ANNOTATION_CLOSED_FOR;
        *table.annotations_mut() = ["kubectl.kubernetes.io/last-applied-configuration", own]
            .map(|key| (key.to_owned(), "x".to_owned()))
            .into();
        table.metadata.managed_fields = Some(vec![Default::default()]);
        prune(&mut table);
        assert_eq!(table.annotations().keys().collect::<Vec<_>>(), [own]);
        assert!(table.managed_fields().is_empty());
    }
}
