//! The rabbit hunt: the cards that would have come in a hand that ended before its river. They are looked up once the hand is
//! over, change nothing, and are in no record.

use super::{Core, Deal, Step};
use purr_engine::{Event, HandEnd, PlayerId};
use purr_protocol::{
    pb::{self, event::Kind},
    views::Context,
};

/// Cards of a board.
const BOARD: usize = 5;

/// Why there is nothing to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRabbit {
    #[error("this table has no rabbit hunt")]
    Off,
    #[error("hand {0} has no cards to come, or the next hand runs")]
    Over(u64),
    #[error("you were not dealt into hand {0}")]
    NotDealtIn(u64),
}

/// The hand that has just ended before its river, and nobody has asked for the rest of its board.
#[derive(Debug)]
pub(super) struct Rabbit {
    hand: u64,
    dealt_in: Vec<PlayerId>,
    cards: Vec<pb::Opening>,
}

impl Core {
    /// Notes what would have come in the hand that has ended.
    pub(super) fn note_rabbit(&mut self, end: &HandEnd, deal: &Deal) {
        self.rabbit = None;
        let board: usize = deal
            .events
            .iter()
            .map(|event| match event {
                Event::StreetDealt { cards, .. } => cards.len(),
                _ => 0,
            })
            .sum();
        if !self.spec.room.rabbit_hunt || end.void || board >= BOARD {
            return;
        }
        // Nothing is burnt: the board comes behind everybody's two cards.
        let next = 2 * deal.starts.iter().count() + board;
        let Ok(deck) = deal.sealed.deck(&deal.reveals) else { return };
        let Some(cards) = deck.cards().get(next..next + BOARD - board) else { return };
        let context = Context { now: self.now, deal: Some(&deal.sealed), table: &self.state.table };
        let cards = context.openings(cards);
        let dealt_in = deal.starts.iter().map(|start| start.player).collect();
        self.rabbit = Some(Rabbit { hand: end.hand, dealt_in, cards });
    }

    /// Shows everybody the rest of the last hand's board, because this player was in the hand and asks.
    pub(super) fn hunt_rabbit(
        &mut self,
        player: PlayerId,
        hand: u64,
        step: &mut Step,
    ) -> Result<(), NoRabbit> {
        if !self.spec.room.rabbit_hunt {
            return Err(NoRabbit::Off);
        }
        let running = self.state.table.hand().is_some();
        let found = self.rabbit.as_ref().filter(|rabbit| rabbit.hand == hand && !running);
        let rabbit = found.ok_or(NoRabbit::Over(hand))?;
        let seat = self.state.table.seat_of(player).filter(|_| rabbit.dealt_in.contains(&player));
        let seat = seat.ok_or(NoRabbit::NotDealtIn(hand))?;
        let cards = self.rabbit.take().map(|rabbit| rabbit.cards).unwrap_or_default();
        step.extra(Kind::RabbitHunted(pb::RabbitHunted { seat: seat.0.into(), hand, cards }));
        Ok(())
    }
}
