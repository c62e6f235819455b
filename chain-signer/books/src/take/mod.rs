//! Changes to the books by the vault's log, at final depth.
//!
//! **Guarantees.** Every log can be taken, whatever it says: a conflict between books and chain quarantines what it is
//! about and holds up nothing else. A log that was taken once changes nothing any more: each is posted under its own key,
//! without postings where it moves no money. Transfers sum to zero and overdraw nothing: what the books cannot place goes
//! to a suspense account.

mod hands;
mod money;
mod sequence;

pub(crate) use sequence::rebased;

use crate::{
    books::{Books, Change, Conflict, Owner},
    entry::Event,
    events::{Reason, VaultEvent, VaultLog},
    ledger::{Account, LedgerError, Posting, Subject, Transfer},
    policy::RAKE_MAX,
    promise::{PromiseEvent, PromiseId, PromiseKind, next},
};
use purr_engine::PlayerId;
use purr_protocol::settlement::{EntryBody, NoticeState, Permit};
use std::collections::BTreeMap;

/// Returns the changes that these logs make, in the log's order.
pub fn take(books: &Books, logs: &[VaultLog]) -> Vec<Change> {
    take_in(&mut books.clone(), logs)
}

/// As [`take`], and applies the changes to the books.
pub fn take_in(books: &mut Books, logs: &[VaultLog]) -> Vec<Change> {
    let mut taking = Taking { books, logs, changes: Vec::new() };
    for log in logs {
        taking.log(log);
    }
    taking.changes
}

/// The result of a round of logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub entries_confirmed: u64,
    /// Entries that the chain refused for good, or that were passed over: an alarm.
    pub entries_rejected: u64,
    /// Sits and top-ups that the contract refused, which any player can cause.
    pub seatings_refused: u64,
    /// Seats that had already left could not pay: an alarm.
    pub shortfalls: u64,
    /// Conflicts between books and chain: an alarm.
    pub conflicts: u64,
}

/// Counts the kinds of changes.
pub fn tally(changes: &[Change]) -> Tally {
    let mut tally = Tally::default();
    for change in changes {
        match change {
            Change::Entry { by: Event::Settle, .. } => tally.entries_confirmed += 1,
            Change::Entry { by: Event::Refuse, .. } => tally.seatings_refused += 1,
            Change::Entry { by: Event::Fail | Event::Void, .. } => tally.entries_rejected += 1,
            Change::Conflict { .. } => tally.conflicts += 1,
            Change::Post(transfer) if transfer.kind() == SHORTFALL => tally.shortfalls += 1,
            _ => {}
        }
    }
    tally
}

const SHORTFALL: &str = "shortfall";

/// Amounts by account before they are checked; negative ones leave the account.
type Moves = Vec<(Account, i128)>;

struct Taking<'a> {
    books: &'a mut Books,
    logs: &'a [VaultLog],
    changes: Vec<Change>,
}

fn seat_account(uid: &str, seat: u8) -> Account {
    Account::Seat { uid: uid.into(), seat }
}

/// Postings that move an amount from one account to another.
fn moves(from: Account, to: Account, amount: u64) -> Moves {
    vec![(from, -i128::from(amount)), (to, amount.into())]
}

