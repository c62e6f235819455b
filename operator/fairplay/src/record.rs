//! Converts a table's hand record, with its fair-play part opened, into the detectors' form of a hand.
//!
//! [`ended_hand`] is the only conversion: `purr-fairplay score` and the service use it. It does not check the record;
//! records checks sums and hash before it stores one.

use purr_engine::{Action, Event, Millis, SeatIndex, Street, event::Post, ids::SEATS_MAX};
use purr_fairplay_hands::{ActionKind, BadHand, EndedHand, SeatPlayed, StreetAction, StreetPost};
use purr_protocol::{
    audit::AuditError,
    fairplay::{FairPlaySecret, Hidden},
    record::HandRecord,
};

/// Why a record is no hand for the detectors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    #[error("the hand is void: nobody won or lost")]
    Void,
    #[error("the record does not say where the button was")]
    NoButton,
    #[error("the record has {timings} timings for {actions} actions")]
    Timings { timings: usize, actions: usize },
    #[error("no result for seat {0}, which was dealt in")]
    NoResult(SeatIndex),
    #[error("the fair-play part has no hole cards of seat {0}, which was dealt in")]
    NoCards(SeatIndex),
    #[error("seat {0} is not below {SEATS_MAX}")]
    Seat(SeatIndex),
    #[error(transparent)]
    Hand(#[from] BadHand),
}

/// Opens the fair-play part of a record; `None` where it has none (before version 3, or a table without the key).
///
/// # Errors
/// [`AuditError`]: another key's, or not of this hand.
pub fn open(record: &HandRecord, secret: &FairPlaySecret) -> Result<Option<Hidden>, AuditError> {
    record.fair_play.as_ref().map(|sealed| secret.open(sealed, &record.about())).transpose()
}

/// The hand of a record. Without the opened part its hole cards are unknown, shown ones too: cards that were shown are
/// the stronger ones, and would bias the range model.
///
/// # Errors
/// [`BadRecord`] names what is missing.
pub fn ended_hand(
    record: &HandRecord,
    hidden: Option<&Hidden>,
    ended_at_ms: Millis,
) -> Result<EndedHand, BadRecord> {
    if record.end.void {
        return Err(BadRecord::Void);
    }
    let config = &record.history.config;
    let mut hand = EndedHand {
        table: record.table.clone(),
        hand: record.history.hand,
        ended_at_ms,
        big_blind: config.big_blind,
        button: SeatIndex(0),
        seats: seats(record, hidden)?,
        posts: Vec::new(),
        actions: Vec::new(),
        board: Vec::new(),
        rake: record.end.rake,
    };
    hand.button = read_events(record, &mut hand)?.ok_or(BadRecord::NoButton)?;
    hand.validate()?;
    Ok(hand)
}

/// The seats by rising number: a record lists them from the seat after the button.
fn seats(record: &HandRecord, hidden: Option<&Hidden>) -> Result<Vec<SeatPlayed>, BadRecord> {
    let played = record.history.seats.iter().map(|start| {
        let seat = start.seat;
        let result = record.end.results.iter().find(|result| result.seat == seat);
        let cards = hidden.map(|hidden| {
            let of = hidden.holes.iter().find(|(of, _)| *of == seat.0);
            of.map(|(_, cards)| *cards).ok_or(BadRecord::NoCards(seat))
        });
        Ok(SeatPlayed {
            seat,
            player: start.player,
            stack: start.stack,
            cards: cards.transpose()?,
            delta: result.ok_or(BadRecord::NoResult(seat))?.delta,
        })
    });
    let mut played = played.collect::<Result<Vec<_>, BadRecord>>()?;
    played.sort_by_key(|played| played.seat);
    Ok(played)
}

/// Fills posts, actions and the first board; returns the button.
fn read_events(record: &HandRecord, hand: &mut EndedHand) -> Result<Option<SeatIndex>, BadRecord> {
    let acts = record.history.events.iter().filter(|event| matches!(event, Event::Acted { .. })).count();
    // Version 2 has none.
    if !record.timings.is_empty() && record.timings.len() != acts {
        return Err(BadRecord::Timings { timings: record.timings.len(), actions: acts });
    }
    let mut times = record.timings.iter();
    let (mut button, mut street) = (None, Street::Preflop);
    for event in &record.history.events {
        match event {
            Event::HandStarted { button: at, .. } => button = Some(*at),
            Event::Posted { seat, post, amount, .. } => hand.posts.push(StreetPost {
                seat: *seat,
                amount: *amount,
                dead: matches!(post, Post::Ante | Post::Dead),
            }),
            Event::StreetDealt { board: 0, street: next, cards } => {
                street = *next;
                hand.board.extend(cards.iter());
            }
            Event::Acted { seat, action, total, timed_out, .. } => {
                if seat.index() >= SEATS_MAX {
                    return Err(BadRecord::Seat(*seat));
                }
                let time = times.next().and_then(|timing| timing.think_ms);
                hand.actions.push(StreetAction {
                    seat: *seat,
                    street,
                    action: kind(*action),
                    to: *total,
                    think_ms: time.filter(|_| !timed_out),
                });
            }
            _ => {}
        }
    }
    Ok(button)
}

fn kind(action: Action) -> ActionKind {
    match action {
        Action::Fold => ActionKind::Fold,
        Action::Check => ActionKind::Check,
        Action::Call => ActionKind::Call,
        Action::RaiseTo(_) => ActionKind::Raise,
    }
}
