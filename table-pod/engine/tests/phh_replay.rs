//! Replays of recorded hands: forced bets, unknown cards, other rooms' rake and odd chips, and refusals by the rules.
//! Every hand here is invented.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use purr_engine::phh::{Outcome, Phh, PhhError, Replayer, Verdict};

/// A hand from its lists and its actions, one a line; `more` are further fields.
struct Hand<'a> {
    antes: &'a str,
    blinds: &'a str,
    stacks: &'a str,
    actions: &'a str,
    more: &'a str,
}

const PLAIN: Hand<'_> =
    Hand { antes: "0, 0, 0", blinds: "1, 2, 0", stacks: "100, 100, 100", actions: "", more: "" };

impl Hand<'_> {
    fn text(&self) -> String {
        let Self { antes, blinds, stacks, actions, more } = self;
        let actions: Vec<String> = actions
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| format!("'{line}'"))
            .collect();
        let bets = if more.contains("variant") { "" } else { "variant = 'NT'\nmin_bet = 2\n" };
        format!(
            "{bets}antes = [{antes}]\nblinds_or_straddles = [{blinds}]\nstarting_stacks = [{stacks}]\n\
             actions = [{}]\n{more}\n",
            actions.join(", ")
        )
    }

    fn read(&self) -> Phh {
        let text = self.text();
        Phh::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn outcome(&self) -> Outcome {
        Replayer::new().outcome(&self.read()).unwrap_or_else(|error| panic!("{error}\n{}", self.text()))
    }

    fn error(&self) -> PhhError {
        Replayer::new().outcome(&self.read()).unwrap_err()
    }

    /// The stated result, and its verdict.
    fn ends(&self, stacks: &str) -> Verdict {
        let more = format!("{}\nfinishing_stacks = [{stacks}]", self.more);
        Hand { more: &more, ..*self }.outcome().verdict
    }

    fn wins(&self, winnings: &str) -> Verdict {
        let more = format!("{}\nwinnings = [{winnings}]", self.more);
        Hand { more: &more, ..*self }.outcome().verdict
    }
}

#[test]
fn after_a_straddle_the_player_at_its_left_speaks_first() {
    let under_the_gun = Hand {
        antes: "0, 0, 0, 0",
        blinds: "1, 2, 4, 0",
        stacks: "100, 100, 100, 100",
        actions: "p4 f\n p1 f\n p2 f",
        more: "",
    };
    assert_eq!(under_the_gun.ends("99, 98, 103, 100"), Verdict::Exact);
    let button = Hand { blinds: "1, 2, 0, 4", actions: "p1 f\n p2 f\n p3 f", ..under_the_gun };
    assert_eq!(button.ends("99, 98, 100, 103"), Verdict::Exact);
    // A raise is of at least the straddle's size.
    let raise = Hand { actions: "p4 cbr 7", ..under_the_gun };
    assert_eq!(raise.outcome().played.actions, 1);
    assert!(matches!(
        Hand { actions: "p4 cbr 5", ..under_the_gun }.error(),
        PhhError::Refused { number: 1, .. }
    ));
}

#[test]
fn a_posted_bet_is_live_and_does_not_move_who_speaks_first() {
    let posted = Hand {
        antes: "0, 0, 0, 0",
        blinds: "1, 2, 0, -2",
        stacks: "100, 100, 100, 100",
        // p4 has posted and may check.
        actions: "p3 f\n p4 cc\n p1 f\n p2 cc\n d db 2c3d4h\n p2 cbr 10\n p4 f",
        more: "",
    };
    assert_eq!(posted.ends("99, 103, 100, 98"), Verdict::Exact);
}

#[test]
fn heads_up_the_last_player_has_the_button_and_what_is_written_first() {
    let heads_up = Hand { antes: "0, 3", blinds: "1, 2", stacks: "50, 50", actions: "p2 f", more: "" };
    assert_eq!(heads_up.ends("51, 49"), Verdict::Exact);
    let called = Hand { actions: "p2 cc\n p1 cc\n d db 2c3d4h\n p1 cbr 2\n p2 f", ..heads_up };
    assert_eq!(called.ends("52, 48"), Verdict::Exact);
}

