//! The start of a hand: dealt-in players and posted bets.

use super::{
    Hand, InHand, Owed, Table,
    positions::{Last, Positions},
    twice::Twice,
};
use crate::{
    card::Deck,
    config::Ante,
    event::{Event, Post, Street},
    ids::{Chips, SeatIndex, SeatSet},
    list::{Board, List, Seats},
    refusal::Refusal,
};

impl Table {
    pub(super) fn start_hand(
        &mut self,
        number: u64,
        deck: Deck,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        if self.hand.is_some() {
            return Err(Refusal::HandRunning);
        }
        if self.paused_since.is_some() {
            return Err(Refusal::ClockPaused);
        }
        if number <= self.last_hand {
            return Err(Refusal::HandNumber { given: number, last: self.last_hand });
        }
        let ready = self.ready_seats();
        if ready.len() < 2 {
            return Err(Refusal::TooFewPlayers { ready: ready.len() });
        }
        let before = self.positions.filter(|_| !ready.and(self.last.played).is_empty());
        let owed = self.owed();
        let (positions, dealt_in, buyer) = self.place(before, ready);
        let missed = if buyer.is_none() { self.note_missed(before, positions) } else { Default::default() };
        self.open_hand(number, deck, positions.button, dealt_in, &owed, events)?;
        if let Some(hand) = self.hand.as_mut() {
            hand.missed = missed;
        }
        // When a player buys the button, the next hand counts from the big blind of the hand before.
        let held = before.filter(|_| buyer.is_some()).map(|last| Positions { big: last.big, ..positions });
        self.positions = held.or(Some(positions));
        self.last = Last { hand: number, played: dealt_in, payer: Some(positions.big) };
        for seat in dealt_in {
            self.grow_time_banks(seat);
        }
        let first = self.post_all(dealt_in, positions, buyer, events);
        self.deal_holes(events);
        // The first to speak is at the left of the last blind; heads-up that is the button (WSOP 153).
        self.go_on(first, events)
    }

    fn owed(&self) -> List<Option<Owed>, 10> {
        let owed =
            |chair: &super::Seat| Owed { big: chair.owes_big, small: chair.owes_small, posts: chair.posts };
        self.seats.iter().map(|chair| chair.as_ref().map(owed)).collect()
    }

    /// The hand with its cards, before anything is posted.
    pub(super) fn open_hand(
        &mut self,
        number: u64,
        deck: Deck,
        button: SeatIndex,
        dealt_in: SeatSet,
        owed: &[Option<Owed>],
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let count = u8::try_from(dealt_in.len()).map_err(|_| Refusal::Overflow)?;
        let mut hand = Hand {
            number,
            deck,
            dealt: 2 * count,
            button,
            street: Street::Preflop,
            board: Board::new(),
            second_board: Board::new(),
            players: List::blank(self.config.seats),
            live: dealt_in,
            able: SeatSet::default(),
            dead: 0,
            bet: 0,
            full_bet: 0,
            raise_size: self.config.big_blind,
            minimum_bet: self.config.big_blind,
            bets: 1,
            aggressor: None,
            pushed: None,
            turn: None,
            twice: Twice::NotAsked,
            showing: None,
            before: self.positions,
            last_before: self.last,
            missed: [SeatSet::default(); 2],
            dealt_in: count,
        };
        // Cards are dealt one at a time, twice around, from the seat after the button; the button gets the last. A dead
        // button and heads-up follow the same rule.
        let mut order = Seats::new();
        for (place, seat) in (0u8..).zip(dealt_in.clockwise(button)) {
            let (first, second) = (usize::from(place), usize::from(place + count));
            let cards = hand.deck.at(first).zip(hand.deck.at(second)).ok_or(Refusal::Overflow)?;
            let start_stack = self.seat(seat).map_or(0, |chair| chair.stack);
            hand.players[seat.index()] = Some(InHand {
                cards: cards.into(),
                street_bet: 0,
                total: 0,
                dead: 0,
                folded: false,
                acted_at: None,
                start_stack,
                owed: owed.get(seat.index()).copied().flatten().unwrap_or_default(),
                mucks: false,
            });
            if start_stack > 0 {
                hand.able.insert(seat);
            }
            order.push(seat);
        }
        self.hand = Some(hand);
        self.last_hand = number;
        events.push(Event::HandStarted { hand: number, button, dealt_in: order });
        // Reserves room now, so that remembering a player who leaves at the end of the hand allocates nothing.
        self.departed.reserve(self.seats.len());
        Ok(())
    }

    pub(super) fn deal_holes(&self, events: &mut Vec<Event>) {
        let Some(hand) = &self.hand else { return };
        for seat in hand.live.clockwise(hand.button) {
            if let Some(player) = hand.player(seat) {
                events.push(Event::Dealt { seat, cards: player.cards });
            }
        }
    }

