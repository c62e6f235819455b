//! Decides the next steps of a fleet: one function of the observed state and of what is remembered.
//!
//! Guarantees, each with a test: a table with players is closed, never deleted; no table is made twice because the watch
//! is behind; there are never so many tables closed at once that nobody could sit down.

use super::{
    demand::{Demand, Load},
    expect::Expectations,
    observe::{Hashes, TableView},
    rollout::{Rollout, Stalled},
    step::{Step, Why},
};
use purr_crds::PokerTableFleetSpec;
use purr_runtime::Delays;
use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    time::Duration,
};

/// Steps of one decision. The rest follows in the next one.
pub const STEPS_MAX: usize = 100;
/// Seconds until the next decision while something is in progress or could be closed.
const LOOK_S: u64 = 10;
/// Waits before a refused creation is tried again.
const REFUSED: Delays = Delays::new(Duration::from_secs(1), Duration::from_secs(60));

/// All that the decision depends on beside [`Memory`].
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    pub name: &'a str,
    pub spec: &'a PokerTableFleetSpec,
    /// Hashes of `spec.template`.
    pub hashes: &'a Hashes,
    /// Generation of the fleet's object.
    pub generation: i64,
    pub finalizer: bool,
    pub deleting: bool,
    /// The deletion leaves the tables alone.
    pub orphan: bool,
    /// The fleet's tables as the watch shows them.
    pub tables: &'a [TableView],
    /// Seconds since 1970.
    pub now_s: i64,
}

/// What this process remembers of a fleet. It may be lost with the process.
#[derive(Clone, Debug)]
pub struct Memory {
    pub expect: Expectations,
    pub load: Load,
    refused: Option<Refused>,
}

/// The API server does not accept a table.
#[derive(Clone, Debug)]
struct Refused {
    message: String,
    generation: i64,
    times: u32,
    until_s: i64,
}

impl Memory {
    pub fn new(generation: i64, now_s: i64) -> Self {
        Self { expect: Expectations::default(), load: Load::new(generation, now_s), refused: None }
    }

    /// The API server has refused a table for good, for instance because of a quota.
    pub fn refused(&mut self, message: &str, generation: i64, now_s: i64) {
        let times = self.refused.as_ref().filter(|held| held.generation == generation).map_or(0, |r| r.times);
        let wait_s = REFUSED.after(times).as_secs();
        let message = message.to_owned();
        self.refused = Some(Refused {
            message,
            generation,
            times: times + 1,
            until_s: now_s.saturating_add_unsigned(wait_s),
        });
    }

