//! A bench of players' sockets against Socket.IO: the real gateway and table processes, and a Node.js server that does
//! the same work, with the same players.
//!
//! Both speak TLS 1.3 over WebSockets and write to the same kind of Redis before they show anything. Server processes
//! have one core, this process (the players, a signer that grants everything, the list of pods) and Redis the other.
//!
//! **Caveats.** What is compared is an action: validated, written, shown to the nine of its table. Ours does more on the
//! way, and pays for it here: one process a table and the gateway before it, mutual TLS between the two, `WAIT` for a
//! replica, every seat's view sealed, a deal that can be proven, a hand record and a settlement entry. The peer's game has
//! no evaluator and its winners are drawn. Players commit no entropy. The signer is a stub.

mod fleet;
mod options;
pub(crate) mod outside;
mod peer;
pub(crate) mod programs;
pub(crate) mod redis;
pub(crate) mod rows;
pub(crate) mod usage;

pub use options::Options;

use anyhow::{Context, ensure};
pub(crate) use fleet::{BIG_BLIND, BUY_IN, Fleet, NAMESPACE, Place, SEATS};
use peer::Peer;
use purr_client::load::{Moment, Outcome, Plan, Player, Side, Target, drive};
pub(crate) use redis::{Fsync, Redis};
use rows::{Idle, Rows, Run};
use std::{
    fs,
    time::{Duration, Instant},
};

use crate::solo::secrets::Secrets;

const WARM_UP: Duration = Duration::from_secs(3);
/// Time for memory to settle.
const REST: Duration = Duration::from_secs(60);
/// Tables of the idle connections: each takes 512.
const IDLE_TABLES: usize = 111;
/// Files that a server has open beside its connections.
const FILES_SPARE: u64 = 600;

struct Bench {
    options: Options,
    secrets: Secrets,
    begun: Instant,
    /// No table is used twice.
    runs: usize,
}

/// Runs the whole bench and writes the rows.
///
/// # Errors
/// Where a program does not come up, ends, or where players get errors: figures of a broken run are none.
pub async fn run(options: Options) -> anyhow::Result<()> {
    options.validate()?;
    fs::create_dir_all(&options.dir)?;
    let secrets = Secrets::new()?;
    secrets.identity("redis", &["localhost", "127.0.0.1"])?;
    secrets.identity("public", &["localhost"])?;
    let mut bench = Bench { options, secrets, begun: Instant::now(), runs: 0 };
    let mut rows = Rows::default();
    for players in bench.options.players.clone() {
        let tables = players.div_ceil(SEATS);
        let ours = bench.ours(tables, Fsync::EverySecond).await?;
        let peer = bench.peer(tables).await?;
        rows.compare(&ours, &peer);
        if bench.options.always.contains(&players) {
            rows.always(&bench.ours(tables, Fsync::Always).await?);
        }
        // A later step may fail: earlier rows are kept.
        rows.write(&bench.options.out)?;
    }
    if bench.options.idle > 0 {
        let ours = bench.idle_ours().await?;
        let peer = bench.idle_peer().await?;
        rows.idle(&ours, &peer);
    }
    rows.write(&bench.options.out)
}

impl Bench {
    fn say(&self, what: &str) {
        eprintln!("[{:4.0} s] {what}", self.begun.elapsed().as_secs_f64());
    }

