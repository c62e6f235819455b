//! The books as a value, and the closed list of changes to them.

use crate::{
    entry::{Event, State, UNBOUND},
    ledger::{Account, Ledger, LedgerError, Subject, Transfer},
    limits::{Own, Session},
    policy::{Effect, Refusal, Seat, Table, Terms},
    promise::{PromiseId, PromiseKind, PromiseState},
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{Entry, EntryBody, NoticeState, Permit, TableState};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that a decision about money looks at. A journal loads the part that a decision needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    pub ledger: Ledger,
    /// By UID.
    pub tables: BTreeMap<String, TableBooks>,
    pub promises: BTreeMap<PromiseId, Promise>,
    /// Last number of each item in the signer's own transactions: the event of a rejected item only names its first
    /// number.
    pub items: BTreeMap<ItemKey, u64>,
    pub denied: BTreeSet<PlayerId>,
    /// Players whose vouchers the fair-play program holds.
    pub held: BTreeSet<PlayerId>,
    /// Players whose final deposit has vanished, with the deposit's key.
    pub frozen: BTreeMap<PlayerId, String>,
    /// Players who have set limits for themselves.
    pub own: BTreeMap<PlayerId, Own>,
    /// Where books and chain differ, and why.
    pub differing: BTreeMap<Subject, String>,
}

/// Transaction, table and first number of an item.
pub type ItemKey = ([u8; 32], [u8; 32], u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableBooks {
    /// The contract's id.
    pub id: [u8; 32],
    pub terms: Terms,
    pub state: TableState,
    /// The highest epoch that has spoken.
    pub epoch: u64,
    /// The last accepted number.
    pub head_seq: u64,
    /// `next` of the last accepted hand.
    pub head_next: Option<String>,
    /// The last number that the chain has used, at final depth.
    pub confirmed_seq: u64,
    /// Seats as the accepted entries leave them.
    pub seats: BTreeMap<u8, Seat>,
    /// Seats as the chain has them, at final depth; the stacks are in the ledger.
    pub owners: BTreeMap<u8, Owner>,
    /// By number.
    pub entries: BTreeMap<u64, Booked>,
}

impl TableBooks {
    /// By how much this player's stack in a seat is above the chain's; see [`Owner::borne`].
    #[must_use]
    pub fn borne(&self, seat: u8, player: PlayerId) -> u64 {
        self.owners.get(&seat).filter(|owner| owner.player == player).map_or(0, |owner| owner.borne)
    }

    /// Whether an exit has emptied a seat whose Leave entry is still to come.
    #[must_use]
    pub fn has_vacated(&self) -> bool {
        self.owners.values().any(|owner| owner.vacated.is_some())
    }
}

/// The owner of a seat on chain, at final depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub player: PlayerId,
    /// The stack that the seat would hold had an exit not emptied it: the contract lets late hands take as much.
    pub vacated: Option<u64>,
    /// The rest of the rake that the player's permits allow.
    pub rake_left: u64,
    /// The player's part of shortfalls as a winner: by so much the stack at the table, and in the model, is above the
    /// chain's.
    pub borne: u64,
}

/// Returns, for each Leave by its number, by how much its stack is above the chain's: the shortfalls that its player
/// bore. `entries` are those after the last one on chain; `borne` is what each seat bore until then. A seat that was
/// taken again has borne nothing.
pub fn borne_by_leaves<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    borne: &BTreeMap<u8, u64>,
) -> BTreeMap<u64, u64> {
    let (mut borne, mut by_number) = (borne.clone(), BTreeMap::new());
    for entry in entries {
        match &entry.body {
            EntryBody::Leave { seat, .. } => {
                by_number.extend(borne.remove(&seat.0).map(|amount| (entry.seq, amount)));
            }
            EntryBody::Sit { seat, .. } => {
                borne.remove(&seat.0);
            }
            EntryBody::TopUp { .. } | EntryBody::Hand { .. } => {}
        }
    }
    by_number
}

/// The stack that a Leave names on chain. If the table's stack is below what the seat bore, the hands that made it were
/// voided: the Leave then names 0, which the chain accepts only for an empty seat.
pub fn left_on_chain(stack: u64, borne: u64) -> u64 {
    stack.saturating_sub(borne)
}

/// A number of a table's sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// [`UNBOUND`] if admins passed over the number and no payload was submitted.
    pub hash: [u8; 32],
    /// `None`: passed over by two admins before the journal had it.
    pub entry: Option<Entry>,
    pub effect: Effect,
    pub state: State,
}

impl Booked {
    /// The permit of a sit or top-up, and whose it is.
    pub fn permit(&self) -> Option<(PlayerId, &Permit)> {
        match &self.entry.as_ref()?.body {
            EntryBody::Sit { player, permit, .. } | EntryBody::TopUp { player, permit, .. } => {
                Some((*player, permit))
            }
            EntryBody::Hand { .. } | EntryBody::Leave { .. } => None,
        }
    }
}

