//! The store on a Redis Sentinel group.

use crate::{
    link::Link,
    types::{Base, Commit, LogBatch, OutboxEntry, Recovered, Store, StoreError},
};
use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, RedisError, ServerErrorKind, Value, aio::MultiplexedConnection};
use std::collections::HashMap;
use tokio::sync::Mutex;

const COMMIT: &str = include_str!("commit.lua");
const TAKE_OVER: &str = include_str!("take_over.lua");
/// Most commits whose logs are kept for players who reconnect.
const LOG_MAX: u64 = 512;
/// Maximum number of hand records that wait for the records program, over all tables of the group.
const HANDS_MAX: u64 = 200_000;
/// How long a write waits for replicas, in milliseconds.
const WAIT_MS: u64 = 1_500;

/// The command's name, a script's hash and the number of keys.
const EVALSHA_BYTES: usize = 64;

/// One table's connection to Redis, which is dedicated because WAIT covers the writes of one connection.
pub struct RedisStore {
    link: Link,
    /// Replicas that must acknowledge; 0 only where the group may lose data.
    replicas: u64,
    connection: Mutex<Option<Prepared>>,
}

struct Prepared {
    connection: MultiplexedConnection,
    /// The master's replication id, which changes when another node is promoted or the master restarts.
    lineage: String,
    commit: String,
    take_over: String,
    /// Id of the base that the store has, as far as this connection has written it.
    base: Option<[u8; Base::ID_BYTES]>,
}

impl RedisStore {
    pub fn new(link: Link, replicas: u64) -> Self {
        Self { link, replicas, connection: Mutex::new(None) }
    }

    /// Connects to the master and loads the scripts ahead of the first call. Writes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while no master answers.
    pub async fn warm(&self) -> Result<(), StoreError> {
        let mut held = self.connection.lock().await;
        if held.is_none() {
            *held = Some(self.prepare().await?);
        }
        Ok(())
    }

    /// Runs a script and waits for replicas, in one round trip. The connection is dropped after any
    /// error, so that the next call asks the Sentinels again.
    async fn run(
        &self,
        which: Script,
        keys: &[String],
        args: &[Arg],
    ) -> Result<(Vec<Value>, String), StoreError> {
        let mut held = self.connection.lock().await;
        let mut prepared = match held.take() {
            Some(prepared) => prepared,
            None => self.prepare().await?,
        };
        let sha = match which {
            Script::Commit => &prepared.commit,
            Script::TakeOver => &prepared.take_over,
        };
        let args_of_call = || {
            args.iter().map(|arg| match arg {
                Arg::Bytes(bytes) => bytes.as_ref(),
                Arg::Lineage => prepared.lineage.as_bytes(),
                Arg::NewBase(base) if prepared.base.as_ref() == Some(base.id()) => b"".as_slice(),
                Arg::NewBase(base) => base.sealed().as_ref(),
            })
        };
        let keys_bytes: usize = keys.iter().map(String::len).sum();
        let bytes = EVALSHA_BYTES + keys_bytes + args_of_call().map(<[u8]>::len).sum::<usize>();
        // Room is made once, not again with every few arguments.
        let mut call = Cmd::with_capacity(3 + keys.len() + args.len(), bytes);
        call.arg("EVALSHA").arg(sha).arg(keys.len()).arg(keys);
        for arg in args_of_call() {
            call.arg(arg);
        }
        let mut pipe = redis::Pipeline::with_capacity(2);
        pipe.add_command(call).cmd("WAIT").arg(self.replicas).arg(WAIT_MS);
        let answer: Result<(Value, u64), RedisError> = pipe.query_async(&mut prepared.connection).await;
        let (reply, acknowledged) = answer.map_err(|error| classify(&error))?;
        let Value::Array(reply) = reply else {
            return Err(StoreError::Corrupt("a script answered with something else than a list".into()));
        };
        let tag = text(reply.first());
        // If the store confirms the base, later commits leave it out.
        prepared.base = args.iter().find_map(Arg::base).filter(|_| tag == "ok").map(|base| *base.id());
        let lineage = prepared.lineage.clone();
        *held = Some(prepared);
        if tag == "fenced" {
            return Err(StoreError::Fenced { highest: number(reply.get(1)) });
        }
        if tag == "ok" && acknowledged < self.replicas {
            return Err(StoreError::ShortOfReplicas { acknowledged, wanted: self.replicas });
        }
        Ok((reply, lineage))
    }

    async fn prepare(&self) -> Result<Prepared, StoreError> {
        let mut connection = self.link.connect().await?;
        let mut load = async |script: &str| {
            let sha: Result<String, RedisError> =
                redis::cmd("SCRIPT").arg("LOAD").arg(script).query_async(&mut connection).await;
            sha.map_err(|error| StoreError::Unavailable(error.to_string()))
        };
        let (commit, take_over) = (load(COMMIT).await?, load(TAKE_OVER).await?);
        let info: Result<String, RedisError> =
            redis::cmd("INFO").arg("replication").query_async(&mut connection).await;
        let info = info.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let lineage = info.lines().find_map(|line| line.strip_prefix("master_replid:"));
        let lineage =
            lineage.ok_or_else(|| StoreError::Unavailable("no replication id".into()))?.trim().to_owned();
        Ok(Prepared { connection, lineage, commit, take_over, base: None })
    }
}

