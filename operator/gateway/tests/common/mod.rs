//! A gateway on loopback with real TLS; the test plays the table pod, the signer and records.

#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "../../../runtime/tests/common/certificates.rs"]
mod certificates;
pub mod http;
pub mod pod;
pub mod redis;
pub mod wallet;

use arc_swap::ArcSwap;
use axum::{
    Extension, Json, Router,
    extract::{Path, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use certificates::Authority;
use http::Answer;
use purr_engine::PlayerId;
use purr_gateway::{
    Config, Gateway, Listeners,
    front::Front,
    limits::Rate,
    metrics::Metrics,
    relay::Pace,
    routing::{Pod, Routes},
    seating::{apart::Apart, fleets::Fleets},
    sessions::{MemorySessions, RedisSessions, SessionStore},
};
use purr_protocol::{
    denial::{Act, DenialAct, DenialTrail, Denials, DeniedWallet, DeniedWallets, Deny, Lift},
    floor::{Acts, NewAct, StaffAct},
    statistics::{PublicAsked, PublicStatistics, PublicTold},
};
use purr_runtime::{Callers, CancellationToken, Identity, Peer, Readiness, Role, Server};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

pub const UID: &str = "0a0b0c0d-0000-4000-8000-000000000000";
pub const ISSUER: &str = "https://localhost";
pub const CHAIN: u64 = 31_337;
/// Time limit for conditions that must become true.
pub const SOON: Duration = Duration::from_secs(20);

/// Sessions in a real Redis, once it is up.
pub async fn sessions(redis: &redis::Redis) -> RedisSessions {
    redis.up().await;
    RedisSessions::new(redis.link("gateway"))
}

pub struct World {
    pub dir: TempDir,
    authority: Authority,
    pub routes: Arc<Routes>,
    pub fleets: Arc<Fleets>,
    apart: Arc<ArcSwap<Apart>>,
    pub sessions: Arc<MemorySessions>,
    pub readiness: Readiness,
    pub registry: prometheus::Registry,
    pub public: SocketAddr,
    pub internal: SocketAddr,
    pub stop: CancellationToken,
    pub serving: Option<JoinHandle<anyhow::Result<()>>>,
    fleet: CancellationToken,
    signer: Arc<Signer>,
    /// Orders of staff, as the log of records has them.
    pub acts: Arc<Mutex<Vec<NewAct>>>,
}

/// Behaviour of the stand-in signer.
#[derive(Default)]
pub struct Signer {
    /// While set, requests wait.
    held: tokio::sync::watch::Sender<bool>,
    /// While set, they are answered with an error of the signer's own.
    broken: AtomicBool,
    denied: Mutex<DeniedWallets>,
    asked: AtomicUsize,
}

pub fn pace() -> Pace {
    Pace {
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_millis(200),
        revoked_every: Duration::from_millis(20),
        ..Pace::default()
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A gateway with a changed configuration.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let sessions = Arc::<MemorySessions>::default();
        Self::start(change, sessions.clone(), sessions).await
    }

    /// A gateway whose sessions are in another store.
    pub async fn over(change: impl FnOnce(&mut Config), store: Arc<dyn SessionStore>) -> Self {
        Self::start(change, Arc::default(), store).await
    }

    /// Starts another gateway with the same keys and the same sessions.
    pub async fn beside(&self) -> Self {
        Self::start(|_| {}, self.sessions.clone(), self.sessions.clone()).await
    }

    async fn start(
        change: impl FnOnce(&mut Config),
        sessions: Arc<MemorySessions>,
        store: Arc<dyn SessionStore>,
    ) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let issue = |folder: &str, names: &[&str]| {
            authority.issue(&dir.path().join(folder), names);
            Identity::load(&dir.path().join(folder)).unwrap()
        };
        let public = issue("public", &["localhost"]);
        let identity = issue("gateway", &["gateway.role.purr.internal"]);
        let fleet = CancellationToken::new();
        let signer = Arc::new(Signer::default());
        let identity_of_signer = issue("signer", &["chain-signer.role.purr.internal"]);
        let signer_addr = serve(identity_of_signer, signer_routes(&signer), &fleet).await.to_string();
        let records = issue("records", &["records.role.purr.internal"]);
        let acts = Arc::<Mutex<Vec<NewAct>>>::default();
        let records_addr = serve(records, records_routes(&acts), &fleet).await.to_string();
        let fair_play = issue("fair-play", &["fair-play.role.purr.internal"]);
        let fairplay_addr = Some(serve(fair_play, fair_play_routes(), &fleet).await.to_string());

        let jwt_key_dir = dir.path().join("jwt");
        wallet::write_key(&jwt_key_dir, "k1", &wallet::JWT_KEY);
        std::fs::write(jwt_key_dir.join("current"), "k1").unwrap();
        let roles_file = dir.path().join("roles.json");
        let roles = json!({
            wallet::Wallet::auditor().address(): ["auditor"],
            wallet::Wallet::reviewer().address(): ["integrity"],
            wallet::Wallet::support().address(): ["support"],
        });
        std::fs::write(&roles_file, roles.to_string()).unwrap();

        let mut config = Config {
            domain: "localhost".into(),
            public_url: ISSUER.into(),
            chain_id: CHAIN,
            jwt_key_dir,
            jwt_issuer: ISSUER.into(),
            jwt_audience: "purr".into(),
            assertion_key_dir: None,
            access_tokens_at_tables: true,
            roles_file: Some(roles_file),
            allowed_origins: vec![ISSUER.into(), "https://app.example".into()],
            rates: [Rate { per_s: 1_000, burst: 1_000 }; 4],
            sockets_max: 64,
            player_sockets_max: 4,
            stop_delay: Duration::ZERO,
            pace: pace(),
            front: Front {
                money_rate: Rate { per_s: 1_000, burst: 1_000 },
                socket_rate: Rate { per_s: 1_000, burst: 1_000 },
                lobby_every: Duration::from_millis(10),
                reload_every: Duration::from_millis(10),
                ..Front::default()
            },
            page: purr_gateway::page::PageConfig::default(),
        };
        change(&mut config);
        let registry = prometheus::Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        let apart = Arc::<ArcSwap<Apart>>::default();
        let (routes, fleets) = (Arc::new(Routes::default()), Arc::new(Fleets::default()));
        let (readiness, stop) = (Readiness::default(), CancellationToken::new());
        let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listeners = Listeners { public: bind().await, internal: bind().await };
        let public_address = listeners.public.local_addr().unwrap();
        let internal_address = listeners.internal.local_addr().unwrap();
        let gateway = Gateway {
            config,
            public,
            identity,
            routes: routes.clone(),
            fleets: fleets.clone(),
            sessions: store,
            signer_addr,
            records_addr,
            apart: apart.clone(),
            keep_apart_addr: None,
            fairplay_addr,
            metrics,
            readiness: readiness.clone(),
        };
        let serving = tokio::spawn(gateway.serve(listeners, stop.clone()));
        Self {
            dir,
            authority,
            routes,
            fleets,
            apart,
            sessions,
            readiness,
            registry,
            public: public_address,
            internal: internal_address,
            stop,
            serving: Some(serving),
            fleet,
            signer,
            acts,
        }
    }

    /// Keeps these pairs of players apart from now on.
    pub fn keep_apart(&self, apart: Apart) {
        self.apart.store(Arc::new(apart));
    }

    /// Lets the signer's answers wait, or go.
    pub fn hold_signer(&self, held: bool) {
        self.signer.held.send_replace(held);
    }

    /// The signer's list of denied wallets.
    pub fn denied(&self) -> DeniedWallets {
        self.signer.denied.lock().unwrap().clone()
    }

    /// Starts another gateway of the same fleet, possibly with another store.
    pub async fn replica(&self, store: Arc<MemorySessions>) -> Self {
        let world = Self::start(|_| {}, store.clone(), store).await;
        *world.signer.denied.lock().unwrap() = self.denied();
        world
    }

    pub fn break_signer(&self, broken: bool) {
        self.signer.broken.store(broken, Ordering::Relaxed);
    }

    /// Requests that reached the signer.
    pub fn signer_asked(&self) -> usize {
        self.signer.asked.load(Ordering::Relaxed)
    }

    pub fn identity(&self, folder: &str, names: &[&str]) -> Identity {
        self.authority.issue(&self.dir.path().join(folder), names);
        Identity::load(&self.dir.path().join(folder)).unwrap()
    }

    pub fn table_identity(&self, uid: &str) -> Identity {
        self.identity(&format!("table-{uid}"), &[&Role::Table(uid.into()).to_string()])
    }

    pub fn public_ca(&self) -> PathBuf {
        self.dir.path().join("public/ca.crt")
    }

    /// Ends signer and records.
    pub fn stop_fleet(&self) {
        self.fleet.cancel();
    }

    pub fn route(&self, name: &str, generation: u64, address: SocketAddr) {
        self.routes.apply(Pod {
            name: name.into(),
            uid: UID.into(),
            table: "river".into(),
            generation,
            address: Some(address),
            ready: true,
        });
    }

    /// Waits until the files of keys and roles were read again.
    pub async fn reload_keys(&self) {
        let read = self.metric("purr_gateway_files_read_total").unwrap();
        let later = async {
            // A reload in progress may have begun before the change.
            while self.metric("purr_gateway_files_read_total").unwrap() < read + 2.0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, later).await.expect("not read in time");
    }

    pub async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let headers: Vec<(&str, String)> =
            token.map(|token| ("authorization", format!("Bearer {token}"))).into_iter().collect();
        http::request(self, "GET", path, &headers, "").await
    }

    /// Sends a request with extra headers.
    pub async fn ask(&self, method: &str, path: &str, token: &str, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("authorization", format!("Bearer {token}"))];
        all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
        http::request(self, method, path, &all, "{}").await
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let headers: Vec<(&str, String)> =
            token.map(|token| ("authorization", format!("Bearer {token}"))).into_iter().collect();
        http::request(self, "POST", path, &headers, &body.to_string()).await
    }

    /// Waits until a metric's line has this value.
    pub async fn becomes(&self, line: &str, value: f64) {
        let reached = async {
            while self.metric(line) != Some(value) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, reached)
            .await
            .unwrap_or_else(|_| panic!("{line}: {:?}", self.metric(line)));
    }

    /// The value of a metric's line, for instance `purr_gateway_sockets`.
    pub fn metric(&self, line: &str) -> Option<f64> {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        self.fleet.cancel();
    }
}

