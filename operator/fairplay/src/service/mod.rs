//! The program that runs beside the fleet: it reads ended hands, keeps cases and answers gateways. All I/O is here; the
//! pure modules beside it decide.

pub mod actions;
pub mod cases;
pub mod database;
pub mod http;
pub mod metrics;
pub mod openings;
pub mod options;
pub mod refunding;
mod reporting;
pub mod runner;
mod upkeep;

use crate::report::Hands;
use actions::Enforcer;
use anyhow::Context;
use database::{Database, now_ms};
use http::App;
use metrics::Metrics;
use options::{Config, ServeOptions};
use purr_protocol::fairplay_feed::HandCounts;
use purr_runtime::{
    Callers, CancellationToken, Identity, InternalClient, Readiness, Role, Server,
    expiry::{self, Mounted},
    ops,
};
use runner::{POSTGRES, RECORDS, Runner};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, time::sleep};
use upkeep::Upkeep;

/// Gateways' connections; each gateway keeps a few.
const CONNECTIONS_MAX: usize = 64;
const BACK_OFF: Duration = Duration::from_secs(1);

/// Counts of records for the hands that ended in this time, in milliseconds since 1970.
///
/// # Errors
/// Records does not answer.
pub async fn hands_between(
    records: &InternalClient,
    from: u64,
    to: u64,
) -> Result<Hands, purr_runtime::ClientError> {
    let path = format!("/v1/fairplay/counts?from={from}&to={to}");
    let HandCounts { stored, void, conflict, lost } = records.get(&path, Duration::from_secs(30)).await?;
    Ok(Hands { stored, void, conflict, lost })
}

/// Runs until stopped; a page that is being scored is scored to its end, and a checkpoint follows.
///
/// # Errors
/// Options that cannot be, files that cannot be read, addresses that cannot be listened on.
pub async fn serve(options: ServeOptions, stop: CancellationToken) -> anyhow::Result<()> {
    let config = options.validate()?;
    let listener = TcpListener::bind(config.listen).await.context("--listen")?;
    let ops_listen = config.ops_listen;
    let registry = prometheus::Registry::new();
    expiry::register(&registry, &[Mounted::internal(&config.tls_dir)])?;
    let readiness = Readiness::default();
    let ended = CancellationToken::new();
    let ops = tokio::spawn(ops::serve(ops_listen, registry.clone(), readiness.clone(), ended.clone()));
    run(config, listener, &registry, readiness, stop).await?;
    ended.cancel();
    ops.await?
}

/// [`serve`] on a listener that is there already.
///
/// # Errors
/// As [`serve`].
pub async fn run(
    config: Config,
    listener: TcpListener,
    registry: &prometheus::Registry,
    readiness: Readiness,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let metrics = Metrics::new(registry)?;
    metrics.read_at.set(now_ms() as f64 / 1_000.0);
    readiness.not_ready(POSTGRES, "not connected yet");
    readiness.not_ready(RECORDS, "not asked yet");
    let identity = Identity::load(&config.tls_dir)?;
    let database = Database::new(config.postgres);
    let records = Arc::new(InternalClient::new(identity.clone(), &config.records_addr, Role::Records));
    let signer = Arc::new(InternalClient::new(identity.clone(), &config.signer_addr, Role::ChainSigner));
    let keys = Arc::new(config.keys);
    while let Err(error) = database.migrate().await {
        readiness.not_ready(POSTGRES, error.to_string());
        tokio::select! {
            () = sleep(BACK_OFF) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
    let app = App {
        database: database.clone(),
        records: records.clone(),
        signer: signer.clone(),
        keys: keys.clone(),
        metrics: metrics.clone(),
    };
    let server = Server { identity, callers: Callers::Roles, connections_max: CONNECTIONS_MAX };
    let serving = tokio::spawn(server.run(listener, http::routes(app), stop.clone()));
    let enforcer = Enforcer {
        database: database.clone(),
        signer,
        pace: config.pace,
        metrics: metrics.clone(),
        stop: stop.clone(),
    };
    let enforcing = tokio::spawn(enforcer.run());
    let upkeep = Upkeep {
        database: database.clone(),
        metrics: metrics.clone(),
        cleared: config.cleared,
        stop: stop.clone(),
    };
    let keeping = tokio::spawn(upkeep.run());
    let runner = Runner {
        database,
        records,
        keys,
        pace: config.pace,
        limits: config.limits,
        keep: config.keep,
        thresholds: config.thresholds,
        metrics,
        readiness: readiness.clone(),
        stop: stop.clone(),
    };
    let running = tokio::spawn(runner.run());
    stop.cancelled().await;
    readiness.not_ready("draining", "stopping");
    running.await?;
    enforcing.await?;
    keeping.await?;
    serving.await??;
    Ok(())
}
