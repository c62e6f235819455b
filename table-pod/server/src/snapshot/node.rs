//! The binary form of a value: nodes with their kind and their length.
//!
//! A struct keeps the names of its fields, as in JSON, so a release reads what a neighbouring release writes. Known
//! names take one or two bytes ([`super::names`]); others are written out.

use super::{
    malformed::{DEPTH_MAX, Malformed},
    names,
};

/// Tags below this are the number itself.
pub(super) const SMALL: u8 = 0x40;
/// First tag of the one-byte names.
pub(super) const NAME: u8 = 0x40;
/// One past the last tag of a one-byte name.
pub(super) const NAME_END: u8 = 0xC0;
pub(super) const NULL: u8 = 0xC0;
pub(super) const FALSE: u8 = 0xC1;
pub(super) const TRUE: u8 = 0xC2;
pub(super) const NUMBER: u8 = 0xC3;
/// A negative number, stored as `n` for `-1 - n`.
pub(super) const NEGATIVE: u8 = 0xC4;
pub(super) const BYTES: u8 = 0xC5;
pub(super) const TEXT: u8 = 0xC6;
pub(super) const LIST: u8 = 0xC7;
/// Keys and values in turn.
pub(super) const MAP: u8 = 0xC8;
/// An enum variant that has content: its name follows, then the content.
pub(super) const VARIANT: u8 = 0xC9;
/// A name of two bytes.
pub(super) const NAME_LONG: u8 = 0xCA;
pub(super) const FLOAT: u8 = 0xCB;

/// The head of a node, without its content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Number(u128),
    Negative(u128),
    Float(f64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Name(&'static str),
    List(&'a [u8]),
    Map(&'a [u8]),
    /// The content is the next node.
    Variant(&'static str),
    /// A variant whose name is not in the list and is written as text.
    VariantText(&'a str),
}

pub(super) fn byte(input: &mut &[u8]) -> Result<u8, Malformed> {
    let (&first, rest) = input.split_first().ok_or(Malformed::Short)?;
    *input = rest;
    Ok(first)
}

pub(super) fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], Malformed> {
    let (taken, rest) = input.split_at_checked(length).ok_or(Malformed::Short)?;
    *input = rest;
    Ok(taken)
}

/// Seven bits a byte, the lowest first.
pub(super) fn number(input: &mut &[u8]) -> Result<u128, Malformed> {
    let (mut value, mut shift) = (0_u128, 0_u32);
    loop {
        let next = byte(input)?;
        let bits = u128::from(next & 0x7F);
        if shift >= 128 || (shift > 121 && bits >> (128 - shift) != 0) {
            return Err(Malformed::Number);
        }
        value |= bits << shift;
        if next & 0x80 == 0 {
            return Ok(value);
        }
        shift += 7;
    }
}

#[inline]
pub(super) fn size(input: &mut &[u8]) -> Result<usize, Malformed> {
    // Most lengths fit in one byte.
    if let Some((&short @ 0..0x80, rest)) = input.split_first() {
        *input = rest;
        return Ok(short.into());
    }
    number(input)?.try_into().map_err(|_| Malformed::Short)
}

/// Bytes of the longest number of 64 bits, and of 128.
const NUMBER_BYTES: usize = 10;
const NUMBER_BYTES_MAX: usize = 19;

#[allow(clippy::cast_possible_truncation, reason = "the lowest seven bits are wanted")]
pub(super) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    if value < 0x80 {
        return out.push(value as u8);
    }
    // Writes into an array first, so that the vector grows once and not for each byte.
    let (mut bytes, mut length) = ([0; NUMBER_BYTES], 0);
    for byte in &mut bytes {
        length += 1;
        *byte = value as u8 | 0x80;
        value >>= 7;
        if value == 0 {
            *byte &= 0x7F;
            break;
        }
    }
    out.extend_from_slice(bytes.get(..length).unwrap_or_default());
}

#[allow(clippy::cast_possible_truncation, reason = "the lowest seven bits are wanted")]
pub(super) fn put_large(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_size(out: &mut Vec<u8>, size: usize) {
    put_number(out, size as u64);
}

/// Reads a node's head with its content as bytes, except that the content of a variant is left in the input.
pub(super) fn read<'a>(input: &mut &'a [u8]) -> Result<Node<'a>, Malformed> {
    let tag = byte(input)?;
    Ok(match tag {
        0..SMALL => Node::Number(tag.into()),
        NAME..NAME_END => Node::Name(names::name(tag - NAME)?),
        NULL => Node::Null,
        FALSE => Node::Bool(false),
        TRUE => Node::Bool(true),
        NUMBER => Node::Number(number(input)?),
        NEGATIVE => Node::Negative(number(input)?),
        BYTES => Node::Bytes(sized(input)?),
        TEXT => Node::Text(std::str::from_utf8(sized(input)?).map_err(|_| Malformed::Text)?),
        LIST => Node::List(sized(input)?),
        MAP => Node::Map(sized(input)?),
        VARIANT => match read(input)? {
            Node::Name(name) => Node::Variant(name),
            Node::Text(name) => Node::VariantText(name),
            _ => return Err(Malformed::Tag(tag)),
        },
        NAME_LONG => Node::Name(names::name(byte(input)?)?),
        FLOAT => Node::Float(f64::from_le_bytes(take(input, 8)?.try_into().map_err(|_| Malformed::Short)?)),
        _ => return Err(Malformed::Tag(tag)),
    })
}

fn sized<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = size(input)?;
    take(input, length)
}

/// Takes a whole node in its encoded form.
pub(super) fn whole<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let before = *input;
    for _ in 0..DEPTH_MAX {
        if !skip(input)? {
            return Ok(&before[..before.len() - input.len()]);
        }
    }
    Err(Malformed::Deep)
}

/// Reads one node; returns whether its content follows.
fn skip(input: &mut &[u8]) -> Result<bool, Malformed> {
    let tag = byte(input)?;
    match tag {
        0..NAME_END | NULL | FALSE | TRUE => {}
        NUMBER | NEGATIVE => {
            let last = input.iter().take(NUMBER_BYTES_MAX).position(|byte| byte & 0x80 == 0);
            take(input, 1 + last.ok_or(Malformed::Number)?)?;
        }
        BYTES | TEXT | LIST | MAP => {
            sized(input)?;
        }
        VARIANT => {
            return match byte(input)? {
                NAME..NAME_END => Ok(true),
                NAME_LONG => byte(input).map(|_| true),
                TEXT => sized(input).map(|_| true),
                other => Err(Malformed::Tag(other)),
            };
        }
        NAME_LONG => {
            byte(input)?;
        }
        FLOAT => {
            take(input, 8)?;
        }
        _ => return Err(Malformed::Tag(tag)),
    }
    Ok(false)
}
