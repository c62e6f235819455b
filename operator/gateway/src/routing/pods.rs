//! Table pods as the Kubernetes API shows them: a watch by label of each namespace that has tables.
//!
//! Needs `list` and `watch` on pods there, and with a selector of namespaces `list` and `watch` on those.

use super::{Pod, Routes, Table};
use futures::TryStreamExt;
use k8s_openapi::NamespaceResourceScope;
use kube::{Client, Resource, api::ObjectMeta, runtime::watcher};
use purr_namespaces::{Listed, Namespaces};
use purr_runtime::{CancellationToken, Readiness, ports};
use serde::Deserialize;
use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

const SELECTOR: &str = "app.kubernetes.io/part-of=purr,app.kubernetes.io/component=table";
const TABLE: &str = "purr.poker/table";
const TABLE_UID: &str = "purr.poker/table-uid";
const GENERATION: &str = "purr.poker/generation";
/// Annotation of a pod that stands by until it is ordered to take its table over.
const STAND_BY: &str = "purr.poker/stand-by";
/// The condition that a gateway without a list of pods lacks.
pub const CONDITION: &str = "pods";

/// A pod without its spec: fields that are not named here are dropped during parsing.
#[derive(Clone, Debug, Deserialize)]
struct TablePod {
    metadata: ObjectMeta,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<IpAddr>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Resource for TablePod {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Pod".into()
    }
    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }
    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }
    fn plural((): &()) -> Cow<'_, str> {
        "pods".into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl TablePod {
    /// Namespace and name: two namespaces may have pods of one name.
    fn name(&self) -> String {
        let part = |part: &Option<String>| part.as_deref().unwrap_or_default().to_owned();
        format!("{}/{}", part(&self.metadata.namespace), part(&self.metadata.name))
    }

    /// A pod of which only the place is known.
    fn at(namespace: &str, name: &str) -> Self {
        let (namespace, name) = (Some(namespace.to_owned()), Some(name.to_owned()));
        Self { metadata: ObjectMeta { namespace, name, ..Default::default() }, status: Status::default() }
    }

    /// The routing entry; `None` for a pod that has ended or has no table's labels.
    fn route(&self) -> Option<Pod> {
        if matches!(self.status.phase.as_deref(), Some("Succeeded" | "Failed")) {
            return None;
        }
        let annotations = self.metadata.annotations.as_ref();
        let stands_by = annotations.and_then(|all| all.get(STAND_BY)).is_some_and(|value| value == "true");
        let label = |name| self.metadata.labels.as_ref().and_then(|labels| labels.get(name));
        Some(Pod {
            name: self.name(),
            uid: label(TABLE_UID)?.clone(),
            table: label(TABLE).cloned().unwrap_or_default(),
            generation: label(GENERATION)?.parse().ok()?,
            // A successor that stands by accepts no players.
            address: self.status.pod_ip.filter(|_| !stands_by).map(|ip| SocketAddr::new(ip, ports::INTERNAL)),
            ready: self.status.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True"),
        })
    }
}

/// Feeds the routing table until stopped. Without the API the last known routes stay in use.
pub async fn watch(
    client: Client,
    namespaces: Namespaces,
    routes: Arc<Routes>,
    readiness: Readiness,
    stop: CancellationToken,
) {
    readiness.not_ready(CONDITION, "not listed yet");
    let served = purr_namespaces::serve(client.clone(), namespaces, stop.clone());
    let config = watcher::Config::default().labels(SELECTOR);
    let last = |namespace: &str, name: &str| Some(TablePod::at(namespace, name));
    let mut events = std::pin::pin!(purr_namespaces::watch(client, served, config, Listed::default(), last));
    let mut listed = Table::default();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(watcher::Event::InitDone)) => {
                routes.replace(std::mem::take(&mut listed));
                readiness.ready(CONDITION);
            }
            Ok(Some(event)) => apply(event, &mut listed, &routes),
            Ok(None) => return,
            Err(error) => tracing::warn!(%error, "the watch of pods has failed and is started again"),
        }
    }
}

