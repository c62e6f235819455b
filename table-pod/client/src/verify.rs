//! Whether a hand was dealt as the table had bound itself to: for what one saw live, and for a record.

use crate::view::DealSeen;
use purr_engine::{
    Card, Event, SeatIndex,
    deal::{DealError, Hash, Opening, verify_reveals, verify_seen},
};
use purr_protocol::{audit::AuditError, record::HandRecord};

/// The first thing that does not agree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// This is no fault: the client joined during the hand.
    #[error("only a part of the hand was seen")]
    Partly,
    #[error("no root was published before the deal")]
    NoRoot,
    #[error("the root was changed after the entropy was revealed")]
    RootChanged,
    #[error("the commitments were changed after the root was published")]
    CommitmentsChanged,
    #[error("the commitment of seat {0} was accepted and then left out")]
    CommitmentLeftOut(SeatIndex),
    #[error("the entropy of seat {0} was accepted and then left out")]
    EntropyLeftOut(SeatIndex),
    #[error("{0} came without proof")]
    Bare(Card),
    #[error("'{0}' is not a root: want 64 hex digits")]
    BadRoot(String),
    #[error("the record does not say who was dealt in")]
    NoStart,
    #[error("{card} was dealt at place {wanted}, the record proves place {found}")]
    Place { card: Card, wanted: usize, found: usize },
    #[error("{0} is proven and was never seen")]
    NeverSeen(Card),
    #[error("the record has no part for an auditor")]
    NoAudit,
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Deal(#[from] DealError),
}

/// Checks what one player saw; `own` is the entropy that the table took from this player for the hand.
/// Returns how many cards are proven.
pub fn deal(seen: &DealSeen, own: Option<(SeatIndex, Hash)>) -> Result<usize, Unproven> {
    if seen.root_changed {
        return Err(Unproven::RootChanged);
    }
    if seen.joined {
        return Err(Unproven::Partly);
    }
    if seen.commitments_changed {
        return Err(Unproven::CommitmentsChanged);
    }
    let root = seen.root.ok_or(Unproven::NoRoot)?;
    verify_reveals(&seen.commitments, &seen.reveals)?;
    if let Some((seat, entropy)) = own {
        let there = seen.reveals.iter().any(|reveal| reveal.seat == seat.0 && reveal.entropy == entropy);
        if !there {
            return Err(Unproven::EntropyLeftOut(seat));
        }
    }
    if let Some(card) = seen.bare.first() {
        return Err(Unproven::Bare(*card));
    }
    verify_seen(&root, &seen.reveals, &seen.openings)?;
    Ok(seen.openings.len())
}

/// The facts that a record proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Cards that are proven.
    pub cards: usize,
    /// Seats that committed to entropy and did not reveal it.
    pub withheld: Vec<u8>,
}

/// Checks a hand's record: each reveal is what its seat had committed to, and every card that everybody
/// saw belongs to the root, and lay where root and reveals put it.
///
/// # Errors
/// The first thing that does not agree.
pub fn record(record: &HandRecord) -> Result<Proven, Unproven> {
    let root = root(record)?;
    let withheld = verify_reveals(&record.commitments, &record.reveals)?;
    let visible = visible(record)?;
    let proven: Vec<(usize, Opening)> =
        record.openings.iter().map(|(place, opening)| (usize::from(*place), opening.clone())).collect();
    for (card, wanted) in &visible {
        let (found, _) =
            proven.iter().find(|(_, opening)| opening.card == *card).ok_or(Unproven::Bare(*card))?;
        if found != wanted {
            return Err(Unproven::Place { card: *card, wanted: *wanted, found: *found });
        }
    }
    if let Some((_, opening)) =
        proven.iter().find(|(_, opening)| !visible.iter().any(|(card, _)| *card == opening.card))
    {
        return Err(Unproven::NeverSeen(opening.card));
    }
    verify_seen(&root, &record.reveals, &proven)?;
    Ok(Proven { cards: proven.len(), withheld })
}

pub(crate) fn root(record: &HandRecord) -> Result<Hash, Unproven> {
    let mut root: Hash = [0; 32];
    hex::decode_to_slice(&record.root, &mut root)
        .map_err(|_| Unproven::BadRoot(record.root.chars().take(80).collect()))?;
    Ok(root)
}

/// Board and shown cards, each with the place that the rules of the deal give it: two for each player,
/// one at a time, then the board, then the second board where the hand was run twice.
pub(crate) fn visible(record: &HandRecord) -> Result<Vec<(Card, usize)>, Unproven> {
    let events = &record.history.events;
    let order = events.iter().find_map(|event| match event {
        Event::HandStarted { dealt_in, .. } => Some(dealt_in),
        _ => None,
    });
    let order = order.ok_or(Unproven::NoStart)?;
    let mut visible = Vec::new();
    let mut next = order.len() * 2;
    for event in events {
        match event {
            Event::StreetDealt { cards, .. } => {
                for card in cards {
                    visible.push((*card, next));
                    next += 1;
                }
            }
            Event::Shown { seat, cards } => {
                let at = order.iter().position(|dealt| dealt == seat).ok_or(Unproven::NoStart)?;
                visible.extend([(cards[0], at), (cards[1], order.len() + at)]);
            }
            _ => {}
        }
    }
    Ok(visible)
}
