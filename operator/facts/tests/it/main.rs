//! Statistics of hands that the engine plays, against values worked out by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod blinds;
mod common;
mod edges;
mod lines;
mod money;
