//! Hand history: the stream `hands` into PostgreSQL, and from there to gateways.
//!
//! # Guarantees
//! A record is kept under (table, hand, hash) once, however often it comes, and is acknowledged to
//! the stream only after the database has committed it. What is no record is kept apart. The bytes
//! that a hash is of are never changed; their sealed part never leaves by the API.

pub mod api;
pub mod check;
pub mod database;
pub mod gaps;
pub mod http;
pub mod ingest;
pub mod metrics;
pub mod names;
pub mod options;
mod query;

pub use database::{Database, DatabaseError, Fate};
pub use options::Options;

use anyhow::Context;
use ingest::Ingest;
use purr_runtime::{Callers, CancellationToken, Identity, Readiness, Server, ops};
use purr_store::{HandReader, Link};
use tokio::net::TcpListener;

/// Gateways' connections; each gateway keeps a few.
const CONNECTIONS_MAX: usize = 256;

/// Runs until stopped; a batch that is being stored is stored to its end.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let config = options.validate()?;
    let registry = prometheus::Registry::new();
    let metrics = metrics::Metrics::new(&registry)?;
    let readiness = Readiness::default();
    readiness.not_ready(ingest::POSTGRES, "not connected yet");
    readiness.not_ready(ingest::REDIS, "not connected yet");
    let ended = CancellationToken::new();
    let ops = tokio::spawn(ops::serve(config.ops_listen, registry, readiness.clone(), ended.clone()));

    let identity = Identity::load(&config.tls_dir)?;
    let database = Database::new(config.postgres);
    let listener = TcpListener::bind(config.listen).await.context("--listen")?;
    let server = Server { identity, callers: Callers::Roles, connections_max: CONNECTIONS_MAX };
    let serving =
        tokio::spawn(server.run(listener, http::routes(database.clone(), config.site), stop.clone()));

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
    serving.await??;
    ended.cancel();
    ops.await??;
    Ok(())
}
