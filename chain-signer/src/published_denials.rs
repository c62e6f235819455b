//! The deny list where gateways can read it without asking: in the sessions group of Redis.
//!
//! **Guarantees.** Within a second of a change, and of a loss of the store, the list is there with its version. **Caveats.**
//! Every replica publishes, and the newest version wins: what is written is the same whoever writes it. Seats and vouchers
//! do not depend on it: the signer looks into its journal.

use crate::{RETRY, journal::JournalError, service::Service};
use purr_protocol::denial::DeniedWallets;
use purr_runtime::{BackOff, CancellationToken};
use purr_store::{Link, LinkConfig, Sessions, StoreError};
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// A list that nobody has published again for so long is forgotten, in seconds.
const TTL_S: u64 = 86_400;
/// The version is published again when it has this long to live, in seconds.
const AGAIN_S: u64 = TTL_S / 2;
/// How often a replica compares the published list with the journal's.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the deny list as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Publishes until stopped; retries after a failure.
pub(crate) async fn publish(service: Arc<Service>, link: LinkConfig, stop: CancellationToken) {
    let sessions = Sessions::new(Link::new(link));
    let mut back_off = BackOff::new(RETRY);
    let work = async {
        service.journal_there().await;
        let mut published_at = None;
        loop {
            let wait = match refresh(&service, &sessions, &mut published_at).await {
                Ok(()) => {
                    back_off.reset();
                    LOOK_EVERY
                }
                Err(error) => {
                    tracing::warn!(%error, "the deny list is not published");
                    back_off.next_wait()
                }
            };
            // A change is published at once.
            let _ = timeout(wait, service.signals.denied.notified()).await;
            if wait > LOOK_EVERY {
                sleep(LOOK_EVERY).await;
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

async fn refresh(
    service: &Service,
    sessions: &Sessions,
    published_at: &mut Option<tokio::time::Instant>,
) -> Result<(), PublishError> {
    let there = sessions.get(DeniedWallets::VERSION_KEY).await?;
    let version = service.journal.denials_version().await?;
    let young = published_at.is_some_and(|at| at.elapsed() < Duration::from_secs(AGAIN_S));
    if young && there.as_deref() == Some(&version.to_string()) {
        return Ok(());
    }
    let list = service.journal.denied_wallets().await?;
    let json = serde_json::to_string(&list)?;
    // The list is written before its version, so that a reader of the new version finds the new list.
    sessions.put(DeniedWallets::KEY, &json, TTL_S).await?;
    sessions.put(DeniedWallets::VERSION_KEY, &list.version.to_string(), TTL_S).await?;
    *published_at = Some(tokio::time::Instant::now());
    service.metrics.denied.set(i64::try_from(list.wallets.len()).unwrap_or(i64::MAX));
    Ok(())
}
