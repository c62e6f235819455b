//! How much gas a transaction is given.

/// What exits cost that players ask for between the estimate and the block: an item whose table was quiet is then checked
/// in a call of its own, with one more slot for each exiting seat. Enough for six seats; gas that is not used costs
/// nothing. Beyond it the vault reverts the batch, rejects nothing, and the entries are sent again.
const EXITS: u64 = 150_000;

/// A quarter more than the estimate, for state that differs a little, and [`EXITS`] for settlements.
pub(super) fn limit(estimate: u64, settles: bool) -> u64 {
    let exits = if settles { EXITS } else { 0 };
    (estimate.saturating_mul(5) / 4).saturating_add(exits)
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
}
