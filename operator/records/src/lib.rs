//! Stores hand histories: reads the stream `hands` into PostgreSQL and serves them to gateways.
//!
//! # Guarantees
//! A record is kept under (table, hand, hash) once, however often it comes, and is acknowledged to
//! the stream only after the database has committed it. What is no record is kept apart. The bytes
//! that a hash is of are never changed; their sealed part never leaves by the API.

pub mod api;
mod batch;
mod blocks;
mod boards;
mod bulk;
pub mod check;
mod counting;
pub mod database;
mod day;
mod erasure;
pub mod events;
pub mod export;
pub mod fairplay;
mod filling;
mod follow;
pub mod gaps;
pub mod http;
pub mod ingest;
pub mod metrics;
pub mod names;
pub mod options;
mod others;
mod partitions;
pub mod players;
mod problem;
mod query;
pub mod rooms;
mod search;
pub mod sessions;
mod staff;
pub mod standing;
pub mod tags;
mod upkeep;

pub use batch::Fate;
pub use database::{Database, DatabaseError};
pub use options::{ExportArgs, Options, Verb};

use anyhow::Context;
use export::{Exported, Folder};
use ingest::Ingest;
use purr_runtime::{
    Callers, CancellationToken, Identity, InternalClient, Readiness, Role, Server,
    expiry::{self, Mounted},
    ops,
};
use purr_store::{HandReader, Link};
use tokio::net::TcpListener;

/// Gateways' connections; each gateway keeps a few.
const CONNECTIONS_MAX: usize = 256;

/// Recounts everything. What remains after a stop is counted by running servers.
async fn rebuild(database: &Database, stop: &CancellationToken) -> anyhow::Result<()> {
    let begun = std::time::Instant::now();
    database.forget_counters().await?;
    let hands = database.recount_all(stop).await?;
    let seconds = begun.elapsed().as_secs_f64();
    tracing::info!(hands, seconds, "statistics are counted again");
    Ok(())
}

async fn export(database: &Database, args: &ExportArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    let wanted = args.wanted(day::now_ms())?;
    let folder = Folder(args.out.clone());
    let exporting = database.export(&folder, wanted);
    let Some(exported) = stop.run_until_cancelled(Box::pin(exporting)).await else {
        // The next run continues here.
        anyhow::bail!("stopped before the end");
    };
    let Exported { hours, files, hands, removed } = exported?;
    tracing::info!(hours, files, hands, removed, "exported");
    Ok(())
}

/// Runs one command, such as `rebuild`, instead of serving.
async fn once(verb: &Verb, database: &Database, stop: &CancellationToken) -> anyhow::Result<()> {
    database.migrate().await?;
    match verb {
        Verb::Rebuild => rebuild(database, stop).await,
        Verb::Erase { player } => {
            let hands = database.erase(*player).await?;
            tracing::info!(hands, "a player is erased");
            Ok(())
        }
        Verb::Export(args) => export(database, args, stop).await,
    }
}

/// Runs until stopped; a batch that is being stored is stored to its end.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    if let Some(verb) = &options.verb {
        return once(verb, &Database::new(options.postgres()?), &stop).await;
    }
    let config = options.validate()?;
    let registry = prometheus::Registry::new();
    let metrics = metrics::Metrics::new(&registry)?;
    expiry::register(&registry, &[Mounted::internal(&config.tls_dir)])?;
    let readiness = Readiness::default();
    readiness.not_ready(ingest::POSTGRES, "not connected yet");
    readiness.not_ready(ingest::REDIS, "not connected yet");
    let ended = CancellationToken::new();
    let ops = tokio::spawn(ops::serve(config.ops_listen, registry, readiness.clone(), ended.clone()));

    let identity = Identity::load(&config.tls_dir)?;
    let database = Database::new(config.postgres);
    let listener = TcpListener::bind(config.listen).await.context("--listen")?;
    let following = config.signer_addr.map(|address| {
        let signer = InternalClient::new(identity.clone(), address, Role::ChainSigner);
        tokio::spawn(follow::run(database.clone(), signer, stop.clone()))
    });
    let publishing = tokio::spawn(upkeep::publish(database.clone(), stop.clone()));
    let server = Server { identity, callers: Callers::Roles, connections_max: CONNECTIONS_MAX };
    let serving =
        tokio::spawn(server.run(listener, http::routes(database.clone(), config.site), stop.clone()));

    let upkeep = tokio::spawn(upkeep::run(database.clone(), config.retention, stop.clone()));
    let mut ingesting = Vec::new();
    for (at, store) in config.stores.into_iter().enumerate() {
        let ingest = Ingest {
            database: database.clone(),
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            stop: stop.clone(),
            is_default: at == 0,
        };
        ingesting.push(tokio::spawn(ingest.run(HandReader::new(Link::new(store), &config.consumer))));
    }

    stop.cancelled().await;
    readiness.not_ready("draining", "stopping");
    for reading in ingesting {
        reading.await?;
    }
    upkeep.await?;
    publishing.await?;
    if let Some(following) = following {
        following.await?;
    }
    serving.await??;
    ended.cancel();
    ops.await??;
    Ok(())
}
