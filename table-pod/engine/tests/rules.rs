//! One test a rule, each naming its source in the WSOP Live Action Rules 2024 where there is one.

mod common;
use common::{Game, RAKE_FREE, config};
use purr_engine::{Action, Ante, Command, Event, Post, RakeCap, RakeConfig, Refusal, SeatIndex};

const FOLD: Action = Action::Fold;
const CHECK: Action = Action::Check;
const CALL: Action = Action::Call;
const fn to(total: u64) -> Action {
    Action::RaiseTo(total)
}

/// Seats of the first hand of four: 0 button, 1 small blind, 2 big blind, 3 first to act.
fn four(stacks: [u64; 4]) -> Game {
    let mut game = Game::new(config(), &stacks);
    game.deal();
    game
}

/// WSOP 170: a raise is at least the size of the last bet or raise.
#[test]
fn a_raise_is_at_least_the_last_full_raise() {
    let mut game = four([1_000; 4]);
    game.act(3, to(30));
    let refused = game.try_act(0, to(49));
    assert_eq!(refused, Err(Refusal::RaiseBounds { given: 49, min: 50, max: 1_000 }));
    game.act(0, to(50));
}

/// WSOP 172: a short all-in does not open the betting again to those who have acted.
#[test]
fn a_short_all_in_does_not_reopen_the_betting() {
    let mut game = four([140, 1_000, 1_000, 1_000]);
    game.act(3, to(100));
    game.act(0, to(140));
    game.act(1, FOLD);
    game.act(2, CALL);
    assert_eq!(game.try_act(3, to(500)), Err(Refusal::BettingClosed(SeatIndex(3))));
    game.act(3, CALL);
}

/// WSOP 172: short all-ins that together make a full raise do.
#[test]
fn several_short_all_ins_that_make_a_full_raise_reopen_it() {
    let mut game = four([150, 200, 1_000, 1_000]);
    game.act(3, to(100));
    game.act(0, to(150));
    game.act(1, to(200));
    game.act(2, CALL);
    assert_eq!(game.legal(3).raise_to, Some((290, 1_000)));
}

/// WSOP 173: bet 100, all-in 140: the next raise is to at least 240.
#[test]
fn the_next_raise_is_measured_from_the_last_full_one() {
    let mut game = four([140, 1_000, 1_000, 1_000]);
    game.act(3, FOLD);
    game.act(0, CALL);
    game.act(1, CALL);
    game.act(2, CHECK);
    game.act(1, to(100));
    game.act(2, CALL);
    game.act(0, to(130));
    game.act(1, CALL);
    // Flop: bet 100, all-in 130, so 230.
    assert!(game.hand_running());
    let mut game = four([150, 1_000, 1_000, 1_000]);
    game.act(3, CALL);
    game.act(0, CALL);
    game.act(1, CALL);
    game.act(2, CHECK);
    game.act(1, to(100));
    game.act(2, FOLD);
    game.act(3, FOLD);
    game.act(0, to(140));
    assert_eq!(game.legal(1).raise_to, None, "a short raise, and the bettor has acted");
    let mut game = four([150, 1_000, 1_000, 1_000]);
    game.act(3, FOLD);
    game.act(0, CALL);
    game.act(1, CALL);
    game.act(2, CALL_OR_CHECK);
    game.act(1, CHECK);
    game.act(2, to(100));
    game.act(0, to(140));
    assert_eq!(game.legal(1).raise_to, Some((240, 990)));
}
const CALL_OR_CHECK: Action = CHECK;

/// WSOP 150: after a short big blind, callers still owe the full big blind.
#[test]
fn a_short_big_blind_is_called_in_full() {
    let game = four([1_000, 1_000, 4, 1_000]);
    assert_eq!(game.legal(3).call, Some(10));
    assert_eq!(game.legal(3).raise_to, Some((20, 1_000)));
}

/// WSOP 153: heads-up the button has the small blind, acts first before the flop and last after it.
#[test]
fn heads_up_the_button_posts_the_small_blind_and_acts_first() {
    let mut game = Game::new(config(), &[1_000, 1_000]);
    let events = game.deal();
    assert!(events.contains(&Event::Posted {
        seat: SeatIndex(0),
        post: Post::SmallBlind,
        amount: 5,
        stack: 995
    }));
    assert_eq!(game.table.hand().unwrap().button, SeatIndex(0));
    game.act(0, CALL);
    game.act(1, CHECK);
    assert_eq!(game.table.to_act(), Some(SeatIndex(1)));
}

