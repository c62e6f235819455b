//! The loop of the steps, for one fleet.

use super::{
    apply::{self, ApplyError, FINALIZER},
    decide::{Decision, Memory, Observed, Step, decide},
    observe::{Hashes, TableView},
    status::{self, COUNTS_EVERY_S, Counts, Facts},
};
use crate::{
    certificates::seconds,
    context::RETRY,
    index::{FleetIndex, PodIndex},
    metrics::{Metrics, Place},
    pace::{Budget, Group, SharedPace},
    summaries::Summaries,
    table::status::Spare,
};
use futures::{StreamExt, stream};
use k8s_openapi::{api::apps::v1::ControllerRevision, jiff::Timestamp};
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{controller::Action, events::Recorder, reflector::Store},
};
use purr_crds::{PokerTable, PokerTableFleet, PokerTableFleetStatus};
use purr_namespaces::Listed;
use purr_runtime::jittered;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// Writes of one fleet that run at once.
const WRITES_MAX: usize = 16;
/// A fleet that nothing happens to is looked at this often all the same.
const RESYNC: Duration = Duration::from_secs(300);

/// Until a fleet is looked at again whose namespace has not been listed yet.
const UNLISTED: Duration = Duration::from_secs(1);

/// Statuses of fleets a second that are written for their counts alone.
const COUNTS_PER_S: u64 = 5;

/// What reconciles of fleets share.
pub struct Fleets {
    client: Client,
    pub table_cache: Store<PokerTable>,
    pub pod_index: Arc<PodIndex>,
    pub fleet_index: Arc<FleetIndex>,
    tables_listed: Listed,
    pods_listed: Listed,
    pub recorder: Recorder,
    pub summaries: Arc<Summaries>,
    pub metrics: Metrics,
    pub pace: Arc<SharedPace>,
    pub release: String,
    held: Mutex<HashMap<String, Held>>,
    /// Writes of counts, of all fleets together.
    spare: Mutex<Spare>,
}

/// Of one fleet, by its UID; may be lost with the process.
struct Held {
    memory: Memory,
    /// The template that is known to be in the history, and the revision's name.
    revision: Option<(Hashes, String)>,
    written_s: i64,
    /// As last written: the watch may be behind.
    written: Option<PokerTableFleetStatus>,
    failures: u32,
}

/// The parts of [`Fleets`] that come from the outside.
pub struct Parts {
    pub client: Client,
    pub table_cache: Store<PokerTable>,
    pub pod_index: Arc<PodIndex>,
    pub fleet_index: Arc<FleetIndex>,
    pub tables_listed: Listed,
    pub pods_listed: Listed,
    pub recorder: Recorder,
    pub summaries: Arc<Summaries>,
    pub metrics: Metrics,
    pub pace: Arc<SharedPace>,
    pub release: String,
}

impl Fleets {
    pub fn new(parts: Parts) -> Self {
        let Parts {
            client,
            table_cache,
            pod_index,
            fleet_index,
            tables_listed,
            pods_listed,
            recorder,
            summaries,
            metrics,
            pace,
            release,
        } = parts;
        Self {
            client,
            table_cache,
            pod_index,
            fleet_index,
            tables_listed,
            pods_listed,
            recorder,
            summaries,
            metrics,
            pace,
            release,
            held: Mutex::default(),
            spare: Mutex::new(Spare::of(COUNTS_PER_S)),
        }
    }

