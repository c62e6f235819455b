//! The keys that sign access tokens: a mounted folder of `<kid>.pem` (Ed25519, PKCS#8) and a file
//! `current` that names the one that signs. All of them are published.
//!
//! To rotate without a logout: add the new key and wait until every gateway publishes it, change `current`, and remove
//! the old key when its last token has expired.

use super::{nonce, refresh};
use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ed25519_dalek::{SigningKey, pkcs8::DecodePrivateKey};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm,
        OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse,
    },
};
use purr_runtime::token::Verifier;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// More keys than any rotation needs.
const KEYS_MAX: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not an Ed25519 key in PKCS#8 PEM: {detail}")]
    Key { path: PathBuf, detail: String },
    #[error("{path} names the key '{kid}', which is not there")]
    NoSuchKey { path: PathBuf, kid: String },
    #[error("{0} holds more than {KEYS_MAX} keys")]
    TooMany(PathBuf),
    #[error("there is no key that signs assertions for tables")]
    NoAssertions,
    #[error("cannot sign: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// The folder's content when it was last read.
struct Ring {
    print: [u8; 32],
    kid: String,
    signing: EncodingKey,
    published: JwkSet,
    /// Makes refresh tokens and nonces.
    secret: [u8; 32],
    /// Secrets of all published keys: tokens and nonces outlive the time for which `current` names their key.
    secrets: Vec<[u8; 32]>,
}

/// Derives the key of refresh tokens and nonces from one that signs access tokens.
fn secret(signing: &SigningKey) -> [u8; 32] {
    Sha256::new_with_prefix(b"purr refresh key v1").chain_update(signing.as_bytes()).finalize().into()
}

impl Ring {
    fn read(dir: &Path) -> Result<Self, KeyError> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|source| KeyError::Read { path: path.to_owned(), source })
        };
        let current = dir.join("current");
        let kid = read(&current)?.trim().to_owned();
        let mut print = Sha256::new_with_prefix(&kid);
        let mut keys = BTreeMap::new();
        let entries =
            std::fs::read_dir(dir).map_err(|source| KeyError::Read { path: dir.to_owned(), source })?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_none_or(|extension| extension != "pem") {
                continue;
            }
            let Some(kid) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            let key = SigningKey::from_pkcs8_pem(&read(&path)?)
                .map_err(|error| KeyError::Key { path: path.clone(), detail: error.to_string() })?;
            keys.insert(kid.to_owned(), (path, key));
            if keys.len() > KEYS_MAX {
                return Err(KeyError::TooMany(dir.to_owned()));
            }
        }
        let (path, signing) =
            keys.get(&kid).ok_or_else(|| KeyError::NoSuchKey { path: current, kid: kid.clone() })?;
        for (kid, (_, key)) in &keys {
            print.update(kid);
            print.update(key.verifying_key().as_bytes());
        }
        let pem = read(path)?;
        Ok(Self {
            print: print.finalize().into(),
            signing: EncodingKey::from_ed_pem(pem.as_bytes())?,
            published: JwkSet { keys: keys.iter().map(|(kid, (_, key))| publish(kid, key)).collect() },
            secret: secret(signing),
            secrets: keys.values().map(|(_, key)| secret(key)).collect(),
            kid,
        })
    }
}

/// A public key by RFC 8037.
fn publish(kid: &str, key: &SigningKey) -> Jwk {
    Jwk {
        common: CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(KeyAlgorithm::EdDSA),
            key_id: Some(kid.to_owned()),
            ..CommonParameters::default()
        },
        algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
            key_type: OctetKeyPairType::OctetKeyPair,
            curve: EllipticCurve::Ed25519,
            x: BASE64.encode(key.verifying_key().as_bytes()),
        }),
    }
}

/// Signs and verifies access tokens.
pub struct Keys {
    dir: PathBuf,
    ring: ArcSwap<Ring>,
    verifier: Verifier,
}

impl Keys {
    pub fn load(dir: &Path, issuer: &str, audience: &str) -> Result<Self, KeyError> {
        let ring = Ring::read(dir)?;
        let verifier = Verifier::new(issuer, audience, ring.published.clone());
        Ok(Self { dir: dir.to_owned(), ring: ArcSwap::from_pointee(ring), verifier })
    }

    /// Reads the folder again; returns whether it has changed.
    pub fn reload(&self) -> Result<bool, KeyError> {
        let ring = Ring::read(&self.dir)?;
        if ring.print == self.ring.load().print {
            return Ok(false);
        }
        self.verifier.replace_keys(ring.published.clone());
        self.ring.store(Arc::new(ring));
        Ok(true)
    }

    pub fn published(&self) -> JwkSet {
        self.ring.load().published.clone()
    }

    pub fn sign(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        let ring = self.ring.load();
        let header = Header { kid: Some(ring.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        Ok(jsonwebtoken::encode(&header, claims, &ring.signing)?)
    }

    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The first refresh token of a new family.
    pub fn refresh_first(&self, random: &[u8; 32]) -> String {
        refresh::first(&self.ring.load().secret, random)
    }

    /// The refresh token that follows `token`.
    pub fn refresh_successor(&self, family: &str, token: &str) -> String {
        refresh::successor(&self.ring.load().secret, family, token)
    }

    /// Whether a gateway has issued this refresh token, with a key that is still published.
    pub fn is_refresh_token(&self, token: &str) -> bool {
        self.ring.load().secrets.iter().any(|secret| refresh::is_issued(secret, token))
    }

    pub fn nonce(&self, random: &[u8; 12], now_s: u64) -> String {
        nonce::make(&self.ring.load().secret, random, now_s)
    }

    /// Whether a gateway has made this nonce, and lately.
    pub fn is_nonce(&self, nonce: &str, now_s: u64) -> bool {
        self.ring.load().secrets.iter().any(|secret| nonce::is_good(secret, nonce, now_s))
    }
}
