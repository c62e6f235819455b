//! Merges the events of many watches into those of one, as a function of earlier events.
//!
//! # Guarantees
//! The joined stream begins with one list (`Init`, `InitApply`…, `InitDone`) of all namespaces that can be listed, and has
//! only `Apply` and `Delete` after it. An object that a later list of its namespace lacks is deleted, which a watch by
//! itself does not say.

use kube::{Resource, runtime::watcher::Event};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

/// The next step of the joined watch.
#[derive(Debug)]
pub(crate) enum Out<K> {
    Event(Event<K>),
    /// Delete this object: no watch has reported its deletion, or the event could not be delivered at the time.
    Gone(String, String),
    /// The reader has received all objects of the namespace.
    Listed(String),
    /// The namespace is no longer served.
    Left(String),
}

#[derive(Default)]
struct One {
    /// Names of the namespace's objects.
    held: HashSet<String>,
    /// Names in the list that is being read.
    fresh: HashSet<String>,
    /// Listed once, or cannot be for now.
    tried: bool,
    /// Whether its first list is complete.
    listed: bool,
}

pub(crate) struct Merge<K> {
    all: BTreeMap<String, One>,
    /// Objects reported before the first list of all namespaces is through; `None` afterwards.
    opening: Option<HashSet<(String, String)>>,
    pub(crate) out: VecDeque<Out<K>>,
}

impl<K: Resource<DynamicType = ()>> Merge<K> {
    pub(crate) fn new() -> Self {
        Self {
            all: BTreeMap::new(),
            opening: Some(HashSet::new()),
            out: VecDeque::from([Out::Event(Event::Init)]),
        }
    }

    /// The namespaces as they are now.
    pub(crate) fn serve(&mut self, namespaces: &BTreeSet<String>) {
        let left: Vec<String> = self.all.keys().filter(|held| !namespaces.contains(*held)).cloned().collect();
        for namespace in left {
            let one = self.all.remove(&namespace).unwrap_or_default();
            if self.opening.is_none() {
                let gone = one.held.into_iter().map(|name| Out::Gone(namespace.clone(), name));
                self.out.extend(gone);
                self.out.push_back(Out::Left(namespace));
            }
        }
        for namespace in namespaces {
            self.all.entry(namespace.clone()).or_default();
        }
        self.open();
    }

    /// The watch of this namespace has failed, and tries again by itself.
    pub(crate) fn failed(&mut self, namespace: &str) {
        if let Some(one) = self.all.get_mut(namespace) {
            one.tried = true;
        }
        self.open();
    }

    /// Handles one event of a namespace's watch.
    pub(crate) fn on(&mut self, namespace: &str, event: Event<K>) {
        // The namespace is no longer served.
        let Some(one) = self.all.get_mut(namespace) else { return };
        let name = |object: &K| object.meta().name.clone().unwrap_or_default();
        match event {
            Event::Init => one.fresh = HashSet::new(),
            Event::InitApply(object) | Event::Apply(object) => {
                let name = name(&object);
                one.fresh.insert(name.clone());
                one.held.insert(name.clone());
                let event = match &mut self.opening {
                    Some(said) => {
                        said.insert((namespace.to_owned(), name));
                        Event::InitApply(object)
                    }
                    None => Event::Apply(object),
                };
                self.out.push_back(Out::Event(event));
            }
            Event::InitDone => {
                let fresh = std::mem::take(&mut one.fresh);
                let held = std::mem::replace(&mut one.held, fresh);
                let first = !std::mem::replace(&mut one.listed, true);
                one.tried = true;
                if self.opening.is_none() {
                    let missing = held.into_iter().filter(|name| !one.held.contains(name));
                    self.out.extend(missing.map(|name| Out::Gone(namespace.to_owned(), name)));
                    if first {
                        self.out.push_back(Out::Listed(namespace.to_owned()));
                    }
                }
                self.open();
            }
            Event::Delete(object) => {
                one.held.remove(&name(&object));
                if self.opening.is_none() {
                    self.out.push_back(Out::Event(Event::Delete(object)));
                }
            }
        }
    }

