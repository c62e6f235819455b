//! `purr-bench-seats`: seats of a fleet under load.

use clap::Parser;
use purr_tests::seats::{Options, run};
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
