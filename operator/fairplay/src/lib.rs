//! Fair play: detectors of collusion, bots and insiders in ended hands, the cases that people decide, and
//! refunds. Everything but [`service`] is a function of its arguments: no I/O, no clock, no entropy of its own.
//!
//! [`Detector::observe`] takes ended hands in order, in one pass and with bounded memory.
//! [`Detector::snapshot`] returns raw statistics, [`judge`](judge::judge) turns them into signals with
//! evidence under false-discovery control. Nothing here acts against a person: a signal can only open a
//! [case](cases).
//!
//! # Assumptions
//! Honest play is what most players do: population models are fitted on the same stream, each hand being
//! scored before it is learned. Where most of the accounts cheat alike, the detectors are blind.

#![forbid(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "statistics: counts and indexes far below the bounds of their types"
)]

pub mod cases;
pub mod checkpoint;
mod detector;
pub mod explain;
pub mod figures;
pub mod judge;
pub mod lines;
pub mod measure;
mod model;
mod pack;
mod pairs;
pub mod payout;
mod players;
pub mod record;
pub mod refunds;
pub mod replay;
pub mod report;
pub mod sanctions;
pub mod service;
mod signal;
mod walk;

pub use detector::{Detector, DetectorLimits, Keep, ObserveError, PairRaw, Snapshot, TwinRaw};
pub use players::{DECISION_CHECKS, HAND_CHECKS, PlayerCheck, PlayerStats, TimingCheck};
pub use signal::{Scored, Signal, Subject};
