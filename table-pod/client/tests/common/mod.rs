//! A real table over TLS on loopback, the door that signs players in, and a wire that can be cut.
//!
//! The door answers as a gateway does; the gateway itself is tested with this client in purr-tests.

#![allow(dead_code, reason = "each test has its own need of it")]

mod landing;

use axum::{
    Json, Router,
    extract::{Path as UrlPath, Query, State},
    routing,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use purr_client::{Api, Gateway, Session, Wallet, wallet::checksummed};
use purr_engine::{Ante, Betting, ClockConfig, HouseRules, PlayerId, RakeConfig, TableConfig};
use purr_protocol::{Currency, Problem, Settlement, TableSpec, settlement::OpenTable};
use purr_runtime::{
    Callers, CancellationToken, Identity, InternalClient, Readiness, Role, Server,
    assertion::{Assertion, Assertions},
    problem::Answer,
    token::{Claims, UserRole},
};
use purr_store::{DataKeys, MemoryStore, Sealer};
use purr_table::{
    actor::{Actor, TakeOver},
    core::{Pace, Recording},
    metrics::Metrics,
    play_money::PlayMoney,
    snapshot::Format,
    tokens::Tokens,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData};
use serde_json::{Value, json};
use sha3::{Digest, Keccak256};
use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
};

pub const UID: &str = "0a0b0c0d-0000-4000-8000-000000000000";
const ISSUER: &str = "https://localhost";
/// Life of an access token, in seconds: so short that a test sees it renewed.
pub const TOKEN_S: u64 = 6;

pub fn spec() -> TableSpec {
    TableSpec {
        name: "loop".into(),
        engine: TableConfig {
            seats: 6,
            small_blind: 5,
            big_blind: 10,
            ante: Ante::None,
            betting: Betting::NoLimit,
            straddle: false,
            house: HouseRules::NONE,
            run_it_twice: false,
            buy_in_min: 200,
            buy_in_max: 1_000,
            rake: RakeConfig { basis_points: 500, caps: Vec::new(), no_flop_no_drop: true },
            clock: ClockConfig {
                turn_ms: 15_000,
                time_bank_ms: 0,
                time_bank_gain_ms: 0,
                disconnect_ms: 10_000,
                time_bank_hands: 1,
                time_bank_max_ms: 0,
                disconnect_max_ms: 0,
                reconnect_grace_ms: 5_000,
                disconnect_total_ms: 300_000,
            },
            rat_hole_ms: 0,
        },
        currency: Currency { token: String::new(), decimals: 6, unit: "PLAY".into() },
        settlement: Settlement { vault: String::new(), chain_id: 1, max_hands: 1, max_delay_ms: 0 },
        paused: false,
        history: purr_protocol::HistoryRule::default(),
        room: Default::default(),
    }
}

/// Signs players in and publishes its keys.
pub struct Door {
    key: EncodingKey,
    public: String,
    nonces: Mutex<HashMap<String, ()>>,
    sessions: Mutex<HashMap<String, PlayerId>>,
    count: AtomicU64,
    pub sign_ins: AtomicU64,
    pub refreshes: AtomicU64,
}

fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// Returns the signer of a message (EIP-191).
fn signer(message: &str, signature: &str) -> Option<PlayerId> {
    let bytes = hex::decode(signature.strip_prefix("0x")?).ok()?;
    let signature = Signature::from_slice(bytes.get(..64)?).ok()?;
    let id = RecoveryId::from_byte(bytes.get(64)?.checked_sub(27)?)?;
    let digest = keccak(format!("\x19Ethereum Signed Message:\n{}{message}", message.len()).as_bytes());
    let key = VerifyingKey::recover_from_prehash(&digest, &signature, id).ok()?;
    let hash = keccak(&key.to_encoded_point(false).as_bytes()[1..]);
    Some(PlayerId(hash[12..].try_into().ok()?))
}

fn unauthorized(why: &str) -> Answer {
    Problem::new(401, "unauthorized", "Sign in first").detail(why).into()
}

impl Door {
    fn new() -> Self {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        Self {
            public: URL_SAFE_NO_PAD.encode(key.der_bytes()),
            key: EncodingKey::from_ed_pem(key.serialize_pem().as_bytes()).unwrap(),
            nonces: Mutex::default(),
            sessions: Mutex::default(),
            count: AtomicU64::new(0),
            sign_ins: AtomicU64::new(0),
            refreshes: AtomicU64::new(0),
        }
    }

