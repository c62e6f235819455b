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

/// Mean of values with a bootstrap interval.
pub fn mean(values: &[f64], seed: u64) -> Figure {
    let n = values.len();
    if n == 0 {
        return Figure::default();
    }
    let mut random = Random::new(seed);
    let of = |pick: &mut dyn FnMut(usize) -> f64| (0..n).map(pick).sum::<f64>() / n as f64;
    let value = of(&mut |at| values[at]);
    let mut resampled: Vec<f64> = (0..RESAMPLES).map(|_| of(&mut |_| values[random.below(n)])).collect();
    let (low, high) = middle_95(&mut resampled);
    Figure { value, low, high, n }
}

/// A share with Wilson's interval.
pub fn share(hits: usize, n: usize) -> Figure {
    if n == 0 {
        return Figure::default();
    }
    const Z: f64 = 1.96;
    let (count, p) = (n as f64, hits as f64 / n as f64);
    let center = (p + Z * Z / (2.0 * count)) / (1.0 + Z * Z / count);
    let half = Z * (p * (1.0 - p) / count + Z * Z / (4.0 * count * count)).sqrt() / (1.0 + Z * Z / count);
    let high = if hits == n { 1.0 } else { (center + half).min(1.0) };
    // With no hits among n, the rule of three is tighter than Wilson, and exact.
    let high = if hits == 0 { (1.0 - 0.05f64.powf(1.0 / count)).min(1.0) } else { high };
    Figure { value: p, low: if hits == 0 { 0.0 } else { (center - half).max(0.0) }, high, n }
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

    #[test]
    fn no_alarm_among_thirty_thousand_bounds_the_rate_at_one_in_ten_thousand() {
        let figure = share(0, 30_000);
        assert!(figure.high < 1.0e-4 && figure.high > 0.9e-4);
        let all = share(20, 20);
        assert!(all.low > 0.8 && all.high == 1.0);
    }
}
