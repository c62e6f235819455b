//! Checks the whole deck of a hand, as an auditor.

use crate::verify::{self, Unproven};
use purr_engine::{Card, Deck, Event, SeatIndex, deal};
use purr_protocol::{audit::AuditorSecret, record::HandRecord};

/// A hand whose deck was checked without finding a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// All 52 cards in the order in which root and reveals deal them.
    pub deck: Deck,
    /// Hole cards of all players, including cards that were never shown.
    pub holes: Vec<(SeatIndex, [Card; 2])>,
    /// Cards that all players saw; each was found in the deck.
    pub seen: usize,
    pub withheld: Vec<u8>,
}

/// Checks all 52 cards: the leaves belong to the published root, each card occurs exactly once, reveals match the
/// commitments, and every card in the record is where the deck has it.
///
/// # Errors
/// The first thing that does not agree.
pub fn audit(record: &HandRecord, secret: &AuditorSecret) -> Result<Audited, Unproven> {
    let sealed = record.audit.as_ref().ok_or(Unproven::NoAudit)?;
    let root = verify::root(record)?;
    let leaves = secret.open(sealed, &record.about())?;
    let deck = deal::audit(&root, &record.reveals, &leaves)?;
    for (card, wanted) in verify::visible(record)? {
        if deck.at(wanted) != Some(card) {
            let found = deck.cards().iter().position(|at| *at == card).unwrap_or(usize::MAX);
            return Err(Unproven::Place { card, wanted, found });
        }
    }
    // A holder of the record alone must be able to prove it as well.
    let verify::Proven { cards, withheld } = verify::record(record)?;
    let order = record.history.events.iter().find_map(|event| match event {
        Event::HandStarted { dealt_in, .. } => Some(dealt_in.to_vec()),
        _ => None,
    });
    let order = order.ok_or(Unproven::NoStart)?;
    let hole = |(at, seat): (usize, &SeatIndex)| Some((*seat, [deck.at(at)?, deck.at(order.len() + at)?]));
    let holes = order.iter().enumerate().filter_map(hole).collect();
    Ok(Audited { holes, deck, seen: cards, withheld })
}
