//! A kubectl plugin. What it says of objects is a function of those objects ([`rollout`], [`tables`], [`why`]); [`api`]
//! reads and writes them.
//!
//! Exit codes: 0, done or as asked; 1, an error; 2, a rollout has stopped; 3, a rollout is not complete.

mod api;
pub mod print;
pub mod rollout;
pub mod tables;
pub mod why;

use api::{Api, ApiError, Kind};
use clap::{Args, Parser, Subcommand, ValueEnum};
use rollout::{Outcome, Progress};
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

/// Tables and fleets: rollouts, and why a table deals no hands
#[derive(Parser, Clone, Debug)]
#[command(name = "kubectl-purr", bin_name = "kubectl purr", version)]
pub struct Options {
    /// Namespace [default: the one of the kubeconfig's context]
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
    /// Format of the answer
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns and sentences for people
    Table,
    Json,
}

#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Rollouts of a fleet, or of a table without a fleet
    #[command(subcommand)]
    Rollout(Rollout),
    /// Lists tables with what they are doing
    Tables {
        /// Only tables of this fleet
        #[arg(long)]
        fleet: Option<String>,
    },
    /// Says in one sentence why a table deals no hands
    Why {
        /// Name of the PokerTable
        table: String,
    },
    /// Deals no new hands at a table
    Pause {
        /// Name of the PokerTable
        table: String,
    },
    /// Deals hands again at a paused table
    Resume {
        /// Name of the PokerTable
        table: String,
    },
}

#[derive(Subcommand, Clone, Debug)]
pub enum Rollout {
    /// Waits until a rollout is complete, or says how far it is
    Status {
        #[command(flatten)]
        of: Of,
        /// Wait for the end: true or false
        #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
        watch: bool,
        /// Longest wait, in seconds
        #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
        timeout: u64,
    },
    /// Lists the templates that a fleet has had
    History {
        /// Name of the PokerTableFleet
        fleet: String,
    },
    /// Gives a fleet the template that it had before
    Undo {
        /// Name of the PokerTableFleet
        fleet: String,
        /// Number of the revision; by default the newest before the current one
        #[arg(long)]
        to_revision: Option<i64>,
    },
}

#[derive(Args, Clone, Debug)]
pub struct Of {
    /// Name of the PokerTableFleet
    pub name: String,
    /// The name is that of a PokerTable
    #[arg(long)]
    pub table: bool,
}

/// Between two looks at a rollout.
const LOOK: Duration = Duration::from_secs(1);

/// Carries out one command.
pub async fn run(options: Options) -> ExitCode {
    match carry_out(options).await {
        Ok(outcome) => outcome.code(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(options: Options) -> Result<Outcome, ApiError> {
    let Options { namespace, output, command } = options;
    let api = Api::new(namespace).await?;
    match command {
        Command::Rollout(Rollout::Status { of, watch, timeout }) => {
            let kind = if of.table { Kind::Table } else { Kind::Fleet };
            status(&api, kind, &of.name, watch.then(|| Duration::from_secs(timeout)), output).await
        }
        Command::Rollout(Rollout::History { fleet }) => {
            let revisions = api.revisions(&fleet).await?;
            print::rows(output, &rollout::history(&revisions));
            Ok(Outcome::Complete)
        }
        Command::Rollout(Rollout::Undo { fleet, to_revision }) => {
            let (held, revisions) = (api.fleet(&fleet).await?, api.revisions(&fleet).await?);
            let undo = rollout::undo(&held, &revisions, to_revision)?;
            api.set_template(&held, &undo.template).await?;
            print::said(output, &undo.said(&fleet));
            Ok(Outcome::Complete)
        }
        Command::Tables { fleet } => {
            print::rows(output, &tables::rows(&api.tables(fleet.as_deref()).await?));
            Ok(Outcome::Complete)
        }
        Command::Why { table } => {
            print::said(output, &why::why(&api.table(&table).await?));
            Ok(Outcome::Complete)
        }
        Command::Pause { table } => pause(&api, &table, true, output).await,
        Command::Resume { table } => pause(&api, &table, false, output).await,
    }
}

async fn pause(api: &Api, table: &str, paused: bool, output: Output) -> Result<Outcome, ApiError> {
    api.pause(table, paused).await?;
    let what = if paused { "deals no new hands" } else { "deals hands again" };
    print::said(output, &format!("table {table} {what}"));
    Ok(Outcome::Complete)
}

/// `limit`: waits for the end at most so long; `None`: looks once.
async fn status(
    api: &Api,
    kind: Kind,
    name: &str,
    limit: Option<Duration>,
    output: Output,
) -> Result<Outcome, ApiError> {
    let begun = Instant::now();
    let mut last = None;
    loop {
        let progress = match kind {
            Kind::Fleet => Progress::of_fleet(&api.fleet(name).await?),
            Kind::Table => Progress::of_table(&api.table(name).await?),
        };
        let over =
            progress.outcome != Outcome::UnderWay || limit.is_none_or(|limit| begun.elapsed() >= limit);
        // People follow it; a program gets one object.
        if over || (output == Output::Table && last.as_ref() != Some(&progress.message)) {
            print::progress(output, &progress);
        }
        if over {
            return Ok(progress.outcome);
        }
        last = Some(progress.message);
        tokio::time::sleep(LOOK).await;
    }
}
