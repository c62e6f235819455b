//! The journal's hash chain carried out again from its first row: what every other row has to be.
//!
//! **Guarantees.** The same functions that decided ([`request`], [`take`](crate::take)) decide again, over books that
//! start empty; nothing is read from what they once stored. **Caveats.** It keeps the whole history in memory. What a
//! player's tables are told at once ([`Change::PlayerNotice`]) is kept by player, not by table.

use crate::{
    asked::TableNote,
    books::{Books, Change, Promise, PromiseTerms, TableBooks},
    entry::{BadState, Event, IllegalTransition, State, next},
    events::VaultLog,
    ledger::LedgerError,
    policy::{Limits, Terms},
    promise::{PromiseId, PromiseKind, PromiseState},
    request::{self, Hour, RequestError, VoucherRequest},
    take::take_in,
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{Entry, NoticeState, Permit, Submit};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Gas limit and fees of a version, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotedFees {
    pub gas: u64,
    pub max_fee: u64,
    pub priority_fee: u64,
}

/// A transaction that the policy passed, or what is left of one that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NotedTransaction {
    pub tx: i64,
    pub purpose: String,
    pub nonce: u64,
    pub ranges: Vec<(String, u64, u64)>,
    /// SHA-256 of the calldata.
    pub calldata: String,
    /// 40 hex digits each; none in rows of earlier releases.
    #[serde(default)]
    pub sender: Option<String>,
    #[serde(default)]
    pub destination: Option<String>,
    #[serde(default)]
    pub fees: Option<NotedFees>,
}

/// A row of the hash chain together with the row of another table that it names.
#[derive(Clone, Debug)]
pub enum Step {
    Table(TableNote, [u8; 32]),
    Opened {
        uid: String,
    },
    Fence {
        uid: String,
        epoch: u64,
    },
    Reserve {
        uid: String,
        player: PlayerId,
        seat: u8,
        top_up: bool,
        permit: Permit,
    },
    Entry {
        uid: String,
        entry: Box<Entry>,
    },
    Bound {
        uid: String,
        seq: u64,
        hash: [u8; 32],
    },
    Voucher(VoucherRequest),
    VoucherSigned {
        player: PlayerId,
        nonce: u64,
        signature: String,
    },
    Expired {
        time_s: u64,
    },
    Logs(Vec<VaultLog>),
    Checked(NotedTransaction),
    Filled(NotedTransaction),
    Replaced {
        tx: i64,
        attempt: u16,
        fees: Option<NotedFees>,
    },
    /// With the items that its calldata has: table, first and last number.
    Signed {
        tx: i64,
        attempt: u16,
        hash: [u8; 32],
        items: Vec<([u8; 32], u64, u64)>,
    },
    Broadcast {
        tx: i64,
        hash: String,
    },
    Mined {
        tx: i64,
        hash: String,
        block: u64,
        block_hash: String,
        reverted: bool,
    },
    Reorged {
        tx: i64,
    },
    Finished {
        tx: i64,
        reverted: bool,
    },
    /// A former key's transaction that no block can carry out.
    Abandoned {
        tx: i64,
    },
    Frozen {
        player: PlayerId,
        key: String,
    },
    Thawed {
        player: PlayerId,
        key: String,
    },
    Receipt {
        uid: String,
        seq: u64,
        signature: String,
    },
    Differing {
        subjects: Vec<String>,
    },
    Quarantined {
        subject: String,
    },
    Released {
        subject: String,
    },
    Denied(Act),
    Held(Act),
}

/// An act of the deny list or of the voucher holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    pub player: PlayerId,
    /// True: denies or holds; false: ends it.
    pub on: bool,
    pub by: String,
    pub reason: String,
    pub until_s: Option<u64>,
}

/// A transaction as its rows of the hash chain leave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub noted: NotedTransaction,
    pub state: State,
    /// By version.
    pub fees: BTreeMap<u16, Option<NotedFees>>,
    pub hashes: BTreeMap<u16, [u8; 32]>,
    /// Number and hash of its block, and its own hash there.
    pub mined: Option<(u64, String, String)>,
    pub reverted: bool,
}

/// A notice to a table about a range.
pub type Told = (String, (u64, u64), NoticeState, String);

