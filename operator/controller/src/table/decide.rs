//! Decides the next steps of a table: one function of the observed state.

use super::observe::{Life, PodView};
use crate::{pace::Turn, pods::PodError};
use purr_protocol::{
    drain::{DrainReason, DrainStatus},
    handover::Standing,
    summary::Holding,
};
use std::{fmt, sync::Arc};

/// A pod that failed is not replaced earlier than this after it was made, in seconds.
const RELAUNCH_S: i64 = 10;
/// Least age, in seconds, at which a pod that served and crashed again is replaced.
const RECOVER_S: i64 = 5;
/// Between two questions to a draining pod, in seconds.
const ASK_S: u64 = 1;
/// Between two questions to a pod that writes no summary, in seconds.
const QUIET_S: u64 = 2;
/// Interval, in seconds, between checks of states that the API announces anyway.
const LOOK_S: u64 = 5;

/// An answer of a pod or of the signer. An error is shared, because what was observed is cloned.
pub type Answer<T> = Result<T, Arc<PodError>>;

/// All that the decision depends on.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The table is being deleted.
    pub deleting: bool,
    /// The object has the controller's finalizer.
    pub finalizer: bool,
    /// The last fencing generation that was given out; 0: none.
    pub generation: u64,
    pub paused: bool,
    /// The table has to refuse new players.
    pub closed: bool,
    /// The Secrets that the table's pod mounts have to be checked, and created if they are missing.
    pub mounts_due: bool,
    /// Hash of the pod as it should be; `None` where none can be made.
    pub wanted: Option<String>,
    pub pods: Vec<PodView>,
    /// The current pod's answer to the request to drain.
    pub drain: Option<Answer<DrainStatus>>,
    /// The current pod's process has written a summary earlier, but none lately.
    pub quiet: bool,
    /// The current pod's answer to the liveness check.
    pub alive: Option<Answer<()>>,
    /// The last entry in the signer's journal.
    pub head: Option<Answer<u64>>,
    /// Why the current pod's process deals no hands, by its last summary; `None`: it has written none yet.
    pub holding: Option<Option<Holding>>,
    /// Whether the current pod's process refuses new players, by its last summary; `None`: it has written none yet.
    pub is_closed: Option<bool>,
    /// The successor's answer to the question how far it is.
    pub standing: Option<Answer<Standing>>,
    /// Its predecessor hands nothing over, so it is drained instead.
    pub refused_hand_over: bool,
    /// Whether the table may move to a new pod now; `None`: not asked yet.
    pub turn: Option<Turn>,
    /// No pod has been made of the last generation, because the API server refused it.
    pub unspent: bool,
    /// The API server has refused the last pod; none is made before this time, in seconds since 1970.
    pub refused_until_s: i64,
    /// Seconds since 1970.
    pub now_s: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Delete,
    Rollout,
}

impl From<Why> for DrainReason {
    fn from(why: Why) -> Self {
        match why {
            Why::Delete => Self::Delete,
            Why::Rollout => Self::Rollout,
        }
    }
}

/// One step. Steps are carried out in order; the first failure ends the reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Checks the Secrets that the table's pod mounts, clears [`Observed::mounts_due`] and decides again. If this
    /// fails, no pod is created, and a running pod plays on.
    Prepare,
    /// Also if the finalizer was removed.
    AddFinalizer,
    ReleaseFinalizer,
    /// Puts labels and owner back that somebody has edited.
    Restore {
        pod: String,
    },
    /// Compare-and-swap of the generation in the status.
    Raise {
        to: u64,
    },
    /// Follows [`Step::Raise`] to the same generation, never before it.
    Create {
        generation: u64,
        /// The pod takes the table over only when ordered.
        stand_by: bool,
    },
    /// Asks whether the table may move to a new pod now, sets [`Observed::turn`] and decides again.
    AskTurn {
        /// The pod was asked to go; else it is outdated.
        evicted: bool,
    },
    /// Asks a successor how far it is, sets [`Observed::standing`] and decides again.
    AskStanding {
        pod: String,
    },
    /// Stores the order durably before the successor gets it: a successor that restarts then takes over at once.
    MarkOrdered {
        pod: String,
    },
    /// Tells a successor to take the table over from the pod of this address; from nobody: at once.
    Order {
        pod: String,
        from: Option<String>,
    },
    Delete {
        pod: String,
    },
    /// Stores the order durably before the pod gets it.
    MarkDraining {
        pod: String,
    },
    /// Orders the pod to drain, sets [`Observed::drain`] and decides again.
    AskDrain {
        pod: String,
        why: Why,
    },
    /// Checks that the pod's process is alive, sets [`Observed::alive`] and decides again.
    AskAlive {
        pod: String,
    },
    /// Asks the signer for the head of the sequence, sets [`Observed::head`] and decides again.
    AskHead,
    Pause {
        pod: String,
        paused: bool,
    },
    Close {
        pod: String,
        closed: bool,
    },
}

