//! Verifies players and staff by assertions of gateways or by access tokens.

use jsonwebtoken::jwk::JwkSet;
use purr_engine::PlayerId;
use purr_runtime::{
    InternalClient,
    assertion::{Assertion, AssertionError, Assertions, NO_LANE},
    token::{Claims, TokenError, UserRole, Verifier},
};
use std::time::Duration;
use tokio::{sync::Mutex, time::Instant};

/// Published keys are read again at most this often, however many unknown keys are named.
const KEYS_EVERY: Duration = Duration::from_secs(5);

/// Why a token or an assertion does not identify a player.
#[derive(Debug, thiserror::Error)]
pub enum Unidentified {
    #[error("this table was given no keys of assertions")]
    NoKeys,
    #[error(transparent)]
    Assertion(#[from] AssertionError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the subject '{0}' is not an address")]
    Subject(String),
}

/// Verifies players' identities: by gateways' assertions, or by players' access tokens, which gateways of the previous
/// release send. Access tokens are verified with the gateways' published keys, assertions with keys that the table was
/// given.
pub struct Tokens {
    gateway: InternalClient,
    verifier: Verifier,
    read: Mutex<Option<Instant>>,
    assertions: Option<Assertions>,
    pub(crate) access_tokens: bool,
}

impl Tokens {
    pub fn new(gateway: InternalClient, issuer: &str, audience: &str) -> Self {
        let verifier = Verifier::new(issuer, audience, JwkSet { keys: Vec::new() });
        Self { gateway, verifier, read: Mutex::default(), assertions: None, access_tokens: true }
    }

    /// Also accepts assertions; access tokens only if `access_tokens` is set.
    #[must_use]
    pub fn with_assertions(self, assertions: Assertions, access_tokens: bool) -> Self {
        Self { assertions: Some(assertions), access_tokens, ..self }
    }

    /// The keys that verify assertions, if there are any.
    pub(crate) fn assertions(&self) -> Option<&Assertions> {
        self.assertions.as_ref().filter(|assertions| assertions.has_keys())
    }

    /// The player that a gateway asserts to be on a lane.
    pub fn asserted(&self, assertion: &str, lane: u64) -> Result<(PlayerId, Assertion), Unidentified> {
        let assertions = self.assertions().ok_or(Unidentified::NoKeys)?;
        let said = assertions.verify(assertion, lane)?;
        let player = said.sub.parse().map_err(|_| Unidentified::Subject(said.sub.clone()))?;
        Ok((player, said))
    }

    /// The author of an order, by an assertion or, from a gateway of the previous release, by an access token.
    pub(crate) async fn orders(&self, token: &str) -> Result<(PlayerId, Vec<UserRole>), Unidentified> {
        match self.asserted(token, NO_LANE) {
            Ok((player, said)) => Ok((player, said.roles)),
            Err(_) if self.access_tokens => {
                let (player, claims) = self.player(token).await?;
                Ok((player, claims.roles))
            }
            Err(refused) => Err(refused),
        }
    }

    /// The player behind a token, and its claims.
    pub async fn player(&self, token: &str) -> Result<(PlayerId, Claims), Unidentified> {
        let claims = match self.verifier.verify(token) {
            Err(TokenError::UnknownKey) => {
                // Boxed because it is rare: otherwise every player's task would reserve its memory.
                Box::pin(self.read_keys()).await;
                self.verifier.verify(token)
            }
            other => other,
        }?;
        let player = claims.sub.parse().map_err(|_| Unidentified::Subject(claims.sub.clone()))?;
        Ok((player, claims))
    }

    /// Remaining lifetime of a token.
    pub fn left(&self, claims: &Claims) -> Duration {
        self.verifier.left(claims)
    }

    async fn read_keys(&self) {
        let mut read = self.read.lock().await;
        if read.is_some_and(|at| at.elapsed() < KEYS_EVERY) {
            return;
        }
        *read = Some(Instant::now());
        match self.gateway.get::<JwkSet>("/.well-known/jwks.json", Duration::from_secs(3)).await {
            Ok(keys) => self.verifier.replace_keys(keys),
            Err(error) => tracing::warn!(%error, "the gateway's keys cannot be fetched"),
        }
    }
}
