//! Decodes every byte that is sent and compares it with what its receiver may know.

use crate::secrets::{Cards, Known, Moment, Secret, bit, mask};
use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use purr_engine::{Card, PlayerId};
use purr_protocol::{
    Codec,
    pb::{self, event::Kind, server_message::Body},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
    sync::{Arc, Mutex},
};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Number of decoded messages that are kept, because most messages are the same for everybody.
const KEPT_MAX: usize = 256;

/// The content of one message.
struct Reading {
    /// Every card that the message contains.
    cards: Cards,
    secrets: Vec<Secret>,
    moments: Vec<Moment>,
    started: Option<u64>,
}

/// A message that waits for its hand's record.
struct Frame {
    to: PlayerId,
    offset: u64,
    reading: Rc<Reading>,
}

#[derive(Debug, Default)]
pub struct Counts {
    pub messages: u64,
    pub bytes: u64,
    pub hands: u64,
    pub snapshots: u64,
    /// Number of events that were sent again to a player who had been away.
    pub resumed: u64,
    pub mucked: u64,
    pub shown: u64,
    /// Hands that nobody called and that were shown.
    pub volunteered: u64,
}

pub struct Watch {
    known: Arc<Mutex<Known>>,
    witness: PlayerId,
    /// Which hand began with which offset.
    starts: BTreeMap<u64, u64>,
    /// Public events by offset, as received by a witness that never misses any.
    told: BTreeMap<u64, Vec<Moment>>,
    waiting: HashMap<u64, Vec<Frame>>,
    kept: HashMap<bytes::Bytes, Rc<Reading>>,
    ended: u64,
    pub counts: Counts,
    /// Secrets that a receiver got and must not know.
    pub leaks: Vec<String>,
}

impl Watch {
    pub fn new(known: Arc<Mutex<Known>>, witness: PlayerId) -> Self {
        Self {
            known,
            witness,
            starts: BTreeMap::new(),
            told: BTreeMap::new(),
            waiting: HashMap::new(),
            kept: HashMap::new(),
            ended: 0,
            counts: Counts::default(),
            leaks: Vec::new(),
        }
    }

    /// Checks a message to this player.
    pub fn sent(&mut self, to: PlayerId, message: &pb::ServerMessage) {
        let binary = Codec::Proto.encode_server(message).unwrap();
        self.counts.messages += 1;
        self.counts.bytes += binary.len() as u64;
        self.counts.snapshots += u64::from(matches!(message.body, Some(Body::Snapshot(_))));
        let reading = if let Some(reading) = self.kept.get(&binary) {
            reading.clone()
        } else {
            let reading = Rc::new(self.read(message, &binary));
            if self.kept.len() >= KEPT_MAX {
                self.kept.clear();
            }
            self.kept.insert(binary, reading.clone());
            reading
        };
        let offset = message.offset;
        if let Some(hand) = reading.started {
            self.starts.insert(offset, hand);
        }
        if matches!(message.body, Some(Body::Events(_))) {
            if to == self.witness {
                self.told.insert(offset, reading.moments.clone());
            } else {
                self.counts.resumed += u64::from(self.told.keys().next_back() > Some(&offset));
                if self.told.get(&offset) != Some(&reading.moments) {
                    self.leaks.push(format!("{to} is told of offset {offset} what the witness is not"));
                }
            }
        }
        let hand = self.starts.range(..=offset).next_back().map_or(0, |(_, hand)| *hand);
        let frame = Frame { to, offset, reading };
        if hand <= self.ended {
            self.check(hand, &frame);
        } else {
            self.waiting.entry(hand).or_default().push(frame);
        }
    }

    /// Checks the hands that have a record by now.
    pub fn settle(&mut self) {
        while self.known.lock().unwrap().truth(self.ended + 1).is_some() {
            let hand = self.ended + 1;
            self.ended = hand;
            for frame in self.waiting.remove(&hand).unwrap_or_default() {
                self.check(hand, &frame);
            }
            self.check_order(hand);
            self.counts.hands += 1;
        }
    }

