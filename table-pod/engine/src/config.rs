//! The configuration of a table: seats, stakes, rake and clocks. Fixed for the life of a table.

use crate::ids::{Chips, Millis};
use serde::{Deserialize, Serialize};

/// A forced bet before the cards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ante {
    #[default]
    None,
    /// Every player dealt in pays it.
    Each(Chips),
    /// The big blind pays this ante for the whole table; it is dead money.
    BigBlind(Chips),
}

/// Ways to come in that the rule book allows a house to offer. A player asks for them with
/// [`SitIn`](crate::Command::SitIn) and `post`; all are off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HouseRules {
    /// A newcomer who posts between the button and the big blind posts the big blind alone (WSOP 154).
    /// Off: the newcomer posts both blinds, the small one dead, and buys the button where the chair is
    /// before the small blind.
    pub newcomer_posts_big_alone: bool,
    /// A player who owes blinds and posts under the gun may post a live straddle instead (WSOP 156),
    /// by [`Straddle`](crate::Command::Straddle). Needs [`TableConfig::straddle`].
    pub straddle_back_in: bool,
}

impl HouseRules {
    pub const NONE: Self = Self { newcomer_posts_big_alone: false, straddle_back_in: false };
}

/// How much may be bet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Betting {
    /// From the last full bet or raise to everything in front of the player.
    #[default]
    NoLimit,
    /// Bets and raises of one size. Tables are never made so: it replays recorded hands.
    FixedLimit {
        /// Before and on the flop.
        small_bet: Chips,
        /// Bet size on turn and river.
        big_bet: Chips,
        /// Bets and raises on one street, the big blind counted as a bet; 0: no end to them, which
        /// is what many houses play heads-up.
        bets_max: u8,
    },
}

