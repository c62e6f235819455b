//! Files in PHH as people, PokerKit and published datasets write them: all are read, and written again without loss.
//! Every hand here is invented.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use proptest::prelude::*;
use purr_engine::phh::{
    self, Amount, Chunks, Entry, NotPlain, Phh, PhhAction, PhhError, Stack, Value, Variant, read,
    read_as_toml, read_fast,
};

/// Every field of the specification, and some that are not in it.
const ALL_FIELDS: &str = r##"# A hand that never was.
variant = "NT"   # no-limit
antes = [500, 500, 500,]
blinds_or_straddles = [
  1000, # small
  2000,
  0.0,
]
min_bet = 2_000
starting_stacks = [1125600, inf, 553500.75]
actions = [
  # Pre-flop
  "d dh p1 Ac2d",  # first
  'd dh p2 ????',
  "d dh p3 7h6h",
  "",
  "# A long silence",
  "p3 cbr 7000 # a look, then the chips",
  "p1 cbr 23000",
  "p2 f",
  "p3 cc",
  "d db Jc3d5c", "p1 cbr 35000", "p3 cc", "d db 4h",
  "p1 cbr 90000", "p3 cbr 232600", "p1 cbr 1067100", "p3 cc",
  "p1 sm Ac2d", "p3 sm -", "d db Jh",
]
author = "A. N. Other"
event = "An Event"
url = "https://example.test/?a=1"
venue = 'The "Venue"'
address = "1, O'Road"
city = "Town"
region = "Region"
postal_code = "00000"
country = "Country"
time = 21:07:05.25
time_zone = "America/Toronto"
time_zone_abbreviation = "EDT"
day = 28
month = 6
year = 2019
hand = "12-a"
level = 3
seats = [4, 1, 2]
seat_count = 6
table = 7
players = ["Señor Ä", "", "the \"kid\" \\ \t \u00e9"]
finishing_stacks = [572_100, nan, 1109000]
winnings = [0, 0, 1109000.00]
currency = "USD"
currency_symbol = "$"
ante_trimming_status = true
time_limit = inf
time_banks = [60, 12.5, 60]
future_field = [1, [2.50, "x"], true]
_sponsors = ["", 'None', ""]
"##;

