//! The gas limit of a transaction, and the number of items that fit into it.

/// Extra gas for exits that players request between the estimate and the block. Such an exit makes the vault check an
/// item in a call of its own, with one more storage slot for each exiting seat. The margin covers six seats; unused gas
/// costs nothing. Beyond it the vault reverts the batch without rejecting anything, and the entries are sent again.
const EXITS: u64 = 150_000;

/// A quarter more than the estimate, for state that differs a little, and [`EXITS`] for settlements.
pub(super) fn limit(estimate: u64, settles: bool) -> u64 {
    let exits = if settles { EXITS } else { 0 };
    (estimate.saturating_mul(5) / 4).saturating_add(exits)
}

/// What every node asks for a transaction that does nothing (EIP-2028): 21,000, and a price for each byte of its call.
const BASE: u64 = 21_000;
const ZERO_BYTE: u64 = 4;
const OTHER_BYTE: u64 = 16;
/// The floor of that price (EIP-7623).
const ZERO_FLOOR: u64 = 10;
const OTHER_FLOOR: u64 = 40;

/// The least gas that a node takes this call with. An estimate below it is a wrong one: no node would take the transaction,
/// and everything behind its nonce would wait.
pub(super) fn least(calldata: &[u8]) -> u64 {
    let zeros = calldata.iter().filter(|byte| **byte == 0).count() as u64;
    let others = calldata.len() as u64 - zeros;
    let bytes = zeros * ZERO_BYTE + others * OTHER_BYTE;
    BASE + bytes.max(zeros * ZERO_FLOOR + others * OTHER_FLOOR)
}

/// The gas of another version of a call that has waited too long for a block: as much as before, or what the call needs now
/// where that is more and within `most`. Some pools take a version that has too little, and no block does.
pub(super) fn waited(last: u64, estimate: Option<u64>, settles: bool, most: u64) -> u64 {
    let needed = estimate.map(|estimate| limit(estimate, settles)).filter(|needed| *needed <= most);
    needed.map_or(last, |needed| needed.max(last))
}

/// Whether a version needs other gas than it has: no block holds it, or a node refused it for its gas. `refused`: that.
pub(super) fn is_unfit(gas: u64, block_limit: u64, refused: bool) -> bool {
    gas > block_limit || refused
}

/// The fate of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Sends the call with this gas limit.
    Send(u64),
    /// Plans again with the first `n` items.
    Fewer(usize),
    /// A single item is already too large for a block.
    TooBig,
}

/// Fits a batch of `items` into `most`, the limit of a transaction and of a block. `estimate` is `None` if the node
/// refused to run the call, as nodes with a low gas cap do. A single item that fits without the margin gets all the gas
/// there is.
pub(super) fn plan(estimate: Option<u64>, items: usize, most: u64) -> Plan {
    let Some(estimate) = estimate else {
        return if items > 1 { Plan::Fewer(items / 2) } else { Plan::TooBig };
    };
    let wanted = limit(estimate, true);
    if wanted <= most {
        return Plan::Send(wanted);
    }
    if items > 1 {
        let each = (limit(estimate, false) / items as u64).max(1);
        let fit = usize::try_from(most.saturating_sub(EXITS) / each).unwrap_or(usize::MAX);
        return Plan::Fewer(fit.clamp(1, items - 1));
    }
    if estimate <= most { Plan::Send(most) } else { Plan::TooBig }
}

/// The fate of a transaction that was made before the block's limit fell below its gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Sends another version of the same call, with this gas limit.
    Same(u64),
    /// Sends another version without a call; the entries are planned again, in smaller batches and under other nonces.
    Empty,
    /// Waits: no smaller transaction could use the nonce.
    Wait,
}

