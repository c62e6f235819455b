//! Single events of the vault, and what they must and must not do.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{NOW_S, World, player, rejected, table_id};
use purr_books::{
    Books, Change,
    books::{Conflict, borne_by_leaves},
    entry::State,
    events::{VaultEvent as E, VaultLog},
    ledger::{Account, Subject},
    memory::MemoryJournal,
    policy::Refusal,
    promise::{PromiseId, PromiseKind, PromiseState},
    request::{RequestError, VoucherRequest},
    take::{take, take_in, tally},
};
use purr_engine::SeatIndex;
use purr_protocol::settlement::{Entry, EntryBody, NoticeState, Permit, Reserve, SeatDelta, Submit};

const UID: &str = "one";
const ID: [u8; 32] = [3; 32];

fn permit(amount: u64, nonce: u64, rake: u64) -> Permit {
    Permit { amount, max_total_rake: rake, expiry_s: NOW_S + 600, nonce, signature: "0x".into() }
}

fn log(event: E, n: u64) -> VaultLog {
    VaultLog { block: n, tx: [n as u8; 32], index: 0, event }
}

fn sit(world: &mut World, seat: u8, amount: u64, rake: u64) {
    let (who, at) = (player(seat), SeatIndex(seat));
    world.journal.deposit(who, amount * 2);
    let permit = permit(amount, 1, rake);
    let ask = Reserve { epoch: 1, seat: at, player: who, permit: permit.clone(), top_up: false };
    world.journal.reserve(UID, &ask, NOW_S).unwrap();
    submit(world, EntryBody::Sit { seat: at, player: who, permit }).unwrap();
}

fn submit(world: &mut World, body: EntryBody) -> Result<u64, RequestError> {
    let seq = world.journal.books().tables[UID].head_seq + 1;
    world.journal.submit(UID, &Submit { epoch: 1, entries: vec![Entry { seq, body }] })
}

fn hand(zero: i64, one: i64) -> EntryBody {
    let delta = |seat, delta| SeatDelta { seat: SeatIndex(seat), player: player(seat), delta };
    let (record_hash, next) = ("ab".repeat(32), String::new());
    EntryBody::Hand { hand: 1, deltas: vec![delta(0, zero), delta(1, one)], rake: 0, record_hash, next }
}

/// Seats 0 and 1 of the first table with 50 each, at final depth; hand 3 was accepted.
fn table() -> World {
    assert_eq!(table_id(UID), ID);
    let mut world = World::new(MemoryJournal::default());
    for seat in 0..2 {
        sit(&mut world, seat, 50, 10);
    }
    world.journal.settle(UID);
    submit(&mut world, hand(8, -8)).unwrap();
    world
}

fn with_entry_at(state: State) -> Books {
    let mut books = table().journal.books().clone();
    books.tables.get_mut(UID).unwrap().entries.get_mut(&3).unwrap().state = state;
    books
}

fn settled(first: u64, last: u64) -> E {
    E::HandsSettled { table: ID, first, last, rake: 0 }
}

fn conflicts(changes: &[Change]) -> Vec<(Subject, Conflict)> {
    let conflicts = changes.iter().filter_map(|change| match change {
        Change::Conflict { subject, why, .. } => Some((subject.clone(), why.clone())),
        _ => None,
    });
    conflicts.collect()
}

#[test]
fn the_event_wins_from_any_state_that_is_not_final() {
    // Requested: a node reported the transaction as reverted, so the entry waits again.
    for state in [State::Requested, State::Checked, State::Signed, State::Broadcast, State::Mined] {
        let mut books = with_entry_at(state);
        let changes = take_in(&mut books, &[log(settled(3, 3), 200)]);
        assert_eq!(conflicts(&changes), [], "{state}");
        assert_eq!(books.tables[UID].entries[&3].state, State::Confirmed, "{state}");
        assert_eq!((books.stack(UID, 0), books.stack(UID, 1), books.tables[UID].confirmed_seq), (58, 42, 3));
    }
}

#[test]
fn a_conflict_is_about_its_table_and_everybody_elses_events_are_taken() {
    for state in State::FINAL {
        let mut books = with_entry_at(state);
        let deposit = E::Deposited { player: player(4), amount: 7 };
        let changes = take_in(&mut books, &[log(settled(3, 3), 200), log(deposit, 201)]);
        let why = Conflict::Final { seq: 3, state };
        assert!(conflicts(&changes).contains(&(Subject::Table(UID.into()), why)), "{state}: {changes:?}");
        assert_eq!(books.free(player(4)), 7);
        assert!(books.differing.contains_key(&Subject::Table(UID.into())) && books.differing.len() == 1);
    }
}

