//! Access tokens: JWTs signed with EdDSA, verified with the issuer's published keys (RFC 7519, 8037).

use crate::steady::Steady;
use arc_swap::ArcSwap;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    errors::{Error, ErrorKind},
    jwk::JwkSet,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Clocks of two machines differ a little; five seconds of a five-minute token.
const LEEWAY_S: u64 = 5;

/// The claims of a token. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// The player's address.
    pub sub: String,
    pub exp: u64,
    pub nbf: u64,
    pub iat: u64,
    pub jti: String,
    /// The sign-in that the token belongs to. A logout revokes the sign-in.
    #[serde(default)]
    pub sid: String,
    pub roles: Vec<UserRole>,
}

/// A set of things that a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserRole {
    Player,
    Support,
    /// Reviews fair-play cases.
    Integrity,
    Auditor,
    Admin,
}

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("not a token: {0}")]
    Malformed(Error),
    #[error("the token names no key, or one that is not published")]
    UnknownKey,
    #[error("the token is refused: {0}")]
    Refused(Error),
}

/// Checks signature, issuer, audience, `exp` and `nbf`, and accepts only EdDSA, so that `alg=none` fails. Times are
/// compared with a steady clock: a jump of the machine's clock must not end all sessions.
pub struct Verifier {
    issuer: String,
    audience: String,
    keys: ArcSwap<JwkSet>,
    clock: Steady,
}

impl Verifier {
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, keys: JwkSet) -> Self {
        let (issuer, audience, clock) = (issuer.into(), audience.into(), Steady::default());
        Self { issuer, audience, keys: ArcSwap::from_pointee(keys), clock }
    }

    pub fn replace_keys(&self, keys: JwkSet) {
        self.keys.store(keys.into());
    }

    /// # Errors
    /// [`TokenError::UnknownKey`] asks for the published keys to be read again; all else is final.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let header = decode_header(token).map_err(TokenError::Malformed)?;
        let keys = self.keys.load();
        let key = header.kid.as_deref().and_then(|kid| keys.find(kid)).ok_or(TokenError::UnknownKey)?;
        let key = DecodingKey::from_jwk(key).map_err(TokenError::Refused)?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(&[&self.audience]);
        rules.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        rules.validate_exp = false;
        let claims = decode::<Claims>(token, &key, &rules).map_err(TokenError::Refused)?.claims;
        let now = self.clock.now().as_secs();
        if claims.exp.saturating_add(LEEWAY_S) < now {
            return Err(TokenError::Refused(ErrorKind::ExpiredSignature.into()));
        }
        if claims.nbf > now.saturating_add(LEEWAY_S) {
            return Err(TokenError::Refused(ErrorKind::ImmatureSignature.into()));
        }
        Ok(claims)
    }

    /// Remaining lifetime of a token.
    pub fn left(&self, claims: &Claims) -> Duration {
        Duration::from_secs(claims.exp).saturating_sub(self.clock.now())
    }
}
