//! Counts of one player.

use crate::{
    model::{HABITS, View},
    pack::packed,
    pairs::{Cited, EVIDENCE, STATISTICS, Sum},
    walk::Turn,
};
use purr_engine::PlayerId;
use purr_fairplay_hands::{ActionKind, HandKey};

/// Hands dealt in, and decisions made, at which a player's statistics are kept to be judged.
pub const HAND_CHECKS: [u32; 6] = [100, 200, 500, 1_000, 2_000, 5_000];
pub const DECISION_CHECKS: [u32; 5] = [300, 600, 1_000, 2_000, 5_000];

/// Classes of bet sizes: steps of a tenth in ln(bet / pot).
const SIZES: usize = 32;
/// Classes of think times: before or after the flop, and fold, check or call, raise.
const PACES: usize = 6;
/// Weight of the last observation in a player's habits: play of a few hundred decisions ago fades.
const HABIT_DECAY: f32 = 1.0 - 1.0 / 400.0;
const HABIT_PRIOR: f32 = 15.0;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habit {
    n: f32,
    raise: f32,
    fold: f32,
}

impl Habit {
    pub(crate) fn raise(&self) -> f32 {
        self.raise / (self.n + HABIT_PRIOR)
    }

    pub(crate) fn fold(&self) -> f32 {
        self.fold / (self.n + HABIT_PRIOR)
    }

    /// Updates the deviations; one-valued habits leave `fold` at 0.
    pub(crate) fn learn(&mut self, raise: f32, fold: f32) {
        self.n = self.n * HABIT_DECAY + 1.0;
        self.raise = self.raise * HABIT_DECAY + raise;
        self.fold = self.fold * HABIT_DECAY + fold;
    }
}

/// Mean and variance of a feature of a player's style.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Feature {
    n: f32,
    sum: f32,
    squares: f32,
}

impl Feature {
    fn add(&mut self, value: f32) {
        self.n += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    fn plus(&self, other: &Self) -> Self {
        Self { n: self.n + other.n, sum: self.sum + other.sum, squares: self.squares + other.squares }
    }

    fn mean_and_error(&self) -> Option<(f32, f32)> {
        if self.n < 25.0 {
            return None;
        }
        let mean = self.sum / self.n;
        let variance = (self.squares / self.n - mean * mean).max(1e-3);
        Some((mean, variance / self.n))
    }
}

const FEATURES: usize = 2 * HABITS + PACES + 2;
/// Features of think times begin here.
const PACES_FROM: usize = 2 * HABITS;

/// Think times after so many decisions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimingCheck {
    pub decisions: u32,
    /// Slope of ln(time) on the population's time for such a decision: 1 for an average person.
    pub slope: f64,
    pub slope_error: f64,
    /// ln of the standard deviation of ln(time) around that line.
    pub log_spread: f64,
    /// Entropy of bet sizes relative to the pot, in nats.
    pub size_entropy: f64,
    pub sizes: u32,
}

/// Superuser statistics after so many hands, in standard deviations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlayerCheck {
    pub hands: u32,
    pub knows: [f64; SUPERS],
}

/// Statistics of a superuser: being ahead of hidden cards; being strong when others are weak; and the first one in big
/// pots only.
pub(crate) const SUPERS: usize = 3;

/// Snapshot of one player.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayerStats {
    pub player: PlayerId,
    pub hands: u32,
    pub decisions: u32,
    pub now: PlayerCheck,
    pub timing: Option<TimingCheck>,
    pub checks: Vec<PlayerCheck>,
    pub timing_checks: Vec<TimingCheck>,
    pub evidence: Vec<HandKey>,
}

