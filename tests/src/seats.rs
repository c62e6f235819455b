//! Seats of a fleet under an open load: real gateways, real table processes, Redis as the chart runs it.
//!
//! Players arrive by a Poisson process, whatever the answers take. Most give the seat back after 200 ms; some sit down at
//! the table with a signed permit and leave again. A part of the answers is lost on purpose: the player never sees it, and
//! asks again with the same id.
//!
//! **Caveats.** Stand-ins for the Kubernetes API (it counts requests) and for the signer, which grants everything. Players
//! and Redis share a core with both.

mod options;
mod sitter;
mod tally;

pub use options::Options;

use crate::{
    sockets::{Fleet, Fsync, NAMESPACE, Place, Redis, outside, usage},
    solo::secrets::Secrets,
};
use anyhow::{Context, ensure};
use purr_client::{
    Api, ApiError, Session, Wallet,
    api::{Fleet as FleetInfo, OwnSeat},
    load::sign_in,
};
use purr_gateway::{
    auth::keys::Keys,
    seating::{choose::HeldKind, key::FleetKey},
    sessions::{RedisSessions, SessionStore},
};
use purr_runtime::token::{Claims, UserRole};
use purr_store::{Link, LinkConfig};
use serde_json::json;
use std::{
    fs,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tally::Tally;
use tokio::{task::JoinSet, time::Instant};

const GATEWAYS: usize = 2;
const TABLES: usize = 30;
/// Time after which a player gives the seat back.
const KEPT: Duration = Duration::from_millis(200);
/// One player in this many sits down.
const SITS: u64 = 60;
/// One player in this many disappears, in runs with lost answers.
const VANISHES: u64 = 100;
/// Holds of 30 s must be gone by then.
const GONE: Duration = Duration::from_secs(35);
const TRIES_MAX: u32 = 20;

/// Random numbers of a run that can be repeated (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }

    /// Time to the next arrival of a Poisson process.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are enough for chance")]
    fn gap(&mut self, per_s: u32) -> Duration {
        let uniform = ((self.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-uniform.ln() / f64::from(per_s))
    }
}

struct Scene {
    options: Options,
    secrets: Secrets,
    redis: Redis,
    fleet: Fleet,
    keys: Keys,
    apis: Vec<Api>,
    info: FleetInfo,
    begun: Instant,
}

/// The behaviour of one player.
pub(crate) struct Visit {
    number: u64,
    /// When the player arrives by the plan.
    due: Instant,
    token: String,
    /// Per cent of answers that are lost.
    loss: u64,
    vanishes: bool,
    seed: u64,
}

/// Runs both loads and writes the rows.
///
/// # Errors
/// Where a bound does not hold, or a program does not come up.
pub async fn run(options: Options) -> anyhow::Result<()> {
    options.validate()?;
    let mut scene = Scene::start(options).await?;
    let (plain, lossy) = (scene.load("plain", 0).await, scene.load("lost answers", 10).await);
    let (plain, lossy) = (plain?, lossy?);
    scene.fleet.check()?;
    scene.redis.check()?;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    let rows = json!({
        "rate": scene.options.rate, "seconds": scene.options.seconds, "gateways": GATEWAYS, "tables": TABLES,
        "loadAverage": load, "runs": [plain.row(), lossy.row()],
    });
    if let Some(folder) = scene.options.out.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&scene.options.out, serde_json::to_string_pretty(&rows)? + "\n")?;
    for run in [&plain, &lossy] {
        run.check(scene.options.p99_ms_max)?;
    }
    Ok(())
}

