//! How often somebody may ask: GCRA (the leaky bucket as a meter, ITU-T I.371), a time per key.
//!
//! The gateways count together, in the sessions group of Redis ([`SharedLimiter`]); while that does
//! not answer, each counts alone.

pub mod headers;
mod shared;

pub use shared::SharedLimiter;

use async_trait::async_trait;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Keys remembered by one class; a flood of new ones makes the limiter strict, never large.
const KEYS_MAX: usize = 100_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nonces and sign-ins of an address, and refresh tokens that nobody issued: each costs a signature or a write.
    SignIn,
    /// Everything else of an address.
    Address,
    /// Requests with one player's token.
    Player,
    /// Sockets that an address opens: each costs a handshake with a pod.
    Socket,
    /// Withdrawals and admin's requests of one person: each costs a signature, or is meant to be rare.
    Money,
    /// Refreshes of one sign-in, by a token that a gateway issued: no neighbour of its address uses them up.
    Refresh,
}

impl Class {
    pub const ALL: [Self; 6] =
        [Self::SignIn, Self::Address, Self::Player, Self::Socket, Self::Money, Self::Refresh];

    /// A label of metrics, and the policy's name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Address => "address",
            Self::Player => "player",
            Self::Socket => "socket",
            Self::Money => "money",
            Self::Refresh => "refresh",
        }
    }
}

/// Requests a second in the long run, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_s: u32,
    pub burst: u32,
}

impl Rate {
    /// Microseconds that one request costs.
    pub fn interval_us(self) -> u64 {
        1_000_000 / u64::from(self.per_s.max(1))
    }

    /// Microseconds that may be spent ahead of time.
    pub fn tolerance_us(self) -> u64 {
        self.interval_us() * u64::from(self.burst.max(1))
    }

    /// This rate so many times.
    #[must_use]
    pub fn times(self, share: u32) -> Self {
        Self { per_s: self.per_s.saturating_mul(share), burst: self.burst.saturating_mul(share) }
    }

    /// What it means that so many microseconds are spent, after a request that passed or did not.
    pub fn verdict(self, passed: bool, spent_us: u64) -> Verdict {
        let (interval, tolerance) = (self.interval_us(), self.tolerance_us());
        let left = tolerance.saturating_sub(spent_us) / interval;
        let wait = if passed { 0 } else { (spent_us + interval).saturating_sub(tolerance) };
        Verdict {
            passed,
            rate: self,
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            reset: Duration::from_micros(spent_us),
            retry: Duration::from_micros(wait),
        }
    }
}

/// What a limiter says to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub passed: bool,
    pub rate: Rate,
    /// Requests that would pass now.
    pub remaining: u32,
    /// Until all of the burst is there again.
    pub reset: Duration,
    /// Until a request that did not pass would.
    pub retry: Duration,
}

/// What a request is counted under, and how many times the class's rate this key has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: String,
    pub share: u32,
}

/// Who may ask how often.
#[async_trait]
pub trait Limiter: Send + Sync + 'static {
    /// Counts one request against all keys, or against none where one of them refuses it.
    async fn check_all(&self, class: Class, keys: &[Key]) -> Verdict;

    async fn check(&self, class: Class, key: &str) -> Verdict {
        self.check_all(class, &[Key { name: key.to_owned(), share: 1 }]).await
    }

    /// Counts one request against an address and the networks that it is in.
    async fn check_address(&self, class: Class, ip: IpAddr) -> Verdict {
        self.check_all(class, &address_keys(ip)).await
    }
}

/// Several keys' states, which move on together where every key has something left.
pub fn gcra_all(counts: &[(Option<u64>, Rate)], now_us: u64) -> (Vec<u64>, Option<Verdict>) {
    let (rates, looked): (Vec<Rate>, Vec<_>) =
        counts.iter().map(|(tat, rate)| (*rate, gcra(*tat, now_us, *rate))).unzip();
    let next: Option<Vec<u64>> = looked.iter().map(|(next, _)| *next).collect();
    let spent = |tat: u64| tat.saturating_sub(now_us);
    match next {
        Some(next) => {
            let verdict = strictest(&rates, true, &next.iter().copied().map(spent).collect::<Vec<_>>());
            (next, verdict)
        }
        None => {
            let tats =
                counts.iter().map(|(tat, rate)| tat.map_or(0, |tat| spent(tat).min(rate.tolerance_us())));
            (Vec::new(), strictest(&rates, false, &tats.collect::<Vec<_>>()))
        }
    }
}

/// What several keys say together: the longest wait of those that refuse, else the least that is left.
pub fn strictest(rates: &[Rate], passed: bool, spent_us: &[u64]) -> Option<Verdict> {
    let verdicts = rates.iter().zip(spent_us).map(|(rate, spent)| rate.verdict(passed, *spent));
    match passed {
        true => verdicts.min_by_key(|verdict| verdict.remaining),
        false => verdicts.max_by_key(|verdict| verdict.retry),
    }
}

/// One key's state: the theoretical arrival time in microseconds, which a request that passes moves on.
pub fn gcra(tat_us: Option<u64>, now_us: u64, rate: Rate) -> (Option<u64>, Verdict) {
    let tolerance = rate.tolerance_us();
    // A clock that was set back, for instance by a failover, costs nobody more than one burst.
    let tat = tat_us.map_or(now_us, |tat| tat.clamp(now_us, now_us + tolerance));
    let next = tat + rate.interval_us();
    if next - now_us > tolerance {
        (None, rate.verdict(false, tat - now_us))
    } else {
        (Some(next), rate.verdict(true, next - now_us))
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

/// Networks of IPv6 that are counted, by the length of their prefix, and how many times the rate of an address each has.
/// A household has a /64 or a /56, a site or a small provider a /48. Who has a whole /48 to itself has 65,536 networks of
/// 64, which must not be 65,536 addresses; the wider bound grows, because it may be shared.
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
    fn a_clock_that_is_set_back_costs_no_more_than_a_burst() {
        let (next, _) = gcra(None, 9_000_000_000, RATE);
        let (_, verdict) = gcra(next, 1_000, RATE);
        assert!(!verdict.passed && verdict.retry <= Duration::from_millis(1500), "{verdict:?}");
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
        // What a /64 was refused is not counted against the networks around it.
        assert_eq!(pass(&limiter, (1..100).map(|net| site | net << 64)).await, 3 * burst);
        assert_eq!(pass(&limiter, (1..200).map(|net| site | net << 72)).await, 12 * burst);
        assert_eq!(pass(&limiter, (0..100).map(|host| other | host)).await, burst);
    }
}
