//! `purr-fairplay power`: measures how much cheating is needed to be detected.

use super::figures::play_all;
use clap::Args;
use purr_fairplay::{Scored, Subject, judge};
use purr_fairplay_sim::{Guilty, Kind, PoolPlan, Truth};
use std::collections::HashMap;

#[derive(Debug, Args)]
pub(crate) struct PowerOptions {
    /// Seed of the players, their cards and their choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Pairs of each kind and intensity.
    #[arg(long, default_value_t = 10)]
    pairs: u64,
    /// Looks: hands that the members of a pair have shared.
    #[arg(long, value_delimiter = ',', default_values_t = [200, 1_000, 5_000])]
    shared: Vec<u32>,
    /// Threads; each has a detector of its own.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

const KINDS: [Kind; 6] =
    [Kind::Dump, Kind::SoftPlay, Kind::Isolation, Kind::CardSharing, Kind::Signal, Kind::Whipsaw];
const INTENSITIES: [f64; 4] = [1.0, 0.5, 0.25, 0.1];
/// Pairs that cheat in one pool, each at a table of its own.
const PER_POOL: usize = 4;

/// Plans a pool with four of the kinds and intensities in turn; members always sit together.
fn plan(number: u64) -> PoolPlan {
    let combination = |place: usize| {
        let at = number as usize * PER_POOL + place;
        Guilty { kind: KINDS[at % 6], intensity: INTENSITIES[at / 6 % 4] }
    };
    PoolPlan { guilty: (0..PER_POOL).map(combination).collect(), together: 1.0, ..PoolPlan::default() }
}

pub(crate) fn run(options: &PowerOptions) -> anyhow::Result<()> {
    let pools = options.pairs * (KINDS.len() * INTENSITIES.len()) as u64 / PER_POOL as u64;
    let seen = play_all(options.threads, pools, options.seed, &options.shared, &plan)?;
    let thresholds = judge::Thresholds::default();
    println!("Recall at the alarm threshold; {} pairs a cell.", options.pairs);
    print!("| kind | intensity |");
    options.shared.iter().for_each(|hands| print!(" {hands} shared |"));
    println!("\n|---|---|{}", "---|".repeat(options.shared.len()));
    let looks: Vec<_> =
        seen.looks.iter().map(|look| alarmed(&judge::judge(look, &thresholds, 1.0).alarms)).collect();
    for kind in KINDS {
        for intensity in INTENSITIES {
            print!("| {kind:?} | {intensity} |");
            for alarms in &looks {
                print!(" {} |", cell(&seen.truth, alarms, kind, intensity));
            }
            println!();
        }
    }
    Ok(())
}

fn alarmed(alarms: &[Scored]) -> HashMap<Subject, f64> {
    alarms.iter().map(|alarm| (alarm.subject.undirected(), alarm.score)).collect()
}

fn cell(truth: &Truth, alarms: &HashMap<Subject, f64>, kind: Kind, intensity: f64) -> String {
    let groups: Vec<_> =
        truth.groups.iter().filter(|group| group.kind == kind && group.intensity == intensity).collect();
    let found = groups.iter().filter(|group| {
        let pair = Subject::Pair(group.members[0], group.members[1]).undirected();
        alarms.contains_key(&pair)
    });
    format!("{:.2}", found.count() as f64 / groups.len().max(1) as f64)
}