pub async fn serve(identity: Identity, routes: Router, stop: &CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server { identity, callers: Callers::Roles, connections_max: 64 };
    tokio::spawn(server.run(listener, routes, stop.clone()));
    address
}

fn only_gateway(peer: &Peer) {
    assert_eq!(peer.role, Some(Role::Gateway));
}

/// Routes of the stand-in signer, which record the requests.
fn signer_routes(signer: &Arc<Signer>) -> Router {
    let status = json!({ "tableId": "0x11", "state": "open", "headSeq": 0, "confirmedSeq": 0 });
    let config =
        json!({ "chainId": CHAIN, "vault": "0x1", "token": "0x2", "decimals": 6, "confirmations": 1 });
    let books = json!({ "agree": true, "block": 7, "players": [], "tables": [] });
    Router::new()
        .route("/v1/config", get(async move || Json(config)))
        .route("/v1/reconciliation", get(async move || Json(books)))
        .route("/v1/tables/{uid}", get(async move || Json(status)))
        .route(
            "/v1/balances/{player}",
            get(async |Extension(peer): Extension<Peer>, Path(player): Path<String>| {
                only_gateway(&peer);
                // The requested address is returned as a table's name, so that the test can check it.
                Json(json!({ "free": 5, "reserved": 0, "seated": [{ "table": player, "stack": 1 }] }))
            }),
        )
        .merge(denials_routes().with_state(signer.clone()))
        .route(
            "/v1/tables/{uid}/hands/{hand}/receipt",
            get(async |Extension(peer): Extension<Peer>, Path((table, hand)): Path<(String, u64)>| {
                only_gateway(&peer);
                if hand == 404 {
                    let problem = purr_protocol::Problem::new(404, "no-receipt", "No receipt of this hand");
                    return Err(purr_runtime::problem::Answer(problem));
                }
                let lanes = json!([{ "seat": 0, "delta": -5, "rake": 0 }]);
                Ok(Json(json!({
                    "chainId": CHAIN, "vault": "0x1", "table": table, "tableId": "0x11", "seq": hand + 2, "hand": hand,
                    "lanes": lanes, "deltasHash": "0x5", "recordHash": "0x6", "signer": "0x7", "signature": "0x8",
                })))
            }),
        )
        .route("/v1/withdrawals", axum::routing::post(async |Json(body): Json<Value>| Json(body)))
        .layer(axum::middleware::from_fn_with_state(signer.clone(), as_the_test_wants))
}

