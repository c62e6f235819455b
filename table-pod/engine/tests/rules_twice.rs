//! Running it twice: who is asked, who decides, and how the pots are shared.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

mod common;
use common::{Game, config};
use purr_engine::{Action, Command, Event, RakeConfig, Refusal, SeatIndex, TableConfig};

const CALL: Action = Action::Call;
const CHECK: Action = Action::Check;

fn game(stacks: &[u64]) -> Game {
    Game::new(TableConfig { run_it_twice: true, ..config() }, stacks)
}

fn answer(game: &mut Game, seat: u8, agree: bool) -> Vec<Event> {
    game.apply(Command::RunItTwice { seat: SeatIndex(seat), agree })
}

fn boards(events: &[Event]) -> [String; 2] {
    let mut boards = [String::new(), String::new()];
    for event in events {
        if let Event::StreetDealt { board, cards, .. } = event {
            cards.iter().for_each(|card| boards[usize::from(*board)].push_str(&card.to_string()));
        }
    }
    boards
}

fn won(events: &[Event]) -> Vec<(u8, u8, u8, u64)> {
    let won = |event: &Event| match event {
        Event::PotWon { pot, board, seat, amount, .. } => Some((*pot, *board, seat.0, *amount)),
        _ => None,
    };
    events.iter().filter_map(won).collect()
}

/// Heads-up, all-in before the flop: seat 1 has kings, seat 0 aces. The first board gives seat 1 a
/// third king, the second nobody anything.
fn all_in() -> (Game, Vec<Event>) {
    let mut game = game(&[101, 101]);
    game.deal_cards("Kd Ah Kc As Ks 7d 8h 3s 4d 2c 6h 9d Jc Qh");
    game.act(0, Action::RaiseTo(101));
    let events = game.act(1, CALL);
    (game, events)
}

#[test]
fn everybody_in_the_pot_is_asked_with_a_deadline_and_nobody_can_act() {
    let (mut game, events) = all_in();
    let deadline = 20_000;
    let seats = [1, 0].map(SeatIndex).into_iter().collect();
    assert_eq!(events.last(), Some(&Event::RunItTwiceAsked { seats, deadline }));
    assert_eq!(game.table.next_deadline(), Some(deadline));
    assert_eq!(game.table.to_act(), None);
    assert_eq!(game.table.asked_twice().len(), 2);
    for seat in [0, 1] {
        assert_eq!(game.try_act(seat, CHECK), Err(Refusal::NotYourTurn(SeatIndex(seat))));
    }
}

/// The second board takes the next places of the deal; the odd chip goes to the first.
#[test]
fn with_everybodys_word_each_board_decides_half_and_the_odd_chip_goes_to_the_first() {
    let (mut game, _) = all_in();
    assert_eq!(answer(&mut game, 0, true).len(), 1);
    let again = Command::RunItTwice { seat: SeatIndex(0), agree: true };
    assert_eq!(game.table.apply(0, again), Err(Refusal::NotAsked(SeatIndex(0))));
    let events = answer(&mut game, 1, true);
    assert_eq!(boards(&events), ["Ks7d8h3s4d", "2c6h9dJcQh"]);
    assert_eq!(won(&events), [(0, 0, 1, 101), (0, 1, 0, 101)]);
    assert_eq!(game.stacks(), [101, 101]);

    let mut game = self::game(&[101, 101, 101]);
    // A blind of 5 stays in: 207 chips, so 104 and 103. Seat 1 folds; 2 kings, 0 aces.
    game.deal_cards("2h Kd Ah 2s Kc As Ks 7d 8h 3s 4d 2c 6h 9d Jc Qh");
    game.act(0, Action::RaiseTo(101));
    game.act(1, Action::Fold);
    game.act(2, CALL);
    answer(&mut game, 0, true);
    let events = answer(&mut game, 2, true);
    assert_eq!(won(&events), [(0, 0, 2, 104), (0, 1, 0, 103)]);
}

#[test]
fn one_no_and_it_is_run_once() {
    for first in [0, 1] {
        let (mut game, _) = all_in();
        let events = answer(&mut game, first, false);
        assert!(events.contains(&Event::RunItTwiceDecided { twice: false }));
        assert_eq!(boards(&events), ["Ks7d8h3s4d", ""]);
        assert_eq!(game.stacks(), [0, 202]);
    }
}

#[test]
fn silence_until_the_deadline_and_leaving_are_a_no() {
    let (mut game, _) = all_in();
    answer(&mut game, 0, true);
    game.now = 19_999;
    assert!(game.apply(Command::Tick).is_empty());
    game.now = 20_000;
    assert!(game.apply(Command::Tick).contains(&Event::RunItTwiceDecided { twice: false }));
    assert!(!game.hand_running());

    let (mut game, _) = all_in();
    let events = game.apply(Command::Leave { seat: SeatIndex(0) });
    assert!(events.contains(&Event::RunItTwiceDecided { twice: false }));
}

