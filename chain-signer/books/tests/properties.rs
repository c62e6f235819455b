//! Properties of the books over random histories of tables, players and the vault, with the real rules.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Op, TABLES, World, cases, player, table_id};
use proptest::{prelude::*, strategy::ValueTree};
use purr_books::{
    Books, Change,
    check::Fault,
    events::{Reason, VaultEvent as E, VaultLog},
    memory::MemoryJournal,
    take::{take, take_in},
};
use purr_protocol::settlement::{EntryBody, NoticeState};

fn history() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(any::<Op>(), 1..160)
}

fn logs(events: &[Vec<E>]) -> Vec<VaultLog> {
    let mut logs = Vec::new();
    for (number, events) in events.iter().enumerate() {
        let (mut tx, block) = ([9; 32], number as u64);
        tx[..8].copy_from_slice(&block.to_be_bytes());
        for (index, event) in events.iter().enumerate() {
            logs.push(VaultLog { block, tx, index: index as u64, event: event.clone() });
        }
    }
    logs
}

/// Books with everything accepted and promised by then, and logs of which none was taken yet.
fn under_way(history: &[Op]) -> (Books, Vec<VaultLog>) {
    let mut world = World::new(MemoryJournal::default());
    history.iter().for_each(|op| world.step(*op));
    let before = world.journal.books().clone();
    world.events.clear();
    for uid in TABLES {
        world.settle(uid, usize::MAX);
    }
    for op in history.iter().filter(|op| matches!(op.0 % 16, 0 | 1 | 13 | 14)) {
        world.step(*op);
    }
    (before, logs(&world.events))
}

/// Whether two logs are independent: neither changes the table or player that the other is about.
fn independent(a: &VaultLog, b: &VaultLog, books: &Books) -> bool {
    let players = |log: &VaultLog| {
        let named = log.event.player().into_iter();
        let table = log.event.table().and_then(|id| books.uid_of(&id));
        let seated = table.map_or(Vec::new(), |uid| {
            let entries = books.tables[&uid].entries.values().filter_map(|booked| booked.entry.clone());
            entries
                .filter_map(|entry| match entry.body {
                    EntryBody::Sit { player, .. } | EntryBody::TopUp { player, .. } => Some(player),
                    _ => None,
                })
                .collect()
        });
        named.chain(seated).collect::<Vec<_>>()
    };
    let (of_a, of_b) = (players(a), players(b));
    a.tx != b.tx
        && (a.event.table().is_none() || a.event.table() != b.event.table())
        && of_a.iter().all(|player| !of_b.contains(player))
}

fn sorted(mut books: Books) -> Books {
    books.items.clear();
    books
}

