//! The real programs: a gateway, and one process a table, on the servers' core.

use super::{
    outside::{self, CHAIN_ID, Pod, TABLE_ID, VAULT},
    programs::{Program, free},
    redis::Redis,
};
use crate::solo::secrets::Secrets;
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{StreamExt, TryStreamExt, stream};
use purr_client::{
    Api, Gateway, Wallet,
    load::{Player, Purr, Setup, Target, sign_in},
    seat::Permits,
    wallet::Vault,
};
use purr_protocol::permit::PermitVersion;
use purr_runtime::{CancellationToken, Role};
use serde_json::json;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub const NAMESPACE: &str = "bench";
const UP: Duration = Duration::from_secs(60);
/// Programs that are started at once.
const STARTS: usize = 8;
pub const SEATS: usize = 9;
pub const BIG_BLIND: u64 = 100;
pub const BUY_IN: u64 = 100 * BIG_BLIND;

/// Options for a bench in which all clients have one address.
const CROWD: [&str; 13] = [
    "--player-sockets-max=1000",
    "--requests-max=10000",
    "--address-requests-max=10000",
    "--address-bodies-max=10000",
    "--address-arriving-max=20000",
    "--address-connections-max=20000",
    "--table-spectators-max=20000",
    "--address-spectators-max=20000",
    "--account-spectators-max=1000",
    "--sign-in-rate=100000",
    "--address-rate=100000",
    "--player-rate=100000",
    "--socket-rate=100000",
];

/// Paths of the programs, and the cores that they run on.
pub struct Place<'a> {
    pub bin: &'a Path,
    pub dir: &'a Path,
    pub secrets: &'a Secrets,
    pub core: usize,
}

pub struct Fleet {
    gateways: Vec<Program>,
    tables: Vec<Program>,
    uids: Vec<String>,
    /// Public addresses of the gateways.
    public: Vec<SocketAddr>,
    issuer: String,
    ca: PathBuf,
    outside: CancellationToken,
    api_asked: Arc<AtomicU64>,
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.outside.cancel();
    }
}

impl Fleet {
    /// Starts so many tables, each of which this Redis has never seen, and the gateway that knows them.
    pub async fn start(place: &Place<'_>, redis: &Redis, tables: usize, run: usize) -> anyhow::Result<Self> {
        Self::start_behind(place, redis, tables, run, 1, &CROWD).await
    }

    /// The same behind so many gateways, which have these options beside those that they need.
    pub async fn start_behind(
        place: &Place<'_>,
        redis: &Redis,
        tables: usize,
        run: usize,
        gateways: usize,
        options: &[&str],
    ) -> anyhow::Result<Self> {
        Self::start_as(place, redis, tables, run, gateways, options, false).await
    }

    /// The same for tables of a fleet that chooses seats, named [`outside::FLEET`] in [`NAMESPACE`].
    pub async fn start_fleet(
        place: &Place<'_>,
        redis: &Redis,
        tables: usize,
        gateways: usize,
    ) -> anyhow::Result<Self> {
        Self::start_as(place, redis, tables, 1, gateways, &CROWD, true).await
    }

    async fn start_as(
        place: &Place<'_>,
        redis: &Redis,
        tables: usize,
        run: usize,
        gateways: usize,
        options: &[&str],
        of_fleet: bool,
    ) -> anyhow::Result<Self> {
        let (stop, api_asked) = (CancellationToken::new(), Arc::<AtomicU64>::default());
        let secrets = place.secrets;
        let role = |name: &str, role: &Role| secrets.identity(name, &[&role.to_string()]);
        let signer = outside::signer(role("signer", &Role::ChainSigner)?, stop.clone()).await?;
        let pods: Vec<Pod> = (0..tables).map(|number| pod(run, number)).collect::<anyhow::Result<_>>()?;
        let api = outside::api(&pods, NAMESPACE, of_fleet, api_asked.clone(), stop.clone()).await?;
        let ports: Vec<[SocketAddr; 3]> = (0..gateways).map(|_| free()).collect::<anyhow::Result<_>>()?;
        let [first, internal, _] = *ports.first().context("no gateway")?;
        let issuer = format!("https://localhost:{}", first.port());
        let password = redis.password_file()?;
        let common = Common { place, redis, signer, internal, issuer: issuer.clone(), password };

        let keys = secrets.folder("data")?;
        fs::write(keys.join("k1"), STANDARD.encode([7; 32]))?;
        fs::write(keys.join("current"), "k1")?;
        let started = stream::iter(&pods).map(|pod| common.table(pod, &keys)).buffered(STARTS);
        let running: Vec<Program> = started.try_collect().await?;

        secrets.identity("public", &["localhost"])?;
        role("gateway", &Role::Gateway)?;
        let keys = secrets.token_keys()?;
        let mut gateways = Vec::new();
        for (number, ports) in ports.iter().enumerate() {
            gateways.push(common.gateway(number, api, *ports, &keys, options).await?);
        }
        let ca = secrets.ca_file("public");
        let uids = pods.into_iter().map(|pod| pod.uid).collect();
        let public = ports.into_iter().map(|[public, ..]| public).collect();
        Ok(Self { gateways, tables: running, uids, public, issuer, ca, outside: stop, api_asked })
    }

