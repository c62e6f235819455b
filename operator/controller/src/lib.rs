//! Reconciles PokerTableFleets into PokerTables and those into pods: the only program that writes to the Kubernetes API.

pub mod allowed;
pub mod bootstrap;
pub mod certificates;
pub mod context;
pub mod defaults;
pub mod fleet;
pub mod index;
pub mod lease;
pub mod lost;
pub mod metrics;
pub mod names;
pub mod options;
pub mod pace;
pub mod pay_out;
pub mod placement;
pub mod pods;
pub mod shared;
pub mod spare;
pub mod stores;
pub mod summaries;
pub mod table;
#[cfg(test)]
mod testing;
pub mod uninstall;

pub use options::Options;

use anyhow::Context as _;
use certificates::Authority;
use context::{Context, Parts};
use fleet::{fleets::Fleets, wake::Wake};
use futures::{StreamExt, TryStreamExt, future, stream};
use index::{FleetIndex, PodIndex, SecretIndex};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Client, Resource, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        Controller, WatchStreamExt,
        controller::{Action, Config as ControllerConfig},
        events::{Recorder, Reporter},
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use lease::Leader;
use metrics::Metrics;
use options::Config;
use purr_crds::{PokerTable, PokerTableFleet};
use purr_namespaces::Listed;
use purr_runtime::{
    CancellationToken, Identity, Readiness,
    expiry::{self, Mounted},
    ops,
};
use purr_store::{Link, Sessions};
use std::{sync::Arc, time::Duration};
use stores::Stores;
use summaries::Summaries;
use table::{ReconcileError, reconcile};
use tokio::{sync::mpsc, task::JoinSet};

/// Tables with news that wait to be queued; the reader of summaries waits when it is full.
const NEWS_MAX: usize = 1_024;

/// Objects in one page of the first lists. Each page is held in memory as text and as objects, for each namespace and
/// kind at the same time; these pages are most of the memory of a cold start.
const LIST_PAGE: u32 = 100;

/// Runs until stopped. Leads, or waits to lead.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let config = options.validate()?;
    let registry = prometheus::Registry::new();
    let metrics = Metrics::new(&registry)?;
    expiry::register(&registry, &[Mounted::internal(&config.tls_dir)])?;
    let readiness = Readiness::default();
    readiness.not_ready("kubernetes", "not reached yet");
    let ended = CancellationToken::new();
    let ops = tokio::spawn(ops::serve(config.ops_listen, registry, readiness.clone(), ended.clone()));

    let result = lead(config, metrics, readiness, stop).await;
    ended.cancel();
    ops.await??;
    result
}

/// Wait before the next attempt to reach the Kubernetes API.
const REACH_AGAIN: Duration = Duration::from_secs(2);

/// Time after which the API server counts as unreachable. The client alone would wait for minutes.
const REACH_WITHIN: Duration = Duration::from_secs(10);

/// Returns once the Kubernetes API answers.
async fn reach(client: &Client, readiness: &Readiness) {
    loop {
        match tokio::time::timeout(REACH_WITHIN, client.apiserver_version()).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => readiness.not_ready("kubernetes", error.to_string()),
            Err(_) => readiness.not_ready("kubernetes", format!("no answer in {} s", REACH_WITHIN.as_secs())),
        }
        tokio::time::sleep(REACH_AGAIN).await;
    }
}

