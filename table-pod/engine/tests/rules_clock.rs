//! Turns, time banks, lost connections and pauses (as PokerStars' help describes them).
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

mod common;
use common::{Game, config};
use purr_engine::{Action, ClockConfig, Command, Event, Refusal, SeatIndex, Table, TableConfig};

const CALL: Action = Action::Call;
const CHECK: Action = Action::Check;

/// Turns of 20 s, banks of 15 s that grow by 5 s in ten hands up to 30 s, 30 s to 240 s for lost connections.
const CLOCK: ClockConfig = ClockConfig {
    turn_ms: 20_000,
    time_bank_ms: 15_000,
    time_bank_gain_ms: 5_000,
    time_bank_hands: 10,
    time_bank_max_ms: 30_000,
    disconnect_ms: 30_000,
    disconnect_max_ms: 240_000,
};

fn game(stacks: &[u64]) -> Game {
    Game::new(TableConfig { clock: CLOCK, ..config() }, stacks)
}

fn banks(game: &Game, seat: u8) -> (u64, u64) {
    let chair = game.table.seat(SeatIndex(seat)).unwrap();
    (chair.time_bank_preflop_ms, chair.time_bank_ms)
}

fn disconnect(game: &mut Game, seat: u8) -> Vec<Event> {
    game.apply(Command::Disconnected { seat: SeatIndex(seat) })
}

/// Lets so much time pass, with a tick at its end.
fn wait(game: &mut Game, ms: u64) -> Vec<Event> {
    game.now += ms;
    game.apply(Command::Tick)
}

#[test]
fn a_turn_has_its_time_and_nothing_happens_before_it_is_over() {
    let mut game = game(&[1_000; 3]);
    game.deal();
    assert_eq!(game.table.next_deadline(), Some(20_000));
    assert!(wait(&mut game, 19_999).is_empty());
    let events = wait(&mut game, 1);
    assert_eq!(events, [Event::TimeBankStarted { seat: SeatIndex(0), deadline: 35_000 }]);
    assert_eq!(game.table.next_deadline(), Some(35_000));
}

/// "The pre-flop and post-flop time banks are independent of each other."
#[test]
fn there_is_one_bank_before_the_flop_and_one_after_it() {
    let mut game = game(&[1_000; 2]);
    game.deal();
    wait(&mut game, 20_000);
    game.now += 7_000;
    game.act(0, CALL);
    assert_eq!(banks(&game, 0), (8_000, 15_000));
    game.act(1, CHECK);
    game.act(1, CHECK);
    wait(&mut game, 20_000);
    game.now += 4_000;
    game.act(0, CHECK);
    assert_eq!(banks(&game, 0), (8_000, 11_000));
    assert_eq!(banks(&game, 1), (15_000, 15_000));
}

/// "For every 10 hands they play at the same table, they receive another 5 seconds."
#[test]
fn the_banks_grow_by_hands_played_up_to_a_bound() {
    let mut game = game(&[1_000; 3]);
    let mut grown = Vec::new();
    for hand in 1..=50 {
        game.deal();
        game.fold_around();
        if hand % 10 >= 9 || hand % 10 == 0 {
            grown.push(banks(&game, 0).0);
        }
    }
    assert_eq!(grown, [15_000, 20_000, 20_000, 25_000, 25_000, 30_000, 30_000, 30_000, 30_000, 30_000]);
    // Hands that one sits out are not played.
    let mut game = self::game(&[1_000; 3]);
    game.apply(Command::SitOut { seat: SeatIndex(2) });
    for _ in 0..10 {
        game.deal();
        game.fold_around();
    }
    assert_eq!((banks(&game, 0).0, banks(&game, 2).0), (20_000, 15_000));
}

/// Out of time and bank: a check where that is free, else a fold, and no more hands.
#[test]
fn out_of_time_a_player_checks_if_that_is_free_and_sits_out() {
    let mut game = game(&[1_000; 2]);
    game.deal();
    game.act(0, CALL);
    let events = wait(&mut game, 35_000);
    let checked = Event::Acted {
        seat: SeatIndex(1),
        action: CHECK,
        total: 10,
        stack: 990,
        all_in: false,
        timed_out: true,
    };
    assert!(events.contains(&checked), "{events:?}");
    assert!(game.table.seat(SeatIndex(1)).unwrap().sitting_out);
    assert_eq!(banks(&game, 1), (0, 15_000), "a tick that comes late takes no more than the bank");
}

/// "When a player disconnects, extra time is added … more time is given when facing a big decision
/// involving a large pot": 30 s in a small one to 240 s in one of 100 big blinds.
#[test]
fn without_a_connection_the_time_grows_with_the_pot_up_to_a_bound() {
    for (bet, span) in [(0, 30_000 + 4_200), (190, 30_000 + 84_000), (900, 240_000)] {
        let mut game = game(&[1_000; 2]);
        game.deal();
        disconnect(&mut game, 1);
        game.act(0, CALL);
        game.act(1, CHECK);
        game.act(1, CHECK);
        if bet > 0 {
            game.act(0, Action::RaiseTo(bet));
            game.act(1, CALL);
        } else {
            game.act(0, CHECK);
        }
        assert_eq!(game.table.pot(), 20 + 2 * bet);
        assert_eq!(game.table.next_deadline(), Some(span));
    }
}