#[derive(Clone, Debug, Default)]
pub struct Replay {
    pub books: Books,
    pub transactions: BTreeMap<i64, Made>,
    /// Which transaction carries an entry.
    pub carried: BTreeMap<(String, u64), i64>,
    /// Kind and amounts by account, by key.
    pub postings: BTreeMap<String, (&'static str, BTreeMap<String, i64>)>,
    pub house: BTreeMap<String, (PlayerId, u64, [u8; 32])>,
    pub told: Vec<Told>,
    pub told_players: BTreeSet<(PlayerId, String)>,
    pub differing: BTreeSet<String>,
    pub denials: Vec<Act>,
    pub holds: Vec<Act>,
    /// Signatures of receipts, in hex.
    pub receipts: BTreeMap<(String, u64), String>,
}

/// A row of the hash chain that cannot have come after those before it.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    #[error(transparent)]
    State(#[from] BadState),
    #[error("table {0} was made twice")]
    Twice(String),
    #[error("transaction {0} was never passed")]
    NoTransaction(i64),
    #[error("entry {seq} of table {uid} is not waiting")]
    NotWaiting { uid: String, seq: u64 },
    #[error("entry {seq} of table {uid} was not accepted")]
    NotAccepted { uid: String, seq: u64 },
}

fn hash_text(hash: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(hash))
}

/// The transaction that a log's key names.
fn transaction_of(key: &str) -> String {
    key.split(':').nth(1).unwrap_or_default().into()
}

impl Replay {
    /// Carries out one row.
    ///
    /// # Errors
    /// Where it cannot have come here: the hash chain was written anew.
    pub fn step(&mut self, step: Step) -> Result<(), ReplayError> {
        match step {
            Step::Table(note, id) => {
                let table = TableBooks::new(id, Terms::from(&note.terms), note.terms.epoch);
                if self.books.tables.insert(note.uid.clone(), table).is_some() {
                    return Err(ReplayError::Twice(note.uid));
                }
            }
            Step::Opened { uid } => self.all(&[Change::TableOpened { uid }])?,
            Step::Fence { uid, epoch } => self.all(&[Change::Epoch { uid, epoch }])?,
            Step::Reserve { uid, player, seat, top_up, permit } => {
                self.reserve(uid, player, seat, top_up, permit)?;
            }
            Step::Entry { uid, entry } => self.entry(&uid, *entry)?,
            Step::Bound { uid, seq, hash } => self.all(&[Change::Bound { uid, seq, hash }])?,
            Step::Voucher(ask) => {
                let key = format!("voucher:{}-{}", ask.player, ask.nonce);
                let post = request::set_aside(key, "voucher", ask.player, ask.amount)?;
                let id = PromiseId { kind: PromiseKind::Voucher, player: ask.player, nonce: ask.nonce };
                let promise = Promise {
                    amount: ask.amount,
                    state: PromiseState::Held,
                    until_s: ask.deadline_s,
                    terms: PromiseTerms::Voucher { signature: None },
                };
                self.all(&[Change::Post(post), Change::Promised { id, promise }])?;
            }
            Step::VoucherSigned { player, nonce, signature } => {
                let id = PromiseId { kind: PromiseKind::Voucher, player, nonce };
                if let Some(promise) = self.books.promises.get_mut(&id) {
                    promise.terms = PromiseTerms::Voucher { signature: Some(signature) };
                }
            }
            Step::Expired { time_s } => {
                let changes = request::expire(&self.books, time_s)?;
                self.all(&changes)?;
            }
            Step::Logs(logs) => {
                let changes = take_in(&mut self.books, &logs);
                self.note(&changes);
            }
            Step::Frozen { player, key } => {
                self.told_players.insert((player, transaction_of(&key)));
                self.all(&[Change::Frozen { player, key }])?;
            }
            Step::Thawed { player, key } => {
                self.told_players.insert((player, transaction_of(&key)));
                self.all(&[Change::Thawed { player, key }])?;
            }
            Step::Receipt { uid, seq, signature } => {
                // The latest signature counts: the token made each of them, whatever the row says.
                self.receipts.insert((uid, seq), signature);
            }
            Step::Differing { subjects } => self.differing = subjects.into_iter().collect(),
            Step::Quarantined { subject } => {
                self.differing.insert(subject);
            }
            Step::Released { subject } => {
                self.differing.remove(&subject);
            }
            Step::Denied(act) => self.denials.push(act),
            Step::Held(act) => self.holds.push(act),
            step => self.transaction(step)?,
        }
        Ok(())
    }

