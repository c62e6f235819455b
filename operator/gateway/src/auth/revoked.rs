//! Sign-ins that ended before their access tokens expired.
//!
//! They are learned in two ways: from a channel that is fast but may miss some ([`Revoked::listen`]), and from a record
//! that misses none and is read twice a second ([`Revoked::follow`]). Both are within the second that a revocation may
//! take.

use crate::{
    clock::now_ms,
    metrics::{Learned, Metrics, Upstream},
    sessions::{ACCESS_S, REVOKED_PAGE, SessionStore},
};
use futures::StreamExt;
use purr_runtime::CancellationToken;
use purr_store::StoreError;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// Longer than any access token lives.
const KEEP: Duration = Duration::from_secs(ACCESS_S + 60);
/// How far back each query of the record reads: gateways' clocks differ, and a write may become visible late.
const KEEP_MS: u64 = 2 * ACCESS_S * 1000;
const OVERLAP_MS: u64 = 30_000;
/// Most ended sign-ins in memory, about 80 bytes each. 1,400 revocations a second for the whole of [`KEEP`] would fill
/// it.
const HELD_MAX: usize = 500_000;
/// Pages of one reading.
const PAGES_MAX: usize = HELD_MAX / REVOKED_PAGE;
/// Longer than any name of a sign-in.
const SID_BYTES_MAX: usize = 128;
/// Wait before a closed channel is opened again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct Revoked {
    held: RwLock<HashMap<String, Instant>>,
    changed: watch::Sender<()>,
}

impl Revoked {
    pub fn contains(&self, sid: &str) -> bool {
        self.held.read().unwrap_or_else(PoisonError::into_inner).contains_key(sid)
    }

    pub fn add(&self, sid: &str) {
        self.extend([sid.to_owned()]);
    }

    /// Adds sign-ins; returns how many are new.
    fn extend(&self, sids: impl IntoIterator<Item = String>) -> u64 {
        let now = Instant::now();
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = 0;
        for sid in sids {
            if !held.contains_key(&sid) && held.len() >= HELD_MAX {
                held.retain(|_, since| now.duration_since(*since) < KEEP);
                if held.len() >= HELD_MAX {
                    tracing::error!("more ended sign-ins than can be held");
                    break;
                }
            }
            fresh += u64::from(held.insert(sid, now).is_none());
        }
        drop(held);
        if fresh > 0 {
            self.changed.send_replace(());
        }
        fresh
    }

    /// Sees every change after this call.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Returns when this sign-in has ended, looking at additions since `since` was last read.
    pub async fn ended(&self, mut since: watch::Receiver<()>, sid: String) {
        loop {
            // `changed` never fails here, because `self` holds the sender.
            if since.changed().await.is_err() || self.contains(&sid) {
                return;
            }
        }
    }

    /// Reads the record of revocations until stopped. While the store cannot be read, tokens stay valid until they
    /// expire.
    pub async fn follow(
        &self,
        sessions: Arc<dyn SessionStore>,
        every: Duration,
        metrics: Metrics,
        stop: CancellationToken,
    ) {
        // Covers all sign-ins of living tokens, on the first read and after every gap.
        let mut since_ms = now_ms().saturating_sub(KEEP_MS);
        loop {
            let asked_ms = now_ms();
            match self.read(&*sessions, since_ms, &metrics).await {
                Ok(()) => since_ms = asked_ms.saturating_sub(OVERLAP_MS),
                Err(error) => {
                    metrics.upstream_error(Upstream::Sessions);
                    tracing::debug!(%error, "ended sign-ins");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    /// Reads sign-ins that ended since a time, newest first, so that the newest are never late.
    async fn read(
        &self,
        sessions: &dyn SessionStore,
        since_ms: u64,
        metrics: &Metrics,
    ) -> Result<(), StoreError> {
        for page in 0..PAGES_MAX {
            let sids = sessions.revoked_since(since_ms, page).await?;
            let last = sids.len() < REVOKED_PAGE;
            metrics.learned(Learned::Record, self.extend(sids));
            if last {
                break;
            }
        }
        Ok(())
    }

    /// Receives revocations of other gateways as they happen, until stopped. [`Revoked::follow`] reads any that are
    /// missed between two channels.
    pub async fn listen(&self, sessions: Arc<dyn SessionStore>, metrics: Metrics, stop: CancellationToken) {
        let listening = async {
            loop {
                match sessions.revocations().await {
                    Ok(mut told) => {
                        metrics.listening.set(1);
                        while let Some(sid) = told.next().await {
                            let fits = sid.len() <= SID_BYTES_MAX;
                            metrics.learned(Learned::Channel, self.extend(fits.then_some(sid)));
                        }
                    }
                    Err(error) => tracing::debug!(%error, "the channel of ended sign-ins"),
                }
                metrics.listening.set(0);
                tokio::time::sleep(LISTEN_AGAIN).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = listening => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::MemorySessions;

    #[tokio::test]
    async fn what_another_gateway_ended_is_learned_and_told_once() {
        let sessions = Arc::new(MemorySessions::default());
        sessions.revoke("before", now_ms()).await.unwrap();
        let revoked = Arc::new(Revoked::default());
        let mut changed = revoked.subscribe();
        let stop = CancellationToken::new();
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let following = {
            let (revoked, sessions, stop) = (revoked.clone(), sessions.clone(), stop.clone());
            tokio::spawn(async move {
                revoked.follow(sessions, Duration::from_millis(1), metrics, stop).await;
            })
        };
        changed.changed().await.unwrap();
        assert!(revoked.contains("before"));
        sessions.revoke("after", now_ms()).await.unwrap();
        changed.changed().await.unwrap();
        assert!(revoked.contains("after") && !revoked.contains("other"));
        revoked.add("after");
        assert!(!changed.has_changed().unwrap());
        stop.cancel();
        following.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_tells_at_once_and_is_opened_again_after_it_ended() {
        let sessions = Arc::new(MemorySessions::default());
        let revoked = Arc::new(Revoked::default());
        let mut changed = revoked.subscribe();
        let stop = CancellationToken::new();
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let listening = {
            let (revoked, sessions, stop) = (revoked.clone(), sessions.clone(), stop.clone());
            let metrics = metrics.clone();
            tokio::spawn(async move { revoked.listen(sessions, metrics, stop).await })
        };
        let up = async |metrics: &Metrics| {
            while metrics.listening.get() == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        up(&metrics).await;
        sessions.revoke("one", now_ms()).await.unwrap();
        changed.changed().await.unwrap();
        assert!(revoked.contains("one"));
        // A name longer than any sign-in's id is ignored.
        sessions.revoke(&"x".repeat(SID_BYTES_MAX + 1), now_ms()).await.unwrap();
        sessions.end_channels();
        tokio::time::sleep(LISTEN_AGAIN / 2).await;
        assert_eq!(metrics.listening.get(), 0);
        // Between two channels a notification is missed; the record has it.
        sessions.revoke("missed", now_ms()).await.unwrap();
        up(&metrics).await;
        sessions.revoke("two", now_ms()).await.unwrap();
        changed.changed().await.unwrap();
        assert!(revoked.contains("two") && !revoked.contains("missed"));
        assert_eq!(revoked.held.read().unwrap().len(), 2);
        stop.cancel();
        listening.await.unwrap();
    }
}