    fn tokens(&self, player: PlayerId) -> Json<Value> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let claims = Claims {
            iss: ISSUER.into(),
            aud: "purr".into(),
            sub: player.to_string(),
            exp: now + TOKEN_S,
            nbf: now,
            iat: now,
            jti: number.to_string(),
            sid: String::new(),
            roles: vec![UserRole::Player],
        };
        let header = Header { kid: Some("door".into()), ..Header::new(Algorithm::EdDSA) };
        let access = encode(&header, &claims, &self.key).unwrap();
        let refresh = format!("refresh-{number}");
        self.sessions.lock().unwrap().insert(refresh.clone(), player);
        Json(json!({ "accessToken": access, "expiresInS": TOKEN_S, "refreshToken": refresh }))
    }

    /// Invalidates all refresh tokens.
    pub fn end_sessions(&self) {
        self.sessions.lock().unwrap().clear();
    }

    fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/v1/auth/nonce", routing::post(nonce))
            .route("/v1/auth/sign-in", routing::post(sign_in))
            .route("/v1/auth/refresh", routing::post(refresh))
            .route("/v1/config", routing::get(config))
            .route("/v1/tables", routing::get(tables))
            .route("/v1/tables/{uid}", routing::get(table))
            .route("/v1/tables/{uid}/hands", routing::get(hands))
            .route("/v1/tables/{uid}/hands/{hand}", routing::get(hand))
            .route("/.well-known/jwks.json", routing::get(keys))
            .with_state(self)
    }
}

async fn nonce(State(door): State<Arc<Door>>) -> Json<Value> {
    let nonce = format!("nonce{:08}", door.count.fetch_add(1, Ordering::Relaxed));
    door.nonces.lock().unwrap().insert(nonce.clone(), ());
    Json(json!({ "nonce": nonce, "domain": "localhost", "uri": ISSUER, "chainId": 1, "expiresInS": 300 }))
}

async fn sign_in(State(door): State<Arc<Door>>, Json(body): Json<Value>) -> Result<Json<Value>, Answer> {
    let message = body["message"].as_str().unwrap();
    let player =
        signer(message, body["signature"].as_str().unwrap()).ok_or_else(|| unauthorized("signature"))?;
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines[1], checksummed(player), "the signer is who the message names");
    let nonce = lines.iter().find_map(|line| line.strip_prefix("Nonce: ")).unwrap();
    door.nonces.lock().unwrap().remove(nonce).ok_or_else(|| unauthorized("nonce"))?;
    door.sign_ins.fetch_add(1, Ordering::Relaxed);
    Ok(door.tokens(player))
}

async fn refresh(State(door): State<Arc<Door>>, Json(body): Json<Value>) -> Result<Json<Value>, Answer> {
    let player = door.sessions.lock().unwrap().remove(body["refreshToken"].as_str().unwrap());
    let player = player.ok_or_else(|| unauthorized("the session is over"))?;
    door.refreshes.fetch_add(1, Ordering::Relaxed);
    Ok(door.tokens(player))
}

async fn config() -> Json<Value> {
    let (vault, token) = (format!("0x{}", "2".repeat(40)), format!("0x{}", "3".repeat(40)));
    Json(json!({ "chainId": 1, "vault": vault, "token": token, "decimals": 6, "confirmations": 1 }))
}

async fn tables() -> Json<Value> {
    Json(json!({ "tables": [{ "uid": UID, "name": "loop", "seats": 6, "ready": true }], "next": null }))
}

async fn table() -> Json<Value> {
    let table_id = format!("0x{}", "4".repeat(64));
    let bounds = json!({ "uid": UID, "name": "loop", "seats": 6, "buyInMin": 200, "buyInMax": 1_000 });
    let mut table = bounds;
    table["tableId"] = table_id.into();
    table["state"] = "open".into();
    Json(table)
}

/// Number of hands in the stand-in gateway's history; one of them is missing.
pub const HANDS: u64 = 45;
pub const MISSING: u64 = 13;

#[derive(serde::Deserialize)]
struct Page {
    before: Option<u64>,
}

/// Twenty at once, newest first, as a gateway lists them.
async fn hands(Query(Page { before }): Query<Page>) -> Json<Value> {
    let newest = before.map_or(HANDS, |before| before - 1);
    let oldest = newest.saturating_sub(19).max(1);
    let page: Vec<Value> = (oldest..=newest).rev().map(|hand| json!({ "hand": hand })).collect();
    let next = (oldest > 1).then_some(oldest);
    Json(json!({ "hands": page, "next": next }))
}

async fn hand(UrlPath((_, hand)): UrlPath<(String, u64)>) -> Result<Json<Value>, Answer> {
    if hand == MISSING || hand > HANDS {
        return Err(Problem::new(404, "no-such-hand", "There is no record of this hand").into());
    }
    Ok(Json(json!({ "hand": hand })))
}

async fn keys(State(door): State<Arc<Door>>) -> Json<Value> {
    Json(jwks("door", &door.public))
}

