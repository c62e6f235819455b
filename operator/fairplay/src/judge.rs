//! From raw statistics to signals: calibration on the population, alarms under false-discovery control.

use crate::{
    detector::{PairRaw, Snapshot, TwinRaw},
    pairs::{AHEAD, DEPENDENCE, EXACT, FOLDS_TO, ISOLATION, LARGE, RAISES, SOFT, TRANSFER, list_of},
    players::{PlayerStats, SUPERS, TimingCheck},
    signal::{Scored, Signal, Subject},
};
use std::collections::{HashMap, HashSet};

/// Configuration, in standard deviations after calibration. Chosen on training seeds; a deployment keeps
/// its own to itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    pub pair: f64,
    pub superuser: f64,
    pub bot: f64,
    pub same_person: f64,
    /// False-discovery rate over all pairs and signals of all looks; each look spends its share.
    pub false_discovery: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { pair: 5.4, superuser: 4.6, bot: 4.4, same_person: 5.2, false_discovery: 0.05 }
    }
}

/// The result of one look at the statistics.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The strongest signal of every pair and player, the strongest first.
    pub ranked: Vec<Scored>,
    /// Signals beyond their threshold and within the false-discovery rate. Each opens a case.
    pub alarms: Vec<Scored>,
}

/// Fewest pairs from which the spread of honest statistics can be estimated.
const CALIBRATION_MIN: usize = 60;
/// Width that is assumed of a small population, in units of independent statistics.
const SMALL_WIDTH: f64 = 1.3;
/// Normal quantile of the median absolute deviation.
const MAD: f64 = 0.6745;

/// Center and width of the population's values, by median and median absolute deviation, so that the few cheats do not
/// shift them.
#[derive(Clone, Copy, Debug)]
struct Scale {
    center: f64,
    width: f64,
}

impl Scale {
    fn of(values: &mut [f64], least: f64) -> Self {
        if values.len() < CALIBRATION_MIN {
            return Self { center: 0.0, width: least * SMALL_WIDTH };
        }
        let center = median(values);
        let mut away: Vec<f64> = values.iter().map(|value| (value - center).abs()).collect();
        Self { center, width: (median(&mut away) / MAD).max(least) }
    }

    fn score(&self, value: f64) -> f64 {
        (value - self.center) / self.width
    }
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// How a signal is computed from a pair's statistics: a weighted sum of what the actor does to the partner (`forth`)
/// and of what comes back. The weights follow from the kind of cheating; the sum's width is measured on the population,
/// so that correlated statistics do not count twice.
struct Reading {
    signal: Signal,
    /// The statistic that the evidence is taken from, and that must have been counted.
    leading: usize,
    forth: &'static [(usize, f32)],
    back: &'static [(usize, f32)],
    two_sided: bool,
    /// The signal has one value for both directions.
    mutual: bool,
}

impl Reading {
    const fn one(signal: Signal, leading: usize, forth: &'static [(usize, f32)], two_sided: bool) -> Self {
        Self { signal, leading, forth, back: &[], two_sided, mutual: false }
    }

