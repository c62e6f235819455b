//! Rate limits: GCRA (the leaky bucket as a meter, ITU-T I.371), with one time per key.
//!
//! The gateways count together, in the sessions group of Redis ([`SharedLimiter`]); while that does
//! not answer, each counts alone.

mod class;
mod gcra;
pub mod headers;
mod shared;

pub use class::Class;
pub use gcra::{Rate, Verdict, gcra_all, strictest};
pub use shared::SharedLimiter;

use async_trait::async_trait;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};
use tokio::time::Instant;

/// Most keys of one class in memory; a flood of new keys makes the limiter stricter, not larger.
const KEYS_MAX: usize = 100_000;

/// A counted key, and the multiple of the class's rate that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: String,
    pub share: u32,
}

/// A rate limiter by class and key.
#[async_trait]
pub trait Limiter: Send + Sync + 'static {
    /// Counts one request against all keys; if one of them refuses it, against none.
    async fn check_all(&self, class: Class, keys: &[Key]) -> Verdict;

    async fn check(&self, class: Class, key: &str) -> Verdict {
        self.check_all(class, &[Key { name: key.to_owned(), share: 1 }]).await
    }

    /// Counts one request against an address and the networks that it is in.
    async fn check_address(&self, class: Class, ip: IpAddr) -> Verdict {
        self.check_all(class, &address_keys(ip)).await
    }
}

type Keys = HashMap<String, u64>;

/// Limits of this process alone.
pub struct MemoryLimiter {
    rates: [Rate; Class::ALL.len()],
    since: Instant,
    keys: Mutex<[Keys; Class::ALL.len()]>,
}

impl MemoryLimiter {
    /// Rates in the order of [`Class::ALL`].
    pub fn new(rates: [Rate; Class::ALL.len()]) -> Self {
        Self { rates, since: Instant::now(), keys: Mutex::default() }
    }

    fn rate(&self, class: Class) -> Rate {
        self.rates.get(class as usize).copied().unwrap_or(Rate { per_s: 1, burst: 1 })
    }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    async fn check_all(&self, class: Class, keys: &[Key]) -> Verdict {
        let now = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let rate = self.rate(class);
        let mut held = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(held) = held.get_mut(class as usize) else { return rate.verdict(true, 0) };
        if held.len() >= KEYS_MAX && keys.iter().any(|key| !held.contains_key(&key.name)) {
            held.retain(|_, tat| *tat > now);
            if held.len() >= KEYS_MAX {
                return rate.verdict(false, rate.tolerance_us());
            }
        }
        let counts: Vec<_> =
            keys.iter().map(|key| (held.get(&key.name).copied(), rate.times(key.share))).collect();
        let (next, verdict) = gcra_all(&counts, now);
        for (key, tat) in keys.iter().zip(next) {
            held.insert(key.name.clone(), tat);
        }
        // No key, no limit.
        verdict.unwrap_or_else(|| rate.verdict(true, 0))
    }
}

/// Prefix lengths of IPv6 networks that are counted, each with its multiple of an address's rate. A household has a /64
/// or a /56, a site or a small provider a /48. The holder of a /48 has 65,536 networks of length 64, which must not
/// count as 65,536 addresses; wider networks get more, because several clients may share them.
const NETWORKS: [(u32, u32); 3] = [(64, 1), (56, 4), (48, 16)];

/// The keys of an address: itself for IPv4, its networks for IPv6.
pub fn address_keys(ip: IpAddr) -> Vec<Key> {
    let ip = match ip.to_canonical() {
        IpAddr::V4(ip) => return vec![Key { name: ip.to_string(), share: 1 }],
        IpAddr::V6(ip) => ip,
    };
    let network = |(length, share): (u32, u32)| {
        let prefix = Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - length)));
        Key { name: format!("{prefix}/{length}"), share }
    };
    NETWORKS.into_iter().map(network).collect()
}

/// The narrowest key of an address: one household has a whole /64 of IPv6.
pub fn address_key(ip: IpAddr) -> String {
    address_keys(ip).into_iter().next().map(|key| key.name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const RATE: Rate = Rate { per_s: 2, burst: 3 };

    fn limiter() -> MemoryLimiter {
        MemoryLimiter::new([RATE; Class::ALL.len()])
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_the_rate() {
        let limiter = limiter();
        for left in [2, 1, 0] {
            let verdict = limiter.check(Class::SignIn, "a").await;
            assert_eq!((verdict.passed, verdict.remaining), (true, left));
        }
        let refused = limiter.check(Class::SignIn, "a").await;
        assert_eq!((refused.passed, refused.remaining), (false, 0));
        assert_eq!((refused.retry, refused.reset), (Duration::from_millis(500), Duration::from_millis(1500)));
        tokio::time::advance(Duration::from_millis(499)).await;
        assert!(!limiter.check(Class::SignIn, "a").await.passed);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(limiter.check(Class::SignIn, "a").await.passed);
        assert!(!limiter.check(Class::SignIn, "a").await.passed);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_and_classes_do_not_share() {
        let limiter = limiter();
        while limiter.check(Class::SignIn, "a").await.passed {}
        assert!(limiter.check(Class::SignIn, "b").await.passed);
        assert!(limiter.check(Class::Address, "a").await.passed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_keys_is_refused_and_forgotten_later() {
        let limiter = limiter();
        for key in 0..KEYS_MAX {
            assert!(limiter.check(Class::Address, &key.to_string()).await.passed);
        }
        let refused = limiter.check(Class::Address, "new").await;
        assert!(!refused.passed && !refused.retry.is_zero());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(limiter.check(Class::Address, "new").await.passed);
        assert_eq!(limiter.keys.lock().unwrap()[Class::Address as usize].len(), 1);
    }

    #[test]
    fn addresses_of_one_household_are_one_key() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::"));
        assert_ne!(key("2001:db8:1:2::"), key("2001:db8:1:3::"));
        assert_eq!(key("::ffff:192.0.2.1"), "192.0.2.1");
    }

    /// Requests that pass out of many addresses, each of which asks once.
    async fn pass(limiter: &MemoryLimiter, addresses: impl Iterator<Item = u128>) -> usize {
        let mut passed = 0;
        for bits in addresses {
            let ip = Ipv6Addr::from_bits(bits).into();
            passed += usize::from(limiter.check_address(Class::SignIn, ip).await.passed);
        }
        passed
    }

    #[tokio::test(start_paused = true)]
    async fn many_networks_of_one_holder_are_counted_together_with_growing_bounds() {
        let burst = RATE.burst as usize;
        let site = 0x2001_0db8_0001_u128 << 80;
        let other = 0x2001_0db8_0002_u128 << 80;
        let limiter = limiter();
        assert_eq!(pass(&limiter, (0..100).map(|host| site | host)).await, burst);
        // A request that a /64 was refused is not counted against the networks around it.
        assert_eq!(pass(&limiter, (1..100).map(|net| site | net << 64)).await, 3 * burst);
        assert_eq!(pass(&limiter, (1..200).map(|net| site | net << 72)).await, 12 * burst);
        assert_eq!(pass(&limiter, (0..100).map(|host| other | host)).await, burst);
    }
}
