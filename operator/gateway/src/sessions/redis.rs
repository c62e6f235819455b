//! Sessions in the second Redis group, shared by all gateways.

use super::SessionStore;
use async_trait::async_trait;
use purr_protocol::summary::Summary;
use purr_store::{Link, Sessions, StoreError};

/// Ended sign-ins by the time of it. A sorted set that every gateway reads twice a second costs one
/// small query and, unlike Pub/Sub, misses nothing after a broken connection.
const REVOKED: &str = "revoked:sessions";
/// Longer than an access token lives, in milliseconds.
const REVOKED_KEEP_MS: u64 = 15 * 60 * 1000;
const REVOKED_READ_MAX: usize = 10_000;

const SWAP: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
return 1";

pub struct RedisSessions {
    common: Sessions,
}

impl RedisSessions {
    pub fn new(link: Link) -> Self {
        Self { common: Sessions::new(link) }
    }
}

#[async_trait]
impl SessionStore for RedisSessions {
    async fn put_new(&self, key: &str, value: &str, ttl_s: u64) -> Result<bool, StoreError> {
        self.common.put_new(key, value, ttl_s).await
    }

    async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.common.get(key).await
    }

    async fn take(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.common.take(key).await
    }

    async fn swap(&self, key: &str, old: &str, new: Option<(&str, u64)>) -> Result<bool, StoreError> {
        let (value, ttl_s) = new.unwrap_or(("", 1));
        let mut command = redis::cmd("EVAL");
        command.arg(SWAP).arg(1).arg(key).arg(old).arg(value).arg(ttl_s);
        self.common.query::<u64>(&command).await.map(|swapped| swapped == 1)
    }

    async fn revoke(&self, sid: &str, now_ms: u64) -> Result<(), StoreError> {
        self.common.query::<u64>(redis::cmd("ZADD").arg(REVOKED).arg(now_ms).arg(sid)).await?;
        let old = now_ms.saturating_sub(REVOKED_KEEP_MS);
        self.common.query::<u64>(redis::cmd("ZREMRANGEBYSCORE").arg(REVOKED).arg("-inf").arg(old)).await?;
        Ok(())
    }

    async fn revoked_since(&self, since_ms: u64) -> Result<Vec<String>, StoreError> {
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command.arg(REVOKED).arg(since_ms).arg("+inf").arg("LIMIT").arg(0).arg(REVOKED_READ_MAX);
        self.common.query(&command).await
    }

    async fn summaries(&self, uids: &[String]) -> Result<Vec<Option<Summary>>, StoreError> {
        self.common.summaries(uids).await
    }
}
