//! Runs a data node: a Redis server and its Sentinel, supervised by one program.
//!
//! # Guarantees
//! See [`decide`]: which node starts as the master, whom a node joins, when it takes no writes, and how it hands over
//! before it ends. The shell around it asks all nodes ([`nodes`]), writes the files that Redis reads ([`settings`]), and
//! does one step after the other ([`supervisor`]). A server that ends is started again in place, after a growing wait
//! where it does not stay up, because kubelet would wait up to five minutes.
//!
//! # Assumptions
//! Every node has the same list of nodes. The program is the first process of its container: where it is killed, server
//! and Sentinel end with it.
//!
//! # What it does not promise
//! It never promotes a node while another one is in service: that is the Sentinels' decision, by a majority of them.

pub mod certificates;
pub mod decide;
pub mod info;
pub mod memory;
pub mod metrics;
pub mod nodes;
pub mod options;
pub mod process;
pub mod settings;
pub mod supervisor;

pub use options::{Config, Options, Verb};

use anyhow::Context;
use metrics::Metrics;
use prometheus::Registry;
use purr_runtime::{
    CancellationToken, Readiness,
    expiry::{self, Mounted},
    ops,
};
use std::{os::unix::process::CommandExt, process::Command};
use supervisor::Supervisor;

/// Supervises until `stop`.
///
/// # Errors
/// Where an option is not usable, or this node's own files cannot be read.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let config = options.validate()?;
    let registry = Registry::new();
    let (metrics, readiness) = (Metrics::new(&registry)?, Readiness::default());
    expiry::register(&registry, &[Mounted::internal(&config.tls_dir)])?;
    readiness.not_ready("data node", "it starts");
    // Probes are answered until the end: a master that drains must not be killed for its silence.
    let ended = CancellationToken::new();
    let ops = ops::serve(config.ops_listen, registry, readiness.clone(), ended.clone());
    let ops = tokio::spawn(ops);
    let node = config.my_name().to_owned();
    tracing::info!(node, nodes = ?config.names.nodes, "started");
    let ran = Supervisor::new(config, metrics, readiness).run(stop).await;
    ended.cancel();
    ran?;
    ops.await.context("probes and metrics")?.context("--ops-listen")
}

/// Becomes `redis-cli`. The password travels in the environment, not in the list of processes.
///
/// # Errors
/// Where an option is not usable, or redis-cli is not there.
pub fn cli(options: Options, sentinel: bool, words: &[String]) -> anyhow::Result<()> {
    let config = options.validate()?;
    let mut command = Command::new("redis-cli");
    command.args(["--no-auth-warning", "--user", "admin"]);
    if sentinel {
        let ca = config.tls_dir.join("ca.crt");
        command
            .args(["--tls", "-h", config.my_name(), "-p", &config.sentinel_port.to_string(), "--cacert"])
            .arg(ca);
    } else {
        command.arg("-s").arg(config.socket());
    }
    let password = settings::password(&config, "admin")?;
    Err(command.args(words).env("REDISCLI_AUTH", password).exec()).context("redis-cli")
}