    /// A reading of what two players do to each other, with equal weights both ways.
    const fn mutual(signal: Signal, leading: usize, weights: &'static [(usize, f32)]) -> Self {
        Self { signal, leading, forth: weights, back: weights, two_sided: false, mutual: true }
    }
}

const SOFTLY: &[(usize, f32)] = &[(SOFT, 1.0), (DEPENDENCE, -0.25)];
/// Raises around third parties, nothing against each other, and no fold to the partner's raise.
const ISOLATING: &[(usize, f32)] = &[(ISOLATION, 1.0), (SOFT, 0.6), (FOLDS_TO, -0.5)];
/// The weaker hand gives way to the stronger one, and they do not fight.
const SHARING: &[(usize, f32)] = &[(EXACT, -1.0), (AHEAD, 0.8), (RAISES, -0.5), (SOFT, 0.5)];

static READINGS: [Reading; 10] = [
    Reading::one(Signal::Transfer, TRANSFER, &[(TRANSFER, 1.0)], false),
    // The receiver bets whatever the giver holds, and never folds to the giver.
    Reading {
        signal: Signal::Transfer,
        leading: TRANSFER,
        forth: &[(TRANSFER, 1.0), (LARGE, 0.8)],
        back: &[(SOFT, -0.5), (DEPENDENCE, -0.6), (FOLDS_TO, -0.8), (AHEAD, 0.4)],
        two_sided: false,
        mutual: false,
    },
    Reading::one(Signal::SoftPlay, SOFT, &[(SOFT, 1.0)], false),
    Reading::mutual(Signal::SoftPlay, SOFT, SOFTLY),
    Reading::one(Signal::Isolation, ISOLATION, &[(ISOLATION, 1.0)], false),
    Reading::mutual(Signal::Isolation, ISOLATION, ISOLATING),
    Reading::one(Signal::HiddenCardsExact, EXACT, &[(EXACT, 1.0)], true),
    Reading::mutual(Signal::HiddenCards, EXACT, SHARING),
    Reading::one(Signal::RaisesFollowCards, RAISES, &[(RAISES, 1.0)], true),
    Reading::one(Signal::KnowsCards, AHEAD, &[(AHEAD, 1.0)], false),
];

/// Hands in which a statistic must have been counted before it is read.
const COUNTED_MIN: u32 = 15;

impl Reading {
    /// The weighted sums, by the direction that shows them; `None` where hardly anything was counted.
    fn values(&self, pair: &PairRaw) -> [Option<f64>; 2] {
        let one = |way: usize| {
            let weigh = |weights: &[(usize, f32)], way: usize| -> f32 {
                weights.iter().map(|(statistic, weight)| weight * pair.z[way][*statistic]).sum()
            };
            (pair.n[way][self.leading] >= COUNTED_MIN)
                .then(|| f64::from(weigh(self.forth, way) + weigh(self.back, 1 - way)))
        };
        if self.mutual { [one(0).and(one(1)), None] } else { [one(0), one(1)] }
    }

    /// The list with the evidence: the relevant tail of the leading statistic.
    fn list(&self, upper: bool) -> usize {
        let weight =
            self.forth.iter().find(|(statistic, _)| *statistic == self.leading).map_or(1.0, |(_, w)| *w);
        list_of(self.leading, upper == (weight > 0.0))
    }
}

/// Judges one look. `share` is the part of the false-discovery rate that this look may spend.
pub fn judge(snapshot: &Snapshot, thresholds: &Thresholds, share: f64) -> Verdict {
    let mut ranked = Vec::new();
    let knows: Vec<_> = snapshot.players.iter().map(|player| player.now.knows).collect();
    let supers = super_scales(&knows);
    let timing: Vec<_> = snapshot.players.iter().filter_map(|player| player.timing).collect();
    let timing = TimingScales::of(&timing);
    for player in &snapshot.players {
        ranked.extend(superuser(player, &supers));
        ranked.extend(bot(player, &timing));
    }
    ranked.extend(pairs(&snapshot.pairs));
    ranked.extend(same_person(&snapshot.twins));
    ranked.sort_by(|a: &Scored, b| b.score.total_cmp(&a.score));
    let rate = thresholds.false_discovery * share;
    let families = [
        (Signal::Superuser, thresholds.superuser, 4),
        (Signal::BotTiming, thresholds.bot, 1),
        (Signal::SamePerson, thresholds.same_person, 1),
    ];
    let is_single = |scored: &Scored| families.iter().position(|(signal, ..)| *signal == scored.signal);
    let pair_cut = discovery_cut(ranked.iter().filter(|s| is_single(s).is_none()), READINGS.len(), rate);
    let cuts = families.map(|(signal, own, tests)| {
        own.max(discovery_cut(ranked.iter().filter(|scored| scored.signal == signal), tests, rate))
    });
    let passes = |scored: &&Scored| {
        let cut = is_single(scored).map_or(thresholds.pair.max(pair_cut), |family| cuts[family]);
        scored.score >= cut
    };
    let alarms = ranked.iter().filter(passes).cloned().collect();
    Verdict { ranked, alarms }
}

/// Benjamini and Hochberg 1995 over normal tails: the least score of a family that is a discovery. Each
/// subject has had so many tests, of which the list has the strongest.
fn discovery_cut<'a>(family: impl Iterator<Item = &'a Scored> + Clone, tests: usize, rate: f64) -> f64 {
    let tests = family.clone().count() * tests;
    let discovery = |(place, scored): (usize, &Scored)| {
        (normal_tail(scored.score) <= rate * (place + 1) as f64 / tests.max(1) as f64).then_some(scored.score)
    };
    family.enumerate().filter_map(discovery).last().unwrap_or(f64::INFINITY)
}

