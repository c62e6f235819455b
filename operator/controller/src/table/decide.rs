//! What to do next about a table: one function of what was observed.

use super::observe::{Life, PodView};
use std::fmt;

/// A pod that failed is not replaced earlier than this after it was made, in seconds.
const RELAUNCH_S: i64 = 10;
/// One that served and crashed again is not replaced earlier than this after it was made, in seconds.
const RECOVER_S: i64 = 5;
/// Between two questions to a draining pod, in seconds.
const ASK_S: u64 = 1;
/// Between two questions to a pod that writes no summary, in seconds.
const QUIET_S: u64 = 2;
/// Between two looks at what is announced by the API anyway, in seconds.
const LOOK_S: u64 = 5;

/// All that the decision depends on.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The table is to be deleted.
    pub deleting: bool,
    /// It has our finalizer.
    pub finalizer: bool,
    /// The last fencing generation that was given out; 0: none.
    pub generation: u64,
    pub paused: bool,
    /// Nobody new is to take a seat.
    pub closed: bool,
    /// Hash of the pod as it should be; `None` where none can be made.
    pub wanted: Option<String>,
    pub pods: Vec<PodView>,
    /// What the current pod answered when it was asked to drain.
    pub drain: Option<Result<Drained, String>>,
    /// The current pod's process wrote its summary, and does so no more.
    pub quiet: bool,
    /// What it answered when it was asked whether it lives.
    pub alive: Option<Result<(), String>>,
    /// The last entry in the signer's journal.
    pub head: Option<Result<u64, String>>,
    /// What the current pod's process last said about why it deals no hands; `None`: it has said nothing yet.
    pub holding: Option<Option<String>>,
    /// Whether the current pod's process last said that it takes nobody new; `None`: it has said nothing yet.
    pub is_closed: Option<bool>,
    /// Seconds since 1970.
    pub now_s: i64,
}

/// How far a drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    pub drained: bool,
    pub hand_running: bool,
    pub seated: usize,
    pub unsettled: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Delete,
    Rollout,
}

/// One thing to do. Carried out in order; the first that fails ends the reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    AddFinalizer,
    ReleaseFinalizer,
    /// Compare-and-swap of the generation in the status.
    Raise {
        to: u64,
    },
    /// Only after [`Step::Raise`] to the same generation.
    Create {
        generation: u64,
    },
    Delete {
        pod: String,
    },
    /// Durable, before the pod is told.
    MarkDraining {
        pod: String,
    },
    /// Asks the pod to drain, sets [`Observed::drain`] and decides anew.
    AskDrain {
        pod: String,
        why: Why,
    },
    /// Asks the pod whether it lives, sets [`Observed::alive`] and decides anew.
    AskAlive {
        pod: String,
    },
    /// Asks the signer, sets [`Observed::head`] and decides anew.
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

/// What the table is busy with, for its conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    Steady,
    /// A pod is being made, or has not become ready.
    Starting,
    /// No pod can be made; what validation said has the reason.
    Blocked,
    /// A hand is ending, for this reason.
    Draining(Why, Waiting),
    /// The pod before has not gone yet.
    Going,
    Deleted,
}

/// What a drain waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    Hand,
    Players(usize),
    Journal(usize),
    Pod,
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
}

pub fn decide(seen: &Observed) -> Decision {
    if seen.deleting && !seen.finalizer {
        return Decision::new(Stage::Deleted, []);
    }
    if seen.pods.iter().any(|pod| pod.generation > seen.generation) {
        // The status that we know is older than the pods that we know.
        return Decision::new(Stage::Starting, []).again(ASK_S);
    }
    let mut decision = if seen.deleting { delete(seen) } else { keep(seen) };
    // Fenced already, so nothing that they still do counts.
    let current = current(seen).map(|pod| pod.name.as_str());
    let old = seen.pods.iter().filter(|pod| Some(pod.name.as_str()) != current && is_there(pod));
    let removals: Vec<Step> = old.map(|pod| Step::Delete { pod: pod.name.clone() }).collect();
    decision.steps.splice(0..0, removals);
    decision
}

fn is_there(pod: &PodView) -> bool {
    matches!(pod.life, Life::Alive | Life::Failed)
}

fn current(seen: &Observed) -> Option<&PodView> {
    seen.pods.iter().find(|pod| pod.generation == seen.generation)
}

/// A new pod under the next generation.
fn launch(seen: &Observed, before: impl Into<Vec<Step>>) -> Decision {
    if seen.wanted.is_none() {
        return Decision::new(Stage::Blocked, []);
    }
    let mut steps = before.into();
    if !seen.finalizer {
        steps.push(Step::AddFinalizer);
    }
    let to = seen.generation + 1;
    steps.extend([Step::Raise { to }, Step::Create { generation: to }]);
    Decision::new(Stage::Starting, steps)
}

/// In place of a pod that will not serve again soon, once it is as old as this, in seconds.
fn relaunch(seen: &Observed, pod: &PodView, age_s: i64) -> Decision {
    match u64::try_from(pod.created_s + age_s - seen.now_s) {
        Ok(wait @ 1..) => Decision::new(Stage::Starting, []).again(wait),
        _ => launch(seen, [remove(pod)]),
    }
}

