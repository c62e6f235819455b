//! Checks of records' money: every honest hand passes; every changed one fails with a reason.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::room;

use purr_client::{
    money::{self, MoneyError, NOT_COVERED},
    verify,
};
use purr_engine::{Action, Event, Post};
use purr_protocol::record::HandRecord;
use room::Room;
use serde_json::Value;
use std::collections::BTreeSet;

const SEEDS: u64 = 120;
const HANDS: usize = 25;

/// Hands of all kinds.
fn records(seeds: std::ops::Range<u64>) -> impl Iterator<Item = HandRecord> {
    seeds.flat_map(|seed| {
        let mut room = Room::new(seed);
        (0..HANDS).map(move |_| room.play()).collect::<Vec<_>>()
    })
}

/// The history alone, for a person.
fn told(record: &HandRecord) -> String {
    serde_json::to_string(&record.history).unwrap()
}

fn has(record: &HandRecord, what: impl Fn(&Event) -> bool) -> bool {
    record.history.events.iter().any(what)
}

#[test]
fn every_hand_that_a_table_plays_is_as_the_rules_have_it() {
    let mut seen = BTreeSet::new();
    for record in records(0..SEEDS) {
        verify::record(&record).unwrap();
        let replayed =
            money::check(&record, None).unwrap_or_else(|error| panic!("{error}\n{}", told(&record)));
        assert_eq!(replayed.rake, record.end.rake);
        let kinds = [
            ("rake", record.end.rake > 0),
            ("void", record.end.void),
            ("showdown", has(&record, |event| matches!(event, Event::Mucked { .. }))),
            ("side pot", has(&record, |event| matches!(event, Event::PotWon { pot: 1, .. }))),
            ("twice", has(&record, |event| matches!(event, Event::StreetDealt { board: 1, .. }))),
            ("dead", has(&record, |event| matches!(event, Event::Posted { post: Post::Dead, .. }))),
            ("live", has(&record, |event| matches!(event, Event::Posted { post: Post::Live, .. }))),
            ("straddle", has(&record, |event| matches!(event, Event::Posted { post: Post::Straddle, .. }))),
            ("ante", has(&record, |event| matches!(event, Event::Posted { post: Post::Ante, .. }))),
            ("left", has(&record, |event| matches!(event, Event::Left { .. }))),
            ("uncalled", has(&record, |event| matches!(event, Event::Uncalled { .. }))),
        ];
        seen.extend(kinds.into_iter().filter(|(_, there)| *there).map(|(kind, _)| kind));
    }
    assert_eq!(seen.len(), 11, "{seen:?}");
}

/// Paths of all numbers, list places and names of fields joined by dots.
fn numbers(value: &Value, path: &str, found: &mut Vec<String>) {
    let at = |name: &dyn std::fmt::Display| {
        if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
    };
    match value {
        Value::Number(_) => found.push(path.to_owned()),
        Value::Array(list) => list.iter().enumerate().for_each(|(n, value)| numbers(value, &at(&n), found)),
        Value::Object(map) => map.iter().for_each(|(name, value)| numbers(value, &at(name), found)),
        _ => {}
    }
}

fn not_covered(path: &str) -> Option<&'static str> {
    let fits = |pattern: &str| {
        let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), path.split('.').collect());
        pattern.len() == path.len()
            && pattern.iter().zip(&path).all(|(want, have)| *want == "*" || want == have)
    };
    NOT_COVERED.iter().map(|(pattern, _)| *pattern).find(|pattern| fits(pattern))
}

fn is_noticed(value: &Value) -> bool {
    let Ok(record) = serde_json::from_value::<HandRecord>(value.clone()) else { return true };
    verify::record(&record).is_err() || money::check(&record, None).is_err()
}

#[test]
fn a_change_of_any_number_is_noticed_or_the_field_is_named() {
    let mut unnoticed = BTreeSet::new();
    for record in records(0..24).step_by(6) {
        let good = serde_json::to_value(&record).unwrap();
        assert!(!is_noticed(&good));
        let mut paths = Vec::new();
        numbers(&good, "", &mut paths);
        for path in paths {
            let pointer = format!("/{}", path.replace('.', "/"));
            let old = good.pointer(&pointer).unwrap();
            let old = old.as_i64().unwrap_or_else(|| panic!("{path} is {old}"));
            for new in [old + 1, old - 1, old * 2 + 7, 0].into_iter().filter(|new| *new != old) {
                let mut changed = good.clone();
                *changed.pointer_mut(&pointer).unwrap() = new.into();
                if is_noticed(&changed) {
                    continue;
                }
                let pattern = not_covered(&path);
                unnoticed.insert(
                    pattern.unwrap_or_else(|| panic!("{path}: {old} became {new}\n{}", told(&record))),
                );
            }
        }
    }
    println!("not covered, and seen so: {unnoticed:?}");
    assert!(unnoticed.contains("epoch") && unnoticed.contains("history.config.buyInMax"));
}

/// A blind whose player then bet as much: without it the hand is another possible one.
fn bet_anyway(event: &Event, record: &HandRecord) -> bool {
    let Event::Posted { seat, amount, post, .. } = event else { return false };
    let blind = matches!(post, Post::SmallBlind | Post::BigBlind | Post::Live | Post::Straddle);
    let preflop =
        record.history.events.iter().take_while(|event| !matches!(event, Event::StreetDealt { .. }));
    let bet = |event: &Event| {
        matches!(event, Event::Acted { seat: at, total, action, .. }
        if at == seat && total >= amount && !matches!(action, Action::Fold | Action::Check))
    };
    blind && preflop.into_iter().any(bet)
}

