//! What sign-ins need kept outside this process, so that any gateway can answer: nonces, refresh
//! families, revocations, counts of requests. It may be lost; then people sign in again.

mod memory;
mod redis;

pub use self::{memory::MemorySessions, redis::RedisSessions};

use crate::limits::{Rate, Verdict};
use async_trait::async_trait;
use futures::stream::BoxStream;
use purr_protocol::summary::Summary;
use purr_store::StoreError;

/// Sign-ins of one player at once; a new one ends the oldest.
pub const SIGN_INS_MAX: usize = 100;

#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Sets a key that is not set yet; says whether it did. `ttl_s` in seconds.
    async fn put_new(&self, key: &str, value: &str, ttl_s: u64) -> Result<bool, StoreError>;

    async fn get(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Reads and removes in one step: only one caller gets it.
    async fn take(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Replaces the value where it is still `old`, or removes it; says whether it was.
    async fn swap(&self, key: &str, old: &str, new: Option<(&str, u64)>) -> Result<bool, StoreError>;

    /// Ends a sign-in for every gateway. Kept for longer than any of its access tokens lives.
    async fn revoke(&self, sid: &str, now_ms: u64) -> Result<(), StoreError>;

    /// The sign-ins that are ended from now on, as they are: a hint, which may miss some and ends with
    /// its connection. [`SessionStore::revoked_since`] is the record.
    async fn revocations(&self) -> Result<BoxStream<'static, String>, StoreError>;

    /// The sign-ins that were ended since a time, in milliseconds since 1970.
    async fn revoked_since(&self, since_ms: u64) -> Result<Vec<String>, StoreError>;

    /// Hands a letter to another gateway, at once or not at all; says whether it was there to take it.
    async fn post(&self, gateway: &str, letter: &str) -> Result<bool, StoreError>;

    /// The letters to this gateway from now on; they end with the connection.
    async fn letters(&self, gateway: &str) -> Result<BoxStream<'static, String>, StoreError>;

    /// Counts one request of this key (GCRA), by the store's own clock.
    async fn arrive(&self, key: &str, rate: Rate) -> Result<Verdict, StoreError>;

    /// Keeps in mind that a sign-in is this player's, for `keep_s` seconds. Returns those of its
    /// sign-ins that are too many now, oldest first; they are forgotten here.
    async fn remember(
        &self,
        player: &str,
        sid: &str,
        now_ms: u64,
        keep_s: u64,
    ) -> Result<Vec<String>, StoreError>;

    /// All sign-ins of a player that are kept in mind.
    async fn sign_ins(&self, player: &str) -> Result<Vec<String>, StoreError>;

    /// Keeps these sign-ins of a player in mind no longer.
    async fn forget(&self, player: &str, sids: &[String]) -> Result<(), StoreError>;

    /// The summaries of these tables, in their order; `None` where a table has not spoken lately.
    async fn summaries(&self, uids: &[String]) -> Result<Vec<Option<Summary>>, StoreError>;
}