fn event() -> impl Strategy<Value = E> {
    let (who, table) = (
        (0..3_u8).prop_map(player),
        (0..3_u8).prop_map(|n| match n {
            0 | 1 => table_id(TABLES[usize::from(n)]),
            _ => [99; 32],
        }),
    );
    let amount = prop_oneof![0..500_u64, Just(u64::MAX), Just(1 << 63)];
    (0..17_u8, who, table, (0..9_u64, 0..9_u64), (0..4_u8, 0..9_u64), amount).prop_map(
        |(kind, player, table, (first, last), (seat, nonce), amount)| match kind {
            0 => E::Deposited { player, amount },
            1 => E::Withdrawn { player, amount, nonce },
            2 => E::ExitRequested { player, ready_at_s: 1 },
            3 => E::ExitFinalised { player, amount },
            4 => E::PermitCancelled { player, nonce },
            5 => E::TableOpened { table },
            6 => E::Seated { table, player, seq: first, seat, amount, nonce },
            7 => E::ToppedUp { table, player, seq: first, seat, amount, nonce },
            8 => E::SeatingRefused { table, player, seq: first, nonce, reason: [0; 4] },
            9 => E::HandsSettled { table, first, last, rake: amount },
            10 => E::Shortfall { table, first, amount, reserve: 1, rake: 0, winners: nonce },
            11 => E::LateWinnings { table, player, first, amount },
            12 => E::Left { table, player, seq: first, seat, stack: amount },
            13 => E::SeatVacated { table, player, seat, stack: amount },
            14 => E::RangeVoided { table, first, last: last.max(first) },
            15 => E::ItemRejected { table, seq: first, reason: Reason::Never([1; 4]) },
            _ => E::RakeSwept { table, amount },
        },
    )
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn ledger_and_vault_agree_to_the_last_unit_whatever_happens(history in history()) {
        let mut world = World::new(MemoryJournal::default());
        for op in history {
            world.step(op);
            prop_assert_eq!(world.differences(), Vec::<String>::new(), "after {:?}", op);
            prop_assert_eq!(world.flaws(), [], "after {:?}", op);
        }
        let conflicts = world.changes.iter().filter(|change| matches!(change, Change::Conflict { .. }));
        prop_assert_eq!(conflicts.count(), 0);
    }

    #[test]
    fn a_log_that_was_taken_changes_nothing_any_more(history in history()) {
        let (before, logs) = under_way(&history);
        let mut books = before;
        take_in(&mut books, &logs);
        prop_assert_eq!(take(&books, &logs), []);
    }

    #[test]
    fn reading_on_from_any_prefix_or_again_from_the_start_gives_the_same_books(
        history in history(), cut in 0..1_000_usize,
    ) {
        let (before, logs) = under_way(&history);
        let mut whole = before.clone();
        take_in(&mut whole, &logs);
        // A transaction lies in one block, and blocks are applied as a whole.
        let mut cut = cut % (logs.len() + 1);
        while cut > 0 && cut < logs.len() && logs[cut].tx == logs[cut - 1].tx {
            cut -= 1;
        }
        let (mut on, mut again) = (before.clone(), before);
        take_in(&mut on, &logs[..cut]);
        take_in(&mut on, &logs[cut..]);
        take_in(&mut again, &logs[..cut]);
        take_in(&mut again, &logs);
        prop_assert_eq!(&on, &whole);
        prop_assert_eq!(&again, &whole);
    }

    #[test]
    fn independent_logs_give_the_same_books_in_any_order(history in history(), swaps in any::<u64>()) {
        let (before, mut logs) = under_way(&history);
        let mut books = before.clone();
        take_in(&mut books, &logs);
        for round in 0..8 {
            for at in 1..logs.len() {
                if swaps >> ((round * 7 + at) % 64) & 1 == 1 && independent(&logs[at - 1], &logs[at], &before) {
                    logs.swap(at - 1, at);
                }
            }
        }
        let mut other = before;
        take_in(&mut other, &logs);
        prop_assert_eq!(sorted(other), sorted(books));
    }

    /// Seat 0 exits with what it lost to seat 1 in a hand that the chain gets after the exit.
    #[test]
    fn winners_who_bore_a_shortfall_leave_with_the_chains_stack(
        stacks in (1..80_u64, 1..80_u64, 1..80_u64),
        (lost, then, more) in (1..400_u64, 0..900_u64, 0..80_u64),
        (leaves_before, settles_one_by_one) in any::<(bool, bool)>(),
    ) {
        const UID: &str = TABLES[0];
        let mut world = World::new(MemoryJournal::default());
        // No multiple of five: such seats are never handed in.
        let stacks = [stacks.0 * 5 + 1, stacks.1 * 5 + 1, stacks.2 * 5 + 1];
        for (seat, stack) in (0..3).zip(stacks) {
            world.deposit(player(seat), 2_000);
            world.sit(UID, seat, player(seat), stack);
        }
        world.settle(UID, usize::MAX);
        world.exit(player(0));
        let lost = lost.min(stacks[0]);
        prop_assert!(world.loses(UID, (0, 1), lost));
        if leaves_before {
            prop_assert!(world.leaves(UID, 1));
        }
        world.exit(player(0));
        world.settle(UID, if settles_one_by_one { 1 } else { usize::MAX });
        let told = world.changes.iter().filter(|change| matches!(
            change, Change::Notice { state: NoticeState::Exit(who), .. } if *who == player(1)
        ));
        prop_assert_eq!(told.count(), usize::from(!leaves_before));
        if !leaves_before {
            let table = &world.journal.books().tables[UID];
            prop_assert_eq!(table.borne(1, player(1)), lost);
            prop_assert_eq!(world.model(UID, 1).unwrap().1, stacks[1] + lost);
            // The exited seat loses at most what the chain has.
            prop_assert_eq!(world.loses(UID, (1, 2), then.max(1)), then.max(1) <= stacks[1]);
            if more > 0 {
                world.sit(UID, 1, player(1), more * 5 + 1);
            }
            world.settle(UID, usize::MAX);
            prop_assert_eq!(world.flaws(), []);
            prop_assert!(world.leaves(UID, 1));
        }
        prop_assert!(world.leaves(UID, 0) && world.leaves(UID, 2));
        world.settle(UID, usize::MAX);
        let table = &world.journal.books().tables[UID];
        prop_assert_eq!(table.confirmed_seq, table.head_seq, "nothing has to be voided");
        prop_assert_eq!(world.differences(), Vec::<String>::new());
        prop_assert_eq!(world.flaws(), []);
        let held: u64 = (0..3).map(|seat| world.journal.books().free(player(seat))).sum();
        // The vault has paid the exit.
        prop_assert_eq!(held, 4_000);
    }

    /// Events of a chain that lies, or a journal that lost half of its rows, neither create money nor overdraw an
    /// account nor stop the sequence.
    #[test]
    fn any_log_whatever_can_be_taken_and_makes_no_money(
        history in history(), events in prop::collection::vec(event(), 1..40),
    ) {
        let mut world = World::new(MemoryJournal::default());
        history.iter().for_each(|op| world.step(*op));
        let mut books = world.journal.books().clone();
        for log in logs(&events.into_iter().map(|event| vec![event]).collect::<Vec<_>>()) {
            take_in(&mut books, std::slice::from_ref(&log));
            let sum: i128 = books.ledger.balances().values().map(|amount| i128::from(*amount)).sum();
            prop_assert_eq!(sum, 0);
            for (account, amount) in books.ledger.balances() {
                prop_assert!(*amount >= 0 || account.may_be_negative(), "{} has {}", account, amount);
            }
            prop_assert_eq!(take(&books, &[log]), []);
        }
    }
}