#[test]
fn numbers_that_the_journal_does_not_have_quarantine_their_table() {
    let mut books = with_entry_at(State::Mined);
    let changes = take_in(&mut books, &[log(settled(3, 5), 200)]);
    let unknown = Conflict::Unknown { first: 3, last: 5, head: 3 };
    assert_eq!(conflicts(&changes), [(Subject::Table(UID.into()), unknown)]);
    assert_eq!(books.tables[UID].confirmed_seq, 3, "never beyond what the journal has");
    // An event that was lost shows by its numbers.
    let skipped = take(&with_entry_at(State::Mined), &[log(settled(4, 4), 200)]);
    let why = Conflict::Skipped { first: 4, confirmed: 2 };
    assert!(conflicts(&skipped).contains(&(Subject::Table(UID.into()), why)));
    let other = take(&with_entry_at(State::Mined), &[log(settled(1, 3), 200)]);
    assert!(conflicts(&other).contains(&(Subject::Table(UID.into()), Conflict::Other(1))));
}

#[test]
fn an_unknown_tables_money_is_in_suspense_and_nobodys_to_promise() {
    let mut books = Books::default();
    let (who, table) = (player(0), [9; 32]);
    let logs = [
        log(E::Deposited { player: who, amount: 100 }, 1),
        log(E::TableOpened { table }, 2),
        log(E::Seated { table, player: who, seq: 1, seat: 0, amount: 60, nonce: 1 }, 3),
    ];
    let opened = take_in(&mut books, &logs[..2]);
    assert_eq!(conflicts(&opened), [], "nothing is at stake at a table that was only opened");
    let changes = take_in(&mut books, &logs);
    let subject = Subject::Table(format!("0x{}", "09".repeat(32)));
    assert_eq!(conflicts(&changes), [(subject.clone(), Conflict::UnknownTable)]);
    assert_eq!(books.free(who), 40);
    assert_eq!(books.ledger.amount(&Account::Suspense(subject.clone())), 60);
    let rest = [
        log(E::Shortfall { table, first: 2, amount: 5, reserve: 5, rake: 0, winners: 0 }, 4),
        log(E::RakeSwept { table, amount: 5 }, 5),
        log(E::Left { table, player: who, seq: 3, seat: 0, stack: 60 }, 6),
        log(E::HandsSettled { table, first: 2, last: 2, rake: 1 }, 7),
    ];
    take_in(&mut books, &rest);
    assert_eq!(books.free(who), 100);
    assert!(books.differing.contains_key(&subject));
}

#[test]
fn a_payout_beyond_what_the_books_have_is_made_good_by_the_deposit_that_was_missed() {
    let (who, mut books) = (player(0), Books::default());
    let out = log(E::Withdrawn { player: who, amount: 30, nonce: 1 }, 1);
    let paid = log(E::Deposited { player: who, amount: 100 }, 2);
    let changes = take_in(&mut books, std::slice::from_ref(&out));
    assert_eq!(conflicts(&changes), [(Subject::Player(who), Conflict::Unplaced { amount: -30 })]);
    take_in(&mut books, std::slice::from_ref(&paid));
    assert_eq!(books.free(who), 70);
    assert_eq!(books.ledger.amount(&Account::Suspense(Subject::Player(who))), 0);
    // With the events in the other order nothing was ever missing.
    let mut right = Books::default();
    assert_eq!(conflicts(&take_in(&mut right, &[paid, out])), []);
    assert_eq!(right.free(who), 70);
}

#[test]
fn amounts_beyond_the_ledgers_range_are_a_conflict_and_move_nothing() {
    let mut books = Books::default();
    let changes = take_in(&mut books, &[log(E::Deposited { player: player(0), amount: u64::MAX }, 1)]);
    assert!(matches!(conflicts(&changes).as_slice(), [(Subject::Player(_), Conflict::Ledger(_))]));
    assert_eq!(books.free(player(0)), 0);
}

