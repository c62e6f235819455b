//! Reservations and vouchers that are refused, and repeated requests for them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use common::{EXPIRY_S, NOW_S, TABLES, World, permit, player, table_id, terms};
use purr_books::{
    Books, Change,
    books::{PromiseTerms, TableBooks},
    check::{Flaw, flaws},
    ledger::{Account, Ledger, Posting, Transfer},
    limits::{Own, OwnRefusal},
    memory::MemoryJournal,
    policy::{Limits, Refusal, Terms},
    promise::{PromiseId, PromiseKind, PromiseState},
    request::{self, Hour, RequestError, VoucherRequest},
};
use purr_engine::SeatIndex;
use purr_protocol::{
    limits::{OwnLimit, OwnLimits},
    settlement::{Entry, EntryBody, NoticeState, OpenTable, Reserve, Submit},
};

const UID: &str = TABLES[0];

fn ask(nonce: u64, amount: u64) -> Reserve {
    Reserve { epoch: 1, seat: SeatIndex(0), player: player(0), permit: permit(amount, nonce), top_up: false }
}

fn voucher(nonce: u64, amount: u64) -> VoucherRequest {
    VoucherRequest { player: player(0), amount, nonce, deadline_s: EXPIRY_S }
}

/// Player 0 has 1,000 free; nobody sits.
fn books() -> Books {
    let mut world = World::new(MemoryJournal::default());
    world.deposit(player(0), 1_000);
    world.journal.books().clone()
}

fn with(mut books: Books, changes: &[Change]) -> Books {
    changes.iter().for_each(|change| books.apply(change).unwrap());
    books
}

#[test]
fn a_table_that_the_chain_has_not_opened_takes_no_reservation_and_no_entry() {
    let mut books = books();
    let table = TableBooks::new(table_id(UID), Terms::from(&terms()), 1);
    books.tables.insert(UID.into(), table);
    let not_open = RequestError::NotOpen(UID.into());
    assert_eq!(request::reserve(&books, UID, &ask(1, 100), NOW_S), Err(not_open.clone()));
    let submit = Submit { epoch: 1, entries: Vec::new() };
    let accepted = request::accept(&books, UID, &submit, &Limits::default(), Hour::default());
    assert_eq!(accepted, Err(not_open));
    let unknown = RequestError::UnknownTable("none".into());
    assert_eq!(request::reserve(&books, "none", &ask(1, 100), NOW_S), Err(unknown));
}

#[test]
fn whoever_is_denied_or_frozen_gets_no_seat_and_no_voucher_and_held_no_voucher() {
    let (whole, who) = (books(), player(0));
    assert!(request::reserve(&whole, UID, &ask(1, 100), NOW_S).is_ok());
    assert!(request::voucher(&whole, &voucher(2, 100)).is_ok());

    let mut denied = whole.clone();
    denied.denied.insert(who);
    assert_eq!(request::reserve(&denied, UID, &ask(1, 100), NOW_S), Err(RequestError::Denied(who)));
    assert_eq!(request::voucher(&denied, &voucher(2, 100)), Err(RequestError::Denied(who)));

    let mut frozen = whole.clone();
    frozen.frozen.insert(who, "log:0x00:1".into());
    assert_eq!(request::reserve(&frozen, UID, &ask(1, 100), NOW_S), Err(RequestError::Frozen(who)));
    assert_eq!(request::voucher(&frozen, &voucher(2, 100)), Err(RequestError::Frozen(who)));

    let mut held = whole;
    held.held.insert(who);
    assert!(request::reserve(&held, UID, &ask(1, 100), NOW_S).is_ok());
    assert_eq!(request::voucher(&held, &voucher(2, 100)), Err(RequestError::Held(who)));
}

#[test]
fn a_reservation_that_was_made_before_a_denial_seats_its_player_who_is_stood_up_at_once() {
    let mut books = books();
    let reserved = request::reserve(&books, UID, &ask(1, 100), NOW_S).unwrap();
    books = with(books, &reserved);
    books.denied.insert(player(0));
    let body = EntryBody::Sit { seat: SeatIndex(0), player: player(0), permit: permit(100, 1) };
    let submit = Submit { epoch: 1, entries: vec![Entry { seq: 1, body }] };
    let accepted = request::accept(&books, UID, &submit, &Limits::default(), Hour::default()).unwrap();
    let stood_up = |change: &Change| matches!(change, Change::PlayerNotice { player: who, state: NoticeState::Exit(_), .. } if *who == player(0));
    assert_eq!((accepted.head, accepted.changes.iter().filter(|change| stood_up(change)).count()), (1, 1));
}

