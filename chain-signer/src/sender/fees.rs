//! Fees of a transaction: decisions as functions of the chain's figures.

use crate::journal::Fees;
use std::collections::VecDeque;

/// Heads that a new one is compared with.
const HEADS_MAX: usize = 20;
/// EIP-1559 raises the base fee by an eighth a block at most, so a real one needs 18 blocks for this factor.
const FACTOR_MAX: u64 = 8;
/// Below this many heads there is nothing to compare with.
const HEADS_MIN: usize = 3;

/// Base fees of the last heads, in wei per gas.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    fees: VecDeque<u64>,
    /// Number of the last head that counted.
    last: Option<u64>,
}

impl Recent {
    /// A head counts once, however often it is looked at.
    pub(super) fn saw(&mut self, number: u64, base_fee: u64) {
        if self.last == Some(number) {
            return;
        }
        self.last = Some(number);
        if self.fees.len() == HEADS_MAX {
            self.fees.pop_front();
        }
        self.fees.push_back(base_fee);
    }

    /// A head's base fee, as far as recent heads make it likely: one wild head must not empty the sender's account. Where
    /// the rise is real, the median follows within ten heads.
    pub(super) fn sane(&self, base_fee: u64) -> u64 {
        if self.fees.len() < HEADS_MIN {
            return base_fee;
        }
        let mut sorted: Vec<u64> = self.fees.iter().copied().collect();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(base_fee);
        base_fee.min(median.max(1).saturating_mul(FACTOR_MAX))
    }
}

/// Most wei that the sender pays; `None`: no bound.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub transaction: Option<u128>,
    /// Within an hour, over all transactions.
    pub hour: Option<u128>,
}

/// Why a transaction has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a transaction needs up to {needed} wei at this base fee and may cost {left} (--transaction-fee-max-gwei, \
     --hour-fee-max-gwei): it waits"
)]
pub(super) struct OverBudget {
    pub needed: u128,
    pub left: u128,
}

/// Holds fees to what may still be paid. A bound below what the head asks makes no transaction that no block takes: it
/// makes it wait.
///
/// # Errors
/// Where the bound is below the base fee.
pub(super) fn bounded(fees: Fees, base_fee: u64, bounds: Bounds, spent: u128) -> Result<Fees, OverBudget> {
    let hour = bounds.hour.map(|hour| hour.saturating_sub(spent));
    let Some(left) = [bounds.transaction, hour].into_iter().flatten().min() else { return Ok(fees) };
    let gas = u128::from(fees.gas.max(1));
    let most = u64::try_from(left / gas).unwrap_or(u64::MAX);
    if most >= fees.max_fee {
        return Ok(fees);
    }
    if most < base_fee.max(1) {
        return Err(OverBudget { needed: gas.saturating_mul(base_fee.max(1).into()), left });
    }
    Ok(Fees { max_fee: most, priority_fee: fees.priority_fee.min(most), ..fees })
}

/// Whether a pool that has the old version takes this one in its place: a tenth more of both, as the strictest ask.
pub(super) fn replaces(new: Fees, old: Fees) -> bool {
    let more = |new: u64, old: u64| new >= old.saturating_add(old / 10) && new > old;
    more(new.max_fee, old.max_fee) && (new.priority_fee > old.priority_fee || old.priority_fee == 0)
}

/// Twice the base fee holds for six full blocks (EIP-1559 raises it by an eighth at most).
pub(super) fn first(gas: u64, base_fee: u64, priority_fee: u64) -> Fees {
    let max_fee = base_fee.saturating_mul(2).saturating_add(priority_fee).max(1);
    Fees { gas, max_fee, priority_fee }
}

/// Returns the fees that every pool takes as a replacement: a quarter more of both, and not below the head's.
pub(super) fn raised(old: Fees, base_fee: u64) -> Fees {
    let more = |fee: u64| fee.saturating_add(fee / 4).saturating_add(1);
    let priority_fee = more(old.priority_fee);
    let wanted = base_fee.saturating_mul(2).saturating_add(priority_fee);
    Fees { gas: old.gas, max_fee: more(old.max_fee).max(wanted), priority_fee }
}

