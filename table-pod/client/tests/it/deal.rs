//! Hands of a real table session, in process: verified, audited, cheated with; and what stays hidden.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use base64::{Engine, engine::general_purpose::STANDARD};
use purr_client::{
    audit::audit,
    verify::{self, Unproven},
};
use purr_engine::{
    Ante, Betting, Card, ClockConfig, Command as Ask, Event, HouseRules, PlayerId, RakeConfig, SeatIndex,
    Table, TableConfig,
    deal::{self, DealError, Hash, Leaves, commitment},
};
use purr_protocol::{
    Currency, Settlement, TableSpec,
    audit::{AuditError, AuditorSecret},
    pb::{self, client_message::Body},
    record::HandRecord,
};
use purr_store::{DataKeys, Sealer};
use purr_table::core::{Core, Input, Pace, Recording, Shown, State, Step};
use std::{path::Path, process::Command, sync::Arc};

const SEATS: u8 = 4;

fn config(run_it_twice: bool) -> TableConfig {
    TableConfig {
        seats: SEATS,
        small_blind: 5,
        big_blind: 10,
        ante: Ante::None,
        betting: Betting::NoLimit,
        straddle: false,
        house: HouseRules::NONE,
        run_it_twice,
        buy_in_min: 10,
        buy_in_max: 1_000_000,
        rake: RakeConfig { basis_points: 0, caps: Vec::new(), no_flop_no_drop: true },
        clock: ClockConfig {
            turn_ms: 15_000,
            time_bank_ms: 0,
            time_bank_gain_ms: 0,
            disconnect_ms: 10_000,
            time_bank_hands: 1,
            time_bank_max_ms: 0,
            disconnect_max_ms: 10_000,
            reconnect_grace_ms: 5_000,
            disconnect_total_ms: 300_000,
        },
        rat_hole_ms: 0,
    }
}

fn player(seat: u8) -> PlayerId {
    PlayerId([seat + 1; 20])
}

fn auditor() -> AuditorSecret {
    AuditorSecret::derive(&[5; 32])
}

/// The record of a hand.
struct Played {
    record: HandRecord,
    bytes: Vec<u8>,
    /// Every message to each seat and to a spectator (the last), as JSON.
    views: Vec<String>,
}

/// A table whose seats 0 and 2 give entropy.
struct Session {
    core: Core,
    now: u64,
    id: u64,
    dice: u64,
    views: Vec<String>,
    record: Option<Vec<u8>>,
}

impl Session {
    fn new(run_it_twice: bool) -> Self {
        let config = config(run_it_twice);
        let mut table = Table::new(config.clone()).unwrap();
        for seat in 0..SEATS {
            table.apply(0, Ask::Sit { seat: SeatIndex(seat), player: player(seat), stack: 100_000 }).unwrap();
        }
        let spec = TableSpec {
            name: "deal".into(),
            engine: config,
            currency: Currency { token: String::new(), decimals: 6, unit: "PLAY".into() },
            settlement: Settlement { vault: String::new(), chain_id: 1, max_hands: 1, max_delay_ms: 0 },
            paused: false,
            history: purr_protocol::HistoryRule::default(),
            room: Default::default(),
        };
        let sealer = Sealer::new(Arc::new(DataKeys::ephemeral([1; 32])), "0a");
        let core =
            Core::new(65_536, spec, State::new(table), sealer, Pace { hand_gap_ms: 1, reveal_ms: 500 });
        let core =
            core.with_recording(Recording { auditor: Some(auditor().public()), ..Recording::default() });
        let views = vec![String::new(); usize::from(SEATS) + 1];
        let mut session = Self { core, now: 0, id: 0, dice: 7, views, record: None };
        let step = session.core.restart(0, Vec::new());
        session.see(step);
        for seat in 0..SEATS {
            session.input(Input::Connected { player: player(seat) });
        }
        session
    }

    fn input(&mut self, input: Input) {
        let step = self.core.handle(self.now, input);
        self.see(step);
    }

