//! From the deal of a hand to its record and settlement.

use super::{Core, Deal, Step, render::Shown};
use base64::{Engine, engine::general_purpose::STANDARD};
use purr_engine::{
    Command, Event, HandEnd, Millis, PlayerId, SeatIndex,
    deal::{Hash, Reveal, SealedDeck, commitment},
    history::{HandHistory, SeatStart},
};
use purr_protocol::{
    pb::{self, event::Kind},
    record::{HandRecord, Sealed},
    settlement::{EntryBody, SeatDelta},
};
use purr_store::HandEntry;
use serde::{Deserialize, Serialize};

/// Between the root's publication and the first card: players reveal what they committed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dealing {
    hand: u64,
    sealed: SealedDeck,
    expected: Vec<(SeatIndex, Hash)>,
    reveals: Vec<Reveal>,
    pub(super) until: Millis,
}

impl Step {
    pub(super) fn extra(&mut self, kind: Kind) {
        self.told.push(kind);
    }
}

impl Core {
    /// Decides when the next hand starts.
    pub(super) fn schedule(&mut self) {
        let running = self.state.table.hand().is_some() || self.state.dealing.is_some();
        if running || self.holding().is_some() || self.state.table.ready() < 2 {
            self.next_start = None;
        } else if self.next_start.is_none() {
            self.next_start = Some(self.now + self.hand_gap_ms);
        }
    }

    pub(super) fn tick(&mut self, seed: &Hash, events: &mut Vec<Event>, step: &mut Step) {
        self.command(Command::Tick, events);
        if self.next_start.is_some_and(|at| at <= self.now) {
            self.next_start = None;
            self.open_deal(seed, step);
        }
        let complete = |dealing: &Dealing| dealing.reveals.len() == dealing.expected.len();
        if self.state.dealing.as_ref().is_some_and(|dealing| complete(dealing) || dealing.until <= self.now) {
            self.deal(events, step);
        }
    }

    /// Publishes the root of a shuffled deck; who has committed entropy is asked to reveal it.
    fn open_deal(&mut self, seed: &Hash, step: &mut Step) {
        let sealed = match SealedDeck::new(seed) {
            Ok(sealed) => sealed,
            Err(error) => return tracing::error!(%error, "no deck"),
        };
        let hand = self.state.table.last_hand() + 1;
        let expected: Vec<(SeatIndex, Hash)> =
            self.state.commitments.iter().map(|(seat, hash)| (*seat, *hash)).collect();
        self.state.commitments.clear();
        let until = if expected.is_empty() { self.now } else { self.now + self.reveal_ms };
        let root = sealed.root().to_vec();
        step.extra(Kind::Deal(pb::DealCommitted { hand, root, reveals: Vec::new() }));
        step.dirty = true;
        self.state.dealing = Some(Dealing { hand, sealed, expected, reveals: Vec::new(), until });
    }

    /// Takes a player's entropy, if it is what was committed to.
    pub(super) fn reveal(&mut self, seat: SeatIndex, hand: u64, entropy: Hash) -> Result<(), String> {
        let now = self.now;
        let dealing = self.state.dealing.as_mut().filter(|dealing| dealing.hand == hand);
        let dealing = dealing.ok_or_else(|| format!("hand {hand} is not being dealt"))?;
        let expected = dealing.expected.iter().find(|(at, _)| *at == seat).map(|(_, hash)| *hash);
        if expected != Some(commitment(&entropy)) {
            return Err("this is not what was committed to".into());
        }
        if !dealing.reveals.iter().any(|reveal| reveal.seat == seat.0) {
            dealing.reveals.push(Reveal { seat: seat.0, entropy });
        }
        if dealing.reveals.len() == dealing.expected.len() {
            dealing.until = now;
        }
        Ok(())
    }

    fn deal(&mut self, events: &mut Vec<Event>, step: &mut Step) {
        let Some(Dealing { hand, sealed, reveals, .. }) = self.state.dealing.take() else { return };
        let deck = match sealed.deck(&reveals) {
            Ok(deck) => deck,
            Err(error) => return tracing::error!(%error, "no deck"),
        };
        let stacks: Vec<Option<(PlayerId, u64)>> =
            self.state.table.seats().iter().map(|seat| seat.as_ref().map(|s| (s.player, s.stack))).collect();
        let started = match self.state.table.apply(self.now, Command::StartHand { hand, deck }) {
            Ok(started) => started,
            // Somebody left meanwhile: no hand, and the deck is thrown away.
            Err(refusal) => return tracing::info!(%refusal, "no hand"),
        };
        let dealt_in = started.iter().find_map(|event| match event {
            Event::HandStarted { dealt_in, .. } => Some(dealt_in.clone()),
            _ => None,
        });
        let starts = dealt_in
            .unwrap_or_default()
            .into_iter()
            .filter_map(|seat| {
                let (player, stack) = (*stacks.get(seat.index())?)?;
                Some(SeatStart { seat, player, stack })
            })
            .collect();
        if !reveals.is_empty() {
            let reveals = reveals
                .iter()
                .map(|reveal| pb::Reveal { seat: reveal.seat.into(), entropy: reveal.entropy.to_vec() })
                .collect();
            step.extra(Kind::Deal(pb::DealCommitted { hand, root: sealed.root().to_vec(), reveals }));
        }
        self.state.deal = Some(Deal { sealed, reveals, starts, events: Vec::new() });
        events.extend(started);
    }

