//! The table's way to the chain-signer.

use async_trait::async_trait;
use purr_protocol::settlement::{
    Accepted, Entries, Entry, EntryBody, Fence, Fenced, Notice, NoticeState, Notices, OpenTable, Reservation,
    Reserve, Submit, TableState, TableStatus,
};
use purr_runtime::{ClientError, Identity, InternalClient, Role};
use std::{sync::Mutex, time::Duration};
use tokio::sync::Notify;

#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// A higher epoch has spoken: stop acting.
    #[error("fenced by the signer")]
    Fenced,
    /// A rule of the signer's: asking again does not help.
    #[error("{0}")]
    Refused(String),
    /// Ask again later.
    #[error("the signer cannot be reached: {0}")]
    Unavailable(String),
}

/// What a table asks of the signer. Every call may be repeated.
#[async_trait]
pub trait Signer: Send + Sync {
    async fn open(&self, table: &OpenTable) -> Result<TableStatus, SignerError>;
    async fn fence(&self, epoch: u64) -> Result<Fenced, SignerError>;
    async fn reserve(&self, request: &Reserve) -> Result<(), SignerError>;
    async fn submit(&self, epoch: u64, entries: &[Entry]) -> Result<u64, SignerError>;
    /// What the journal has after this number, in order; not all of it where that is much.
    async fn entries(&self, after: u64) -> Result<Vec<Entry>, SignerError>;
    /// News after this id; waits some seconds for them.
    async fn notices(&self, after: u64) -> Result<Vec<Notice>, SignerError>;
}

/// The chain-signer over mutual TLS.
pub struct HttpSigner {
    client: InternalClient,
    base: String,
}

const WAIT: Duration = Duration::from_secs(10);
const POLL_MS: u64 = 15_000;

impl HttpSigner {
    pub fn new(identity: Identity, address: &str, uid: &str) -> Self {
        let client = InternalClient::new(identity, address, Role::ChainSigner);
        Self { client, base: format!("/v1/tables/{uid}") }
    }
}

impl From<ClientError> for SignerError {
    fn from(error: ClientError) -> Self {
        let Some(problem) = error.problem() else { return Self::Unavailable(error.to_string()) };
        match (problem.status, problem.code()) {
            (409, "fenced") => Self::Fenced,
            (400..=428 | 430..=499, _) => Self::Refused(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

#[async_trait]
impl Signer for HttpSigner {
    async fn open(&self, table: &OpenTable) -> Result<TableStatus, SignerError> {
        Ok(self.client.put(&self.base, table, WAIT).await?)
    }

    async fn fence(&self, epoch: u64) -> Result<Fenced, SignerError> {
        Ok(self.client.post(&format!("{}/fence", self.base), &Fence { epoch }, WAIT).await?)
    }

    async fn reserve(&self, request: &Reserve) -> Result<(), SignerError> {
        let path = format!("{}/reservations", self.base);
        let _: Reservation = self.client.post(&path, request, WAIT).await?;
        Ok(())
    }

    async fn submit(&self, epoch: u64, entries: &[Entry]) -> Result<u64, SignerError> {
        let path = format!("{}/entries", self.base);
        let submit = Submit { epoch, entries: entries.to_vec() };
        let accepted: Accepted = self.client.post(&path, &submit, WAIT).await?;
        Ok(accepted.accepted_through)
    }

    async fn entries(&self, after: u64) -> Result<Vec<Entry>, SignerError> {
        let entries: Entries = self.client.get(&format!("{}/entries?after={after}", self.base), WAIT).await?;
        Ok(entries.entries)
    }

    async fn notices(&self, after: u64) -> Result<Vec<Notice>, SignerError> {
        let path = format!("{}/events?after={after}&wait_ms={POLL_MS}", self.base);
        let wait = Duration::from_millis(POLL_MS) + WAIT;
        let notices: Notices = self.client.get(&path, wait).await?;
        Ok(notices.notices)
    }
}

/// A signer that confirms everything at once and settles nothing: for a table without a cluster and
/// for tests of the table itself. Its chips are play money.
#[derive(Default)]
pub struct PlayMoney {
    entries: Mutex<Vec<Entry>>,
    changed: Notify,
}

impl PlayMoney {
    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Every number of the sequence that was handed in.
    pub fn sequence(&self) -> Vec<u64> {
        self.list().iter().map(|entry| entry.seq).collect()
    }
}

#[async_trait]
impl Signer for PlayMoney {
    async fn open(&self, _: &OpenTable) -> Result<TableStatus, SignerError> {
        let table_id = format!("0x{}", "0".repeat(64));
        Ok(TableStatus {
            table_id,
            state: TableState::Open,
            head_seq: 0,
            confirmed_seq: 0,
            exit_delay_s: 0,
            permit_version: 2,
        })
    }

    async fn fence(&self, epoch: u64) -> Result<Fenced, SignerError> {
        let list = self.list();
        let head_next = list.iter().rev().find_map(|entry| match &entry.body {
            EntryBody::Hand { next, .. } => Some(next.clone()),
            _ => None,
        });
        Ok(Fenced { epoch, head_seq: list.last().map_or(0, |entry| entry.seq), head_next, unsettled_s: 0 })
    }

    async fn reserve(&self, _: &Reserve) -> Result<(), SignerError> {
        Ok(())
    }

    async fn submit(&self, _: u64, entries: &[Entry]) -> Result<u64, SignerError> {
        let mut list = self.list();
        for entry in entries {
            let next = list.last().map_or(1, |entry| entry.seq + 1);
            if entry.seq > next {
                return Err(SignerError::Refused(format!(
                    "entry {} does not follow {}",
                    entry.seq,
                    next - 1
                )));
            }
            if entry.seq == next {
                list.push(entry.clone());
            }
        }
        self.changed.notify_waiters();
        Ok(list.last().map_or(0, |entry| entry.seq))
    }

    async fn entries(&self, after: u64) -> Result<Vec<Entry>, SignerError> {
        Ok(self.list().iter().filter(|entry| entry.seq > after).cloned().collect())
    }

    async fn notices(&self, after: u64) -> Result<Vec<Notice>, SignerError> {
        let confirmed = |entry: &Entry| Notice {
            id: entry.seq,
            seq_from: entry.seq,
            seq_to: entry.seq,
            state: NoticeState::Confirmed,
            tx_hash: String::new(),
        };
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Enabled before the look, so that no change falls between the two.
            changed.as_mut().enable();
            let news: Vec<Notice> =
                self.list().iter().filter(|entry| entry.seq > after).map(confirmed).collect();
            if !news.is_empty() {
                return Ok(news);
            }
            changed.await;
        }
    }
}
