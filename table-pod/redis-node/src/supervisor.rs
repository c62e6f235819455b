//! The supervision loop: observes the group, decides, and carries the steps out.

use crate::{
    certificates::{self, Loaded},
    decide::{Claim, Drain, Observed, Role, Seen, Step, WRITES_PAUSED, Word, decide, missing, newest},
    info::Info,
    memory::Memory,
    metrics::Metrics,
    nodes::{AskError, Nodes, To},
    options::Config,
    process::{NOWHERE, Process, replica_of},
    settings::{self, SentinelMemory, SettingsError, replicas_to_write},
};
use futures::future::{join, join_all};
use purr_runtime::{CancellationToken, Readiness};
use purr_store::history;
use std::{io, time::Duration};
use tokio::time::{Instant, sleep};

/// Free bytes on the volume before a server starts. One that cannot write its log ends at once.
const ROOM: u64 = 8 * 1024 * 1024;
/// Pauses between two observations: while the node is neither master nor replica, while it serves, and while it drains.
const SEARCHES: Duration = Duration::from_millis(300);
const SERVES: Duration = Duration::from_secs(1);
const DRAINS: Duration = Duration::from_millis(200);
/// Part of the grace period that is left for the end of the program itself.
const RESERVE: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("{0}: {1}")]
    Process(&'static str, io::Error),
    #[error("the certificates cannot be read")]
    Certificates,
}

/// The supervisor's record of a drain.
#[derive(Clone, Copy)]
struct Leaving {
    since: Instant,
    paused_at: Option<u64>,
    failover: Option<Instant>,
}

pub struct Supervisor {
    config: Config,
    nodes: Nodes,
    server: Process,
    sentinel: Process,
    memory: Memory,
    loaded: Loaded,
    leaving: Option<Leaving>,
    started: Instant,
    metrics: Metrics,
    readiness: Readiness,
}

impl Supervisor {
    pub fn new(config: Config, metrics: Metrics, readiness: Readiness) -> Self {
        Self {
            nodes: Nodes::new(config.clone()),
            config,
            server: Process::new("redis-server"),
            sentinel: Process::new("redis-sentinel"),
            memory: Memory::new(Duration::ZERO),
            loaded: Loaded::default(),
            leaving: None,
            started: Instant::now(),
            metrics,
            readiness,
        }
    }

