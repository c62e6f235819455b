//! Hands in the PHH notation (Poker Hand History, TOML), No-Limit Hold'em: written, read, replayed.
//!
//! `p1` is the first at the button's left, the last player has the button; heads-up `p2` has it and
//! posts the small blind, which the notation names first all the same.
//!
//! # Caveats
//! Amounts are whole minor units. The notation knows no rake: it is written as `_rake`, a field of
//! our own. Blinds of a dead button and missed blinds are written, but not replayed.

mod action;
mod replay;

pub use action::PhhAction;
pub use replay::Replay;

use crate::{
    command::Action,
    config::{Ante, ConfigError},
    event::{Event, HandEnd, Post},
    history::{HandHistory, SeatStart},
    ids::{Chips, SeatIndex},
    refusal::Refusal,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest text of one hand that is read, in bytes.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// One hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phh {
    /// `NT` for No-Limit Hold'em, the only one that is replayed.
    pub variant: String,
    /// True where everybody pays the same ante.
    #[serde(default)]
    pub ante_trimming_status: bool,
    pub antes: Vec<Chips>,
    pub blinds_or_straddles: Vec<Chips>,
    pub min_bet: Chips,
    pub starting_stacks: Vec<Chips>,
    pub actions: Vec<PhhAction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finishing_stacks: Option<Vec<Chips>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub players: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<Vec<u8>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand: Option<u64>,
    #[serde(default, rename = "_rake", skip_serializing_if = "Option::is_none")]
    pub rake: Option<Chips>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhhError {
    #[error("a hand of {0} bytes: at most {TEXT_BYTES_MAX}")]
    TooLong(usize),
    #[error("not a hand in PHH: {0}")]
    Syntax(String),
    #[error("cannot be written: {0}")]
    Write(String),
    #[error("variant '{0}': only NT is replayed")]
    Variant(String),
    #[error("{field} has {found} entries for {players} players")]
    Length { field: &'static str, found: usize, players: usize },
    #[error("{0} of this form are not replayed")]
    Unsupported(&'static str),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("player p{0} is not in this hand")]
    NoSuchPlayer(usize),
    #[error("the cards of p{0} decide the hand and are not known")]
    HiddenCards(usize),
    #[error("the cards: {0}")]
    Cards(String),
    #[error("the hand cannot be dealt: {0}")]
    NotDealt(Refusal),
    #[error("action '{action}': {refusal}")]
    Refused { action: PhhAction, refusal: Refusal },
    #[error("action '{0}': the hand is over")]
    AfterTheEnd(PhhAction),
    #[error("the actions end before the hand does")]
    Unfinished,
}

impl Phh {
    /// Reads one hand.
    pub fn parse(text: &str) -> Result<Self, PhhError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(PhhError::TooLong(text.len()));
        }
        toml::from_str(text).map_err(|error| PhhError::Syntax(error.to_string()))
    }

    /// Reads a collection (`.phhs`): one table a hand, by its name.
    pub fn parse_many(text: &str) -> Result<BTreeMap<String, Self>, PhhError> {
        toml::from_str(text).map_err(|error| PhhError::Syntax(error.to_string()))
    }

    pub fn to_text(&self) -> Result<String, PhhError> {
        toml::to_string(self).map_err(|error| PhhError::Write(error.to_string()))
    }

    /// What a history tells; hole cards that it does not tell are `????`.
    pub fn from_history(history: &HandHistory) -> Self {
        let seats = &history.seats;
        let (small, big) = (history.config.small_blind, history.config.big_blind);
        let posted = |seat: SeatIndex, what: Post| posted(&history.events, seat, what);
        let ante = |start: &SeatStart| {
            // What the table asks, not what a short stack could pay: the notation caps it itself.
            let own = match history.config.ante {
                Ante::Each(ante) => ante,
                Ante::BigBlind(ante) if posted(start.seat, Post::Ante) > 0 => ante,
                Ante::BigBlind(_) | Ante::None => 0,
            };
            // A missed small blind is dead money, and antes are the notation's only dead money.
            own + posted(start.seat, Post::Dead)
        };
        let blind = |start: &SeatStart| {
            if posted(start.seat, Post::SmallBlind) > 0 {
                small
            } else if posted(start.seat, Post::BigBlind) + posted(start.seat, Post::Live) > 0 {
                big
            } else {
                0
            }
        };
        let antes: Vec<Chips> = seats.iter().map(ante).collect();
        let mut blinds: Vec<Chips> = seats.iter().map(blind).collect();
        if blinds.len() == 2 {
            blinds.sort_unstable();
        }
        let end = history.events.iter().find_map(|event| match event {
            Event::HandEnded(end) => Some(end),
            _ => None,
        });
        Self {
            variant: "NT".into(),
            ante_trimming_status: antes.windows(2).all(|two| two[0] == two[1]),
            antes,
            blinds_or_straddles: blinds,
            min_bet: big,
            starting_stacks: seats.iter().map(|start| start.stack).collect(),
            actions: actions(history),
            finishing_stacks: end.map(|end| seats.iter().map(|start| finishing(end, start)).collect()),
            players: Some(seats.iter().map(|start| start.player.to_string()).collect()),
            seats: Some(seats.iter().map(|start| start.seat.0 + 1).collect()),
            hand: Some(history.hand),
            rake: end.map(|end| end.rake).filter(|rake| *rake > 0),
        }
    }
}

impl HandHistory {
    /// The hand in the PHH notation.
    pub fn to_phh(&self) -> Result<String, PhhError> {
        Phh::from_history(self).to_text()
    }
}

fn posted(events: &[Event], seat: SeatIndex, what: Post) -> Chips {
    let of_seat = |event: &Event| match event {
        Event::Posted { seat: at, post, amount, .. } if *at == seat && *post == what => *amount,
        _ => 0,
    };
    events.iter().map(of_seat).sum()
}

fn finishing(end: &HandEnd, start: &SeatStart) -> Chips {
    end.results.iter().find(|result| result.seat == start.seat).map_or(start.stack, |result| result.stack)
}

fn actions(history: &HandHistory) -> Vec<PhhAction> {
    let number = |seat: SeatIndex| history.seats.iter().position(|s| s.seat == seat).map_or(0, |at| at + 1);
    let hole = |seat: SeatIndex| {
        let told = history.events.iter().find_map(|event| match event {
            Event::Shown { seat: at, cards } | Event::Dealt { seat: at, cards } if *at == seat => {
                Some(*cards)
            }
            _ => None,
        });
        told.map_or([None; 2], |cards| cards.map(Some))
    };
    let mut lines: Vec<PhhAction> = history
        .seats
        .iter()
        .map(|start| PhhAction::Hole { player: number(start.seat), cards: hole(start.seat) })
        .collect();
    for event in &history.events {
        lines.extend(match event {
            Event::Acted { seat, action, total, .. } => Some(match action {
                Action::Fold => PhhAction::Fold { player: number(*seat) },
                Action::Check | Action::Call => PhhAction::CheckOrCall { player: number(*seat) },
                Action::RaiseTo(_) => PhhAction::RaiseTo { player: number(*seat), total: *total },
            }),
            Event::StreetDealt { board: 0, cards, .. } => Some(PhhAction::Board(cards.to_vec())),
            Event::Shown { seat, cards } => {
                Some(PhhAction::Show { player: number(*seat), cards: cards.map(Some) })
            }
            Event::Mucked { seat } => Some(PhhAction::Muck { player: number(*seat) }),
            _ => None,
        });
    }
    lines
}
