//! What the API server has of a table: the object and its pods.

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

/// As the watches and the own writes since have it: good enough for all that a compare-and-swap or a name protects.
pub fn cached(context: &Context, table: &Arc<PokerTable>) -> Fetched {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let pods = context.pod_index.of(uid);
    let (table, pods) =
        context.memory(uid, |memory| (memory.own.table(table), memory.own.pods(pods, Instant::now())));
    Fetched { table: (*table).clone(), pods, live: false }
}

/// As it is now; `None` where the table is gone.
pub async fn live(context: &Context, table: &PokerTable) -> Result<Option<Fetched>, kube::Error> {
    let name = table.metadata.name.as_deref().unwrap_or_default();
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let namespace = table.metadata.namespace.as_deref().unwrap_or_default();
    let Some(table) = context.tables(namespace).get_opt(name).await? else { return Ok(None) };
    if table.metadata.uid.as_deref() != Some(uid) {
        return Ok(None);
    }
    let selector = ListParams::default().labels(&format!("{},{}={uid}", build::SELECTOR, build::LABEL_UID));
    let pods = context.pods(namespace).list(&selector).await?;
    let pods = pods.items.iter().map(PodView::of).collect();
    Ok(Some(Fetched { table, pods, live: true }))
}
