//! A table's sequence: final entries, voided ranges, and the model of its seats.

use super::Taking;
use crate::{
    books::{Books, Change, Conflict},
    entry::{Event, State, next},
    events::{VaultEvent, VaultLog},
    ledger::Subject,
    policy::{Limits, Refusal, Seat, Table},
    promise::PromiseEvent,
};
use purr_protocol::settlement::NoticeState;
use std::collections::BTreeMap;

/// Largest range that one void may keep numbers for; the contract's ranges are smaller.
const VOID_MAX: u64 = 1 << 16;

impl Taking<'_> {
    /// Moves entries to their final state through the one transition function and notifies the table.
    pub(super) fn settle(&mut self, uid: &str, (first, last): (u64, u64), event: Event, log: &VaultLog) {
        let Some(table) = self.books.tables.get(uid) else { return };
        let (head, confirmed) = (table.head_seq, table.confirmed_seq);
        // A rejected item keeps its numbers free; a refused seating and a voided range use them up.
        let uses = !matches!(log.event, VaultEvent::ItemRejected { .. });
        let mut conflicts = Vec::new();
        if last > head || last < first {
            conflicts.push(Conflict::Unknown { first, last, head });
        }
        if uses && first != confirmed + 1 {
            conflicts.push(Conflict::Skipped { first, confirmed });
        }
        let mut moved = Vec::new();
        for (seq, booked) in table.entries.range(first..=last.max(first)) {
            match next(booked.state, event) {
                Ok(state) if state == booked.state => {}
                Ok(state) => moved.push((*seq, state)),
                // The entry was rejected earlier; a void or another refusal does not change that.
                Err(_) if !uses || (booked.state == State::Rejected && event != Event::Settle) => {}
                Err(_) => conflicts.push(Conflict::Final { seq: *seq, state: booked.state }),
            }
        }
        let count = moved.len();
        for (seq, state) in moved {
            self.change(Change::Entry { uid: uid.into(), seq, state, by: event });
        }
        if uses {
            self.change(Change::Confirmed { uid: uid.into(), through: last.min(head) });
        }
        for why in conflicts {
            self.conflict(&Subject::Table(uid.into()), log.key(), why);
        }
        // A void is notified even if the whole range had been rejected before, because only now the sequence goes on.
        if event == Event::PutOff || (count == 0 && event != Event::Void) {
            return;
        }
        let state = if event == Event::Settle { NoticeState::Confirmed } else { NoticeState::Rejected };
        self.change(Change::Notice { uid: uid.into(), range: (first, last), state, tx: log.tx });
    }

    /// Books a range that two admins passed over: its entries end, their permits become free, and the seat model is
    /// rebuilt from the chain. Numbers that the journal does not have belong to entries that were refused for good;
    /// admins pass over them so that the table can continue.
    pub(super) fn voided(&mut self, log: &VaultLog, uid: &str, (first, last): (u64, u64)) {
        let Some(table) = self.books.tables.get(uid) else { return };
        let head = table.head_seq;
        let unknown = last.saturating_sub(head);
        let known = first <= head + 1 && unknown <= VOID_MAX;
        if known {
            for seq in head + 1..=last {
                self.change(Change::Held { uid: uid.into(), seq });
            }
        }
        self.change(Change::Voided { uid: uid.into(), first, last, unknown });
        self.settle(uid, (first, last), Event::Void, log);
        let Some(table) = self.books.tables.get(uid).filter(|_| first <= last) else { return };
        let permits = table.entries.range(first..=last).filter_map(|(_, booked)| booked.permit());
        let permits = permits.map(|(player, permit)| (player, permit.nonce));
        for (player, nonce) in permits.collect::<Vec<_>>() {
            self.release(player, nonce, PromiseEvent::Refuse);
            self.cover(&log.key(), player);
        }
    }

    pub(super) fn rebase(&mut self, uid: &str) {
        let Some((seats, unfounded)) = rebased(self.books, uid) else { return };
        for (seq, why) in unfounded {
            self.change(Change::Unfounded { uid: uid.into(), seq, why });
        }
        self.change(Change::Seats { uid: uid.into(), seats });
    }
}

/// The seats of a table, and entries that do not fit them.
type Rebased = (BTreeMap<u8, Seat>, Vec<(u64, Refusal)>);

/// Rebuilds the seat model from the chain's stacks and the shortfalls that winners bore, then re-applies entries still
/// in flight.
pub(crate) fn rebased(books: &Books, uid: &str) -> Option<Rebased> {
    let table = books.tables.get(uid)?;
    let mut model = Table { terms: table.terms, seats: BTreeMap::new() };
    for (seat, owner) in &table.owners {
        let stack = owner.vacated.unwrap_or_else(|| books.stack(uid, *seat)).saturating_add(owner.borne);
        model.seats.insert(*seat, Seat { player: owner.player, stack, rake_left: owner.rake_left });
    }
    let mut unfounded = Vec::new();
    for (seq, booked) in table.entries.range(table.confirmed_seq + 1..) {
        let Some(entry) = booked.entry.as_ref().filter(|_| !booked.state.is_final()) else { continue };
        let mut after = model.clone();
        match after.apply(&entry.body, &Limits::default()) {
            Ok(_) => model = after,
            Err(why) => unfounded.push((*seq, why)),
        }
    }
    Some((model.seats, unfounded))
}
