//! Counts of two players who share hands.

use crate::pack::packed;

/// Raw statistics of one direction, in the order of [`PairStats::sums`].
pub const STATISTICS: usize = 9;
pub(crate) const TRANSFER: usize = 0;
pub(crate) const LARGE: usize = 1;
pub(crate) const SOFT: usize = 2;
pub(crate) const ISOLATION: usize = 3;
pub(crate) const EXACT: usize = 4;
pub(crate) const DEPENDENCE: usize = 5;
pub(crate) const RAISES: usize = 6;
pub(crate) const AHEAD: usize = 7;
pub(crate) const FOLDS_TO: usize = 8;

/// Evidence is kept for each statistic's upper tail, and for both tails where both mean something.
pub(crate) const EVIDENCE: usize = 5;
const LISTS: usize = 9;

/// A hand, as the detector numbers tables.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cited {
    pub(crate) weight: f32,
    pub(crate) table: u32,
    pub(crate) hand: u32,
}

/// Sums of one statistic over the hands in which it could be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    pub(crate) n: u32,
    pub(crate) sum: f64,
    pub(crate) squares: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, value: f64) {
        self.n += 1;
        self.sum += value;
        self.squares += value * value;
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        Self {
            n: self.n.saturating_sub(other.n),
            sum: self.sum - other.sum,
            squares: (self.squares - other.squares).max(0.0),
        }
    }

    /// The mean, drawn toward another one that counts as this many hands.
    pub(crate) fn mean_toward(&self, other: f64, hands: f64) -> f64 {
        (self.sum + other * hands) / (f64::from(self.n) + hands)
    }

    /// The mean, drawn toward 0 as by this many hands.
    pub(crate) fn mean(&self, toward_zero: f64) -> f64 {
        self.sum / (f64::from(self.n) + toward_zero)
    }
}

/// One direction of a pair: the actor's behaviour towards the partner.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PairStats {
    pub(crate) sums: [Sum; STATISTICS],
    pub(crate) evidence: [[Cited; EVIDENCE]; LISTS],
}

packed! {
    Cited { weight, table, hand }
    Sum { n, sum, squares }
    PairStats { sums, evidence }
    Pair { shared, forth, back }
}

/// The list of a statistic's upper or lower tail.
pub(crate) fn list_of(statistic: usize, upper: bool) -> usize {
    match (statistic, upper) {
        (TRANSFER | LARGE, _) => 0,
        (SOFT, _) => 1,
        (ISOLATION, _) => 2,
        (FOLDS_TO, _) => 3,
        (AHEAD, _) => 4,
        (RAISES, true) => 5,
        (RAISES, false) => 6,
        (_, true) => 7,
        (_, false) => 8,
    }
}

impl PairStats {
    pub(crate) fn add(&mut self, statistic: usize, value: f32, table: u32, hand: u32) {
        self.sums[statistic].add(f64::from(value));
        let list = &mut self.evidence[list_of(statistic, value > 0.0)];
        let two_sided = matches!(statistic, EXACT | DEPENDENCE | RAISES);
        let weight = if two_sided { value.abs() } else { value };
        if let Some(known) = list.iter().position(|cited| cited.table == table && cited.hand == hand) {
            list[known].weight = list[known].weight.max(weight);
            list[..=known].sort_by(|a, b| b.weight.total_cmp(&a.weight));
        } else if weight > list[EVIDENCE - 1].weight {
            list[EVIDENCE - 1] = Cited { weight, table, hand };
            list.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        }
    }
}

/// Both directions of two players; the player with the lower number comes first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pair {
    pub(crate) shared: u32,
    pub(crate) forth: PairStats,
    pub(crate) back: PairStats,
}