#[test]
fn a_short_ante_wins_as_much_from_each_only_where_antes_are_trimmed() {
    let deal = "d dh p1 AsAh\n d dh p2 KsKh\n d dh p3 QsQh\n p3 cc\n p2 cc\n d db 2c3d4h\n p2 cc\n p3 cc\n d db 8d\n \
                p2 cc\n p3 cc\n d db 9d\n p2 cc\n p3 cc\n p2 sm KsKh\n p3 sm QsQh\n p1 sm AsAh";
    let trimmed = Hand {
        antes: "5, 5, 5",
        stacks: "3, 100, 100",
        actions: deal,
        more: "ante_trimming_status = true",
        ..PLAIN
    };
    assert_eq!(trimmed.ends("9, 101, 93"), Verdict::Exact);
    let whole = Hand { more: "ante_trimming_status = false", ..trimmed };
    assert_eq!(whole.ends("13, 97, 93"), Verdict::Exact);
}

/// Hands that were played otherwise once, or refused by the wrong rule.
#[test]
fn cases_end_as_they_tell() {
    let outcome = |text: &str| Replayer::new().outcome(&Phh::parse(text).unwrap());
    let trimmed = outcome(include_str!("cases/ante_trim.phh")).unwrap();
    assert_eq!((trimmed.verdict, &trimmed.played.stacks[..3]), (Verdict::Exact, &[2_233, 4_230, 45][..]));
    let uncalled = outcome(include_str!("cases/party_uncalled_won.phh")).unwrap();
    assert_eq!((uncalled.verdict, uncalled.missing), (Verdict::Rake, 100));
    let PhhError::Refused { number: 7, refusal, .. } =
        outcome(include_str!("cases/empty_raise.phh")).unwrap_err()
    else {
        panic!("a raise that nobody can call")
    };
    assert!(refusal.rule().unwrap().starts_with("WSOP 60"), "{refusal}");
}

/// PokerKit: of a trimmed ante that nobody matches the rest is not posted.
#[test]
fn different_antes_are_trimmed_to_what_another_player_matches() {
    // Each can lose 5 in antes; p1, all-in for 3, wins 3 of each.
    let hand = Hand {
        antes: "5, 9, 5",
        stacks: "3, 100, 100",
        actions: "d dh p1 AsAh\n d dh p2 KsKh\n d dh p3 QsQh\n p3 cc\n p2 cc\n d db 2c3d4h\n p2 cc\n p3 cc\n d db 8d\n \
                  p2 cc\n p3 cc\n d db 9d\n p2 cc\n p3 cc\n p2 sm KsKh\n p3 sm QsQh\n p1 sm AsAh",
        more: "ante_trimming_status = true",
        ..PLAIN
    };
    assert_eq!(hand.ends("9, 101, 93"), Verdict::Exact);
    // All of the 9 would be a bet that p2 cannot match.
    let all_in = Hand { stacks: "100, 9, 100", actions: "p3 cbr 6\n p1 f\n p2 cc", ..hand };
    assert_eq!(all_in.outcome().played.actions, 3);
}

/// Rooms differ in whether the bet that nobody called is won: either way the rest is rake.
#[test]
fn winnings_with_the_uncalled_bet_less_rake_are_raked() {
    let actions = "d dh p1 AsAh\n d dh p2 KsKh\n p3 f\n p1 cbr 100\n p2 cc\n d db 2c3d4h\n d db 8d\n d db 9d\n p1 sm AsAh";
    let hand = Hand { stacks: "100, 40, 100", actions, ..PLAIN };
    for (told, verdict) in [
        ("80, 0, 0", Verdict::Exact),
        ("76, 0, 0", Verdict::Rake),
        ("140, 0, 0", Verdict::Exact),
        ("136, 0, 0", Verdict::Rake),
        ("141, 0, 0", Verdict::Mismatch),
        ("120, 0, 0", Verdict::Mismatch),
        ("60, 0, 0", Verdict::Mismatch),
        ("136, 4, 0", Verdict::Mismatch),
    ] {
        assert_eq!(hand.wins(told), verdict, "{told}");
    }
}

