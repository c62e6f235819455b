//! Sign-ins that have ended although their access tokens live on.

use crate::{
    auth,
    metrics::{Metrics, Upstream},
    sessions::SessionStore,
};
use purr_runtime::CancellationToken;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// Longer than any access token lives.
const KEEP: Duration = Duration::from_secs(2 * auth::ACCESS_S);
/// The same number in milliseconds, and how far back each query looks: clocks of gateways differ, and
/// a write may become visible late.
const KEEP_MS: u64 = 2 * auth::ACCESS_S * 1000;
const OVERLAP_MS: u64 = 30_000;
const HELD_MAX: usize = 200_000;

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

    fn extend(&self, sids: impl IntoIterator<Item = String>) {
        let now = Instant::now();
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = false;
        for sid in sids {
            if !held.contains_key(&sid) && held.len() >= HELD_MAX {
                held.retain(|_, since| now.duration_since(*since) < KEEP);
                if held.len() >= HELD_MAX {
                    tracing::error!("more ended sign-ins than can be held");
                    break;
                }
            }
            fresh |= held.insert(sid, now).is_none();
        }
        drop(held);
        if fresh {
            self.changed.send_replace(());
        }
    }

    /// Sees every change after this call.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Reads what other gateways have ended, until stopped. While the store cannot be asked, tokens
    /// count until they run out.
    pub async fn follow(
        &self,
        sessions: Arc<dyn SessionStore>,
        every: Duration,
        metrics: Metrics,
        stop: CancellationToken,
    ) {
        // All that any living token may come from, on the first time and after every gap.
        let mut since_ms = auth::now_ms().saturating_sub(KEEP_MS);
        loop {
            let asked_ms = auth::now_ms();
            match sessions.revoked_since(since_ms).await {
                Ok(sids) => {
                    self.extend(sids);
                    since_ms = asked_ms.saturating_sub(OVERLAP_MS);
                }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::MemorySessions;

    #[tokio::test]
    async fn what_another_gateway_ended_is_learned_and_told_once() {
        let sessions = Arc::new(MemorySessions::default());
        sessions.revoke("before", auth::now_ms()).await.unwrap();
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
        sessions.revoke("after", auth::now_ms()).await.unwrap();
        changed.changed().await.unwrap();
        assert!(revoked.contains("after") && !revoked.contains("other"));
        revoked.add("after");
        assert!(!changed.has_changed().unwrap());
        stop.cancel();
        following.await.unwrap();
    }
}
