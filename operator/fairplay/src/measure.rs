//! Figures: how well ranked signals and alarms agree with the truth.

use purr_fairplay_hands::Random;
use serde::Serialize;

/// A figure with its 95% interval, by the bootstrap or by Wilson.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figure {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// Number of cases.
    pub n: usize,
}

/// Resamples of the bootstrap.
const RESAMPLES: usize = 400;
/// Fewer cases than this look more alike than they are: resamples of three that were found say that all are. Wilson's interval
/// takes their place, which is wide enough for the mean of any values between 0 and 1.
const RESAMPLED_MIN: usize = 30;
/// 97.5% quantile of the normal distribution.
const Z: f64 = 1.96;

/// Average precision of scores, the highest first, with weights. Ties count as one step.
fn average_precision_weighted(sorted: &[(f64, bool)], weights: &[f64]) -> f64 {
    let positives: f64 = sorted.iter().zip(weights).filter(|((_, guilty), _)| *guilty).map(|(_, w)| w).sum();
    if positives == 0.0 {
        return 0.0;
    }
    let (mut hits, mut seen, mut sum) = (0.0, 0.0, 0.0);
    let mut at = 0;
    while at < sorted.len() {
        let (mut tied_hits, start) = (0.0, at);
        while at < sorted.len() && sorted[at].0 == sorted[start].0 {
            seen += weights[at];
            tied_hits += if sorted[at].1 { weights[at] } else { 0.0 };
            at += 1;
        }
        hits += tied_hits;
        if tied_hits > 0.0 {
            sum += tied_hits * hits / seen;
        }
    }
    sum / positives
}

/// Average precision of (score, guilty), with an interval over resamples of the cases.
pub fn average_precision(cases: &[(f64, bool)], seed: u64) -> Figure {
    let mut sorted = cases.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let n = sorted.iter().filter(|(_, guilty)| *guilty).count();
    let value = average_precision_weighted(&sorted, &vec![1.0; sorted.len()]);
    if n < RESAMPLED_MIN {
        return of_few(value, n);
    }
    let mut random = Random::new(seed);
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            // Poisson weights: the bootstrap of a large sample.
            let weights: Vec<f64> = sorted.iter().map(|_| poisson_one(&mut random)).collect();
            average_precision_weighted(&sorted, &weights)
        })
        .collect();
    let (low, high) = middle_95(&mut resampled);
    Figure { value, low, high, n }
}

fn poisson_one(random: &mut Random) -> f64 {
    let (mut count, mut left) = (0.0, random.unit());
    let mut probability = (-1.0f64).exp();
    while left >= probability && count < 12.0 {
        left -= probability;
        count += 1.0;
        probability /= count;
    }
    count
}

fn middle_95(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len() as f64) * share) as usize).copied();
    (at(0.025).unwrap_or(0.0), at(0.975).or(values.last().copied()).unwrap_or(0.0))
}

/// The mean of so many values between 0 and 1.
fn of_few(value: f64, n: usize) -> Figure {
    if n == 0 {
        return Figure::default();
    }
    let (low, high) = wilson(value, n as f64);
    Figure { value, low, high, n }
}

/// Mean of values between 0 and 1 with a bootstrap interval.
pub fn mean(values: &[f64], seed: u64) -> Figure {
    let n = values.len();
    if n < RESAMPLED_MIN {
        return of_few(values.iter().sum::<f64>() / n.max(1) as f64, n);
    }
    let mut random = Random::new(seed);
    let of = |pick: &mut dyn FnMut(usize) -> f64| (0..n).map(pick).sum::<f64>() / n as f64;
    let value = of(&mut |at| values[at]);
    let mut resampled: Vec<f64> = (0..RESAMPLES).map(|_| of(&mut |_| values[random.below(n)])).collect();
    let (low, high) = middle_95(&mut resampled);
    Figure { value, low, high, n }
}

fn wilson(p: f64, count: f64) -> (f64, f64) {
    let scale = 1.0 + Z * Z / count;
    let center = (p + Z * Z / (2.0 * count)) / scale;
    let half = Z * (p * (1.0 - p) / count + Z * Z / (4.0 * count * count)).max(0.0).sqrt() / scale;
    let (low, high) = ((center - half).max(0.0), (center + half).min(1.0));
    (if p <= 0.0 { 0.0 } else { low }, if p >= 1.0 { 1.0 } else { high })
}

/// A share with Wilson's interval.
pub fn share(hits: usize, n: usize) -> Figure {
    if n == 0 {
        return Figure::default();
    }
    let value = hits as f64 / n as f64;
    let (low, high) = wilson(value, n as f64);
    // Nothing among n: the rule of three is tighter than Wilson, and exact.
    let high = if hits == 0 { (1.0 - 0.05f64.powf(1.0 / n as f64)).min(1.0) } else { high };
    Figure { value, low, high, n }
}