/// The current stage of the table, for its conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    Steady,
    /// A pod is being made, or has not become ready.
    Starting,
    /// No pod can be created; the validation error says why.
    Blocked,
    /// The pod is outdated; the table waits for its turn, and plays on.
    Queued,
    /// A successor starts or takes over; the table plays on.
    Moving(Waiting),
    /// A hand is ending, for this reason.
    Draining(Why, Waiting),
    /// The pod before has not gone yet.
    Going,
    Deleted,
}

/// The reason why a drain is not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    Hand,
    Players(usize),
    Journal(usize),
    Pod,
    /// The successor does not stand by yet.
    Successor,
    /// The successor takes over when the hand ends.
    HandOver,
    Unreachable(String),
    Signer(String),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hand => write!(f, "waits for the running hand to end"),
            Self::Players(seated) => write!(f, "waits for {seated} players to be paid out"),
            Self::Journal(entries) => {
                write!(f, "waits until the signer's journal has the last {entries} entries")
            }
            Self::Pod => write!(f, "waits for a pod that can end what was begun"),
            Self::Successor => write!(f, "starts, and stands by then"),
            Self::HandOver => write!(f, "takes over when the running hand ends"),
            Self::Unreachable(why) => write!(f, "the pod cannot be asked: {why}"),
            Self::Signer(why) => write!(f, "the signer cannot be asked for the table's last entry: {why}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub steps: Vec<Step>,
    pub stage: Stage,
    /// Look again after this time, in seconds; `None`: when something changes.
    pub again_s: Option<u64>,
}

impl Decision {
    fn new(stage: Stage, steps: impl Into<Vec<Step>>) -> Self {
        Self { steps: steps.into(), stage, again_s: None }
    }

    fn again(mut self, seconds: u64) -> Self {
        self.again_s = Some(seconds);
        self
    }

    /// Sets when to decide again, unless a time is set already.
    fn again_within(mut self, seconds: u64) -> Self {
        self.again_s = self.again_s.or(Some(seconds));
        self
    }
}

pub fn decide(seen: &Observed) -> Decision {
    if seen.deleting && !seen.finalizer {
        return Decision::new(Stage::Deleted, []);
    }
    if seen.mounts_due {
        return Decision::new(Stage::Starting, [Step::Prepare]);
    }
    let newest = seen.pods.iter().map(|pod| pod.generation).max().unwrap_or_default();
    if newest > seen.generation {
        // The known status is older than the known pods, or was changed by hand: the table is read again before a
        // generation is raised.
        return Decision::new(Stage::Starting, [Step::Raise { to: newest }]).again(ASK_S);
    }
    let mut decision = if seen.deleting { delete(seen) } else { keep(seen) };
    let is_bare = !seen.finalizer && !seen.deleting && seen.generation > 0;
    if is_bare && !decision.steps.contains(&Step::AddFinalizer) {
        decision.steps.insert(0, Step::AddFinalizer);
    }
    let strayed: Vec<Step> =
        seen.pods.iter().filter(|pod| pod.strayed && is_there(pod)).map(restore).collect();
    if !strayed.is_empty() {
        decision.again_s = Some(decision.again_s.map_or(LOOK_S, |again_s| again_s.min(LOOK_S)));
        decision.steps.splice(0..0, strayed);
    }
    // These pods are fenced already, so their writes have no effect.
    let holder = holder(&seen.pods).map_or(0, |pod| pod.generation);
    let old = seen.pods.iter().filter(|pod| pod.generation < holder && is_there(pod));
    let removals: Vec<Step> = old.map(|pod| Step::Delete { pod: pod.name.clone() }).collect();
    decision.steps.splice(0..0, removals);
    decision
}

