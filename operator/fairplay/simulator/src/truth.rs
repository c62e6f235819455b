//! What the simulator knows and the detectors must find out.

use crate::cheat::Kind;
use purr_engine::PlayerId;
use purr_fairplay_hands::HandKey;
use serde::{Deserialize, Serialize};

/// The truth about a file of hands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Truth {
    /// Everybody who cheats; all other players are honest.
    pub groups: Vec<Group>,
}

/// Players who cheat together; one player alone for insiders and bots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub kind: Kind,
    /// Share of the opportunities that are taken, 0 to 1.
    pub intensity: f64,
    /// For directed kinds the first member gives and the second receives.
    pub members: Vec<PlayerId>,
    /// Hands in which cheating changed an action.
    #[serde(default)]
    pub hands: Vec<HandKey>,
}
