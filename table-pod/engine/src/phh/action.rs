//! One entry of a hand's `actions`.

use crate::{card::Card, ids::Chips};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{fmt, str::FromStr};

/// Players count from 1. A card that is not known is `None`, written `??`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhhAction {
    /// `d dh pN XxYy`
    Hole { player: usize, cards: [Option<Card>; 2] },
    /// `d db …`
    Board(Vec<Card>),
    /// `pN f`
    Fold { player: usize },
    /// `pN cc`
    CheckOrCall { player: usize },
    /// `pN cbr A`: bets or raises to this total on this street.
    RaiseTo { player: usize, total: Chips },
    /// `pN sm XxYy`
    Show { player: usize, cards: [Option<Card>; 2] },
    /// `pN sm`
    Muck { player: usize },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an action of No-Limit Hold'em in PHH")]
pub struct BadAction(String);

struct Pair([Option<Card>; 2]);

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|card| match card {
            Some(card) => write!(f, "{card}"),
            None => f.write_str("??"),
        })
    }
}

fn cards(text: &str) -> Option<Vec<Option<Card>>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| match &text[at..at + 2] {
            "??" => Some(None),
            known => known.parse().ok().map(Some),
        })
        .collect()
}

fn pair(text: &str) -> Option<[Option<Card>; 2]> {
    cards(text)?.try_into().ok()
}

fn player(text: &str) -> Option<usize> {
    text.strip_prefix('p')?.parse().ok().filter(|number| (1..=10).contains(number))
}

impl fmt::Display for PhhAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hole { player, cards } => write!(f, "d dh p{player} {}", Pair(*cards)),
            Self::Board(cards) => {
                f.write_str("d db ")?;
                cards.iter().try_for_each(|card| write!(f, "{card}"))
            }
            Self::Fold { player } => write!(f, "p{player} f"),
            Self::CheckOrCall { player } => write!(f, "p{player} cc"),
            Self::RaiseTo { player, total } => write!(f, "p{player} cbr {total}"),
            Self::Show { player, cards } => write!(f, "p{player} sm {}", Pair(*cards)),
            Self::Muck { player } => write!(f, "p{player} sm"),
        }
    }
}

impl FromStr for PhhAction {
    type Err = BadAction;

    fn from_str(text: &str) -> Result<Self, BadAction> {
        // What follows a # is commentary.
        let told = text.split('#').next().unwrap_or_default();
        let words: Vec<&str> = told.split_ascii_whitespace().collect();
        let action = match words.as_slice() {
            ["d", "dh", who, dealt] => {
                player(who).zip(pair(dealt)).map(|(player, cards)| Self::Hole { player, cards })
            }
            ["d", "db", dealt] => cards(dealt).and_then(|dealt| dealt.into_iter().collect()).map(Self::Board),
            [who, "f"] => player(who).map(|player| Self::Fold { player }),
            [who, "cc"] => player(who).map(|player| Self::CheckOrCall { player }),
            [who, "cbr", total] => {
                player(who).zip(total.parse().ok()).map(|(player, total)| Self::RaiseTo { player, total })
            }
            [who, "sm", "-"] | [who, "sm"] => player(who).map(|player| Self::Muck { player }),
            [who, "sm", shown] => {
                player(who).zip(pair(shown)).map(|(player, cards)| Self::Show { player, cards })
            }
            _ => None,
        };
        action.ok_or_else(|| BadAction(text.chars().take(64).collect()))
    }
}

impl Serialize for PhhAction {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PhhAction {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_written_as_it_is_read() {
        let lines = [
            "d dh p1 AsTd",
            "d dh p10 ????",
            "d db 2c3d4h",
            "p3 f",
            "p2 cc",
            "p1 cbr 210",
            "p1 sm As??",
            "p2 sm",
        ];
        for line in lines {
            assert_eq!(line.parse::<PhhAction>().unwrap().to_string(), line);
        }
        assert_eq!("p2 f # snap".parse::<PhhAction>().unwrap(), PhhAction::Fold { player: 2 });
    }

    #[test]
    fn what_is_no_action_is_refused_by_name() {
        for line in [
            "",
            "p0 f",
            "p11 f",
            "p1 cbr -1",
            "p1 cbr 0.5",
            "d db 2c??",
            "d dh p1 As",
            "d dh p1 Aséé",
            "p1 sd",
        ] {
            let error = line.parse::<PhhAction>().unwrap_err();
            assert!(error.to_string().contains(line), "{error}");
        }
    }
}
