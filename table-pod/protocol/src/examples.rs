//! The examples of the README: one for each message, the same in both encodings.

use crate::{CloseCode, Codec, pb};
use serde_json::Value;
use std::{fmt::Write, path::Path};

const HEAD: &str = "## 9. Every message\n";
const SCHEMA: &str = include_str!("../proto/purr/v1/player.proto");

/// Messages from the player, as JSON.
const ASKED: &[&str] = &[
    r#"{"id":"1","attach":{"token":"eyJ…","resume":{"epoch":"4","offset":"1207"}}}"#,
    r#"{"id":"2","renewToken":{"token":"eyJ…"}}"#,
    r#"{"id":"3","sit":{"seat":2,"amount":"10000","permit":{"amount":"10000","maxTotalRake":"1000","expiryS":"1790000000","nonce":"77","signature":"AAEC"}}}"#,
    r#"{"id":"4","topUp":{"amount":"500","permit":{"amount":"500","maxTotalRake":"50","expiryS":"1790000000","nonce":"78","signature":"AAEC"}}}"#,
    r#"{"id":"5","leave":{}}"#,
    r#"{"id":"6","sitOut":{}}"#,
    r#"{"id":"7","sitIn":{"post":true}}"#,
    r#"{"id":"8","act":{"hand":"12","kind":"ACTION_KIND_RAISE_TO","amount":"600","question":{"boardCards":3,"toMatch":"200"}}}"#,
    r#"{"id":"9","commitEntropy":{"commitment":"AAEC"}}"#,
    r#"{"id":"10","revealEntropy":{"hand":"13","entropy":"AAEC"}}"#,
    r#"{"id":"11","ping":{}}"#,
    r#"{"id":"12","straddle":{"on":true}}"#,
    r#"{"id":"13","runItTwice":{"hand":"12","agree":true}}"#,
    r#"{"id":"14","wishShow":{"wish":"SHOW_WISH_ASK"}}"#,
    r#"{"id":"15","showHand":{"hand":"12","show":true}}"#,
    r#"{"id":"16","say":{"reaction":"REACTION_NICE_HAND"}}"#,
    r#"{"id":"17","reportSaid":{"number":"31"}}"#,
    r#"{"id":"18","huntRabbit":{"hand":"12"}}"#,
];

/// Messages from the table, as JSON.
const TOLD: &[&str] = &[
    r#"{"epoch":"4","offset":"1207","snapshot":{"table":"0a0b0c0d-0000-4000-8000-000000000001","name":"play","seats":[{"seat":2,"player":"0x00…","stack":"9800","connected":true}],"seatCount":6,"smallBlind":"50","bigBlind":"100","buyInMin":"2000","buyInMax":"10000","hand":{"hand":"12","button":1,"board":["As","Kd","7c"],"pot":"300","players":[{"seat":2,"streetBet":"100","cards":["Th","Td"]},{"folded":true}],"toAct":2,"options":{"check":true,"raiseMin":"100","raiseMax":"9800"},"remainingMs":"21000"},"you":2,"lastHand":"12"}}"#,
    r#"{"epoch":"4","offset":"1208","ack":{"id":"8","atOffset":"1208"}}"#,
    r#"{"epoch":"4","offset":"1208","error":{"id":"8","code":"ERROR_CODE_AMOUNT","message":"a raise is to 200 at least","min":"200","max":"9800"}}"#,
    r#"{"epoch":"4","offset":"1208","tablePaused":{"reason":"the table moves to another server"}}"#,
    r#"{"epoch":"5","offset":"1208","tableResumed":{}}"#,
    r#"{"pong":{}}"#,
    r#"{"closing":{"code":1001,"reason":"the gateway stops"}}"#,
    r#"{"epoch":"4","offset":"1208","said":{"number":"31","seat":2,"player":"0x00…","text":"well played"}}"#,
];