/// Two seats play a hand, the winner leaves, the hand is voided and the winner exits: the Leave names a stack that the
/// voided hand made, and the vault accepts it because the seat is vacated.
#[test]
fn a_leave_of_a_vacated_seat_frees_it_whatever_stack_it_names() {
    let mut world = World::new(MemoryJournal::default());
    let history: [Op; 11] = [
        (0, 3, 0, 177),
        (0, 2, 0, 76),
        (2, 32, 199, 1),
        (2, 183, 61, 0),
        (9, 1, 13, 0),
        (5, 106, 173, 1),
        (11, 123, 253, 0),
        (13, 0, 93, 0),
        (14, 3, 0, 0),
        (14, 3, 0, 0),
        (9, 0, 89, 0),
    ];
    for op in history {
        world.step(op);
    }
    assert!(
        matches!(world.events.last().unwrap()[..], [E::Left { stack: 0, .. }]),
        "{:?}",
        world.events.last()
    );
    assert!(world.journal.books().tables["two"].seats.keys().eq([&3]));
    assert_eq!(world.flaws(), []);
    assert_eq!(world.differences(), Vec::<String>::new());
}

/// Seat 3 leaves with a stack of zero after two hands, in one of which it bore a shortfall of 1. Both hands are then
/// voided, so the Leave names less than what the seat bore.
#[test]
fn a_leave_of_less_than_its_seat_bore_asks_the_chain_for_nothing_and_waits_for_a_void() {
    let history: [Op; 14] = [
        (0, 80, 0, 0),
        (130, 20, 27, 18_800),
        (31, 0, 0, 0),
        (16, 175, 0, 7_678),
        (146, 235, 123, 52_401),
        (153, 129, 5, 0),
        (37, 103, 179, 1),
        (21, 70, 153, 1),
        (94, 85, 0, 0),
        (158, 91, 0, 0),
        (229, 143, 59, 0),
        (11, 236, 159, 0),
        (9, 0, 19, 0),
        (253, 0, 55, 0),
    ];
    let mut world = World::new(MemoryJournal::default());
    history.iter().for_each(|op| world.step(*op));
    let table = &world.journal.books().tables["two"];
    assert_eq!((table.confirmed_seq, table.head_seq, table.borne(3, player(2))), (5, 6, 1));
    let leave = table.entries[&6].entry.as_ref().map(|entry| &entry.body);
    assert!(matches!(leave, Some(EntryBody::Leave { stack: 0, .. })), "{leave:?}");
    assert!(world.changes.iter().any(|change| matches!(change, Change::Unfounded { seq: 6, .. })));
    // The chain has 1 for the seat.
    assert_eq!(world.settle("two", usize::MAX), 0);
    // Only this table stops, until two admins pass over the Leave; then the seat leaves with the stack that it has.
    world.step((13, 0, 3, 0));
    assert_eq!(world.journal.books().tables["two"].confirmed_seq, 6);
    assert_eq!(world.flaws(), []);
    assert!(world.leaves("two", 3));
    assert_eq!(world.settle("two", usize::MAX), 1);
    assert_eq!(world.journal.books().free(player(2)), 1);
    assert_eq!(world.flaws(), []);
    assert_eq!(world.differences(), Vec::<String>::new());
}

/// Checks that some generated history exposes the fault, as a flaw of the books or as a difference from the vault.
fn caught(fault: Fault) {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..100 {
        let history = history().new_tree(&mut runner).unwrap().current();
        let mut world = World::new(MemoryJournal::with_fault(fault));
        for op in history {
            world.step(op);
            if !world.flaws().is_empty() || !world.differences().is_empty() {
                return;
            }
        }
    }
    panic!("{fault:?} was not caught");
}

#[test]
fn a_double_posting_is_caught() {
    caught(Fault::PostTwice);
}

#[test]
fn a_reservation_that_is_freed_twice_is_caught() {
    caught(Fault::FreeTwice);
}

#[test]
fn a_void_that_forgets_a_seat_is_caught() {
    caught(Fault::ForgetSeat);
}
