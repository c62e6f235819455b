//! Replay of the hash chain: the same books, and an error for each row that cannot follow.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests may fail loudly"
)]

mod common;

use common::{EXPIRY_S, NOW_S, Op, TABLES, World, cases, logs_of, permit, player, table_id, terms};
use proptest::prelude::*;
use purr_books::{
    asked::TableNote,
    check::flaws,
    entry::{Event, IllegalTransition, State},
    events::VaultEvent as E,
    ledger::Account,
    memory::MemoryJournal,
    promise::{PromiseId, PromiseKind, PromiseState},
    replay::{Act, NotedFees, NotedTransaction, Replay, ReplayError, Step},
    request::{RequestError, VoucherRequest},
};
use purr_engine::SeatIndex;
use purr_protocol::settlement::{Entry, EntryBody, NoticeState};

const UID: &str = TABLES[0];
const FEES: NotedFees = NotedFees { gas: 100_000, max_fee: 3, priority_fee: 1 };
const HIGHER: NotedFees = NotedFees { gas: 100_000, max_fee: 6, priority_fee: 2 };
const HASH: [u8; 32] = [7; 32];

fn replayed(steps: impl IntoIterator<Item = Step>) -> Replay {
    let mut replay = Replay::default();
    for step in steps {
        let text = format!("{step:?}");
        replay.step(step).unwrap_or_else(|error| panic!("{error}: {text}"));
    }
    replay
}

/// A table with an entry that waits: player 0 sits down in seat 0.
fn waiting() -> Vec<Step> {
    let mut world = World::new(MemoryJournal::default());
    world.deposit(player(0), 1_000);
    world.sit(UID, 0, player(0), 101);
    assert_eq!(world.journal.books().tables[UID].head_seq, 1);
    world.steps
}

fn noted(tx: i64, ranges: &[(u64, u64)]) -> NotedTransaction {
    NotedTransaction {
        tx,
        purpose: "settle".into(),
        nonce: 4,
        ranges: ranges.iter().map(|(first, last)| (UID.to_owned(), *first, *last)).collect(),
        calldata: "ab".repeat(32),
        sender: None,
        destination: None,
        fees: Some(FEES),
    }
}

fn signed(tx: i64, attempt: u16) -> Step {
    Step::Signed { tx, attempt, hash: HASH, items: vec![(table_id(UID), 1, 1)] }
}

fn broadcast(tx: i64) -> Step {
    Step::Broadcast { tx, hash: hex::encode(HASH) }
}

fn mined(tx: i64, reverted: bool) -> Step {
    let (hash, block_hash) = (hex::encode(HASH), "cd".repeat(32));
    Step::Mined { tx, hash, block: 9, block_hash, reverted }
}

fn entry_state(replay: &Replay) -> State {
    replay.books.tables[UID].entries[&1].state
}

/// The transaction's state and its entry's.
fn states(replay: &Replay) -> (State, State) {
    (replay.transactions[&1].state, entry_state(replay))
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn the_rows_carried_out_again_give_the_same_books(
        history in prop::collection::vec(any::<Op>(), 1..160), late: bool,
    ) {
        let mut world = World::new(MemoryJournal::default());
        history.iter().for_each(|op| world.step(*op));
        if late {
            world.expire(EXPIRY_S + 1);
        }
        let replay = replayed(world.steps.clone());
        prop_assert_eq!(&replay.books, world.journal.books());
        for (kind, amounts) in replay.postings.values() {
            prop_assert_eq!(amounts.values().sum::<i64>(), 0, "{}", kind);
        }
        let booked = replay.postings.values().flat_map(|(_, amounts)| amounts);
        let mut sums = std::collections::BTreeMap::<String, i64>::new();
        booked.for_each(|(account, amount)| *sums.entry(account.clone()).or_default() += amount);
        for (account, amount) in world.journal.books().ledger.balances() {
            prop_assert_eq!(sums.get(&account.to_string()).copied().unwrap_or(0), *amount, "{}", account);
        }
    }

    #[test]
    fn a_row_that_is_left_out_or_comes_twice_gives_other_books_or_an_error(
        history in prop::collection::vec(any::<Op>(), 20..80), at: prop::sample::Index, twice: bool,
    ) {
        let mut world = World::new(MemoryJournal::default());
        // The range has at least one entry.
        world.deposit(player(0), 1_000);
        world.sit(UID, 0, player(0), 101);
        history.iter().for_each(|op| world.step(*op));
        let entries: Vec<usize> = (0..world.steps.len())
            .filter(|n| matches!(world.steps[*n], Step::Entry { .. }))
            .collect();
        let (at, mut steps) = (entries[at.index(entries.len())], world.steps.clone());
        if twice {
            let again = steps[at].clone();
            steps.insert(at + 1, again);
            // The same payload under an old number is no other entry.
            prop_assert_eq!(&replayed(steps).books.tables[UID].entries, &world.journal.books().tables[UID].entries);
        } else {
            steps.remove(at);
            let mut replay = Replay::default();
            let failed = steps.into_iter().any(|step| replay.step(step).is_err());
            prop_assert!(failed || &replay.books != world.journal.books());
        }
    }
}

