//! A hand in PHH, played again by the engine.

use super::{Phh, PhhAction, PhhError};
use crate::{
    card::{Card, Deck},
    command::{Action, Command},
    config::{Ante, Betting, ClockConfig, RakeConfig, TableConfig},
    event::Event,
    history::{HandHistory, SeatStart},
    ids::{Chips, PlayerId, SeatIndex},
    refusal::Refusal,
    table::Table,
};

/// What the engine made of a hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// With everybody's hole cards.
    pub history: HandHistory,
    /// In the order of the notation.
    pub finishing_stacks: Vec<Chips>,
}

impl Phh {
    /// Plays the hand. What is not known of it may not decide it.
    pub fn replay(&self, rake: RakeConfig) -> Result<Replay, PhhError> {
        let count = self.players_in()?;
        let config = self.config(count, rake)?;
        let mut table = Table::new(config.clone())?;
        let starts: Vec<SeatStart> = (1..=count)
            .zip(&self.starting_stacks)
            .map(|(player, &stack)| SeatStart { seat: seat(player, count), player: address(player), stack })
            .collect();
        for start in &starts {
            table.seat_as(start.seat, start.player, start.stack).map_err(PhhError::NotDealt)?;
        }
        let hand = self.hand.unwrap_or(1).max(1);
        let deck = self.deck(count)?;
        let mut events = table.apply(0, Command::StartHand { hand, deck }).map_err(PhhError::NotDealt)?;
        for line in &self.actions {
            events.extend(act(&mut table, line, count)?);
        }
        if table.hand().is_some() {
            return Err(PhhError::Unfinished);
        }
        let stack = |start: &SeatStart| table.seat(start.seat).map_or(0, |chair| chair.stack);
        let finishing_stacks = starts.iter().map(stack).collect();
        Ok(Replay { history: HandHistory { hand, config, seats: starts, events }, finishing_stacks })
    }

    fn players_in(&self) -> Result<usize, PhhError> {
        if self.variant != "NT" {
            return Err(PhhError::Variant(self.variant.chars().take(16).collect()));
        }
        let players = self.starting_stacks.len();
        let lists = [("antes", self.antes.len()), ("blinds_or_straddles", self.blinds_or_straddles.len())];
        for (field, found) in lists {
            if found != players {
                return Err(PhhError::Length { field, found, players });
            }
        }
        if self.starting_stacks.contains(&0) {
            return Err(PhhError::Unsupported("starting stacks"));
        }
        Ok(players)
    }

    fn config(&self, players: usize, rake: RakeConfig) -> Result<TableConfig, PhhError> {
        let (small_blind, big_blind) = match self.blinds_or_straddles.as_slice() {
            [small, big, rest @ ..] if rest.iter().all(|blind| *blind == 0) => (*small, *big),
            _ => return Err(PhhError::Unsupported("blinds")),
        };
        if self.min_bet != big_blind {
            return Err(PhhError::Unsupported("a smallest bet and blinds"));
        }
        // Heads-up the big blind is p1's (see the module).
        let big_place = usize::from(players > 2);
        let big_ante = self.antes.get(big_place).copied().unwrap_or(0);
        let ante = if self.antes.iter().all(|ante| *ante == big_ante) {
            if big_ante == 0 { Ante::None } else { Ante::Each(big_ante) }
        } else if self.antes.iter().sum::<Chips>() == big_ante {
            Ante::BigBlind(big_ante)
        } else {
            return Err(PhhError::Unsupported("antes"));
        };
        let config = TableConfig {
            seats: u8::try_from(players).unwrap_or(u8::MAX),
            small_blind,
            big_blind,
            ante,
            betting: Betting::NoLimit,
            straddle: false,
            run_it_twice: false,
            buy_in_min: big_blind,
            buy_in_max: self.starting_stacks.iter().copied().max().unwrap_or(0).max(big_blind),
            rake,
            // Nobody waits in a replay; these are within what a table may have.
            clock: ClockConfig {
                turn_ms: 15_000,
                time_bank_ms: 0,
                time_bank_gain_ms: 0,
                time_bank_hands: 1,
                time_bank_max_ms: 0,
                disconnect_ms: 15_000,
                disconnect_max_ms: 0,
            },
            rat_hole_ms: 0,
        };
        config.validate()?;
        Ok(config)
    }

