//! Conformance to the specification of the Open Hand History (<https://hh-specs.handhistory.org>, version 1.4.7):
//! written hands have every required field with its type, and amounts that add up.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use common::{Game, config, player};
use purr_engine::{
    Action, Ante, Event, RakeConfig, SeatIndex, TableConfig,
    history::{HandHistory, SeatStart},
    ohh::{Context, Ohh, OhhError},
};
use serde_json::{Map, Value, json};

/// The specification's example of a cash hand at iPoker, for stakes, players and forms of values; the actions are
/// invented.
const EXAMPLE: &str = r#"{"ohh": {
    "spec_version": "1.2.2", "internal_version": "1.2.2", "network_name": "iPoker Network", "site_name": "iPoker",
    "game_type": "Holdem", "table_name": "Brehuiesti", "table_size": 6, "game_number": "8599887794",
    "start_date_utc": "2020-04-07T14:32:50", "currency": "EUR", "ante_amount": 0.00, "small_blind_amount": 0.01,
    "big_blind_amount": 0.02, "bet_limit": {"bet_cap": 0.00, "bet_type": "NL"}, "hero_player_id": 3,
    "dealer_seat": 5,
    "players": [
      {"name": "Player1", "id": 0, "player_bounty": 0, "starting_stack": 0.80, "seat": 1},
      {"name": "Player3", "id": 1, "player_bounty": 0, "starting_stack": 2.38, "seat": 3},
      {"name": "Player5", "id": 2, "player_bounty": 0, "starting_stack": 2.67, "seat": 5},
      {"name": "Hero", "id": 3, "player_bounty": 0, "starting_stack": 2.00, "seat": 6}
    ],
    "rounds": [
      {"id": 0, "cards": "", "street": "Preflop", "actions": [
        {"action_number": 1, "player_id": 3, "action": "Post SB", "amount": 0.01, "is_allin": false},
        {"action_number": 2, "player_id": 0, "action": "Post BB", "amount": 0.02, "is_allin": false},
        {"action_number": 3, "player_id": 3, "cards": ["As", "Tc"], "action": "Dealt Cards", "amount": 0.00},
        {"action_number": 4, "player_id": 1, "action": "Raise", "amount": 0.06, "is_allin": false},
        {"action_number": 5, "player_id": 2, "action": "Fold", "amount": 0.00},
        {"action_number": 6, "player_id": 3, "action": "Fold", "amount": 0.00},
        {"action_number": 7, "player_id": 0, "action": "Raise", "amount": 0.18, "is_allin": false},
        {"action_number": 8, "player_id": 1, "action": "Call", "amount": 0.14, "is_allin": false}
      ]},
      {"id": 1, "cards": ["5c", "7d", "Js"], "street": "Flop", "actions": [
        {"action_number": 1, "player_id": 0, "action": "Check", "amount": 0.00},
        {"action_number": 2, "player_id": 1, "action": "Bet", "amount": 0.20, "is_allin": false},
        {"action_number": 3, "player_id": 0, "action": "Fold", "amount": 0.00}
      ]}
    ],
    "pots": [{"number": 0, "amount": 0.41, "rake": 0.02, "player_wins": [
      {"player_id": 1, "win_amount": 0.39, "contributed_rake": 0.02}
    ]}]
}}"#;

const STREETS: [&str; 5] = ["Preflop", "Flop", "Turn", "River", "Showdown"];
const FLAGS: [&str; 5] = ["Run_It_Twice", "Anonymous", "Observed", "Fast", "Cap"];
const ACTIONS: [&str; 19] = [
    "Dealt Cards",
    "Mucks Cards",
    "Shows Cards",
    "Post Ante",
    "Post SB",
    "Post BB",
    "Straddle",
    "Post Dead",
    "Post Extra Blind",
    "Fold",
    "Check",
    "Bet",
    "Raise",
    "Call",
    "Added Chips",
    "Sits Down",
    "Stands Up",
    "Add to Pot",
    "Player Adjustment",
];
/// Chips that a player puts in.
const PUTS_IN: [&str; 10] = [
    "Post Ante",
    "Post SB",
    "Post BB",
    "Straddle",
    "Post Dead",
    "Post Extra Blind",
    "Bet",
    "Raise",
    "Call",
    "Add to Pot",
];

