//! The rules of No-Limit Hold'em cash tables, from the deal to the last odd chip.
//!
//! [`Table`] is a value. [`Table::apply`] takes the time and a [`Command`] and returns the
//! [`Event`]s that follow, or a [`Refusal`] that changed nothing. Entropy comes in as the [`Deck`]
//! of [`Command::StartHand`], time as an argument: the same inputs give the same table, so a
//! snapshot plus the commands after it is the table.
//!
//! Chips are `u64` minor units of the table's token; times are milliseconds.

#![warn(unreachable_pub)]
#![forbid(unsafe_code)]

pub mod card;
pub mod command;
pub mod config;
pub mod deal;
pub mod equity;
pub mod eval;
pub mod event;
pub mod history;
pub mod ids;
pub mod list;
pub mod ohh;
pub mod phh;
pub mod pots;
pub mod rake;
pub mod refusal;
pub mod table;

pub use card::{Card, Deck, DeckError};
pub use command::{Action, Command};
pub use config::{Ante, Betting, ClockConfig, ConfigError, HouseRules, RakeCap, RakeConfig, TableConfig};
pub use eval::{Category, HandRank};
pub use event::{Event, HandEnd, Post, SeatResult, Street};
pub use ids::{Chips, Millis, PlayerId, SeatIndex, SeatSet};
pub use list::{Board, List, Seats};
pub use rake::split_rake;
pub use refusal::Refusal;
pub use table::{HandSetup, LegalActions, Table};
