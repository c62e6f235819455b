//! The players of a pool, and the errors of a simulation.

use crate::{
    cheat::Kind,
    persona::{Pace, Persona, Style},
    think::Clockwork,
};
use purr_engine::{ConfigError, PlayerId, Refusal};

/// Why a simulation cannot begin or go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimError {
    #[error("{players} players at tables of {seats}: want 2 to 10 seats and a multiple of them")]
    Seats { players: usize, seats: usize },
    #[error("{wanted} accounts cheat in a pool of {players}")]
    Guilty { wanted: usize, players: usize },
    #[error("the table's configuration: {0}")]
    Config(#[from] ConfigError),
    /// The simulator asked for something that the rules do not allow.
    #[error("the engine refused: {0}")]
    Refused(#[from] Refusal),
    #[error("a table stands still in hand {0}")]
    Stuck(u64),
}

/// A simulated account, with what it remembers between sessions.
pub(crate) struct Player {
    pub(crate) id: PlayerId,
    pub(crate) persona: Persona,
    pub(crate) style: Style,
    /// Tilt, the changer's other style, or the other person behind a shared account.
    pub(crate) other: (Style, Pace),
    pub(crate) pace: Pace,
    pub(crate) clockwork: Clockwork,
    /// Seed of the player's own taste for each starting hand.
    pub(crate) taste: u64,
    pub(crate) cheat: Option<Cheat>,
    pub(crate) tilted_hands: u32,
    /// Plays as `other` this session.
    pub(crate) changed: bool,
    pub(crate) mood: f64,
}

/// The part of a player in a group of cheats.
#[derive(Clone, Copy)]
pub(crate) struct Cheat {
    pub(crate) group: usize,
    pub(crate) kind: Kind,
    pub(crate) intensity: f64,
    pub(crate) first: bool,
    /// The partner, or the victim of [`Kind::SuperuserOne`].
    pub(crate) partner: Option<usize>,
}