/// Deviations of a hand from the specification.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn want(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.0.push(what.into());
        }
    }

    fn field<'a>(&mut self, of: &'a Value, at: &str, name: &str, kind: &str) -> &'a Value {
        let value = &of[name];
        let fits = match kind {
            "string" => value.is_string(),
            "decimal" => value.is_number(),
            "integer" => value.is_i64(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            _ => value.is_object(),
        };
        self.want(fits, format!("{at}{name}: want {kind}, found {value}"));
        value
    }

    /// The field may be missing or null.
    fn optional(&mut self, of: &Value, at: &str, name: &str, kind: &str) {
        if !of[name].is_null() {
            self.field(of, at, name, kind);
        }
    }

    fn cards(&mut self, cards: &Value, at: &str) {
        for card in cards.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let mut letters = card.chars();
            let rank = letters.next().is_some_and(|rank| "AKQJT98765432".contains(rank));
            let suit = letters.next().is_some_and(|suit| "hsdc".contains(suit));
            self.want(rank && suit && letters.next().is_none(), format!("{at}: '{card}' is no card"));
        }
    }
}

/// The number as written, in millionths.
fn millionths(value: &Value) -> i64 {
    let text = value.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    assert!(part.len() <= 6, "{text}");
    whole.parse::<i64>().unwrap() * 1_000_000 + format!("{part:0<6}").parse::<i64>().unwrap()
}

fn faults(text: &str, strict: bool) -> Vec<String> {
    let value: Value = serde_json::from_str(text).unwrap();
    let mut faults = Faults::default();
    let only: Option<Vec<&str>> =
        value.as_object().map(|outer: &Map<_, _>| outer.keys().map(String::as_str).collect());
    faults.want(only.as_deref() == Some(&["ohh"]), "the root object is not {\"ohh\": …}");
    let ohh = &value["ohh"];
    for name in [
        "spec_version",
        "internal_version",
        "site_name",
        "network_name",
        "game_number",
        "table_name",
        "currency",
    ] {
        let value = faults.field(ohh, "", name, "string").clone();
        faults.want(value.as_str().is_some_and(|text| !text.is_empty()), format!("{name} is empty"));
    }
    faults.want(ohh["game_type"] == "Holdem", "game_type");
    if strict {
        faults.field(ohh, "", "tournament", "boolean");
        let code = ohh["currency"].as_str().unwrap_or_default();
        faults.want(
            code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()),
            format!("currency '{code}'"),
        );
        let start = ohh["start_date_utc"].as_str().unwrap_or_default();
        let shape: String = start.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        faults.want(shape == "0000-00-00T00:00:00Z", format!("start_date_utc '{start}'"));
    }
    let limit = faults.field(ohh, "", "bet_limit", "object").clone();
    faults.want(["NL", "PL", "FL"].iter().any(|kind| limit["bet_type"] == *kind), "bet_limit.bet_type");
    faults.field(&limit, "bet_limit.", "bet_cap", "decimal");
    let size = faults.field(ohh, "", "table_size", "integer").as_i64().unwrap_or(0);
    faults.want((2..=10).contains(&size), format!("table_size {size}"));
    faults.field(ohh, "", "dealer_seat", "integer");
    faults.field(ohh, "", "small_blind_amount", "decimal");
    faults.field(ohh, "", "big_blind_amount", "decimal");
    faults.optional(ohh, "", "ante_amount", "decimal");
    let flags: Vec<&str> = ohh["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    faults.want(flags.iter().all(|flag| FLAGS.contains(flag)), format!("flags {flags:?}"));
    // A hand without a hero has no hero's cards.
    let hero = !ohh["hero_player_id"].is_null();
    faults.want(hero != flags.contains(&"Observed"), "a hand has a hero, or was observed");

    let (mut ids, mut seats) = (Vec::new(), Vec::new());
    for player in faults.field(ohh, "", "players", "array").as_array().cloned().unwrap_or_default() {
        ids.push(faults.field(&player, "players.", "id", "integer").as_i64().unwrap_or(-1));
        seats.push(faults.field(&player, "players.", "seat", "integer").as_i64().unwrap_or(-1));
        faults.field(&player, "players.", "name", "string");
        faults.field(&player, "players.", "starting_stack", "decimal");
        faults.optional(&player, "players.", "is_sitting_out", "boolean");
    }
    let distinct = |list: &[i64]| list.iter().collect::<std::collections::BTreeSet<_>>().len() == list.len();
    faults.want(distinct(&ids) && distinct(&seats), "ids and seats are one a player");
    if strict {
        faults.want(seats.iter().all(|seat| (1..=size).contains(seat)), format!("seats {seats:?} of {size}"));
    }
    let put_in = rounds(ohh, &ids, &mut faults);
    pots(ohh, &ids, put_in, &mut faults);
    faults.0
}

