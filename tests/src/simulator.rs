//! The whole table path in one thread, under virtual time and with faults by a seed: players, the real table
//! ([`purr_table::actor::Actor`]), three data nodes and a signer. Everything that they observe is a history for
//! [`crate::checker`].
//!
//! # What it does not model
//! Sockets, TLS, the gateway's relay and Redis itself: those run for real in the tests on a cluster. The table's own
//! entropy for a deal is the operating system's, so a seed decides faults, players and their order, not the cards. A seed also
//! decides in which versions the pods write their snapshots ([`Formats::by`]).

mod connection;
mod nodes;
mod player;
mod signer;
mod survivors;
mod world;

pub use nodes::Nodes;
pub use signer::Journal;
pub use world::{Formats, Outcome, Plan, run};

pub(crate) use crate::checker::Recorder;

/// A fault made on purpose, to see that the checker notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bug {
    #[default]
    None,
    /// Injected bug: a commit counts as done once the master has it, without the replicas.
    SkipWait,
    /// The store does not compare epochs, and an existing number counts as a repetition.
    SkipEpochCheck,
    /// Injected bug: a commit without an answer counts as written.
    TimeoutIsSuccess,
    /// Gateways do not send their players' cursors to the next pod; for a store that loses commits.
    ResumeLostHand,
    /// Injected bug: an entry that the signer may not have accepted is sent again under the next number.
    RenumberOutbox,
    /// Injected bug: the signer's books post each transfer twice.
    PostTwice,
    /// The signer's books free a reservation twice.
    FreeTwice,
    /// Injected bug: the signer's books forget a seat when administrators skip a number.
    ForgetSeat,
}

/// splitmix64: the same seed, the same rolls.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides.max(1)
    }

    pub fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// The one table of a run.
pub const TABLE: &str = "sim";