fn one(text: &str) -> Phh {
    Phh::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn again(hand: &Phh) -> Phh {
    one(&hand.to_text().unwrap())
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A small hand with these lines beside it.
fn small(lines: &str) -> String {
    format!(
        "variant = 'NT'\nantes = [0, 0]\nblinds_or_straddles = [1, 2]\nmin_bet = 2\n\
         starting_stacks = [50, 50]\nactions = ['d dh p1 ????', 'd dh p2 ????', 'p2 f']\n{lines}"
    )
}

#[test]
fn every_field_is_read_and_written_again() {
    let hand = one(ALL_FIELDS);
    assert_eq!(hand.variant, Variant::NoLimit);
    assert!(hand.ante_trimming_status);
    assert_eq!(hand.min_bet, Some(amount("2000")));
    let stacks = hand.starting_stacks.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(stacks, ["1125600", "inf", "553500.75"]);
    assert_eq!(hand.finishing_stacks.as_ref().unwrap()[1], Stack::Nan);
    assert_eq!(hand.players.as_ref().unwrap()[2], "the \"kid\" \\ \t é");
    assert_eq!(hand.actions[3].action, PhhAction::Nothing);
    assert_eq!(hand.actions[4].comment.as_deref(), Some(" A long silence"));
    assert_eq!(hand.actions[5].comment.as_deref(), Some(" a look, then the chips"));
    let field = |name: &str| hand.field(name).unwrap_or_else(|| panic!("{name}")).clone();
    assert_eq!(field("venue"), Value::from("The \"Venue\""));
    assert_eq!(field("time"), Value::Time("21:07:05.25".into()));
    assert_eq!(field("time_limit"), Value::Number("inf".into()));
    assert_eq!(field("year").integer(), Some(2019));
    assert_eq!(field("hand").text(), Some("12-a"));
    assert_eq!(field("future_field").to_string(), "[1, [2.50, 'x'], true]");
    for name in
        "author event url address city region postal_code country time_zone time_zone_abbreviation day month \
         level seats seat_count table currency currency_symbol time_banks _sponsors"
            .split_whitespace()
    {
        field(name);
    }
    assert_eq!(again(&hand), hand);
    assert_eq!(read_as_toml(ALL_FIELDS).unwrap()[0].hand.as_ref(), Ok(&hand));
}

#[test]
fn a_fixed_limit_hand_keeps_its_two_bets() {
    let text = small("").replace("'NT'", "'FT'").replace("min_bet = 2", "small_bet = 2\nbig_bet = 4.0");
    let hand = one(&text);
    assert_eq!((hand.variant, hand.big_bet, hand.min_bet), (Variant::FixedLimit, Some(amount("4.0")), None));
    assert_eq!(again(&hand), hand);
}

#[test]
fn what_the_fast_reader_leaves_to_the_toml_crate_is_read_all_the_same() {
    let unusual = [
        "_text = '''\nover\nlines'''",
        "_text = \"\"\"\n[1]\nvariant = 'NT'\\\n   ends\"\"\"",
        "_inline = {a = 1, b = [true]}",
        "_a.b.c = 1",
        "'quoted key' = 1",
        "_date = 2019-06-28",
        "_both = 2019-06-28T21:00:00Z",
        "_hex = 0xFF",
        "[_own]\nkey = 'value'\n[_own.deeper]\nx = 1",
    ];
    for lines in unusual {
        let text = small(lines);
        assert_eq!(read_fast(&text), None, "{lines}");
        let hand = one(&text);
        assert_eq!(again(&hand), hand, "{lines}");
    }
    assert_eq!(one(&small("_hex = 0xFF")).field("_hex").unwrap().integer(), Some(255));
    assert_eq!(
        one(&small(unusual[8])).field("_own").unwrap().to_string(),
        "{key = 'value', deeper = {x = 1}}"
    );
}

#[test]
fn windows_line_ends_a_byte_order_mark_and_indents_are_read() {
    let hand = one(&small("hand = 1"));
    assert_eq!(one(&small("hand = 1").replace('\n', "\r\n")), hand);
    assert_eq!(one(&format!("\u{feff}{}", small("hand = 1"))), hand);
    assert_eq!(one(&small("  hand\t=  1  # first")), hand);
}

#[test]
fn stacks_may_be_null_as_the_specification_says_though_toml_does_not() {
    let text = small("").replace("[50, 50]", "[null, 50]");
    let hand = one(&text);
    assert_eq!(hand.starting_stacks[0], Stack::Null);
    assert_eq!(again(&hand), hand);
    assert!(read_as_toml(&text).is_err());
}

#[test]
fn hands_of_a_collection_come_in_their_order_and_with_their_lines() {
    let text: String = [10, 2, 1].map(|name| format!("[{name}]\n{}\n\n", small("hand = 3"))).concat();
    let entries = read(&text).unwrap();
    let told: Vec<(&str, usize)> = entries.iter().map(|entry| (entry.name.as_str(), entry.line)).collect();
    assert_eq!(told, [("10", 1), ("2", 10), ("1", 19)]);
    assert_eq!(read_as_toml(&text).as_ref(), Ok(&entries));
    let hands = entries.iter().map(|entry| (entry.name.as_str(), entry.hand.as_ref().unwrap()));
    let written = phh::write_all(hands);
    let strip = |entries: &[Entry]| {
        entries.iter().map(|entry| (entry.name.clone(), entry.hand.clone())).collect::<Vec<_>>()
    };
    assert_eq!(strip(&read(&written).unwrap()), strip(&entries));
    assert_eq!(Phh::parse(&text), Err(PhhError::Hands(3)));
    assert_eq!(read("").unwrap(), []);
}

#[test]
fn one_hand_that_cannot_be_read_keeps_no_other_from_being_read() {
    let other_game = small("").replace("'NT'", "'F2L3D'").replace("'p2 f'", "'p1 sd', 'p2 sd 2c3c'");
    let broken = small("hand = = 1");
    let sections = [small(""), other_game, broken, small("players = ['a', 'b']")];
    let text: String = sections.iter().zip(1..).map(|(hand, name)| format!("[{name}]\n{hand}\n")).collect();
    let entries = read(&text).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    assert!(entries[0].hand.is_ok() && entries[3].hand.is_ok());
    assert_eq!(entries[1].hand, Err(PhhError::Variant { line: 9, code: "F2L3D".into() }));
    let syntax = entries[2].hand.as_ref().unwrap_err();
    assert!(matches!(syntax, PhhError::Syntax { line: 24, .. }), "{syntax}");
    assert_eq!((entries[2].line, entries[3].line), (17, 25));
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_field() {
    let cases = [
        (small("").replace("'NT'", "'PO'"), "line 1: variant 'PO' is not played here: only NT and FT are"),
        (small("").replace("'NT'", "7"), "line 1: field 'variant': want a string, found a number"),
        (small("").replace("antes = [0, 0]\n", ""), "line 1: the hand has no field 'antes'"),
        (small("").replace("[0, 0]", "[0]"), "field 'antes': 1 entries for 2 players"),
        (small("").replace("[0, 0]", "[0, -1]"), "field 'antes': an amount below 0"),
        (small("").replace("[0, 0]", "[0, inf]"), "line 2: field 'antes': 'inf' is no amount"),
        (small("").replace("[0, 0]", "'0'"), "line 2: field 'antes': want an array, found a string"),
        (small("").replace("[0, 0]", "[0, 'x']"), "line 2: field 'antes': want amounts, found a string"),
        (small("").replace("[50, 50]", "[50, 0]"), "every stack must be above 0"),
        (small("").replace("[50, 50]", "[50]"), "field 'starting_stacks': 1 players: must be 2 to 10"),
        (
            small("").replace("[50, 50]", "[50, 0.12345678901234567891]"),
            "line 5: field 'starting_stacks': '0.12345678901234567891' has more digits",
        ),
        (small("").replace("min_bet = 2", "min_bet = 'two'"), "field 'min_bet': want an amount"),
        (
            small("").replace("'p2 f'", "'p2 g'"),
            "line 6: field 'actions[3]': 'p2 g' is not an action of Hold'em",
        ),
        (small("").replace("'p2 f'", "'p1 pb'"), "'p1 pb' is an action of another game than Hold'em"),
        (small("").replace("'p2 f'", "7"), "field 'actions': want strings, found a number"),
        (small("players = ['a']"), "field 'players': 1 entries for 2 players"),
        (small("hand = 1\nhand = 2"), "not TOML"),
        (small("_x = [1"), "not TOML"),
    ];
    for (text, wanted) in cases {
        let error = Phh::parse(&text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted}\n{error}");
    }
    assert!(matches!(Phh::parse(&" ".repeat(2 << 20)), Err(PhhError::TooLong { .. })));
    assert_eq!(Phh::parse(""), Err(PhhError::Hands(0)));
}

fn token() -> impl Strategy<Value = String> {
    let tokens = [
        "'a'",
        "\"b\\n\"",
        "\"\\u00e9\"",
        "\"\\q\"",
        "1",
        "-7",
        "+7",
        "007",
        "1_0",
        "1__0",
        "2.50",
        "2.",
        ".5",
        "1e3",
        "1e400",
        "inf",
        "-inf",
        "nan",
        "true",
        "TRUE",
        "12:00:01",
        "25:00:00",
        "12:00",
        "12:00:01.5",
        "2019-06-28",
        "[",
        "]",
        "[]",
        ",",
        "{",
        "}",
        "{a = 1}",
        "#",
        "# note",
        "\n",
        "\r\n",
        "\r",
        "=",
        " = ",
        "'''x'''",
        "\"\"\"y\"\"\"",
        "key",
        "_k",
        "a.b",
        "\"q k\"",
        "é",
        "\u{7f}",
        "\u{1}",
        "\t",
        " ",
        "0xF",
        "9223372036854775807",
        "9223372036854775808",
        "[1, 'x',]",
        "\\",
        "'",
        "\"",
    ];
    prop_oneof![Just("\n_x = ".to_owned()), prop::sample::select(tokens.to_vec()).prop_map(String::from)]
}

/// Numbers in TOML: `null`, which the fast reader also accepts, is not one of them.
fn written_amount() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0u64..1_000_000).prop_map(|number| number.to_string()),
        1 => "[0-9]{1,20}",
        1 => "[-+]?[0-9]{1,4}(_[0-9]{3})?(\\.[0-9]{0,3})?(e[0-9])?",
        1 => prop::sample::select(vec!["inf", "nan", "-nan", "-0", "00", "7 ", "7#", "'7'", ""])
            .prop_map(String::from),
    ]
}