#[derive(Clone, Debug)]
pub(crate) struct Player {
    pub(crate) id: PlayerId,
    pub(crate) hands: u32,
    pub(crate) decisions: u32,
    pub(crate) habits: [Habit; HABITS],
    /// How much stronger than the range model the player's hands are, by [`range_class`].
    pub(crate) ranges: [Habit; 4],
    pub(crate) ahead: [Habit; 4],
    features: [Feature; FEATURES],
    timing: Timing,
    /// Think times of the window before; see [`Player::end_timing_window`].
    timing_before: Timing,
    paces_before: [Feature; PACES],
    sizes: [u16; SIZES],
    pub(crate) supers: [Sum; SUPERS],
    pub(crate) evidence: [Cited; EVIDENCE],
    pub(crate) as_actor: [Sum; STATISTICS],
    pub(crate) as_partner: [Sum; STATISTICS],
    pub(crate) shared: u64,
    pub(crate) opponents: u32,
    checks: Vec<PlayerCheck>,
    timing_checks: Vec<TimingCheck>,
    /// End of the newest hand.
    pub(crate) last_ms: u64,
}

/// Sums for the regression of ln(time) on the population's.
#[derive(Clone, Copy, Debug, Default)]
struct Timing {
    n: f64,
    x: f64,
    xx: f64,
    y: f64,
    yy: f64,
    xy: f64,
}

packed! {
    Habit { n, raise, fold }
    Feature { n, sum, squares }
    TimingCheck { decisions, slope, slope_error, log_spread, size_entropy, sizes }
    PlayerCheck { hands, knows }
    Timing { n, x, xx, y, yy, xy }
    Player {
        id, hands, decisions, habits, ranges, ahead, features, timing, timing_before, paces_before, sizes, supers, evidence, as_actor, as_partner, shared,
        opponents, checks, timing_checks, last_ms,
    }
}

impl Timing {
    fn plus(&self, other: &Self) -> Self {
        Self {
            n: self.n + other.n,
            x: self.x + other.x,
            xx: self.xx + other.xx,
            y: self.y + other.y,
            yy: self.yy + other.yy,
            xy: self.xy + other.xy,
        }
    }
}

pub(crate) fn range_class(street: usize, strong: bool) -> usize {
    usize::from(street > 0) * 2 + usize::from(strong)
}

impl Player {
    pub(crate) fn new(id: PlayerId) -> Self {
        Self {
            id,
            hands: 0,
            decisions: 0,
            habits: [Habit::default(); HABITS],
            ranges: [Habit::default(); 4],
            ahead: [Habit::default(); 4],
            features: [Feature::default(); FEATURES],
            timing: Timing::default(),
            timing_before: Timing::default(),
            paces_before: [Feature::default(); PACES],
            sizes: [0; SIZES],
            supers: [Sum::default(); SUPERS],
            evidence: [Cited::default(); EVIDENCE],
            as_actor: [Sum::default(); STATISTICS],
            as_partner: [Sum::default(); STATISTICS],
            shared: 0,
            opponents: 0,
            checks: Vec::new(),
            timing_checks: Vec::new(),
            last_ms: 0,
        }
    }

    /// Ends a window of think times: those of the window before are gone, so that none is older than two windows.
    pub(crate) fn end_timing_window(&mut self) {
        self.timing_before = std::mem::take(&mut self.timing);
        for (before, now) in self.paces_before.iter_mut().zip(&mut self.features[PACES_FROM..]) {
            *before = std::mem::take(now);
        }
        self.timing_checks.clear();
    }

    /// A feature of the style, over both windows if it is a think time.
    fn feature(&self, at: usize) -> Feature {
        let before = at.checked_sub(PACES_FROM).and_then(|pace| self.paces_before.get(pace));
        before.map_or(self.features[at], |before| self.features[at].plus(before))
    }

    /// Updates the style, which is independent of luck and opponents: how far each decision is from the population's.
    pub(crate) fn learn_style(&mut self, view: &View, turn: &Turn, raise: f32, fold: f32) {
        self.features[view.habit].add(raise);
        self.features[HABITS + view.habit].add(fold);
        if turn.action == ActionKind::Raise && turn.pot > 0.0 {
            let log_size = (turn.put / turn.pot).max(1e-3).ln();
            self.features[2 * HABITS + PACES + usize::from(turn.street > 0)].add(log_size);
            if turn.street > 0 {
                let class = ((log_size + 2.2) * 10.0).clamp(0.0, SIZES as f32 - 1.0) as usize;
                self.sizes[class] = self.sizes[class].saturating_add(1);
            }
        }
    }

