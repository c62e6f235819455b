//! Sessions in the second Redis group, shared by all gateways.

use super::{
    ACCESS_S, Opened, Opening, REVOKED_PAGE, ROOM_PERCENT, SIGN_INS_MAX, SessionStore, family_key, list_key,
};
use crate::{
    limits::{Rate, Verdict, strictest},
    seating::{
        key::FleetKey,
        script,
        step::{Outcome, Standing, Step},
    },
};
use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use purr_engine::PlayerId;
use purr_protocol::{floor::Floor, summary::Summary};
use purr_store::{Link, Sessions, StoreError};

/// Ended sign-ins by time: the record. A sorted set that every gateway reads twice a second costs one small query and,
/// unlike Pub/Sub, misses nothing after a broken connection.
const REVOKED: &str = "revoked:sessions";
/// Channel of revocations as they happen: a hint without delay.
const REVOKED_CHANNEL: &str = "purr:revoked";
/// Prefix of the channel to a gateway, before its name.
const LETTERS_CHANNEL: &str = "purr:gateway:";
/// Longer than an access token lives, in milliseconds.
const REVOKED_KEEP_MS: u64 = 2 * ACCESS_S * 1000;

/// All checks come before the first write. Without `allow-oom`, so that Redis itself refuses the script when it is out
/// of memory. If this user may not run INFO, Redis's own limit decides.
const OPEN: &str = "#!lua
local once = tonumber(ARGV[7])
for i = 1, once do
  if redis.call('EXISTS', KEYS[2 + i]) == 1 then return {'used', tostring(i - 1)} end
end
local link = KEYS[3 + once]
if link then
  local linked = redis.call('GET', link)
  if linked and linked ~= ARGV[8] then return {'linked'} end
end
local info = redis.pcall('INFO', 'memory')
if type(info) == 'string' then
  local used, most = string.match(info, '%sused_memory:(%d+)'), string.match(info, '%smaxmemory:(%d+)')
  if used and most and tonumber(most) > 0 and used * 100 >= most * ARGV[6] then return {'full'} end
end
for i = 1, once do redis.call('SET', KEYS[2 + i], '1', 'EX', ARGV[9 + i]) end
if link then redis.call('SET', link, ARGV[8], 'EX', ARGV[9]) end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[3])
if redis.call('TTL', KEYS[2]) < tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[2], ARGV[2]) end
local over = redis.call('ZCARD', KEYS[2]) - ARGV[5]
if over <= 0 then return {'ok'} end
local old = redis.call('ZRANGE', KEYS[2], 0, over - 1)
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, over - 1)
return {'ok', unpack(old)}";

/// Allowed without free memory, so that an existing family is not lost because others have used it up.
const RENEW: &str = "#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[4])
else
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
  redis.call('ZADD', KEYS[2], 'NX', ARGV[5], ARGV[4])
  if redis.call('TTL', KEYS[2]) < tonumber(ARGV[3]) then redis.call('EXPIRE', KEYS[2], ARGV[3]) end
end
return 1";

/// GCRA as in [`crate::limits::gcra_all`], by the server's clock, which all gateways share. A key expires when its
/// burst is whole again. Times are microseconds, which a double holds exactly. Returns whether the request passed, and
/// what each key has spent.
const ARRIVE: &str = "#!lua flags=allow-oom
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local passed, spent, tats = 1, {}, {}
for i, key in ipairs(KEYS) do
  local interval, tolerance = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local tat = tonumber(redis.call('GET', key) or now)
  tat = math.min(math.max(tat, now), now + tolerance)
  if tat + interval - now > tolerance then passed = 0 end
  tats[i], spent[i] = tat + interval, tat - now
end
if passed == 0 then return {0, unpack(spent)} end
for i, key in ipairs(KEYS) do
  spent[i] = tats[i] - now
  redis.call('SET', key, string.format('%.0f', tats[i]), 'PX', math.ceil(spent[i] / 1000))
end
return {1, unpack(spent)}";

