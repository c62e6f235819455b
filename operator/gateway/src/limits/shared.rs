//! Limits that all gateways count together.

use super::{Class, Key, Limiter, MemoryLimiter, Rate, Verdict};
use crate::{
    metrics::{Metrics, Upstream},
    sessions::SessionStore,
};
use async_trait::async_trait;
use purr_runtime::CancellationToken;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// Longest wait of a request for the shared count, so that a slow store does not slow players down.
const WAIT: Duration = Duration::from_millis(100);
/// Interval of attempts to reach the store again.
const RETRY: Duration = Duration::from_millis(500);

/// Counts in the shared store; while it does not answer, each gateway counts alone with the same rates. Then `n`
/// gateways let up to `n` times as much pass, and no request waits for the store.
pub struct SharedLimiter {
    store: Arc<dyn SessionStore>,
    local: MemoryLimiter,
    away: Arc<AtomicBool>,
    metrics: Metrics,
    stop: CancellationToken,
}

impl SharedLimiter {
    /// Rates in the order of [`Class::ALL`].
    pub fn new(
        store: Arc<dyn SessionStore>,
        rates: [Rate; Class::ALL.len()],
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        metrics.limits_shared.set(1);
        Self { store, local: MemoryLimiter::new(rates), away: Arc::default(), metrics, stop }
    }

    /// Falls back to this gateway's own limits. One task probes the store until it answers again; requests do not.
    fn lost(&self, why: &str) {
        if self.away.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(why, "limits are this gateway's own for now");
        self.metrics.limits_shared.set(0);
        self.metrics.upstream_error(Upstream::Sessions);
        let (store, away, metrics, stop) =
            (self.store.clone(), self.away.clone(), self.metrics.clone(), self.stop.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep(RETRY) => {}
                }
                let probe = ("limit:probe".to_owned(), Rate { per_s: 1_000, burst: 1_000 });
                if store.arrive(&[probe]).await.is_ok() {
                    tracing::info!("limits are shared again");
                    metrics.limits_shared.set(1);
                    away.store(false, Ordering::Relaxed);
                    return;
                }
            }
        });
    }
}

#[async_trait]
impl Limiter for SharedLimiter {
    async fn check_all(&self, class: Class, keys: &[Key]) -> Verdict {
        if !self.away.load(Ordering::Relaxed) {
            let rate = self.local.rate(class);
            let counted: Vec<(String, Rate)> = keys
                .iter()
                .map(|key| (format!("limit:{}:{}", class.name(), key.name), rate.times(key.share)))
                .collect();
            match timeout(WAIT, self.store.arrive(&counted)).await {
                Ok(Ok(verdict)) => return verdict,
                Ok(Err(error)) => self.lost(&error.to_string()),
                Err(_) => self.lost("no answer in time"),
            }
        }
        self.local.check_all(class, keys).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::MemorySessions;

    const RATE: Rate = Rate { per_s: 1, burst: 4 };

    fn gateway(store: &Arc<MemorySessions>) -> (SharedLimiter, Metrics) {
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let limiter = SharedLimiter::new(
            store.clone(),
            [RATE; Class::ALL.len()],
            metrics.clone(),
            CancellationToken::new(),
        );
        (limiter, metrics)
    }

    async fn passes(limiter: &SharedLimiter) -> u32 {
        let mut passed = 0;
        while limiter.check(Class::Player, "0x1").await.passed {
            passed += 1;
        }
        passed
    }

    #[tokio::test(start_paused = true)]
    async fn two_gateways_let_pass_what_one_would() {
        let store = Arc::new(MemorySessions::default());
        let ((one, _), (two, _)) = (gateway(&store), gateway(&store));
        assert!(one.check(Class::Player, "0x1").await.passed);
        assert_eq!(passes(&two).await, 3);
        assert_eq!(passes(&one).await, 0);
        assert!(one.check(Class::Player, "0x2").await.passed);
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_store_each_counts_alone_and_later_together_again() {
        let store = Arc::new(MemorySessions::default());
        let ((one, metrics), (two, _)) = (gateway(&store), gateway(&store));
        store.set_down(true);
        assert_eq!((passes(&one).await, passes(&two).await), (4, 4));
        assert_eq!(metrics.limits_shared.get(), 0);
        store.set_down(false);
        while metrics.limits_shared.get() == 0 {
            sleep(Duration::from_millis(10)).await;
        }
        // A limiter without the store sends it no requests, so the shared count is still complete.
        assert_eq!(passes(&one).await, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_delays_one_request_and_not_the_next() {
        let store = Arc::new(MemorySessions::default());
        let (limiter, _) = gateway(&store);
        store.set_silent(true);
        let begun = tokio::time::Instant::now();
        assert!(limiter.check(Class::Player, "0x1").await.passed);
        assert_eq!(begun.elapsed(), WAIT);
        assert!(limiter.check(Class::Player, "0x1").await.passed);
        assert_eq!(begun.elapsed(), WAIT);
    }
}
