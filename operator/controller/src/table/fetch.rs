//! Reads a table from the API server: the object and its pods.

use super::{build, observe::PodView};
use crate::context::Context;
use kube::api::ListParams;
use purr_crds::PokerTable;
use std::{sync::Arc, time::Instant};

pub struct Fetched {
    pub table: PokerTable,
    pub pods: Vec<PodView>,
    /// Read from the API server just now. What the watches have may be older.
    pub live: bool,
}

/// Reads the watch cache and this process's own writes. Stale data is safe for writes guarded by resourceVersion or a
/// unique name.
pub fn cached(context: &Context, table: &Arc<PokerTable>) -> Fetched {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let pods = own(table, context.pod_index.of(uid));
    let (table, pods) =
        context.memory(uid, |memory| (memory.own.table(table), memory.own.pods(pods, Instant::now())));
    Fetched { table: (*table).clone(), pods, live: false }
}

/// Reads the current state from the API server; `None` if the table is gone.
pub async fn live(context: &Context, table: &PokerTable) -> Result<Option<Fetched>, kube::Error> {
    let name = table.metadata.name.as_deref().unwrap_or_default();
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let namespace = table.metadata.namespace.as_deref().unwrap_or_default();
    let Some(table) = context.tables(namespace).get_opt(name).await? else { return Ok(None) };
    if table.metadata.uid.as_deref() != Some(uid) {
        return Ok(None);
    }
    let pods_api = context.pods(namespace);
    let labelled = ListParams::default().labels(&format!("{}={uid}", build::LABEL_UID));
    let mut pods: Vec<PodView> = pods_api.list(&labelled).await?.items.iter().map(PodView::of).collect();
    // The label may have been removed from a pod.
    for known in context.pod_index.of(uid) {
        if pods.iter().all(|pod| pod.name != known.name) {
            let named = ListParams::default().fields(&format!("metadata.name={}", known.name));
            pods.extend(pods_api.list(&named).await?.items.iter().map(PodView::of));
        }
    }
    let pods = own(&table, pods);
    Ok(Some(Fetched { table, pods, live: true }))
}

/// The pods whose names are of this table: a pod that only has its label is somebody else's.
fn own(table: &PokerTable, mut pods: Vec<PodView>) -> Vec<PodView> {
    let name = table.metadata.name.as_deref().unwrap_or_default();
    pods.retain(|pod| build::parse_pod_name(&pod.name).is_some_and(|(table, _)| table == name));
    pods
}
