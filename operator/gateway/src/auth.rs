//! Signing in, staying in, and being put out.

pub mod keys;
pub mod outside;
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
use outside::{Outside, OutsideError};
use purr_engine::PlayerId;
use purr_runtime::token::{Claims, UserRole};
use purr_store::StoreError;
use refresh::{Family, Use};
use revoked::Revoked;
use roles::Roles;
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// An access token lives this long, in seconds.
pub const ACCESS_S: u64 = 300;
/// A nonce lives as long as a message that names it may be old, in seconds.
pub const NONCE_S: u64 = 300;
/// A link of an outside identity that is not used ends after this long, in seconds.
const LINK_S: u64 = 400 * 24 * 3600;
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
    #[error("{0}")]
    Outside(#[from] OutsideError),
    #[error("this ID token was used before")]
    Used,
    #[error("no wallet has said that this identity is its own")]
    NotLinked,
    #[error("another wallet has said that this identity is its own")]
    LinkedElsewhere,
    #[error("the message's resources do not name this identity")]
    NotNamed,
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
}

impl AuthError {
    const fn result(&self) -> SignIn {
        match self {
            Self::Malformed(_) => SignIn::Malformed,
            Self::Mismatch(_) | Self::NotNamed => SignIn::Mismatch,
            Self::Outside(OutsideError::Token(_) | OutsideError::NotSetUp)
            | Self::Used
            | Self::NotLinked
            | Self::LinkedElsewhere => SignIn::Outside,
            Self::BadSignature(_) | Self::OtherSigner => SignIn::Signature,
            Self::Nonce => SignIn::Nonce,
            Self::Refresh | Self::Token(_) | Self::Revoked => SignIn::RefreshRefused,
            Self::Stolen => SignIn::RefreshStolen,
            Self::Store(_) | Self::Keys(_) | Self::Outside(_) | Self::Random(_) => SignIn::Unavailable,
        }
    }
}

/// What a sign-in and a refresh give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
    pub outside: Option<Outside>,
    pub revoked: Revoked,
    pub sessions: Arc<dyn SessionStore>,
    pub metrics: Metrics,
}

pub(crate) fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

pub fn now_ms() -> u64 {
    u64::try_from(now().as_millis()).unwrap_or(u64::MAX)
}

fn random<const N: usize>() -> Result<[u8; N], AuthError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(AuthError::Random)?;
    Ok(bytes)
}

