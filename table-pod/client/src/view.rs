//! The table as one player sees it: a snapshot and the events after it. No I/O, no clock.

mod deal;
mod events;

pub use deal::DealSeen;

use purr_engine::{Card, Chips, PlayerId, SeatIndex};
use purr_protocol::pb::{self, server_message::Body};
use std::collections::{BTreeMap, BTreeSet};

/// Why a message does not continue the view. The view is then empty: attach without a cursor and start from a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    #[error("events were missed: {got} follows {at}")]
    Gap { at: u64, got: u64 },
    #[error("epoch {got} is over: epoch {known} has spoken")]
    OldEpoch { known: u64, got: u64 },
    #[error("events came before any snapshot")]
    NoSnapshot,
    #[error("the table sent something impossible: {0}")]
    Impossible(&'static str),
}

/// A seat with a player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    pub player: PlayerId,
    pub stack: Chips,
    /// Chips that join the stack when the hand ends.
    pub pending: Chips,
    pub sitting_out: bool,
    pub connected: bool,
    /// Leaves when the hand is over.
    pub leaving: bool,
    /// Straddles whenever under the gun.
    pub straddle: bool,
}

/// A player in the running hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InHand {
    /// Chips in front of the player on this street.
    pub street_bet: Chips,
    pub folded: bool,
    /// The viewer's own cards, and in a snapshot those that lie face up; empty for other players.
    pub cards: Vec<Card>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hand {
    pub number: u64,
    pub button: SeatIndex,
    pub board: Vec<Card>,
    /// The second board, where the hand is run twice.
    pub second_board: Vec<Card>,
    /// Cards that both boards share.
    shared: usize,
    /// Seats that are asked whether to run it twice and have not answered.
    pub asked_twice: BTreeSet<SeatIndex>,
    /// Seats that were asked whether to show and have not answered.
    pub asked_to_show: BTreeSet<SeatIndex>,
    /// Everything in the middle, bets of this street included.
    pub pot: Chips,
    /// The bet to be matched on this street.
    pub bet: Chips,
    pub players: BTreeMap<SeatIndex, InHand>,
    pub to_act: Option<SeatIndex>,
    /// The viewer's options on the viewer's turn.
    pub options: Option<pb::Options>,
}

/// A snapshot, kept up to date by events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub uid: String,
    pub name: String,
    pub seat_count: u8,
    pub small_blind: Chips,
    pub big_blind: Chips,
    pub buy_in_min: Chips,
    pub buy_in_max: Chips,
    pub seats: BTreeMap<SeatIndex, Seat>,
    pub you: Option<SeatIndex>,
    pub hand: Option<Hand>,
    pub last_hand: u64,
    /// The clock is paused.
    pub paused: bool,
    /// The table has straddles.
    pub straddles: bool,
    /// The table asks whether to run it twice.
    pub run_it_twice: bool,
    /// Cards that would have come may be asked for.
    pub rabbit_hunt: bool,
    /// What may be said.
    pub chat: pb::ChatRule,
}

/// A hand that ended while one looked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub hand: u64,
    pub board: Vec<Card>,
    /// Empty where the hand was run once.
    pub second_board: Vec<Card>,
    pub results: Vec<(SeatIndex, i64, Chips)>,
    pub rake: Chips,
    pub void: bool,
    pub shown: Vec<(SeatIndex, Vec<Card>)>,
    /// Cards that would have come, where somebody asked for them.
    pub would_have_come: Vec<Card>,
    pub deal: DealSeen,
}

/// The viewer's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub hand: u64,
    pub options: pb::Options,
    /// Goes along with the action, so that it cannot answer a later question.
    pub question: pb::Question,
}

#[derive(Clone, Debug)]
pub struct View {
    own: PlayerId,
    cursor: Option<pb::Cursor>,
    table: Option<Table>,
    /// Seats that are being taken or given up, as far as events said.
    held: BTreeMap<SeatIndex, (PlayerId, pb::SeatingState)>,
    deal: Option<DealSeen>,
    shown: Vec<(SeatIndex, Vec<Card>)>,
    ended: Option<Ended>,
    /// The rest of the turn at the time of the message, in milliseconds, and whether it is the time bank.
    clock: Option<(u64, bool)>,
    stalled: Option<String>,
    /// Number of entries of the table's sequence that are final on chain, by the last message.
    confirmed: u64,
    /// Deals that the table gave up after a player had revealed.
    deals_void: u64,
}

impl View {
    pub fn new(own: PlayerId) -> Self {
        Self {
            own,
            cursor: None,
            table: None,
            held: BTreeMap::new(),
            deal: None,
            shown: Vec::new(),
            ended: None,
            clock: None,
            stalled: None,
            confirmed: 0,
            deals_void: 0,
        }
    }

