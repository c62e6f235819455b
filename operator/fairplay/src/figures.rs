//! The figures table: how well the detectors work on hands whose truth is known.

use crate::{
    judge::{Thresholds, Verdict, bots_at, superusers_at},
    measure::{Figure, average_precision, evidence_precision, honest_quantile, mean, rate, share},
    players::PlayerStats,
    signal::{Scored, Signal, Subject},
};
use purr_engine::PlayerId;
use purr_fairplay_hands::HandKey;
use purr_fairplay_sim::{Group, Kind, Truth};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
};

/// Hands of one player that count as one period.
pub const PERIOD_HANDS: u32 = 2_000;
/// False-positive rate, over honest pairs, at which recall is measured.
const RATE: f64 = 1e-4;

/// All figures. Recall and averages carry 95% intervals.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    pub hands: u64,
    pub players: usize,
    pub honest_pairs: usize,
    pub guilty_pairs: usize,
    pub pair_average_precision: Figure,
    pub by_intensity: Vec<(String, Figure)>,
    pub by_kind: Vec<KindFigures>,
    pub evidence_map_5: Figure,
    pub honest_player_periods: f64,
    pub honest_players_alarmed: usize,
    /// Per honest player-period.
    pub false_positives: Figure,
    /// Pair score that one honest pair in 10,000 passes; where there are fewer, the highest of theirs.
    pub score_at_rate: f64,
    pub superusers: Vec<KindFigures>,
    pub bots: Vec<KindFigures>,
    /// Single players of kinds that the simulator does not play, accused by any alarm.
    pub unseen: Vec<KindFigures>,
    pub honest_superuser_score_max: f64,
    pub honest_bot_score_max: f64,
    /// False alarms by signal.
    pub false_alarms: Vec<(String, usize)>,
}

/// Recall of one kind of cheat, at one intensity or over all.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KindFigures {
    pub name: String,
    pub held_out: bool,
    pub average_precision: Option<Figure>,
    /// Recall: at [`RATE`] for pairs, within the named number of hands or decisions for single players.
    pub recall: Figure,
    /// Recall of the alarms as configured.
    pub alarmed: Figure,
    pub evidence: Option<Figure>,
}

/// A pair in the figures, guilty or honest. A guilty pair without any statistic has no signal and the lowest score: it
/// counts as missed.
struct PairCase<'a> {
    score: f64,
    scored: Option<&'a Scored>,
    group: Option<usize>,
}

/// Compares verdicts with the truth. Looks come in order; the last one determines the ranking.
pub fn figures(
    looks: &[Verdict],
    players: &[PlayerStats],
    truth: &Truth,
    thresholds: &Thresholds,
    hands: u64,
    seed: u64,
) -> Figures {
    let empty = Verdict::default();
    let last = looks.last().unwrap_or(&empty);
    let guilty = guilty_players(truth);
    let pairs = guilty_pairs(truth);
    let cases = pair_cases(last, truth, &pairs);
    let honest: Vec<f64> = cases.iter().filter(|case| case.group.is_none()).map(|case| case.score).collect();
    let cut = honest_quantile(&mut honest.clone(), RATE);
    let alarmed_pairs: HashSet<Subject> =
        looks.iter().flat_map(|look| &look.alarms).map(|alarm| alarm.subject.undirected()).collect();
    let evidence: Vec<Option<f64>> = cases.iter().map(|case| evidence_of(case, truth)).collect();
    let of = |name: &str, held_out: bool, wanted: &dyn Fn(&Group) -> bool| -> KindFigures {
        let is = |case: &PairCase<'_>| case.group.is_some_and(|at| wanted(&truth.groups[at]));
        let chosen: Vec<&PairCase<'_>> = cases.iter().filter(|case| is(case)).collect();
        let ranked: Vec<(f64, bool)> = cases
            .iter()
            .filter(|case| case.group.is_none() || is(case))
            .map(|case| (case.score, case.group.is_some()))
            .collect();
        let alarmed = |case: &&&PairCase<'_>| {
            case.scored.is_some_and(|scored| alarmed_pairs.contains(&scored.subject.undirected()))
        };
        let cited: Vec<f64> =
            cases.iter().zip(&evidence).filter(|(case, _)| is(case)).filter_map(|(_, map)| *map).collect();
        KindFigures {
            name: name.to_owned(),
            held_out,
            average_precision: Some(average_precision(&ranked, seed)),
            recall: share(chosen.iter().filter(|case| case.score > cut).count(), chosen.len()),
            alarmed: share(chosen.iter().filter(alarmed).count(), chosen.len()),
            evidence: (!cited.is_empty()).then(|| mean(&cited, seed)),
        }
    };
    let all = of("all", false, &|_| true);
    let mut intensities: Vec<String> = truth.groups.iter().map(|g| g.intensity.to_string()).collect();
    intensities.sort();
    intensities.dedup();
    let by_intensity = intensities
        .iter()
        .map(|i| (i.clone(), of(i, false, &|g| g.intensity.to_string() == *i)))
        .filter_map(|(i, figures)| Some((i, figures.average_precision?)))
        .filter(|(_, figure)| figure.n > 0)
        .collect();
    let by_kind = kinds_of(truth, |group| group.members.len() > 1)
        .into_iter()
        .map(|(kind, name)| of(name, kind.is_held_out(), &|g| g.name == name))
        .filter(|figures| figures.recall.n > 0)
        .collect();
    let (flagged, false_alarms) = flagged_honest(looks, &guilty);
    let periods: f64 = players
        .iter()
        .filter(|player| !guilty.contains_key(&player.player))
        .map(|player| f64::from(player.hands) / f64::from(PERIOD_HANDS))
        .sum();
    Figures {
        hands,
        players: players.len(),
        honest_pairs: honest.len(),
        guilty_pairs: all.recall.n,
        pair_average_precision: all.average_precision.unwrap_or_default(),
        by_intensity,
        by_kind,
        evidence_map_5: all.evidence.unwrap_or_default(),
        honest_player_periods: periods,
        honest_players_alarmed: flagged.len(),
        false_positives: rate(flagged.len(), periods),
        score_at_rate: cut,
        superusers: superusers(players, truth, &guilty, thresholds)
            .into_iter()
            .chain(insiders_alarmed(looks, truth))
            .collect(),
        bots: bots(players, truth, &guilty, thresholds),
        unseen: unseen_alarmed(looks, truth),
        honest_superuser_score_max: honest_max(last, Signal::Superuser, &guilty),
        honest_bot_score_max: honest_max(last, Signal::BotTiming, &guilty),
        false_alarms,
    }
}

