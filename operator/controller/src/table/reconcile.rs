//! The reconcile loop of one table.

use super::{
    apply::{self, ApplyError, FINALIZER},
    build,
    decide::{self, Answer, Decision, Observed, Stage, Step, decide},
    failed::Failed,
    fetch::{self, Fetched},
    observe::{Life, PodView},
    secret,
    status::{self, Due, Facts, POD_REFUSED},
    validate::{self, Invalid, Valid, validate},
};
use crate::{
    certificates::seconds,
    context::{Context, Refused},
    fleet::LABEL_FLEET,
    pace::{Group, Rank, Turn},
    pods::PodError,
    summaries,
};
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{Resource, runtime::controller::Action};
use purr_crds::{PokerTable, PokerTableStatus};
use purr_protocol::{
    drain::DrainStatus,
    handover::{Standing, Successor},
    summary::Summary,
};
use purr_runtime::{Delays, jittered};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// Most decisions in one reconcile: each question is asked once, and the cache is bypassed once.
const ROUNDS_MAX: usize = 11;
/// Waits between two attempts to create a pod that the API server refuses.
const REFUSED: Delays = Delays::new(Duration::from_secs(1), Duration::from_secs(300));
/// Failures of a step after which the table's conditions report it, if waiting may help.
const SAID_AFTER: u32 = 3;
/// Between two times that labels and owner of a table's pods are put back.
const RESTORE_EVERY: Duration = Duration::from_secs(5);
/// Interval at which a table is reconciled even if nothing changes.
const RESYNC: Duration = Duration::from_secs(300);

/// Longest wait, in seconds, before the next reconcile of a starting table whose status does not say so yet.
const FIRST_AGAIN_MAX_S: u64 = 30;
/// Wait before a table is reconciled while caches are incomplete after the start.
const UNLISTED: Duration = Duration::from_millis(250);

#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("no decision after {ROUNDS_MAX} rounds")]
    Undecided,
}

impl ReconcileError {
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Apply(error) if error.is_conflict())
    }
}

/// Answers that were asked for on the way.
#[derive(Default)]
struct Answers {
    drain: Option<Answer<DrainStatus>>,
    alive: Option<Answer<()>>,
    head: Option<Answer<u64>>,
    standing: Option<Answer<Successor>>,
    turn: Option<Turn>,
    /// Result of checking the Secrets that the pod mounts, and after how many seconds to check again.
    prepared: Option<Result<Option<u64>, ApplyError>>,
}

/// Brings one table a step closer to its spec.
pub async fn reconcile(table: Arc<PokerTable>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    // Without the pod cache a table would seem to have no pods, and without its summary to be silent.
    let namespace = table.metadata.namespace.as_deref().unwrap_or_default();
    if !context.pods_listed.has(namespace) || !context.summaries.is_read() {
        return Ok(Action::requeue(UNLISTED));
    }
    let started = std::time::Instant::now();
    context.metrics.running.inc();
    let result = rounds(&table, &context).await;
    context.metrics.running.dec();
    let label = match &result {
        Ok(_) => "ok",
        Err(error) if error.is_conflict() => "conflict",
        Err(_) => "error",
    };
    context.metrics.reconciles.with_label_values(&[label]).inc();
    let seconds = started.elapsed().as_secs_f64();
    context.metrics.reconcile_seconds.with_label_values(&[label]).observe(seconds);
    if result.is_ok()
        && let Some(uid) = table.metadata.uid.as_deref()
    {
        context.memory(uid, |memory| memory.failures = 0);
    }
    result
}

