//! PostgreSQL, records and a stand-in of the signer in one process, and the service beside them.

use crate::{
    certificates::Authority,
    common::{Postgres, stored},
};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use purr_engine::PlayerId;
use purr_fairplay::{
    DetectorLimits, Keep,
    judge::Thresholds,
    service::{
        self,
        database::Database,
        options::{Config, Pace},
    },
};
use purr_fairplay_sim::{Guilty, Kind, Pool, PoolPlan};
use purr_protocol::{
    denial::{Act, DenialAct, DenialTrail, Deny, Lift},
    fairplay::FairPlaySecret,
    hand::Site,
    hold::{ActionNumber, HousePayment, HousePayments, VoucherHold, VoucherHoldTrail},
    settlement::ChainConfig,
};
use purr_runtime::{Callers, CancellationToken, Identity, InternalClient, Readiness, Role, Server};
use serde::Deserialize;
use sqlx::PgPool;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

pub const WAIT: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(240);
pub const VAULT: &str = "0x00000000000000000000000000000000000000aa";

/// Waits until `ask` returns a value.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < LONG, "{what}: not within {} s", LONG.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// The current month as YYYY-MM, in UTC.
pub fn this_month() -> String {
    let now = now_ms();
    let months = (2020..2100).flat_map(|year| (1..=12).map(move |month| format!("{year}-{month:02}")));
    let contains = |text: &String| {
        let (from, to) = purr_fairplay::report::month(text).unwrap();
        (from..to).contains(&now)
    };
    months.into_iter().find(contains).unwrap()
}

/// Records what it receives.
#[derive(Clone, Default)]
pub struct Signer(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    held: BTreeSet<PlayerId>,
    denied: BTreeMap<PlayerId, String>,
    payments: Vec<HousePayment>,
}

impl Signer {
    pub fn held(&self) -> BTreeSet<PlayerId> {
        self.0.lock().unwrap().held.clone()
    }

    pub fn denied(&self) -> BTreeSet<PlayerId> {
        self.0.lock().unwrap().denied.keys().copied().collect()
    }

    /// The house has paid, and it is final.
    pub fn pay(&self, to: PlayerId, amount: u64) {
        let mut told = self.0.lock().unwrap();
        let id = i64::try_from(told.payments.len()).unwrap() + 1;
        told.payments.push(HousePayment { id, to, amount, tx: format!("0x{id:064x}") });
    }

    fn routes(&self) -> Router {
        #[derive(Deserialize)]
        struct After {
            after: i64,
        }
        let config = ChainConfig {
            chain_id: 1,
            vault: VAULT.into(),
            token: VAULT.into(),
            decimals: 6,
            confirmations: 1,
            permit_version: 2,
            operator: String::new(),
        };
        let hold = async |State(signer): State<Signer>, Json(hold): Json<VoucherHold>| {
            let mut told = signer.0.lock().unwrap();
            if hold.hold {
                told.held.insert(hold.player)
            } else {
                told.held.remove(&hold.player)
            };
            Json(VoucherHoldTrail { player: hold.player, held: hold.hold, acts: Vec::new() })
        };
        let deny = async |State(signer): State<Signer>, Json(deny): Json<Deny>| {
            signer.0.lock().unwrap().denied.insert(deny.player, deny.by);
            Json(signer.trail(deny.player))
        };
        let lift = async |State(signer): State<Signer>, Json(lift): Json<Lift>| {
            signer.0.lock().unwrap().denied.remove(&lift.player);
            Json(signer.trail(lift.player))
        };
        let trail = async |State(signer): State<Signer>, Path(player): Path<String>| {
            Json(signer.trail(player.parse().unwrap()))
        };
        let payments = async |State(signer): State<Signer>, Query(After { after }): Query<After>| {
            let told = signer.0.lock().unwrap();
            let payments = told.payments.iter().filter(|payment| payment.id > after).cloned().collect();
            Json(HousePayments { payments })
        };
        Router::new()
            .route("/v1/config", get(async move || Json(config.clone())))
            .route("/v1/voucher-holds", post(hold))
            .route("/v1/denials", post(deny))
            .route("/v1/denials/lift", post(lift))
            .route("/v1/denials/players/{player}", get(trail))
            .route("/v1/house-payments", get(payments))
            .route("/v1/action-number", get(async || Json(ActionNumber { number: Some(3) })))
            .with_state(self.clone())
    }