/// An argument of a script.
enum Arg {
    Bytes(Bytes),
    /// The lineage of the connection that the script goes over.
    Lineage,
    /// A base, unless the store has it.
    NewBase(Base),
}

impl Arg {
    const fn base(&self) -> Option<&Base> {
        match self {
            Self::NewBase(base) => Some(base),
            Self::Bytes(_) | Self::Lineage => None,
        }
    }
}

impl From<Bytes> for Arg {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

enum Script {
    Commit,
    TakeOver,
}

fn classify(error: &RedisError) -> StoreError {
    let nothing_written = matches!(
        error.kind(),
        redis::ErrorKind::Server(
            ServerErrorKind::ReadOnly
                | ServerErrorKind::NoScript
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
        )
    ) || error.code() == Some("NOREPLICAS");
    if nothing_written {
        StoreError::Unavailable(error.to_string())
    } else {
        StoreError::Unknown(error.to_string())
    }
}

pub(crate) fn keys(table: &str) -> [String; 3] {
    ["head", "log", "outbox"].map(|part| format!("t:{{{table}}}:{part}"))
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::BulkString(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(Value::SimpleString(text)) => text.clone(),
        _ => String::new(),
    }
}

fn number(value: Option<&Value>) -> u64 {
    match value {
        Some(Value::Int(number)) => u64::try_from(*number).unwrap_or(0),
        other => text(other).parse().unwrap_or(0),
    }
}

fn bytes(value: Option<&Value>) -> Bytes {
    match value {
        Some(Value::BulkString(bytes)) => Bytes::from(bytes.clone()),
        _ => Bytes::new(),
    }
}

fn decimal(number: u64) -> Bytes {
    Bytes::from(number.to_string())
}

#[async_trait]
impl Store for RedisStore {
    async fn take_over(&self, table: &str, epoch: u64) -> Result<Recovered, StoreError> {
        let (reply, lineage) = self.run(Script::TakeOver, &keys(table), &[decimal(epoch).into()]).await?;
        let corrupt = |error: RedisError| StoreError::Corrupt(error.to_string());
        let take = |at: usize| reply.get(at).cloned().unwrap_or(Value::Nil);
        let log: redis::streams::StreamRangeReply =
            redis::from_redis_value(take(4)).map_err(|e| corrupt(e.into()))?;
        let outbox: HashMap<u64, Vec<u8>> =
            redis::from_redis_value(take(5)).map_err(|e| corrupt(e.into()))?;
        let mut outbox: Vec<OutboxEntry> =
            outbox.into_iter().map(|(seq, payload)| OutboxEntry { seq, payload: payload.into() }).collect();
        outbox.sort_unstable_by_key(|entry| entry.seq);
        let batch = |id: redis::streams::StreamId| LogBatch {
            commit: id.id.split('-').next().and_then(|text| text.parse().ok()).unwrap_or(0),
            epoch: number(id.map.get("e")),
            sealed: bytes(id.map.get("b")),
        };
        let snapshot = bytes(reply.get(3));
        let written_to = text(reply.get(6));
        Ok(Recovered {
            commit: number(reply.get(1)),
            // If no commit of the table names its replication id, nothing is known about the store's history.
            moved: !snapshot.is_empty() && written_to != lineage,
            epoch: number(reply.get(2)),
            snapshot: (!snapshot.is_empty()).then_some(snapshot),
            base: Some(bytes(reply.get(7))).filter(|base| !base.is_empty()),
            log: log.ids.into_iter().map(batch).collect(),
            outbox,
        })
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let [head, log, outbox] = keys(&commit.table);
        let hand = commit.hand.as_ref();
        let args = [
            decimal(commit.epoch),
            decimal(commit.number),
            commit.snapshot.clone(),
            commit.log.clone(),
            decimal(commit.outbox_done),
            decimal(LOG_MAX),
            decimal(HANDS_MAX),
            hand.map(|hand| decimal(hand.hand)).unwrap_or_default(),
            hand.map(|hand| Bytes::from(hand.hash.clone())).unwrap_or_default(),
            hand.map(|hand| hand.record.clone()).unwrap_or_default(),
            Bytes::from(commit.table.clone()),
            decimal(commit.follows),
            decimal(commit.replaces.into()),
        ];
        let base = commit.base.as_ref();
        let id = base.map(|base| Bytes::copy_from_slice(base.id())).unwrap_or_default();
        let new = base.map_or(Arg::Bytes(Bytes::new()), |base| Arg::NewBase(base.clone()));
        let mut args: Vec<Arg> =
            args.into_iter().map(Arg::Bytes).chain([Arg::Lineage, id.into(), new]).collect();
        for entry in &commit.outbox {
            args.extend([decimal(entry.seq).into(), entry.payload.clone().into()]);
        }
        let keys = [head, log, outbox, crate::hands::STREAM.into()];
        let (mut reply, _) = self.run(Script::Commit, &keys, &args).await?;
        if text(reply.first()) == "base" {
            // Another process wrote in between, so the base is sent along this time.
            (reply, _) = self.run(Script::Commit, &keys, &args).await?;
        }
        match text(reply.first()).as_str() {
            "ok" => Ok(()),
            "conflict" => Err(StoreError::Conflict {
                at: number(reply.get(1)),
                written: number(reply.get(2)),
                offered: commit.number,
            }),
            other => Err(StoreError::Corrupt(format!("the commit script answered '{other}'"))),
        }
    }
}
