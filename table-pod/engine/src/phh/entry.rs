//! One hand of a file in the Poker Hand History format.

use super::{Phh, PhhError, draft::Draft};

/// One hand of a file, or why it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in a collection (`.phhs`), as in `[12]`; empty for the single hand of a `.phh`.
    pub name: String,
    /// Line on which it begins, counted from 1.
    pub line: usize,
    pub hand: Result<Phh, PhhError>,
}

impl From<Draft> for Entry {
    fn from(mut draft: Draft) -> Self {
        let (name, line) = (std::mem::take(&mut draft.name), draft.line);
        Self { name, line, hand: draft.finish() }
    }
}
