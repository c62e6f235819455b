//! Commands: the shell around the pure library.

mod figures;
mod phh;
mod power;
mod report;
mod score;
mod simulate;

use anyhow::Context;
use clap::{Parser, Subcommand};
use purr_fairplay::service::{self, options::ServeOptions};
use purr_protocol::fairplay::FairPlaySecret;
use purr_runtime::CancellationToken;
use std::{path::Path, process::ExitCode};

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
    /// Runs the service: reads ended hands, scores them, keeps cases, answers gateways.
    Serve(Box<ServeOptions>),
    /// Prints the integrity report of a month from the service's database.
    Report(Box<report::ReportOptions>),
}

/// 64 hex digits, white space around them aside.
fn read_secret(file: &Path) -> anyhow::Result<FairPlaySecret> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    text.trim().parse().with_context(|| format!("{}: want 64 hex digits", file.display()))
}

/// Runs the command; the service and the report have a runtime, the others need none.
pub(crate) fn run(options: Options) -> ExitCode {
    match options.command {
        Command::Serve(options) => {
            let log = options.log.clone();
            purr_runtime::main(&log, |stop: CancellationToken| service::serve(*options, stop))
        }
        Command::Report(options) => purr_runtime::command("warn", |_| report::run(*options)),
        command => match calculate(command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("purr-fairplay: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn calculate(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Score(options) => score::run(&options),
        Command::Simulate(options) => simulate::run(&options),
        Command::Figures(options) => figures::run(&options),
        Command::Power(options) => power::run(&options),
        Command::Serve(_) | Command::Report(_) => unreachable!("these have a runtime"),
    }
}
