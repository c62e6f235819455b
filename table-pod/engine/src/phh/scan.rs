//! The part of TOML that hands are written in, read in one pass.
//!
//! Text outside of it (multi-line strings, inline tables, dotted keys, odd numbers) is not an
//! error but [`Unusual`]: the whole of TOML is then read by the toml crate (see `fallback`). Within
//! it, this reads exactly what that crate reads; the tests hold the two against each other. One
//! thing is read here that TOML does not have: a bare `null`.

use super::{
    Amount, Stack, Variant,
    draft::{Amounts, Draft},
    entry::Entry,
    value::{Value, is_bare},
};
use std::{borrow::Cow, collections::BTreeSet};

/// Nested arrays that are read here.
const DEPTH_MAX: usize = 8;

/// The text is outside the part of TOML that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unusual;

type Scan<T> = Result<T, Unusual>;

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// Counted from 1, on the way: no string goes beyond its line.
    line: usize,
}

/// The hands of a file, one without a name or one for each `[name]`, read as they are asked for.
pub(super) struct Hands<'a> {
    cursor: Cursor<'a>,
    names: BTreeSet<&'a str>,
    /// The hand that is being read.
    open: Option<Draft>,
    nameless: bool,
    ended: bool,
}

/// Reads all hands of a file.
pub(super) fn hands(text: &str) -> Scan<Vec<Entry>> {
    Hands::new(text).next(usize::MAX)
}

impl<'a> Hands<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            cursor: Cursor { text: text.strip_prefix('\u{feff}').unwrap_or(text), at: 0, line: 1 },
            names: BTreeSet::new(),
            open: None,
            nameless: false,
            ended: false,
        }
    }

    /// Returns at most `most` further hands; none at the end of the file.
    pub(super) fn next(&mut self, most: usize) -> Scan<Vec<Entry>> {
        let mut entries = Vec::with_capacity(most.min(256));
        let cursor = &mut self.cursor;
        while entries.len() < most && !self.ended {
            cursor.blank()?;
            let Some(byte) = cursor.peek() else {
                self.ended = true;
                entries.extend(self.open.take().map(Entry::from));
                break;
            };
            let line = cursor.line;
            if byte == b'[' {
                cursor.at += 1;
                cursor.spaces();
                let name = cursor.key()?;
                cursor.spaces();
                cursor.expect(b']')?;
                cursor.end_of_line()?;
                if self.nameless || !self.names.insert(name) {
                    return Err(Unusual);
                }
                let room = self.open.as_mut().map(Draft::room).unwrap_or_default();
                let before = self.open.replace(Draft::with_room(name, line, room));
                entries.extend(before.map(Entry::from));
                continue;
            }
            if self.open.is_none() {
                self.nameless = true;
            }
            let hand = self.open.get_or_insert_with(|| Draft::new("", line));
            let key = cursor.key()?;
            cursor.spaces();
            cursor.expect(b'=')?;
            cursor.spaces();
            cursor.field(hand, key, line)?;
            cursor.end_of_line()?;
        }
        Ok(entries)
    }
}

impl<'a> Cursor<'a> {
    fn field(&mut self, hand: &mut Draft, key: &'a str, line: usize) -> Scan<()> {
        if !hand.begin(key) {
            return Err(Unusual);
        }
        if let Some(list) = Amounts::of(key) {
            return self.list(|cursor| {
                let stack = match cursor.whole() {
                    Some(amount) => Stack::Known(amount),
                    None => match cursor.number()?.parse::<Stack>() {
                        Ok(stack) => stack,
                        Err(error) => {
                            hand.fail(line, key, error.to_string());
                            return Ok(());
                        }
                    },
                };
                hand.stack(list, stack, key, line);
                Ok(())
            });
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
            "players" => self.list(|cursor| {
                hand.player(cursor.string()?.into_owned());
                Ok(())
            }),
            _ => {
                let from = self.at;
                if let Some(amount) = self.whole() {
                    if hand.bet(key, amount) {
                        return Ok(());
                    }
                    self.at = from;
                }
                if key == "variant" && matches!(self.peek(), Some(b'\'' | b'"')) {
                    let code = self.string()?;
                    match Variant::read(&code) {
                        Some(variant) => hand.variant(variant),
                        None => hand.set(key, Value::Text(code.into_owned()), line),
                    }
                    return Ok(());
                }
                let value = self.value(0)?;
                hand.set(key, value, line);
                Ok(())
            }
        }
    }

    /// Parses a plain whole number up to a comma, a bracket or white space. `None`: another form, and nothing is
    /// consumed.
    #[inline]
    fn whole(&mut self) -> Option<Amount> {
        let bytes = self.text.as_bytes();
        let (mut at, mut digits) = (self.at, 0i64);
        while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
        {
            if at - self.at == 18 {
                return None;
            }
            digits = digits * 10 + i64::from(digit);
            at += 1;
        }
        let leading_zero = bytes.get(self.at) == Some(&b'0') && at > self.at + 1;
        let ends = matches!(bytes.get(at), None | Some(b',' | b']' | b' ' | b'\t' | b'\r' | b'\n' | b'#'));
        if at == self.at || leading_zero || !ends {
            return None;
        }
        self.at = at;
        Some(Amount { digits, decimals: 0 })
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
        self.line += 1;
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
    #[inline]
    fn blank(&mut self) -> Scan<()> {
        // Usually one space or none.
        if self.peek() == Some(b' ') {
            self.at += 1;
        }
        match self.peek() {
            Some(b' ' | b'\t' | b'#' | b'\n' | b'\r') => self.long_blank(),
            _ => Ok(()),
        }
    }

    fn long_blank(&mut self) -> Scan<()> {
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
        let bytes = self.text.as_bytes();
        let quote = self.peek().filter(|byte| matches!(byte, b'\'' | b'"')).ok_or(Unusual)?;
        let from = self.at + 1;
        if bytes.get(from) == Some(&quote) && bytes.get(from + 1) == Some(&quote) {
            return Err(Unusual);
        }
        self.at = from;
        loop {
            while bytes.get(self.at).is_some_and(|byte| PLAIN[usize::from(*byte)]) {
                self.at += 1;
            }
            match self.peek() {
                Some(byte) if byte == quote => break,
                Some(b'\\') if quote == b'"' => return self.escaped(from).map(Cow::Owned),
                Some(b'\\' | b'\'' | b'"') => self.at += 1,
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

    /// Returns the text without quotes up to a comma, a bracket, a space or a line's end.
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

/// Bytes that a string has between its quotes, but for quotes and backslashes.
static PLAIN: [bool; 256] = {
    let (mut plain, mut byte) = ([true; 256], 0);
    while byte < 256 {
        plain[byte] = match byte {
            0x09 => true,
            0x00..0x20 | 0x7f | 0x22 | 0x27 | 0x5c => false,
            _ => true,
        };
        byte += 1;
    }
    plain
};

/// Decimal integers that fit 64 bits, and floats.
fn is_number(text: &str) -> bool {
    // With a plus sign, the crate's text differs from the file's.
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