/// Returns what all players put in.
fn rounds(ohh: &Value, ids: &[i64], faults: &mut Faults) -> i64 {
    let mut put_in = 0;
    let rounds = faults.field(ohh, "", "rounds", "array").as_array().cloned().unwrap_or_default();
    faults
        .want(rounds.first().is_some_and(|round| round["street"] == "Preflop"), "the first round is Preflop");
    for (number, round) in rounds.iter().enumerate() {
        let at = format!("rounds[{number}].");
        faults.want(round["id"] == json!(number), format!("{at}id"));
        let street = round["street"].as_str().unwrap_or_default();
        faults.want(STREETS.contains(&street), format!("{at}street '{street}'"));
        faults.cards(&round["cards"], &at);
        let actions = faults.field(round, &at, "actions", "array").as_array().cloned().unwrap_or_default();
        for (place, action) in actions.iter().enumerate() {
            let at = format!("{at}actions[{place}].");
            faults.want(action["action_number"] == json!(place + 1), format!("{at}action_number"));
            let name = action["action"].as_str().unwrap_or_default();
            faults.want(ACTIONS.contains(&name), format!("{at}action '{name}'"));
            faults.want(
                name == "Add to Pot" || action["player_id"].as_i64().is_some_and(|id| ids.contains(&id)),
                format!("{at}player_id"),
            );
            faults.want(name != "Bet" || street != "Preflop", format!("{at}a bet before the flop"));
            faults.optional(action, &at, "is_allin", "boolean");
            faults.cards(&action["cards"], &at);
            if PUTS_IN.contains(&name) {
                put_in += millionths(faults.field(action, &at, "amount", "decimal"));
            } else {
                faults.optional(action, &at, "amount", "decimal");
            }
        }
    }
    put_in
}

fn pots(ohh: &Value, ids: &[i64], put_in: i64, faults: &mut Faults) {
    let mut all = 0;
    for (number, pot) in faults.field(ohh, "", "pots", "array").as_array().into_iter().flatten().enumerate() {
        let at = format!("pots[{number}].");
        faults.field(pot, &at, "number", "integer");
        let amount = millionths(faults.field(pot, &at, "amount", "decimal"));
        faults.optional(pot, &at, "rake", "decimal");
        let rake = if pot["rake"].is_null() { 0 } else { millionths(&pot["rake"]) };
        let mut won = 0;
        for win in faults.field(pot, &at, "player_wins", "array").as_array().cloned().unwrap_or_default() {
            faults.want(
                win["player_id"].as_i64().is_some_and(|id| ids.contains(&id)),
                format!("{at}player_id"),
            );
            won += millionths(faults.field(&win, &at, "win_amount", "decimal"));
        }
        faults.want(won + rake == amount, format!("{at}amount is {amount}, won are {won} and rake {rake}"));
        all += amount;
    }
    // Uncalled bets are in no pot.
    faults.want(all <= put_in, format!("pots of {all} out of {put_in}"));
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
    HandHistory::public(1, game.table.config().clone(), seats, &events)
}

