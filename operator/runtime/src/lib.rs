//! Shared parts of all programs of the fleet.
//!
//! A program's `main` is [`main`] with its `run`: logs are set up, SIGTERM cancels a token, an
//! error makes the exit code non-zero.

pub mod assertion;
pub mod back_off;
pub mod breaker;
pub mod bucket;
pub mod client;
mod crowd;
pub mod expiry;
pub mod fetch;
pub mod metrics;
pub mod ops;
pub mod pace;
pub mod ports;
pub mod problem;
pub mod proxy;
pub mod role;
pub mod roots;
pub mod serve;
pub mod sign;
mod stall;
mod steady;
pub mod tls;
pub mod token;
pub mod trace;
pub mod ws;

pub use back_off::{BackOff, Delays, jittered};
pub use client::{ClientError, InternalClient};
pub use ops::Readiness;
pub use proxy::Cidr;
pub use role::Role;
pub use roots::TlsError;
pub use serve::{Edge, Peer, Server};
pub use tls::{Callers, Identity};
pub use tokio_util::sync::CancellationToken;

use std::process::ExitCode;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

/// Runs a program until it ends or a signal asks it to. Logs are JSON lines on stderr; `log` is a
/// filter as in `info,purr_table=debug`.
pub fn main<F, R>(log: &str, run: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    main_on(&mut Builder::new_multi_thread(), log, Told::Programs, run)
}

/// Like [`main`], for a command that a person runs: logs are lines of text, and an error is one sentence on stderr.
pub fn command<F, R>(log: &str, run: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    main_on(&mut Builder::new_multi_thread(), log, Told::People, run)
}

/// The readers of stderr.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Programs,
    People,
}

impl Told {
    fn failed(self, what: &'static str, error: &str) {
        match self {
            Self::Programs => tracing::error!(error, "{what}"),
            Self::People => eprintln!("error: {error}"),
        }
    }
}

/// Like [`main`] with a single thread, for a program that does one thing after the other: no task has to wake another
/// thread.
pub fn main_single<F, R>(log: &str, run: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    main_on(&mut Builder::new_current_thread(), log, Told::Programs, run)
}

fn main_on<F, R>(threads: &mut Builder, log: &str, told: Told, run: F) -> ExitCode
where
    F: FnOnce(CancellationToken) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let filter = match EnvFilter::try_new(log) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("error: --log '{log}' is not a filter: {error}");
            return ExitCode::from(2);
        }
    };
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match told {
        Told::Programs => logs.json().init(),
        Told::People => logs.with_target(false).with_ansi(false).init(),
    }
    // Two libraries use the process-wide crypto provider. The first call decides which one, and this is the first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match threads.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            told.failed("no runtime", &error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(cancel_on_signal(stop.clone()));
        run(stop).await
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            told.failed("failed", &format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn cancel_on_signal(stop: CancellationToken) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received: the program will not stop gracefully");
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("stopping");
    stop.cancel();
}
