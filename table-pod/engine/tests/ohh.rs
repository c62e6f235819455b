//! Hands in the Open Hand History format. Every hand here is made up.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use common::{Game, config, player};
use proptest::prelude::*;
use purr_engine::{
    Action, Ante, Event, RakeConfig, SeatIndex, TableConfig,
    history::{HandHistory, SeatStart},
    ohh::{self, BetType, Context, Ohh, OhhError, Problem},
    phh::{Phh, Replayer, Value, Verdict},
};

/// A hand as another room would write it, with fields outside the specification.
const HAND: &str = r#"{
  "ohh": {
    "spec_version": "1.4.6", "internal_version": "0.0.1",
    "network_name": "Some \"Network\"", "site_name": "Some Site",
    "game_type": "Holdem", "tournament": false,
    "table_name": "Lö 7\u00e4 \ud83d\ude00", "table_size": "6", "game_number": 8599887794,
    "start_date_utc": "2020-04-07T14:32:50Z", "currency": "EUR",
    "ante_amount": 0.00, "small_blind_amount": 0.01, "big_blind_amount": 0.02,
    "bet_limit": {"bet_cap": 0.00, "bet_type": "NL"},
    "hero_player_id": 3, "dealer_seat": 8, "flags": ["Observed"], "empty": null,
    "players": [
      {"name": "A", "id": 0, "player_bounty": 0, "starting_stack": 0.80, "seat": 1},
      {"name": "B", "id": 1, "starting_stack": 2.38, "seat": 3},
      {"name": "Hero", "id": 3, "starting_stack": 2.00, "seat": 6},
      {"name": "D", "id": 4, "starting_stack": 2.86, "seat": 8},
      {"name": "Away", "id": 6, "starting_stack": 9.00, "seat": 9, "is_sitting_out": true},
      {"name": "F", "id": 5, "starting_stack": 2, "seat": 10}
    ],
    "rounds": [
      {"id": 0, "cards": "", "street": "Preflop", "actions": [
        {"action_number": 1, "player_id": 5, "action": "Post SB", "amount": 0.01, "is_allin": false},
        {"action_number": 2, "player_id": 0, "action": "Post BB", "amount": 0.02, "is_allin": false},
        {"action_number": 3, "player_id": 3, "cards": ["As", "Tc"], "action": "Dealt Cards", "amount": 0.00},
        {"action_number": 4, "player_id": 1, "action": "Fold"},
        {"action_number": 5, "player_id": 3, "action": "Raise", "amount": 0.06},
        {"action_number": 6, "player_id": 4, "action": "Fold"},
        {"action_number": 7, "player_id": 5, "action": "Fold"},
        {"action_number": 8, "player_id": 0, "action": "Call", "amount": 0.04}
      ]},
      {"id": 1, "cards": ["5c", "7d", "Js"], "street": "Flop", "actions": [
        {"action_number": 1, "player_id": 0, "action": "Check"},
        {"action_number": 2, "player_id": 3, "action": "Bet", "amount": 0.06},
        {"action_number": 3, "player_id": 0, "action": "Raise", "amount": 0.18},
        {"action_number": 4, "player_id": 3, "action": "Fold"}
      ]}
    ],
    "pots": [{"number": 0, "amount": 0.25, "rake": 0.01, "player_wins": [
      {"player_id": 0, "win_amount": 0.24, "contributed_rake": 0.01}
    ]}]
  }
}
"#;

#[test]
fn a_hand_is_read_and_written_again_with_the_fields_that_nobody_knows() {
    let hand = Ohh::parse(HAND).unwrap();
    assert_eq!(hand.table_name.as_deref(), Some("Lö 7ä 😀"));
    assert_eq!((hand.table_size, hand.game_number.as_deref()), (Some(6), Some("8599887794")));
    assert_eq!(hand.players[0].starting_stack.to_string(), "0.80");
    assert_eq!(hand.players[0].extra, [("player_bounty".to_owned(), Value::Number("0".into()))]);
    assert_eq!(hand.extra[0], ("tournament".to_owned(), Value::Bool(false)));
    assert_eq!(hand.pots[0].player_wins[0].extra[0].0, "contributed_rake");
    let text = hand.to_string();
    assert_eq!(Ohh::parse(&text).unwrap(), hand);
    // An independent JSON parser reads the same.
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["ohh"]["network_name"], "Some \"Network\"");
    assert_eq!(value["ohh"]["rounds"][0]["actions"][2]["cards"], serde_json::json!(["As", "Tc"]));
}