fn is_there(pod: &PodView) -> bool {
    matches!(pod.life, Life::Alive | Life::Failed)
}

/// The two pods that matter: the one that holds the table, and the one that is to take it over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Roles<'a> {
    holder: Option<&'a PodView>,
    successor: Option<&'a PodView>,
}

impl<'a> Roles<'a> {
    fn of(pods: &'a [PodView]) -> Self {
        let mut newest: Vec<&PodView> = pods.iter().collect();
        newest.sort_by_key(|pod| std::cmp::Reverse(pod.generation));
        let Some(first) = newest.first().copied() else { return Self::default() };
        // Until the successor serves, the previous pod may still hold the table.
        let is_successor = |pod: &PodView| pod.stand_by || (pod.ordered && !pod.ready && newest.len() > 1);
        if !is_successor(first) {
            return Self { holder: Some(first), successor: None };
        }
        let holder = newest.iter().skip(1).copied().find(|pod| !pod.stand_by);
        Self { holder, successor: Some(first) }
    }
}

/// The pod that has the table, whether it serves or not.
pub fn holder(pods: &[PodView]) -> Option<&PodView> {
    Roles::of(pods).holder
}

/// The pod that is to take the table over.
pub fn successor(pods: &[PodView]) -> Option<&PodView> {
    Roles::of(pods).successor
}

/// A pod of the next generation, or of one that was given out and has no pod.
fn issue(seen: &Observed, stand_by: bool, before: impl Into<Vec<Step>>, stage: Stage) -> Decision {
    if seen.wanted.is_none() {
        return Decision::new(Stage::Blocked, []);
    }
    if let Ok(wait @ 1..) = u64::try_from(seen.refused_until_s - seen.now_s) {
        return Decision::new(stage, before).again(wait);
    }
    let mut steps = before.into();
    if !seen.finalizer {
        steps.push(Step::AddFinalizer);
    }
    let generation = if seen.unspent { seen.generation } else { seen.generation + 1 };
    if !seen.unspent {
        steps.push(Step::Raise { to: generation });
    }
    steps.push(Step::Create { generation, stand_by });
    Decision::new(stage, steps)
}

/// A new pod that takes over as soon as it runs.
fn launch(seen: &Observed, before: impl Into<Vec<Step>>) -> Decision {
    issue(seen, false, before, Stage::Starting)
}

/// Creates a new pod beside the one that holds the table.
fn launch_successor(seen: &Observed) -> Decision {
    issue(seen, true, [], Stage::Moving(Waiting::Successor)).again_within(ASK_S)
}

/// Replaces a pod that will not serve again soon, once the pod has this age in seconds.
fn relaunch(seen: &Observed, pod: &PodView, age_s: i64) -> Decision {
    match u64::try_from(pod.created_s + age_s - seen.now_s) {
        Ok(wait @ 1..) => Decision::new(Stage::Starting, []).again(wait),
        _ => launch(seen, [remove(pod)]),
    }
}

fn remove(pod: &PodView) -> Step {
    Step::Delete { pod: pod.name.clone() }
}

fn restore(pod: &PodView) -> Step {
    Step::Restore { pod: pod.name.clone() }
}

