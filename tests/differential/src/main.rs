//! Plays random hands from a seed through the engine and writes each as one JSON line: the forced
//! bets, the stacks, the cards, every action with what was legal before it, and the stacks at the end.
//! `compare.py` beside this crate plays them again in PokerKit. With `--rotation` it writes tables
//! where players come and go; `rotation.py` works out button and blinds again from the rules.

mod dice;
mod play;
mod rotation;
mod setup;

use anyhow::{Context, Result};
use clap::Parser;
use std::io::{BufWriter, Write};

/// Random hands for the differential test against PokerKit.
#[derive(Parser)]
struct Options {
    /// The same seed gives the same hands.
    #[arg(long)]
    seed: u64,
    /// How many hands.
    #[arg(long, default_value_t = 2_000)]
    hands: u64,
    /// The number of the first hand: with `--hands 1`, one hand of a run again.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Tables where players come and go instead of single hands; `--hands` counts hands of all tables,
    /// `--first` names a table.
    #[arg(long)]
    rotation: bool,
}

/// Hands of one table.
const SESSION_HANDS: u64 = 100;

fn main() -> Result<()> {
    let options = Options::parse();
    let mut out = BufWriter::new(std::io::stdout().lock());
    if options.rotation {
        let (mut left, mut number) = (options.hands, options.first);
        while left > 0 {
            let hands = left.min(SESSION_HANDS);
            let played = rotation::session(options.seed, number, hands)
                .with_context(|| format!("table {number} of seed {}", options.seed))?;
            serde_json::to_writer(&mut out, &played)?;
            out.write_all(b"\n")?;
            (left, number) = (left - hands, number + 1);
        }
        out.flush()?;
        return Ok(());
    }
    for hand in options.first..options.first.saturating_add(options.hands) {
        let played = play::play(options.seed, hand)
            .with_context(|| format!("hand {hand} of seed {}", options.seed))?;
        serde_json::to_writer(&mut out, &played)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}