const EVENTS: &[&str] = &[
    r#"{"seated":{"seat":2,"player":"0x00…","stack":"10000","waitsForBigBlind":true}}"#,
    r#"{"toppedUp":{"seat":2,"amount":"500","stack":"10300"}}"#,
    r#"{"satOut":{"seat":2}}"#,
    r#"{"satIn":{"seat":2,"waitsForBigBlind":true}}"#,
    r#"{"connection":{"seat":2,"connected":true}}"#,
    r#"{"left":{"seat":2,"stack":"10300"}}"#,
    r#"{"handStarted":{"hand":"12","button":1,"dealtIn":[2,4,1]}}"#,
    r#"{"posted":{"seat":2,"kind":"POST_KIND_SMALL_BLIND","amount":"50","stack":"9950"}}"#,
    r#"{"dealt":{"seat":2,"cards":[{"card":"Th","leaf":7,"salt":"AAEC","path":"AAEC"}]}}"#,
    r#"{"acted":{"seat":2,"kind":"ACTION_KIND_CALL","total":"100","stack":"9900"}}"#,
    r#"{"turn":{"seat":2,"remainingMs":"30000","options":{"call":"100","raiseMin":"200","raiseMax":"9900"}}}"#,
    r#"{"street":{"cards":[{"card":"As","leaf":3,"salt":"AAEC","path":"AAEC"}]}}"#,
    r#"{"uncalled":{"seat":2,"amount":"600","stack":"9800"}}"#,
    r#"{"shown":{"seat":4,"cards":[{"card":"Qh","leaf":9,"salt":"AAEC","path":"AAEC"}]}}"#,
    r#"{"mucked":{"seat":4}}"#,
    r#"{"raked":{"amount":"15"}}"#,
    r#"{"potWon":{"seat":2,"amount":"285","stack":"10085"}}"#,
    r#"{"handEnded":{"hand":"12","rake":"15","results":[{"seat":2,"delta":"185","stack":"10085"},{"seat":4,"delta":"-200","stack":"9800"}]}}"#,
    r#"{"clockPaused":{}}"#,
    r#"{"clockResumed":{}}"#,
    r#"{"deal":{"hand":"13","root":"AAEC","reveals":[{"seat":2,"entropy":"AAEC"}],"commitments":[{"seat":2,"commitment":"AAEC"}]}}"#,
    r#"{"settlement":{"seqFrom":"30","seqTo":"31","state":"SETTLEMENT_STATE_CONFIRMED","txHash":"0x00…"}}"#,
    r#"{"seating":{"seat":5,"player":"0x00…","state":"SEATING_STATE_RESERVED"}}"#,
    r#"{"dealVoided":{"hand":"13","total":"1","cause":"VOID_CAUSE_TOO_FEW_PLAYERS"}}"#,
    r#"{"entropyWithheld":{"seat":4,"hand":"13","inARow":1,"cause":"WITHHELD_CAUSE_SILENT"}}"#,
    r#"{"leaving":{"seat":4}}"#,
    r#"{"runItTwiceAsked":{"seats":[2,4],"remainingMs":"10000"}}"#,
    r#"{"runItTwiceAnswered":{"seat":2,"agree":true}}"#,
    r#"{"runItTwiceDecided":{"twice":true}}"#,
    r#"{"straddleWished":{"seat":2,"on":true}}"#,
    r#"{"showAsked":{"seats":[2],"remainingMs":"3000"}}"#,
    r#"{"rabbitHunted":{"seat":2,"hand":"12","cards":[{"card":"2d","leaf":11,"salt":"AAEC","path":"AAEC"}]}}"#,
    r#"{"permitNeeded":{"seat":2,"rakeLeft":"20","rakeMin":"300"}}"#,
    r#"{"stoodUp":{"seat":4,"cause":"STOOD_UP_CAUSE_TIME"}}"#,
    r#"{"staffPaused":{"reason":"a look at this table"}}"#,
];

/// Names of the fields of a message's `oneof`, as JSON has them.
fn kinds(message: &str) -> Vec<String> {
    let (_, body) = SCHEMA.split_once(&format!("message {message} {{")).unwrap();
    let (_, body) = body.split_once("oneof").unwrap();
    let (body, _) = body.split_once("  }\n").unwrap();
    let fields = body.lines().filter_map(|line| line.split_once(" = ")?.0.split_whitespace().last());
    let camel = |name: &str| {
        let mut parts = name.split('_');
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |text, part| text + &part[..1].to_uppercase() + &part[1..])
    };
    fields.map(camel).collect()
}

fn rows(text: &mut String, from: &str, names: &[String], examples: &[&str], encode: fn(&str) -> Vec<u8>) {
    writeln!(text, "\n{from}\n\n| message | JSON | binary |\n|---|---|---|").unwrap();
    for name in names {
        let example = examples.iter().find(|json| json.contains(&format!("\"{name}\":")));
        let json = example.unwrap_or_else(|| panic!("no example of {name}"));
        writeln!(text, "| `{name}` | `{json}` | `{}` |", hex::encode(encode(json))).unwrap();
    }
}

/// Checks that an example survives decoding and encoding, so that each of its fields is in the schema.
fn same(json: &str, again: &[u8]) {
    let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    assert_eq!(parsed(again), parsed(json.as_bytes()));
}

fn client(json: &str) -> Vec<u8> {
    let message: pb::ClientMessage = Codec::Json.decode_client(json.as_bytes()).unwrap();
    same(json, &Codec::Json.encode_client(&message).unwrap());
    Codec::Proto.encode_client(&message).unwrap().to_vec()
}

fn server(json: &str) -> Vec<u8> {
    let message: pb::ServerMessage = Codec::Json.decode_server(json.as_bytes()).unwrap();
    same(json, &Codec::Json.encode_server(&message).unwrap());
    Codec::Proto.encode_server(&message).unwrap().to_vec()
}

fn event(json: &str) -> Vec<u8> {
    server(&format!(r#"{{"epoch":"4","offset":"1208","events":{{"events":[{json}]}}}}"#))
}

#[test]
fn every_message_has_an_example_in_both_encodings() {
    let mut text = String::new();
    rows(&mut text, "From the player:", &kinds("ClientMessage"), ASKED, client);
    let told: Vec<String> = kinds("ServerMessage").into_iter().filter(|name| name != "events").collect();
    rows(&mut text, "From the table:", &told, TOLD, server);
    let from = "Events, several in a message `{\"epoch\":\"4\",\"offset\":\"1208\",\"events\":{\"events\":[…]}}`; the binary is that \
                of the message with this event alone:";
    rows(&mut text, from, &kinds("Event"), EVENTS, event);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(HEAD).unwrap();
    let (intro, _) = rest.split_once("\nFrom the player:").unwrap_or((rest, ""));
    let fresh = format!("{before}{HEAD}\n{}\n{text}", intro.trim());
    if std::env::var_os("PURR_GENERATE").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == fresh, "table-pod/protocol/README.md is out of date: make generate");
}

#[test]
fn every_close_code_and_error_code_is_described() {
    let readme = include_str!("../README.md");
    for code in CloseCode::ALL {
        assert!(readme.contains(&code.code().to_string()), "{code:?}");
    }
    let (_, codes) = SCHEMA.split_once("enum ErrorCode {").unwrap();
    let (codes, _) = codes.split_once('}').unwrap();
    let names = codes.lines().filter_map(|line| line.trim().strip_prefix("ERROR_CODE_")?.split_once(" ="));
    let names: Vec<&str> = names.map(|(name, _)| name).filter(|name| *name != "UNSPECIFIED").collect();
    assert!(names.len() > 10);
    for name in names {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}
