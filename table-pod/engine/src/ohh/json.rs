//! JSON without loss: numbers stay the text they were written as (RFC 8259).

use crate::phh::Value;
use std::fmt;

/// Values within values.
const DEPTH_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: not JSON: {problem}")]
pub struct BadJson {
    /// From 1.
    pub line: usize,
    pub problem: Problem,
}

/// The fault of a text that is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("too many values within values")]
    TooDeep,
    #[error("it ends too early")]
    Cut,
    #[error("a value is wanted")]
    Value,
    #[error("a number is wanted")]
    Number,
    #[error("a digit is wanted after the point")]
    Point,
    #[error("a digit is wanted in the exponent")]
    Exponent,
    #[error("a comma or ] is wanted")]
    InList,
    #[error("a name in quotes is wanted")]
    Name,
    #[error("a colon is wanted")]
    Colon,
    #[error("a name is there twice")]
    Twice,
    #[error("a comma or }} is wanted")]
    InObject,
    #[error("a string does not end")]
    OpenString,
    #[error("a control character in a string")]
    Control,
    #[error("half a character")]
    Surrogate,
    #[error("an escape that JSON does not have")]
    Escape,
    #[error("four hex digits are wanted")]
    Hex,
}

/// Values one after the other, as `.ohh` files hold them.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    counted: usize,
    line: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text: text.strip_prefix('\u{feff}').unwrap_or(text), at: 0, counted: 0, line: 1 }
    }

    /// The next value and the line that it begins at; `None` at the end.
    pub(super) fn next_value(&mut self) -> Result<Option<(usize, Value)>, BadJson> {
        self.blank();
        if self.peek().is_none() {
            return Ok(None);
        }
        let line = self.line();
        match self.value(0) {
            Ok(value) => Ok(Some((line, value))),
            Err(problem) => Err(BadJson { line: self.line(), problem }),
        }
    }

    fn line(&mut self) -> usize {
        let at = self.at.min(self.text.len());
        self.line += self.text.as_bytes()[self.counted..at].iter().filter(|byte| **byte == b'\n').count();
        self.counted = at;
        self.line
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Consumes this byte if it comes next, and returns whether it did.
    fn takes(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, depth: usize) -> Result<Value, Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem::TooDeep);
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Value, Problem> {
        let rest = &self.text[self.at..];
        let words = [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)];
        for (word, value) in words {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(if rest.is_empty() { Problem::Cut } else { Problem::Value })
    }

    fn number(&mut self) -> Result<Value, Problem> {
        let from = self.at;
        let digits = |reader: &mut Self| {
            let from = reader.at;
            while matches!(reader.peek(), Some(b'0'..=b'9')) {
                reader.at += 1;
            }
            reader.at - from
        };
        self.takes(b'-');
        let zero = self.peek() == Some(b'0');
        let whole = digits(self);
        if whole == 0 || (zero && whole > 1) {
            return Err(Problem::Number);
        }
        if self.takes(b'.') && digits(self) == 0 {
            return Err(Problem::Point);
        }
        if self.takes(b'e') || self.takes(b'E') {
            let _ = self.takes(b'+') || self.takes(b'-');
            if digits(self) == 0 {
                return Err(Problem::Exponent);
            }
        }
        Ok(Value::Number(self.text[from..self.at].into()))
    }

    fn list(&mut self, depth: usize) -> Result<Value, Problem> {
        self.at += 1;
        let mut values = Vec::new();
        self.blank();
        if self.takes(b']') {
            return Ok(Value::List(values));
        }
        loop {
            self.blank();
            values.push(self.value(depth + 1)?);
            self.blank();
            if self.takes(b']') {
                return Ok(Value::List(values));
            }
            if !self.takes(b',') {
                return Err(Problem::InList);
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Problem> {
        self.at += 1;
        let mut entries: Vec<(String, Value)> = Vec::new();
        self.blank();
        if self.takes(b'}') {
            return Ok(Value::Table(entries));
        }
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return Err(Problem::Name);
            }
            let name = self.string()?;
            self.blank();
            if !self.takes(b':') {
                return Err(Problem::Colon);
            }
            self.blank();
            let value = self.value(depth + 1)?;
            if entries.iter().any(|(known, _)| *known == name) {
                return Err(Problem::Twice);
            }
            entries.push((name, value));
            self.blank();
            if self.takes(b'}') {
                return Ok(Value::Table(entries));
            }
            if !self.takes(b',') {
                return Err(Problem::InObject);
            }
        }
    }

    fn string(&mut self) -> Result<String, Problem> {
        self.at += 1;
        let mut text = String::new();
        let mut from = self.at;
        loop {
            match self.peek() {
                None => return Err(Problem::OpenString),
                Some(0..=0x1f) => return Err(Problem::Control),
                Some(b'"') => {
                    text.push_str(&self.text[from..self.at]);
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    text.push_str(&self.text[from..self.at]);
                    self.at += 1;
                    text.push(self.escape()?);
                    from = self.at;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<char, Problem> {
        let byte = self.peek().ok_or(Problem::OpenString)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                // Characters beyond 16 bits come as a pair of surrogates.
                let code = match first {
                    0xd800..=0xdbff => {
                        if !(self.takes(b'\\') && self.takes(b'u')) {
                            return Err(Problem::Surrogate);
                        }
                        match self.unit()? {
                            second @ 0xdc00..=0xdfff => {
                                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                            }
                            _ => return Err(Problem::Surrogate),
                        }
                    }
                    code => code,
                };
                char::from_u32(code).ok_or(Problem::Surrogate)?
            }
            _ => return Err(Problem::Escape),
        })
    }

    fn unit(&mut self) -> Result<u32, Problem> {
        let hex = self.text.get(self.at..self.at + 4).unwrap_or_default();
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Problem::Hex);
        }
        self.at += 4;
        u32::from_str_radix(hex, 16).map_err(|_| Problem::Hex)
    }
}