    /// Takes a message in. Answers to commands change nothing here.
    pub fn apply(&mut self, message: &pb::ServerMessage) -> Result<(), ViewError> {
        let result = self.take(message);
        if result.is_err() {
            self.forget();
        }
        result
    }

    /// Starts over: the next attach gets a snapshot.
    pub fn forget(&mut self) {
        let (own, confirmed, deals_void) = (self.own, self.confirmed, self.deals_void);
        *self = Self { confirmed, deals_void, ..Self::new(own) };
    }

    fn take(&mut self, message: &pb::ServerMessage) -> Result<(), ViewError> {
        let Some(body) = &message.body else { return Ok(()) };
        // Answers of the socket itself have no offset in the table's history, and carry epoch 0.
        if message.epoch == 0 {
            return Ok(());
        }
        if let Some(cursor) = self.cursor.as_mut() {
            if message.epoch < cursor.epoch {
                return Err(ViewError::OldEpoch { known: cursor.epoch, got: message.epoch });
            }
            if message.epoch > cursor.epoch {
                cursor.epoch = message.epoch;
                // A table's clock runs again after a take-over, without saying so.
                if let Some(table) = self.table.as_mut() {
                    table.paused = false;
                }
            }
        }
        match body {
            Body::Snapshot(snapshot) => {
                let table = Table::from_snapshot(snapshot)?;
                self.forget();
                self.deal = match (&snapshot.hand, &snapshot.dealing) {
                    (Some(hand), _) => Some(DealSeen::from_snapshot(hand)?),
                    (None, Some(dealing)) => {
                        let mut deal = DealSeen::new(dealing.hand);
                        deal.told(dealing)?;
                        Some(deal)
                    }
                    (None, None) => None,
                };
                self.deals_void = snapshot.deals_void;
                let running = snapshot.hand.as_ref();
                self.clock = running.and_then(|hand| Some((hand.remaining_ms?, hand.time_bank)));
                self.table = Some(table);
                self.cursor = Some(pb::Cursor { epoch: message.epoch, offset: message.offset });
            }
            Body::Events(events) => {
                let cursor = self.cursor.as_mut().ok_or(ViewError::NoSnapshot)?;
                if message.offset != cursor.offset + 1 {
                    return Err(ViewError::Gap { at: cursor.offset, got: message.offset });
                }
                cursor.offset = message.offset;
                for kind in events.events.iter().filter_map(|event| event.kind.as_ref()) {
                    self.event(kind)?;
                }
            }
            // Its offset may already count events that are not shown before the pause is over.
            Body::TablePaused(paused) => self.stalled = Some(paused.reason.clone()),
            Body::TableResumed(_) => self.stalled = None,
            Body::Ack(_) | Body::Error(_) | Body::Pong(_) | Body::Closing(_) | Body::Said(_) => {}
        }
        Ok(())
    }

    /// The cursor to resume from.
    pub fn cursor(&self) -> Option<pb::Cursor> {
        self.cursor
    }

    pub fn own(&self) -> PlayerId {
        self.own
    }

