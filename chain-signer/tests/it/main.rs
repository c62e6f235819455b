//! The integration tests of this crate in one program: compiling and linking one for each file took most of the build.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]
#![allow(clippy::cast_possible_truncation, reason = "seats and counts are small")]

#[path = "../common/mod.rs"]
mod common;

mod books;
mod cashier;
mod checkpoint;
mod degraded;
mod denials;
mod derived;
mod due;
mod failover;
mod gas;
mod hard;
mod lies;
mod limits;
mod quiet;
mod receipts;
mod restart;
mod rollback;
mod rotation;
mod seated;
mod settle;
mod shortfall;
mod tamper;
mod token;
mod vouchers;
mod wild;
