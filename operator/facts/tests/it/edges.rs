//! One test for each edge of the definitions, on hands that the engine plays.

use crate::common::{CONFIG, Facts, Game, played};
use purr_engine::{Action, Ante, Betting, Command, Event, RakeConfig, SeatIndex, TableConfig};
use purr_facts::{Counters, FactsError, Position, facts_of};

#[test]
fn posts_antes_and_straddles_are_not_voluntary_and_folding_a_blind_stays_in_the_denominator() {
    let config = TableConfig { straddle: true, ante: Ante::Each(1), ..CONFIG };
    let facts = Game::deal(config, &[1_000; 5], "").play("40 f f f f").facts();
    assert_eq!(facts.each(|c| (c.vpip, c.hands - c.walks)), [(0, 1), (0, 1), (0, 1), (0, 1), (1, 1)]);
}

#[test]
fn a_big_blind_that_checks_is_not_in_by_choice() {
    let facts = played(3, "c c x x x x x x x x x x");
    assert_eq!(facts.each(|c| (c.vpip, c.hands - c.walks)), [(1, 1), (1, 1), (0, 1)]);
}

#[test]
fn a_walk_is_a_big_blind_that_never_had_to_act() {
    let facts = played(3, "f f");
    assert_eq!(facts.each(|c| (c.vpip, c.hands - c.walks)), [(0, 1), (0, 1), (0, 0)]);
    assert_eq!(facts.of(2).pfr_of, 0);
}

#[test]
fn a_raise_before_the_flop_counts_once_of_hands_in_which_one_was_legal() {
    let facts = played(3, "30 100 f 300 f");
    assert_eq!(facts.each(|c| (c.pfr, c.pfr_of)), [(1, 1), (1, 1), (0, 1)]);
}

#[test]
fn there_is_no_chance_to_raise_an_all_in_that_covers_the_player() {
    let facts = Game::deal(CONFIG, &[500, 1_000, 60], "").play("500 f f").facts();
    assert_eq!(facts.each(|c| (c.three_bet, c.three_bet_of)), [(0, 0), (0, 1), (0, 0)]);
    assert_eq!(facts.of(2).pfr_of, 0);
}

#[test]
fn there_is_no_chance_to_raise_where_everybody_else_has_folded_or_is_all_in() {
    let facts = Game::deal(CONFIG, &[100, 1_000, 1_000], "").play("100 f f").facts();
    // The small blind could have re-raised, but the big blind then has nobody to raise.
    assert_eq!(facts.each(|c| (c.three_bet, c.three_bet_of)), [(0, 0), (0, 1), (0, 0)]);
}

#[test]
fn a_re_raise_is_a_three_bet_of_exactly_one_raise_and_the_next_one_a_four_bet() {
    let facts = played(4, "30 90 f f 270 f");
    assert_eq!(facts.each(|c| (c.three_bet, c.three_bet_of)), [(1, 1), (0, 0), (0, 0), (0, 0)]);
    assert_eq!(facts.each(|c| (c.four_bet, c.four_bet_of)), [(0, 0), (0, 1), (0, 1), (1, 1)]);
}

#[test]
fn folding_to_a_three_bet_is_told_apart_for_the_opener_and_for_everybody() {
    let facts = played(4, "30 90 f c f x x x x x x");
    assert_eq!(facts.each(|c| (c.open_fold_three_bet, c.open_fold_three_bet_of))[3], (1, 1));
    let all = facts.each(|c| (c.fold_three_bet, c.fold_three_bet_of));
    assert_eq!(all, [(0, 0), (1, 1), (0, 1), (1, 1)]);
    let openers: i128 = facts.each(|c| (c.open_fold_three_bet_of, 0)).iter().map(|(of, _)| of).sum();
    assert_eq!(openers, 1);
}

