//! A kubectl plugin. What it says is a function of what was read ([`overview`], [`rollout`], [`tables`], [`why`],
//! [`vault`], [`hands`]); [`api`] reads and writes Kubernetes, [`outside`] asks a gateway or a node of the chain.
//!
//! Exit codes are in [`exit`].

mod abi;
mod api;
mod commands;
pub mod exit;
pub mod hands;
pub mod jobs;
pub mod options;
mod outside;
pub mod overview;
pub mod print;
pub mod redact;
pub mod report;
pub mod rollout;
pub mod row;
pub mod scrape;
pub mod tables;
pub mod vault;
pub mod why;

pub use options::{Options, Output};

use clap::Parser;
use exit::Exit;
use std::process::ExitCode;

/// Reads the command line and carries it out.
pub async fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // Clap's exit code for a wrong option is 2, which a script would take for a stalled rollout.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return exit.into();
        }
    };
    match commands::carry_out(options).await {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
