//! Button, blinds, posting and straddles: one test a rule (WSOP Live Action Rules 2024).
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

mod common;
use common::{Game, config};
use purr_engine::{Action, Command, Event, HouseRules, Post, Refusal, SeatIndex, TableConfig};

const FOLD: Action = Action::Fold;
const CHECK: Action = Action::Check;
const CALL: Action = Action::Call;

fn button(game: &Game) -> u8 {
    game.table.hand().unwrap().button.0
}

/// Seats with this amount in front.
fn with_bet(game: &Game, bet: u64) -> Vec<u8> {
    let hand = game.table.hand().unwrap();
    hand.players().filter(|(_, player)| player.street_bet == bet).map(|(seat, _)| seat.0).collect()
}

fn posts(events: &[Event]) -> Vec<(u8, Post, u64)> {
    let posted = |event: &Event| match event {
        Event::Posted { seat, post, amount, .. } => Some((seat.0, *post, *amount)),
        _ => None,
    };
    events.iter().filter_map(posted).collect()
}

fn sit_in(game: &mut Game, seat: u8, post: bool) {
    game.apply(Command::SitIn { seat: SeatIndex(seat), post });
}

fn sit_out(game: &mut Game, seat: u8) {
    game.apply(Command::SitOut { seat: SeatIndex(seat) });
}

/// WSOP 151: one hand after the other, every player has the big blind once a round.
#[test]
fn with_nobody_coming_or_going_button_and_blinds_move_one_chair_a_hand() {
    let mut game = Game::new(config(), &[1_000; 10]);
    for hand in 0..25u8 {
        game.deal();
        assert_eq!(button(&game), hand % 10);
        assert_eq!(with_bet(&game, 5), [(hand + 1) % 10]);
        assert_eq!(with_bet(&game, 10), [(hand + 2) % 10]);
        assert_eq!(game.table.to_act(), Some(SeatIndex((hand + 3) % 10)));
        game.fold_around();
    }
}

/// WSOP 153: from three to two nobody has the big blind twice running, and the button is the small blind.
#[test]
fn from_three_players_to_two_nobody_has_the_big_blind_twice() {
    // Button 0, small 1, big 2; whoever leaves, the next big blind is not seat 2.
    for (gone, big) in [(0, 1), (1, 0), (2, 0)] {
        let mut game = Game::new(config(), &[1_000; 3]);
        game.deal();
        game.fold_around();
        game.leave(gone);
        game.deal();
        assert_eq!(with_bet(&game, 10), [big], "seat {gone} left");
        let small = 3 - gone - big;
        assert_eq!(with_bet(&game, 5), [small]);
        assert_eq!((button(&game), game.table.to_act()), (small, Some(SeatIndex(small))));
    }
}

/// WSOP 153: two who play while a third waits for the big blind play heads-up, not with a dead button.
#[test]
fn two_who_play_while_a_third_waits_for_the_big_blind_play_heads_up() {
    let mut game = Game::new(config(), &[1_000, 0, 1_000]);
    game.deal(); // button and small blind 0, big blind 2
    game.fold_around();
    game.sit(1, 1_000);
    game.deal(); // the big blind goes to 0: seat 1 waits
    assert!(game.table.hand().unwrap().player(SeatIndex(1)).is_none());
    assert_eq!((button(&game), with_bet(&game, 5), with_bet(&game, 10)), (2, vec![2], vec![0]));
    game.act(2, CALL);
    game.act(0, CHECK);
    assert_eq!(game.table.to_act(), Some(SeatIndex(0)), "the button speaks last after the flop");
    game.check_down();
    game.deal(); // and now it reaches seat 1
    assert_eq!(with_bet(&game, 10), [1]);
}

