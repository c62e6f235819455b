//! Blinds, posts, straddles and antes: positions, walks and chances that follow from the definitions alone.

use crate::common::{CONFIG, Game, played};
use purr_engine::{Action, Ante, Command, Event, PlayerId, SeatIndex, Table, TableConfig, event::Post};

/// The ante takes a stack of ten whole.
fn each() -> TableConfig {
    TableConfig { ante: Ante::Each(10), ..CONFIG }
}

fn sit(table: &mut Table, seat: u8, stack: u64) {
    let player = PlayerId([seat + 1; 20]);
    table.apply(0, Command::Sit { seat: SeatIndex(seat), player, stack }).unwrap();
}

/// One hand in which this seat raises when it is its turn, and everybody else folds.
fn taken_by(table: Table, seat: u8) -> Table {
    let mut game = Game::start(table, "");
    while let Some(to_act) = game.table.to_act() {
        let raises = to_act == SeatIndex(seat)
            && game.table.legal_actions(to_act).is_some_and(|legal| legal.raise_to.is_some());
        let action = if raises { Action::RaiseTo(30) } else { Action::Fold };
        game.apply(Command::Act { seat: to_act, action });
    }
    game.table
}

/// Five players have played a hand; a sixth comes in on seat 5 and posts. Seat 1 has the button, 2 and 3 the blinds.
fn with_late_poster(config: TableConfig, stack_of_big_blind: u64) -> Game {
    let mut table = Table::new(config).unwrap();
    for (seat, stack) in [(0, 500), (1, 500), (2, 500), (3, stack_of_big_blind), (4, 500)] {
        sit(&mut table, seat, stack);
    }
    let mut table = taken_by(table, 0);
    sit(&mut table, 5, 500);
    table.apply(0, Command::SitIn { seat: SeatIndex(5), post: true }).unwrap();
    let game = Game::start(table, "");
    let posted = |event: &Event| matches!(event, Event::Posted { seat: SeatIndex(5), post: Post::Live, .. });
    assert!(game.history.events.iter().any(posted));
    game
}

#[test]
fn the_big_blind_whose_ante_took_the_stack_has_its_position_and_a_walk() {
    let facts = Game::deal(each(), &[1_000, 10], "").facts();
    assert_eq!(facts.positions(), ["btn", "bb"]);
    assert_eq!(facts.each(|c| (c.walks, c.hands)), [(0, 1), (1, 1)]);
    let facts = Game::deal(each(), &[1_000, 1_000, 10], "").play("c c x x x x x x").facts();
    assert_eq!(facts.positions(), ["btn", "sb", "bb"]);
    assert_eq!(facts.each(|c| (c.vpip, c.hands - c.walks)), [(1, 1), (1, 1), (0, 0)]);
}

#[test]
fn the_small_blind_whose_ante_took_the_stack_has_its_position() {
    let facts = Game::deal(each(), &[1_000, 10, 1_000], "").play("30 f").facts();
    assert_eq!(facts.positions(), ["btn", "sb", "bb"]);
    assert_eq!(facts.each(|c| (c.fold_steal, c.fold_steal_of)), [(0, 0), (0, 0), (1, 1)]);
    let facts = Game::deal(each(), &[1_000, 10, 10, 1_000], "").play("30 f").facts();
    assert_eq!(facts.positions(), ["btn", "sb", "bb", "co"]);
}

#[test]
fn a_late_poster_is_not_the_big_blind_whose_ante_took_the_stack() {
    let whole = TableConfig { ante: Ante::BigBlind(10), ..CONFIG };
    for (config, stack) in [(CONFIG, 500), (whole.clone(), 500), (whole, 10)] {
        // Seats 4 and 5 fold, the cutoff raises, and all fold.
        let game = with_late_poster(config, stack);
        let facts = game.play("f f 40 f f").play(if stack > 10 { "f" } else { "" }).facts();
        assert_eq!(facts.positions(), ["co", "btn", "sb", "bb", "lj", "hj"], "{stack}");
        let steals = facts.each(|c| (c.steal, c.steal_of));
        assert_eq!(steals, [(1, 1), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)]);
        let blind = i128::from(stack > 10);
        let answers = facts.each(|c| (c.fold_steal, c.fold_steal_of));
        assert_eq!(answers, [(0, 0), (0, 0), (1, 1), (blind, blind), (0, 0), (0, 0)]);
    }
}

#[test]
fn a_late_poster_who_checks_is_not_in_by_choice_and_ends_the_folds_before_a_steal() {
    let facts = with_late_poster(CONFIG, 500).play("f x 40 f f f f").facts();
    assert_eq!(facts.each(|c| (c.vpip, c.pfr_of))[5], (0, 1));
    assert_eq!(facts.of(5).three_bet_of, 1);
    assert!(facts.each(|c| (c.steal_of, c.fold_steal_of)).iter().all(|of| *of == (0, 0)));
}

