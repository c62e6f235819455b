//! Turns the events of a hand into its record and settlement.

use super::{Core, Deal, Step, render::Shown};
use base64::{Engine, engine::general_purpose::STANDARD};
use purr_engine::{Card, Chips, Deck, Event, HandEnd, PlayerId, history::HandHistory};
use purr_protocol::{
    audit::AuditorKey,
    fairplay::{FairPlayBox, FairPlayKey, FairPlaySealer, Hidden},
    pb::{self, event::Kind},
    record::{HandRecord, Place, Sealed, VERSION},
    settlement::{EntryBody, SeatDelta},
};
use purr_store::{HandEntry, Sealer};

/// Settings of hand records.
#[derive(Clone, Debug)]
pub struct Recording {
    /// 2 or 3 ([`VERSION`]).
    pub version: u8,
    /// Key that can open every hand's whole deck; `None`: nobody can.
    pub auditor: Option<AuditorKey>,
    /// Key that can read every hand's hidden cards after its end; `None`: nobody can. From version 3 on.
    pub fair_play: Option<FairPlayKey>,
}

impl Default for Recording {
    fn default() -> Self {
        Self { version: VERSION, auditor: None, fair_play: None }
    }
}

impl Recording {
    fn has_timings(&self) -> bool {
        self.version >= 3
    }

    /// The sealer of the fair-play part in this epoch.
    pub(super) fn fair_play_sealer(&self, sealer: &Sealer, epoch: u64) -> Option<FairPlaySealer> {
        let key = self.fair_play.as_ref().filter(|_| self.has_timings())?;
        let secret = sealer.secret("fair play", epoch);
        let secret = secret.inspect_err(|error| tracing::error!(%error, "no fair-play part")).ok()?;
        key.sealer(&secret).inspect_err(|error| tracing::error!(%error, "no fair-play part")).ok()
    }
}

impl Step {
    pub(super) fn extra(&mut self, kind: Kind) {
        self.told.push(kind);
    }
}

impl Core {
    /// Turns the step's events into views, and the end of a hand into its record and its entries.
    pub(super) fn conclude(&mut self, events: &[Event], step: &mut Step) {
        let mut deal = self.state.deal.take();
        if let Some(deal) = deal.as_mut() {
            if self.recording.has_timings() {
                self.time_actions(events, deal);
            }
            // Questions are no part of the hand's record.
            let kept = events.iter().filter(|event| !matches!(event, Event::ShowAsked { .. }));
            deal.events.extend(kept.cloned());
        }
        let ended = events.iter().find_map(|event| match event {
            Event::HandEnded(end) => Some(end.clone()),
            _ => None,
        });
        if ended.is_some() {
            self.hand_ended = Some(self.now);
        }
        match (&ended, &deal) {
            (Some(end), Some(deal)) => {
                self.watch_hand(end, deal);
                self.note_rabbit(end, deal);
                self.settle(end, deal, events, step);
            }
            // Happens only with a damaged state, because every hand starts with its deal.
            (Some(end), None) => {
                tracing::error!(hand = end.hand, "not settled: the hand's deal is not known");
            }
            (None, _) => {}
        }
        for event in events {
            if let Event::Left { seat, player, stack } = event {
                // The next player in this seat has committed to nothing and withheld nothing.
                self.state.commitments.remove(seat);
                self.state.withheld.remove(seat);
                self.state.after_deal.remove(seat);
                self.left(*seat, *player, *stack, step);
            }
        }
        self.note_stays(events);
        if !events.is_empty() || !step.told.is_empty() {
            self.state.offset += 1;
            let told = std::mem::take(&mut step.told);
            let entries = self.render(events, &told, deal.as_ref());
            step.shown = Some(Shown { offset: self.state.offset, entries });
        }
        self.state.deal = deal.filter(|_| ended.is_none());
    }