/// "The time bank does not activate when a disconnection occurs": then check if free, else fold.
#[test]
fn without_a_connection_there_is_no_time_bank() {
    let mut game = game(&[1_000; 3]);
    disconnect(&mut game, 0);
    game.deal();
    let deadline = game.table.next_deadline().unwrap();
    assert_eq!(deadline, 30_000 + 210_000 * 15 / 1_000);
    let events = wait(&mut game, deadline);
    assert!(events.iter().any(|event| matches!(
        event,
        Event::Acted { seat: SeatIndex(0), action: Action::Fold, timed_out: true, .. }
    )));
    assert_eq!(banks(&game, 0), (15_000, 15_000));
}

/// A connection that is lost in one's own turn: the time to come back, once.
#[test]
fn losing_the_connection_in_ones_turn_gives_time_once() {
    let mut game = game(&[1_000; 3]);
    game.deal();
    let span = 30_000 + 210_000 * 15 / 1_000;
    game.now = 19_000;
    let events = disconnect(&mut game, 0);
    let deadline = 19_000 + span;
    assert!(events.contains(&Event::TurnStarted { seat: SeatIndex(0), deadline }), "{events:?}");
    game.now = 25_000;
    game.apply(Command::Reconnected { seat: SeatIndex(0) });
    disconnect(&mut game, 0);
    assert_eq!(game.table.next_deadline(), Some(deadline));
    // Back again, the bank is there as ever.
    game.apply(Command::Reconnected { seat: SeatIndex(0) });
    game.now = deadline;
    let events = game.apply(Command::Tick);
    assert!(matches!(events[..], [Event::TimeBankStarted { .. }]));
}

/// A bank that runs stops with the connection: what was used of it is used, the rest is kept.
#[test]
fn a_bank_that_runs_stops_when_the_connection_is_lost() {
    let mut game = game(&[1_000; 3]);
    game.deal();
    wait(&mut game, 20_000);
    game.now += 5_000;
    disconnect(&mut game, 0);
    assert_eq!(banks(&game, 0), (10_000, 15_000));
    assert_eq!(game.table.next_deadline(), Some(25_000 + 30_000 + 210_000 * 15 / 1_000));
}

#[test]
fn while_the_clock_stands_still_nobody_acts_and_no_hand_starts() {
    let mut game = game(&[1_000; 3]);
    game.deal();
    game.now = 5_000;
    game.apply(Command::PauseClock);
    assert_eq!(game.try_act(0, CALL), Err(Refusal::ClockPaused));
    assert_eq!(game.table.apply(5_000, Command::PauseClock), Err(Refusal::ClockPaused));
    game.now = 50_000;
    game.apply(Command::ResumeClock);
    assert_eq!(game.table.next_deadline(), Some(65_000));
    assert_eq!(game.table.apply(50_000, Command::ResumeClock), Err(Refusal::ClockNotPaused));
}

#[test]
fn time_goes_forward_only_and_a_new_clock_gives_a_whole_turn() {
    let mut game = game(&[1_000; 3]);
    game.now = 7_000;
    game.deal();
    let back = Refusal::TimeWentBack { given: 6_999, last: 7_000 };
    assert_eq!(game.table.apply(6_999, Command::Tick), Err(back));
    game.now = 10;
    game.apply(Command::RestartClock);
    assert_eq!(game.table.next_deadline(), Some(20_010));
}

#[test]
fn other_clocks_hold_from_the_next_turn_on() {
    let mut game = game(&[1_000; 3]);
    game.deal();
    game.table.set_clock(ClockConfig { turn_ms: 5_000, ..CLOCK });
    assert_eq!(game.table.next_deadline(), Some(20_000));
    game.act(0, CALL);
    assert_eq!(game.table.next_deadline(), Some(5_000));
}

#[test]
fn clocks_have_bounds() {
    for (clock, bad) in [
        (ClockConfig { turn_ms: 999, ..CLOCK }, true),
        (ClockConfig { disconnect_ms: 600_001, ..CLOCK }, true),
        (ClockConfig { disconnect_max_ms: 600_001, ..CLOCK }, true),
        (ClockConfig { time_bank_max_ms: 600_001, ..CLOCK }, true),
        (ClockConfig { time_bank_ms: 0, time_bank_gain_ms: 0, ..CLOCK }, false),
    ] {
        assert_eq!(Table::new(TableConfig { clock, ..config() }).is_err(), bad, "{clock:?}");
    }
}
