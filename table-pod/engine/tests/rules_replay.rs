//! Hands dealt with given forced bets, which replays and differential tests rely on.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

mod common;
use common::{config, player};
use purr_engine::{
    Action, Betting, Card, Command, Deck, Event, HandSetup, Post, Refusal, SeatIndex, Table, TableConfig,
};

const CALL: Action = Action::Call;
const CHECK: Action = Action::Check;
const FOLD: Action = Action::Fold;

fn deck(first: &str) -> Deck {
    let first: Vec<Card> = first.split_whitespace().map(|card| card.parse().unwrap()).collect();
    Deck::starting_with(&first).unwrap()
}

struct Replay(Table);

impl Replay {
    fn new(betting: Betting, stacks: &[u64]) -> Self {
        let mut table = Table::new(TableConfig { seats: 10, betting, ..config() }).unwrap();
        for (seat, &stack) in (0..).zip(stacks) {
            table.seat_as(SeatIndex(seat), player(seat), stack).unwrap();
        }
        Self(table)
    }

    fn act(&mut self, seat: u8, action: Action) -> Vec<Event> {
        self.0.apply(0, Command::Act { seat: SeatIndex(seat), action }).unwrap()
    }

    fn check_down(&mut self) {
        while let Some(seat) = self.0.to_act() {
            self.act(seat.0, CHECK);
        }
    }

    fn stacks(&self) -> Vec<u64> {
        self.0.seats().iter().flatten().map(|seat| seat.stack).collect()
    }

    fn raise_to(&self, seat: u8) -> Option<(u64, u64)> {
        self.0.legal_actions(SeatIndex(seat)).unwrap().raise_to
    }
}

fn blinds(first: &str, bets: &[u64]) -> HandSetup {
    let mut setup = HandSetup::new(7, SeatIndex(0), 2, deck(first));
    setup.bets[..bets.len()].copy_from_slice(bets);
    setup
}

#[test]
fn the_left_of_the_largest_forced_bet_speaks_first_and_the_straddle_last() {
    let mut game = Replay::new(Betting::NoLimit, &[100, 100, 100, 100]);
    let events = game.0.deal_as(0, &blinds("", &[0, 1, 2, 4])).unwrap();
    let posts: Vec<Post> = events
        .iter()
        .filter_map(|event| match event {
            Event::Posted { post, .. } => Some(*post),
            _ => None,
        })
        .collect();
    assert_eq!(posts, [Post::SmallBlind, Post::BigBlind, Post::Straddle]);
    assert_eq!(game.0.to_act(), Some(SeatIndex(0)));
    assert_eq!(game.raise_to(0), Some((6, 100)), "the least raise is the hand's least bet");
    game.act(0, CALL);
    game.act(1, CALL);
    game.act(2, CALL);
    assert_eq!(game.0.to_act(), Some(SeatIndex(3)), "the straddle has the last word");
    game.act(3, CHECK);
    assert_eq!(game.0.to_act(), Some(SeatIndex(1)));
}

/// WSOP 153.
#[test]
fn heads_up_the_button_is_the_small_blind_and_speaks_first_also_with_equal_blinds() {
    for bets in [[1, 2], [2, 2]] {
        let mut game = Replay::new(Betting::NoLimit, &[100, 100]);
        game.0.deal_as(0, &blinds("", &bets)).unwrap();
        assert_eq!(game.0.to_act(), Some(SeatIndex(0)), "{bets:?}");
    }
}

#[test]
fn live_posts_do_not_move_who_speaks_first() {
    let mut game = Replay::new(Betting::NoLimit, &[100, 100, 100, 100, 100]);
    let mut setup = blinds("", &[0, 1, 2]);
    setup.posts[4] = 2;
    game.0.deal_as(0, &setup).unwrap();
    assert_eq!(game.0.to_act(), Some(SeatIndex(3)));
    game.act(3, CALL);
    assert!(game.0.legal_actions(SeatIndex(4)).unwrap().check);
}

/// WSOP 150: the bet is the full blind, even if its stack was short.
#[test]
fn a_stack_shorter_than_its_forced_bet_is_all_in_and_the_bet_stands() {
    let mut game = Replay::new(Betting::NoLimit, &[100, 100, 1]);
    game.0.deal_as(0, &blinds("", &[0, 1, 2])).unwrap();
    assert_eq!(game.0.legal_actions(SeatIndex(0)).unwrap().call, Some(2));
}