async fn rounds(cached: &Arc<PokerTable>, context: &Context) -> Result<Action, ReconcileError> {
    let mut fetched = fetch::cached(context, cached);
    let mut answers = Answers::default();
    for _ in 0..ROUNDS_MAX {
        context.place(&mut fetched.table);
        let uid = fetched.table.metadata.uid.clone().unwrap_or_default();
        let summary = summary(context, &fetched, &uid).await;
        let round = Round::new(context, &fetched, summary, &answers).await;
        let decision = decide(&round.seen);
        keep_pace(context, &fetched.table, &round.seen, &decision);
        if decision.stage == Stage::Deleted && decision.steps.is_empty() {
            context.forget(&uid);
            return Ok(Action::await_change());
        }
        // A new generation, or the end of a table whose pod and signer were not asked, needs current data instead of
        // the watch cache.
        let unasked = answers.drain.is_none() && answers.head.is_none();
        let is_final = |step: &Step| match step {
            Step::Raise { .. } => true,
            Step::ReleaseFinalizer => unasked,
            _ => false,
        };
        let raises = decision.steps.iter().any(is_final);
        // A table without a generation has no pod: a pod is created only after its generation was raised, and if two
        // processes raise it from the same version, one fails. Listing the pods of each new table would read all of
        // them.
        let is_new = round.seen.generation == 0 && round.seen.pods.is_empty();
        if raises && !fetched.live && !is_new {
            match fetch::live(context, &fetched.table).await {
                Ok(Some(live)) => fetched = live,
                Ok(None) => return Ok(Action::await_change()),
                Err(source) => {
                    let error = ApplyError::Api { what: "read table and pods", source };
                    say_failed(context, &fetched.table, &round, &decision, &error).await;
                    return Err(error.into());
                }
            }
            continue;
        }
        let carried = carry_out(context, &mut fetched, &round, &decision, &mut answers).await;
        match carried {
            Ok(true) => {}
            Ok(false) => {
                let gone = decision.steps.contains(&Step::ReleaseFinalizer);
                if gone {
                    context.forget(&uid);
                    return Ok(Action::await_change());
                }
                if let Some(Err(error)) = answers.prepared.take_if(|prepared| prepared.is_err()) {
                    say_failed(context, &fetched.table, &round, &decision, &error).await;
                    return Err(error.into());
                }
                let later_s = say(context, &fetched.table, &round, &decision, None).await?;
                let later_s = later_s.into_iter().chain(round.look_s).min();
                return Ok(next(context, &uid, &decision, later_s));
            }
            Err(error) => {
                let Some(refusal) = error.refusal() else {
                    say_failed(context, &fetched.table, &round, &decision, &error).await;
                    return Err(error.into());
                };
                tracing::warn!(table = fetched.table.metadata.name, refusal, "pod refused");
                let wait_s = refused(context, &fetched.table, &round.seen, &refusal);
                let failed = Failed { reason: POD_REFUSED, message: refusal, lasts: true };
                say(context, &fetched.table, &round, &decision, Some(&failed)).await?;
                return Ok(Action::requeue(Duration::from_secs(wait_s)));
            }
        }
    }
    Err(ReconcileError::Undecided)
}

/// Reports in the table's conditions that a step fails: at once if waiting does not help, otherwise after several
/// failures in a row. The error itself backs off.
async fn say_failed(
    context: &Context,
    table: &PokerTable,
    round: &Round,
    decision: &Decision,
    error: &ApplyError,
) {
    let failed = error.failed();
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let before = context.memory(uid, |memory| memory.failures);
    if error.is_conflict() || !(failed.lasts || before + 1 >= SAID_AFTER) {
        return;
    }
    if let Err(unsaid) = say(context, table, round, decision, Some(&failed)).await {
        tracing::warn!(table = table.metadata.name, %unsaid, "failed step not reported in the status");
    }
}

/// The table's last summary. The summary of a pod that has just become ready is read at once, before the next round.
async fn summary(context: &Context, fetched: &Fetched, uid: &str) -> Option<Summary> {
    let known = context.summaries.get(uid);
    let holder = decide::holder(&fetched.pods).filter(|pod| pod.ready);
    let generation = holder.map_or(0, |pod| pod.generation);
    if generation == 0 || known.as_ref().is_some_and(|summary| summary.epoch.generation() >= generation) {
        return known;
    }
    let is_first =
        context.memory(uid, |memory| std::mem::replace(&mut memory.greeted, generation) != generation);
    if is_first { summaries::watch::first(context, uid).await.or(known) } else { known }
}

