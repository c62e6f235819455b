//! One player's view of a deal, with its proofs.

use super::{ViewError, card};
use purr_engine::{
    Card, SeatIndex,
    deal::{Commitment, Hash, Opening, Reveal},
};
use purr_protocol::pb;

/// The visible part of a deal, enough to check it (see [`crate::verify`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DealSeen {
    pub hand: u64,
    /// The root that the deck was bound to before anybody revealed.
    pub root: Option<Hash>,
    /// Players' commitments when the root was published.
    pub commitments: Vec<Commitment>,
    pub reveals: Vec<Reveal>,
    /// Players who were dealt in, in the order of the deal.
    pub order: Vec<SeatIndex>,
    /// Cards that were seen, each with its place in the deal.
    pub openings: Vec<(usize, Opening)>,
    /// Cards that came without proof.
    pub bare: Vec<Card>,
    /// The view began in the middle of the hand, and parts are missing.
    pub joined: bool,
    /// The root after the reveals differs from the one before.
    pub root_changed: bool,
    /// The commitments after the reveals differ from those before.
    pub commitments_changed: bool,
}

impl DealSeen {
    pub(super) fn new(hand: u64) -> Self {
        Self {
            hand,
            root: None,
            commitments: Vec::new(),
            reveals: Vec::new(),
            order: Vec::new(),
            openings: Vec::new(),
            bare: Vec::new(),
            joined: false,
            root_changed: false,
            commitments_changed: false,
        }
    }

    pub(super) fn joined(hand: u64, root: &[u8]) -> Self {
        Self { root: root.try_into().ok(), joined: true, ..Self::new(hand) }
    }

    /// The deal from a snapshot in the middle of a hand: everything visible so far, with its proofs.
    pub(super) fn from_snapshot(hand: &pb::Hand) -> Result<Self, ViewError> {
        let (Some(told), true) = (&hand.deal, hand.second_board.is_empty()) else {
            return Ok(Self::joined(hand.hand, &hand.deal_root));
        };
        let mut deal = Self::new(hand.hand);
        deal.told(told)?;
        deal.order = hand.dealt_in.iter().map(|seat| super::seat_index(*seat)).collect::<Result<_, _>>()?;
        let proof = |text: &String| {
            let proven = hand.openings.iter().find(|opening| opening.card == *text).cloned();
            proven.unwrap_or_else(|| pb::Opening { card: text.clone(), ..pb::Opening::default() })
        };
        for player in &hand.players {
            let cards: Vec<pb::Opening> = player.cards.iter().map(proof).collect();
            deal.hole_cards(super::seat_index(player.seat)?, &cards)?;
        }
        deal.board_cards(0, &hand.board.iter().map(proof).collect::<Vec<_>>())?;
        Ok(deal)
    }

    pub(super) fn told(&mut self, told: &pb::DealCommitted) -> Result<(), ViewError> {
        let hash =
            |bytes: &[u8]| bytes.try_into().map_err(|_| ViewError::Impossible("a hash that is not 32 bytes"));
        let root: Hash = hash(&told.root)?;
        let mut commitments = Vec::with_capacity(told.commitments.len());
        for committed in &told.commitments {
            let seat = super::seat_index(committed.seat)?.0;
            commitments.push(Commitment { seat, hash: hash(&committed.commitment)? });
        }
        if let Some(before) = self.root {
            self.root_changed |= before != root;
            self.commitments_changed |= self.commitments != commitments;
        } else {
            // The first message binds the table.
            (self.root, self.commitments) = (Some(root), commitments);
        }
        for reveal in &told.reveals {
            let seat = super::seat_index(reveal.seat)?.0;
            self.reveals.push(Reveal { seat, entropy: hash(&reveal.entropy)? });
        }
        Ok(())
    }

    /// Hole cards are dealt one at a time, twice around.
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
        // The viewer's own cards appear again when they are shown.
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