    /// Gateway and tables together.
    pub fn pids(&self) -> Vec<u32> {
        self.tables.iter().chain(&self.gateways).map(Program::pid).collect()
    }

    /// Process id of the first gateway.
    pub fn gateway_pid(&self) -> Option<u32> {
        self.gateways.first().map(Program::pid)
    }

    pub fn gateway_pids(&self) -> Vec<u32> {
        self.gateways.iter().map(Program::pid).collect()
    }

    /// Requests that the stand-in of the Kubernetes API got.
    pub fn api_asked(&self) -> u64 {
        self.api_asked.load(Ordering::Relaxed)
    }

    pub fn uids(&self) -> &[String] {
        &self.uids
    }

    /// The gateways' addresses for players.
    pub fn public(&self) -> &[SocketAddr] {
        &self.public
    }

    /// Issuer of all tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn uid(&self, table: usize) -> anyhow::Result<&str> {
        self.uids.get(table).map(String::as_str).context("no such table")
    }

    pub fn check(&mut self) -> anyhow::Result<()> {
        self.tables.iter_mut().chain(&mut self.gateways).try_for_each(Program::check)
    }

    /// One of the gateways, for clients.
    pub fn at(&self, gateway: usize) -> anyhow::Result<Gateway> {
        let public = self.public.get(gateway).context("no such gateway")?;
        Ok(Gateway::new(&format!("https://localhost:{}", public.port()), &self.ca)?)
    }

    /// Nine players a table, signed in by the gateway.
    pub async fn players(&self, players: usize) -> anyhow::Result<(Target, Vec<Player<Purr>>)> {
        let (at, tables) = (self.at(0)?, self.uids.len());
        let wallets: Vec<Wallet> = (0..players).map(|_| Wallet::random()).collect::<Result<_, _>>()?;
        let sessions = sign_in(&Api::new(at.clone()), wallets).await?;
        let vault = Vault { chain_id: CHAIN_ID, address: VAULT, permits: PermitVersion::NamedSeat };
        let place = |(number, session): (usize, &purr_client::Session)| {
            let table = number % tables;
            let permits = Some(Permits::new(session.clone(), vault, TABLE_ID));
            let side = Purr::new(
                self.uids[table].as_str(),
                session.wallet().address(),
                u8::try_from(number / tables).ok(),
            );
            let setup = Setup { session: Some(session.clone()), permits, buy_in: BUY_IN, max_rake: BUY_IN };
            Player { side, setup, table, spectator: false }
        };
        Ok((at.target(), sessions.iter().enumerate().map(place).collect()))
    }

    /// Spectators with the fewest possible wallets: each has one connection to a table.
    pub async fn spectators(&self, count: usize) -> anyhow::Result<(Target, Vec<Player<Purr>>)> {
        let (at, tables) = (self.at(0)?, self.uids.len());
        let wallets: Vec<Wallet> =
            (0..count.div_ceil(tables)).map(|_| Wallet::random()).collect::<Result<_, _>>()?;
        let sessions = sign_in(&Api::new(at.clone()), wallets).await?;
        let place = |number: usize| {
            let (table, session) = (number % tables, &sessions[number / tables]);
            let side = Purr::new(self.uids[table].as_str(), session.wallet().address(), None);
            let setup = Setup { session: Some(session.clone()), ..Setup::default() };
            Player { side, setup, table, spectator: true }
        };
        Ok((at.target(), (0..count).map(place).collect()))
    }
}

/// Every table has an address of its own, because gateways look for all tables at one port.
fn pod(run: usize, number: usize) -> anyhow::Result<Pod> {
    let [high, low] = u16::try_from(number + 1)?.to_be_bytes();
    Ok(Pod {
        uid: format!("0a0b0c0d-{run:04x}-4000-8000-{number:012x}"),
        name: format!("t{run}-{number}"),
        ip: Ipv4Addr::new(127, 77, high, low),
    })
}