    fn settle(&mut self, end: &HandEnd, deal: &Deal, events: &[Event], step: &mut Step) {
        let record = match self.record(end, deal) {
            Ok(record) => record,
            Err(error) => return tracing::error!(%error, hand = end.hand, "no record"),
        };
        let hash = hex::encode(HandRecord::hash(&record));
        step.hand = Some(HandEntry { hand: end.hand, hash: hash.clone(), record: record.into() });
        if end.void {
            // All bets were returned: there is nothing to settle, and the number stays free.
            let cause = (pb::VoidCause::StateLost, None);
            return self.deal_void(end.hand, !deal.reveals.is_empty(), cause, step);
        }
        let deltas = end
            .results
            .iter()
            .map(|result| SeatDelta { seat: result.seat, player: result.player, delta: result.delta })
            .collect();
        // Between hands a table holds no secret.
        let left: Vec<(PlayerId, Chips)> = events
            .iter()
            .filter_map(|event| match event {
                Event::Left { player, stack, .. } => Some((*player, *stack)),
                _ => None,
            })
            .collect();
        let head = self.state.head(self.state.sequence + 1, &left);
        let next = serde_json::to_string(&head).unwrap_or_default();
        let body = EntryBody::Hand { hand: end.hand, deltas, rake: end.rake, record_hash: hash, next };
        let seq = self.enqueue(body, step);
        self.waiting.ended(seq, self.now);
        let state = pb::SettlementState::Settling.into();
        let settling = pb::Settlement { seq_from: seq, seq_to: seq, state, tx_hash: String::new() };
        step.extra(Kind::Settlement(settling));
    }

    fn record(&self, end: &HandEnd, deal: &Deal) -> Result<Vec<u8>, serde_json::Error> {
        let holes = holes(deal);
        let deck = deal.sealed.deck(&deal.reveals);
        let deck =
            deck.inspect_err(|error| tracing::error!(%error, hand = end.hand, "no order of the deck")).ok();
        let sealed = Sealed { holes, leaves: STANDARD.encode(deal.sealed.leaves().to_bytes()) };
        let sealed = self.seal_record(&serde_json::to_vec(&sealed)?, end.hand);
        let mut record = HandRecord {
            version: self.recording.version,
            table: self.uid.clone(),
            epoch: self.epoch,
            history: HandHistory::public(
                end.hand,
                self.spec.engine.clone(),
                deal.starts.to_vec(),
                &deal.events,
            ),
            end: end.clone(),
            timings: if self.recording.has_timings() { deal.timings.clone() } else { Vec::new() },
            root: hex::encode(deal.sealed.root()),
            commitments: deal.commitments.clone(),
            reveals: deal.reveals.clone(),
            openings: deck.as_ref().map(|deck| public_openings(deal, deck)).unwrap_or_default(),
            sealed: STANDARD.encode(sealed),
            audit: None,
            fair_play: None,
            shown: self.spec.history,
            place: Some(Place {
                table_name: self.spec.name.clone(),
                unit: self.spec.currency.unit.clone(),
                decimals: self.spec.currency.decimals,
                started_at_ms: deal.started_at_ms,
            }),
        };
        record.fair_play = deck.as_ref().and_then(|deck| self.fair_play_part(deal, deck, &record));
        record.audit = self.recording.auditor.as_ref().and_then(|auditor| {
            let sealed = auditor.seal(&deal.sealed, &record.about());
            sealed.inspect_err(|error| tracing::error!(%error, hand = end.hand, "no auditor's part")).ok()
        });
        record.to_bytes()
    }

    /// All hidden cards, for the fair-play key alone.
    fn fair_play_part(&self, deal: &Deal, deck: &Deck, record: &HandRecord) -> Option<FairPlayBox> {
        let sealer = self.fair_play.as_ref()?;
        let hidden = Hidden { holes: holes(deal), deck: deck.cards().to_vec() };
        let sealed = sealer.seal(&deal.sealed, &hidden, &record.about());
        let hand = record.history.hand;
        sealed.inspect_err(|error| tracing::error!(%error, hand, "no fair-play part")).ok()
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

/// Hole cards of all players, in the order of the deal.
fn holes(deal: &Deal) -> Vec<(u8, [Card; 2])> {
    let dealt = deal.events.iter().filter_map(|event| match event {
        Event::Dealt { seat, cards } => Some((seat.0, *cards)),
        _ => None,
    });
    dealt.collect()
}

/// Openings of board and shown cards, each with its place in the deal.
fn public_openings(deal: &Deal, deck: &Deck) -> Vec<(u8, purr_engine::deal::Opening)> {
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