/// P(Z > z), from above (Chernoff's bound with Mills' ratio): never too small by more than rounding.
pub fn normal_tail(z: f64) -> f64 {
    if z <= 0.5 {
        return 1.0 - 0.5 * z.clamp(0.0, 0.5);
    }
    ((-z * z / 2.0).exp() / (z * std::f64::consts::TAU.sqrt())).min(0.5)
}

fn pairs(pairs: &[PairRaw]) -> Vec<Scored> {
    let scales: Vec<Scale> = READINGS
        .iter()
        .map(|reading| {
            let mut values: Vec<f64> = pairs.iter().flat_map(|pair| reading.values(pair)).flatten().collect();
            let weights = reading.forth.iter().chain(reading.back);
            let least = weights.map(|(_, weight)| f64::from(weight * weight)).sum::<f64>().sqrt();
            let mut scale = Scale::of(&mut values, least);
            if reading.two_sided {
                scale.center = 0.0;
            }
            scale
        })
        .collect();
    pairs.iter().filter_map(|pair| strongest(pair, &scales)).collect()
}

fn strongest(pair: &PairRaw, scales: &[Scale]) -> Option<Scored> {
    let mut best: Option<(f64, &Reading, usize, bool)> = None;
    for (reading, scale) in READINGS.iter().zip(scales) {
        for (way, value) in reading.values(pair).into_iter().enumerate() {
            let Some(value) = value else { continue };
            let score = if reading.two_sided { value.abs() / scale.width } else { scale.score(value) };
            if best.is_none_or(|(known, ..)| score > known) {
                best = Some((score, reading, way, value > 0.0));
            }
        }
    }
    let (score, reading, way, upper) = best?;
    let subject = if way == 0 { Subject::Pair(pair.a, pair.b) } else { Subject::Pair(pair.b, pair.a) };
    let list = reading.list(upper);
    let mut evidence = Vec::new();
    if let Some(cited) = &pair.evidence {
        evidence.extend(cited[way][list].iter().cloned());
        if reading.mutual {
            // Alternates between both directions, so that each player's hands are among the five.
            let other = &cited[1 - way][list];
            evidence = evidence.iter().zip(other).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
        }
    }
    let mut seen = HashSet::new();
    evidence.retain(|key| seen.insert(key.clone()));
    evidence.truncate(5);
    Some(Scored { subject, signal: reading.signal, score, hands: pair.shared, evidence })
}

/// The statistics and the sum of the first two, because a player who knows cards shows both.
fn super_views(knows: &[f64; SUPERS]) -> [f64; SUPERS + 1] {
    let [ahead, strength, big] = *knows;
    [ahead, strength, big, (ahead + strength) / std::f64::consts::SQRT_2]
}

fn super_scales(players: &[[f64; SUPERS]]) -> [Scale; SUPERS + 1] {
    std::array::from_fn(|which| {
        let mut values: Vec<f64> = players.iter().map(|knows| super_views(knows)[which]).collect();
        Scale::of(&mut values, 1.0)
    })
}

fn super_score(knows: &[f64; SUPERS], scales: &[Scale; SUPERS + 1]) -> f64 {
    super_views(knows).iter().zip(scales).map(|(z, scale)| scale.score(*z)).fold(f64::NEG_INFINITY, f64::max)
}

fn superuser(player: &PlayerStats, scales: &[Scale; SUPERS + 1]) -> Option<Scored> {
    (player.hands >= 50).then(|| Scored {
        subject: Subject::Player(player.player),
        signal: Signal::Superuser,
        score: super_score(&player.now.knows, scales),
        hands: player.hands,
        evidence: player.evidence.clone(),
    })
}

