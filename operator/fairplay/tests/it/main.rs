//! The integration tests of this crate in one program: compiling and linking one for each file took most of the build.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "../../../runtime/tests/common/certificates.rs"]
mod certificates;
#[path = "../../../records/tests/common/mod.rs"]
mod common;
#[path = "../world/mod.rs"]
mod world;

mod cases;
mod command;
mod detectors;
mod record;
mod refunds;
mod service;