    /// Turns the step's events into views, and the end of a hand into its record and its entries.
    pub(super) fn conclude(&mut self, events: &[Event], step: &mut Step) {
        let mut deal = self.state.deal.take();
        if let Some(deal) = deal.as_mut() {
            deal.events.extend(events.iter().cloned());
        }
        let ended = events.iter().find_map(|event| match event {
            Event::HandEnded(end) => Some(end.clone()),
            _ => None,
        });
        if let (Some(end), Some(deal)) = (&ended, &deal) {
            self.settle(end, deal, step);
        }
        for event in events {
            if let Event::Left { seat, player, stack } = event {
                self.left(*seat, *player, *stack, step);
            }
        }
        if !events.is_empty() || !step.told.is_empty() {
            self.state.offset += 1;
            let told = std::mem::take(&mut step.told);
            let entries = self.render(events, &told, deal.as_ref());
            step.shown = Some(Shown { offset: self.state.offset, entries });
        }
        self.state.deal = deal.filter(|_| ended.is_none());
    }

    fn settle(&mut self, end: &HandEnd, deal: &Deal, step: &mut Step) {
        let record = match self.record(end, deal) {
            Ok(record) => record,
            Err(error) => return tracing::error!(%error, hand = end.hand, "no record"),
        };
        let hash = hex::encode(HandRecord::hash(&record));
        step.hand = Some(HandEntry { hand: end.hand, hash: hash.clone(), record: record.into() });
        if end.void {
            // Every bet went back: nothing to settle, and the number stays free.
            return;
        }
        let deltas = end
            .results
            .iter()
            .map(|result| SeatDelta { seat: result.seat, player: result.player, delta: result.delta })
            .collect();
        // Between hands a table holds no secret.
        let next = serde_json::to_string(&self.state.table).unwrap_or_default();
        let body = EntryBody::Hand { hand: end.hand, deltas, rake: end.rake, record_hash: hash, next };
        let seq = self.enqueue(body, step);
        let state = pb::SettlementState::Settling.into();
        let settling = pb::Settlement { seq_from: seq, seq_to: seq, state, tx_hash: String::new() };
        step.extra(Kind::Settlement(settling));
    }

    fn record(&self, end: &HandEnd, deal: &Deal) -> Result<Vec<u8>, serde_json::Error> {
        let holes = deal.events.iter().filter_map(|event| match event {
            Event::Dealt { seat, cards } => Some((seat.0, *cards)),
            _ => None,
        });
        let sealed = Sealed {
            holes: holes.collect(),
            openings: (0..52).filter_map(|leaf| deal.sealed.opening(leaf)).collect(),
        };
        let sealed = self.seal_record(&serde_json::to_vec(&sealed)?, end.hand);
        HandRecord {
            version: 1,
            table: self.uid.clone(),
            epoch: self.epoch,
            history: HandHistory::public(
                end.hand,
                self.spec.engine.clone(),
                deal.starts.clone(),
                &deal.events,
            ),
            end: end.clone(),
            root: hex::encode(deal.sealed.root()),
            reveals: deal.reveals.clone(),
            openings: self.public_openings(deal),
            sealed: STANDARD.encode(sealed),
        }
        .to_bytes()
    }

    /// Openings of board and shown cards, each with its place in the deal.
    fn public_openings(&self, deal: &Deal) -> Vec<(u8, purr_engine::deal::Opening)> {
        let Ok(deck) = deal.sealed.deck(&deal.reveals) else { return Vec::new() };
        let cards = deal.events.iter().flat_map(|event| match event {
            Event::StreetDealt { cards, .. } => cards.to_vec(),
            Event::Shown { cards, .. } => cards.to_vec(),
            _ => Vec::new(),
        });
        cards
            .filter_map(|card| {
                let place = deck.cards().iter().position(|at| *at == card)?;
                Some((u8::try_from(place).ok()?, deal.sealed.opening_of(card)?))
            })
            .collect()
    }

    /// Hole cards leave the process only encrypted. The hand's number is the nonce's: used once an epoch.
    fn seal_record(&self, plain: &[u8], hand: u64) -> Vec<u8> {
        match self.sealer.seal("record", self.epoch, hand, plain) {
            Ok(sealed) => sealed.to_vec(),
            Err(error) => {
                // Better a record without its sealed part than cards in the clear.
                tracing::error!(%error, hand, "record not sealed");
                Vec::new()
            }
        }
    }
}
