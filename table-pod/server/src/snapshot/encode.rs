//! Serialises values as nodes ([`super::node`]) with serde.

use super::{names, node};
use serde::ser::{
    self, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::fmt::Display;

/// Name of a newtype whose bytes are an encoded node ([`Raw`]). No other name is as long.
const RAW: &str = "purr: a node as it is written";

#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("{0}")]
    Value(String),
    #[error("128-bit numbers below zero are not written")]
    Negative,
}

impl ser::Error for EncodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Value(message.to_string())
    }
}

/// Adds a value's node to `out`.
pub(crate) fn encode_into<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    value.serialize(&mut Encoder { out, raw: false })
}

/// A value's node.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    encode_into(value, &mut out)?;
    Ok(out)
}

/// A node that was written down before. For this form alone.
pub(crate) struct Raw<'a>(pub(crate) &'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Bytes<'a>(&'a [u8]);
        impl Serialize for Bytes<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(self.0)
            }
        }
        serializer.serialize_newtype_struct(RAW, &Bytes(self.0))
    }
}

struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    raw: bool,
}

/// A node whose length is not known yet.
struct Open<'e, 'a> {
    encoder: &'e mut Encoder<'a>,
    start: usize,
}

impl<'a> Encoder<'a> {
    #[inline]
    fn number(&mut self, value: u64) {
        match u8::try_from(value) {
            Ok(small @ 0..node::SMALL) => self.out.push(small),
            _ => self.long_number(value),
        }
    }

    fn long_number(&mut self, value: u64) {
        self.out.push(node::NUMBER);
        node::put_number(self.out, value);
    }

    fn signed(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.number(value),
            Err(_) => {
                self.out.push(node::NEGATIVE);
                node::put_number(self.out, value.unsigned_abs() - 1);
            }
        }
    }

    fn sized(&mut self, tag: u8, bytes: &[u8]) {
        self.out.push(tag);
        node::put_size(self.out, bytes.len());
        self.out.extend_from_slice(bytes);
    }

    fn name(&mut self, name: &'static str) {
        match names::code(name) {
            Some(code) if code < node::NAME_END - node::NAME => self.out.push(node::NAME + code),
            Some(code) => self.out.extend_from_slice(&[node::NAME_LONG, code]),
            None => self.sized(node::TEXT, name.as_bytes()),
        }
    }

    fn open<'e>(&'e mut self, tag: u8) -> Open<'e, 'a> {
        // Most lengths fit in one byte.
        self.out.extend_from_slice(&[tag, 0]);
        let start = self.out.len();
        Open { encoder: self, start }
    }

    fn open_variant<'e>(&'e mut self, variant: &'static str, tag: u8) -> Open<'e, 'a> {
        self.out.push(node::VARIANT);
        self.name(variant);
        self.open(tag)
    }
}

impl Open<'_, '_> {
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut *self.encoder)
    }

    fn close(self) {
        let (out, start) = (&mut *self.encoder.out, self.start);
        close(out, start);
    }
}

/// Writes the number of bytes since `start` into the byte before it, and moves the bytes if one byte of length is not
/// enough.
#[allow(clippy::cast_possible_truncation, reason = "below 128")]
pub(super) fn close(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
        return;
    }
    let end = out.len();
    out[start - 1] = (length & 0x7F) as u8 | 0x80;
    // The rest of the length is appended after the content, then rotated in front of it.
    node::put_size(out, length >> 7);
    let more = out.len() - end;
    out[start..].rotate_right(more);
}

impl<'e, 'a> Serializer for &'e mut Encoder<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Open<'e, 'a>;
    type SerializeTuple = Open<'e, 'a>;
    type SerializeTupleStruct = Open<'e, 'a>;
    type SerializeTupleVariant = Open<'e, 'a>;
    type SerializeMap = Open<'e, 'a>;
    type SerializeStruct = Open<'e, 'a>;
    type SerializeStructVariant = Open<'e, 'a>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), EncodeError> {
        self.out.push(if value { node::TRUE } else { node::FALSE });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), EncodeError> {
        self.signed(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), EncodeError> {
        self.serialize_u128(value.try_into().map_err(|_| EncodeError::Negative)?)
    }

    fn serialize_u8(self, value: u8) -> Result<(), EncodeError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), EncodeError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), EncodeError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), EncodeError> {
        self.number(value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), EncodeError> {
        match u64::try_from(value) {
            Ok(value) => self.number(value),
            Err(_) => {
                self.out.push(node::NUMBER);
                node::put_large(self.out, value);
            }
        }
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), EncodeError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), EncodeError> {
        self.out.push(node::FLOAT);
        self.out.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        self.sized(node::TEXT, value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodeError> {
        if std::mem::take(&mut self.raw) {
            self.out.extend_from_slice(value);
        } else {
            self.sized(node::BYTES, value);
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.out.push(node::NULL);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.name(variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.raw = name == RAW;
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.out.push(node::VARIANT);
        self.name(variant);
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'e, 'a>, EncodeError> {
        Ok(self.open(node::LIST))
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'e, 'a>, EncodeError> {
        Ok(self.open(node::LIST))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Open<'e, 'a>, EncodeError> {
        Ok(self.open(node::LIST))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'e, 'a>, EncodeError> {
        Ok(self.open_variant(variant, node::LIST))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'e, 'a>, EncodeError> {
        Ok(self.open(node::MAP))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Open<'e, 'a>, EncodeError> {
        Ok(self.open(node::MAP))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'e, 'a>, EncodeError> {
        Ok(self.open_variant(variant, node::MAP))
    }
}

macro_rules! items {
    ($($kind:ident::$add:ident),*) => {$(
        impl $kind for Open<'_, '_> {
            type Ok = ();
            type Error = EncodeError;

            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.value(value)
            }

            fn end(self) -> Result<(), EncodeError> {
                self.close();
                Ok(())
            }
        }
    )*};
}

items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! fields {
    ($($kind:ident),*) => {$(
        impl $kind for Open<'_, '_> {
            type Ok = ();
            type Error = EncodeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), EncodeError> {
                self.encoder.name(name);
                self.value(value)
            }

            fn end(self) -> Result<(), EncodeError> {
                self.close();
                Ok(())
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Open<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.value(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.value(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close();
        Ok(())
    }
}