    pub(crate) fn learn_pace(&mut self, turn: &Turn, log_ms: f32, usual: f32) {
        let kind = match turn.action {
            ActionKind::Fold => 0,
            ActionKind::Check | ActionKind::Call => 1,
            ActionKind::Raise => 2,
        };
        let class = usize::from(turn.street > 0) * 3 + kind;
        self.features[2 * HABITS + class].add(log_ms - usual);
        let (x, y) = (f64::from(usual), f64::from(log_ms));
        let t = &mut self.timing;
        t.n += 1.0;
        (t.x, t.xx, t.y, t.yy, t.xy) = (t.x + x, t.xx + x * x, t.y + y, t.yy + y * y, t.xy + x * y);
    }

    /// Stores the values that are judged at fixed numbers of hands and decisions.
    pub(crate) fn keep_checks(&mut self, decisions_before: u32) {
        if HAND_CHECKS.contains(&self.hands) {
            self.checks.push(self.check());
        }
        if DECISION_CHECKS.iter().any(|at| decisions_before < *at && *at <= self.decisions) {
            self.timing_checks.extend(self.timing());
        }
    }

    fn check(&self) -> PlayerCheck {
        // A sum over independent hands, standardised by its own variance.
        PlayerCheck { hands: self.hands, knows: self.supers.map(|s| s.sum / (s.squares + 4.0).sqrt()) }
    }

    fn timing(&self) -> Option<TimingCheck> {
        let t = &self.timing.plus(&self.timing_before);
        if t.n < 100.0 {
            return None;
        }
        let (mx, my) = (t.x / t.n, t.y / t.n);
        let (vx, vy, cov) = (t.xx / t.n - mx * mx, t.yy / t.n - my * my, t.xy / t.n - mx * my);
        let vx = vx.max(1e-4);
        let rest = (vy - cov * cov / vx).max(1e-8);
        let sizes: u32 = self.sizes.iter().map(|n| u32::from(*n)).sum();
        let size_entropy = self
            .sizes
            .iter()
            .filter(|n| **n > 0)
            .map(|n| f64::from(*n) / f64::from(sizes))
            .map(|share| -share * share.ln())
            .sum();
        Some(TimingCheck {
            decisions: self.decisions,
            slope: cov / vx,
            slope_error: (rest / vx / t.n).sqrt(),
            log_spread: 0.5 * rest.ln(),
            size_entropy,
            sizes,
        })
    }

    pub(crate) fn stats(&self, evidence: Vec<HandKey>) -> PlayerStats {
        PlayerStats {
            player: self.id,
            hands: self.hands,
            decisions: self.decisions,
            now: self.check(),
            timing: self.timing(),
            checks: self.checks.clone(),
            timing_checks: self.timing_checks.clone(),
            evidence,
        }
    }

    /// ln of the mean squared difference of two styles in units of its error: near 0 for one person.
    pub(crate) fn style_distance(&self, other: &Self) -> Option<f32> {
        /// Variance that is added because nobody plays exactly alike on two days.
        const DRIFT: f32 = 1e-4;
        let (mut sum, mut count) = (0.0, 0u16);
        for at in 0..FEATURES {
            let (mine, theirs) = (self.feature(at), other.feature(at));
            if let (Some((a, va)), Some((b, vb))) = (mine.mean_and_error(), theirs.mean_and_error()) {
                // One feature must not outvote all others.
                sum += ((a - b) * (a - b) / (va + vb + DRIFT)).min(100.0);
                count += 1;
            }
        }
        (count >= 20).then(|| (sum / f32::from(count)).max(1e-3).ln())
    }
}