impl Taking<'_> {
    fn change(&mut self, change: Change) {
        match self.books.apply(&change) {
            Ok(()) => self.changes.push(change),
            Err(error) => self.conflict(&Subject::House, String::new(), error.into()),
        }
    }

    fn conflict(&mut self, subject: &Subject, log: String, why: Conflict) {
        self.change(Change::Conflict { subject: subject.clone(), log, why });
    }

    /// Posts what the chain moved. An amount that an account does not have, or that does not sum to zero, goes to
    /// suspense.
    fn post(&mut self, key: &str, kind: &'static str, subject: &Subject, moves: Moves) {
        let mut sums = BTreeMap::<Account, i128>::new();
        for (account, amount) in moves {
            *sums.entry(account).or_default() += amount;
        }
        let mut unplaced = -sums.values().sum::<i128>();
        let mut lacking = u128::from(unplaced != 0);
        for (account, sum) in sums.iter_mut().filter(|(account, _)| !account.may_be_negative()) {
            let left = i128::from(self.books.ledger.amount(account)) + *sum;
            if *sum < 0 && left < 0 {
                (*sum, unplaced, lacking) = (*sum - left, unplaced + left, lacking + left.unsigned_abs());
            }
        }
        *sums.entry(Account::Suspense(subject.clone())).or_default() += unplaced;
        let range =
            |amount: i128| LedgerError::Range(u64::try_from(amount.unsigned_abs()).unwrap_or(u64::MAX));
        let postings: Result<Vec<Posting>, LedgerError> = sums
            .into_iter()
            .map(|(account, sum)| {
                Ok(Posting { account, amount: i64::try_from(sum).map_err(|_| range(sum))? })
            })
            .collect();
        match postings.and_then(|postings| Transfer::new(key.into(), kind, postings)) {
            Ok(transfer) => self.change(Change::Post(transfer)),
            Err(error) => self.conflict(subject, key.into(), error.into()),
        }
        if lacking != 0 {
            self.conflict(subject, key.into(), Conflict::Unplaced { amount: unplaced });
        }
    }

    fn log(&mut self, log: &VaultLog) {
        let key = log.key();
        if self.books.ledger.is_posted(&key) {
            return;
        }
        match log.event.table() {
            None => self.of_players(log, &key),
            Some(id) => match self.books.uid_of(&id) {
                Some(uid) => self.of_table(log, &key, &uid),
                None => self.unknown_table(log, &key, &id),
            },
        }
        if let Some(player) = log.event.player() {
            self.cover(&key, player);
        }
        if !self.books.ledger.is_posted(&key)
            && let Ok(transfer) = Transfer::new(key, "log", Vec::new())
        {
            self.change(Change::Post(transfer));
        }
    }

    fn of_players(&mut self, log: &VaultLog, key: &str) {
        use VaultEvent as E;
        match &log.event {
            E::Deposited { player, amount } => self.deposited(key, *player, *amount),
            E::Withdrawn { player, amount, nonce } => self.withdrawn(key, *player, *amount, *nonce),
            // The chain pays out the whole free balance, including what is reserved or promised by vouchers.
            E::ExitFinalised { player, amount } => self.spend(key, "exit", *player, *amount, Account::Chain),
            E::ReserveFunded { amount } => {
                self.post(key, "fund", &Subject::House, moves(Account::Chain, Account::House, *amount));
            }
            E::HousePaid { to, amount } => {
                let (key_of, to, amount, tx) = (key.to_owned(), *to, *amount, log.tx);
                self.change(Change::HousePaid { key: key_of, to, amount, tx });
                self.post(key, "house", &Subject::House, moves(Account::House, Account::Chain, amount));
            }
            E::PermitCancelled { player, nonce } => self.release(*player, *nonce, PromiseEvent::Cancel),
            E::ExitRequested { player, .. } => {
                let (player, state) = (*player, NoticeState::Exit(*player));
                self.change(Change::PlayerNotice { player, state, tx: log.tx });
            }
            _ => {}
        }
    }

    fn of_table(&mut self, log: &VaultLog, key: &str, uid: &str) {
        use VaultEvent as E;
        let subject = Subject::Table(uid.into());
        let rebases = self.books.tables.get(uid).is_some_and(|table| log.event.rebases(table.has_vacated()));
        match &log.event {
            E::TableOpened { .. } => self.change(Change::TableOpened { uid: uid.into() }),
            E::Seated { player, seq, seat, amount, nonce, .. } => {
                self.seat_money(key, uid, *seat, *player, *amount, *nonce);
                let permit = self.permit_of(key, uid, *seq, (*player, *seat), false);
                let rake_left = permit.map_or(0, |permit| permit.max_total_rake.min(RAKE_MAX));
                self.owner(uid, *seat, Some(Owner { player: *player, vacated: None, rake_left, borne: 0 }));
                self.settle(uid, (*seq, *seq), Event::Settle, log);
            }
            E::ToppedUp { player, seq, seat, amount, nonce, .. } => {
                self.seat_money(key, uid, *seat, *player, *amount, *nonce);
                let permit = self.permit_of(key, uid, *seq, (*player, *seat), true);
                let more = permit.map_or(0, |permit| permit.max_total_rake);
                let before = self.books.tables.get(uid).and_then(|table| table.owners.get(seat));
                let rake_left = before.map_or(0, |owner| owner.rake_left).saturating_add(more).min(RAKE_MAX);
                let borne = self.books.tables.get(uid).map_or(0, |table| table.borne(*seat, *player));
                self.owner(uid, *seat, Some(Owner { player: *player, vacated: None, rake_left, borne }));
                self.settle(uid, (*seq, *seq), Event::Settle, log);
            }
            // The player was never seated: the chips are free, and the seats are recomputed without the entry.
            E::SeatingRefused { player, seq, nonce, .. } => {
                self.release(*player, *nonce, PromiseEvent::Refuse);
                self.settle(uid, (*seq, *seq), Event::Refuse, log);
            }
            E::HandsSettled { table, first, last, rake } => {
                self.hands(log, key, uid, table, (*first, *last), *rake);
                self.settle(uid, (*first, *last), Event::Settle, log);
            }
            // Shortfall and LateWinnings belong to the HandsSettled event of the same transaction.
            E::Shortfall { .. } | E::LateWinnings { .. } => self.post(key, SHORTFALL, &subject, Vec::new()),
            E::Left { player, seq, seat, stack, .. } => {
                self.unseat(key, uid, *seat, *player, *stack);
                let left = self.books.stack(uid, *seat);
                if left > 0 {
                    let suspense = Account::Suspense(subject.clone());
                    self.post(
                        &format!("{key}:left"),
                        "leave",
                        &subject,
                        moves(seat_account(uid, *seat), suspense, left),
                    );
                    self.conflict(&subject, key.into(), Conflict::Left { seat: *seat, left });
                }
                self.owner(uid, *seat, None);
                self.settle(uid, (*seq, *seq), Event::Settle, log);
            }
            E::SeatVacated { player, seat, stack, .. } => {
                self.unseat(key, uid, *seat, *player, *stack);
                match self.books.tables.get(uid).and_then(|table| table.owners.get(seat)).copied() {
                    Some(owner) => self.owner(uid, *seat, Some(Owner { vacated: Some(*stack), ..owner })),
                    None => self.conflict(&subject, key.into(), Conflict::Nobody(*seat)),
                }
            }
            E::RangeVoided { first, last, .. } => self.voided(log, uid, (*first, *last)),
            E::ItemRejected { table, seq, reason } => {
                // The item may stand for a range, which ends together with its first number. An item of a transaction
                // that the signer did not send changes nothing.
                let Some(last) = self.books.items.get(&(log.tx, *table, *seq)).copied() else { return };
                let event = match reason {
                    Reason::Again(_) => Event::PutOff,
                    Reason::Never(_) if self.left_too_early(log, uid, *seq) => Event::PutOff,
                    Reason::Never(_) => Event::Fail,
                };
                self.settle(uid, (*seq, last), event, log);
            }
            E::RakeSwept { amount, .. } => {
                let rake = Account::Rake { uid: uid.into() };
                self.post(key, "sweep", &subject, moves(rake, Account::House, *amount));
            }
            _ => {}
        }
        if rebases {
            self.rebase(uid);
        }
    }

    /// A table that the journal does not have: its money is held in suspense, so that nobody's free balance is too high.
    fn unknown_table(&mut self, log: &VaultLog, key: &str, id: &[u8; 32]) {
        use VaultEvent as E;
        let subject = Subject::Table(format!("0x{}", hex::encode(id)));
        let suspense = Account::Suspense(subject.clone());
        match &log.event {
            E::Seated { player, amount, .. } | E::ToppedUp { player, amount, .. } => {
                self.spend(key, "seat", *player, *amount, suspense);
            }
            E::Left { player, stack: amount, .. }
            | E::SeatVacated { player, stack: amount, .. }
            | E::LateWinnings { player, amount, .. } => {
                self.post(key, "leave", &subject, moves(suspense, Account::Free(*player), *amount));
            }
            E::RakeSwept { amount, .. } => {
                self.post(key, "sweep", &subject, moves(suspense, Account::House, *amount));
            }
            E::Shortfall { reserve, .. } => {
                self.post(key, SHORTFALL, &subject, moves(Account::House, suspense, *reserve));
            }
            // These events move no chips at the table, or come before anything is at stake there.
            _ => return,
        }
        self.conflict(&subject, key.into(), Conflict::UnknownTable);
    }

    fn owner(&mut self, uid: &str, seat: u8, owner: Option<Owner>) {
        self.change(Change::Owner { uid: uid.into(), seat, owner });
    }

    fn unseat(&mut self, key: &str, uid: &str, seat: u8, player: PlayerId, stack: u64) {
        let moves = moves(seat_account(uid, seat), Account::Free(player), stack);
        self.post(key, "leave", &Subject::Table(uid.into()), moves);
    }

    /// The permit of an accepted sit or top-up, which the chain's must be.
    fn permit_of(
        &mut self,
        key: &str,
        uid: &str,
        seq: u64,
        at: (PlayerId, u8),
        top_up: bool,
    ) -> Option<Permit> {
        let booked = self.books.tables.get(uid)?.entries.get(&seq)?;
        let found = match booked.entry.as_ref().map(|entry| &entry.body) {
            Some(EntryBody::Sit { seat, player, permit }) if !top_up && at == (*player, seat.0) => {
                Some(permit.clone())
            }
            Some(EntryBody::TopUp { seat, player, permit }) if top_up && at == (*player, seat.0) => {
                Some(permit.clone())
            }
            _ => None,
        };
        if found.is_none() {
            self.conflict(&Subject::Table(uid.into()), key.into(), Conflict::Other(seq));
        }
        found
    }

    /// Ends a permit's reservation if this event can end it; its chips become free.
    fn release(&mut self, player: PlayerId, nonce: u64, event: PromiseEvent) {
        let id = PromiseId { kind: PromiseKind::Permit, player, nonce };
        let Some(promise) = self.books.promises.get(&id) else { return };
        let (amount, Ok(state)) = (promise.amount, next(id.kind, promise.state, event)) else { return };
        self.change(Change::Promise { id, state });
        let moves = moves(Account::Reserved(player), Account::Free(player), amount);
        self.post(&format!("release:{player}-{nonce}"), "release", &Subject::Player(player), moves);
    }
}
