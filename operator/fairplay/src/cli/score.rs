//! `purr-fairplay score`: one pass over a file.

use anyhow::Context;
use clap::Args;
use purr_engine::PlayerId;
use purr_fairplay::{Detector, DetectorLimits, PlayerStats, figures::figures, judge, lines::observe_lines};
use purr_fairplay_sim::Truth;
use std::{collections::HashSet, fs::File, io::BufReader, path::PathBuf, time::Instant};

#[derive(Debug, Args)]
pub(crate) struct ScoreOptions {
    /// Ended hands, one JSON object a line: the format of operator/fairplay/README.md or tables' records, also mixed.
    /// PHH where the name ends in .phhs or .phh.
    records: PathBuf,
    /// File with the fair-play secret key, 64 hex digits: opens hole cards of tables' records. Without it they count for
    /// public signals alone.
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// The truth about the hands, as JSON: prints the figures table. The format is in operator/fairplay/README.md.
    #[arg(long)]
    truth: Option<PathBuf>,
    /// Prints JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Number of strongest signals to print without a truth.
    #[arg(long, default_value_t = 20)]
    top: usize,
    /// Seed of the bootstrap.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(options: &ScoreOptions) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut detector = Detector::new(DetectorLimits::default());
    let name = options.records.display();
    let extension = options.records.extension().and_then(|ending| ending.to_str());
    if matches!(extension, Some("phh" | "phhs")) {
        for hand in super::phh::read_hands(&options.records)? {
            detector.observe(&hand)?;
        }
    } else {
        let file = File::open(&options.records).with_context(|| format!("{name}: cannot be opened"))?;
        let secret = options.key_file.as_deref().map(super::read_secret).transpose()?;
        observe_lines(BufReader::with_capacity(1 << 20, file), secret.as_ref(), &mut detector)
            .with_context(|| format!("{name}"))?;
    }
    let snapshot = detector.snapshot(None);
    let thresholds = judge::Thresholds::default();
    let verdict = judge::judge(&snapshot, &thresholds, 1.0);
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "{} hands in {seconds:.1} s: {:.0} a second",
        detector.hands(),
        detector.hands() as f64 / seconds
    );
    let Some(truth) = &options.truth else {
        return print_signals(&verdict, options);
    };
    let text = std::fs::read(truth).with_context(|| format!("{}: cannot be read", truth.display()))?;
    let truth = Truth::from_json(&text).with_context(|| truth.display().to_string())?;
    let players: Vec<PlayerStats> = snapshot.players;
    let seen: HashSet<PlayerId> = players.iter().map(|player| player.player).collect();
    let members = truth.groups.iter().flat_map(|group| &group.members);
    let strangers = members.filter(|member| !seen.contains(*member)).count();
    if strangers > 0 {
        eprintln!("{strangers} members of the truth's groups are in no hand: their pairs count as missed");
    }
    let table = figures(&[verdict], &players, &truth, &thresholds, detector.hands(), options.seed);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&table)?);
    } else {
        println!("{table}");
    }
    Ok(())
}

fn print_signals(verdict: &judge::Verdict, options: &ScoreOptions) -> anyhow::Result<()> {
    let top = &verdict.ranked[..options.top.min(verdict.ranked.len())];
    if options.json {
        println!("{}", serde_json::json!({ "alarms": verdict.alarms, "top": top }));
        return Ok(());
    }
    println!("{} alarms", verdict.alarms.len());
    for scored in top {
        let alarm = if verdict.alarms.contains(scored) { "ALARM " } else { "" };
        println!(
            "{alarm}{:.2} {:?} {:?}, {} hands",
            scored.score, scored.signal, scored.subject, scored.hands
        );
    }
    Ok(())
}
