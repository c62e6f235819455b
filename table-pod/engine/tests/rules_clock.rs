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
    reconnect_grace_ms: 5_000,
    disconnect_total_ms: 300_000,
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

/// Without time and bank the player checks if that is free, else folds, and sits out.
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
        // The time bank comes first.
        assert_eq!(game.table.next_deadline(), Some(15_000 + span));
    }
}

fn reconnect(game: &mut Game, seat: u8) -> Vec<Event> {
    game.apply(Command::Reconnected { seat: SeatIndex(seat) })
}

fn disconnect_used(game: &Game, seat: u8) -> u64 {
    game.table.seat(SeatIndex(seat)).unwrap().disconnect_ms
}

/// Time of a disconnected player with three blinds of 5, 10 and 0 in the pot.
const SPAN: u64 = 30_000 + 210_000 * 15 / 1_000;

#[test]
fn without_a_connection_the_time_bank_runs_first_and_then_the_disconnect_time() {
    let mut game = game(&[1_000; 3]);
    disconnect(&mut game, 0);
    game.deal();
    let deadline = game.table.next_deadline().unwrap();
    assert_eq!(deadline, 15_000 + SPAN);
    let events = wait(&mut game, deadline);
    assert!(events.iter().any(|event| matches!(
        event,
        Event::Acted { seat: SeatIndex(0), action: Action::Fold, timed_out: true, .. }
    )));
    assert_eq!((banks(&game, 0), disconnect_used(&game, 0)), ((0, 15_000), SPAN));
    assert!(game.table.seat(SeatIndex(0)).unwrap().sitting_out);
}

#[test]
fn reconnecting_restores_what_was_left_of_the_turn_and_a_short_grace_once_a_turn() {
    let mut game = game(&[1_000; 3]);
    game.deal();
    game.now = 12_000;
    let events = disconnect(&mut game, 0);
    let deadline = 12_000 + 15_000 + SPAN;
    assert!(events.contains(&Event::TurnStarted { seat: SeatIndex(0), deadline }), "{events:?}");
    game.now = 32_000;
    let events = reconnect(&mut game, 0);
    let deadline = 32_000 + 8_000 + 5_000;
    assert!(events.contains(&Event::TurnStarted { seat: SeatIndex(0), deadline }), "{events:?}");
    assert_eq!((banks(&game, 0), disconnect_used(&game, 0)), ((0, 15_000), 5_000 + 5_000));
    // A second disconnection in the turn gets no grace, and the unused part of the first grace is returned.
    game.now = 34_000;
    disconnect(&mut game, 0);
    assert_eq!(disconnect_used(&game, 0), 5_000);
    game.now = 35_000;
    reconnect(&mut game, 0);
    assert_eq!(game.table.next_deadline(), Some(35_000 + 6_000));
    assert_eq!(disconnect_used(&game, 0), 6_000);
    let events = wait(&mut game, 6_000);
    assert!(
        matches!(events[..], [Event::SatOut { .. }, Event::Acted { timed_out: true, .. }, ..]),
        "{events:?}"
    );
}

#[test]
fn a_grace_that_is_not_used_is_given_back() {
    let mut game = game(&[1_000; 3]);
    game.deal();
    disconnect(&mut game, 0);
    reconnect(&mut game, 0);
    assert_eq!((game.table.next_deadline(), disconnect_used(&game, 0)), (Some(25_000), 5_000));
    game.now = 22_000;
    game.act(0, CALL);
    assert_eq!(disconnect_used(&game, 0), 2_000);
}

#[test]
fn a_bank_that_runs_goes_on_when_the_connection_is_lost() {
    let mut game = game(&[1_000; 3]);
    game.deal();
    wait(&mut game, 20_000);
    game.now += 5_000;
    disconnect(&mut game, 0);
    assert_eq!(banks(&game, 0), (10_000, 15_000));
    assert_eq!(game.table.next_deadline(), Some(25_000 + 10_000 + SPAN));
    game.now += 4_000;
    reconnect(&mut game, 0);
    assert_eq!((banks(&game, 0).0, disconnect_used(&game, 0)), (6_000, 5_000));
    assert_eq!(
        game.table.next_deadline(),
        Some(29_000 + 5_000),
        "the turn was over: the grace, then the bank"
    );
    let events = wait(&mut game, 5_000);
    assert_eq!(events, [Event::TimeBankStarted { seat: SeatIndex(0), deadline: 40_000 }]);
}