    fn see(&mut self, step: Step) {
        if let Some(shown) = &step.shown {
            self.show(shown);
        }
        if let Some(entry) = step.hand {
            self.record = Some(entry.record.to_vec());
        }
        // A snapshot at every step: a viewer who attaches now must not see more than one who was there.
        for viewer in 0..=SEATS {
            let snapshot = self.core.snapshot_for(player(viewer));
            self.views[usize::from(viewer)].push_str(&serde_json::to_string(&snapshot).unwrap());
        }
    }

    fn show(&mut self, shown: &Shown) {
        for viewer in 0..=SEATS {
            if let Some(events) = shown.for_player(player(viewer)) {
                self.views[usize::from(viewer)].push_str(&serde_json::to_string(&events).unwrap());
            }
        }
    }

    fn say(&mut self, seat: u8, body: Body) {
        self.id += 1;
        let message = pb::ClientMessage { id: self.id, body: Some(body) };
        self.input(Input::Message { connection: 1, player: player(seat), message });
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % sides
    }

    fn tick(&mut self) {
        self.now = self.core.next_deadline().unwrap().max(self.now);
        let mut seed = [3; 32];
        seed[..8].copy_from_slice(&self.id.to_be_bytes());
        self.input(Input::Tick { seed });
    }

    fn play(&mut self, withheld: Option<u8>, shove: bool) -> Played {
        self.views.iter_mut().for_each(String::clear);
        let hand = self.core.state().table.last_hand() + 1;
        let entropy = |seat: u8| -> Hash { [seat + u8::try_from(hand).unwrap(); 32] };
        for seat in [0, 2] {
            let commitment = commitment(&entropy(seat)).to_vec();
            self.say(seat, Body::CommitEntropy(pb::CommitEntropy { commitment }));
        }
        self.tick();
        for seat in [0, 2].into_iter().filter(|seat| Some(*seat) != withheld) {
            let entropy = entropy(seat).to_vec();
            self.say(seat, Body::RevealEntropy(pb::RevealEntropy { hand, entropy }));
        }
        while self.core.state().table.hand().is_none() && self.record.is_none() {
            self.tick();
        }
        while self.record.is_none() {
            if let Some(seat) = self.core.state().table.asked_twice().iter().next() {
                self.say(seat.0, Body::RunItTwice(pb::RunItTwice { hand, agree: true }));
                continue;
            }
            let seat = self.core.state().table.to_act().unwrap();
            let legal = self.core.state().table.legal_actions(seat).unwrap();
            let (kind, amount) = match (self.roll(12), legal.raise_to) {
                (_, Some((_, max))) if shove => (pb::ActionKind::RaiseTo, max),
                (0, Some((min, _))) => (pb::ActionKind::RaiseTo, min),
                (1, _) if !shove => (pb::ActionKind::Fold, 0),
                _ if legal.check => (pb::ActionKind::Check, 0),
                _ => (pb::ActionKind::Call, 0),
            };
            self.say(seat.0, Body::Act(pb::Act { hand, kind: kind.into(), amount, question: None }));
        }
        let bytes = self.record.take().unwrap();
        let record = serde_json::from_slice(&bytes).unwrap();
        Played { record, bytes, views: self.views.clone() }
    }
}

/// A hand that came to a showdown.
fn shown_down() -> HandRecord {
    let mut session = Session::new(false);
    let shown = |record: &HandRecord| record.history.events.iter().any(|e| matches!(e, Event::Shown { .. }));
    (0..50).map(|_| session.play(None, false).record).find(shown).unwrap()
}

fn leaves_of(record: &HandRecord) -> Leaves {
    auditor().open(record.audit.as_ref().unwrap(), &record.about()).unwrap()
}

fn root_of(record: &HandRecord) -> Hash {
    let mut root = [0; 32];
    hex::decode_to_slice(&record.root, &mut root).unwrap();
    root
}

/// The record of a table that dealt from these leaves: every visible card and proof is from them.
fn dealt_from(record: &HandRecord, leaves: &Leaves) -> HandRecord {
    let mut told = HandRecord { root: hex::encode(leaves.root()), ..record.clone() };
    let order = deal::deal_order(&leaves.root(), &record.reveals).unwrap();
    let mut other = std::collections::HashMap::new();
    for (place, opening) in &mut told.openings {
        let dealt = leaves.opening(order[usize::from(*place)]).unwrap();
        other.insert(opening.card, dealt.card);
        *opening = dealt;
    }
    for event in &mut told.history.events {
        match event {
            Event::StreetDealt { cards, .. } => cards.iter_mut().for_each(|card| *card = other[card]),
            Event::Shown { cards, .. } => cards.iter_mut().for_each(|card| *card = other[card]),
            _ => {}
        }
    }
    told.audit = Some(auditor().public().seal_leaves(&[9; 32], leaves, &told.about()).unwrap());
    told
}