    /// Ends the first list once every namespace has been listed or cannot be.
    fn open(&mut self) {
        if self.all.values().any(|one| !one.tried) {
            return;
        }
        let Some(said) = self.opening.take() else { return };
        self.out.push_back(Out::Event(Event::InitDone));
        let is_held = |(namespace, name): &(String, String)| {
            self.all.get(namespace).is_some_and(|one| one.held.contains(name))
        };
        let gone = said.into_iter().filter(|place| !is_held(place));
        self.out.extend(gone.map(|(namespace, name)| Out::Gone(namespace, name)));
        let listed = self.all.iter().filter(|(_, one)| one.listed);
        self.out.extend(listed.map(|(namespace, _)| Out::Listed(namespace.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn object(name: &str) -> ConfigMap {
        ConfigMap {
            metadata: kube::api::ObjectMeta { name: Some(name.into()), ..Default::default() },
            ..Default::default()
        }
    }

    fn names(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|&name| name.to_owned()).collect()
    }

    fn list(merge: &mut Merge<ConfigMap>, namespace: &str, objects: &[&str]) {
        merge.on(namespace, Event::Init);
        objects.iter().for_each(|name| merge.on(namespace, Event::InitApply(object(name))));
        merge.on(namespace, Event::InitDone);
    }

    /// Events as text, sorted where the order is arbitrary.
    fn said(merge: &mut Merge<ConfigMap>) -> Vec<String> {
        let name = |object: ConfigMap| object.metadata.name.unwrap();
        let word = |out| match out {
            Out::Event(Event::Init) => "init".to_owned(),
            Out::Event(Event::InitApply(object)) => format!("first {}", name(object)),
            Out::Event(Event::InitDone) => "done".to_owned(),
            Out::Event(Event::Apply(object)) => format!("apply {}", name(object)),
            Out::Event(Event::Delete(object)) => format!("delete {}", name(object)),
            Out::Gone(namespace, name) => format!("gone {namespace}/{name}"),
            Out::Listed(namespace) => format!("listed {namespace}"),
            Out::Left(namespace) => format!("left {namespace}"),
        };
        merge.out.drain(..).map(word).collect()
    }

    #[test]
    fn the_first_lists_of_all_namespaces_are_one_list() {
        let mut merge = Merge::new();
        merge.serve(&names(&["a", "b"]));
        list(&mut merge, "b", &["x"]);
        assert_eq!(said(&mut merge), ["init", "first x"]);
        list(&mut merge, "a", &["x", "y"]);
        assert_eq!(said(&mut merge), ["first x", "first y", "done", "listed a", "listed b"]);
        merge.on("a", Event::Apply(object("z")));
        merge.on("b", Event::Delete(object("x")));
        assert_eq!(said(&mut merge), ["apply z", "delete x"]);
    }

    #[test]
    fn a_namespace_that_cannot_be_listed_holds_up_nobody_and_is_not_listed() {
        let mut merge = Merge::new();
        merge.serve(&names(&["a", "forbidden"]));
        list(&mut merge, "a", &["x"]);
        assert_eq!(said(&mut merge), ["init", "first x"]);
        merge.failed("forbidden");
        assert_eq!(said(&mut merge), ["done", "listed a"]);
        merge.failed("forbidden");
        list(&mut merge, "forbidden", &["y"]);
        assert_eq!(said(&mut merge), ["apply y", "listed forbidden"]);
    }

    #[test]
    fn what_a_later_list_lacks_is_gone_in_its_own_namespace_alone() {
        let mut merge = Merge::new();
        merge.serve(&names(&["a", "b"]));
        list(&mut merge, "a", &["x", "y"]);
        list(&mut merge, "b", &["x", "y"]);
        said(&mut merge);
        list(&mut merge, "a", &["y"]);
        assert_eq!(said(&mut merge), ["apply y", "gone a/x"]);
    }

    #[test]
    fn what_vanishes_while_others_are_listed_still_goes() {
        let mut merge = Merge::new();
        merge.serve(&names(&["a", "b", "c"]));
        list(&mut merge, "a", &["x", "y"]);
        merge.on("a", Event::Delete(object("x")));
        list(&mut merge, "c", &["z"]);
        merge.serve(&names(&["a", "b"]));
        list(&mut merge, "b", &[]);
        let all = said(&mut merge);
        assert_eq!(all[..5], ["init", "first x", "first y", "first z", "done"]);
        assert_eq!(all[7..], ["listed a", "listed b"]);
        assert_eq!(all[5..7].iter().cloned().collect::<BTreeSet<_>>(), names(&["gone a/x", "gone c/z"]));
    }

    #[test]
    fn a_namespace_that_is_served_no_more_takes_its_objects_along() {
        let mut merge = Merge::new();
        merge.serve(&names(&["a", "b"]));
        list(&mut merge, "a", &["x"]);
        list(&mut merge, "b", &["x"]);
        said(&mut merge);
        merge.serve(&names(&["b", "c"]));
        assert_eq!(said(&mut merge), ["gone a/x", "left a"]);
        merge.on("a", Event::Apply(object("late")));
        list(&mut merge, "c", &["y"]);
        assert_eq!(said(&mut merge), ["apply y", "listed c"]);
    }

    #[test]
    fn no_namespace_at_all_is_an_empty_list() {
        let mut merge = Merge::<ConfigMap>::new();
        merge.serve(&BTreeSet::new());
        assert_eq!(said(&mut merge), ["init", "done"]);
        merge.serve(&names(&["a"]));
        list(&mut merge, "a", &["x"]);
        assert_eq!(said(&mut merge), ["apply x", "listed a"]);
    }
}
