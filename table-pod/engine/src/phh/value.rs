//! Values of fields that nothing here interprets, kept so that they can be written again.

use std::{borrow::Cow, fmt};

/// A value of TOML or JSON. Numbers and times are kept as their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    /// A number as written, as in `7`, `2.50` or `inf`.
    Number(String),
    Bool(bool),
    /// A date, a time, or both, as written.
    Time(String),
    /// JSON's; TOML has none.
    Null,
    List(Vec<Self>),
    Table(Vec<(String, Self)>),
}

impl Value {
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Returns the kind of the value, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Number(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::Time(_) => "a time",
            Self::Null => "null",
            Self::List(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number.to_string())
    }
}

/// As TOML.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => Quoted(text).fmt(f),
            Self::Number(text) | Self::Time(text) => f.write_str(text),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Null => f.write_str("null"),
            Self::List(values) => list(f, values),
            Self::Table(entries) => {
                f.write_str("{")?;
                for (place, (key, value)) in entries.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}{} = {value}", Key(key))?;
                }
                f.write_str("}")
            }
        }
    }
}

/// `[a, b]`
pub(super) fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, values: &[T]) -> fmt::Result {
    f.write_str("[")?;
    for (place, value) in values.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        write!(f, "{comma}{value}")?;
    }
    f.write_str("]")
}

/// A string as TOML: literal where it can be, as PokerKit writes it.
pub(super) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let literal = |c: char| c != '\'' && (c == '\t' || !c.is_ascii_control());
        if self.0.chars().all(literal) {
            return write!(f, "'{}'", self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                c if c.is_ascii_control() => write!(f, "\\u{:04X}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

/// A key: bare where it can be.
pub(super) struct Key<'a>(pub &'a str);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = !self.0.is_empty() && self.0.bytes().all(is_bare);
        if bare { f.write_str(self.0) } else { Quoted(self.0).fmt(f) }
    }
}

pub(super) fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// The name of a field; the specification's own names are not copied.
pub(super) fn name(text: &str) -> Cow<'static, str> {
    const KNOWN: [&str; 22] = [
        "venue",
        "time",
        "day",
        "month",
        "year",
        "hand",
        "seats",
        "table",
        "currency_symbol",
        "time_zone_abbreviation",
        "currency",
        "author",
        "event",
        "url",
        "address",
        "city",
        "region",
        "postal_code",
        "country",
        "time_zone",
        "level",
        "seat_count",
    ];
    match KNOWN.iter().find(|known| **known == text) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(text.into()),
    }
}