/// The attack: drop the connection late in every turn, return as late as possible, and use all the time that is given
/// then.
fn stall(clock: ClockConfig, hands: u64, mut each: impl FnMut(&mut Game)) -> u64 {
    let config = TableConfig { clock, buy_in_max: 100_000, ..config() };
    let mut game = Game::new(config, &[100_000; 2]);
    let (mut turns, mut taken) = (0, 0);
    for _ in 0..hands {
        game.deal();
        while let Some(at) = game.table.to_act() {
            if at == SeatIndex(1) {
                let legal = game.table.legal_actions(at).unwrap();
                game.act(1, if legal.check { CHECK } else { CALL });
                continue;
            }
            let begin = game.now;
            game.now = game.table.next_deadline().unwrap() - 1;
            disconnect(&mut game, 0);
            game.now = game.table.next_deadline().unwrap() - 1;
            reconnect(&mut game, 0);
            game.now = (game.table.next_deadline().unwrap() - 1).max(game.now);
            let legal = game.table.legal_actions(at).unwrap();
            game.act(0, if legal.check { CHECK } else { CALL });
            (turns, taken) = (turns + 1, taken + (game.now - begin));
        }
        each(&mut game);
    }
    assert!(turns >= hands, "there were turns");
    taken.saturating_sub(turns * clock.turn_ms)
}

#[test]
fn dropping_the_connection_in_every_turn_for_a_hundred_hands_buys_a_bounded_total() {
    let clock =
        ClockConfig { time_bank_gain_ms: 0, time_bank_max_ms: 0, disconnect_total_ms: 60_000, ..CLOCK };
    // Two banks of 15 s and a minute of disconnect time; by the rule before this one it was 30 s and more a turn.
    let bought = stall(clock, 100, |_| {});
    assert!((60_000..=60_000 + 2 * 15_000).contains(&bought), "{bought} ms");
}

#[test]
fn a_take_over_neither_takes_disconnect_time_nor_gives_any_back() {
    let clock =
        ClockConfig { time_bank_gain_ms: 0, time_bank_max_ms: 0, disconnect_total_ms: 60_000, ..CLOCK };
    let mut used = 0;
    let bought = stall(clock, 100, |game| {
        let before = disconnect_used(game, 0);
        assert!(before >= used);
        used = before;
        // The state as another process reads it.
        let json = serde_json::to_string(&game.table).unwrap();
        game.table = serde_json::from_str(&json).unwrap();
        game.now = 0;
        game.apply(Command::RestartClock);
    });
    assert!(bought <= 60_000 + 2 * 15_000, "{bought} ms");
    // All players are disconnected when the process ends: that costs them nothing.
    let mut game = Game::new(TableConfig { clock, ..config() }, &[1_000; 3]);
    game.deal();
    game.apply(Command::RestartClock);
    disconnect(&mut game, 0);
    game.now += 25_000;
    reconnect(&mut game, 0);
    assert_eq!((banks(&game, 0), disconnect_used(&game, 0)), ((15_000, 15_000), 0));
    assert_eq!(game.table.next_deadline(), Some(game.now + 20_000));
}

#[test]
fn leaving_and_coming_back_fills_no_bank_and_no_disconnect_time() {
    let config = TableConfig { clock: CLOCK, rat_hole_ms: 3_600_000, ..config() };
    let mut game = Game::new(config, &[1_000; 3]);
    game.deal();
    disconnect(&mut game, 0);
    game.now = 20_000;
    reconnect(&mut game, 0);
    game.act(0, Action::Fold);
    let (banks_before, used) = (banks(&game, 0), disconnect_used(&game, 0));
    assert_eq!((banks_before, used), ((0, 15_000), 5_000));
    let player = game.table.seat(SeatIndex(0)).unwrap().player;
    game.fold_around();
    game.apply(Command::Leave { seat: SeatIndex(0) });
    game.apply(Command::Sit { seat: SeatIndex(0), player, stack: 1_000 });
    assert_eq!((banks(&game, 0), disconnect_used(&game, 0)), (banks_before, used));
    game.apply(Command::Leave { seat: SeatIndex(0) });
    game.now += 3_600_000;
    game.apply(Command::Sit { seat: SeatIndex(0), player, stack: 1_000 });
    assert_eq!((banks(&game, 0), disconnect_used(&game, 0)), ((15_000, 15_000), 0));
}

#[test]
fn a_connection_that_is_lost_while_the_clock_stands_still_counts_from_when_it_goes_on() {
    let mut game = game(&[1_000; 3]);
    game.deal();
    game.now = 5_000;
    game.apply(Command::PauseClock);
    game.now = 30_000;
    disconnect(&mut game, 0);
    game.now = 50_000;
    game.apply(Command::ResumeClock);
    assert_eq!(game.table.next_deadline(), Some(50_000 + 15_000 + SPAN));
    reconnect(&mut game, 0);
    assert_eq!(game.table.next_deadline(), Some(50_000 + 15_000 + 5_000));
    assert_eq!(banks(&game, 0), (15_000, 15_000));
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
        (ClockConfig { reconnect_grace_ms: 600_001, ..CLOCK }, true),
        (ClockConfig { disconnect_total_ms: 3_600_001, ..CLOCK }, true),
        (ClockConfig { time_bank_ms: 0, time_bank_gain_ms: 0, ..CLOCK }, false),
    ] {
        assert_eq!(Table::new(TableConfig { clock, ..config() }).is_err(), bad, "{clock:?}");
    }
}