/// WSOP 151: the button may be at an empty seat; nobody has the big blind twice or skips it.
#[test]
fn the_button_is_dead_when_the_small_blind_left() {
    let mut game = four([1_000; 4]);
    game.leave(1);
    game.fold_around();
    game.deal();
    // The big blind moved from 2 to 3, the small blind to 2, the button to the empty seat 1.
    let hand = game.table.hand().unwrap();
    assert_eq!(hand.button, SeatIndex(1));
    assert_eq!(hand.player(SeatIndex(3)).unwrap().street_bet, 10);
    assert_eq!(hand.player(SeatIndex(2)).unwrap().street_bet, 5);
}

/// WSOP 151: when the big blind leaves, the small blind of the next hand is dead.
#[test]
fn the_small_blind_is_dead_when_the_big_blind_left() {
    let mut game = four([1_000; 4]);
    game.leave(2);
    game.fold_around();
    game.deal();
    assert_eq!(game.table.pot(), 10, "the big blind alone");
    assert_eq!(game.table.hand().unwrap().button, SeatIndex(1));
}

/// WSOP 156: who missed the blinds posts both, of which only the big one is live.
#[test]
fn missed_blinds_are_posted_and_only_the_big_one_is_live() {
    let mut game = Game::new(config(), &[1_000; 5]);
    game.deal();
    // 0 button, 1 small, 2 big; seat 3 sits out while the big blind passes it.
    game.apply(Command::SitOut { seat: SeatIndex(3) });
    game.fold_around();
    game.deal();
    game.fold_around();
    game.apply(Command::SitIn { seat: SeatIndex(3), post: true });
    let events = game.deal();
    assert!(events.contains(&Event::Posted { seat: SeatIndex(3), post: Post::Dead, amount: 5, stack: 995 }));
    assert!(events.contains(&Event::Posted { seat: SeatIndex(3), post: Post::Live, amount: 10, stack: 985 }));
    let player = game.table.hand().unwrap().player(SeatIndex(3)).unwrap();
    assert_eq!((player.street_bet, player.dead), (10, 5));
}

/// A newcomer who does not post waits for the big blind.
#[test]
fn a_newcomer_waits_for_the_big_blind() {
    let mut game = Game::new(config(), &[1_000, 1_000, 1_000, 0, 1_000]);
    game.deal(); // button 0, small 1, big 2
    game.fold_around();
    game.sit(3, 1_000);
    game.deal(); // the big blind reaches chair 3 at once
    assert_eq!(game.table.hand().unwrap().player(SeatIndex(3)).unwrap().street_bet, 10);
    game.fold_around();
    let mut game = Game::new(config(), &[1_000, 1_000, 1_000, 1_000, 0, 1_000]);
    game.deal();
    game.fold_around();
    game.sit(4, 1_000);
    game.deal(); // big blind 3
    assert!(game.table.hand().unwrap().player(SeatIndex(4)).is_none());
}

/// The cards: seat 0 wins everything it is in, seat 1 beats 2, 2 beats 3.
const RANKED: &str = "Ks Qs Js As Kh Qh Jh Ah 2c 7d 8h 3s 4d";

/// Side pots: a player who is all-in for less wins only matched chips, including those of folded players.
#[test]
fn an_all_in_player_wins_only_the_matched_part() {
    let mut game = Game::new(config(), &[100, 1_000, 1_000, 1_000]);
    game.deal_cards(RANKED); // 0 has aces, then 1, 2, 3 by rank
    game.act(3, CALL);
    game.act(0, to(100));
    game.act(1, CALL);
    game.act(2, CALL);
    game.act(3, CALL);
    game.act(1, to(200));
    game.act(2, to(400));
    game.act(3, FOLD);
    game.act(1, CALL);
    game.check_down();
    assert_eq!(game.stacks(), [400, 1_300, 500, 900]);
}

/// WSOP 149, and where others err: folded chips stay in the layer they were put into.
#[test]
fn folded_chips_stay_in_their_layer() {
    let mut game = Game::new(config(), &[50, 1_000, 100, 1_000]);
    game.deal_cards(RANKED);
    game.act(3, to(200));
    game.act(0, CALL); // 50, all-in
    game.act(1, CALL); // 200
    game.act(2, CALL); // 100, all-in
    game.act(1, CHECK);
    game.act(3, to(300));
    game.act(1, FOLD);
    // Main pot 4 * 50 to seat 0; 3 * 50 to seat 2, who beats 3; the rest back to 3.
    assert_eq!(game.stacks(), [200, 800, 150, 1_000]);
}

