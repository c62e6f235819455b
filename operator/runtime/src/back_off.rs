//! Waits before something that failed is tried again. All programs take them from here.

use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Bounds of the waits between attempts: the first wait, and the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    first: Duration,
    longest: Duration,
}

impl Delays {
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Returns the wait after `failures` earlier failures in a row: `first` for none, twice as long for each, at most
    /// `longest`.
    pub fn after(self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures).map(|times| self.first.saturating_mul(times));
        doubled.unwrap_or(self.longest).min(self.longest)
    }
}

/// Counts the failures in a row of one thing, and gives the wait after each.
#[derive(Clone, Copy, Debug)]
pub struct BackOff {
    delays: Delays,
    failures: u32,
}

impl BackOff {
    pub const fn new(delays: Delays) -> Self {
        Self { delays, failures: 0 }
    }

    /// Returns the wait after the next failure without counting one.
    pub fn peek(&self) -> Duration {
        self.delays.after(self.failures)
    }

    /// Counts a failure and returns the wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.peek();
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// Forgets all failures: the last attempt was a success.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure and sleeps. Returns false, at once, when `stop` is cancelled.
    pub async fn wait(&mut self, stop: &CancellationToken) -> bool {
        tokio::select! {
            () = sleep(self.next_wait()) => true,
            () = stop.cancelled() => false,
        }
    }
}

/// Returns a random time between half of `wait` and all of `wait`, so that callers that failed together do not retry
/// together.
pub fn jittered(wait: Duration) -> Duration {
    let share = getrandom::u32().unwrap_or(u32::MAX);
    let half = wait / 2;
    half + half.mul_f64(f64::from(share) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::time::Instant;

    const DELAYS: Delays = Delays::new(Duration::from_millis(250), Duration::from_secs(10));

    #[test]
    fn waits_double_up_to_the_longest_and_a_success_starts_them_again() {
        let mut back_off = BackOff::new(DELAYS);
        let waits: Vec<u128> = (0..8).map(|_| back_off.next_wait().as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        back_off.reset();
        assert_eq!((back_off.peek(), back_off.next_wait()), (DELAYS.first, DELAYS.first));
        assert_eq!(back_off.peek(), DELAYS.first * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn it_sleeps_as_long_as_it_says_and_not_at_all_once_stopped() {
        let (mut back_off, stop) = (BackOff::new(DELAYS), CancellationToken::new());
        let begun = Instant::now();
        assert!(back_off.wait(&stop).await && back_off.wait(&stop).await);
        assert_eq!(begun.elapsed(), Duration::from_millis(750));
        stop.cancel();
        assert!(!back_off.wait(&stop).await);
        assert_eq!(begun.elapsed(), Duration::from_millis(750));
    }

    #[test]
    fn waits_with_jitter_differ() {
        let waits: Vec<Duration> = (0..64).map(|_| jittered(Duration::from_secs(8))).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }

    proptest! {
        #[test]
        fn no_wait_is_shorter_than_the_one_before_nor_longer_than_the_longest(
            first_ms in 0_u64..100_000, longest_ms in 0_u64..10_000_000, failures in 0_u32..u32::MAX,
        ) {
            let delays = Delays::new(Duration::from_millis(first_ms), Duration::from_millis(longest_ms));
            let (wait, next) = (delays.after(failures), delays.after(failures + 1));
            prop_assert!(wait <= next && next <= delays.longest);
            prop_assert!(next == delays.longest || next == wait * 2);
        }

        #[test]
        fn jitter_keeps_at_least_half_and_at_most_all(wait_ns in 0_u64..1_000_000_000_000_000) {
            let wait = Duration::from_nanos(wait_ns);
            let jittered = jittered(wait);
            // The product of a float may round up.
            prop_assert!(jittered >= wait / 2 && jittered <= wait + Duration::from_micros(1), "{wait:?} {jittered:?}");
        }
    }
}
