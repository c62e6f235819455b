//! Choices from a fuzzer's bytes. Where they end, every choice is the first one.

use purr_engine::{Card, Deck};

pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// 0 to `sides` - 1.
    pub fn roll(&mut self, sides: u8) -> u8 {
        self.byte() % sides.max(1)
    }

    pub fn short(&mut self) -> u64 {
        u64::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    /// Amounts: mostly small, sometimes at the ends of the range.
    pub fn amount(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX - self.short(),
            254 => (1 << 62) + self.short(),
            253 => self.short() << 32,
            _ => self.short() % 4_096,
        }
    }

    /// A deck by rejection-free swaps: eight bytes choose it.
    pub fn deck(&mut self) -> Deck {
        let mut state = u64::from_le_bytes(std::array::from_fn(|_| self.byte()));
        let mut cards: Vec<Card> = Card::all().collect();
        for last in (1..cards.len()).rev() {
            // Knuth's multiplier (MMIX); which deck it is does not matter.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let other = usize::try_from(state >> 33).unwrap_or(0) % (last + 1);
            cards.swap(last, other);
        }
        Deck::try_from(cards).expect("a permutation of all cards is a deck")
    }
}
