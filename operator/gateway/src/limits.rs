//! How often somebody may ask: GCRA (the leaky bucket as a meter, ITU-T I.371), a time per key.

use async_trait::async_trait;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Keys remembered by one class; a flood of new ones makes the limiter strict, never large.
const KEYS_MAX: usize = 100_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nonces, sign-ins and refreshes of an address: each costs a signature or a write.
    SignIn,
    /// Everything else of an address.
    Address,
    /// Requests with one player's token.
    Player,
}

impl Class {
    pub const ALL: [Self; 3] = [Self::SignIn, Self::Address, Self::Player];

    /// A label of metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Address => "address",
            Self::Player => "player",
        }
    }
}

/// Requests a second in the long run, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_s: u32,
    pub burst: u32,
}

/// Who may ask how often, in this process or shared by all gateways.
#[async_trait]
pub trait Limiter: Send + Sync + 'static {
    /// # Errors
    /// How long to wait before it is worth asking again.
    async fn check(&self, class: Class, key: &str) -> Result<(), Duration>;
}

/// One key's state: the theoretical arrival time. `Err` is the time until a request conforms.
fn gcra(tat: Option<Instant>, now: Instant, rate: Rate) -> Result<Instant, Duration> {
    let interval = Duration::from_secs(1) / rate.per_s.max(1);
    let tolerance = interval * rate.burst.saturating_sub(1);
    let tat = tat.map_or(now, |tat| tat.max(now));
    match tat.checked_duration_since(now + tolerance) {
        Some(early) if !early.is_zero() => Err(early),
        _ => Ok(tat + interval),
    }
}

type Keys = HashMap<String, Instant>;

/// Limits of this process alone.
pub struct MemoryLimiter {
    rates: [Rate; 3],
    keys: Mutex<[Keys; 3]>,
}

impl MemoryLimiter {
    /// Rates in the order of [`Class::ALL`].
    pub fn new(rates: [Rate; 3]) -> Self {
        Self { rates, keys: Mutex::default() }
    }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    async fn check(&self, class: Class, key: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let index = class as usize;
        let (Some(rate), Some(keys)) = (self.rates.get(index), keys.get_mut(index)) else { return Ok(()) };
        if keys.len() >= KEYS_MAX && !keys.contains_key(key) {
            keys.retain(|_, tat| *tat > now);
            if keys.len() >= KEYS_MAX {
                return Err(Duration::from_secs(1));
            }
        }
        let tat = gcra(keys.get(key).copied(), now, *rate)?;
        keys.insert(key.to_owned(), tat);
        Ok(())
    }
}

/// The key of an address. One household has a whole /64 of IPv6, so that is one key.
pub fn address_key(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_s: 2, burst: 3 };

    fn limiter() -> MemoryLimiter {
        MemoryLimiter::new([RATE; 3])
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_the_rate() {
        let limiter = limiter();
        for _ in 0..3 {
            assert_eq!(limiter.check(Class::SignIn, "a").await, Ok(()));
        }
        assert_eq!(limiter.check(Class::SignIn, "a").await, Err(Duration::from_millis(500)));
        tokio::time::advance(Duration::from_millis(499)).await;
        assert!(limiter.check(Class::SignIn, "a").await.is_err());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(limiter.check(Class::SignIn, "a").await, Ok(()));
        assert!(limiter.check(Class::SignIn, "a").await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn keys_and_classes_do_not_share() {
        let limiter = limiter();
        while limiter.check(Class::SignIn, "a").await.is_ok() {}
        assert_eq!(limiter.check(Class::SignIn, "b").await, Ok(()));
        assert_eq!(limiter.check(Class::Address, "a").await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_keys_is_refused_and_forgotten_later() {
        let limiter = limiter();
        for key in 0..KEYS_MAX {
            limiter.check(Class::Address, &key.to_string()).await.unwrap();
        }
        assert!(limiter.check(Class::Address, "new").await.is_err());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(limiter.check(Class::Address, "new").await, Ok(()));
        assert_eq!(limiter.keys.lock().unwrap()[Class::Address as usize].len(), 1);
    }

    #[test]
    fn addresses_of_one_household_are_one_key() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::"));
        assert_ne!(key("2001:db8:1:2::"), key("2001:db8:1:3::"));
        assert_eq!(key("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
