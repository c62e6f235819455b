//! The money rules of the chain-signer as pure functions.
//!
//! **Guarantees.** No I/O, no clock, no randomness: times are arguments, and what is decided comes back as values. The
//! signer's journal loads the part of the [`Books`] that a decision needs, calls it, and stores the [`Change`]s that it
//! gives. [`memory::MemoryJournal`] does the same in memory.

#![warn(unreachable_pub)]

pub mod asked;
pub mod books;
pub mod check;
pub mod differing;
pub mod due;
pub mod entry;
pub mod events;
pub mod freeze;
pub mod ledger;
pub mod limits;
pub mod memory;
pub mod policy;
pub mod promise;
pub mod replay;
pub mod request;
pub mod take;
mod unbacked;
pub mod whole;

pub use books::{Books, Change};
