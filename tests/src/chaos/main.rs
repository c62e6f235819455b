//! `purr-chaos`: faults on a running stack while a table plays.

use anyhow::{Context, ensure};
use clap::Parser;
use purr_tests::{
    Stack,
    chaos::{self, ALL, Fault},
};
use std::{path::PathBuf, process::ExitCode};
use tokio::time::Instant;

/// Lets faults happen while a table plays, and says what players felt of each and whether anything was lost.
/// Fails where something was lost or doubled.
/// The stack comes from the environment that tests/stack.sh writes; it runs on a test cluster of this machine.
#[derive(Parser)]
struct Options {
    /// The faults, by name and in this order; all where none is named
    #[arg(long, value_delimiter = ',', value_parser = fault)]
    faults: Vec<Fault>,
    /// How often each fault happens
    #[arg(long, default_value_t = 10)]
    runs: u32,
    /// Players at the table, 2 to 6
    #[arg(long, default_value_t = 3)]
    players: u64,
    /// The test cluster's name
    #[arg(long, env = "PURR_CLUSTER", default_value = "purr")]
    cluster: String,
    /// The image table-faketime of tests/cluster/images.sh, which the faults of clocks need
    #[arg(long, env = "PURR_FAKETIME_IMAGE")]
    faketime_image: Option<String>,
    /// The script that does to a pod what a fault does
    #[arg(long, env = "PURR_POD_SH", default_value = "tests/cluster/pod.sh")]
    pod_sh: PathBuf,
    /// Where the rows go, as JSON
    #[arg(long, default_value = "target/chaos.json")]
    out: PathBuf,
    /// A text with the marks of the table, which gets this run's rows
    #[arg(long)]
    readme: Option<PathBuf>,
}

fn fault(text: &str) -> anyhow::Result<Fault> {
    let names = || ALL.map(Fault::name).join(", ");
    ALL.into_iter().find(|fault| fault.name() == text).with_context(|| format!("the faults are {}", names()))
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let options = Options::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> anyhow::Result<bool> {
    ensure!((2..=6).contains(&options.players), "--players is 2 to 6");
    ensure!((1..=100).contains(&options.runs), "--runs is 1 to 100");
    let stack: &'static Stack = Box::leak(Box::new(Stack::from_env()?));
    let begun = Instant::now();
    let say = |text: String| println!("[{:4}s] {text}", begun.elapsed().as_secs());
    let faults = if options.faults.is_empty() { ALL.to_vec() } else { options.faults };
    let Options { runs, players, faketime_image, pod_sh, out, readme, .. } = options;
    // As an absolute path: a bare name would be searched in PATH.
    let pod_sh = pod_sh.canonicalize().context("--pod-sh")?;
    let plan = chaos::Plan { faults, runs, players, faketime_image, pod_sh };
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let keep = |rows: &[chaos::Row]| {
        std::fs::write(&out, serde_json::to_vec_pretty(rows)?).context("the rows")?;
        let Some(readme) = &readme else { return Ok(()) };
        let text = std::fs::read_to_string(readme).context("--readme")?;
        std::fs::write(readme, chaos::into_readme(&text, rows)?).context("--readme")
    };
    let rows = match chaos::run(stack, &options.cluster, &plan, say, keep).await {
        Ok(rows) => rows,
        Err(error) => {
            stack.dump().await;
            return Err(error);
        }
    };
    println!("\n{}", chaos::render(&rows));
    // Only losses and duplicates fail the run: durations depend on the machine and are in the rows.
    Ok(rows.iter().all(|row| row.lost + row.duplicated == 0))
}
