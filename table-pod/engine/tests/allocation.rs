//! Between the deal of a hand and its end nothing is allocated.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
// The counting allocator is the one place of this crate's tests that needs it.
#![allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]

mod common;
use common::{config, player};
use purr_engine::{
    Action, Ante, Card, Command, Deck, Event, HandSetup, RakeCap, RakeConfig, SeatIndex, ShowWish, Table,
    TableConfig,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is forwarded to the system's allocator with the same arguments; the thread's counter, which is
// incremented as well, neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> u64 {
    COUNT.with(Cell::get)
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn roll(state: &mut u64, sides: u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % sides
}

fn shuffled(dice: &mut u64) -> Deck {
    let mut cards: Vec<Card> = Card::all().collect();
    for last in (1..cards.len()).rev() {
        cards.swap(last, usize::try_from(roll(dice, last as u64 + 1)).unwrap());
    }
    Deck::try_from(cards).unwrap()
}

fn table(seats: u8, ante: Ante) -> Table {
    let caps = vec![RakeCap { players: 2, amount: 50 }, RakeCap { players: 5, amount: 90 }];
    let rake = RakeConfig { basis_points: 500, caps, no_flop_no_drop: true };
    let config = TableConfig { seats, ante, rake, straddle: true, run_it_twice: true, ..config() };
    let mut table = Table::new(config).unwrap();
    for seat in (0..seats).map(SeatIndex) {
        let (player, stack) = (player(seat.0), 100 + 83 * u64::from(seat.0));
        table.apply(0, Command::Seat { seat, player, stack, rake_allowed: Some(100_000) }).unwrap();
        table.apply(0, Command::Straddle { seat, on: true }).unwrap();
        let wish = [ShowWish::Muck, ShowWish::Ask, ShowWish::Show][usize::from(seat.0 % 3)];
        table.apply(0, Command::WishShow { seat, wish }).unwrap();
    }
    table
}

fn next(table: &Table, dice: &mut u64) -> Command {
    if let Some(seat) = table.asked_twice().iter().next() {
        return Command::RunItTwice { seat, agree: roll(dice, 5) > 0 };
    }
    if let Some(seat) = table.asked_to_show().iter().next() {
        return Command::Show { seat, show: roll(dice, 2) == 0 };
    }
    let seat = table.to_act().unwrap();
    let legal = table.legal_actions(seat).unwrap();
    let action = match (roll(dice, 12), legal.raise_to) {
        (0, Some((_, max))) => Action::RaiseTo(max),
        (1..=2, Some((min, max))) => Action::RaiseTo(min + roll(dice, max - min + 1)),
        (3, _) => Action::Fold,
        (4, _) => return Command::Leave { seat },
        _ if legal.check => Action::Check,
        _ => Action::Call,
    };
    Command::Act { seat, action }
}

#[test]
fn whole_random_hands_are_played_without_one_allocation() {
    let mut events: Vec<Event> = Vec::with_capacity(256);
    let (mut hands, mut twice, mut left, mut raked) = (0, 0, 0, 0);
    for seed in 0..600u64 {
        let mut dice = seed;
        let seats = u8::try_from(2 + seed % 9).unwrap();
        let ante = [Ante::None, Ante::Each(2), Ante::BigBlind(10)][usize::try_from(seed % 3).unwrap()];
        let mut table = table(seats, ante);
        for hand in 1..=8 {
            if table.ready() < 2 {
                break;
            }
            let deck = shuffled(&mut dice);
            events.clear();
            table.apply_into(0, Command::StartHand { hand, deck }, &mut events).unwrap();
            let before = allocations();
            while table.hand().is_some() {
                let command = next(&table, &mut dice);
                table.apply_into(0, command, &mut events).unwrap();
            }
            assert_eq!(allocations() - before, 0, "seed {seed}, hand {hand}");
            hands += 1;
            let count = |of: fn(&Event) -> bool| events.iter().filter(|event| of(event)).count();
            twice += count(|event| matches!(event, Event::RunItTwiceDecided { twice: true }));
            left += count(|event| matches!(event, Event::Left { .. }));
            raked += count(|event| matches!(event, Event::Raked { .. }));
        }
    }
    // The hands were worth counting.
    assert!(hands > 1_500 && twice > 20 && left > 200 && raked > 500, "{hands} {twice} {left} {raked}");
}

/// Replaying a hand allocates nothing either, from its deal on, once the table and the buffer exist.
#[test]
fn a_hand_that_is_set_up_is_dealt_without_an_allocation() {
    let mut table = Table::new(TableConfig { seats: 10, ..config() }).unwrap();
    let mut events: Vec<Event> = Vec::with_capacity(256);
    let mut setup = HandSetup::new(1, SeatIndex(0), 10, Deck::starting_with(&[]).unwrap());
    (setup.bets[1], setup.bets[2]) = (5, 10);
    let mut counts = Vec::new();
    for _ in 0..3 {
        let before = allocations();
        events.clear();
        for seat in 0..6 {
            table.seat_as(SeatIndex(seat), player(seat), 1_000).unwrap();
        }
        table.deal_as_into(0, &setup, &mut events).unwrap();
        while let Some(seat) = table.to_act() {
            let check = table.legal_actions(seat).unwrap().check;
            let action = if check { Action::Check } else { Action::Call };
            table.apply_into(0, Command::Act { seat, action }, &mut events).unwrap();
        }
        counts.push(allocations() - before);
    }
    assert_eq!(counts[1..], [0, 0], "the first hand may make room for those who leave");
}

/// Checks the counting allocator itself.
#[test]
fn an_allocation_is_seen() {
    let before = allocations();
    let one = std::hint::black_box(Box::new(1u8));
    assert_eq!(allocations() - before, 1);
    drop(one);
}