/// The next version of a transaction that a node refused. A pool that calls it underpriced has another version and wants
/// more; otherwise none took it, and the next one pays what the head asks now, which may be less.
pub(super) fn after_refusal(message: &str, old: Fees, base_fee: u64, priority_fee: u64) -> Fees {
    if message.to_lowercase().contains("underpriced") {
        raised(old, base_fee)
    } else {
        first(old.gas, base_fee, priority_fee)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(fees: &[u64]) -> Recent {
        let mut recent = Recent::default();
        (0..).zip(fees).for_each(|(number, fee)| recent.saw(number, *fee));
        recent
    }

    #[test]
    fn a_replacement_pays_enough_more_for_every_pool_and_for_the_head() {
        let old = Fees { gas: 1, max_fee: 100, priority_fee: 0 };
        assert_eq!(raised(old, 10), Fees { gas: 1, max_fee: 126, priority_fee: 1 });
        assert_eq!(raised(old, 1_000).max_fee, 2_001);
        assert_eq!(raised(Fees { max_fee: u64::MAX, ..old }, 1).max_fee, u64::MAX);
    }

    #[test]
    fn one_wild_head_is_held_to_what_recent_heads_make_likely() {
        let heads = recent(&[100, 101, 99, 100]);
        assert_eq!(heads.sane(110), 110);
        assert_eq!(heads.sane(1_000_000_000_000), 800);
        assert_eq!(heads.sane(0), 0);
        // A chain whose base fee is zero still lets a fee through.
        assert_eq!(recent(&[0, 0, 0]).sane(50), 8);
    }

    #[test]
    fn a_rise_that_lasts_is_followed_and_too_few_heads_judge_nothing() {
        let mut heads = recent(&[100; 30]);
        (0..100).for_each(|_| heads.saw(30, 5_000));
        assert_eq!(heads.sane(5_000), 800);
        (31..41).for_each(|number| heads.saw(number, 5_000));
        assert_eq!(heads.sane(5_000), 5_000);
        assert_eq!(recent(&[100, 100]).sane(5_000), 5_000);
    }

    #[test]
    fn a_version_that_no_node_took_is_replaced_by_a_cheaper_one() {
        let wild = Fees { gas: 7, max_fee: 1_000_000, priority_fee: 3 };
        let next = after_refusal("insufficient funds for gas * price + value", wild, 100, 0);
        assert_eq!(next, Fees { gas: 7, max_fee: 200, priority_fee: 0 });
        let more = after_refusal("replacement transaction underpriced", wild, 100, 0);
        assert!(more.max_fee > wild.max_fee && more.priority_fee > wild.priority_fee);
    }

    #[test]
    fn fees_are_held_to_the_budget_and_below_the_base_fee_a_transaction_waits() {
        let fees = Fees { gas: 100, max_fee: 50, priority_fee: 5 };
        let bound = |transaction, hour| Bounds { transaction, hour };
        assert_eq!(bounded(fees, 20, bound(None, None), u128::MAX), Ok(fees));
        assert_eq!(bounded(fees, 20, bound(Some(5_000), Some(9_000)), 4_000), Ok(fees));
        assert_eq!(bounded(fees, 20, bound(Some(3_000), None), 0), Ok(Fees { max_fee: 30, ..fees }));
        assert_eq!(
            bounded(fees, 20, bound(Some(5_000), Some(9_000)), 6_000),
            Ok(Fees { max_fee: 30, ..fees })
        );
        let waits = OverBudget { needed: 2_000, left: 1_000 };
        assert_eq!(bounded(fees, 20, bound(Some(5_000), Some(9_000)), 8_000), Err(waits));
        assert_eq!(bounded(fees, 20, bound(None, Some(9_000)), 99_000).unwrap_err().left, 0);
    }

    #[test]
    fn a_version_that_the_budget_holds_below_what_pools_ask_replaces_nothing() {
        let old = Fees { gas: 1, max_fee: 100, priority_fee: 1 };
        assert!(replaces(raised(old, 1), old));
        assert!(!replaces(Fees { max_fee: 109, priority_fee: 2, ..old }, old));
        assert!(!replaces(Fees { max_fee: 200, ..old }, old), "the tip rises as well");
        assert!(replaces(raised(Fees { priority_fee: 0, ..old }, 1), Fees { priority_fee: 0, ..old }));
    }
}
