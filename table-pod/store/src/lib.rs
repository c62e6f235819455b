//! The Redis side of a table.
//!
//! # Guarantees
//! A commit that returned `Ok` was written by the master and acknowledged by the configured number
//! of replicas. Every write compares the table's epoch inside Redis, so a holder of an older epoch
//! cannot write ([`StoreError::Fenced`]).
//!
//! # Caveats
//! An acknowledged write can still be lost with its master (asynchronous replication): the table
//! keeps whole commits in memory and replays what a new master lacks; the signer's journal has the
//! last word. See ARCHITECTURE.md, "Commit and take-over".

#![warn(unreachable_pub)]

pub mod fault;
pub mod hands;
pub mod history;
pub mod link;
pub mod lock;
pub mod memory;
pub mod redis_store;
pub mod seal;
pub mod sessions;
mod types;

pub use fault::{Fault, FaultStore};
pub use hands::{HandReader, StoredHand};
pub use history::History;
pub use link::{Channel, Link, LinkConfig, SessionsArgs, StoreArgs};
pub use lock::{Lock, LockLost};
pub use memory::MemoryStore;
pub use redis_store::RedisStore;
pub use seal::{DataKeys, SealError, Sealer};
pub use sessions::{Sessions, seating_key};
pub use types::{
    Admitted, Base, Commit, HandEntry, Head, LogBatch, OutboxEntry, Recovered, Store, StoreError,
};
