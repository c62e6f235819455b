//! The integration tests of this crate in one program: compiling and linking one for each file took most of the build.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/world.rs"]
mod world;

mod adoption;
mod dealing;
mod fencing;
mod hand_over;
mod isolation;
mod question;
mod rabbit;
mod recording;
mod room;
mod seating;
mod snapshot;
mod staff;
mod talk;
mod traces;
