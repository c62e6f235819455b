//! The end of a street and the deal of the next.

use super::{Hand, Table};
use crate::{
    event::{Event, Street},
    ids::{Chips, SeatIndex},
    list::Board,
    refusal::Refusal,
};

impl Table {
    /// Gives a bet that nobody called back to its player (before rake and pots).
    pub(super) fn return_uncalled(&mut self, events: &mut Vec<Event>) {
        let Some(hand) = self.hand.as_mut() else {
            return;
        };
        let (mut first, mut second, mut top) = (0, 0, SeatIndex(0));
        for (seat, player) in hand.players() {
            if player.total > first {
                (first, second, top) = (player.total, first, seat);
            } else {
                second = second.max(player.total);
            }
        }
        let excess: Chips = first - second;
        if excess == 0 || !hand.live.contains(top) {
            return;
        }
        if let (Some(player), Some(chair)) = (hand.player_mut(top), self.seats[top.index()].as_mut()) {
            player.total -= excess;
            player.street_bet = player.street_bet.saturating_sub(excess);
            chair.stack += excess;
            hand.able.insert(top);
            events.push(Event::Uncalled { seat: top, amount: excess, stack: chair.stack });
        }
    }
}

impl Hand {
    pub(super) fn next_street(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let (street, cards) = self.deal_street(self.street)?;
        self.street = street;
        cards.iter().for_each(|card| self.board.push(*card));
        self.bet = 0;
        self.full_bet = 0;
        self.raise_size = self.minimum_bet;
        self.bets = 0;
        // The player who bet last before nobody could bet any more shows first, unless somebody pushed all-in.
        if self.able.len() > 1 {
            self.aggressor = None;
        }
        for player in self.players.iter_mut().flatten() {
            player.street_bet = 0;
            player.acted_at = None;
        }
        events.push(Event::StreetDealt { board: 0, street, cards });
        Ok(())
    }

    /// The street after this one and its cards, the next of the deal.
    pub(super) fn deal_street(&mut self, after: Street) -> Result<(Street, Board), Refusal> {
        let (street, count) = match after {
            Street::Preflop => (Street::Flop, 3),
            Street::Flop => (Street::Turn, 1),
            Street::Turn | Street::River => (Street::River, 1),
        };
        let mut cards = Board::new();
        for _ in 0..count {
            cards.push(self.next_card()?);
        }
        Ok((street, cards))
    }
}
