//! The house's share.

use crate::{config::RakeConfig, ids::Chips};

/// The rake of a hand: a percentage of all pots together, rounded half to even in minor units, at
/// most the one cap for this number of players dealt in.
pub fn rake(config: &RakeConfig, pot: Chips, dealt_in: u8, flop_seen: bool) -> Chips {
    if config.no_flop_no_drop && !flop_seen {
        return 0;
    }
    let product = u128::from(pot) * u128::from(config.basis_points);
    let (whole, rest) = (product / 10_000, product % 10_000);
    let up = match rest.cmp(&5_000) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => whole % 2 == 1,
        std::cmp::Ordering::Greater => true,
    };
    // At most a tenth of the pot (by the config), so it fits the pot's type.
    let share = Chips::try_from(whole + u128::from(up)).unwrap_or(pot);
    let cap = config.caps.iter().rev().find(|cap| cap.players <= dealt_in);
    match (cap, config.caps.first()) {
        (Some(cap), _) => share.min(cap.amount),
        // Fewer players than the first cap names: that first cap is the nearest promise made.
        (None, Some(first)) => share.min(first.amount),
        (None, None) => share,
    }
}

/// Splits the rake of one hand over its seats: pro rata to what each won, within what is left of each
/// permit. Where nobody won net (a split pot), those who lost least share it.
///
/// `seats` are (delta, rake left), in seat order. Largest remainders round up, the first seats first.
/// `None` where all permits together are too small.
pub fn split_rake(seats: &[(i64, Chips)], rake: Chips) -> Option<Vec<Chips>> {
    let mut shares = vec![0; seats.len()];
    split_rake_into(seats, rake, &mut shares).then_some(shares)
}

/// [`split_rake`] into shares that are all 0 before, one a seat; false where the permits are too small.
pub fn split_rake_into(seats: &[(i64, Chips)], rake: Chips, shares: &mut [Chips]) -> bool {
    if rake == 0 {
        return true;
    }
    let best = seats.iter().map(|(delta, _)| *delta).max().unwrap_or(0);
    let weight = |delta: i64| -> u128 {
        if best > 0 { u128::from(delta.max(0).unsigned_abs()) } else { u128::from(delta == best) }
    };
    let total: u128 = seats.iter().map(|(delta, _)| weight(*delta)).sum();
    let mut left = rake;
    for (share, (delta, allowed)) in shares.iter_mut().zip(seats) {
        // total is at least 1: some seat has the best delta.
        let part = u128::from(rake) * weight(*delta) / total.max(1);
        *share = u64::try_from(part).unwrap_or(Chips::MAX).min(*allowed).min(left);
        left -= *share;
    }
    // The remainder after rounding and permits goes to winners first, then to the others in the hand.
    for winners in [true, false] {
        for (share, (delta, allowed)) in shares.iter_mut().zip(seats) {
            if winners && weight(*delta) == 0 {
                continue;
            }
            let more = left.min(allowed - *share);
            *share += more;
            left -= more;
        }
    }
    left == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RakeCap;

    fn config(basis_points: u16, caps: &[(u8, Chips)]) -> RakeConfig {
        let caps = caps.iter().map(|&(players, amount)| RakeCap { players, amount }).collect();
        RakeConfig { basis_points, caps, no_flop_no_drop: true }
    }

    #[test]
    fn no_flop_means_no_drop() {
        assert_eq!(rake(&config(500, &[]), 1_000, 6, false), 0);
        assert_eq!(rake(&config(500, &[]), 1_000, 6, true), 50);
    }

    #[test]
    fn halves_are_rounded_to_even() {
        assert_eq!(rake(&config(500, &[]), 10, 6, true), 0);
        assert_eq!(rake(&config(500, &[]), 30, 6, true), 2);
        assert_eq!(rake(&config(500, &[]), 50, 6, true), 2);
        assert_eq!(rake(&config(500, &[]), 51, 6, true), 3);
    }

    #[test]
    fn the_cap_goes_by_the_players_dealt_in() {
        let capped = config(500, &[(2, 10), (5, 30)]);
        assert_eq!(rake(&capped, 10_000, 2, true), 10);
        assert_eq!(rake(&capped, 10_000, 4, true), 10);
        assert_eq!(rake(&capped, 10_000, 5, true), 30);
    }

    #[test]
    fn winners_bear_the_rake_pro_rata_within_their_permits_and_then_whoever_may() {
        let any = Chips::MAX;
        assert_eq!(split_rake(&[(30, any), (-40, any), (10, any)], 8), Some(vec![6, 0, 2]));
        assert_eq!(split_rake(&[(30, 1), (-40, 5), (10, any)], 8), Some(vec![1, 0, 7]));
        assert_eq!(split_rake(&[(30, 1), (-40, 5), (10, 1)], 8), None);
        // A split pot: nobody won net.
        assert_eq!(split_rake(&[(-2, any), (-2, any)], 4), Some(vec![2, 2]));
        assert_eq!(split_rake(&[(30, 0), (-30, 0)], 0), Some(vec![0, 0]));
    }
}
