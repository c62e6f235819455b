//! Showdown: who shows, who wins which pot, and the distribution of odd chips and dead money.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

mod common;
use common::{Game, config, player};
use purr_engine::{
    Action, Ante, Card, Command, Deck, Event, HandSetup, RakeCap, RakeConfig, Refusal, SeatIndex, Table,
    TableConfig, pots,
};

const FOLD: Action = Action::Fold;
const CHECK: Action = Action::Check;
const CALL: Action = Action::Call;

fn shown(events: &[Event]) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::Shown { seat, .. } => Some(format!("{seat} shows")),
        Event::Mucked { seat } => Some(format!("{seat} mucks")),
        _ => None,
    };
    events.iter().filter_map(line).collect()
}

/// WSOP 145: without a bet on the river the first left of the button shows first.
#[test]
fn without_a_bet_on_the_river_the_left_of_the_button_shows_first() {
    let mut game = Game::new(config(), &[1_000; 3]);
    // Seat 1 kings, 2 aces, 0 queens; the bet on the turn does not count.
    game.deal_cards("Ks As Qs Kh Ah Qh 2c 7d 8h 3s 4d");
    game.act(0, CALL);
    game.act(1, CALL);
    game.act(2, CHECK);
    for seat in [1, 2, 0] {
        game.act(seat, CHECK);
    }
    game.act(1, CHECK);
    game.act(2, CHECK);
    game.act(0, Action::RaiseTo(20));
    game.act(1, CALL);
    game.act(2, CALL);
    assert_eq!(shown(&game.check_down()), ["1 shows", "2 shows", "0 mucks"]);
}

/// WSOP 145: players in the side pot show before who is all-in for the main pot.
#[test]
fn side_pot_players_show_before_the_all_in_player() {
    let mut game = Game::new(config(), &[1_000, 50, 1_000]);
    // Seat 1 aces, all-in for 50 and left of the button; 2 queens, 0 kings.
    game.deal_cards("As Qs Ks Ah Qh Kh 2c 7d 8h 3s 4d");
    game.act(0, Action::RaiseTo(50));
    game.act(1, CALL);
    game.act(2, CALL);
    game.act(2, Action::RaiseTo(100));
    game.act(0, CALL);
    let events = game.check_down();
    assert_eq!(shown(&events), ["2 shows", "0 shows", "1 shows"]);
    let won = |event: &Event| match event {
        Event::PotWon { pot, seat, amount, .. } => Some((*pot, seat.0, *amount)),
        _ => None,
    };
    let won: Vec<_> = events.iter().filter_map(won).collect();
    assert_eq!(won, [(1, 0, 200), (0, 1, 150)], "WSOP 149: the last side pot first");
}

/// A mucked hand is in no event but its own player's deal.
#[test]
fn mucked_and_folded_cards_are_in_no_event() {
    let mut game = Game::new(config(), &[1_000; 3]);
    let mut events = game.deal_cards("Ks Qs As Kh Qh Ah 2c 7d 8h 3s 4d");
    events.extend(game.act(0, CALL));
    events.extend(game.act(1, FOLD));
    events.extend(game.act(2, CHECK));
    while let Some(seat) = game.table.to_act() {
        let bets = seat.0 == 0 && game.table.hand().unwrap().board.len() == 5;
        let legal = game.legal(seat.0);
        let action = if bets && legal.check {
            Action::RaiseTo(10)
        } else if legal.check {
            CHECK
        } else {
            CALL
        };
        events.extend(game.act(seat.0, action));
    }
    assert_eq!(shown(&events), ["0 shows", "2 mucks"]);
    let seen: Vec<Card> = events
        .iter()
        .filter(|event| !matches!(event, Event::Dealt { .. }))
        .flat_map(|event| match event {
            Event::Shown { cards, .. } => cards.to_vec(),
            Event::StreetDealt { cards, .. } => cards.to_vec(),
            _ => Vec::new(),
        })
        .collect();
    for hidden in ["Ks", "Kh", "Qs", "Qh"] {
        assert!(!seen.contains(&hidden.parse().unwrap()));
    }
}

