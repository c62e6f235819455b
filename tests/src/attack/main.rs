//! `purr-attack`: attacks on gateway and tables, and their effect on a seated player.

use clap::Parser;
use purr_tests::attack::{Options, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    purr_runtime::main("warn", |stop| async move {
        tokio::select! {
            result = run(options) => result,
            () = stop.cancelled() => anyhow::bail!("stopped by a signal"),
        }
    })
}
