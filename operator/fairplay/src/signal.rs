//! Signals: a detector's finding about one player or a pair, with the hands that support it.

use purr_engine::PlayerId;
use purr_fairplay_hands::HandKey;
use serde::{Deserialize, Serialize};

/// Kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// Luck-adjusted value flows from the first to the second, more than to the first's other opponents.
    Transfer,
    /// Bets and raises are missing against this player alone.
    SoftPlay,
    /// Raises against third parties while this player is in the pot.
    Isolation,
    /// Actions follow cards of a player who had not acted yet: exact under the null.
    HiddenCardsExact,
    /// Actions follow cards of a player who had acted, against the range model.
    HiddenCards,
    /// Raises follow the other's cards.
    RaisesFollowCards,
    /// Acts strongly when ahead and weakly when behind, against one player.
    KnowsCards,
    /// The same against everybody: a superuser.
    Superuser,
    /// Think times of a program.
    BotTiming,
    /// Two accounts that play alike and never sit together.
    SamePerson,
}

/// Subject of a signal. In a pair, the first acts; the second profits, or is the one whose cards are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    Player(PlayerId),
    Pair(PlayerId, PlayerId),
}

impl Subject {
    /// The same pair whichever way round.
    pub fn undirected(self) -> Self {
        match self {
            Self::Pair(a, b) if b < a => Self::Pair(b, a),
            same => same,
        }
    }
}

/// A signal with its strength.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scored {
    pub subject: Subject,
    pub signal: Signal,
    /// Standard deviations from what honest players show, after calibration.
    pub score: f64,
    /// Hands that the two shared, or that the player played.
    pub hands: u32,
    /// Up to five hands with the strongest evidence, the strongest first.
    pub evidence: Vec<HandKey>,
}
