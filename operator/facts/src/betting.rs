//! The state of the betting, from the events of a history alone.

use crate::FactsError;
use purr_engine::{
    Action, Ante, Event, SeatIndex,
    event::{Post, Street},
    history::HandHistory,
    ids::{Chips, SEATS_MAX, SeatSet},
    list::Board,
};

#[derive(Clone, Copy, Default)]
struct Player {
    start: Chips,
    stack: Chips,
    /// Chips in front of the player on this street.
    street_bet: Chips,
    /// Live bets and the player's own ante, over the whole hand.
    total: Chips,
    /// The bet to be matched when the player last acted on this street.
    acted_at: Option<Chips>,
}

/// The state before one decision.
#[derive(Clone, Copy)]
pub(crate) struct Turn {
    pub seat: SeatIndex,
    pub street: Street,
    pub may_raise: bool,
    /// There is something to call.
    pub faces_bet: bool,
}

pub(crate) struct Betting {
    pub street: Street,
    pub rake: Chips,
    pub dead: Chips,
    /// Cards on the first board when the last chip went in.
    pub board_at_last_chip: Board,
    board: Board,
    players: [Player; SEATS_MAX],
    dealt_in: SeatSet,
    live: SeatSet,
    bet: Chips,
    raise_size: Chips,
    big_blind: Chips,
    dead_ante: bool,
}

impl Betting {
    pub(crate) fn new(history: &HandHistory) -> Result<Self, FactsError> {
        let big_blind = history.config.big_blind;
        let mut betting = Self {
            street: Street::Preflop,
            rake: 0,
            dead: 0,
            board_at_last_chip: Board::new(),
            board: Board::new(),
            players: [Player::default(); SEATS_MAX],
            dealt_in: SeatSet::default(),
            live: SeatSet::default(),
            // The full blind counts even if its stack was short (WSOP 150).
            bet: big_blind,
            raise_size: big_blind,
            big_blind,
            dead_ante: matches!(history.config.ante, Ante::BigBlind(_)),
        };
        for start in &history.seats {
            let player = betting.players.get_mut(start.seat.index()).ok_or(FactsError::Seat(start.seat))?;
            (player.start, player.stack) = (start.stack, start.stack);
            betting.dealt_in.insert(start.seat);
        }
        betting.live = betting.dealt_in;
        Ok(betting)
    }

    pub(crate) fn dealt_in(&self) -> SeatSet {
        self.dealt_in
    }

    /// Returns the seats that have not folded.
    pub(crate) fn live(&self) -> SeatSet {
        self.live
    }

    /// Returns the seats that have not folded and have chips behind.
    pub(crate) fn able(&self) -> SeatSet {
        self.live.iter().filter(|seat| self.players[seat.index()].stack > 0).collect()
    }

    /// Live bets over the whole hand; pots are layered by them.
    pub(crate) fn total(&self, seat: SeatIndex) -> Chips {
        self.players[seat.index()].total
    }

    /// All that went in, dead money included, without what came back uncalled.
    pub(crate) fn paid(&self, seat: SeatIndex) -> Chips {
        let player = &self.players[seat.index()];
        player.start.saturating_sub(player.stack)
    }

    fn player(&mut self, seat: SeatIndex) -> Result<&mut Player, FactsError> {
        let dealt_in = self.dealt_in.contains(seat);
        self.players.get_mut(seat.index()).filter(|_| dealt_in).ok_or(FactsError::Seat(seat))
    }

    /// The decision of this seat, which acts next.
    pub(crate) fn turn(&mut self, seat: SeatIndex) -> Result<Turn, FactsError> {
        let (bet, raise_size) = (self.bet, self.raise_size);
        let player = *self.player(seat)?;
        // A full raise, in one or in several short ones, opens the betting again (WSOP 172).
        let open = player.acted_at.is_none_or(|at| bet.saturating_sub(at) >= raise_size);
        let answerable = !self.able().without(seat).is_empty();
        let covers = player.street_bet.saturating_add(player.stack) > bet;
        Ok(Turn {
            seat,
            street: self.street,
            may_raise: open && answerable && covers,
            faces_bet: bet > player.street_bet,
        })
    }

    pub(crate) fn apply(&mut self, event: &Event) -> Result<(), FactsError> {
        match event {
            Event::Posted { seat, post, amount, stack } => self.post(*seat, *post, *amount, *stack)?,
            Event::Acted { seat, action, total, stack, .. } => self.act(*seat, *action, *total, *stack)?,
            Event::Uncalled { seat, amount, stack } => {
                let player = self.player(*seat)?;
                player.stack = *stack;
                player.total = player.total.saturating_sub(*amount);
                player.street_bet = player.street_bet.saturating_sub(*amount);
            }
            Event::StreetDealt { board: 0, street, cards } => {
                self.street = *street;
                cards.iter().for_each(|card| self.board.push(*card));
                (self.bet, self.raise_size) = (0, self.big_blind);
                for player in &mut self.players {
                    (player.street_bet, player.acted_at) = (0, None);
                }
            }
            Event::Raked { amount } => self.rake = *amount,
            _ => {}
        }
        Ok(())
    }

    fn post(&mut self, seat: SeatIndex, post: Post, amount: Chips, stack: Chips) -> Result<(), FactsError> {
        let dead = post == Post::Dead || (post == Post::Ante && self.dead_ante);
        let player = self.player(seat)?;
        player.stack = stack;
        if dead {
            self.dead += amount;
            return Ok(());
        }
        player.total += amount;
        if post != Post::Ante {
            player.street_bet += amount;
            self.bet = self.bet.max(self.players[seat.index()].street_bet);
        }
        if post == Post::Straddle && stack == 0 {
            // Also where a missed small blind left too little for the whole straddle.
            self.bet = self.bet.max(self.big_blind.saturating_mul(2));
        }
        Ok(())
    }

    fn act(&mut self, seat: SeatIndex, action: Action, total: Chips, stack: Chips) -> Result<(), FactsError> {
        let board = self.board;
        if let Action::RaiseTo(_) = action {
            self.raise_size = self.raise_size.max(total.saturating_sub(self.bet));
            self.bet = self.bet.max(total);
        }
        let bet = self.bet;
        let player = self.player(seat)?;
        let put_in = player.stack.saturating_sub(stack);
        player.stack = stack;
        player.total += put_in;
        player.street_bet = total;
        player.acted_at = Some(bet);
        if put_in > 0 {
            self.board_at_last_chip = board;
        }
        if action == Action::Fold {
            self.live.remove(seat);
        }
        Ok(())
    }
}
