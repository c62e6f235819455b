//! The target: two gateways, a table, Redis, and nine players who have their seats.

use super::{
    options::Options,
    probe::{Probe, Probed},
    rows::Kind,
    storm::{Orders, Storm, Tally},
    victims::{Felt, Victims},
};
use crate::{
    sockets::{BUY_IN, Fleet, Fsync, Place, Redis, SEATS, outside},
    solo::secrets::Secrets,
};
use anyhow::Context;
use purr_client::{
    Api, Session, Wallet,
    load::{Player, Purr, Setup, Target, sign_in},
    seat::Permits,
    wallet::Vault,
};
use purr_gateway::auth::keys::Keys;
use purr_protocol::permit::PermitVersion;
use purr_runtime::token::{Claims, UserRole};
use rustls::ClientConfig;
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const GATEWAYS: usize = 2;
/// Life of an attacker's token.
const TOKEN_S: u64 = 900;

pub(super) struct Scene {
    pub options: Options,
    secrets: Secrets,
    redis: Redis,
    fleet: Fleet,
    keys: Keys,
    tls: Arc<ClientConfig>,
    sessions: Vec<Session>,
    begun: Instant,
}

impl Scene {
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let secrets = Secrets::new()?;
        secrets.identity("redis", &["localhost", "127.0.0.1"])?;
        let tls = secrets.folder("redis")?;
        let redis = Redis::start(&options.dir, &tls, options.other_core, Fsync::EverySecond, 1).await?;
        let place =
            Place { bin: &options.bin, dir: &options.dir, secrets: &secrets, core: options.server_core };
        // With the shipped defaults.
        let fleet = Fleet::start_behind(&place, &redis, 1, 1, GATEWAYS, &[]).await?;
        let keys = Keys::load(&secrets.folder("jwt")?, fleet.issuer(), "purr")?;
        let tls = purr_runtime::tls::public_client_config(&secrets.ca_file("public"))?;
        let wallets: Vec<Wallet> = (0..SEATS).map(|_| Wallet::random()).collect::<Result<_, _>>()?;
        let sessions = sign_in(&Api::new(fleet.at(0)?), wallets).await?;
        Ok(Self { options, secrets, redis, fleet, keys, tls, sessions, begun: Instant::now() })
    }

    pub fn say(&self, what: &str) {
        eprintln!("[{:4.0} s] {what}", self.begun.elapsed().as_secs_f64());
    }

    /// # Errors
    /// Where a program has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        self.fleet.check()?;
        self.redis.check()
    }

    /// A token as a sign-in gives one, of an account that nobody else has.
    fn token(&self, number: usize) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims {
            iss: self.fleet.issuer().to_owned(),
            aud: "purr".into(),
            sub: format!("0xa77ac4{number:034x}"),
            exp: now + TOKEN_S,
            nbf: now,
            iat: now,
            jti: format!("attack-{number}"),
            sid: format!("attack-{number}"),
            roles: vec![UserRole::Player],
        };
        Ok(self.keys.sign(&claims)?)
    }

    pub fn orders(
        &self,
        kind: Kind,
        count: usize,
        addresses: usize,
        accounts: usize,
        burst: u64,
    ) -> anyhow::Result<Orders> {
        Ok(Orders {
            kind,
            gateways: self.fleet.public().to_vec(),
            uid: self.fleet.uid(0)?.to_owned(),
            ca: self.secrets.ca_file("public"),
            addresses,
            count,
            tokens: (0..accounts).map(|number| self.token(number)).collect::<Result<_, _>>()?,
            burst,
            seconds: 0,
        })
    }

    /// The seated players by gateway; the first has more of them.
    fn players(&self, gateways: usize) -> anyhow::Result<Vec<(Target, Vec<Player<Purr>>)>> {
        let vault =
            Vault { chain_id: outside::CHAIN_ID, address: outside::VAULT, permits: PermitVersion::NamedSeat };
        let uid = self.fleet.uid(0)?;
        let mut groups: Vec<(Target, Vec<Player<Purr>>)> = (0..gateways)
            .map(|at| Ok((self.fleet.at(at)?.target(), Vec::new())))
            .collect::<anyhow::Result<_>>()?;
        for (number, session) in self.sessions.iter().enumerate() {
            let permits = Some(Permits::new(session.clone(), vault, outside::TABLE_ID));
            let side = Purr::new(uid, session.wallet().address(), u8::try_from(number).ok());
            let setup = Setup { session: Some(session.clone()), permits, buy_in: BUY_IN, max_rake: BUY_IN };
            let (_, group) = groups.get_mut(number % gateways).context("no gateway")?;
            group.push(Player { side, setup, table: 0, spectator: false });
        }
        Ok(groups)
    }

    /// Measures players' latency while nobody attacks.
    pub async fn quiet(&mut self) -> anyhow::Result<Felt> {
        self.say("quiet");
        let victims = Victims::start(self.players(GATEWAYS)?, Duration::from_secs(2), self.options.measure());
        let felt = victims.over().await?;
        felt.there_s.context("the players did not get their seats")?;
        self.check()?;
        eprintln!("quiet: {} actions, p50 {:.1} ms, p99 {:.1} ms", felt.actions, felt.p50_ms, felt.p99_ms);
        Ok(felt)
    }

    /// Players play, the attack begins, and then it is measured. `probe`: what somebody else asks meanwhile.
    pub async fn attacked(
        &mut self,
        orders: Orders,
        probe: Option<String>,
        measure: Duration,
    ) -> anyhow::Result<(Felt, Tally, Probed)> {
        let warm_up = self.options.warm_up();
        let mut victims = Victims::start(self.players(GATEWAYS)?, warm_up, measure);
        victims.there().await;
        // The attack lasts longer than the measurement.
        let orders = Orders { seconds: (warm_up + measure).as_secs() + 1, ..orders };
        let gateways = orders.gateways.clone();
        let storm = Storm::start(&orders, &self.options.dir, self.options.other_core)?;
        tokio::time::sleep(warm_up).await;
        let probe = probe.map(|request| Probe::start(self.tls.clone(), gateways, request));
        let felt = victims.over().await?;
        let probed = match probe {
            Some(probe) => probe.end().await?,
            None => Probed::default(),
        };
        let mut storm = storm;
        storm.on().await?;
        Ok((felt, storm.over().await?, probed))
    }

    /// Starts the attack; then all players return, to the first gateway.
    pub async fn returned(&mut self, orders: Orders) -> anyhow::Result<(Felt, Tally)> {
        let seconds = (self.options.warm_up() + self.options.measure()).as_secs() + 15;
        let orders = Orders { seconds, ..orders };
        let mut storm = Storm::start(&orders, &self.options.dir, self.options.other_core)?;
        storm.on().await?;
        self.say("players come back");
        let victims = Victims::start(self.players(1)?, Duration::from_secs(1), self.options.measure());
        let felt = victims.over().await?;
        Ok((felt, storm.over().await?))
    }
}
