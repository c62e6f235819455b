//! Notices that players' addresses do not reach the gateway: many wallets sign in from one private address.
//!
//! Behind a balancer or kube-proxy that replaces the client's address everybody shares one: limits then count all
//! players together, and lists of addresses (administrators, withdrawals) let everybody pass or nobody.

use crate::{metrics::Metrics, networks::inside};
use purr_engine::PlayerId;
use purr_runtime::Cidr;
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Wallets of one private address within [`WINDOW`] that are too many for a household or an office.
const WALLETS_MIN: usize = 20;
const WINDOW: Duration = Duration::from_secs(600);
/// Most private addresses that are counted. With more of them, the clients' addresses do reach the gateway.
const ADDRESSES_MAX: usize = 64;

pub struct Origins {
    private: Vec<Cidr>,
    metrics: Metrics,
    held: Mutex<Held>,
}

struct Held {
    since: Instant,
    wallets: HashMap<IpAddr, HashSet<PlayerId>>,
    /// Whether the current window has hidden clients.
    hidden: bool,
    warned: bool,
}

impl Origins {
    pub fn new(metrics: Metrics) -> Self {
        let held = Held { since: Instant::now(), wallets: HashMap::new(), hidden: false, warned: false };
        Self { private: inside(), metrics, held: Mutex::new(held) }
    }

    /// Counts a wallet that has signed in from an address.
    pub fn signed_in(&self, ip: IpAddr, player: PlayerId) {
        if !Cidr::any_contains(&self.private, ip) {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.since.elapsed() >= WINDOW {
            self.metrics.clients_hidden.set(held.hidden.into());
            *held = Held { since: Instant::now(), wallets: HashMap::new(), hidden: false, ..*held };
        }
        if held.wallets.len() >= ADDRESSES_MAX && !held.wallets.contains_key(&ip) {
            return;
        }
        let wallets = held.wallets.entry(ip).or_default();
        if wallets.len() < WALLETS_MIN {
            wallets.insert(player);
        }
        if wallets.len() < WALLETS_MIN {
            return;
        }
        held.hidden = true;
        self.metrics.clients_hidden.set(1);
        if !std::mem::replace(&mut held.warned, true) {
            tracing::warn!(
                %ip,
                wallets = WALLETS_MIN,
                "many wallets sign in from one private address: limits count them together and address lists cannot tell \
                 them apart; set --forwarded-from or --proxy-protocol-from to the proxy's network, or keep the client's \
                 address (externalTrafficPolicy: Local), and take this network out of --admin-addresses"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        Origins::new(Metrics::new(&prometheus::Registry::new()).unwrap())
    }

    fn sign_in(origins: &Origins, ip: &str, wallets: std::ops::Range<u8>) -> i64 {
        for wallet in wallets {
            origins.signed_in(ip.parse().unwrap(), PlayerId([wallet; 20]));
        }
        origins.metrics.clients_hidden.get()
    }

    #[tokio::test(start_paused = true)]
    async fn many_wallets_of_one_private_address_are_noticed_and_the_notice_ends_with_them() {
        let origins = origins();
        assert_eq!(sign_in(&origins, "10.0.0.1", 0..19), 0);
        // The same wallet is not counted twice; a new one is.
        assert_eq!(sign_in(&origins, "10.0.0.1", 0..19), 0);
        assert_eq!(sign_in(&origins, "10.0.0.1", 19..20), 1);
        tokio::time::advance(WINDOW).await;
        assert_eq!(sign_in(&origins, "10.0.0.1", 0..1), 1);
        tokio::time::advance(WINDOW).await;
        assert_eq!(sign_in(&origins, "10.0.0.1", 0..1), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn public_addresses_and_few_wallets_each_are_nothing_to_notice() {
        let origins = origins();
        assert_eq!(sign_in(&origins, "192.0.2.1", 0..200), 0);
        for host in 0..200 {
            assert_eq!(sign_in(&origins, &format!("10.0.1.{host}"), 0..19), 0);
        }
        assert!(origins.held.lock().unwrap().wallets.len() <= ADDRESSES_MAX);
    }
}
