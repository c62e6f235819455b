//! Status of a table: phase, conditions, and the events of their changes.

use super::{
    decide::{Stage, Why},
    failed::Failed,
    observe::{Life, PodView, Trouble},
    reasons::{PAUSED, QUEUED},
    validate::Invalid,
};
use crate::{stores::Seen, summaries::is_behind};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kube::runtime::events::{Event, EventType};
use purr_crds::{Phase, PokerTable, PokerTableStatus};
use purr_protocol::summary::Summary;
use purr_runtime::ports;

const MESSAGE_MAX: usize = 1_024;
/// Reason of `Progressing` while there is nothing to do.
const STEADY: &str = "Steady";
pub const POD_REFUSED: &str = "PodRefused";

pub struct Facts<'a> {
    pub table: &'a PokerTable,
    pub stage: &'a Stage,
    pub invalid: Option<&'a Invalid>,
    /// A step does not happen: for instance the API server would not have the pod.
    pub failed: Option<&'a Failed>,
    /// The pod of the current generation.
    pub pod: Option<&'a PodView>,
    /// The pod that is to take the table over.
    pub successor: Option<&'a PodView>,
    /// Seconds that a successor has to take over.
    pub deadline_s: i64,
    /// The checks that the pod still fails before it is ready.
    pub missing: &'a [String],
    pub summary: Option<&'a Summary>,
    pub signer_down: Option<&'a str>,
    /// The table's store group.
    pub store: Option<&'a Seen>,
    pub now: Timestamp,
}

/// A condition before it has a time.
struct Said {
    kind: &'static str,
    status: &'static str,
    reason: String,
    message: String,
}

impl Said {
    fn new(kind: &'static str, status: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self { kind, status, reason: reason.to_owned(), message: message.into() }
    }
}

/// The whole status, except for the generation and what the table is bound to.
pub fn status(facts: &Facts<'_>) -> PokerTableStatus {
    let before = facts.table.status.clone().unwrap_or_default();
    let is_ready = facts.pod.is_some_and(|pod| pod.ready);
    let store = store_ready(facts, is_ready);
    let settlement = settlement_healthy(facts, is_ready);
    let ready = ready(facts, is_ready, &store, &settlement);
    let degraded = degraded(facts, has_served(&before), &ready, &store, &settlement);
    let phase = phase(facts, is_ready, degraded.status == "True");
    let stalled = stalled(facts, is_ready);
    let said = [ready, progressing(facts), degraded, store, settlement, stalled];
    let conditions = said.into_iter().map(|said| condition(facts, &before, said)).collect();
    let blinds = &facts.table.spec.blinds;
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let (epoch, hand, players) = match facts.summary {
        Some(summary) => (number(summary.epoch.get()), number(summary.hand), i32::from(summary.players)),
        None => (before.epoch, before.hand, before.players),
    };
    let endpoint = facts.pod.filter(|_| is_ready).and_then(|pod| pod.ip.as_deref());
    PokerTableStatus {
        observed_generation: facts.table.metadata.generation.unwrap_or_default(),
        phase,
        conditions,
        endpoint: endpoint.map(|ip| ports::address(ip, ports::INTERNAL)),
        fencing_generation: before.fencing_generation,
        epoch,
        players,
        hand,
        blinds: format!("{}/{}", blinds.small, blinds.big),
        pod: facts.pod.map(|pod| pod.name.clone()),
        bound: before.bound,
        store: before.store,
    }
}

/// The part that a pod waits for before it is ready, parsed from the pod's own lines.
enum Missing {
    Store(String),
    Signer(String),
    Other(String),
}

fn missing(lines: &[String]) -> Option<Missing> {
    let all = lines.join("; ");
    let says = |words: &[&str]| words.iter().any(|word| all.contains(word));
    // The signer goes first: its errors may mention connections, while the store's never mention the signer.
    match () {
        () if lines.is_empty() => None,
        () if says(&["signer"]) => Some(Missing::Signer(all)),
        () if says(&["the store", "replicas acknowledged", "the outcome is unknown"]) => {
            Some(Missing::Store(all))
        }
        () => Some(Missing::Other(all)),
    }
}