#[test]
fn a_dead_small_blind_is_nobodys_and_who_buys_the_button_is_the_big_blind() {
    let mut table = Table::new(CONFIG).unwrap();
    (0..4).for_each(|seat| sit(&mut table, seat, 500));
    let mut table = taken_by(table, 3);
    // The chair of the next small blind empties: button 1, big blind 3.
    table.apply(0, Command::Leave { seat: SeatIndex(2) }).unwrap();
    assert_eq!(Game::start(table, "").play("f f").facts().positions(), ["co", "btn", "bb"]);
    let mut table = Table::new(CONFIG).unwrap();
    [0, 1, 3, 4].iter().for_each(|seat| sit(&mut table, *seat, 500));
    let mut table = taken_by(table, 4);
    // Between the button, seat 1, and the next small blind, seat 3.
    sit(&mut table, 2, 500);
    table.apply(0, Command::SitIn { seat: SeatIndex(2), post: true }).unwrap();
    let facts = Game::start(table, "").play("f f f f").facts();
    assert_eq!(facts.positions(), ["co", "btn", "bb", "lj", "hj"]);
    assert_eq!(facts.of(2).walks, 1);
}

#[test]
fn a_straddle_is_no_raise_its_check_no_choice_and_its_fold_no_blinds_fold() {
    let config = TableConfig { straddle: true, ..CONFIG };
    let deal = || Game::deal(config.clone(), &[1_000; 4], "");
    let facts = deal().play("c c c x").play(&"x ".repeat(12)).facts();
    assert_eq!(facts.each(|c| (c.vpip, c.pfr_of)), [(1, 1), (1, 1), (1, 1), (0, 1)]);
    assert!(facts.each(|c| (c.three_bet_of, 0)).iter().all(|of| *of == (0, 0)));
    // The first raise over it opens, and steals from the button.
    let facts = deal().play("60 f f f").facts();
    assert_eq!(facts.each(|c| (c.three_bet, c.three_bet_of)), [(0, 0), (0, 1), (0, 1), (0, 1)]);
    assert_eq!(facts.each(|c| (c.steal, c.steal_of)), [(1, 1), (0, 0), (0, 0), (0, 0)]);
    assert_eq!(facts.each(|c| (c.fold_steal, c.fold_steal_of)), [(0, 0), (1, 1), (1, 1), (0, 0)]);
    // All fold to the straddler: the big blind has folded, and nobody had a walk.
    let facts = deal().play("f f f").facts();
    assert_eq!(facts.each(|c| (c.walks, c.hands)), [(0, 1); 4]);
}

#[test]
fn a_straddle_that_a_missed_small_blind_cuts_short_is_called_in_full_and_not_raised_by_less() {
    let mut table = Table::new(TableConfig { straddle: true, ..CONFIG }).unwrap();
    for (seat, stack) in [(0, 500), (1, 500), (2, 30), (3, 33), (4, 500), (5, 500)] {
        sit(&mut table, seat, stack);
    }
    // Seat 2 has paid the big blind and is away for the small one.
    let mut table = taken_by(table, 4);
    table.apply(0, Command::SitOut { seat: SeatIndex(2) }).unwrap();
    for _ in 0..4 {
        table = taken_by(table, 4);
    }
    table.apply(0, Command::SitIn { seat: SeatIndex(2), post: true }).unwrap();
    table.apply(0, Command::Straddle { seat: SeatIndex(2), on: true }).unwrap();
    let game = Game::start(table, "");
    let straddle = |event: &Event| {
        matches!(event, Event::Posted { seat: SeatIndex(2), post: Post::Straddle, amount: 15, stack: 0 })
    };
    assert!(game.history.events.iter().any(straddle), "{:?}", game.history.events);
    // Seat 3 has 18 of the 20 that are owed: it calls all-in, and no raise was legal.
    let facts = game.play("c f f f f").facts();
    assert_eq!(facts.each(|c| (c.vpip, c.pfr_of))[3], (1, 0));
}

#[test]
fn a_big_blind_all_in_with_the_blind_never_had_to_act_and_cannot_be_stolen_from() {
    // The button folds, the small blind calls 5 more.
    let facts = Game::deal(CONFIG, &[1_000, 1_000, 10], "").play("f c").facts();
    assert_eq!(facts.each(|c| (c.vpip, c.hands - c.walks)), [(0, 1), (1, 1), (0, 0)]);
    // Nobody could answer the small blind's raise; the button's, the small blind could.
    assert_eq!(facts.each(|c| (c.steal, c.steal_of)), [(0, 1), (0, 0), (0, 0)]);
    assert_eq!(facts.each(|c| (c.showdowns, c.saw_flop)), [(0, 0), (1, 1), (1, 1)]);
}

#[test]
fn ten_players_who_fold_to_the_big_blind_leave_one_walk() {
    let facts = played(10, &"f ".repeat(9));
    let walks: i128 = facts.each(|c| (c.walks, 0)).iter().map(|(walks, _)| walks).sum();
    assert_eq!((walks, facts.of(2).walks), (1, 1));
}