fn written_action() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "p[0-9] (f|cc|sm|cbr [0-9]{1,5})",
        2 => "(d dh p[0-9]|d db|p[0-9] sm) ([2-9TJQKA][cdhs]){0,6}",
        2 => "[pd0-9?]{0,3} ?(f|cc|sm|sd|cbr|dh|db)? {0,2}[0-9cdhsTJ?.#-]{0,7}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Texts that the fast reader accepts are TOML, and mean what the toml crate reads.
    #[test]
    fn the_fast_reader_and_the_toml_crate_never_disagree(tokens in prop::collection::vec(token(), 0..12)) {
        let text = small(&format!("_y = 1\n_x = {}", tokens.concat()));
        if let Some(entries) = read_fast(&text) {
            prop_assert_eq!(Ok(entries), read_as_toml(&text), "{}", text);
        }
    }

    /// Numbers and actions that are written plainly have a way of their own through the fast reader.
    #[test]
    fn the_fast_reader_and_the_toml_crate_read_the_same_amounts_and_actions(
        amounts in prop::collection::vec(written_amount(), 3),
        bet in written_amount(),
        actions in prop::collection::vec(written_action(), 0..6),
    ) {
        let (amounts, actions) = (amounts.join(", "), actions.join("', '"));
        let text = format!(
            "[a]\nvariant = 'NT'\nantes = [0, 0, 0]\nblinds_or_straddles = [1, 2, 0]\nmin_bet = {bet}\n\
             starting_stacks = [{amounts}]\nactions = ['{actions}']\n"
        );
        if let Some(entries) = read_fast(&text) {
            prop_assert_eq!(Ok(entries), read_as_toml(&text), "{}", text);
        }
    }

    #[test]
    fn whatever_is_read_is_written_and_read_the_same(tokens in prop::collection::vec(token(), 0..12)) {
        if let Ok(hand) = Phh::parse(&small(&format!("_x = {}", tokens.concat()))) {
            prop_assert_eq!(Phh::parse(&hand.to_text().unwrap()), Ok(hand));
        }
    }

    #[test]
    fn no_text_brings_the_reader_down(text in "\\PC{0,200}") {
        let _ = read(&text);
        let _ = read(&format!("[1]\n{text}"));
    }
}

