//! Tests against changes of betting and pots that the other tests let pass, one for each surviving mutant of `make
//! mutants`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;
use common::{RAKE_FREE, player};
use purr_engine::{
    Action, Betting, Command, Deck, Event, HandSetup, Refusal, SeatIndex, Table, TableConfig,
    pots::{Contribution, pots},
};

const CHECK: Action = Action::Check;
const CALL: Action = Action::Call;
const FOLD: Action = Action::Fold;

const fn to(total: u64) -> Action {
    Action::RaiseTo(total)
}

/// A hand with these forced bets, by seat; the last seat has the button.
fn deal(betting: Betting, stacks: &[u64], bets: &[u64]) -> Table {
    let seats = u8::try_from(stacks.len()).unwrap();
    let mut table = Table::new(TableConfig { seats, betting, ..RAKE_FREE }).unwrap();
    for (seat, &stack) in (0..).zip(stacks) {
        table.seat_as(SeatIndex(seat), player(seat), stack).unwrap();
    }
    let mut setup = HandSetup::new(1, SeatIndex(seats - 1), 10, Deck::starting_with(&[]).unwrap());
    setup.bets[..bets.len()].copy_from_slice(bets);
    table.deal_as(0, &setup).unwrap();
    table
}

fn act(table: &mut Table, seat: u8, action: Action) -> Result<Vec<Event>, Refusal> {
    table.apply(0, Command::Act { seat: SeatIndex(seat), action })
}

fn all_in(events: &[Event]) -> Option<bool> {
    events.iter().find_map(|event| match event {
        Event::Acted { all_in, .. } => Some(*all_in),
        _ => None,
    })
}

#[test]
fn ten_players_all_in_for_ten_amounts_play_for_ten_pots() {
    let put =
        |seat: u8| Contribution { seat: SeatIndex(seat), amount: 10 * u64::from(seat + 1), folded: false };
    let all: Vec<Contribution> = (0..10).map(put).collect();
    let got = pots(&all, 0);
    assert_eq!(
        got.iter().map(|pot| pot.amount).collect::<Vec<_>>(),
        [100, 90, 80, 70, 60, 50, 40, 30, 20, 10]
    );
    assert_eq!(got.iter().map(|pot| pot.eligible.len()).collect::<Vec<_>>(), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    // Ten are the most: dead money is a pot of its own where a player has nothing else in, who then adds none.
    let put = |seat: u8| Contribution { seat: SeatIndex(seat), amount: 10 * u64::from(seat), folded: false };
    let got = pots(&(0..10).map(put).collect::<Vec<_>>(), 7);
    assert_eq!(got.iter().map(|pot| pot.amount).collect::<Vec<_>>(), [7, 90, 80, 70, 60, 50, 40, 30, 20, 10]);
}

#[test]
fn without_dead_money_there_is_no_pot_for_those_who_put_nothing_in() {
    let put = |seat: u8, amount: u64| Contribution { seat: SeatIndex(seat), amount, folded: false };
    let got = pots(&[put(0, 0), put(1, 10), put(2, 10)], 0);
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].amount, 20);
}

/// A player with just enough chips to call is not offered a raise.
#[test]
fn a_stack_of_exactly_the_bet_can_call_and_not_raise() {
    let mut table = deal(Betting::NoLimit, &[100, 100, 100, 40], &[5, 10]);
    act(&mut table, 2, to(40)).unwrap();
    let legal = table.legal_actions(SeatIndex(3)).unwrap();
    assert_eq!((legal.check, legal.call, legal.raise_to), (false, Some(40), None));
    assert_eq!(act(&mut table, 3, to(40)), Err(Refusal::TooShortToRaise { all_in: 40, bet: 40 }));
    act(&mut table, 3, CALL).unwrap();
}

/// A short all-in closes the betting, and the number of bets is capped: two refusals with different reasons (WSOP 172).
#[test]
fn in_a_fixed_limit_a_refused_raise_says_whether_it_is_closed_or_capped() {
    for bets_max in [0, 2, 3, 4] {
        let limit = Betting::FixedLimit { small_bet: 10, big_bet: 20, bets_max };
        // An all-in of two chips more than the bet: nobody may raise who has called that one.
        let mut table = deal(limit, &[100, 100, 12, 100], &[]);
        act(&mut table, 0, to(10)).unwrap();
        act(&mut table, 1, CALL).unwrap();
        act(&mut table, 2, to(12)).unwrap();
        act(&mut table, 3, CALL).unwrap();
        let refused = act(&mut table, 0, to(20));
        assert_eq!(refused, Err(Refusal::BettingClosed(SeatIndex(0))), "at most {bets_max} bets");
    }
    let limit = Betting::FixedLimit { small_bet: 10, big_bet: 20, bets_max: 2 };
    let mut table = deal(limit, &[100, 100, 100], &[5, 10]);
    act(&mut table, 2, to(20)).unwrap();
    assert_eq!(act(&mut table, 0, to(30)), Err(Refusal::BetsCapped { bets_max: 2 }));
}

#[test]
fn an_action_says_whether_it_took_the_whole_stack() {
    let mut table = deal(Betting::NoLimit, &[100, 100, 40, 100], &[5, 10]);
    assert_eq!(all_in(&act(&mut table, 2, to(40)).unwrap()), Some(true));
    assert_eq!(all_in(&act(&mut table, 3, CALL).unwrap()), Some(false));
    assert_eq!(all_in(&act(&mut table, 0, FOLD).unwrap()), Some(false));
    assert_eq!(all_in(&act(&mut table, 1, CALL).unwrap()), Some(false));
    assert_eq!(all_in(&act(&mut table, 1, CHECK).unwrap()), Some(false));
}

/// A player has no decision if all others are all-in for no more than the player's own bet (WSOP 150).
#[test]
fn against_a_big_blind_that_is_all_in_for_no_more_than_the_small_blind_nobody_is_asked() {
    for (big, asked) in [(4, false), (5, false), (6, true)] {
        let table = deal(Betting::NoLimit, &[big, 100], &[10, 5]);
        assert_eq!(table.to_act(), asked.then_some(SeatIndex(1)), "the big blind has {big}");
    }
}