/// Keeps the one wanted pod.
fn keep(seen: &Observed) -> Decision {
    let Roles { holder, successor } = Roles::of(&seen.pods);
    if let Some(successor) = successor {
        let mut decision = hand_over(seen, holder, successor);
        // A successor that does not start must not keep the table from being paused or closed.
        let playing = holder.filter(|pod| pod.life == Life::Alive && pod.ready && !successor.ordered);
        if let Some(pod) = playing.filter(|_| decision.steps.is_empty()) {
            decision.steps = instruct(seen, pod, Stage::Steady).steps;
        }
        return decision;
    }
    let Some(pod) = holder else { return launch(seen, []) };
    match pod.life {
        Life::Lost => return launch(seen, []),
        // Evicted. It plays on for a while, and hands over where it can.
        Life::Terminating if seen.wanted.is_some() => return evicted(seen, pod),
        Life::Terminating => return Decision::new(Stage::Going, []).again(LOOK_S),
        Life::Failed => return relaunch(seen, pod, RELAUNCH_S),
        // The pod served before, so a process can run with this configuration, and players wait. A pod that never
        // served stays: kubelet's back-off is right for a configuration that cannot run.
        Life::Alive if pod.backing_off && seen.holding.is_some() && seen.wanted.is_some() => {
            return relaunch(seen, pod, RECOVER_S);
        }
        Life::Alive => {}
    }
    if is_dumb(seen, pod) {
        match &seen.alive {
            None => return Decision::new(Stage::Steady, [Step::AskAlive { pod: pod.name.clone() }]),
            // Frozen, or cut off. Its epoch is fenced by the next one, so nobody needs to know which.
            Some(Err(_)) if seen.wanted.is_some() => return launch(seen, [remove(pod)]),
            Some(_) => {}
        }
    }
    if pod.draining && seen.wanted.is_some() {
        return launch_successor(seen);
    }
    let changed = seen.wanted.as_ref().is_some_and(|wanted| *wanted != pod.hash);
    if changed {
        return replace(seen, pod);
    }
    if !pod.ready {
        // Kubelet probes once a second; a process that has just taken over can be asked at once.
        let asks = pod.ordered && seen.standing.is_none() && pod.started && pod.ip.is_some();
        let steps = if asks { vec![Step::AskStanding { pod: pod.name.clone() }] } else { Vec::new() };
        return Decision::new(Stage::Starting, steps).again(if pod.ordered { ASK_S } else { LOOK_S });
    }
    instruct(seen, pod, Stage::Steady)
}

/// The pod has written summaries, and writes none any more.
fn is_dumb(seen: &Observed, pod: &PodView) -> bool {
    seen.quiet && seen.now_s - pod.created_s >= RELAUNCH_S
}

/// Sends the pause and closing orders to a serving pod.
fn instruct(seen: &Observed, pod: &PodView, stage: Stage) -> Decision {
    let mut decision = Decision::new(stage, []);
    if pod.paused != seen.paused || forgot(seen) {
        decision.steps.push(Step::Pause { pod: pod.name.clone(), paused: seen.paused });
    }
    // A successor takes over the orders that its table got, so the process's own report counts as well.
    if pod.closed != seen.closed || seen.is_closed.is_some_and(|closed| closed != seen.closed) {
        decision.steps.push(Step::Close { pod: pod.name.clone(), closed: seen.closed });
        decision = decision.again(LOOK_S);
    }
    if seen.quiet {
        // The process is alive, so it cannot reach Redis; that may be the only fault.
        decision = decision.again(QUIET_S);
    }
    decision
}

/// Whether the table does not follow an order: its container may have started while the order was sent.
fn forgot(seen: &Observed) -> bool {
    match seen.holding {
        None => false,
        Some(None) => seen.paused,
        Some(Some(holding)) => holding == Holding::Owner && !seen.paused,
    }
}

/// A pod of an earlier configuration: a successor takes its place, once it is the table's turn.
fn replace(seen: &Observed, pod: &PodView) -> Decision {
    // A pod that cannot run costs no capacity, and a correction should not wait for the turn of a broken table.
    if !pod.ready && (pod.trouble.is_some() || pod.backing_off) {
        return launch(seen, [remove(pod)]);
    }
    match seen.turn {
        None => Decision::new(Stage::Queued, [Step::AskTurn { evicted: false }]),
        Some(Turn::Later { again_s }) => {
            let waits = if pod.ready { instruct(seen, pod, Stage::Queued) } else { starting() };
            let again_s = waits.again_s.unwrap_or(again_s).min(again_s);
            waits.again(again_s)
        }
        // A table whose process has never run has no players.
        Some(Turn::Now) if !pod.started => launch(seen, [remove(pod)]),
        Some(Turn::Now) => launch_successor(seen),
    }
}

