//! One run: its players, its faults, and its record.

use super::{Bug, Dice, Journal, Nodes, Recorder, TABLE, connection::Connection, player::Player, survivors};
use crate::checker::Record;
use anyhow::{Context, ensure};
use purr_engine::{Ante, Betting, ClockConfig, HouseRules, RakeCap, RakeConfig, TableConfig};
use purr_protocol::{Currency, Settlement, TableSpec, settlement::OpenTable};
use purr_runtime::{CancellationToken, Readiness};
use purr_store::{Commit, DataKeys, Sealer};
use purr_table::{
    actor::{Actor, Handle, Stopped, TakeOver},
    core::{Pace, Recording},
    metrics::Metrics,
    snapshot::Format,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{
    task::JoinHandle,
    time::{Duration, Instant, sleep, timeout},
};

/// Longer than any run that is not stuck.
const RUN_MAX: Duration = Duration::from_secs(240);
/// Time from the failure of a master until another one is promoted.
const DETECT: Duration = Duration::from_secs(4);

/// Parameters of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub hands: u64,
    /// One message in this many is lost or late; 0: none.
    pub lossy: u64,
    /// Faults of pods and nodes.
    pub faults: u64,
    /// The newest epoch is lost by the store right after each take-over.
    pub lose_epoch: bool,
    /// The store loses its newest commits once as another pod takes over, and the group has another master then.
    pub forgets: bool,
    pub formats: Formats,
    pub bug: Bug,
}

/// How the pods of a run write the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formats {
    All(Format),
    /// Each pod uses another version than the previous one, as while a chart's value changes or a release is rolled
    /// back.
    InTurn,
}

impl Formats {
    /// Every third seed runs in each way.
    pub const fn by(seed: u64) -> Self {
        match seed % 3 {
            0 => Self::All(Format::Parts),
            1 => Self::InTurn,
            _ => Self::All(Format::Whole),
        }
    }

    const fn of(self, epoch: u64) -> Format {
        match self {
            Self::All(format) => format,
            Self::InTurn if epoch.is_multiple_of(2) => Format::Whole,
            Self::InTurn => Format::Parts,
        }
    }
}

fn spec() -> TableSpec {
    let caps = vec![RakeCap { players: 2, amount: 30 }];
    let clock = ClockConfig {
        turn_ms: 15_000,
        time_bank_ms: 0,
        time_bank_gain_ms: 0,
        disconnect_ms: 10_000,
        time_bank_hands: 1,
        time_bank_max_ms: 0,
        disconnect_max_ms: 0,
        reconnect_grace_ms: 5_000,
        disconnect_total_ms: 300_000,
    };
    TableSpec {
        name: TABLE.into(),
        engine: TableConfig {
            seats: 4,
            small_blind: 5,
            big_blind: 10,
            ante: Ante::None,
            betting: Betting::NoLimit,
            straddle: false,
            house: HouseRules::NONE,
            run_it_twice: false,
            buy_in_min: 200,
            buy_in_max: 1_000,
            rake: RakeConfig { basis_points: 500, caps, no_flop_no_drop: true },
            clock,
            rat_hole_ms: 0,
        },
        currency: Currency { token: format!("0x{}", "1".repeat(40)), decimals: 6, unit: "PLAY".into() },
        settlement: Settlement {
            vault: format!("0x{}", "2".repeat(40)),
            chain_id: 1,
            max_hands: 1,
            max_delay_ms: 0,
        },
        paused: false,
        history: purr_protocol::HistoryRule::default(),
        room: Default::default(),
    }
}

/// The result of a run.
pub struct Outcome {
    pub records: Vec<Record>,
    /// See [`Nodes::stale`].
    pub stale: u64,
    /// The commits in the store at the end.
    pub commits: Vec<Arc<Commit>>,
}

struct Pod {
    epoch: u64,
    name: String,
    handle: Handle,
    end: CancellationToken,
    running: JoinHandle<Result<(), Stopped>>,
    cut: Arc<AtomicBool>,
}

struct World {
    plan: Plan,
    dice: Dice,
    nodes: Arc<Nodes>,
    journal: Arc<Journal>,
    sealer: Sealer,
    recorder: Recorder,
    players: Vec<Player>,
    /// The newest last; one that was replaced may still be running.
    pods: Vec<Pod>,
    epoch: u64,
    /// When another master is promoted, where this one has failed.
    failing: Option<Instant>,
    /// The next failover promotes the replica with less data.
    behind: bool,
    /// The newest pod still has entries that the store has lost. Until it has written them again no fault may kill it.
    needed: bool,
}

