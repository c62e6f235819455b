//! Options of `kubectl purr`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// A release of Purr Poker: its state, tables, rollouts, backups, and calls for the vault's admins
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
    /// Shows a release on one screen: programs, stores, signer, chain, tables, backups, certificates
    Status(Release),
    /// Rollouts of a fleet, or of a table without a fleet
    #[command(subcommand)]
    Rollout(Rollout),
    /// Lists tables with what they are doing
    Tables {
        /// Only tables of this fleet
        #[arg(long)]
        fleet: Option<String>,
    },
    /// Lists a table's last hands, newest first, as the gateway's API has them
    Hands {
        /// Name of the PokerTable
        table: String,
        /// Number of hands
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Says in one sentence why a table deals no hands
    Why {
        /// Name of the PokerTable
        table: String,
    },
    /// Seats nobody new at a table, and waits until the last player has left; seated players play on
    Drain {
        /// Name of the PokerTable
        table: String,
        /// Seat players again
        #[arg(long)]
        undo: bool,
        #[command(flatten)]
        wait: Wait,
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
    /// Shows what the vault holds, for whom, and what it may still pay out
    Balances {
        #[command(flatten)]
        chain: Chain,
        /// Name of a PokerTable that names the vault [default: any table of the namespace that runs]
        #[arg(long)]
        table: Option<String>,
    },
    /// Takes a backup now, as a Job from the chart's CronJob, and waits for it
    Backup {
        #[command(flatten)]
        release: Release,
        #[command(flatten)]
        wait: Wait,
    },
    /// Opens a backup and counts what is in it; changes nothing (helm/restore.sh restores)
    Restore {
        #[command(flatten)]
        release: Release,
        /// Required: a restore itself stops the release's programs, and is helm/restore.sh
        #[arg(long, required = true)]
        dry_run: bool,
        /// Name of the backup, a time as 20260101T000000Z [default: the newest]
        #[arg(long, default_value = "")]
        backup: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Prepares the call by which two of the vault's admins pass over numbers of a table that can never settle; signs nothing
    Void {
        /// Name of the PokerTable
        table: String,
        /// First number of the range: the one after the last that the chain has
        #[arg(long)]
        first: u64,
        /// Last number of the range
        #[arg(long)]
        last: u64,
        /// Address of an admin: also says what the vault would answer to that admin now; may be repeated
        #[arg(long = "admin")]
        admins: Vec<String>,
        #[command(flatten)]
        chain: Chain,
    },
    /// Writes an archive for support: objects, events, metrics and logs, without Secrets, wallets and cards
    Report {
        #[command(flatten)]
        release: Release,
        /// Archive to write (tar)
        #[arg(long, default_value = "purr-report.tar")]
        file: PathBuf,
        /// Pods of tables whose log and metrics are in it
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=100))]
        tables: u16,
        /// Last lines of each log
        #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u16).range(1..=20_000))]
        lines: u16,
    },
    /// Prints a completion script for a shell
    Completion {
        /// The shell
        shell: Shell,
    },
}

#[derive(Args, Clone, Debug)]
pub struct Release {
    /// Name of the Helm release
    #[arg(long, env = "PURR_RELEASE", default_value = "purr")]
    pub release: String,
}

#[derive(Args, Clone, Debug)]
pub struct Wait {
    /// Wait for the end: true or false
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub watch: bool,
    /// Longest wait, in seconds
    #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
}

#[derive(Args, Clone, Debug)]
pub struct Gateway {
    /// URL of the gateway
    #[arg(long, env = "PURR_GATEWAY")]
    pub gateway: http::Uri,
    /// File with an access token of the gateway
    #[arg(long, env = "PURR_TOKEN_FILE")]
    pub token_file: PathBuf,
    /// CA of the gateway's certificate (PEM) [default: the system's]
    #[arg(long, env = "PURR_CA")]
    pub ca_file: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub struct Chain {
    /// URL of a node of the chain
    #[arg(long, env = "PURR_RPC")]
    pub rpc_url: http::Uri,
    /// CA of the node's certificate (PEM) [default: the system's]
    #[arg(long, env = "PURR_RPC_CA_FILE")]
    pub rpc_ca_file: Option<PathBuf>,
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