    pub fn accepted(&mut self) {
        self.refused = None;
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub steps: Vec<Step>,
    /// The tables as the steps before this decision leave them.
    pub tables: Vec<TableView>,
    pub demand: Demand,
    pub rollout: Rollout,
    /// Look again after this time, in seconds; `None`: when something changes.
    pub again_s: Option<u64>,
}

pub fn decide(seen: &Observed<'_>, memory: &mut Memory) -> Decision {
    let now_s = seen.now_s;
    memory.expect.settle(seen.tables, now_s);
    if memory.refused.as_ref().is_some_and(|refused| refused.generation != seen.generation) {
        memory.refused = None;
    }
    let tables = memory.expect.overlay(seen.tables, seen.hashes, now_s);
    let mut decision = if seen.deleting { delete(seen, tables) } else { keep(seen, memory, tables) };
    if decision.steps.len() > STEPS_MAX {
        decision.steps.truncate(STEPS_MAX);
        decision.again_s = Some(1);
    }
    let generations: HashMap<&str, i64> =
        seen.tables.iter().map(|table| (table.uid.as_str(), table.generation)).collect();
    for step in &decision.steps {
        let generation = step.uid().and_then(|uid| generations.get(uid)).copied().unwrap_or_default();
        memory.expect.record(step, seen.hashes, generation, now_s);
    }
    decision
}

/// Closes every table, and deletes each once its last player has left.
fn delete(seen: &Observed<'_>, tables: Vec<TableView>) -> Decision {
    let steps = if !seen.finalizer {
        Vec::new()
    } else if seen.orphan || seen.tables.is_empty() {
        vec![Step::ReleaseFinalizer]
    } else {
        let open = tables.iter().filter(|table| !table.closed && !table.deleting && !table.uid.is_empty());
        let close = open.map(|table| Step::Close { uid: table.uid.clone(), why: Why::Deleted });
        close.chain(gone(&tables)).collect()
    };
    let (demand, rollout) = (Demand::default(), Rollout::default());
    Decision { steps, tables, demand, rollout, again_s: Some(LOOK_S) }
}

fn gone(tables: &[TableView]) -> impl Iterator<Item = Step> {
    tables.iter().filter(|table| table.may_go()).map(|table| Step::Delete { uid: table.uid.clone() })
}

fn keep(seen: &Observed<'_>, memory: &mut Memory, tables: Vec<TableView>) -> Decision {
    let mut steps = Vec::new();
    if !seen.finalizer {
        steps.push(Step::AddFinalizer);
    }
    let mut demand = Demand::of(seen.spec, &tables, seen.now_s);
    let mut rollout = Rollout::of(seen.spec, &tables, &demand, seen.now_s);
    steps.extend(memory.expect.unknown().map(|name| Step::Create { name: name.to_owned() }));
    steps.extend(pauses(seen.spec.template.paused, &tables));
    let scale = scale(seen, memory, &tables, &mut demand, &mut rollout);
    let opened: HashSet<&str> =
        scale.iter().filter(|step| matches!(step, Step::Open { .. })).filter_map(Step::uid).collect();
    steps.extend(gone(&tables).filter(|step| step.uid().is_none_or(|uid| !opened.contains(uid))));
    steps.extend(old_ones(&tables, &demand));
    let closed: HashSet<&str> =
        scale.iter().filter(|step| matches!(step, Step::Close { .. })).filter_map(Step::uid).collect();
    // The rollout's budget counted the tables that are closed here, so it starts with the next decision.
    let lame = |uid: &str| tables.iter().any(|table| table.uid == uid && table.trouble.is_some());
    let may_move = |uid: &str| !closed.contains(uid) && (closed.is_empty() || lame(uid));
    let moves = rollout.moves.iter().filter(|uid| may_move(uid));
    let moves: Vec<Step> = moves.map(|uid| Step::Move { uid: uid.clone() }).collect();
    steps.extend(scale);
    steps.extend(moves);
    keep_one(&mut steps, &tables, &demand);
    let live = tables.iter().filter(|table| table.is_live()).count();
    let busy = !steps.is_empty()
        || live != demand.least()
        || rollout.outdated > 0
        || tables.iter().any(|table| table.closed || table.deleting || table.queued || !table.settled);
    Decision { steps, tables, demand, rollout, again_s: busy.then_some(LOOK_S) }
}

/// Drops the step that would close the last serving table while others only start or move.
fn keep_one(steps: &mut Vec<Step>, tables: &[TableView], demand: &Demand) {
    let touches = |step: &&Step| matches!(step, Step::Close { .. } | Step::Move { .. });
    let goes: HashSet<&str> = steps.iter().filter(touches).filter_map(Step::uid).collect();
    let serves = |table: &TableView| !table.deleting && !table.closed && table.settled;
    if demand.least() == 0 || tables.iter().any(|table| serves(table) && !goes.contains(table.uid.as_str())) {
        return;
    }
    let is_last = |step: &Step| {
        let uid = matches!(step, Step::Close { why: Why::ScaleIn, .. }).then(|| step.uid()).flatten();
        uid.is_some_and(|uid| tables.iter().any(|table| table.uid == uid && serves(table)))
    };
    if let Some(at) = steps.iter().rposition(is_last) {
        steps.remove(at);
    }
}

/// Pauses every table of a paused template. A table that a person has paused stays paused.
fn pauses(paused: bool, tables: &[TableView]) -> impl Iterator<Item = Step> {
    let wrong = move |table: &&TableView| {
        !table.deleting
            && !table.uid.is_empty()
            && if paused { !table.paused } else { table.paused && table.paused_by_fleet }
    };
    tables.iter().filter(wrong).map(move |table| Step::Pause { uid: table.uid.clone(), paused })
}

/// Tables of another game are closed: those that nobody could join anyway at once, the others once new tables serve.
fn old_ones(tables: &[TableView], demand: &Demand) -> Vec<Step> {
    let serving = tables.iter().filter(|table| table.is_live() && table.settled).count();
    let open = tables.iter().any(|table| table.is_live() && table.taking && table.players < table.seats);
    let enough = demand.least() == 0 || (open && serving >= demand.buffer.min(demand.least()));
    let old = tables.iter().filter(|table| !table.deleting && !table.closed && !table.same_play);
    let goes = |table: &&TableView| {
        !table.uid.is_empty() && (enough || !table.taking || table.players >= table.seats)
    };
    old.filter(goes).map(|table| Step::Close { uid: table.uid.clone(), why: Why::Template }).collect()
}

/// Makes, opens and closes tables until there are as many as wanted.
fn scale(
    seen: &Observed<'_>,
    memory: &mut Memory,
    tables: &[TableView],
    demand: &mut Demand,
    rollout: &mut Rollout,
) -> Vec<Step> {
    let window_s = i64::from(seen.spec.scale_down.stabilization_seconds);
    let largest = memory.load.largest(demand.players, window_s, seen.now_s);
    let live: Vec<&TableView> = tables.iter().filter(|table| table.is_live()).collect();
    let least = demand.least();
    if live.len() < least {
        return grow(seen, memory, tables, live.len(), demand, rollout);
    }
    let most = demand.with(largest);
    let over = live.len().saturating_sub(demand.max);
    let excess = if demand.players == 0 && largest == 0
        || memory.load.may_close(window_s, seen.generation, seen.now_s)
    {
        live.len().saturating_sub(most)
    } else {
        over
    };
    if excess == 0 {
        return Vec::new();
    }
    memory.load.closed(seen.generation, seen.now_s);
    let first = first_to_go(live, tables);
    // A table that is still being created is closed once the watch shows it; no other table is closed instead.
    let known = first.into_iter().take(excess).filter(|table| !table.uid.is_empty());
    known.map(|table| Step::Close { uid: table.uid.clone(), why: Why::ScaleIn }).collect()
}

fn grow(
    seen: &Observed<'_>,
    memory: &mut Memory,
    tables: &[TableView],
    live: usize,
    demand: &Demand,
    rollout: &mut Rollout,
) -> Vec<Step> {
    let mut missing = demand.least() - live;
    let mut closed: Vec<&TableView> =
        tables.iter().filter(|t| t.closed && t.scaled_in && !t.deleting && t.same_play).collect();
    closed.sort_by_key(|table| (Reverse(table.players), table.number));
    closed.truncate(missing);
    missing -= closed.len();
    let mut steps: Vec<Step> = closed.iter().map(|t| Step::Open { uid: t.uid.clone() }).collect();
    if let Some(refused) = &memory.refused {
        let message = format!("the API server does not accept a table: {}", refused.message);
        rollout.stalled.get_or_insert(Stalled { reason: "CreateRefused".into(), message });
        if seen.now_s < refused.until_s {
            return steps;
        }
    }
    if rollout.stalled.is_some() && !rollout.proven && live > 0 && memory.refused.is_none() {
        // Existing tables do not start, so more tables would not either.
        return steps;
    }
    let for_base = demand.base.min(demand.max).saturating_sub(live + steps.len()).min(missing);
    let for_players = memory.load.take(missing - for_base, demand.buffer, seen.now_s);
    for _ in 0..(for_base + for_players).min(STEPS_MAX) {
        let number = memory.expect.next_number();
        steps.push(Step::Create { name: format!("{}-{number}", seen.name) });
    }
    steps
}

/// Tables without players first: those that do not serve, those with an earlier template, those on the emptiest nodes.
fn first_to_go<'a>(mut live: Vec<&'a TableView>, tables: &'a [TableView]) -> Vec<&'a TableView> {
    let mut load: HashMap<Option<&str>, (usize, usize)> = HashMap::new();
    for table in tables.iter().filter(|table| !table.deleting) {
        let on_node = load.entry(table.node.as_deref()).or_default();
        on_node.0 += usize::from(table.is_occupied());
        on_node.1 += 1;
    }
    live.sort_by_key(|table| {
        let on_node = load.get(&table.node.as_deref()).copied().unwrap_or_default();
        (table.is_occupied(), table.settled, table.same_pod, table.players, on_node, Reverse(table.number))
    });
    live
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
