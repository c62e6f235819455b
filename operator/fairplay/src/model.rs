//! A model of the population: actions, hidden strength behind a public story, and think times.
//!
//! All tables are learned from the stream itself. A hand is scored with what was learned before it, so no hand
//! influences its own score.

use crate::{
    pack::packed,
    walk::{LINES, Line, Turn},
};
use purr_fairplay_hands::ActionKind;

pub(crate) const BUCKETS: usize = 10;
const FACES: usize = 4;
const CELLS: usize = 4 * FACES * BUCKETS * 2 * 3 * 3;
const PARENTS: usize = 4 * FACES * BUCKETS;
/// Weight of a parent cell, in observations.
const PRIOR: f32 = 12.0;

/// How a decision looks to its actor, in classes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    cell: usize,
    parent: usize,
    /// Coarse class for a player's own habits: 0 to [`HABITS`] - 1.
    pub(crate) habit: usize,
    pub(crate) bucket: usize,
    time: usize,
}

pub(crate) const HABITS: usize = 2 * FACES * 3;

pub(crate) fn bucket(strength: f32) -> usize {
    ((strength * BUCKETS as f32) as usize).min(BUCKETS - 1)
}

impl View {
    pub(crate) fn new(turn: &Turn, strength: f32, outs: u8) -> Self {
        let face = match turn.raises {
            0 => 0,
            1 if turn.street == 0 => 1 + usize::from(turn.to_call > 3.0),
            1 => 1 + usize::from(turn.to_call > 0.45 * (turn.pot - turn.to_call).max(0.01)),
            _ => 3,
        };
        let bucket = bucket(strength);
        let draw = usize::from(outs >= 8);
        let opponents = (turn.live.count_ones() as usize).saturating_sub(2).min(2);
        let role = match (turn.street, turn.initiative) {
            (0, _) => usize::from(turn.position),
            (_, Some(who)) if who == turn.actor => 0,
            (_, Some(_)) => 1,
            (_, None) => 2,
        };
        let parent = (turn.street * FACES + face) * BUCKETS + bucket;
        let pot = if turn.pot < 4.0 {
            0
        } else if turn.pot < 15.0 {
            1
        } else {
            2
        };
        let action = match turn.action {
            ActionKind::Fold => 0,
            ActionKind::Check | ActionKind::Call => 1,
            ActionKind::Raise => 2,
        };
        // The strongest and weakest hands of the river are played alike; players differ in the middle.
        let third = if strength < 0.45 {
            0
        } else if strength < 0.8 {
            1
        } else {
            2
        };
        Self {
            cell: ((parent * 2 + draw) * 3 + opponents) * 3 + role,
            parent,
            habit: (usize::from(turn.street > 0) * FACES + face) * 3 + third,
            bucket,
            time: (parent * 3 + pot) * 3 + action,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    n: f32,
    raise: f32,
    fold: f32,
}

impl Count {
    fn add(&mut self, action: ActionKind) {
        self.n += 1.0;
        match action {
            ActionKind::Raise => self.raise += 1.0,
            ActionKind::Fold => self.fold += 1.0,
            ActionKind::Check | ActionKind::Call => {}
        }
    }
}

/// Probabilities of an action.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) raise: f32,
    pub(crate) fold: f32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    n: f32,
    sum: f32,
}

impl Mean {
    /// The mean, drawn toward `prior`, which counts as this many observations.
    fn value(self, prior: f32, weight: f32) -> f32 {
        (self.sum + prior * weight) / (self.n + weight)
    }

    fn add(&mut self, value: f32) {
        // f32 counts stop growing at 2^24: halving keeps the mean moving.
        if self.n >= 4_000_000.0 {
            (self.n, self.sum) = (self.n / 2.0, self.sum / 2.0);
        }
        self.n += 1.0;
        self.sum += value;
    }
}

pub(crate) struct Population {
    cells: Vec<Count>,
    parents: Vec<Count>,
    ranges: Vec<Mean>,
    ahead: Vec<Mean>,
    times: Vec<Mean>,
    time: Mean,
}

packed! {
    Count { n, raise, fold }
    Mean { n, sum }
    Population { cells, parents, ranges, ahead, times, time }
}

impl Population {
    /// Whether every table has the size that views count on.
    pub(crate) fn is_whole(&self) -> bool {
        let new = Self::new();
        let sizes =
            |of: &Self| [of.cells.len(), of.parents.len(), of.ranges.len(), of.ahead.len(), of.times.len()];
        sizes(self) == sizes(&new)
    }

    pub(crate) fn new() -> Self {
        Self {
            cells: vec![Count::default(); CELLS],
            parents: vec![Count::default(); PARENTS],
            ranges: vec![Mean::default(); 4 * LINES],
            ahead: vec![Mean::default(); 4 * LINES * BUCKETS],
            times: vec![Mean::default(); PARENTS * 9],
            time: Mean::default(),
        }
    }

    /// Probabilities of the actions for this view. Before anything is learned each is one third.
    pub(crate) fn action(&self, view: &View) -> Expected {
        let (cell, parent) = (self.cells[view.cell], self.parents[view.parent]);
        let of = |cell: f32, up: f32| {
            let above = (up + 0.33 * PRIOR) / (parent.n + PRIOR);
            (cell + above * PRIOR) / (self.cells[view.cell].n + PRIOR)
        };
        Expected { raise: of(cell.raise, parent.raise), fold: of(cell.fold, parent.fold) }
    }

    /// Whether the cell has enough observations.
    pub(crate) fn knows(&self, view: &View) -> bool {
        self.parents[view.parent].n >= 30.0
    }

    pub(crate) fn learn_action(&mut self, view: &View, action: ActionKind) {
        for count in [&mut self.cells[view.cell], &mut self.parents[view.parent]] {
            if count.n >= 4_000_000.0 {
                *count = Count { n: count.n / 2.0, raise: count.raise / 2.0, fold: count.fold / 2.0 };
            }
            count.add(action);
        }
    }

    /// Mean strength of players with this public story.
    pub(crate) fn range(&self, street: usize, line: Line) -> f32 {
        self.ranges[street * LINES + line.index()].value(0.5, 10.0)
    }

    pub(crate) fn learn_range(&mut self, street: usize, line: Line, strength: f32) {
        self.ranges[street * LINES + line.index()].add(strength);
    }

    /// How often a hand of this strength is ahead of a player with this public story.
    pub(crate) fn ahead(&self, street: usize, line: Line, bucket: usize) -> f32 {
        let prior = (bucket as f32 + 0.5) / BUCKETS as f32;
        self.ahead[(street * LINES + line.index()) * BUCKETS + bucket].value(prior, 10.0)
    }

    pub(crate) fn learn_ahead(&mut self, street: usize, line: Line, bucket: usize, ahead: f32) {
        self.ahead[(street * LINES + line.index()) * BUCKETS + bucket].add(ahead);
    }

    /// Mean of ln(think time) for such a decision.
    pub(crate) fn think(&self, view: &View) -> f32 {
        self.times[view.time].value(self.time.value(7.5, 10.0), 20.0)
    }

    pub(crate) fn learn_think(&mut self, view: &View, log_ms: f32) {
        self.times[view.time].add(log_ms);
        self.time.add(log_ms);
    }
}
