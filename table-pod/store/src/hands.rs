//! The stream of finished hands, as the records program reads it.

use crate::{link::Link, types::StoreError};
use bytes::Bytes;
use redis::{RedisError, aio::MultiplexedConnection, streams::StreamReadReply};
use std::time::Duration;

pub(crate) const STREAM: &str = "hands";
const GROUP: &str = "records";
/// Hands read at once.
const BATCH: u64 = 64;
/// How long a read waits for new hands, in milliseconds.
const BLOCK_MS: u64 = 2_000;

/// A hand on its way to the records. It stays in the stream until it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHand {
    pub id: String,
    pub table: String,
    pub hand: u64,
    pub hash: String,
    pub record: Bytes,
}

/// One member of the records' consumer group.
pub struct HandReader {
    link: Link,
    consumer: String,
    connection: Option<MultiplexedConnection>,
    /// Whether all entries that this consumer received earlier and has not acknowledged have been read again; they come
    /// first.
    caught_up: bool,
}

impl HandReader {
    pub fn new(link: Link, consumer: &str) -> Self {
        Self { link, consumer: consumer.to_owned(), connection: None, caught_up: false }
    }

    /// The next hands; empty when none came for two seconds.
    pub async fn read(&mut self) -> Result<Vec<StoredHand>, StoreError> {
        let mut connection = self.connect().await?;
        let from = if self.caught_up { ">" } else { "0" };
        let reply: Result<Option<StreamReadReply>, RedisError> = redis::cmd("XREADGROUP")
            .arg(&["GROUP", GROUP, &self.consumer])
            .arg("COUNT")
            .arg(BATCH)
            .arg("BLOCK")
            .arg(BLOCK_MS)
            .arg(&["STREAMS", STREAM, from])
            .query_async(&mut connection)
            .await;
        let reply = reply.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let ids = reply.map(|reply| reply.keys).unwrap_or_default().into_iter().flat_map(|key| key.ids);
        let hands: Vec<StoredHand> = ids
            .map(|id| {
                let text = |name: &str| id.get::<String>(name).unwrap_or_default();
                StoredHand {
                    table: text("table"),
                    hand: text("hand").parse().unwrap_or(0),
                    hash: text("hash"),
                    record: id.get::<Vec<u8>>("record").unwrap_or_default().into(),
                    id: id.id,
                }
            })
            .collect();
        self.caught_up |= hands.is_empty();
        self.connection = Some(connection);
        Ok(hands)
    }

    /// Removes hands from the stream that are stored elsewhere now.
    pub async fn acknowledge(&mut self, ids: &[String]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut connection = self.connect().await?;
        let mut pipe = redis::pipe();
        pipe.cmd("XACK").arg(STREAM).arg(GROUP).arg(ids).ignore();
        pipe.cmd("XDEL").arg(STREAM).arg(ids).ignore();
        let done: Result<(), RedisError> = pipe.query_async(&mut connection).await;
        done.map_err(|error| StoreError::Unknown(error.to_string()))?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Takes over entries that another consumer received and has not acknowledged for this long: its pod may be gone
    /// for good. The next reads return them.
    pub async fn claim_abandoned(&mut self, idle: Duration) -> Result<usize, StoreError> {
        let mut connection = self.connect().await?;
        let claimed: Result<(String, Vec<String>, Vec<String>), RedisError> = redis::cmd("XAUTOCLAIM")
            .arg(&[STREAM, GROUP, &self.consumer])
            .arg(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX))
            .arg("0-0")
            .arg("COUNT")
            .arg(BATCH)
            .arg("JUSTID")
            .query_async(&mut connection)
            .await;
        let (_, claimed, _) = claimed.map_err(|error| StoreError::Unknown(error.to_string()))?;
        self.connection = Some(connection);
        self.caught_up &= claimed.is_empty();
        Ok(claimed.len())
    }

    /// Hands that nobody has acknowledged yet.
    pub async fn waiting(&mut self) -> Result<u64, StoreError> {
        let mut connection = self.connect().await?;
        let length: Result<u64, RedisError> =
            redis::cmd("XLEN").arg(STREAM).query_async(&mut connection).await;
        let length = length.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.connection = Some(connection);
        Ok(length)
    }

    async fn connect(&mut self) -> Result<MultiplexedConnection, StoreError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let mut connection = self.link.connect().await?;
        self.caught_up = false;
        let made: Result<(), RedisError> = redis::cmd("XGROUP")
            .arg(&["CREATE", STREAM, GROUP, "0", "MKSTREAM"])
            .query_async(&mut connection)
            .await;
        match made {
            Ok(()) => Ok(connection),
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(connection),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }
}
