//! One entry of a hand's `actions`.

use super::{Amount, cards::Cards};
use std::{fmt, str::FromStr};

/// Players count from 1. A card that is not known is written `??`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhhAction {
    /// `d dh pN XxYy`, both cards or one at a time.
    Hole { player: u8, cards: Cards },
    /// `d db …`
    Board(Cards),
    /// `pN f`
    Fold { player: u8 },
    /// `pN cc`
    CheckOrCall { player: u8 },
    /// `pN cbr A`: bets or raises to this total on this street.
    RaiseTo { player: u8, total: Amount },
    /// `pN sm XxYy`
    Show { player: u8, cards: Cards },
    /// `pN sm -`: shows the dealt cards.
    ShowDealt { player: u8 },
    /// `pN sm`
    Muck { player: u8 },
    /// An empty entry, or one that is commentary alone.
    Nothing,
}

/// An action, and the commentary that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub action: PhhAction,
    /// The text after the `#`.
    pub comment: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAction {
    #[error("'{0}' is not an action of Hold'em in PHH")]
    Form(String),
    #[error("'{0}' is an action of another game than Hold'em")]
    OtherGame(String),
    #[error("'{0}': the amount is not one that can be kept exactly")]
    Amount(String),
}

impl From<PhhAction> for Line {
    fn from(action: PhhAction) -> Self {
        Self { action, comment: None }
    }
}

fn player(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [b'p', digit @ b'1'..=b'9'] => Some(digit - b'0'),
        b"p10" => Some(10),
        _ => None,
    }
}

fn action(told: &str) -> Result<PhhAction, BadAction> {
    let mut words = told.split_ascii_whitespace();
    let all = [(); 5].map(|()| words.next());
    let quoted = || told.trim().chars().take(64).collect::<String>();
    let form = || BadAction::Form(quoted());
    let who = |text| player(text).ok_or_else(form);
    let dealt = |text, most: usize| Cards::read(text).filter(|cards| cards.len() <= most).ok_or_else(form);
    Ok(match all {
        [None, ..] => PhhAction::Nothing,
        [Some("d"), Some("dh"), Some(to), Some(cards), None] => {
            PhhAction::Hole { player: who(to)?, cards: dealt(cards, 2)? }
        }
        [Some("d"), Some("db"), Some(cards), None, _] => PhhAction::Board(dealt(cards, 5)?),
        [Some(by), Some("f"), None, ..] => PhhAction::Fold { player: who(by)? },
        [Some(by), Some("cc"), None, ..] => PhhAction::CheckOrCall { player: who(by)? },
        [Some(by), Some("cbr"), Some(total), None, _] => {
            let player = who(by)?;
            let total: Amount = total.parse().map_err(|_| BadAction::Amount(quoted()))?;
            if total.digits < 0 {
                return Err(form());
            }
            PhhAction::RaiseTo { player, total }
        }
        [Some(by), Some("sm"), None, ..] => PhhAction::Muck { player: who(by)? },
        [Some(by), Some("sm"), Some("-"), None, _] => PhhAction::ShowDealt { player: who(by)? },
        [Some(by), Some("sm"), Some(cards), None, _] => {
            PhhAction::Show { player: who(by)?, cards: dealt(cards, 2)? }
        }
        [Some(by), Some("pb" | "sd"), ..] if player(by).is_some() => {
            return Err(BadAction::OtherGame(quoted()));
        }
        _ => return Err(form()),
    })
}

/// Parses the common form of an action as PokerKit writes it: known cards, whole amounts, single spaces. `None`:
/// another form, which [`action`] parses.
fn plain(text: &[u8]) -> Option<PhhAction> {
    let player = |digit: u8| matches!(digit, b'1'..=b'9').then(|| digit - b'0');
    match text {
        [b'p', digit, b' ', rest @ ..] => {
            let player = player(*digit)?;
            Some(match rest {
                b"f" => PhhAction::Fold { player },
                b"cc" => PhhAction::CheckOrCall { player },
                b"sm" => PhhAction::Muck { player },
                [b'c', b'b', b'r', b' ', total @ ..] => {
                    PhhAction::RaiseTo { player, total: Amount::plain(total)? }
                }
                [b's', b'm', b' ', cards @ ..] if cards.len() == 4 => {
                    PhhAction::Show { player, cards: Cards::plain(cards)? }
                }
                _ => return None,
            })
        }
        [b'd', b' ', b'd', b'h', b' ', b'p', digit, b' ', cards @ ..] if cards.len() == 4 => {
            Some(PhhAction::Hole { player: player(*digit)?, cards: Cards::plain(cards)? })
        }
        [b'd', b' ', b'd', b'b', b' ', cards @ ..] => Some(PhhAction::Board(Cards::plain(cards)?)),
        _ => None,
    }
}

