//! Carries out what was decided.

use super::{
    build::{self, Objects, Parts},
    observe::PodView,
    validate::Valid,
};
use crate::{
    certificates::{CertificateError, Issued, seconds},
    context::{Context, MANAGER, jittered},
    index,
    pods::PodError,
    shared::SharedError,
};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use purr_crds::PokerTable;
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// Generation of a table's first pod.
const FIRST: u64 = 1;
/// A new controller looks at the certificates of tables that serve within this time.
const LOOK_WITHIN: Duration = Duration::from_secs(300);

pub const FINALIZER: &str = "purr.poker/drain";

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("{what}: {source}")]
    Api { what: &'static str, source: kube::Error },
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Shared(#[from] SharedError),
    #[error("the table's pod: {0}")]
    Pod(String),
    #[error("the table's pod: {0}")]
    Asked(#[from] PodError),
}

impl ApplyError {
    /// Somebody else has written in the meantime: look again, nothing is wrong.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api { source: kube::Error::Api(status), .. } if status.code == 409)
    }

    /// The API server will not have the pod, for instance because of a quota or Pod Security.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Api { what: "create pod", source: kube::Error::Api(status) }
                if matches!(status.code, 400..=499) && status.code != 409 =>
            {
                Some(status.message.clone())
            }
            _ => None,
        }
    }
}

fn api(what: &'static str) -> impl FnOnce(kube::Error) -> ApplyError {
    move |source| ApplyError::Api { what, source }
}

fn name(table: &PokerTable) -> &str {
    table.metadata.name.as_deref().unwrap_or_default()
}

/// Where a table and all that is its own is.
fn namespace(table: &PokerTable) -> &str {
    table.metadata.namespace.as_deref().unwrap_or_default()
}

/// Sees to the table's certificate and returns the next pod, ready to be created.
pub async fn prepare(
    context: &Context,
    table: &PokerTable,
    valid: &Valid,
    generation: u64,
) -> Result<Pod, ApplyError> {
    context.shared.ensure(namespace(table), |namespace| context.secrets(namespace)).await?;
    let certificate = due_certificate(context, table, generation).await?;
    let parts = Parts { table, valid, fleet: &context.fleet, generation, certificate: certificate.as_ref() };
    let Objects { secret, pod } = build::build(&parts);
    if let (Some(secret), Some(issued)) = (secret, certificate) {
        apply_secret(context, table, &secret, &issued, generation == FIRST).await?;
    }
    Ok(pod)
}

/// A new certificate where the table's own is missing, foreign or runs out.
async fn due_certificate(
    context: &Context,
    table: &PokerTable,
    generation: u64,
) -> Result<Option<Issued>, ApplyError> {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let now = SystemTime::now();
    let renew_at_s = context.memory(uid, |memory| memory.renew_at_s);
    if renew_at_s > seconds(now) {
        return Ok(None);
    }
    let serves = table.status.as_ref().is_some_and(|status| status.endpoint.is_some());
    if renew_at_s == 0 && serves {
        // This process has just begun, and the table serves with what it has: ten thousand Secrets are not read at once.
        let wait = i64::try_from(jittered(LOOK_WITHIN).as_secs()).unwrap_or_default();
        context.memory(uid, |memory| memory.renew_at_s = seconds(now) + wait);
        return Ok(None);
    }
    if generation == FIRST {
        return Ok(Some(context.authority.issue(uid, now)?));
    }
    let secrets = context.secrets(namespace(table));
    let secret = secrets.get_opt(&build::secret_name(name(table))).await.map_err(api("get secret"))?;
    let held = |key: &str| secret.as_ref()?.data.as_ref()?.get(key).map(|bytes| bytes.0.as_slice());
    let good_until = held("tls.crt").and_then(|pem| context.authority.renew_at_s(pem, uid));
    let same_ca = held("ca.crt") == Some(context.authority.ca()?.as_bytes());
    if let Some(at) = good_until.filter(|at| same_ca && *at > seconds(now)) {
        context.memory(uid, |memory| memory.renew_at_s = at);
        return Ok(None);
    }
    Ok(Some(context.authority.issue(uid, now)?))
}

async fn apply_secret(
    context: &Context,
    table: &PokerTable,
    secret: &Secret,
    issued: &Issued,
    is_new: bool,
) -> Result<(), ApplyError> {
    let secrets = context.secrets(namespace(table));
    let name = build::secret_name(name(table));
    let params = PostParams { field_manager: Some(MANAGER.into()), ..Default::default() };
    // A new table has none, and to create one costs the API server less than to apply it.
    let created = is_new && is_created(secrets.create(&params, secret).await)?;
    if !created {
        let apply = PatchParams::apply(MANAGER).force();
        secrets.patch(&name, &apply, &Patch::Apply(secret)).await.map_err(api("apply secret"))?;
    }
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let at = context.authority.renew_at_s(issued.certificate.as_bytes(), uid).unwrap_or_default();
    context.memory(uid, |memory| memory.renew_at_s = at);
    tracing::info!(table = name, not_after_s = issued.not_after_s, "certificate issued");
    Ok(())
}