/// The deny list as a signer keeps it, without reasons.
fn denials_routes() -> Router<Arc<Signer>> {
    type Held = State<Arc<Signer>>;
    let trail = |act, player, by: String, reason: String| DenialTrail {
        player,
        denied: act == Act::Denied,
        acts: vec![DenialAct { act, by, reason, until_s: None, at_s: 1 }],
    };
    let deny = move |State(signer): Held, Json(Deny { player, by, reason, until_s }): Json<Deny>| async move {
        let mut denied = signer.denied.lock().unwrap();
        denied.version += 1;
        denied.wallets.push(DeniedWallet { player, until_s });
        Json(trail(Act::Denied, player, by, reason))
    };
    let lift = move |State(signer): Held, Json(Lift { player, by, reason }): Json<Lift>| async move {
        let mut denied = signer.denied.lock().unwrap();
        denied.version += 1;
        denied.wallets.retain(|wallet| wallet.player != player);
        Json(trail(Act::Lifted, player, by, reason))
    };
    let list = async |State(signer): Held| Json(signer.denied.lock().unwrap().clone());
    Router::new()
        .route("/v1/denials", axum::routing::post(deny).get(async || Json(Denials::default())))
        .route("/v1/denials/lift", axum::routing::post(lift))
        .route("/v1/denials/wallets", get(list))
}