impl fmt::Display for PhhAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hole { player, cards } => write!(f, "d dh p{player} {cards}"),
            Self::Board(cards) => write!(f, "d db {cards}"),
            Self::Fold { player } => write!(f, "p{player} f"),
            Self::CheckOrCall { player } => write!(f, "p{player} cc"),
            Self::RaiseTo { player, total } => write!(f, "p{player} cbr {total}"),
            Self::Show { player, cards } => write!(f, "p{player} sm {cards}"),
            Self::ShowDealt { player } => write!(f, "p{player} sm -"),
            Self::Muck { player } => write!(f, "p{player} sm"),
            Self::Nothing => Ok(()),
        }
    }
}

impl FromStr for PhhAction {
    type Err = BadAction;

    fn from_str(text: &str) -> Result<Self, BadAction> {
        text.parse::<Line>().map(|line| line.action)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.action.fmt(f)?;
        match &self.comment {
            Some(comment) if self.action == PhhAction::Nothing => write!(f, "#{comment}"),
            Some(comment) => write!(f, " #{comment}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Line {
    type Err = BadAction;

    fn from_str(text: &str) -> Result<Self, BadAction> {
        if let Some(action) = plain(text.as_bytes()) {
            return Ok(action.into());
        }
        match text.split_once('#') {
            None => action(text).map(Self::from),
            Some((told, comment)) => Ok(Self { action: action(told)?, comment: Some(comment.into()) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_written_as_it_is_read() {
        let lines = [
            "d dh p1 AsTd",
            "d dh p2 As",
            "d dh p10 ????",
            "d db 2c3d4h",
            "d db 2c??4h",
            "p3 f",
            "p2 cc",
            "p1 cbr 210",
            "p1 cbr 47.50",
            "p1 sm As??",
            "p1 sm -",
            "p2 sm",
            "p2 f # snap, after # a minute",
            "# Burn card 6s is exposed",
            "#",
            "",
        ];
        for line in lines {
            assert_eq!(line.parse::<Line>().unwrap().to_string(), line);
        }
        assert_eq!("  p2   f\t".parse::<PhhAction>(), Ok(PhhAction::Fold { player: 2 }));
        assert_eq!("   ".parse::<PhhAction>(), Ok(PhhAction::Nothing));
    }

    #[test]
    fn what_is_read_plainly_means_what_it_means_to_the_whole_reader() {
        let lines = ["d dh p1 AsTd", "d db 2c3d4h", "p3 f", "p2 cc", "p1 cbr 210", "p1 sm AsTd", "p2 sm"];
        let mut read = 0;
        for line in lines {
            assert!(plain(line.as_bytes()).is_some(), "{line}");
            // Every single byte is replaced or left out.
            for (at, byte) in (0..line.len()).flat_map(|at| (0..=128u8).map(move |byte| (at, byte))) {
                let mut text = line.as_bytes().to_vec();
                match byte {
                    128 => {
                        text.remove(at);
                    }
                    byte => text[at] = byte,
                }
                let text = String::from_utf8(text).unwrap();
                if let Some(quick) = plain(text.as_bytes()) {
                    assert_eq!(action(&text), Ok(quick), "{text}");
                    read += 1;
                }
            }
        }
        assert!(read > 150, "{read}");
    }

    #[test]
    fn what_is_no_action_is_refused_by_name() {
        for line in [
            "p0 f",
            "p11 f",
            "p01 f",
            "p1 cbr -1",
            "p1 cbr x",
            "p1 cbr 1 2",
            "d db",
            "d db 2c3d4h5s6c7c",
            "d dh p1 AsKsQs",
            "d dh p1 A",
            "d dh p1 Aséé",
            "p1 f f",
            "f p1",
            "d f",
        ] {
            let error = line.parse::<PhhAction>().unwrap_err();
            assert!(error.to_string().contains(line), "{error}");
        }
    }

    #[test]
    fn actions_of_other_games_are_refused_as_such() {
        for line in ["p1 pb", "p1 sd", "p1 sd AsQs"] {
            assert!(matches!(line.parse::<PhhAction>(), Err(BadAction::OtherGame(_))), "{line}");
        }
    }
}