#[test]
fn a_transaction_takes_its_entries_along_from_check_to_its_block_and_back() {
    let mut replay = replayed(waiting());
    replay.step(Step::Checked(noted(1, &[(1, 1)]))).unwrap();
    assert_eq!(states(&replay), (State::Checked, State::Checked));
    assert_eq!(replay.carried[&(UID.to_owned(), 1)], 1);
    replay.step(signed(1, 0)).unwrap();
    assert_eq!(replay.books.items[&(HASH, table_id(UID), 1)], 1);
    replay.step(Step::Replaced { tx: 1, attempt: 1, fees: Some(HIGHER) }).unwrap();
    assert_eq!(states(&replay), (State::Checked, State::Checked));
    replay.step(signed(1, 1)).unwrap();
    replay.step(broadcast(1)).unwrap();
    let told = (UID.to_owned(), (1, 1), NoticeState::Submitted, format!("0x{}", hex::encode(HASH)));
    assert_eq!(replay.told, [told]);
    replay.step(mined(1, false)).unwrap();
    replay.step(Step::Reorged { tx: 1 }).unwrap();
    assert_eq!(states(&replay), (State::Broadcast, State::Broadcast));
    assert_eq!(replay.transactions[&1].mined, None);
    replay.step(mined(1, false)).unwrap();
    replay.step(Step::Finished { tx: 1, reverted: false }).unwrap();
    assert_eq!(states(&replay), (State::Confirmed, State::Mined), "its own event makes an entry final");
    let made = &replay.transactions[&1];
    assert_eq!(made.fees, [(0, Some(FEES)), (1, Some(HIGHER))].into());
    assert_eq!(made.hashes, [(0, HASH), (1, HASH)].into());
    assert_eq!((made.mined.as_ref().unwrap().0, made.reverted), (9, false));
    let seated =
        E::Seated { table: table_id(UID), player: player(0), seq: 1, seat: 0, amount: 101, nonce: 1 };
    replay.step(Step::Logs(logs_of(99, &[seated]))).unwrap();
    assert_eq!(entry_state(&replay), State::Confirmed);
    assert_eq!(replay.books.stack(UID, 0), 101);
    assert_eq!(flaws(&replay.books), []);
}

#[test]
fn entries_of_a_transaction_that_reverts_or_is_given_up_wait_again() {
    let begun = || [waiting(), vec![Step::Checked(noted(1, &[(1, 1)]))]].concat();
    let on_the_way = || [begun(), vec![signed(1, 0), broadcast(1)]].concat();
    let ends: [(Vec<Step>, State); 3] = [
        (
            [on_the_way(), vec![mined(1, true), Step::Finished { tx: 1, reverted: true }]].concat(),
            State::Rejected,
        ),
        ([on_the_way(), vec![Step::Abandoned { tx: 1 }]].concat(), State::Rejected),
        (
            [
                begun(),
                vec![Step::Filled(NotedTransaction { purpose: "fill".into(), fees: None, ..noted(1, &[]) })],
            ]
            .concat(),
            State::Checked,
        ),
    ];
    for (steps, state) in ends {
        let mut replay = replayed(steps);
        assert_eq!(states(&replay), (state, State::Requested));
        assert!(replay.carried.is_empty());
        // Another transaction may carry the entry now.
        replay.step(Step::Checked(noted(2, &[(1, 1)]))).unwrap();
        assert_eq!(entry_state(&replay), State::Checked);
    }
    let filled =
        replayed([begun(), vec![Step::Filled(NotedTransaction { fees: None, ..noted(1, &[]) })]].concat());
    assert_eq!(filled.transactions[&1].noted.fees, Some(FEES), "its versions keep their fees");
}

