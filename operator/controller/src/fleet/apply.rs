//! Carries out the steps of a fleet.

use super::{ANNOTATION_CLOSED_FOR, ANNOTATION_PAUSED_BY, LABEL_FLEET, fleets::Fleets, revision, step::Step};
use crate::names::MANAGER;
use k8s_openapi::{api::apps::v1::ControllerRevision, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Resource,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use purr_crds::{CHANGEABLE, PokerTable, PokerTableFleet, PokerTableSpec};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub const FINALIZER: &str = "purr.poker/close-tables";

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("{what}: {source}")]
    Api { what: &'static str, source: kube::Error },
    #[error("table {0} belongs to somebody else")]
    Foreign(String),
    #[error("the fleet has no name, namespace or UID")]
    Nameless,
}

impl ApplyError {
    /// Whether another writer has changed the object in the meantime. The reconcile runs again; this is no fault.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api { source: kube::Error::Api(status), .. } if status.code == 409)
    }

    /// The API server has not carried out the request, and does not the next time.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Api { source: kube::Error::Api(status), .. }
                if matches!(status.code, 400..=499) && !matches!(status.code, 409 | 429) =>
            {
                Some(&status.message)
            }
            _ => None,
        }
    }

    /// Whether the request is known to have had no effect.
    pub fn is_known(&self) -> bool {
        match self {
            Self::Api { source: kube::Error::Api(status), .. } => status.code < 500,
            Self::Api { .. } => false,
            Self::Foreign(_) | Self::Nameless => true,
        }
    }
}

fn api(what: &'static str) -> impl FnOnce(kube::Error) -> ApplyError {
    move |source| ApplyError::Api { what, source }
}

/// The fleet's namespace, which its tables are in as well.
fn namespace(fleet: &PokerTableFleet) -> &str {
    fleet.metadata.namespace.as_deref().unwrap_or_default()
}

fn merge() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.into()), ..Default::default() }
}

/// A new table of a fleet.
pub fn table(fleet: &PokerTableFleet, name: &str, release: &str) -> Result<PokerTable, ApplyError> {
    let mut owner = fleet.controller_owner_ref(&()).ok_or(ApplyError::Nameless)?;
    owner.block_owner_deletion = Some(true);
    let of = fleet.metadata.name.clone().ok_or(ApplyError::Nameless)?;
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let paused = fleet.spec.template.paused.then(|| label(ANNOTATION_PAUSED_BY, "fleet"));
    let mut table = PokerTable::new(name, PokerTableSpec { closed: false, ..fleet.spec.template.clone() });
    table.metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: fleet.metadata.namespace.clone(),
        labels: Some(BTreeMap::from([
            label(LABEL_FLEET, &of),
            label("app.kubernetes.io/part-of", "purr"),
            label("app.kubernetes.io/instance", release),
            label("app.kubernetes.io/managed-by", MANAGER),
        ])),
        annotations: paused.map(|paused| BTreeMap::from([paused])),
        // Set here, because the table's reconcile would otherwise need one more write.
        finalizers: Some(vec![crate::table::apply::FINALIZER.to_owned()]),
        owner_references: Some(vec![owner]),
        ..Default::default()
    };
    Ok(table)
}