/// Remembers that the API server refused the table's pod. The status write wakes this table again; the record here
/// prevents another attempt then. Returns, in seconds, when the next attempt is due.
fn refused(context: &Context, table: &PokerTable, seen: &Observed, message: &str) -> u64 {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let unspent = generation(table);
    context.memory(uid, |memory| {
        let times =
            memory.refused.take().filter(|held| held.wanted == seen.wanted).map_or(0, |held| held.times);
        let wait_s = refused_wait_s(times);
        memory.refused = Some(Refused {
            message: message.to_owned(),
            wanted: seen.wanted.clone(),
            times: times.saturating_add(1),
            until_s: seen.now_s.saturating_add_unsigned(wait_s),
            unspent,
        });
        wait_s
    })
}

/// Doubles from a second to five minutes. The last fifth is random, so that tables that were refused together do not try
/// together.
fn refused_wait_s(times: u32) -> u64 {
    let wait = REFUSED.after(times);
    (wait.mul_f64(0.6) + jittered(wait).mul_f64(0.4)).as_secs().max(1)
}

/// Reports the table's progress to the pace of its group.
fn keep_pace(context: &Context, table: &PokerTable, seen: &Observed, decision: &Decision) {
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let group = group(table);
    let fits =
        decide::holder(&seen.pods).is_some_and(|pod| seen.wanted.as_ref().is_none_or(|w| *w == pod.hash));
    match &decision.stage {
        Stage::Steady if fits => {
            context.pace.with(|pace| [&group, &Group::Evicted].map(|group| pace.done(group, uid)));
            context.memory(uid, |memory| memory.refused = None);
        }
        Stage::Deleted | Stage::Blocked => {
            context.pace.with(|pace| [&group, &Group::Evicted].map(|group| pace.done(group, uid)));
        }
        Stage::Moving(_) => context.pace.with(|pace| pace.is_moving(&group, uid)),
        _ => {}
    }
}

/// The tables that this one shares a budget with.
pub fn group(table: &PokerTable) -> Group {
    let fleet = table.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL_FLEET));
    match fleet {
        Some(fleet) => Group::Fleet(table.metadata.namespace.clone().unwrap_or_default(), fleet.clone()),
        None => Group::Single,
    }
}

fn next(context: &Context, uid: &str, decision: &Decision, later_s: Option<u64>) -> Action {
    let again = decision.again_s.into_iter().chain(later_s).min().map(Duration::from_secs);
    match (&decision.stage, again) {
        (_, Some(again)) => Action::requeue(again),
        // Only its own change, or another configuration of this program, helps.
        (Stage::Blocked, None) => Action::await_change(),
        (_, None) => {
            let renew_at_s = context.memory(uid, |memory| memory.secret.renew_at_s);
            let left = u64::try_from(renew_at_s - seconds(SystemTime::now())).unwrap_or(1).max(1);
            Action::requeue(jittered(RESYNC).min(Duration::from_secs(left)))
        }
    }
}

/// The input of one decision.
struct Round {
    valid: Result<Valid, Invalid>,
    /// The pod of the next generation.
    next_pod: Option<Pod>,
    summary: Option<Summary>,
    seen: Observed,
    /// Reconcile again after this time, in seconds, because the watches do not show the last write yet.
    look_s: Option<u64>,
}

