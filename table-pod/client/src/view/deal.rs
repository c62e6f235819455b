//! What one player saw of a deal, with its proofs.

use super::{ViewError, card};
use purr_engine::{
    Card, SeatIndex,
    deal::{Hash, Opening, Reveal},
};
use purr_protocol::pb;

/// A deal as far as it was shown: enough to check it (see [`crate::verify`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DealSeen {
    pub hand: u64,
    /// What the deck was bound to before anybody revealed.
    pub root: Option<Hash>,
    pub reveals: Vec<Reveal>,
    /// Who was dealt in, in the order of the deal.
    pub order: Vec<SeatIndex>,
    /// Cards that were seen, each with its place in the deal.
    pub openings: Vec<(usize, Opening)>,
    /// Cards that came without proof.
    pub bare: Vec<Card>,
    /// The view began in the middle of the hand, so parts are missing.
    pub joined: bool,
    /// Another root was told after the reveals than before.
    pub root_changed: bool,
}

impl DealSeen {
    pub(super) fn new(hand: u64) -> Self {
        Self {
            hand,
            root: None,
            reveals: Vec::new(),
            order: Vec::new(),
            openings: Vec::new(),
            bare: Vec::new(),
            joined: false,
            root_changed: false,
        }
    }

    pub(super) fn joined(hand: u64, root: &[u8]) -> Self {
        Self { root: root.try_into().ok(), joined: true, ..Self::new(hand) }
    }

    pub(super) fn told(&mut self, told: &pb::DealCommitted) -> Result<(), ViewError> {
        let root = told.root.as_slice().try_into();
        let root: Hash = root.map_err(|_| ViewError::Impossible("a root that is not 32 bytes"))?;
        self.root_changed |= self.root.is_some_and(|before| before != root);
        self.root = Some(root);
        for reveal in &told.reveals {
            let seat = super::seat_index(reveal.seat)?.0;
            let entropy = reveal.entropy.as_slice().try_into();
            let entropy = entropy.map_err(|_| ViewError::Impossible("entropy that is not 32 bytes"))?;
            self.reveals.push(Reveal { seat, entropy });
        }
        Ok(())
    }

    /// One card at a time, twice around.
    pub(super) fn hole_cards(&mut self, seat: SeatIndex, cards: &[pb::Opening]) -> Result<(), ViewError> {
        let Some(at) = self.order.iter().position(|dealt| *dealt == seat) else { return Ok(()) };
        for (round, opening) in cards.iter().enumerate() {
            self.see(at + round * self.order.len(), opening)?;
        }
        Ok(())
    }

    /// After everybody's two; no card is burnt.
    pub(super) fn board_cards(&mut self, before: usize, cards: &[pb::Opening]) -> Result<(), ViewError> {
        let first = self.order.len() * 2 + before;
        for (number, opening) in cards.iter().enumerate() {
            self.see(first + number, opening)?;
        }
        Ok(())
    }

    fn see(&mut self, place: usize, told: &pb::Opening) -> Result<(), ViewError> {
        let card = card(&told.card)?;
        let Some(opening) = opening(card, told) else {
            self.bare.push(card);
            return Ok(());
        };
        // One's own cards are seen again when they are shown.
        if !self.openings.contains(&(place, opening.clone())) {
            self.openings.push((place, opening));
        }
        Ok(())
    }
}

fn opening(card: Card, told: &pb::Opening) -> Option<Opening> {
    let mut path = [[0; 32]; 6];
    if told.path.len() != path.len() * 32 {
        return None;
    }
    for (step, bytes) in path.iter_mut().zip(told.path.chunks_exact(32)) {
        step.copy_from_slice(bytes);
    }
    Some(Opening {
        leaf: u8::try_from(told.leaf).ok()?,
        card,
        salt: told.salt.as_slice().try_into().ok()?,
        path,
    })
}