    /// Returns the seat whose left speaks first.
    fn post_all(
        &mut self,
        dealt_in: SeatSet,
        positions: Positions,
        buyer: Option<SeatIndex>,
        events: &mut Vec<Event>,
    ) -> SeatIndex {
        let (small, big) = (self.config.small_blind, self.config.big_blind);
        match self.config.ante {
            Ante::None => {}
            Ante::Each(ante) => {
                for seat in dealt_in.clockwise(positions.button) {
                    self.post_ante(seat, ante, false, events);
                }
            }
            Ante::BigBlind(ante) => self.post_ante(positions.big, ante, true, events),
        }
        // The small blind is dead if its seat is empty, its player waits, or the new big blind took the seat. A
        // newcomer in that seat posts below instead, and a player who buys the button is both blinds.
        let buys = self.seat(positions.small).is_some_and(|chair| chair.owes_big);
        if positions.small != positions.big && dealt_in.contains(positions.small) && !buys {
            self.post(positions.small, Post::SmallBlind, small, events);
        }
        if let Some(buyer) = buyer {
            self.post(buyer, Post::Dead, small, events);
            self.post(buyer, Post::Live, big, events);
        } else {
            self.post(positions.big, Post::BigBlind, big, events);
        }
        let house = self.config.house;
        let straddler = self.straddler(dealt_in, positions.big);
        let mut posted = SeatSet::default();
        for seat in dealt_in.clockwise(positions.button) {
            let Some(chair) = self.seats[seat.index()].as_mut() else {
                continue;
            };
            let owes_big = std::mem::take(&mut chair.owes_big);
            let owes_small = std::mem::take(&mut chair.owes_small);
            chair.posts = false;
            if seat == positions.big || (seat == positions.small && !owes_big) {
                continue;
            }
            // The straddle that follows is live, and more than both blinds (WSOP 156).
            if house.straddle_back_in && straddler == Some(seat) {
                continue;
            }
            if owes_small || (owes_big && seat == positions.small && !house.newcomer_posts_big_alone) {
                self.post(seat, Post::Dead, small, events);
            }
            if owes_big {
                self.post(seat, Post::Live, big, events);
                posted.insert(seat);
            }
        }
        if let Some(hand) = self.hand.as_mut() {
            // Also where the blind was short (WSOP 150).
            (hand.bet, hand.full_bet) = (big, big);
        }
        // A player who has posted does not straddle on top of that.
        match straddler.filter(|seat| !posted.contains(*seat)) {
            Some(seat) => self.post_straddle(seat, events),
            None => positions.big,
        }
    }

    /// Returns the straddler: the player under the gun who wants to straddle, is present, and has twice the big blind.
    fn straddler(&self, dealt_in: SeatSet, big: SeatIndex) -> Option<SeatIndex> {
        if !self.config.straddle || dealt_in.len() < 3 {
            return None;
        }
        let amount = self.config.big_blind * 2;
        let straddles = |chair: &super::Seat| chair.straddle && chair.connected && chair.stack >= amount;
        dealt_in.clockwise(big).next().filter(|seat| self.seat(*seat).is_some_and(straddles))
    }

    /// Posts a straddle of twice the big blind; the straddler acts last before the flop. The minimum raise stays one
    /// big blind, so it is to three big blinds (WSOP 11).
    fn post_straddle(&mut self, seat: SeatIndex, events: &mut Vec<Event>) -> SeatIndex {
        let amount = self.config.big_blind * 2;
        self.post(seat, Post::Straddle, amount, events);
        if let Some(hand) = self.hand.as_mut() {
            (hand.bet, hand.full_bet, hand.bets) = (amount, amount, hand.bets + 1);
        }
        seat
    }

    /// Posts an ante. A player's own ante layers with the bets; a dead one belongs to the whole pot.
    pub(super) fn post_ante(&mut self, seat: SeatIndex, ante: Chips, dead: bool, events: &mut Vec<Event>) {
        self.post_as(seat, Post::Ante, ante, dead, events);
        if let Some(player) = self.hand.as_mut().and_then(|hand| hand.player_mut(seat)) {
            // The ante goes into the pot, so it is not in front of the player.
            player.street_bet = 0;
        }
    }

    pub(super) fn post(&mut self, seat: SeatIndex, post: Post, amount: Chips, events: &mut Vec<Event>) {
        self.post_as(seat, post, amount, post == Post::Dead, events);
    }

    fn post_as(&mut self, seat: SeatIndex, post: Post, amount: Chips, dead: bool, events: &mut Vec<Event>) {
        let paid = self.put_in(seat, amount);
        if let (true, Some(hand)) = (dead, self.hand.as_mut()) {
            if let Some(player) = hand.player_mut(seat) {
                player.street_bet -= paid;
                player.total -= paid;
                player.dead += paid;
            }
            hand.dead += paid;
        }
        let stack = self.seat(seat).map_or(0, |chair| chair.stack);
        if paid > 0 {
            events.push(Event::Posted { seat, post, amount: paid, stack });
        }
    }
}