#[test]
fn files_hold_one_hand_after_the_other_or_an_array() {
    let hand = Ohh::parse(HAND).unwrap();
    let file = ohh::write_all([&hand, &hand]);
    let entries = ohh::read(&file).unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1].line, 1 + hand.to_string().lines().count() + 1);
    assert!(entries.iter().all(|entry| entry.hand.as_ref() == Ok(&hand)));
    assert_eq!(ohh::read(&format!("[{HAND},{HAND}]")).unwrap().len(), 2);
    // A hand of another game does not keep others from being read.
    let other = HAND.replace("Holdem", "Omaha");
    let entries = ohh::read(&format!("{other}{HAND}")).unwrap();
    assert_eq!(entries[0].hand, Err(OhhError::Game("Omaha".into())));
    assert!(entries[1].hand.is_ok());
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let cases = [
        (("\"bet_type\": \"NL\"", "\"bet_type\": \"PL\""), "'PL' is not played here: only Holdem is"),
        (("\"dealer_seat\": 8,", ""), "field 'dealer_seat': is missing"),
        (("\"seat\": 3}", "\"seat\": \"x\"}"), "field 'players[1].seat': 'x' is no integer"),
        (
            ("\"amount\": 0.18", "\"amount\": \"a lot\""),
            "field 'rounds[1].actions[2].amount': want an amount",
        ),
        (("\"5c\"", "\"5x\""), "field 'rounds[1].cards': '5x' is not a card"),
        (("\"win_amount\": 0.24,", ""), "field 'pots[0].player_wins[0].win_amount': is missing"),
        (("\"table_size\": \"6\"", "\"table_size\": 300"), "field 'table_size': 300"),
        (("\"ohh\"", "\"hho\""), "field 'ohh.ohh': is missing"),
        (("\"flags\": [", "\"flags\": [,"), "line 10: not JSON: a value is wanted"),
    ];
    for ((from, to), wanted) in cases {
        assert!(HAND.contains(from), "{from}");
        let error = Ohh::parse(&HAND.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted}\n{error}");
    }
    assert!(matches!(Ohh::parse("7"), Err(OhhError::Field { .. })));
    assert!(Ohh::parse("").is_err());
}