/// Plays one run and returns its history.
///
/// # Errors
/// Where the table does not get on any more although everything that failed has come back.
pub async fn run(plan: Plan) -> anyhow::Result<Outcome> {
    let recorder = Recorder::default();
    let mut dice = Dice::new(plan.seed);
    let nodes = Nodes::new(dice.roll(u64::MAX), &plan, recorder.clone());
    let journal = Journal::new(dice.roll(u64::MAX), plan.lossy, plan.bug, recorder.clone());
    let players = (0..3).map(|seat| Player::new(seat, recorder.clone())).collect();
    let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([1; 32])), TABLE);
    let mut world = World {
        plan,
        dice,
        nodes,
        journal,
        sealer,
        recorder,
        players,
        pods: Vec::new(),
        epoch: 0,
        failing: None,
        behind: false,
        needed: false,
    };
    world.play().await?;
    world.finish().await
}

impl World {
    /// Starts another process, which takes the table over; if it cannot, the next one tries.
    async fn start(&mut self) -> anyhow::Result<()> {
        for _ in 0..20 {
            self.epoch += 1;
            let (epoch, spec) = (self.epoch, spec());
            let cut = Arc::new(AtomicBool::new(false));
            let take = TakeOver {
                epoch,
                open: OpenTable::from_spec(epoch, &spec),
                spec,
                pace: Pace { hand_gap_ms: 500, reveal_ms: 200 },
                sealer: self.sealer.clone(),
                store: Arc::new(Connection { nodes: self.nodes.clone(), cut: cut.clone() }),
                signer: self.journal.clone(),
                recording: Recording::default(),
                format: self.plan.formats.of(epoch),
                sessions: None,
                metrics: Metrics::new(&prometheus::Registry::new())?,
                readiness: Readiness::default(),
            };
            let taking = tokio::spawn(Actor::take_over(take));
            let Some(actor) = self.taken(taking).await? else { continue };
            let (handle, end) = (actor.handle(), CancellationToken::new());
            let running = tokio::spawn(actor.run(end.clone()));
            self.pods.push(Pod { epoch, name: format!("pod-{epoch}"), handle, end, running, cut });
            return Ok(());
        }
        anyhow::bail!("no pod could take the table over in 20 tries")
    }

