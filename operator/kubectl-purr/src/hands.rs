//! A table's last hands, out of the gateway's API.

use crate::row::Row;
use serde_json::Value;

/// One row a hand of the API's `HandList`. Members that are not there stay empty.
pub fn rows(list: &Value, decimals: u32) -> Vec<Row> {
    let number = |hand: &Value, name: &str| hand[name].as_i64().unwrap_or_default();
    let row = |hand: &Value| {
        let results = hand["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rake = u64::try_from(number(hand, "rake")).unwrap_or_default();
        let ended = jiff::Timestamp::from_millisecond(number(hand, "endedAtMs"));
        let state = match (hand["void"].as_bool(), hand["conflict"].as_bool()) {
            (_, Some(true)) => "conflict",
            (Some(true), _) => "void",
            _ => hand["standing"].as_str().unwrap_or_default(),
        };
        Row::new([
            ("hand", number(hand, "hand").to_string()),
            ("ended", ended.map(|at| at.strftime("%F %T").to_string()).unwrap_or_default()),
            ("players", results.len().to_string()),
            ("rake", crate::vault::amount(rake, decimals)),
            ("standing", state.to_owned()),
        ])
    };
    list["hands"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::print::columns;
    use serde_json::json;

    #[test]
    fn a_hand_shows_when_it_ended_its_rake_and_what_the_chain_made_of_it() {
        let hand = |number: i64, void: bool, conflict: bool| {
            json!({"hand": number, "endedAtMs": 1_767_225_600_000_i64, "rake": 1_500_000, "results": [{}, {}, {}],
                "void": void, "conflict": conflict, "standing": "confirmed"})
        };
        let list =
            json!({"hands": [hand(9, false, false), hand(8, true, false), hand(7, false, true)], "next": 7});
        let text = columns(&rows(&list, 6));
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines[0], "9      2026-01-01 00:00:00   3         1.500000   confirmed");
        assert!(lines[1].ends_with("void") && lines[2].ends_with("conflict"), "{text}");
        assert!(rows(&json!({}), 6).is_empty());
    }
}