/// Handles a pod that was asked to stop: it plays on for a part of its grace period. The tables of a drained node take
/// turns during that time, so that their starts do not slow each other's take-overs.
fn evicted(seen: &Observed, pod: &PodView) -> Decision {
    let wait = |again_s| Decision::new(Stage::Moving(Waiting::Successor), []).again(again_s);
    match (seen.turn, pod.move_by_s.saturating_sub(seen.now_s)) {
        (_, ..=0) | (Some(Turn::Now), _) => launch_successor(seen),
        (None, _) => with_step(wait(ASK_S), Step::AskTurn { evicted: true }),
        (Some(Turn::Later { again_s }), left_s) => wait(again_s.min(left_s.unsigned_abs())),
    }
}

fn starting() -> Decision {
    Decision::new(Stage::Starting, [])
}

/// Hands over to a successor: it stands by, is ordered to take over, and the previous pod is deleted once the successor
/// serves.
fn hand_over(seen: &Observed, holder: Option<&PodView>, successor: &PodView) -> Decision {
    let wait = |waiting| Decision::new(Stage::Moving(waiting), []).again(ASK_S);
    let playing = holder.filter(|pod| pod.life == Life::Alive && pod.ready);
    match successor.life {
        Life::Alive => {}
        // Nothing is urgent while the table plays on in its old pod.
        Life::Failed => {
            let age_s = seen.now_s - successor.created_s;
            return match u64::try_from(RELAUNCH_S - age_s) {
                Ok(left @ 1..) if playing.is_some() => wait(Waiting::Successor).again(left),
                _ => with_step(wait(Waiting::Successor), remove(successor)),
            };
        }
        Life::Terminating | Life::Lost if playing.is_some() && !successor.ordered => {
            return wait(Waiting::Successor);
        }
        Life::Terminating | Life::Lost => return launch(seen, []),
    }
    let fits = seen.wanted.as_ref().is_none_or(|wanted| *wanted == successor.hash);
    if !successor.ordered {
        let holder_fits = holder.is_some_and(|pod| seen.wanted.as_ref() == Some(&pod.hash) && !pod.draining);
        // The change was undone or changed again. The next round creates another successor if needed.
        if !fits || (holder_fits && playing.is_some()) {
            return with_step(wait(Waiting::Successor), remove(successor));
        }
    }
    let gone = match holder {
        None => true,
        Some(pod) => match pod.life {
            Life::Lost | Life::Failed => true,
            Life::Alive if pod.backing_off => true,
            Life::Alive if is_dumb(seen, pod) => match &seen.alive {
                None => return with_step(wait(Waiting::HandOver), Step::AskAlive { pod: pod.name.clone() }),
                Some(alive) => alive.is_err(),
            },
            Life::Alive | Life::Terminating => pod.ip.is_none(),
        },
    };
    let order = |from: Option<String>| {
        let mark = (!successor.ordered).then(|| Step::MarkOrdered { pod: successor.name.clone() });
        let order = Step::Order { pod: successor.name.clone(), from };
        let mut decision = wait(Waiting::HandOver);
        decision.steps.extend(mark.into_iter().chain([order]));
        decision
    };
    if successor.ip.is_none() || !successor.started {
        return wait(Waiting::Successor);
    }
    let from = holder.filter(|_| !gone).and_then(|pod| pod.ip.clone());
    match &seen.standing {
        None => with_step(wait(Waiting::Successor), Step::AskStanding { pod: successor.name.clone() }),
        Some(Err(_)) => wait(if successor.ordered { Waiting::HandOver } else { Waiting::Successor }),
        Some(Ok(Standing::TakingOver)) if seen.refused_hand_over => match holder {
            Some(pod) if !gone && pod.life == Life::Alive => match drained(seen, pod, Why::Rollout) {
                Ok(()) => order(None),
                Err(wait) => wait,
            },
            Some(pod) if !gone && pod.life == Life::Terminating => wait(Waiting::HandOver),
            _ => order(None),
        },
        Some(Ok(Standing::TakingOver)) if gone => order(None),
        Some(Ok(Standing::TakingOver | Standing::Serving | Standing::Unknown)) => wait(Waiting::HandOver),
        // While Redis or the signer is unreachable no process could take over.
        Some(Ok(Standing::Connecting)) if !gone => wait(Waiting::Successor),
        Some(Ok(Standing::Connecting | Standing::StandingBy)) => order(from),
    }
}

