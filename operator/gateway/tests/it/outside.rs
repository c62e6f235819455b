//! Signing in with an identity of an outside issuer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use axum::{Router, extract::State, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{
    World,
    http::Answer,
    wallet::{self, Wallet, now_s, pem},
};
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use purr_gateway::auth::{outside::Settings, resource};
use purr_runtime::{Callers, CancellationToken, Server};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;

const ISSUER: &str = "https://id.example";
const KEY: [u8; 32] = [7; 32];

/// The issuer's server: its published documents, and how often each was requested.
struct Issuer {
    keys: Mutex<Value>,
    asked: AtomicUsize,
    stop: CancellationToken,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn published(kid: &str, key: &[u8; 32]) -> Value {
    let x = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(key).verifying_key().as_bytes());
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "alg": "EdDSA", "use": "sig", "x": x })
}

async fn keys(State(issuer): State<Arc<Issuer>>) -> String {
    issuer.asked.fetch_add(1, Ordering::Relaxed);
    issuer.keys.lock().unwrap().to_string()
}

/// A gateway that knows an issuer, whose server runs with a certificate of the same test CA.
async fn world(every: Duration) -> (World, Arc<Issuer>) {
    // Made from the gateway's own folder of certificates, which exists before it starts.
    let strange = json!({ "kty": "STRANGE", "kid": "s" });
    let issuer = Arc::new(Issuer {
        keys: Mutex::new(json!({ "keys": [strange, published("o1", &KEY)] })),
        asked: AtomicUsize::new(0),
        stop: CancellationToken::new(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let world = World::with(|config| {
        let dir = config.jwt_key_dir.parent().unwrap().to_owned();
        let roles = dir.join("outside.json");
        std::fs::write(&roles, json!({ "staff": ["support", "player"] }).to_string()).unwrap();
        config.front.outside = Some(Settings {
            issuer: ISSUER.into(),
            audience: "purr-client".into(),
            jwks_url: format!("https://localhost:{}/keys", address.port()),
            ca_file: dir.join("public/ca.crt"),
            roles_file: Some(roles),
            keys_age_max: Duration::from_secs(600),
            keys_every_min: every,
        });
    })
    .await;
    let identity = purr_runtime::Identity::load(Path::new(&world.dir.path().join("public"))).unwrap();
    let routes = Router::new().route("/keys", get(keys)).with_state(issuer.clone());
    let server = Server { identity, callers: Callers::Public, connections_max: 16 };
    tokio::spawn(server.run(listener, routes, issuer.stop.clone()));
    (world, issuer)
}

fn claims(subject: &str) -> Value {
    let now = now_s();
    // Two tokens of one second must not be the same token.
    let jti = hex::encode(Sha256::digest(format!("{subject}{:?}", std::time::Instant::now())));
    json!({ "iss": ISSUER, "aud": "purr-client", "sub": subject, "iat": now, "exp": now + 300, "jti": jti })
}

fn sign(claims: &Value, kid: &str, key: &[u8; 32]) -> String {
    let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_pem(pem(key).as_bytes()).unwrap()).unwrap()
}

fn id_token(subject: &str) -> String {
    sign(&claims(subject), "o1", &KEY)
}

fn identity_key(subject: &str) -> String {
    hex::encode(Sha256::digest(format!("{ISSUER}\n{subject}")))
}

async fn sign_in(world: &World, token: &str) -> Answer {
    world.post("/v1/auth/outside", None, &json!({ "idToken": token })).await
}

async fn link(world: &World, token: &str, wallet: &Wallet, names: Option<&str>) -> Answer {
    let mut message = wallet.message(&wallet::nonce(world).await);
    if let Some(subject) = names {
        message += &format!("\nResources:\n- {}", resource(&identity_key(subject)));
    }
    let ask = json!({ "idToken": token, "message": message, "signature": wallet.sign(&message) });
    world.post("/v1/auth/outside/link", None, &ask).await
}

#[tokio::test]
async fn an_identity_is_linked_to_a_wallet_once_and_then_signs_in_as_it() {
    let (world, _issuer) = world(Duration::ZERO).await;
    let wallet = Wallet::new(1);
    assert_eq!(sign_in(&world, &id_token("anna")).await.problem(), "not-linked");
    // A message that was signed for something else links nothing.
    assert_eq!(link(&world, &id_token("anna"), &wallet, None).await.status, 401);
    assert_eq!(link(&world, &id_token("anna"), &wallet, Some("berta")).await.status, 401);
    assert_eq!(sign_in(&world, &id_token("anna")).await.problem(), "not-linked");

    assert_eq!(link(&world, &id_token("anna"), &wallet, Some("anna")).await.status, 200);
    let answer = sign_in(&world, &id_token("anna")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let tokens = wallet::tokens(&answer.json());
    let balance = world.get("/v1/balance", Some(&tokens.access)).await.json();
    assert_eq!(balance["seated"][0]["table"], json!(wallet.address()));
    let refreshed = world.post("/v1/auth/refresh", None, &json!({ "refreshToken": tokens.refresh })).await;
    assert_eq!(refreshed.status, 200);
    // Another wallet cannot take the identity over; its own wallet may link it again.
    let other = link(&world, &id_token("anna"), &Wallet::new(2), Some("anna")).await;
    assert_eq!((other.status, other.problem().as_str()), (409, "linked"));
    assert_eq!(link(&world, &id_token("anna"), &wallet, Some("anna")).await.status, 200);
    // Another subject is another identity.
    assert_eq!(sign_in(&world, &id_token("berta")).await.problem(), "not-linked");
}

#[tokio::test]
async fn an_id_token_counts_once() {
    let (world, _issuer) = world(Duration::ZERO).await;
    link(&world, &id_token("anna"), &Wallet::new(1), Some("anna")).await;
    let token = id_token("anna");
    assert_eq!(sign_in(&world, &token).await.status, 200);
    assert_eq!(sign_in(&world, &token).await.problem(), "id-token");
}

#[tokio::test]
async fn an_id_token_that_was_used_links_nothing() {
    use purr_gateway::sessions::SessionStore;
    let (world, _issuer) = world(Duration::ZERO).await;
    link(&world, &id_token("anna"), &Wallet::new(1), Some("anna")).await;
    let used = id_token("anna");
    assert_eq!(sign_in(&world, &used).await.status, 200);
    // The link is lost with the store; a stolen token must not create another one.
    world.sessions.take(&format!("outside:{}", identity_key("anna"))).await.unwrap();
    assert_eq!(link(&world, &used, &Wallet::new(2), Some("anna")).await.problem(), "id-token");
    assert_eq!(sign_in(&world, &id_token("anna")).await.problem(), "not-linked");
    assert_eq!(link(&world, &id_token("anna"), &Wallet::new(1), Some("anna")).await.status, 200);
}

#[tokio::test]
async fn roles_come_from_the_operators_file_and_from_nothing_else() {
    let (world, _issuer) = world(Duration::ZERO).await;
    let roles = |access: &str| {
        let body = access.split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap();
        claims["roles"].clone()
    };
    // The wallet is an auditor when it signs in itself; the identity has the roles of the file.
    let auditor = Wallet::auditor();
    assert_eq!(roles(&auditor.sign_in(&world).await.access), json!(["player", "auditor"]));
    let mut boasting = claims("anna");
    boasting["roles"] = json!(["admin"]);
    boasting["groups"] = json!(["admin"]);
    let answer = link(&world, &sign(&boasting, "o1", &KEY), &auditor, Some("anna")).await;
    let tokens = wallet::tokens(&answer.json());
    assert_eq!(roles(&tokens.access), json!(["player"]));
    let refreshed = world.post("/v1/auth/refresh", None, &json!({ "refreshToken": tokens.refresh })).await;
    assert_eq!(roles(&wallet::tokens(&refreshed.json()).access), json!(["player"]));
    let staff = link(&world, &id_token("staff"), &Wallet::new(3), Some("staff")).await;
    assert_eq!(roles(&wallet::tokens(&staff.json()).access), json!(["player", "support"]));
}

#[tokio::test]
async fn forged_and_untimely_id_tokens_are_refused() {
    let (world, _issuer) = world(Duration::from_secs(3600)).await;
    link(&world, &id_token("anna"), &Wallet::new(1), Some("anna")).await;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut claims = claims("anna");
        change(&mut claims);
        sign(&claims, "o1", &KEY)
    };
    let good = id_token("anna");
    let (head, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let none = part(json!({ "alg": "none", "kid": "o1" }));
    let secret = SigningKey::from_bytes(&KEY).verifying_key().to_bytes();
    let confused = Header { kid: Some("o1".into()), ..Header::new(Algorithm::HS256) };
    let confused =
        jsonwebtoken::encode(&confused, &claims("anna"), &EncodingKey::from_secret(&secret)).unwrap();
    for (what, token) in [
        ("expired", changed(&|c| c["exp"] = json!(now_s() - 100))),
        ("not valid yet", changed(&|c| c["nbf"] = json!(now_s() + 100))),
        ("issued long ago", changed(&|c| c["iat"] = json!(now_s() - 700))),
        ("issued in the future", changed(&|c| c["iat"] = json!(now_s() + 100))),
        ("for somebody else", changed(&|c| c["aud"] = json!("other"))),
        ("of another issuer", changed(&|c| c["iss"] = json!("https://evil.example"))),
        ("without a subject", changed(&|c| c["sub"] = json!(""))),
        ("another key", sign(&claims("anna"), "o1", &[8; 32])),
        ("an unknown key", sign(&claims("anna"), "o9", &KEY)),
        ("alg none", format!("{none}.{body}.")),
        ("alg HS256", confused),
        ("changed claims", format!("{head}.{}.{signature}", part(claims("berta")))),
        ("no token", "x".into()),
        ("the fleet's own token", {
            let claims = Wallet::new(1).claims();
            wallet::sign(&claims, Some("k1"), &wallet::JWT_KEY)
        }),
    ] {
        let answer = sign_in(&world, &token).await;
        assert_eq!((answer.status, answer.problem().as_str()), (401, "id-token"), "{what}");
    }
    assert_eq!(sign_in(&world, &good).await.status, 200);
    assert_eq!(world.get("/v1/balance", Some(&id_token("anna"))).await.status, 401);
}

#[tokio::test]
async fn keys_are_held_and_asked_for_again_when_a_token_names_a_new_one() {
    let (world, issuer) = world(Duration::ZERO).await;
    let asked = || issuer.asked.load(Ordering::Relaxed);
    link(&world, &id_token("anna"), &Wallet::new(1), Some("anna")).await;
    for _ in 0..3 {
        assert_eq!(sign_in(&world, &id_token("anna")).await.status, 200);
    }
    assert_eq!(asked(), 1);
    *issuer.keys.lock().unwrap() = json!({ "keys": [published("o2", &[9; 32])] });
    assert_eq!(sign_in(&world, &sign(&claims("anna"), "o2", &[9; 32])).await.status, 200);
    assert_eq!(asked(), 2);
    // A key that the issuer withdrew is rejected here too.
    assert_eq!(sign_in(&world, &id_token("anna")).await.status, 401);
    assert_eq!(world.metric("purr_gateway_outside_keys_fetched_total{result=\"ok\"}"), Some(3.0));
}

#[tokio::test]
async fn tokens_with_made_up_keys_do_not_make_the_gateway_ask_again_and_again() {
    let (world, issuer) = world(Duration::from_secs(3600)).await;
    for n in 0..5 {
        assert_eq!(sign_in(&world, &sign(&claims("x"), &format!("made-up-{n}"), &KEY)).await.status, 401);
    }
    assert_eq!(issuer.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_issuer_that_sends_too_much_or_nothing_is_not_available() {
    let (world, issuer) = world(Duration::ZERO).await;
    for keys in [json!({ "keys": ["x".repeat(300_000)] }), json!("nonsense")] {
        *issuer.keys.lock().unwrap() = keys;
        let answer = sign_in(&world, &id_token("anna")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(world.metric("purr_gateway_outside_keys_fetched_total{result=\"failed\"}"), Some(2.0));
}

#[tokio::test]
async fn where_no_issuer_is_set_up_there_is_nothing() {
    let world = World::new().await;
    assert_eq!(sign_in(&world, &id_token("anna")).await.problem(), "outside");
}
