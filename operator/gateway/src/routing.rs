//! Routes tables to pods.
//!
//! [`Table`] is a function of the pods it was given; [`Routes`] shares one between the watch that updates it and the
//! sockets that read it. Nothing here calls the Kubernetes API.

pub mod pods;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    ops::Bound,
    sync::{PoisonError, RwLock},
};
use tokio::sync::watch;

/// Most pods in the routing table, more than a namespace holds; further pods get no traffic.
const PODS_MAX: usize = 20_000;

/// The part of a table pod that routing needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    /// UID of the PokerTable.
    pub uid: String,
    /// Name of the PokerTable.
    pub table: String,
    /// The controller's fencing generation: the highest one holds the table.
    pub generation: u64,
    /// `None` until the pod has an address.
    pub address: Option<SocketAddr>,
    pub ready: bool,
}

/// The address of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub pod: String,
    pub generation: u64,
    pub address: SocketAddr,
}

/// A table of the lobby.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub uid: String,
    pub name: String,
    pub ready: bool,
}

/// The routing table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pods: HashMap<String, Pod>,
    by_uid: BTreeMap<String, BTreeSet<String>>,
    /// Pods that have announced that their table has moved. Kubelet may still report them as ready.
    left: BTreeSet<String>,
}

impl Table {
    /// Adds or updates a pod. Returns whether anything changed.
    pub fn apply(&mut self, pod: Pod) -> bool {
        let known = self.pods.get(&pod.name);
        if known == Some(&pod) || (known.is_none() && self.pods.len() >= PODS_MAX) {
            return false;
        }
        // A name that is used again may belong to another table now.
        self.delete(&pod.name.clone());
        self.by_uid.entry(pod.uid.clone()).or_default().insert(pod.name.clone());
        self.pods.insert(pod.name.clone(), pod);
        true
    }

    pub fn delete(&mut self, name: &str) -> bool {
        let Some(pod) = self.pods.remove(name) else { return false };
        self.left.remove(name);
        if let Some(names) = self.by_uid.get_mut(&pod.uid) {
            names.remove(name);
            if names.is_empty() {
                self.by_uid.remove(&pod.uid);
            }
        }
        true
    }

    /// Marks a pod whose table has moved: any other pod is preferred until this one changes.
    pub fn leave(&mut self, name: &str) -> bool {
        self.pods.contains_key(name) && self.left.insert(name.to_owned())
    }

    fn pods_of(&self, uid: &str) -> impl Iterator<Item = &Pod> {
        self.by_uid.get(uid).into_iter().flatten().filter_map(|name| self.pods.get(name))
    }

    /// The ready pod with the highest generation. If none is ready, the newest pod with an address: a draining pod is
    /// not ready although its players may reconnect to end their hand, and a pod that is still starting refuses the
    /// connection.
    pub fn target(&self, uid: &str) -> Option<Target> {
        let best = self
            .pods_of(uid)
            .filter_map(|pod| {
                let ready = pod.ready && !self.left.contains(&pod.name);
                Some((ready, pod.generation, pod, pod.address?))
            })
            .max_by_key(|(ready, generation, pod, _)| (*ready, *generation, pod.name.clone()));
        best.map(|(_, generation, pod, address)| Target { pod: pod.name.clone(), generation, address })
    }

    /// Whether a connection to this target should be given up: its pod is gone or has moved, or a
    /// ready pod of a higher generation holds the table.
    pub fn is_outdated(&self, uid: &str, target: &Target) -> bool {
        let moved = self.pods.get(&target.pod).is_none_or(|pod| pod.address != Some(target.address));
        moved || self.pods_of(uid).any(|pod| pod.ready && pod.generation > target.generation)
    }

    pub fn known(&self, uid: &str) -> Option<Known> {
        let pods: Vec<&Pod> = self.pods_of(uid).collect();
        let newest = pods.iter().max_by_key(|pod| pod.generation)?;
        let ready = pods.iter().any(|pod| pod.ready && pod.address.is_some());
        Some(Known { uid: uid.to_owned(), name: newest.table.clone(), ready })
    }

    /// Lists at most `limit` tables, sorted by UID, after a given one.
    pub fn list(&self, after: Option<&str>, limit: usize) -> Vec<Known> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let uids = self.by_uid.range::<str, _>((from, Bound::Unbounded));
        uids.filter_map(|(uid, _)| self.known(uid)).take(limit).collect()
    }

    pub fn tables(&self) -> usize {
        self.by_uid.len()
    }
}

/// A shared routing table with notifications of its changes.
#[derive(Default)]
pub struct Routes {
    table: RwLock<Table>,
    changed: watch::Sender<()>,
}

impl Routes {
    pub fn apply(&self, pod: Pod) {
        self.change(|table| table.apply(pod));
    }

    pub fn delete(&self, name: &str) {
        self.change(|table| table.delete(name));
    }

    pub fn leave(&self, name: &str) {
        self.change(|table| table.leave(name));
    }

    /// A new list of all pods.
    pub fn replace(&self, fresh: Table) {
        self.change(|table| {
            let changed = *table != fresh;
            *table = fresh;
            changed
        });
    }

