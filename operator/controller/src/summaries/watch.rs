//! Reads the summaries of all tables and the lengths of all waiting lists, at a fixed interval.

use super::Summaries;
use crate::{context::Context, fleet::wake::Key, pods::Pods};
use kube::runtime::reflector::{ObjectRef, Store};
use purr_crds::{PokerTable, PokerTableFleet};
use purr_protocol::summary::Summary;
use purr_runtime::CancellationToken;
use purr_store::{Sessions, StoreError};
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, timeout},
};

/// Tables read in one call.
const BATCH: usize = 1_000;
/// The first status of a table that has just come up waits for its summary no longer than this.
const FIRST_MAX: Duration = Duration::from_millis(250);
/// UID that no table has; used to probe the signer if there is no table.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// Reads the summary of one table whose pod has just become ready, before the next round of [`watch`]. Its first status
/// is then complete, with one write instead of two. `None` if Redis does not answer in time.
pub async fn first(context: &Context, uid: &str) -> Option<Summary> {
    let asked = [uid.to_owned()];
    let found = timeout(FIRST_MAX, context.sessions.summaries(&asked)).await.ok()?.ok()?;
    let summary = found.into_iter().next().flatten()?;
    context.summaries.first(uid, &summary);
    Some(summary)
}

/// Reads all summaries until stopped; reconciles the tables whose status changes.
pub async fn watch(
    context: Arc<Context>,
    tables: Store<PokerTable>,
    fleets: Store<PokerTableFleet>,
    changed: mpsc::Sender<ObjectRef<PokerTable>>,
    every: Duration,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::select! {
        () = stop.cancelled() => return,
        // Without the list of tables there are no summaries to read.
        () = context.summaries.listed.notified() => {}
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let all = tables.state();
        context.metrics.count_tables(
            all.iter().map(|table| table.status.as_ref().map(|status| status.phase).unwrap_or_default()),
        );
        let names: HashMap<&str, &Arc<PokerTable>> =
            all.iter().filter_map(|table| Some((table.metadata.uid.as_deref()?, table))).collect();
        let mut news: Vec<String> = match read(&context.sessions, names.keys().copied()).await {
            Ok(fresh) => context.summaries.replace(fresh),
            Err(error) => {
                // Old summaries are kept until Redis is back; the tables' own conditions report the outage.
                tracing::warn!(%error, "the tables' summaries cannot be read");
                Vec::new()
            }
        };
        match read_waiting(&context.sessions, &fleets).await {
            Ok(fresh) => {
                for fleet in context.summaries.set_waiting(fresh) {
                    context.wake.fleet(fleet);
                }
            }
            // For instance, the group's access list may be of the previous release.
            Err(error) => tracing::debug!(%error, "waiting lists"),
        }
        let signer = ask_signer(&context.summaries, &context.reach, names.keys().next().copied()).await;
        if !context.summaries.read.swap(true, Ordering::AcqRel) {
            // No table was reconciled before this point; the controller reconciles all of them now anyway.
            all.iter().for_each(|table| context.wake.about(table));
            continue;
        }
        if signer {
            news = names.keys().map(|uid| (*uid).to_owned()).collect();
        }
        let many = i64::try_from(news.len()).unwrap_or(i64::MAX);
        context.metrics.queued.set(many);
        for uid in news {
            if let Some(table) = names.get(uid.as_str()) {
                context.wake.about(table);
            }
            if let Some(table) = names.get(uid.as_str())
                && changed.send(ObjectRef::from_obj(table.as_ref())).await.is_err()
            {
                return;
            }
            context.metrics.queued.dec();
        }
        context.metrics.queued.set(0);
    }
}

async fn read(
    sessions: &Sessions,
    uids: impl Iterator<Item = &str>,
) -> Result<HashMap<String, Summary>, StoreError> {
    let uids: Vec<String> = uids.map(str::to_owned).collect();
    let mut fresh = HashMap::with_capacity(uids.len());
    for batch in uids.chunks(BATCH) {
        let found = sessions.summaries(batch).await?;
        let known = batch.iter().zip(found).filter_map(|(uid, summary)| Some((uid.clone(), summary?)));
        fresh.extend(known);
    }
    Ok(fresh)
}

async fn read_waiting(
    sessions: &Sessions,
    fleets: &Store<PokerTableFleet>,
) -> Result<HashMap<Key, u64>, StoreError> {
    let place = |fleet: &Arc<PokerTableFleet>| {
        Some((fleet.metadata.namespace.clone()?, fleet.metadata.name.clone()?))
    };
    let keys: Vec<Key> = fleets.state().iter().filter_map(place).collect();
    let names: Vec<String> = keys.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    Ok(keys.into_iter().zip(sessions.waiting(&names).await?).collect())
}

async fn ask_signer(summaries: &Summaries, reach: &Pods, uid: Option<&str>) -> bool {
    summaries
        .set_signer(reach.signer_answers(uid.unwrap_or(NOBODY)).await.err().map(|error| error.to_string()))
}