/// As [`plan`]; `empty`: the transaction carries nothing.
pub(super) fn again(estimate: Option<u64>, items: usize, most: u64, empty: bool) -> Again {
    match plan(estimate, items, most) {
        Plan::Send(gas) => Again::Same(gas),
        Plan::Fewer(_) | Plan::TooBig if empty => Again::Wait,
        Plan::Fewer(_) | Plan::TooBig => Again::Empty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_hand_is_given_a_fraction_of_what_the_vault_once_reserved_for_every_item() {
        // The vault wanted 400,000 before each item, of which a hand of six uses 54,579.
        assert!(limit(54_579, true) < (54_579 + 400_000) * 5 / 4 / 2);
        assert_eq!(limit(54_579, true), 218_223);
        assert_eq!(limit(100_000, false), 125_000);
        assert!(limit(u64::MAX, true) >= u64::MAX / 4);
    }

    #[test]
    fn no_call_is_given_less_than_every_node_asks_for_its_bytes() {
        assert_eq!(least(&[]), 21_000);
        assert_eq!(least(&[0, 1]), 21_000 + 10 + 40);
        // Fifty quiet tables in one call, of which a node said that they need no more than a plain transfer.
        let item: Vec<u8> = std::iter::repeat_n(0, 230).chain(std::iter::repeat_n(7, 90)).collect();
        let batch = item.repeat(50);
        assert!(limit(21_000, true) < least(&batch), "{}", least(&batch));
        assert!(limit(21_000.max(least(&batch)), true) >= least(&batch));
    }

    #[test]
    fn a_version_that_a_node_refuses_for_its_gas_or_that_no_block_holds_is_planned_again() {
        assert!(!is_unfit(100, 100, false));
        assert!(is_unfit(101, 100, false));
        assert!(is_unfit(100, 100, true));
    }

    #[test]
    fn a_version_that_waited_has_the_gas_that_its_call_needs_now_and_never_less() {
        let most = 2_000_000;
        assert_eq!(waited(176_250, Some(400_000), true, most), limit(400_000, true));
        assert_eq!(waited(700_000, Some(21_000), true, most), 700_000);
        assert_eq!(waited(700_000, None, true, most), 700_000);
        // More than a transaction may have is no figure of this call.
        assert_eq!(waited(700_000, Some(100_000_000_000_000), true, most), 700_000);
        assert_eq!(waited(26_250, Some(40_000), false, most), 50_000);
    }

    #[test]
    fn nine_players_who_sit_together_are_taken_in_two_transactions_where_a_block_has_two_million() {
        // 2.03 M gas for nine: too much for the block, though not for --gas-max.
        let most = 2_000_000;
        let Plan::Fewer(first) = plan(Some(2_030_000), 9, most) else { panic!() };
        assert_eq!(first, 6);
        assert_eq!(plan(Some(2_030_000 / 9 * 6), 6, most), Plan::Send(limit(2_030_000 / 9 * 6, true)));
        assert_eq!(plan(Some(2_030_000 / 9 * 3), 3, most), Plan::Send(limit(2_030_000 / 9 * 3, true)));
    }

    #[test]
    fn a_batch_that_no_node_runs_is_cut_until_one_item_is_left() {
        let mut items = 64;
        while let Plan::Fewer(fewer) = plan(None, items, 2_000_000) {
            assert!((1..items).contains(&fewer));
            items = fewer;
        }
        assert_eq!((items, plan(None, 1, 2_000_000)), (1, Plan::TooBig));
    }

    #[test]
    fn one_item_is_clamped_to_the_block_and_refused_beyond_it() {
        assert_eq!(plan(Some(1_900_000), 1, 2_000_000), Plan::Send(2_000_000));
        assert_eq!(plan(Some(2_000_001), 1, 2_000_000), Plan::TooBig);
        // However bad the estimate: fewer are always fewer, and never none.
        assert_eq!(plan(Some(u64::MAX), 2, 1), Plan::Fewer(1));
        assert_eq!(plan(Some(0), 2, 0), Plan::Fewer(1));
    }

    #[test]
    fn a_transaction_above_a_limit_that_fell_is_clamped_where_it_fits_and_emptied_where_it_does_not() {
        let most = 1_000_000;
        assert_eq!(again(Some(400_000), 4, most, false), Again::Same(limit(400_000, true)));
        // A single item is limited to a block's gas. Several items are planned again, and so is one item that no block
        // can hold, because other transactions wait behind its nonce.
        assert_eq!(again(Some(900_000), 1, most, false), Again::Same(most));
        assert_eq!(again(Some(900_000), 4, most, false), Again::Empty);
        assert_eq!(again(None, 4, most, false), Again::Empty);
        assert_eq!(again(Some(1_000_001), 1, most, false), Again::Empty);
        assert_eq!(again(None, 1, most, true), Again::Wait);
    }
}