fn three_ways(antes: [u64; 3], button: u8) -> Vec<u64> {
    let mut table = Table::new(TableConfig { seats: 10, ..config() }).unwrap();
    for seat in 0..3 {
        table.seat_as(SeatIndex(seat), player(seat), 100).unwrap();
    }
    let board = "2c 2d 2h 3c 3d 3h As Ks Qs Js Ts".split(' ').map(|card| card.parse().unwrap());
    let deck = Deck::starting_with(&board.collect::<Vec<Card>>()).unwrap();
    let mut setup = HandSetup::new(1, SeatIndex(button), 2, deck);
    setup.antes[..3].copy_from_slice(&antes);
    setup.uniform_ante_trim = false;
    table.deal_as(0, &setup).unwrap();
    while let Some(seat) = table.to_act() {
        table.apply(0, Command::Act { seat, action: CHECK }).unwrap();
    }
    table.seats().iter().flatten().zip(antes).map(|(seat, ante)| seat.stack - (100 - ante)).collect()
}

/// WSOP 148: 32 three ways is 11, 11, 10 from the button's left (PokerKit 0.7.7 pays 12, 10, 10).
#[test]
fn thirty_two_three_ways_is_eleven_eleven_ten() {
    assert_eq!(three_ways([10, 10, 12], 0), [10, 11, 11]);
    assert_eq!(three_ways([10, 10, 12], 1), [11, 10, 11]);
    assert_eq!(three_ways([10, 10, 12], 2), [11, 11, 10]);
    assert_eq!(three_ways([10, 10, 11], 0), [10, 11, 10]);
}

/// WSOP 148–149: each pot is split on its own, each with its own odd chips.
#[test]
fn each_pot_is_split_on_its_own() {
    let mut game = Game::new(config(), &[1_000, 31, 1_000, 1_000]);
    game.deal_cards("2c 2d 3c 3d 2h 2s 3h 3s As Ks Qs Js Ts");
    game.act(3, Action::RaiseTo(40));
    game.act(0, CALL);
    game.act(1, CALL);
    game.act(2, CALL);
    game.act(2, Action::RaiseTo(11));
    game.act(3, CALL);
    game.act(0, CALL);
    game.check_down();
    // Main pot 124 four ways; side pot 27 + 33 = 60 three ways.
    assert_eq!(game.stacks(), [1_000, 31, 1_000, 1_000]);
    let mut game = Game::new(config(), &[1_000, 31, 1_000, 1_000]);
    game.deal_cards("2c 2d 3c 3d 2h 2s 3h 3s As Ks Qs Js Ts");
    game.act(3, Action::RaiseTo(40));
    game.act(0, CALL);
    game.act(1, CALL);
    game.act(2, CALL);
    game.act(2, Action::RaiseTo(10));
    game.act(3, CALL);
    game.act(0, FOLD);
    game.check_down();
    // Main pot 124 three ways: 42 to 1, 41 to 2 and 3. Side pot 27 + 20 two ways: 24 to 2, 23 to 3.
    assert_eq!(game.stacks(), [960, 42, 1_015, 1_014]);
    assert_eq!(42 + (950 + 41 + 24) + (950 + 41 + 23) + 960, 3_031);
}

/// A stack that goes into the ante as a whole is in the hand, and plays for the antes.
#[test]
fn a_big_blind_who_can_pay_the_ante_alone_plays_for_the_dead_money() {
    let mut game = Game::new(TableConfig { ante: Ante::BigBlind(10), ..config() }, &[500, 500, 10]);
    game.deal_cards("Ks As Qs Kh Ah Qh 2c 7d 8h 3s 4d"); // 1 kings, 2 aces, 0 queens
    game.act(0, CALL);
    game.act(1, CALL);
    game.check_down();
    assert_eq!(game.stacks(), [490, 510, 10]);
}

/// The rake comes out of every pot by its part; the sum is one, and within one cap.
#[test]
fn one_rake_over_all_pots_and_nothing_is_lost() {
    let caps = vec![RakeCap { players: 2, amount: 1_000 }];
    let rake = RakeConfig { basis_points: 500, caps, no_flop_no_drop: true };
    let mut game = Game::new(TableConfig { rake, ..config() }, &[101, 301, 501, 77]);
    game.deal();
    game.act(3, Action::RaiseTo(77));
    game.act(0, Action::RaiseTo(101));
    game.act(1, Action::RaiseTo(301));
    let events = game.act(2, CALL);
    // 77 + 101 + 301 + 301 = 780: 5% is 39.
    assert!(events.contains(&Event::Raked { amount: 39 }), "{events:?}");
    assert_eq!(game.stacks().iter().sum::<u64>(), 980 - 39);
}

