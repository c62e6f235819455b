//! Deserialises values from nodes ([`super::node`]) with serde.

use super::{
    malformed::{DEPTH_MAX, Malformed},
    node::{self, Node},
};
use serde::{
    Deserialize,
    de::{
        self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
        VariantAccess, Visitor, value::BorrowedStrDeserializer,
    },
    forward_to_deserialize_any,
};
use std::fmt::Display;

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("{0}")]
    Value(String),
}

impl de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Value(message.to_string())
    }
}

/// Decodes one value, which must be the whole input.
///
/// # Errors
/// What is no node, and what the type does not take.
pub(crate) fn decode<'de, T: Deserialize<'de>>(input: &'de [u8]) -> Result<T, DecodeError> {
    let mut decoder = Decoder { rest: input, depth: 0 };
    let value = T::deserialize(&mut decoder)?;
    if decoder.rest.is_empty() { Ok(value) } else { Err(Malformed::Long.into()) }
}

struct Decoder<'de> {
    rest: &'de [u8],
    depth: usize,
}

impl<'de> Decoder<'de> {
    fn inside(&self, body: &'de [u8]) -> Result<Decoder<'de>, DecodeError> {
        if self.depth >= DEPTH_MAX {
            return Err(Malformed::Deep.into());
        }
        Ok(Decoder { rest: body, depth: self.depth + 1 })
    }

    fn list<V: Visitor<'de>>(&self, body: &'de [u8], visitor: V) -> Result<V::Value, DecodeError> {
        let mut items = self.inside(body)?;
        let value = visitor.visit_seq(&mut items)?;
        if items.rest.is_empty() { Ok(value) } else { Err(Malformed::Long.into()) }
    }

    fn map<V: Visitor<'de>>(&self, body: &'de [u8], visitor: V) -> Result<V::Value, DecodeError> {
        let mut items = self.inside(body)?;
        let value = visitor.visit_map(&mut items)?;
        if items.rest.is_empty() { Ok(value) } else { Err(Malformed::Long.into()) }
    }

    fn variant<V: Visitor<'de>>(&mut self, name: Name<'de>, visitor: V) -> Result<V::Value, DecodeError> {
        let mut content = self.inside(self.rest)?;
        let value = visitor.visit_enum(Variant { name, content: &mut content })?;
        self.rest = content.rest;
        Ok(value)
    }
}

#[derive(Clone, Copy)]
struct Name<'de>(&'de str);

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match node::read(&mut self.rest)? {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(value),
            Node::Number(value) => match u64::try_from(value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_u128(value),
            },
            Node::Negative(value) => {
                let value = i64::try_from(value).map_err(|_| Malformed::Number)?;
                visitor.visit_i64(-1 - value)
            }
            Node::Float(value) => visitor.visit_f64(value),
            Node::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Node::Text(text) => visitor.visit_borrowed_str(text),
            Node::Name(name) => visitor.visit_borrowed_str(name),
            Node::List(body) => self.list(body, visitor),
            Node::Map(body) => self.map(body, visitor),
            // As in JSON: a map with one entry.
            Node::Variant(name) => self.variant_as_map(name, visitor),
            Node::VariantText(name) => self.variant_as_map(name, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.rest.first() == Some(&node::NULL) {
            self.rest = &self.rest[1..];
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match node::read(&mut self.rest)? {
            Node::Name(name) => visitor.visit_enum(name.into_deserializer()),
            Node::Text(name) => visitor.visit_enum(name.into_deserializer()),
            Node::Variant(name) => self.variant(Name(name), visitor),
            Node::VariantText(name) => self.variant(Name(name), visitor),
            _ => Err(de::Error::custom("expected a variant of an enum")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        node::whole(&mut self.rest)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

impl<'de> Decoder<'de> {
    fn variant_as_map<V: Visitor<'de>>(
        &mut self,
        name: &'de str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let content = self.inside(self.rest)?;
        let mut one = One { name: Some(name), content };
        let value = visitor.visit_map(&mut one)?;
        self.rest = one.content.rest;
        Ok(value)
    }
}

impl<'de> SeqAccess<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        if self.rest.is_empty() { Ok(None) } else { seed.deserialize(&mut **self).map(Some) }
    }
}

impl<'de> MapAccess<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        if self.rest.is_empty() { Ok(None) } else { seed.deserialize(&mut **self).map(Some) }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, DecodeError> {
        seed.deserialize(&mut **self)
    }
}

/// A variant that is read as a map.
struct One<'de> {
    name: Option<&'de str>,
    content: Decoder<'de>,
}

impl<'de> MapAccess<'de> for &mut One<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some(name) = self.name.take() else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::<DecodeError>::new(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, DecodeError> {
        seed.deserialize(&mut self.content)
    }
}

struct Variant<'d, 'de> {
    name: Name<'de>,
    content: &'d mut Decoder<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        let name = seed.deserialize(BorrowedStrDeserializer::<DecodeError>::new(self.name.0))?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Deserialize::deserialize(self.content)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        seed.deserialize(self.content)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.content.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.content.deserialize_any(visitor)
    }
}