/// WSOP 148: odd chips one at a time clockwise from the button (32 three ways is 11, 11, 10).
#[test]
fn odd_chips_go_one_at_a_time_clockwise_from_the_button() {
    let mut game = Game::new(config(), &[1_000; 4]);
    // Seats 1, 2 and 0 chop with the board; seat 3 folds two chips in.
    game.deal_cards("2c 2d 3c 3d 2h 2s 3h 3s As Ks Qs Js Ts");
    game.act(3, CALL);
    game.act(0, CALL);
    game.act(1, CALL);
    game.act(2, CHECK);
    game.act(1, CHECK);
    game.act(2, CHECK);
    game.act(3, to(11));
    game.act(0, CALL);
    game.act(1, CALL);
    game.act(2, CALL);
    game.act(1, CHECK);
    game.act(2, CHECK);
    game.act(3, FOLD);
    game.check_down();
    // 84 chips three ways divide; so it is 28 each.
    assert_eq!(game.stacks(), [1_007, 1_007, 1_007, 979]);

    let mut game = Game::new(config(), &[1_000; 4]);
    game.deal_cards("2c 2d 3c 3d 2h 2s 3h 3s As Ks Qs Js Ts");
    game.act(3, CALL);
    game.act(0, CALL);
    game.act(1, FOLD);
    game.act(2, CHECK);
    game.check_down();
    // 35 chips: 2 is first from the button and then 3; the last odd chip is not there.
    assert_eq!(game.stacks(), [1_001, 995, 1_002, 1_002]);
}

/// The uncalled part of a bet goes back before the rake is counted.
#[test]
fn an_uncalled_bet_goes_back_before_rake() {
    let rake = RakeConfig { basis_points: 1_000, caps: vec![], no_flop_no_drop: true };
    let mut game = Game::new(purr_engine::TableConfig { rake, ..config() }, &[1_000; 2]);
    game.deal();
    game.act(0, CALL);
    game.act(1, CHECK);
    game.act(1, to(500));
    let events = game.act(0, FOLD);
    assert!(events.contains(&Event::Uncalled { seat: SeatIndex(1), amount: 500, stack: 990 }));
    assert!(events.contains(&Event::Raked { amount: 2 }));
    assert_eq!(game.stacks(), [990, 1_008]);
}

/// PokerStars: no rake of a hand that ended before the flop.
#[test]
fn no_flop_no_drop() {
    let rake = RakeConfig { basis_points: 500, caps: vec![], no_flop_no_drop: true };
    let mut game = Game::new(purr_engine::TableConfig { rake, ..config() }, &[1_000; 3]);
    game.deal();
    game.act(0, to(100));
    game.act(1, CALL);
    game.act(2, FOLD);
    assert!(game.hand_running());
    let mut game = Game::new(game.table.config().clone(), &[1_000; 3]);
    game.deal();
    game.act(0, to(100));
    game.act(1, FOLD);
    let events = game.act(2, FOLD);
    assert!(!events.iter().any(|event| matches!(event, Event::Raked { .. })));
    assert_eq!(game.stacks().iter().sum::<u64>(), 3_000);
}

/// One cap for all pots of a hand, by the number of players dealt in.
#[test]
fn the_rake_cap_is_one_for_all_pots() {
    let caps = vec![RakeCap { players: 2, amount: 3 }, RakeCap { players: 4, amount: 7 }];
    let rake = RakeConfig { basis_points: 1_000, caps, no_flop_no_drop: true };
    let mut game = Game::new(purr_engine::TableConfig { rake, ..config() }, &[100, 300, 300, 300]);
    game.deal_cards(RANKED);
    game.act(3, FOLD);
    game.act(0, to(100));
    game.act(1, to(300));
    let events = game.act(2, CALL);
    let raked: Vec<_> = events.iter().filter(|event| matches!(event, Event::Raked { .. })).collect();
    assert_eq!(raked, [&Event::Raked { amount: 7 }]);
    assert_eq!(game.stacks().iter().sum::<u64>(), 1_000 - 7);
}