/// Allowed without free memory, so that a revocation always takes effect.
const REVOKE: &str = "#!lua flags=allow-oom
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
return 1";

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
    async fn open(&self, opening: &Opening<'_>) -> Result<Opened, StoreError> {
        let Opening { player, sid, family, ttl_s, once, link, now_ms } = *opening;
        let (family_key, list_key) = (family_key(sid), list_key(player));
        let mut command = redis::cmd("EVAL");
        command.arg(OPEN).arg(2 + once.len() + usize::from(link.is_some())).arg(family_key).arg(list_key);
        for key in once.iter().map(|(mark, _)| mark.as_str()).chain(link.map(|(key, _)| key)) {
            command.arg(key);
        }
        command
            .arg(family)
            .arg(ttl_s)
            .arg(sid)
            .arg(now_ms)
            .arg(SIGN_INS_MAX)
            .arg(ROOM_PERCENT)
            .arg(once.len());
        command.arg(player).arg(link.map_or(1, |(_, ttl_s)| ttl_s));
        for (_, ttl_s) in once {
            command.arg(ttl_s);
        }
        let answer: Vec<String> = match self.common.query(&command).await {
            Err(StoreError::Full) => return Ok(Opened::Full),
            answer => answer?,
        };
        let mut words = answer.into_iter();
        match (words.next().as_deref(), words) {
            (Some("ok"), old) => Ok(Opened::Opened(old.collect())),
            (Some("used"), mut which) => {
                Ok(Opened::Used(which.next().and_then(|text| text.parse().ok()).unwrap_or(0)))
            }
            (Some("linked"), _) => Ok(Opened::LinkedElsewhere),
            (Some("full"), _) => Ok(Opened::Full),
            (other, _) => Err(StoreError::Corrupt(format!("a sign-in was answered with {other:?}"))),
        }
    }

    async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.common.get(key).await
    }

    async fn take(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.common.take(key).await
    }

    async fn renew(
        &self,
        player: &str,
        sid: &str,
        old: &str,
        new: Option<(&str, u64)>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let (value, ttl_s) = new.unwrap_or(("", 1));
        let mut command = redis::cmd("EVAL");
        command.arg(RENEW).arg(2).arg(family_key(sid)).arg(list_key(player));
        command.arg(old).arg(value).arg(ttl_s).arg(sid).arg(now_ms);
        self.common.query::<u64>(&command).await.map(|renewed| renewed == 1)
    }

    async fn revoke(&self, sid: &str, now_ms: u64) -> Result<(), StoreError> {
        let mut command = redis::cmd("EVAL");
        let old = now_ms.saturating_sub(REVOKED_KEEP_MS);
        command.arg(REVOKE).arg(1).arg(REVOKED).arg(now_ms).arg(sid).arg(old);
        self.common.query::<u64>(&command).await?;
        // The revocation is recorded: the notification is a convenience, and its failure does not undo the revocation.
        let told = self.common.query::<u64>(redis::cmd("PUBLISH").arg(REVOKED_CHANNEL).arg(sid)).await;
        if let Err(error) = told {
            tracing::warn!(%error, "an ended sign-in was recorded, but other gateways could not be told");
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

    async fn revoked_since(&self, since_ms: u64, page: usize) -> Result<Vec<String>, StoreError> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(REVOKED).arg("+inf").arg(since_ms).arg("BYSCORE").arg("REV");
        command.arg("LIMIT").arg(page.saturating_mul(REVOKED_PAGE)).arg(REVOKED_PAGE);
        self.common.query(&command).await
    }

    async fn arrive(&self, keys: &[(String, Rate)]) -> Result<Verdict, StoreError> {
        let mut command = redis::cmd("EVAL");
        command.arg(ARRIVE).arg(keys.len());
        for (key, _) in keys {
            command.arg(key);
        }
        for (_, rate) in keys {
            command.arg(rate.interval_us()).arg(rate.tolerance_us());
        }
        let answer: Vec<u64> = self.common.query(&command).await?;
        let (passed, spent) =
            answer.split_first().ok_or_else(|| StoreError::Corrupt("a count without an answer".into()))?;
        let rates: Vec<Rate> = keys.iter().map(|(_, rate)| *rate).collect();
        strictest(&rates, *passed == 1, spent).ok_or_else(|| StoreError::Corrupt("a count of no key".into()))
    }

    async fn sign_ins(&self, player: &str) -> Result<Vec<String>, StoreError> {
        self.common.query(redis::cmd("ZRANGE").arg(list_key(player)).arg(0).arg(-1)).await
    }

    async fn forget(&self, player: &str, sids: &[String]) -> Result<(), StoreError> {
        if sids.is_empty() {
            return Ok(());
        }
        self.common.query::<u64>(redis::cmd("ZREM").arg(list_key(player)).arg(sids)).await.map(drop)
    }

    async fn summaries(&self, uids: &[String]) -> Result<Vec<Option<Summary>>, StoreError> {
        self.common.summaries(uids).await
    }

    async fn seat(&self, fleet: &FleetKey, player: PlayerId, step: &Step) -> Result<Outcome, StoreError> {
        let words: Vec<String> = self.common.query(&script::step(0, fleet, player, step)).await?;
        script::outcome(&words)
    }

    async fn seats(&self, fleet: &FleetKey, first: usize, keep: bool) -> Result<Standing, StoreError> {
        let words: Vec<String> = self.common.query(&script::look(0, fleet, first, keep)).await?;
        script::standing(&words)
    }

    async fn seen(&self, fleet: &FleetKey, players: &[PlayerId]) -> Result<(), StoreError> {
        self.common.query::<Vec<String>>(&script::seen(0, fleet, players)).await.map(drop)
    }

    async fn floors(&self, uids: &[String]) -> Result<Vec<Option<Floor>>, StoreError> {
        self.common.floors(uids).await
    }
}