#[test]
fn an_ante_of_the_big_blind_is_everybodys_to_win() {
    let hand = Hand {
        antes: "0, 2, 0",
        actions: "p3 cbr 6\n p1 f\n p2 cc\n d db 2c3d4h\n p2 cc\n p3 cbr 10\n p2 f",
        ..PLAIN
    };
    assert_eq!(hand.ends("99, 92, 109"), Verdict::Exact);
}

const SHOWDOWN: &str = "p3 f\n p1 cc\n p2 cc\n d db 2c3d4h\n p1 cc\n p2 cc\n d db 8d\n p1 cc\n p2 cc\n d db 9d\n p1 cc\n \
                        p2 cc\n";

#[test]
fn cards_may_come_one_by_one_be_shown_in_any_order_or_only_at_the_showdown() {
    for (deal, shown) in [
        ("d dh p1 As\n d dh p2 Ks\n d dh p1 Ah\n d dh p2 Kh\n", "p1 sm AhAs\n p2 sm -"),
        ("d dh p1 ????\n d dh p2 Ks??\n", "p1 sm AsAh\n p2 sm KhKs"),
        ("", "p1 sm AsAh\n p2 sm KsKh"),
        // A player who shows unknown cards, and a player without a showing action, have mucked.
        ("d dh p1 AsAh\n d dh p2 ????\n", "p1 sm AsAh\n p2 sm ????"),
        ("", "p1 sm AsAh"),
    ] {
        let actions = format!("{deal}{SHOWDOWN}{shown}");
        let hand = Hand { actions: &actions, ..PLAIN };
        assert_eq!(hand.ends("102, 98, 100"), Verdict::Exact, "{deal}");
        assert_eq!(hand.ends("102, 97, 100"), Verdict::Mismatch, "{deal}");
    }
}

#[test]
fn a_hand_that_is_mucked_wins_nothing_that_somebody_shows_for() {
    let actions = format!("d dh p1 AsAh\n d dh p2 7s6h\n {SHOWDOWN}p1 sm\n p2 sm 7s6h");
    assert_eq!(Hand { actions: &actions, ..PLAIN }.ends("98, 102, 100"), Verdict::Exact);
}

#[test]
fn cards_that_are_told_nowhere_leave_the_end_open_within_reason() {
    let hand = Hand { actions: SHOWDOWN, ..PLAIN };
    for told in ["102, 98, 100", "98, 102, 100", "101.80, 98, 100"] {
        assert_eq!(hand.ends(told), Verdict::UnknownCards, "{told}");
    }
    // Chips from nowhere, or far too many gone, are no matter of cards.
    for told in ["103, 98, 100", "98, 98, 100"] {
        assert_eq!(hand.ends(told), Verdict::Mismatch, "{told}");
    }
    assert_eq!(hand.outcome().verdict, Verdict::Untold);
    // The record says that the player who showed lost to the one who did not.
    let actions = format!("{SHOWDOWN}p1 sm AsAh\n p2 sm ????");
    assert_eq!(Hand { actions: &actions, ..PLAIN }.ends("98, 102, 100"), Verdict::UnknownCards);
}

#[test]
fn a_board_that_is_not_told_leaves_the_end_open() {
    let all_in = "d dh p1 AsAh\n d dh p2 KsKh\n p3 f\n p1 cbr 100\n p2 cc\n p1 sm AsAh\n p2 sm KsKh\n";
    let told = format!("{all_in} d db 2c3d4h\n d db 8d\n d db 9d");
    assert_eq!(Hand { actions: &told, ..PLAIN }.ends("200, 0, 100"), Verdict::Exact);
    assert_eq!(Hand { actions: &told, ..PLAIN }.ends("0, 200, 100"), Verdict::Mismatch);
    for board in ["", "d db 2c3d4h\n d db ??\n d db 9d"] {
        let actions = format!("{all_in}{board}");
        assert_eq!(Hand { actions: &actions, ..PLAIN }.ends("0, 200, 100"), Verdict::UnknownCards, "{board}");
    }
}

