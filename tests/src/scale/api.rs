//! This program's requests to the API server, kept cheap because it shares two cores with what it measures.

use anyhow::Context;
use futures::{StreamExt, stream};
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Secret};
use kube::{
    Api, Client, Config, Resource,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{WatchStreamExt, watcher},
};
use purr_crds::PokerTable;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    borrow::Cow,
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

pub(super) async fn client(kubeconfig: &Path) -> anyhow::Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// The part of a pod that matters here. A template's spec is kept whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pod {
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: Spec,
    #[serde(default, skip_serializing)]
    pub status: Status,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    pub node_name: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
}

/// The part of a table that matters here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Table {
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub status: Status,
}

macro_rules! resource {
    ($type:ty, $kind:literal, $group:literal, $version:literal, $plural:literal) => {
        impl Resource for $type {
            type DynamicType = ();
            type Scope = NamespaceResourceScope;
            fn kind((): &()) -> Cow<'_, str> {
                $kind.into()
            }
            fn group((): &()) -> Cow<'_, str> {
                $group.into()
            }
            fn version((): &()) -> Cow<'_, str> {
                $version.into()
            }
            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}
resource!(Pod, "Pod", "", "v1", "pods");
resource!(Table, "PokerTable", "purr.poker", "v1alpha1", "pokertables");

impl Status {
    fn is_ready(&self) -> bool {
        self.conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True")
    }
}

/// Namespace and name.
pub(super) type Place = (String, String);

/// The objects that the watches show.
#[derive(Default)]
pub(super) struct Seen {
    inner: Mutex<Inner>,
    /// A pod has become ready.
    came: Notify,
}

#[derive(Default)]
struct Inner {
    /// Existing tables, with whether each is Ready.
    tables: HashMap<Place, bool>,
    /// Pods that are ready, by table UID: the generation.
    pods: HashMap<String, (Place, u64)>,
    /// Tables whose pods have become ready since they were last asked for.
    fresh: HashMap<String, (Place, u64)>,
    /// The waiters for a table's pod.
    waiting: HashMap<String, oneshot::Sender<()>>,
}

impl Seen {
    fn with<T>(&self, use_it: impl FnOnce(&mut Inner) -> T) -> T {
        use_it(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tables that are Ready in these namespaces.
    pub(super) fn ready(&self, namespaces: &[String]) -> usize {
        let is_in = |place: &Place| namespaces.contains(&place.0);
        self.with(|inner| inner.tables.iter().filter(|(place, ready)| **ready && is_in(place)).count())
    }

    pub(super) fn tables(&self) -> usize {
        self.with(|inner| inner.tables.len())
    }

    /// UID and generation of each table with a ready pod.
    pub(super) fn serving(&self, namespaces: &[String]) -> Vec<(String, u64)> {
        self.with(|inner| {
            let of = inner.pods.iter().filter(|(_, (place, _))| namespaces.contains(&place.0));
            of.map(|(uid, (_, generation))| (uid.clone(), *generation)).collect()
        })
    }

    /// UID and generation of each table whose pod has become ready since the last call; waits for one.
    pub(super) async fn fresh(&self, namespaces: &[String]) -> Vec<(String, u64)> {
        loop {
            let came = self.came.notified();
            let fresh = self.with(|inner| std::mem::take(&mut inner.fresh));
            let of = fresh.into_iter().filter(|(_, (place, _))| namespaces.contains(&place.0));
            let all: Vec<(String, u64)> = of.map(|(uid, (_, generation))| (uid, generation)).collect();
            if !all.is_empty() {
                return all;
            }
            came.await;
        }
    }

    /// Waits until the pod of this table is ready.
    async fn pod_of(&self, uid: &str) {
        let wait = self.with(|inner| {
            if inner.pods.contains_key(uid) {
                return None;
            }
            let (send, receive) = oneshot::channel();
            inner.waiting.insert(uid.to_owned(), send);
            Some(receive)
        });
        if let Some(wait) = wait {
            let _ = wait.await;
        }
    }
}

/// Pods that wait to be put on a node; the watch waits when it is full.
const BINDINGS_MAX: usize = 1_024;

const PODS: &str = "app.kubernetes.io/part-of=purr,app.kubernetes.io/component=table";

/// Binds pods to nodes, as a scheduler would.
pub(super) struct Binder {
    pub nodes: usize,
    pub parallel: usize,
    /// Whether this program marks pods ready, in place of KWOK.
    pub makes_ready: bool,
}

impl Binder {
    async fn place(&self, client: &Client, number: usize, (namespace, name): Place) -> kube::Result<()> {
        let api: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        let node = format!("node-{}", number % self.nodes);
        let target = json!({"apiVersion": "v1", "kind": "Node", "name": node});
        let binding =
            json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target});
        let _: Value = api.create_subresource("binding", &name, &PostParams::default(), &binding).await?;
        if self.makes_ready {
            let status = json!({"status": {"phase": "Running", "podIP": "127.64.0.1",
                "conditions": [{"type": "Ready", "status": "True"}]}});
            api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await?;
        }
        Ok(())
    }