    fn place(&self) -> Place<'_> {
        let Options { bin, dir, server_core, .. } = &self.options;
        Place { bin, dir, secrets: &self.secrets, core: *server_core }
    }

    async fn redis(&mut self, fsync: Fsync) -> anyhow::Result<Redis> {
        self.runs += 1;
        let dir = self.options.dir.join(format!("run-{}", self.runs));
        fs::create_dir_all(&dir)?;
        Redis::start(&dir, &self.secrets.folder("redis")?, self.options.other_core, fsync, 1).await
    }

    fn plan(&self, tables: usize) -> Plan {
        Plan {
            think: self.options.think(tables),
            arrive_max: Duration::from_secs(120),
            warm_up: WARM_UP,
            measure: Duration::from_secs(self.options.seconds),
            actions_max: u64::MAX,
            big_blind: fleet::BIG_BLIND,
            leave_max: None,
        }
    }

    async fn ours(&mut self, tables: usize, fsync: Fsync) -> anyhow::Result<Run> {
        let mut redis = self.redis(fsync).await?;
        self.say(&format!("{tables} tables: starting ({fsync})"));
        let mut fleet = Fleet::start(&self.place(), &redis, tables, self.runs).await?;
        let (target, players) = fleet.players(tables * SEATS).await?;
        let run = self.measure(target, players, tables, fleet.pids(), &redis).await?;
        fleet.check()?;
        redis.check()?;
        self.say(&format!("{tables} tables, {fsync}: {}", run.line()));
        Ok(run)
    }

    async fn peer(&mut self, tables: usize) -> anyhow::Result<Run> {
        let mut redis = self.redis(Fsync::EverySecond).await?;
        let (folder, dir) = (&self.options.socketio, &self.options.dir);
        let tls = self.secrets.folder("public")?;
        let mut peer = Peer::start(folder, dir, &tls, self.options.server_core, &redis, self.runs).await?;
        let (target, players) = peer.players(tables, tables * SEATS, 0)?;
        let run = self.measure(target, players, tables, peer.pids(), &redis).await?;
        peer.check()?;
        redis.check()?;
        self.say(&format!("{tables} tables, Socket.IO: {}", run.line()));
        Ok(run)
    }

    async fn measure<S: Side + Send + 'static>(
        &self,
        target: Target,
        players: Vec<Player<S>>,
        tables: usize,
        servers: Vec<u32>,
        redis: &Redis,
    ) -> anyhow::Result<Run> {
        let (plan, stores, own) = (self.plan(tables), redis.pids(), vec![std::process::id()]);
        let groups = [servers, stores, own];
        let measured = tokio::task::spawn_blocking(move || {
            let mut seen: Vec<anyhow::Result<[f64; 3]>> = Vec::new();
            let outcome = drive(&plan, target, players, |moment, _| {
                if matches!(moment, Moment::Begin | Moment::End) {
                    let look = || -> anyhow::Result<[f64; 3]> {
                        let [servers, stores, own] = &groups;
                        Ok([usage::cpu_s(servers)?, usage::cpu_s(stores)?, usage::cpu_s(own)?])
                    };
                    seen.push(look());
                }
            })?;
            anyhow::Ok((outcome, seen))
        });
        let (outcome, seen) = measured.await??;
        let mut seen = seen.into_iter();
        let (before, after) = (seen.next().context("no begin")??, seen.next().context("no end")??);
        let Outcome { errors, error_kinds, actions, .. } = &outcome;
        ensure!(*actions > 0, "no action was acknowledged");
        ensure!(*errors * 1_000 <= *actions, "{errors} errors in {actions} actions: {error_kinds:?}");
        let [servers_s, stores_s, generator_s] = [0, 1, 2].map(|at| after[at] - before[at]);
        Ok(Run { outcome, servers_s, stores_s, generator_s })
    }

    /// The number of idle connections: as requested, limited by the server's open files.
    fn idle_count(&self) -> anyhow::Result<usize> {
        let files = usage::files_max()?.saturating_sub(FILES_SPARE);
        Ok(self.options.idle.min(usize::try_from(files).unwrap_or(usize::MAX)))
    }

    async fn idle_ours(&mut self) -> anyhow::Result<Idle> {
        let count = self.idle_count()?;
        let redis = self.redis(Fsync::EverySecond).await?;
        self.say(&format!("{count} idle connections"));
        let fleet = Fleet::start(&self.place(), &redis, IDLE_TABLES, self.runs).await?;
        let (target, players) = fleet.spectators(count).await?;
        let (pids, gateway) = (fleet.pids(), fleet.gateway_pid().context("no gateway")?);
        let before = usage::settled_pss(&pids, REST)?;
        let gateway_before = usage::pss_bytes(&[gateway])?;
        let mut idle = self.idle(target, players, pids, before).await?;
        idle.gateway = Some(idle.gateway_after(gateway_before)?);
        self.say(&idle.line());
        Ok(idle)
    }

    async fn idle_peer(&mut self) -> anyhow::Result<Idle> {
        let count = self.idle_count()?;
        let redis = self.redis(Fsync::EverySecond).await?;
        let (folder, dir) = (&self.options.socketio, &self.options.dir);
        let tls = self.secrets.folder("public")?;
        let peer = Peer::start(folder, dir, &tls, self.options.server_core, &redis, self.runs).await?;
        let (target, players) = peer.players(IDLE_TABLES, 0, count)?;
        let before = usage::settled_pss(&peer.pids(), REST)?;
        let idle = self.idle(target, players, peer.pids(), before).await?;
        self.say(&format!("Socket.IO: {}", idle.line()));
        Ok(idle)
    }

    async fn idle<S: Side + Send + 'static>(
        &self,
        target: Target,
        players: Vec<Player<S>>,
        pids: Vec<u32>,
        before: u64,
    ) -> anyhow::Result<Idle> {
        let connections = players.len();
        let plan =
            Plan { warm_up: Duration::from_secs(1), measure: Duration::ZERO, ..self.plan(IDLE_TABLES) };
        let looked = tokio::task::spawn_blocking(move || {
            let mut after = None;
            let all = pids.clone();
            let outcome = drive(&plan, target, players, |moment, _| {
                if moment == Moment::Begin {
                    // Heartbeats are longer apart than this measurement, so no player needs an answer.
                    after = Some(usage::settled_pss(&pids, REST).and_then(|sum| {
                        let each = pids.iter().map(|pid| Ok((*pid, usage::pss_bytes(&[*pid])?)));
                        Ok((sum, each.collect::<anyhow::Result<Vec<_>>>()?))
                    }));
                }
            })?;
            ensure!(outcome.reconnects == 0, "{} connections were lost", outcome.reconnects);
            anyhow::Ok((all, after.context("never arrived")??))
        });
        let (_, (after, each)) = looked.await??;
        Ok(Idle { connections, before, after, each, gateway: None })
    }
}