#[test]
fn a_steal_opens_from_cutoff_button_or_small_blind_after_folds_alone() {
    // Under the gun is the cutoff of four.
    assert_eq!(played(4, "25 f f f").each(|c| (c.steal, c.steal_of))[3], (1, 1));
    assert_eq!(played(4, "f f 25 f").each(|c| (c.steal, c.steal_of)), [(0, 1), (1, 1), (0, 0), (0, 1)]);
    // A call before it is no fold.
    assert_eq!(played(4, "c 40 f f f").each(|c| (c.steal, c.steal_of))[0], (0, 0));
    // Five-handed, the first to act is no thief.
    assert_eq!(played(5, "25 f f f f").each(|c| (c.steal, c.steal_of))[3], (0, 0));
}

#[test]
fn blinds_fold_to_a_steal_and_nobody_else_does() {
    let facts = played(4, "25 f f c x f");
    assert_eq!(facts.each(|c| (c.fold_steal, c.fold_steal_of)), [(0, 0), (1, 1), (0, 1), (0, 0)]);
    // After a re-raise the big blind no longer faces the steal.
    let facts = played(4, "25 f 80 f f");
    assert_eq!(facts.each(|c| (c.fold_steal, c.fold_steal_of)), [(0, 0), (0, 1), (0, 0), (0, 0)]);
}

#[test]
fn a_bet_before_the_last_raiser_means_no_chance_of_a_continuation_bet() {
    let facts = played(3, "30 f c 50 c x x x x");
    assert_eq!(facts.each(|c| (c.cbet_flop, c.cbet_flop_of))[0], (0, 0));
    let facts = played(3, "30 f c x x x x x x");
    assert_eq!(facts.each(|c| (c.cbet_flop, c.cbet_flop_of))[0], (0, 1));
}

#[test]
fn all_in_before_the_flop_means_no_chance_of_a_continuation_bet() {
    let facts = Game::deal(CONFIG, &[100, 1_000, 1_000], "").play("100 c c x x x x x x").facts();
    assert_eq!(facts.each(|c| (c.cbet_flop, c.cbet_flop_of)), [(0, 0), (0, 0), (0, 0)]);
}

#[test]
fn the_turns_continuation_bet_needs_the_flops_and_the_rivers_the_turns() {
    let facts = played(3, "30 f c x 40 c x 80 c x x");
    let of = facts.of(0);
    assert_eq!((of.cbet_flop, of.cbet_turn, of.cbet_river), (1, 1, 0));
    assert_eq!((of.cbet_flop_of, of.cbet_turn_of, of.cbet_river_of), (1, 1, 1));
    let of = played(3, "30 f c x x x 80 c x x").of(0);
    assert_eq!((of.cbet_turn, of.cbet_turn_of, of.cbet_river_of), (0, 0, 0));
}

#[test]
fn folding_to_a_continuation_bet_is_the_first_decision_with_that_bet_to_call() {
    // Seat 1 raises it: seat 2 faces the raise and not the bet.
    let facts = played(3, "30 c c x x 40 120 f f");
    let all = facts.each(|c| (c.fold_cbet_flop, c.fold_cbet_flop_of));
    assert_eq!(all, [(0, 0), (0, 1), (0, 0)]);
    let all = played(3, "30 c c x x 40 f f").each(|c| (c.fold_cbet_flop, c.fold_cbet_flop_of));
    assert_eq!(all, [(0, 0), (1, 1), (1, 1)]);
}

#[test]
fn a_check_raise_is_of_streets_with_a_check_and_then_a_bet() {
    let facts = played(3, "c c x x x 20 80 f f");
    assert_eq!(facts.each(|c| (c.check_raise, c.check_raise_of)), [(0, 0), (1, 1), (0, 1)]);
    assert_eq!(played(3, "c c x x x x x x x x x x").of(1).check_raise_of, 0);
}

#[test]
fn aggression_counts_bets_and_raises_calls_and_folds_after_the_flop_alone() {
    let facts = played(3, "30 c c x 20 60 f c x x x x");
    let counts = |seat| {
        let Counters { aggressive, calls, folds, .. } = facts.of(seat);
        (aggressive, calls, folds)
    };
    assert_eq!([counts(0), counts(1), counts(2)], [(1, 0, 0), (0, 0, 1), (1, 1, 0)]);
}