fn guilty_players(truth: &Truth) -> HashMap<PlayerId, usize> {
    let members =
        |(at, group): (usize, &Group)| group.members.iter().map(move |m| (*m, at)).collect::<Vec<_>>();
    truth.groups.iter().enumerate().flat_map(members).collect()
}

/// Every two members of a group are a guilty pair.
fn guilty_pairs(truth: &Truth) -> HashMap<Subject, usize> {
    let mut pairs = HashMap::new();
    for (at, group) in truth.groups.iter().enumerate() {
        for (place, a) in group.members.iter().enumerate() {
            for b in &group.members[place + 1..] {
                pairs.insert(Subject::Pair(*a, *b).undirected(), at);
            }
        }
    }
    pairs
}

/// The best score of every pair. A pair with an insider or a program in it, which is no guilty pair, is
/// neither honest nor guilty: it is left out.
fn pair_cases<'a>(verdict: &'a Verdict, truth: &Truth, pairs: &HashMap<Subject, usize>) -> Vec<PairCase<'a>> {
    let alone: HashSet<PlayerId> = truth
        .groups
        .iter()
        .filter(|group| group.members.len() == 1)
        .flat_map(|group| group.members.iter().copied())
        .collect();
    let mut seen = HashSet::new();
    let mut cases = Vec::new();
    for scored in &verdict.ranked {
        let Subject::Pair(a, b) = scored.subject else { continue };
        let subject = scored.subject.undirected();
        let group = pairs.get(&subject).copied();
        if group.is_none() && (alone.contains(&a) || alone.contains(&b)) || !seen.insert(subject) {
            continue;
        }
        cases.push(PairCase { score: scored.score, scored: Some(scored), group });
    }
    let missed = pairs.iter().filter(|(subject, _)| !seen.contains(*subject));
    cases.extend(missed.map(|(_, group)| PairCase {
        score: f64::NEG_INFINITY,
        scored: None,
        group: Some(*group),
    }));
    cases
}

/// Kinds of the groups that are wanted: those of the simulator in its order, then the others by name.
fn kinds_of(truth: &Truth, wanted: impl Fn(&Group) -> bool) -> BTreeSet<(Kind, &str)> {
    truth.groups.iter().filter(|group| wanted(group)).map(|group| (group.kind, group.name.as_str())).collect()
}

