//! The books kept in memory: the signer's money rules for tests, simulations and play money, without chain or database.

use crate::{
    books::{Books, Change, TableBooks},
    check::Fault,
    entry::State,
    events::{VaultEvent, VaultLog},
    ledger::LedgerError,
    policy::{Limits, Terms},
    request::{self, Hour, RequestError, VoucherRequest},
    take::{take, take_in},
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{
    Balance, Entry, EntryBody, Fenced, Notice, OpenTable, Reserve, SeatedBalance, Submit, TableStatus,
};
use std::collections::BTreeMap;

/// A journal whose chain takes everything at once when [`MemoryJournal::settle`] is called.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    books: Books,
    /// By table; a notice's id is its position in the list, counted from 1.
    notices: BTreeMap<String, Vec<Notice>>,
    /// Transactions of the vault so far; each is a block.
    transactions: u64,
    fault: Fault,
    /// Transfers that would have overdrawn an account: only a [`Fault`] makes any.
    pub overdrawn: Vec<LedgerError>,
}

/// Returns the vault's event for an entry that it carries out.
pub fn carried_out(table: [u8; 32], entry: &Entry) -> VaultEvent {
    let seq = entry.seq;
    match &entry.body {
        EntryBody::Sit { seat, player, permit } => VaultEvent::Seated {
            table,
            player: *player,
            seq,
            seat: seat.0,
            amount: permit.amount,
            nonce: permit.nonce,
        },
        EntryBody::TopUp { seat, player, permit } => VaultEvent::ToppedUp {
            table,
            player: *player,
            seq,
            seat: seat.0,
            amount: permit.amount,
            nonce: permit.nonce,
        },
        EntryBody::Hand { rake, .. } => {
            VaultEvent::HandsSettled { table, first: seq, last: seq, rake: *rake }
        }
        EntryBody::Leave { seat, player, stack } => {
            VaultEvent::Left { table, player: *player, seq, seat: seat.0, stack: *stack }
        }
    }
}

impl MemoryJournal {
    pub fn with_fault(fault: Fault) -> Self {
        Self { fault, ..Self::default() }
    }

    pub fn books(&self) -> &Books {
        &self.books
    }

    fn table(&self, uid: &str) -> Result<&TableBooks, RequestError> {
        self.books.tables.get(uid).ok_or_else(|| RequestError::UnknownTable(uid.into()))
    }

    fn carry_out(&mut self, changes: Vec<Change>) {
        for change in self.fault.spoil(changes) {
            if let Err(error) = self.books.apply(&change) {
                self.overdrawn.push(error);
            }
            self.tell(&change);
        }
    }

    fn tell(&mut self, change: &Change) {
        let mut push = |uid: &str, (seq_from, seq_to), state, tx: &[u8; 32]| {
            let list = self.notices.entry(uid.to_owned()).or_default();
            let (id, tx_hash) = (list.len() as u64 + 1, format!("0x{}", hex::encode(tx)));
            list.push(Notice { id, seq_from, seq_to, state, tx_hash });
        };
        match change {
            Change::Notice { uid, range, state, tx } => push(uid, *range, *state, tx),
            Change::PlayerNotice { player, state, tx } => {
                for (uid, table) in self.books.tables.iter().filter(|(uid, _)| self.books.is_at(uid, *player))
                {
                    push(uid, (table.head_seq, table.head_seq), *state, tx);
                }
            }
            _ => {}
        }
    }

    /// Applies the events that the vault emitted in one transaction.
    pub fn take(&mut self, events: Vec<VaultEvent>) -> Vec<Change> {
        self.transactions += 1;
        let (block, mut tx) = (self.transactions, [0; 32]);
        tx[24..].copy_from_slice(&block.to_be_bytes());
        let logs: Vec<VaultLog> =
            (0..).zip(events).map(|(index, event)| VaultLog { block, tx, index, event }).collect();
        if self.fault == Fault::None {
            let changes = take_in(&mut self.books, &logs);
            changes.iter().for_each(|change| self.tell(change));
            return changes;
        }
        let changes = take(&self.books, &logs);
        self.carry_out(changes.clone());
        changes
    }

    /// Makes a table known and opens it on the chain; the same again only raises the epoch.
    ///
    /// # Errors
    /// [`RequestError::Fenced`]; a rule that the terms break.
    pub fn open(&mut self, uid: &str, id: [u8; 32], open: &OpenTable) -> Result<TableStatus, RequestError> {
        let terms = Terms::from(open);
        terms.check()?;
        match self.books.tables.get(uid) {
            Some(table) => {
                let raised = request::raise(uid, table.epoch, open.epoch)?;
                self.carry_out(raised.into_iter().collect());
            }
            None => {
                self.books.tables.insert(uid.into(), TableBooks::new(id, terms, open.epoch));
                self.take(vec![VaultEvent::TableOpened { table: id }]);
            }
        }
        self.status(uid)
    }