#[test]
fn a_hand_is_told_in_phh_and_played_to_the_same_end() {
    let phh = Ohh::parse(HAND).unwrap().to_phh().unwrap();
    let text = phh.to_text().unwrap();
    for line in [
        "blinds_or_straddles = [0.01, 0.02, 0.00, 0.00, 0.00]",
        "starting_stacks = [2.00, 0.80, 2.38, 2.00, 2.86]",
        "players = ['F', 'A', 'B', 'Hero', 'D']",
        "winnings = [0.00, 0.24, 0.00, 0.00, 0.00]",
        "seats = [10, 1, 3, 6, 8]",
        "time = 14:32:50",
        "year = 2020",
        "hand = 8599887794",
        "'p2 cbr 0.18'",
        "'d dh p4 AsTc'",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let outcome = Replayer::new().outcome(&phh).unwrap();
    assert_eq!((outcome.verdict, outcome.missing), (Verdict::Rake, 1));
    // Converted back: amounts of calls and all-ins are replayed.
    let again = Ohh::from_phh(&phh).unwrap();
    assert_eq!(again.start_date_utc.as_deref(), Some("2020-04-07T14:32:50Z"));
    assert_eq!((again.dealer_seat, again.table_size), (8, Some(6)));
    assert_eq!(again.to_phh().unwrap().actions, phh.actions);
    assert_eq!(again.pots[0].amount.to_string(), "0.25");
}

#[test]
fn what_phh_has_no_word_for_is_refused() {
    let chips = HAND.replace("\"action\": \"Check\"", "\"action\": \"Added Chips\"");
    let error = Ohh::parse(&chips).unwrap().to_phh().unwrap_err();
    assert_eq!(error.to_string(), "field 'rounds[1].actions[0]': 'Added Chips' has no place in PHH");
    let stranger =
        HAND.replace("\"player_id\": 4, \"action\": \"Fold\"", "\"player_id\": 6, \"action\": \"Fold\"");
    let error = Ohh::parse(&stranger).unwrap().to_phh().unwrap_err().to_string();
    assert!(error.contains("of a player who was not dealt in"), "{error}");
}

/// Plays with these choices; the rest is called.
fn play(config: TableConfig, stacks: &[u64], acts: &[Action], twice: bool) -> HandHistory {
    let mut game = Game::new(config, stacks);
    let mut events = game.deal_cards("");
    let mut acts = acts.iter();
    while game.hand_running() {
        for seat in game.table.asked_twice() {
            events.extend(game.apply(purr_engine::Command::RunItTwice { seat, agree: twice }));
        }
        let Some(seat) = game.table.to_act() else { continue };
        let otherwise = if game.legal(seat.0).check { Action::Check } else { Action::Call };
        events.extend(game.act(seat.0, *acts.next().unwrap_or(&otherwise)));
    }
    let dealt_in = events.iter().find_map(|event| match event {
        Event::HandStarted { dealt_in, .. } => Some(dealt_in.to_vec()),
        _ => None,
    });
    let start = |seat: SeatIndex| SeatStart { seat, player: player(seat.0), stack: stacks[seat.index()] };
    let seats = dealt_in.unwrap().into_iter().map(start).collect();
    HandHistory { hand: 1, config: game.table.config().clone(), seats, events }
}

#[test]
fn a_history_told_as_ohh_is_the_hand_that_it_tells_in_phh() {
    let rake = RakeConfig { basis_points: 500, caps: Vec::new(), no_flop_no_drop: true };
    let hands = [
        play(config(), &[100, 100], &[], false),
        play(config(), &[100, 100, 100], &[Action::RaiseTo(30), Action::Fold, Action::Fold], false),
        play(config(), &[40, 200, 120, 500], &[Action::RaiseTo(500)], false),
        play(TableConfig { ante: Ante::Each(2), ..config() }, &[100, 100, 80], &[], false),
        play(TableConfig { ante: Ante::BigBlind(10), ..config() }, &[100, 90], &[], false),
        play(TableConfig { rake, ..config() }, &[300, 300, 300], &[Action::RaiseTo(50)], false),
        play(config(), &[100, 7, 100], &[], false),
        play(TableConfig { run_it_twice: true, ..config() }, &[100, 200], &[Action::RaiseTo(100)], true),
    ];
    for history in hands {
        let context = Context { decimals: 2, site_name: "Here".into(), ..Context::default() };
        let ohh = Ohh::from_history(&history, &context);
        assert_eq!(Ohh::parse(&ohh.to_string()).as_ref(), Ok(&ohh));
        assert_eq!(ohh.bet_limit.bet_type, BetType::NoLimit);
        let told = Phh::from_history(&history);
        let phh = ohh.to_phh().unwrap_or_else(|error| panic!("{error}\n{ohh}"));
        let actions = |hand: &Phh| {
            let text = hand.actions.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            text.replace(".00", "").replace("0.", "")
        };
        // Minor units in one, the currency's in the other.
        let plain = Ohh::from_history(&history, &Context::default()).to_phh().unwrap();
        assert_eq!(actions(&plain), actions(&told), "{ohh}");
        assert_eq!(
            (&plain.antes, &plain.blinds_or_straddles),
            (&told.antes, &told.blinds_or_straddles),
            "{ohh}"
        );
        assert_eq!(plain.starting_stacks, told.starting_stacks);
        let verdict = Replayer::new().outcome(&phh).unwrap().verdict;
        let raked = history.config.rake.basis_points > 0;
        assert_eq!(verdict, if raked { Verdict::Rake } else { Verdict::Exact }, "{ohh}");
    }
}

#[test]
fn a_hand_run_twice_says_so_and_has_two_rounds_of_what_was_dealt_twice() {
    let config = TableConfig { run_it_twice: true, ..config() };
    let ohh =
        Ohh::from_history(&play(config, &[100, 200], &[Action::RaiseTo(100)], true), &Context::default());
    assert_eq!(ohh.flags, ["Run_It_Twice"]);
    let streets = ohh.rounds.iter().map(|round| round.street.as_str()).collect::<Vec<_>>();
    assert_eq!(streets, ["Preflop", "Flop", "Turn", "River", "Flop", "Turn", "River", "Showdown"]);
}

fn json() -> impl Strategy<Value = String> {
    let tokens = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\\n\"",
        "\"\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\x\"",
        "\"\t\"",
        "1",
        "-0",
        "01",
        "1.5",
        "1.",
        ".5",
        "1e5",
        "1e",
        "-",
        "true",
        "false",
        "null",
        "nul",
        " ",
        "\n",
        "[1, 2]",
        "{\"k\": [1]}",
        "\"open",
        "\u{e9}",
    ];
    prop::collection::vec(prop::sample::select(tokens.to_vec()), 0..10).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// In an unknown field, the reader accepts exactly the texts that serde_json accepts as JSON.
    #[test]
    fn json_is_read_where_another_reader_reads_it(value in json()) {
        let text = HAND.replace("\"flags\": [\"Observed\"]", &format!("\"x\": {value}"));
        let twice = serde_json::from_str::<serde_json::Value>(&text);
        match (Ohh::parse(&text), twice) {
            (Ok(hand), Ok(other)) => {
                let written = Ohh::parse(&hand.to_string());
                prop_assert_eq!(written.as_ref(), Ok(&hand));
                let again: serde_json::Value = serde_json::from_str(&hand.to_string()).unwrap();
                if other["ohh"]["x"] != serde_json::Value::Null {
                    prop_assert_eq!(&again["ohh"]["x"], &other["ohh"]["x"]);
                }
            }
            // serde_json makes floats of numbers; here they are kept as they are.
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("out of range"), "{}: {}", value, error),
            // serde_json takes the last of two of a name; here that is an error.
            (Err(OhhError::Json(error)), Ok(_)) => prop_assert_eq!(error.problem, Problem::Twice, "{}", value),
            (Err(_), _) => {}
        }
    }

    #[test]
    fn no_text_brings_the_reader_down(text in "\\PC{0,200}") {
        let _ = ohh::read(&text);
        let _ = ohh::read(&format!("{{\"ohh\": {text}"));
    }
}