fn evidence_of(case: &PairCase<'_>, truth: &Truth) -> Option<f64> {
    let group = &truth.groups[case.group?];
    // Two accounts of one person never share a hand.
    if group.hands.is_empty() {
        return None;
    }
    let hands: HashSet<&HandKey> = group.hands.iter().collect();
    let cited = case.scored.map_or(&[][..], |scored| &scored.evidence);
    Some(evidence_precision(cited, |hand| hands.contains(hand), hands.len()))
}

fn accused(alarm: &Scored) -> Vec<PlayerId> {
    crate::cases::members_of(alarm).into_iter().collect()
}

fn flagged_honest(
    looks: &[Verdict],
    guilty: &HashMap<PlayerId, usize>,
) -> (HashSet<PlayerId>, Vec<(String, usize)>) {
    let mut flagged = HashSet::new();
    let mut by_signal: BTreeMap<String, usize> = BTreeMap::new();
    for alarm in looks.iter().flat_map(|look| &look.alarms) {
        for player in accused(alarm) {
            if !guilty.contains_key(&player) && flagged.insert(player) {
                *by_signal.entry(format!("{:?}", alarm.signal)).or_default() += 1;
            }
        }
    }
    (flagged, by_signal.into_iter().collect())
}

fn honest_max(verdict: &Verdict, signal: Signal, guilty: &HashMap<PlayerId, usize>) -> f64 {
    let honest = |scored: &&Scored| matches!(scored.subject, Subject::Player(p) if !guilty.contains_key(&p));
    let of = verdict.ranked.iter().filter(|scored| scored.signal == signal).filter(honest);
    of.map(|scored| scored.score).fold(f64::NEG_INFINITY, f64::max)
}

/// Recall of single players whose score at a check passes the threshold.
fn at_check(
    name: String,
    scores: &HashMap<PlayerId, f64>,
    threshold: f64,
    members: &[PlayerId],
    guilty: &HashMap<PlayerId, usize>,
) -> KindFigures {
    let mut honest: Vec<f64> =
        scores.iter().filter(|(player, _)| !guilty.contains_key(*player)).map(|(_, score)| *score).collect();
    let cut = honest_quantile(&mut honest, RATE);
    let known: Vec<f64> = members.iter().filter_map(|member| scores.get(member).copied()).collect();
    KindFigures {
        name,
        held_out: false,
        average_precision: None,
        recall: share(known.iter().filter(|score| **score > cut).count(), known.len()),
        alarmed: share(known.iter().filter(|score| **score >= threshold).count(), known.len()),
        evidence: None,
    }
}

fn members(truth: &Truth, kind: Kind, intensity: f64) -> Vec<PlayerId> {
    let of = |group: &&Group| group.kind == kind && group.intensity == intensity;
    truth.groups.iter().filter(of).flat_map(|group| group.members.iter().copied()).collect()
}

fn intensities(truth: &Truth, kind: Kind) -> Vec<f64> {
    let mut all: Vec<f64> = truth.groups.iter().filter(|g| g.kind == kind).map(|g| g.intensity).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    all.dedup();
    all
}

fn superusers(
    players: &[PlayerStats],
    truth: &Truth,
    guilty: &HashMap<PlayerId, usize>,
    thresholds: &Thresholds,
) -> Vec<KindFigures> {
    let mut rows = Vec::new();
    for hands in [200, 500, 2_000] {
        let scores = superusers_at(players, hands);
        for kind in Kind::ALL.iter().filter(|kind| kind.is_superuser()) {
            for intensity in intensities(truth, *kind) {
                let name = format!("{kind:?} {intensity} within {hands} hands");
                let members = members(truth, *kind, intensity);
                rows.push(at_check(name, &scores, thresholds.superuser, &members, guilty));
            }
        }
    }
    rows.retain(|row| row.recall.n > 0);
    rows
}

/// Insiders who are accused by an alarm of any look, for all players' cards or one opponent's.
fn insiders_alarmed(looks: &[Verdict], truth: &Truth) -> Vec<KindFigures> {
    let known: HashSet<PlayerId> = looks
        .iter()
        .flat_map(|look| &look.alarms)
        .filter(|alarm| matches!(alarm.signal, Signal::Superuser | Signal::KnowsCards))
        .flat_map(accused)
        .collect();
    let mut rows = Vec::new();
    for kind in Kind::ALL.iter().filter(|kind| kind.is_superuser()) {
        for intensity in intensities(truth, *kind) {
            let members = members(truth, *kind, intensity);
            let alarmed =
                share(members.iter().filter(|member| known.contains(member)).count(), members.len());
            let name = format!("{kind:?} {intensity}, any alarm at the end");
            rows.push(KindFigures {
                name,
                held_out: false,
                average_precision: None,
                recall: alarmed,
                alarmed,
                evidence: None,
            });
        }
    }
    rows
}

