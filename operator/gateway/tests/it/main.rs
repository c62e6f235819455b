//! The integration tests of this crate in one program: compiling and linking one for each file took most of the build.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "../common/mod.rs"]
mod common;

mod api;
mod asserted;
mod attack;
mod floor;
mod front;
mod integrity;
mod isolation;
mod lobby;
mod openapi;
mod outside;
mod paths;
mod players;
mod process;
mod redis;
mod seats;
mod sockets;
mod streams;
