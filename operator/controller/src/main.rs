//! `purr-controller`: reconciles PokerTables into pods. `purr-controller bootstrap` makes the Secrets of a release,
//! `purr-controller pay-out` pays out players at a table that is gone.

use clap::Parser;
use purr_controller::{Options, bootstrap, pay_out, uninstall};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    let command = std::env::args_os().nth(1).unwrap_or_default();
    // The subcommand itself is dropped: it is part of the program's name here.
    let rest = program.into_iter().chain(arguments.skip(1));
    if command == "bootstrap" {
        let options = bootstrap::Options::parse_from(rest);
        let log = options.log.clone();
        return purr_runtime::main(&log, |stop| bootstrap::run(options, stop));
    }
    if command == "pay-out" {
        let options = pay_out::Options::parse_from(rest);
        let log = options.log.clone();
        return purr_runtime::main(&log, |stop| pay_out::run(options, stop));
    }
    if command == "uninstall-check" {
        let options = uninstall::Options::parse_from(rest);
        let log = options.log.clone();
        return purr_runtime::main(&log, |stop| uninstall::run(options, stop));
    }
    let options = Options::parse();
    let log = options.log.clone();
    purr_runtime::main(&log, |stop| purr_controller::run(options, stop))
}
