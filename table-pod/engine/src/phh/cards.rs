//! Cards of one action, known or not.

use crate::card::Card;
use std::fmt;

/// At most five cards; an unknown one is `None`, written `??`.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Cards {
    list: [Option<Card>; 5],
    count: u8,
}

impl Cards {
    /// The first five.
    pub fn new(cards: impl IntoIterator<Item = Option<Card>>) -> Self {
        let mut all = Self::default();
        for (place, card) in all.list.iter_mut().zip(cards) {
            *place = card;
            all.count += 1;
        }
        all
    }

    pub fn known(cards: &[Card]) -> Self {
        Self::new(cards.iter().copied().map(Some))
    }

    /// Parses one to five cards without separators.
    pub fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > 10 || !bytes.len().is_multiple_of(2) {
            return None;
        }
        let mut all = Self::default();
        for (place, pair) in all.list.iter_mut().zip(bytes.chunks_exact(2)) {
            *place = match pair {
                b"??" => None,
                &[rank, suit] => Some(card(rank, suit)?),
                _ => return None,
            };
            all.count += 1;
        }
        Some(all)
    }

    /// Parses one to five known cards.
    pub(super) fn plain(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > 10 || text.len() % 2 == 1 {
            return None;
        }
        let mut all = Self::default();
        for (place, pair) in all.list.iter_mut().zip(text.chunks_exact(2)) {
            *place = Some(card(pair[0], pair[1])?);
            all.count += 1;
        }
        Some(all)
    }

    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = Option<Card>> + '_ {
        self.list.iter().copied().take(self.len())
    }
}

/// The card of two characters.
pub(crate) fn card(rank: u8, suit: u8) -> Option<Card> {
    let rank = match rank {
        digit @ b'2'..=b'9' => digit - b'2',
        b'T' => 8,
        b'J' => 9,
        b'Q' => 10,
        b'K' => 11,
        b'A' => 12,
        _ => return None,
    };
    let suit = match suit {
        b'c' => 0,
        b'd' => 1,
        b'h' => 2,
        b's' => 3,
        _ => return None,
    };
    Card::new(rank * 4 + suit)
}

impl fmt::Display for Cards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|card| match card {
            Some(card) => write!(f, "{card}"),
            None => f.write_str("??"),
        })
    }
}

impl fmt::Debug for Cards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_is_read_as_its_own_text_says() {
        for one in Card::all() {
            let text = one.to_string();
            assert_eq!(Cards::read(&text), Some(Cards::known(&[one])));
            assert_eq!(text.parse(), Ok(one));
        }
        for bad in ["", "A", "as", "10h", "Aé", "1c", "?s", "AsKsQsJsTs9s"] {
            assert_eq!(Cards::read(bad), None, "{bad}");
        }
    }
}
