//! `purr-fairplay`: the fair-play service; scores files of ended hands, simulates them, and measures the detectors.

#![forbid(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seats and amounts of recorded hands, counts of pools"
)]

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(cli::Options::parse())
}