#[test]
fn an_event_that_is_taken_out_or_told_twice_is_noticed() {
    let counts = |event: &Event| {
        matches!(
            event,
            Event::HandStarted { .. }
                | Event::Posted { .. }
                | Event::Acted { .. }
                | Event::StreetDealt { .. }
                | Event::Uncalled { .. }
                | Event::Raked { .. }
                | Event::PotWon { .. }
                | Event::HandEnded(_)
        )
    };
    // In a void hand every bet is returned, so a missing bet changes nothing.
    for record in records(0..40).filter(|record| !record.end.void) {
        for at in 0..record.history.events.len() {
            if !counts(&record.history.events[at]) {
                continue;
            }
            let mut shorter = record.clone();
            let event = shorter.history.events.remove(at);
            if bet_anyway(&event, &record) {
                continue;
            }
            assert!(money::check(&shorter, None).is_err(), "without {event:?}\n{}", told(&record));
            if matches!(event, Event::HandStarted { .. } | Event::HandEnded(_)) {
                continue;
            }
            let mut longer = record.clone();
            longer.history.events.insert(at, event.clone());
            assert!(money::check(&longer, None).is_err(), "twice {event:?}\n{}", told(&record));
        }
    }
}

/// A hand in which rake was taken and one player won one pot, and nobody was all-in.
fn raked() -> HandRecord {
    let one = |record: &HandRecord| {
        let won = record.history.events.iter().filter(|event| matches!(event, Event::PotWon { .. })).count();
        let other = |event: &Event| matches!(event, Event::Left { .. } | Event::Acted { all_in: true, .. });
        record.end.rake > 1 && won == 1 && !has(record, other)
    };
    records(0..SEEDS).find(one).unwrap()
}

/// Moves chips from the rake to the winner everywhere in the record, as who knows the format would.
fn underraked(record: &HandRecord, by: u64) -> HandRecord {
    let mut told = record.clone();
    let change = |end: &mut purr_engine::HandEnd, winner| {
        end.rake -= by;
        let result = end.results.iter_mut().find(|result| result.seat == winner).unwrap();
        result.delta += i64::try_from(by).unwrap();
        result.stack += by;
    };
    let mut winner = None;
    for event in &mut told.history.events {
        match event {
            Event::Raked { amount } => *amount -= by,
            Event::PotWon { seat, amount, stack, .. } => {
                winner = Some(*seat);
                (*amount, *stack) = (*amount + by, *stack + by);
            }
            Event::HandEnded(end) => change(end, winner.unwrap()),
            _ => {}
        }
    }
    change(&mut told.end, winner.unwrap());
    told
}

#[test]
fn what_differs_is_named() {
    let record = raked();
    let said = |record: &HandRecord| money::check(record, None).unwrap_err().to_string();

    let mut raised = record.clone();
    for event in &mut raised.history.events {
        if let Event::PotWon { amount, stack, .. } = event {
            (*amount, *stack) = (*amount + 100, *stack + 100);
        }
    }
    assert!(said(&raised).contains("pot 0, board 0: won by seat"), "{}", said(&raised));

    let mut shifted = record.clone();
    shifted.history.seats[0].stack += 1;
    // With one more chip the player need not be all-in, and owes another decision.
    assert!(
        said(&shifted).contains("seat") || said(&shifted).contains("no end of the hand"),
        "{}",
        said(&shifted)
    );

    let mut other_rake = record.clone();
    other_rake.end.rake += 1;
    assert!(said(&other_rake).starts_with("'end' is"), "{}", said(&other_rake));

    let mut fewer = record.clone();
    let acted = fewer.history.events.iter().rposition(|event| matches!(event, Event::Acted { .. }));
    fewer.history.events.remove(acted.unwrap());
    assert!(matches!(
        money::check(&fewer, None),
        Err(MoneyError::Unfinished(_) | MoneyError::Differs { .. })
    ));

    let mut strange = record;
    strange.history.config.big_blind = 0;
    assert!(matches!(money::check(&strange, None), Err(MoneyError::Config(_))));
}

#[test]
fn less_rake_than_the_rule_is_right_where_a_signed_receipt_says_so() {
    let record = raked();
    let told = underraked(&record, 1);
    let (recorded, rule) = (record.end.rake - 1, record.end.rake);
    assert_eq!(money::check(&told, None), Err(MoneyError::RakeBelowRule { recorded, rule }));
    assert!(money::check(&told, Some(recorded)).is_ok());
    assert!(money::check(&told, Some(rule)).is_err());
    // More rake than the rule is never right.
    let mut greedy = record;
    greedy.history.config.rake.caps = vec![purr_engine::RakeCap { players: 2, amount: rule - 1 }];
    assert!(money::check(&greedy, Some(rule)).is_err());
}

#[test]
fn fields_of_a_later_release_are_no_obstacle() {
    let mut value = serde_json::to_value(raked()).unwrap();
    value["sealedHoles"] = "more".into();
    value["history"]["thinkMs"] = serde_json::json!([1, 2, 3]);
    for event in value["history"]["events"].as_array_mut().unwrap() {
        if let Some(acted) = event.get_mut("acted") {
            acted["think_ms"] = 512.into();
        }
    }
    let record: HandRecord = serde_json::from_value(value).unwrap();
    assert!(money::check(&record, None).is_ok());
}
