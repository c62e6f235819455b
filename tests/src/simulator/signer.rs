//! The signer: takes a number once, for one payload, from the highest epoch; and is away at times.

use super::{Bug, Dice, Recorder, TABLE};
use crate::checker::{Purse, Record};
use async_trait::async_trait;
use purr_protocol::settlement::{
    Entry, EntryBody, Fenced, Notice, NoticeState, OpenTable, Reserve, TableState, TableStatus,
};
use purr_table::signer::{Signer, SignerError};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::sleep;

/// What everybody has to begin with.
pub const GRANT: u64 = 5_000;

#[derive(Default)]
struct Books {
    epoch: u64,
    entries: Vec<Entry>,
    confirmed: usize,
    /// Reserved and not yet seated, by player and nonce.
    reserved: BTreeMap<(String, u64), u64>,
    free: BTreeMap<String, u64>,
    granted: u64,
}

pub struct Journal {
    books: Mutex<Books>,
    dice: Mutex<Dice>,
    lossy: Mutex<u64>,
    bug: Bug,
    recorder: Recorder,
}

impl Journal {
    pub fn new(seed: u64, lossy: u64, bug: Bug, recorder: Recorder) -> Arc<Self> {
        let (dice, lossy) = (Mutex::new(Dice::new(seed)), Mutex::new(lossy));
        Arc::new(Self { books: Mutex::default(), dice, lossy, bug, recorder })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn calm(&self) {
        *self.lossy.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }

    /// Everything it has, as records.
    pub fn record(&self) {
        let books = self.books();
        for entry in &books.entries {
            self.recorder.push(Record::Settled { table: TABLE.into(), entry: entry.clone() });
        }
        let held = books.free.values().chain(books.reserved.values()).sum();
        self.recorder.push(Record::Purse(Purse { granted: books.granted, held }));
    }

    /// Whether the request is lost, and whether the answer is.
    fn fate(&self) -> (bool, bool) {
        let lossy = *self.lossy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lost = || lossy > 0 && dice.one_in(lossy);
        (lost(), lost())
    }

    async fn ask<T>(
        &self,
        call: impl FnOnce(&mut Books) -> Result<T, SignerError> + Send,
    ) -> Result<T, SignerError>
    where
        T: Send,
    {
        let (request, answer) = self.fate();
        sleep(Duration::from_millis(3)).await;
        let away = || SignerError::Unavailable("timed out".into());
        if request {
            return Err(away());
        }
        let result = call(&mut self.books());
        if answer { Err(away()) } else { result }
    }
}

impl Books {
    fn fenced(&mut self, epoch: u64) -> Result<(), SignerError> {
        if epoch < self.epoch {
            return Err(SignerError::Fenced);
        }
        self.epoch = epoch;
        Ok(())
    }

    fn free(&mut self, player: &str) -> &mut u64 {
        if !self.free.contains_key(player) {
            self.granted += GRANT;
        }
        self.free.entry(player.to_owned()).or_insert(GRANT)
    }

    fn book(&mut self, entry: &Entry) {
        match &entry.body {
            EntryBody::Sit { player, permit, .. } | EntryBody::TopUp { player, permit, .. } => {
                self.reserved.remove(&(player.to_string(), permit.nonce));
            }
            EntryBody::Leave { player, stack, .. } => *self.free(&player.to_string()) += stack,
            EntryBody::Hand { .. } => {}
        }
        self.entries.push(entry.clone());
    }

    fn submit(&mut self, entries: &[Entry], recorder: &Recorder) -> Result<u64, SignerError> {
        for entry in entries {
            let next = self.entries.len() as u64 + 1;
            let known = usize::try_from(entry.seq).ok().and_then(|seq| self.entries.get(seq.checked_sub(1)?));
            match known {
                Some(known) if known == entry => {}
                Some(_) => {
                    recorder.push(Record::Refused { table: TABLE.into(), seq: entry.seq });
                    return Err(SignerError::Refused(format!("{} has another payload", entry.seq)));
                }
                None if entry.seq == next => self.book(entry),
                None => return Err(SignerError::Refused(format!("{} does not follow", entry.seq))),
            }
        }
        Ok(self.entries.len() as u64)
    }
}

#[async_trait]
impl Signer for Journal {
    async fn open(&self, table: &OpenTable) -> Result<TableStatus, SignerError> {
        self.ask(|books| {
            books.fenced(table.epoch)?;
            let table_id = format!("0x{}", "0".repeat(64));
            let head_seq = books.entries.len() as u64;
            let confirmed_seq = books.confirmed as u64;
            let state = TableState::Open;
            Ok(TableStatus { table_id, state, head_seq, confirmed_seq, exit_delay_s: 0, permit_version: 2 })
        })
        .await
    }

    async fn fence(&self, epoch: u64) -> Result<Fenced, SignerError> {
        self.ask(|books| {
            books.fenced(epoch)?;
            let head_next = books.entries.iter().rev().find_map(|entry| match &entry.body {
                EntryBody::Hand { next, .. } => Some(next.clone()),
                _ => None,
            });
            Ok(Fenced { epoch, head_seq: books.entries.len() as u64, head_next, unsettled_s: 0 })
        })
        .await
    }

    async fn reserve(&self, request: &Reserve) -> Result<(), SignerError> {
        self.ask(|books| {
            books.fenced(request.epoch)?;
            let (player, amount) = (request.player.to_string(), request.permit.amount);
            let key = (player.clone(), request.permit.nonce);
            if books.reserved.contains_key(&key) {
                return Ok(());
            }
            let free = books.free(&player);
            *free = free.checked_sub(amount).ok_or_else(|| SignerError::Refused("no funds".into()))?;
            books.reserved.insert(key, amount);
            Ok(())
        })
        .await
    }

    async fn submit(&self, epoch: u64, entries: &[Entry]) -> Result<u64, SignerError> {
        let taken = self
            .ask(|books| {
                books.fenced(epoch)?;
                books.submit(entries, &self.recorder)
            })
            .await;
        if self.bug == Bug::RenumberOutbox && matches!(taken, Err(SignerError::Unavailable(_))) {
            let again: Vec<Entry> =
                entries.iter().map(|entry| Entry { seq: entry.seq + 1, body: entry.body.clone() }).collect();
            return self.ask(|books| books.submit(&again, &self.recorder)).await;
        }
        taken
    }

    async fn entries(&self, after: u64) -> Result<Vec<Entry>, SignerError> {
        self.ask(|books| Ok(books.entries.iter().filter(|entry| entry.seq > after).cloned().collect())).await
    }

    async fn notices(&self, after: u64) -> Result<Vec<Notice>, SignerError> {
        // A long poll: the chain takes a while, then it has all that was in the journal.
        sleep(Duration::from_millis(200)).await;
        self.ask(|books| {
            books.confirmed = books.entries.len();
            let news = books.entries.iter().filter(|entry| entry.seq > after);
            let notice = |entry: &Entry| Notice {
                id: entry.seq,
                seq_from: entry.seq,
                seq_to: entry.seq,
                state: NoticeState::Confirmed,
                tx_hash: String::new(),
            };
            Ok(news.map(notice).collect())
        })
        .await
    }
}
