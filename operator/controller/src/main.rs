//! `purr-controller`: reconciles PokerTables into pods.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = purr_controller::Options::parse();
    let log = options.log.clone();
    purr_runtime::main(&log, |stop| purr_controller::run(options, stop))
}
