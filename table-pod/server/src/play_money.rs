//! A signer that settles nothing: the real money rules over books in memory, whose chain takes everything at once. For a
//! table without a cluster and for tests. Its chips are play money.

use crate::signer::{Signer, SignerError};
use async_trait::async_trait;
use purr_books::{memory::MemoryJournal, policy::PERMIT_LIFE_MIN_S, request::RequestError};
use purr_engine::PlayerId;
use purr_protocol::settlement::{Entry, Fenced, Notice, OpenTable, Reserve, Submit, TableStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// UID of the only table.
pub const UID: &str = "play";

/// The chips to give a player before this amount is taken.
type Grant = fn(&MemoryJournal, PlayerId, u64) -> u64;

pub struct PlayMoney {
    journal: Mutex<MemoryJournal>,
    changed: Notify,
    table_id: [u8; 32],
    /// `None`: every permit is good for as long as it has to be.
    now_s: Option<fn() -> u64>,
    grant: Grant,
}

impl Default for PlayMoney {
    /// Unlimited play money, with permits that never expire.
    fn default() -> Self {
        Self {
            journal: Mutex::default(),
            changed: Notify::new(),
            table_id: [0; 32],
            now_s: None,
            grant: lacking,
        }
    }
}

/// How much more free balance the player needs.
pub fn lacking(journal: &MemoryJournal, player: PlayerId, amount: u64) -> u64 {
    amount.saturating_sub(journal.books().free(player))
}

impl From<RequestError> for SignerError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Fenced { .. } => Self::Fenced,
            error => Self::Refused(error.to_string()),
        }
    }
}

impl PlayMoney {
    /// `now_s`: seconds since 1970, for permits.
    pub fn new(table_id: [u8; 32], now_s: fn() -> u64, grant: Grant) -> Self {
        Self { journal: Mutex::default(), changed: Notify::new(), table_id, now_s: Some(now_s), grant }
    }

    pub fn journal(&self) -> MutexGuard<'_, MemoryJournal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every number of the sequence that was handed in.
    pub fn sequence(&self) -> Vec<u64> {
        self.journal().entries_after(UID, 0).iter().map(|entry| entry.seq).collect()
    }

    /// Gives a player chips by the grant's rules, and frees those of expired permits.
    pub fn provide(&self, player: PlayerId, amount: u64) -> MutexGuard<'_, MemoryJournal> {
        let mut journal = self.journal();
        if let Some(Err(error)) = self.now_s.map(|now_s| journal.expire(now_s())) {
            tracing::error!(%error, "expired permits");
        }
        let gift = (self.grant)(&journal, player, amount);
        if gift > 0 {
            journal.deposit(player, gift);
        }
        journal
    }
}

#[async_trait]
impl Signer for PlayMoney {
    async fn open(&self, table: &OpenTable) -> Result<TableStatus, SignerError> {
        Ok(self.journal().open(UID, self.table_id, table)?)
    }

    async fn fence(&self, epoch: u64) -> Result<Fenced, SignerError> {
        Ok(self.journal().fence(UID, epoch)?)
    }

    async fn reserve(&self, request: &Reserve) -> Result<(), SignerError> {
        let now_s = match self.now_s {
            Some(now_s) => now_s(),
            None => request.permit.expiry_s.saturating_sub(PERMIT_LIFE_MIN_S),
        };
        Ok(self.provide(request.player, request.permit.amount).reserve(UID, request, now_s)?)
    }

    async fn submit(&self, epoch: u64, entries: &[Entry]) -> Result<u64, SignerError> {
        let head = {
            let mut journal = self.journal();
            let head = journal.submit(UID, &Submit { epoch, entries: entries.to_vec() })?;
            journal.settle(UID);
            head
        };
        self.changed.notify_waiters();
        Ok(head)
    }

    async fn entries(&self, after: u64) -> Result<Vec<Entry>, SignerError> {
        Ok(self.journal().entries_after(UID, after))
    }

    async fn notices(&self, after: u64) -> Result<Vec<Notice>, SignerError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Enabled before reading, so that no change in between is missed.
            changed.as_mut().enable();
            let news = self.journal().notices_after(UID, after);
            if !news.is_empty() {
                return Ok(news);
            }
            changed.await;
        }
    }
}