/// What a message that links an identity must name among its resources.
pub fn resource(identity_key: &str) -> String {
    format!("urn:purr:outside:{identity_key}")
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
        let now_s = now().as_secs();
        let message = self.signed(text, signature, now_s).await?;
        self.open(message.address, None, now_s).await
    }

    /// A message that its wallet has signed for this site, just now, and not before.
    async fn signed(&self, text: &str, signature: &str, now_s: u64) -> Result<siwe::Message, AuthError> {
        let message = siwe::Message::parse(text)?;
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
        Ok(message)
    }

    /// A new sign-in of a player, by its wallet or by an outside identity.
    async fn open(&self, player: PlayerId, subject: Option<String>, now_s: u64) -> Result<Tokens, AuthError> {
        let refresh_token = refresh::first(&random()?);
        let sid = refresh::family_of(&refresh_token).ok_or(AuthError::Refresh)?;
        // Kept in mind first: there is never one that a revocation of the player does not find.
        let name = player.to_string();
        let kept = self.sessions.remember(&name, sid, now_ms(), refresh::AGE_MAX_S).await;
        for old in self.store(kept)? {
            self.end(&old).await?;
        }
        let family = Family { subject, ..Family::new(name, &refresh_token, now_s) };
        let new = self.sessions.put_new(&family_key(sid), &json(&family)?, family.keep_s(now_s)).await;
        if !self.store(new)? {
            return Err(AuthError::Refresh);
        }
        self.tokens(player, family.subject.as_deref(), sid, refresh_token.clone(), now_s)
    }

    /// A sign-in by an ID token whose identity is linked to a wallet.
    pub async fn outside_sign_in(&self, id_token: &str) -> Result<Tokens, AuthError> {
        let result = self.try_outside(id_token, None).await;
        self.count(&result, SignIn::Ok);
        result
    }

    /// Links an identity to the wallet that signed `message`, and signs in.
    pub async fn outside_link(
        &self,
        id_token: &str,
        message: &str,
        signature: &str,
    ) -> Result<Tokens, AuthError> {
        let result = self.try_outside(id_token, Some((message, signature))).await;
        self.count(&result, SignIn::Ok);
        result
    }

    async fn try_outside(&self, id_token: &str, wallet: Option<(&str, &str)>) -> Result<Tokens, AuthError> {
        let outside = self.outside.as_ref().ok_or(OutsideError::NotSetUp)?;
        let now_s = now().as_secs();
        let identity = outside.identity(id_token, now_s).await?;
        let link = format!("outside:{}", identity.key);
        let linked = self.store(self.sessions.get(&link).await)?;
        let player = match (wallet, linked) {
            (None, None) => return Err(AuthError::NotLinked),
            (None, Some(player)) => player,
            (Some((text, signature)), linked) => {
                // The wallet shows what is being linked: a message that was signed for something
                // else links nothing.
                let named = siwe::Message::parse(text)?.resources.contains(&resource(&identity.key));
                if !named {
                    return Err(AuthError::NotNamed);
                }
                let player = self.signed(text, signature, now_s).await?.address.to_string();
                let fresh = self.store(self.sessions.put_new(&link, &player, LINK_S).await)?;
                if !fresh && linked.as_ref() != Some(&player) {
                    return Err(AuthError::LinkedElsewhere);
                }
                player
            }
        };
        // Once only: whoever reads a token on its way cannot use it a second time.
        let used = format!("outside-token:{}", identity.token);
        if !self.store(self.sessions.put_new(&used, "1", identity.valid_s).await)? {
            return Err(AuthError::Used);
        }
        let address = player.parse().map_err(|_| StoreError::Corrupt("the link names no address".into()))?;
        // A link that is in use does not end; a link that is lost is made again by the wallet.
        self.store(self.sessions.swap(&link, &player, Some((&player, LINK_S))).await)?;
        self.open(address, Some(identity.subject), now_s).await
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
            return self.tokens(player, family.subject.as_deref(), sid, successor, now_s);
        }
        Err(AuthError::Refresh)
    }

    /// Ends the caller's sign-in, on every gateway.
    pub async fn logout(&self, caller: &Caller) -> Result<(), AuthError> {
        self.end(&caller.sid).await?;
        let sids = std::slice::from_ref(&caller.sid);
        self.store(self.sessions.forget(&caller.player.to_string(), sids).await)
    }

    /// Ends all sign-ins of a player, on every gateway; how many there were.
    pub async fn revoke_player(&self, player: PlayerId) -> Result<usize, AuthError> {
        let player = player.to_string();
        let all = self.store(self.sessions.sign_ins(&player).await)?;
        for sid in &all {
            self.end(sid).await?;
        }
        // Last, so that a revocation that failed half-way finds them again.
        self.store(self.sessions.forget(&player, &all).await)?;
        Ok(all.len())
    }

    async fn end(&self, sid: &str) -> Result<(), AuthError> {
        self.store(self.sessions.take(&family_key(sid)).await)?;
        self.revoke(sid).await
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
        subject: Option<&str>,
        sid: &str,
        refresh_token: String,
        now_s: u64,
    ) -> Result<Tokens, AuthError> {
        let roles = match (subject, &self.outside) {
            (None, _) => self.roles.of(player),
            (Some(subject), Some(outside)) => outside.roles_of(subject),
            // The issuer is no longer one of ours, and its sign-ins end.
            (Some(_), None) => return Err(AuthError::Refresh),
        };
        let claims = Claims {
            iss: self.site.issuer.clone(),
            aud: self.site.audience.clone(),
            sub: player.to_string(),
            exp: now_s + ACCESS_S,
            nbf: now_s,
            iat: now_s,
            jti: hex::encode(random::<16>()?),
            sid: sid.to_owned(),
            roles,
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