fn jwks(kid: &str, public: &str) -> Value {
    let key =
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": public });
    json!({ "keys": [key] })
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn issue(&self, dir: &Path, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("tls.key"), key.serialize_pem()).unwrap();
        std::fs::write(dir.join("ca.crt"), &self.certificate).unwrap();
        std::fs::write(dir.join("tls.crt"), certificate.pem()).unwrap();
        Identity::load(dir).unwrap()
    }
}

/// Carries connections to the table, until it is cut.
#[derive(Default)]
pub struct Wire {
    cut: Notify,
    pub carried: AtomicU64,
}

impl Wire {
    /// Every connection breaks off, without a word.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }

    async fn run(self: Arc<Self>, listener: TcpListener, to: SocketAddr) {
        while let Ok((mut near, _)) = listener.accept().await {
            self.carried.fetch_add(1, Ordering::Relaxed);
            let wire = self.clone();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                near.set_nodelay(true).and(far.set_nodelay(true)).unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    () = wire.cut.notified() => {}
                }
            });
        }
    }
}

pub struct World {
    pub door: Arc<Door>,
    pub wire: Arc<Wire>,
    pub store: Arc<MemoryStore>,
    pub signer: Arc<PlayMoney>,
    /// How players reach the table.
    pub socket: Gateway,
    pub door_url: String,
    pub table: SocketAddr,
    /// The role that the table accepts trunks from.
    pub gateway: Identity,
    /// The key that gateways sign assertions with.
    asserting: EncodingKey,
    dir: TempDir,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(identity: Identity, callers: Callers, routes: Router, stop: &CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server { identity, callers, connections_max: 64 };
    tokio::spawn(server.run(listener, routes, stop.clone()));
    address
}

/// The table's.
pub fn sealer() -> Sealer {
    Sealer::new(Arc::new(DataKeys::ephemeral([1; 32])), UID)
}

impl World {
    pub async fn start() -> Self {
        Self::with(true).await
    }

    /// A table that takes players' access tokens beside assertions, or does not.
    pub async fn with(access_tokens: bool) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (dir, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let authority = Authority::new();
        let issue = |name: &str| authority.issue(&dir.path().join(name), name);
        let door = Arc::new(Door::new());
        let public = serve(issue("localhost"), Callers::Public, door.clone().routes(), &stop).await;
        let gateway = issue(&Role::Gateway.to_string());
        let inside = serve(gateway.clone(), Callers::Roles, door.clone().routes(), &stop).await;

        let table = issue(&Role::Table(UID.into()).to_string());
        let keys = InternalClient::new(table.clone(), inside.to_string(), Role::Gateway);
        let asserting = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let file = dir.path().join("keys.json");
        std::fs::write(&file, jwks("gateway", &URL_SAFE_NO_PAD.encode(asserting.der_bytes())).to_string())
            .unwrap();
        let asserting = EncodingKey::from_ed_pem(asserting.serialize_pem().as_bytes()).unwrap();
        let tokens = Tokens::new(keys, ISSUER, "purr");
        let tokens = Arc::new(tokens.with_assertions(Assertions::new(UID, file), access_tokens));
        let (store, signer) = (Arc::new(MemoryStore::default()), Arc::new(PlayMoney::default()));
        let sealer = sealer();
        let actor = Actor::take_over(TakeOver {
            epoch: 1 << 16,
            spec: spec(),
            pace: Pace { hand_gap_ms: 150, reveal_ms: 1_000 },
            sealer: sealer.clone(),
            store: store.clone(),
            signer: signer.clone(),
            recording: Recording::default(),
            format: Format::default(),
            sessions: None,
            metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
            readiness: Readiness::default(),
            open: OpenTable::from_spec(1 << 16, &spec()),
        })
        .await
        .unwrap();
        let handle = actor.handle();
        tokio::spawn(actor.run(stop.clone()));
        let routes = purr_table::http::routes(handle, tokens, sealer);
        let table = serve(table, Callers::Roles, routes, &stop).await;

        let landing = authority.issue(&dir.path().join("landing"), "localhost");
        let routes = landing::routes(gateway.clone(), table);
        let landing = serve(landing, Callers::Public, routes, &stop).await;

        let wire = Arc::new(Wire::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        tokio::spawn(wire.clone().run(listener, landing));
        let socket = Gateway::new(&url, &dir.path().join("localhost/ca.crt")).unwrap();
        let door_url = format!("https://localhost:{}", public.port());
        Self { door, wire, store, signer, socket, door_url, table, gateway, asserting, dir, stop }
    }

    /// The assertion as a gateway signs it.
    pub fn assertion(&self, said: &Assertion) -> String {
        let header = Header { kid: Some("gateway".into()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, said, &self.asserting).unwrap()
    }

    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("localhost/ca.crt")
    }

    pub fn session(&self) -> Session {
        let api = Api::new(Gateway::new(&self.door_url, &self.ca()).unwrap());
        Session::new(api, Wallet::random().unwrap())
    }
}