/// Events per unit of exposure, which need not be a whole number and may be less than the events, with the exact interval of
/// Poisson counts; of no event at all the upper bound at 95%, as in [`share`].
pub fn rate(events: usize, exposure: f64) -> Figure {
    if exposure <= 0.0 {
        return Figure::default();
    }
    let tail = if events == 0 { 0.05 } else { 0.025 };
    // P(at most `events`) falls as the mean grows.
    let high = mean_where(|mean| poisson_at_most(events, mean) > tail, events);
    let low = match events.checked_sub(1) {
        Some(fewer) => mean_where(|mean| poisson_at_most(fewer, mean) > 1.0 - 0.025, events),
        None => 0.0,
    };
    Figure {
        value: events as f64 / exposure,
        low: low / exposure,
        high: high / exposure,
        n: exposure as usize,
    }
}

/// The mean up to which `below` holds, near so many events.
fn mean_where(below: impl Fn(f64) -> bool, events: usize) -> f64 {
    let (mut low, mut high) = (0.0, events as f64 + 10.0 * (events as f64 + 1.0).sqrt());
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        *(if below(middle) { &mut low } else { &mut high }) = middle;
    }
    low
}

/// P(X <= count) of a Poisson count with this mean, term by term as logarithms, which do not underflow.
fn poisson_at_most(count: usize, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    let (mut term, mut sum) = (-mean, (-mean).exp());
    for at in 1..=count {
        term += (mean / at as f64).ln();
        sum += term.exp();
    }
    sum.min(1.0)
}

/// Average precision of the first five hands against those in which cheating changed an action.
pub fn evidence_precision<T: PartialEq>(cited: &[T], truth: impl Fn(&T) -> bool, truths: usize) -> f64 {
    if truths == 0 {
        return 0.0;
    }
    let (mut hits, mut sum) = (0.0, 0.0);
    for (place, hand) in cited.iter().take(5).enumerate() {
        if truth(hand) {
            hits += 1.0;
            sum += hits / (place + 1) as f64;
        }
    }
    sum / truths.min(5) as f64
}

/// The score that a share `rate` of the honest reaches or passes.
pub fn honest_quantile(honest: &mut [f64], rate: f64) -> f64 {
    if honest.is_empty() {
        return f64::INFINITY;
    }
    honest.sort_by(|a, b| b.total_cmp(a));
    honest[((honest.len() as f64 * rate) as usize).min(honest.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_precision_is_one_for_a_perfect_order_and_the_prevalence_for_ties() {
        let perfect = [(3.0, true), (2.0, true), (1.0, false), (0.0, false)];
        assert_eq!(average_precision(&perfect, 1).value, 1.0);
        let tied = [(1.0, true), (1.0, false), (1.0, false), (1.0, false)];
        assert_eq!(average_precision(&tied, 1).value, 0.25);
        let second = [(2.0, false), (1.0, true)];
        assert_eq!(average_precision(&second, 1).value, 0.5);
    }

    #[test]
    fn evidence_counts_rank_and_at_most_five_hands() {
        assert_eq!(evidence_precision(&[1, 2, 3, 4, 5], |hand| *hand < 6, 100), 1.0);
        assert_eq!(evidence_precision(&[1, 2], |hand| *hand == 2, 1), 0.5);
        assert_eq!(evidence_precision(&[1, 2], |_| true, 0), 0.0);
    }

    /// Bounds of the usual tables (Garwood 1936).
    #[test]
    fn a_rate_has_the_exact_interval_of_poisson_counts_also_above_one() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-3;
        for (events, low, high) in
            [(0, 0.0, 2.9957), (1, 0.0253, 5.5716), (2, 0.2422, 7.2247), (10, 4.7954, 18.3904)]
        {
            let of = rate(events, 1.0);
            assert!(near(of.low, low) && near(of.high, high), "{of:?}");
        }
        // Five players in three periods: no share.
        let of = rate(5, 3.0);
        assert!(near(of.value, 1.6667) && of.low < of.value && of.high > of.value, "{of:?}");
        let many = rate(2_000, 1.0);
        assert!(
            (1_910.0..1_920.0).contains(&many.low) && (2_085.0..2_095.0).contains(&many.high),
            "{many:?}"
        );
        assert_eq!(rate(3, 0.0), Figure::default());
    }

    #[test]
    fn few_cases_that_were_all_found_do_not_look_certain() {
        let three = [(3.0, true), (2.0, true), (1.5, true), (1.0, false)];
        let of = average_precision(&three, 1);
        assert_eq!((of.value, of.high, of.n), (1.0, 1.0, 3));
        assert!(of.low < 0.45, "{of:?}");
        let one = mean(&[0.5], 1);
        assert!(one.low < 0.1 && one.high > 0.9, "{one:?}");
        assert_eq!(average_precision(&[(1.0, false)], 1), Figure::default());
        assert_eq!(mean(&[], 1), Figure::default());
    }

    #[test]
    fn no_alarm_among_thirty_thousand_bounds_the_rate_at_one_in_ten_thousand() {
        let figure = share(0, 30_000);
        assert!(figure.high < 1.0e-4 && figure.high > 0.9e-4);
        let all = share(20, 20);
        assert!(all.low > 0.8 && all.high == 1.0);
    }
}