/// WSOP 156: who had the big blind and was away for the small one owes that alone, as dead money.
#[test]
fn a_missed_small_blind_alone_is_dead_money() {
    let mut game = Game::new(config(), &[1_000; 5]);
    game.deal(); // big blind 2
    game.fold_around();
    sit_out(&mut game, 2);
    game.deal(); // the small blind of seat 2 is dead
    assert_eq!(game.table.pot(), 10);
    game.fold_around();
    let seat = game.table.seat(SeatIndex(2)).unwrap();
    assert_eq!((seat.owes_small, seat.owes_big), (true, false));
    sit_in(&mut game, 2, false);
    game.deal(); // on the button, and waiting
    assert!(game.table.hand().unwrap().player(SeatIndex(2)).is_none());
    game.fold_around();
    sit_in(&mut game, 2, true);
    let events = game.deal();
    assert!(posts(&events).contains(&(2, Post::Dead, 5)), "{:?}", posts(&events));
    assert!(!posts(&events).iter().any(|(seat, post, _)| *seat == 2 && *post == Post::Live));
    assert_eq!(game.table.hand().unwrap().player(SeatIndex(2)).unwrap().street_bet, 0);
}

/// WSOP 156: the big blind, when it comes, pays for all that was missed.
#[test]
fn who_waits_for_the_big_blind_owes_nothing_more() {
    let mut game = Game::new(config(), &[1_000; 4]);
    game.deal(); // big blind 2
    game.fold_around();
    sit_out(&mut game, 3);
    for _ in 0..4 {
        game.deal();
        game.fold_around();
    }
    sit_in(&mut game, 3, false);
    let events = loop {
        let events = game.deal();
        if game.table.hand().unwrap().player(SeatIndex(3)).is_some() {
            break events;
        }
        game.fold_around();
    };
    let own: Vec<_> = posts(&events).into_iter().filter(|(seat, ..)| *seat == 3).collect();
    assert_eq!(own, [(3, Post::BigBlind, 10)]);
    assert!(!game.table.seat(SeatIndex(3)).unwrap().owes_small);
}

/// WSOP 154: between the button and the small blind both blinds may be posted, the small one dead. The
/// others' blinds wait for that hand, and the button comes to the buyer with the next one.
#[test]
fn who_comes_back_between_button_and_small_blind_may_buy_the_button() {
    let mut game = Game::new(config(), &[1_000; 5]);
    game.deal(); // button 0, small 1, big 2
    sit_out(&mut game, 3);
    game.fold_around();
    game.deal(); // button 1, small 2, big 4: seat 3 was passed
    game.fold_around();
    sit_in(&mut game, 3, true);
    let events = game.deal();
    assert_eq!(button(&game), 2);
    assert_eq!(posts(&events), [(3, Post::Dead, 5), (3, Post::Live, 10)]);
    assert_eq!(game.table.to_act(), Some(SeatIndex(4)));
    game.fold_around();
    let events = game.deal();
    assert_eq!(button(&game), 3);
    assert_eq!(posts(&events), [(4, Post::SmallBlind, 5), (0, Post::BigBlind, 10)]);
    game.fold_around();
    game.deal();
    assert_eq!((button(&game), with_bet(&game, 5), with_bet(&game, 10)), (4, vec![0], vec![1]));
}

/// A newcomer in the small blind's seat posts both blinds, and the button comes there next.
#[test]
fn a_newcomer_on_the_small_blinds_chair_posts_both_blinds() {
    let mut game = Game::new(config(), &[1_000; 4]);
    game.deal(); // button 0, small 1, big 2
    game.leave(2);
    game.fold_around();
    game.sit(2, 1_005); // what it left with
    sit_in(&mut game, 2, true);
    let events = game.deal(); // button 1, small 2, big 3
    assert_eq!(posts(&events), [(3, Post::BigBlind, 10), (2, Post::Dead, 5), (2, Post::Live, 10)]);
    game.fold_around();
    game.deal();
    assert_eq!(button(&game), 2);
}

/// WSOP 156: nobody comes in on the button by posting.
#[test]
fn nobody_posts_on_the_button() {
    let mut game = Game::new(config(), &[1_000; 4]);
    game.deal(); // button 0, small 1, big 2
    game.leave(1);
    game.fold_around();
    game.sit(1, 1_000);
    sit_in(&mut game, 1, true);
    game.deal();
    assert_eq!(button(&game), 1);
    assert!(game.table.hand().unwrap().player(SeatIndex(1)).is_none());
    game.fold_around();
    let events = game.deal();
    assert!(posts(&events).contains(&(1, Post::Live, 10)), "behind the button it may");
}

