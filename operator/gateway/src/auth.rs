//! Sign-in, refresh, logout and revocation.

pub mod denied;
pub mod keys;
pub mod nonce;
pub mod origins;
pub mod outside;
pub mod refresh;
pub mod reported;
pub mod revoked;
pub mod roles;
pub mod signature;
pub mod siwe;

use crate::{
    clock::{now, now_ms},
    metrics::{Metrics, SignIn, Upstream},
    sessions::{ACCESS_S, Opened, Opening, SessionStore, family_key},
};
use denied::Denied;
use keys::{KeyError, Keys};
use origins::Origins;
use outside::{Outside, OutsideError};
use purr_engine::PlayerId;
use purr_protocol::sign_in::Tokens;
use purr_runtime::{
    assertion::Assertion,
    token::{Claims, UserRole},
};
use purr_store::StoreError;
use refresh::{Family, Use};
use reported::{Reported, Way};
use revoked::Revoked;
use roles::Roles;
use std::sync::Arc;

/// A nonce lives as long as a message that names it may be old, in seconds.
pub const NONCE_S: u64 = nonce::LIFE_S;
/// A link of an outside identity that is not used ends after this long, in seconds.
const LINK_S: u64 = 400 * 24 * 3600;
/// Attempts of a refresh while concurrent ones of the same family succeed first.
const SWAPS_MAX: usize = 3;

#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("the message cannot be read: {0}")]
    Malformed(#[from] siwe::Malformed),
    #[error("{0}")]
    Mismatch(#[from] siwe::Mismatch),
    #[error("{0}")]
    BadSignature(#[from] signature::BadSignature),
    #[error(
        "the signature is not of the message's address: sign with that address's own key. A wallet that is a contract \
         has none and cannot play"
    )]
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
    #[error("this wallet is denied{}", .0.map(|until_s| format!(" until {until_s} (seconds since 1970)")).unwrap_or_default())]
    Denied(Option<u64>),
    #[error("there is no room for more sign-ins; who is signed in goes on")]
    NoRoom,
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
            Self::NoRoom => SignIn::NoRoom,
            Self::Denied(_) => SignIn::Denied,
            Self::Store(_) | Self::Keys(_) | Self::Outside(_) | Self::Random(_) => SignIn::Unavailable,
        }
    }
}

/// The caller, from a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub player: PlayerId,
    pub roles: Vec<UserRole>,
    /// The sign-in.
    pub sid: String,
    /// Seconds since 1970.
    pub expires_s: u64,
}

/// The site that sign-ins are valid for.
#[derive(Clone, Debug)]
pub struct Site {
    pub domain: String,
    pub url: String,
    pub chain_id: u64,
    pub issuer: String,
    pub audience: String,
}

/// How the gateway proves players' identities to tables: by assertions, or by access tokens for tables that know no
/// assertions.
pub struct TableAssertions {
    /// `None`: no table is sent an assertion.
    pub keys: Option<Keys>,
    /// Send access tokens to tables of the previous release, which cannot verify assertions.
    pub access_tokens: bool,
}

impl TableAssertions {
    /// Makes the assertion for one player's lane at one table; `until_s` is the expiry of the player's access token, in
    /// seconds since 1970.
    ///
    /// # Errors
    /// Where there is no key, or it cannot sign.
    pub fn assert(
        &self,
        table: &str,
        player: PlayerId,
        lane: u64,
        until_s: u64,
        roles: Vec<UserRole>,
    ) -> Result<String, KeyError> {
        let keys = self.keys.as_ref().ok_or(KeyError::NoAssertions)?;
        let said = Assertion::new(table, player.to_string(), lane, now().as_secs(), until_s);
        keys.sign(&Assertion { roles, ..said })
    }
}

pub struct Auth {
    pub site: Site,
    pub keys: Keys,
    /// How the gateway proves players' identities to tables.
    pub assertions: TableAssertions,
    pub roles: Roles,
    pub outside: Option<Outside>,
    pub revoked: Revoked,
    pub sessions: Arc<dyn SessionStore>,
    /// Wallets that may not sign in.
    pub denied: Denied,
    /// Notices that players' addresses are hidden.
    pub origins: Origins,
    pub metrics: Metrics,
    /// Sign-ins, for operators' programs.
    pub reported: Reported,
}