/// A table with tokens of six decimals.
fn context() -> Context {
    Context {
        site_name: "Purr Poker".into(),
        network_name: "Purr Poker".into(),
        table_name: "One".into(),
        currency: "USD".into(),
        start_date_utc: Some("2020-04-07T14:32:50Z".into()),
        decimals: 6,
        observed: true,
        ..Context::default()
    }
}

#[test]
fn the_specifications_example_passes_the_check_and_comes_out_of_the_reader_as_it_went_in() {
    assert_eq!(faults(EXAMPLE, false), Vec::<String>::new());
    let hand = Ohh::parse(EXAMPLE).unwrap();
    assert_eq!(faults(&hand.to_string(), false), Vec::<String>::new());
    let amounts = [hand.small_blind_amount, hand.big_blind_amount, hand.players[1].starting_stack];
    assert_eq!(amounts.map(|amount| amount.to_string()), ["0.01", "0.02", "2.38"]);
    let phh = hand.to_phh().unwrap();
    assert_eq!(Ohh::from_phh(&phh).unwrap().to_phh().unwrap().actions, phh.actions);
}

#[test]
fn the_check_finds_what_is_not_as_specified() {
    for (from, to, found) in [
        ("\"site_name\": \"iPoker\",", "", "site_name: want string"),
        ("\"big_blind_amount\": 0.02", "\"big_blind_amount\": \"0.02\"", "big_blind_amount: want decimal"),
        ("\"action\": \"Raise\"", "\"action\": \"Bet\"", "a bet before the flop"),
        ("\"player_id\": 2,", "\"player_id\": 9,", "player_id"),
        ("\"amount\": 0.41", "\"amount\": 0.42", "won are"),
        ("\"Js\"", "\"JS\"", "is no card"),
        ("\"hero_player_id\": 3,", "", "a hand has a hero"),
    ] {
        assert!(EXAMPLE.contains(from), "{from}");
        let faults = faults(&EXAMPLE.replacen(from, to, 1), false);
        assert!(faults.iter().any(|fault| fault.contains(found)), "{from}: {faults:?}");
    }
    assert!(matches!(Ohh::parse("{\"ohh\": 7}"), Err(OhhError::Field { .. })));
}

#[test]
fn what_is_written_is_as_specified() {
    let stakes = TableConfig {
        small_blind: 500_000,
        big_blind: 1_000_000,
        buy_in_min: 1_000_000,
        buy_in_max: 1_000_000_000,
        ..config()
    };
    let rake = RakeConfig { basis_points: 500, caps: Vec::new(), no_flop_no_drop: true };
    let unit = 1_000_000;
    let hands = [
        play(stakes.clone(), &[100 * unit, 100 * unit], &[], false),
        play(
            stakes.clone(),
            &[100 * unit; 3],
            &[Action::RaiseTo(3 * unit), Action::Fold, Action::Fold],
            false,
        ),
        play(
            TableConfig { rake: rake.clone(), ..stakes.clone() },
            &[40 * unit, 200 * unit, 120 * unit, 77 * unit + 1],
            &[Action::RaiseTo(77 * unit + 1)],
            false,
        ),
        play(TableConfig { ante: Ante::Each(200_000), ..stakes.clone() }, &[100 * unit; 3], &[], false),
        play(TableConfig { ante: Ante::BigBlind(unit), ..stakes.clone() }, &[100 * unit; 2], &[], false),
        play(
            TableConfig { run_it_twice: true, rake, ..stakes },
            &[100 * unit, 200 * unit],
            &[Action::RaiseTo(100 * unit)],
            true,
        ),
    ];
    for history in hands {
        let text = Ohh::from_history(&history, &context()).to_string();
        assert_eq!(faults(&text, true), Vec::<String>::new(), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        let ohh = &value["ohh"];
        assert_eq!(ohh["big_blind_amount"].to_string(), "1.0");
        assert!(text.contains("\"small_blind_amount\": 0.50"), "{text}");
        assert_eq!((&ohh["currency"], &ohh["tournament"]), (&json!("USD"), &json!(false)));
        // The written text is read again as the same hand.
        let again = Ohh::parse(&text).unwrap();
        assert_eq!(again.to_string(), text);
        again.to_phh().unwrap();
    }
}
