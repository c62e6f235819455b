//! Sessions in the second Redis group, shared by all gateways.

use super::{SIGN_INS_MAX, SessionStore};
use crate::limits::{Rate, Verdict};
use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use purr_protocol::summary::Summary;
use purr_store::{Link, Sessions, StoreError};

/// Ended sign-ins by the time of it: the record. A sorted set that every gateway reads twice a second
/// costs one small query and, unlike Pub/Sub, misses nothing after a broken connection.
const REVOKED: &str = "revoked:sessions";
/// Where each is told as it happens: the hint, which is there at once.
const REVOKED_CHANNEL: &str = "purr:revoked";
/// Where a gateway is written to, before its name.
const LETTERS_CHANNEL: &str = "purr:gateway:";
/// Longer than an access token lives, in milliseconds.
const REVOKED_KEEP_MS: u64 = 15 * 60 * 1000;
const REVOKED_READ_MAX: usize = 10_000;

const SWAP: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
return 1";

/// GCRA as in [`crate::limits::gcra`], with the server's clock, which all gateways share. The key
/// ends when it says nothing any more. Times are microseconds; a double holds them exactly.
const ARRIVE: &str = "local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = tonumber(redis.call('GET', KEYS[1]) or now)
tat = math.min(math.max(tat, now), now + tolerance)
local next = tat + interval
if next - now > tolerance then return {0, tat - now} end
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000))
return {1, next - now}";

const REMEMBER: &str = "redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
local over = redis.call('ZCARD', KEYS[1]) - ARGV[4]
if over <= 0 then return {} end
local old = redis.call('ZRANGE', KEYS[1], 0, over - 1)
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1)
return old";

pub struct RedisSessions {
    common: Sessions,
}

impl RedisSessions {
    pub fn new(link: Link) -> Self {
        Self { common: Sessions::new(link) }
    }

    async fn channel(&self, name: &str) -> Result<BoxStream<'static, String>, StoreError> {
        let channel = self.common.subscribe(name).await?;
        let next = async |mut channel: purr_store::Channel| {
            let told = channel.next().await?;
            Some((told, channel))
        };
        Ok(futures::stream::unfold(channel, next).boxed())
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
        // It is on record: what follows is a service, and its failure none of the revocation.
        let told = self.common.query::<u64>(redis::cmd("PUBLISH").arg(REVOKED_CHANNEL).arg(sid)).await;
        let swept =
            self.common.query::<u64>(redis::cmd("ZREMRANGEBYSCORE").arg(REVOKED).arg("-inf").arg(old)).await;
        if let Err(error) = told.and(swept) {
            tracing::warn!(%error, "an ended sign-in is on record and was not told");
        }
        Ok(())
    }

    async fn revocations(&self) -> Result<BoxStream<'static, String>, StoreError> {
        self.channel(REVOKED_CHANNEL).await
    }

    async fn post(&self, gateway: &str, letter: &str) -> Result<bool, StoreError> {
        let channel = format!("{LETTERS_CHANNEL}{gateway}");
        let takers = self.common.query::<u64>(redis::cmd("PUBLISH").arg(channel).arg(letter)).await?;
        Ok(takers > 0)
    }

    async fn letters(&self, gateway: &str) -> Result<BoxStream<'static, String>, StoreError> {
        self.channel(&format!("{LETTERS_CHANNEL}{gateway}")).await
    }

    async fn revoked_since(&self, since_ms: u64) -> Result<Vec<String>, StoreError> {
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command.arg(REVOKED).arg(since_ms).arg("+inf").arg("LIMIT").arg(0).arg(REVOKED_READ_MAX);
        self.common.query(&command).await
    }

    async fn arrive(&self, key: &str, rate: Rate) -> Result<Verdict, StoreError> {
        let mut command = redis::cmd("EVAL");
        command.arg(ARRIVE).arg(1).arg(key).arg(rate.interval_us()).arg(rate.tolerance_us());
        let (passed, spent_us) = self.common.query::<(u8, u64)>(&command).await?;
        Ok(rate.verdict(passed == 1, spent_us))
    }

    async fn remember(
        &self,
        player: &str,
        sid: &str,
        now_ms: u64,
        keep_s: u64,
    ) -> Result<Vec<String>, StoreError> {
        let mut command = redis::cmd("EVAL");
        command.arg(REMEMBER).arg(1).arg(format!("signins:{player}"));
        command.arg(now_ms).arg(sid).arg(keep_s).arg(SIGN_INS_MAX);
        self.common.query(&command).await
    }

    async fn sign_ins(&self, player: &str) -> Result<Vec<String>, StoreError> {
        let key = format!("signins:{player}");
        self.common.query(redis::cmd("ZRANGE").arg(key).arg(0).arg(-1)).await
    }

    async fn forget(&self, player: &str, sids: &[String]) -> Result<(), StoreError> {
        if sids.is_empty() {
            return Ok(());
        }
        let key = format!("signins:{player}");
        self.common.query::<u64>(redis::cmd("ZREM").arg(key).arg(sids)).await.map(drop)
    }

    async fn summaries(&self, uids: &[String]) -> Result<Vec<Option<Summary>>, StoreError> {
        self.common.summaries(uids).await
    }
}