    /// The result of a take-over, during which the group may fail over. `None`: it did not finish within a minute.
    async fn taken(
        &mut self,
        mut taking: JoinHandle<anyhow::Result<Actor>>,
    ) -> anyhow::Result<Option<Actor>> {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            if let Ok(taken) = timeout(Duration::from_millis(5), &mut taking).await {
                return Ok(taken?.ok());
            }
            if self.failing.is_some_and(|at| Instant::now() >= at) {
                self.recover();
            }
            // Players who are still connected to the predecessor play on.
            for player in &mut self.players {
                player.step(&mut self.dice, 0).await;
            }
        }
        taking.abort();
        Ok(None)
    }

    fn newest(&self) -> anyhow::Result<&Pod> {
        self.pods.last().context("there is no pod")
    }

    async fn play(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        self.start().await?;
        let mut left = self.plan.faults;
        let mut next = self.dice.roll(3_000);
        while self.players.iter().map(|player| player.ended).max() < Some(self.plan.hands) || left > 0 {
            if self.players.iter().filter(|player| player.broke).count() > 1 {
                // No player has chips left.
                break;
            }
            if begun.elapsed() >= RUN_MAX {
                let pod = self.newest()?;
                let status = timeout(Duration::from_secs(1), pod.handle.drain_status()).await;
                let players: Vec<String> = self.players.iter().map(Player::describe).collect();
                anyhow::bail!("the table stands still: {} says {status:?}; {players:?}", pod.name);
            }
            if left > 0 && begun.elapsed() > Duration::from_millis(next) {
                left -= 1;
                next += 300 + self.dice.roll(1_500);
                self.fault().await?;
            }
            if self.failing.is_some_and(|at| Instant::now() >= at) {
                self.recover();
            }
            self.step().await?;
        }
        Ok(())
    }

    async fn fault(&mut self) -> anyhow::Result<()> {
        match self.dice.roll(7) {
            // The process dies without a word.
            0 | 1 if !self.needed => {
                if let Some(pod) = self.pods.pop() {
                    pod.running.abort();
                    pod.end.cancel();
                }
                // A node may fail at the same time: writes that a majority has acknowledged survive.
                if self.failing.is_none() && self.dice.one_in(2) {
                    self.nodes.kill_master();
                    self.failing = Some(Instant::now() + DETECT);
                    sleep(DETECT).await;
                    self.recover();
                }
                self.start().await?;
            }
            // The pod is replaced without knowing it yet.
            2 if !self.needed => self.start().await?,
            3 if self.failing.is_none() => {
                self.nodes.kill_master();
                // The pod's memory counts like a replica: while it lives, the replica with less data may be promoted.
                self.behind = self.dice.one_in(3);
                self.needed = self.behind;
                self.failing = Some(Instant::now() + DETECT);
            }
            4 if self.failing.is_none() => {
                self.nodes.cut_master();
                let wrong = self.dice.one_in(2);
                if let Some(pod) = self.pods.last() {
                    pod.cut.store(wrong, Ordering::Relaxed);
                }
                self.failing = Some(Instant::now() + DETECT);
            }
            // The network between a player and its gateway breaks.
            5 => {
                let who = usize::try_from(self.dice.roll(3))?;
                let (handle, name) = self.newest().map(|pod| (pod.handle.clone(), pod.name.clone()))?;
                let tells = self.plan.bug != Bug::ResumeLostHand;
                self.players[who].attach(&handle, &name, tells).await;
            }
            _ => {}
        }
        Ok(())
    }

    fn recover(&mut self) {
        self.nodes.fail_over(self.behind);
        self.nodes.heal();
        self.pods.iter().for_each(|pod| pod.cut.store(false, Ordering::Relaxed));
        (self.failing, self.behind) = (None, false);
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        if self.newest()?.running.is_finished() {
            self.start().await?;
        }
        // Whatever the pod commits next brings the rest back first.
        self.needed &= self.failing.is_some() || !self.nodes.is_whole();
        let (epoch, name, handle) = {
            let pod = self.newest()?;
            (pod.epoch, pod.name.clone(), pod.handle.clone())
        };
        let (mut busy, tells) = (false, self.plan.bug != Bug::ResumeLostHand);
        for player in &mut self.players {
            // Gateways learn of a new pod one after the other.
            let moved = player.pod() == Some(name.as_str());
            if !moved && (player.pod().is_none() || self.dice.one_in(8)) {
                player.attach(&handle, &name, tells).await;
            }
            let newest = if player.pod() == Some(name.as_str()) { epoch } else { 0 };
            busy |= player.step(&mut self.dice, newest).await;
        }
        sleep(Duration::from_millis(if busy { 2 } else { 50 })).await;
        Ok(())
    }

    /// Repairs everything, then records the final state.
    async fn finish(mut self) -> anyhow::Result<Outcome> {
        self.recover();
        self.nodes.calm();
        self.journal.calm();
        let begun = Instant::now();
        loop {
            self.step().await?;
            let ready = self.newest()?.handle.drain_status();
            let settled = timeout(Duration::from_secs(30), ready).await.ok().flatten();
            if settled.is_some_and(|status| status.unsettled == 0)
                && !self.needed
                && begun.elapsed() > Duration::from_secs(1)
            {
                break;
            }
            // The bug's own trace: the signer refuses what comes after.
            if self.plan.bug == Bug::RenumberOutbox && begun.elapsed() > Duration::from_secs(20) {
                break;
            }
            ensure!(begun.elapsed() < RUN_MAX, "the signer does not get all of it");
        }
        // Nothing more is sent; messages in flight are delivered.
        for pod in &self.pods {
            pod.running.abort();
        }
        for player in &mut self.players {
            player.step(&mut self.dice, 0).await;
        }
        self.journal.record();
        let commits = self.nodes.commits();
        for commit in &commits {
            self.recorder.push(Record::Survived(survivors::open(commit, &self.sealer)?));
        }
        Ok(Outcome { records: self.recorder.take(), stale: self.nodes.stale(), commits })
    }
}