/// Carries out one step.
pub async fn carry_out(fleets: &Fleets, fleet: &PokerTableFleet, step: &Step) -> Result<(), ApplyError> {
    match step {
        Step::AddFinalizer => set_finalizer(fleets, fleet, true).await,
        Step::ReleaseFinalizer => set_finalizer(fleets, fleet, false).await,
        Step::Create { name } => create(fleets, fleet, name).await,
        Step::Close { uid, why } => {
            let annotations = json!({ANNOTATION_CLOSED_FOR: why.as_str()});
            patch(fleets, fleet, uid, "close table", annotations, json!({"closed": true})).await
        }
        Step::Open { uid } => {
            let annotations = json!({ANNOTATION_CLOSED_FOR: null});
            patch(fleets, fleet, uid, "open table", annotations, json!({"closed": false})).await
        }
        Step::Pause { uid, paused } => {
            let annotations = json!({ANNOTATION_PAUSED_BY: paused.then_some("fleet")});
            patch(fleets, fleet, uid, "pause table", annotations, json!({"paused": paused})).await
        }
        Step::Move { uid } => {
            let Some(table) = find(fleets, fleet, uid) else { return Ok(()) };
            let spec = moved(&table.spec, &fleet.spec.template);
            patch(fleets, fleet, uid, "move table", json!({}), spec).await
        }
        Step::Delete { uid } => {
            let Some(table) = find(fleets, fleet, uid) else { return Ok(()) };
            // Deletes the version that was observed: closed and empty.
            let resource_version = table.metadata.resource_version.clone();
            let this = Preconditions { uid: Some(uid.clone()), resource_version };
            let params = DeleteParams { preconditions: Some(this), ..Default::default() };
            let name = table.metadata.name.as_deref().unwrap_or_default();
            match fleets.tables(namespace(fleet)).delete(name, &params).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                other => other.map(drop).map_err(api("delete table")),
            }
        }
    }
}

/// Creates a table. If a table of this name exists, an earlier attempt made it and its answer was lost.
async fn create(fleets: &Fleets, fleet: &PokerTableFleet, name: &str) -> Result<(), ApplyError> {
    let table = table(fleet, name, &fleets.release)?;
    let params = PostParams { field_manager: Some(MANAGER.into()), ..Default::default() };
    match fleets.tables(namespace(fleet)).create(&params, &table).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            let held = fleets.tables(namespace(fleet)).get_opt(name).await.map_err(api("get table"))?;
            let owners = held.and_then(|held| held.metadata.owner_references).unwrap_or_default();
            let ours = owners.iter().any(|owner| Some(&owner.uid) == fleet.metadata.uid.as_ref());
            if ours { Ok(()) } else { Err(ApplyError::Foreign(name.to_owned())) }
        }
        Err(source) => Err(ApplyError::Api { what: "create table", source }),
    }
}

fn find(fleets: &Fleets, fleet: &PokerTableFleet, uid: &str) -> Option<std::sync::Arc<PokerTable>> {
    fleets.tables_of(fleet).find(|table| table.metadata.uid.as_deref() == Some(uid))
}

/// Patches a table of this UID only: the API server refuses a patch with another UID.
async fn patch(
    fleets: &Fleets,
    fleet: &PokerTableFleet,
    uid: &str,
    what: &'static str,
    annotations: Value,
    spec: Value,
) -> Result<(), ApplyError> {
    let Some(table) = find(fleets, fleet, uid) else { return Ok(()) };
    let name = table.metadata.name.as_deref().unwrap_or_default();
    let patch = json!({"metadata": {"uid": uid, "annotations": annotations}, "spec": spec});
    match fleets.tables(namespace(fleet)).patch(name, &merge(), &Patch::Merge(&patch)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop).map_err(api(what)),
    }
}

/// The patch that gives a table clock and pod of the template.
pub fn moved(from: &PokerTableSpec, to: &PokerTableSpec) -> Value {
    let part = |spec: &PokerTableSpec| {
        let mut all = serde_json::to_value(spec).unwrap_or_default();
        let mut part = Map::new();
        for name in CHANGEABLE.iter().filter(|name| !matches!(**name, "closed" | "paused")) {
            if let Some(value) = all.as_object_mut().and_then(|all| all.remove(*name)) {
                part.insert((*name).to_owned(), value);
            }
        }
        Value::Object(part)
    };
    merge_patch(&part(from), &part(to))
}

