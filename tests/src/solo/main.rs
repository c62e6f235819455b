//! `purr-solo`: one table without a cluster.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = purr_tests::solo::Options::parse();
    let log = options.log.clone();
    purr_runtime::main(&log, |stop| purr_tests::solo::run(options, stop))
}