/// rs_poker gives all folded chips to the first winner; they belong to the layer they were put into.
#[test]
fn folded_chips_are_shared_by_layers() {
    let put = |seat, amount, folded| pots::Contribution { seat: SeatIndex(seat), amount, folded };
    let pots = pots::pots(&[put(0, 10, false), put(1, 25, true), put(2, 40, false), put(3, 40, false)], 3);
    let amounts: Vec<u64> = pots.iter().map(|pot| pot.amount).collect();
    assert_eq!(amounts, [43, 75]);
}

/// Three short all-ins, none of them a full raise, reopen the betting once they add up to one.
#[test]
fn short_all_ins_add_up_for_who_acted_before_them_and_for_nobody_else() {
    let mut game = Game::new(config(), &[130, 160, 205, 1_000, 1_000]);
    // Button 0, blinds 1 and 2; 3 bets 100, 4 calls, then 130, 160 and 205 all-in.
    game.deal();
    game.act(3, Action::RaiseTo(100));
    game.act(4, CALL);
    game.act(0, Action::RaiseTo(130));
    game.act(1, Action::RaiseTo(160));
    game.act(2, Action::RaiseTo(205));
    // 205 is 105 more than what 3 had to match; a full raise was 90.
    assert_eq!(game.legal(3).raise_to, Some((295, 1_000)));
    game.act(3, CALL);
    assert_eq!(game.legal(4).raise_to, Some((295, 1_000)));
}

/// WSOP 172: who has not acted since the last full raise may raise, a short all-in or not.
#[test]
fn a_short_all_in_closes_the_betting_for_those_who_acted_only() {
    let mut game = Game::new(config(), &[140, 1_000, 1_000, 1_000]);
    game.deal();
    game.act(3, Action::RaiseTo(100));
    game.act(0, Action::RaiseTo(140));
    assert_eq!(game.legal(1).raise_to, Some((230, 1_000)), "the small blind has not acted");
    game.act(1, CALL);
    game.act(2, FOLD);
    assert_eq!(game.legal(3).raise_to, None);
    let refusal = game.try_act(3, Action::RaiseTo(500)).unwrap_err();
    assert_eq!(refusal, Refusal::BettingClosed(SeatIndex(3)));
    assert!(refusal.rule().unwrap().contains("WSOP 172"));
}

/// Nobody raises who can be called by nobody.
#[test]
fn against_an_all_in_there_is_a_call_or_a_fold() {
    let mut game = Game::new(config(), &[100, 1_000]);
    game.deal();
    game.act(0, Action::RaiseTo(100));
    assert_eq!((game.legal(1).call, game.legal(1).raise_to), (Some(90), None));
}

/// A bet that is too small for the stack to make in full is an all-in, and is always possible.
#[test]
fn an_all_in_for_less_than_a_full_raise_is_always_possible() {
    let mut game = Game::new(config(), &[15, 1_000, 1_000]);
    game.deal();
    assert_eq!(game.legal(0).raise_to, Some((15, 15)));
    game.act(0, Action::RaiseTo(15));
    assert_eq!(game.legal(1).raise_to, Some((25, 1_000)), "a full raise over the whole bet");
}

/// Amounts that no table can hold are refused before they are anywhere.
#[test]
fn more_chips_than_a_table_holds_are_refused() {
    let mut game = Game::new(config(), &[100, 100, 0]);
    let seat = Command::Seat { seat: SeatIndex(2), player: player(2), stack: u64::MAX, rake_allowed: None };
    assert_eq!(game.table.apply(0, seat), Err(Refusal::Overflow));
    assert_eq!(game.stacks(), [100, 100, 0]);
}