/// An absent player cannot agree, so nobody waits; and a table without the option asks nobody.
#[test]
fn nobody_is_asked_where_somebody_is_away_or_the_table_does_not_have_it() {
    let mut away = game(&[100, 100]);
    away.deal();
    away.act(0, Action::RaiseTo(100));
    away.apply(Command::Disconnected { seat: SeatIndex(0) });
    away.act(1, CALL);
    assert!(!away.hand_running());
    let mut without = Game::new(config(), &[100, 100]);
    without.deal();
    without.act(0, Action::RaiseTo(100));
    without.act(1, CALL);
    assert!(!without.hand_running());
}

/// Nobody is asked while a player can still bet, or after the river.
#[test]
fn nobody_is_asked_while_two_can_bet_or_with_no_card_to_come() {
    let mut game = game(&[50, 500, 500]);
    game.deal();
    game.act(0, Action::RaiseTo(50));
    game.act(1, CALL);
    game.act(2, CALL);
    assert!(game.table.asked_twice().is_empty(), "1 and 2 play on");
    for _ in 0..2 {
        game.act(1, CHECK);
        game.act(2, CHECK);
    }
    game.act(1, Action::RaiseTo(450));
    let events = game.act(2, CALL);
    assert!(!events.iter().any(|event| matches!(event, Event::RunItTwiceAsked { .. })));
    assert!(!game.hand_running());
}

/// Both boards share the cards that were on the table; side pots are divided each by itself.
#[test]
fn a_board_that_was_begun_is_shared_and_each_pot_is_halved() {
    let mut game = game(&[50, 200, 300]);
    // Seat 1 queens, 2 kings, 0 aces; the flop helps nobody, the first turn is a queen.
    game.deal_cards("Qs Kd Ah Qd Kc As 2c 7d 8h Qh 3s 4d Th");
    game.act(0, Action::RaiseTo(50));
    game.act(1, CALL);
    game.act(2, CALL);
    game.act(1, CHECK);
    game.act(2, Action::RaiseTo(250));
    let events = game.act(1, CALL);
    assert!(events.iter().any(|event| matches!(event, Event::Uncalled { amount: 100, .. })));
    for seat in [0, 1] {
        answer(&mut game, seat, true);
    }
    let events = answer(&mut game, 2, true);
    assert_eq!(boards(&events), ["Qh3s", "4dTh"]);
    // Main pot 150: queens, then aces. Side pot 300: queens, then kings.
    assert_eq!(won(&events), [(1, 0, 1, 150), (1, 1, 2, 150), (0, 0, 1, 75), (0, 1, 0, 75)]);
    assert_eq!(game.stacks(), [75, 225, 250]);
}

/// The rake is one of the hand, not of the board.
#[test]
fn a_hand_that_is_run_twice_is_raked_once() {
    let rake = RakeConfig { basis_points: 500, caps: Vec::new(), no_flop_no_drop: true };
    let mut game = Game::new(TableConfig { run_it_twice: true, rake, ..config() }, &[100, 100]);
    game.deal_cards("Kd Ah Kc As Ks 7d 8h 3s 4d 2c 6h 9d Jc Qh");
    game.act(0, Action::RaiseTo(100));
    game.act(1, CALL);
    answer(&mut game, 0, true);
    let events = answer(&mut game, 1, true);
    let raked: Vec<&Event> = events.iter().filter(|event| matches!(event, Event::Raked { .. })).collect();
    assert_eq!(raked, [&Event::Raked { amount: 10 }]);
    assert_eq!(game.stacks(), [95, 95]);
}

/// A player who can win on either board shows; one who can win on neither mucks unseen.
#[test]
fn a_hand_that_wins_on_one_board_only_is_shown() {
    let (mut game, _) = all_in();
    answer(&mut game, 0, true);
    let events = answer(&mut game, 1, true);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Shown { .. })).count(), 2);
    assert!(!events.iter().any(|event| matches!(event, Event::Mucked { .. })));
}

#[test]
fn a_pause_does_not_cost_time_to_answer_and_a_take_over_asks_again() {
    let (mut game, _) = all_in();
    game.now = 5_000;
    game.apply(Command::PauseClock);
    let agree = Command::RunItTwice { seat: SeatIndex(0), agree: true };
    assert_eq!(game.table.apply(5_000, agree), Err(Refusal::ClockPaused));
    game.now = 65_000;
    game.apply(Command::ResumeClock);
    assert_eq!(game.table.next_deadline(), Some(80_000));
    game.now = 100;
    let events = game.apply(Command::RestartClock);
    assert!(matches!(events[..], [Event::RunItTwiceAsked { deadline: 20_100, .. }]));
    answer(&mut game, 0, true);
    answer(&mut game, 1, true);
    assert!(!game.hand_running());
}

#[test]
fn a_hand_that_waits_for_an_answer_can_be_void() {
    let (mut game, _) = all_in();
    game.apply(Command::VoidHand);
    assert_eq!(game.stacks(), [101, 101]);
}