    fn reserve(
        &mut self,
        uid: String,
        player: PlayerId,
        seat: u8,
        top_up: bool,
        permit: Permit,
    ) -> Result<(), ReplayError> {
        let id = PromiseId { kind: PromiseKind::Permit, player, nonce: permit.nonce };
        let key = format!("reserve:{}", request::reservation_id(player, permit.nonce));
        let post = request::set_aside(key, "reserve", player, permit.amount)?;
        let promise = Promise {
            amount: permit.amount,
            state: PromiseState::Held,
            until_s: permit.expiry_s,
            terms: PromiseTerms::Permit { uid, seat, top_up, permit },
        };
        self.all(&[Change::Post(post), Change::Promised { id, promise }])
    }

    fn entry(&mut self, uid: &str, entry: Entry) -> Result<(), ReplayError> {
        let table = self.books.tables.get(uid);
        let (epoch, seq) = (table.map_or(0, |table| table.epoch), entry.seq);
        let submit = Submit { epoch, entries: vec![entry] };
        let accepted = request::accept(&self.books, uid, &submit, &Limits::default(), Hour::default())?;
        self.all(&accepted.changes)?;
        let head = self.books.tables.get(uid).map_or(0, |table| table.head_seq);
        if head == seq { Ok(()) } else { Err(ReplayError::NotAccepted { uid: uid.into(), seq }) }
    }

    fn all(&mut self, changes: &[Change]) -> Result<(), ReplayError> {
        for change in changes {
            if let Change::Post(transfer) = change {
                // Once for each key, as the journal posts them.
                if !self.books.ledger.post(transfer)? {
                    continue;
                }
            } else {
                self.books.apply(change)?;
            }
            self.note(std::slice::from_ref(change));
        }
        Ok(())
    }

