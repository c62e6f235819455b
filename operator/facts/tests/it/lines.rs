//! Lines of play in which programs differ, with the counts that follow from the definitions alone. Seat 0 has the button,
//! 1 and 2 the blinds, and 3 speaks first; of three, seat 0 does.

use crate::common::{CONFIG, Facts, Game, played};
use purr_engine::{Ante, Command, SeatIndex, TableConfig};
use purr_facts::rates::aggression_factor;

/// By seat: how often, and of how many.
type Counts = Vec<(i128, i128)>;

/// Raises and chances at one raise, and at two.
fn re_raises(facts: &Facts) -> (Counts, Counts) {
    (facts.each(|c| (c.three_bet, c.three_bet_of)), facts.each(|c| (c.four_bet, c.four_bet_of)))
}

#[test]
fn heads_up_the_button_steals_and_the_big_blind_answers() {
    let facts = played(2, "25 f");
    assert_eq!(facts.each(|c| (c.steal, c.steal_of)), [(1, 1), (0, 0)]);
    assert_eq!(facts.each(|c| (c.fold_steal, c.fold_steal_of)), [(0, 0), (1, 1)]);
    assert_eq!(facts.each(|c| (c.walks, c.pfr_of)), [(0, 1), (0, 1)]);
    let facts = played(2, "f");
    assert_eq!(facts.each(|c| (c.steal, c.steal_of)), [(0, 1), (0, 0)]);
    assert_eq!(facts.each(|c| (c.walks, c.fold_steal_of)), [(0, 0), (1, 0)]);
}

#[test]
fn the_small_blind_that_steals_has_no_steal_to_answer() {
    let facts = played(3, "f 25 f");
    assert_eq!(facts.each(|c| (c.steal, c.steal_of)), [(0, 1), (1, 1), (0, 0)]);
    assert_eq!(facts.each(|c| (c.fold_steal, c.fold_steal_of)), [(0, 0), (0, 0), (1, 1)]);
}

#[test]
fn small_and_big_blind_each_answer_the_steal() {
    let facts = played(3, "25 f c x x x x x x");
    assert_eq!(facts.each(|c| (c.fold_steal, c.fold_steal_of)), [(0, 0), (1, 1), (0, 1)]);
    assert_eq!(facts.each(|c| (c.vpip, c.hands)), [(1, 1), (0, 1), (1, 1)]);
}

#[test]
fn a_limp_and_re_raise_is_a_three_bet_of_the_second_turn_and_the_raiser_is_the_opener() {
    // The button folds, the small blind limps, the big one raises, the small one raises again, the big one folds.
    let facts = played(3, "f c 40 120 f");
    assert_eq!(re_raises(&facts), (vec![(0, 0), (1, 1), (0, 0)], vec![(0, 0), (0, 0), (0, 1)]));
    assert_eq!(facts.each(|c| (c.open_fold_three_bet, c.open_fold_three_bet_of))[2], (1, 1));
    assert_eq!(facts.each(|c| (c.pfr, c.pfr_of)), [(0, 1), (1, 1), (1, 1)]);
    // The limp passes the steal up, and the raise from the big blind is none.
    assert_eq!(facts.each(|c| (c.steal, c.steal_of)), [(0, 1), (0, 1), (0, 0)]);
    assert!(facts.each(|c| (c.fold_steal, c.fold_steal_of)).iter().all(|of| *of == (0, 0)));
}

#[test]
fn a_squeeze_is_a_three_bet_that_the_opener_the_caller_and_the_blinds_fold_to() {
    // Seat 3 opens, 4 calls, 5 folds, the button squeezes, and everybody folds.
    let facts = played(6, "30 c f 150 f f f f");
    let (three, four) = re_raises(&facts);
    assert_eq!(three, [(1, 1), (0, 0), (0, 0), (0, 0), (0, 1), (0, 1)]);
    assert_eq!(four, [(0, 0), (0, 1), (0, 1), (0, 1), (0, 1), (0, 0)]);
    let all = facts.each(|c| (c.fold_three_bet, c.fold_three_bet_of));
    assert_eq!(all, [(0, 0), (1, 1), (1, 1), (1, 1), (1, 1), (0, 0)]);
    let opener = facts.each(|c| (c.open_fold_three_bet, c.open_fold_three_bet_of));
    assert_eq!(opener, [(0, 0), (0, 0), (0, 0), (1, 1), (0, 0), (0, 0)]);
}