#[test]
fn asked_again_a_permit_and_a_voucher_change_nothing_and_with_other_values_they_are_refused() {
    let mut books = books();
    let reserved = request::reserve(&books, UID, &ask(1, 100), NOW_S).unwrap();
    books = with(books, &reserved);
    assert_eq!(request::reserve(&books, UID, &ask(1, 100), NOW_S), Ok(Vec::new()));
    assert_eq!(request::reserve(&books, UID, &ask(1, 101), NOW_S), Err(RequestError::NonceUsed(1)));

    let (_, given) = request::voucher(&books, &voucher(2, 300)).unwrap();
    books = with(books, &given);
    assert_eq!(request::voucher(&books, &voucher(2, 300)), Ok((None, Vec::new())));
    let id = PromiseId { kind: PromiseKind::Voucher, player: player(0), nonce: 2 };
    books.promises.get_mut(&id).unwrap().terms = PromiseTerms::Voucher { signature: Some("sig".into()) };
    assert_eq!(request::voucher(&books, &voucher(2, 300)), Ok((Some("sig".into()), Vec::new())));
    assert_eq!(request::voucher(&books, &voucher(2, 299)), Err(RequestError::NonceUsed(2)));
    // 1,000 less 100 for the seat and 300 for the voucher.
    let dear = request::voucher(&books, &voucher(3, 601));
    assert_eq!(dear, Err(RequestError::Insufficient(player(0))));
    assert_eq!(books.free(player(0)), 600);

    // They have expired: the whole amount is free again, exactly once.
    let ended = request::expire(&books, EXPIRY_S + 1).unwrap();
    books = with(books, &ended);
    assert_eq!((books.free(player(0)), books.reserved(player(0))), (1_000, 0));
    assert_eq!(request::expire(&books, EXPIRY_S + 1), Ok(Vec::new()));
    assert_eq!(books.promises[&id].state, PromiseState::Released);
    assert_eq!(flaws(&books), []);
}

#[test]
fn a_players_own_limit_refuses_a_seat_and_a_seat_within_it_begins_a_session() {
    let mut books = books();
    let limits =
        OwnLimits { buy_in: OwnLimit { now: Some(50), ..OwnLimit::default() }, ..OwnLimits::default() };
    books.own.insert(player(0), Own { limits, ..Own::default() });
    let refused = request::reserve(&books, UID, &ask(1, 100), NOW_S);
    assert_eq!(refused, Err(RequestError::Own(OwnRefusal::BuyIn { limit: 50, would: 100 })));
    let reserved = request::reserve(&books, UID, &ask(1, 50), NOW_S).unwrap();
    assert!(reserved.iter().any(|change| matches!(change, Change::Session { .. })), "{reserved:?}");
    let books = with(books, &reserved);
    assert_eq!(books.own[&player(0)].session.unwrap().began_s, NOW_S);
}

#[test]
fn a_hand_above_the_tables_limit_of_an_hour_is_refused() {
    let mut world = World::new(MemoryJournal::default());
    for seat in 0..2 {
        world.deposit(player(seat), 1_000);
        world.sit(UID, seat, player(seat), 501);
    }
    let books = world.journal.books().clone();
    assert!(world.loses(UID, (0, 1), 60));
    let entry = world.journal.entries_after(UID, 2).remove(0);
    let submit = Submit { epoch: 1, entries: vec![entry] };
    let within =
        |moved| request::accept(&books, UID, &submit, &Limits::default(), Hour { limit: 100, moved });
    assert!(within(40).is_ok());
    let above = RequestError::Refused(Refusal::HourLimit { moved: 101, limit: 100 });
    assert_eq!(within(41), Err(above));
}

#[test]
fn a_journal_in_memory_plays_a_whole_session_and_a_restarted_table_fences_the_one_before() {
    let mut world = World::new(MemoryJournal::default());
    for seat in 0..2 {
        world.deposit(player(seat), 1_000);
        world.sit(UID, seat, player(seat), 401);
    }
    world.sit(UID, 0, player(0), 101);
    assert!(world.loses(UID, (0, 1), 300) && world.leaves(UID, 1));
    let journal = &mut world.journal;
    let restarted = OpenTable { epoch: 4, ..terms() };
    let status = journal.open(UID, table_id(UID), &restarted).unwrap();
    assert_eq!((status.head_seq, status.confirmed_seq), (5, 0));
    let fenced = journal.fence(UID, 3);
    assert_eq!(fenced, Err(RequestError::Fenced { given: 3, highest: 4 }));
    assert_eq!(journal.fence(UID, 5).map(|fenced| (fenced.epoch, fenced.head_seq)), Ok((5, 5)));
    assert_eq!((journal.settle(UID), journal.settle("none")), (5, 0));
    assert_eq!(journal.status(UID).unwrap().confirmed_seq, 5);
    assert_eq!(journal.balance(player(1)).free, 599 + 701);
    let seated = journal.balance(player(0));
    assert_eq!((seated.free, seated.seated.len(), seated.seated[0].stack), (498, 1, 202));
    assert!(!journal.notices_after(UID, 0).is_empty() && journal.notices_after("none", 0).is_empty());
    assert!(journal.entries_after("none", 0).is_empty());
    assert_eq!((flaws(journal.books()), journal.overdrawn.len()), (Vec::new(), 0));
}

#[test]
fn what_must_never_be_is_named() {
    let mut books = books();
    let (player, uid) = (player(0), UID.to_owned());
    let seat = Account::Seat { uid: uid.clone(), seat: 2 };
    let balances = [(Account::Free(player), -5), (seat, 9)].into();
    books.ledger = Ledger::load(balances, ["k".to_owned()].into());
    let expected = [
        Flaw::Sum(4),
        Flaw::Negative { account: Account::Free(player), amount: -5 },
        Flaw::Ownerless { uid, seat: 2, stack: 9 },
    ];
    for flaw in &expected {
        assert!(flaws(&books).contains(flaw), "{flaw}");
    }
    let out = Posting::out(Account::Chain, 3).unwrap();
    let transfer = Transfer::new("k".into(), "deposit", vec![out, Posting::into(Account::House, 3).unwrap()]);
    assert_eq!(books.ledger.post(&transfer.unwrap()), Ok(false), "a key is posted once");
}
