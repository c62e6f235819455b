//! Keeps away from a node that fails, for longer the longer it does.

use std::time::{Duration, Instant};

const FAILURES_MAX: u32 = 3;
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    closed_until: Option<Instant>,
}

impl Breaker {
    /// Whether the node may be asked.
    pub(super) fn allows(&self, now: Instant) -> bool {
        self.closed_until.is_none_or(|until| now >= until)
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Not asked for the longest pause: another node has shown that it is behind.
    pub(super) fn rest(&mut self, now: Instant) {
        self.failures = FAILURES_MAX;
        self.closed_until = Some(now + PAUSE_MAX);
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX {
            let doublings = (self.failures - FAILURES_MAX).min(8);
            self.closed_until = Some(now + (PAUSE_MIN * 2_u32.pow(doublings)).min(PAUSE_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_three_failures_and_waits_longer_each_time() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        breaker.failed(start);
        breaker.failed(start);
        assert!(breaker.allows(start));
        breaker.failed(start);
        assert!(!breaker.allows(start));
        assert!(breaker.allows(start + PAUSE_MIN));
        breaker.failed(start);
        assert!(!breaker.allows(start + PAUSE_MIN));
        for _ in 0..100 {
            breaker.failed(start);
        }
        assert!(breaker.allows(start + PAUSE_MAX));
    }

    #[test]
    fn one_success_forgives_all() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        (0..5).for_each(|_| breaker.failed(start));
        breaker.succeeded();
        assert!(breaker.allows(start));
    }
}