    /// Runs until the node was asked to stop and has stopped.
    ///
    /// # Errors
    /// Where this node's own files cannot be read.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            if stop.is_cancelled() && self.leaving.is_none() {
                self.leaving = Some(Leaving { since: Instant::now(), paused_at: None, failover: None });
            }
            let observed = self.observe().await?;
            for step in decide(&observed) {
                if step == Step::Exit {
                    return Ok(());
                }
                self.log(step);
                match self.apply(step).await {
                    Ok(()) => self.metrics.count(step),
                    Err(error) => {
                        self.metrics.failed.inc();
                        tracing::info!(step = step.name(), %error, "not done");
                        break;
                    }
                }
            }
            let pause = match (&self.leaving, observed.settled) {
                (Some(_), _) => DRAINS,
                (None, true) => SERVES,
                (None, false) => SEARCHES,
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.server.ended() => {}
                () = self.sentinel.ended() => {}
                () = stop.cancelled(), if self.leaving.is_none() => {}
            }
        }
    }

    /// Asks all nodes at the same time; one that does not answer costs [`crate::nodes::LIMIT`].
    async fn observe(&mut self) -> Result<Observed, SettingsError> {
        let (server_runs, sentinel_runs) = (self.server.runs(), self.sentinel.runs());
        let (config, nodes) = (&self.config, &self.nodes);
        let all = (0..config.names.nodes.len()).map(crate::decide::Node);
        let asked = all.clone().map(|node| async move {
            let own = node == config.me;
            let info = async {
                match own {
                    true if !server_runs => Info::default(),
                    true => nodes.info(To::Here).await,
                    false => nodes.info(To::Server(node)).await,
                }
            };
            let said =
                async { if own && !sentinel_runs { Default::default() } else { nodes.sentinel(node).await } };
            join(info, said).await
        });
        let answers = join_all(asked).await;
        let mut seen: Vec<Seen> = answers
            .iter()
            .map(|(info, said)| Seen { role: info.role, history: None, told: None, names: said.names })
            .collect();
        let own = answers.get(config.me.0).map(|(info, _)| info.clone()).unwrap_or_default();
        if matches!(own.role, Role::Candidate { .. }) {
            let roles: Vec<Role> = seen.iter().map(|seen| seen.role).collect();
            let histories = all.clone().zip(roles).map(|(node, role)| async move {
                let to = if node == config.me { To::Here } else { To::Server(node) };
                if matches!(role, Role::Candidate { .. }) { nodes.candidate(to).await } else { None }
            });
            for (seen, history) in seen.iter_mut().zip(join_all(histories).await) {
                if let Some((history, told)) = history {
                    (seen.history, seen.told) = (Some(history), told);
                }
            }
        }
        let writes_refused = own.role != Role::Silent && self.refuses_writes().await;
        let file = SentinelMemory::read(&self.config)?;
        let claims: Vec<Claim> =
            answers.iter().filter_map(|(_, said)| said.claim).chain(file.claim(&self.config)).collect();
        let volume = Volume::of(&self.config);
        let now = self.started.elapsed();
        let print = certificates::print(&self.config.tls_dir);
        let mut observed = Observed {
            me: self.config.me,
            group: self.config.group.group(),
            nodes: seen,
            server_runs,
            sentinel_runs,
            memory: file.master.is_some(),
            known: newest(&claims),
            epoch: claims.iter().map(|claim| claim.epoch).max().unwrap_or(0).max(file.epoch),
            room: volume.free >= ROOM,
            server_may_start: self.server.may_start(),
            sentinel_may_start: self.sentinel.may_start(),
            settled: false,
            era_counted: false,
            writes_refused,
            alone: Duration::ZERO,
            searching: Duration::ZERO,
            astray: Duration::ZERO,
            split: Duration::ZERO,
            vote_unseen: Duration::ZERO,
            new_certificates: self.loaded.stale(now, print),
            drain: self.leaving.map(|leaving| Drain {
                since: leaving.since.elapsed(),
                paused_at: leaving.paused_at,
                replicas: own.replicas.clone(),
                failover: leaving.failover.map(|asked| asked.elapsed()),
            }),
        };
        self.memory.complete(now, &mut observed);
        self.publish(&observed, &own, volume);
        Ok(observed)
    }

    async fn refuses_writes(&self) -> bool {
        let Some(normal) = replicas_to_write(&self.config) else { return false };
        let mut question = redis::pipe();
        question.cmd("CONFIG").arg("GET").arg("min-replicas-to-write");
        let answer: Result<((String, usize),), AskError> = self.nodes.ask(To::Here, &question).await;
        answer.is_ok_and(|((_, count),)| count > normal)
    }

    fn publish(&self, observed: &Observed, own: &Info, volume: Volume) {
        let metrics = &self.metrics;
        metrics.set_role(own.role);
        metrics.offset.set(i64::try_from(own.offset).unwrap_or(i64::MAX));
        metrics.link_up.set(i64::from(own.link_up || own.role == Role::Master));
        metrics.nodes.set(i64::try_from(self.config.names.nodes.len()).unwrap_or(i64::MAX));
        metrics.disk_free.set(i64::try_from(volume.free).unwrap_or(i64::MAX));
        metrics.disk.set(i64::try_from(volume.size).unwrap_or(i64::MAX));
        metrics.writes_refused.set(i64::from(observed.writes_refused));
        match missing(observed, own.link_up) {
            Some(why) => self.readiness.not_ready("data node", why),
            None => self.readiness.ready("data node"),
        }
    }

    fn log(&self, step: Step) {
        let name = |node| self.config.names.name(node).to_owned();
        let node = match step {
            Step::StartFollowing(node) | Step::Follow(node) | Step::Vote(Some(node)) => name(node),
            Step::StartSentinel(Word::Joined { master, .. }) => name(master),
            _ => String::new(),
        };
        match step {
            // Retried each second until a replica is connected.
            Step::CountEra => tracing::debug!(step = step.name()),
            Step::StartSentinel(word) => tracing::info!(step = step.name(), node, ?word),
            _ => tracing::info!(step = step.name(), node),
        }
    }

    async fn apply(&mut self, step: Step) -> Result<(), StepError> {
        let names = &self.config.names;
        let port = names.port.to_string();
        match step {
            Step::StartFollowing(master) => {
                let master = names.name(master).to_owned();
                self.start_server(Some(&master))?;
            }
            Step::StartAsCandidate => self.start_server(None)?,
            Step::Follow(node) | Step::Vote(Some(node)) => {
                self.nodes.command(&["REPLICAOF", names.name(node), &port]).await?;
            }
            Step::Vote(None) => {
                let (host, port) = NOWHERE;
                self.nodes.command(&["REPLICAOF", host, &port.to_string()]).await?;
            }
            Step::TellEpoch(epoch) => self.nodes.tell_epoch(epoch).await?,
            Step::BecomeMaster => drop(self.nodes.command(&["REPLICAOF", "NO", "ONE"]).await?),
            Step::OpenToSentinels => self.set("replica-priority", 100).await?,
            Step::StartSentinel(word) => {
                let path = settings::write_sentinel(&self.config, word)?;
                let start = self.sentinel.start(&[path.display().to_string()]);
                start.map_err(|error| StepError::Process("redis-sentinel", error))?;
            }
            // The file is consistent at any moment, so the Sentinel can be killed.
            Step::StopSentinel => {
                let stopped = self.sentinel.stop(Duration::ZERO).await;
                stopped.map_err(|error| StepError::Process("redis-sentinel", error))?;
            }
            Step::Settle => self.memory.settle(),
            Step::CountEra => {
                self.nodes.command(&["INCR", history::ERA]).await?;
                self.memory.count_era();
            }
            // Requires more replicas than exist, so that every write is refused.
            Step::RefuseWrites => self.set("min-replicas-to-write", names.nodes.len()).await?,
            Step::AllowWrites => {
                if let Some(count) = replicas_to_write(&self.config) {
                    self.set("min-replicas-to-write", count).await?;
                }
            }
            Step::LoadCertificates => self.load_certificates().await?,
            Step::PauseWrites => {
                let pause = WRITES_PAUSED.as_millis().to_string();
                self.nodes.command(&["CLIENT", "PAUSE", &pause, "WRITE"]).await?;
                let info = self.nodes.info(To::Here).await;
                if let Some(leaving) = self.leaving.as_mut().filter(|_| info.role == Role::Master) {
                    leaving.paused_at = Some(info.offset);
                }
            }
            Step::Failover => {
                let to = To::Sentinel(self.config.me);
                self.nodes.command_to(to, &["SENTINEL", "FAILOVER", &self.config.master_name]).await?;
                if let Some(leaving) = &mut self.leaving {
                    leaving.failover = Some(Instant::now());
                }
            }
            Step::StopServer => self.stop_server().await?,
            Step::Exit => {}
        }
        Ok(())
    }

    async fn set(&self, setting: &str, value: usize) -> Result<(), StepError> {
        self.nodes.command(&["CONFIG", "SET", setting, &value.to_string()]).await?;
        Ok(())
    }

    fn start_server(&mut self, master: Option<&str>) -> Result<(), StepError> {
        let path = settings::write_server(&self.config)?.display().to_string();
        let master = master.map(|host| (host, self.config.names.port));
        let print = certificates::print(&self.config.tls_dir).ok_or(StepError::Certificates)?;
        let start = self.server.start(&replica_of(&path, master));
        start.map_err(|error| StepError::Process("redis-server", error))?;
        self.loaded.load(Some(print));
        Ok(())
    }

    async fn load_certificates(&mut self) -> Result<(), StepError> {
        let print = certificates::print(&self.config.tls_dir).ok_or(StepError::Certificates)?;
        let file = |name: &str| self.config.tls_dir.join(name).display().to_string();
        let [certificate, key, ca] = ["tls.crt", "tls.key", "ca.crt"].map(file);
        let words =
            ["CONFIG", "SET", "tls-cert-file", &certificate, "tls-key-file", &key, "tls-ca-cert-file", &ca];
        self.nodes.command(&words).await?;
        self.loaded.load(Some(print));
        Ok(())
    }

    /// The server waits for its replicas, writes its log and ends. It needs no dump: it starts from the log.
    async fn stop_server(&mut self) -> Result<(), StepError> {
        if let Err(error) = self.nodes.command(&["SHUTDOWN", "NOSAVE"]).await {
            // The connection ends without an answer.
            tracing::debug!(%error, "shutdown");
        }
        let spent = self.leaving.map_or(Duration::ZERO, |leaving| leaving.since.elapsed());
        let left = self.config.grace.saturating_sub(spent + RESERVE).max(Duration::from_millis(100));
        self.server.stop(left).await.map_err(|error| StepError::Process("redis-server", error))
    }
}

/// Bytes of the volume that has the server's log.
#[derive(Clone, Copy, Default)]
struct Volume {
    free: u64,
    size: u64,
}

impl Volume {
    /// Free space of the volume; 0 if unknown, so that no server is started blindly.
    fn of(config: &Config) -> Self {
        match rustix::fs::statvfs(&config.data_dir) {
            Ok(volume) => Self {
                free: volume.f_bavail.saturating_mul(volume.f_frsize),
                size: volume.f_blocks.saturating_mul(volume.f_frsize),
            },
            Err(error) => {
                tracing::warn!(%error, "--data-dir");
                Self::default()
            }
        }
    }
}
