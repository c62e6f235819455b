//! The counts of one hand or of many.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts that add up. A rate is a count over its `_of`.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct Counters {
            $($(#[$doc])* pub $name: i128,)*
        }

        /// Names of all counters, in the order of [`Counters::values`]. New ones are added at the end.
        pub const NAMES: [&str; WIDTH] = [$(stringify!($name),)*];

        /// How many counters there are.
        pub const WIDTH: usize = [$(stringify!($name),)*].len();

        impl Counters {
            /// In the order of [`NAMES`].
            pub fn values(&self) -> [i128; WIDTH] {
                [$(self.$name,)*]
            }

            /// The reverse of [`Self::values`].
            pub fn from_values([$($name,)*]: [i128; WIDTH]) -> Self {
                Self { $($name,)* }
            }
        }
    };
}

counters! {
    /// Hands dealt in.
    hands,
    /// Hands in which the big blind never had to act.
    walks,
    /// Hands with a call or raise before the flop; of `hands - walks`.
    vpip,
    /// Hands with a raise before the flop.
    pfr,
    /// Hands with a turn before the flop at which a raise was legal.
    pfr_of,
    /// Re-raises of exactly one raise.
    three_bet,
    /// Turns that face exactly one raise, where a raise is legal.
    three_bet_of,
    /// Re-raises of exactly two raises.
    four_bet,
    four_bet_of,
    /// The first raiser folds to exactly one re-raise.
    open_fold_three_bet,
    open_fold_three_bet_of,
    /// Anybody folds to exactly two raises.
    fold_three_bet,
    fold_three_bet_of,
    /// First raises from cutoff, button or small blind after folds alone.
    steal,
    steal_of,
    /// Blinds that fold to a steal.
    fold_steal,
    fold_steal_of,
    /// The last raiser before the flop bets first on the flop.
    cbet_flop,
    cbet_flop_of,
    cbet_turn,
    cbet_turn_of,
    cbet_river,
    cbet_river_of,
    /// Folds at the first decision with a continuation bet to call.
    fold_cbet_flop,
    fold_cbet_flop_of,
    fold_cbet_turn,
    fold_cbet_turn_of,
    fold_cbet_river,
    fold_cbet_river_of,
    /// Streets with a raise after a check.
    check_raise,
    /// Streets with a check and then a bet to face.
    check_raise_of,
    /// Bets and raises after the flop.
    aggressive,
    calls,
    folds,
    saw_flop,
    /// Hands shown down or mucked at a showdown.
    showdowns,
    won_showdown,
    won_saw_flop,
    /// Hands whose adjusted result comes from equity.
    all_in_hands,
    /// Hands all-in before the river whose cards the record does not show: not adjusted.
    all_in_unknown,
    /// The part of the rake that counts as this player's, minor units.
    rake,
    /// Won after rake, minor units.
    won,
    /// Won before rake.
    won_before_rake,
    /// Won after rake, all-ins by equity.
    adjusted,
    /// Squares of the three above, hand by hand.
    won_sq,
    won_before_rake_sq,
    adjusted_sq,
}

/// Number of counters at the end of [`NAMES`] that do not fit into 64 bits.
pub const SQUARES: usize = 3;

impl Counters {
    pub(crate) fn set_won(&mut self, won: i128, before_rake: i128, adjusted: i128) {
        (self.won, self.won_before_rake, self.adjusted) = (won, before_rake, adjusted);
        (self.won_sq, self.won_before_rake_sq, self.adjusted_sq) =
            (won * won, before_rake * before_rake, adjusted * adjusted);
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.with(other, |own, others| own + others)
    }

    /// The difference: without the hands that `other` has counted.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.with(other, |own, others| own - others)
    }

    fn with(&self, other: &Self, join: fn(i128, i128) -> i128) -> Self {
        let (own, others) = (self.values(), other.values());
        Self::from_values(std::array::from_fn(|at| join(own[at], others[at])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_are_the_last_counters_and_names_are_told_apart() {
        assert!(NAMES[WIDTH - SQUARES..].iter().all(|name| name.ends_with("_sq")));
        assert!(NAMES[..WIDTH - SQUARES].iter().all(|name| !name.ends_with("_sq")));
        let mut sorted = NAMES.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), WIDTH);
    }

    #[test]
    fn what_was_added_can_be_taken_away() {
        let mut one = Counters { hands: 1, ..Counters::default() };
        one.set_won(-7, -7, 3);
        let two = Counters { hands: 5, vpip: 2, ..Counters::default() };
        assert_eq!(two.plus(&one).minus(&one), two);
        assert_eq!((one.won_sq, one.adjusted_sq), (49, 9));
        assert_eq!(Counters::from_values(one.values()), one);
    }
}