fn store_ready(facts: &Facts<'_>, is_ready: bool) -> Said {
    const KIND: &str = "StoreReady";
    if let Some(invalid @ Invalid::UnknownStore(_)) = facts.invalid {
        return Said::new(KIND, "False", invalid.reason(), invalid.to_string());
    }
    // The state of the whole group goes first, before what one pod has seen of it.
    match facts.store {
        Some(Seen::Split(masters)) => {
            let message = format!(
                "split brain: {} are masters; only one that most Sentinels name takes writes",
                masters.join(", ")
            );
            return Said::new(KIND, "False", "SplitBrain", message);
        }
        Some(Seen::NoMaster(problem)) => return Said::new(KIND, "False", "StoreUnavailable", problem),
        Some(Seen::Whole) | None => {}
    }
    match missing(facts.missing) {
        Some(Missing::Store(message)) => Said::new(KIND, "False", "StoreUnavailable", message),
        _ if is_ready => Said::new(KIND, "True", "Committing", "the table commits to its store group"),
        _ => Said::new(KIND, "Unknown", "NoPodReady", "no pod is ready to say"),
    }
}

fn settlement_healthy(facts: &Facts<'_>, is_ready: bool) -> Said {
    const KIND: &str = "SettlementHealthy";
    if let Some(invalid @ Invalid::NoVault) = facts.invalid {
        return Said::new(KIND, "False", invalid.reason(), invalid.to_string());
    }
    if let Some(why) = facts.signer_down {
        return Said::new(KIND, "False", "SignerDown", why);
    }
    if let Some(Missing::Signer(message)) = missing(facts.missing) {
        return Said::new(KIND, "False", "SignerDown", message);
    }
    let Some(summary) = facts.summary.filter(|_| is_ready) else {
        return Said::new(KIND, "Unknown", "NoPodReady", "no pod is ready to say");
    };
    if summary.paused.as_deref() == Some("too many hands wait to be settled") {
        return Said::new(KIND, "False", "OutboxFull", "the signer has not taken the table's last hands");
    }
    if is_behind(summary) {
        let behind = summary.sequence - summary.confirmed;
        return Said::new(KIND, "False", "ChainBehind", format!("{behind} entries are not confirmed"));
    }
    Said::new(KIND, "True", "Settling", "the signer answers and the chain confirms")
}

fn ready(facts: &Facts<'_>, is_ready: bool, store: &Said, settlement: &Said) -> Said {
    const KIND: &str = "Ready";
    if is_ready {
        let held = facts.summary.and_then(|summary| summary.paused.clone());
        return match (facts.stage, held) {
            (Stage::Draining(_, waiting), _) => Said::new(KIND, "False", "Draining", waiting.to_string()),
            (Stage::Going | Stage::Deleted, _) => Said::new(KIND, "False", "Draining", "the table goes"),
            _ if facts.table.spec.paused => Said::new(KIND, "False", PAUSED, "spec.paused is set"),
            (_, Some(held)) => Said::new(KIND, "True", "Holding", held),
            (_, None) => Said::new(KIND, "True", "Serving", "the table takes players"),
        };
    }
    let no = |reason: &str, message: &str| Said::new(KIND, "False", reason, message);
    if let (Some(invalid), None) = (facts.invalid, facts.pod) {
        return no(invalid.reason(), &invalid.to_string());
    }
    if let Some(Failed { reason, message, .. }) = facts.failed {
        return no(reason, message);
    }
    let Some(pod) = facts.pod else { return no("Starting", "the pod is being made") };
    if let Some(Trouble { reason, message }) = &pod.trouble {
        return no(reason, message);
    }
    match pod.life {
        Life::Lost => return no("NodeLost", "the pod's node is gone"),
        Life::Terminating => return no("Replacing", "the pod is going"),
        Life::Alive | Life::Failed => {}
    }
    for cause in [store, settlement] {
        if cause.status == "False" {
            return no(&cause.reason, &cause.message);
        }
    }
    match missing(facts.missing) {
        Some(Missing::Other(message)) => no("TakingOver", &message),
        _ => no("Starting", "the pod starts"),
    }
}

fn progressing(facts: &Facts<'_>) -> Said {
    const KIND: &str = "Progressing";
    match facts.stage {
        Stage::Steady => Said::new(KIND, "False", STEADY, "nothing is to be done"),
        Stage::Starting => Said::new(KIND, "True", "Starting", "a pod starts"),
        Stage::Queued => {
            let message = "the pod is outdated; the table waits for its turn in the rollout and plays on";
            Said::new(KIND, "False", QUEUED, message)
        }
        Stage::Moving(waiting) => Said::new(KIND, "True", "RollingOut", format!("the new pod {waiting}")),
        Stage::Blocked => {
            let (reason, message) = match (facts.invalid, facts.failed) {
                (Some(invalid), _) => (invalid.reason(), invalid.to_string()),
                (None, Some(failed)) => (failed.reason, failed.message.clone()),
                (None, None) => ("Blocked", "no pod can be made".into()),
            };
            Said::new(KIND, "False", reason, message)
        }
        Stage::Draining(Why::Delete, waiting) => {
            Said::new(KIND, "True", "Deleting", format!("deletion {waiting}"))
        }
        Stage::Draining(Why::Rollout, waiting) => {
            Said::new(KIND, "True", "RollingOut", format!("the new pod {waiting}"))
        }
        Stage::Going => Said::new(KIND, "True", "Replacing", "the pod before ends its hand"),
        Stage::Deleted => Said::new(KIND, "True", "Deleting", "everything is settled or in the journal"),
    }
}

