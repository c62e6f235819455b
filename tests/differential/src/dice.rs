//! Choices from a seed, the same on every machine.

use anyhow::{Context, Result};
use purr_engine::{Card, Deck};

pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of one hand: neighbours share nothing but the seed.
    pub(crate) fn of_hand(seed: u64, hand: u64) -> Self {
        let mut mixed = Self(seed ^ hand.wrapping_mul(0xD134_2543_DE82_EF95));
        Self(mixed.next())
    }

    fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `sides` - 1. The bias of a remainder does not matter here.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides.max(1)
    }

    /// A number from `low` to `high`, inclusive.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll(high.saturating_sub(low).saturating_add(1))
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> Result<T> {
        let place = usize::try_from(self.roll(list.len() as u64))?;
        list.get(place).copied().context("nothing to pick from")
    }

    pub(crate) fn deck(&mut self) -> Result<Deck> {
        let mut cards: Vec<Card> = Card::all().collect();
        for last in (1..cards.len()).rev() {
            let other = usize::try_from(self.roll(last as u64 + 1))?;
            cards.swap(last, other);
        }
        Ok(Deck::try_from(cards)?)
    }
}
