//! The whole deck of a hand, as an auditor sees it.

use crate::verify::{self, Unproven};
use purr_engine::{Card, Deck, Event, SeatIndex, deal};
use purr_protocol::{audit::AuditorSecret, record::HandRecord};

/// A hand whose deck was in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// All 52 cards in the order in which root and reveals deal them.
    pub deck: Deck,
    /// Everybody's two cards, those that were never shown included.
    pub holes: Vec<(SeatIndex, [Card; 2])>,
    /// Cards that everybody saw, all of them where the deck has them.
    pub seen: usize,
    pub withheld: Vec<u8>,
}

/// Checks all 52 cards: the leaves are those behind the published root, each card is there exactly
/// once, reveals are what was committed to, and every card in the record lay where the deck has it.
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
    // Whoever has only the record must be able to prove it too.
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