/// Whether a move to a new pod does not finish, and why. The table plays on in its old pod.
fn stalled(facts: &Facts<'_>, is_ready: bool) -> Said {
    const KIND: &str = "Stalled";
    let yes = |reason: &str, message: String| Said::new(KIND, "True", reason, message);
    let on = if is_ready { "; the table plays on in the pod before" } else { "" };
    if let Some(Failed { reason, message, .. }) = facts.failed {
        let what = if *reason == POD_REFUSED { "the API server refuses the new pod: " } else { "" };
        return yes(reason, format!("{what}{message}{on}"));
    }
    let Some(pod) = facts.successor else {
        return Said::new(KIND, "False", "AsExpected", "no change has stopped");
    };
    if let Some(Trouble { reason, message }) = &pod.trouble {
        return yes(reason, format!("the new pod {} does not come up: {message}{on}", pod.name));
    }
    let deadline_s = facts.deadline_s;
    if pod.created_s > 0 && facts.now.as_second() - pod.created_s > deadline_s {
        let message = format!("the new pod {} has not taken over within {deadline_s} s{on}", pod.name);
        return yes("ProgressDeadlineExceeded", message);
    }
    Said::new(KIND, "False", "AsExpected", "no change has stopped")
}

/// `Degraded` is true exactly in phase Degraded, with the same reason.
fn degraded(facts: &Facts<'_>, has_served: bool, ready: &Said, store: &Said, settlement: &Said) -> Said {
    const KIND: &str = "Degraded";
    let yes = |reason: &str, message: &str| Said::new(KIND, "True", reason, message);
    if let Some(invalid) = facts.invalid {
        return yes(invalid.reason(), &invalid.to_string());
    }
    if let Some(Failed { reason, message, .. }) = facts.failed {
        return yes(reason, message);
    }
    if let Some(Trouble { reason, message }) = facts.pod.and_then(|pod| pod.trouble.as_ref()) {
        return yes(reason, message);
    }
    for cause in [store, settlement] {
        if cause.status == "False" {
            return yes(&cause.reason, &cause.message);
        }
    }
    // A table that served before and does not serve now is more than pending. A table that moves or is deleted has a
    // phase of its own.
    let is_ready = facts.pod.is_some_and(|pod| pod.ready);
    let is_busy = is_busy(facts.stage, is_ready);
    if !is_ready && !is_busy && has_served {
        return yes(&ready.reason, &ready.message);
    }
    Said::new(KIND, "False", "AsExpected", "nothing is wrong")
}

/// Whether the table has ever served, which its epoch shows. It may be Degraded without that, if its first pod could
/// not be created.
fn has_served(before: &PokerTableStatus) -> bool {
    match before.phase {
        Phase::Pending => false,
        Phase::Degraded => before.epoch > 0,
        Phase::Running | Phase::Paused | Phase::Draining => true,
    }
}

/// Draining, going, or moving without a pod that serves.
fn is_busy(stage: &Stage, is_ready: bool) -> bool {
    match stage {
        Stage::Draining(..) | Stage::Going | Stage::Deleted => true,
        // An evicted pod plays on until its successor has the table.
        Stage::Moving(_) => !is_ready,
        Stage::Steady | Stage::Starting | Stage::Blocked | Stage::Queued => false,
    }
}

fn phase(facts: &Facts<'_>, is_ready: bool, degraded: bool) -> Phase {
    match facts.stage {
        stage if is_busy(stage, is_ready) => Phase::Draining,
        _ if is_ready && facts.table.spec.paused => Phase::Paused,
        _ if is_ready => Phase::Running,
        _ if degraded => Phase::Degraded,
        _ => Phase::Pending,
    }
}

fn condition(facts: &Facts<'_>, before: &PokerTableStatus, said: Said) -> Condition {
    let old = before.conditions.iter().find(|old| old.type_ == said.kind);
    let since = old.filter(|old| old.status == said.status).map(|old| old.last_transition_time.clone());
    Condition {
        type_: said.kind.into(),
        status: said.status.into(),
        reason: said.reason,
        message: said.message.chars().take(MESSAGE_MAX).collect(),
        observed_generation: facts.table.metadata.generation,
        // The API stores whole seconds.
        last_transition_time: since
            .unwrap_or_else(|| Time(Timestamp::from_second(facts.now.as_second()).unwrap_or(facts.now))),
    }
}

