//! Carries out what was decided.

use super::{build, observe::PodView, validate::Valid};
use crate::{
    certificates::CertificateError,
    context::{Context, MANAGER},
    index,
    pods::PodError,
    shared::SharedError,
};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use purr_crds::PokerTable;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Instant};

pub const FINALIZER: &str = "purr.poker/drain";

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("{what}: {source}")]
    Api { what: &'static str, source: kube::Error },
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Shared(#[from] SharedError),
    #[error(
        "Secret {name} is not this table's: remove it or give the table another name; the certificate goes there"
    )]
    Foreign {
        name: String,
        /// It belongs to another table, perhaps one of this name that is gone: then the API server removes it soon.
        leftover: bool,
    },
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

    /// What is said of it in the table's conditions.
    pub fn failed(&self) -> Failed {
        let refuses = |error: &kube::Error| {
            matches!(error, kube::Error::Api(status)
                if matches!(status.code, 400..=499) && !matches!(status.code, 404 | 408 | 409 | 429))
        };
        let of_api = |source: &kube::Error| match refuses(source) {
            true => ("ApiRefused", true),
            false => ("ApiUnavailable", false),
        };
        let (reason, lasts) = match self {
            Self::Api { source, .. } => of_api(source),
            Self::Shared(SharedError::Get { source, .. } | SharedError::Copy { source, .. }) => {
                of_api(source)
            }
            Self::Shared(SharedError::Missing { .. }) => ("SecretMissing", true),
            Self::Shared(SharedError::Foreign { .. }) => ("SecretTaken", true),
            Self::Foreign { leftover, .. } => ("SecretTaken", !leftover),
            Self::Certificate(_) => ("CertificateFailed", true),
            Self::Pod(_) | Self::Asked(_) => ("PodUnreachable", false),
        };
        Failed { reason, message: self.to_string(), lasts }
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

/// A step that did not happen, as the table's conditions say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub reason: &'static str,
    pub message: String,
    /// Waiting alone does not help, so it is said at once and not after some attempts.
    pub lasts: bool,
}

pub(super) fn api(what: &'static str) -> impl FnOnce(kube::Error) -> ApplyError {
    move |source| ApplyError::Api { what, source }
}

pub(super) fn name(table: &PokerTable) -> &str {
    table.metadata.name.as_deref().unwrap_or_default()
}

/// Where a table and all that is its own is.
pub(super) fn namespace(table: &PokerTable) -> &str {
    table.metadata.namespace.as_deref().unwrap_or_default()
}

/// Gives out the next generation. Fails where the table has changed since it was read: of two
/// controllers only one gets a number.
pub async fn raise(
    context: &Context,
    table: &PokerTable,
    to: u64,
    valid: Option<&Valid>,
) -> Result<PokerTable, ApplyError> {
    let to = i64::try_from(to).map_err(|_| ApplyError::Pod(format!("generation {to}")))?;
    let mut patch = json!({
        "metadata": {"resourceVersion": table.metadata.resource_version},
        "status": {"fencingGeneration": to},
    });
    if let Some(valid) = valid {
        patch["status"]["bound"] = json!(valid.bound);
        patch["status"]["store"] = json!(valid.store_name);
    }
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

/// Gives a pod back the labels and the owner that somebody has edited.
pub async fn restore(context: &Context, pod: &PodView, marks: &ObjectMeta) -> Result<(), ApplyError> {
    let labels = build::own_labels(marks);
    let patch =
        json!({"metadata": {"uid": pod.uid, "labels": labels, "ownerReferences": marks.owner_references}});
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..Default::default() };
    let patched =
        context.pods(&pod.namespace).patch_metadata(&pod.name, &params, &Patch::Merge(&patch)).await;
    patched.map_err(api("restore pod"))?;
    tracing::warn!(pod = pod.name, "labels and owner put back");
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