/// Leads for one term after another, and is a candidate in between.
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
    let reached = tokio::select! {
        () = reach(&client, &readiness) => true,
        () = stop.cancelled() => false,
    };
    if !reached {
        return Ok(());
    }
    // A standby is ready: it can take over.
    readiness.ready("kubernetes");

    let lease = format!("{}-controller", config.fleet.release);
    loop {
        let leader = tokio::select! {
            leader = Leader::acquire(client.clone(), &config.namespace, &lease, &config.identity) => leader,
            () = stop.cancelled() => return Ok(()),
        };
        metrics.leader.set(1);
        let over = stop.child_token();
        let (identity, authority) = (identity.clone(), authority.clone());
        let work = work(client.clone(), config.clone(), identity, authority, metrics.clone(), over.clone());
        let term = term(leader, work, &over, &stop).await;
        metrics.leader.set(0);
        match term {
            // An exit here would make kubelet back off further and further while the API is unreachable.
            Ok(Term::Lost(lost)) => tracing::error!(%lost, "leads no more"),
            Ok(Term::Over) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// How a term ended.
enum Term {
    /// Another process may lead by now. Nothing more is written.
    Lost(lease::Lost),
    /// The process was asked to end and has released its lease.
    Over,
}

/// Works for as long as the lease is held.
async fn term(
    mut leader: Leader,
    work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    over: &CancellationToken,
    stop: &CancellationToken,
) -> anyhow::Result<Term> {
    let mut work = tokio::spawn(work);
    let ended = tokio::select! {
        lost = leader.keep() => Err(lost),
        ended = &mut work => Ok(ended),
        () = stop.cancelled() => {
            over.cancel();
            tokio::select! {
                lost = leader.keep() => Err(lost),
                ended = &mut work => Ok(ended),
            }
        }
    };
    match ended {
        Ok(ended) => {
            leader.release().await;
            ended?.map(|()| Term::Over)
        }
        Err(lost) => {
            work.abort();
            // All tasks have ended before the next term begins.
            let _ = work.await;
            Ok(Term::Lost(lost))
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
    let served = purr_namespaces::serve(client.clone(), config.namespaces.clone(), stop.clone());
    let wake = Wake::default();
    let (pod_index, fleet_index) = (Arc::<PodIndex>::default(), Arc::<FleetIndex>::default());
    let summaries = Arc::new(Summaries::default());
    let (tables_listed, pods_listed) = (Listed::default(), Listed::default());
    let (table_cache, table_writer) = reflector::store();
    let (fleet_cache, fleet_writer) = reflector::store::<PokerTableFleet>();
    let all = || watcher::Config::default().page_size(LIST_PAGE);
    let table_stream = {
        let last = last(table_cache.clone());
        purr_namespaces::watch(client.clone(), served.clone(), all(), tables_listed.clone(), last)
    };
    let table_stream = table_stream
        .modify(index::prune)
        .reflect(table_writer)
        .inspect_ok({
            let (fleet_index, summaries) = (fleet_index.clone(), summaries.clone());
            move |event| {
                fleet_index.see(event);
                if matches!(event, watcher::Event::InitDone) {
                    summaries.tables_are_listed();
                }
            }
        })
        .touched_objects()
        .inspect_ok({
            let wake = wake.clone();
            move |table| wake.about(table)
        });
    let fleet_stream = {
        let last = last(fleet_cache.clone());
        purr_namespaces::watch(client.clone(), served.clone(), all(), Listed::default(), last)
    };
    let fleet_stream = fleet_stream
        .modify(|fleet: &mut PokerTableFleet| fleet.managed_fields_mut().clear())
        .reflect(fleet_writer)
        .touched_objects();
    let fleets_known = fleet_cache.clone();
    let pod_stream = {
        let index = pod_index.clone();
        let last = move |namespace: &str, name: &str| index.last(namespace, name);
        // Pods are not selected by labels, because labels can be removed from a pod.
        purr_namespaces::watch::<Pod, _>(client.clone(), served.clone(), all(), pods_listed.clone(), last)
    };
    let pod_stream = pod_stream
        .inspect_ok({
            let pod_index = pod_index.clone();
            move |event| pod_index.see(event)
        })
        .touched_objects();
    let secrets_listed = Listed::default();
    let secret_index = Arc::<SecretIndex>::default();
    let known = lost::Known {
        tables: table_cache.clone(),
        pods: pod_index.clone(),
        served: served.clone(),
        tables_listed: tables_listed.clone(),
        pods_listed: pods_listed.clone(),
    };
    let secret_stream = {
        let index = secret_index.clone();
        let last = move |namespace: &str, name: &str| index.last(namespace, name);
        let config = all().labels(table::build::SELECTOR);
        // Metadata is all that is asked for: no key leaves the API server for this.
        purr_namespaces::watch::<PartialObjectMeta<Secret>, _>(
            client.clone(),
            served,
            config,
            secrets_listed.clone(),
            last,
        )
    };
    let secret_stream = secret_stream.try_filter({
        let index = secret_index.clone();
        move |event| future::ready(index.see(event))
    });

    let reporter = Reporter { controller: names::MANAGER.into(), instance: Some(config.identity.clone()) };
    let recorder = Recorder::new(client.clone(), reporter);
    let now_s = certificates::seconds(std::time::SystemTime::now());
    let pace = Arc::new(pace::SharedPace::new(pace::Pace::new(config.rollout, now_s)));
    let fleets = Arc::new(Fleets::new(fleet::fleets::Parts {
        client: client.clone(),
        table_cache: table_cache.clone(),
        pod_index: pod_index.clone(),
        fleet_index,
        tables_listed: tables_listed.clone(),
        pods_listed: pods_listed.clone(),
        recorder: recorder.clone(),
        summaries: summaries.clone(),
        metrics: metrics.clone(),
        pace: pace.clone(),
        release: config.fleet.release.clone(),
    }));
    let sessions = Arc::new(Sessions::new(Link::new(config.sessions)));
    let context = Arc::new(Context::new(Parts {
        client,
        namespace: config.namespace,
        table_cache: table_cache.clone(),
        pod_index,
        pods_listed,
        secret_index,
        secrets_listed,
        recorder,
        reach: pods::Pods::new(identity, &config.fleet.signer_addr),
        pace,
        fleet: config.fleet,
        authority,
        summaries,
        sessions,
        stores: Stores::default(),
        metrics,
        wake: wake.clone(),
    }));
    let (changed, news) = mpsc::channel::<ObjectRef<PokerTable>>(NEWS_MAX);
    // Dropped with this, and ended then.
    let mut beside = JoinSet::new();
    beside.spawn(stores::watch::watch(
        context.clone(),
        config.stores,
        table_cache.clone(),
        changed.clone(),
        stop.clone(),
    ));
    beside.spawn(lost::watch(context.clone(), known, stop.clone()));
    let news = stream::unfold(news, async |mut news| Some((news.recv().await?, news)));
    beside.spawn(summaries::watch::watch(
        context.clone(),
        table_cache.clone(),
        fleets_known,
        changed,
        config.summary_every,
        stop.clone(),
    ));
    let settings = ControllerConfig::default().concurrency(config.concurrency);
    let of_fleets = Controller::for_stream(fleet_stream, fleet_cache)
        .reconcile_on(wake.stream())
        .with_config(settings.clone())
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(fleet::reconcile::reconcile, fleet::reconcile::on_error, fleets)
        .for_each(|result| {
            log_watch(&result);
            future::ready(())
        });
    let of_tables = Controller::for_stream(table_stream, table_cache)
        .watches_stream(pod_stream, |pod: Pod| index::table_of(&pod))
        .watches_stream(secret_stream.touched_objects(), |secret: PartialObjectMeta<Secret>| {
            let table = secret.metadata.name.as_deref().and_then(table::build::table_of_secret)?;
            Some(ObjectRef::new(table).within(secret.metadata.namespace.as_deref()?))
        })
        .reconcile_on(news)
        // A burst of events of one table is one reconcile.
        .with_config(settings.debounce(Duration::from_millis(50)))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, on_error, context)
        .for_each(|result| {
            log_watch(&result);
            future::ready(())
        });
    future::join(of_tables, of_fleets).await;
    while let Some(ended) = beside.join_next().await {
        ended?;
    }
    Ok(())
}

/// Returns the cached version of an object, for the watch that fills the cache.
fn last<K>(store: Store<K>) -> impl Fn(&str, &str) -> Option<K> + Send
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    move |namespace, name| store.get(&ObjectRef::new(name).within(namespace)).map(|object| (*object).clone())
}

fn log_watch<T, E: std::error::Error + 'static>(
    result: &Result<T, kube::runtime::controller::Error<E, watcher::Error>>,
) {
    if let Err(kube::runtime::controller::Error::QueueError(error)) = result {
        tracing::warn!(%error, "watch");
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response, StatusCode};
    use kube::client::Body;
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicBool, Ordering},
    };

    /// An API server with one lease, which stops answering when told to.
    fn api(away: Arc<AtomicBool>) -> Client {
        let answer = move |request: Request<Body>| {
            let away = away.clone();
            async move {
                if away.load(Ordering::SeqCst) {
                    return future::pending().await;
                }
                let lease = |body: Vec<u8>| Response::builder().status(StatusCode::OK).body(Body::from(body));
                let version =
                    br#"{"major": "1", "minor": "36", "gitVersion": "", "gitCommit": "", "gitTreeState": "",
                    "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}"#;
                let body = match request.method().as_str() {
                    "GET" if request.uri().path() == "/version" => version.to_vec(),
                    "GET" => br#"{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}}"#.to_vec(),
                    _ => request.into_body().collect_bytes().await.unwrap_or_default().to_vec(),
                };
                Ok::<_, Infallible>(lease(body).unwrap())
            }
        };
        Client::new(tower::service_fn(answer), "poker")
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_takes_the_connection_and_says_nothing_is_asked_again_and_named() {
        let away = Arc::new(AtomicBool::new(true));
        let client = api(away.clone());
        let readiness = Readiness::default();
        let waits = tokio::spawn({
            let readiness = readiness.clone();
            async move { reach(&client, &readiness).await }
        });
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(!waits.is_finished());
        assert!(!readiness.missing().is_empty(), "it says what is missing");
        away.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(waits.is_finished(), "the next attempt is answered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_controller_whose_lease_could_not_be_renewed_works_no_more_and_leads_again_when_the_api_is_back()
     {
        let away = Arc::new(AtomicBool::new(false));
        let client = api(away.clone());
        let stop = CancellationToken::new();
        for _ in 0..2 {
            let leader = Leader::acquire(client.clone(), "poker", "l", "me").await;
            let working = Arc::new(());
            let held = working.clone();
            let work = async move {
                let _held = held;
                future::pending().await
            };
            let over = stop.child_token();
            let term = tokio::spawn({
                let stop = stop.clone();
                async move { term(leader, work, &over, &stop).await }
            });
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert!(!term.is_finished(), "the lease is renewed");
            away.store(true, Ordering::SeqCst);
            let ended = term.await.unwrap().unwrap();
            assert!(matches!(ended, Term::Lost(_)));
            assert_eq!(Arc::strong_count(&working), 1, "the work is gone with the term");
            away.store(false, Ordering::SeqCst);
        }
    }
}
