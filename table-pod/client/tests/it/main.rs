//! The integration tests of this crate in one program: compiling and linking one for each file took most of the build.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/room.rs"]
mod room;

mod asserted;
mod chips;
mod cli;
mod deal;
mod link;
mod load;
mod receipt;
mod replay;
mod table;
mod trunk;
mod verify;
mod view;
