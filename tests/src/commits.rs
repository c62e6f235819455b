//! The cost of safety: a table's commits on a real Redis group, beside a plain `SET` of the same bytes.
//!
//! The commits are those of the real table, which is played first (the simulator's, without faults), so their sizes are
//! the product's own. The group is a master with two replicas and a Sentinel, TLS 1.3, the chart's ACL, `appendfsync
//! always` on all of them.
//!
//! **Caveats.** All nodes share one disk and one core, and a replica is a loopback away: a second machine's network is not
//! in these figures, and one disk's fsync is in them three times. The ratio is of one run, in which the kinds take turns.

mod writer;

use crate::{
    simulator::{self, Bug},
    sockets::{
        redis::{Fsync, Redis},
        rows::Rows,
    },
    solo::secrets::Secrets,
};
use anyhow::{Context, ensure};
use clap::Parser;
use purr_client::report::Percentiles;
use purr_store::{Commit, Link, LinkConfig};
use std::{fs, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::Instant;
use writer::{Plain, Writer};

/// Maximum of a commit's tail, in tails of a plain SET.
const P99_GOAL: f64 = 2.5;
const PEER: &str = "plain SET";
const REPLICAS: usize = 2;
/// Acknowledgements that a table waits for (purr-table).
const ACKNOWLEDGED: u64 = 1;

/// Commits of a table on a real Redis group, beside a plain SET of the same bytes.
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Options {
    /// Folder for the stores' data, on a disk
    #[arg(long)]
    pub dir: PathBuf,
    /// File for the rows
    #[arg(long)]
    pub out: PathBuf,
    /// Hands whose commits are written, again and again
    #[arg(long, default_value_t = 12)]
    pub hands: u64,
    /// Turns of each kind of write, and writes of one turn
    #[arg(long, default_value_t = 20)]
    pub turns: usize,
    #[arg(long, default_value_t = 100)]
    pub writes: usize,
    /// Tables that write side by side, and for how long, in seconds
    #[arg(long, default_value_t = 200)]
    pub tables: usize,
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Version of the snapshots that are written: 1 or 2
    #[arg(long, default_value_t = purr_protocol::snapshot::VERSION)]
    pub snapshot_version: u8,
    /// Core of Redis
    #[arg(long, default_value_t = 1)]
    pub redis_core: usize,
}

/// Runs the whole bench and writes the rows.
///
/// # Errors
/// Where Redis does not come up or a write fails: figures of a broken run are none.
pub async fn run(options: Options) -> anyhow::Result<()> {
    ensure!(options.turns > 0 && options.writes > 0, "--turns and --writes are at least 1");
    ensure!((1..=1_000).contains(&options.tables), "--tables is 1 to 1000");
    let Options { hands, turns, writes, tables, seconds, redis_core, .. } = options;
    fs::create_dir_all(&options.dir)?;
    let calm = simulator::Plan {
        seed: 7,
        hands,
        lossy: 0,
        faults: 0,
        lose_epoch: false,
        forgets: false,
        formats: simulator::Formats::All(options.snapshot_version.try_into()?),
        bug: Bug::None,
    };
    let commits: Arc<[Arc<Commit>]> = simulator::run(calm).await.context("the hands")?.commits.into();
    ensure!(commits.len() > 50, "only {} commits came of the hands", commits.len());
    let mut sizes: Vec<usize> = writer::payloads(&commits).iter().map(|payload| payload.len()).collect();
    sizes.sort_unstable();
    let (bytes, median) = (sizes.iter().sum::<usize>() / sizes.len(), sizes[sizes.len() / 2]);
    eprintln!("{} commits of {hands} hands, {bytes} bytes each, {median} in the middle", commits.len());

    let secrets = Secrets::new()?;
    secrets.identity("redis", &["localhost", "127.0.0.1"])?;
    let tls = secrets.folder("redis")?;
    let mut redis = Redis::start(&options.dir, &tls, redis_core, Fsync::Always, REPLICAS).await?;
    let link = Link::new(LinkConfig {
        sentinels: vec![(redis.sentinel.ip().to_string(), redis.sentinel.port())],
        master: "purr".into(),
        user: "table".into(),
        password_file: redis.password_file()?,
        ca_file: secrets.ca_file("redis"),
    });
    redis.replicas_are_there(&link, REPLICAS).await?;

    let mut safe = Writer::new(link.clone(), ACKNOWLEDGED, "safe", commits.clone()).await?;
    let mut hasty = Writer::new(link.clone(), 0, "hasty", commits.clone()).await?;
    let mut plain = Plain::new(&link, commits.clone()).await?;
    let [mut with_wait, mut without, mut set] = [Vec::new(), Vec::new(), Vec::new()];
    for turn in 0..=turns {
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..writes {
            times[0].push(safe.write().await?);
        }
        for _ in 0..writes {
            times[1].push(hasty.write().await?);
        }
        for _ in 0..writes {
            times[2].push(plain.write().await?);
        }
        // The first turn warms up.
        if turn > 0 {
            let [a, b, c] = times;
            with_wait.extend(a);
            without.extend(b);
            set.extend(c);
        }
    }
    let one = rate(&with_wait);
    let [with_wait, without, set] = [with_wait, without, set].map(|mut times| Percentiles::of(&mut times));

    let mut writers = Vec::new();
    for table in 0..tables {
        let name = format!("many-{table}");
        writers.push(Writer::new(link.clone(), ACKNOWLEDGED, &name, commits.clone()).await?);
    }
    // Only now: to connect them all takes longer than the measurement.
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let write = |mut writer: Writer| {
        tokio::spawn(async move {
            let mut times = Vec::new();
            while Instant::now() < until {
                times.push(writer.write().await?);
            }
            anyhow::Ok(times)
        })
    };
    let tasks: Vec<_> = writers.into_iter().map(write).collect();
    let mut many = Vec::new();
    for task in tasks {
        many.extend(task.await??);
    }
    let per_second = many.len() as f64 / begun.elapsed().as_secs_f64();
    let many = Percentiles::of(&mut many);
    redis.check()?;

    let mut rows = Rows::default();
    rows.beside_of(PEER, "commit/wait/p50".into(), (with_wait.p50, set.p50), "ms", None);
    rows.beside_of(PEER, "commit/wait/p99".into(), (with_wait.p99, set.p99), "ms", Some(1.0 / P99_GOAL));
    rows.beside_of(PEER, "commit/no-wait/p50".into(), (without.p50, set.p50), "ms", None);
    rows.beside_of(PEER, "commit/no-wait/p99".into(), (without.p99, set.p99), "ms", None);
    rows.alone("commit/tables/1/actions".into(), one, "1/s");
    rows.alone(format!("commit/tables/{tables}/actions"), per_second, "1/s");
    rows.alone(format!("commit/tables/{tables}/p50"), many.p50, "ms");
    rows.alone(format!("commit/tables/{tables}/p99"), many.p99, "ms");
    rows.alone("commit/bytes".into(), bytes as f64, "bytes");
    rows.alone("commit/bytes/p50".into(), median as f64, "bytes");
    rows.write(&options.out)
}

/// Writes a second, one after the other.
fn rate(times: &[Duration]) -> f64 {
    times.len() as f64 / times.iter().sum::<Duration>().as_secs_f64()
}
