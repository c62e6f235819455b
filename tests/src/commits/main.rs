//! `purr-bench-commits`: the cost of a table's commits.

use clap::Parser;
use purr_tests::commits::{Options, run};
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
