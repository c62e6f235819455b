//! The secrets of a table, learned from its commits by a store that opens what is sealed.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use purr_engine::{
    Action, Card, Event, PlayerId, SeatIndex,
    deal::{Hash, SealedDeck},
};
use purr_protocol::record::{HandRecord, Sealed};
use purr_store::{Commit, MemoryStore, Recovered, Sealer, Store, StoreError};
use purr_table::snapshot;
use serde::Deserialize;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

pub type Cards = u64;

pub fn bit(card: Card) -> Cards {
    1 << card.number()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The salt of this card in this hand's deck.
    Salt { hand: u64, card: Card },
    /// The seed of the whole deck.
    Seed { hand: u64 },
    /// A player's, public when the hand is dealt.
    Entropy { hand: u64 },
}

/// Cards and events of one hand, taken from its record and not from any player's view.
pub struct Truth {
    pub holes: HashMap<PlayerId, Cards>,
    /// The events of board and showdown, as [`Moment`]s.
    pub moments: Vec<Moment>,
    pub mucked: u64,
    /// The player who showed a hand that nobody called.
    pub volunteered: Option<PlayerId>,
}

/// Secrets about cards, with the condition that makes them public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Acted(u8),
    Board(Cards),
    Shown(u8, Cards),
    Mucked(u8),
}

/// Secrets by their first eight bytes: a part of one is a leak, too.
#[derive(Default)]
pub struct Known {
    by_prefix: HashMap<u64, Secret>,
    /// Which first two bytes occur at all, for a quick no.
    first: Vec<bool>,
    truths: HashMap<u64, Truth>,
    /// Players who agreed to show in a hand when asked.
    consents: HashSet<(u64, PlayerId)>,
    deck: Option<SealedDeck>,
}

/// The secret part of the state during a deal.
#[derive(Deserialize)]
struct Secrets {
    dealing: Option<OpenDeal>,
}

#[derive(Deserialize)]
struct OpenDeal {
    hand: u64,
    sealed: SealedDeck,
}

impl Known {
    pub fn learn(&mut self, bytes: &[u8; 32], secret: Secret) {
        self.first.resize(1 << 16, false);
        self.first[usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))] = true;
        self.by_prefix.insert(prefix(&bytes[..8]), secret);
    }

    /// Finds every secret that these bytes contain.
    pub fn find(&self, bytes: &[u8], found: &mut Vec<Secret>) {
        for window in bytes.windows(8) {
            let first = usize::from(u16::from_be_bytes([window[0], window[1]]));
            if self.first.get(first) == Some(&true)
                && let Some(secret) = self.by_prefix.get(&prefix(window))
            {
                found.push(*secret);
            }
        }
    }

    pub fn consents(&mut self, hand: u64, player: PlayerId) {
        self.consents.insert((hand, player));
    }

    /// Whether the player who showed an uncalled hand, if there is one, had agreed to.
    pub fn has_consent(&self, hand: u64) -> bool {
        let player = self.truths.get(&hand).and_then(|truth| truth.volunteered);
        player.is_none_or(|player| self.consents.contains(&(hand, player)))
    }

    pub fn truth(&self, hand: u64) -> Option<&Truth> {
        self.truths.get(&hand)
    }

    pub fn deck(&self) -> Option<&SealedDeck> {
        self.deck.as_ref()
    }

    fn learn_deck(&mut self, OpenDeal { hand, sealed: deck }: OpenDeal) {
        if self.deck.as_ref() == Some(&deck) {
            return;
        }
        let mut seed: Hash = [0; 32];
        let written = serde_json::to_value(&deck).unwrap();
        hex::decode_to_slice(written["seed"].as_str().unwrap(), &mut seed).unwrap();
        self.learn(&seed, Secret::Seed { hand });
        for card in (0..52).filter_map(Card::new) {
            let opening = deck.opening_of(card).unwrap();
            self.learn(&opening.salt, Secret::Salt { hand, card });
        }
        self.deck = Some(deck);
    }

    fn learn_record(&mut self, sealer: &Sealer, bytes: &[u8]) {
        let record: HandRecord = serde_json::from_slice(bytes).unwrap();
        let hand = record.history.hand;
        let sealed = STANDARD.decode(&record.sealed).unwrap();
        let sealed = sealer.open("record", record.epoch, hand, &sealed).unwrap();
        let sealed: Sealed = serde_json::from_slice(&sealed).unwrap();
        let holes = record.history.seats.iter().map(|start| {
            let hole = sealed.holes.iter().find(|(seat, _)| *seat == start.seat.0).unwrap();
            (start.player, mask(&hole.1))
        });
        let moments: Vec<Moment> = record
            .history
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Acted { seat, .. } => Some(Moment::Acted(seat.0)),
                Event::StreetDealt { cards, .. } => Some(Moment::Board(mask(cards))),
                Event::Shown { seat, cards } => Some(Moment::Shown(seat.0, mask(cards))),
                Event::Mucked { seat } => Some(Moment::Mucked(seat.0)),
                _ => None,
            })
            .collect();
        let mucked = moments.iter().filter(|moment| matches!(moment, Moment::Mucked(_))).count() as u64;
        let folded = |seat: SeatIndex| {
            let fold = |event: &Event| matches!(event, Event::Acted { seat: at, action: Action::Fold, .. } if *at == seat);
            record.history.events.iter().any(fold)
        };
        let live: Vec<_> = record.history.seats.iter().filter(|start| !folded(start.seat)).collect();
        let shows =
            |seat: SeatIndex| moments.iter().any(|m| matches!(m, Moment::Shown(at, _) if *at == seat.0));
        let volunteered = match live.as_slice() {
            [alone] if shows(alone.seat) => Some(alone.player),
            _ => None,
        };
        let truth = Truth { holes: holes.collect(), moments, mucked, volunteered };
        self.truths.insert(hand, truth);
    }
}

pub fn mask(cards: &[Card]) -> Cards {
    cards.iter().fold(0, |cards, card| cards | bit(*card))
}

fn prefix(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |prefix, byte| prefix << 8 | u64::from(*byte))
}

/// A store that learns a table's secrets from its commits, before anything is shown.
pub struct Tap {
    inner: MemoryStore,
    sealer: Sealer,
    pub known: Arc<Mutex<Known>>,
}

impl Tap {
    pub fn new(sealer: Sealer) -> Self {
        Self { inner: MemoryStore::default(), sealer, known: Arc::default() }
    }
}

#[async_trait]
impl Store for Tap {
    async fn take_over(&self, table: &str, epoch: u64) -> Result<Recovered, StoreError> {
        self.inner.take_over(table, epoch).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let at = (commit.epoch, commit.number);
        let base = commit.base.as_ref().map(|base| base.sealed().as_ref());
        let secrets: Secrets = snapshot::read(&self.sealer, at, &commit.snapshot, base).unwrap();
        {
            let mut known = self.known.lock().unwrap();
            if let Some(dealing) = secrets.dealing {
                known.learn_deck(dealing);
            }
            if let Some(hand) = &commit.hand {
                known.learn_record(&self.sealer, &hand.record);
            }
        }
        // The store is not given the records, because ten thousand would fill the memory.
        self.inner.commit(&Commit { hand: None, ..commit.clone() }).await
    }
}
