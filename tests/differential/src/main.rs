//! Plays random hands from a seed through the engine and writes each as one JSON line: the forced
//! bets, the stacks, the cards, every action with what was legal before it, and the stacks at the end.
//! `compare.py` beside this crate plays them again in PokerKit.

mod dice;
mod play;
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
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut out = BufWriter::new(std::io::stdout().lock());
    for hand in options.first..options.first.saturating_add(options.hands) {
        let played = play::play(options.seed, hand)
            .with_context(|| format!("hand {hand} of seed {}", options.seed))?;
        serde_json::to_writer(&mut out, &played)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}