#[test]
fn another_rooms_rake_is_told_apart_from_a_mismatch() {
    let actions = format!("d dh p1 AsAh\n d dh p2 KsKh\n {SHOWDOWN}p1 sm AsAh\n p2 sm KsKh");
    let hand = Hand { stacks: "100, 100, 100.00", actions: &actions, ..PLAIN };
    let raked = hand.ends("101.80, 98, 100");
    assert_eq!(raked, Verdict::Rake);
    let outcome = Hand { more: "winnings = [3.75, 0, 0]", ..hand }.outcome();
    assert_eq!((outcome.verdict, outcome.missing, outcome.played.decimals), (Verdict::Rake, 25, 2));
    // Too much for a rake; taken from a player who won nothing; given to the winner; more than there was.
    for told in ["101.50, 98, 100", "102, 97.80, 100", "102, 98, 99.80", "102.20, 98, 100"] {
        assert_eq!(hand.ends(told), Verdict::Mismatch, "{told}");
    }
    assert_eq!(hand.wins("4, 0, 0"), Verdict::Exact);
    assert_eq!(hand.wins("4, 0, 0.10"), Verdict::Mismatch);
    // Both results are stated, and one of them is wrong.
    let more = "finishing_stacks = [102, 98, 100]\nwinnings = [0, 4, 0]";
    assert_eq!(Hand { more, ..hand }.outcome().verdict, Verdict::Mismatch);
}

#[test]
fn odd_chips_by_another_rule_are_told_apart_from_a_mismatch() {
    // 32 three ways: 11, 11 and 10 (WSOP 148); PokerKit gives both odd chips to the first.
    let hand = Hand {
        antes: "0, 0, 0, 0",
        blinds: "1, 2, 0, 0",
        stacks: "100, 100, 100, 100",
        actions: "d dh p1 AsKd\n d dh p2 AhKc\n d dh p3 AcKh\n d dh p4 2s3s\n p3 cbr 10\n p4 cbr 18\n p1 f\n p2 f\n p3 cc\n \
                  d db 4c4d4h\n p3 cc\n p4 f",
        more: "",
    };
    assert_eq!(hand.ends("99, 98, 121, 82"), Verdict::Exact);
    let split = Hand {
        actions: "d dh p1 AsKd\n d dh p2 AhKc\n d dh p3 AcKh\n d dh p4 2s3s\n p3 cc\n p4 cbr 8\n p1 cc\n p2 cc\n p3 cc\n \
                  d db 4c4d4h\n p1 cc\n p2 cc\n p3 cc\n p4 f\n d db 9d\n p1 cc\n p2 cc\n p3 cc\n d db 9s\n p1 cc\n \
                  p2 cc\n p3 cc\n p1 sm -\n p2 sm -\n p3 sm -",
        ..hand
    };
    assert_eq!(split.ends("103, 103, 102, 92"), Verdict::Exact);
    assert_eq!(split.ends("104, 102, 102, 92"), Verdict::OddChip);
    // Floats split what chips cannot.
    assert_eq!(
        split.ends("102.66666666666667, 102.66666666666667, 102.66666666666667, 92"),
        Verdict::OddChip
    );
    for told in ["105, 101, 102, 92", "103, 103, 101, 93", "104, 104, 102, 90"] {
        assert_eq!(split.ends(told), Verdict::Mismatch, "{told}");
    }
    // All amounts are in chips of 25, so an odd chip is one of those.
    let live = Hand {
        blinds: "25, 50, 0, 0",
        stacks: "5000, 5000, 5000, 5000",
        more: "variant = 'NT'\nmin_bet = 50",
        actions: "d dh p1 AsKd\n d dh p2 AhKc\n p3 f\n p4 cbr 125\n p1 cc\n p2 cc\n d db 4c4d4h\n p1 cc\n p2 cc\n p4 f\n \
                  d db 9d\n p1 cc\n p2 cc\n d db 9s\n p1 cc\n p2 cc\n p1 sm -\n p2 sm -",
        ..hand
    };
    assert_eq!(live.ends("5063, 5062, 5000, 4875"), Verdict::Exact);
    assert_eq!(live.ends("5075, 5050, 5000, 4875"), Verdict::OddChip);
    assert_eq!(live.ends("5100, 5025, 5000, 4875"), Verdict::Mismatch);
}