#[test]
fn rows_that_cannot_have_come_there_are_named() {
    let mut replay = replayed(waiting());
    assert!(matches!(replay.step(signed(5, 0)), Err(ReplayError::NoTransaction(5))));
    assert!(matches!(replay.step(Step::Filled(noted(5, &[]))), Err(ReplayError::NoTransaction(5))));
    let two = Step::Checked(noted(1, &[(1, 2)]));
    assert!(matches!(replay.step(two), Err(ReplayError::NotWaiting { seq: 2, .. })));
    let mut replay = replayed([waiting(), vec![Step::Checked(noted(1, &[(1, 1)]))]].concat());
    let illegal = IllegalTransition { state: State::Checked, event: Event::Reorg };
    assert!(
        matches!(replay.step(Step::Reorged { tx: 1 }), Err(ReplayError::Illegal(error)) if error == illegal)
    );

    let entry = |seq, body| Step::Entry { uid: UID.into(), entry: Box::new(Entry { seq, body }) };
    let leave = EntryBody::Leave { seat: SeatIndex(3), player: player(3), stack: 0 };
    assert!(matches!(
        replay.step(entry(2, leave.clone())),
        Err(ReplayError::Request(RequestError::Refused(_)))
    ));
    assert!(matches!(
        replay.step(entry(7, leave.clone())),
        Err(ReplayError::Request(RequestError::Gap { .. }))
    ));
    let sit = EntryBody::Sit { seat: SeatIndex(0), player: player(0), permit: permit(101, 1) };
    replay.step(entry(1, sit)).unwrap();
    let other = Err::<(), _>(replay.step(entry(1, leave)).unwrap_err());
    assert!(matches!(other, Err(ReplayError::Request(RequestError::Conflict { seq: 1, .. }))));
    let dear = VoucherRequest { player: player(0), amount: 5_000, nonce: 9, deadline_s: EXPIRY_S };
    assert!(matches!(replay.step(Step::Voucher(dear)), Err(ReplayError::Ledger(_))));
    let note = TableNote { uid: UID.into(), table_id: String::new(), terms: terms() };
    assert!(matches!(replay.step(Step::Table(note, [0; 32])), Err(ReplayError::Twice(uid)) if uid == UID));
}

#[test]
fn acts_and_signatures_are_kept_as_the_rows_have_them() {
    let mut replay = replayed(waiting());
    let (who, key) = (player(2), format!("log:0x{}:3", "ee".repeat(32)));
    replay.step(Step::Frozen { player: who, key: key.clone() }).unwrap();
    assert_eq!(replay.books.frozen[&who], key);
    assert!(replay.told_players.contains(&(who, format!("0x{}", "ee".repeat(32)))));
    replay.step(Step::Thawed { player: who, key }).unwrap();
    assert!(replay.books.frozen.is_empty());

    replay.step(Step::Fence { uid: UID.into(), epoch: 7 }).unwrap();
    assert_eq!(replay.books.tables[UID].epoch, 7);
    replay.step(Step::Opened { uid: UID.into() }).unwrap();

    for signature in ["aa", "bb"] {
        replay.step(Step::Receipt { uid: UID.into(), seq: 1, signature: signature.into() }).unwrap();
    }
    assert_eq!(replay.receipts[&(UID.to_owned(), 1)], "bb", "a later signature counts");

    let subjects = ["house".to_owned(), format!("table:{UID}")];
    replay.step(Step::Differing { subjects: subjects.to_vec() }).unwrap();
    replay.step(Step::Quarantined { subject: "player:x".into() }).unwrap();
    replay.step(Step::Released { subject: "house".into() }).unwrap();
    assert_eq!(replay.differing, ["player:x".to_owned(), subjects[1].clone()].into());

    let act = |on| Act { player: who, on, by: "admin".into(), reason: "a case".into(), until_s: None };
    replay.step(Step::Denied(act(true))).unwrap();
    replay.step(Step::Held(act(false))).unwrap();
    assert_eq!((&replay.denials[..], &replay.holds[..]), (&[act(true)][..], &[act(false)][..]));
}

#[test]
fn a_voucher_is_set_aside_signed_and_set_free_by_its_rows() {
    let mut replay = replayed(waiting());
    let ask = VoucherRequest { player: player(0), amount: 300, nonce: 5, deadline_s: NOW_S + 10 };
    let id = PromiseId { kind: PromiseKind::Voucher, player: player(0), nonce: 5 };
    replay.step(Step::Voucher(ask)).unwrap();
    replay.step(Step::VoucherSigned { player: player(0), nonce: 5, signature: "sig".into() }).unwrap();
    replay.step(Step::VoucherSigned { player: player(0), nonce: 6, signature: "of none".into() }).unwrap();
    assert_eq!((replay.books.free(player(0)), replay.books.promises[&id].state), (599, PromiseState::Held));
    replay.step(Step::Expired { time_s: NOW_S + 11 }).unwrap();
    assert_eq!(replay.books.free(player(0)), 899, "only the seat's permit is still set aside");
    assert!(!replay.books.promises[&id].state.is_live());
    assert_eq!(replay.books.ledger.balance(&Account::Reserved(player(0))), 101);
}

#[test]
fn a_payload_is_bound_later_to_a_number_that_was_passed_over() {
    let mut replay = replayed(waiting());
    let voided = E::RangeVoided { table: table_id(UID), first: 1, last: 2 };
    replay.step(Step::Logs(logs_of(50, &[voided]))).unwrap();
    assert!(replay.told.iter().any(|(_, _, state, _)| *state == NoticeState::Rejected));
    replay.step(Step::Bound { uid: UID.into(), seq: 2, hash: HASH }).unwrap();
    assert_eq!(replay.books.tables[UID].entries[&2].hash, HASH);
    assert_eq!(entry_state(&replay), State::Rejected);
}
