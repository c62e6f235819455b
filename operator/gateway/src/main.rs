//! `purr-gateway`: the public entry to the room.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = purr_gateway::Options::parse();
    let log = options.log.clone();
    purr_runtime::main(&log, |stop| purr_gateway::run(options, stop))
}
