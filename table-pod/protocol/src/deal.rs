//! Messages to players about a deal beside its cards.

use crate::{pb, views::opening};
use purr_engine::{
    Card, SeatIndex,
    deal::{Commitment, Reveal, SealedDeck},
};

/// The root of a deal with what players committed to and, once it is dealt, revealed.
pub fn committed(
    hand: u64,
    root: [u8; 32],
    commitments: &[Commitment],
    reveals: &[Reveal],
) -> pb::DealCommitted {
    pb::DealCommitted {
        hand,
        root: root.to_vec(),
        reveals: reveals
            .iter()
            .map(|reveal| pb::Reveal { seat: reveal.seat.into(), entropy: reveal.entropy.to_vec() })
            .collect(),
        commitments: commitments
            .iter()
            .map(|Commitment { seat, hash }| pb::EntropyCommitment {
                seat: u32::from(*seat),
                commitment: hash.to_vec(),
            })
            .collect(),
    }
}

/// Puts the proofs of a running hand into a snapshot: of the cards that the snapshot shows already, so
/// that nobody can learn another one by it.
pub fn prove(snapshot: &mut pb::Snapshot, told: pb::DealCommitted, sealed: &SealedDeck, order: &[SeatIndex]) {
    let Some(hand) = snapshot.hand.as_mut() else { return };
    let own = hand.players.iter().flat_map(|player| &player.cards);
    let cards = own.chain(&hand.board).chain(&hand.second_board).filter_map(|text| text.parse::<Card>().ok());
    let mut cards: Vec<Card> = cards.collect();
    // Two boards share what lay there before the hand was run twice.
    let mut seen = Vec::with_capacity(cards.len());
    cards.retain(|card| {
        !seen.contains(card) && {
            seen.push(*card);
            true
        }
    });
    hand.openings = cards.iter().map(|card| opening(*card, sealed.opening_of(*card))).collect();
    hand.dealt_in = order.iter().map(|seat| seat.0.into()).collect();
    hand.deal = Some(told);
}
