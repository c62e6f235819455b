//! GCRA (the leaky bucket as a meter, ITU-T I.371) as functions of a time per key.

use std::time::Duration;

/// Requests a second in the long run, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_s: u32,
    pub burst: u32,
}

impl Rate {
    /// Microseconds that one request costs.
    pub fn interval_us(self) -> u64 {
        1_000_000 / u64::from(self.per_s.max(1))
    }

    /// Microseconds that may be spent ahead of time.
    pub fn tolerance_us(self) -> u64 {
        self.interval_us() * u64::from(self.burst.max(1))
    }

    /// Multiplies the rate.
    #[must_use]
    pub fn times(self, share: u32) -> Self {
        Self { per_s: self.per_s.saturating_mul(share), burst: self.burst.saturating_mul(share) }
    }

    /// The verdict after a request that passed or was refused, with this many microseconds spent.
    pub fn verdict(self, passed: bool, spent_us: u64) -> Verdict {
        let (interval, tolerance) = (self.interval_us(), self.tolerance_us());
        let left = tolerance.saturating_sub(spent_us) / interval;
        let wait = if passed { 0 } else { (spent_us + interval).saturating_sub(tolerance) };
        Verdict {
            passed,
            rate: self,
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            reset: Duration::from_micros(spent_us),
            retry: Duration::from_micros(wait),
        }
    }
}

/// A limiter's answer to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub passed: bool,
    pub rate: Rate,
    /// Requests that would pass now.
    pub remaining: u32,
    /// Time until the whole burst is available again.
    pub reset: Duration,
    /// Time until a refused request would pass.
    pub retry: Duration,
}

/// Applies one request to several keys: all advance if each of them allows it; otherwise none does.
pub fn gcra_all(counts: &[(Option<u64>, Rate)], now_us: u64) -> (Vec<u64>, Option<Verdict>) {
    let (rates, looked): (Vec<Rate>, Vec<_>) =
        counts.iter().map(|(tat, rate)| (*rate, gcra(*tat, now_us, *rate))).unzip();
    let next: Option<Vec<u64>> = looked.iter().map(|(next, _)| *next).collect();
    let spent = |tat: u64| tat.saturating_sub(now_us);
    match next {
        Some(next) => {
            let verdict = strictest(&rates, true, &next.iter().copied().map(spent).collect::<Vec<_>>());
            (next, verdict)
        }
        None => {
            let tats =
                counts.iter().map(|(tat, rate)| tat.map_or(0, |tat| spent(tat).min(rate.tolerance_us())));
            (Vec::new(), strictest(&rates, false, &tats.collect::<Vec<_>>()))
        }
    }
}

/// Combines the verdicts of several keys: the longest wait of those that refuse, else the smallest remainder.
pub fn strictest(rates: &[Rate], passed: bool, spent_us: &[u64]) -> Option<Verdict> {
    let verdicts = rates.iter().zip(spent_us).map(|(rate, spent)| rate.verdict(passed, *spent));
    match passed {
        true => verdicts.min_by_key(|verdict| verdict.remaining),
        false => verdicts.max_by_key(|verdict| verdict.retry),
    }
}

/// Applies one request to a key. Its state is the theoretical arrival time in microseconds, which a passing request
/// advances.
pub fn gcra(tat_us: Option<u64>, now_us: u64, rate: Rate) -> (Option<u64>, Verdict) {
    let tolerance = rate.tolerance_us();
    // A clock that was set back, for instance by a failover, costs nobody more than one burst.
    let tat = tat_us.map_or(now_us, |tat| tat.clamp(now_us, now_us + tolerance));
    let next = tat + rate.interval_us();
    if next - now_us > tolerance {
        (None, rate.verdict(false, tat - now_us))
    } else {
        (Some(next), rate.verdict(true, next - now_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_s: 2, burst: 3 };

    #[test]
    fn a_clock_that_is_set_back_costs_no_more_than_a_burst() {
        let (next, _) = gcra(None, 9_000_000_000, RATE);
        let (_, verdict) = gcra(next, 1_000, RATE);
        assert!(!verdict.passed && verdict.retry <= Duration::from_millis(1500), "{verdict:?}");
    }
}
