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
    // At most a tenth of the pot (config), so it fits where the pot did.
    let share = Chips::try_from(whole + u128::from(up)).unwrap_or(pot);
    let cap = config.caps.iter().rev().find(|cap| cap.players <= dealt_in);
    match (cap, config.caps.first()) {
        (Some(cap), _) => share.min(cap.amount),
        // Fewer players than the first cap names: that first cap is the nearest promise made.
        (None, Some(first)) => share.min(first.amount),
        (None, None) => share,
    }
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
}
