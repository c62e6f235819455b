//! One table in one process: the engine's session ([`core`]) between Redis, players and signer.

pub mod actor;
pub mod core;
pub mod epoch;
pub mod http;
mod lane;
pub mod metrics;
pub mod options;
pub mod play_money;
pub mod signer;
pub mod snapshot;
pub mod standing;
pub mod tokens;
mod trunk;

pub use options::Options;

use actor::{Actor, Handle, Stopped};
use anyhow::{Context, bail};
use purr_protocol::{
    handover::{HandOver, Standing},
    settlement::OpenTable,
};
use purr_runtime::{
    Callers, CancellationToken, Identity, InternalClient, Readiness, Role, Server, assertion::Assertions, ops,
};
use purr_store::{DataKeys, Link, RedisStore, Sealer, Sessions};
use signer::{HttpSigner, Signer};
use standing::{Freed, HttpPredecessor, Post, Predecessor};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};

/// Number of replicas that must have a commit before its events are sent.
const REPLICAS: u64 = 1;
/// A stopped table plays on while its successor starts, for at most this part of its grace period; the rest is left for its
/// hand to end. Many tables of a drained node start at once, and then a start takes long.
const LINGER_PART: u32 = 2;
/// A trunk for each gateway, and one more where it reconnects; requests of the controller and notices of the signer.
const CONNECTIONS_MAX: usize = 512;

/// Runs the table until it is stopped, and then to the end of its hand.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let config = options.validate()?;
    let registry = prometheus::Registry::new();
    let metrics = metrics::Metrics::new(&registry)?;
    let readiness = Readiness::default();
    readiness.not_ready("take-over", "not begun");
    // Probes and metrics outlive the stop signal: a table that ends its hand is still watched.
    let ended = CancellationToken::new();
    let ops = tokio::spawn(ops::serve(config.ops_listen, registry, readiness.clone(), ended.clone()));

    let identity = Identity::load(&config.tls_dir)?;
    let keys = Arc::new(DataKeys::load(&config.data_key_dir).context("data keys")?);
    let sealer = Sealer::new(keys, &config.uid);
    let store = Arc::new(RedisStore::new(Link::new(config.store.clone()), REPLICAS));
    let sessions = Arc::new(Sessions::new(Link::new(config.sessions.clone())));
    let signer: Arc<dyn Signer> =
        Arc::new(HttpSigner::new(identity.clone(), &config.signer_addr, &config.uid));
    let gateway = InternalClient::new(identity.clone(), &config.jwks_addr, Role::Gateway);
    let assertions = Assertions::new(&config.uid, config.assertion_keys_file.clone());
    let tokens = tokens::Tokens::new(gateway, &config.jwt_issuer, &config.jwt_audience)
        .with_assertions(assertions, config.accept_access_tokens);
    let tokens = Arc::new(tokens);

    // The epoch is stored on disk before anything else is written, so that a restart in place gets a higher one.
    let epoch = epoch::next(&config.state_dir, config.generation).context("epoch")?.get();
    match &config.recording.fair_play {
        Some(key) => tracing::info!(key = key.id(), "hand records have a part for fair play"),
        None => tracing::info!("no fair-play key: hidden cards of ended hands cannot be analysed"),
    }
    match &config.recording.auditor {
        Some(auditor) => tracing::info!(key = auditor.id(), "hand records have a part for the auditor"),
        None => tracing::warn!("no auditor's key: hand records have no part that proves the whole deck"),
    }
    // Serves HTTP before it has the table, because a successor that stands by receives its orders this way.
    let post = Arc::new(Post::default());
    let listener = TcpListener::bind(config.listen).await?;
    let server =
        Server { identity: identity.clone(), callers: Callers::Roles, connections_max: CONNECTIONS_MAX };
    let routes = http::routes_of(post.clone(), tokens, sealer.clone());
    let serving = tokio::spawn(server.run(listener, routes, ended.clone()));

    let predecessor = HttpPredecessor::new(identity, &config.uid);
    let mut from = None;
    if config.stand_by {
        tracing::info!(epoch, table = config.uid, "standing by");
        let ordered = async {
            standing::connect(&post, &store, &*signer, &readiness).await;
            readiness.not_ready("take-over", "standing by");
            standing::until_free(&post, &predecessor, epoch).await
        };
        from = tokio::select! {
            from = ordered => from,
            () = stop.cancelled() => return Ok(()),
        };
    }
    tracing::info!(epoch, table = config.uid, "taking over");
    post.is(Standing::TakingOver, None);
    let open = OpenTable::from_spec(epoch, &config.spec);
    let take_over = actor::TakeOver {
        epoch,
        spec: config.spec.clone(),
        pace: config.pace,
        sealer,
        store,
        signer: signer.clone(),
        recording: config.recording.clone(),
        format: config.format,
        sessions: Some(sessions),
        metrics,
        readiness: readiness.clone(),
        open,
    };
    let actor = tokio::select! {
        actor = Actor::take_over(take_over) => actor?,
        () = stop.cancelled() => return Ok(()),
    };
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let actor = match from.as_ref().and_then(|from| from.hand_ended) {
        Some(ended) => actor.after_hand(ended),
        None => actor,
    };
    let actor = actor.with_wall_clock(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
    let handle = actor.handle();
    let mut running = tokio::spawn(actor.run(ended.clone()));
    post.serves(handle.clone());
    if let Some(Freed { address, .. }) = from {
        // Redirects the players here. If this message is lost, the predecessor is fenced by its next commit, or ends.
        if let Err(error) = predecessor.ask(&address, &HandOver { epoch, taken: true }).await {
            tracing::warn!(%error, address, "the predecessor has not been told");
        }
    }

    if until_stopped(&mut running, &stop).await? {
        let stopped = Instant::now();
        let moved = until_moved(&mut running, &handle, config.grace / LINGER_PART).await;
        readiness.not_ready("draining", "stopping");
        let ended_as = match moved {
            Some(ended_as) => ended_as,
            None => {
                drain(&handle, config.grace.saturating_sub(stopped.elapsed())).await;
                ended.cancel();
                running.await?
            }
        };
        match ended_as {
            Ok(()) | Err(Stopped::Fenced) => {}
            Err(failed) => return Err(failed.into()),
        }
    }
    ended.cancel();
    serving.await??;
    ops.await??;
    Ok(())
}

