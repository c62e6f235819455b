//! Rates and their uncertainty, from counters. Only for showing: nothing here is stored or added up.
#![allow(clippy::cast_precision_loss, reason = "shown to three digits")]

use crate::Counters;

/// 97.5% quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A figure with its sample size and a 95% interval.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    pub value: f64,
    /// Number of opportunities.
    pub n: u64,
    pub low: f64,
    pub high: f64,
}

/// A share of `n`, with Wilson's interval; `None` where nothing was counted.
pub fn share(count: i128, of: i128) -> Option<Figure> {
    let n = u64::try_from(of).ok().filter(|n| *n > 0)?;
    let (size, rate) = (n as f64, count as f64 / of as f64);
    let (z2, middle) = (Z * Z, rate + Z * Z / (2.0 * size));
    let spread = Z * (rate * (1.0 - rate) / size + z2 / (4.0 * size * size)).max(0.0).sqrt();
    let scale = 1.0 + z2 / size;
    // Rounding leaves neither bound beside the end that it is at.
    let low = if count <= 0 { 0.0 } else { ((middle - spread) / scale).max(0.0) };
    let high = if count >= of { 1.0 } else { ((middle + spread) / scale).min(1.0) };
    Some(Figure { value: rate, n, low, high })
}

/// Won in big blinds per 100 hands, and the standard deviation per 100 hands.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Winning {
    /// One hand has no spread: without [`Self::deviation_100`] the bounds are the value, and no interval.
    pub per_100: Figure,
    pub deviation_100: Option<f64>,
}

/// Winning rate from the sum and the sum of squares of results in big blinds per hand; the interval assumes a normal
/// distribution.
pub fn winning(hands: i128, sum: f64, squares: f64) -> Option<Winning> {
    let n = u64::try_from(hands).ok().filter(|n| *n > 0)?;
    let size = n as f64;
    let mean = sum / size;
    // The unbiased estimate needs two hands.
    let variance = (n > 1).then(|| ((squares - sum * mean) / (size - 1.0)).max(0.0));
    let spread = variance.map_or(f64::INFINITY, |variance| Z * (variance / size).sqrt() * 100.0);
    let value = mean * 100.0;
    let (low, high) = (value - spread, value + spread);
    let bounded = variance.map_or((value, value), |_| (low, high));
    let per_100 = Figure { value, n, low: bounded.0, high: bounded.1 };
    Some(Winning { per_100, deviation_100: variance.map(|variance| variance.sqrt() * 10.0) })
}

/// Aggression is relative to calls: without calls there is no factor.
pub fn aggression_factor(counters: &Counters) -> Option<f64> {
    (counters.calls > 0).then(|| counters.aggressive as f64 / counters.calls as f64)
}

/// [`aggression_factor`] with its interval: bets and raises among those and calls are a share, of which this is the odds.
pub fn aggression(counters: &Counters) -> Option<Figure> {
    let value = aggression_factor(counters)?;
    let Figure { n, low, high, .. } = share(counters.aggressive, counters.aggressive + counters.calls)?;
    let odds = |share: f64| share / (1.0 - share);
    Some(Figure { value, n, low: odds(low), high: odds(high) })
}

/// Every rate by its name, in the order in which they are shown.
pub fn shares(counters: &Counters) -> [(&'static str, Option<Figure>); 22] {
    let c = counters;
    [
        ("vpip", share(c.vpip, c.hands - c.walks)),
        ("pfr", share(c.pfr, c.pfr_of)),
        ("threeBet", share(c.three_bet, c.three_bet_of)),
        ("fourBet", share(c.four_bet, c.four_bet_of)),
        ("openFoldToThreeBet", share(c.open_fold_three_bet, c.open_fold_three_bet_of)),
        ("foldToThreeBet", share(c.fold_three_bet, c.fold_three_bet_of)),
        ("steal", share(c.steal, c.steal_of)),
        ("foldToSteal", share(c.fold_steal, c.fold_steal_of)),
        ("cbetFlop", share(c.cbet_flop, c.cbet_flop_of)),
        ("cbetTurn", share(c.cbet_turn, c.cbet_turn_of)),
        ("cbetRiver", share(c.cbet_river, c.cbet_river_of)),
        ("foldToCbetFlop", share(c.fold_cbet_flop, c.fold_cbet_flop_of)),
        ("foldToCbetTurn", share(c.fold_cbet_turn, c.fold_cbet_turn_of)),
        ("foldToCbetRiver", share(c.fold_cbet_river, c.fold_cbet_river_of)),
        ("checkRaise", share(c.check_raise, c.check_raise_of)),
        ("aggressionFrequency", share(c.aggressive, c.aggressive + c.calls + c.folds)),
        ("wentToShowdown", share(c.showdowns, c.saw_flop)),
        ("wonAtShowdown", share(c.won_showdown, c.showdowns)),
        ("wonWhenSawFlop", share(c.won_saw_flop, c.saw_flop)),
        ("sawFlop", share(c.saw_flop, c.hands)),
        ("allInAdjusted", share(c.all_in_hands, c.hands)),
        ("allInUnknown", share(c.all_in_unknown, c.hands)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-3
    }

    /// Values of the usual tables of Wilson's interval.
    #[test]
    fn wilsons_interval_stays_within_0_and_1_and_nothing_counted_is_no_figure() {
        assert_eq!(share(0, 0), None);
        for n in 1..=2_000 {
            let (none, all) = (share(0, n).unwrap(), share(n, n).unwrap());
            assert_eq!((none.value, none.low, all.value, all.high), (0.0, 0.0, 1.0, 1.0), "{n}");
            assert!(none.high > 0.0 && all.low < 1.0, "{n}");
        }
        let none = share(0, 10).unwrap();
        assert!(near(none.low, 0.0) && near(none.high, 0.2775), "{none:?}");
        let all = share(3, 3).unwrap();
        assert!(near(all.low, 0.4385) && near(all.high, 1.0), "{all:?}");
        let half = share(50, 100).unwrap();
        assert!(near(half.low, 0.4038) && near(half.high, 0.5962), "{half:?}");
    }

    #[test]
    fn an_aggression_factor_is_the_odds_of_a_share_and_needs_a_call() {
        let of = |aggressive, calls| aggression(&Counters { aggressive, calls, ..Counters::default() });
        assert_eq!((of(0, 0), of(3, 0)), (None, None));
        // Half of 100 by Wilson: 0.4038 to 0.5962.
        let even = of(50, 50).unwrap();
        assert!(near(even.value, 1.0) && near(even.low, 0.6773) && near(even.high, 1.4764), "{even:?}");
        assert_eq!(even.n, 100);
        let passive = of(0, 10).unwrap();
        assert!(passive.value == 0.0 && passive.low == 0.0 && near(passive.high, 0.3841), "{passive:?}");
    }

    #[test]
    fn a_win_rate_has_the_normal_interval_of_its_mean() {
        // Results +2, -1, -1, +4: mean 1, variance 6.
        let winning = winning(4, 4.0, 22.0).unwrap();
        assert!(near(winning.per_100.value, 100.0));
        assert!(near(winning.deviation_100.unwrap(), 24.494_9));
        assert!(near(winning.per_100.high, 100.0 + 1.959_96 * (6.0_f64 / 4.0).sqrt() * 100.0));
        assert!(super::winning(1, 2.0, 4.0).unwrap().deviation_100.is_none());
    }
}