/// With fewer than two players without debts the game starts again, and debts are dropped.
#[test]
fn a_game_that_starts_anew_forgets_what_was_owed() {
    let mut game = Game::new(config(), &[1_000; 3]);
    game.deal();
    game.fold_around();
    for seat in 0..3 {
        game.leave(seat);
    }
    game.now += config().rat_hole_ms;
    for seat in [0, 2] {
        game.sit(seat, 1_000);
        assert!(game.table.seat(SeatIndex(seat)).unwrap().owes_big);
    }
    let events = game.deal();
    assert_eq!(posts(&events), [(0, Post::SmallBlind, 5), (2, Post::BigBlind, 10)]);
}

/// A hand that never happened took nobody's debts away either.
#[test]
fn a_void_hand_leaves_what_was_owed() {
    let mut game = Game::new(config(), &[1_000; 5]);
    game.deal();
    sit_out(&mut game, 3);
    game.fold_around();
    game.deal();
    game.fold_around();
    sit_in(&mut game, 3, true);
    let first = posts(&game.deal());
    game.apply(Command::VoidHand);
    assert_eq!(game.stacks().iter().sum::<u64>(), 5_000);
    assert_eq!(posts(&game.deal()), first);
}

/// Nor does this create debts: no blind skipped an absent player.
#[test]
fn a_void_hand_makes_no_debts() {
    let mut game = Game::new(config(), &[1_000; 5]);
    game.deal(); // button 0, small 1, big 2
    game.fold_around();
    sit_out(&mut game, 2);
    sit_out(&mut game, 3);
    game.deal(); // the big blind passes seat 3, the small one seat 2
    let owes = |game: &Game, seat| {
        let chair = game.table.seat(SeatIndex(seat)).unwrap();
        (chair.owes_big, chair.owes_small)
    };
    assert_eq!((owes(&game, 2), owes(&game, 3)), ((false, true), (true, true)));
    game.apply(Command::VoidHand);
    assert_eq!((owes(&game, 2), owes(&game, 3)), ((false, false), (false, false)));
}

#[test]
fn who_sits_out_is_dealt_no_hand_and_comes_back_when_they_say_so() {
    let mut game = Game::new(config(), &[1_000; 4]);
    sit_out(&mut game, 1);
    let again = game.table.apply(0, Command::SitOut { seat: SeatIndex(1) });
    assert_eq!(again, Err(Refusal::SittingOut(SeatIndex(1))));
    game.deal();
    assert!(game.table.hand().unwrap().player(SeatIndex(1)).is_none());
    game.fold_around();
    sit_in(&mut game, 1, true);
    assert_eq!(game.table.ready(), 4);
    let again = game.table.apply(0, Command::SitIn { seat: SeatIndex(0), post: true });
    assert_eq!(again, Err(Refusal::SittingIn(SeatIndex(0))));
}

/// Leaving in a hand checks while that is free, and bets stay in the pot.
#[test]
fn who_leaves_all_in_still_plays_for_the_pot() {
    let mut game = Game::new(config(), &[100, 500]);
    game.deal_cards("Kd Ah Kc As 2c 7d 8h 3s 4d"); // seat 1 kings, seat 0 aces
    game.act(0, Action::RaiseTo(100));
    game.apply(Command::Leave { seat: SeatIndex(0) });
    let events = game.act(1, CALL);
    assert!(events.iter().any(|event| matches!(event, Event::Left { seat: SeatIndex(0), stack: 200, .. })));
    assert!(game.table.seat(SeatIndex(0)).is_none());
}

fn straddling(stacks: &[u64], wishes: &[u8]) -> Game {
    let mut game = Game::new(TableConfig { straddle: true, ..config() }, stacks);
    for &seat in wishes {
        game.apply(Command::Straddle { seat: SeatIndex(seat), on: true });
    }
    game
}

