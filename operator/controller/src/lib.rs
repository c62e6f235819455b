//! Reconciles PokerTables into pods: the only program of the fleet that writes to the Kubernetes API.

pub mod certificates;
pub mod context;
pub mod fleet;
pub mod lease;
pub mod metrics;
pub mod options;
pub mod placement;
pub mod pods;
pub mod stores;
pub mod summaries;
pub mod table;
#[cfg(test)]
mod testing;

pub use options::Options;

use anyhow::Context as _;
use certificates::Authority;
use context::{Context, Parts};
use futures::{StreamExt, future, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        Controller, WatchStreamExt,
        controller::{Action, Config as ControllerConfig},
        events::{Recorder, Reporter},
        reflector::{self, ObjectRef},
        watcher,
    },
};
use lease::Leader;
use metrics::Metrics;
use options::Config;
use purr_crds::PokerTable;
use purr_runtime::{CancellationToken, Identity, Readiness, ops};
use purr_store::{Link, Sessions};
use std::{sync::Arc, time::Duration};
use stores::Stores;
use summaries::Summaries;
use table::{ReconcileError, reconcile};
use tokio::sync::mpsc;

/// Tables with news that wait to be queued; the reader of summaries waits when it is full.
const NEWS_MAX: usize = 1_024;

/// Runs until stopped. Leads, or waits to lead.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let config = options.validate()?;
    let registry = prometheus::Registry::new();
    let metrics = Metrics::new(&registry)?;
    let readiness = Readiness::default();
    readiness.not_ready("kubernetes", "not reached yet");
    let ended = CancellationToken::new();
    let ops = tokio::spawn(ops::serve(config.ops_listen, registry, readiness.clone(), ended.clone()));

    let result = lead(config, metrics, readiness, stop).await;
    ended.cancel();
    ops.await??;
    result
}

async fn lead(
    config: Config,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // All that can be wrong with the configuration is found before the lease is asked for.
    let authority = Authority::new(&config.ca_dir, config.certificate_valid)?;
    let identity = Identity::load(&config.tls_dir)?;
    let client = Client::try_default().await.context("Kubernetes client")?;
    client.apiserver_version().await.context("Kubernetes API")?;
    // A standby is ready: it can take over.
    readiness.ready("kubernetes");

    let lease = format!("{}-controller", config.fleet.release);
    let mut leader = tokio::select! {
        leader = Leader::acquire(client.clone(), &config.namespace, &lease, &config.identity) => leader,
        () = stop.cancelled() => return Ok(()),
    };
    metrics.leader.set(1);
    let over = stop.child_token();
    let mut work = tokio::spawn(work(client, config, identity, authority, metrics.clone(), over.clone()));
    let lost = tokio::select! {
        lost = leader.keep() => Some(lost),
        ended = &mut work => {
            leader.release().await;
            return ended?;
        }
        () = stop.cancelled() => None,
    };
    metrics.leader.set(0);
    over.cancel();
    match lost {
        // Somebody else may lead already: nothing more is written.
        Some(lost) => {
            work.abort();
            Err(lost.into())
        }
        None => {
            let ended = tokio::select! {
                ended = &mut work => ended?,
                lost = leader.keep() => return Err(lost.into()),
            };
            leader.release().await;
            ended
        }
    }
}

/// Watches and reconciles until stopped; what runs then is brought to its end.
async fn work(
    client: Client,
    config: Config,
    identity: Identity,
    authority: Authority,
    metrics: Metrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let tables: Api<PokerTable> = Api::namespaced(client.clone(), &config.namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &config.namespace);
    let (table_cache, table_writer) = reflector::store();
    let (pod_cache, pod_writer) = reflector::store();
    let table_stream = watcher(tables, watcher::Config::default())
        .default_backoff()
        .modify(|table: &mut PokerTable| table.managed_fields_mut().clear())
        .reflect(table_writer)
        .touched_objects();
    let pod_stream = watcher(pods, watcher::Config::default().labels(table::build::SELECTOR))
        .default_backoff()
        .modify(|pod: &mut Pod| pod.managed_fields_mut().clear())
        .reflect(pod_writer)
        .touched_objects();

    let reporter = Reporter { controller: context::MANAGER.into(), instance: Some(config.identity.clone()) };
    let recorder = Recorder::new(client.clone(), reporter);
    let context = Arc::new(Context::new(Parts {
        client,
        namespace: config.namespace,
        table_cache: table_cache.clone(),
        pod_cache,
        recorder,
        reach: pods::Pods::new(identity, &config.fleet.signer_addr),
        fleet: config.fleet,
        authority,
        summaries: Summaries::default(),
        stores: Stores::default(),
        metrics,
    }));
    let (changed, news) = mpsc::channel::<ObjectRef<PokerTable>>(NEWS_MAX);
    let looking = tokio::spawn(stores::watch(
        context.clone(),
        config.stores,
        table_cache.clone(),
        changed.clone(),
        stop.clone(),
    ));
    let news = stream::unfold(news, async |mut news| Some((news.recv().await?, news)));
    let watching = tokio::spawn(summaries::watch(
        context.clone(),
        Sessions::new(Link::new(config.sessions)),
        table_cache.clone(),
        changed,
        config.summary_every,
        stop.clone(),
    ));
    Controller::for_stream(table_stream, table_cache)
        .owns_stream(pod_stream)
        .reconcile_on(news)
        .with_config(
            // A burst of events of one table is one reconcile.
            ControllerConfig::default().concurrency(config.concurrency).debounce(Duration::from_millis(50)),
        )
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, on_error, context)
        .for_each(|result| {
            if let Err(kube::runtime::controller::Error::QueueError(error)) = result {
                tracing::warn!(%error, "watch");
            }
            future::ready(())
        })
        .await;
    watching.await?;
    looking.await?;
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "kube's signature")]
fn on_error(table: Arc<PokerTable>, error: &ReconcileError, context: Arc<Context>) -> Action {
    let name = table.name_any();
    if error.is_conflict() {
        tracing::debug!(table = name, %error, "looks again");
    } else {
        tracing::warn!(table = name, %error, "not reconciled");
    }
    Action::requeue(context.failed(table.metadata.uid.as_deref().unwrap_or_default()))
}
