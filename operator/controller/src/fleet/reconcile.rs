//! The reconcile loop of one fleet.

use super::{
    apply::{self, ApplyError, FINALIZER},
    decide::{Decision, Observed, decide},
    fleets::{Fleets, group, place},
    observe::Hashes,
    status::{self, COUNTS_EVERY_S, Counts, Facts},
    step::Step,
};
use crate::{certificates::seconds, metrics::Place, pace::Budget};
use futures::{StreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt, runtime::controller::Action};
use purr_crds::PokerTableFleet;
use purr_runtime::jittered;
use std::{
    sync::{Arc, PoisonError},
    time::{Duration, SystemTime},
};

/// Writes of one fleet that run at once.
const WRITES_MAX: usize = 16;
/// Interval at which a fleet is reconciled even if nothing changes.
const RESYNC: Duration = Duration::from_secs(300);

/// Wait before a fleet is reconciled whose namespace has not been listed yet.
const UNLISTED: Duration = Duration::from_secs(1);

/// Brings one fleet a step closer to its spec.
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

fn has_finalizer(fleet: &PokerTableFleet) -> bool {
    fleet.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

async fn once(fleet: &PokerTableFleet, fleets: &Fleets) -> Result<Action, ApplyError> {
    let namespace = fleet.metadata.namespace.as_deref().unwrap_or_default();
    // With an incomplete list of its tables the fleet would create them again.
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
            // The condition reports it, and it is retried with a back-off of its own.
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

/// Writes the status if it changed, and one event for each changed condition. Returns, in seconds, when to write the
/// rest.
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