    /// Puts each pod on a node, in turn, and notes which are ready.
    pub(super) async fn run(self, client: Client, seen: Arc<Seen>) -> anyhow::Result<()> {
        let (send, pods) = mpsc::channel::<Place>(BINDINGS_MAX);
        let binding = stream::unfold(pods, async |mut pods| Some((pods.recv().await?, pods)));
        let posting = binding.enumerate().for_each_concurrent(self.parallel, async |(number, place)| {
            if let Err(error) = self.place(&client, number, place).await {
                tracing::warn!(%error, "binding");
            }
        });
        tokio::select! {
            () = posting => Ok(()),
            ended = watch_pods(&client, &seen, &send) => ended,
        }
    }
}

async fn watch_pods(client: &Client, seen: &Seen, send: &mpsc::Sender<Place>) -> anyhow::Result<()> {
    let all: Api<Pod> = Api::all(client.clone());
    let mut events = std::pin::pin!(watcher(all, watcher::Config::default().labels(PODS)).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                if let Some(unplaced) = pod_is(seen, &pod) {
                    let _ = send.send(unplaced).await;
                }
            }
            Ok(watcher::Event::Delete(pod)) => {
                let uid = label(&pod, "purr.poker/table-uid");
                let place = place(&pod.metadata);
                seen.with(|inner| {
                    if inner.pods.get(&uid).is_some_and(|(held, _)| *held == place) {
                        inner.pods.remove(&uid);
                    }
                });
            }
            Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
            Err(error) => tracing::warn!(%error, "the watch of pods has failed and is started again"),
        }
    }
    Ok(())
}

fn label(pod: &Pod, key: &str) -> String {
    pod.metadata.labels.as_ref().and_then(|labels| labels.get(key)).cloned().unwrap_or_default()
}

fn place(meta: &ObjectMeta) -> Place {
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// Notes a pod that is ready. Returns one that is on no node yet.
fn pod_is(seen: &Seen, pod: &Pod) -> Option<Place> {
    let place = place(&pod.metadata);
    if pod.spec.node_name.is_none() {
        return Some(place);
    }
    if pod.status.is_ready() {
        let generation = label(pod, "purr.poker/generation").parse().unwrap_or_default();
        let uid = label(pod, "purr.poker/table-uid");
        let waiting = seen.with(|inner| {
            if inner.pods.insert(uid.clone(), (place.clone(), generation)).is_none() {
                inner.fresh.insert(uid.clone(), (place, generation));
            }
            inner.waiting.remove(&uid)
        });
        seen.came.notify_one();
        waiting.map(|waiting| waiting.send(()));
    }
    None
}

/// Follows which tables exist and are Ready.
pub(super) async fn follow(client: Client, seen: Arc<Seen>) -> anyhow::Result<()> {
    let mut events =
        std::pin::pin!(watcher(Api::<Table>::all(client), watcher::Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(table) | watcher::Event::InitApply(table)) => {
                seen.with(|inner| inner.tables.insert(place(&table.metadata), table.status.is_ready()));
            }
            Ok(watcher::Event::Delete(table)) => {
                seen.with(|inner| inner.tables.remove(&place(&table.metadata)));
            }
            Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
            Err(error) => tracing::warn!(%error, "watch of tables"),
        }
    }
    Ok(())
}

/// The controller's finalizer on each table.
const FINALIZER: &str = "purr.poker/drain";

/// The table of this number, in one of the namespaces.
pub(super) fn table(number: usize) -> anyhow::Result<PokerTable> {
    let example = include_str!("../../../crds/examples/table.yaml");
    let mut table: PokerTable = serde_yaml::from_str(example)?;
    // As a fleet would create it.
    table.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    table.metadata.name = Some(format!("table-{number}"));
    Ok(table)
}

/// The objects that a controller has made of one table, to be written again for others.
#[derive(Clone)]
pub(super) struct Template {
    pod: Value,
    secret: Secret,
    status: Value,
}