impl Round {
    async fn new(context: &Context, fetched: &Fetched, summary: Option<Summary>, answers: &Answers) -> Self {
        let table = &fetched.table;
        let generation = generation(table);
        let finalizers = table.metadata.finalizers.as_deref().unwrap_or_default();
        let finalizer = finalizers.iter().any(|finalizer| finalizer == FINALIZER);
        let deleting = table.metadata.deletion_timestamp.is_some();
        let valid = validate(table, &context.fleet);
        let next_pod = match &valid {
            Ok(valid) if finalizer || !deleting => {
                let parts = build::Parts { table, valid, fleet: &context.fleet, generation: generation + 1 };
                Some(build::pod(&parts))
            }
            _ => None,
        };
        let (mounts_due, look_s) = match (&next_pod, &answers.prepared) {
            (None, _) | (_, Some(Err(_))) => (false, None),
            (_, Some(Ok(look_s))) => (false, *look_s),
            (Some(_), None) => mounts(context, table, generation + 1).await,
        };
        let hash = |pod: &Pod| pod.metadata.annotations.as_ref()?.get(build::ANNOTATION_HASH).cloned();
        // A summary of an earlier process does not describe the current pod.
        let holder = decide::holder(&fetched.pods).map_or(generation, |pod| pod.generation);
        let summary = summary.filter(|summary| summary.epoch.generation() == holder);
        let uid = table.metadata.uid.as_deref().unwrap_or_default();
        let hash = next_pod.as_ref().and_then(hash);
        let refused = context.memory(uid, |memory| {
            // Another configuration makes another pod, which the API server may accept.
            let holds = memory.refused.as_ref().is_some_and(|refused| refused.wanted == hash);
            if let Some(refused) = memory.refused.as_mut().filter(|_| !holds) {
                (refused.until_s, refused.times) = (0, 0);
            }
            memory.refused.clone()
        });
        let wanted = hash.filter(|_| !matches!(answers.prepared, Some(Err(_))));
        let has_pod = fetched.pods.iter().any(|pod| pod.generation == generation);
        let seen = Observed {
            deleting,
            finalizer,
            generation,
            paused: table.spec.paused,
            closed: table.spec.closed,
            is_closed: summary.as_ref().map(|summary| summary.closed),
            mounts_due,
            wanted,
            pods: fetched.pods.iter().map(|pod| compared(pod, table, context)).collect(),
            drain: answers.drain.clone(),
            head: answers.head.clone(),
            quiet: context.summaries.is_quiet(uid, holder),
            alive: answers.alive.clone(),
            holding: summary.as_ref().map(Summary::holding),
            standing: answers.standing.as_ref().map(|answer| match answer {
                Ok(successor) => Ok(successor.standing),
                Err(error) => Err(error.clone()),
            }),
            refused_hand_over: matches!(&answers.standing, Some(Ok(Successor { refused: true, .. }))),
            turn: answers.turn,
            unspent: !has_pod && refused.as_ref().is_some_and(|refused| refused.unspent == generation),
            refused_until_s: refused.as_ref().map_or(0, |refused| refused.until_s),
            now_s: seconds(SystemTime::now()),
        };
        Self { valid, next_pod, summary, seen, look_s }
    }
}

/// Whether the Secrets that the table's pod mounts have to be checked now, and in how many seconds the next check is
/// due, if that is soon.
async fn mounts(context: &Context, table: &PokerTable, generation: u64) -> (bool, Option<u64>) {
    let namespace = table.metadata.namespace.as_deref().unwrap_or_default();
    let (is_due, look_s) = secret::due(context, table, generation);
    (is_due || context.shared.is_due(namespace).await, look_s)
}

/// Checks the Secrets that the table's pod mounts. Returns in how many seconds the next check is due, if that is soon.
async fn prepare(context: &Context, table: &PokerTable, generation: u64) -> Result<Option<u64>, ApplyError> {
    let namespace = table.metadata.namespace.as_deref().unwrap_or_default();
    context.shared.ensure(namespace, |namespace| context.secrets(namespace)).await?;
    secret::ensure(context, table, generation).await
}

/// The pod, with whether its labels and owner were edited.
fn compared(pod: &PodView, table: &PokerTable, context: &Context) -> PodView {
    let wanted = build::marks(&build::pod_marks(table, &context.fleet, pod.generation));
    PodView { strayed: pod.marks != wanted, ..pod.clone() }
}

fn generation(table: &PokerTable) -> u64 {
    let status = table.status.as_ref();
    status.and_then(|status| u64::try_from(status.fencing_generation).ok()).unwrap_or_default()
}