/// WSOP 11: twice the big blind, the last word before the flop, and a raise is to three big blinds.
#[test]
fn a_straddle_is_twice_the_big_blind_and_has_the_last_word() {
    let mut game = straddling(&[1_000; 5], &[3]);
    let events = game.deal();
    assert_eq!(posts(&events), [(1, Post::SmallBlind, 5), (2, Post::BigBlind, 10), (3, Post::Straddle, 20)]);
    assert_eq!(game.table.to_act(), Some(SeatIndex(4)));
    assert_eq!(game.legal(4).call, Some(20));
    assert_eq!(game.legal(4).raise_to, Some((30, 1_000)));
    for seat in [4, 0, 1, 2] {
        game.act(seat, CALL);
    }
    assert_eq!(game.legal(3).raise_to, Some((30, 1_000)), "and may raise");
    game.act(3, CHECK);
    // After the flop it is over: the least bet is a big blind, and the button's left speaks.
    assert_eq!(game.table.to_act(), Some(SeatIndex(1)));
    assert_eq!(game.legal(1).raise_to, Some((10, 980)));
}

/// The wish stands from hand to hand and counts only under the gun.
#[test]
fn the_wish_to_straddle_stands_and_counts_under_the_gun_alone() {
    let mut game = straddling(&[1_000; 4], &[0]);
    let mut straddled = Vec::new();
    for _ in 0..5 {
        let events = game.deal();
        straddled.push(posts(&events).iter().any(|(_, post, _)| *post == Post::Straddle));
        game.fold_around();
    }
    assert_eq!(straddled, [false, true, false, false, false]);
    game.apply(Command::Straddle { seat: SeatIndex(0), on: false });
    assert!(!posts(&game.deal()).iter().any(|(_, post, _)| *post == Post::Straddle));
}

/// No straddle heads-up, from a short stack, by an absent player, or at a table without straddles.
#[test]
fn a_straddle_needs_three_players_a_full_stack_and_a_table_that_has_it() {
    let straddles = |game: &mut Game| posts(&game.deal()).iter().any(|(_, post, _)| *post == Post::Straddle);
    assert!(!straddles(&mut straddling(&[1_000; 2], &[0, 1])));
    assert!(
        straddles(&mut straddling(&[20, 1_000, 1_000], &[0])),
        "three-handed the button is under the gun"
    );
    assert!(!straddles(&mut straddling(&[19, 1_000, 1_000], &[0])));
    let mut away = straddling(&[1_000; 3], &[0]);
    away.apply(Command::Disconnected { seat: SeatIndex(0) });
    assert!(!straddles(&mut away));
    let mut without = Game::new(config(), &[1_000; 3]);
    let wish = Command::Straddle { seat: SeatIndex(0), on: true };
    assert_eq!(without.table.apply(0, wish), Err(Refusal::NoStraddles));
}

/// At most ten seats, and each player once.
#[test]
fn tables_have_two_to_ten_seats() {
    for seats in [0, 1, 11] {
        assert!(purr_engine::Table::new(TableConfig { seats, ..config() }).is_err());
    }
    let mut game = Game::new(config(), &[1_000, 1_000, 0]);
    assert_eq!(game.try_sit(3, 500).unwrap_err(), Refusal::NoSuchSeat(SeatIndex(3)));
    let twice = Command::Sit { seat: SeatIndex(2), player: common::player(0), stack: 500 };
    assert_eq!(game.table.apply(0, twice), Err(Refusal::SeatedAlready(SeatIndex(0))));
    let refusal = game.try_sit(2, 9).unwrap_err();
    assert_eq!(refusal, Refusal::BuyIn { amount: 9, min: 10, max: 1_000 });
    assert_eq!(refusal.bounds(), Some((10, 1_000)));
}

/// Only one player has to fold: one action ends a hand of two.
#[test]
fn a_fold_heads_up_gives_the_pot_to_the_other() {
    let mut game = Game::new(config(), &[1_000; 2]);
    game.deal();
    game.act(0, FOLD);
    assert_eq!(game.stacks(), [995, 1_005]);
}

fn house(house: HouseRules, straddle: bool) -> TableConfig {
    TableConfig { house, straddle, ..config() }
}