    pub fn fleets(&self, namespace: &str) -> Api<PokerTableFleet> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub fn tables(&self, namespace: &str) -> Api<PokerTable> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub fn revisions(&self, namespace: &str) -> Api<ControllerRevision> {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn held<T>(&self, fleet: &PokerTableFleet, use_it: impl FnOnce(&mut Held) -> T) -> T {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = fleet.metadata.uid.clone().unwrap_or_default();
        let new = || Held {
            memory: Memory::new(fleet.metadata.generation.unwrap_or_default(), seconds(SystemTime::now())),
            revision: None,
            written_s: 0,
            written: None,
            failures: 0,
        };
        use_it(held.entry(uid).or_insert_with(new))
    }

    fn forget(&self, fleet: &PokerTableFleet) {
        let uid = fleet.metadata.uid.as_deref().unwrap_or_default();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        self.pace.with(|pace| pace.forget_group(&group(fleet)));
        self.metrics.forget_fleet(&place(fleet));
    }

    /// How long to wait after one more failure of this fleet.
    fn failed(&self, fleet: &PokerTableFleet) -> Duration {
        let failures = self.held(fleet, |held| {
            held.failures = held.failures.saturating_add(1);
            held.failures
        });
        jittered(RETRY.after(failures.saturating_sub(1)))
    }

    /// The fleet's tables as the watch shows them.
    fn views(&self, fleet: &PokerTableFleet) -> Vec<TableView> {
        let name = fleet.metadata.name.as_deref().unwrap_or_default();
        let of = |table: Arc<PokerTable>| {
            let uid = table.metadata.uid.as_deref().unwrap_or_default();
            let summary = self.summaries.get(uid);
            TableView::of(name, &fleet.spec.template, &table, summary.as_ref(), self.pod_index.node(uid))
        };
        self.tables_of(fleet).map(of).collect()
    }

    /// The tables that belong to this very fleet.
    pub fn tables_of(&self, fleet: &PokerTableFleet) -> impl Iterator<Item = Arc<PokerTable>> {
        let tables = self.fleet_index.of(fleet.metadata.uid.as_deref().unwrap_or_default());
        tables.into_iter().filter_map(|table| self.table_cache.get(&table))
    }
}

/// The fleet's tables, for the pace at which their pods change.
fn group(fleet: &PokerTableFleet) -> Group {
    let PokerTableFleet { metadata, .. } = fleet;
    Group::Fleet(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

/// Brings one fleet a step nearer to what it should be.
pub async fn reconcile(fleet: Arc<PokerTableFleet>, fleets: Arc<Fleets>) -> Result<Action, ApplyError> {
    let result = once(&fleet, &fleets).await;
    let label = match &result {
        Ok(_) => "ok",
        Err(error) if error.is_conflict() => "conflict",
        Err(_) => "error",
    };
    fleets.metrics.fleet_reconciles.with_label_values(&[label]).inc();
    if result.is_ok() {
        fleets.held(&fleet, |held| held.failures = 0);
        if fleet.metadata.deletion_timestamp.is_some() && !has_finalizer(&fleet) {
            fleets.forget(&fleet);
        }
    }
    result
}

#[expect(clippy::needless_pass_by_value, reason = "kube's signature")]
pub fn on_error(fleet: Arc<PokerTableFleet>, error: &ApplyError, fleets: Arc<Fleets>) -> Action {
    let name = fleet.name_any();
    if error.is_conflict() {
        tracing::debug!(fleet = name, %error, "looks again");
    } else {
        tracing::warn!(fleet = name, %error, "not reconciled");
    }
    Action::requeue(fleets.failed(&fleet))
}

fn place(fleet: &PokerTableFleet) -> Place {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    Place { namespace: part(&fleet.metadata.namespace), fleet: part(&fleet.metadata.name) }
}

fn has_finalizer(fleet: &PokerTableFleet) -> bool {
    fleet.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

async fn once(fleet: &PokerTableFleet, fleets: &Fleets) -> Result<Action, ApplyError> {
    let namespace = fleet.metadata.namespace.as_deref().unwrap_or_default();
    // A fleet that saw only some of its tables would make the others again.
    if !fleets.tables_listed.has(namespace) || !fleets.pods_listed.has(namespace) {
        return Ok(Action::requeue(UNLISTED));
    }
    let hashes = Hashes::of(&fleet.spec.template);
    let rollout = &fleet.spec.rollout;
    let batch = usize::try_from(rollout.batch).unwrap_or(1);
    let budget = Budget { batch, deadline_s: i64::from(rollout.progress_deadline_seconds) };
    fleets.pace.with(|pace| pace.set_budget(group(fleet), budget));
    let tables = fleets.views(fleet);
    let now_s = seconds(SystemTime::now());
    let generation = fleet.metadata.generation.unwrap_or_default();
    let seen = Observed {
        name: fleet.metadata.name.as_deref().ok_or(ApplyError::Nameless)?,
        spec: &fleet.spec,
        hashes: &hashes,
        generation,
        finalizer: has_finalizer(fleet),
        deleting: fleet.metadata.deletion_timestamp.is_some(),
        orphan: fleet.finalizers().iter().any(|finalizer| finalizer == "orphan"),
        tables: &tables,
        now_s,
    };
    let decision = fleets.held(fleet, |held| decide(&seen, &mut held.memory));
    let worst = carry_out(fleets, fleet, &hashes, &decision).await;
    if decision.steps.contains(&Step::ReleaseFinalizer) || (seen.deleting && !seen.finalizer) {
        return worst.map_or(Ok(Action::await_change()), Err);
    }
    let revision = revision(fleets, fleet, &hashes, seen.deleting).await;
    let name = revision.as_ref().ok().and_then(Option::as_deref);
    let later_s = say(fleets, fleet, &decision, name, now_s).await?;
    revision?;
    match (worst, decision.again_s.into_iter().chain(later_s).min()) {
        (Some(error), _) => Err(error),
        (None, Some(again_s)) => Ok(Action::requeue(Duration::from_secs(again_s))),
        (None, None) => Ok(Action::requeue(jittered(RESYNC))),
    }
}

/// Carries out all steps, several at once; returns one of the failures.
async fn carry_out(
    fleets: &Fleets,
    fleet: &PokerTableFleet,
    hashes: &Hashes,
    decision: &Decision,
) -> Option<ApplyError> {
    let writes: Vec<_> = decision.steps.iter().map(|step| write(fleets, fleet, step)).collect();
    let mut results = stream::iter(writes).buffer_unordered(WRITES_MAX);
    let mut worst = None;
    while let Some((step, result)) = results.next().await {
        let kind = step.kind();
        let label = if result.is_ok() { "ok" } else { "error" };
        fleets.metrics.fleet_steps.with_label_values(&[kind, label]).inc();
        let is_create = matches!(step, Step::Create { .. });
        let generation = fleet.metadata.generation.unwrap_or_default();
        fleets.held(fleet, |held| match &result {
            Ok(()) if is_create => held.memory.accepted(),
            Ok(()) => {}
            Err(error) => {
                held.memory.expect.failed(step, error.is_known());
                if let Some(message) = error.refusal().filter(|_| is_create) {
                    held.memory.refused(message, generation, seconds(SystemTime::now()));
                }
            }
        });
        match result {
            // Said in the condition, and tried again at its own pace.
            Err(error) if is_create && error.refusal().is_some() => {
                tracing::warn!(fleet = fleet.metadata.name, play = hashes.play, %error, "table refused");
            }
            Err(error) => worst = Some(error),
            Ok(()) => {}
        }
    }
    worst
}

async fn write<'a>(
    fleets: &Fleets,
    fleet: &PokerTableFleet,
    step: &'a Step,
) -> (&'a Step, Result<(), ApplyError>) {
    tracing::info!(fleet = fleet.metadata.name, ?step, "step");
    (step, apply::carry_out(fleets, fleet, step).await)
}

async fn revision(
    fleets: &Fleets,
    fleet: &PokerTableFleet,
    hashes: &Hashes,
    deleting: bool,
) -> Result<Option<String>, ApplyError> {
    let known = fleets.held(fleet, |held| held.revision.clone());
    if let Some((of, name)) = known
        && of == *hashes
    {
        return Ok(Some(name));
    }
    if deleting {
        return Ok(None);
    }
    let name = apply::remember(fleets, fleet).await?;
    fleets.held(fleet, |held| held.revision = Some((hashes.clone(), name.clone())));
    Ok(Some(name))
}

/// Writes the status where it says something new, and an event for each change of a condition. Returns when to look again
/// because of what is not written yet, in seconds.
async fn say(
    fleets: &Fleets,
    fleet: &PokerTableFleet,
    decision: &Decision,
    revision: Option<&str>,
    now_s: i64,
) -> Result<Option<u64>, ApplyError> {
    fleets.metrics.set_fleet(
        &place(fleet),
        &Counts::of(&decision.tables),
        decision.demand.least(),
        decision.rollout.stalled.is_some(),
    );
    let (written_s, written) = fleets.held(fleet, |held| (held.written_s, held.written.clone()));
    let before = written.or_else(|| fleet.status.clone());
    let Place { namespace, fleet: name } = place(fleet);
    let waiting = fleets.summaries.waiting(&(namespace, name));
    let facts = Facts { fleet, before: before.as_ref(), decision, waiting, revision, now: Timestamp::now() };
    let after = status::status(&facts);
    let spare = || fleets.spare.lock().unwrap_or_else(PoisonError::into_inner).take(now_s.unsigned_abs());
    if !status::is_due(before.as_ref(), &after, now_s - written_s, spare) {
        return Ok((before.as_ref() != Some(&after)).then_some(COUNTS_EVERY_S));
    }
    apply::write_status(fleets, fleet, &after).await?;
    fleets.held(fleet, |held| (held.written_s, held.written) = (now_s, Some(after.clone())));
    fleets.metrics.status_writes.with_label_values(&["fleet"]).inc();
    let before = before.unwrap_or_default();
    let about = fleet.object_ref(&());
    for event in status::events(&before, &after) {
        if let Err(error) = fleets.recorder.publish(&event, &about).await {
            tracing::warn!(%error, reason = event.reason, "event");
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