#[test]
fn all_in_before_the_flop_saw_the_flop_and_a_split_pot_is_won() {
    // A royal flush on the board.
    let cards = "2c 2d 3c 3d As Ks Qs Js Ts";
    let facts = Game::deal(CONFIG, &[500, 500], cards).play("500 c").facts();
    for seat in 0..2 {
        let Counters { saw_flop, showdowns, won_showdown, won_saw_flop, .. } = facts.of(seat);
        assert_eq!((saw_flop, showdowns, won_showdown, won_saw_flop), (1, 1, 1, 1));
    }
}

#[test]
fn who_mucks_was_at_the_showdown_and_who_folds_was_not() {
    // Seat 2 shows aces first, seat 0 mucks.
    let facts =
        Game::deal(CONFIG, &[500; 3], "7c Ah 2c 8d Ad 3d Ks Qd 9h 5c 4s").play("c c x x 20 c f x x 20 c");
    assert!(facts.history.events.iter().any(|event| matches!(event, Event::Mucked { seat: SeatIndex(0) })));
    let facts = facts.facts();
    assert_eq!(facts.each(|c| (c.won_showdown, c.showdowns)), [(0, 1), (0, 0), (1, 1)]);
    assert_eq!(facts.each(|c| (c.won_saw_flop, c.saw_flop)), [(0, 1), (0, 1), (1, 1)]);
}

#[test]
fn winnings_are_after_rake_and_the_rake_is_whose_it_is_by_what_they_won() {
    let rake = RakeConfig { basis_points: 1_000, caps: Vec::new(), no_flop_no_drop: true };
    let facts = Game::deal(TableConfig { rake, ..CONFIG }, &[500; 3], "").play("30 f c 60 f").facts();
    assert_eq!(facts.each(|c| (c.won, c.rake)), [(-30, 0), (-5, 0), (29, 6)]);
    assert_eq!(facts.of(2).won_before_rake, 35);
    assert_eq!((facts.of(2).won_sq, facts.of(2).won_before_rake_sq), (841, 1_225));
}

#[test]
fn all_in_before_the_river_gets_equity_and_the_uncalled_bet_is_out() {
    // Queens against ace-king on the turn: 44 rivers, of which three aces and three kings win for seat 1, whose cards
    // come first. Nobody ties.
    let game = Game::deal(CONFIG, &[1_000, 400], "Ah Qc Kd Qd 2s 7h 9c 3d Tc").play("30 c x x x 970 c");
    let facts = game.facts();
    let (won, lost) = (800 * 38 / 44, 800 * 6 / 44);
    // The rest of the rounding goes to the lowest seat in the pot.
    assert_eq!(facts.of(1).adjusted, lost - 400);
    assert_eq!(facts.of(0).adjusted, won + (800 - won - lost) - 400);
    assert_eq!(facts.each(|c| (c.all_in_hands, c.all_in_unknown)), [(1, 0), (1, 0)]);
    assert_eq!(facts.of(0).won, 400);
}

/// Earlier releases let losers muck after an all-in.
#[test]
fn an_all_in_with_cards_that_nobody_saw_counts_with_its_real_result() {
    let mut game = Game::deal(CONFIG, &[1_000, 400], "Ah Qc Kd Qd 2s 7h 9c 3d Tc").play("30 c x x x 970 c");
    game.history.events.retain(|event| !matches!(event, Event::Shown { seat: SeatIndex(1), .. }));
    let facts = game.facts();
    assert_eq!(facts.each(|c| (c.all_in_hands, c.all_in_unknown)), [(0, 1); 2]);
    assert_eq!((facts.of(0).adjusted, facts.of(1).adjusted), (400, -400));
}

