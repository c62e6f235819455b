//! Hands in the Open Hand History format (JSON), read and written, and told in PHH and back.
//! Specification: <https://hh-specs.handhistory.org>, version 1.4.7.
//!
//! # Guarantees
//! What is read is written again: amounts with the digits they had, and every field that the
//! specification does not name. Fields that are null count as left out.
//!
//! # Assumptions
//! Hold'em alone is read, no-limit (`NL`) and fixed-limit (`FL`).
//!
//! # Caveats
//! The format tells what was posted, not what was owed: where a stack could not pay its blind, the
//! amounts of the table are taken. It has no place for finishing stacks: the winnings of its pots
//! are what a replay is held against.

mod from_hand;
mod json;
mod object;
mod read;
mod to_phh;
mod write;

pub use from_hand::Context;
pub use json::{BadJson, Problem};
pub use read::{OhhEntry, read};
pub use write::write_all;

use crate::{
    card::Card,
    phh::{Amount, PhhError, Value},
};

/// The version of the specification that is written.
pub const SPEC_VERSION: &str = "1.4.7";

/// One hand. `extra` of each object has the fields that are not named here, unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ohh {
    pub spec_version: Option<String>,
    pub internal_version: Option<String>,
    pub site_name: Option<String>,
    pub network_name: Option<String>,
    pub game_number: Option<String>,
    /// RFC 3339, in UTC.
    pub start_date_utc: Option<String>,
    pub table_name: Option<String>,
    pub bet_limit: BetLimit,
    pub table_size: Option<u8>,
    pub currency: Option<String>,
    /// The dealer's seat, by the numbers of its players.
    pub dealer_seat: i64,
    pub small_blind_amount: Amount,
    pub big_blind_amount: Amount,
    pub ante_amount: Option<Amount>,
    pub hero_player_id: Option<i64>,
    pub flags: Vec<String>,
    pub players: Vec<Player>,
    pub rounds: Vec<Round>,
    pub pots: Vec<Pot>,
    pub extra: Vec<(String, Value)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BetType {
    /// `NL`
    NoLimit,
    /// `FL`
    FixedLimit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BetLimit {
    pub bet_type: BetType,
    /// Maximum that a player may put into the hand; 0 or none: no maximum.
    pub bet_cap: Option<Amount>,
    pub extra: Vec<(String, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Player {
    pub id: i64,
    pub seat: i64,
    pub name: String,
    pub starting_stack: Amount,
    pub is_sitting_out: Option<bool>,
    pub extra: Vec<(String, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    pub id: i64,
    /// `Preflop`, `Flop`, `Turn`, `River` or `Showdown`. Not unique: a hand that is run twice has
    /// two of some.
    pub street: String,
    /// Added to the board.
    pub cards: Vec<Option<Card>>,
    pub actions: Vec<OhhAction>,
    pub extra: Vec<(String, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OhhAction {
    pub action_number: i64,
    pub player_id: Option<i64>,
    /// The specification's name, as in `Post SB`.
    pub action: String,
    /// The chips that this action put into the pot, also of a raise.
    pub amount: Option<Amount>,
    pub is_allin: Option<bool>,
    pub cards: Vec<Option<Card>>,
    pub extra: Vec<(String, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pot {
    pub number: i64,
    /// The pot including the rake, without returned bets.
    pub amount: Amount,
    pub rake: Option<Amount>,
    pub player_wins: Vec<Win>,
    pub extra: Vec<(String, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Win {
    pub player_id: i64,
    /// The amount won, after rake.
    pub win_amount: Amount,
    pub extra: Vec<(String, Value)>,
}

/// Why a hand cannot be read or converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OhhError {
    #[error("{bytes} bytes: at most {most} are read")]
    TooLong { bytes: usize, most: usize },
    #[error(transparent)]
    Json(#[from] BadJson),
    #[error("field '{field}': {problem}")]
    Field { field: String, problem: String },
    #[error("'{0}' is not played here: only Holdem is, with limits NL and FL")]
    Game(String),
    #[error(transparent)]
    Phh(#[from] PhhError),
}