async fn as_the_test_wants(State(signer): State<Arc<Signer>>, request: Request, next: Next) -> Response {
    // Requests of the gateway itself are not counted.
    let counted = request.uri().path() != "/v1/denials/wallets";
    signer.asked.fetch_add(usize::from(counted), Ordering::Relaxed);
    let _ = signer.held.subscribe().wait_for(|held| !held).await;
    if signer.broken.load(Ordering::Relaxed) {
        let problem = purr_protocol::Problem::new(500, "broken", "As the test wants");
        return purr_runtime::problem::Answer(problem).into_response();
    }
    next.run(request).await
}

/// Returns the request as the answer.
fn fair_play_routes() -> Router {
    Router::new().fallback(async |method: axum::http::Method, uri: axum::http::Uri, body: String| {
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        Json(json!({ "asked": format!("{method} {uri}"), "body": body }))
    })
}

/// The log of staff's orders, and nobody's stakes.
fn staff_routes(acts: &Arc<Mutex<Vec<NewAct>>>) -> Router {
    let (noted, listed) = (acts.clone(), acts.clone());
    let note = async move |Json(act): Json<NewAct>| {
        let mut acts = noted.lock().unwrap();
        acts.push(act);
        Json(json!({ "id": acts.len() }))
    };
    let list = async move || {
        let acts = listed.lock().unwrap();
        let told = (1..).zip(acts.iter()).map(|(id, what)| StaffAct { id, at_s: 1, what: what.clone() });
        Json(Acts { acts: told.collect(), next: None })
    };
    Router::new()
        .route("/v1/staff/acts", get(list).post(note))
        .route("/v1/staff/stakes", axum::routing::post(async || Json(json!({ "highest": [] }))))
        .route("/v1/statistics", axum::routing::post(public_statistics))
        .route(
            "/v1/leaders",
            get(async |uri: axum::http::Uri| {
                let name = format!("0x{}", "9".repeat(40));
                let asked = uri.query().unwrap_or_default().contains("days=7&by=hands&viewer=0x");
                let leader =
                    json!({ "place": 1, "name": name, "you": asked, "hands": 100, "bigBlinds": 1.5 });
                Json(json!({ "days": 7, "by": "hands", "leaders": [leader] }))
            }),
        )
        .route("/v1/rooms", get(async |uri: axum::http::Uri| Json(json!({ "asked": uri.to_string() }))))
}

/// Statistics of all players but the first, who has too few hands.
async fn public_statistics(Json(asked): Json<PublicAsked>) -> Json<PublicTold> {
    let enough = asked.players.into_iter().filter(|player| *player != PlayerId([1; 20]));
    let told = enough.map(|player| (player, PublicStatistics { hands: 100, ..PublicStatistics::default() }));
    Json(PublicTold { players: told.collect() })
}

fn records_routes(acts: &Arc<Mutex<Vec<NewAct>>>) -> Router {
    let audit = Router::new()
        .route("/v1/tables/{uid}/hands/{hand}/audit", get(async || Json(json!({ "audit": "box" }))));
    let echo = async |uri: axum::http::Uri| Json(json!({ "asked": uri.to_string() }));
    let audit = audit.route("/v1/players/{player}/{what}", get(echo)).merge(staff_routes(acts));
    audit.route("/v1/tables/{uid}/hands", get(async || Json(json!({ "hands": [] })))).route(
        "/v1/tables/{uid}/hands/{hand}",
        get(async |Path((_, hand)): Path<(String, u64)>, uri: axum::http::Uri| {
            if hand == 404 {
                let problem = purr_protocol::Problem::new(404, "hand", "There is no such hand");
                return Err(purr_runtime::problem::Answer(problem));
            }
            Ok(format!("hand {hand} {}", uri.query().unwrap_or_default()))
        }),
    )
}