/// Chips set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    pub amount: u64,
    pub state: PromiseState,
    /// Seconds since 1970; no later block takes it.
    pub until_s: u64,
    pub terms: PromiseTerms,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromiseTerms {
    Permit {
        uid: String,
        seat: u8,
        top_up: bool,
        permit: Permit,
    },
    Voucher {
        /// `None`: not signed yet.
        signature: Option<String>,
    },
}

/// Books and chain disagree about a final event. The cursor moves on; the table or player that the event names is
/// quarantined until a comparison finds both equal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("the chain has entries {first} to {last}, the journal ends at {head}: it is behind")]
    Unknown { first: u64, last: u64, head: u64 },
    #[error("the chain goes on from {first}, the journal has taken in {confirmed} numbers")]
    Skipped { first: u64, confirmed: u64 },
    #[error("the chain has carried out entry {seq}, which is {state}")]
    Final { seq: u64, state: State },
    #[error("entry {0} is another one on the chain")]
    Other(u64),
    #[error("seat {seat} keeps {left} although its player has left")]
    Left { seat: u8, left: u64 },
    #[error("seat {0} was vacated and nobody had it")]
    Nobody(u8),
    #[error("{amount} of what the chain moved cannot be placed")]
    Unplaced { amount: i128 },
    #[error("the chain has a table that the journal does not know: it is behind")]
    UnknownTable,
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The closed list of changes to the books. The journal that stores them decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Posts a transfer, once under its key.
    Post(Transfer),
    TableOpened {
        uid: String,
    },
    /// A higher epoch has spoken.
    Epoch {
        uid: String,
        epoch: u64,
    },
    /// A new entry, the next of its table.
    Accepted {
        uid: String,
        entry: Entry,
        hash: [u8; 32],
        effect: Effect,
    },
    /// The next number of its table, which admins had passed over before the journal had it.
    Held {
        uid: String,
        seq: u64,
    },
    /// A payload submitted under a number that admins had passed over.
    Bound {
        uid: String,
        seq: u64,
        hash: [u8; 32],
    },
    /// An entry changes its state. `Requested`: no transaction carries it any more.
    Entry {
        uid: String,
        seq: u64,
        state: State,
        by: Event,
    },
    /// The chain has used numbers up to this one.
    Confirmed {
        uid: String,
        through: u64,
    },
    /// The seats as the accepted entries leave them.
    Seats {
        uid: String,
        seats: BTreeMap<u8, Seat>,
    },
    /// The owner of a seat on chain.
    Owner {
        uid: String,
        seat: u8,
        owner: Option<Owner>,
    },
    /// A new promise.
    Promised {
        id: PromiseId,
        promise: Promise,
    },
    /// A player with own limits has reserved a seat, or chips for one.
    Session {
        player: PlayerId,
        session: Session,
    },
    /// A reservation or voucher changes its state.
    Promise {
        id: PromiseId,
        state: PromiseState,
    },
    /// Notifies the table of a range. Where both ends of the range are the head, it notifies the table that one of its
    /// players has to leave.
    Notice {
        uid: String,
        range: (u64, u64),
        state: NoticeState,
        tx: [u8; 32],
    },
    /// Notifies every table where the player sits or has a seat reserved.
    PlayerNotice {
        player: PlayerId,
        state: NoticeState,
        tx: [u8; 32],
    },
    /// The recipient of a payment by the house, stored beside the ledger entry with the same key.
    HousePaid {
        key: String,
        to: PlayerId,
        amount: u64,
        tx: [u8; 32],
    },
    Frozen {
        player: PlayerId,
        key: String,
    },
    Thawed {
        player: PlayerId,
        key: String,
    },
    /// Two admins passed over a range; `unknown` numbers were never handed in.
    Voided {
        uid: String,
        first: u64,
        last: u64,
        unknown: u64,
    },
    /// An entry under way that no longer fits what the chain has: the chain will refuse it. For the log.
    Unfounded {
        uid: String,
        seq: u64,
        why: Refusal,
    },
    /// Quarantines a table, or stops a player's payouts.
    Conflict {
        subject: Subject,
        log: String,
        why: Conflict,
    },
}

impl TableBooks {
    pub fn new(id: [u8; 32], terms: Terms, epoch: u64) -> Self {
        Self {
            id,
            terms,
            state: TableState::Opening,
            epoch,
            head_seq: 0,
            head_next: None,
            confirmed_seq: 0,
            seats: BTreeMap::new(),
            owners: BTreeMap::new(),
            entries: BTreeMap::new(),
        }
    }

    /// The policy's view of the accepted entries.
    pub fn policy(&self) -> Table {
        Table { terms: self.terms, seats: self.seats.clone() }
    }

    fn append(&mut self, seq: u64, booked: Booked) {
        self.entries.insert(seq, booked);
        self.head_seq = self.head_seq.max(seq);
    }
}