/// Waits for the stop signal; returns whether the table is still running then.
///
/// A table that ended before it, or panicked, is an error: the process ends and the next epoch takes
/// over. A fenced one stands still: another process has the table, and a start in this pod, whose
/// generation is lower for ever, would only be fenced again.
async fn until_stopped(
    running: &mut JoinHandle<Result<(), Stopped>>,
    stop: &CancellationToken,
) -> anyhow::Result<bool> {
    let ended = tokio::select! {
        () = stop.cancelled() => return Ok(true),
        ended = running => ended.context("the table's task")?,
    };
    match ended {
        Err(Stopped::Fenced) => {
            stop.cancelled().await;
            Ok(false)
        }
        Err(failed) => Err(failed.into()),
        Ok(()) => bail!("the table ended without being told to"),
    }
}

/// A pod that is evicted plays on until its successor has the table, at most `linger`, so that its players do not wait for
/// the successor's start. Returns how the table ended, where a successor took it.
async fn until_moved(
    running: &mut JoinHandle<Result<(), Stopped>>,
    handle: &Handle,
    linger: Duration,
) -> Option<Result<(), Stopped>> {
    let status = handle.drain_status().await?;
    if status.seated == 0 || status.asked {
        return None;
    }
    let ended = tokio::time::timeout(linger, running).await.ok()?;
    ended.ok()
}

/// Drains: lets the hand end and the signer accept all entries, within the grace period.
async fn drain(handle: &Handle, grace: Duration) {
    handle.drain(false).await;
    let drained = async {
        while handle.drain_status().await.is_some_and(|status| !status.drained) {
            handle.changed().await;
        }
    };
    if tokio::time::timeout(grace, drained).await.is_err() {
        tracing::warn!("the hand goes on with the next process");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[tokio::test]
    async fn a_table_that_ends_by_itself_ends_the_process_with_an_error() {
        let stop = CancellationToken::new();
        let mut failed = tokio::spawn(async { Err(Stopped::Failed(anyhow!("a gap"))) });
        assert!(until_stopped(&mut failed, &stop).await.is_err());
        #[allow(clippy::panic, reason = "this is what is tested")]
        let mut panics = tokio::spawn(async { panic!("a bug") });
        assert!(until_stopped(&mut panics, &stop).await.is_err());
        let mut ends = tokio::spawn(async { Ok(()) });
        assert!(until_stopped(&mut ends, &stop).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_fenced_table_stands_still_until_it_is_stopped() {
        let stop = CancellationToken::new();
        let mut fenced = tokio::spawn(async { Err(Stopped::Fenced) });
        let hour = Duration::from_secs(3_600);
        assert!(tokio::time::timeout(hour, until_stopped(&mut fenced, &stop)).await.is_err());
        let mut fenced = tokio::spawn(async { Err(Stopped::Fenced) });
        tokio::spawn({
            let stop = stop.clone();
            async move { stop.cancel() }
        });
        // Whichever of the two was seen first, the process ends without an error.
        assert!(until_stopped(&mut fenced, &stop).await.is_ok());
    }
}
