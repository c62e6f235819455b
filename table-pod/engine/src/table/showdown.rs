//! The end of a hand: showing, splitting, raking, and what each seat has afterwards.

use super::{Hand, Table};
use crate::{
    eval::{HandRank, evaluate},
    event::{Event, HandEnd, SeatResult, Street},
    ids::{Chips, SeatIndex},
    pots::{Pot, pots, split},
    rake::{rake, split_rake},
    refusal::Refusal,
};

impl Table {
    /// All others have folded.
    pub(super) fn win_uncontested(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        self.return_uncalled(events);
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        let winner = hand.live().map(|(seat, _)| seat).next().ok_or(Refusal::NoHand)?;
        let mut pots = pots(&hand.contributions(), hand.dead);
        let taken = self.take_rake(&mut pots, events)?;
        for (index, pot) in (0u8..).zip(&pots) {
            self.pay(index, winner, pot.amount, events);
        }
        self.end_hand(taken, events)
    }

    pub(super) fn showdown(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        let order = self.showing_order(hand);
        let ranks: Vec<(SeatIndex, HandRank)> =
            hand.live().map(|(seat, player)| (seat, hand.rank_of(player.cards))).collect();
        let rank = |seat: SeatIndex| ranks.iter().find(|(at, _)| *at == seat).map(|(_, rank)| *rank);
        let mut pots = pots(&hand.contributions(), hand.dead);

        // The last side pot is shown down first (WSOP 149). Whoever cannot win any pot any more may
        // muck, and does: a mucked hand is never seen.
        let mut shown: Vec<SeatIndex> = Vec::with_capacity(order.len());
        for pot in pots.iter().rev() {
            let mut best =
                shown.iter().filter(|seat| pot.eligible.contains(seat)).filter_map(|s| rank(*s)).max();
            for &seat in order.iter().filter(|seat| pot.eligible.contains(seat)) {
                if pot.eligible.len() > 1 && !shown.contains(&seat) && rank(seat) >= best {
                    shown.push(seat);
                }
                if shown.contains(&seat) {
                    best = best.max(rank(seat));
                }
            }
        }
        for &seat in &shown {
            if let Some(player) = hand.player(seat) {
                events.push(Event::Shown { seat, cards: player.cards });
            }
        }
        for &seat in order.iter().filter(|seat| !shown.contains(seat)) {
            events.push(Event::Mucked { seat });
        }
        let button = hand.button;
        let taken = self.take_rake(&mut pots, events)?;
        for (index, pot) in pots.iter().enumerate().rev() {
            let index = u8::try_from(index).map_err(|_| Refusal::Overflow)?;
            let best = pot.eligible.iter().filter_map(|seat| rank(*seat)).max();
            let winners: Vec<SeatIndex> =
                self.clockwise(button).filter(|s| pot.eligible.contains(s) && rank(*s) == best).collect();
            for (&seat, share) in winners.iter().zip(split(pot.amount, winners.len())) {
                self.pay(index, seat, share, events);
            }
        }
        self.end_hand(taken, events)
    }

    /// The last to bet or raise on the river shows first, else the first left of the button (WSOP 145).
    fn showing_order(&self, hand: &Hand) -> Vec<SeatIndex> {
        let live = |seat: &SeatIndex| hand.player(*seat).is_some_and(|player| !player.folded);
        let mut order: Vec<SeatIndex> = self.clockwise(hand.button).filter(live).collect();
        if let Some(first) = hand.aggressor.and_then(|seat| order.iter().position(|at| *at == seat)) {
            order.rotate_left(first);
        }
        order
    }

