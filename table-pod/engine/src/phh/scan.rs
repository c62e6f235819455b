//! The part of TOML that hands are written in, read in one pass.
//!
//! What is outside of it (multi-line strings, inline tables, dotted keys, odd numbers) is not an
//! error but [`Unusual`]: the whole of TOML is then read by the toml crate (see `fallback`). Within
//! it, this reads exactly what that crate reads; the tests hold the two against each other. One
//! thing is read here that TOML does not have: a bare `null`.

use super::{draft::Draft, value::Value, value::is_bare};
use std::{borrow::Cow, collections::BTreeSet};

/// Nested arrays that are read here.
const DEPTH_MAX: usize = 8;

/// Not in the part of TOML that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unusual;

type Scan<T> = Result<T, Unusual>;

pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

/// Reads all hands of a file: one without a name, or one for each `[name]`.
pub(super) fn hands(text: &str) -> Scan<Vec<Draft>> {
    let mut cursor = Cursor { text: text.strip_prefix('\u{feff}').unwrap_or(text), at: 0 };
    let mut hands: Vec<Draft> = Vec::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let (mut line, mut counted) = (1, 0);
    loop {
        cursor.blank()?;
        let Some(byte) = cursor.peek() else { return Ok(hands) };
        // Lines are counted on the way, not once for every error.
        line += newlines(&cursor.text[counted..cursor.at]);
        counted = cursor.at;
        if byte == b'[' {
            cursor.at += 1;
            cursor.spaces();
            let name = cursor.key()?;
            cursor.spaces();
            cursor.expect(b']')?;
            cursor.end_of_line()?;
            let nameless = hands.first().is_some_and(|first| first.name.is_empty());
            if nameless || !names.insert(name) {
                return Err(Unusual);
            }
            hands.push(Draft::new(name, line));
            continue;
        }
        if hands.is_empty() {
            hands.push(Draft::new("", line));
        }
        let Some(hand) = hands.last_mut() else { return Err(Unusual) };
        let key = cursor.key()?;
        cursor.spaces();
        cursor.expect(b'=')?;
        cursor.spaces();
        cursor.field(hand, key, line)?;
        cursor.end_of_line()?;
    }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

impl<'a> Cursor<'a> {
    fn field(&mut self, hand: &mut Draft, key: &'a str, line: usize) -> Scan<()> {
        if !hand.begin(key) {
            return Err(Unusual);
        }
        match key {
            "actions" => {
                let mut number = 0;
                self.list(|cursor| {
                    number += 1;
                    let text = cursor.string()?;
                    hand.action(number, &text, line);
                    Ok(())
                })
            }
            "antes" | "blinds_or_straddles" | "starting_stacks" | "finishing_stacks" | "winnings" => self
                .list(|cursor| {
                    hand.number_of(key, cursor.number()?, line);
                    Ok(())
                }),
            "players" => self.list(|cursor| {
                hand.player(cursor.string()?.into_owned());
                Ok(())
            }),
            _ => {
                let value = self.value(0)?;
                hand.set(key, value, line);
                Ok(())
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Scan<()> {
        if self.peek() != Some(byte) {
            return Err(Unusual);
        }
        self.at += 1;
        Ok(())
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn newline(&mut self) -> Scan<bool> {
        match self.peek() {
            Some(b'\n') => self.at += 1,
            Some(b'\r') => {
                self.at += 1;
                self.expect(b'\n')?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn comment(&mut self) -> Scan<()> {
        if self.peek() == Some(b'#') {
            while let Some(byte) = self.peek().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
                if byte.is_ascii_control() && byte != b'\t' {
                    return Err(Unusual);
                }
                self.at += 1;
            }
        }
        Ok(())
    }

    /// Spaces, comments and line ends.
    fn blank(&mut self) -> Scan<()> {
        loop {
            self.spaces();
            self.comment()?;
            if !self.newline()? {
                return Ok(());
            }
        }
    }

    fn end_of_line(&mut self) -> Scan<()> {
        self.spaces();
        self.comment()?;
        if self.newline()? || self.peek().is_none() { Ok(()) } else { Err(Unusual) }
    }

    fn key(&mut self) -> Scan<&'a str> {
        let from = self.at;
        while self.peek().is_some_and(is_bare) {
            self.at += 1;
        }
        if from == self.at { Err(Unusual) } else { Ok(&self.text[from..self.at]) }
    }

    fn list(&mut self, mut element: impl FnMut(&mut Self) -> Scan<()>) -> Scan<()> {
        self.expect(b'[')?;
        loop {
            self.blank()?;
            if self.peek() == Some(b']') {
                break;
            }
            element(self)?;
            self.blank()?;
            if self.peek() != Some(b',') {
                break;
            }
            self.at += 1;
        }
        self.expect(b']')
    }

    fn string(&mut self) -> Scan<Cow<'a, str>> {
        let quote = self.peek().filter(|byte| matches!(byte, b'\'' | b'"')).ok_or(Unusual)?;
        let rest = &self.text.as_bytes()[self.at..];
        if rest.starts_with(b"'''") || rest.starts_with(b"\"\"\"") {
            return Err(Unusual);
        }
        self.at += 1;
        let from = self.at;
        loop {
            match self.peek() {
                Some(byte) if byte == quote => break,
                Some(b'\\') if quote == b'"' => return self.escaped(from).map(Cow::Owned),
                Some(byte) if !byte.is_ascii_control() || byte == b'\t' => self.at += 1,
                _ => return Err(Unusual),
            }
        }
        self.at += 1;
        Ok(Cow::Borrowed(&self.text[from..self.at - 1]))
    }

    /// The rest of a string that has escapes.
    fn escaped(&mut self, from: usize) -> Scan<String> {
        let mut text = String::from(&self.text[from..self.at]);
        loop {
            let mut rest = self.text[self.at..].chars();
            let c = rest.next().ok_or(Unusual)?;
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(text),
                '\\' => {
                    let escape = rest.next().ok_or(Unusual)?;
                    self.at += escape.len_utf8();
                    text.push(match escape {
                        '"' | '\\' => escape,
                        'b' => '\u{8}',
                        't' => '\t',
                        'n' => '\n',
                        'f' => '\u{c}',
                        'r' => '\r',
                        'u' => self.code_point(4)?,
                        'U' => self.code_point(8)?,
                        _ => return Err(Unusual),
                    });
                }
                c if c.is_ascii_control() && c != '\t' => return Err(Unusual),
                c => text.push(c),
            }
        }
    }

    fn code_point(&mut self, digits: usize) -> Scan<char> {
        let hex = self.text.get(self.at..self.at + digits).ok_or(Unusual)?;
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Unusual);
        }
        self.at += digits;
        u32::from_str_radix(hex, 16).ok().and_then(char::from_u32).ok_or(Unusual)
    }

    /// What stands without quotes up to a comma, a bracket, a space or a line's end.
    fn bare(&mut self) -> &'a str {
        let from = self.at;
        while self.peek().is_some_and(|byte| is_bare(byte) || matches!(byte, b'+' | b'.' | b':')) {
            self.at += 1;
        }
        &self.text[from..self.at]
    }

    fn number(&mut self) -> Scan<&'a str> {
        let text = self.bare();
        if is_number(text) || text == "null" { Ok(text) } else { Err(Unusual) }
    }

    fn value(&mut self, depth: usize) -> Scan<Value> {
        match self.peek() {
            Some(b'\'' | b'"') => Ok(Value::Text(self.string()?.into_owned())),
            Some(b'[') if depth < DEPTH_MAX => {
                let mut values = Vec::new();
                self.list(|cursor| {
                    values.push(cursor.value(depth + 1)?);
                    Ok(())
                })?;
                Ok(Value::List(values))
            }
            _ => match self.bare() {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                "null" => Ok(Value::Null),
                number if is_number(number) => Ok(Value::Number(number.into())),
                time if is_time(time) => Ok(Value::Time(time.into())),
                _ => Err(Unusual),
            },
        }
    }
}

