//! Records, and how a message to a player becomes a part of one. One record is one JSON line, under its name.

use purr_protocol::{
    pb::{self, event::Kind, server_message::Body},
    settlement::Entry,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Record {
    /// A player sends a command for the first time. `hand`: the hand that the command acts in.
    Asked { table: String, player: String, id: u64, hand: Option<u64> },
    /// A player receives a message. `pod`: its sender, if known.
    Told { table: String, player: String, pod: Option<String>, epoch: u64, offset: u64, told: Told },
    /// The store has confirmed to a pod that its commit is durable.
    Acknowledged { table: String, epoch: u64, number: u64 },
    /// A commit that exists in the end, in the order of numbers.
    Survived(Survivor),
    /// Hands that this epoch reports as lost, if there are no commits to read it from.
    Counted { table: String, epoch: u64, hands_lost: u64 },
    /// An entry in the signer's journal, in the order in which it came.
    Settled { table: String, entry: Entry },
    /// The signer was offered another payload for a number that it has, and refused.
    Refused { table: String, seq: u64 },
    /// The chips that are at no table.
    Purse(Purse),
    /// The signer's ledger in the end, if there is one.
    Ledger(Ledger),
}

/// Balances of a signer that settled all of one table's sequence; empty accounts are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    pub table: String,
    /// The amount of each of `granted`.
    pub grant: u64,
    pub granted: Vec<String>,
    pub free: BTreeMap<String, u64>,
    /// By seat.
    pub stacks: BTreeMap<String, u64>,
    /// The books' own messages about their rules that do not hold.
    pub flaws: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Purse {
    pub granted: u64,
    /// Free, reserved, or withdrawn.
    pub held: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Survivor {
    pub table: String,
    pub epoch: u64,
    pub number: u64,
    /// Stacks, what waits to join them, and pots.
    pub chips: u64,
    pub sequence: u64,
    /// Number of the last entry that the chain had confirmed.
    pub confirmed: u64,
    pub hands_lost: u64,
    /// The commands' ids remembered as carried out, by player.
    pub applied: BTreeMap<String, Vec<u64>>,
    pub hand: Option<HandSeen>,
}

/// A hand's record, with its sealed part opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandSeen {
    pub hand: u64,
    pub hash: String,
    pub void: bool,
    pub board: Vec<String>,
    pub holes: BTreeMap<u32, Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Told {
    /// A snapshot: the player of each seat, and the running hand.
    Snapshot {
        seat: Option<u32>,
        hand: Option<u64>,
        cards: Vec<String>,
        board: Vec<String>,
    },
    /// Events, and a hash of their public part.
    Events {
        seen: Vec<Seen>,
        public: u64,
    },
    Ack {
        id: u64,
        at_offset: u64,
    },
    Error {
        id: u64,
    },
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Seen {
    Seated {
        seat: u32,
        player: String,
    },
    Started {
        hand: u64,
    },
    Dealt {
        seat: u32,
        cards: Vec<String>,
    },
    Board {
        cards: Vec<String>,
    },
    /// A chosen action, not one by the clock.
    Acted {
        seat: u32,
    },
    Ended {
        hand: u64,
        void: bool,
        rake: u64,
        results: BTreeMap<u32, i64>,
    },
}

fn cards(openings: &[pb::Opening]) -> Vec<String> {
    openings.iter().map(|opening| opening.card.clone()).collect()
}

/// FNV-1a: the same bytes give the same number in every build, which the standard hasher does not promise.
fn digest(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Hash of the public part of events: own cards and options are left out, and the rest of a time, because clocks
/// restart after a take-over.
fn public(events: &[pb::Event]) -> u64 {
    let mut text = String::new();
    for kind in events.iter().filter_map(|event| event.kind.as_ref()) {
        let part = match kind {
            Kind::Dealt(_) => continue,
            Kind::Turn(turn) => format!("turn {} {}", turn.seat, turn.time_bank),
            Kind::ShowAsked(asked) => format!("asked to show {:?}", asked.seats),
            kind => format!("{kind:?}"),
        };
        text.push_str(&part);
        text.push('\n');
    }
    digest(&text)
}

fn seen(kind: &Kind) -> Option<Seen> {
    Some(match kind {
        Kind::Seated(seated) => Seen::Seated { seat: seated.seat, player: seated.player.clone() },
        Kind::HandStarted(started) => Seen::Started { hand: started.hand },
        Kind::Dealt(dealt) => Seen::Dealt { seat: dealt.seat, cards: cards(&dealt.cards) },
        // The second board of a hand that is run twice is in the record, and not counted here.
        Kind::Street(street) if street.board == 0 => Seen::Board { cards: cards(&street.cards) },
        Kind::Acted(acted) if !acted.timed_out => Seen::Acted { seat: acted.seat },
        Kind::HandEnded(end) => Seen::Ended {
            hand: end.hand,
            void: end.void,
            rake: end.rake,
            results: end.results.iter().map(|result| (result.seat, result.delta)).collect(),
        },
        _ => return None,
    })
}

/// The part of a message that is recorded.
pub fn told(message: &pb::ServerMessage) -> Told {
    match message.body.as_ref() {
        Some(Body::Snapshot(snapshot)) => {
            let hand = snapshot.hand.as_ref();
            let own: BTreeSet<&String> = hand
                .iter()
                .flat_map(|hand| &hand.players)
                .filter(|player| Some(player.seat) == snapshot.you)
                .flat_map(|player| &player.cards)
                .collect();
            Told::Snapshot {
                seat: snapshot.you,
                hand: hand.map(|hand| hand.hand),
                cards: own.into_iter().cloned().collect(),
                board: hand.map(|hand| hand.board.clone()).unwrap_or_default(),
            }
        }
        Some(Body::Events(events)) => Told::Events {
            seen: events.events.iter().filter_map(|event| seen(event.kind.as_ref()?)).collect(),
            public: public(&events.events),
        },
        Some(Body::Ack(ack)) => Told::Ack { id: ack.id, at_offset: ack.at_offset },
        Some(Body::Error(error)) => Told::Error { id: error.id },
        _ => Told::Other,
    }
}