#[test]
fn a_seat_that_keeps_chips_after_its_player_left_is_emptied_into_suspense() {
    let mut books = with_entry_at(State::Mined);
    let left = E::Left { table: ID, player: player(0), seq: 3, seat: 0, stack: 45 };
    let changes = take_in(&mut books, &[log(left, 200)]);
    let subject = Subject::Table(UID.into());
    assert!(conflicts(&changes).contains(&(subject.clone(), Conflict::Left { seat: 0, left: 5 })));
    assert_eq!((books.stack(UID, 0), books.ledger.amount(&Account::Suspense(subject))), (0, 5));
    let vacated = E::SeatVacated { table: ID, player: player(0), seat: 3, stack: 0 };
    let changes = take_in(&mut books, &[log(vacated, 201)]);
    assert_eq!(conflicts(&changes), [(Subject::Table(UID.into()), Conflict::Nobody(3))]);
}

#[test]
fn a_refused_top_up_at_the_rake_ceiling_leaves_the_allowance_as_it_was() {
    let mut world = table();
    let (who, at, most) = (player(0), SeatIndex(0), permit(20, 2, u64::MAX));
    let ask = Reserve { epoch: 1, seat: at, player: who, permit: most.clone(), top_up: true };
    world.journal.reserve(UID, &ask, NOW_S).unwrap();
    submit(&mut world, EntryBody::TopUp { seat: at, player: who, permit: most }).unwrap();
    world.journal.take(vec![settled(3, 3)]);
    let refused = E::SeatingRefused { table: ID, player: who, seq: 4, nonce: 2, reason: [0; 4] };
    let changes = world.journal.take(vec![refused]);
    let seat = world.journal.books().tables[UID].seats[&0];
    assert_eq!((seat.stack, seat.rake_left), (58, 10));
    assert_eq!((world.journal.books().free(who), world.journal.books().reserved(who)), (50, 0));
    // It is counted apart from entries that the chain rejects, because any player can cause it.
    assert_eq!((tally(&changes).seatings_refused, tally(&changes).entries_rejected), (1, 0));
}

#[test]
fn an_item_that_the_chain_rejects_takes_its_whole_range_and_uses_no_number() {
    let mut books = with_entry_at(State::Mined);
    assert_eq!(
        tally(&take(&books, &[log(rejected(UID, 3), 200)])).entries_rejected,
        0,
        "not our transaction"
    );
    books.items.insert(([200; 32], ID, 3), 3);
    let changes = take_in(&mut books, &[log(rejected(UID, 3), 200)]);
    assert_eq!(tally(&changes).entries_rejected, 1);
    assert_eq!((books.tables[UID].entries[&3].state, books.tables[UID].confirmed_seq), (State::Rejected, 2));
    // An entry that is put off waits again.
    let mut books = with_entry_at(State::Mined);
    books.items.insert(([200; 32], ID, 3), 3);
    let reason = purr_books::events::Reason::Again([1; 4]);
    take_in(&mut books, &[log(E::ItemRejected { table: ID, seq: 3, reason }, 200)]);
    assert_eq!(books.tables[UID].entries[&3].state, State::Requested);
}

#[test]
fn a_voucher_from_before_an_exit_is_covered_again_before_anybody_is_promised_new_money() {
    let (who, mut journal) = (player(0), MemoryJournal::default());
    journal.deposit(who, 100);
    let ask = |amount, nonce| VoucherRequest { player: who, amount, nonce, deadline_s: NOW_S };
    journal.voucher(&ask(60, 1)).unwrap();
    journal.take(vec![E::ExitFinalised { player: who, amount: 100 }]);
    let id = PromiseId { kind: PromiseKind::Voucher, player: who, nonce: 1 };
    assert_eq!(journal.books().promises[&id].state, PromiseState::Uncovered);
    assert_eq!(journal.voucher(&ask(60, 1)), Err(RequestError::NonceUsed(1)));
    journal.deposit(who, 100);
    assert_eq!((journal.books().free(who), journal.books().reserved(who)), (40, 60));
    assert_eq!(journal.voucher(&ask(41, 2)), Err(RequestError::Insufficient(who)));
    journal.take(vec![E::Withdrawn { player: who, amount: 60, nonce: 1 }]);
    assert_eq!((journal.books().free(who), journal.books().reserved(who)), (40, 0));
    // Past its deadline an uncovered voucher is no promise any more.
    journal.voucher(&ask(40, 3)).unwrap();
    journal.take(vec![E::ExitFinalised { player: who, amount: 40 }]);
    journal.expire(NOW_S + 1).unwrap();
    journal.deposit(who, 50);
    assert_eq!(journal.books().free(who), 50);
}