    pub fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }

    pub fn hand(&self) -> Option<&Hand> {
        self.table.as_ref()?.hand.as_ref()
    }

    pub fn your_seat(&self) -> Option<(SeatIndex, &Seat)> {
        let table = self.table.as_ref()?;
        let you = table.you?;
        Some((you, table.seats.get(&you)?))
    }

    /// The viewer's cards in the running hand.
    pub fn your_cards(&self) -> &[Card] {
        let cards = || {
            let table = self.table.as_ref()?;
            Some(table.hand.as_ref()?.players.get(&table.you?)?.cards.as_slice())
        };
        cards().unwrap_or_default()
    }

    /// The legal actions on the viewer's turn.
    pub fn your_turn(&self) -> Option<Turn> {
        let hand = self.hand()?;
        let options = hand.options?;
        let own = hand.players.get(&hand.to_act?)?;
        let question = pb::Question {
            board_cards: u32::try_from(hand.board.len()).ok()?,
            to_match: own.street_bet + options.call.unwrap_or(0),
        };
        Some(Turn { hand: hand.number, options, question })
    }

    /// The hand in which one is asked whether to run it twice.
    pub fn your_question(&self) -> Option<u64> {
        let table = self.table.as_ref()?;
        let hand = table.hand.as_ref()?;
        hand.asked_twice.contains(&table.you?).then_some(hand.number)
    }

    /// The hand in which one is asked whether to show it.
    pub fn may_show(&self) -> Option<u64> {
        let table = self.table.as_ref()?;
        let hand = table.hand.as_ref()?;
        hand.asked_to_show.contains(&table.you?).then_some(hand.number)
    }

    /// Chairs that nobody sits in, is coming to or leaving from, as far as one knows.
    pub fn free_seats(&self) -> Vec<SeatIndex> {
        let Some(table) = &self.table else { return Vec::new() };
        (0..table.seat_count)
            .map(SeatIndex)
            .filter(|seat| !table.seats.contains_key(seat) && !self.held.contains_key(seat))
            .collect()
    }

    /// Seats that wait for the chain, with their players.
    pub fn held(&self) -> &BTreeMap<SeatIndex, (PlayerId, pb::SeatingState)> {
        &self.held
    }

    /// The last hand that ended while one looked on.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// The shown part of the deal of the running (or coming) hand.
    pub fn deal(&self) -> Option<&DealSeen> {
        self.deal.as_ref()
    }

    /// The rest of the turn at the time of the message, in milliseconds; true: the time bank.
    pub fn clock(&self) -> Option<(u64, bool)> {
        self.clock
    }

    /// Why the table is paused, if it says so.
    pub fn stalled(&self) -> Option<&str> {
        self.stalled.as_deref()
    }

    /// Number of deals that the table has voided after a player had revealed, by the last message.
    pub fn deals_void(&self) -> u64 {
        self.deals_void
    }

    /// The last entry of the table's sequence that is final on chain, by the last message.
    pub fn confirmed(&self) -> u64 {
        self.confirmed
    }
}

fn seat_index(seat: u32) -> Result<SeatIndex, ViewError> {
    u8::try_from(seat).map(SeatIndex).map_err(|_| ViewError::Impossible("a seat beyond 255"))
}

fn card(text: &str) -> Result<Card, ViewError> {
    text.parse().map_err(|_| ViewError::Impossible("not a card"))
}

fn cards(texts: &[String]) -> Result<Vec<Card>, ViewError> {
    texts.iter().map(|text| card(text)).collect()
}

fn player_id(text: &str) -> Result<PlayerId, ViewError> {
    text.parse().map_err(|_| ViewError::Impossible("not an address"))
}

impl Table {
    fn from_snapshot(snapshot: &pb::Snapshot) -> Result<Self, ViewError> {
        let seat = |seat: &pb::Seat| {
            let chair = Seat {
                player: player_id(&seat.player)?,
                stack: seat.stack,
                pending: seat.pending,
                sitting_out: seat.sitting_out,
                connected: seat.connected,
                leaving: seat.leaving,
                straddle: seat.straddle,
            };
            Ok((seat_index(seat.seat)?, chair))
        };
        Ok(Self {
            uid: snapshot.table.clone(),
            name: snapshot.name.clone(),
            seat_count: seat_index(snapshot.seat_count)?.0,
            small_blind: snapshot.small_blind,
            big_blind: snapshot.big_blind,
            buy_in_min: snapshot.buy_in_min,
            buy_in_max: snapshot.buy_in_max,
            seats: snapshot.seats.iter().map(seat).collect::<Result<_, ViewError>>()?,
            you: snapshot.you.map(seat_index).transpose()?,
            hand: snapshot.hand.as_ref().map(Hand::from_snapshot).transpose()?,
            last_hand: snapshot.last_hand,
            paused: snapshot.paused,
            straddles: snapshot.straddles,
            run_it_twice: snapshot.run_it_twice,
            rabbit_hunt: snapshot.rabbit_hunt,
            chat: snapshot.chat(),
        })
    }
}

impl Hand {
    fn from_snapshot(hand: &pb::Hand) -> Result<Self, ViewError> {
        let player = |player: &pb::InHand| {
            let cards = cards(&player.cards)?;
            let in_hand = InHand { street_bet: player.street_bet, folded: player.folded, cards };
            Ok((seat_index(player.seat)?, in_hand))
        };
        Ok(Self {
            number: hand.hand,
            button: seat_index(hand.button)?,
            board: cards(&hand.board)?,
            second_board: cards(&hand.second_board)?,
            shared: 0,
            asked_twice: hand.asked_twice.iter().map(|seat| seat_index(*seat)).collect::<Result<_, _>>()?,
            asked_to_show: hand
                .asked_to_show
                .iter()
                .map(|seat| seat_index(*seat))
                .collect::<Result<_, _>>()?,
            pot: hand.pot,
            bet: hand.bet,
            players: hand.players.iter().map(player).collect::<Result<_, ViewError>>()?,
            to_act: hand.to_act.map(seat_index).transpose()?,
            options: hand.options,
        })
    }
}
