//! `purr-controller`: reconciles PokerTables into pods. `purr-controller bootstrap` makes the Secrets of a release.

use clap::Parser;
use purr_controller::{Options, bootstrap};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    if std::env::args_os().nth(1).is_some_and(|first| first == "bootstrap") {
        // Without the word itself, which is part of the program's name here.
        let options = bootstrap::Options::parse_from(program.into_iter().chain(arguments.skip(1)));
        let log = options.log.clone();
        return purr_runtime::main(&log, |stop| bootstrap::run(options, stop));
    }
    let options = Options::parse();
    let log = options.log.clone();
    purr_runtime::main(&log, |stop| purr_controller::run(options, stop))
}