fn apply(event: watcher::Event<TablePod>, listed: &mut Table, routes: &Routes) {
    match event {
        watcher::Event::Init => *listed = Table::default(),
        watcher::Event::InitApply(pod) => {
            if let Some(route) = pod.route() {
                listed.apply(route);
            }
        }
        watcher::Event::Apply(pod) => match pod.route() {
            Some(route) => routes.apply(route),
            None => routes.delete(&pod.name()),
        },
        watcher::Event::Delete(pod) => routes.delete(&pod.name()),
        watcher::Event::InitDone => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(phase: &str, ready: &str, generation: &str) -> TablePod {
        serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "namespace": "poker",
                "name": "river-0",
                "labels": { TABLE: "river", TABLE_UID: "0a", GENERATION: generation },
            },
            "spec": { "containers": [] },
            "status": {
                "phase": phase,
                "podIP": "10.1.2.3",
                "conditions": [{ "type": "Ready", "status": ready, "lastProbeTime": null }],
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_pod_of_the_api_becomes_a_route() {
        let route = pod("Running", "True", "7").route().unwrap();
        assert_eq!(
            (route.name.as_str(), route.uid.as_str(), route.table.as_str()),
            ("poker/river-0", "0a", "river")
        );
        assert_eq!(route.address, Some("10.1.2.3:8443".parse().unwrap()));
        assert_eq!((route.generation, route.ready), (7, true));
        assert!(!pod("Running", "False", "7").route().unwrap().ready);
    }

    #[test]
    fn a_successor_that_stands_by_has_no_address() {
        let marked = |value: &str| {
            let mut pod = pod("Running", "False", "8");
            pod.metadata.annotations = Some([(STAND_BY.to_owned(), value.to_owned())].into());
            pod.route().unwrap().address
        };
        assert!(marked("true").is_none() && marked("false").is_some());
    }

    #[test]
    fn a_pod_that_has_ended_or_has_no_generation_is_no_route() {
        assert_eq!(pod("Failed", "True", "7").route(), None);
        assert_eq!(pod("Succeeded", "True", "7").route(), None);
        assert_eq!(pod("Running", "True", "-1").route(), None);
    }

    #[test]
    fn a_pod_without_status_has_no_address_yet() {
        let labels = json!({ TABLE: "river", TABLE_UID: "0a", GENERATION: "1" });
        let pod: TablePod =
            serde_json::from_value(json!({ "metadata": { "name": "x", "labels": labels } })).unwrap();
        let route = pod.route().unwrap();
        assert_eq!((route.address, route.ready), (None, false));
    }

    #[test]
    fn pods_of_one_name_in_two_namespaces_lead_to_their_own_tables() {
        let (routes, mut listed) = (Routes::default(), Table::default());
        let mut other = pod("Running", "True", "1");
        other.metadata.namespace = Some("poker-2".into());
        other.metadata.labels.as_mut().unwrap().insert(TABLE_UID.into(), "0b".into());
        apply(watcher::Event::Apply(pod("Running", "True", "1")), &mut listed, &routes);
        apply(watcher::Event::Apply(other), &mut listed, &routes);
        let pods = |uid| routes.read(|table| table.target(uid)).map(|target| target.pod);
        assert_eq!(pods("0a").as_deref(), Some("poker/river-0"));
        assert_eq!(pods("0b").as_deref(), Some("poker-2/river-0"));
        apply(watcher::Event::Delete(TablePod::at("poker", "river-0")), &mut listed, &routes);
        assert_eq!((pods("0a"), pods("0b").is_some()), (None, true));
    }

    #[test]
    fn events_of_the_watch_change_the_routes() {
        let (routes, mut listed) = (Routes::default(), Table::default());
        apply(watcher::Event::Apply(pod("Running", "True", "1")), &mut listed, &routes);
        assert_eq!(routes.read(Table::tables), 1);
        apply(watcher::Event::Apply(pod("Failed", "False", "1")), &mut listed, &routes);
        assert_eq!(routes.read(Table::tables), 0);
        // A new list is built beside the routes in use.
        apply(watcher::Event::Init, &mut listed, &routes);
        apply(watcher::Event::InitApply(pod("Running", "True", "2")), &mut listed, &routes);
        assert_eq!((routes.read(Table::tables), listed.tables()), (0, 1));
    }
}
