//! The chain-signer holds the keys: it checks entries, signs in the HSM, submits and confirms transactions, watches
//! events, and keeps balances.

pub mod acceptor;
pub mod calldata;
pub mod chain;
pub mod checkpoint;
pub mod derived;
pub mod hsm;
pub mod http;
mod http_app;
mod http_fairplay;
mod http_seated;
pub mod journal;
pub mod keys;
pub mod metrics;
pub mod options;
mod published;
mod published_denials;
mod receipts;
pub mod reconcile;
pub mod sender;
pub mod serve;
pub mod service;
pub mod signed;
mod tools;

pub use options::Options;

use options::Command;
use purr_runtime::{CancellationToken, Delays};
use std::time::Duration;

/// Waits before a part of the signer that failed starts again.
const RETRY: Delays = Delays::new(Duration::from_millis(250), Duration::from_secs(10));

/// Runs one of the program's commands.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    match options.command {
        Command::Serve(options) => serve::serve(*options, stop).await,
        Command::Keys(options) => tools::keys(options).await,
        Command::Init(options) => tools::init(options).await,
        Command::Deploy(options) => tools::deploy(*options).await,
        Command::Audit(options) => tools::audit(&options).await,
        Command::Release(options) => tools::release(&options).await,
        Command::Rescan(options) => tools::rescan(&options).await,
    }
}
