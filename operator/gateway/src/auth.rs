//! Signing in, staying in, and being put out.

pub mod keys;
pub mod refresh;
pub mod revoked;
pub mod roles;
pub mod signature;
pub mod siwe;

use crate::{
    metrics::{Metrics, SignIn, Upstream},
    sessions::SessionStore,
};
use keys::{KeyError, Keys};
use purr_engine::PlayerId;
use purr_runtime::token::{Claims, UserRole};
use purr_store::StoreError;
use refresh::{Family, Use};
use revoked::Revoked;
use roles::Roles;
use serde::Serialize;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// An access token lives this long, in seconds.
pub const ACCESS_S: u64 = 300;
/// A nonce lives as long as a message that names it may be old, in seconds.
pub const NONCE_S: u64 = 300;
/// Times that a refresh is tried again when another one of the same family was faster.
const SWAPS_MAX: usize = 3;

#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("the message cannot be read: {0}")]
    Malformed(#[from] siwe::Malformed),
    #[error("{0}")]
    Mismatch(#[from] siwe::Mismatch),
    #[error("{0}")]
    BadSignature(#[from] signature::BadSignature),
    #[error("the signature is not of the message's address")]
    OtherSigner,
    #[error("the nonce was not given out, was used, or is too old")]
    Nonce,
    #[error("the refresh token is not valid")]
    Refresh,
    #[error("the refresh token was used before: its sign-in has ended")]
    Stolen,
    #[error("the access token is not valid: {0}")]
    Token(String),
    #[error("the sign-in has ended")]
    Revoked,
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Keys(#[from] KeyError),
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
}

impl AuthError {
    const fn result(&self) -> SignIn {
        match self {
            Self::Malformed(_) => SignIn::Malformed,
            Self::Mismatch(_) => SignIn::Mismatch,
            Self::BadSignature(_) | Self::OtherSigner => SignIn::Signature,
            Self::Nonce => SignIn::Nonce,
            Self::Refresh | Self::Token(_) | Self::Revoked => SignIn::RefreshRefused,
            Self::Stolen => SignIn::RefreshStolen,
            Self::Store(_) | Self::Keys(_) | Self::Random(_) => SignIn::Unavailable,
        }
    }
}

/// What a sign-in and a refresh give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    pub access_token: String,
    pub expires_in_s: u64,
    pub refresh_token: String,
}

/// Who is asking, by a token that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub player: PlayerId,
    pub roles: Vec<UserRole>,
    /// The sign-in.
    pub sid: String,
    /// Seconds since 1970.
    pub expires_s: u64,
}

/// What sign-ins are for.
#[derive(Clone, Debug)]
pub struct Site {
    pub domain: String,
    pub url: String,
    pub chain_id: u64,
    pub issuer: String,
    pub audience: String,
}

pub struct Auth {
    pub site: Site,
    pub keys: Keys,
    pub roles: Roles,
    pub revoked: Revoked,
    pub sessions: Arc<dyn SessionStore>,
    pub metrics: Metrics,
}

pub(crate) fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

pub(crate) fn now_ms() -> u64 {
    u64::try_from(now().as_millis()).unwrap_or(u64::MAX)
}

fn random<const N: usize>() -> Result<[u8; N], AuthError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(AuthError::Random)?;
    Ok(bytes)
}

fn family_key(family: &str) -> String {
    format!("family:{family}")
}

impl Auth {
    /// A nonce for one sign-in.
    pub async fn nonce(&self) -> Result<String, AuthError> {
        let nonce = hex::encode(random::<16>()?);
        let key = format!("nonce:{nonce}");
        if self.store(self.sessions.put_new(&key, "1", NONCE_S).await)? {
            Ok(nonce)
        } else {
            Err(AuthError::Nonce)
        }
    }

    pub async fn sign_in(&self, message: &str, signature: &str) -> Result<Tokens, AuthError> {
        let result = self.try_sign_in(message, signature).await;
        self.count(&result, SignIn::Ok);
        result
    }

    async fn try_sign_in(&self, text: &str, signature: &str) -> Result<Tokens, AuthError> {
        let message = siwe::Message::parse(text)?;
        let now_s = now().as_secs();
        message.check(&siwe::Expected {
            domain: &self.site.domain,
            url: &self.site.url,
            chain_id: self.site.chain_id,
            now_s: i64::try_from(now_s).unwrap_or(i64::MAX),
        })?;
        if signature::signer(text, signature)? != message.address {
            return Err(AuthError::OtherSigner);
        }
        // Last, so that only the wallet's owner can use the nonce up; in one step, so that only once.
        if self.store(self.sessions.take(&format!("nonce:{}", message.nonce)).await)?.is_none() {
            return Err(AuthError::Nonce);
        }
        let refresh_token = refresh::first(&random()?);
        let sid = refresh::family_of(&refresh_token).ok_or(AuthError::Refresh)?;
        let family = Family::new(message.address.to_string(), &refresh_token, now_s);
        let new = self.sessions.put_new(&family_key(sid), &json(&family)?, family.keep_s(now_s)).await;
        if !self.store(new)? {
            return Err(AuthError::Refresh);
        }
        self.tokens(message.address, sid, refresh_token.clone(), now_s)
    }

