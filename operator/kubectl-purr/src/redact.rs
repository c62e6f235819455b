//! Takes out of text what must not leave the operator: keys, passwords, tokens, wallets, addresses, cards.
//!
//! Secrets are recognised by their form, because logs and events are free text. Wallets and hashes, and IP addresses,
//! get a number that is the same throughout one archive, so a reader can follow one of them. A secret in words (a
//! mnemonic, a short password that no name announces) has no form; nothing of the kind is read in the first place.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

/// Least length of a run of hex digits that counts as a key, an address or a hash. The parts of a UUID are shorter.
const HEX_MIN: usize = 32;
/// Least length of a run of upper case, lower case and digits that counts as a secret.
const MIXED_MIN: usize = 20;
/// Parts of names, in lower case, whose values are redacted.
const NAMES: [&str; 16] = [
    "password",
    "passwd",
    "secret",
    "token",
    "authorization",
    "cookie",
    "apikey",
    "api_key",
    "private",
    "mnemonic",
    "seed",
    "pin",
    "cards",
    "hole",
    "deck",
    "board",
];
/// Names that only count as a whole, because ordinary words contain them.
const WHOLE: [&str; 4] = ["pin", "seed", "token", "board"];

/// Numbers of redacted values, by their text.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    hex: BTreeMap<String, usize>,
    addresses: BTreeMap<IpAddr, usize>,
}

impl Redactor {
    /// Lines of text. A line that is a JSON object is redacted member by member: inside one, line breaks are escaped.
    pub fn lines(&mut self, text: &str) -> String {
        if !text.lines().any(|line| line.starts_with('{')) {
            return self.text(text);
        }
        // Secrets over several lines, as keys are, are taken out first.
        let text = pem(text);
        let line = |line: &str| match line.starts_with('{').then(|| serde_json::from_str(line.trim_end())) {
            Some(Ok(value)) => format!("{}\n", self.value(&value)),
            _ => self.text(line),
        };
        text.split_inclusive('\n').map(line).collect()
    }

    /// Redacts every string of a value, and every member whose name marks it as secret.
    pub fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(list) => list.iter().map(|one| self.value(one)).collect(),
            Value::Object(map) => {
                let member = |(name, value): (&String, &Value)| {
                    let secret = is_sensitive(name) && !value.is_object() && !value.is_null();
                    let value = if secret { "<taken out>".into() } else { self.value(value) };
                    (self.text(name), value)
                };
                Value::Object(map.iter().map(member).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    pub fn text(&mut self, text: &str) -> String {
        let text = pem(text);
        let text = urls(&text);
        let text = named(&text);
        let text = self.words(&text);
        cards(&text)
    }

    /// Words of an alphabet that holds hex, base64, tokens and IP addresses.
    fn words(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let (word, after) = rest.split_at(rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len()));
            // An image's digest is public, and identifies the program.
            let digest = word.starts_with("sha256:") && out.ends_with('@');
            out += &if digest { word.to_owned() } else { self.word(word) };
            let (signs, next) = after.split_at(after.find(is_of_word).unwrap_or(after.len()));
            out += signs;
            rest = next;
        }
        out
    }

    fn word(&mut self, word: &str) -> String {
        if !word.split(['.', ':']).any(is_mixed) {
            return self.plain(word);
        }
        let segment = |segment: &str| {
            let bare = segment.trim_end_matches(['.', ':']);
            if is_mixed(bare) { format!("<secret>{}", &segment[bare.len()..]) } else { self.plain(segment) }
        };
        word.split_inclusive(['.', ':']).map(segment).collect()
    }

    /// Redacts a word that looks random.
    fn plain(&mut self, word: &str) -> String {
        let mut out = String::new();
        for chunk in word.split_inclusive(['=', '/', '+']) {
            let bare = chunk.trim_end_matches(['=', '/', '+', '.', ':']);
            match self.address(bare) {
                Some(number) => {
                    out += &number;
                    out += &chunk[bare.len()..];
                }
                None => chunk.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).for_each(|piece| {
                    out += &self.piece(piece);
                }),
            }
        }
        out
    }

    fn piece(&mut self, piece: &str) -> String {
        let bare = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let digits = bare.strip_prefix("0x").or_else(|| bare.strip_prefix("0X")).unwrap_or(bare);
        if digits.len() < HEX_MIN || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return piece.to_owned();
        }
        self.number(&digits.to_ascii_lowercase()) + &piece[bare.len()..]
    }

    fn number(&mut self, digits: &str) -> String {
        let next = self.hex.len() + 1;
        format!("<hex-{}>", self.hex.entry(digits.to_owned()).or_insert(next))
    }

    fn address(&mut self, word: &str) -> Option<String> {
        let (host, port) = match word.rsplit_once(':') {
            Some((host, port)) if host.contains('.') => (host, Some(port)),
            _ => (word, None),
        };
        let six = || word.matches(':').count() >= 2 && word.parse::<Ipv6Addr>().is_ok();
        let found: IpAddr = match host.parse::<std::net::Ipv4Addr>() {
            Ok(four) => four.into(),
            Err(_) if six() => word.parse().ok()?,
            Err(_) => return None,
        };
        let next = self.addresses.len() + 1;
        let number = self.addresses.entry(found).or_insert(next);
        Some(match port {
            Some(port) => format!("<ip-{number}>:{port}"),
            None => format!("<ip-{number}>"),
        })
    }
}

const fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '=' | '.' | ':')
}

/// Whether a run looks random: upper case, lower case and digits, or more changes between them than a name has.
fn is_mixed(run: &str) -> bool {
    let digits = run.strip_prefix("0x").unwrap_or(run);
    if digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        // Hex strings have numbers of their own; a wallet's checksum mixes the case of its letters.
        return false;
    }
    let kinds: Vec<u8> = run
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|c| u8::from(c.is_ascii_uppercase()) + 2 * u8::from(c.is_ascii_digit()))
        .collect();
    let letters = kinds.iter().filter(|kind| **kind < 2).count();
    // Timestamps have two letters (20260101T000000Z).
    if kinds.len() < MIXED_MIN || letters < 6 {
        return false;
    }
    let changes = kinds.windows(2).filter(|two| two[0] != two[1]).count();
    let all = [0, 1, 2].iter().all(|kind| kinds.contains(kind));
    all || kinds.contains(&1) && kinds.len() >= 28 && changes * 4 >= kinds.len() + 2
}

/// From `-----BEGIN` to the end line, or to the end of the text.
fn pem(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(from) = rest.find("-----BEGIN") {
        out += &rest[..from];
        out += "<pem>";
        let tail = &rest[from + 10..];
        rest = tail
            .find("-----END")
            .and_then(|end| tail[end + 8..].find("-----").map(|dashes| &tail[end + 8 + dashes + 5..]))
            .unwrap_or_default();
    }
    out + rest
}

/// Keeps the scheme, host and port of a URL: nodes' and stores' addresses carry keys and passwords.
fn urls(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("://") {
        let (before, tail) = rest.split_at(at + 3);
        out += before;
        let end = tail.find(|c: char| c.is_whitespace() || "\"'<>\\,;)}]".contains(c)).unwrap_or(tail.len());
        let (url, after) = tail.split_at(end);
        let (authority, path) = url.split_at(url.find(['/', '?', '#']).unwrap_or(url.len()));
        if let Some((_, host)) = authority.rsplit_once('@') {
            out += "<login>@";
            out += host;
        } else {
            out += authority;
        }
        if path.len() > 1 {
            out += "/<path>";
        }
        rest = after;
    }
    out + rest
}

fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let last = name.rsplit(['.', '_']).next().unwrap_or_default().to_owned();
    NAMES.iter().any(|part| if WHOLE.contains(part) { last == *part } else { name.contains(part) })
}

/// Values behind names of secrets: `name=value`, `name: value`, `"name":"value"`, `"name":["value"]`.
fn named(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, tail) = rest.split_at(at);
        let name_end = before.trim_end_matches(['"', '\\', '\'', ' ']);
        let start = name_end.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
        let mut name = start
            .map_or(name_end, |at| name_end[at..].trim_start_matches(|c: char| !c.is_ascii_alphanumeric()));
        // A line break that is escaped (\n) is no part of the name.
        if start.is_some_and(|at| name_end[at..].starts_with('\\')) {
            name = name.get(1..).unwrap_or_default();
        }
        out += before;
        out += &tail[..1];
        rest = &tail[1..];
        if !is_sensitive(name) {
            continue;
        }
        let lead = rest.len() - rest.trim_start_matches([' ', '"', '\\', '\'']).len();
        let value = &rest[lead..];
        let quoted = rest[..lead].contains(['"', '\'']);
        let end = match value.chars().next() {
            // The fields of an object have names of their own.
            Some('{') => 0,
            Some('[') => value.find(']').map_or(value.len(), |end| end + 1),
            _ if quoted => value.find(['"', '\'', '\n']).unwrap_or(value.len()),
            _ => line_value(value),
        };
        // No value follows: it is empty, or the name ends the line.
        if end == 0 {
            continue;
        }
        out += &rest[..lead];
        out += "<taken out>";
        rest = &value[end..];
    }
    out + rest
}

/// Length of an unquoted value; `Bearer x` and `Basic x` are two words.
fn line_value(value: &str) -> usize {
    let word =
        |text: &str| text.find(|c: char| c.is_whitespace() || ",;&)}\"'".contains(c)).unwrap_or(text.len());
    let first = word(value);
    match value[..first].to_ascii_lowercase().as_str() {
        "bearer" | "basic" => first + 1 + value.get(first + 1..).map_or(0, word),
        _ => first,
    }
}

fn is_card(two: &[char]) -> bool {
    matches!(two, [rank, suit] if "23456789TJQKA".contains(*rank) && "shdcSHDC♠♥♦♣".contains(*suit))
}

/// Two cards and more, together or with at most three signs between them. One card alone may be a time (5s).
fn cards(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let word = |at: usize| chars.get(at).is_some_and(|c| c.is_alphanumeric());
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let (mut end, mut count) = (at, 0);
        let mut next = at;
        while next + 2 <= chars.len() && is_card(&chars[next..next + 2]) {
            (end, count) = (next + 2, count + 1);
            next = end;
            let mut signs = 0;
            while signs < 3 && chars.get(next).is_some_and(|c| " ,\"'|/".contains(*c)) {
                (next, signs) = (next + 1, signs + 1);
            }
        }
        let begins = at == 0 || !word(at - 1);
        if count >= 2 && begins && !word(end) {
            out += "<cards>";
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