/// `ante_trimming_status`: a short ante layers, or all antes are one dead pot.
#[test]
fn antes_layer_with_the_bets_or_are_dead_money() {
    for (trim, stacks) in [(true, [9, 96, 95]), (false, [11, 94, 95])] {
        // Seat 0 has a stack of 3 and antes all of it; the aces win what they play for.
        let mut game = Replay::new(Betting::NoLimit, &[3, 98, 99]);
        let mut setup = blinds("Kd Qd Ah Kc Qc As 2c 7d 8h 3s 4d", &[0, 0, 0]);
        (setup.antes[0], setup.antes[1], setup.antes[2]) = (4, 4, 4);
        setup.uniform_ante_trim = trim;
        game.0.deal_as(0, &setup).unwrap();
        game.check_down();
        assert_eq!(game.stacks(), stacks, "trimmed: {trim}");
    }
}

/// A player who mucks wins no pot that another player shows for, whatever the cards.
#[test]
fn a_hand_that_is_mucked_loses_to_one_that_is_shown() {
    let mut game = Replay::new(Betting::NoLimit, &[100, 100]);
    let mut setup = blinds("Kd Ah Kc As 2c 7d 8h 3s 4d", &[1, 2]);
    setup.mucks.insert(SeatIndex(0));
    game.0.deal_as(0, &setup).unwrap();
    game.act(0, CALL);
    game.check_down();
    assert_eq!(game.stacks(), [98, 102]);
}

/// A fixed limit: one size a street, doubled from the turn, and four bets at most.
#[test]
fn a_fixed_limit_has_one_size_and_four_bets_a_street() {
    let limit = Betting::FixedLimit { small_bet: 2, big_bet: 4, bets_max: 4 };
    let mut game = Replay::new(limit, &[100, 100, 100]);
    game.0.deal_as(0, &blinds("", &[0, 1, 2])).unwrap();
    assert_eq!(game.raise_to(0), Some((4, 4)));
    game.act(0, Action::RaiseTo(4));
    game.act(1, Action::RaiseTo(6));
    game.act(2, Action::RaiseTo(8));
    let refused = game.0.apply(0, Command::Act { seat: SeatIndex(0), action: Action::RaiseTo(10) });
    assert_eq!(refused, Err(Refusal::BetsCapped { bets_max: 4 }));
    game.act(0, CALL);
    game.act(1, FOLD);
    assert_eq!(game.raise_to(2), Some((2, 2)));
    game.act(2, CHECK);
    game.act(0, CHECK);
    assert_eq!(game.raise_to(2), Some((4, 4)), "the turn has the big bet");
    let uncapped = Betting::FixedLimit { small_bet: 2, big_bet: 4, bets_max: 0 };
    let mut game = Replay::new(uncapped, &[100, 100]);
    game.0.deal_as(0, &blinds("", &[1, 2])).unwrap();
    for (seat, total) in [(0, 4), (1, 6), (0, 8), (1, 10), (0, 12)] {
        game.act(seat, Action::RaiseTo(total));
    }
}

/// WSOP 172 in a fixed limit: an all-in of half a bet counts as a full one, less of one does not.
#[test]
fn in_a_fixed_limit_half_a_bet_opens_the_betting_again() {
    let limit = Betting::FixedLimit { small_bet: 10, big_bet: 20, bets_max: 4 };
    for (stack, next) in [(14, 20), (15, 30)] {
        let mut game = Replay::new(limit, &[100, 100, 100, stack]);
        let setup = HandSetup { min_bet: 10, ..blinds("", &[0, 5, 10]) };
        game.0.deal_as(0, &setup).unwrap();
        game.act(3, Action::RaiseTo(stack));
        game.act(0, CALL);
        game.act(1, FOLD);
        // A completion, or a full raise on top.
        assert_eq!(game.raise_to(2), Some((next, next)));
    }
}

#[test]
fn hands_follow_each_other_on_one_table_with_any_number_and_stack() {
    let mut game = Replay::new(Betting::NoLimit, &[100, 100, 100]);
    for hand in [9, 3] {
        let setup = HandSetup { hand, ..blinds("", &[0, 1, 2]) };
        game.0.deal_as(0, &setup).unwrap();
        assert_eq!(game.0.seat_as(SeatIndex(0), player(0), 5), Err(Refusal::HandRunning));
        game.act(0, FOLD);
        game.act(1, FOLD);
        game.0.seat_as(SeatIndex(1), player(1), 77).unwrap();
        game.0.vacate_as(SeatIndex(2)).unwrap();
        game.0.seat_as(SeatIndex(2), player(2), u64::MAX).unwrap_err();
        game.0.seat_as(SeatIndex(2), player(2), 40).unwrap();
        assert_eq!(game.stacks(), [100, 77, 40]);
    }
}
