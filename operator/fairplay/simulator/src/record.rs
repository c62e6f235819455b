//! A simulated hand as a table's record: version 3, with think times and the fair-play part.

use purr_engine::{
    Card, Deck, Event, TableConfig,
    deal::{Hash, SealedDeck},
    history::{HandHistory, SeatStart},
};
use purr_fairplay_hands::EndedHand;
use purr_protocol::{
    HistoryRule,
    fairplay::{FairPlayKey, Hidden},
    record::{HandRecord, Place, VERSION},
    timing::{ActionTiming, Rtt},
};

/// One played hand, for the detectors and as a table knows it.
#[derive(Clone, Copy)]
pub struct Played<'a> {
    pub hand: &'a EndedHand,
    pub config: &'a TableConfig,
    /// Everybody dealt in, from the button's left to the button.
    pub starts: &'a [SeatStart],
    /// Everything that the engine reported of the hand, hole cards included.
    pub events: &'a [Event],
    pub deck: &'a Deck,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("the hand has not ended")]
    NotEnded,
    #[error("the fair-play part cannot be sealed")]
    Seal,
}

impl Played<'_> {
    /// The record under this table's UID. Its deal proves nothing: the simulator shuffles by itself, and `entropy` only
    /// makes the root and the sealing key.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn record(&self, table: &str, key: &FairPlayKey, entropy: &Hash) -> Result<HandRecord, RecordError> {
        let ended = |event: &Event| match event {
            Event::HandEnded(end) => Some(end.clone()),
            _ => None,
        };
        let end = self.events.iter().find_map(ended).ok_or(RecordError::NotEnded)?;
        let sealed = SealedDeck::new(entropy).map_err(|_| RecordError::Seal)?;
        let holes: Vec<(u8, [Card; 2])> = self.events.iter().filter_map(dealt).collect();
        let timing = |think_ms: Option<u32>| ActionTiming { think_ms, rtt: Rtt::Unknown };
        let root: String = sealed.root().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut record = HandRecord {
            version: VERSION,
            table: table.to_owned(),
            epoch: 1,
            history: HandHistory::public(
                self.hand.hand,
                self.config.clone(),
                self.starts.to_vec(),
                self.events,
            ),
            end,
            timings: self.hand.actions.iter().map(|action| timing(action.think_ms)).collect(),
            root,
            commitments: Vec::new(),
            reveals: Vec::new(),
            openings: Vec::new(),
            sealed: String::new(),
            audit: None,
            fair_play: None,
            shown: HistoryRule::default(),
            place: Some(Place {
                table_name: table.to_owned(),
                unit: "USDC".to_owned(),
                decimals: 6,
                started_at_ms: Some(self.hand.ended_at_ms),
            }),
        };
        let hidden = Hidden { holes, deck: self.deck.cards().to_vec() };
        let part = key.seal(&sealed, &hidden, &record.about()).map_err(|_| RecordError::Seal)?;
        record.fair_play = Some(part);
        Ok(record)
    }
}

fn dealt(event: &Event) -> Option<(u8, [Card; 2])> {
    match event {
        Event::Dealt { seat, cards } => Some((seat.0, *cards)),
        _ => None,
    }
}
