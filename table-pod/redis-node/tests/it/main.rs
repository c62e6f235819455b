//! Three real servers with their Sentinels, each under its supervisor, on loopback addresses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "../../../../operator/runtime/tests/common/certificates.rs"]
mod certificates;
mod drain;
mod faults;
mod group;
mod outage;
mod upkeep;
