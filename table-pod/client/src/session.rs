//! Keeps a player signed in: an access token that is always good for a while.

use crate::{
    api::{Api, ApiError},
    wallet::Wallet,
};
use purr_protocol::sign_in::Tokens;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// A token is renewed when less than this, or than a third of its life, is left.
const MARGIN: Duration = Duration::from_secs(60);

/// An access token and until when it is good, by this process's clock.
#[derive(Clone)]
pub struct AccessToken {
    pub text: Arc<str>,
    pub expires: Instant,
    /// When it should be replaced.
    pub renew_at: Instant,
}

/// A player's sign-in. Cheap to clone: clones share the tokens.
#[derive(Clone)]
pub struct Session {
    api: Api,
    wallet: Wallet,
    held: Arc<Mutex<Option<Held>>>,
}

struct Held {
    access: AccessToken,
    refresh: String,
}

impl Session {
    pub fn new(api: Api, wallet: Wallet) -> Self {
        Self { api, wallet, held: Arc::default() }
    }

    pub fn api(&self) -> &Api {
        &self.api
    }

    pub fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// A valid token: the current one, a refreshed one, or one of a new sign-in. Concurrent callers wait for one
    /// answer, so that no refresh token is used twice.
    pub async fn token(&self) -> Result<AccessToken, ApiError> {
        let mut held = self.held.lock().await;
        if let Some(fresh) = held.as_ref().filter(|held| Instant::now() < held.access.renew_at) {
            return Ok(fresh.access.clone());
        }
        let begun = Instant::now();
        let tokens = match held.as_ref() {
            None => self.sign_in().await?,
            Some(old) => match self.api.refresh(&old.refresh).await {
                Ok(tokens) => tokens,
                // The session is over (revoked, or too long idle): the wallet can start another.
                Err(error)
                    if error.problem().is_some_and(|problem| matches!(problem.status, 400 | 401 | 403)) =>
                {
                    tracing::info!(%error, "signing in again");
                    self.sign_in().await?
                }
                Err(error) if Instant::now() < old.access.expires => {
                    tracing::warn!(%error, "token not refreshed yet");
                    return Ok(old.access.clone());
                }
                Err(error) => return Err(error),
            },
        };
        Ok(held.insert(hold(tokens, begun)).access.clone())
    }

    /// Forgets a token that the other side did not take.
    pub async fn refused(&self, token: &AccessToken) {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_mut().filter(|held| held.access.text == token.text) {
            (held.access.renew_at, held.access.expires) = (Instant::now(), Instant::now());
        }
    }

    async fn sign_in(&self) -> Result<Tokens, ApiError> {
        self.api.sign_in(&self.wallet, jiff::Timestamp::now()).await
    }
}

/// The token's life is counted from before it was asked for.
fn hold(tokens: Tokens, begun: Instant) -> Held {
    let life = Duration::from_secs(tokens.expires_in_s);
    let expires = begun + life;
    let access =
        AccessToken { text: tokens.access_token.into(), expires, renew_at: expires - MARGIN.min(life / 3) };
    Held { access, refresh: tokens.refresh_token }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let begun = Instant::now();
        let tokens =
            |expires_in_s| Tokens { access_token: "a".into(), expires_in_s, refresh_token: "r".into() };
        let five_minutes = hold(tokens(300), begun).access;
        assert_eq!(five_minutes.renew_at, begun + Duration::from_secs(240));
        let short = hold(tokens(9), begun).access;
        assert_eq!(short.renew_at, begun + Duration::from_secs(6));
    }
}
