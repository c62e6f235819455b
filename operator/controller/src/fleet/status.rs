//! Status of a fleet: counts, conditions, and the events of their changes.

use super::{LABEL_FLEET, decide::Decision, observe::TableView};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kube::runtime::events::{Event, EventType};
use purr_crds::{PokerTableFleet, PokerTableFleetStatus};

const MESSAGE_MAX: usize = 1_024;
/// Between two writes of counts that nobody acts on, in seconds.
pub const COUNTS_EVERY_S: u64 = 10;

pub struct Facts<'a> {
    pub fleet: &'a PokerTableFleet,
    /// The status as last written.
    pub before: Option<&'a PokerTableFleetStatus>,
    pub decision: &'a Decision,
    /// Players on the waiting list.
    pub waiting: u64,
    /// The revision of the current template, where it has been stored.
    pub revision: Option<&'a str>,
    pub now: Timestamp,
}

/// The fleet's tables, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub live: usize,
    pub ready: usize,
    pub free: usize,
    pub updated: usize,
    /// Live tables whose pod is outdated by a change of the release, and that wait for their turn.
    pub queued: usize,
    /// Closed tables, and tables that are being deleted.
    pub closing: usize,
    /// Tables of an earlier game.
    pub old: usize,
    /// Live tables that have not served yet.
    pub fresh: usize,
    pub seated: usize,
    /// Players at tables that are closing or of an earlier game.
    pub leaving: usize,
}

impl Counts {
    pub fn of(tables: &[TableView]) -> Self {
        let mut counts = Self::default();
        for table in tables {
            let players = usize::try_from(table.players).unwrap_or(usize::MAX);
            counts.seated += players;
            if !table.is_live() {
                counts.closing += usize::from(table.closed || table.deleting);
                counts.old += usize::from(!table.deleting && !table.same_play);
                counts.leaving += players;
                continue;
            }
            counts.live += 1;
            counts.ready += usize::from(table.ready);
            counts.free += usize::from(table.is_free());
            counts.updated += usize::from(table.same_pod && table.settled && !table.queued);
            counts.queued += usize::from(table.queued);
            counts.fresh += usize::from(!table.served && !table.settled);
        }
        counts
    }
}

/// A condition before it has a time.
struct Said {
    kind: &'static str,
    status: bool,
    reason: String,
    message: String,
}

impl Said {
    fn new(kind: &'static str, status: bool, reason: &str, message: impl Into<String>) -> Self {
        Self { kind, status, reason: reason.to_owned(), message: message.into() }
    }
}

pub fn status(facts: &Facts<'_>) -> PokerTableFleetStatus {
    let before = facts.before.cloned().unwrap_or_default();
    let counts = Counts::of(&facts.decision.tables);
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let under_way = under_way(facts, &counts);
    let complete = under_way.is_none() && facts.decision.rollout.stalled.is_none();
    let updated_revision = facts.revision.map(str::to_owned).or_else(|| before.updated_revision.clone());
    let current_revision = match &before.current_revision {
        Some(current) if !complete => Some(current.clone()),
        _ => updated_revision.clone(),
    };
    let said = conditions(facts, &counts, under_way.as_ref());
    let name = facts.fleet.metadata.name.as_deref().unwrap_or_default();
    PokerTableFleetStatus {
        observed_generation: facts.fleet.metadata.generation.unwrap_or_default(),
        desired: number(facts.decision.demand.least()),
        replicas: number(counts.live),
        ready: number(counts.ready),
        free: number(counts.free),
        updated: number(counts.updated),
        closing: number(counts.closing),
        seated: number(counts.seated),
        waiting: i32::try_from(facts.waiting).unwrap_or(i32::MAX),
        selector: format!("{LABEL_FLEET}={name}"),
        current_revision,
        updated_revision,
        conditions: said.into_iter().map(|said| condition(facts, &before, said)).collect(),
    }
}

/// Reason and message of the change that is in progress; `None`: there is none.
fn under_way(facts: &Facts<'_>, counts: &Counts) -> Option<(&'static str, String)> {
    let Decision { demand, rollout, tables, .. } = facts.decision;
    let Counts { live, updated, closing, old, fresh, leaving, queued, .. } = *counts;
    if facts.fleet.metadata.deletion_timestamp.is_some() {
        let message = format!("{} tables go once {} players have left", tables.len(), counts.seated);
        return Some(("Deleting", message));
    }
    if old > 0 {
        let message = format!("{old} tables of the earlier template remain, with {leaving} players");
        return Some(("ReplacingTables", message));
    }
    if rollout.outdated > 0 || rollout.moving > 0 || queued > 0 {
        return Some(("RollingOut", format!("{updated} of {live} tables serve with the current template")));
    }
    if live < demand.least() {
        return Some(("Creating", format!("{live} of {} tables exist", demand.least())));
    }
    if fresh > 0 {
        return Some(("Starting", format!("{fresh} new tables start")));
    }
    if updated < live {
        return Some(("Recovering", format!("{} of {live} tables do not serve", live - updated)));
    }
    (closing > 0).then(|| ("Closing", format!("{closing} closed tables go once {leaving} players have left")))
}