    /// The deck that deals what the hand tells, in the engine's order; what is not told is filled up.
    fn deck(&self, players: usize) -> Result<Deck, PhhError> {
        let mut holes = vec![[None; 2]; players];
        let mut folded = vec![false; players];
        let mut board: Vec<Card> = Vec::with_capacity(5);
        for line in &self.actions {
            match line {
                PhhAction::Hole { player, cards } | PhhAction::Show { player, cards } => {
                    let held = holes.get_mut(player - 1).ok_or(PhhError::NoSuchPlayer(*player))?;
                    for (place, card) in held.iter_mut().zip(cards) {
                        *place = card.or(*place);
                    }
                }
                PhhAction::Fold { player } => {
                    *folded.get_mut(player - 1).ok_or(PhhError::NoSuchPlayer(*player))? = true;
                }
                PhhAction::Board(cards) => board.extend(cards),
                _ => {}
            }
        }
        if board.len() > 5 {
            return Err(PhhError::Cards(format!("{} on the board", board.len())));
        }
        let live: Vec<usize> = (0..players).filter(|place| !folded[*place]).collect();
        let hidden = |place: &&usize| holes[**place].contains(&None);
        if let (true, Some(place)) = (live.len() > 1, live.iter().find(hidden)) {
            return Err(PhhError::HiddenCards(place + 1));
        }
        let known: Vec<Card> = holes.iter().flatten().flatten().chain(&board).copied().collect();
        let mut spare = Card::all().filter(|card| !known.contains(card));
        let mut order: Vec<Card> = Vec::with_capacity(players * 2 + 5);
        for round in 0..2 {
            let row = holes.iter().filter_map(|hole| hole[round].or_else(|| spare.next()));
            order.extend(row);
        }
        order.extend(board);
        Deck::starting_with(&order).map_err(|error| PhhError::Cards(error.to_string()))
    }
}

/// The first hand's button is at chair 0, so the last player sits there and p1 at its left.
fn seat(player: usize, players: usize) -> SeatIndex {
    SeatIndex(u8::try_from(player % players).unwrap_or(u8::MAX))
}

fn address(player: usize) -> PlayerId {
    PlayerId([u8::try_from(player).unwrap_or(u8::MAX); 20])
}

fn act(table: &mut Table, line: &PhhAction, players: usize) -> Result<Vec<Event>, PhhError> {
    let (player, wanted) = match line {
        // Cards are in the deck, and the engine itself says who shows.
        PhhAction::Hole { .. } | PhhAction::Board(_) | PhhAction::Show { .. } | PhhAction::Muck { .. } => {
            return Ok(Vec::new());
        }
        PhhAction::Fold { player } => (*player, Action::Fold),
        PhhAction::CheckOrCall { player } => (*player, Action::Check),
        PhhAction::RaiseTo { player, total } => (*player, Action::RaiseTo(*total)),
    };
    if player > players {
        return Err(PhhError::NoSuchPlayer(player));
    }
    if table.hand().is_none() {
        return Err(PhhError::AfterTheEnd(line.clone()));
    }
    let seat = seat(player, players);
    let refused = |refusal: Refusal| PhhError::Refused { action: line.clone(), refusal };
    let legal = table.legal_actions(seat).ok_or_else(|| refused(Refusal::NotYourTurn(seat)))?;
    let action = if wanted == Action::Check && !legal.check { Action::Call } else { wanted };
    table.apply(0, Command::Act { seat, action }).map_err(refused)
}
