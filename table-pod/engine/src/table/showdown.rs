//! The end of a hand: showing, splitting, raking, and what each seat has afterwards.

use super::{Hand, Table};
use crate::{
    card::Card,
    eval::{HandRank, evaluate},
    event::{Event, HandEnd, SeatResult, Street},
    ids::{Chips, SEATS_MAX, SeatIndex, SeatSet},
    list::{Blank, List, Seats},
    pots::{Contribution, Pot, Pots, pots, split},
    rake::{rake, split_rake_into},
    refusal::Refusal,
};

impl Table {
    /// Ends the hand when all others have folded.
    pub(super) fn win_uncontested(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        self.return_uncalled(events);
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        let winner = hand.live.iter().next().ok_or(Refusal::NoHand)?;
        if self.offer_show(&[winner], SeatSet::default(), events) {
            return Ok(());
        }
        self.pay_uncontested(winner, events)
    }

    /// Ends the hand: pays the pots and takes the rake.
    pub(super) fn pay_out(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        match hand.live.iter().next() {
            Some(winner) if hand.live.len() == 1 => self.pay_uncontested(winner, events),
            _ => self.pay_showdown(events),
        }
    }

    fn pay_uncontested(&mut self, winner: SeatIndex, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        let mut pots = hand.pots();
        let taken = self.take_rake(&mut pots, events)?;
        for (index, pot) in (0u8..).zip(&pots) {
            self.pay(index, 0, winner, pot.amount, events);
        }
        self.end_hand(taken, events)
    }

    pub(super) fn showdown(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        let order = hand.showing_order();
        let shown = hand.show(&hand.pots(), &order, &hand.ranks(), events);
        let beaten: Seats = order.iter().copied().filter(|seat| !shown.contains(*seat)).collect();
        if self.offer_show(&beaten, shown, events) {
            return Ok(());
        }
        self.pay_showdown(events)
    }

    fn pay_showdown(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        let (button, ranks) = (hand.button, hand.ranks());
        let mut pots = hand.pots();
        // A player who mucks wins nothing from a pot that another player shows a hand for.
        let given_up = hand.given_up();
        let taken = self.take_rake(&mut pots, events)?;
        // Each pot is awarded by itself, the last side pot first (WSOP 149).
        let count = u8::try_from(pots.len()).map_err(|_| Refusal::Overflow)?;
        for (index, pot) in (0..count).zip(&pots).rev() {
            let contenders = pot.eligible.minus(given_up);
            let contenders = if contenders.is_empty() { pot.eligible } else { contenders };
            // The odd chip between two boards goes to the first.
            for (board, amount) in (0u8..).zip(split(pot.amount, ranks.len())) {
                let ranks = &ranks[usize::from(board)];
                let best = contenders.iter().filter_map(|seat| ranks[seat.index()]).max();
                let winners: SeatSet = contenders.iter().filter(|seat| ranks[seat.index()] == best).collect();
                for (seat, share) in winners.clockwise(button).zip(split(amount, winners.len())) {
                    self.pay(index, board, seat, share, events);
                }
            }
        }
        self.end_hand(taken, events)
    }

