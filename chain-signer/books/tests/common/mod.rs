//! A model of the vault, and a world of tables and players around the books. The vault's rules are written down here a
//! second time, out of the contract: what it holds must be what the ledger says.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, dead_code)]

use proptest::test_runner::Config as ProptestConfig;
use purr_books::{
    Change,
    asked::TableNote,
    books::{PromiseTerms, borne_by_leaves, left_on_chain},
    check::{Flaw, flaws},
    entry::State,
    events::{Reason, VaultEvent as E, VaultLog},
    ledger::Account,
    memory::MemoryJournal,
    promise::{PromiseKind, PromiseState},
    replay::Step,
    request::VoucherRequest,
};
use purr_engine::{PlayerId, SeatIndex};
use purr_protocol::settlement::{Entry, EntryBody, OpenTable, Permit, Reserve, SeatDelta, Submit};
use std::collections::BTreeMap;

pub const TABLES: [&str; 2] = ["one", "two"];
pub const PLAYERS: u8 = 6;
pub const NOW_S: u64 = 1_000;
pub const EXPIRY_S: u64 = NOW_S + 600;

/// `count` cases of each property; more with PURR_CASES.
pub fn cases(count: u32) -> ProptestConfig {
    let cases = std::env::var("PURR_CASES").map_or(count, |text| text.parse().unwrap());
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

pub fn player(n: u8) -> PlayerId {
    PlayerId([n + 1; 20])
}

pub fn table_id(uid: &str) -> [u8; 32] {
    [uid.len() as u8 + u8::from(uid == "two"); 32]
}

pub fn terms() -> OpenTable {
    OpenTable {
        epoch: 1,
        seats: 4,
        big_blind: 2,
        rake_basis_points: 500,
        rake_cap: 3,
        max_hands: 8,
        max_delay_ms: 0,
    }
}

#[derive(Clone, Debug)]
struct Seat {
    player: PlayerId,
    stack: u64,
    vacated: Option<u64>,
}

/// The contents of the contract.
#[derive(Clone, Debug, Default)]
pub struct Vault {
    pub free: BTreeMap<PlayerId, u64>,
    seats: BTreeMap<(String, u8), Seat>,
    seq: BTreeMap<String, u64>,
    rake: BTreeMap<String, u64>,
    reserve: u64,
    exiting: Vec<PlayerId>,
}

/// One step of the generated world: its kind, and three numbers that the step interprets.
pub type Op = (u8, u8, u8, u16);

pub struct World {
    pub journal: MemoryJournal,
    pub vault: Vault,
    pub events: Vec<Vec<E>>,
    nonce: u64,
    pub changes: Vec<Change>,
    /// All rows that a journal would have in its hash chain.
    pub steps: Vec<Step>,
    transactions: u64,
}

/// The logs of a transaction, as a journal in memory numbers them.
pub fn logs_of(number: u64, events: &[E]) -> Vec<VaultLog> {
    let mut tx = [0; 32];
    tx[24..].copy_from_slice(&number.to_be_bytes());
    let log = |(index, event): (u64, &E)| VaultLog { block: number, tx, index, event: event.clone() };
    (0..).zip(events).map(log).collect()
}

pub fn permit(amount: u64, nonce: u64) -> Permit {
    Permit { amount, max_total_rake: 50, expiry_s: EXPIRY_S, nonce, signature: "0x".into() }
}

impl World {
    pub fn new(mut journal: MemoryJournal) -> Self {
        let mut steps = Vec::new();
        for (number, uid) in (1..).zip(TABLES) {
            let id = table_id(uid);
            journal.open(uid, id, &terms()).unwrap();
            let note = TableNote { uid: uid.into(), table_id: hex::encode(id), terms: terms() };
            steps.push(Step::Table(note, id));
            steps.push(Step::Logs(logs_of(number, &[E::TableOpened { table: id }])));
        }
        let (vault, events, changes) = (Vault::default(), Vec::new(), Vec::new());
        Self { journal, vault, events, nonce: 0, changes, steps, transactions: TABLES.len() as u64 }
    }

    /// Applies events that the vault emits in one transaction.
    fn say(&mut self, events: Vec<E>) {
        self.transactions += 1;
        self.steps.push(Step::Logs(logs_of(self.transactions, &events)));
        let changes = self.journal.take(events.clone());
        self.changes.extend(changes);
        self.events.push(events);
    }

    fn submit(&mut self, uid: &str, body: EntryBody) -> bool {
        let seq = self.journal.books().tables[uid].head_seq + 1;
        let entry = Entry { seq, body };
        let accepted = self.journal.submit(uid, &Submit { epoch: 1, entries: vec![entry.clone()] }).is_ok();
        self.steps.extend(accepted.then(|| Step::Entry { uid: uid.into(), entry: Box::new(entry) }));
        accepted
    }

    pub fn model(&self, uid: &str, seat: u8) -> Option<(PlayerId, u64)> {
        self.journal.books().tables[uid].seats.get(&seat).map(|held| (held.player, held.stack))
    }

    pub fn deposit(&mut self, who: PlayerId, amount: u64) {
        *self.vault.free.entry(who).or_default() += amount;
        self.say(vec![E::Deposited { player: who, amount }]);
    }

    pub fn step(&mut self, (what, a, b, amount): Op) {
        let (uid, amount) = (TABLES[usize::from(b & 1)], u64::from(amount % 400) + 1);
        let (who, seat) = (player(a % PLAYERS), (a ^ b) % 4);
        match what % 16 {
            0 | 1 => self.deposit(who, amount),
            2..=4 => self.sit(uid, seat, who, amount),
            5..=8 => self.hand(uid, seat, b, amount),
            9 | 10 => {
                self.settle(uid, usize::from(a) % 4 + 1);
            }
            11 => {
                if let Some((player, stack)) = self.model(uid, seat) {
                    self.submit(uid, EntryBody::Leave { seat: SeatIndex(seat), player, stack });
                }
            }
            12 => self.voucher(who, amount, b),
            13 => self.void(uid, b),
            14 => self.exit(who),
            _ => self.cancel(who),
        }
    }

    pub fn sit(&mut self, uid: &str, seat: u8, who: PlayerId, amount: u64) {
        self.nonce += 1;
        let (permit, at) = (permit(amount, self.nonce), SeatIndex(seat));
        let top_up = self.model(uid, seat).is_some_and(|(player, _)| player == who);
        let ask = Reserve { epoch: 1, seat: at, player: who, permit: permit.clone(), top_up };
        if self.journal.reserve(uid, &ask, NOW_S).is_err() {
            return;
        }
        self.steps.push(Step::Reserve { uid: uid.into(), player: who, seat, top_up, permit: permit.clone() });
        if amount.is_multiple_of(5) {
            return;
        }
        let body = if top_up {
            EntryBody::TopUp { seat: at, player: who, permit }
        } else {
            EntryBody::Sit { seat: at, player: who, permit }
        };
        self.submit(uid, body);
    }

    fn hand(&mut self, uid: &str, seat: u8, b: u8, amount: u64) {
        let other = (seat + 1 + b % 3) % 4;
        let (Some((loser, stack)), Some((winner, _))) = (self.model(uid, seat), self.model(uid, other))
        else {
            return;
        };
        let loss = amount.min(stack);
        let rake = u64::from(b % 2).min(loss);
        let delta = |seat, player, delta| SeatDelta { seat: SeatIndex(seat), player, delta };
        let mut deltas =
            vec![delta(seat, loser, -loss.cast_signed()), delta(other, winner, (loss - rake).cast_signed())];
        deltas.sort_by_key(|delta| delta.seat);
        let body =
            EntryBody::Hand { hand: 1, deltas, rake, record_hash: "ab".repeat(32), next: String::new() };
        self.submit(uid, body);
    }

    /// Submits a hand in which one seat loses to another.
    pub fn loses(&mut self, uid: &str, (loser, winner): (u8, u8), loss: u64) -> bool {
        let (Some((from, _)), Some((to, _))) = (self.model(uid, loser), self.model(uid, winner)) else {
            return false;
        };
        let delta = |seat, player, delta| SeatDelta { seat: SeatIndex(seat), player, delta };
        let loss = loss.cast_signed();
        let mut deltas = vec![delta(loser, from, -loss), delta(winner, to, loss)];
        deltas.sort_by_key(|delta| delta.seat);
        let (record_hash, next) = ("ab".repeat(32), String::new());
        self.submit(uid, EntryBody::Hand { hand: 1, deltas, rake: 0, record_hash, next })
    }

    /// Submits the Leave of a seat with its whole stack.
    pub fn leaves(&mut self, uid: &str, seat: u8) -> bool {
        let Some((player, stack)) = self.model(uid, seat) else { return false };
        self.submit(uid, EntryBody::Leave { seat: SeatIndex(seat), player, stack })
    }

    /// The vault executes the next entries, or returns why it refuses one.
    pub fn settle(&mut self, uid: &str, most: usize) -> usize {
        let table = &self.journal.books().tables[uid];
        let next = self.vault.seq.get(uid).copied().unwrap_or(0) + 1;
        let waiting = table.entries.range(next..).take(most);
        let waiting: Vec<(Entry, State)> =
            waiting.filter_map(|(_, booked)| Some((booked.entry.clone()?, booked.state))).collect();
        let mut count = 0;
        for (mut entry, state) in waiting {
            // An entry that was rejected for good waits for a void.
            if state == State::Rejected {
                break;
            }
            // The seat's owner as the signer names it on chain.
            let owners = self.journal.books().tables[uid].owners.iter();
            let borne = owners.map(|(seat, owner)| (*seat, owner.borne)).collect();
            let borne = borne_by_leaves([&entry], &borne);
            if let EntryBody::Leave { stack, .. } = &mut entry.body {
                *stack = left_on_chain(*stack, borne.get(&entry.seq).copied().unwrap_or(0));
            }
            let Some(events) = self.vault.carry_out(uid, &entry) else { break };
            self.vault.seq.insert(uid.into(), entry.seq);
            self.say(events);
            count += 1;
        }
        count
    }

    fn voucher(&mut self, who: PlayerId, amount: u64, b: u8) {
        self.nonce += 1;
        let ask = VoucherRequest { player: who, amount, nonce: self.nonce, deadline_s: EXPIRY_S };
        let given = self.journal.voucher(&ask).is_ok();
        self.steps.extend(given.then_some(Step::Voucher(ask)));
        // Redeems one of the vouchers signed so far.
        let signed =
            self.journal.books().promises_of(who).filter(|(id, promise)| {
                id.kind == PromiseKind::Voucher && promise.state != PromiseState::Paid
            });
        let signed: Vec<_> = signed.map(|(id, promise)| (id.nonce, promise.amount)).collect();
        let Some((nonce, amount)) = signed.get(usize::from(b) % signed.len().max(1)).copied() else { return };
        let free = self.vault.free.entry(who).or_default();
        if !b.is_multiple_of(3) && *free >= amount {
            *free -= amount;
            self.say(vec![E::Withdrawn { player: who, amount, nonce }]);
        }
    }

    fn void(&mut self, uid: &str, b: u8) {
        let first = self.vault.seq.get(uid).copied().unwrap_or(0) + 1;
        let last = first + u64::from(b % 3);
        if first > self.journal.books().tables[uid].head_seq + 1 {
            return;
        }
        self.vault.seq.insert(uid.into(), last);
        self.say(vec![E::RangeVoided { table: table_id(uid), first, last }]);
    }

    /// The first call requests the exit, the next one finalises it.
    pub fn exit(&mut self, who: PlayerId) {
        if !self.vault.exiting.contains(&who) {
            self.vault.exiting.push(who);
            return self.say(vec![E::ExitRequested { player: who, ready_at_s: 1 }]);
        }
        self.vault.exiting.retain(|player| *player != who);
        let mut events = Vec::new();
        let mine =
            self.vault.seats.iter_mut().filter(|(_, held)| held.player == who && held.vacated.is_none());
        let mut paid = self.vault.free.remove(&who).unwrap_or(0);
        for ((uid, seat), held) in mine {
            let stack = std::mem::take(&mut held.stack);
            held.vacated = Some(stack);
            paid += stack;
            events.push(E::SeatVacated { table: table_id(uid), player: who, seat: *seat, stack });
        }
        events.push(E::ExitFinalised { player: who, amount: paid });
        self.say(events);
    }

    fn cancel(&mut self, who: PlayerId) {
        let held = self.journal.books().promises_of(who);
        let held: Vec<u64> = held
            .filter(|(_, promise)| {
                matches!(promise.terms, PromiseTerms::Permit { .. }) && promise.state == PromiseState::Held
            })
            .map(|(id, _)| id.nonce)
            .collect();
        match held.first() {
            Some(nonce) => self.say(vec![E::PermitCancelled { player: who, nonce: *nonce }]),
            None => self.expire(0),
        }
    }

    /// Final blocks are as late as this.
    pub fn expire(&mut self, time_s: u64) {
        self.journal.expire(time_s).unwrap();
        self.steps.push(Step::Expired { time_s });
    }

    /// Returns the rules that do not hold of the books.
    pub fn flaws(&self) -> Vec<Flaw> {
        flaws(self.journal.books())
    }

    /// Lists the differences between ledger and vault.
    pub fn differences(&self) -> Vec<String> {
        let books = self.journal.books();
        let mut found = Vec::new();
        let mut compare = |what: String, ledger: u64, vault: u64| {
            found.extend(
                (ledger != vault).then(|| format!("{what}: {ledger} in the ledger, {vault} in the vault")),
            );
        };
        for who in (0..PLAYERS).map(player) {
            let vault = self.vault.free.get(&who).copied().unwrap_or(0);
            compare(format!("free {who}"), books.free(who) + books.reserved(who), vault);
        }
        for uid in TABLES {
            for seat in 0..4 {
                let held = self.vault.seats.get(&(uid.to_owned(), seat));
                compare(
                    format!("seat {uid} {seat}"),
                    books.stack(uid, seat),
                    held.map_or(0, |held| held.stack),
                );
                let owner = books.tables[uid].owners.get(&seat).map(|owner| (owner.player, owner.vacated));
                let other = owner != held.map(|held| (held.player, held.vacated));
                compare(format!("owner of {uid} {seat}"), other.into(), 0);
            }
            let rake = books.ledger.balance(&Account::Rake { uid: uid.into() });
            compare(format!("rake {uid}"), rake, self.vault.rake.get(uid).copied().unwrap_or(0));
            let seq = self.vault.seq.get(uid).copied().unwrap_or(0);
            compare(format!("sequence {uid}"), books.tables[uid].confirmed_seq, seq);
        }
        compare("reserve".into(), books.ledger.balance(&Account::House), self.vault.reserve);
        found
    }
}

impl Vault {
    /// `None`: the item reverts.
    fn carry_out(&mut self, uid: &str, entry: &Entry) -> Option<Vec<E>> {
        let (table, seq) = (table_id(uid), entry.seq);
        match &entry.body {
            EntryBody::Sit { seat, player, permit } | EntryBody::TopUp { seat, player, permit } => {
                let top_up = matches!(entry.body, EntryBody::TopUp { .. });
                let (player, amount, nonce, seat) = (*player, permit.amount, permit.nonce, seat.0);
                let at = (uid.to_owned(), seat);
                let held = self.seats.get(&at);
                if held.is_some_and(|held| held.player == player) != top_up || (!top_up && held.is_some()) {
                    return None;
                }
                let vacated = held.is_some_and(|held| held.vacated.is_some());
                let twice = !top_up
                    && self
                        .seats
                        .iter()
                        .any(|((at, _), held)| at == uid && held.player == player && held.vacated.is_none());
                let free = self.free.entry(player).or_default();
                if self.exiting.contains(&player) || vacated || twice || *free < amount {
                    return Some(vec![E::SeatingRefused { table, player, seq, nonce, reason: [0; 4] }]);
                }
                *free -= amount;
                let held = self.seats.entry(at).or_insert(Seat { player, stack: 0, vacated: None });
                held.stack += amount;
                Some(vec![match top_up {
                    true => E::ToppedUp { table, player, seq, seat, amount, nonce },
                    false => E::Seated { table, player, seq, seat, amount, nonce },
                }])
            }
            EntryBody::Leave { seat, player, stack } => {
                let at = (uid.to_owned(), seat.0);
                let held = self.seats.get(&at).filter(|held| held.player == *player)?;
                let stack = match held.vacated {
                    Some(_) => 0,
                    None if held.stack == *stack => *stack,
                    None => return None,
                };
                self.seats.remove(&at);
                *self.free.entry(*player).or_default() += stack;
                Some(vec![E::Left { table, player: *player, seq, seat: seat.0, stack }])
            }
            EntryBody::Hand { deltas, rake, .. } => self.hand(uid, table, seq, deltas, *rake),
        }
    }

    fn hand(
        &mut self,
        uid: &str,
        table: [u8; 32],
        seq: u64,
        deltas: &[SeatDelta],
        rake: u64,
    ) -> Option<Vec<E>> {
        let at = |delta: &SeatDelta| (uid.to_owned(), delta.seat.0);
        for delta in deltas {
            let held = self.seats.get(&at(delta)).filter(|held| held.player == delta.player)?;
            held.vacated.unwrap_or(held.stack).checked_add_signed(delta.delta)?;
        }
        let (mut events, mut missing) = (Vec::new(), 0);
        let mut wins: Vec<(SeatDelta, u64)> = Vec::new();
        for delta in deltas {
            let held = self.seats.get_mut(&at(delta))?;
            match held.vacated {
                Some(stack) => {
                    held.vacated = stack.checked_add_signed(delta.delta);
                    missing += delta.delta.min(0).unsigned_abs();
                }
                None if delta.delta < 0 => held.stack -= delta.delta.unsigned_abs(),
                None => {}
            }
            if delta.delta > 0 {
                wins.push((*delta, delta.delta.unsigned_abs()));
            }
        }
        let reserve = missing.min(self.reserve);
        let of_rake = (missing - reserve).min(rake);
        let winners = missing - reserve - of_rake;
        self.reserve -= reserve;
        // With two seats the one winner bears the whole shortfall.
        for (_, win) in &mut wins {
            *win -= winners;
        }
        if missing > 0 {
            events.push(E::Shortfall { table, first: seq, amount: missing, reserve, rake: of_rake, winners });
        }
        for (delta, win) in wins {
            let held = self.seats.get_mut(&at(&delta))?;
            if held.vacated.is_none() {
                held.stack += win;
            } else if win > 0 {
                *self.free.entry(delta.player).or_default() += win;
                events.push(E::LateWinnings { table, player: delta.player, first: seq, amount: win });
            }
        }
        *self.rake.entry(uid.into()).or_default() += rake - of_rake;
        events.push(E::HandsSettled { table, first: seq, last: seq, rake: rake - of_rake });
        Some(events)
    }
}

/// An item that the vault rejects.
pub fn rejected(uid: &str, seq: u64) -> E {
    E::ItemRejected { table: table_id(uid), seq, reason: Reason::Never([1; 4]) }
}