fn first_board_card(record: &mut HandRecord) -> &mut Card {
    let street = record.history.events.iter_mut().find_map(|event| match event {
        Event::StreetDealt { cards, .. } => Some(cards),
        _ => None,
    });
    &mut street.unwrap()[0]
}

fn unseen(record: &HandRecord) -> Card {
    Card::all().find(|card| !record.openings.iter().any(|(_, open)| open.card == *card)).unwrap()
}

#[test]
fn every_hand_of_a_session_is_proven_by_its_record_and_by_the_auditor() {
    let mut session = Session::new(false);
    for round in 0..30 {
        let withheld = (round % 10 == 4).then_some(2);
        let Played { record, .. } = session.play(withheld, false);
        let proven = verify::record(&record).unwrap();
        assert_eq!(proven.withheld, Vec::from_iter(withheld));
        assert_eq!(record.reveals.len(), if withheld.is_some() { 1 } else { 2 });
        let audited = audit(&record, &auditor()).unwrap();
        assert_eq!((audited.seen, audited.holes.len()), (proven.cards, usize::from(SEATS)));
        let deck = deal::audit(&root_of(&record), &record.reveals, &leaves_of(&record)).unwrap();
        assert_eq!(audited.deck, deck);
    }
}

#[test]
fn both_boards_of_a_hand_that_is_run_twice_are_proven() {
    let Played { record, .. } = Session::new(true).play(None, true);
    let second =
        record.history.events.iter().filter(|e| matches!(e, Event::StreetDealt { board: 1, .. })).count();
    assert_eq!(second, 3, "flop, turn and river come again");
    let proven = verify::record(&record).unwrap();
    assert!(proven.cards >= 10 + 4, "{} cards", proven.cards);
    assert_eq!(audit(&record, &auditor()).unwrap().seen, proven.cards);
    let mut swapped = record;
    let streets: Vec<&mut Event> =
        swapped.history.events.iter_mut().filter(|e| matches!(e, Event::StreetDealt { .. })).collect();
    let [Event::StreetDealt { cards: one, .. }, .., Event::StreetDealt { board: 1, cards: other, .. }, _, _] =
        &mut streets.into_iter().collect::<Vec<_>>()[..]
    else {
        panic!("six streets")
    };
    std::mem::swap(&mut one[0], &mut other[0]);
    assert!(matches!(verify::record(&swapped), Err(Unproven::Place { .. })));
}

#[test]
fn a_table_that_swaps_a_card_is_caught() {
    // The forgery is in the history alone.
    let mut told = shown_down();
    let other = unseen(&told);
    *first_board_card(&mut told) = other;
    assert_eq!(verify::record(&told), Err(Unproven::Bare(other)));
    assert!(matches!(audit(&told, &auditor()), Err(Unproven::Place { card, .. }) if card == other));
    // The forgery comes with an opening.
    let before = *first_board_card(&mut shown_down());
    let mut opened = told.clone();
    let opening = opened.openings.iter_mut().find(|(_, open)| open.card == before).unwrap();
    opening.1.card = other;
    let leaf = opening.1.leaf;
    let wrong = Unproven::Deal(DealError::NotInDeck { leaf, card: other });
    assert_eq!(verify::record(&opened), Err(wrong));
    assert!(matches!(audit(&opened, &auditor()), Err(Unproven::Place { .. })));
    // The forgery is also in the auditor's part, whose leaves then do not match the root.
    let mut sealed = shown_down();
    let mut leaves: [(Card, Hash); 52] = std::array::from_fn(|leaf| {
        let open = leaves_of(&sealed).opening(u8::try_from(leaf).unwrap()).unwrap();
        (open.card, open.salt)
    });
    (leaves[0].0, leaves[1].0) = (leaves[1].0, leaves[0].0);
    let other = auditor().public().seal_leaves(&[9; 32], &Leaves::new(leaves), &sealed.about()).unwrap();
    sealed.audit = Some(other);
    assert_eq!(audit(&sealed, &auditor()), Err(Unproven::Deal(DealError::OtherDeck)));
}