    /// Takes the rake from the pots in proportion; the remainder comes from the main pot.
    fn take_rake(&mut self, pots: &mut [Pot], events: &mut Vec<Event>) -> Result<Chips, Refusal> {
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        let all: Chips = pots.iter().map(|pot| pot.amount).sum();
        let allowed = hand.players().filter_map(|(seat, _)| self.seats[seat.index()].as_ref());
        // Permits limit the house: rake beyond them stays in the pots.
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

    fn pay(&mut self, pot: u8, board: u8, seat: SeatIndex, amount: Chips, events: &mut Vec<Event>) {
        if let (Some(chair), true) = (self.seats[seat.index()].as_mut(), amount > 0) {
            chair.stack += amount;
            events.push(Event::PotWon { pot, board, seat, amount, stack: chair.stack });
        }
    }

    /// Returns all bets: the hand is undone, earlier debts are owed again, and nothing counts as missed.
    pub(super) fn void_hand(&mut self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        (self.positions, self.last) = (hand.before, hand.last_before);
        let [missed_big, missed_small] = hand.missed;
        for (seat, chair) in (0..).map(SeatIndex).zip(self.seats.iter_mut()) {
            if let Some(chair) = chair {
                chair.owes_big &= !missed_big.contains(seat);
                chair.owes_small &= !missed_small.contains(seat);
            }
        }
        for (seat, player) in hand.players() {
            if let Some(chair) = self.seats[seat.index()].as_mut() {
                chair.stack += player.total + player.dead;
                chair.owes_big |= player.owed.big;
                chair.owes_small |= player.owed.small;
                chair.posts |= player.owed.posts;
            }
        }
        self.finish(0, true, events)
    }

    fn end_hand(&mut self, rake: Chips, events: &mut Vec<Event>) -> Result<(), Refusal> {
        self.bank = self.bank.checked_sub(u128::from(rake)).ok_or(Refusal::Overflow)?;
        self.finish(rake, false, events)
    }

    /// Charges each seat's part of the rake to its permits.
    fn charge_rake(&mut self, results: &[SeatResult], rake: Chips) -> Result<(), Refusal> {
        if rake == 0 {
            return Ok(());
        }
        let (mut seats, mut parts) = ([(0, 0); SEATS_MAX], [0; SEATS_MAX]);
        for (seat, result) in seats.iter_mut().zip(results) {
            let left = self.seats[result.seat.index()].and_then(|chair| chair.rake_left);
            *seat = (result.delta, left.unwrap_or(Chips::MAX));
        }
        let count = results.len();
        if !split_rake_into(&seats[..count], rake, &mut parts[..count]) {
            return Err(Refusal::Overflow);
        }
        for (result, part) in results.iter().zip(parts) {
            if let Some(left) = self.seats[result.seat.index()].as_mut().and_then(|c| c.rake_left.as_mut()) {
                *left = left.saturating_sub(part);
            }
        }
        Ok(())
    }

    fn finish(&mut self, rake: Chips, void: bool, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let hand = self.hand.as_ref().ok_or(Refusal::NoHand)?;
        let number = hand.number;
        let mut results = List::new();
        for (seat, player) in hand.players() {
            let Some(chair) = self.seats[seat.index()].as_ref() else {
                continue;
            };
            let delta = i128::from(chair.stack) - i128::from(player.start_stack);
            let delta = i64::try_from(delta).map_err(|_| Refusal::Overflow)?;
            results.push(SeatResult { seat, player: chair.player, delta, stack: chair.stack });
        }
        self.hand = None;
        self.charge_rake(&results, rake)?;
        events.push(Event::HandEnded(HandEnd { hand: number, results, rake, void }));
        for chair in self.seats.iter_mut().flatten() {
            chair.stack += std::mem::take(&mut chair.pending);
        }
        for seat in self.chairs() {
            match self.seat(seat) {
                Some(chair) if chair.leaving => self.free(seat, events),
                // A player without chips sits out until a top-up.
                Some(chair) if chair.stack == 0 && !chair.sitting_out => self.sit_out(seat, events)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Ranks by seat, for one board.
type Ranks = [Option<HandRank>; SEATS_MAX];

impl Hand {
    fn pots(&self) -> Pots {
        let mut all = [Contribution { seat: SeatIndex(0), amount: 0, folded: true }; SEATS_MAX];
        let mut count = 0;
        for (seat, player) in self.players() {
            all[count] = Contribution { seat, amount: player.total, folded: player.folded };
            count += 1;
        }
        pots(&all[..count], self.dead)
    }

    /// Whether the betting ended before the river, which nobody has acted on. All live hands are then turned up (WSOP
    /// 145, last sentence).
    fn is_turned_up(&self) -> bool {
        self.players().all(|(_, player)| player.acted_at.is_none())
    }

    /// The last to bet or raise on the river shows first, else the first left of the button. Where the
    /// betting was over before the river, it is the last who pushed all-in, else the last who bet
    /// (WSOP 145).
    fn showing_order(&self) -> Seats {
        let live = |seat: &SeatIndex| self.live.contains(*seat);
        let pushed = self.pushed.filter(|seat| live(seat) && self.is_turned_up());
        match pushed.or(self.aggressor.filter(live)) {
            Some(first) => std::iter::once(first).chain(self.live.without(first).clockwise(first)).collect(),
            None => self.live.clockwise(self.button).collect(),
        }
    }

    /// Returns the seats that show. The last side pot is shown down first (WSOP 149). A player who can no longer win a
    /// pot may muck, and does so unless the player chose otherwise: a mucked hand is never seen. If betting was over
    /// before the river, nobody may muck (WSOP 145).
    fn show(&self, pots: &[Pot], order: &[SeatIndex], boards: &[Ranks], events: &mut Vec<Event>) -> SeatSet {
        let mut shown = SeatSet::default();
        let (given_up, turned_up) = (self.given_up(), self.is_turned_up());
        for pot in pots.iter().rev().filter(|pot| pot.eligible.len() > 1) {
            let contenders = pot.eligible.minus(given_up);
            let contenders = if contenders.is_empty() { pot.eligible } else { contenders };
            for ranks in boards {
                let mut best = shown.and(contenders).iter().filter_map(|seat| ranks[seat.index()]).max();
                for &seat in order.iter().filter(|seat| contenders.contains(**seat)) {
                    let rank = ranks[seat.index()];
                    if !shown.contains(seat) && (turned_up || rank >= best) {
                        shown.insert(seat);
                        if let Some(player) = self.player(seat) {
                            events.push(Event::Shown { seat, cards: player.cards });
                        }
                    }
                    if shown.contains(seat) {
                        best = best.max(rank);
                    }
                }
            }
        }
        shown
    }

    fn given_up(&self) -> SeatSet {
        self.live.iter().filter(|seat| self.player(*seat).is_some_and(|player| player.mucks)).collect()
    }

    /// The ranks on each board that was dealt.
    fn ranks(&self) -> List<Ranks, 2> {
        let boards = [self.board, self.second_board];
        let dealt = boards.iter().filter(|board| board.len() == 5);
        dealt.map(|board| self.ranks_on(board)).collect()
    }

    fn ranks_on(&self, board: &[Card]) -> Ranks {
        let mut ranks = [None; SEATS_MAX];
        let mut seven = [Card::LOWEST; 7];
        seven[..5].copy_from_slice(board);
        for seat in self.live {
            if let Some(player) = self.player(seat) {
                seven[5..].copy_from_slice(&player.cards);
                ranks[seat.index()] = Some(evaluate(&seven));
            }
        }
        ranks
    }
}

impl Blank for Ranks {
    const BLANK: Self = [None; SEATS_MAX];
}