#[test]
fn house_money_comes_and_goes_and_a_player_who_exits_is_told_to_the_tables() {
    let mut world = table();
    world.journal.take(vec![E::ReserveFunded { amount: 9 }, E::HousePaid { to: player(2), amount: 4 }]);
    assert_eq!(world.journal.books().ledger.balance(&Account::House), 5);
    let before = world.journal.notices_after(UID, 0).len();
    world.journal.take(vec![E::ExitRequested { player: player(0), ready_at_s: 1 }]);
    assert_eq!(world.journal.notices_after(UID, 0).len(), before + 1);
    let balance = world.journal.balance(player(1));
    assert_eq!((balance.free, balance.reserved, balance.seated.len()), (50, 0, 1));
    assert_eq!(world.journal.entries_after(UID, 2).len(), 1);
}

#[test]
fn requests_of_the_past_and_of_nobody_are_refused() {
    let mut world = table();
    let conflict = Submit { epoch: 1, entries: vec![Entry { seq: 3, body: hand(7, -7) }] };
    assert!(matches!(world.journal.submit(UID, &conflict), Err(RequestError::Conflict { seq: 3, .. })));
    let gap = Submit { epoch: 1, entries: vec![Entry { seq: 5, body: hand(7, -7) }] };
    assert!(matches!(world.journal.submit(UID, &gap), Err(RequestError::Gap { next: 4, given: 5, .. })));
    assert_eq!(world.journal.fence(UID, 7).unwrap().head_seq, 3);
    assert!(matches!(world.journal.submit(UID, &gap), Err(RequestError::Fenced { given: 1, highest: 7 })));
    assert!(matches!(world.journal.status("x"), Err(RequestError::UnknownTable(_))));
    let known = Submit { epoch: 7, entries: vec![Entry { seq: 3, body: hand(8, -8) }] };
    assert_eq!(world.journal.submit(UID, &known), Ok(3));
    let leave = EntryBody::Leave { seat: SeatIndex(0), player: player(0), stack: 1 };
    let refused =
        world.journal.submit(UID, &Submit { epoch: 7, entries: vec![Entry { seq: 4, body: leave }] });
    assert!(matches!(refused, Err(RequestError::Refused(_))));
    // A number that was passed over takes the first payload handed in, and nothing else.
    world.journal.take(vec![E::RangeVoided { table: ID, first: 3, last: 5 }]);
    let late = |amount| Submit { epoch: 7, entries: vec![Entry { seq: 5, body: hand(amount, -amount) }] };
    assert_eq!((world.journal.submit(UID, &late(1)), world.journal.submit(UID, &late(1))), (Ok(5), Ok(5)));
    assert!(matches!(world.journal.submit(UID, &late(2)), Err(RequestError::Conflict { seq: 5, .. })));
}

/// Hand 3 is accepted, and its loser's exit becomes final before it.
#[test]
fn a_loss_that_a_shortfall_may_have_taken_waits_until_the_shortfall_is_final() {
    let mut world = table();
    world.journal.take(vec![
        E::ReserveFunded { amount: 8 },
        E::SeatVacated { table: ID, player: player(1), seat: 1, stack: 50 },
    ]);
    // The table counts 58 for seat 0; the chain is certain to have only 50 of them.
    let want = Refusal::Insolvent { seat: 0, stack: 50, loss: 51 };
    assert_eq!(submit(&mut world, hand(-51, 51)), Err(RequestError::Refused(want)));
    let bears = E::Shortfall { table: ID, first: 3, amount: 8, reserve: 8, rake: 0, winners: 0 };
    world.journal.take(vec![bears, settled(3, 3)]);
    // The reserve bore the shortfall, so the winner has the whole win.
    assert_eq!(submit(&mut world, hand(-51, 51)), Ok(4));
}

