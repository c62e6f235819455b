//! The start of a hand: who is dealt in, where button and blinds are, what is posted.

use super::{Hand, InHand, Positions, Table};
use crate::{
    card::Deck,
    config::Ante,
    event::{Event, Post, Street},
    ids::{Chips, SeatIndex},
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
        let ready = self.ready();
        if ready < 2 {
            return Err(Refusal::TooFewPlayers { ready });
        }
        // With fewer than two players who owe nothing the game starts anew: debts are forgotten.
        let paid_up = self.occupied().filter(|(_, seat)| seat.is_ready() && !seat.owes_big).count();
        let anew = paid_up < 2;
        let before = if anew { None } else { self.positions };
        if anew {
            for seat in self.seats.iter_mut().flatten().filter(|seat| seat.is_ready()) {
                (seat.owes_big, seat.owes_small, seat.posts) = (false, false, false);
            }
        }
        let positions = self.next_positions(before);
        self.note_missed(before, positions);
        let dealt_in: Vec<SeatIndex> =
            self.clockwise(positions.button).filter(|&seat| self.is_dealt_in(seat, positions)).collect();

        let mut hand = Hand {
            number,
            deck,
            dealt: 0,
            button: positions.button,
            street: Street::Preflop,
            board: Vec::with_capacity(5),
            players: vec![None; self.seats.len()],
            dead: 0,
            bet: self.config.big_blind,
            raise_size: self.config.big_blind,
            minimum_bet: self.config.big_blind,
            aggressor: None,
            turn: None,
            before: self.positions,
            dealt_in: u8::try_from(dealt_in.len()).map_err(|_| Refusal::Overflow)?,
        };
        // One card at a time, twice around, from the button's left; the button gets the last. With
        // a dead button or heads-up the order of `dealt_in` is the same rule.
        let order = self.deal_order(&dealt_in, positions);
        let mut cards = Vec::with_capacity(order.len() * 2);
        for _ in 0..order.len() * 2 {
            cards.push(hand.next_card()?);
        }
        for (place, &seat) in order.iter().enumerate() {
            let Some(chair) = self.seats[seat.index()].as_mut() else {
                continue;
            };
            let gain = self.config.clock.time_bank_gain_ms;
            chair.time_bank_ms = (chair.time_bank_ms + gain).min(self.config.clock.time_bank_ms);
            hand.players[seat.index()] = Some(InHand {
                cards: [cards[place], cards[order.len() + place]],
                street_bet: 0,
                total: 0,
                dead: 0,
                folded: false,
                acted_at: None,
                start_stack: chair.stack,
            });
        }
        self.hand = Some(hand);
        self.last_hand = number;
        self.positions = Some(positions);
        events.push(Event::HandStarted { hand: number, button: positions.button, dealt_in: order.clone() });
        self.post_all(&order, positions, events);
        for &seat in &order {
            if let Some(player) = self.hand.as_ref().and_then(|hand| hand.player(seat)) {
                events.push(Event::Dealt { seat, cards: player.cards });
            }
        }
        // The first to speak is the big blind's left; heads-up that is the button (WSOP 153).
        self.go_on(positions.big, events)
    }

    /// Moves the big blind to the next player who may have it; the small blind follows to where the
    /// big one was and the button to where the small one was, occupied or not (WSOP 151).
    fn next_positions(&self, last: Option<Positions>) -> Positions {
        let players: Vec<SeatIndex> = self
            .occupied()
            .filter(|(_, seat)| seat.is_ready() && !seat.sitting_out)
            .map(|(at, _)| at)
            .collect();
        let next = |from: SeatIndex| self.clockwise(from).find(|seat| players.contains(seat)).unwrap_or(from);
        let heads_up = |big: SeatIndex| Positions { button: next(big), small: next(big), big };
        let Some(last) = last else {
            let button = next(SeatIndex(self.config.seats - 1));
            if players.len() == 2 {
                return heads_up(next(button));
            }
            let small = next(button);
            return Positions { button, small, big: next(small) };
        };
        let big = next(last.big);
        if players.len() == 2 {
            // Nobody has the big blind twice running; the other player has button and small blind (WSOP 153).
            return heads_up(big);
        }
        let small = last.big;
        // The button goes where the small blind was; after heads-up that chair may be the new big
        // blind's, and then it is the chair before the small blind.
        let before_small =
            || self.clockwise(small).filter(|seat| players.contains(seat) && *seat != small).last();
        let button = if last.small == big || last.small == small {
            before_small().unwrap_or(last.small)
        } else {
            last.small
        };
        Positions { button, small, big }
    }

    /// The blinds passed over those who sat between the old and the new big blind.
    fn note_missed(&mut self, before: Option<Positions>, now: Positions) {
        let Some(before) = before else { return };
        let passed: Vec<SeatIndex> = self.clockwise(before.big).take_while(|&seat| seat != now.big).collect();
        for seat in passed {
            if let Some(chair) = self.seats[seat.index()].as_mut()
                && !chair.is_ready()
            {
                chair.owes_small = !chair.owes_big || chair.owes_small;
                chair.owes_big = true;
            }
        }
    }

    fn is_dealt_in(&self, seat: SeatIndex, positions: Positions) -> bool {
        let Some(chair) = self.seat(seat) else {
            return false;
        };
        if !chair.is_ready() {
            return false;
        }
        // Whoever owes waits for the big blind, or posts anywhere but on small blind and button.
        !chair.owes_big
            || seat == positions.big
            || (chair.posts && seat != positions.small && seat != positions.button)
    }

    /// The order of the deal and of odd chips: from the button's left, the button last.
    fn deal_order(&self, dealt_in: &[SeatIndex], positions: Positions) -> Vec<SeatIndex> {
        self.clockwise(positions.button).filter(|seat| dealt_in.contains(seat)).collect()
    }

    fn post_all(&mut self, order: &[SeatIndex], positions: Positions, events: &mut Vec<Event>) {
        let (small, big) = (self.config.small_blind, self.config.big_blind);
        match self.config.ante {
            Ante::None => {}
            Ante::Each(ante) => {
                for &seat in order {
                    self.post(seat, Post::Ante, ante, events);
                }
            }
            Ante::BigBlind(ante) => self.post(positions.big, Post::Ante, ante, events),
        }
        if let Some(hand) = self.hand.as_mut() {
            // An ante is in the pot, not in front of the player.
            hand.players.iter_mut().flatten().for_each(|player| player.street_bet = 0);
        }
        // The small blind's chair may have emptied, or its player may wait: then it is dead.
        if positions.small != positions.big && order.contains(&positions.small) {
            self.post(positions.small, Post::SmallBlind, small, events);
        }
        self.post(positions.big, Post::BigBlind, big, events);
        for &seat in order {
            let Some(chair) = self.seats[seat.index()].as_mut() else {
                continue;
            };
            let owes_big = std::mem::take(&mut chair.owes_big);
            let owes_small = std::mem::take(&mut chair.owes_small);
            chair.posts = false;
            if owes_big && seat != positions.big {
                if owes_small {
                    self.post(seat, Post::Dead, small, events);
                }
                self.post(seat, Post::Live, big, events);
            }
        }
    }

    fn post(&mut self, seat: SeatIndex, post: Post, amount: Chips, events: &mut Vec<Event>) {
        let dead =
            post == Post::Dead || (post == Post::Ante && matches!(self.config.ante, Ante::BigBlind(_)));
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