#[test]
fn a_table_that_doubles_a_card_is_caught_by_the_auditor_though_nobody_saw_both() {
    let record = shown_down();
    let honest = leaves_of(&record);
    let (mut unseen_twins, mut seen_twins) = (0, 0);
    let pairs = (0..8u8).flat_map(|base| (0..52u8).map(move |twin| (base, twin)));
    for (base, twin) in pairs.filter(|(base, twin)| base != twin) {
        let doubled = Leaves::new(std::array::from_fn(|leaf| {
            let leaf = u8::try_from(leaf).unwrap();
            let card = honest.card(if leaf == twin { base } else { leaf }).unwrap();
            (card, honest.opening(leaf).unwrap().salt)
        }));
        let card = doubled.card(base).unwrap();
        let told = dealt_from(&record, &doubled);
        let twice = Err(Unproven::Deal(DealError::CardTwice(card)));
        match verify::record(&told) {
            // All visible cards are in order; only the whole deck exposes the fault.
            Ok(_) => unseen_twins += 1,
            Err(_) => seen_twins += 1,
        }
        assert_eq!(audit(&told, &auditor()), twice);
    }
    assert!(unseen_twins > 300 && seen_twins > 0, "{unseen_twins} unseen, {seen_twins} seen");
}

#[test]
fn a_table_that_chooses_the_order_is_caught() {
    let mut record = shown_down();
    let order = deal::deal_order(&root_of(&record), &record.reveals).unwrap();
    // The board's first card comes from a place that was never dealt.
    let leaf = order[40];
    let better = leaves_of(&record).opening(leaf).unwrap();
    let before = *first_board_card(&mut record);
    *first_board_card(&mut record) = better.card;
    let (place, opening) = record.openings.iter_mut().find(|(_, open)| open.card == before).unwrap();
    let place = usize::from(*place);
    let wrong = DealError::WrongOrder { place, card: better.card, leaf, wanted: opening.leaf };
    let card = better.card;
    *opening = better;
    assert_eq!(verify::record(&record), Err(Unproven::Deal(wrong)));
    assert_eq!(audit(&record, &auditor()), Err(Unproven::Place { card, wanted: place, found: 40 }));
}

#[test]
fn a_table_that_ignores_a_reveal_is_caught() {
    // The table deals from one reveal and shows two.
    let withheld = Session::new(false).play(Some(2), false).record;
    let mut ignored = shown_down();
    let second = ignored.reveals.pop().unwrap();
    let wrong = |result| matches!(result, Err(Unproven::Deal(DealError::WrongOrder { .. })));
    assert!(wrong(verify::record(&ignored)), "the order is not the one of the reveals that are left");
    assert!(audit(&ignored, &auditor()).is_err());
    // The table replaces the reveal.
    let mut forged = shown_down();
    forged.reveals[1].entropy[0] ^= 1;
    assert_eq!(verify::record(&forged), Err(Unproven::Deal(DealError::WrongReveal(second.seat))));
    assert!(audit(&forged, &auditor()).is_err());
    // The table denies that there was a commitment.
    let mut denied = shown_down();
    denied.commitments.retain(|committed| committed.seat != second.seat);
    assert_eq!(verify::record(&denied), Err(Unproven::Deal(DealError::NotCommitted(second.seat))));
    // The table claims that the reveal never arrived, and deals without it: the record names the seat, whose owner can
    // prove otherwise.
    assert_eq!(verify::record(&withheld).unwrap().withheld, [2]);
}

#[test]
fn the_auditors_part_belongs_to_its_hand_and_its_key() {
    let record = shown_down();
    let mut other = record.clone();
    other.epoch += 1;
    assert_eq!(audit(&other, &auditor()), Err(Unproven::Audit(AuditError::Forged)));
    let stranger = AuditorSecret::derive(&[6; 32]);
    assert!(matches!(audit(&record, &stranger), Err(Unproven::Audit(AuditError::OtherKey { .. }))));
    let none = HandRecord { audit: None, ..record };
    assert_eq!(audit(&none, &auditor()), Err(Unproven::NoAudit));
}