/// Carries out the steps. `true`: a question was answered, so decide again.
async fn carry_out(
    context: &Context,
    fetched: &mut Fetched,
    round: &Round,
    decision: &Decision,
    answers: &mut Answers,
) -> Result<bool, ApplyError> {
    let uid = fetched.table.metadata.uid.clone().unwrap_or_default();
    let name = fetched.table.metadata.name.clone().unwrap_or_default();
    for step in &decision.steps {
        tracing::info!(table = name, ?step, "step");
        match step {
            Step::Prepare => {
                let next = round.seen.generation + 1;
                answers.prepared = Some(prepare(context, &fetched.table, next).await);
                return Ok(true);
            }
            Step::AddFinalizer => {
                fetched.table = apply::set_finalizer(context, &fetched.table, true).await?;
            }
            Step::ReleaseFinalizer => {
                fetched.table = apply::set_finalizer(context, &fetched.table, false).await?;
            }
            Step::Raise { to } => {
                let valid = round.valid.as_ref().ok();
                fetched.table = apply::raise(context, &fetched.table, *to, valid).await?;
            }
            Step::Restore { pod } => {
                let pod = find(fetched, pod)?;
                let marks = build::pod_marks(&fetched.table, &context.fleet, pod.generation);
                let is_due = context.memory(&uid, |memory| {
                    let is_due = memory.restored.is_none_or(|at| at.elapsed() >= RESTORE_EVERY);
                    if is_due {
                        memory.restored = Some(Instant::now());
                    }
                    is_due
                });
                // Labels may be removed again and again.
                if is_due {
                    apply::restore(context, pod, &marks).await?;
                }
            }
            Step::Create { generation, stand_by } => {
                let Some(pod) = &round.next_pod else { return Ok(false) };
                let pod = build::issued(pod, &fetched.table, *generation, *stand_by);
                apply::create(context, &fetched.table, &pod).await?;
                context.memory(&uid, |memory| memory.refused = None);
            }
            Step::AskTurn { evicted } => {
                let players = round.summary.as_ref().map_or(0, |summary| u32::from(summary.players));
                let group = if *evicted { Group::Evicted } else { group(&fetched.table) };
                let now_s = round.seen.now_s;
                let turn = context.pace.with(|pace| pace.ask(&group, &uid, Rank { players }, now_s));
                answers.turn = Some(turn);
                return Ok(true);
            }
            Step::AskStanding { pod } => {
                let ip = find(fetched, pod)?.ip.clone().unwrap_or_default();
                let answer = said(context.reach.standing(&ip, &uid).await);
                if matches!(&answer, Ok(Successor { standing: Standing::Serving, .. })) {
                    // The pod's own answer; kubelet's next probe will confirm it.
                    let named = fetched.pods.iter_mut().filter(|held| held.name == *pod);
                    named.for_each(|held| held.ready = held.life == Life::Alive);
                }
                answers.standing = Some(answer);
                return Ok(true);
            }
            Step::MarkOrdered { pod } => {
                let pod = find(fetched, pod)?;
                let marks = [(build::ANNOTATION_ORDERED, "true"), (build::ANNOTATION_STAND_BY, "false")];
                apply::annotate_all(context, pod, marks).await?;
            }
            Step::Order { pod, from } => {
                let ip = find(fetched, pod)?.ip.clone().unwrap_or_default();
                if let Err(error) = context.reach.take_over(&ip, &uid, from.as_deref()).await {
                    tracing::warn!(table = name, pod, %error, "the successor cannot be told to take over");
                }
            }
            Step::Delete { pod } => apply::delete(context, &fetched.table, find(fetched, pod)?).await?,
            Step::MarkDraining { pod } => {
                apply::annotate(context, find(fetched, pod)?, build::ANNOTATION_DRAINING, "true").await?;
                fetched
                    .pods
                    .iter_mut()
                    .filter(|held| held.name == *pod)
                    .for_each(|held| held.draining = true);
            }
            Step::AskDrain { pod, why } => {
                answers.drain = Some(said(match find(fetched, pod)?.ip.as_deref() {
                    Some(ip) => context.reach.drain(ip, &uid, (*why).into()).await,
                    None => Err(PodError::NoAddress),
                }));
                return Ok(true);
            }
            Step::AskAlive { pod } => {
                answers.alive = Some(said(match find(fetched, pod)?.ip.as_deref() {
                    Some(ip) => context.reach.alive(ip).await,
                    None => Err(PodError::NoAddress),
                }));
                return Ok(true);
            }
            Step::AskHead => {
                answers.head = Some(said(context.reach.head(&uid).await));
                return Ok(true);
            }
            Step::Pause { pod, paused } => {
                let pod = find(fetched, pod)?;
                let ip = pod.ip.as_deref().unwrap_or_default();
                context.reach.pause(ip, &uid, *paused).await?;
                apply::annotate(context, pod, build::ANNOTATION_PAUSED, &paused.to_string()).await?;
            }
            Step::Close { pod, closed } => {
                let pod = find(fetched, pod)?;
                let ip = pod.ip.as_deref().unwrap_or_default();
                if let Err(error) = context.reach.close(ip, &uid, *closed).await {
                    // The order is repeated soon; the rest of the status does not wait for it.
                    tracing::warn!(table = name, closed, %error, "the table cannot be told whom to take");
                } else if pod.closed != *closed {
                    let value = closed.to_string();
                    apply::annotate(context, pod, build::ANNOTATION_CLOSED, &value).await?;
                }
            }
        }
    }
    Ok(false)
}

