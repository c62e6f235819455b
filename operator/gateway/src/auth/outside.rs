//! An outside issuer (OpenID Connect Core 1.0): its ID tokens, by the keys that it publishes.
//!
//! An identity is the pair of issuer and subject. It has no effect until a wallet has claimed it by a signature. Its
//! roles come from the operator's file, whatever its claims say.

use crate::metrics::Metrics;
use arc_swap::ArcSwap;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, JwkSet},
};
use purr_runtime::{
    fetch::{Document, FetchError},
    token::UserRole,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

#[derive(Clone, Debug)]
pub struct Settings {
    pub issuer: String,
    /// The fleet's client id at the issuer.
    pub audience: String,
    pub jwks_url: String,
    /// PEM certificates of the CAs that the issuer's server may have.
    pub ca_file: PathBuf,
    /// JSON file with roles by subject; without one everybody is a player.
    pub roles_file: Option<PathBuf>,
    /// Age at which keys are asked for again.
    pub keys_age_max: Duration,
    /// Least time between two requests for the keys, however many tokens name an unknown key.
    pub keys_every_min: Duration,
}

/// An ID token may be this old, in seconds.
const TOKEN_AGE_MAX_S: u64 = 600;
/// Clocks of the issuer and of this machine differ a little, in seconds.
const LEEWAY_S: u64 = 30;
const FETCH: Duration = Duration::from_secs(5);
const KEYS_BYTES_MAX: usize = 256 * 1024;
/// Algorithms with public keys only: a shared secret would let the verifier forge tokens.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    #[error("no outside issuer is set up")]
    NotSetUp,
    #[error("the ID token is not valid: {0}")]
    Token(String),
    #[error("the issuer's keys cannot be had: {0}")]
    Keys(String),
    #[error("{path}: {detail}")]
    Roles { path: PathBuf, detail: String },
    #[error("{0}")]
    Fetch(#[from] FetchError),
}

/// A person whom the issuer has identified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub subject: String,
    /// Names issuer and subject, in hex.
    pub key: String,
    /// Names this one token, in hex.
    pub token: String,
    /// Remaining validity of the token, in seconds.
    pub valid_s: u64,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    iat: u64,
    exp: u64,
}

struct Held {
    keys: JwkSet,
    since: Instant,
}

pub struct Outside {
    settings: Settings,
    document: Document,
    held: ArcSwap<Option<Held>>,
    /// When keys were last requested. The lock is held during a request, so that one request serves all callers.
    asked: Mutex<Option<Instant>>,
    roles: ArcSwap<HashMap<String, Vec<UserRole>>>,
    metrics: Metrics,
}

impl Outside {
    pub fn new(settings: Settings, metrics: Metrics) -> Result<Self, OutsideError> {
        let document = Document::new(&settings.jwks_url, &settings.ca_file)?;
        let outside = Self {
            settings,
            document,
            held: ArcSwap::default(),
            asked: Mutex::default(),
            roles: ArcSwap::default(),
            metrics,
        };
        outside.reload()?;
        Ok(outside)
    }

    /// Reads the roles again; they apply from the next token on.
    pub fn reload(&self) -> Result<(), OutsideError> {
        let Some(path) = &self.settings.roles_file else { return Ok(()) };
        let error = |detail: String| OutsideError::Roles { path: path.clone(), detail };
        let text = std::fs::read_to_string(path).map_err(|source| error(source.to_string()))?;
        let roles: HashMap<String, Vec<UserRole>> =
            serde_json::from_str(&text).map_err(|source| error(source.to_string()))?;
        self.roles.store(Arc::new(roles));
        Ok(())
    }

    /// Roles of this subject in the operator's file; every subject is also a player.
    pub fn roles_of(&self, subject: &str) -> Vec<UserRole> {
        let mut roles = vec![UserRole::Player];
        let more = self.roles.load();
        roles.extend(more.get(subject).into_iter().flatten().filter(|role| **role != UserRole::Player));
        roles
    }

