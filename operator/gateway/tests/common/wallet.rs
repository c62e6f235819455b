//! Wallets that sign in, and keys that sign tokens.

use super::{CHAIN, ISSUER, World};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use k256::ecdsa::SigningKey;
use purr_engine::PlayerId;
use purr_gateway::auth::signature::{address_of, checksummed, personal_hash};
use purr_runtime::token::{Claims, UserRole};
use serde_json::{Value, json};
use std::path::Path;

pub const JWT_KEY: [u8; 32] = [42; 32];

/// An Ed25519 key as `openssl genpkey` and the chart write it (RFC 8410).
pub fn pem(key: &[u8; 32]) -> String {
    let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
    der.extend(key);
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

pub fn write_key(dir: &Path, kid: &str, key: &[u8; 32]) {
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join(format!("{kid}.pem")), pem(key)).unwrap();
}

pub struct Wallet(SigningKey);

pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Wallet {
    pub fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub fn auditor() -> Self {
        Self::new(200)
    }

    /// Reviews fair-play cases.
    pub fn reviewer() -> Self {
        Self::new(201)
    }

    pub fn support() -> Self {
        Self::new(202)
    }

    pub fn player(&self) -> PlayerId {
        address_of(self.0.verifying_key())
    }

    pub fn address(&self) -> String {
        self.player().to_string()
    }

    /// `personal_sign`.
    pub fn sign(&self, message: &str) -> String {
        let (signature, recovery) = self.0.sign_prehash_recoverable(&personal_hash(message)).unwrap();
        format!("0x{}{:02x}", hex::encode(signature.to_bytes()), 27 + recovery.to_byte())
    }

    pub fn message(&self, nonce: &str) -> String {
        format!(
            "localhost wants you to sign in with your Ethereum account:\n{}\n\nPlay at Purr.\n\n\
            URI: {ISSUER}\nVersion: 1\nChain ID: {CHAIN}\nNonce: {nonce}\nIssued At: {}",
            checksummed(self.player()),
            Timestamp::from_second(i64::try_from(now_s()).unwrap()).unwrap(),
        )
    }

    pub fn ask(&self, message: &str) -> Value {
        json!({ "message": message, "signature": self.sign(message) })
    }

    pub async fn sign_in(&self, world: &World) -> Tokens {
        let nonce = nonce(world).await;
        let answer = world.post("/v1/auth/sign-in", None, &self.ask(&self.message(&nonce))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        tokens(&answer.json())
    }

    pub fn claims(&self) -> Claims {
        Claims {
            iss: ISSUER.into(),
            aud: "purr".into(),
            sub: self.address(),
            exp: now_s() + 300,
            nbf: now_s(),
            iat: now_s(),
            jti: "1".into(),
            sid: "1".into(),
            roles: vec![UserRole::Player],
        }
    }
}

pub fn tokens(json: &Value) -> Tokens {
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    Tokens { access: text("accessToken"), refresh: text("refreshToken") }
}

pub async fn nonce(world: &World) -> String {
    let answer = world.post("/v1/auth/nonce", None, &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    assert_eq!((&json["domain"], &json["chainId"]), (&json!("localhost"), &json!(CHAIN)));
    json["nonce"].as_str().unwrap().to_owned()
}

pub fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// An access token with these claims, signed with this key.
pub fn sign(claims: &Claims, kid: Option<&str>, key: &[u8; 32]) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
    let key = EncodingKey::from_ed_pem(pem(key).as_bytes()).unwrap();
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}