fn conditions(facts: &Facts<'_>, counts: &Counts, under_way: Option<&(&'static str, String)>) -> [Said; 5] {
    let stalled = facts.decision.rollout.stalled.as_ref();
    let (progressing, reconciling) = match (stalled, under_way) {
        (Some(stalled), _) => {
            let said = |kind| Said::new(kind, false, &stalled.reason, &stalled.message);
            (said("Progressing"), said("Reconciling"))
        }
        (None, Some((reason, message))) => {
            let said = |kind| Said::new(kind, true, reason, message);
            // kstatus, and with it Flux, reads Progressing under this name.
            (said("Progressing"), said("Reconciling"))
        }
        (None, None) => {
            let said = |kind| Said::new(kind, false, "Steady", "nothing is to be done");
            (said("Progressing"), said("Reconciling"))
        }
    };
    let complete = match (stalled, under_way) {
        (Some(stalled), _) => Said::new("Complete", false, &stalled.reason, &stalled.message),
        (None, Some((reason, message))) => Said::new("Complete", false, reason, message),
        (None, None) => {
            let message = format!("all {} tables serve with the current template", counts.live);
            Said::new("Complete", true, "AsSpecified", message)
        }
    };
    let stalled = match stalled {
        Some(stalled) => Said::new("Stalled", true, &stalled.reason, &stalled.message),
        None => Said::new("Stalled", false, "AsExpected", "no change has stopped"),
    };
    [available(facts, counts), progressing, reconciling, complete, stalled]
}

fn available(facts: &Facts<'_>, counts: &Counts) -> Said {
    let demand = &facts.decision.demand;
    let may_miss = usize::try_from(facts.fleet.spec.rollout.max_unavailable).unwrap_or_default();
    let wanted = demand.base.max(demand.players).min(demand.max);
    let enough = wanted.saturating_sub(may_miss).max(wanted.min(1));
    if counts.ready < enough {
        return Said::new(
            "Available",
            false,
            "TooFewReady",
            format!("{} of {wanted} tables serve", counts.ready),
        );
    }
    if counts.free < demand.buffer && wanted == demand.max {
        let message = format!("spec.maxReplicas of {} leaves {} tables free", demand.max, counts.free);
        return Said::new("Available", true, "MaxReplicas", message);
    }
    Said::new("Available", true, "EnoughReady", "enough tables serve")
}

fn condition(facts: &Facts<'_>, before: &PokerTableFleetStatus, said: Said) -> Condition {
    let status = if said.status { "True" } else { "False" };
    let old = before.conditions.iter().find(|old| old.type_ == said.kind);
    let since = old.filter(|old| old.status == status).map(|old| old.last_transition_time.clone());
    Condition {
        type_: said.kind.into(),
        status: status.into(),
        reason: said.reason,
        message: said.message.chars().take(MESSAGE_MAX).collect(),
        observed_generation: facts.fleet.metadata.generation,
        // The API stores whole seconds.
        last_transition_time: since
            .unwrap_or_else(|| Time(Timestamp::from_second(facts.now.as_second()).unwrap_or(facts.now))),
    }
}

/// Whether a status is written now: at once where something is different that a person or an autoscaler acts on, else
/// every few seconds, while few other fleets have new counts (`spare`).
pub fn is_due(
    before: Option<&PokerTableFleetStatus>,
    after: &PokerTableFleetStatus,
    since_s: i64,
    spare: impl FnOnce() -> bool,
) -> bool {
    let Some(before) = before else { return true };
    if before == after {
        return false;
    }
    let urgent = |status: &PokerTableFleetStatus| {
        let conditions = status.conditions.iter();
        let said: Vec<_> =
            conditions.map(|c| (c.type_.clone(), c.status.clone(), c.reason.clone())).collect();
        let revisions = (status.current_revision.clone(), status.updated_revision.clone());
        (
            status.observed_generation,
            status.desired,
            status.replicas,
            status.selector.clone(),
            revisions,
            said,
        )
    };
    let is_time = u64::try_from(since_s).unwrap_or_default() >= COUNTS_EVERY_S;
    urgent(before) != urgent(after) || (is_time && spare())
}

/// Returns an event for each condition that has changed. `Reconciling` only repeats `Progressing`.
pub fn events(before: &PokerTableFleetStatus, after: &PokerTableFleetStatus) -> Vec<Event> {
    let is_news = |new: &&Condition| {
        let old = before.conditions.iter().find(|old| old.type_ == new.type_);
        old.map(|old| (&old.status, &old.reason)) != Some((&new.status, &new.reason))
    };
    let worth = |new: &&Condition| match new.type_.as_str() {
        "Available" | "Complete" | "Stalled" | "Progressing" => {
            new.status == "True" || new.type_ == "Available"
        }
        _ => false,
    };
    let mut events: Vec<Event> = Vec::new();
    for condition in after.conditions.iter().filter(is_news).filter(worth) {
        let bad = condition.type_ == "Stalled" || condition.status == "False";
        events.push(Event {
            type_: if bad { EventType::Warning } else { EventType::Normal },
            reason: condition.reason.clone(),
            note: Some(condition.message.clone()),
            action: condition.type_.clone(),
            secondary: None,
        });
    }
    events
}

#[cfg(test)]
mod tests;
