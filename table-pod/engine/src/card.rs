//! Cards and decks.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{fmt, str::FromStr};

const RANKS: &[u8; 13] = b"23456789TJQKA";
const SUITS: &[u8; 4] = b"cdhs";

/// One of 52 cards: `rank * 4 + suit`, ranks from deuce (0) to ace (12), suits clubs, diamonds,
/// hearts, spades. Text is rank and suit, as in `As` or `Td`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Card(u8);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a card: want a rank of 23456789TJQKA and a suit of cdhs")]
pub struct BadCard(pub String);

impl Card {
    /// The deuce of clubs.
    pub const LOWEST: Self = Self(0);

    /// The card of this number, 0 to 51.
    pub const fn new(number: u8) -> Option<Self> {
        if number < 52 { Some(Self(number)) } else { None }
    }

    pub const fn number(self) -> u8 {
        self.0
    }

    /// 0 is a deuce, 12 an ace.
    pub const fn rank(self) -> u8 {
        self.0 / 4
    }

    pub const fn suit(self) -> u8 {
        self.0 % 4
    }

    /// All cards in their natural order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..52).map(Self)
    }

    fn with_text<R>(self, use_it: impl FnOnce(&str) -> R) -> R {
        let text = [RANKS[usize::from(self.rank())], SUITS[usize::from(self.suit())]];
        use_it(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Card {
    type Err = BadCard;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadCard(text.chars().take(8).collect());
        let &[rank, suit] = text.as_bytes() else {
            return Err(bad());
        };
        let rank = (0u8..).zip(RANKS).find(|(_, r)| **r == rank);
        let suit = (0u8..).zip(SUITS).find(|(_, s)| **s == suit);
        match (rank, suit) {
            (Some((rank, _)), Some((suit, _))) => Ok(Self(rank * 4 + suit)),
            _ => Err(bad()),
        }
    }
}

impl Serialize for Card {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match s.is_human_readable() {
            true => self.with_text(|text| s.serialize_str(text)),
            false => s.serialize_u8(self.number()),
        }
    }
}

impl<'de> Deserialize<'de> for Card {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if !d.is_human_readable() {
            let number = u8::deserialize(d)?;
            return Self::new(number)
                .ok_or_else(|| D::Error::custom(format_args!("card {number}: there are 52")));
        }
        let text = String::deserialize(d)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// All 52 cards in the order in which they are dealt: the first card of every player from the
/// button's left, then their second, then the board. Nothing is burnt: where the order is
/// committed to before the deal, a burn protects nothing.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<Card>")]
pub struct Deck([Card; 52]);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeckError {
    #[error("a deck has 52 cards, not {0}")]
    Length(usize),
    #[error("{0} is in the deck twice")]
    Twice(Card),
}

impl Deck {
    pub fn new(cards: [Card; 52]) -> Result<Self, DeckError> {
        let mut seen = 0u64;
        for card in cards {
            let bit = 1 << card.number();
            if seen & bit != 0 {
                return Err(DeckError::Twice(card));
            }
            seen |= bit;
        }
        Ok(Self(cards))
    }

    /// A deck that starts with these cards; the others follow in their natural order.
    pub fn starting_with(first: &[Card]) -> Result<Self, DeckError> {
        let rest = Card::all().filter(|card| !first.contains(card));
        let cards: Vec<Card> = first.iter().copied().chain(rest).collect();
        Self::try_from(cards)
    }

    /// The card at this place in the deal, 0 to 51.
    pub fn at(&self, place: usize) -> Option<Card> {
        self.0.get(place).copied()
    }

    pub fn cards(&self) -> &[Card; 52] {
        &self.0
    }
}

impl fmt::Debug for Deck {
    /// A deck must not end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deck(..)")
    }
}

impl TryFrom<Vec<Card>> for Deck {
    type Error = DeckError;

    fn try_from(cards: Vec<Card>) -> Result<Self, DeckError> {
        let length = cards.len();
        Self::new(cards.try_into().map_err(|_| DeckError::Length(length))?)
    }
}

impl Serialize for Deck {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0)
    }
}