#[test]
fn amounts_are_counted_in_the_smallest_unit_that_the_hand_has() {
    let hand = Hand {
        blinds: "0.01, 0.02, 0",
        stacks: "2.00, 0.80, 2.38",
        more: "variant = 'NT'\nmin_bet = 0.02",
        actions: "p3 cbr 0.06\n p1 f\n p2 cc\n d db 5c7dJs\n p2 cc\n p3 cbr 0.06\n p2 cbr 0.18\n p3 f",
        ..PLAIN
    };
    assert_eq!(hand.ends("1.99, 0.93, 2.26"), Verdict::Exact);
    assert_eq!(hand.ends("1.99, 0.92, 2.26"), Verdict::Rake);
    // The same amounts as binary floating-point numbers.
    assert_eq!(hand.ends("1.99, 0.9300000000000002, 2.2599999999999998"), Verdict::Exact);
    assert_eq!(hand.outcome().played.decimals, 2);
    // Eighteen decimals, as of a token's smallest unit.
    let wei = Hand {
        blinds: "0.000000000000000001, 0.000000000000000002, 0",
        stacks: "1, 1, 1.000000000000000001",
        more: "variant = 'NT'\nmin_bet = 0.000000000000000002",
        actions: "p3 f\n p1 f",
        ..PLAIN
    };
    assert_eq!(wei.ends("0.999999999999999999, 1.000000000000000001, 1.000000000000000001"), Verdict::Exact);
    let too_many = Hand { stacks: "100, 100, 1.000000000000000001", ..wei }.error();
    assert!(matches!(too_many, PhhError::Unplayable { .. }), "{too_many}");
}

#[test]
fn stacks_that_are_not_known_are_never_all_in() {
    let hand = Hand {
        stacks: "inf, null, 500",
        actions: "p3 cbr 500\n p1 cc\n p2 f\n d db 2c3d4h\n d db 8d\n d db 9d\n p1 sm AsAh\n p3 sm KsKh",
        ..PLAIN
    };
    let outcome = Hand { more: "finishing_stacks = [inf, inf, 0]", ..hand }.outcome();
    assert_eq!(outcome.verdict, Verdict::Exact);
    assert!(outcome.played.stacks[0] > 1_000);
    assert_eq!(hand.wins("1002, 0, 0"), Verdict::Exact);
    let both = Hand {
        stacks: "inf, inf, inf",
        actions: "p3 cbr 1000000\n p1 cbr 9000000\n p2 f\n p3 cbr 50000000\n p1 f",
        ..PLAIN
    };
    assert_eq!(both.wins("0, 0, 18000002"), Verdict::Exact);
}

#[test]
fn a_walk_may_be_told_with_or_without_the_blind_that_nobody_called() {
    let walk = Hand { actions: "p3 f\n p1 f", ..PLAIN };
    assert_eq!(walk.wins("0, 2, 0"), Verdict::Exact);
    assert_eq!(walk.wins("0, 3, 0"), Verdict::Exact);
    assert_eq!(walk.wins("0, 4, 0"), Verdict::Mismatch);
}

#[test]
fn a_hand_may_be_told_in_part() {
    let part = Hand { actions: "p3 cbr 6\n p1 f", ..PLAIN };
    assert_eq!(part.outcome().verdict, Verdict::Untold);
    assert!(!part.outcome().played.finished);
    assert_eq!(part.ends("99, 98, 94"), Verdict::Exact);
    assert_eq!(part.ends("99, 98, 103"), Verdict::Mismatch);
    // The next hand starts with an empty table, without the abandoned one.
    let mut replayer = Replayer::new();
    replayer.outcome(&part.read()).unwrap();
    assert!(replayer.outcome(&Hand { actions: "p3 cbr 1", ..PLAIN }.read()).is_err());
    let whole = Hand { actions: "p3 f\n p1 f", more: "finishing_stacks = [99, 101, 100]", ..PLAIN };
    assert_eq!(replayer.outcome(&whole.read()).unwrap().verdict, Verdict::Exact);
}

