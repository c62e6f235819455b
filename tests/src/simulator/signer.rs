//! The signer: the real money rules over books in memory; and away at times.

use super::{Bug, Dice, Recorder, TABLE};
use crate::checker::{Ledger, Purse, Record};
use async_trait::async_trait;
use purr_books::{
    check::{Fault, flaws},
    events::VaultEvent,
    ledger::Account,
    memory::MemoryJournal,
    request::RequestError,
};
use purr_engine::{PlayerId, SeatIndex};
use purr_protocol::settlement::{Entry, Fenced, Notice, OpenTable, Permit, Reserve, Submit, TableStatus};
use purr_table::signer::{Signer, SignerError};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::sleep;

/// Each player's initial chips.
pub const GRANT: u64 = 5_000;
/// No contract has the table.
const TABLE_ID: [u8; 32] = [0; 32];

#[derive(Default)]
struct Books {
    journal: MemoryJournal,
    /// Players who got their chips.
    granted: BTreeSet<PlayerId>,
}

pub struct Journal {
    books: Mutex<Books>,
    dice: Mutex<Dice>,
    lossy: Mutex<u64>,
    bug: Bug,
    recorder: Recorder,
}

/// A fault of the books that is seeded.
fn fault(bug: Bug) -> Fault {
    match bug {
        Bug::PostTwice => Fault::PostTwice,
        Bug::FreeTwice => Fault::FreeTwice,
        Bug::ForgetSeat => Fault::ForgetSeat,
        _ => Fault::None,
    }
}

impl Journal {
    pub fn new(seed: u64, lossy: u64, bug: Bug, recorder: Recorder) -> Arc<Self> {
        let (dice, lossy) = (Mutex::new(Dice::new(seed)), Mutex::new(lossy));
        let books = Books { journal: MemoryJournal::with_fault(fault(bug)), ..Books::default() };
        Arc::new(Self { books: Mutex::new(books), dice, lossy, bug, recorder })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn calm(&self) {
        *self.lossy.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }

    /// Records all of its books. Before that, admins pass over the next number, and all permits expire, so that these
    /// rules are exercised as well.
    pub fn record(&self) {
        let mut books = self.books();
        let Books { journal, granted } = &mut *books;
        journal.settle(TABLE);
        for entry in journal.entries_after(TABLE, 0) {
            self.recorder.push(Record::Settled { table: TABLE.into(), entry });
        }
        if let Some((head, epoch)) =
            journal.books().tables.get(TABLE).map(|table| (table.head_seq, table.epoch))
        {
            let next = head + 1;
            journal.take(vec![VaultEvent::RangeVoided { table: TABLE_ID, first: next, last: next }]);
            // A player reserves a seat that nobody plays in, and never sits down.
            let player = PlayerId([9; 20]);
            granted.insert(player);
            journal.deposit(player, GRANT);
            let permit =
                Permit { amount: 500, max_total_rake: 0, expiry_s: 600, nonce: 1, signature: String::new() };
            let ask = Reserve { epoch, seat: SeatIndex(3), player, permit, top_up: false };
            if let Err(error) = journal.reserve(TABLE, &ask, 0) {
                tracing::error!(%error, "the last seat could not be reserved");
            }
        }
        let ended = journal.expire(u64::MAX).err().map(|error| error.to_string());
        let books = journal.books();
        let overdrawn = journal.overdrawn.iter().map(ToString::to_string);
        let flaws =
            flaws(books).into_iter().map(|flaw| flaw.to_string()).chain(overdrawn).chain(ended).collect();
        let held = granted.iter().map(|player| books.free(*player) + books.reserved(*player)).sum();
        let granted: Vec<String> = granted.iter().map(ToString::to_string).collect();
        self.recorder.push(Record::Purse(Purse { granted: GRANT * granted.len() as u64, held }));
        let of = |wanted: fn(&Account) -> Option<String>| {
            let accounts = books.ledger.balances().iter().filter(|(_, amount)| **amount != 0);
            accounts.filter_map(|(account, amount)| Some((wanted(account)?, amount.unsigned_abs()))).collect()
        };
        self.recorder.push(Record::Ledger(Ledger {
            table: TABLE.into(),
            grant: GRANT,
            granted,
            free: of(|account| match account {
                Account::Free(player) => Some(player.to_string()),
                _ => None,
            }),
            stacks: of(|account| match account {
                Account::Seat { seat, .. } => Some(seat.to_string()),
                _ => None,
            }),
            flaws,
        }));
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
        call: impl FnOnce(&mut Books) -> Result<T, RequestError> + Send,
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
        let result = call(&mut self.books()).map_err(SignerError::from);
        if answer { Err(away()) } else { result }
    }

    fn take(&self, books: &mut Books, epoch: u64, entries: &[Entry]) -> Result<u64, RequestError> {
        let taken = books.journal.submit(TABLE, &Submit { epoch, entries: entries.to_vec() });
        if let Err(RequestError::Conflict { seq, .. }) = &taken {
            self.recorder.push(Record::Refused { table: TABLE.into(), seq: *seq });
        }
        taken
    }
}

#[async_trait]
impl Signer for Journal {
    async fn open(&self, table: &OpenTable) -> Result<TableStatus, SignerError> {
        self.ask(|books| books.journal.open(TABLE, TABLE_ID, table)).await
    }

    async fn fence(&self, epoch: u64) -> Result<Fenced, SignerError> {
        self.ask(|books| books.journal.fence(TABLE, epoch)).await
    }

    async fn reserve(&self, request: &Reserve) -> Result<(), SignerError> {
        self.ask(|books| {
            if books.granted.insert(request.player) {
                books.journal.deposit(request.player, GRANT);
            }
            books.journal.reserve(TABLE, request, 0)
        })
        .await
    }

    async fn submit(&self, epoch: u64, entries: &[Entry]) -> Result<u64, SignerError> {
        let taken = self.ask(|books| self.take(books, epoch, entries)).await;
        if self.bug == Bug::RenumberOutbox && matches!(taken, Err(SignerError::Unavailable(_))) {
            let again: Vec<Entry> =
                entries.iter().map(|entry| Entry { seq: entry.seq + 1, body: entry.body.clone() }).collect();
            return self.ask(|books| self.take(books, epoch, &again)).await;
        }
        taken
    }

    async fn entries(&self, after: u64) -> Result<Vec<Entry>, SignerError> {
        self.ask(|books| Ok(books.journal.entries_after(TABLE, after))).await
    }

    async fn notices(&self, after: u64) -> Result<Vec<Notice>, SignerError> {
        // A long poll: the chain takes a while, then it has all that was in the journal.
        sleep(Duration::from_millis(200)).await;
        self.ask(|books| {
            books.journal.settle(TABLE);
            Ok(books.journal.notices_after(TABLE, after))
        })
        .await
    }
}
