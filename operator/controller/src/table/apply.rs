//! Carries out the decided steps.

use super::{build, failed::Failed, observe::PodView, validate::Valid};
use crate::{
    certificates::CertificateError, context::Context, index, names::MANAGER, pods::PodError,
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
        /// The Secret belongs to another table, perhaps to a deleted one of this name: then the API server removes the
        /// Secret soon.
        leftover: bool,
    },
    #[error("the table's pod: {0}")]
    Pod(String),
    #[error("the table's pod: {0}")]
    Asked(#[from] PodError),
}

impl ApplyError {
    /// Whether another writer has changed the object in the meantime. The reconcile runs again; this is no fault.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api { source: kube::Error::Api(status), .. } if status.code == 409)
    }

    /// The error as the table's conditions report it.
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

pub(super) fn api(what: &'static str) -> impl FnOnce(kube::Error) -> ApplyError {
    move |source| ApplyError::Api { what, source }
}

pub(super) fn name(table: &PokerTable) -> &str {
    table.metadata.name.as_deref().unwrap_or_default()
}

/// The table's namespace, which all its objects are in.
pub(super) fn namespace(table: &PokerTable) -> &str {
    table.metadata.namespace.as_deref().unwrap_or_default()
}

/// Raises the generation. Fails if the table has changed since it was read, so that only one of two controllers gets a
/// number.
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

/// Creates a pod and never patches one: an existing pod of this name belongs to another table or another attempt.
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

/// Sets several annotations in one write.
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

/// Writes conditions and figures; only [`raise`] writes the generation.
pub async fn write_status(
    context: &Context,
    table: &PokerTable,
    status: &serde_json::Value,
) -> Result<(), ApplyError> {
    let patch = json!({"status": status});
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..Default::default() };
    match context.tables(namespace(table)).patch_status(name(table), &params, &Patch::Merge(&patch)).await {
        // The table is gone, so nobody would read its status.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => {
            wrote(context, other.map_err(api("write status"))?);
            Ok(())
        }
    }
}
