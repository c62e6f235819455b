//! A lock across processes, for what should run once: clean-ups, backups, rotations.
//!
//! # Guarantees
//! While Redis keeps what it has acknowledged, at most one holder has the lock of a name. Each holder has a token that
//! nobody else knows; renewing and releasing compare it inside Redis, so a holder whose time is over can neither prolong
//! nor release the lock of the next one.
//!
//! # What it does not promise
//! That nobody else works. The key is in one master of the sessions group, which may lose it in a failover (asynchronous
//! replication, `appendfsync everysec`): then two have it. A holder that is stopped, or whose clock runs slow, may go on
//! after its time, until it looks at its clock again. There is no fencing number: what is done under this lock has to be
//! harmless when it is done twice, or at the same time. No money and no table hangs on it; tables have epochs (the
//! Kubernetes API's, compared in every write), the sender of transactions has a row in PostgreSQL.
//!
//! # Caveats
//! There is no queue: who does not get it tries again, or leaves it be. Time is the holder's own monotonic clock and
//! Redis' own; the two are never compared.

use crate::{sessions::Sessions, types::StoreError};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

const RENEW: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
/// Number of renewals within the lock's time.
const RENEWALS: u32 = 3;

/// The lock was lost, or may have been, before the work was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lock '{0}' was lost before its work was done")]
pub struct LockLost(pub String);

/// A lock that this process holds, until its time is over or it is released.
pub struct Lock<'a> {
    sessions: &'a Sessions,
    name: String,
    token: String,
    ttl: Duration,
    /// End of the lock by this process's clock, counted from before the request, so that it is not later than Redis's
    /// own.
    until: Instant,
}

impl Sessions {
    /// Takes the lock of this name where nobody has it.
    ///
    /// # Errors
    /// Where Redis did not answer. It may have given the lock all the same, which then ends with its time.
    pub async fn lock(&self, name: &str, ttl: Duration) -> Result<Option<Lock<'_>>, StoreError> {
        let token = token()?;
        let asked = Instant::now();
        let mut set = redis::cmd("SET");
        set.arg(key(name)).arg(&token).arg("NX").arg("PX").arg(millis(ttl));
        let answer: Option<String> = self.query(&set).await?;
        let lock = Lock { sessions: self, name: name.to_owned(), token, ttl, until: asked + ttl };
        Ok(answer.map(|_| lock))
    }
}

impl Lock<'_> {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the lock is held, as far as this process knows without asking Redis.
    pub fn is_held(&self) -> bool {
        Instant::now() < self.until
    }

    /// Extends the lock; `false`: it has expired or has another holder.
    pub async fn renew(&mut self) -> Result<bool, StoreError> {
        let asked = Instant::now();
        let mut eval = redis::cmd("EVAL");
        eval.arg(RENEW).arg(1).arg(key(&self.name)).arg(&self.token).arg(millis(self.ttl));
        let renewed = self.sessions.query::<u64>(&eval).await? == 1;
        self.until = if renewed { asked + self.ttl } else { asked };
        Ok(renewed)
    }

    /// Releases the lock; `false`: this process no longer held it.
    pub async fn release(self) -> Result<bool, StoreError> {
        let mut eval = redis::cmd("EVAL");
        eval.arg(RELEASE).arg(1).arg(key(&self.name)).arg(&self.token);
        Ok(self.sessions.query::<u64>(&eval).await? == 1)
    }

    /// Runs the work while renewing the lock, then releases it. If the lock is lost, the work is dropped at its next
    /// await.
    ///
    /// # Errors
    /// [`LockLost`]. What was done until then is done.
    pub async fn hold<T>(mut self, work: impl Future<Output = T>) -> Result<T, LockLost> {
        tokio::pin!(work);
        loop {
            let pause = sleep(self.ttl / RENEWALS);
            tokio::select! {
                biased;
                () = pause => {
                    // A renewal without an answer counts as failed only when the lock's time is over.
                    match timeout_at(self.until, self.renew()).await {
                        Ok(Ok(true)) => {}
                        Ok(Err(error)) if self.is_held() => tracing::warn!(%error, lock = self.name, "not renewed"),
                        _ => return Err(LockLost(self.name)),
                    }
                }
                done = &mut work => {
                    if !self.is_held() {
                        return Err(LockLost(self.name));
                    }
                    if let Err(error) = self.release().await {
                        tracing::debug!(%error, "a lock that ends with its time");
                    }
                    return Ok(done);
                }
            }
        }
    }
}

fn key(name: &str) -> String {
    format!("lock:{name}")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// 128 bits that nobody else has.
fn token() -> Result<String, StoreError> {
    let high = getrandom::u64().map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let low = getrandom::u64().map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(format!("{high:016x}{low:016x}"))
}