fn random<const N: usize>() -> Result<[u8; N], AuthError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(AuthError::Random)?;
    Ok(bytes)
}

/// The resource that a message must name to link an identity.
pub fn resource(identity_key: &str) -> String {
    format!("urn:purr:outside:{identity_key}")
}

impl Auth {
    /// A name for an event that has none.
    pub(crate) fn event_id(&self) -> String {
        random::<16>().map_or_else(|_| now().as_nanos().to_string(), hex::encode)
    }

    /// A nonce for one sign-in. Nothing is stored for it.
    pub fn nonce(&self) -> Result<String, AuthError> {
        Ok(self.keys.nonce(&random()?, now().as_secs()))
    }

    pub async fn sign_in(&self, message: &str, signature: &str) -> Result<Tokens, AuthError> {
        let result = self.try_sign_in(message, signature).await;
        self.count(&result, SignIn::Ok);
        result
    }

    async fn try_sign_in(&self, text: &str, signature: &str) -> Result<Tokens, AuthError> {
        let now_s = now().as_secs();
        let message = self.signed(text, signature, now_s)?;
        let new = New { once: &[nonce_mark(&message)], ..New::default() };
        self.open(message.address, new, Way::Wallet, now_s).await
    }

    /// Checks that a message was just signed by its wallet for this site. Only the store knows whether it was used
    /// before.
    fn signed(&self, text: &str, signature: &str, now_s: u64) -> Result<siwe::Message, AuthError> {
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
        if !self.keys.is_nonce(&message.nonce, now_s) {
            return Err(AuthError::Nonce);
        }
        Ok(message)
    }

