//! Hashes as 64 hex digits where people read it, else as 32 bytes. What was written as lists of numbers (records of the first months) is read too.

use super::Hash;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};
use std::fmt;

struct Hex(Hash);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if !s.is_human_readable() {
            return s.serialize_bytes(&self.0);
        }
        let mut digits = [0; 64];
        hex::encode_to_slice(self.0, &mut digits).map_err(serde::ser::Error::custom)?;
        s.serialize_str(std::str::from_utf8(&digits).map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Hex;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 hex digits, 32 bytes or 32 numbers")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Hex, E> {
        bytes.try_into().map(Hex).map_err(|_| E::invalid_length(bytes.len(), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Hex, E> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map_err(|_| E::custom("want 64 hex digits"))?;
        Ok(Hex(hash))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Hex, A::Error> {
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = seq.next_element()?.ok_or_else(|| Error::invalid_length(at, &self))?;
        }
        match seq.next_element::<u8>()? {
            Some(_) => Err(Error::invalid_length(33, &self)),
            None => Ok(Hex(hash)),
        }
    }
}

pub(super) fn serialize<S: Serializer>(hash: &Hash, s: S) -> Result<S::Ok, S::Error> {
    Hex(*hash).serialize(s)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Hash, D::Error> {
    Hex::deserialize(d).map(|Hex(hash)| hash)
}

pub(super) mod path {
    use super::{super::DEPTH, Deserialize, Deserializer, Hash, Hex, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(path: &[Hash; DEPTH], s: S) -> Result<S::Ok, S::Error> {
        path.map(Hex).serialize(s)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[Hash; DEPTH], D::Error> {
        <[Hex; DEPTH]>::deserialize(d).map(|path| path.map(|Hex(hash)| hash))
    }
}
