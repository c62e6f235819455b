//! The attackers: a separate process that reads its orders from a file and reports when it is at work.

use super::{
    rows::{self, Kind},
    wire,
};
use anyhow::{Context, ensure};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::Semaphore,
    task::{JoinSet, LocalSet},
    time::{Instant, sleep, timeout},
};

/// Handshakes at once.
const DOORS: usize = 16;
/// No attack lasts longer.
const SECONDS_MAX: u64 = 180;
/// No attack makes more connections.
const CONNECTS_MAX: u64 = 100_000;
/// Time limit until the attackers are at work.
const ON: Duration = Duration::from_secs(60);

/// The target of an attack, and its strength.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    pub kind: Kind,
    pub gateways: Vec<SocketAddr>,
    pub uid: String,
    pub ca: PathBuf,
    /// Loopback addresses of the attackers.
    pub addresses: usize,
    /// Attackers.
    pub count: usize,
    /// Access tokens, one for each attacker.
    pub tokens: Vec<String>,
    /// Messages at once.
    pub burst: u64,
    /// Ends then, at the latest.
    pub seconds: u64,
}

/// The attacker's cost of an attack.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub connects: u64,
    pub refused: u64,
    pub messages: u64,
    /// Most connections held at the same time.
    pub held: u64,
}

/// All attackers of this process.
pub(super) struct Attackers {
    pub orders: Orders,
    pub tls: Arc<ClientConfig>,
    pub tally: RefCell<Tally>,
    held: RefCell<u64>,
    tried: RefCell<usize>,
    doors: Semaphore,
    begun: Instant,
    until: Instant,
}

/// A counted connection, until dropped.
pub(super) struct Holds(Rc<Attackers>);

impl Drop for Holds {
    fn drop(&mut self) {
        *self.0.held.borrow_mut() -= 1;
    }
}

impl Attackers {
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.until || self.tally.borrow().connects >= CONNECTS_MAX
    }

    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// The next moment at which all attackers act together, which they do once in `every`.
    pub fn next(&self, every: Duration) -> Instant {
        let passed = self.begun.elapsed().as_millis() / every.as_millis().max(1);
        self.begun + every * u32::try_from(passed + 1).unwrap_or(u32::MAX)
    }

    pub fn from(&self, number: usize) -> Ipv4Addr {
        wire::attacker(number, self.orders.addresses)
    }

    pub fn gateway(&self, number: usize) -> anyhow::Result<SocketAddr> {
        let gateways = &self.orders.gateways;
        gateways.get(number % gateways.len().max(1)).copied().context("no gateway")
    }

    pub fn token(&self, number: usize) -> &str {
        let tokens = &self.orders.tokens;
        tokens.get(number % tokens.len().max(1)).map_or("", String::as_str)
    }

    pub async fn dial(&self, number: usize) -> anyhow::Result<wire::Tls> {
        let _door = self.doors.acquire().await?;
        let dialled = wire::dial(&self.tls, self.from(number), self.gateway(number)?).await;
        let mut tally = self.tally.borrow_mut();
        tally.connects += 1;
        tally.refused += u64::from(dialled.is_err());
        dialled
    }

    pub fn refused(&self) {
        self.tally.borrow_mut().refused += 1;
    }

    pub fn sent(&self, messages: u64) {
        self.tally.borrow_mut().messages += messages;
    }

    pub fn holds(self: &Rc<Self>) -> Holds {
        let mut held = self.held.borrow_mut();
        *held += 1;
        let mut tally = self.tally.borrow_mut();
        tally.held = tally.held.max(*held);
        Holds(self.clone())
    }
}

/// Attacks as the file says; writes to stdout once every attacker has tried, and the cost at the end.
pub(super) async fn attack(path: &Path) -> anyhow::Result<()> {
    let orders: Orders = serde_json::from_slice(&std::fs::read(path)?)?;
    ensure!(orders.gateways.iter().all(|at| at.ip().is_loopback()), "attacks are for loopback only");
    let seconds = orders.seconds.min(SECONDS_MAX);
    let tls = purr_runtime::tls::public_client_config(&orders.ca)?;
    let count = orders.count;
    let step = rows::attacker_of(orders.kind);
    let attackers = Rc::new(Attackers {
        orders,
        tls,
        tally: RefCell::default(),
        held: RefCell::default(),
        tried: RefCell::default(),
        doors: Semaphore::new(DOORS),
        begun: Instant::now(),
        until: Instant::now() + Duration::from_secs(seconds),
    });
    let local = LocalSet::new();
    local
        .run_until(async {
            let mut tasks = JoinSet::new();
            for number in 0..count {
                let attackers = attackers.clone();
                tasks.spawn_local(async move {
                    let mut first = true;
                    while !attackers.is_over() {
                        let trying = step(attackers.clone(), number);
                        let mut trying = std::pin::pin!(trying);
                        if std::mem::take(&mut first) {
                            // An attempt that lasts this long counts as being at work.
                            let early = timeout(Duration::from_secs(3), trying.as_mut()).await;
                            *attackers.tried.borrow_mut() += 1;
                            if early.is_err() {
                                trying.await;
                            }
                        } else {
                            trying.await;
                        }
                        // Attackers are spread over time.
                        sleep(Duration::from_millis(500 + u64::try_from(number % 500).unwrap_or(0))).await;
                    }
                });
            }
            while *attackers.tried.borrow() < count && !attackers.is_over() {
                sleep(Duration::from_millis(50)).await;
            }
            println!("on");
            sleep(attackers.left()).await;
            tasks.abort_all();
        })
        .await;
    println!("{}", serde_json::to_string(&*attackers.tally.borrow())?);
    Ok(())
}

/// A running attack. Dropping it ends the attackers.
pub(super) struct Storm {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Storm {
    /// Starts the attackers on this core, with the lowest priority.
    pub fn start(orders: &Orders, dir: &Path, core: usize) -> anyhow::Result<Self> {
        let path = dir.join("orders.json");
        std::fs::write(&path, serde_json::to_vec(orders)?)?;
        let own = std::env::current_exe()?;
        let log = std::fs::File::create(dir.join("attackers.log"))?;
        let mut child = Command::new("taskset")
            .args(["-c", &core.to_string(), "nice", "-n", "19"])
            .arg(own)
            .arg("--storm")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("taskset (Debian package util-linux)")?;
        let lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        Ok(Self { child, lines })
    }

    /// Returns when every attacker has tried.
    pub async fn on(&mut self) -> anyhow::Result<()> {
        let line = timeout(ON, self.lines.next_line()).await.context("the attackers never began")??;
        ensure!(line.as_deref() == Some("on"), "the attackers have ended: see attackers.log");
        Ok(())
    }

    /// Waits for the attack's end.
    pub async fn over(mut self) -> anyhow::Result<Tally> {
        let wait = Duration::from_secs(SECONDS_MAX + 10);
        let line = timeout(wait, self.lines.next_line()).await.context("the attackers do not end")??;
        let tally = serde_json::from_str(&line.context("the attackers have ended: see attackers.log")?)?;
        self.child.wait().await?;
        Ok(tally)
    }
}
