//! Players, seats and amounts.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};
use std::{fmt, str::FromStr};

/// An amount in minor units of the table's token (for USDC: millionths).
pub type Chips = u64;
/// A point in time or a span, in milliseconds.
pub type Millis = u64;

/// A seat, counted from zero, clockwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeatIndex(pub u8);

impl SeatIndex {
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Most seats of a table.
pub const SEATS_MAX: usize = 10;

/// A set of seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeatSet(u16);

impl SeatSet {
    /// The first `count` seats, at most [`SEATS_MAX`].
    pub const fn first(count: u8) -> Self {
        let every = (1 << SEATS_MAX) - 1;
        Self(if count as usize >= SEATS_MAX { every } else { (1 << count) - 1 })
    }

    pub const fn contains(self, seat: SeatIndex) -> bool {
        self.0 & bit(seat) != 0
    }

    pub fn insert(&mut self, seat: SeatIndex) {
        self.0 |= bit(seat);
    }

    pub fn remove(&mut self, seat: SeatIndex) {
        self.0 &= !bit(seat);
    }

    /// The set without one seat.
    #[must_use]
    pub const fn without(self, seat: SeatIndex) -> Self {
        Self(self.0 & !bit(seat))
    }

    /// Returns the seats that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns the seats that are in this set alone.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Iterates in seat order.
    pub const fn iter(self) -> Clockwise {
        Clockwise { first: self.0, then: 0 }
    }

    /// Iterates in the order of play: from the seat after this one around to this seat.
    pub const fn clockwise(self, from: SeatIndex) -> Clockwise {
        let up_to = bit(from) | (bit(from).wrapping_sub(1));
        Clockwise { first: self.0 & !up_to, then: self.0 & up_to }
    }
}

/// A seat beyond the table has no bit, and so is in no set.
const fn bit(seat: SeatIndex) -> u16 {
    if seat.0 as usize >= SEATS_MAX { 0 } else { 1 << seat.0 }
}

impl FromIterator<SeatIndex> for SeatSet {
    fn from_iter<I: IntoIterator<Item = SeatIndex>>(seats: I) -> Self {
        let mut set = Self::default();
        seats.into_iter().for_each(|seat| set.insert(seat));
        set
    }
}

impl IntoIterator for SeatSet {
    type Item = SeatIndex;
    type IntoIter = Clockwise;

    fn into_iter(self) -> Clockwise {
        self.iter()
    }
}

/// Walks around the table.
#[derive(Clone, Copy, Debug)]
pub struct Clockwise {
    first: u16,
    then: u16,
}

impl Iterator for Clockwise {
    type Item = SeatIndex;

    fn next(&mut self) -> Option<SeatIndex> {
        if self.first == 0 {
            self.first = std::mem::take(&mut self.then);
        }
        if self.first == 0 {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, reason = "at most 15")]
        let seat = SeatIndex(self.first.trailing_zeros() as u8);
        self.first &= self.first - 1;
        Some(seat)
    }
}

impl fmt::Display for SeatIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A player: the 20 bytes of an Ethereum address. Text is `0x` and lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayerId(pub [u8; 20]);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an address: want 0x and 40 hex digits")]
pub struct BadPlayerId(pub String);

impl PlayerId {
    /// Passes the text without an allocation: a table's state has some fifty of them and is written with every step.
    fn with_text<R>(self, use_it: impl FnOnce(&str) -> R) -> R {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = *b"0x0000000000000000000000000000000000000000";
        for (pair, byte) in text[2..].chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        use_it(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Display for PlayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl fmt::Debug for PlayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PlayerId {
    type Err = BadPlayerId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadPlayerId(text.chars().take(64).collect());
        let digits = text.strip_prefix("0x").ok_or_else(bad)?;
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| bad())?;
        Ok(Self(bytes))
    }
}

impl Serialize for PlayerId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match s.is_human_readable() {
            true => self.with_text(|text| s.serialize_str(text)),
            false => s.serialize_bytes(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for PlayerId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(Either)
    }
}

/// Accepts text and bytes, because a buffered value does not say which of the two its source has.
struct Either;

impl Visitor<'_> for Either {
    type Value = PlayerId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address: 0x and 40 hex digits, or 20 bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PlayerId, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<PlayerId, E> {
        bytes.try_into().map(PlayerId).map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_come_clockwise_from_the_left_of_one_and_end_with_it() {
        let set: SeatSet = [1, 4, 9].map(SeatIndex).into_iter().collect();
        let around = |from| set.clockwise(SeatIndex(from)).map(|seat| seat.0).collect::<Vec<_>>();
        assert_eq!(around(4), [9, 1, 4]);
        assert_eq!(around(9), [1, 4, 9]);
        assert_eq!(around(0), [1, 4, 9]);
        assert_eq!(around(5), [9, 1, 4]);
        assert_eq!(set.iter().map(|seat| seat.0).collect::<Vec<_>>(), [1, 4, 9]);
        assert!(!set.contains(SeatIndex(200)));
        assert_eq!(SeatSet::first(10).len(), 10);
    }
}