    /// Verifies an ID token and returns its identity.
    pub async fn identity(&self, token: &str, now_s: u64) -> Result<Identity, OutsideError> {
        let refused = |error: jsonwebtoken::errors::Error| OutsideError::Token(error.to_string());
        let header = decode_header(token).map_err(refused)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(OutsideError::Token("its algorithm is none that can be checked".into()));
        }
        let kid = header.kid.ok_or_else(|| OutsideError::Token("it names no key".into()))?;
        let key = self.key(&kid).await?;
        let fits =
            key.common.key_algorithm.is_none_or(|named| named.to_string() == format!("{:?}", header.alg));
        if !fits {
            return Err(OutsideError::Token("its key is for another algorithm".into()));
        }
        let decoding = DecodingKey::from_jwk(&key).map_err(refused)?;
        let mut rules = Validation::new(header.alg);
        rules.set_issuer(&[&self.settings.issuer]);
        rules.set_audience(&[&self.settings.audience]);
        rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        rules.validate_nbf = true;
        rules.leeway = LEEWAY_S;
        let claims = decode::<Claims>(token, &decoding, &rules).map_err(refused)?.claims;
        if claims.iat > now_s + LEEWAY_S || claims.iat + TOKEN_AGE_MAX_S < now_s {
            return Err(OutsideError::Token("it was not issued just now".into()));
        }
        if claims.sub.is_empty() || claims.sub.len() > 255 {
            return Err(OutsideError::Token("its subject is empty or too long".into()));
        }
        let hash = |text: String| hex::encode(Sha256::digest(text));
        // Hash of the signed part only: a signature may have a second valid form.
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        Ok(Identity {
            key: hash(format!("{}\n{}", self.settings.issuer, claims.sub)),
            token: hash(signed.to_owned()),
            valid_s: (claims.exp + LEEWAY_S).saturating_sub(now_s).clamp(1, TOKEN_AGE_MAX_S + 2 * LEEWAY_S),
            subject: claims.sub,
        })
    }

    /// Returns a cached key if it is recent enough; otherwise asks the issuer, at a limited rate.
    async fn key(&self, kid: &str) -> Result<Jwk, OutsideError> {
        let held = |young: bool| {
            let held = self.held.load();
            let held = held.as_ref().as_ref()?;
            let usable = !young || held.since.elapsed() < self.settings.keys_age_max;
            held.keys.find(kid).filter(|_| usable).cloned()
        };
        if let Some(key) = held(true) {
            return Ok(key);
        }
        let mut asked = self.asked.lock().await;
        // Another request has read the keys in the meantime.
        if let Some(key) = held(true) {
            return Ok(key);
        }
        if asked.is_none_or(|at| at.elapsed() >= self.settings.keys_every_min) {
            *asked = Some(Instant::now());
            match self.fetch().await {
                Ok(keys) => self.held.store(Arc::new(Some(Held { keys, since: Instant::now() }))),
                Err(error) => tracing::warn!(%error, "the outside issuer's keys cannot be fetched"),
            }
        }
        // Old keys are better than none while the issuer's server is away.
        held(false).ok_or_else(|| match self.held.load().as_ref() {
            Some(_) => OutsideError::Token("its key is not published".into()),
            None => OutsideError::Keys("it does not answer".into()),
        })
    }

    async fn fetch(&self) -> Result<JwkSet, OutsideError> {
        let keys = async {
            let text = self.document.get(FETCH, KEYS_BYTES_MAX).await?;
            // A key of a kind that is not known here must not make the others useless.
            let set: serde_json::Value =
                serde_json::from_slice(&text).map_err(|error| OutsideError::Keys(error.to_string()))?;
            let keys = set["keys"].as_array().ok_or_else(|| OutsideError::Keys("no keys in it".into()))?;
            let keys = keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect();
            Ok(JwkSet { keys })
        };
        let keys = keys.await;
        self.metrics.keys_fetched(keys.is_ok());
        keys
    }
}
