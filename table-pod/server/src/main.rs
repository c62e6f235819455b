//! `purr-table`: one poker table.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = purr_table::Options::parse();
    let log = options.log.clone();
    purr_runtime::main_single(&log, |stop| purr_table::run(options, stop))
}