#[test]
fn a_cold_four_bet_is_no_three_bet_and_nobody_folds_to_the_three_bet_behind_it() {
    let facts = played(6, "30 90 250 f f f f f");
    let (three, four) = re_raises(&facts);
    assert_eq!(three, [(0, 0), (0, 0), (0, 0), (0, 0), (1, 1), (0, 0)]);
    assert_eq!(four, [(0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (1, 1)]);
    // Seat 5 alone has faced exactly two raises.
    let all = facts.each(|c| (c.fold_three_bet, c.fold_three_bet_of));
    assert_eq!(all, [(0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (0, 1)]);
}

#[test]
fn a_short_all_in_is_a_raise_and_does_not_let_the_opener_raise_again() {
    // Seat 3 opens to 30, a raise of 20. The button's 45 is all-in and 5 short of the next full raise.
    let game = Game::deal(CONFIG, &[45, 1_000, 1_000, 1_000], "");
    let facts = game.play("30 45 c f c x x x x x x").facts();
    let (three, four) = re_raises(&facts);
    assert_eq!(three, [(1, 1), (0, 0), (0, 0), (0, 0)]);
    // The blinds have not acted before and may raise; the opener may call or fold alone.
    assert_eq!(four, [(0, 0), (0, 1), (0, 1), (0, 0)]);
    let all = facts.each(|c| (c.fold_three_bet, c.fold_three_bet_of));
    assert_eq!(all, [(0, 0), (0, 1), (1, 1), (0, 1)]);
    assert_eq!(facts.each(|c| (c.open_fold_three_bet, c.open_fold_three_bet_of))[3], (0, 1));
}

#[test]
fn two_short_all_ins_that_make_a_full_raise_let_the_opener_raise_again() {
    // 30, 45 and 55: the opener faces 25 more, and 20 are a full raise. The second all-in is the four-bet.
    let game = Game::deal(CONFIG, &[55, 1_000, 1_000, 1_000, 45], "");
    let facts = game.play("30 45 55 f c 150 f").facts();
    let (three, four) = re_raises(&facts);
    assert_eq!(three, [(0, 0), (0, 0), (0, 0), (0, 0), (1, 1)]);
    assert_eq!(four, [(1, 1), (0, 0), (0, 0), (0, 0), (0, 0)]);
    assert_eq!(facts.of(3).open_fold_three_bet_of, 0, "three raises are no three-bet");
}

#[test]
fn all_in_for_less_than_the_big_blind_is_a_call_by_choice_without_a_chance_to_raise() {
    // Antes of 3 leave the button 7.
    let config = TableConfig { ante: Ante::Each(3), ..CONFIG };
    let facts = Game::deal(config, &[10, 1_000, 1_000], "").play("c c x x x x x x x").facts();
    assert_eq!(facts.each(|c| (c.vpip, c.pfr_of)), [(1, 0), (1, 1), (0, 1)]);
    // No raise is legal, so nothing is passed up.
    assert_eq!(facts.each(|c| (c.steal, c.steal_of)), [(0, 0), (0, 0), (0, 0)]);
}

#[test]
fn a_player_who_leaves_in_the_middle_has_acted_and_a_walk_stays_one() {
    let mut game = Game::deal(CONFIG, &[1_000; 3], "");
    game.apply(Command::Leave { seat: SeatIndex(2) });
    let facts = game.play("25 f").facts();
    assert_eq!(facts.each(|c| (c.fold_steal, c.fold_steal_of)), [(0, 0), (1, 1), (1, 1)]);
    assert_eq!(facts.each(|c| (c.vpip, c.hands - c.walks)), [(1, 1), (0, 1), (0, 1)]);
    let mut game = Game::deal(CONFIG, &[1_000; 3], "");
    game.apply(Command::Leave { seat: SeatIndex(2) });
    let facts = game.play("f f").facts();
    assert_eq!(facts.each(|c| (c.walks, c.won)), [(0, 0), (0, -5), (1, 5)]);
}

#[test]
fn beside_a_player_who_is_all_in_a_continuation_bet_is_one_and_against_such_alone_there_is_none() {
    // The small blind calls all-in, the big one folds to the bet.
    let facts = Game::deal(CONFIG, &[1_000, 60, 1_000], "").play("100 c c x 50 f").facts();
    assert_eq!(facts.each(|c| (c.cbet_flop, c.cbet_flop_of)), [(1, 1), (0, 0), (0, 0)]);
    assert_eq!(facts.each(|c| (c.fold_cbet_flop, c.fold_cbet_flop_of)), [(0, 0), (0, 0), (1, 1)]);
    assert_eq!(facts.of(0).cbet_turn_of, 0);
    let facts = Game::deal(CONFIG, &[1_000, 60, 60], "").play("100 c c").facts();
    assert_eq!(facts.each(|c| (c.cbet_flop_of, c.saw_flop)), [(0, 1), (0, 1), (0, 1)]);
}

#[test]
fn a_raise_of_a_donk_bet_is_no_continuation_bet() {
    let facts = played(3, "30 f c 50 150 f");
    assert_eq!(facts.each(|c| (c.cbet_flop, c.cbet_flop_of)), [(0, 0), (0, 0), (0, 0)]);
    assert_eq!(facts.each(|c| (c.fold_cbet_flop, c.fold_cbet_flop_of)), [(0, 0), (0, 0), (0, 0)]);
    assert_eq!(facts.each(|c| (c.aggressive, c.folds)), [(1, 0), (0, 0), (1, 1)]);
}

#[test]
fn a_continuation_bet_that_was_raised_and_called_leaves_the_turns_chance() {
    let facts = played(3, "30 f c x 40 120 c x x x x");
    let of = facts.of(0);
    assert_eq!((of.cbet_flop, of.cbet_turn, of.cbet_turn_of, of.cbet_river_of), (1, 0, 1, 0));
    assert_eq!(facts.each(|c| (c.check_raise, c.check_raise_of)), [(0, 0), (0, 0), (1, 1)]);
    // The big blind faced the bet and raised; the button folded to nothing.
    assert_eq!(facts.each(|c| (c.fold_cbet_flop, c.fold_cbet_flop_of)), [(0, 0), (0, 0), (0, 1)]);
}

#[test]
fn without_a_raise_before_the_flop_nobody_has_a_continuation_bet() {
    let facts = played(3, "c c x 20 c f x x x x");
    assert!(facts.each(|c| (c.cbet_flop_of, c.fold_cbet_flop_of)).iter().all(|of| *of == (0, 0)));
}

#[test]
fn who_checks_and_faces_an_all_in_that_covers_has_had_the_chance_of_a_check_raise() {
    // The definition asks for a bet to face, not for a legal raise.
    let facts = Game::deal(CONFIG, &[1_000, 100, 1_000], "").play("f c x x 200 c").facts();
    assert_eq!(facts.each(|c| (c.check_raise, c.check_raise_of)), [(0, 0), (0, 1), (0, 0)]);
}

#[test]
fn check_raises_count_once_on_each_street() {
    let facts = played(3, "f c x x 20 60 c x 100 250 f");
    assert_eq!(facts.each(|c| (c.check_raise, c.check_raise_of)), [(0, 0), (2, 2), (0, 0)]);
}

#[test]
fn without_calls_there_is_no_aggression_factor_and_its_frequency_has_all_decisions() {
    // The big blind bets and folds to a raise.
    let facts = played(3, "30 f c 50 150 f");
    assert_eq!(aggression_factor(&facts.of(2)), None);
    let of = facts.of(2);
    assert_eq!((of.aggressive, of.aggressive + of.calls + of.folds), (1, 2));
    let of = played(3, "30 f c x 40 c x x x x").of(2);
    assert_eq!(aggression_factor(&of), Some(0.0));
}
