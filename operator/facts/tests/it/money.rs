//! Showdowns, pots, rake and equity, with amounts worked out by hand.

use crate::common::{CONFIG, Game, played};
use purr_engine::{Command, Event, RakeConfig, SeatIndex, TableConfig};

fn raked(basis_points: u16) -> TableConfig {
    TableConfig { rake: RakeConfig { basis_points, caps: Vec::new(), no_flop_no_drop: true }, ..CONFIG }
}

#[test]
fn a_bet_that_nobody_calls_is_not_won_and_no_flop_means_no_rake() {
    // The small blind raises to 100 and wins the big blind: 90 come back, the pot is 20.
    let facts = Game::deal(raked(500), &[1_000; 3], "").play("f 100 f").facts();
    assert_eq!(facts.each(|c| (c.won, c.rake)), [(0, 0), (10, 0), (-10, 0)]);
    assert_eq!(facts.each(|c| (c.won_before_rake, c.won_saw_flop)), [(0, 0), (10, 0), (-10, 0)]);
}

#[test]
fn where_nobody_won_net_those_who_lost_least_share_the_rake() {
    // Both play the royal flush on the board; a tenth of 1,000 is rake.
    let game = Game::deal(raked(1_000), &[500; 2], "2c 2d 3c 3d As Ks Qs Js Ts").play("500 c");
    let facts = game.facts();
    assert_eq!(facts.each(|c| (c.won, c.rake)), [(-50, 50), (-50, 50)]);
    assert_eq!(facts.each(|c| (c.won_before_rake, c.won_showdown)), [(0, 1), (0, 1)]);
}

#[test]
fn each_half_of_a_board_run_twice_is_won_at_one_showdown() {
    let config = TableConfig { run_it_twice: true, ..CONFIG };
    // Aces (seat 1) win the first board, kings the second with a third one.
    let cards = "Ah Kc Ad Kd 2s 3s 7h 9c Jd Ks 4s 8h Th 5c";
    let mut game = Game::deal(config, &[500; 2], cards).play("500 c");
    for seat in [0, 1] {
        game.apply(Command::RunItTwice { seat: SeatIndex(seat), agree: true });
    }
    let halves = |event: &Event| matches!(event, Event::PotWon { pot: 0, amount: 500, .. });
    assert_eq!(game.history.events.iter().filter(|event| halves(event)).count(), 2);
    let facts = game.facts();
    assert_eq!(facts.each(|c| (c.won_showdown, c.showdowns)), [(1, 1), (1, 1)]);
    assert_eq!(facts.each(|c| (c.won_saw_flop, c.saw_flop)), [(1, 1), (1, 1)]);
    assert_eq!(facts.each(|c| (c.won, c.won_sq)), [(0, 0), (0, 0)]);
    // Aces have some 82% of 1,000 before the flop, whatever the two boards were.
    let aces = facts.of(1).adjusted;
    assert!((310..330).contains(&aces), "{aces}");
    assert_eq!(facts.of(0).adjusted, -aces);
}

#[test]
fn an_odd_chip_is_won_left_of_the_button_and_rounding_of_equity_stays_with_the_lowest_seat() {
    // Aces against aces for 207: the small blind's 5 are in it.
    let cards = "3c Ac Ah 3d Ad As 2c 7d 9h Jc 4s";
    let facts = Game::deal(CONFIG, &[101, 1_000, 1_000], cards).play("101 f c").facts();
    assert_eq!(facts.each(|c| (c.won, c.adjusted)), [(2, 3), (-5, -5), (3, 2)]);
    assert_eq!(facts.each(|c| (c.won_showdown, c.all_in_hands)), [(1, 1), (0, 0), (1, 1)]);
}

/// The button is all-in for 100; the small blind bets 50 on the flop, which the big one calls, and 100 on the turn, to which
/// the big one folds. Aces win the main pot of 300; the side pot of 100 has one player left.
#[test]
fn a_side_pot_that_has_one_player_left_is_won_at_the_showdown_that_the_main_pot_has() {
    let cards = "2c 7d Ah 2d 7h Ad Ks Qh 9s 4c 3h";
    let facts = Game::deal(CONFIG, &[100, 1_000, 1_000], cards).play("100 c c 50 c 100 f").facts();
    let won = facts.each(|c| (c.won, c.won_showdown));
    assert_eq!(won, [(200, 1), (-50, 1), (-150, 0)]);
    assert_eq!(facts.each(|c| (c.showdowns, c.saw_flop)), [(1, 1), (1, 1), (0, 1)]);
    // The last chip went in on the turn, though it came back: two rivers of 44 give the small blind the main pot of 300.
    // 300 * 2 / 44 is 13, 300 * 42 / 44 is 286, and the odd one is the lowest seat's. The side pot is the small blind's.
    let adjusted = facts.each(|c| (c.adjusted, c.all_in_hands));
    assert_eq!(adjusted, [(287 - 100, 1), (13 + 100 - 150, 1), (-150, 0)]);
}

#[test]
fn where_the_last_chip_went_in_on_the_river_nothing_is_adjusted_though_it_came_back() {
    let cards = "2c 7d Ah 2d 7h Ad Ks Qh 9s 4c 3h";
    let facts = Game::deal(CONFIG, &[100, 1_000, 1_000], cards).play("100 c c x x x x 50 f").facts();
    assert_eq!(facts.each(|c| (c.won, c.adjusted)), [(200, 200), (-100, -100), (-100, -100)]);
    assert_eq!(facts.each(|c| (c.all_in_hands, c.all_in_unknown)), [(0, 0); 3]);
}

#[test]
fn equity_is_of_the_pots_less_their_rake() {
    // Kings against aces on the turn: two rivers of 44 are kings. 50 of 1,000 are rake.
    let cards = "Ah Kc Ad Kd 2s 7h 9c 3d 4c";
    let facts = Game::deal(raked(500), &[500; 2], cards).play("c x x x x 490 c").facts();
    // 950 * 2 / 44 is 43, 950 * 42 / 44 is 906, and the odd one is the lowest seat's.
    assert_eq!(facts.each(|c| (c.adjusted, c.rake)), [(44 - 500, 0), (906 - 500, 50)]);
    assert_eq!(facts.each(|c| (c.won, c.won_before_rake)), [(-500, -500), (450, 500)]);
}

#[test]
fn all_in_on_a_later_street_with_a_player_who_has_folded_counts_only_who_shows() {
    // Three see the flop; the small blind folds on it, the others are all-in on the turn.
    let cards = "5c Qc Ah 6d Qd Kd 2s 7h 9c 3d Tc";
    let facts = Game::deal(CONFIG, &[400, 1_000, 400], cards).play("30 c c x 50 c f x 320 c").facts();
    // Pot 830: queens win with 38 rivers of 44, ace-king with 6. 830 * 6 / 44 is 113, 830 * 38 / 44 is 716.
    assert_eq!(facts.each(|c| (c.adjusted, c.all_in_hands)), [(114 - 400, 1), (-30, 0), (716 - 400, 1)]);
    assert_eq!(facts.each(|c| (c.won, c.showdowns)), [(-400, 1), (-30, 0), (430, 1)]);
}

#[test]
fn results_of_everybody_sum_to_nothing_however_a_hand_is_lost() {
    for script in ["30 90 f f", "30 f c x 40 f", "c c x 20 60 f f"] {
        let won: i128 = played(3, script).each(|c| (c.won, 0)).iter().map(|(won, _)| won).sum();
        assert_eq!(won, 0, "{script}");
    }
}