/// Superuser scores of everybody at their check after so many hands.
pub fn superusers_at(players: &[PlayerStats], hands: u32) -> HashMap<purr_engine::PlayerId, f64> {
    let at = |player: &PlayerStats| player.checks.iter().find(|check| check.hands == hands).map(|c| c.knows);
    let known: Vec<_> = players.iter().filter_map(|player| Some((player.player, at(player)?))).collect();
    let all: Vec<_> = known.iter().map(|(_, knows)| *knows).collect();
    let scales = super_scales(&all);
    known.iter().map(|(player, knows)| (*player, super_score(knows, &scales))).collect()
}

/// Ranges of honest think times and bet sizes.
struct TimingScales {
    slope: Scale,
    spread: Scale,
    sizes: Scale,
}

impl TimingScales {
    fn of(checks: &[TimingCheck]) -> Self {
        let scale = |value: fn(&TimingCheck) -> f64, least: f64, fallback: (f64, f64)| {
            let mut values: Vec<f64> = checks.iter().map(value).collect();
            if values.len() < CALIBRATION_MIN {
                return Scale { center: fallback.0, width: fallback.1 };
            }
            Scale::of(&mut values, least)
        };
        // Without a population: wide ranges that are known of people.
        Self {
            slope: scale(|check| check.slope, 0.05, (1.0, 0.3)),
            spread: scale(|check| check.log_spread, 0.05, (-0.6, 0.3)),
            sizes: scale(|check| check.size_entropy, 0.05, (2.2, 0.4)),
        }
    }

    /// A spread that no person has is a signal by itself. Otherwise a missing slope, an even pace and few bet sizes
    /// must occur together: an honest player may have one of them.
    fn score(&self, check: &TimingCheck) -> f64 {
        let widened = |scale: &Scale, error: f64| (scale.width * scale.width + error * error).sqrt();
        let n = f64::from(check.decisions.max(1));
        let spread = (self.spread.center - check.log_spread) / widened(&self.spread, (0.5 / n).sqrt());
        let slope = (self.slope.center - check.slope) / widened(&self.slope, check.slope_error);
        let sizes = if check.sizes >= 20 {
            let error = (f64::from(check.sizes)).sqrt().recip();
            (self.sizes.center - check.size_entropy) / widened(&self.sizes, error)
        } else {
            0.0
        };
        let together = (slope.max(0.0) + sizes.clamp(0.0, 4.0) * 0.7 + spread.clamp(-2.0, 3.0) * 0.3) / 1.25;
        together.max(spread - 1.0)
    }
}

fn bot(player: &PlayerStats, scales: &TimingScales) -> Option<Scored> {
    let timing = player.timing.as_ref()?;
    Some(Scored {
        subject: Subject::Player(player.player),
        signal: Signal::BotTiming,
        score: scales.score(timing),
        hands: player.hands,
        evidence: Vec::new(),
    })
}

/// Bot scores of everybody at the check that so many decisions make.
pub fn bots_at(players: &[PlayerStats], decisions: u32) -> HashMap<purr_engine::PlayerId, f64> {
    let at = |player: &PlayerStats| {
        player.timing_checks.iter().find(|check| check.decisions >= decisions).copied()
    };
    let known: Vec<_> = players.iter().filter_map(|player| Some((player.player, at(player)?))).collect();
    let all: Vec<_> = known.iter().map(|(_, check)| *check).collect();
    let scales = TimingScales::of(&all);
    known.iter().map(|(player, check)| (*player, scales.score(check))).collect()
}

/// Styles nearer to each other than those of any two players, of players who never meet though they
/// would have by chance.
fn same_person(twins: &[TwinRaw]) -> Vec<Scored> {
    let mut distances: Vec<f64> = twins.iter().map(|twin| f64::from(twin.log_distance)).collect();
    let scale = Scale::of(&mut distances, 0.2);
    if distances.len() < CALIBRATION_MIN {
        return Vec::new();
    }
    let apart = |twin: &&TwinRaw| twin.expected >= 20.0 && (twin.shared as f32) < 0.02 * twin.expected;
    let scored = |twin: &TwinRaw| Scored {
        subject: Subject::Pair(twin.a, twin.b),
        signal: Signal::SamePerson,
        score: -scale.score(f64::from(twin.log_distance)),
        hands: twin.shared,
        evidence: Vec::new(),
    };
    twins.iter().filter(apart).map(scored).collect()
}