    fn trail(&self, player: PlayerId) -> DenialTrail {
        let told = self.0.lock().unwrap();
        let by = told.denied.get(&player);
        let act = |by: &String| DenialAct {
            act: Act::Denied,
            by: by.clone(),
            reason: "x".into(),
            until_s: None,
            at_s: 1,
        };
        DenialTrail { player, denied: by.is_some(), acts: by.map(act).into_iter().collect() }
    }
}

pub struct World {
    dir: TempDir,
    authority: Authority,
    records: purr_records::Database,
    pub signer: Signer,
    addresses: [String; 2],
    secret: FairPlaySecret,
    played: AtomicU64,
    stop: CancellationToken,
    postgres: Postgres,
}

impl World {
    pub async fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let postgres = Postgres::new();
        let records = postgres.database().await;
        let (signer, stop) = (Signer::default(), CancellationToken::new());
        let site = Site { name: "Here".into(), network: "Here".into(), unit: "USDC".into(), decimals: 6 };
        let mut addresses = [const { String::new() }; 2];
        let servers = [
            (Role::Records, purr_records::http::routes(records.clone(), site)),
            (Role::ChainSigner, signer.routes()),
        ];
        for (at, (role, routes)) in servers.into_iter().enumerate() {
            let folder = dir.path().join(format!("server-{at}"));
            authority.issue(&folder, &[&role.to_string()]);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses[at] = listener.local_addr().unwrap().to_string();
            let identity = Identity::load(&folder).unwrap();
            let server = Server { identity, callers: Callers::Roles, connections_max: 16 };
            tokio::spawn(server.run(listener, routes, stop.clone()));
        }
        authority.issue(&dir.path().join("fair-play"), &[&Role::FairPlay.to_string()]);
        let secret = FairPlaySecret::derive(&[5; 32]);
        let played = AtomicU64::new(0);
        Self { dir, authority, records, signer, addresses, secret, played, stop, postgres }
    }

    /// Twelve players at two tables play sessions of 50 hands, one pair dumps chips; records stores the hands, spread over
    /// the last ten days. Returns the pair.
    pub async fn play(&self, seed: u64, sessions: u64) -> BTreeSet<PlayerId> {
        let guilty = vec![Guilty { kind: Kind::Dump, intensity: 1.0 }];
        let plan = PoolPlan { players: 12, session_hands: 50, together: 1.0, guilty, ..PoolPlan::default() };
        let mut pool = Pool::new(seed, 0, plan).unwrap();
        let key = self.secret.public();
        let begun = now_ms() - 10 * 86_400_000 + seed * 3_600_000;
        let (mut batch, mut number) = (Vec::new(), 0u64);
        for _ in 0..sessions {
            pool.play_session_whole(&mut |played| {
                number += 1;
                let table = played.hand.table.bytes().last().unwrap() - b'0';
                let uid = format!("{seed:08x}-0000-4000-8000-{table:012x}");
                let mut entropy = [0; 32];
                entropy[..16].copy_from_slice(&(u128::from(seed) << 64 | u128::from(number)).to_be_bytes());
                let record = played.record(&uid, &key, &entropy).unwrap();
                batch.push(stored(&record, &format!("{}-0", begun + number * 60_000)));
            })
            .unwrap();
            for part in batch.chunks(50) {
                self.records.ingest(part).await.unwrap();
            }
            batch.clear();
        }
        self.played.fetch_add(number, Ordering::Relaxed);
        pool.truth().groups[0].members.iter().copied().collect()
    }

    /// All players in the stored hands.
    pub async fn players(&self) -> BTreeSet<PlayerId> {
        let pool = PgPool::connect_with(self.postgres.options()).await.unwrap();
        let rows: Vec<Vec<u8>> = sqlx::query_scalar("SELECT DISTINCT player FROM records.hand_players")
            .fetch_all(&pool)
            .await
            .unwrap();
        rows.into_iter().map(|player| PlayerId(player.try_into().unwrap())).collect()
    }

    /// A player asks to be forgotten.
    pub async fn erase(&self, player: PlayerId) {
        self.records.erase(player).await.unwrap();
    }

    /// Hands that were played.
    pub fn hands(&self) -> u64 {
        self.played.load(Ordering::Relaxed)
    }

    pub async fn pool(&self) -> PgPool {
        PgPool::connect_with(self.postgres.options().options([("search_path", "fairplay")])).await.unwrap()
    }

    pub async fn serve(&self) -> Service<'_> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let config = Config {
            postgres: self.postgres.options(),
            tls_dir: self.dir.path().join("fair-play"),
            keys: [(self.secret.public().id(), self.secret.clone())].into(),
            records_addr: self.addresses[0].clone(),
            signer_addr: self.addresses[1].clone(),
            listen: listener.local_addr().unwrap(),
            ops_listen: listener.local_addr().unwrap(),
            pace: Pace {
                min_age: Duration::from_secs(1),
                look: Duration::from_secs(1),
                checkpoint: Duration::from_secs(600),
                poll: Duration::from_millis(50),
            },
            limits: DetectorLimits { pairs_max: 1_000, players_max: 100 },
            keep: Keep { timing_ms: 90 * 86_400_000, player_ms: 400 * 86_400_000 },
            cleared: Duration::from_secs(365 * 86_400),
            thresholds: Thresholds::default(),
        };
        let (registry, stop) = (prometheus::Registry::new(), CancellationToken::new());
        let (shared, stopping) = (registry.clone(), stop.clone());
        let running = tokio::spawn(async move {
            service::run(config, listener, &shared, Readiness::default(), stopping).await
        });
        let database = Database::new(self.postgres.options());
        Service { world: self, address, registry, database, stop, running }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The service while it runs.