#[test]
fn each_side_pot_has_its_own_equity_and_the_cards_of_its_outsiders_are_dead() {
    // Seat 0 has the nuts on the flop and plays for the main pot alone.
    let cards = "Kh Qh Ah Kd Qd Ad As Ac 2s 7d 8c";
    let game = Game::deal(CONFIG, &[100, 400, 400], cards).play("100 400 c");
    assert_eq!(game.facts().each(|c| (c.all_in_hands + c.all_in_unknown, 0)), [(1, 0); 3]);
    let Facts(all) = game.facts();
    let side: i128 = all.iter().filter(|one| one.seat != SeatIndex(0)).map(|one| one.counters.adjusted).sum();
    let main = all.iter().find(|one| one.seat == SeatIndex(0)).unwrap().counters.adjusted;
    assert_eq!(side, -main);
}

#[test]
fn where_betting_goes_on_or_ends_on_the_river_the_result_stays_as_it_was() {
    // Seats 1 and 2 have chips behind to the end.
    let facts = Game::deal(CONFIG, &[100, 1_000, 1_000], "").play("100 c c x x x x x x").facts();
    assert!(facts.0.iter().all(|one| one.counters.adjusted == one.counters.won));
    let facts = Game::deal(CONFIG, &[500; 2], "").play("c x x x x x 490 c").facts();
    assert_eq!(facts.each(|c| (c.all_in_hands, c.adjusted - c.won)), [(0, 0), (0, 0)]);
}

#[test]
fn both_halves_of_a_board_run_twice_are_one_hand() {
    let config = TableConfig { run_it_twice: true, ..CONFIG };
    let mut game = Game::deal(config, &[500; 2], "Ah Kc Ad Kd").play("500 c");
    for seat in [0, 1] {
        game.apply(Command::RunItTwice { seat: SeatIndex(seat), agree: true });
    }
    let twice =
        game.history.events.iter().filter(|e| matches!(e, Event::StreetDealt { board: 1, .. })).count();
    assert_eq!(twice, 3);
    let facts = game.facts();
    assert_eq!(facts.each(|c| (c.saw_flop, c.showdowns)), [(1, 1), (1, 1)]);
    // The equity is the same with one board or two.
    let once = Game::deal(CONFIG, &[500; 2], "Ah Kc Ad Kd").play("500 c").facts();
    if once.of(0).all_in_hands + facts.of(0).all_in_hands == 2 {
        assert_eq!(once.of(0).adjusted, facts.of(0).adjusted);
    }
}

#[test]
fn a_void_hand_counts_for_nobody() {
    let mut game = Game::deal(CONFIG, &[500; 3], "").play("30");
    game.apply(Command::VoidHand);
    assert!(game.facts().0.is_empty());
}

#[test]
fn positions_go_by_the_players_dealt_in() {
    let of = |players: usize| played(players, &"f ".repeat(players - 1)).positions();
    assert_eq!(of(2), ["btn", "bb"]);
    assert_eq!(of(3), ["btn", "sb", "bb"]);
    assert_eq!(of(6), ["btn", "sb", "bb", "lj", "hj", "co"]);
    assert_eq!(of(10), ["btn", "sb", "bb", "ep1", "ep2", "ep3", "mp", "lj", "hj", "co"]);
    assert!(Position::ALL.into_iter().all(|at| Position::from_name(at.name()) == Some(at)));
    assert!(Position::ALL.into_iter().all(|at| Position::from_code(at.code()) == Some(at)));
}

#[test]
fn a_history_that_no_table_of_the_fleet_plays_is_refused_by_name() {
    let mut game = Game::deal(CONFIG, &[500; 3], "").play("f f");
    game.history.config.betting = Betting::FixedLimit { small_bet: 10, big_bet: 20, bets_max: 4 };
    assert_eq!(facts_of(&game.history, false), Err(FactsError::FixedLimit));
    game.history.config.betting = Betting::NoLimit;
    game.history.events.push(Event::Acted {
        seat: SeatIndex(9),
        action: Action::Fold,
        total: 0,
        stack: 0,
        all_in: false,
        timed_out: false,
    });
    assert_eq!(facts_of(&game.history, false), Err(FactsError::Seat(SeatIndex(9))));
}
