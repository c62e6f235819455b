//! Wallets that may not sign in: a copy of the signer's deny list.
//!
//! The signer publishes the list in the sessions group; a gateway looks at its version twice a second. Where nothing is
//! published (the store was lost, or is away) the gateway asks the signer. While neither answers the last copy counts.
//! Money does not depend on the copy: the signer looks into its journal for each seat and voucher.

use super::{Auth, AuthError};
use crate::metrics::{Metrics, Upstream};
use arc_swap::ArcSwap;
use purr_engine::PlayerId;
use purr_protocol::denial::{DENIED_MAX, DeniedWallet, DeniedWallets};
use purr_runtime::{CancellationToken, InternalClient};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// Interval at which the signer is asked while no list is published.
const ASK_EVERY: Duration = Duration::from_secs(5);
const ASK: Duration = Duration::from_secs(5);
/// A gateway that starts waits this long for its first copy.
const FIRST: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Copy {
    /// `None`: no list was read yet.
    version: Option<u64>,
    /// End of each denial, in seconds since 1970; `None`: until it is lifted.
    until: HashMap<PlayerId, Option<u64>>,
}

#[derive(Default)]
pub struct Denied(ArcSwap<Copy>);

impl Denied {
    /// Refuses a wallet that is denied.
    ///
    /// # Errors
    /// [`AuthError::Denied`] with the end of the denial.
    pub fn check(&self, player: PlayerId, now_s: u64) -> Result<(), AuthError> {
        match self.0.load().until.get(&player) {
            Some(until_s) if until_s.is_none_or(|until_s| now_s < until_s) => {
                Err(AuthError::Denied(*until_s))
            }
            _ => Ok(()),
        }
    }

    /// Adds one denial before the next copy has it.
    pub fn add(&self, wallet: DeniedWallet) {
        self.0.rcu(|held| {
            let mut until = held.until.clone();
            until.insert(wallet.player, wallet.until_s);
            Copy { version: held.version, until }
        });
    }

    /// Removes one denial before the next copy lacks it.
    pub fn remove(&self, player: PlayerId) {
        self.0.rcu(|held| {
            let mut until = held.until.clone();
            until.remove(&player);
            Copy { version: held.version, until }
        });
    }

    fn version(&self) -> Option<u64> {
        self.0.load().version
    }

    /// Replaces the list; returns the wallets that are new on it. The first list has none: sign-ins of wallets denied
    /// before this process started have ended already.
    fn replace(&self, list: DeniedWallets) -> Vec<PlayerId> {
        let wallets = list.wallets.into_iter().take(DENIED_MAX);
        let until: HashMap<_, _> = wallets.map(|wallet| (wallet.player, wallet.until_s)).collect();
        let old = self.0.swap(Arc::new(Copy { version: Some(list.version), until: until.clone() }));
        let fresh = until.into_keys().filter(|player| !old.until.contains_key(player));
        if old.version.is_some() { fresh.collect() } else { Vec::new() }
    }
}

/// Keeps a gateway's copy.
pub struct Follower {
    auth: Arc<Auth>,
    signer: InternalClient,
    metrics: Metrics,
    asked: Option<Instant>,
}

impl Follower {
    pub fn new(auth: Arc<Auth>, signer: InternalClient) -> Self {
        Self { metrics: auth.metrics.clone(), auth, signer, asked: None }
    }

    /// Waits for the first copy, for a limited time.
    pub async fn first(&mut self) {
        if timeout(FIRST, self.look()).await.is_err() {
            tracing::warn!("the deny list is not read yet");
        }
    }

    /// Reads changes until stopped, and ends the sign-ins of newly denied wallets.
    pub async fn follow(mut self, every: Duration, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
            for player in self.look().await {
                match self.auth.revoke_player(player).await {
                    Ok(ended) => tracing::warn!(%player, ended, "a denied wallet's sign-ins are ended"),
                    // The sign-ins then end with their access tokens, because a refresh is refused.
                    Err(error) => {
                        tracing::warn!(%player, %error, "a denied wallet's sign-ins could not be ended");
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> Vec<PlayerId> {
        let auth = self.auth.clone();
        let denied = &auth.denied;
        let published = auth.sessions.get(DeniedWallets::VERSION_KEY).await;
        let version = published.ok().flatten().and_then(|text| text.parse::<u64>().ok());
        if version.is_some() && version == denied.version() {
            return Vec::new();
        }
        let published = match version {
            Some(_) => self.published().await,
            None => None,
        };
        let list = match published {
            Some(list) => Some(list),
            None => self.ask().await,
        };
        let news = list.filter(|list| Some(list.version) != denied.version());
        news.map_or_else(Vec::new, |list| denied.replace(list))
    }

    async fn published(&self) -> Option<DeniedWallets> {
        let text = self.auth.sessions.get(DeniedWallets::KEY).await.ok()??;
        serde_json::from_str(&text)
            .inspect_err(|error| tracing::warn!(%error, "the published deny list cannot be read"))
            .ok()
    }

    async fn ask(&mut self) -> Option<DeniedWallets> {
        if self.asked.is_some_and(|at| at.elapsed() < ASK_EVERY) {
            return None;
        }
        self.asked = Some(Instant::now());
        match self.signer.get("/v1/denials/wallets", ASK).await {
            Ok(list) => Some(list),
            Err(error) => {
                self.metrics.upstream_error(Upstream::Signer);
                tracing::debug!(%error, "the signer's deny list");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn list(version: u64, wallets: &[(u8, Option<u64>)]) -> DeniedWallets {
        let wallet =
            |(n, until_s): &(u8, Option<u64>)| DeniedWallet { player: PlayerId([*n; 20]), until_s: *until_s };
        DeniedWallets { version, wallets: wallets.iter().map(wallet).collect() }
    }

    #[test]
    fn a_wallet_is_denied_until_its_time_is_over_or_the_list_has_it_no_more() {
        let denied = Denied::default();
        let may = |n: u8, now_s| denied.check(PlayerId([n; 20]), now_s).is_ok();
        assert!(may(1, NOW));
        assert_eq!(denied.replace(list(1, &[(1, None), (2, Some(NOW + 10))])), []);
        assert!(!may(1, NOW) && !may(2, NOW + 9) && may(2, NOW + 10) && may(3, NOW));
        assert_eq!(denied.replace(list(2, &[(2, None), (3, None)])), [PlayerId([3; 20])]);
        assert!(may(1, NOW) && !may(2, NOW + 10) && !may(3, NOW));
        denied.remove(PlayerId([3; 20]));
        denied.add(DeniedWallet { player: PlayerId([1; 20]), until_s: None });
        assert!(may(3, NOW) && !may(1, NOW));
    }
}