struct Common<'a> {
    place: &'a Place<'a>,
    redis: &'a Redis,
    signer: SocketAddr,
    internal: SocketAddr,
    issuer: String,
    password: PathBuf,
}

impl Common<'_> {
    fn sessions(&self, user: &str) -> [String; 3] {
        [
            format!("--sessions-sentinels={}", self.redis.sentinel),
            format!("--sessions-user={user}"),
            format!("--sessions-password-file={}", self.password.display()),
        ]
    }

    async fn table(&self, pod: &Pod, data_keys: &Path) -> anyhow::Result<Program> {
        let Place { bin, dir, secrets, core } = self.place;
        let folder = format!("tables/{}", pod.uid);
        secrets.identity(&folder, &[&Role::Table(pod.uid.clone()).to_string()])?;
        let tls = secrets.folder(&folder)?;
        let state = dir.join(&folder);
        fs::create_dir_all(&state)?;
        let probes = SocketAddr::from((pod.ip, 9090));
        let spec = json!({
            "name": pod.name,
            "engine": {
                "seats": SEATS, "smallBlind": BIG_BLIND / 2, "bigBlind": BIG_BLIND, "ante": "none",
                "buyInMin": BUY_IN / 5, "buyInMax": BUY_IN,
                "rake": { "basisPoints": 0, "caps": [], "noFlopNoDrop": true },
                "clock": { "turnMs": 30_000, "timeBankMs": 30_000, "timeBankGainMs": 1_000, "disconnectMs": 30_000 },
                "ratHoleMs": 0,
            },
            "currency": { "token": "", "decimals": 0, "unit": "chips" },
            "settlement": { "vault": format!("0x{}", hex::encode(VAULT)), "chainId": CHAIN_ID, "maxHands": 1, "maxDelayMs": 0 },
        });
        let mut command = vec![
            bin.join("purr-table").display().to_string(),
            format!("--uid={}", pod.uid),
            format!("--spec={spec}"),
            "--generation=1".into(),
            format!("--state-dir={}", state.display()),
            format!("--tls-dir={}", tls.display()),
            format!("--data-key-dir={}", data_keys.display()),
            format!("--store-sentinels={}", self.redis.sentinel),
            "--store-user=table".into(),
            format!("--store-password-file={}", self.password.display()),
            format!("--signer-addr={}", self.signer),
            format!("--jwks-addr={}", self.internal),
            format!("--jwt-issuer={}", self.issuer),
            format!("--listen={}:8443", pod.ip),
            format!("--ops-listen={probes}"),
            // The next hand begins at once, as at the peer.
            "--hand-gap-ms=0".into(),
            "--log=error".into(),
        ];
        command.extend(self.sessions("table"));
        let mut program = Program::start(&pod.name, *core, &command, &[], dir)?;
        program.up(probes, true, UP).await?;
        Ok(program)
    }

    async fn gateway(
        &self,
        number: usize,
        api: SocketAddr,
        [public, internal, probes]: [SocketAddr; 3],
        keys: &Path,
        options: &[&str],
    ) -> anyhow::Result<Program> {
        let Place { bin, dir, secrets, core } = self.place;
        let kubeconfig = dir.join("kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://{api}") } }],
            "users": [{ "name": "u", "user": {} }],
            "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u" } }],
        });
        fs::write(&kubeconfig, config.to_string())?;
        let mut command = vec![
            bin.join("purr-gateway").display().to_string(),
            format!("--namespace={NAMESPACE}"),
            "--domain=localhost".into(),
            format!("--public-url={}", self.issuer),
            format!("--chain-id={CHAIN_ID}"),
            format!("--public-tls-dir={}", secrets.folder("public")?.display()),
            format!("--tls-dir={}", secrets.folder("gateway")?.display()),
            format!("--jwt-key-dir={}", keys.display()),
            format!("--jwt-issuer={}", self.issuer),
            format!("--signer-addr={}", self.signer),
            "--records-addr=127.0.0.1:1".into(),
            format!("--listen={public}"),
            format!("--internal-listen={internal}"),
            format!("--ops-listen={probes}"),
            "--stop-delay-ms=0".into(),
            "--log=error".into(),
        ];
        command.extend(options.iter().map(|option| (*option).to_owned()));
        command.extend(self.sessions("gateway"));
        let env = [("KUBECONFIG", kubeconfig.display().to_string())];
        let mut program = Program::start(&format!("gateway-{number}"), *core, &command, &env, dir)?;
        program.up(probes, true, UP).await.context("the gateway")?;
        Ok(program)
    }
}