/// A value as JSON, indented by two.
pub(super) struct Json<'a>(pub(super) &'a Value);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, 0)
    }
}

fn write(f: &mut fmt::Formatter<'_>, value: &Value, depth: usize) -> fmt::Result {
    let line = |f: &mut fmt::Formatter<'_>, depth: usize| write!(f, "\n{:width$}", "", width = depth * 2);
    match value {
        Value::Null => f.write_str("null"),
        Value::Bool(value) => write!(f, "{value}"),
        Value::Number(text) => f.write_str(text),
        Value::Text(text) | Value::Time(text) => write_text(f, text),
        Value::List(values) if values.is_empty() => f.write_str("[]"),
        Value::Table(entries) if entries.is_empty() => f.write_str("{}"),
        Value::List(values) => {
            // Cards and flags stay on their line.
            let short = values.iter().all(|value| matches!(value, Value::Text(_) | Value::Number(_)));
            f.write_str("[")?;
            for (place, value) in values.iter().enumerate() {
                match (place, short) {
                    (0, true) => {}
                    (_, true) => f.write_str(", ")?,
                    (place, false) => {
                        f.write_str(if place == 0 { "" } else { "," })?;
                        line(f, depth + 1)?;
                    }
                }
                write(f, value, depth + 1)?;
            }
            if !short {
                line(f, depth)?;
            }
            f.write_str("]")
        }
        Value::Table(entries) => {
            f.write_str("{")?;
            for (place, (name, value)) in entries.iter().enumerate() {
                f.write_str(if place == 0 { "" } else { "," })?;
                line(f, depth + 1)?;
                write_text(f, name)?;
                f.write_str(": ")?;
                write(f, value, depth + 1)?;
            }
            line(f, depth)?;
            f.write_str("}")
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            c if u32::from(c) < 0x20 => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}