/// WSOP 154, where the house offers it: a newcomer between button and big blind posts the big blind alone.
#[test]
fn a_newcomer_before_the_blinds_may_post_the_big_blind_alone_where_the_house_says_so() {
    for alone in [false, true] {
        let rules = HouseRules { newcomer_posts_big_alone: alone, ..HouseRules::NONE };
        let mut game = Game::new(house(rules, false), &[1_000, 1_000, 0, 1_000, 1_000]);
        game.deal(); // button 0, small 1, big 3
        game.fold_around();
        game.sit(2, 1_000);
        sit_in(&mut game, 2, true);
        let events = game.deal(); // button 1, small 3, big 4; the newcomer is between 1 and 3
        let bought = vec![(2, Post::Dead, 5), (2, Post::Live, 10)];
        let posted = vec![(3, Post::SmallBlind, 5), (4, Post::BigBlind, 10), (2, Post::Live, 10)];
        let wanted = if alone { posted } else { bought };
        assert_eq!((button(&game), posts(&events)), (1, wanted));
    }
}

/// The same in the small blind's seat; a player who missed blinds still posts both.
#[test]
fn who_missed_blinds_still_posts_both_where_a_newcomer_posts_one() {
    let rules = HouseRules { newcomer_posts_big_alone: true, ..HouseRules::NONE };
    let mut game = Game::new(house(rules, false), &[1_000; 4]);
    game.deal(); // button 0, small 1, big 2
    game.leave(2);
    game.fold_around();
    game.sit(2, 1_005); // what it left with
    sit_in(&mut game, 2, true);
    let events = game.deal(); // button 1, small 2, big 3
    assert_eq!(posts(&events), [(3, Post::BigBlind, 10), (2, Post::Live, 10)]);
    let mut game = Game::new(house(rules, false), &[1_000; 5]);
    game.deal(); // button 0, small 1, big 2
    sit_out(&mut game, 3);
    game.fold_around();
    game.deal(); // seat 3 was passed
    game.fold_around();
    sit_in(&mut game, 3, true);
    assert_eq!(posts(&game.deal()), [(3, Post::Dead, 5), (3, Post::Live, 10)], "buys the button");
}

/// WSOP 156, where the house offers it: under the gun a live straddle pays for missed blinds.
#[test]
fn a_live_straddle_may_pay_for_missed_blinds_where_the_house_says_so() {
    for back_in in [false, true] {
        let rules = HouseRules { straddle_back_in: back_in, ..HouseRules::NONE };
        let mut game = Game::new(house(rules, true), &[1_000; 5]);
        game.apply(Command::Straddle { seat: SeatIndex(3), on: true });
        game.deal(); // button 0, small 1, big 2
        sit_out(&mut game, 3);
        game.fold_around();
        for _ in 0..3 {
            game.deal(); // 4, 0 and 1 have the big blind; seat 3 was passed
            game.fold_around();
        }
        sit_in(&mut game, 3, true);
        let events = game.deal(); // big blind 2: seat 3 is under the gun
        let own: Vec<_> = posts(&events).into_iter().filter(|(seat, ..)| *seat == 3).collect();
        let straddle = vec![(3, Post::Straddle, 20)];
        let both = vec![(3, Post::Dead, 5), (3, Post::Live, 10)];
        assert_eq!(own, if back_in { straddle } else { both });
        let seat = game.table.seat(SeatIndex(3)).unwrap();
        assert!(!seat.owes_big && !seat.owes_small);
        assert_eq!(game.table.to_act(), Some(SeatIndex(if back_in { 4 } else { 3 })));
    }
    let rules = HouseRules { straddle_back_in: true, ..HouseRules::NONE };
    let refused = TableConfig { seats: 6, ..house(rules, false) }.validate().unwrap_err();
    assert_eq!(refused.to_string(), "house.straddleBackIn: needs straddle, this table has no straddles");
}

/// A leaving player checks where that is free and folds where it is not, as who is out of time.
#[test]
fn who_leaves_checks_while_that_is_free_and_folds_to_a_bet() {
    let mut game = Game::new(config(), &[1_000; 3]);
    game.deal(); // button 0, small 1, big 2
    game.act(0, CALL);
    game.apply(Command::Leave { seat: SeatIndex(2) });
    let events = game.act(1, CALL);
    let acted = |events: &[Event], seat: u8| {
        let of = |event: &Event| match event {
            Event::Acted { seat: at, action, .. } if at.0 == seat => Some(*action),
            _ => None,
        };
        events.iter().find_map(of)
    };
    assert_eq!(acted(&events, 2), Some(CHECK));
    let events = game.act(1, Action::RaiseTo(20));
    assert_eq!(acted(&events, 2), Some(FOLD));
}