    /// Decodes both encodings and searches everything in them.
    fn read(&self, message: &pb::ServerMessage, binary: &[u8]) -> Reading {
        let text = Codec::Json.encode_server(message).unwrap();
        assert_eq!(Codec::Proto.decode_server(binary).unwrap(), *message);
        assert_eq!(Codec::Json.decode_server(&text).unwrap(), *message);
        let known = self.known.lock().unwrap();
        let mut reading = Reading { cards: 0, secrets: Vec::new(), moments: Vec::new(), started: None };
        known.find(binary, &mut reading.secrets);
        walk(&serde_json::from_slice(&text).unwrap(), &known, &mut reading);
        if let Some(Body::Events(events)) = &message.body {
            for kind in events.events.iter().filter_map(|event| event.kind.as_ref()) {
                let seat = |seat: u32| u8::try_from(seat).unwrap();
                match kind {
                    Kind::HandStarted(started) => reading.started = Some(started.hand),
                    Kind::Acted(acted) => reading.moments.push(Moment::Acted(seat(acted.seat))),
                    Kind::Street(street) => reading.moments.push(Moment::Board(opened(&street.cards))),
                    Kind::Shown(shown) => {
                        reading.moments.push(Moment::Shown(seat(shown.seat), opened(&shown.cards)));
                    }
                    Kind::Mucked(mucked) => reading.moments.push(Moment::Mucked(seat(mucked.seat))),
                    _ => {}
                }
            }
        }
        reading
    }

    fn check(&mut self, hand: u64, frame: &Frame) {
        let Frame { to, offset, reading } = frame;
        let known = self.known.lock().unwrap();
        let mut may = known.truth(hand).and_then(|truth| truth.holes.get(to)).copied().unwrap_or(0);
        let begun = self.starts.range(..=*offset).next_back().map_or(0, |(start, _)| *start);
        for moment in self.told.range(begun..=*offset).flat_map(|(_, moments)| moments) {
            if let Moment::Board(cards) | Moment::Shown(_, cards) = moment {
                may |= cards;
            }
        }
        let foreign: Vec<Card> =
            (0..52).filter_map(Card::new).filter(|c| bit(*c) & reading.cards & !may != 0).collect();
        if !foreign.is_empty() {
            self.leaks.push(format!("hand {hand}, offset {offset}: {to} was sent the cards {foreign:?}"));
        }
        for secret in &reading.secrets {
            let fine = match secret {
                Secret::Salt { hand: of, card } => *of == hand && bit(*card) & may != 0,
                Secret::Seed { .. } => false,
                Secret::Entropy { hand: of } => *of <= hand,
            };
            if !fine {
                self.leaks.push(format!("hand {hand}, offset {offset}: {to} was sent {secret:?}"));
            }
        }
    }

    /// Checks the order of a hand's public events: nobody shows before their turn, and a player who mucks does not
    /// show.
    fn check_order(&mut self, hand: u64) {
        let Some((begun, _)) = self.starts.iter().find(|(_, started)| **started == hand) else {
            return self.leaks.push(format!("hand {hand} has a record, and nobody was told that it began"));
        };
        let next = self.starts.range(begun + 1..).next().map_or(u64::MAX, |(offset, _)| *offset);
        let told: Vec<Moment> =
            self.told.range(begun..&next).flat_map(|(_, moments)| moments).copied().collect();
        let known = self.known.lock().unwrap();
        let truth = known.truth(hand).unwrap();
        if told != truth.moments {
            self.leaks.push(format!("hand {hand}: {told:?} was told, {:?} happened", truth.moments));
        }
        if !known.has_consent(hand) {
            self.leaks.push(format!(
                "hand {hand}: cards that nobody called were shown without their player's consent"
            ));
        }
        self.counts.mucked += truth.mucked;
        self.counts.volunteered += u64::from(truth.volunteered.is_some());
        self.counts.shown += told.iter().filter(|moment| matches!(moment, Moment::Shown(..))).count() as u64;
    }
}

fn opened(openings: &[pb::Opening]) -> Cards {
    mask(&openings.iter().map(|opening| opening.card.parse().unwrap()).collect::<Vec<Card>>())
}

/// Whatever a field is called: a value that parses as a card is one, and no text may contain a secret in any encoding.
fn walk(value: &Value, known: &Known, reading: &mut Reading) {
    match value {
        Value::String(text) => {
            if let Ok(card) = text.parse::<Card>() {
                reading.cards |= bit(card);
            }
            for bytes in [BASE64.decode(text).ok(), hex::decode(text.trim_start_matches("0x")).ok()] {
                known.find(&bytes.unwrap_or_default(), &mut reading.secrets);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, known, reading)),
        Value::Object(fields) => fields.values().for_each(|value| walk(value, known, reading)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