/// Reads hands in chunks; returns them and whether the end was reached.
fn in_chunks(text: &str, most: usize) -> (Vec<Entry>, bool) {
    let (mut chunks, mut all) = (Chunks::new(text), Vec::new());
    loop {
        match chunks.next(most) {
            Ok(entries) if entries.is_empty() => return (all, true),
            Ok(entries) => {
                assert!(entries.len() <= most);
                all.extend(entries);
            }
            Err(NotPlain) => {
                assert_eq!(chunks.next(most), Err(NotPlain), "it stays so");
                return (all, false);
            }
        }
    }
}

#[test]
fn a_file_read_in_chunks_has_the_same_hands() {
    let hand = small("_x = 1\n# after it\n\n_y = [1,\n 2]");
    let many: String = (0..7).map(|name| format!("# before\n[{name}]\n{hand}\n")).collect();
    for text in ["", "# nothing\n", &hand, &many, &format!("\u{feff}{many}"), "[1]\n[2]\nvariant = 'NT'\n"] {
        for most in [1, 2, 3, 7, 100] {
            assert_eq!(in_chunks(text, most), (read(text).unwrap(), true), "{most} of {text}");
        }
    }
}

#[test]
fn a_file_that_is_not_plain_is_not_read_in_chunks_to_its_end() {
    let hand = small("_x = 1");
    for end in ["[1]\n", "[2]\n_x = {a = 1}\n", "[2]\n_x = 1\n_x = 2\n", "]"] {
        let (entries, whole) = in_chunks(&format!("[1]\n{hand}{end}"), 1);
        assert!(!whole && entries.len() <= 1, "{end}");
    }
}