/// Between two writes of what nobody acts on, in seconds.
const SLOW_S: u64 = 60;

/// Seconds before the status of a new table says that it starts: most tables serve earlier.
pub const FIRST_S: u64 = 3;

/// Whether this is the first status of the table and only says that its pod starts.
pub fn is_first_start(before: &PokerTableStatus, after: &PokerTableStatus) -> bool {
    let starts = |condition: &Condition| condition.type_ == "Ready" && condition.reason == "Starting";
    let degraded = |condition: &Condition| condition.type_ == "Degraded" && condition.status == "True";
    let said = &after.conditions;
    before.conditions.is_empty() && said.iter().any(starts) && !said.iter().any(degraded)
}

/// When a status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing changed.
    Never,
    /// Operators act on the change, so it is written now.
    Now,
    /// Nobody acts on the change: it is written while few other tables have such changes ([`Spare`]).
    IfAny,
    /// The same, after this time in seconds.
    In(u64),
}

/// Whether a status has to be written. Players, hands and most messages change all the time and nobody acts on them:
/// they are written together with other changes, or rarely.
pub fn due(before: Option<&PokerTableStatus>, after: &PokerTableStatus, since_s: i64) -> Due {
    let Some(before) = before else { return Due::Now };
    if before == after {
        return Due::Never;
    }
    let quiet = |status: &PokerTableStatus| {
        let mut status = PokerTableStatus { players: 0, hand: 0, ..status.clone() };
        // A rollout queues all tables at once, and nobody acts on that of one table.
        let idle = |condition: &&mut Condition| [QUEUED, STEADY].contains(&condition.reason.as_str());
        for condition in status.conditions.iter_mut().filter(idle) {
            (condition.reason, condition.message) = (STEADY.into(), String::new());
        }
        // The progress of a drain is of interest.
        let slow = status.conditions.iter_mut().filter(|condition| condition.type_ != "Progressing");
        slow.for_each(|condition| condition.message.clear());
        status
    };
    if quiet(before) != quiet(after) {
        return Due::Now;
    }
    match SLOW_S.saturating_sub(u64::try_from(since_s).unwrap_or_default()) {
        0 => Due::IfAny,
        left => Due::In(left),
    }
}

/// Returns an event for each condition that has changed. `Degraded` only repeats the others.
pub fn events(before: &PokerTableStatus, after: &PokerTableStatus) -> Vec<Event> {
    let is_news = |new: &&Condition| {
        let old = before.conditions.iter().find(|old| old.type_ == new.type_);
        match old {
            Some(old) => (&old.status, &old.reason) != (&new.status, &new.reason),
            None => new.status != "Unknown",
        }
    };
    let worth = |new: &&Condition| {
        let steady = matches!(new.type_.as_str(), "Progressing" | "Stalled") && new.status == "False";
        // A table that becomes ready gets one event, for Ready.
        let old = before.conditions.iter().find(|old| old.type_ == new.type_);
        let part = matches!(new.type_.as_str(), "StoreReady" | "SettlementHealthy");
        let comes = part && new.status == "True" && old.is_none_or(|old| old.status == "Unknown");
        new.type_ != "Degraded" && new.status != "Unknown" && !steady && !comes
    };
    let mut events: Vec<Event> = Vec::new();
    for condition in after.conditions.iter().filter(is_news).filter(worth) {
        // Ready has the same reason as the condition that causes it: one event is enough, even if one of them changes a
        // moment later.
        let said = |old: &Condition| (&old.status, &old.reason) == (&condition.status, &condition.reason);
        if events.iter().any(|event| event.reason == condition.reason) || before.conditions.iter().any(said) {
            continue;
        }
        let bad = match condition.type_.as_str() {
            "Progressing" => false,
            "Stalled" => condition.status == "True",
            _ => condition.status == "False",
        };
        let waits = matches!(
            condition.reason.as_str(),
            "Starting" | "TakingOver" | "Replacing" | "Draining" | PAUSED
        );
        events.push(Event {
            type_: if bad && !waits { EventType::Warning } else { EventType::Normal },
            reason: condition.reason.clone(),
            note: Some(condition.message.clone()),
            action: condition.type_.clone(),
            secondary: None,
        });
    }
    events
}

/// The part of a status that is written. The generation is raised elsewhere, by compare-and-swap.
pub fn written(status: &PokerTableStatus) -> serde_json::Value {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("fencingGeneration");
        fields.remove("bound");
        fields.remove("store");
        // A merge patch removes a field only if the patch has null for it.
        for field in ["endpoint", "pod"] {
            fields.entry(field).or_insert(serde_json::Value::Null);
        }
    }
    value
}

#[cfg(test)]
mod tests;
