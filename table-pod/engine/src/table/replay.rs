//! Deals hands with given forced bets, for replays of recorded hands and for tests. The rest of the hand runs through
//! the same code as any other.

use super::Table;
use crate::{
    card::Deck,
    event::{Event, Post},
    ids::{Chips, Millis, PlayerId, SEATS_MAX, SeatIndex, SeatSet},
    list::Seats,
    refusal::Refusal,
};

/// The setup of one hand. Amounts are minor units, by seat; a stack that cannot pay an amount is all-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandSetup {
    pub hand: u64,
    /// The button's seat; it may be empty (a dead button).
    pub button: SeatIndex,
    pub antes: [Chips; SEATS_MAX],
    /// Blinds and straddles in front of each seat.
    pub bets: [Chips; SEATS_MAX],
    /// Live bets of players who come in: they do not move who speaks first.
    pub posts: [Chips; SEATS_MAX],
    /// Missed small blinds: dead money whatever the antes are (WSOP 156).
    pub dead: [Chips; SEATS_MAX],
    /// The least bet, and the least raise of the forced bets.
    pub min_bet: Chips,
    /// Antes layer with the bets, each player's own, whether or not they are equal
    /// (`ante_trimming_status` of PHH); else they are dead money, which everybody plays for.
    pub uniform_ante_trim: bool,
    /// Posts an ante that nobody can match in full and returns the excess as uncalled, as at a table; otherwise only
    /// the matched part is posted, as in PHH.
    pub whole_antes: bool,
    pub deck: Deck,
    /// Players who give up at a showdown: they win no pot that somebody shows for.
    pub mucks: SeatSet,
}

impl HandSetup {
    /// A hand without forced bets.
    pub const fn new(hand: u64, button: SeatIndex, min_bet: Chips, deck: Deck) -> Self {
        let none = [0; SEATS_MAX];
        let (uniform_ante_trim, whole_antes, mucks) = (true, false, SeatSet::first(0));
        Self {
            hand,
            button,
            antes: none,
            bets: none,
            posts: none,
            dead: none,
            min_bet,
            uniform_ante_trim,
            whole_antes,
            deck,
            mucks,
        }
    }
}

impl Table {
    /// Puts a player with any stack into this seat, replacing its player: in replays the stacks come from the record.
    /// No limits, no event, no debts.
    ///
    /// # Errors
    /// No such chair, a running hand, or more chips than a table may hold.
    pub fn seat_as(&mut self, seat: SeatIndex, player: PlayerId, stack: Chips) -> Result<(), Refusal> {
        self.vacate_as(seat)?;
        self.seat_with(seat, player, stack)?;
        self.seat_mut(seat)?.owes_big = false;
        Ok(())
    }

    /// Empties a seat between two replayed hands: no event, and the player is not remembered.
    ///
    /// # Errors
    /// No such chair, or a running hand.
    pub fn vacate_as(&mut self, seat: SeatIndex) -> Result<(), Refusal> {
        if self.hand.is_some() {
            return Err(Refusal::HandRunning);
        }
        let chair = self.seats.get_mut(seat.index()).ok_or(Refusal::NoSuchSeat(seat))?;
        if let Some(gone) = chair.take() {
            self.bank -= u128::from(gone.stack + gone.pending);
            self.last.forget(seat);
        }
        Ok(())
    }

    /// [`Self::deal_as_into`] a new list.
    pub fn deal_as(&mut self, now: Millis, setup: &HandSetup) -> Result<Vec<Event>, Refusal> {
        let mut events = Vec::new();
        self.deal_as_into(now, setup, &mut events)?;
        Ok(events)
    }

    /// Deals one hand to all ready players, with the forced bets of the setup: no rotation, no debts, and any number.
    /// The first to act is the seat after the last of the largest bets; heads-up without bets it is the player after
    /// the button.
    ///
    /// # Errors
    /// A running hand, a paused clock, or fewer than two players.
    pub fn deal_as_into(
        &mut self,
        now: Millis,
        setup: &HandSetup,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        self.transition(now, events, |table, _, events| table.deal_set_up(setup, events))
    }

    /// Returns the part of the ante that at least two players can pay: of one that nobody matches, the rest is not
    /// posted, as a bet that nobody calls goes back.
    fn matched_ante(&self, setup: &HandSetup, ready: SeatSet) -> Chips {
        let (mut first, mut second) = (0, 0);
        for seat in ready {
            let ante = setup.antes[seat.index()].min(self.seat(seat).map_or(0, |chair| chair.stack));
            (first, second) = (first.max(ante), second.max(ante.min(first)));
        }
        second
    }

    fn deal_set_up(&mut self, setup: &HandSetup, events: &mut Vec<Event>) -> Result<(), Refusal> {
        if self.hand.is_some() {
            return Err(Refusal::HandRunning);
        }
        if self.paused_since.is_some() {
            return Err(Refusal::ClockPaused);
        }
        if !self.chairs().contains(setup.button) {
            return Err(Refusal::NoSuchSeat(setup.button));
        }
        let ready = self.ready_seats();
        if ready.len() < 2 {
            return Err(Refusal::TooFewPlayers { ready: ready.len() });
        }
        // Far beyond what a table can hold, while sums of them still fit.
        let asked = setup.antes.iter().chain(&setup.bets).chain(&setup.posts).chain(&setup.dead);
        let asked = asked.chain([&setup.min_bet]);
        if asked.copied().any(|amount| u128::from(amount) > super::BANK_MAX) {
            return Err(Refusal::Overflow);
        }
        self.open_hand(setup.hand, setup.deck.clone(), setup.button, ready, &[], events)?;
        let trims = setup.uniform_ante_trim && !setup.whole_antes;
        let most = if trims { self.matched_ante(setup, ready) } else { Chips::MAX };
        for seat in ready.clockwise(setup.button) {
            let ante = setup.antes[seat.index()].min(most);
            self.post_ante(seat, ante, !setup.uniform_ante_trim, events);
        }
        for seat in ready.clockwise(setup.button) {
            self.post(seat, Post::Dead, setup.dead[seat.index()], events);
        }
        // Blinds are posted from the seat after the button; heads-up the button posts first.
        let mut order: Seats = ready.clockwise(setup.button).collect();
        if order.len() == 2 {
            order.reverse();
        }
        let (mut forced, mut largest, mut last) = (0, 0, None);
        for &seat in &order {
            let bet = setup.bets[seat.index()];
            if bet == 0 {
                continue;
            }
            let later = order.iter().skip_while(|at| **at != seat).skip(1);
            let alone = forced == 0 && later.clone().all(|at| setup.bets[at.index()] == 0);
            let post = match forced {
                0 if !alone => Post::SmallBlind,
                0 | 1 => Post::BigBlind,
                _ => Post::Straddle,
            };
            forced += 1;
            self.post(seat, post, bet, events);
            if bet >= largest {
                (largest, last) = (bet, Some(seat));
            }
        }
        for &seat in &order {
            self.post(seat, Post::Live, setup.posts[seat.index()], events);
        }
        let hand = self.hand.as_mut().ok_or(Refusal::NoHand)?;
        let bet = setup.posts.iter().copied().max().unwrap_or(0).max(largest);
        (hand.bet, hand.full_bet, hand.bets) = (bet, bet, u8::from(bet > 0));
        (hand.raise_size, hand.minimum_bet) = (setup.min_bet, setup.min_bet);
        for seat in setup.mucks {
            if let Some(player) = hand.player_mut(seat) {
                player.mucks = true;
            }
        }
        let first = last.unwrap_or(setup.button);
        self.deal_holes(events);
        self.go_on(first, events)
    }
}
