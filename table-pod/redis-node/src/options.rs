//! Options of `purr-redis-node`, as flags or environment variables.

use crate::decide::{Group, Node};
use anyhow::{Context, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, time::Duration};

/// Runs one data node of a Sentinel group with its Sentinel, so that no acknowledged write is lost by a start or a stop.
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Options {
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Name of this node, one of --nodes
    #[arg(long, env = "PURR_NODE")]
    pub node: String,
    /// Names of all nodes of the group, comma-separated, in the same order on every node
    #[arg(long, env = "PURR_NODES", value_delimiter = ',', required = true)]
    pub nodes: Vec<String>,
    /// What the group is for: tables commit to a store, and what is in sessions may be lost
    #[arg(long, env = "PURR_GROUP", value_enum)]
    pub group: GroupName,
    /// Name under which the Sentinels know the master
    #[arg(long, env = "PURR_MASTER_NAME")]
    pub master_name: String,
    /// Memory for data, in Redis' notation; above it writes are refused
    #[arg(long, env = "PURR_MAX_MEMORY", default_value = "128mb")]
    pub max_memory: String,
    /// Address that server and Sentinel listen on; empty: all
    #[arg(long, env = "PURR_REDIS_LISTEN", default_value = "")]
    pub redis_listen: String,
    /// TLS port of every server in the group
    #[arg(long, env = "PURR_REDIS_PORT", default_value_t = 6379)]
    pub redis_port: u16,
    /// TLS port of every Sentinel in the group
    #[arg(long, env = "PURR_SENTINEL_PORT", default_value_t = 26379)]
    pub sentinel_port: u16,
    /// Folder for the server's log and the Sentinel's file
    #[arg(long, env = "PURR_DATA_DIR", default_value = "/data")]
    pub data_dir: PathBuf,
    /// Folder for what lives as long as the program: settings with passwords, and the server's socket
    #[arg(long, env = "PURR_RUN_DIR", default_value = "/run/redis")]
    pub run_dir: PathBuf,
    /// Folder with the settings and access lists of the groups
    #[arg(long, env = "PURR_CONFIG_DIR", default_value = "/etc/purr/config")]
    pub config_dir: PathBuf,
    /// Folder with one file for each user, which holds the password
    #[arg(long, env = "PURR_PASSWORD_DIR", default_value = "/etc/purr/redis")]
    pub password_dir: PathBuf,
    /// Folder with tls.crt, tls.key and ca.crt
    #[arg(long, env = "PURR_TLS_DIR", default_value = "/etc/purr/tls")]
    pub tls_dir: PathBuf,
    /// Seconds from SIGTERM until the program has ended; 20 to 3600. Kubernetes' grace period
    #[arg(long, env = "PURR_GRACE_SECONDS", default_value_t = 40)]
    pub grace_seconds: u64,
    /// Address for probes and metrics (plain HTTP)
    #[arg(long, env = "PURR_OPS_LISTEN", default_value = "0.0.0.0:9090")]
    pub ops_listen: SocketAddr,
    /// Log filter, for instance info,purr_redis_node=debug
    #[arg(long, env = "PURR_LOG", default_value = "info")]
    pub log: String,
}

/// A command to run instead of supervising.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Gives one command to this node's server as its administrator, for instance: cli info replication
    Cli {
        /// To this node's Sentinel
        #[arg(long)]
        sentinel: bool,
        /// Options of redis-cli, and the command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupName {
    Store,
    Sessions,
}

impl GroupName {
    pub fn group(self) -> Group {
        match self {
            Self::Store => Group::Store,
            Self::Sessions => Group::Sessions,
        }
    }

    /// Prefix of the group's files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Sessions => "sessions",
        }
    }
}

/// The nodes of the group, and the port of their servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub nodes: Vec<String>,
    pub port: u16,
}

impl Names {
    pub fn node(&self, name: &str) -> Option<Node> {
        self.nodes.iter().position(|node| node == name).map(Node)
    }

    /// The name of a node of this list.
    pub fn name(&self, node: Node) -> &str {
        self.nodes.get(node.0).map_or("", String::as_str)
    }
}

/// Options that have been checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub me: Node,
    pub names: Names,
    pub group: GroupName,
    pub master_name: String,
    pub max_memory: String,
    pub redis_listen: String,
    pub sentinel_port: u16,
    pub data_dir: PathBuf,
    pub run_dir: PathBuf,
    pub config_dir: PathBuf,
    pub password_dir: PathBuf,
    pub tls_dir: PathBuf,
    pub grace: Duration,
    pub ops_listen: SocketAddr,
}

impl Config {
    pub fn my_name(&self) -> &str {
        self.names.name(self.me)
    }

