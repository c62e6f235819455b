//! `purr-fairplay`: scores files of ended hands, simulates them, and measures the detectors.

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
    match cli::run(cli::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("purr-fairplay: {error:#}");
            ExitCode::FAILURE
        }
    }
}
