//! Lists that are part of every commit of a hand: each item is serialised once and its bytes are used again.

use crate::snapshot::{Raw, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error, ser::SerializeSeq};
use serde_json::value::{RawValue, to_raw_value};
use std::{ops::Deref, sync::OnceLock};

/// An append-only list that caches each item's encoding. Only for JSON and snapshots of version 2, which can embed
/// encoded parts.
#[derive(Clone, Debug)]
pub(super) struct Written<T> {
    items: Vec<T>,
    json: Vec<OnceLock<Box<RawValue>>>,
    nodes: Vec<OnceLock<Box<[u8]>>>,
}

impl<T> Written<T> {
    pub(super) fn extend(&mut self, items: impl IntoIterator<Item = T>) {
        self.items.extend(items);
        self.json.resize_with(self.items.len(), OnceLock::new);
        self.nodes.resize_with(self.items.len(), OnceLock::new);
    }
}

impl<T> From<Vec<T>> for Written<T> {
    fn from(items: Vec<T>) -> Self {
        let mut written = Self { items: Vec::new(), json: Vec::new(), nodes: Vec::new() };
        written.extend(items);
        written
    }
}

impl<T> Deref for Written<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T: PartialEq> PartialEq for Written<T> {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

impl<T: Eq> Eq for Written<T> {}

impl<T: Serialize> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let readable = serializer.is_human_readable();
        let mut list = serializer.serialize_seq(Some(self.items.len()))?;
        if !readable {
            for (item, node) in self.items.iter().zip(&self.nodes) {
                let raw = match node.get() {
                    Some(raw) => raw,
                    None => {
                        let raw = encode(item).map_err(S::Error::custom)?;
                        node.get_or_init(|| raw.into())
                    }
                };
                list.serialize_element(&Raw(raw))?;
            }
            return list.end();
        }
        for (item, json) in self.items.iter().zip(&self.json) {
            let raw = match json.get() {
                Some(raw) => raw,
                None => {
                    let raw = to_raw_value(item).map_err(S::Error::custom)?;
                    json.get_or_init(|| raw)
                }
            };
            list.serialize_element(raw)?;
        }
        list.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use purr_engine::{Event, SeatIndex};

    #[test]
    fn a_list_is_written_as_its_items_are_and_read_back_whatever_was_added_between() {
        let event = |seat| Event::SatOut { seat: SeatIndex(seat) };
        let mut plain = vec![event(0)];
        let mut list = Written::from(plain.clone());
        for seat in 1..4 {
            assert_eq!(serde_json::to_string(&list).unwrap(), serde_json::to_string(&plain).unwrap());
            list.extend([event(seat)]);
            plain.push(event(seat));
        }
        let text = serde_json::to_string(&list).unwrap();
        assert_eq!(text, serde_json::to_string(&plain).unwrap());
        let back: Written<Event> = serde_json::from_str(&text).unwrap();
        assert_eq!((back.deref(), &back), (plain.as_slice(), &list));
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }
}
