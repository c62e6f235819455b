//! Commands: the shell around the pure library.

mod figures;
mod phh;
mod power;
mod score;
mod simulate;

use anyhow::Context;
use clap::{Parser, Subcommand};
use purr_protocol::fairplay::FairPlaySecret;
use std::path::Path;

/// Detects collusion, bots and insiders in ended hands.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Scores a file of ended hands; with the truth, prints the figures table.
    Score(score::ScoreOptions),
    /// Writes simulated hands and the truth about them.
    Simulate(simulate::SimulateOptions),
    /// Streams simulated pools into the detectors and prints the figures table.
    Figures(figures::FiguresOptions),
    /// Prints recall by kind, intensity and shared hands.
    Power(power::PowerOptions),
}

/// 64 hex digits, white space around them aside.
fn read_secret(file: &Path) -> anyhow::Result<FairPlaySecret> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    text.trim().parse().with_context(|| format!("{}: want 64 hex digits", file.display()))
}

pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    match options.command {
        Command::Score(options) => score::run(&options),
        Command::Simulate(options) => simulate::run(&options),
        Command::Figures(options) => figures::run(&options),
        Command::Power(options) => power::run(&options),
    }
}