    pub fn socket(&self) -> PathBuf {
        self.run_dir.join("redis.sock")
    }
}

/// Nodes of one group; each asks all others once a second.
const NODES_MAX: usize = 9;

impl Options {
    /// # Errors
    /// Where an option is not usable, by its name.
    pub fn validate(self) -> anyhow::Result<Config> {
        let word = |text: &str| {
            !text.is_empty()
                && text.len() <= 253
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
        };
        for name in &self.nodes {
            ensure!(word(name), "--nodes: '{name}' is not the name of a host");
        }
        ensure!(self.nodes.len() <= NODES_MAX, "--nodes are more than {NODES_MAX}");
        let distinct: BTreeSet<&String> = self.nodes.iter().collect();
        ensure!(distinct.len() == self.nodes.len(), "--nodes names a node twice");
        ensure!(
            self.group == GroupName::Sessions || self.nodes.len() > 1,
            "--nodes: a store has at least 2, every commit is acknowledged by a replica"
        );
        let names = Names { nodes: self.nodes, port: self.redis_port };
        let me = names.node(&self.node);
        let me = me.with_context(|| format!("--node '{}' is none of --nodes", self.node))?;
        ensure!(word(&self.master_name), "--master-name '{}' is not a name", self.master_name);
        ensure!(word(&self.max_memory), "--max-memory '{}' is not a size, as in 128mb", self.max_memory);
        let listen = self.redis_listen.is_empty() || word(&self.redis_listen);
        ensure!(listen, "--redis-listen '{}' is not an address", self.redis_listen);
        ensure!(self.redis_port > 0, "--redis-port is 0");
        ensure!(self.sentinel_port > 0, "--sentinel-port is 0");
        ensure!(self.redis_port != self.sentinel_port, "--redis-port and --sentinel-port are the same");
        ensure!((20..=3_600).contains(&self.grace_seconds), "--grace-seconds is 20 to 3600");
        for (option, folder) in [
            ("--data-dir", &self.data_dir),
            ("--run-dir", &self.run_dir),
            ("--config-dir", &self.config_dir),
            ("--password-dir", &self.password_dir),
            ("--tls-dir", &self.tls_dir),
        ] {
            ensure!(folder.is_dir(), "{option} {} is not a folder", folder.display());
            let plain = folder.to_str().is_some_and(|path| !path.contains([' ', '"', '\\', '\n']));
            ensure!(plain, "{option} {}: Redis' settings cannot name it", folder.display());
        }
        Ok(Config {
            me,
            names,
            group: self.group,
            master_name: self.master_name,
            max_memory: self.max_memory,
            redis_listen: self.redis_listen,
            sentinel_port: self.sentinel_port,
            data_dir: self.data_dir,
            run_dir: self.run_dir,
            config_dir: self.config_dir,
            password_dir: self.password_dir,
            tls_dir: self.tls_dir,
            grace: Duration::from_secs(self.grace_seconds),
            ops_listen: self.ops_listen,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &[&str]) -> anyhow::Result<Config> {
        let folder = tempfile::tempdir()?;
        let folder = folder.path().to_str().context("a path")?.to_owned();
        let mut args =
            vec!["purr-redis-node", "--group=store", "--master-name=purr", "--node=a", "--nodes=a,b"];
        let folders =
            ["data", "run", "config", "password", "tls"].map(|name| format!("--{name}-dir={folder}"));
        args.extend(folders.iter().map(String::as_str));
        let own = |arg: &&&str| !more.iter().any(|more| more.split('=').next() == arg.split('=').next());
        let args: Vec<&str> = args.iter().filter(own).chain(more).copied().collect();
        Options::try_parse_from(args)?.validate()
    }

    #[test]
    fn an_option_that_cannot_be_used_is_named() {
        let config = parse(&[]).unwrap();
        assert_eq!((config.me, config.my_name(), config.grace.as_secs()), (Node(0), "a", 40));
        for (more, said) in [
            (&["--node=c"][..], "--node 'c' is none of --nodes"),
            (&["--nodes=a,a"], "--nodes names a node twice"),
            (&["--nodes=a"], "a store has at least 2"),
            (&["--nodes=a,b c"], "'b c' is not the name of a host"),
            (&["--grace-seconds=10"], "--grace-seconds is 20 to 3600"),
            (&["--max-memory=1 mb"], "--max-memory"),
            (&["--sentinel-port=6379"], "are the same"),
            (&["--data-dir=/nowhere/at/all"], "--data-dir /nowhere/at/all is not a folder"),
        ] {
            let error = parse(more).unwrap_err().to_string();
            assert!(error.contains(said), "{more:?}: {error}");
        }
        assert!(parse(&["--nodes=a", "--group=sessions"]).is_ok());
    }
}
