//! Options of `purr-scale`.

use anyhow::ensure;
use clap::Parser;
use std::path::PathBuf;

/// The controller at many tables, on an API server and etcd that run already (tests/scale.sh starts them).
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Options {
    /// Kubeconfig of an administrator
    #[arg(long)]
    pub admin: PathBuf,
    /// Kubeconfig of the controller, with the chart's rights and no more
    #[arg(long)]
    pub kubeconfig: PathBuf,
    /// The program
    #[arg(long)]
    pub controller: PathBuf,
    /// KWOK, which says of pods that they are ready. Left out: this program says so itself
    #[arg(long, requires = "kwok_config")]
    pub kwok: Option<PathBuf>,
    /// KWOK's configuration, with its stages
    #[arg(long)]
    pub kwok_config: Option<PathBuf>,
    /// Process of etcd
    #[arg(long)]
    pub etcd_pid: u32,
    /// Where etcd has its metrics
    #[arg(long)]
    pub etcd_addr: std::net::SocketAddr,
    /// Process of the API server
    #[arg(long)]
    pub apiserver_pid: u32,
    /// Folder for data and logs of this run
    #[arg(long)]
    pub dir: PathBuf,
    /// File for the figures
    #[arg(long)]
    pub out: PathBuf,
    /// File for the plot
    #[arg(long)]
    pub plot: Option<PathBuf>,
    /// Namespaces of the tables, comma-separated
    #[arg(long, value_delimiter = ',', required = true)]
    pub namespaces: Vec<String>,
    /// Namespaces in which the bare client writes, comma-separated; as many
    #[arg(long, value_delimiter = ',', required = true)]
    pub bare_namespaces: Vec<String>,
    /// Tables of the first step
    #[arg(long, default_value_t = 10_000)]
    pub tables: usize,
    /// Tables that each further step adds
    #[arg(long, default_value_t = 2_500)]
    pub step: usize,
    /// Tables at most
    #[arg(long, default_value_t = 20_000)]
    pub tables_max: usize,
    /// Longest time for one step to converge, in seconds
    #[arg(long, default_value_t = 300)]
    pub converge_s: u64,
    /// Time for which every table deals, in seconds
    #[arg(long, default_value_t = 60)]
    pub deal_s: u64,
    /// Requests of this program that are under way at once
    #[arg(long, default_value_t = 64)]
    pub parallel: usize,
    /// Fail where a figure misses its bound; speeds are only published otherwise
    #[arg(long)]
    pub strict: bool,
}

impl Options {
    pub(super) fn validate(&self) -> anyhow::Result<()> {
        ensure!(self.tables > 0 && self.tables <= 50_000, "--tables is 1 to 50000");
        ensure!(self.tables_max <= 50_000, "--tables-max is at most 50000");
        ensure!(self.parallel > 0 && self.parallel <= 512, "--parallel is 1 to 512");
        ensure!(
            self.namespaces.len() == self.bare_namespaces.len(),
            "as many --bare-namespaces as --namespaces"
        );
        Ok(())
    }
}