    /// # Errors
    /// [`RequestError::UnknownTable`].
    pub fn status(&self, uid: &str) -> Result<TableStatus, RequestError> {
        let table = self.table(uid)?;
        Ok(TableStatus {
            table_id: format!("0x{}", hex::encode(table.id)),
            state: table.state,
            head_seq: table.head_seq,
            confirmed_seq: table.confirmed_seq,
            exit_delay_s: 0,
            exit_sequences: 0,
            permit_version: 2,
        })
    }

    /// Closes a table to every lower epoch.
    ///
    /// # Errors
    /// [`RequestError::Fenced`].
    pub fn fence(&mut self, uid: &str, epoch: u64) -> Result<Fenced, RequestError> {
        let raised = request::raise(uid, self.table(uid)?.epoch, epoch)?;
        self.carry_out(raised.into_iter().collect());
        let table = self.table(uid)?;
        let (head_seq, head_next) = (table.head_seq, table.head_next.clone());
        Ok(Fenced { epoch, head_seq, head_next, unsettled_s: 0 })
    }

    /// Adds to a player's free balance.
    pub fn deposit(&mut self, player: PlayerId, amount: u64) {
        self.take(vec![VaultEvent::Deposited { player, amount }]);
    }

    /// # Errors
    /// See [`request::reserve`].
    pub fn reserve(&mut self, uid: &str, ask: &Reserve, now_s: u64) -> Result<(), RequestError> {
        let changes = request::reserve(&self.books, uid, ask, now_s)?;
        self.carry_out(changes);
        Ok(())
    }

    /// # Errors
    /// See [`request::accept`].
    pub fn submit(&mut self, uid: &str, submit: &Submit) -> Result<u64, RequestError> {
        let limits = Limits { refuse_unbacked: true, ..Limits::default() };
        let accepted = request::accept(&self.books, uid, submit, &limits, Hour::default())?;
        self.carry_out(accepted.changes);
        Ok(accepted.head)
    }

    /// # Errors
    /// See [`request::voucher`].
    pub fn voucher(&mut self, ask: &VoucherRequest) -> Result<(), RequestError> {
        let (_, changes) = request::voucher(&self.books, ask)?;
        self.carry_out(changes);
        Ok(())
    }

    /// # Errors
    /// See [`request::expire`].
    pub fn expire(&mut self, final_time_s: u64) -> Result<(), RequestError> {
        let changes = request::expire(&self.books, final_time_s)?;
        self.carry_out(changes);
        Ok(())
    }

    /// The chain carries out every accepted entry of a table, at final depth. Gives how many.
    pub fn settle(&mut self, uid: &str) -> usize {
        let Some(table) = self.books.tables.get(uid) else { return 0 };
        let waiting = table.entries.range(table.confirmed_seq + 1..);
        let events: Vec<VaultEvent> = waiting
            .filter(|(_, booked)| booked.state == State::Requested)
            .filter_map(|(_, booked)| Some(carried_out(table.id, booked.entry.as_ref()?)))
            .collect();
        let count = events.len();
        self.take(events);
        count
    }

    /// Accepted entries after a number.
    pub fn entries_after(&self, uid: &str, after: u64) -> Vec<Entry> {
        let Some(table) = self.books.tables.get(uid) else { return Vec::new() };
        let later = table.entries.range(after.saturating_add(1)..);
        later.filter_map(|(_, booked)| booked.entry.clone()).collect()
    }

    /// Notices with a higher id.
    pub fn notices_after(&self, uid: &str, after: u64) -> Vec<Notice> {
        let list = self.notices.get(uid).map(Vec::as_slice).unwrap_or_default();
        let known = usize::try_from(after).unwrap_or(usize::MAX);
        list.get(known..).unwrap_or_default().to_vec()
    }

    /// A player's money, at final depth.
    pub fn balance(&self, player: PlayerId) -> Balance {
        let mut seated = Vec::new();
        for (uid, table) in &self.books.tables {
            for (seat, _) in table.owners.iter().filter(|(_, owner)| owner.player == player) {
                seated.push(SeatedBalance { table: uid.clone(), stack: self.books.stack(uid, *seat) });
            }
        }
        Balance { free: self.books.free(player), reserved: self.books.reserved(player), seated }
    }
}
