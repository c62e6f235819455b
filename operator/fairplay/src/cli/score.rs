//! `purr-fairplay score`: one pass over a file.

use anyhow::{Context, bail};
use clap::Args;
use purr_fairplay::{
    Detector, DetectorLimits, PlayerStats,
    figures::figures,
    judge,
    record::{BadRecord, ended_hand, open},
};
use purr_fairplay_hands::EndedHand;
use purr_fairplay_sim::Truth;
use purr_protocol::{fairplay::FairPlaySecret, record::HandRecord};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    time::Instant,
};

/// Longest line, in bytes: a hand of ten players has some 8 kB.
const LINE_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct ScoreOptions {
    /// Ended hands, one JSON object a line: the format of operator/fairplay/README.md or tables' records, also mixed.
    /// PHH where the name ends in .phhs or .phh.
    records: PathBuf,
    /// File with the fair-play secret key, 64 hex digits: opens hole cards of tables' records. Without it they count for
    /// public signals alone.
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// The truth about the hands, as JSON: prints the figures table.
    #[arg(long)]
    truth: Option<PathBuf>,
    /// Prints JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Strongest signals to print without a truth.
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
    let truth: Truth = serde_json::from_slice(&text).context("the truth")?;
    let players: Vec<PlayerStats> = snapshot.players;
    let table = figures(&[verdict], &players, &truth, &thresholds, detector.hands(), options.seed);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&table)?);
    } else {
        println!("{table}");
    }
    Ok(())
}

fn observe_lines(
    mut lines: impl BufRead,
    secret: Option<&FairPlaySecret>,
    detector: &mut Detector,
) -> anyhow::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if read as u64 == LINE_BYTES_MAX {
            bail!("line {number} is longer than {LINE_BYTES_MAX} bytes");
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let hand = read_hand(&line, secret).with_context(|| format!("line {number}"))?;
        if let Some(hand) = hand {
            detector.observe(&hand).with_context(|| format!("line {number}"))?;
        }
    }
    Ok(())
}

/// A hand in either format; `None` for a void one.
fn read_hand(line: &[u8], secret: Option<&FairPlaySecret>) -> anyhow::Result<Option<EndedHand>> {
    let not_ours = match serde_json::from_slice(line) {
        Ok(hand) => return Ok(Some(hand)),
        Err(error) => error,
    };
    let Ok(record) = serde_json::from_slice::<HandRecord>(line) else {
        return Err(not_ours).context("neither an ended hand nor a table's record");
    };
    let hidden = secret.map(|secret| open(&record, secret)).transpose()?.flatten();
    let started = record.place.as_ref().and_then(|place| place.started_at_ms);
    match ended_hand(&record, hidden.as_ref(), started.unwrap_or(0)) {
        Ok(hand) => Ok(Some(hand)),
        Err(BadRecord::Void) => Ok(None),
        Err(error) => Err(error.into()),
    }
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