pub struct Service<'a> {
    world: &'a World,
    address: String,
    registry: prometheus::Registry,
    pub database: Database,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Service<'_> {
    pub fn client(&self, role: &Role) -> InternalClient {
        self.client_at(role, &self.address, Role::FairPlay)
    }

    pub fn client_of_records(&self) -> InternalClient {
        self.client_at(&Role::FairPlay, &self.world.addresses[0], Role::Records)
    }

    fn client_at(&self, role: &Role, address: &str, server: Role) -> InternalClient {
        let folder = self.world.dir.path().join(role.to_string());
        self.world.authority.issue(&folder, &[&role.to_string()]);
        InternalClient::new(Identity::load(&folder).unwrap(), address, server)
    }

    /// Hands that were read, by outcome.
    pub fn hands(&self, how: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == "purr_fairplay_hands_total");
        let metric = family.and_then(|family| {
            family.get_metric().iter().find(|metric| metric.get_label()[0].value() == how)
        });
        metric.map_or(0.0, |metric| metric.get_counter().get_value())
    }

    /// A metric without labels.
    pub fn gauge(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        family.map_or(f64::NAN, |family| family.get_metric()[0].get_gauge().get_value())
    }

    /// Waits until every hand was read in this or an earlier run.
    pub async fn caught_up(&self) {
        eventually("every hand is opened", || async {
            let opened = self.database.openings(0, 1, false).await.ok()?.count;
            let done = u64::try_from(opened).ok()? >= self.world.hands();
            (done && self.hands("opened") > 0.0).then_some(())
        })
        .await;
    }

    /// As SIGTERM.
    pub async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}
