//! A histogram of latencies: fixed memory, one addition a sample, quantiles within one part in 128.

use serde::Serialize;
use std::time::Duration;

/// Buckets of each power of two, as a power of two.
const FINE: u32 = 7;
/// Longer latencies, in microseconds, count as this one.
const LONGEST_US: u64 = 60_000_000;

/// A histogram in microseconds. Values up to 256 have a bucket each; above, every power of two has 128 buckets.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    counts: Vec<u64>,
    count: u64,
    longest_us: u64,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    pub count: u64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

fn bucket(us: u64) -> usize {
    let shift = (u64::BITS - us.leading_zeros()).saturating_sub(FINE + 1);
    let place = (u64::from(shift) << FINE) + (us >> shift);
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The highest value of a bucket.
fn highest(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    let shift = (bucket >> FINE).saturating_sub(1);
    ((bucket - (shift << FINE) + 1) << shift) - 1
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; bucket(LONGEST_US) + 1], count: 0, longest_us: 0 }
    }
}

impl Latencies {
    pub(crate) fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US).min(LONGEST_US);
        if let Some(count) = self.counts.get_mut(bucket(us)) {
            *count += 1;
        }
        self.count += 1;
        self.longest_us = self.longest_us.max(us);
    }

    /// Quantiles by nearest rank.
    pub(crate) fn quantiles(&self) -> Quantiles {
        // At most a minute, so the value fits; one division rounds once.
        let ms = |us: u64| f64::from(u32::try_from(us).unwrap_or(u32::MAX)) / 1_000.0;
        let at = |thousandth: u64| {
            let rank = (self.count * thousandth).div_ceil(1_000).max(1);
            let mut below = 0;
            let bucket = self.counts.iter().position(|count| {
                below += count;
                below >= rank
            });
            ms(bucket.map_or(0, highest).min(self.longest_us))
        };
        let (count, max) = (self.count, ms(self.longest_us));
        Quantiles { count, p50: at(500), p90: at(900), p99: at(990), p999: at(999), max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_in_a_bucket_that_is_at_most_one_part_in_128_wide() {
        let mut before = 0;
        for us in (0..10_000).chain((0..600).map(|step| step * 100_000)).chain([LONGEST_US]) {
            let highest = highest(bucket(us));
            assert!(us <= highest && highest - us <= us / 128, "{us} is in the bucket up to {highest}");
            assert!(
                us == 0 || bucket(us) == bucket(us - 1) || self::highest(bucket(us - 1)) == us - 1,
                "{us}"
            );
            before = before.max(bucket(us));
        }
        assert_eq!(before + 1, Latencies::default().counts.len());
    }

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantiles(), Quantiles::default());
        (1..=200).for_each(|us| latencies.record(Duration::from_micros(us)));
        let Quantiles { count, p50, p90, p99, p999, max } = latencies.quantiles();
        assert_eq!((count, p50, p90, p99, p999, max), (200, 0.1, 0.18, 0.198, 0.2, 0.2));
        latencies.record(Duration::from_secs(3_600));
        assert_eq!(latencies.quantiles().max, 60_000.0);
    }
}