    /// Keeps what the books themselves do not.
    fn note(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Post(transfer) => {
                    let postings = transfer.postings().iter();
                    let amounts = postings.map(|posting| (posting.account.to_string(), posting.amount));
                    self.postings
                        .entry(transfer.key().into())
                        .or_insert_with(|| (transfer.kind(), amounts.collect()));
                }
                Change::HousePaid { key, to, amount, tx } => {
                    self.house.entry(key.clone()).or_insert((*to, *amount, *tx));
                }
                Change::Notice { state: NoticeState::Exit(player), tx, .. } => {
                    self.told_players.insert((*player, hash_text(tx)));
                }
                Change::Notice { uid, range, state, tx } => {
                    self.told.push((uid.clone(), *range, *state, hash_text(tx)));
                }
                Change::PlayerNotice { player, tx, .. } => {
                    self.told_players.insert((*player, hash_text(tx)));
                }
                Change::Conflict { subject, .. } => {
                    self.differing.insert(subject.to_string());
                }
                Change::Entry { uid, seq, state: State::Requested, .. } => {
                    self.carried.remove(&(uid.clone(), *seq));
                }
                _ => {}
            }
        }
    }

    fn transaction(&mut self, step: Step) -> Result<(), ReplayError> {
        match step {
            Step::Checked(noted) => self.checked(noted),
            Step::Filled(noted) => self.filled(noted),
            Step::Replaced { tx, attempt, fees } => {
                self.moved(tx, Event::Replace)?;
                self.made(tx)?.fees.insert(attempt, fees);
                Ok(())
            }
            Step::Signed { tx, attempt, hash, items } => {
                self.moved(tx, Event::Sign)?;
                self.made(tx)?.hashes.insert(attempt, hash);
                let items = items.into_iter().map(|(table, first, last)| ((hash, table, first), last));
                self.books.items.extend(items);
                Ok(())
            }
            Step::Broadcast { tx, hash } => {
                self.moved(tx, Event::Send)?;
                let mut ranges = BTreeMap::<String, (u64, u64)>::new();
                for (uid, seq) in self.entries_of(tx) {
                    let range = ranges.entry(uid).or_insert((seq, seq));
                    *range = (range.0.min(seq), range.1.max(seq));
                }
                let told = |(uid, range)| (uid, range, NoticeState::Submitted, format!("0x{hash}"));
                self.told.extend(ranges.into_iter().map(told));
                Ok(())
            }
            Step::Mined { tx, hash, block, block_hash, reverted } => {
                self.moved(tx, Event::Mine)?;
                let made = self.made(tx)?;
                (made.mined, made.reverted) = (Some((block, block_hash, hash)), reverted);
                Ok(())
            }
            Step::Reorged { tx } => {
                self.moved(tx, Event::Reorg)?;
                self.made(tx)?.mined = None;
                Ok(())
            }
            Step::Finished { tx, reverted } => {
                self.moved(tx, if reverted { Event::Reject } else { Event::Confirm })?;
                if !reverted {
                    return Ok(());
                }
                let state = next(State::Mined, Event::Requeue)?;
                for (uid, seq) in self.entries_of(tx) {
                    if self.state_of(&uid, seq) == Some(State::Mined) {
                        self.all(&[Change::Entry { uid, seq, state, by: Event::Requeue }])?;
                    }
                }
                Ok(())
            }
            Step::Abandoned { tx } => {
                self.moved(tx, Event::Abandon)?;
                for (uid, seq) in self.entries_of(tx) {
                    let Some(before) = self.state_of(&uid, seq) else { continue };
                    if let Ok(state) = next(before, Event::Requeue) {
                        self.all(&[Change::Entry { uid, seq, state, by: Event::Requeue }])?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn made(&mut self, tx: i64) -> Result<&mut Made, ReplayError> {
        self.transactions.get_mut(&tx).ok_or(ReplayError::NoTransaction(tx))
    }

    fn entries_of(&self, tx: i64) -> Vec<(String, u64)> {
        let Some(made) = self.transactions.get(&tx) else { return Vec::new() };
        let ranges = made.noted.ranges.iter();
        let all = ranges.flat_map(|(uid, first, last)| (*first..=*last).map(move |seq| (uid.clone(), seq)));
        all.filter(|at| self.carried.get(at) == Some(&tx)).collect()
    }

    fn state_of(&self, uid: &str, seq: u64) -> Option<State> {
        self.books.tables.get(uid)?.entries.get(&seq).map(|booked| booked.state)
    }

    /// Moves a transaction and, until they are final by their own events, the entries that it carries.
    fn moved(&mut self, tx: i64, event: Event) -> Result<(), ReplayError> {
        let made = self.made(tx)?;
        let state = next(made.state, event)?;
        made.state = state;
        if matches!(event, Event::Confirm | Event::Reject | Event::Abandon) {
            return Ok(());
        }
        for (uid, seq) in self.entries_of(tx) {
            if self.state_of(&uid, seq).is_some_and(|state| !state.is_final()) {
                self.all(&[Change::Entry { uid, seq, state, by: event }])?;
            }
        }
        Ok(())
    }

    fn checked(&mut self, noted: NotedTransaction) -> Result<(), ReplayError> {
        let (tx, state) = (noted.tx, next(State::Requested, Event::Check)?);
        for (uid, first, last) in noted.ranges.clone() {
            for seq in first..=last {
                if self.state_of(&uid, seq) != Some(State::Requested) {
                    return Err(ReplayError::NotWaiting { uid, seq });
                }
                self.carried.insert((uid.clone(), seq), tx);
                self.all(&[Change::Entry { uid: uid.clone(), seq, state, by: Event::Check }])?;
            }
        }
        let fees = [(0, noted.fees)].into();
        let (hashes, mined) = (BTreeMap::new(), None);
        self.transactions.insert(tx, Made { noted, state, fees, hashes, mined, reverted: false });
        Ok(())
    }

    fn filled(&mut self, noted: NotedTransaction) -> Result<(), ReplayError> {
        let state = next(State::Checked, Event::GiveUp)?;
        for (uid, seq) in self.entries_of(noted.tx) {
            if self.state_of(&uid, seq) == Some(State::Checked) {
                self.all(&[Change::Entry { uid, seq, state, by: Event::GiveUp }])?;
            }
        }
        let made = self.made(noted.tx)?;
        // The call is gone; its versions keep their fees.
        made.noted = NotedTransaction { fees: made.noted.fees, ..noted };
        Ok(())
    }
}
