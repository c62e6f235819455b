//! A token bucket: bounds how much passes in the long run, and how much at once. No clock: the time is an argument.

use std::time::Duration;
use tokio::time::Instant;

/// What a bucket gains each second, and the maximum that it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub per_s: f64,
    pub burst: f64,
}

/// The amount that may still pass. The rate is an argument of each call, because it may change between two of them.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    left: f64,
    filled: Instant,
}

impl Bucket {
    /// Makes a full bucket; its size comes with the first use.
    pub const fn full(now: Instant) -> Self {
        Self { left: f64::INFINITY, filled: now }
    }

    /// Adds what has accrued since the last call. Returns the amount that may pass now, which is negative while a debt
    /// of [`Bucket::spend`] is left.
    pub fn fill(&mut self, rate: Rate, now: Instant) -> f64 {
        let since_s = now.saturating_duration_since(self.filled).as_secs_f64();
        (self.left, self.filled) = ((self.left + since_s * rate.per_s).min(rate.burst), now);
        self.left
    }

    /// Takes an amount if the bucket has as much; otherwise takes nothing.
    pub fn take(&mut self, amount: f64, rate: Rate, now: Instant) -> bool {
        let has = self.fill(rate, now) >= amount;
        if has {
            self.left -= amount;
        }
        has
    }

    /// Takes an amount that has already passed; the bucket goes into debt if it has less.
    pub fn spend(&mut self, amount: f64) {
        self.left -= amount;
    }

    /// Returns how long it takes until `amount` may pass, as of the last call.
    pub fn until(&self, amount: f64, rate: Rate) -> Duration {
        Duration::try_from_secs_f64((amount - self.left).max(0.0) / rate.per_s).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::time::advance;

    const RATE: Rate = Rate { per_s: 2.0, burst: 20.0 };

    fn taken(bucket: &mut Bucket, rate: Rate) -> usize {
        (0..1_000).filter(|_| bucket.take(1.0, rate, Instant::now())).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_and_then_the_rate() {
        let mut bucket = Bucket::full(Instant::now());
        assert_eq!(taken(&mut bucket, RATE), 20);
        assert_eq!(bucket.until(1.0, RATE), Duration::from_millis(500));
        advance(Duration::from_millis(1_500)).await;
        assert_eq!(taken(&mut bucket, RATE), 3);
        advance(Duration::from_secs(3_600)).await;
        assert_eq!(taken(&mut bucket, RATE), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_debt_is_paid_before_anything_passes() {
        let mut bucket = Bucket::full(Instant::now());
        bucket.fill(RATE, Instant::now());
        bucket.spend(24.0);
        assert_eq!(bucket.until(0.0, RATE), Duration::from_secs(2));
        advance(Duration::from_secs(2)).await;
        assert_eq!(taken(&mut bucket, RATE), 0);
        advance(Duration::from_millis(500)).await;
        assert_eq!(taken(&mut bucket, RATE), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_higher_rate_holds_from_the_next_call_on() {
        let (mut bucket, seated) = (Bucket::full(Instant::now()), Rate { per_s: 20.0, burst: 60.0 });
        assert_eq!(taken(&mut bucket, RATE), 20);
        advance(Duration::from_secs(1)).await;
        assert_eq!(taken(&mut bucket, seated), 20);
    }

    proptest! {
        #[test]
        fn in_no_span_does_more_pass_than_the_burst_and_the_rate(
            steps in prop::collection::vec((0_u64..2_000, 1_u32..40), 1..60),
            per_s in 1_u32..50, burst in 1_u32..50,
        ) {
            let rate = Rate { per_s: per_s.into(), burst: burst.into() };
            let start = Instant::now();
            let (mut bucket, mut now, mut passed) = (Bucket::full(start), start, Vec::new());
            for (wait_ms, amount) in steps {
                now += Duration::from_millis(wait_ms);
                if bucket.take(amount.into(), rate, now) {
                    passed.push((now, f64::from(amount)));
                }
            }
            for from in 0..passed.len() {
                let mut sum = 0.0;
                for (at, amount) in &passed[from..] {
                    sum += amount;
                    let span_s = at.duration_since(passed[from].0).as_secs_f64();
                    prop_assert!(sum <= rate.burst + span_s * rate.per_s + 1e-6);
                }
            }
        }
    }
}