/// Converts an answer for decisions.
fn said<T>(answer: Result<T, PodError>) -> Answer<T> {
    answer.map_err(Arc::new)
}

fn find<'a>(fetched: &'a Fetched, name: &str) -> Result<&'a PodView, ApplyError> {
    let pod = fetched.pods.iter().find(|pod| pod.name == name);
    pod.ok_or_else(|| ApplyError::Pod(format!("{name} is not known")))
}

/// Writes the status if it changed, and one event for each changed condition. Returns, in seconds, when to write the
/// rest.
async fn say(
    context: &Context,
    table: &PokerTable,
    round: &Round,
    decision: &Decision,
    failed: Option<&Failed>,
) -> Result<Option<u64>, ApplyError> {
    let pod = decide::holder(&round.seen.pods);
    let uid = table.metadata.uid.as_deref().unwrap_or_default();
    let held = context.memory(uid, |memory| {
        let refused = memory.refused.as_ref()?;
        Some(Failed { reason: POD_REFUSED, message: refused.message.clone(), lasts: true })
    });
    let deadline_s = context.pace.with(|pace| pace.budget(&group(table)).deadline_s);
    let missing = match pod.filter(|pod| pod.can_explain()).and_then(|pod| pod.ip.as_deref()) {
        // A pod that cannot be reached explains nothing yet; its probes show the rest.
        Some(ip) => context.reach.missing(ip).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let signer_down = context.summaries.signer_down();
    let store = validate::store_name(table).and_then(|name| context.stores.get(name));
    let facts = Facts {
        table,
        stage: &decision.stage,
        invalid: round.valid.as_ref().err(),
        failed: failed.or(held.as_ref()),
        pod,
        successor: decide::successor(&round.seen.pods),
        deadline_s,
        missing: &missing,
        summary: round.summary.as_ref(),
        signer_down: signer_down.as_deref(),
        store: store.as_ref(),
        now: Timestamp::now(),
    };
    let before: PokerTableStatus = table.status.clone().unwrap_or_default();
    let after = status::status(&facts);
    let now_s = round.seen.now_s;
    if status::is_first_start(&before, &after) {
        let since_s = context.memory(uid, |memory| {
            if memory.started_s == 0 {
                memory.started_s = now_s;
            }
            u64::try_from(now_s - memory.started_s).unwrap_or_default()
        });
        if let left @ 1.. = status::FIRST_S.saturating_sub(since_s) {
            return Ok(Some(left));
        }
        // A status write per starting table would slow down a start of many tables.
        if !context.may_say_starting() {
            return Ok(Some(since_s.min(FIRST_AGAIN_MAX_S)));
        }
    }
    let since_s = context.memory(uid, |memory| now_s.saturating_sub(memory.written_s));
    match status::due(table.status.as_ref(), &after, since_s) {
        Due::Never => return Ok(None),
        Due::In(seconds) => return Ok(Some(seconds)),
        Due::IfAny if !context.spare_write() => return Ok(None),
        Due::IfAny | Due::Now => {}
    }
    apply::write_status(context, table, &status::written(&after)).await?;
    context.memory(uid, |memory| memory.written_s = now_s);
    context.metrics.status_writes.with_label_values(&["table"]).inc();
    let about = table.object_ref(&());
    for event in status::events(&before, &after) {
        if !context.may_say(&event) {
            context.metrics.events_dropped.inc();
            continue;
        }
        if let Err(error) = context.recorder.publish(&event, &about).await {
            tracing::warn!(%error, reason = event.reason, "event");
        }
    }
    Ok(None)
}
