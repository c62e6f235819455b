//! Indexes over the watch caches: the pods of a table, and the tables of a fleet, without a scan of the whole cache.
//!
//! A pod is stored as a [`PodView`], because a reconcile needs a twentieth of the API object.

use crate::table::{
    build::{self, LABEL_UID},
    observe::PodView,
};
use k8s_openapi::{
    api::core::v1::{Pod, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    ResourceExt,
    core::PartialObjectMeta,
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
    by_table: HashMap<String, Vec<PodView>>,
    tables: HashMap<Place, String>,
}

/// The table to reconcile when this pod changes.
pub fn table_of(pod: &Pod) -> Option<ObjectRef<PokerTable>> {
    build::table_uid(pod)?;
    let (table, _) = build::parse_pod_name(pod.metadata.name.as_deref()?)?;
    Some(ObjectRef::new(table).within(pod.metadata.namespace.as_deref()?))
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
        pods.by_table.get(table).into_iter().flatten().cloned().collect()
    }

    /// The UIDs of all tables that have a pod.
    pub fn tables(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_table.keys().cloned().collect()
    }

    /// The node of the table's newest pod.
    pub fn node(&self, table: &str) -> Option<String> {
        let pods = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let newest = pods.by_table.get(table)?.iter().max_by_key(|pod| pod.generation)?;
        newest.node.clone()
    }

    /// A pod with the metadata that identifies its table, for the event of its deletion.
    pub fn last(&self, namespace: &str, name: &str) -> Option<Pod> {
        let pods = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let place = (namespace.to_owned(), name.to_owned());
        let table = pods.tables.get(&place)?;
        let held = pods.by_table.get(table)?.iter().find(|pod| pod.name == name)?;
        Some(Pod {
            metadata: ObjectMeta {
                namespace: Some(place.0),
                name: Some(place.1),
                uid: Some(held.uid.clone()),
                labels: Some([(LABEL_UID.to_owned(), table.clone())].into()),
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
        // Other pods may run in a table's namespace as well.
        let Some(table) = build::table_uid(pod).map(str::to_owned) else { return };
        self.by_table.entry(table.clone()).or_default().push(PodView::of(pod));
        self.tables.insert(place, table);
    }

    fn remove(&mut self, place: &Place) {
        let Some(table) = self.tables.remove(place) else { return };
        if let Some(held) = self.by_table.get_mut(&table) {
            held.retain(|pod| (&pod.namespace, &pod.name) != (&place.0, &place.1));
            if held.is_empty() {
                self.by_table.remove(&table);
            }
        }
    }
}

/// The resource versions of the tables' Secrets, as the watch last showed them: enough to see that one is gone, or that
/// somebody has changed it.
#[derive(Default)]
pub struct SecretIndex(RwLock<HashMap<Place, String>>);

impl SecretIndex {
    /// Applies a watch event. Returns whether the table has to check its Secret: only after a change or a deletion.
    pub fn see(&self, event: &Event<PartialObjectMeta<Secret>>) -> bool {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => {
                held.clear();
                false
            }
            Event::InitApply(secret) | Event::Apply(secret) => {
                let version = secret.metadata.resource_version.clone().unwrap_or_default();
                held.insert(place(&secret.metadata), version.clone()).is_some_and(|before| before != version)
            }
            Event::Delete(secret) => held.remove(&place(&secret.metadata)).is_some(),
            Event::InitDone => false,
        }
    }

    /// The version of the Secret of this name; `None` where there is none.
    pub fn version(&self, namespace: &str, name: &str) -> Option<String> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// A Secret with the metadata that identifies it, for the event of its deletion.
    pub fn last(&self, namespace: &str, name: &str) -> Option<PartialObjectMeta<Secret>> {
        let version = self.version(namespace, name)?;
        let metadata = ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            resource_version: Some(version),
            ..Default::default()
        };
        Some(PartialObjectMeta { metadata, ..Default::default() })
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
        assert_eq!(gone.labels()[LABEL_UID], "1");
        assert_eq!(table_of(&gone).unwrap(), ObjectRef::new("nl100-1").within("a"));
        index.see(&Event::Delete(gone));
        assert!(index.of("1").is_empty() && index.last("a", "nl100-1-1").is_none());
        assert_eq!(names(index.of("2")), ["b/nl100-1-1"]);
    }

    #[test]
    fn a_pod_without_its_labels_and_owner_is_still_its_tables() {
        let index = PodIndex::default();
        let mut stripped = pod("a", "nl100-1-1", "1");
        stripped.metadata.labels = None;
        stripped.metadata.owner_references = None;
        let spec = serde_json::json!({"containers": [{"name": build::CONTAINER, "env": [{"name": "PURR_TABLE_UID", "value": "1"}]}]});
        stripped.spec = Some(serde_json::from_value(spec).unwrap());
        index.see(&Event::Apply(stripped.clone()));
        assert_eq!(names(index.of("1")), ["a/nl100-1-1"]);
        assert_eq!(table_of(&stripped).unwrap(), ObjectRef::new("nl100-1").within("a"));
        stripped.spec = None;
        assert!(table_of(&stripped).is_none(), "somebody else's pod");
    }

    #[test]
    fn a_secret_is_looked_at_when_it_is_changed_or_gone_and_not_when_it_is_made() {
        let secret = |version: &str| -> PartialObjectMeta<Secret> {
            let meta = serde_json::json!({"metadata": {"namespace": "a", "name": "t-table-tls", "resourceVersion": version}});
            serde_json::from_value(meta).unwrap()
        };
        let index = SecretIndex::default();
        assert!(!index.see(&Event::InitApply(secret("1"))));
        assert_eq!(index.version("a", "t-table-tls").as_deref(), Some("1"));
        assert!(index.see(&Event::Apply(secret("2"))));
        let gone = index.last("a", "t-table-tls").unwrap();
        assert!(index.see(&Event::Delete(gone)) && index.version("a", "t-table-tls").is_none());
        assert!(!index.see(&Event::Apply(secret("3"))), "it was made");
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