/// WSOP 145: the last to bet on the river shows first; who cannot win mucks, and is never seen.
#[test]
fn the_last_aggressor_shows_first_and_losers_muck() {
    let mut game = Game::new(config(), &[1_000; 3]);
    // Dealt 1, 2, 0: seat 1 kings, seat 2 queens, seat 0 aces.
    game.deal_cards("Ks Qs As Kh Qh Ah 2c 7d 8h 3s 4d");
    game.act(0, CALL);
    game.act(1, CALL);
    game.act(2, CHECK);
    for _ in 0..2 {
        game.act(1, CHECK);
        game.act(2, CHECK);
        game.act(0, CHECK);
    }
    game.act(1, CHECK);
    game.act(2, to(20));
    game.act(0, CALL);
    let events = game.act(1, CALL);
    let order: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::Shown { seat, .. } => Some(format!("{seat} shows")),
            Event::Mucked { seat } => Some(format!("{seat} mucks")),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["2 shows", "0 shows", "1 mucks"]);
}

/// WSOP 60, table stakes: chips added during a hand play from the next one.
#[test]
fn a_top_up_waits_for_the_end_of_the_hand() {
    let mut game = Game::new(config(), &[100, 500]);
    game.deal();
    game.apply(Command::TopUp { seat: SeatIndex(0), amount: 400 });
    assert_eq!(game.legal(0).raise_to, Some((20, 100)));
    game.act(0, FOLD);
    assert_eq!(game.stacks(), [495, 505]);
}

/// A player below the big blind may still play, all-in.
#[test]
fn a_stack_below_the_big_blind_plays_all_in() {
    let mut game = Game::new(config(), &[500, 500, 500]);
    game.deal_cards("Ks Qs As Kh Qh Ah 2c 7d 8h 3s 4d");
    game.set_up_stack(0, 7);
    assert_eq!(game.legal(0).call, Some(7));
}

/// No rat-holing: who left with more than the maximum brings it back within the set time.
#[test]
fn a_player_who_left_rich_comes_back_rich() {
    let mut game = Game::new(config(), &[900, 900, 900]);
    game.deal_cards("As Ks Qs Ah Kh Qh 2c 7d 8h 3s 4d");
    game.act(0, to(900));
    game.act(1, CALL);
    game.act(2, CALL);
    assert_eq!(game.stacks(), [0, 2_700, 0]);
    game.leave(1);
    assert_eq!(game.try_sit(1, 1_000), Err(Refusal::RatHole { min: 2_700, max: 2_700 }));
    game.now += RAKE_FREE.rat_hole_ms;
    game.sit(1, 1_000);
}

/// A clock that begins again neither forgets who left a moment ago nor brings back who left long ago.
#[test]
fn a_new_clock_forgets_only_those_whose_time_had_run_out() {
    for (waited, bound) in [(0, true), (RAKE_FREE.rat_hole_ms, false)] {
        let mut game = Game::new(config(), &[900, 900, 900]);
        game.deal_cards("As Ks Qs Ah Kh Qh 2c 7d 8h 3s 4d");
        game.act(0, to(900));
        game.act(1, CALL);
        game.act(2, CALL);
        game.leave(1);
        game.now += waited;
        game.apply(Command::Tick);
        game.now = 0;
        game.apply(Command::RestartClock);
        assert_eq!(game.try_sit(1, 1_000).is_err(), bound);
    }
}

/// Chips that the chain has moved are seated whatever the limits; only an occupied seat refuses them.
#[test]
fn chips_that_are_moved_already_are_seated_without_bounds() {
    let mut game = Game::new(config(), &[900, 0]);
    let seat = |at, stack| Command::Seat {
        seat: SeatIndex(at),
        player: common::player(1),
        stack,
        rake_allowed: None,
    };
    assert_eq!(game.table.apply(0, seat(0, 500)), Err(Refusal::SeatTaken(SeatIndex(0))));
    game.apply(seat(1, 5_000));
    game.apply(Command::TopUp { seat: SeatIndex(1), amount: 5_000 });
    assert_eq!(game.stacks(), [900, 10_000]);
}