    /// New tokens for a refresh token, which is then used up.
    pub async fn refresh(&self, token: &str) -> Result<Tokens, AuthError> {
        let result = self.try_refresh(token).await;
        self.count(&result, SignIn::Refreshed);
        result
    }

    async fn try_refresh(&self, token: &str) -> Result<Tokens, AuthError> {
        let sid = refresh::family_of(token).ok_or(AuthError::Refresh)?;
        let key = family_key(sid);
        for _ in 0..SWAPS_MAX {
            let held = self.store(self.sessions.get(&key).await)?.ok_or(AuthError::Refresh)?;
            let family: Family =
                serde_json::from_str(&held).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let successor = self.keys.refresh_successor(sid, token);
            let now_s = now().as_secs();
            let (next, error) = match family.used(token, &successor, now_s) {
                // The answer of before the signing key was changed cannot be given again.
                Use::Successor(next) if next.current != refresh::hash(&successor) => {
                    return Err(AuthError::Refresh);
                }
                Use::Successor(next) => (Some((json(&next)?, next.keep_s(now_s))), None),
                Use::Stolen => (None, Some(AuthError::Stolen)),
                Use::Expired => (None, Some(AuthError::Refresh)),
            };
            let new = next.as_ref().map(|(json, keep_s)| (json.as_str(), *keep_s));
            if !self.store(self.sessions.swap(&key, &held, new).await)? {
                continue;
            }
            if let Some(error) = error {
                self.revoke(sid).await?;
                tracing::warn!(player = family.player, %error, "sign-in ended");
                return Err(error);
            }
            let player = family.player.parse().map_err(|_| AuthError::Refresh)?;
            return self.tokens(player, sid, successor, now_s);
        }
        Err(AuthError::Refresh)
    }

    /// Ends the caller's sign-in, on every gateway.
    pub async fn logout(&self, caller: &Caller) -> Result<(), AuthError> {
        self.store(self.sessions.take(&family_key(&caller.sid)).await)?;
        self.revoke(&caller.sid).await
    }

    async fn revoke(&self, sid: &str) -> Result<(), AuthError> {
        self.revoked.add(sid);
        self.store(self.sessions.revoke(sid, now_ms()).await)
    }

    /// Whom an access token speaks for.
    pub fn caller(&self, token: &str) -> Result<Caller, AuthError> {
        let claims =
            self.keys.verifier().verify(token).map_err(|error| AuthError::Token(error.to_string()))?;
        if self.revoked.contains(&claims.sid) {
            return Err(AuthError::Revoked);
        }
        let player = claims.sub.parse().map_err(|_| AuthError::Token("the subject is no address".into()))?;
        Ok(Caller { player, roles: claims.roles, sid: claims.sid, expires_s: claims.exp })
    }

    fn tokens(
        &self,
        player: PlayerId,
        sid: &str,
        refresh_token: String,
        now_s: u64,
    ) -> Result<Tokens, AuthError> {
        let claims = Claims {
            iss: self.site.issuer.clone(),
            aud: self.site.audience.clone(),
            sub: player.to_string(),
            exp: now_s + ACCESS_S,
            nbf: now_s,
            iat: now_s,
            jti: hex::encode(random::<16>()?),
            sid: sid.to_owned(),
            roles: self.roles.of(player),
        };
        Ok(Tokens { access_token: self.keys.sign(&claims)?, expires_in_s: ACCESS_S, refresh_token })
    }

    fn store<T>(&self, result: Result<T, StoreError>) -> Result<T, AuthError> {
        result.map_err(|error| {
            tracing::warn!(%error, "sessions");
            self.metrics.upstream_error(Upstream::Sessions);
            AuthError::Store(error)
        })
    }

    fn count(&self, result: &Result<Tokens, AuthError>, good: SignIn) {
        self.metrics.sign_in(result.as_ref().err().map_or(good, AuthError::result));
    }
}

fn json(family: &Family) -> Result<String, StoreError> {
    serde_json::to_string(family).map_err(|error| StoreError::Corrupt(error.to_string()))
}
