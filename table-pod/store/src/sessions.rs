//! Data that may be lost: sign-in nonces, refresh sessions, revocations, tables' summaries.

use crate::{
    link::{Channel, Link},
    types::StoreError,
};
use purr_protocol::{floor::Floor, summary::Summary};
use redis::{FromRedisValue, RedisError, aio::MultiplexedConnection};
use tokio::sync::Mutex;

/// A summary is forgotten when its table has not spoken for this long, in seconds.
const SUMMARY_TTL_S: u64 = 60;
/// Tables read at once for lobby and status.
const SUMMARIES_MAX: usize = 10_000;

/// Key of one part of a fleet's seats and waiting list. `fleet` is `namespace/name`.
pub fn seating_key(fleet: impl std::fmt::Display, part: &str) -> String {
    format!("seating:of:{fleet}:{part}")
}

/// The sessions group. Calls share one connection, which is replaced after an error.
pub struct Sessions {
    link: Link,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Sessions {
    pub fn new(link: Link) -> Self {
        Self { link, connection: Mutex::new(None) }
    }

    /// Runs one command; after an error the connection is dropped, so that the next query asks a Sentinel again, for
    /// instance after a failover.
    pub async fn query<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, StoreError> {
        let mut connection = self.connection().await?;
        let answer: Result<T, RedisError> = command.query_async(&mut connection).await;
        match answer {
            Ok(value) => Ok(value),
            // The connection can still be used.
            Err(error) if error.code() == Some("OOM") => Err(StoreError::Full),
            Err(error) if error.code() == Some("NOPERM") => Err(StoreError::Unknown(error.to_string())),
            Err(error) => {
                *self.connection.lock().await = None;
                Err(StoreError::Unknown(error.to_string()))
            }
        }
    }

    /// Subscribes on a separate connection.
    pub async fn subscribe(&self, channel: &str) -> Result<Channel, StoreError> {
        self.link.subscribe(channel).await
    }

    async fn connection(&self) -> Result<MultiplexedConnection, StoreError> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = held.as_ref() {
            return Ok(connection.clone());
        }
        let connection = self.link.connect().await?;
        *held = Some(connection.clone());
        Ok(connection)
    }

    /// Sets a key with a lifetime if it is not set; returns whether it did.
    pub async fn put_new(&self, key: &str, value: &str, ttl_s: u64) -> Result<bool, StoreError> {
        let answer: Option<String> =
            self.query(redis::cmd("SET").arg(key).arg(value).arg("NX").arg("EX").arg(ttl_s)).await?;
        Ok(answer.is_some())
    }

    pub async fn put(&self, key: &str, value: &str, ttl_s: u64) -> Result<(), StoreError> {
        self.query(redis::cmd("SET").arg(key).arg(value).arg("EX").arg(ttl_s)).await
    }

    pub async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.query(redis::cmd("GET").arg(key)).await
    }

    /// Reads and removes a value in one step, so that only one caller gets it.
    pub async fn take(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.query(redis::cmd("GETDEL").arg(key)).await
    }

    /// Appends a line to a stream, which keeps about the last so many.
    pub async fn append(&self, stream: &str, line: &str, most: usize) -> Result<(), StoreError> {
        let mut command = redis::cmd("XADD");
        command.arg(stream).arg("MAXLEN").arg("~").arg(most).arg("*").arg("line").arg(line);
        self.query::<String>(&command).await.map(drop)
    }

    /// The last lines of a stream, newest first.
    pub async fn last_lines(&self, stream: &str, most: usize) -> Result<Vec<String>, StoreError> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(stream).arg("+").arg("-").arg("COUNT").arg(most);
        let entries: Vec<(String, Vec<(String, String)>)> = self.query(&command).await?;
        Ok(entries
            .into_iter()
            .filter_map(|(_, fields)| fields.into_iter().next())
            .map(|(_, line)| line)
            .collect())
    }

    pub async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.query::<u64>(redis::cmd("DEL").arg(key)).await.map(drop)
    }

    /// The number of players on the waiting list of each of these fleets (`namespace/name`), in their order; at most
    /// 10,000. A player who disappeared counts until a gateway next reads the list.
    pub async fn waiting(&self, fleets: &[String]) -> Result<Vec<u64>, StoreError> {
        let mut sizes = Vec::with_capacity(fleets.len());
        for fleet in fleets.iter().take(SUMMARIES_MAX) {
            sizes.push(self.query(redis::cmd("ZCARD").arg(seating_key(fleet, "list"))).await?);
        }
        Ok(sizes)
    }

    pub async fn put_floor(&self, floor: &Floor) -> Result<(), StoreError> {
        let json = serde_json::to_string(floor).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        self.put(&format!("floor:{}", floor.uid), &json, SUMMARY_TTL_S).await
    }

    /// Returns the operators' views of these tables, in their order; at most 10,000.
    pub async fn floors(&self, uids: &[String]) -> Result<Vec<Option<Floor>>, StoreError> {
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = uids.iter().take(SUMMARIES_MAX).map(|uid| format!("floor:{uid}")).collect();
        let texts: Vec<Option<String>> = self.query(redis::cmd("MGET").arg(keys)).await?;
        // An unreadable summary counts as missing.
        Ok(texts.into_iter().map(|text| serde_json::from_str(&text?).ok()).collect())
    }

    pub async fn put_summary(&self, summary: &Summary) -> Result<(), StoreError> {
        let json = serde_json::to_string(summary).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        self.put(&format!("summary:{}", summary.uid), &json, SUMMARY_TTL_S).await
    }

    /// The summaries of these tables, in their order; `None` where a table has not spoken lately.
    pub async fn summaries(&self, uids: &[String]) -> Result<Vec<Option<Summary>>, StoreError> {
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = uids.iter().take(SUMMARIES_MAX).map(|uid| format!("summary:{uid}")).collect();
        let found: Vec<Option<String>> = self.query(redis::cmd("MGET").arg(&keys)).await?;
        Ok(found.into_iter().map(|json| serde_json::from_str(&json?).ok()).collect())
    }
}
