//! Hands in the PHH notation (Poker Hand History: TOML; `.phh` one hand, `.phhs` many), read,
//! written and replayed. Specification: <https://phh.readthedocs.io> and arXiv 2312.11753.
//!
//! `p1` is the first at the button's left, the last player has the button; heads-up `p2` has it and
//! posts the small blind, which the notation names first all the same: antes and blinds are then
//! assigned the other way round.
//!
//! # Guarantees
//! What is read is written again, field by field: amounts with the digits they had, commentary,
//! fields of others' own, in their order. TOML's comments are lost, as the specification wants it.
//!
//! # Assumptions
//! Hold'em alone is read, no-limit (`NT`) and fixed-limit (`FT`), of 2 to 10 players.
//!
//! # Caveats
//! Amounts are exact decimals of at most 18 digits, of a value below 2^63. A replay counts in the
//! smallest unit that the hand's amounts have (see [`Replayer`]). The notation knows no rake: it is
//! written as `_rake`, a field of our own.

mod action;
mod amount;
mod cards;
mod draft;
mod entry;
mod fallback;
mod history;
mod plan;
mod read;
mod replay;
mod scan;
mod value;
mod verdict;
mod write;

pub use action::{BadAction, Line, PhhAction};
pub use amount::{Amount, BadAmount, DECIMALS_MAX, Stack};
pub use cards::Cards;
pub use entry::Entry;
pub use read::{Chunks, FILE_BYTES_MAX, NotPlain, read, read_as_toml, read_fast};
pub use replay::{Played, Replay, Replayer};
pub use value::Value;
pub use verdict::{Outcome, Verdict};
pub use write::write_all;

use crate::refusal::Refusal;
use std::borrow::Cow;

/// Longest text of one hand that is read, in bytes.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// The games of the specification that are played here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// `NT`
    NoLimit,
    /// `FT`
    FixedLimit,
}

impl Variant {
    fn read(code: &str) -> Option<Self> {
        match code {
            "NT" => Some(Self::NoLimit),
            "FT" => Some(Self::FixedLimit),
            _ => None,
        }
    }

    pub fn code(self) -> &'static str {
        match self {
            Self::NoLimit => "NT",
            Self::FixedLimit => "FT",
        }
    }
}

/// One hand in PHH. Lists are by player, from `p1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phh {
    pub variant: Variant,
    /// True if all players pay the same ante, and a player who cannot pay it all wins from each no more than they paid;
    /// otherwise the antes form one pot for all.
    pub ante_trimming_status: bool,
    pub antes: Vec<Amount>,
    /// Below 0: posted by a player who came in, which does not move the first turn (PokerKit).
    pub blinds_or_straddles: Vec<Amount>,
    /// Not a bet of Hold'em: a hand with a bring-in other than 0 is not replayed.
    pub bring_in: Option<Amount>,
    /// `FT`: bets before and on the flop, and later.
    pub small_bet: Option<Amount>,
    pub big_bet: Option<Amount>,
    /// `NT`: the least bet.
    pub min_bet: Option<Amount>,
    pub starting_stacks: Vec<Stack>,
    pub actions: Vec<Line>,
    pub players: Option<Vec<String>>,
    pub finishing_stacks: Option<Vec<Stack>>,
    /// The amount that each player collected from the pots.
    pub winnings: Option<Vec<Stack>>,
    /// All other fields in their order: hand, table, seats, venue and time, and user-defined fields, whose names begin
    /// with `_`.
    pub fields: Vec<(Cow<'static, str>, Value)>,
}

impl Phh {
    /// Returns one of `fields` by its name.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The hand's number, where it has one.
    pub fn number(&self) -> Option<u64> {
        self.field("hand")?.integer().and_then(|number| number.try_into().ok())
    }
}

/// Why a hand cannot be read, written or replayed. Lines count from 1 in the text that was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhhError {
    #[error("{bytes} bytes: at most {most} are read")]
    TooLong { bytes: usize, most: usize },
    #[error("line {line}: not TOML: {problem}")]
    Syntax { line: usize, problem: String },
    #[error("{0} hands where one is wanted")]
    Hands(usize),
    #[error("line {line}: the hand has no field '{field}'")]
    Missing { line: usize, field: &'static str },
    #[error("line {line}: field '{field}': {problem}")]
    Field { line: usize, field: String, problem: String },
    #[error("line {line}: variant '{code}' is not played here: only NT and FT are")]
    Variant { line: usize, code: String },
    #[error("field '{field}': {problem}")]
    Unplayable { field: &'static str, problem: String },
    #[error("player p{0} is not in this hand")]
    NoSuchPlayer(u8),
    #[error("the cards: {0}")]
    Cards(String),
    #[error("the hand cannot be dealt: {0}")]
    NotDealt(Refusal),
    /// `number` counts the entries of `actions` from 1.
    #[error("action {number}, '{action}': {refusal}")]
    Refused { number: usize, action: Box<str>, refusal: Refusal },
    #[error("action {number}, '{action}': {problem}")]
    OutOfStep { number: usize, action: Box<str>, problem: String },
}

impl PhhError {
    /// Corrects the line numbers of an error: the text began this many lines further down in the file.
    fn move_down(&mut self, by: usize) {
        match self {
            Self::Syntax { line, .. }
            | Self::Missing { line, .. }
            | Self::Field { line, .. }
            | Self::Variant { line, .. } => *line += by,
            _ => {}
        }
    }
}