    fn change(&self, change: impl FnOnce(&mut Table) -> bool) {
        let changed = change(&mut self.table.write().unwrap_or_else(PoisonError::into_inner));
        if changed {
            self.changed.send_replace(());
        }
    }

    pub fn read<T>(&self, read: impl FnOnce(&Table) -> T) -> T {
        read(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sees every change after this call.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, uid: &str, generation: u64, port: u16, ready: bool) -> Pod {
        let address = (port > 0).then(|| SocketAddr::from(([10, 0, 0, 1], port)));
        Pod { name: name.into(), uid: uid.into(), table: "river".into(), generation, address, ready }
    }

    fn table(pods: impl IntoIterator<Item = Pod>) -> Table {
        let mut table = Table::default();
        for pod in pods {
            table.apply(pod);
        }
        table
    }

    fn pod_of(table: &Table, uid: &str) -> Option<String> {
        table.target(uid).map(|target| target.pod)
    }

    #[test]
    fn a_pod_that_its_table_has_left_comes_last_until_it_changes() {
        let mut table = Table::default();
        table.apply(pod("river-1", "1", 1, 1, true));
        table.apply(pod("river-2", "1", 2, 2, false));
        assert_eq!(table.target("1").unwrap().pod, "river-1");
        assert!(table.leave("river-1") && !table.leave("river-1") && !table.leave("nobody"));
        assert_eq!(
            table.target("1").unwrap().pod,
            "river-2",
            "it has taken over, and kubelet has not asked yet"
        );
        table.delete("river-2");
        assert_eq!(table.target("1").unwrap().pod, "river-1", "nothing else is there");
        table.apply(pod("river-2", "1", 2, 2, false));
        table.apply(pod("river-1", "1", 1, 3, true));
        assert_eq!(table.target("1").unwrap().pod, "river-1", "its process is another one");
    }

    #[test]
    fn the_ready_pod_of_the_highest_generation_is_the_target() {
        let mut table = table([pod("a", "1", 1, 1, true), pod("b", "1", 2, 2, false)]);
        assert_eq!(pod_of(&table, "1").as_deref(), Some("a"));
        assert!(table.apply(pod("b", "1", 2, 2, true)));
        assert_eq!(pod_of(&table, "1").as_deref(), Some("b"));
        assert!(!table.apply(pod("b", "1", 2, 2, true)));
    }

    #[test]
    fn without_a_ready_pod_the_newest_with_an_address_is_tried() {
        let table =
            table([pod("a", "1", 1, 1, false), pod("b", "1", 2, 2, false), pod("c", "1", 3, 0, false)]);
        assert_eq!(pod_of(&table, "1").as_deref(), Some("b"));
        assert!(!table.known("1").unwrap().ready);
    }

    #[test]
    fn a_deleted_pod_is_no_target_and_its_table_is_forgotten() {
        let mut table = table([pod("a", "1", 1, 1, true)]);
        let target = table.target("1").unwrap();
        assert!(!table.is_outdated("1", &target));
        assert!(table.delete("a"));
        assert!(!table.delete("a"));
        assert!(table.is_outdated("1", &target));
        assert_eq!((table.target("1"), table.known("1"), table.tables()), (None, None, 0));
    }

    #[test]
    fn a_connection_is_outdated_once_a_ready_pod_of_a_higher_generation_is_there() {
        let mut table = table([pod("a", "1", 1, 1, true)]);
        let target = table.target("1").unwrap();
        table.apply(pod("b", "1", 2, 2, false));
        assert!(!table.is_outdated("1", &target));
        // The pod is not ready because it drains: its players stay until the end of the hand.
        table.apply(pod("a", "1", 1, 1, false));
        assert!(!table.is_outdated("1", &target));
        table.apply(pod("b", "1", 2, 2, true));
        assert!(table.is_outdated("1", &target));
    }

    #[test]
    fn a_pod_name_that_is_used_again_for_another_table_leaves_the_old_one() {
        let mut table = table([pod("a", "1", 1, 1, true)]);
        table.apply(pod("a", "2", 1, 2, true));
        assert_eq!((table.target("1"), table.tables()), (None, 1));
    }

    #[test]
    fn the_list_goes_on_after_a_table_that_is_gone() {
        let mut table = table(["1", "2", "3", "4"].map(|uid| pod(uid, uid, 1, 1, true)));
        let uids = |known: Vec<Known>| known.into_iter().map(|known| known.uid).collect::<Vec<_>>();
        assert_eq!(uids(table.list(None, 2)), ["1", "2"]);
        table.delete("2");
        assert_eq!(uids(table.list(Some("2"), 10)), ["3", "4"]);
    }

    #[tokio::test]
    async fn those_who_wait_are_told_of_changes_only() {
        let routes = Routes::default();
        let mut changed = routes.subscribe();
        routes.apply(pod("a", "1", 1, 1, true));
        assert!(changed.has_changed().unwrap());
        changed.mark_unchanged();
        routes.apply(pod("a", "1", 1, 1, true));
        routes.delete("b");
        routes.replace(table([pod("a", "1", 1, 1, true)]));
        assert!(!changed.has_changed().unwrap());
        routes.replace(Table::default());
        assert!(changed.has_changed().unwrap());
    }
}
