//! The public part of a player's statistics: rates with their samples, never amounts, and never of today.

use purr_engine::PlayerId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Below so many hands nothing of another player is shown.
pub const HANDS_MIN: i64 = 100;
/// Players of one question.
pub const PLAYERS_MAX: usize = 20;

/// A share of `n`, with a 95% interval (Wilson).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    pub value: f64,
    /// How many times it could have happened.
    pub n: u64,
    pub low: f64,
    pub high: f64,
}

/// A player's rates over all hands before today (UTC).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublicStatistics {
    pub hands: i64,
    /// Null where nothing could be counted.
    pub rates: BTreeMap<String, Option<Rate>>,
    /// Bets and raises for each call after the flop; null without calls.
    pub aggression_factor: Option<f64>,
}

/// A gateway's question to records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAsked {
    pub players: Vec<PlayerId>,
}

/// Statistics of those of the players with enough hands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PublicTold {
    pub players: BTreeMap<PlayerId, PublicStatistics>,
}

/// A seat of a table. Without statistics the player has too few hands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeatStatistics {
    pub seat: u8,
    #[schemars(with = "String")]
    pub player: PlayerId,
    pub statistics: Option<PublicStatistics>,
}

/// Statistics of those who sit at a table now; nobody, where the table's fleet shows none (`spec.hud`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TableStatistics {
    pub seats: Vec<SeatStatistics>,
}

/// The rate that players are ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LeadersBy {
    /// Big blinds won after rake.
    #[default]
    Won,
    Hands,
}

impl LeadersBy {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::Hands => "hands",
        }
    }
}

/// One place of a leaderboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Leader {
    pub place: u32,
    /// A pseudonym in the form of an address, which differs in every list: nobody learns from it who the player is.
    #[schemars(with = "String")]
    pub name: PlayerId,
    /// The caller.
    #[serde(default)]
    pub you: bool,
    pub hands: i64,
    pub big_blinds: f64,
}

/// The first players over some days, those with too few hands left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Leaders {
    pub days: i32,
    pub by: LeadersBy,
    pub leaders: Vec<Leader>,
}
