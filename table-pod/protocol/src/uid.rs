//! The UID of a table.

use serde::{Deserialize, Serialize};
use std::{fmt, ops::Deref, str::FromStr};

/// Longest UID, in characters: a UID is one label of a DNS name (RFC 1035, section 2.3.4).
pub const UID_CHARS_MAX: usize = 63;

/// The UID that Kubernetes gives a PokerTable: lower-case hexadecimal digits and inner dashes.
///
/// A UID goes into paths of other servers, names of certificates and keys of the store, so nothing else is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableUid(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableUidError {
    #[error("a table's UID is empty")]
    Empty,
    #[error("a table's UID has {0} characters, and may have {UID_CHARS_MAX}")]
    TooLong(usize),
    #[error("a table's UID has {0:?} in it: only 0-9, a-f and inner dashes are allowed")]
    Character(char),
}

impl TableUid {
    /// # Errors
    /// Where `text` is not a UID.
    pub fn check(text: &str) -> Result<(), TableUidError> {
        if text.is_empty() {
            return Err(TableUidError::Empty);
        }
        if text.len() > UID_CHARS_MAX {
            return Err(TableUidError::TooLong(text.chars().count()));
        }
        let is_outer = |at: usize| at == 0 || at + 1 == text.len();
        let fits =
            |(at, c): &(usize, char)| matches!(c, '0'..='9' | 'a'..='f') || (*c == '-' && !is_outer(*at));
        match text.char_indices().find(|found| !fits(found)) {
            Some((_, c)) => Err(TableUidError::Character(c)),
            None => Ok(()),
        }
    }

    /// Whether `text` can be a UID.
    pub fn is_one(text: &str) -> bool {
        Self::check(text).is_ok()
    }

    /// Whether `text` has the form that Kubernetes gives UIDs (RFC 9562, section 4), which a table's name does not have.
    pub fn is_uuid(text: &str) -> bool {
        let dashes: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
        text.len() == 36 && dashes == [8, 13, 18, 23] && Self::is_one(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for TableUid {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TableUid {
    type Error = TableUidError;

    fn try_from(text: String) -> Result<Self, TableUidError> {
        Self::check(&text).map(|()| Self(text))
    }
}

impl FromStr for TableUid {
    type Err = TableUidError;

    fn from_str(text: &str) -> Result<Self, TableUidError> {
        text.to_owned().try_into()
    }
}

impl From<TableUid> for String {
    fn from(uid: TableUid) -> Self {
        uid.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_uid_is_one() {
        let uid: TableUid = "0a0b0c0d-0000-4000-8000-000000000000".parse().unwrap();
        assert_eq!(uid.len(), 36);
        for text in ["", "..", "a/b", "a%2fb", "A", "g", "-a", "a-", "-", "a.b", "a?b", "ä", &"a".repeat(64)]
        {
            assert!(!TableUid::is_one(text), "{text}");
        }
        assert!(TableUid::is_one(&"a".repeat(UID_CHARS_MAX)));
        assert!(TableUid::is_uuid(&uid) && !TableUid::is_uuid("a1") && !TableUid::is_uuid(&"a".repeat(36)));
    }

    #[test]
    fn an_error_names_what_is_wrong() {
        assert_eq!("a/b".parse::<TableUid>(), Err(TableUidError::Character('/')));
        assert_eq!("ab-".parse::<TableUid>(), Err(TableUidError::Character('-')));
        assert_eq!("a".repeat(64).parse::<TableUid>(), Err(TableUidError::TooLong(64)));
    }

    #[test]
    fn json_of_a_uid_is_a_string_and_is_checked() {
        let uid: TableUid = serde_json::from_str("\"a1\"").unwrap();
        assert_eq!(serde_json::to_string(&uid).unwrap(), "\"a1\"");
        assert!(serde_json::from_str::<TableUid>("\"a/1\"").is_err());
    }
}
