//! `serve`: puts the parts together. Nothing that is away makes the process end.

use crate::{
    RETRY,
    chain::Rpc,
    checkpoint,
    hsm::{HsmError, pin_digest},
    http,
    journal::Journal,
    keys::Keys,
    metrics::Metrics,
    options::{Config, HsmArgs, ServeOptions},
    published, published_denials, receipts, reconcile,
    sender::Sender,
    service::{Service, Signals},
};
use purr_runtime::{
    BackOff, Callers, CancellationToken, Identity, Readiness, Server,
    expiry::{self, Mounted},
    ops,
    sign::Authority,
};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, time::sleep};

/// Tables hold one request open each, gateways a few.
const CONNECTIONS_MAX: usize = 16_384;
/// Between two probes of the keys.
const PROBE_EVERY: Duration = Duration::from_secs(2);

/// Runs until stopped.
pub(crate) async fn serve(options: ServeOptions, stop: CancellationToken) -> anyhow::Result<()> {
    let mut config = options.validate()?;
    let registry = prometheus::Registry::new();
    let metrics = Metrics::new(&registry)?;
    expiry::register(&registry, &[Mounted::internal(&config.options.tls_dir)])?;
    let readiness = Readiness::default();
    readiness.not_ready("keys", "not opened yet");
    readiness.not_ready("journal", "not opened yet");
    match config.vault {
        None => readiness.not_ready("vault", "no vault configured"),
        Some(_) => {
            readiness.not_ready("vault", "not checked yet");
            readiness.not_ready("journal-whole", "not compared with the chain yet");
        }
    }
    let listen = config.options.ops_listen;
    let ops = tokio::spawn(ops::serve(listen, registry, readiness.clone(), stop.clone()));

    let identity = Identity::load(&config.options.tls_dir)?;
    config.trust.authority = Some(Authority::load(&identity.ca_file())?);
    let rpc = Rpc::new(&config.options.rpc.config())?.counted(Arc::new(metrics.clone()));
    let rpc = Arc::new(rpc);
    let journal = Journal::new(config.pg.clone()).with_trust(config.trust.clone());
    let signals = Arc::new(Signals::default());
    let service = Arc::new(Service::new(&config, journal.clone(), rpc.clone(), metrics, signals));
    let listener = TcpListener::bind(config.options.listen).await?;
    tracing::info!(listen = %listener.local_addr()?, "serving");
    let server = Server { identity, callers: Callers::Roles, connections_max: CONNECTIONS_MAX };
    let serving =
        tokio::spawn(server.run(listener, http::routes(service.clone(), stop.clone()), stop.clone()));
    let work = tokio::spawn(work(config, service, readiness, stop.clone()));

    stop.cancelled().await;
    work.await?;
    serving.await??;
    ops.await??;
    Ok(())
}

/// Tasks behind the requests.
async fn work(config: Config, service: Arc<Service>, readiness: Readiness, stop: CancellationToken) {
    let Some(keys) = open_keys(&config.options.hsm, &readiness, &stop).await else { return };
    service.keys_opened(keys.clone());
    tokio::spawn(watch_keys(keys.clone(), service.metrics.clone(), readiness.clone(), stop.clone()));
    let health = watch_journal(service.clone(), readiness.clone(), stop.clone());
    let news = service.watch_news(stop.clone());
    if let Some(link) = config.sessions.clone() {
        tokio::spawn(published::publish(service.clone(), link.clone(), stop.clone()));
        tokio::spawn(published_denials::publish(service.clone(), link, stop.clone()));
    }
    let Some(vault) = config.vault else {
        tracing::warn!("no vault configured");
        tokio::join!(health, news);
        return;
    };
    let sender = Sender::new(&config, vault, service.clone(), keys.settle.clone(), readiness);
    let reconcile = reconcile::every(service.clone(), config.options.reconcile_s, stop.clone());
    let receipts = receipts::sign(service.clone(), stop.clone());
    let checkpoints = checkpoint::keep(service.clone(), config.options.checkpoint_s, stop.clone());
    tokio::join!(health, news, sender.run(stop.clone()), reconcile, receipts, checkpoints);
}

async fn open_keys(args: &HsmArgs, readiness: &Readiness, stop: &CancellationToken) -> Option<Keys> {
    let mut back_off = BackOff::new(RETRY);
    // A PIN that the token refused is not tried again: tokens lock after a few wrong ones.
    let mut refused = None;
    loop {
        let pin = pin_digest(&args.hsm_pin_file).ok();
        if pin.is_none() || pin != refused {
            let (args, create) = (args.clone(), args.init_token || args.create_keys);
            match tokio::task::spawn_blocking(move || Keys::open(&args, create)).await {
                Ok(Ok(keys)) => {
                    tracing::info!(addresses = ?keys.addresses(), "keys");
                    readiness.ready("keys");
                    return Some(keys);
                }
                Ok(Err(error)) => {
                    if matches!(error, HsmError::WrongPin(_)) {
                        tracing::error!(%error, "the PIN was refused");
                        refused = pin;
                    }
                    readiness.not_ready("keys", error.to_string());
                }
                Err(error) => readiness.not_ready("keys", error.to_string()),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = sleep(back_off.next_wait()) => {}
        }
    }
}

/// Signs a probe with each key every few seconds: readiness follows what the token can do now, and a token that was away
/// is logged in to again although nobody asks for a signature.
async fn watch_keys(keys: Keys, metrics: Metrics, readiness: Readiness, stop: CancellationToken) {
    let up = metrics.up.with_label_values(&["token"]);
    let pin_accepted = metrics.up.with_label_values(&["pin"]);
    loop {
        let answer = match keys.settle.probe().await {
            Ok(()) => keys.voucher.probe().await,
            refused => refused,
        };
        pin_accepted.set(i64::from(!matches!(answer, Err(HsmError::WrongPin(_)))));
        up.set(i64::from(answer.is_ok()));
        match answer {
            Ok(()) => readiness.ready("keys"),
            // Signatures that are under way at the time keep the token busy, and prove that it works.
            Err(HsmError::Busy) => {}
            Err(error) => readiness.not_ready("keys", error.to_string()),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(PROBE_EVERY) => {}
        }
    }
}

/// Makes the schema, then keeps looking whether the database answers.
async fn watch_journal(service: Arc<Service>, readiness: Readiness, stop: CancellationToken) {
    let (mut migrated, mut back_off) = (false, BackOff::new(RETRY));
    loop {
        let answer = match migrated {
            false => service.journal.migrate().await,
            true => service.journal.ping().await,
        };
        let up = service.metrics.up.with_label_values(&["journal"]);
        let wait = match answer {
            Ok(()) => {
                if !migrated {
                    service.migrated();
                }
                migrated = true;
                back_off.reset();
                readiness.ready("journal");
                up.set(1);
                Duration::from_secs(2)
            }
            Err(error) => {
                readiness.not_ready("journal", error.to_string());
                up.set(0);
                back_off.next_wait()
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(wait) => {}
        }
    }
}