fn with_step(mut decision: Decision, step: Step) -> Decision {
    decision.steps.push(step);
    decision
}

/// `Ok` once the pod is drained; else what to do until then.
fn drained(seen: &Observed, pod: &PodView, why: Why) -> Result<(), Decision> {
    let wait = |waiting, steps: Vec<Step>| Decision::new(Stage::Draining(why, waiting), steps).again(ASK_S);
    let mark = || Step::MarkDraining { pod: pod.name.clone() };
    let marks = if why == Why::Rollout && !pod.draining { vec![mark()] } else { Vec::new() };
    match &seen.drain {
        None => {
            let mut steps = marks;
            steps.push(Step::AskDrain { pod: pod.name.clone(), why });
            Err(wait(Waiting::Hand, steps))
        }
        Some(Err(error)) => Err(wait(Waiting::Unreachable(error.to_string()), Vec::new())),
        Some(Ok(status)) if status.drained => Ok(()),
        Some(Ok(status)) if status.hand_running => Err(wait(Waiting::Hand, Vec::new())),
        Some(Ok(status)) if status.unsettled > 0 => Err(wait(Waiting::Journal(status.unsettled), Vec::new())),
        Some(Ok(status)) => Err(wait(Waiting::Players(status.seated), Vec::new())),
    }
}

/// Deletes the table once its last hand has ended and the signer has all its entries.
fn delete(seen: &Observed) -> Decision {
    let release = |pods: Vec<Step>| {
        let mut steps = pods;
        steps.push(Step::ReleaseFinalizer);
        Decision::new(Stage::Deleted, steps)
    };
    let waiting = |waiting| Stage::Draining(Why::Delete, waiting);
    let Roles { holder: current, successor } = Roles::of(&seen.pods);
    // No process of the table has ever run, so no player can sit there.
    let never_ran = match seen.generation {
        0 => true,
        1 => match current {
            Some(pod) => !pod.started && is_there(pod),
            None => seen.unspent,
        },
        _ => false,
    };
    if never_ran && successor.is_none() {
        return release(current.map(remove).into_iter().collect());
    }
    if let Some(successor) = successor {
        // A successor that was ordered to take over does so first; one that was not is deleted before the table.
        let mut decision = if successor.ordered {
            hand_over(seen, current, successor)
        } else {
            Decision::new(Stage::Going, if is_there(successor) { vec![remove(successor)] } else { vec![] })
        };
        decision.stage = waiting(Waiting::Pod);
        return decision.again_within(ASK_S);
    }
    if let Some(pod) = current.filter(|pod| pod.ready) {
        if let Some(Err(error)) = &seen.drain
            && is_dumb(seen, pod)
        {
            // Kubelet reports the pod ready, but nobody else reaches it: a reachable pod replaces it.
            let mut decision = keep(seen);
            decision.stage = waiting(Waiting::Unreachable(error.to_string()));
            return decision.again_within(ASK_S);
        }
        return match drained(seen, pod, Why::Delete) {
            Ok(()) => release(vec![remove(pod)]),
            Err(wait) => wait,
        };
    }
    if current.is_some_and(|pod| pod.life == Life::Terminating) && !matches!(seen.head, None | Some(Ok(0))) {
        return Decision::new(waiting(Waiting::Pod), []).again(LOOK_S);
    }
    match &seen.head {
        None => Decision::new(waiting(Waiting::Pod), [Step::AskHead]),
        Some(Err(why)) => Decision::new(waiting(Waiting::Signer(why.to_string())), []).again(LOOK_S),
        // The table never had a player, so there is nothing to drain.
        Some(Ok(0)) => release(current.filter(|pod| is_there(pod)).map(remove).into_iter().collect()),
        Some(Ok(_)) => {
            // A pod has to start first and continue from the previous pod's last commit.
            let mut decision = keep(seen);
            decision.stage = waiting(Waiting::Pod);
            decision.again_s = decision.again_s.or(Some(LOOK_S));
            decision
        }
    }
}

#[cfg(test)]
mod tests;
