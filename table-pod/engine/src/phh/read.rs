//! Files into hands.

use super::{Phh, PhhError, TEXT_BYTES_MAX, draft::PLAYERS_MAX, entry::Entry, fallback, scan};

/// Longest file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 30;

/// Reads a file: the hand of a `.phh`, or those of a `.phhs` in their order. A hand that cannot be
/// read does not keep others from being read.
///
/// # Errors
/// Where nothing of the file can be read: it is too long, or no TOML and has no `[name]` to go by.
pub fn read(text: &str) -> Result<Vec<Entry>, PhhError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(PhhError::TooLong { bytes: text.len(), most: FILE_BYTES_MAX });
    }
    let error = match entries(text) {
        Ok(entries) => return Ok(entries),
        Err(error) => error,
    };
    let starts = sections(text);
    if starts.is_empty() {
        return Err(error);
    }
    Ok(each(text, &starts))
}

/// Reads the file with the toml crate alone, for tests that compare the two readers.
pub fn read_as_toml(text: &str) -> Result<Vec<Entry>, PhhError> {
    Ok(fallback::hands(text)?.into_iter().map(Entry::from).collect())
}

/// Reads the file with the fast reader alone; `None` if the file is outside its part of TOML.
pub fn read_fast(text: &str) -> Option<Vec<Entry>> {
    scan::hands(text).ok()
}

/// The hands of a file some at a time, so that a long file's need not be kept: reading then takes half
/// the time, because memory is used again.
pub struct Chunks<'a>(Option<scan::Hands<'a>>);

/// The file is too long, or outside the part of TOML that is read in one pass. [`read`] reads all of it or reports the
/// error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not in the part of TOML that is read hand by hand")]
pub struct NotPlain;

impl<'a> Chunks<'a> {
    pub fn new(text: &'a str) -> Self {
        Self((text.len() <= FILE_BYTES_MAX).then(|| scan::Hands::new(text)))
    }

    /// Returns at most `most` further hands, as [`read`] would; none at the end.
    ///
    /// # Errors
    /// [`NotPlain`]: then [`read`] may give other hands than came before.
    pub fn next(&mut self, most: usize) -> Result<Vec<Entry>, NotPlain> {
        let entries = self.0.as_mut().ok_or(NotPlain)?.next(most);
        entries.map_err(|scan::Unusual| {
            self.0 = None;
            NotPlain
        })
    }
}

fn entries(text: &str) -> Result<Vec<Entry>, PhhError> {
    match scan::hands(text) {
        Ok(entries) => Ok(entries),
        Err(scan::Unusual) => read_as_toml(text),
    }
}

/// Lines that look like a `[name]`, with their offsets.
fn sections(text: &str) -> Vec<(usize, usize)> {
    let mut starts = Vec::new();
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let name = line.split('#').next().unwrap_or_default().trim();
        let name = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if name.is_some_and(|name| !name.is_empty() && !name.contains(['[', ']', ',', '\'', '"'])) {
            starts.push((at, number + 1));
        }
        at += line.len();
    }
    starts
}

/// The file is broken somewhere: each section by itself.
fn each(text: &str, starts: &[(usize, usize)]) -> Vec<Entry> {
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let mut entries = Vec::with_capacity(starts.len());
    for ((start, line), end) in starts.iter().zip(ends) {
        let section = &text[*start..end];
        match self::entries(section) {
            Ok(hands) => entries.extend(hands),
            Err(error) => {
                let name = section.lines().next().unwrap_or_default();
                let name = name.split(['[', ']']).nth(1).unwrap_or_default().trim().into();
                entries.push(Entry { name, line: 1, hand: Err(error) });
            }
        }
        if let Some(entry) = entries.last_mut() {
            entry.line += line - 1;
            if let Err(error) = &mut entry.hand {
                error.move_down(line - 1);
            }
        }
    }
    entries
}

impl Phh {
    /// Reads a text of one hand, of at most [`TEXT_BYTES_MAX`].
    pub fn parse(text: &str) -> Result<Self, PhhError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(PhhError::TooLong { bytes: text.len(), most: TEXT_BYTES_MAX });
        }
        let mut hands = entries(text)?;
        match (hands.pop(), hands.len()) {
            (Some(entry), 0) => entry.hand,
            (last, before) => Err(PhhError::Hands(before + usize::from(last.is_some()))),
        }
    }

    /// Checks the rules of every hand.
    pub(crate) fn check(&self, line: usize) -> Result<(), PhhError> {
        let field = |field: &str, problem: String| PhhError::Field { line, field: field.into(), problem };
        let players = self.starting_stacks.len();
        if !(2..=PLAYERS_MAX).contains(&players) {
            return Err(field("starting_stacks", format!("{players} players: must be 2 to {PLAYERS_MAX}")));
        }
        let lists = [
            ("antes", Some(self.antes.len())),
            ("blinds_or_straddles", Some(self.blinds_or_straddles.len())),
            ("players", self.players.as_ref().map(Vec::len)),
            ("finishing_stacks", self.finishing_stacks.as_ref().map(Vec::len)),
            ("winnings", self.winnings.as_ref().map(Vec::len)),
        ];
        for (name, found) in lists {
            if let Some(found) = found.filter(|found| *found != players) {
                return Err(field(name, format!("{found} entries for {players} players")));
            }
        }
        if self.antes.iter().any(|ante| ante.digits < 0) {
            return Err(field("antes", "an amount below 0".into()));
        }
        if self.starting_stacks.iter().filter_map(|stack| stack.known()).any(|stack| stack.digits <= 0) {
            return Err(field("starting_stacks", "every stack must be above 0".into()));
        }
        Ok(())
    }
}