/// Single players of unseen kinds who are accused by any alarm of any look.
fn unseen_alarmed(looks: &[Verdict], truth: &Truth) -> Vec<KindFigures> {
    let known: HashSet<PlayerId> = looks.iter().flat_map(|look| &look.alarms).flat_map(accused).collect();
    let is_unseen = |group: &Group| group.kind == Kind::Unseen && group.members.len() == 1;
    let row = |(_, name): (Kind, &str)| {
        let groups = || truth.groups.iter().filter(|group| is_unseen(group) && group.name == name);
        let found =
            groups().filter(|group| group.members.iter().any(|member| known.contains(member))).count();
        let alarmed = share(found, groups().count());
        KindFigures {
            name: format!("{name}, any alarm at the end"),
            held_out: true,
            average_precision: None,
            recall: alarmed,
            alarmed,
            evidence: None,
        }
    };
    kinds_of(truth, is_unseen).into_iter().map(row).collect()
}

fn bots(
    players: &[PlayerStats],
    truth: &Truth,
    guilty: &HashMap<PlayerId, usize>,
    thresholds: &Thresholds,
) -> Vec<KindFigures> {
    let mut rows = Vec::new();
    for decisions in [300, 1_000, 2_000] {
        let scores = bots_at(players, decisions);
        for kind in Kind::ALL.iter().filter(|kind| kind.is_bot()) {
            let members: Vec<PlayerId> =
                intensities(truth, *kind).iter().flat_map(|i| members(truth, *kind, *i)).collect();
            let name = format!("{kind:?} within {decisions} decisions");
            rows.push(at_check(name, &scores, thresholds.bot, &members, guilty));
        }
    }
    rows.retain(|row| row.recall.n > 0);
    rows
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.n == 0 {
            return f.write_str("– (n 0)");
        }
        write!(f, "{:.3} ({:.3} to {:.3}, n {})", self.value, self.low, self.high, self.n)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} hands, {} players, {} honest pairs, {} guilty pairs ({:.2}%)",
            self.hands,
            self.players,
            self.honest_pairs,
            self.guilty_pairs,
            100.0 * self.guilty_pairs as f64 / (self.honest_pairs + self.guilty_pairs).max(1) as f64
        )?;
        writeln!(f, "| figure | value (95% interval) |\n|---|---|")?;
        writeln!(f, "| pair average precision | {} |", self.pair_average_precision)?;
        for (intensity, figure) in &self.by_intensity {
            writeln!(f, "| … intensity {intensity} | {figure} |")?;
        }
        writeln!(f, "| evidence MAP@5 | {} |", self.evidence_map_5)?;
        writeln!(
            f,
            "| false positives per honest player-period | {:.2e} ({:.2e} to {:.2e}; {} players in {:.1} periods) |",
            self.false_positives.value,
            self.false_positives.low,
            self.false_positives.high,
            self.honest_players_alarmed,
            self.honest_player_periods
        )?;
        let score = |score: f64| if score.is_finite() { format!("{score:.2}") } else { "–".to_owned() };
        writeln!(f, "| pair score at false-positive rate 1e-4 | {} |", score(self.score_at_rate))?;
        writeln!(f, "| highest honest superuser score | {} |", score(self.honest_superuser_score_max))?;
        writeln!(f, "| highest honest bot score | {} |", score(self.honest_bot_score_max))?;
        for (signal, count) in &self.false_alarms {
            writeln!(f, "| honest players alarmed by {signal} | {count} |")?;
        }
        writeln!(
            f,
            "\n| kind | average precision | recall at 1e-4 | alarmed | evidence |\n|---|---|---|---|---|"
        )?;
        for row in self.by_kind.iter().chain(&self.superusers).chain(&self.bots).chain(&self.unseen) {
            let or_dash =
                |figure: &Option<Figure>| figure.map_or("–".to_owned(), |figure| figure.to_string());
            writeln!(
                f,
                "| {}{} | {} | {} | {} | {} |",
                row.name,
                if row.held_out { " (held out)" } else { "" },
                or_dash(&row.average_precision),
                row.recall,
                row.alarmed,
                or_dash(&row.evidence)
            )?;
        }
        if (self.honest_pairs as f64) * RATE < 1.0 {
            writeln!(
                f,
                "\n{} honest pairs are too few to measure a rate of 1e-4: recall is of scores above all of theirs.",
                self.honest_pairs
            )?;
        }
        Ok(())
    }
}
