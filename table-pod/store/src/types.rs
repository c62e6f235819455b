//! Commits, and the results of writing and reading them.

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;

/// Everything that one transition of a table changes, written at once or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Kubernetes UID of the PokerTable.
    pub table: String,
    pub epoch: u64,
    /// One more than the number of the previous commit.
    pub number: u64,
    /// The epoch that wrote the commit before; 0 where this is the first.
    pub follows: u64,
    /// Replaces commits of a lower epoch with this number and above.
    pub replaces: bool,
    /// Sealed ([`crate::Sealer`]).
    pub snapshot: Bytes,
    /// The base that the snapshot needs; `None`: the snapshot needs none. A store has either the snapshot with exactly
    /// this base, or neither.
    pub base: Option<Base>,
    /// The sealed log of what this commit shows; empty if it shows nothing.
    pub log: Bytes,
    pub hand: Option<HandEntry>,
    pub outbox: Vec<OutboxEntry>,
    /// Outbox entries up to this one have been accepted by the signer and may go.
    pub outbox_done: u64,
}

/// The part of a state that several commits share, sealed. A store writes it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    id: [u8; Self::ID_BYTES],
    sealed: Bytes,
}

impl Base {
    pub const ID_BYTES: usize = 32;

    pub fn new(sealed: Bytes) -> Self {
        let mut id = [0; Self::ID_BYTES];
        id.copy_from_slice(digest(&SHA256, &sealed).as_ref());
        Self { id, sealed }
    }

    /// SHA-256 of the sealed bytes.
    pub const fn id(&self) -> &[u8; Self::ID_BYTES] {
        &self.id
    }

    pub const fn sealed(&self) -> &Bytes {
        &self.sealed
    }
}

/// The record of a finished hand, for the stream `hands`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandEntry {
    pub hand: u64,
    /// SHA-256 of the record, hex.
    pub hash: String,
    pub record: Bytes,
}

/// An entry of the table's sequence that the signer has not accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    pub seq: u64,
    pub payload: Bytes,
}

/// The log of one commit, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogBatch {
    pub commit: u64,
    /// The epoch under which the log was written and sealed.
    pub epoch: u64,
    pub sealed: Bytes,
}

/// The stored table, as a take-over reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The last commit; 0: none.
    pub commit: u64,
    /// The epoch that wrote it.
    pub epoch: u64,
    /// The group's master differs from the one of this commit, or has restarted: later commits may have been lost.
    pub moved: bool,
    pub snapshot: Option<Bytes>,
    /// The base of the snapshot, if it needs one.
    pub base: Option<Bytes>,
    /// The newest commits' logs, oldest first.
    pub log: Vec<LogBatch>,
    pub outbox: Vec<OutboxEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process has taken the table over: stop for good.
    #[error("fenced: the store has seen epoch {highest}")]
    Fenced { highest: u64 },
    /// The store's last commit, and the epoch that wrote it, are others than this commit follows.
    #[error("the store is at commit {at} of epoch {written}, the commit offered is {offered}")]
    Conflict { at: u64, written: u64, offered: u64 },
    /// Written, but acknowledged by too few replicas. Send the same commit again.
    #[error("{acknowledged} replicas acknowledged, {wanted} are wanted")]
    ShortOfReplicas { acknowledged: u64, wanted: u64 },
    /// The commit may or may not have been written. Send the same commit again, never another one.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// Nothing was written: no master was reachable.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Nothing was written: the store is out of memory.
    #[error("the store has no room")]
    Full,
    /// The stored data is corrupt.
    #[error("the stored data is corrupt: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether sending the same commit again can succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::ShortOfReplicas { .. } | Self::Unknown(_) | Self::Unavailable(_))
    }
}

/// The end of a table's history in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The highest epoch that has taken the table over.
    pub epoch: u64,
    /// The last commit; 0: none.
    pub commit: u64,
    /// The epoch that wrote it.
    pub written: u64,
}

/// How a store treats a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// The commit is there already.
    Repeat,
    Next,
    /// Commits from its number on are removed first.
    Replace,
}

impl Head {
    /// The rule of `commit.lua`, for the stores that are no Redis.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] and [`StoreError::Conflict`].
    pub fn admit(&self, commit: &Commit) -> Result<Admitted, StoreError> {
        let Self { epoch, commit: at, written } = *self;
        if epoch > commit.epoch {
            return Err(StoreError::Fenced { highest: epoch });
        }
        if (at, written) == (commit.number, commit.epoch) {
            return Ok(Admitted::Repeat);
        }
        if (at + 1, written) == (commit.number, commit.follows) {
            return Ok(Admitted::Next);
        }
        if commit.replaces && written < commit.epoch && commit.number <= at + 1 {
            return Ok(Admitted::Replace);
        }
        Err(StoreError::Conflict { at, written, offered: commit.number })
    }
}

/// The store of a table's state.
#[async_trait]
pub trait Store: Send + Sync {
    /// Makes this epoch the table's writer and reads the whole state.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] where a higher epoch has written already. The same epoch may try again.
    async fn take_over(&self, table: &str, epoch: u64) -> Result<Recovered, StoreError>;

    /// Writes one commit. Repeating the last one is harmless and acknowledges it again.
    async fn commit(&self, commit: &Commit) -> Result<(), StoreError>;
}