    /// A new sign-in of a player, by its wallet or by an outside identity.
    async fn open(&self, player: PlayerId, new: New<'_>, way: Way, now_s: u64) -> Result<Tokens, AuthError> {
        self.denied.check(player, now_s)?;
        let refresh_token = self.keys.refresh_first(&random()?);
        let sid = refresh::family_of(&refresh_token).ok_or(AuthError::Refresh)?;
        let name = player.to_string();
        let family =
            Family { subject: new.subject.clone(), ..Family::new(name.clone(), &refresh_token, now_s) };
        let opening = Opening {
            player: &name,
            sid,
            family: &json(&family)?,
            ttl_s: family.keep_s(now_s),
            once: new.once,
            link: new.link.map(|key| (key, LINK_S)),
            now_ms: now_ms(),
        };
        match self.store(self.sessions.open(&opening).await)? {
            Opened::Opened(over) => {
                for old in over {
                    self.end(&old).await?;
                }
            }
            // The nonce's mark is the first; the one after it is the ID token's.
            Opened::Used(which) if which + 1 < new.once.len() || new.subject.is_none() => {
                return Err(AuthError::Nonce);
            }
            Opened::Used(_) => return Err(AuthError::Used),
            Opened::LinkedElsewhere => return Err(AuthError::LinkedElsewhere),
            Opened::Full => {
                tracing::warn!("the sessions store has no room for new sign-ins");
                return Err(AuthError::NoRoom);
            }
        }
        self.reported.sign_in(sid, player, way, now_ms());
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
        let (player, nonce) = match (wallet, linked) {
            (None, None) => return Err(AuthError::NotLinked),
            (None, Some(player)) => (player, None),
            (Some((text, signature)), _) => {
                // The signed message must name the identity, because the wallet shows it to its owner: a message signed
                // for another purpose links nothing.
                let named = siwe::Message::parse(text)?.resources.contains(&resource(&identity.key));
                if !named {
                    return Err(AuthError::NotNamed);
                }
                let message = self.signed(text, signature, now_s)?;
                (message.address.to_string(), Some(nonce_mark(&message)))
            }
        };
        let address = player.parse().map_err(|_| StoreError::Corrupt("the link names no address".into()))?;
        // An ID token is used once, for a sign-in or for a link, so a stolen one is worthless afterwards. A link in use
        // does not expire; a lost link is made again by the wallet.
        let token_mark = (format!("outside-token:{}", identity.token), identity.valid_s);
        let once: Vec<(String, u64)> = nonce.into_iter().chain([token_mark]).collect();
        let new = New { subject: Some(identity.subject), once: &once, link: Some(&link) };
        let way = if wallet.is_some() { Way::Linked } else { Way::Outside };
        self.open(address, new, way, now_s).await
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
            let player: PlayerId = family.player.parse().map_err(|_| AuthError::Refresh)?;
            let successor = self.keys.refresh_successor(sid, token);
            let issued = self.keys.is_refresh_token(token);
            let now_s = now().as_secs();
            let (next, error) = match family.used(token, &successor, issued, now_s) {
                Use::NeverIssued => return Err(AuthError::Refresh),
                // The earlier answer cannot be repeated after the signing key has changed.
                Use::Successor(next) if next.current != refresh::hash(&successor) => {
                    return Err(AuthError::Refresh);
                }
                Use::Successor(next) => (Some((json(&next)?, next.keep_s(now_s))), None),
                Use::Stolen => (None, Some(AuthError::Stolen)),
                Use::Expired => (None, Some(AuthError::Refresh)),
            };
            if next.is_some() {
                self.denied.check(player, now_s)?;
            }
            let new = next.as_ref().map(|(json, keep_s)| (json.as_str(), *keep_s));
            if !self.store(self.sessions.renew(&family.player, sid, &held, new, now_ms()).await)? {
                continue;
            }
            if let Some(error) = error {
                self.revoke(sid).await?;
                tracing::warn!(player = family.player, %error, "sign-in ended");
                return Err(error);
            }
            return self.tokens(player, family.subject.as_deref(), sid, successor, now_s);
        }
        Err(AuthError::Refresh)
    }

    /// The sign-in that a refresh token names, where a gateway has issued the token.
    pub fn refreshes<'a>(&self, token: &'a str) -> Option<&'a str> {
        refresh::family_of(token).filter(|_| self.keys.is_refresh_token(token))
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
        // The list is removed last, so that a revocation that failed half-way finds the sign-ins again.
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

    /// Verifies an access token and returns its player.
    pub fn caller(&self, token: &str) -> Result<Caller, AuthError> {
        let claims =
            self.keys.verifier().verify(token).map_err(|error| AuthError::Token(error.to_string()))?;
        if self.revoked.contains(&claims.sid) {
            return Err(AuthError::Revoked);
        }
        let player = claims.sub.parse().map_err(|_| AuthError::Token("the subject is no address".into()))?;
        if self.denied.check(player, now().as_secs()).is_err() {
            return Err(AuthError::Revoked);
        }
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
            // The issuer is no longer configured, so its sign-ins end.
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
            tracing::warn!(%error, "the sessions store cannot be reached");
            self.metrics.upstream_error(Upstream::Sessions);
            AuthError::Store(error)
        })
    }

    fn count(&self, result: &Result<Tokens, AuthError>, good: SignIn) {
        self.metrics.sign_in(result.as_ref().err().map_or(good, AuthError::result));
    }
}

/// Data that is stored with a new sign-in.
#[derive(Default)]
struct New<'a> {
    /// The outside issuer's subject, where that is who signs in.
    subject: Option<String>,
    /// Marks of values that count once: the nonce, then the ID token.
    once: &'a [(String, u64)],
    /// The key of the outside identity's link.
    link: Option<&'a str>,
}

/// The mark lasts as long as any gateway would accept the nonce, even with a wrong clock.
fn nonce_mark(message: &siwe::Message) -> (String, u64) {
    (format!("nonce-used:{}", message.nonce), 2 * NONCE_S)
}

fn json(family: &Family) -> Result<String, StoreError> {
    serde_json::to_string(family).map_err(|error| StoreError::Corrupt(error.to_string()))
}