    /// Takes the rake out of the pots, from each its part; what does not divide comes from the main pot.
    fn take_rake(&mut self, pots: &mut [Pot], events: &mut Vec<Event>) -> Result<Chips, Refusal> {
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        let all: Chips = pots.iter().map(|pot| pot.amount).sum();
        let allowed = hand.players().filter_map(|(seat, _)| self.seats[seat.index()].as_ref());
        // Permits bind the house: what they do not allow stays in the pots.
        let allowed =
            allowed.map(|chair| chair.rake_left.unwrap_or(Chips::MAX)).fold(0, Chips::saturating_add);
        let taken = rake(&self.config.rake, all, hand.dealt_in, hand.street > Street::Preflop).min(allowed);
        if taken == 0 {
            return Ok(0);
        }
        let mut left = taken;
        for pot in pots.iter_mut().skip(1) {
            let part = u128::from(taken) * u128::from(pot.amount) / u128::from(all);
            let part = Chips::try_from(part).map_err(|_| Refusal::Overflow)?;
            pot.amount -= part;
            left -= part;
        }
        // The main pot may be smaller than the odd units only where it is empty.
        for pot in pots.iter_mut() {
            let part = left.min(pot.amount);
            pot.amount -= part;
            left -= part;
        }
        events.push(Event::Raked { amount: taken });
        Ok(taken)
    }

    fn pay(&mut self, pot: u8, seat: SeatIndex, amount: Chips, events: &mut Vec<Event>) {
        if let (Some(chair), true) = (self.seats[seat.index()].as_mut(), amount > 0) {
            chair.stack += amount;
            events.push(Event::PotWon { pot, seat, amount, stack: chair.stack });
        }
    }

    /// Gives every bet back: the hand never happened.
    pub(super) fn void_hand(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        let refunds: Vec<(SeatIndex, Chips)> = hand.players().map(|(s, p)| (s, p.total + p.dead)).collect();
        self.positions = hand.before;
        for (seat, amount) in refunds {
            if let Some(chair) = self.seats[seat.index()].as_mut() {
                chair.stack += amount;
            }
        }
        self.finish(0, true, events)
    }

    fn end_hand(&mut self, rake: Chips, events: &mut Vec<Event>) -> Result<(), Refusal> {
        self.bank = self.bank.checked_sub(u128::from(rake)).ok_or(Refusal::Overflow)?;
        self.finish(rake, false, events)
    }

    /// Each seat's part of the rake counts against its permits.
    fn charge_rake(&mut self, results: &[SeatResult], rake: Chips) -> Result<(), Refusal> {
        let left = |result: &SeatResult| self.seats[result.seat.index()].as_ref()?.rake_left;
        let seats: Vec<(i64, Chips)> =
            results.iter().map(|result| (result.delta, left(result).unwrap_or(Chips::MAX))).collect();
        let parts = split_rake(&seats, rake).ok_or(Refusal::Overflow)?;
        for (result, part) in results.iter().zip(parts) {
            if let Some(left) = self.seats[result.seat.index()].as_mut().and_then(|c| c.rake_left.as_mut()) {
                *left = left.saturating_sub(part);
            }
        }
        Ok(())
    }

    fn finish(&mut self, rake: Chips, void: bool, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let hand = self.hand.take().ok_or(Refusal::NoHand)?;
        let mut results = Vec::with_capacity(usize::from(hand.dealt_in));
        for (seat, player) in hand.players() {
            let Some(chair) = self.seats[seat.index()].as_ref() else {
                continue;
            };
            let delta = i128::from(chair.stack) - i128::from(player.start_stack);
            let delta = i64::try_from(delta).map_err(|_| Refusal::Overflow)?;
            results.push(SeatResult { seat, player: chair.player, delta, stack: chair.stack });
        }
        self.charge_rake(&results, rake)?;
        events.push(Event::HandEnded(HandEnd { hand: hand.number, results, rake, void }));
        let leaving: Vec<SeatIndex> = self.occupied().filter(|(_, s)| s.leaving).map(|(at, _)| at).collect();
        for chair in self.seats.iter_mut().flatten() {
            chair.stack += std::mem::take(&mut chair.pending);
        }
        for seat in leaving {
            self.free(seat, events);
        }
        // Whoever has nothing left waits for chips.
        let broke: Vec<SeatIndex> =
            self.occupied().filter(|(_, s)| s.stack == 0 && !s.sitting_out).map(|(at, _)| at).collect();
        for seat in broke {
            self.sit_out(seat, events)?;
        }
        Ok(())
    }
}

impl Hand {
    fn rank_of(&self, cards: [crate::Card; 2]) -> HandRank {
        let mut seven = Vec::with_capacity(7);
        seven.extend(cards);
        seven.extend(&self.board);
        evaluate(&seven)
    }
}
