//! `purr-redis-node`: one data node of a Sentinel group.

use clap::Parser;
use purr_redis_node::{Options, Verb};
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    let log = options.log.clone();
    if let Some(Verb::Cli { sentinel, command }) = options.verb.clone() {
        return match purr_redis_node::cli(options, sentinel, &command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    purr_runtime::main_single(&log, |stop| purr_redis_node::run(options, stop))
}
