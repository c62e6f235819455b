//! `kubectl purr`: tables and fleets from the command line. Installed as `kubectl-purr` on the PATH.

use clap::Parser;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    kubectl_purr::run(kubectl_purr::Options::parse()).await
}
