//! Balances where others can read them without asking: in the sessions group of Redis, as they change.
//!
//! **Guarantees.** The replica that sends publishes every change after it was committed, and everybody's balance when it
//! begins and whenever it may have missed one. **Caveats.** What is read there is as old as it says; nothing is granted
//! by it, and it may be lost.

use crate::{
    RETRY,
    journal::JournalError,
    service::{Service, now_ms},
};
use futures::StreamExt;
use purr_engine::PlayerId;
use purr_protocol::settlement::PublishedBalance;
use purr_runtime::{BackOff, CancellationToken};
use purr_store::{Link, LinkConfig, Sessions, StoreError};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// A balance that nobody has published again for so long is forgotten, in seconds.
const TTL_S: u64 = 86_400;
/// All balances are published again within half of their time to live.
const ALL_EVERY: Duration = Duration::from_secs(TTL_S / 2);
/// Changes that are taken at once, and players that are read at once.
const CHUNK: u16 = 256;
/// A connection that lasted this long restarts its back-off.
const STABLE: Duration = Duration::from_secs(60);
/// How often a replica checks whether it holds the sender's lease.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("listening to PostgreSQL: {0}")]
    Listen(#[from] sqlx::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a balance as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("PostgreSQL has ended the subscription")]
    Ended,
}

/// Publishes until stopped; starts over after a failure.
pub(crate) async fn publish(service: Arc<Service>, link: LinkConfig, stop: CancellationToken) {
    let sessions = Sessions::new(Link::new(link));
    let mut back_off = BackOff::new(RETRY);
    let work = async {
        service.journal_there().await;
        loop {
            let begun = Instant::now();
            if let Err(error) = Box::pin(follow(&service, &sessions)).await {
                tracing::warn!(%error, "balances are not published");
            }
            if begun.elapsed() > STABLE {
                back_off.reset();
            }
            sleep(back_off.next_wait()).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

async fn follow(service: &Service, sessions: &Sessions) -> Result<(), PublishError> {
    // Subscribes before it reads: changes that happen while all balances are published are delivered afterwards.
    let changes = service.journal.balance_changes().await?.ready_chunks(CHUNK.into());
    tokio::pin!(changes);
    let mut all = None::<Instant>;
    loop {
        let sends = service.signals.leads();
        if !sends {
            all = None;
        } else if all.is_none_or(|at| at.elapsed() >= ALL_EVERY) {
            everybody(service, sessions).await?;
            all = Some(Instant::now());
        }
        let changed = tokio::select! {
            changed = changes.next() => changed.ok_or(PublishError::Ended)?,
            () = sleep(LOOK_EVERY) => continue,
        };
        // The change came from another replica, or before this one began to send: then all balances are published.
        if all.is_none() {
            continue;
        }
        let mut players = BTreeSet::new();
        for account in changed {
            players.extend(service.journal.player_of(&account?).await?);
        }
        for player in players {
            one(service, sessions, player).await?;
        }
    }
}

async fn everybody(service: &Service, sessions: &Sessions) -> Result<(), PublishError> {
    let mut after = String::new();
    loop {
        let players = service.journal.players_after(&after, CHUNK).await?;
        let Some(last) = players.last() else { return Ok(()) };
        after = format!("free:{last}");
        for player in players {
            one(service, sessions, player).await?;
        }
    }
}

async fn one(service: &Service, sessions: &Sessions, player: PlayerId) -> Result<(), PublishError> {
    let at_ms = now_ms();
    let balance = service.journal.balance(player).await?;
    let json = serde_json::to_string(&PublishedBalance { at_ms, balance })?;
    sessions.put(&PublishedBalance::key(player), &json, TTL_S).await?;
    service.metrics.published.inc();
    Ok(())
}