/// The most that is taken of one hand when at least `players` were dealt in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RakeCap {
    pub players: u8,
    pub amount: Chips,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RakeConfig {
    /// Hundredths of a percent of the pot, rounded half to even in minor units.
    pub basis_points: u16,
    /// Caps by the number of players dealt in, strictly rising; the last entry that fits counts. Empty: no cap.
    pub caps: Vec<RakeCap>,
    /// No rake is taken of a hand that ends before the flop.
    pub no_flop_no_drop: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockConfig {
    /// Time for one action.
    pub turn_ms: Millis,
    /// Extra time that a player starts with, once before and once after the flop: two banks that do
    /// not know of each other (as on PokerStars); 0: none.
    pub time_bank_ms: Millis,
    /// Added to both banks for every `time_bank_hands` hands dealt in.
    pub time_bank_gain_ms: Millis,
    /// Hands for one gain; 0 is 1.
    #[serde(default)]
    pub time_bank_hands: u16,
    /// Maximum of a time bank; less than `time_bank_ms`: the bank's first value.
    #[serde(default)]
    pub time_bank_max_ms: Millis,
    /// Time for one action of a player whose connection is gone, in the smallest pot.
    pub disconnect_ms: Millis,
    /// The same in a pot of [`BIG_POT_BLINDS`] big blinds or more; between the two it grows with the
    /// pot. Less than `disconnect_ms`: it does not grow.
    #[serde(default)]
    pub disconnect_max_ms: Millis,
    /// Added to what was left of the turn when a player reconnects in it, once a turn.
    #[serde(default = "reconnect_grace_ms")]
    pub reconnect_grace_ms: Millis,
    /// The most disconnect time and grace together that a player may use between sitting down and leaving.
    #[serde(default = "disconnect_total_ms")]
    pub disconnect_total_ms: Millis,
}

/// Default of [`ClockConfig::reconnect_grace_ms`].
pub const RECONNECT_GRACE_MS: Millis = 5_000;
/// Default of [`ClockConfig::disconnect_total_ms`].
pub const DISCONNECT_TOTAL_MS: Millis = 300_000;

const fn reconnect_grace_ms() -> Millis {
    RECONNECT_GRACE_MS
}

const fn disconnect_total_ms() -> Millis {
    DISCONNECT_TOTAL_MS
}

/// The longest [`ClockConfig::disconnect_total_ms`].
pub const DISCONNECT_TOTAL_MS_MAX: Millis = 3_600_000;

/// Big blinds in the pot from which a disconnected player gets the longest time.
pub const BIG_POT_BLINDS: Chips = 100;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableConfig {
    /// 2 to 10.
    pub seats: u8,
    pub small_blind: Chips,
    pub big_blind: Chips,
    #[serde(default)]
    pub ante: Ante,
    #[serde(default)]
    pub betting: Betting,
    /// Players under the gun may put in twice the big blind before the cards (WSOP 11).
    #[serde(default)]
    pub straddle: bool,
    #[serde(default)]
    pub house: HouseRules,
    /// Where nobody can bet any more and cards are to come, the rest of the board is dealt twice if
    /// everybody in the pot agrees.
    #[serde(default)]
    pub run_it_twice: bool,
    pub buy_in_min: Chips,
    pub buy_in_max: Chips,
    pub rake: RakeConfig,
    pub clock: ClockConfig,
    /// A player who left with more than the maximum buy-in must bring it back within this time.
    pub rat_hole_ms: Millis,
}

/// How long a player is asked whether to show a hand that may be mucked.
pub const SHOW_MS: Millis = 3_000;

/// The largest amount a table accepts anywhere: sums of ten seats stay far from overflow.
pub const AMOUNT_MAX: Chips = 1 << 53;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("seats is {0}: must be 2 to 10")]
    Seats(u8),
    #[error("blinds {small}/{big}: the small blind must be at least 1 and at most the big blind")]
    Blinds { small: Chips, big: Chips },
    #[error("ante {0}: must be at least 1 and at most the big blind")]
    Ante(Chips),
    #[error("fixed limit: want 1 <= small bet <= big bet, not {small} and {big}")]
    Limit { small: Chips, big: Chips },
    #[error("buy-in {min} to {max}: want big blind <= min <= max <= {AMOUNT_MAX}")]
    BuyIn { min: Chips, max: Chips },
    #[error("house.straddleBackIn: needs straddle, this table has no straddles")]
    StraddleBackIn,
    #[error("rake of {0} basis points: must be at most 1000")]
    RakeBasisPoints(u16),
    #[error("rake caps must rise strictly by players, from 2 to 10, and never fall in amount")]
    RakeCaps,
    #[error("clock: {0} must be 1000 to 600000 ms")]
    Clock(&'static str),
    #[error("clock: {0} must be at most 600000 ms")]
    ClockMost(&'static str),
    #[error("clock: disconnect time in all of {0} ms: must be at most {DISCONNECT_TOTAL_MS_MAX}")]
    DisconnectTotal(Millis),
}

impl TableConfig {
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(2..=10).contains(&self.seats) {
            return Err(ConfigError::Seats(self.seats));
        }
        let (small, big) = (self.small_blind, self.big_blind);
        if small == 0 || small > big || big > AMOUNT_MAX / 10_000 {
            return Err(ConfigError::Blinds { small, big });
        }
        if let Ante::Each(ante) | Ante::BigBlind(ante) = self.ante
            && (ante == 0 || ante > big)
        {
            return Err(ConfigError::Ante(ante));
        }
        if self.house.straddle_back_in && !self.straddle {
            return Err(ConfigError::StraddleBackIn);
        }
        if let Betting::FixedLimit { small_bet: small, big_bet: big, .. } = self.betting
            && (small == 0 || small > big || big > AMOUNT_MAX)
        {
            return Err(ConfigError::Limit { small, big });
        }
        let (min, max) = (self.buy_in_min, self.buy_in_max);
        if min < big || min > max || max > AMOUNT_MAX {
            return Err(ConfigError::BuyIn { min, max });
        }
        self.validate_rake()?;
        let span = 1_000..=600_000;
        if !span.contains(&self.clock.turn_ms) {
            return Err(ConfigError::Clock("turn"));
        }
        if !span.contains(&self.clock.disconnect_ms) {
            return Err(ConfigError::Clock("disconnect"));
        }
        let extra = [
            ("time bank", self.clock.time_bank_ms),
            ("time bank's gain", self.clock.time_bank_gain_ms),
            ("time bank's most", self.clock.time_bank_max_ms),
            ("disconnect's most", self.clock.disconnect_max_ms),
            ("reconnection's grace", self.clock.reconnect_grace_ms),
        ];
        if let Some((what, _)) = extra.iter().find(|(_, ms)| ms > span.end()) {
            return Err(ConfigError::ClockMost(what));
        }
        if self.clock.disconnect_total_ms > DISCONNECT_TOTAL_MS_MAX {
            return Err(ConfigError::DisconnectTotal(self.clock.disconnect_total_ms));
        }
        Ok(())
    }

    fn validate_rake(&self) -> Result<(), ConfigError> {
        if self.rake.basis_points > 1_000 {
            return Err(ConfigError::RakeBasisPoints(self.rake.basis_points));
        }
        let in_range = self.rake.caps.iter().all(|cap| (2..=10).contains(&cap.players));
        let rising = self
            .rake
            .caps
            .windows(2)
            .all(|pair| pair[0].players < pair[1].players && pair[0].amount <= pair[1].amount);
        if in_range && rising { Ok(()) } else { Err(ConfigError::RakeCaps) }
    }
}
