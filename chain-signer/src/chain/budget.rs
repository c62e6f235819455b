//! Budget of requests a minute, and their priorities.

use purr_runtime::bucket::{Bucket, Rate};
use tokio::time::Instant;

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Settlement, the vault's log, and what players ask for.
    Settlement,
    /// Comparisons of ledger and chain, which can wait.
    Comparison,
}

impl Lane {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Settlement => "settlement",
            Self::Comparison => "comparison",
        }
    }
}

/// Comparisons get one request in this many.
const COMPARISON_SHARE: f64 = 10.0;
/// A comparison leaves this part of a minute's requests to settlement.
const KEPT: f64 = 0.25;

/// A minute's requests at once, and as many a minute in the long run.
fn a_minute(requests: f64) -> Rate {
    Rate { per_s: requests / 60.0, burst: requests }
}

/// Budget of requests a minute over all nodes. Comparisons get a tenth of it, and nothing while settlement needs the
/// rest.
#[derive(Debug)]
pub(super) struct Budget {
    per_minute: f64,
    all: Bucket,
    comparison: Bucket,
}

impl Budget {
    pub(super) fn new(per_minute: u32, now: Instant) -> Self {
        Self { per_minute: per_minute.into(), all: Bucket::full(now), comparison: Bucket::full(now) }
    }

    /// Requests of a lane in a minute.
    fn of(&self, lane: Lane) -> f64 {
        match lane {
            Lane::Settlement => self.per_minute,
            Lane::Comparison => self.per_minute / COMPARISON_SHARE,
        }
    }

    /// Takes `requests` from the budget if that many are left; otherwise takes none.
    pub(super) fn take(&mut self, lane: Lane, requests: u32, now: Instant) -> bool {
        let requests = f64::from(requests);
        let left = self.all.fill(a_minute(self.per_minute), now);
        match lane {
            Lane::Settlement if left < requests => return false,
            Lane::Settlement => {}
            Lane::Comparison => {
                let kept = self.per_minute * KEPT;
                let share = a_minute(self.of(Lane::Comparison));
                if left < requests + kept || !self.comparison.take(requests, share, now) {
                    return false;
                }
            }
        }
        self.all.spend(requests);
        true
    }

    /// Requests of one lane in so many seconds, at most.
    pub(super) fn share(&self, lane: Lane, seconds: u64) -> usize {
        #[allow(clippy::cast_precision_loss, reason = "seconds between two comparisons are few")]
        let most = self.of(lane) * (seconds as f64 / 60.0).min(1.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2^32 a minute")]
        let most = most.floor() as usize;
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn taken(budget: &mut Budget, lane: Lane, now: Instant) -> usize {
        std::iter::repeat_with(|| budget.take(lane, 1, now)).take_while(|took| *took).count()
    }

    #[test]
    fn a_budget_gives_a_minutes_requests_at_once_and_then_as_time_passes() {
        let start = Instant::now();
        let mut budget = Budget::new(100, start);
        assert_eq!(taken(&mut budget, Lane::Settlement, start), 100);
        assert_eq!(taken(&mut budget, Lane::Settlement, start), 0);
        assert_eq!(taken(&mut budget, Lane::Settlement, start + Duration::from_secs(30)), 50);
        assert_eq!(taken(&mut budget, Lane::Settlement, start + Duration::from_secs(3_000)), 100);
    }

    #[test]
    fn a_comparison_has_a_tenth_and_leaves_settlement_a_quarter_of_a_minute() {
        let start = Instant::now();
        let mut budget = Budget::new(100, start);
        assert_eq!(taken(&mut budget, Lane::Comparison, start), 10);
        assert_eq!(taken(&mut budget, Lane::Comparison, start + Duration::from_secs(60)), 10);
        let later = start + Duration::from_secs(600);
        (0..80).for_each(|_| assert!(budget.take(Lane::Settlement, 1, later)));
        assert_eq!(taken(&mut budget, Lane::Comparison, later), 0, "20 are left, which are settlement's");
        assert_eq!(taken(&mut budget, Lane::Settlement, later), 20);
    }

    #[test]
    fn what_does_not_fit_takes_nothing() {
        let start = Instant::now();
        let mut budget = Budget::new(100, start);
        assert!(!budget.take(Lane::Comparison, 11, start) && !budget.take(Lane::Settlement, 101, start));
        assert!(budget.take(Lane::Settlement, 100, start));
        assert_eq!(budget.share(Lane::Comparison, 60), 10);
        assert_eq!((budget.share(Lane::Comparison, 30), budget.share(Lane::Comparison, 600)), (5, 10));
    }
}
