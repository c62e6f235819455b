//! `purr`: a player's command line.

use clap::Parser;
use purr_client::cli::{self, Options};
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    let log = options.log.clone();
    purr_runtime::command(&log, |stop| cli::run(options, stop))
}
