//! Records of hands, honest and not, in the library and through the binary.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use purr_client::verify::{self, Unproven};
use purr_engine::{
    Action, Ante, Betting, Card, ClockConfig, Command as Ask, Event, HouseRules, PlayerId, RakeConfig,
    SeatIndex, Table, TableConfig,
    deal::{Commitment, DealError, Reveal, SealedDeck, commitment},
    history::{HandHistory, SeatStart},
};
use purr_protocol::record::HandRecord;
use std::{path::Path, process::Command};

const SEATS: u8 = 3;

/// A hand that is checked down to a showdown, recorded as a table does it.
fn honest() -> HandRecord {
    let config = TableConfig {
        seats: SEATS,
        small_blind: 5,
        big_blind: 10,
        ante: Ante::None,
        betting: Betting::NoLimit,
        straddle: false,
        house: HouseRules::NONE,
        run_it_twice: false,
        buy_in_min: 10,
        buy_in_max: 1_000,
        rake: RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true },
        clock: ClockConfig {
            turn_ms: 1_000,
            time_bank_ms: 0,
            time_bank_gain_ms: 0,
            disconnect_ms: 1_000,
            time_bank_hands: 1,
            time_bank_max_ms: 0,
            disconnect_max_ms: 0,
            reconnect_grace_ms: 5_000,
            disconnect_total_ms: 300_000,
        },
        rat_hole_ms: 0,
    };
    let mut table = Table::new(config.clone()).unwrap();
    let mut seats = Vec::new();
    for number in 0..SEATS {
        let (seat, player, stack) = (SeatIndex(number), PlayerId([number; 20]), 100);
        table.apply(0, Ask::Sit { seat, player, stack }).unwrap();
        seats.push(SeatStart { seat, player, stack });
    }
    let sealed = SealedDeck::new(&[7; 32]).unwrap();
    let reveals = vec![Reveal { seat: 0, entropy: [1; 32] }, Reveal { seat: 2, entropy: [2; 32] }];
    let commitments = reveals
        .iter()
        .map(|Reveal { seat, entropy }| Commitment { seat: *seat, hash: commitment(entropy) })
        .collect();
    let deck = sealed.deck(&reveals).unwrap();
    let mut events = table.apply(0, Ask::StartHand { hand: 1, deck: deck.clone() }).unwrap();
    while let Some(seat) = table.to_act() {
        let legal = table.legal_actions(seat).unwrap();
        let action = if legal.check { Action::Check } else { Action::Call };
        events.extend(table.apply(0, Ask::Act { seat, action }).unwrap());
    }
    let seen = events.iter().flat_map(|event| match event {
        Event::StreetDealt { cards, .. } => cards.to_vec(),
        Event::Shown { cards, .. } => cards.to_vec(),
        _ => Vec::new(),
    });
    let opening = |card: Card| {
        let place = deck.cards().iter().position(|at| *at == card).unwrap();
        (u8::try_from(place).unwrap(), sealed.opening_of(card).unwrap())
    };
    let openings = seen.map(opening).collect();
    let Some(Event::HandEnded(end)) = events.last().cloned() else { panic!("the hand has ended") };
    // Seats from the one after the button to the button.
    if let Some(Event::HandStarted { dealt_in, .. }) = events.first() {
        seats.sort_by_key(|start: &SeatStart| dealt_in.iter().position(|seat| *seat == start.seat));
    }
    HandRecord {
        version: 1,
        table: "t".into(),
        epoch: 1,
        history: HandHistory::public(1, config, seats, &events),
        end,
        root: hex::encode(sealed.root()),
        commitments,
        reveals,
        openings,
        sealed: String::new(),
        audit: None,
        shown: purr_protocol::HistoryRule::default(),
        place: None,
        timings: Vec::new(),
        fair_play: None,
    }
}

fn board(record: &mut HandRecord) -> &mut [Card] {
    let street = record.history.events.iter_mut().find_map(|event| match event {
        Event::StreetDealt { cards, .. } => Some(cards),
        _ => None,
    });
    street.unwrap()
}

#[test]
fn a_record_that_shows_names_in_place_of_addresses_is_proven_as_well() {
    let real = honest();
    let mut text = serde_json::to_string(&real).unwrap();
    for (n, seat) in real.history.seats.iter().enumerate() {
        let name = format!("0x{}", format!("e{n}").repeat(20));
        text = text.replace(&seat.player.to_string(), &name);
    }
    let named: HandRecord = serde_json::from_str(&text).unwrap();
    assert_ne!(named.history.seats, real.history.seats);
    assert_eq!(verify::record(&named), verify::record(&real));
    assert!(verify::record(&named).is_ok());
}

#[test]
fn an_honest_record_is_proven_card_by_card() {
    let record = honest();
    let cards = record.openings.len();
    assert_eq!(verify::record(&record), Ok(verify::Proven { cards, withheld: Vec::new() }));
    assert!(record.openings.len() >= 7);
}

#[test]
fn what_does_not_agree_is_named() {
    let mut other_root = honest();
    other_root.root = "00".repeat(32);
    assert!(matches!(verify::record(&other_root), Err(Unproven::Deal(DealError::NotInDeck { .. }))));

    let mut no_root = honest();
    no_root.root = "root".into();
    assert_eq!(verify::record(&no_root), Err(Unproven::BadRoot("root".into())));

    let mut swapped = honest();
    board(&mut swapped).swap(0, 1);
    assert!(matches!(verify::record(&swapped), Err(Unproven::Place { .. })));

    let mut exchanged = honest();
    let unseen = Card::all().find(|card| !exchanged.openings.iter().any(|(_, open)| open.card == *card));
    board(&mut exchanged)[0] = unseen.unwrap();
    assert_eq!(verify::record(&exchanged), Err(Unproven::Bare(unseen.unwrap())));

    let mut ignored = honest();
    ignored.reveals.pop();
    assert!(matches!(verify::record(&ignored), Err(Unproven::Deal(DealError::WrongOrder { .. }))));

    let mut salted = honest();
    salted.openings[0].1.salt[0] ^= 1;
    assert!(matches!(verify::record(&salted), Err(Unproven::Deal(DealError::NotInDeck { .. }))));

    let mut headless = honest();
    headless.history.events.retain(|event| !matches!(event, Event::HandStarted { .. }));
    assert_eq!(verify::record(&headless), Err(Unproven::NoStart));
}

fn purr(words: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_purr")).args(words).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_binary_proves_a_file_or_says_what_is_wrong_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hand.json");
    let mut record = honest();
    // The hash covers the whole record, including the sealed part.
    record.sealed = "c2VhbGVk".into();
    std::fs::write(&file, record.to_bytes().unwrap()).unwrap();
    let (proven, said) = purr(&["verify", text(&file)]);
    assert!(proven && said.contains("cards proven against root"), "{said}");
    assert!(said.contains(&hex::encode(HandRecord::hash(&record.to_bytes().unwrap()))), "{said}");

    board(&mut record).swap(0, 1);
    std::fs::write(&file, record.to_bytes().unwrap()).unwrap();
    let (proven, said) = purr(&["verify", text(&file)]);
    assert!(!proven && said.contains("was dealt at place"), "{said}");
}

#[test]
fn the_binary_makes_a_key_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let (made, address) = purr(&["keygen", text(&file)]);
    assert!(made && address.starts_with("0x") && address.trim().len() == 42, "{address}");
    let key = std::fs::read(&file).unwrap();
    let (made, said) = purr(&["keygen", text(&file)]);
    assert!(!made && said.contains("File exists"), "{said}");
    assert_eq!(std::fs::read(&file).unwrap(), key);
}
