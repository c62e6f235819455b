//! Seeded pools of players who play through the real engine: honest personas, hard negatives and cheats.
//!
//! A [`Pool`] emits every ended hand with hidden cards and think times, and knows the truth: who cheated with whom, how
//! often, and in which hands. Equal seeds give equal hands.

#![forbid(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a simulation: counts, indexes and amounts far below the bounds of their types"
)]

mod cheat;
mod guest;
mod persona;
mod play;
mod player;
mod policy;
mod pool;
mod record;
mod think;
mod truth;

pub use cheat::{Guilty, Kind};
pub use guest::{Acts, Guest, Moment, Pact, Seen};
pub use persona::Persona;
pub use player::SimError;
pub use pool::{Pool, PoolPlan};
pub use record::{Played, RecordError};
pub use truth::{BadField, Group, Truth, TruthError};