/// WSOP 145, last sentence: with the betting over before the river, who pushed all-in shows first and
/// nobody mucks, win or lose.
#[test]
fn who_pushed_all_in_before_the_river_shows_first_and_every_live_hand_is_turned_up() {
    // The button pushes with queens, the big blind calls with aces: left of the button is the caller.
    let mut game = Game::new(config(), &[500, 500]);
    game.deal_cards("As Qs Ah Qh 2c 7d 8h 3s 4d"); // 1 aces, 0 queens
    game.act(0, Action::RaiseTo(500));
    assert_eq!(shown(&game.act(1, CALL)), ["0 shows", "1 shows"]);
    // The big blind pushes on the flop and wins: the loser is seen too.
    let mut game = Game::new(config(), &[500, 800]);
    game.deal_cards("As Qs Ah Qh 2c 7d 8h 3s 4d");
    game.act(0, CALL);
    game.act(1, CHECK);
    game.act(1, Action::RaiseTo(790));
    assert_eq!(shown(&game.act(0, CALL)), ["1 shows", "0 shows"]);
}

/// The last who pushed, though others bet after an all-in or call all-in for less.
#[test]
fn the_last_who_pushed_shows_first_and_without_a_push_the_last_who_bet() {
    // 0 bets 100 on the flop and is called all-in: nobody pushed, 0 bet last.
    let mut game = Game::new(config(), &[1_000, 60, 1_000]);
    game.deal_cards("Ks Qs As Kh Qh Ah 2c 7d 8h 3s 4d"); // 1 kings, 2 queens, 0 aces
    for (seat, action) in [(0, CALL), (1, CALL), (2, CHECK), (1, CHECK), (2, FOLD)] {
        game.act(seat, action);
    }
    game.act(0, Action::RaiseTo(100));
    assert_eq!(shown(&game.act(1, CALL)), ["0 shows", "1 shows"]);
    // 1 pushes on the flop, two call; on the turn 2 bets and 0 folds: 1 was the last to push.
    let mut game = Game::new(config(), &[1_000, 60, 1_000]);
    game.deal_cards("Ks Qs As Kh Qh Ah 2c 7d 8h 3s 4d");
    for (seat, action) in [(0, CALL), (1, CALL), (2, CHECK), (1, Action::RaiseTo(50)), (2, CALL), (0, CALL)] {
        game.act(seat, action);
    }
    game.act(2, Action::RaiseTo(100));
    assert_eq!(shown(&game.act(0, FOLD)), ["1 shows", "2 shows"]);
}

/// WSOP 145, 149: those in the side pot show before who is all-in for less, also where all are turned up.
#[test]
fn hands_that_are_turned_up_come_side_pot_first() {
    let mut game = Game::new(config(), &[100, 300, 700, 700]);
    game.deal_cards("As Ks Qs Js Ah Kh Qh Jh 2c 7d 8h 3s 4d"); // 1 aces, 2 kings, 3 queens, 0 jacks
    game.act(3, Action::RaiseTo(700));
    game.act(0, CALL);
    game.act(1, CALL);
    assert_eq!(shown(&game.act(2, CALL)), ["3 shows", "2 shows", "1 shows", "0 shows"]);
}

/// WSOP 145: all-in on the river is a bet like another: who bet shows first, and who is beaten mucks.
#[test]
fn after_an_all_in_on_the_river_a_beaten_caller_mucks() {
    let mut game = Game::new(config(), &[500, 500]);
    game.deal_cards("Qs As Qh Ah 2c 7d 8h 3s 4d"); // 1 queens, 0 aces
    game.act(0, CALL);
    game.act(1, CHECK);
    for _ in 0..2 {
        game.act(1, CHECK);
        game.act(0, CHECK);
    }
    game.act(1, CHECK);
    game.act(0, Action::RaiseTo(490));
    assert_eq!(shown(&game.act(1, CALL)), ["0 shows", "1 mucks"]);
}

/// WSOP 145: when run twice, all hands are turned up as well.
#[test]
fn run_twice_every_live_hand_is_turned_up() {
    let mut game = Game::new(TableConfig { run_it_twice: true, ..config() }, &[500, 500]);
    game.deal_cards("As Qs Ah Qh 2c 7d 8h 3s 4d");
    game.act(0, Action::RaiseTo(500));
    game.act(1, CALL);
    game.apply(Command::RunItTwice { seat: SeatIndex(0), agree: true });
    let events = game.apply(Command::RunItTwice { seat: SeatIndex(1), agree: true });
    assert_eq!(shown(&events), ["0 shows", "1 shows"]);
}