fn remove(pod: &PodView) -> Step {
    Step::Delete { pod: pod.name.clone() }
}

/// The table goes on: it has one pod, as wanted.
fn keep(seen: &Observed) -> Decision {
    let Some(pod) = current(seen) else { return launch(seen, []) };
    match pod.life {
        Life::Lost => return launch(seen, []),
        Life::Terminating => return Decision::new(Stage::Going, []).again(LOOK_S),
        Life::Failed => return relaunch(seen, pod, RELAUNCH_S),
        // It served, so a process can run with this configuration, and players wait. One that never did stays: kubelet's
        // pace is right for what will not run anywhere.
        Life::Alive if pod.backing_off && seen.holding.is_some() && seen.wanted.is_some() => {
            return relaunch(seen, pod, RECOVER_S);
        }
        Life::Alive => {}
    }
    if seen.quiet && seen.now_s - pod.created_s >= RELAUNCH_S {
        match &seen.alive {
            None => return Decision::new(Stage::Steady, [Step::AskAlive { pod: pod.name.clone() }]),
            // Frozen, or cut off. Its epoch is fenced by the next one, so nobody needs to know which.
            Some(Err(_)) if seen.wanted.is_some() => return launch(seen, [remove(pod)]),
            Some(_) => {}
        }
    }
    let changed = seen.wanted.as_ref().is_some_and(|wanted| *wanted != pod.hash);
    if changed || (pod.draining && seen.wanted.is_some()) {
        return replace(seen, pod);
    }
    if !pod.ready {
        return Decision::new(Stage::Starting, []).again(LOOK_S);
    }
    let mut decision = Decision::new(Stage::Steady, []);
    if pod.paused != seen.paused || forgot(seen) {
        decision.steps.push(Step::Pause { pod: pod.name.clone(), paused: seen.paused });
    }
    // A successor takes over what its table was told, so what the process says counts as well.
    if pod.closed != seen.closed || seen.is_closed.is_some_and(|closed| closed != seen.closed) {
        decision.steps.push(Step::Close { pod: pod.name.clone(), closed: seen.closed });
        decision = decision.again(LOOK_S);
    }
    if seen.quiet {
        // It lives, so it cannot reach where summaries go; that may be all that is wrong.
        decision = decision.again(QUIET_S);
    }
    decision
}

/// The table does not do what it was told: its container may have started while it was told.
fn forgot(seen: &Observed) -> bool {
    match &seen.holding {
        None => false,
        Some(None) => seen.paused,
        Some(Some(holding)) => holding == "paused by its owner" && !seen.paused,
    }
}

/// Drained first, then deleted, then replaced.
fn replace(seen: &Observed, pod: &PodView) -> Decision {
    if !pod.started {
        return launch(seen, [remove(pod)]);
    }
    if !pod.ready {
        // It cannot be asked; SIGTERM lets it end its hand as well.
        return Decision::new(Stage::Going, [remove(pod)]).again(LOOK_S);
    }
    match drained(seen, pod, Why::Rollout) {
        Ok(()) => launch(seen, [remove(pod)]),
        Err(wait) => wait,
    }
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
        Some(Err(error)) => Err(wait(Waiting::Unreachable(error.clone()), Vec::new())),
        Some(Ok(status)) if status.drained => Ok(()),
        Some(Ok(status)) if status.hand_running => Err(wait(Waiting::Hand, Vec::new())),
        Some(Ok(status)) if status.unsettled > 0 => Err(wait(Waiting::Journal(status.unsettled), Vec::new())),
        Some(Ok(status)) => Err(wait(Waiting::Players(status.seated), Vec::new())),
    }
}

/// The table goes, once its last hand has ended and the signer has all of it.
fn delete(seen: &Observed) -> Decision {
    let release = |pods: Vec<Step>| {
        let mut steps = pods;
        steps.push(Step::ReleaseFinalizer);
        Decision::new(Stage::Deleted, steps)
    };
    let waiting = |waiting| Stage::Draining(Why::Delete, waiting);
    let current = current(seen);
    if seen.generation == 0 {
        return release(Vec::new());
    }
    if let Some(pod) = current.filter(|pod| pod.ready) {
        return match drained(seen, pod, Why::Delete) {
            Ok(()) => release(vec![remove(pod)]),
            Err(wait) => wait,
        };
    }
    match &seen.head {
        None => Decision::new(waiting(Waiting::Pod), [Step::AskHead]),
        Some(Err(why)) => Decision::new(waiting(Waiting::Signer(why.clone())), []).again(LOOK_S),
        // It never had a player: there is nothing to end.
        Some(Ok(0)) => release(current.filter(|pod| is_there(pod)).map(remove).into_iter().collect()),
        Some(Ok(_)) => {
            // A pod has to come up first, and go on where the one before ended.
            let mut decision = keep(seen);
            decision.stage = waiting(Waiting::Pod);
            decision.again_s = decision.again_s.or(Some(LOOK_S));
            decision
        }
    }
}

#[cfg(test)]
mod tests;
