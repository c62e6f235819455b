//! `purr-chain-signer`: the only program that holds keys.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = purr_chain_signer::Options::parse();
    let log = options.log.clone();
    purr_runtime::main(&log, |stop| purr_chain_signer::run(options, stop))
}
