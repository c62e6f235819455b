//! A player's side of the protocol.
//!
//! [`wallet`] signs, [`session`] keeps a player signed in at the gateway of [`api`], [`connection`]
//! keeps a socket to one table, [`view`] is the table as this player sees it. [`bot`] and [`runner`]
//! play by chance; [`verify`] checks deals, [`money`] chips, [`receipt`] signed receipts, [`audit`] whole decks.
//! [`chain`] moves money in and out of the vault, [`amount`] reads what people type. [`load`] is many players at once.

#![warn(unreachable_pub)]

pub mod amount;
pub mod api;
pub mod at;
pub mod audit;
pub mod bot;
pub mod chain;
pub mod cli;
pub mod connection;
pub mod link;
pub mod load;
pub mod money;
pub mod receipt;
pub mod report;
pub mod runner;
pub mod seat;
pub mod session;
mod terminal;
pub mod verify;
pub mod view;
pub mod wallet;

pub use api::{Api, ApiError, Gateway};
pub use connection::{Connection, Settings};
pub use link::{Timing, Update};
pub use report::Report;
pub use runner::{Plan, run};
pub use seat::Permits;
pub use session::Session;
pub use view::View;
pub use wallet::Wallet;
