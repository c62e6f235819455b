//! What sign-ins need kept outside this process, so that any gateway can answer: nonces, refresh
//! families, revocations. It may be lost; then people sign in again.

mod memory;
mod redis;

pub use self::{memory::MemorySessions, redis::RedisSessions};

use async_trait::async_trait;
use purr_protocol::summary::Summary;
use purr_store::StoreError;

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

    /// The sign-ins that were ended since a time, in milliseconds since 1970.
    async fn revoked_since(&self, since_ms: u64) -> Result<Vec<String>, StoreError>;

    /// The summaries of these tables, in their order; `None` where a table has not spoken lately.
    async fn summaries(&self, uids: &[String]) -> Result<Vec<Option<Summary>>, StoreError>;
}
