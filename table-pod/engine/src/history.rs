//! A hand as it is told afterwards, and its text in the PHH notation.

use crate::{
    command::Action,
    config::{Ante, TableConfig},
    event::{Event, Post},
    ids::{Chips, PlayerId, SeatIndex},
};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Who sat where with what when the hand began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatStart {
    pub seat: SeatIndex,
    pub player: PlayerId,
    pub stack: Chips,
}

/// One hand: what everybody could see, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandHistory {
    pub hand: u64,
    pub config: TableConfig,
    /// Everybody dealt in, from the button's left to the button.
    pub seats: Vec<SeatStart>,
    pub events: Vec<Event>,
}

impl HandHistory {
    /// Keeps what is public: hole cards only where they were shown.
    pub fn public(hand: u64, config: TableConfig, seats: Vec<SeatStart>, events: &[Event]) -> Self {
        let events = events.iter().filter(|event| !matches!(event, Event::Dealt { .. })).cloned().collect();
        Self { hand, config, seats, events }
    }

    /// The hand in the PHH notation (Poker Hand History, TOML): `p1` is the first at the button's
    /// left, the last player has the button. Cards that were not shown are `????`.
    pub fn to_phh(&self) -> String {
        let posted = |post: Post, seat: SeatIndex| -> Chips {
            let of_seat = |event: &Event| match event {
                Event::Posted { seat: at, post: what, amount, .. } if *at == seat && *what == post => *amount,
                _ => 0,
            };
            self.events.iter().map(of_seat).sum()
        };
        let antes: Vec<Chips> = self.seats.iter().map(|s| posted(Post::Ante, s.seat)).collect();
        let (small, big) = (self.config.small_blind, self.config.big_blind);
        let blind = |seat: SeatIndex| {
            if posted(Post::SmallBlind, seat) > 0 {
                small
            } else if posted(Post::BigBlind, seat) + posted(Post::Live, seat) > 0 {
                big
            } else {
                0
            }
        };
        let mut blinds: Vec<Chips> = self.seats.iter().map(|s| blind(s.seat)).collect();
        if blinds.len() == 2 {
            // Heads-up the notation names the small blind first, though p2 posts it.
            blinds.sort_unstable();
        }
        let stacks: Vec<Chips> = self.seats.iter().map(|s| s.stack).collect();
        let finishing: Vec<Chips> = self.seats.iter().map(|s| self.finishing(s)).collect();
        let players: Vec<String> = self.seats.iter().map(|s| s.player.to_string()).collect();
        let chairs: Vec<u8> = self.seats.iter().map(|s| s.seat.0 + 1).collect();
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "variant = \"NT\"\nante_trimming_status = {}\nantes = {antes:?}\nblinds_or_straddles = {blinds:?}\n\
             min_bet = {big}\nstarting_stacks = {stacks:?}\nactions = {:?}\nfinishing_stacks = {finishing:?}\n\
             players = {players:?}\nseats = {chairs:?}\nhand = {}\n",
            matches!(self.config.ante, Ante::BigBlind(_)),
            self.phh_actions(),
            self.hand,
        );
        text
    }

    fn finishing(&self, start: &SeatStart) -> Chips {
        let end = self.events.iter().find_map(|event| match event {
            Event::HandEnded(end) => end.results.iter().find(|result| result.seat == start.seat),
            _ => None,
        });
        end.map_or(start.stack, |result| result.stack)
    }

    fn phh_actions(&self) -> Vec<String> {
        let number = |seat: SeatIndex| self.seats.iter().position(|s| s.seat == seat).map_or(0, |at| at + 1);
        let shown = |seat: SeatIndex| {
            self.events.iter().find_map(|event| match event {
                Event::Shown { seat: at, cards } if *at == seat => Some(format!("{}{}", cards[0], cards[1])),
                _ => None,
            })
        };
        let hole = |seat| shown(seat).unwrap_or_else(|| "????".into());
        let mut lines: Vec<String> =
            self.seats.iter().map(|s| format!("d dh p{} {}", number(s.seat), hole(s.seat))).collect();
        for event in &self.events {
            match event {
                Event::Acted { seat, action, total, .. } => lines.push(match action {
                    Action::Fold => format!("p{} f", number(*seat)),
                    Action::Check | Action::Call => format!("p{} cc", number(*seat)),
                    Action::RaiseTo(_) => format!("p{} cbr {total}", number(*seat)),
                }),
                Event::StreetDealt { cards, .. } => {
                    let cards: String = cards.iter().map(ToString::to_string).collect();
                    lines.push(format!("d db {cards}"));
                }
                Event::Shown { seat, cards } => {
                    lines.push(format!("p{} sm {}{}", number(*seat), cards[0], cards[1]));
                }
                Event::Mucked { seat } => lines.push(format!("p{} sm", number(*seat))),
                _ => {}
            }
        }
        lines
    }
}