impl Books {
    pub fn free(&self, player: PlayerId) -> u64 {
        self.ledger.balance(&Account::Free(player))
    }

    pub fn reserved(&self, player: PlayerId) -> u64 {
        self.ledger.balance(&Account::Reserved(player))
    }

    pub fn stack(&self, uid: &str, seat: u8) -> u64 {
        self.ledger.balance(&Account::Seat { uid: uid.into(), seat })
    }

    /// The table with the contract's id.
    pub fn uid_of(&self, id: &[u8; 32]) -> Option<String> {
        self.tables.iter().find(|(_, table)| table.id == *id).map(|(uid, _)| uid.clone())
    }

    /// Whether a player sits at a table, or is on the way to a seat there.
    pub fn is_at(&self, uid: &str, player: PlayerId) -> bool {
        let sits = |table: &TableBooks| table.seats.values().any(|seat| seat.player == player);
        let promised = |(_, promise): (&PromiseId, &Promise)| match &promise.terms {
            PromiseTerms::Permit { uid: at, .. } => at == uid && promise.state.is_live(),
            PromiseTerms::Voucher { .. } => false,
        };
        self.tables.get(uid).is_some_and(sits) || self.promises_of(player).any(promised)
    }

    /// All promises that were made to a player.
    pub fn promises_of(&self, player: PlayerId) -> impl Iterator<Item = (&PromiseId, &Promise)> {
        let kinds = [PromiseKind::Permit, PromiseKind::Voucher];
        kinds.into_iter().flat_map(move |kind| {
            let id = |nonce| PromiseId { kind, player, nonce };
            self.promises.range(id(0)..=id(u64::MAX))
        })
    }

    /// Applies a change.
    ///
    /// # Errors
    /// Where a transfer would overdraw an account. No function of this crate gives such a change.
    pub fn apply(&mut self, change: &Change) -> Result<(), LedgerError> {
        match change {
            Change::Post(transfer) => {
                self.ledger.post(transfer)?;
            }
            Change::TableOpened { uid } => self.at(uid, |table| table.state = TableState::Open),
            Change::Epoch { uid, epoch } => self.at(uid, |table| table.epoch = table.epoch.max(*epoch)),
            Change::Accepted { uid, entry, hash, effect } => self.at(uid, |table| {
                if let EntryBody::Hand { next, .. } = &entry.body {
                    table.head_next = Some(next.clone());
                }
                let (entry, effect) = (Some(entry.clone()), effect.clone());
                let seq = table.head_seq + 1;
                table.append(seq, Booked { hash: *hash, entry, effect, state: State::Requested });
            }),
            Change::Held { uid, seq } => self.at(uid, |table| {
                let effect = Effect::default();
                table.append(*seq, Booked { hash: UNBOUND, entry: None, effect, state: State::Rejected });
            }),
            Change::Bound { uid, seq, hash } => self.booked(uid, *seq, |booked| booked.hash = *hash),
            Change::Entry { uid, seq, state, .. } => self.booked(uid, *seq, |booked| booked.state = *state),
            Change::Confirmed { uid, through } => {
                self.at(uid, |table| table.confirmed_seq = table.confirmed_seq.max(*through));
            }
            Change::Seats { uid, seats } => self.at(uid, |table| table.seats = seats.clone()),
            Change::Owner { uid, seat, owner } => self.at(uid, |table| {
                match owner {
                    Some(owner) => table.owners.insert(*seat, *owner),
                    None => table.owners.remove(seat),
                };
            }),
            Change::Promised { id, promise } => {
                self.promises.insert(*id, promise.clone());
            }
            Change::Promise { id, state } => {
                if let Some(promise) = self.promises.get_mut(id) {
                    promise.state = *state;
                }
            }
            Change::Session { player, session } => {
                if let Some(own) = self.own.get_mut(player) {
                    own.session = Some(*session);
                }
            }
            Change::Frozen { player, key } => {
                self.frozen.insert(*player, key.clone());
            }
            Change::Thawed { player, .. } => {
                self.frozen.remove(player);
            }
            Change::Conflict { subject, why, .. } => {
                self.differing.insert(subject.clone(), why.to_string());
            }
            Change::Notice { .. }
            | Change::PlayerNotice { .. }
            | Change::HousePaid { .. }
            | Change::Voided { .. }
            | Change::Unfounded { .. } => {}
        }
        Ok(())
    }

    fn at(&mut self, uid: &str, change: impl FnOnce(&mut TableBooks)) {
        if let Some(table) = self.tables.get_mut(uid) {
            change(table);
        }
    }

    fn booked(&mut self, uid: &str, seq: u64, change: impl FnOnce(&mut Booked)) {
        self.at(uid, |table| {
            if let Some(booked) = table.entries.get_mut(&seq) {
                change(booked);
            }
        });
    }
}
