//! The watches of all namespaces, and the watch of the namespaces themselves.

use crate::{
    Namespaces,
    merge::{Merge, Out},
};
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream, SelectAll},
};
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Namespace};
use kube::{
    Api, Client, Resource,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt::Debug,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::sync::watch as channel;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The namespaces that are served; `None` until it is known.
pub type Served = channel::Receiver<Option<BTreeSet<String>>>;

/// Namespaces that a joined watch has listed completely. Others may be known in part.
#[derive(Clone, Default)]
pub struct Listed(Arc<RwLock<HashSet<String>>>);

impl Listed {
    /// The set of namespaces that are completely listed from the start.
    pub fn of<'a>(namespaces: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Arc::new(RwLock::new(namespaces.into_iter().map(str::to_owned).collect())))
    }

    pub fn has(&self, namespace: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(namespace)
    }

    fn set(&self, namespace: String, listed: bool) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if listed {
            all.insert(namespace)
        } else {
            all.remove(&namespace)
        };
    }
}

/// Follows which namespaces are served, until `stop`.
pub fn serve(client: Client, namespaces: Namespaces, stop: CancellationToken) -> Served {
    match namespaces {
        // The sender is dropped: the last value stays.
        Namespaces::Named(names) => channel::channel(Some(names)).1,
        Namespaces::Selected(selector) => {
            let (sender, served) = channel::channel(None);
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = select(Api::all(client), &selector, &sender) => {}
                }
            });
            served
        }
    }
}

/// Publishes the namespaces with these labels. While they cannot be listed, the last ones stay.
async fn select(
    api: Api<PartialObjectMeta<Namespace>>,
    selector: &str,
    sender: &channel::Sender<Option<BTreeSet<String>>>,
) {
    let events = watcher(api, watcher::Config::default().labels(selector)).default_backoff();
    let mut events = std::pin::pin!(events);
    let (mut names, mut fresh) = (BTreeSet::new(), BTreeSet::new());
    let name = |object: &PartialObjectMeta<Namespace>| object.metadata.name.clone().unwrap_or_default();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => {
                fresh = BTreeSet::new();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                fresh.insert(name(&object));
                continue;
            }
            Ok(Event::InitDone) => names = std::mem::take(&mut fresh),
            Ok(Event::Apply(object)) => {
                names.insert(name(&object));
            }
            Ok(Event::Delete(object)) => {
                names.remove(&name(&object));
            }
            Err(error) => {
                tracing::warn!(%error, selector, "the watch of namespaces has failed and is started again");
                continue;
            }
        }
        let changed = sender.send_if_modified(|held| {
            let new = Some(names.clone());
            let changed = *held != new;
            *held = new;
            changed
        });
        if changed {
            tracing::info!(?names, "namespaces served");
        }
    }
}

type Tagged<K> = BoxStream<'static, (Tag, Result<Event<K>, watcher::Error>)>;

/// A namespace and the number of its watch, because the namespace may be removed and added again.
type Tag = (String, u64);

struct Joined<K: Clone + Send + 'static, L> {
    client: Client,
    config: watcher::Config,
    served: Served,
    /// False once no changes of the namespaces can arrive any more.
    changes: bool,
    first: bool,
    running: BTreeMap<String, (u64, DropGuard)>,
    number: u64,
    streams: SelectAll<Tagged<K>>,
    merge: Merge<K>,
    errors: Vec<watcher::Error>,
    listed: Listed,
    last: L,
}

/// The merged events of all served namespaces. `last` returns the last version of an object in the reader's store, for
/// deletions that no watch reports.
pub fn watch<K, L>(
    client: Client,
    served: Served,
    config: watcher::Config,
    listed: Listed,
    last: L,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned + Send + 'static,
    L: Fn(&str, &str) -> Option<K> + Send,
{
    let joined = Joined {
        client,
        config,
        served,
        changes: true,
        first: true,
        running: BTreeMap::new(),
        number: 0,
        streams: SelectAll::new(),
        merge: Merge::new(),
        errors: Vec::new(),
        listed,
        last,
    };
    stream::unfold(joined, async |mut joined| {
        let item = joined.next().await;
        Some((item, joined))
    })
}

impl<K, L> Joined<K, L>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned + Send + 'static,
    L: Fn(&str, &str) -> Option<K>,
{
    async fn next(&mut self) -> Result<Event<K>, watcher::Error> {
        loop {
            // The reader's store has processed all earlier events by now.
            while let Some(out) = self.merge.out.pop_front() {
                match out {
                    Out::Event(event) => return Ok(event),
                    Out::Gone(namespace, name) => {
                        if let Some(object) = (self.last)(&namespace, &name) {
                            return Ok(Event::Delete(object));
                        }
                    }
                    Out::Listed(namespace) => self.listed.set(namespace, true),
                    Out::Left(namespace) => self.listed.set(namespace, false),
                }
            }
            if let Some(error) = self.errors.pop() {
                return Err(error);
            }
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        if std::mem::take(&mut self.first) {
            self.follow();
            return;
        }
        tokio::select! {
            changed = self.served.changed(), if self.changes => match changed {
                Ok(()) => self.follow(),
                Err(_) => self.changes = false,
            },
            Some(((namespace, number), event)) = self.streams.next(), if !self.streams.is_empty() => {
                if self.running.get(&namespace).is_none_or(|(running, _)| *running != number) {
                    return;
                }
                match event {
                    Ok(event) => self.merge.on(&namespace, event),
                    Err(error) => {
                        self.merge.failed(&namespace);
                        self.errors.push(error);
                    }
                }
            }
            // No further event is possible.
            else => std::future::pending().await,
        }
    }

    /// Begins and ends watches, as the namespaces are now.
    fn follow(&mut self) {
        let Some(namespaces) = self.served.borrow_and_update().clone() else { return };
        self.running.retain(|namespace, _| namespaces.contains(namespace));
        for namespace in &namespaces {
            if self.running.contains_key(namespace) {
                continue;
            }
            self.number += 1;
            let tag = (namespace.clone(), self.number);
            let ended = CancellationToken::new();
            let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
            let events = watcher(api, self.config.clone()).default_backoff();
            let until = ended.clone().cancelled_owned();
            self.streams.push(events.map(move |event| (tag.clone(), event)).take_until(until).boxed());
            self.running.insert(namespace.clone(), (self.number, ended.drop_guard()));
        }
        self.merge.serve(&namespaces);
    }
}