#[test]
fn a_fixed_limit_hand_is_played_by_its_own_bets() {
    let limit = Hand {
        more: "variant = 'FT'\nsmall_bet = 2\nbig_bet = 4",
        actions: "p3 cbr 4\n p1 f\n p2 cbr 6\n p3 cbr 8\n p2 cc\n d db 2c3d4h\n p2 cbr 2\n p3 cc\n d db 8d\n \
                  p2 cbr 4\n p3 cbr 8\n p2 f",
        ..PLAIN
    };
    assert_eq!(limit.ends("99, 86, 115"), Verdict::Exact);
    let refused = Hand { actions: "p3 cbr 5", ..limit }.error();
    assert!(matches!(refused, PhhError::Refused { number: 1, .. }), "{refused}");
    let missing = Hand { more: "variant = 'FT'\nsmall_bet = 2", ..limit }.error();
    assert_eq!(missing.to_string(), "field 'big_bet': is missing");
    let missing = Hand { more: "variant = 'NT'", ..limit }.error();
    assert_eq!(missing.to_string(), "field 'min_bet': is missing");
}

#[test]
fn what_the_rules_refuse_is_told_with_the_action_its_number_and_the_rule() {
    let refused = |actions: &str| Hand { actions, ..PLAIN }.error();
    let error = refused("d dh p1 ????\n # blinds are posted\n p3 cbr 3");
    assert_eq!(error.to_string(), "action 3, 'p3 cbr 3': a raise to 3: must be 4 to 100");
    let PhhError::Refused { refusal, .. } = error else { panic!("{error}") };
    assert!(refusal.rule().unwrap().contains("WSOP 170"));
    assert!(matches!(refused("p1 f"), PhhError::Refused { number: 1, .. }));
    // A short all-in does not open the betting again (WSOP 172).
    let short = Hand { stacks: "100, 13, 100", actions: "p3 cbr 10\n p1 cc\n p2 cc\n p3 cbr 30", ..PLAIN };
    assert!(matches!(
        short.error(),
        PhhError::OutOfStep { number: 4, .. } | PhhError::Refused { number: 4, .. }
    ));
}

#[test]
fn actions_that_are_out_of_step_with_the_board_or_the_end_are_refused() {
    let refused = |actions: &str| Hand { actions, ..PLAIN }.error().to_string();
    let called = "p3 cc\n p1 cc\n p2 cc\n";
    assert!(refused("d db 2c3d4h\n p3 f").contains("the betting before it is not over"));
    assert!(refused(&format!("{called}p1 cc")).contains("the board before it is not dealt"));
    assert!(refused("p3 f\n p1 f\n p2 cc").contains("action 3, 'p2 cc': the hand is over"));
    assert!(refused("p3 f\n p1 f\n d db 2c3d4h").contains("3 on the board, where 0 were dealt"));
    assert_eq!(refused("p4 f"), "player p4 is not in this hand");
    assert_eq!(refused("d dh p9 AsAd"), "player p9 is not in this hand");
}

#[test]
fn cards_that_cannot_be_are_refused() {
    let refused = |actions: &str| Hand { actions, ..PLAIN }.error().to_string();
    assert!(refused("d dh p1 AsAh\n d dh p2 AsKh").contains("As is dealt twice"));
    assert!(refused("d dh p1 AsAh\n d dh p1 Kc").contains("p1 has more than two"));
    assert!(refused("d dh p1 AsAh\n p1 sm AsKc").contains("p1 shows Kc, which was not dealt"));
    assert!(refused(&"d db 2c3c4c5c6c\n".repeat(3)).contains("more than two boards"));
    let bring_in = Hand { actions: "p3 f\n p1 f", more: "bring_in = 1", ..PLAIN }.error();
    assert_eq!(bring_in.to_string(), "field 'bring_in': Hold'em has no bring-in");
}
