//! Short lists without a heap: a hand has at most ten players, five cards on a board and ten pots.

use crate::{
    card::Card,
    ids::{SEATS_MAX, SeatIndex},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{fmt, ops::Deref, ops::DerefMut};

/// The value in the places of a [`List`] that are not used.
pub trait Blank: Copy {
    const BLANK: Self;
}

impl Blank for SeatIndex {
    const BLANK: Self = Self(0);
}

impl Blank for Card {
    const BLANK: Self = Self::LOWEST;
}

impl<T: Copy> Blank for Option<T> {
    const BLANK: Self = None;
}

/// At most `N` values in order. It behaves like a slice, is stored inline, and is serialised as a list.
#[derive(Clone, Copy)]
pub struct List<T, const N: usize> {
    items: [T; N],
    len: u8,
}

/// Seats in an order that matters.
pub type Seats = List<SeatIndex, SEATS_MAX>;
/// The community cards on the table.
pub type Board = List<Card, 5>;

impl<T: Blank, const N: usize> List<T, N> {
    pub const fn new() -> Self {
        Self { items: [T::BLANK; N], len: 0 }
    }

    /// A list of `len` blank values, at most `N`.
    pub fn blank(len: u8) -> Self {
        Self { items: [T::BLANK; N], len: if usize::from(len) < N { len } else { Self::full() } }
    }

    #[allow(clippy::cast_possible_truncation, reason = "lists have at most a few dozen places")]
    const fn full() -> u8 {
        assert!(N <= u8::MAX as usize);
        N as u8
    }
}

impl<T, const N: usize> List<T, N> {
    /// Adds a value at the end.
    ///
    /// # Panics
    /// Where the list is full: every list is made for the most that the rules allow.
    pub fn push(&mut self, value: T) {
        self.items[usize::from(self.len)] = value;
        self.len += 1;
    }
}

impl<T: Blank, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> Deref for List<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items[..usize::from(self.len)]
    }
}

impl<T, const N: usize> DerefMut for List<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items[..usize::from(self.len)]
    }
}

impl<T: PartialEq, const N: usize> PartialEq for List<T, N> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq, const N: usize> Eq for List<T, N> {}

impl<T: fmt::Debug, const N: usize> fmt::Debug for List<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Blank, const N: usize> FromIterator<T> for List<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut list = Self::new();
        values.into_iter().for_each(|value| list.push(value));
        list
    }
}

impl<T: Blank, const N: usize> From<&[T]> for List<T, N> {
    fn from(values: &[T]) -> Self {
        values.iter().copied().collect()
    }
}

impl<T, const N: usize> IntoIterator for List<T, N> {
    type Item = T;
    type IntoIter = std::iter::Take<std::array::IntoIter<T, N>>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter().take(self.len.into())
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a List<T, N> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Serialize, const N: usize> Serialize for List<T, N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self)
    }
}

impl<'de, T: Blank + Deserialize<'de>, const N: usize> Deserialize<'de> for List<T, N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let values = Vec::<T>::deserialize(d)?;
        if values.len() > N {
            return Err(D::Error::custom(format_args!("{} entries: at most {N}", values.len())));
        }
        Ok(values.as_slice().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_written_and_read_as_one_and_never_overfilled() {
        let seats: Seats = [3, 1].map(SeatIndex).into_iter().collect();
        assert_eq!(serde_json::to_string(&seats).unwrap(), "[3,1]");
        assert_eq!(serde_json::from_str::<Seats>("[3,1]").unwrap(), seats);
        assert!(serde_json::from_str::<Board>(r#"["2c","3c","4c","5c","6c","7c"]"#).is_err());
        assert_eq!(serde_json::from_str::<Board>(r#"["2c"]"#).unwrap().to_vec(), [Card::LOWEST]);
    }
}