/// False where something of this name is there already.
fn is_created<T>(created: Result<T, kube::Error>) -> Result<bool, ApplyError> {
    match created {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(source) => Err(ApplyError::Api { what: "create secret", source }),
    }
}

/// Gives out the next generation. Fails where the table has changed since it was read: of two
/// controllers only one gets a number.
pub async fn raise(
    context: &Context,
    table: &PokerTable,
    to: u64,
    valid: &Valid,
) -> Result<PokerTable, ApplyError> {
    let to = i64::try_from(to).map_err(|_| ApplyError::Pod(format!("generation {to}")))?;
    let patch = json!({
        "metadata": {"resourceVersion": table.metadata.resource_version},
        "status": {"fencingGeneration": to, "bound": valid.bound, "store": valid.store_name},
    });
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..Default::default() };
    let tables = context.tables(namespace(table));
    let raised = tables.patch_status(name(table), &params, &Patch::Merge(&patch)).await;
    Ok(wrote(context, raised.map_err(api("raise generation"))?))
}

/// Remembers the answer to a write of a table until the watch shows it.
fn wrote(context: &Context, mut table: PokerTable) -> PokerTable {
    index::prune(&mut table);
    if let Some(uid) = table.metadata.uid.as_deref() {
        context.memory(uid, |memory| memory.own.wrote(Arc::new(table.clone())));
    }
    table
}

/// Creates, never patches: a pod of this name that is there already belongs to another table or
/// another attempt, and is not ours to change.
pub async fn create(context: &Context, table: &PokerTable, pod: &Pod) -> Result<(), ApplyError> {
    let params = PostParams { field_manager: Some(MANAGER.into()), ..Default::default() };
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let created = context.pods(namespace).create(&params, pod).await.map_err(api("create pod"))?;
    if let Some(uid) = table.metadata.uid.as_deref() {
        context.memory(uid, |memory| memory.own.created(PodView::of(&created), Instant::now()));
    }
    context.metrics.launches.with_label_values(&["create"]).inc();
    Ok(())
}

/// Deletes this very pod, with its grace period.
pub async fn delete(context: &Context, table: &PokerTable, pod: &PodView) -> Result<(), ApplyError> {
    if let Some(uid) = table.metadata.uid.as_deref() {
        context.memory(uid, |memory| memory.own.deleted(&pod.name));
    }
    let this = Preconditions { uid: Some(pod.uid.clone()), ..Default::default() };
    let params = DeleteParams { preconditions: Some(this), ..Default::default() };
    match context.pods(&pod.namespace).delete(&pod.name, &params).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(ApplyError::Api { what: "delete pod", source }),
        Ok(_) => {
            context.metrics.launches.with_label_values(&["delete"]).inc();
            Ok(())
        }
    }
}

pub async fn annotate(context: &Context, pod: &PodView, key: &str, value: &str) -> Result<(), ApplyError> {
    annotate_all(context, pod, [(key, value)]).await
}

/// All of them in one write.
pub async fn annotate_all<const N: usize>(
    context: &Context,
    pod: &PodView,
    all: [(&str, &str); N],
) -> Result<(), ApplyError> {
    let patch = json!({"metadata": {"uid": pod.uid, "annotations": BTreeMap::from(all)}});
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..Default::default() };
    let patched =
        context.pods(&pod.namespace).patch_metadata(&pod.name, &params, &Patch::Merge(&patch)).await;
    patched.map_err(api("annotate pod"))?;
    Ok(())
}

/// Adds or removes our finalizer, where the table has not changed since it was read.
pub async fn set_finalizer(
    context: &Context,
    table: &PokerTable,
    present: bool,
) -> Result<PokerTable, ApplyError> {
    let mut finalizers = table.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    if present {
        finalizers.push(FINALIZER.into());
    }
    let patch = json!({"metadata": {
        "resourceVersion": table.metadata.resource_version,
        "finalizers": finalizers,
    }});
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..Default::default() };
    let tables = context.tables(namespace(table));
    let patched = tables.patch(name(table), &params, &Patch::Merge(&patch)).await;
    Ok(wrote(context, patched.map_err(api("finalizer"))?))
}

/// Only what is said of a table; the generation is [`raise`]'s alone.
pub async fn write_status(
    context: &Context,
    table: &PokerTable,
    status: &serde_json::Value,
) -> Result<(), ApplyError> {
    let patch = json!({"status": status});
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..Default::default() };
    match context.tables(namespace(table)).patch_status(name(table), &params, &Patch::Merge(&patch)).await {
        // Gone in the meantime: nobody is left to read it.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => {
            wrote(context, other.map_err(api("write status"))?);
            Ok(())
        }
    }
}
