//! `purr-records` stores every hand that was played.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = purr_records::Options::parse();
    let log = options.log.clone();
    purr_runtime::main(&log, |stop| purr_records::run(options, stop))
}