/// A seat whose player has left has no owner: the next player there owes nothing of what came before.
#[test]
fn whoever_sits_down_after_a_player_who_exited_is_not_held_to_their_losses() {
    let mut world = table();
    world.journal.take(vec![E::SeatVacated { table: ID, player: player(1), seat: 1, stack: 50 }]);
    let leave = EntryBody::Leave { seat: SeatIndex(1), player: player(1), stack: 42 };
    submit(&mut world, leave).unwrap();
    let (who, permit) = (player(2), permit(50, 1, 10));
    world.journal.deposit(who, 50);
    let ask = Reserve { epoch: 1, seat: SeatIndex(1), player: who, permit: permit.clone(), top_up: false };
    world.journal.reserve(UID, &ask, NOW_S).unwrap();
    submit(&mut world, EntryBody::Sit { seat: SeatIndex(1), player: who, permit }).unwrap();
    let delta = |seat, who, delta| SeatDelta { seat: SeatIndex(seat), player: player(who), delta };
    let between = |zero: i64| EntryBody::Hand {
        hand: 2,
        deltas: vec![delta(0, 0, zero), delta(1, 2, -zero)],
        rake: 0,
        record_hash: "ab".repeat(32),
        next: String::new(),
    };
    submit(&mut world, between(50)).unwrap();
    // At most 8 of what seat 0 won may be missing: 50 + 8 + 50 less 8.
    let want = Refusal::Insolvent { seat: 0, stack: 100, loss: 101 };
    assert_eq!(submit(&mut world, between(-101)), Err(RequestError::Refused(want)));
    submit(&mut world, between(-100)).unwrap();
}

#[test]
fn a_winner_who_bore_a_shortfall_is_stood_up_and_leaves_with_what_the_chain_has() {
    let mut world = table();
    let leave = |stack| EntryBody::Leave { seat: SeatIndex(0), player: player(0), stack };
    submit(&mut world, leave(58)).unwrap();
    let mut books = world.journal.books().clone();
    let short = E::Shortfall { table: ID, first: 3, amount: 5, reserve: 0, rake: 0, winners: 5 };
    let exit = E::SeatVacated { table: ID, player: player(1), seat: 1, stack: 50 };
    take_in(&mut books, &[log(exit, 199)]);
    // Hand and Leave are in one transaction: nobody could know of the shortfall.
    let tx = [200; 32];
    books.items.extend([((tx, ID, 3), 3), ((tx, ID, 4), 4)]);
    let said = [short, settled(3, 3), rejected(UID, 4)];
    let logs: Vec<VaultLog> =
        (0..).zip(said).map(|(index, event)| VaultLog { block: 200, tx, index, event }).collect();
    let changes = take_in(&mut books, &logs);
    assert_eq!(tally(&changes).entries_rejected, 0);
    assert_eq!((books.tables[UID].entries[&4].state, books.tables[UID].confirmed_seq), (State::Requested, 3));
    assert_eq!((books.tables[UID].borne(0, player(0)), books.stack(UID, 0)), (5, 53));
    let entries = books.tables[UID].entries.range(4..).filter_map(|(_, booked)| booked.entry.as_ref());
    assert_eq!(borne_by_leaves(entries, &[(0, 5)].into()), [(4, 5)].into());
    // The next Leave named the chain's stack: if the vault rejects that one as well, it is not tried again.
    books.items.insert(([201; 32], ID, 4), 4);
    let again = take_in(&mut books, &[log(rejected(UID, 4), 201)]);
    assert_eq!(tally(&again).entries_rejected, 1);

    // Only players who still sit there are told to leave.
    let mut books = table().journal.books().clone();
    let changes = take_in(&mut books, &logs[..2]);
    let told: Vec<_> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Notice { state: NoticeState::Exit(who), range, .. } => Some((*who, *range)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(player(0), (3, 3))]);
    assert!(books.tables[UID].seats[&0].stack == 58 && books.stack(UID, 0) == 53);
}

#[test]
fn a_seat_that_is_taken_anew_bore_nothing() {
    let entry = |seq, body| Entry { seq, body };
    let leave = |stack| EntryBody::Leave { seat: SeatIndex(0), player: player(0), stack };
    let sit = EntryBody::Sit { seat: SeatIndex(0), player: player(0), permit: permit(9, 9, 9) };
    let entries = [entry(4, leave(9)), entry(5, sit.clone()), entry(6, leave(9))];
    assert_eq!(borne_by_leaves(&entries, &[(0, 5)].into()), [(4, 5)].into());
    assert_eq!(borne_by_leaves(&[entry(5, sit), entry(6, leave(9))], &[(0, 5)].into()), [].into());
}
