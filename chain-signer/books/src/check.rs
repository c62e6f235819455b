//! Rules that hold of the books at any time. For tests and simulations: the books keep them without being asked.

use crate::{
    books::{Books, Change},
    ledger::Account,
    take::rebased,
};
use purr_engine::PlayerId;
use std::collections::{BTreeMap, BTreeSet};

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("all accounts sum to {0}, not to zero")]
    Sum(i128),
    #[error("account {account} has {amount}")]
    Negative { account: Account, amount: i64 },
    #[error("{player} has {reserved} reserved, and live promises of {promised}")]
    Promises { player: PlayerId, reserved: u64, promised: u64 },
    #[error("seat {seat} of table {uid} holds {stack} and is nobody's")]
    Ownerless { uid: String, seat: u8, stack: u64 },
    #[error("seat {seat} of table {uid} is not modelled as the chain and the entries under way make it")]
    Model { uid: String, seat: u8 },
}

/// Everything that does not hold.
pub fn flaws(books: &Books) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let sum: i128 = books.ledger.balances().values().map(|amount| i128::from(*amount)).sum();
    if sum != 0 {
        flaws.push(Flaw::Sum(sum));
    }
    let mut reserved = BTreeMap::<PlayerId, (u64, u64)>::new();
    for (account, amount) in books.ledger.balances() {
        if *amount < 0 && !account.may_be_negative() {
            flaws.push(Flaw::Negative { account: account.clone(), amount: *amount });
        }
        match account {
            Account::Reserved(player) => reserved.entry(*player).or_default().0 = books.reserved(*player),
            Account::Seat { uid, seat } if *amount > 0 => {
                let owned = books.tables.get(uid).is_some_and(|table| table.owners.contains_key(seat));
                if !owned {
                    let stack = books.stack(uid, *seat);
                    flaws.push(Flaw::Ownerless { uid: uid.clone(), seat: *seat, stack });
                }
            }
            _ => {}
        }
    }
    for (id, promise) in books.promises.iter().filter(|(_, promise)| promise.state.is_live()) {
        reserved.entry(id.player).or_default().1 += promise.amount;
    }
    for (player, (reserved, promised)) in reserved {
        if reserved != promised {
            flaws.push(Flaw::Promises { player, reserved, promised });
        }
    }
    for (uid, table) in &books.tables {
        let Some((model, _)) = rebased(books, uid) else { continue };
        let seats: BTreeSet<u8> = model.keys().chain(table.seats.keys()).copied().collect();
        let wrong = seats.into_iter().filter(|seat| model.get(seat) != table.seats.get(seat));
        flaws.extend(wrong.map(|seat| Flaw::Model { uid: uid.clone(), seat }));
    }
    flaws
}

/// A fault made on purpose, to see that the checker notices it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// Each transfer is posted again under another key.
    PostTwice,
    /// A promise's chips are set free again.
    FreeTwice,
    /// The model that follows a void lacks its last seat.
    ForgetSeat,
}

impl Fault {
    /// Returns the changes that are carried out in place of these.
    pub fn spoil(self, changes: Vec<Change>) -> Vec<Change> {
        let mut voided = false;
        let mut out = Vec::with_capacity(changes.len());
        for change in changes {
            voided |= matches!(change, Change::Voided { .. });
            match (self, change) {
                (Self::PostTwice, Change::Post(transfer)) => {
                    out.push(Change::Post(transfer.again()));
                    out.push(Change::Post(transfer));
                }
                (Self::FreeTwice, Change::Post(transfer))
                    if matches!(transfer.kind(), "release" | "unvoucher") =>
                {
                    out.push(Change::Post(transfer.again()));
                    out.push(Change::Post(transfer));
                }
                (Self::ForgetSeat, Change::Seats { uid, mut seats }) if voided => {
                    seats.pop_last();
                    out.push(Change::Seats { uid, seats });
                }
                (_, change) => out.push(change),
            }
        }
        out
    }
}
