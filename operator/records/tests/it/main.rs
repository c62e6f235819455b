//! The integration tests of this crate in one program: compiling and linking one for each file took most of the build.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "../../../runtime/tests/common/certificates.rs"]
mod certificates;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/redis.rs"]
mod redis;

mod api;
mod blocks;
mod erasure;
mod events;
mod export;
mod fairplay;
mod ingest;
mod others;
mod own;
mod rollback;
mod search;
mod standing;
mod statistics;
mod stream;