/// Returns the merge patch (RFC 7386) that turns `from` into `to`; members that only `from` has become null.
fn merge_patch(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let mut patch = Map::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in to {
        match from.get(name) {
            Some(held) if held == value => {}
            Some(held) => {
                patch.insert(name.clone(), merge_patch(held, value));
            }
            None => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}

/// Adds or removes our finalizer, where the fleet has not changed since it was read.
async fn set_finalizer(fleets: &Fleets, fleet: &PokerTableFleet, present: bool) -> Result<(), ApplyError> {
    let mut finalizers = fleet.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    if present {
        finalizers.push(FINALIZER.into());
    }
    let patch = json!({"metadata": {
        "resourceVersion": fleet.metadata.resource_version,
        "finalizers": finalizers,
    }});
    let name = fleet.metadata.name.as_deref().ok_or(ApplyError::Nameless)?;
    fleets
        .fleets(namespace(fleet))
        .patch(name, &merge(), &Patch::Merge(&patch))
        .await
        .map(drop)
        .map_err(api("finalizer"))
}

/// Makes sure that the history has the current template; returns the name of its revision.
pub async fn remember(fleets: &Fleets, fleet: &PokerTableFleet) -> Result<String, ApplyError> {
    let (name, uid) = (fleet.metadata.name.as_deref(), fleet.metadata.uid.as_deref());
    let (name, uid) = name.zip(uid).ok_or(ApplyError::Nameless)?;
    let selector = ListParams::default().labels(&format!("{LABEL_FLEET}={name}"));
    let revisions = fleets.revisions(namespace(fleet));
    let mut held = revisions.list(&selector).await.map_err(api("list revisions"))?.items;
    let ours = |revision: &ControllerRevision| {
        let owners = revision.metadata.owner_references.as_deref().unwrap_or_default();
        owners.iter().any(|owner| owner.uid == uid)
    };
    held.retain(ours);
    let plan = revision::plan(fleet, &held);
    if let Some(revision) = &plan.create {
        let params = PostParams { field_manager: Some(MANAGER.into()), ..Default::default() };
        match revisions.create(&params, revision).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            other => drop(other.map_err(api("create revision"))?),
        }
    }
    if let Some(number) = plan.raise {
        let patch = json!({"revision": number});
        let raised = revisions.patch(&plan.name, &merge(), &Patch::Merge(&patch)).await;
        raised.map_err(api("raise revision"))?;
    }
    for name in &plan.drop {
        match revisions.delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => drop(other.map_err(api("delete revision"))?),
        }
    }
    Ok(plan.name)
}

pub async fn write_status(
    fleets: &Fleets,
    fleet: &PokerTableFleet,
    status: &purr_crds::PokerTableFleetStatus,
) -> Result<(), ApplyError> {
    let name = fleet.metadata.name.as_deref().ok_or(ApplyError::Nameless)?;
    let patch = json!({"status": status});
    match fleets.fleets(namespace(fleet)).patch_status(name, &merge(), &Patch::Merge(&patch)).await {
        // The fleet is gone, so nobody would read its status.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop).map_err(api("write status")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_table_of_a_fleet_is_owned_labelled_and_open() {
        let fleet = testing::pokertablefleet();
        let table = table(&fleet, "nl100-7", "purr").unwrap();
        let owner = &table.metadata.owner_references.as_ref().unwrap()[0];
        assert_eq!((owner.controller, owner.block_owner_deletion), (Some(true), Some(true)));
        assert_eq!(owner.uid, fleet.metadata.uid.unwrap());
        assert_eq!(table.metadata.labels.unwrap()[LABEL_FLEET], "nl100");
        assert_eq!(table.spec, fleet.spec.template);
    }

    #[test]
    fn a_move_removes_what_the_template_no_longer_has_and_leaves_the_rest_alone() {
        let mut from = testing::table().spec;
        from.pod.node_selector = [("disk".to_owned(), "ssd".to_owned())].into();
        from.pod.image = Some("a".into());
        (from.paused, from.closed) = (true, true);
        let mut to = testing::table().spec;
        to.pod.image = Some("b".into());
        to.clock.turn_seconds = 9;
        let patch = moved(&from, &to);
        assert_eq!(patch, json!({"pod": {"image": "b", "nodeSelector": null}, "clock": {"turnSeconds": 9}}));
    }
}