/// Permits limit the house: rake beyond them stays in the pots.
#[test]
fn no_more_rake_is_taken_than_the_permits_of_those_dealt_in_allow() {
    let rake = RakeConfig { basis_points: 500, caps: Vec::new(), no_flop_no_drop: true };
    let table = purr_engine::Table::new(purr_engine::TableConfig { seats: 2, rake, ..config() }).unwrap();
    let mut game = Game { table, now: 0 };
    for (at, allowed) in [(0, 3), (1, 1)] {
        let (seat, player) = (SeatIndex(at), common::player(at));
        game.apply(Command::Seat { seat, player, stack: 1_000, rake_allowed: Some(allowed) });
    }
    let raked = |game: &mut Game| {
        game.deal();
        let bet = Action::RaiseTo(100);
        let first = game.table.to_act().unwrap().0;
        game.act(first, bet);
        game.act(1 - first, Action::Call);
        game.check_down();
        2_000 - game.stacks().iter().sum::<u64>()
    };
    // A pot of 200 would bear a rake of 10.
    assert_eq!(raked(&mut game), 4);
    game.apply(Command::AllowRake { seat: SeatIndex(1), amount: 5 });
    game.apply(Command::DisallowRake { seat: SeatIndex(1), amount: 3 });
    assert_eq!(raked(&mut game), 4 + 2);
    let left = |at: usize| game.table.seats()[at].as_ref().unwrap().rake_left;
    assert_eq!((left(0), left(1)), (Some(0), Some(0)));
}

/// Antes are paid before the cards; each player's own ante layers with the bets.
#[test]
fn antes_of_each_player_are_in_the_pot() {
    let mut game = Game::new(purr_engine::TableConfig { ante: Ante::Each(2), ..config() }, &[1_000; 3]);
    game.deal();
    assert_eq!(game.table.pot(), 21);
    assert_eq!(game.legal(0).call, Some(10));
}

/// A big-blind ante is dead money, not part of the bet.
#[test]
fn a_big_blind_ante_is_dead_money() {
    let mut game = Game::new(purr_engine::TableConfig { ante: Ante::BigBlind(10), ..config() }, &[1_000; 3]);
    game.deal();
    assert_eq!(game.table.pot(), 25);
    game.act(0, FOLD);
    let events = game.act(1, FOLD);
    assert!(events.contains(&Event::Uncalled { seat: SeatIndex(2), amount: 5, stack: 985 }));
    assert_eq!(game.stacks(), [1_000, 995, 1_005]);
}

/// A void hand gives every bet back and leaves the button where it was.
#[test]
fn a_void_hand_refunds_every_bet() {
    let mut game = four([1_000; 4]);
    game.act(3, to(300));
    game.act(0, CALL);
    let button = game.table.hand().unwrap().button;
    game.apply(Command::VoidHand);
    assert_eq!(game.stacks(), [1_000; 4]);
    game.deal();
    assert_eq!(game.table.hand().unwrap().button, button);
}

/// Out of time: the bank first, then a check if that is free, else a fold.
#[test]
fn a_player_out_of_time_checks_or_folds() {
    let mut game = four([1_000; 4]);
    let turn = game.table.next_deadline().unwrap();
    game.now = turn;
    let events = game.apply(Command::Tick);
    assert!(matches!(events[..], [Event::TimeBankStarted { .. }]));
    game.now = game.table.next_deadline().unwrap();
    let events = game.apply(Command::Tick);
    assert!(events.iter().any(|event| matches!(
        event,
        Event::Acted { seat: SeatIndex(3), action: Action::Fold, timed_out: true, .. }
    )));
    assert!(game.table.seat(SeatIndex(3)).unwrap().sitting_out);
}

/// A pause stops the clock; the rest of the turn is kept.
#[test]
fn a_pause_does_not_cost_a_player_time() {
    let mut game = four([1_000; 4]);
    let deadline = game.table.next_deadline().unwrap();
    game.apply(Command::PauseClock);
    assert_eq!(game.table.next_deadline(), None);
    game.now += 60_000;
    assert!(game.apply(Command::Tick).is_empty());
    game.apply(Command::ResumeClock);
    assert_eq!(game.table.next_deadline(), Some(deadline + 60_000));
}

/// Leaving in a hand gives up all further turns, here with a fold, and frees the seat at the end.
#[test]
fn leaving_in_a_hand_folds_in_turn_and_leaves_at_its_end() {
    let mut game = four([1_000; 4]);
    game.apply(Command::Leave { seat: SeatIndex(0) });
    assert!(game.table.seat(SeatIndex(0)).is_some());
    game.act(3, CALL);
    assert_eq!(game.table.to_act(), Some(SeatIndex(1)), "seat 0 was folded in turn");
    let events = game.fold_around();
    assert!(events.iter().any(|event| matches!(event, Event::Left { seat: SeatIndex(0), stack: 1_000, .. })));
}