impl Scene {
    async fn start(options: Options) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let secrets = Secrets::new()?;
        secrets.identity("redis", &["localhost", "127.0.0.1"])?;
        let tls = secrets.folder("redis")?;
        let redis = Redis::start(&options.dir, &tls, options.other_core, Fsync::EverySecond, 1).await?;
        let place =
            Place { bin: &options.bin, dir: &options.dir, secrets: &secrets, core: options.server_core };
        let fleet = Box::pin(Fleet::start_fleet(&place, &redis, TABLES, GATEWAYS)).await?;
        let keys = Keys::load(&secrets.folder("jwt")?, fleet.issuer(), "purr")?;
        let apis: Vec<Api> =
            (0..GATEWAYS).map(|at| Ok(Api::new(fleet.at(at)?))).collect::<anyhow::Result<_>>()?;
        let first = apis.first().context("no gateway")?.clone();
        let tables = u32::try_from(TABLES)?;
        let ready = async || {
            let fleets = first.fleets().await?;
            Ok(fleets.into_iter().find(|fleet| fleet.name == outside::FLEET && fleet.tables == tables))
        };
        let info = crate::until("the fleet's tables", Duration::from_secs(60), ready).await?;
        Ok(Self { options, secrets, redis, fleet, keys, apis, info, begun })
    }

    fn say(&self, what: &str) {
        eprintln!("[{:4.0} s] {what}", self.begun.elapsed().as_secs_f64());
    }

    /// A token as a sign-in gives one, of an account that nobody else has.
    fn token(&self, run: &str, number: u64) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mark = u64::try_from(run.len())?;
        let claims = Claims {
            iss: self.fleet.issuer().to_owned(),
            aud: "purr".into(),
            sub: format!("0x5ea7{mark:04x}{number:032x}"),
            exp: now + 900,
            nbf: now,
            iat: now,
            jti: format!("seat-{number}"),
            sid: format!("seat-{run}-{number}"),
            roles: vec![UserRole::Player],
        };
        Ok(self.keys.sign(&claims)?)
    }

    /// The store with the books, to read them.
    fn books(&self) -> anyhow::Result<RedisSessions> {
        Ok(RedisSessions::new(Link::new(LinkConfig {
            sentinels: vec![(self.redis.sentinel.ip().to_string(), self.redis.sentinel.port())],
            master: "sessions".into(),
            user: "gateway".into(),
            password_file: self.redis.password_file()?,
            ca_file: self.secrets.ca_file("redis"),
        })))
    }

    async fn load(&mut self, name: &'static str, loss: u64) -> anyhow::Result<Arc<Tally>> {
        let (rate, seconds) = (self.options.rate, self.options.seconds);
        let count = u64::from(rate) * seconds;
        self.say(&format!("{name}: {rate} requests/s for {seconds} s"));
        // Before the clock runs: signing tokens is the players' work.
        let tokens: Vec<String> =
            (0..count).map(|number| self.token(name, number)).collect::<Result<_, _>>()?;
        let sitters = usize::try_from(count / SITS + 1)?;
        let wallets: Vec<Wallet> = (0..sitters).map(|_| Wallet::random()).collect::<Result<_, _>>()?;
        let first = self.apis.first().context("no gateway")?;
        let mut sitters: Vec<Session> = sign_in(first, wallets).await?;
        let tally = Tally::new(name, rate, seconds);
        let (asked, cpu) = (self.fleet.api_asked(), usage::cpu_s(&self.fleet.gateway_pids())?);
        let watch = tokio::spawn(watch(self.books()?, self.fleet.uids().to_vec(), tally.clone()));
        let begun = Instant::now();
        let (mut dice, mut due) = (Dice(loss + 1), begun);
        let mut running = JoinSet::new();
        for (number, token) in (0_u64..).zip(tokens) {
            due += dice.gap(rate);
            tokio::time::sleep_until(due).await;
            let visit = Visit {
                number,
                due,
                token,
                loss,
                vanishes: loss > 0 && dice.one_in(VANISHES),
                seed: dice.next(),
            };
            let api = self.apis[usize::try_from(number)? % GATEWAYS].clone();
            let (info, seen) = (self.info.clone(), tally.clone());
            if number.is_multiple_of(SITS)
                && let Some(session) = sitters.pop()
            {
                let gateway = self.fleet.at(usize::try_from(number)? % GATEWAYS)?;
                running
                    .spawn(async move { sitter::visit(visit, &api, gateway, session, &info, &seen).await });
            } else {
                running.spawn(async move { pass_by(visit, &api, &info, &seen).await });
            }
            while let Some(ended) = running.try_join_next() {
                tally.visited(ended?);
            }
        }
        let took = begun.elapsed();
        watch.abort();
        let cpu = usage::cpu_s(&self.fleet.gateway_pids())? - cpu;
        while let Some(ended) = running.join_next().await {
            tally.visited(ended?);
        }
        tally.ended(self.fleet.api_asked() - asked, cpu / took.as_secs_f64());
        let left = self.emptied().await?;
        tally.emptied(left);
        self.say(&format!("{name}: {}", tally.line()));
        Ok(tally)
    }

    /// Waits until nobody holds a seat; how long that took.
    async fn emptied(&self) -> anyhow::Result<Duration> {
        let (books, begun) = (self.books()?, Instant::now());
        let key = FleetKey::new(NAMESPACE, outside::FLEET).context("the fleet's name")?;
        loop {
            let standing = books.seats(&key, 0, false).await?;
            let open = standing.held.iter().filter(|hold| hold.kind != HeldKind::Seated).count();
            if open == 0 && standing.size == 0 {
                return Ok(begun.elapsed());
            }
            ensure!(begun.elapsed() < GONE, "{open} holds and {} who wait are left", standing.size);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Reads the tables' summaries twice a second.
async fn watch(books: RedisSessions, uids: Vec<String>, tally: Arc<Tally>) {
    loop {
        for summary in books.summaries(&uids).await.unwrap_or_default().into_iter().flatten() {
            tally.sees(summary.taken.len(), usize::from(summary.seats));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The id of the request in the books.
fn id(visit: &Visit) -> String {
    format!("visit-{}", visit.number)
}

/// Repeats the request until an answer arrives; lost answers are compared with it. `None`: no seat.
async fn ask(
    visit: &Visit,
    token: &str,
    api: &Api,
    info: &FleetInfo,
    tally: &Arc<Tally>,
    dice: &mut Dice,
) -> anyhow::Result<Option<(String, u8)>> {
    let (id, mut lost) = (id(visit), None);
    let mut from = visit.due;
    for _ in 0..TRIES_MAX {
        let answer = api.ask_seat(token, info, &id, false).await;
        tally.answered(visit.due, from.elapsed());
        let at = match answer {
            Ok(OwnSeat::Held { table, seat, .. }) => (table, seat),
            Ok(other) => anyhow::bail!("a seat was asked for, and the answer is {other:?}"),
            Err(error) if error.problem().is_some_and(|problem| problem.status == 409) => {
                tally.refused();
                return Ok(None);
            }
            Err(ApiError::Problem { problem, .. }) if problem.status == 503 => {
                tally.failed(&problem.title);
                tokio::time::sleep(Duration::from_millis(100)).await;
                from = Instant::now();
                continue;
            }
            Err(error) => {
                tally.failed(&error.to_string());
                from = Instant::now();
                continue;
            }
        };
        if lost.as_ref().is_some_and(|lost| *lost != at) {
            tally.answered_otherwise();
        }
        if visit.loss > 0 && dice.next() % 100 < visit.loss {
            tally.lost();
            lost = Some(at);
            from = Instant::now();
            continue;
        }
        return Ok(Some(at));
    }
    anyhow::bail!("no answer arrived in {TRIES_MAX} tries")
}

async fn pass_by(visit: Visit, api: &Api, info: &FleetInfo, tally: &Arc<Tally>) -> anyhow::Result<()> {
    let mut dice = Dice(visit.seed);
    let Some((table, seat)) = ask(&visit, &visit.token, api, info, tally, &mut dice).await? else {
        return Ok(());
    };
    let hold = tally.holds(&table, seat);
    tokio::time::sleep(KEPT).await;
    // From here on the seat may belong to another player.
    drop(hold);
    if visit.vanishes {
        tally.vanished();
        return Ok(());
    }
    for _ in 0..TRIES_MAX {
        match api.give_seat_back(&visit.token, info, Some(&id(&visit))).await {
            Ok(()) if visit.loss > 0 && dice.next() % 100 < visit.loss => tally.lost(),
            Ok(()) => return Ok(()),
            Err(error) => tally.failed(&error.to_string()),
        }
    }
    anyhow::bail!("no answer arrived in {TRIES_MAX} tries")
}