impl Template {
    pub(super) async fn read(client: &Client, namespace: &str, name: &str) -> anyhow::Result<Self> {
        let get = async |path: &str| -> anyhow::Result<Value> {
            let request = http::Request::get(path).body(Vec::new())?;
            Ok(client.request(request).await?)
        };
        let pods = format!("/api/v1/namespaces/{namespace}/pods/{name}-1");
        let mut pod = get(&pods).await.context("the first table's pod")?;
        pod["spec"].as_object_mut().context("spec")?.remove("nodeName");
        pod.as_object_mut().context("pod")?.remove("status");
        let tables = format!("/apis/purr.poker/v1alpha1/namespaces/{namespace}/pokertables/{name}");
        let status = get(&tables).await.context("the first table")?["status"].take();
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let secret = secrets.get(&format!("{name}-table-tls")).await.context("the first table's Secret")?;
        Ok(Self { pod, secret, status })
    }

    /// Writes a table, its Secret, its pod and, once that is ready, its status: each once, and of all tables so many at once
    /// as there are permits.
    pub(super) async fn write(
        &self,
        client: &Client,
        seen: &Seen,
        permits: &Semaphore,
        namespace: &str,
        table: &PokerTable,
    ) -> anyhow::Result<()> {
        let permit = permits.acquire().await?;
        let params = PostParams::default();
        let tables: Api<PokerTable> = Api::namespaced(client.clone(), namespace);
        let mut table = table.clone();
        // Without finalizer, which nobody would remove.
        table.metadata.finalizers = None;
        let made = match tables.create(&params, &table).await {
            // An answer was lost, and the client asked again.
            Err(kube::Error::Api(error)) if error.code == 409 => {
                tables.get(&table.metadata.name.clone().unwrap_or_default()).await
            }
            made => made,
        }
        .context("table")?;
        let (name, uid) = made.metadata.name.zip(made.metadata.uid).context("no UID")?;
        let owner = json!([{"apiVersion": "purr.poker/v1alpha1", "kind": "PokerTable", "name": name, "uid": uid,
            "controller": true, "blockOwnerDeletion": true}]);
        let meta = |held: &Value, name: &str| {
            let mut labels = held["labels"].clone();
            labels["purr.poker/table"] = name.into();
            labels["purr.poker/table-uid"] = uid.clone().into();
            json!({"name": name, "labels": labels, "annotations": held["annotations"], "ownerReferences": owner})
        };
        let mut secret = self.secret.clone();
        let held = serde_json::to_value(&secret.metadata)?;
        secret.metadata = serde_json::from_value(meta(&held, &format!("{name}-table-tls")))?;
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        unless_there(secrets.create(&params, &secret).await).context("Secret")?;
        let mut pod = self.pod.clone();
        pod["metadata"] = meta(&self.pod["metadata"], &format!("{name}-1"));
        let request = http::Request::post(format!("/api/v1/namespaces/{namespace}/pods"))
            .header("content-type", "application/json")
            .body(serde_json::to_vec(&pod)?)?;
        unless_there(client.request::<Value>(request).await).context("pod")?;
        drop(permit);
        seen.pod_of(&uid).await;
        let _permit = permits.acquire().await?;
        let status = Patch::Merge(json!({"status": self.status}));
        tables.patch_status(&name, &PatchParams::default(), &status).await.context("status")?;
        Ok(())
    }
}

/// An existing object was created by the same request before its answer was lost.
fn unless_there<T>(made: kube::Result<T>) -> kube::Result<()> {
    match made {
        Err(kube::Error::Api(error)) if error.code == 409 => Ok(()),
        made => made.map(drop),
    }
}

/// Deletes all of a namespace that the bare client has written.
pub(super) async fn clear(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let at_once = DeleteParams { grace_period_seconds: Some(0), ..Default::default() };
    let all = ListParams::default();
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let _ = pods.delete_collection(&at_once, &all).await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let _ = secrets.delete_collection(&at_once, &all).await?;
    let tables: Api<Table> = Api::namespaced(client.clone(), namespace);
    let _ = tables.delete_collection(&at_once, &all).await?;
    Ok(())
}

/// Nodes that KWOK looks after.
pub(super) async fn nodes(client: &Client, nodes: usize) -> anyhow::Result<()> {
    for number in 0..nodes {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("node-{number}"),
            "annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": {"type": "kwok"}},
            "status": {"allocatable": {"pods": "100000"}, "capacity": {"pods": "100000"}}});
        let request = http::Request::post("/api/v1/nodes")
            .header("content-type", "application/json")
            .body(serde_json::to_vec(&node)?)?;
        let _: Value = client.request(request).await.context("node")?;
    }
    Ok(())
}