/// A card in a message stands in quotes, a salt in base64 (to players) or hex (in records).
fn shows(text: &str, leaf: u8, leaves: &Leaves) -> bool {
    let open = leaves.opening(leaf).unwrap();
    text.contains(&format!("\"{}\"", open.card))
        || text.contains(&STANDARD.encode(open.salt))
        || text.contains(&hex::encode(open.salt))
}

#[test]
fn mucked_and_undealt_cards_stay_hidden_from_every_seat_and_from_the_record() {
    let mut session = Session::new(false);
    let (mut mucked, mut hidden_cards) = (0, 0);
    for _ in 0..40 {
        let Played { record, bytes, views } = session.play(None, false);
        let leaves = leaves_of(&record);
        let audited = audit(&record, &auditor()).unwrap();
        mucked += record.history.events.iter().filter(|e| matches!(e, Event::Mucked { .. })).count();
        let open = |leaf: u8| record.openings.iter().any(|(_, open)| open.leaf == leaf);
        let public = HandRecord { sealed: String::new(), audit: None, ..record.clone() };
        let public = String::from_utf8(public.to_bytes().unwrap()).unwrap();
        for leaf in (0..52).filter(|leaf| !open(*leaf)) {
            hidden_cards += 1;
            let card = leaves.card(leaf).unwrap();
            assert!(!shows(&public, leaf, &leaves), "{card} is in the record");
            // Not even in the clear text around its sealed parts.
            assert!(!shows(&String::from_utf8_lossy(&bytes), leaf, &leaves), "{card}");
            let owner = audited.holes.iter().find(|(_, cards)| cards.contains(&card)).map(|(seat, _)| seat.0);
            for (viewer, view) in views.iter().enumerate() {
                let owns = owner.map(usize::from) == Some(viewer);
                // The owner has seen it, so the search finds it.
                assert_eq!(shows(view, leaf, &leaves), owns, "viewer {viewer}, {card}");
            }
        }
    }
    assert!(mucked > 0, "somebody mucked");
    assert!(hidden_cards > 40 * 30);
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
fn the_binary_makes_an_auditors_key_and_audits_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (key, file) = (dir.path().join("auditor"), dir.path().join("hand.json"));
    let (made, public) = purr(&["keygen", "--auditor", text(&key)]);
    assert!(made && public.trim().parse::<purr_protocol::audit::AuditorKey>().is_ok(), "{public}");
    let secret: AuditorSecret = std::fs::read_to_string(&key).unwrap().trim().parse().unwrap();
    let mut record = shown_down();
    let sealed = secret.public().seal_leaves(&[1; 32], &leaves_of(&record), &record.about()).unwrap();
    record.audit = Some(sealed);
    std::fs::write(&file, record.to_bytes().unwrap()).unwrap();
    let (fine, said) = purr(&["audit", text(&file), "--key", text(&key), "--cards"]);
    assert!(fine && said.contains("all 52 cards") && said.contains("seat 3: "), "{said}");

    let other = unseen(&record);
    *first_board_card(&mut record) = other;
    std::fs::write(&file, record.to_bytes().unwrap()).unwrap();
    let (fine, said) = purr(&["audit", text(&file), "--key", text(&key)]);
    assert!(!fine && said.contains(&format!("{other} was dealt at place")), "{said}");
    let (made, said) = purr(&["keygen", "--auditor", text(&key)]);
    assert!(!made && said.contains("File exists"), "{said}");
}

#[test]
fn what_a_gateway_gives_of_a_hand_is_verified_too() {
    let record = shown_down();
    // Without version, sealed parts and their hash, and with extra fields of the gateway.
    let mut given = serde_json::to_value(&record).unwrap();
    let fields = given.as_object_mut().unwrap();
    for sealed in ["version", "sealed", "audit"] {
        fields.remove(sealed);
    }
    fields.insert("hash".into(), "ab".into());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hand.json");
    std::fs::write(&file, given.to_string()).unwrap();
    let (proven, said) = purr(&["verify", text(&file)]);
    assert!(proven && said.contains("cards proven against root") && !said.contains("record hash"), "{said}");
}