/// Decimal integers that fit 64 bits, and floats.
fn is_number(text: &str) -> bool {
    // With a plus, the crate's text is another than the file's.
    let plain = text.strip_prefix('-').unwrap_or(text);
    if text == "-0" {
        return false;
    }
    if plain == "inf" || plain == "nan" {
        return true;
    }
    let (mantissa, exponent) = match plain.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (plain, None),
    };
    let (whole, part) = match mantissa.split_once('.') {
        Some((whole, part)) => (whole, Some(part)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && whole.len() <= 18
        && part.is_none_or(digits)
        // A float beyond f64 is the other reader's to judge.
        && exponent.is_none_or(|exponent| digits(exponent) && exponent.len() <= 2)
}

/// A local time with seconds, as in `00:04:24` or `00:04:24.5`.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let two = |at: usize, max: u8| match bytes.get(at..at + 2) {
        Some(&[tens @ b'0'..=b'9', ones @ b'0'..=b'9']) => (tens - b'0') * 10 + (ones - b'0') <= max,
        _ => false,
    };
    let seconds = bytes.len() >= 8 && bytes[2] == b':' && bytes[5] == b':';
    let fraction = match bytes.get(8..) {
        None | Some([]) => true,
        Some([b'.', digits @ ..]) => (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    seconds && fraction && two(0, 23) && two(3, 59) && two(6, 59)
}