/// WSOP 60: a call is limited to what a live opponent can put in (50/100, a big blind of 70).
#[test]
fn heads_up_a_short_big_blind_is_called_for_what_it_has() {
    let blinds = TableConfig { small_blind: 50, big_blind: 100, buy_in_min: 100, ..config() };
    let mut game = Game::new(blinds.clone(), &[1_000, 100]);
    game.set_up_stack(1, 70);
    game.deal();
    assert_eq!((game.legal(0).call, game.legal(0).raise_to), (Some(20), None));
    let events = game.act(0, CALL);
    assert!(!events.iter().any(|event| matches!(event, Event::Uncalled { .. })), "{events:?}");
    // Three-handed, and the button has folded.
    let mut game = Game::new(blinds, &[1_000, 1_000, 100]);
    game.set_up_stack(2, 70);
    game.deal();
    assert_eq!(game.legal(0).call, Some(100), "WSOP 150: another can match the whole blind");
    game.act(0, FOLD);
    assert_eq!(game.legal(1).call, Some(20));
}

fn set_up(stacks: &[u64], bets: &[u64]) -> Game {
    let mut table = Table::new(TableConfig { seats: 10, ..config() }).unwrap();
    for (seat, &stack) in (0..).zip(stacks) {
        table.seat_as(SeatIndex(seat), player(seat), stack).unwrap();
    }
    let last = u8::try_from(stacks.len() - 1).unwrap();
    let mut setup = HandSetup::new(1, SeatIndex(last), 100, Deck::starting_with(&[]).unwrap());
    setup.bets[..bets.len()].copy_from_slice(bets);
    table.deal_as(0, &setup).unwrap();
    Game { table, now: 0 }
}

/// Several short all-ins, and a short straddle: the largest that somebody can put in counts (WSOP 60).
#[test]
fn a_bet_that_no_opponent_can_match_costs_what_the_largest_of_them_can() {
    // Big blind all-in for 70, the button calls all-in for 80: the small blind calls 30, not 50.
    let mut game = set_up(&[1_000, 70, 80], &[50, 100]);
    game.act(2, CALL);
    assert_eq!((game.legal(0).call, game.legal(0).raise_to), (Some(30), None));
    game.act(0, CALL);
    assert!(!game.hand_running());
    // A straddle of 200 all-in for 130, and everybody else has folded.
    let mut game = set_up(&[1_000, 1_000, 130, 1_000], &[50, 100, 200]);
    assert_eq!(game.legal(3).call, Some(200), "WSOP 150");
    game.act(3, FOLD);
    game.act(0, FOLD);
    assert_eq!((game.legal(1).call, game.legal(1).raise_to), (Some(30), None));
    // One opponent who has yet to act can put in 90 of 100.
    let game = set_up(&[1_000, 90, 70], &[0, 0, 100]);
    assert_eq!(game.legal(0).call, Some(90));
}

/// A raise that nobody can call is refused by the rule that stands against it, not by WSOP 172.
#[test]
fn a_raise_over_the_only_opponents_all_in_is_refused_as_table_stakes() {
    let mut game = Game::new(config(), &[100, 1_000]);
    game.deal();
    game.act(0, Action::RaiseTo(100));
    let refusal = game.try_act(1, Action::RaiseTo(1_000)).unwrap_err();
    assert_eq!(refusal, Refusal::NobodyToRaise(SeatIndex(1)));
    assert!(refusal.rule().unwrap().starts_with("WSOP 60"), "{refusal}");
    // A player with no more than the bet cannot raise either.
    let mut game = Game::new(config(), &[1_000, 40, 1_000]);
    game.deal();
    game.act(0, Action::RaiseTo(40));
    let refusal = game.try_act(1, Action::RaiseTo(40)).unwrap_err();
    assert_eq!(refusal, Refusal::TooShortToRaise { all_in: 40, bet: 40 });
    assert!(refusal.rule().unwrap().starts_with("WSOP 60"));
}
