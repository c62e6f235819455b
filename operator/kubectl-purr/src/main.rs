//! `kubectl purr`: a release from the command line. Installed as `kubectl-purr` on the PATH.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    kubectl_purr::main().await
}
