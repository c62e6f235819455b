//! The manifest of one day: a line of JSON for each file that counts. A file that no line names is not part of the export.

use super::ExportError;
use crate::{day::Day, players::date};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One row for each hand that counts.
    Hands,
    /// One row for each player of such a hand.
    Facts,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Hands, Self::Facts];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hands => "hands",
            Self::Facts => "facts",
        }
    }
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub kind: Kind,
    /// UTC, for instance 2026-11-29.
    pub day: String,
    /// 0 to 23, UTC: when the hands ended.
    pub hour: u8,
    /// Path below the export's folder.
    pub file: String,
    pub rows: u64,
    pub bytes: u64,
    /// Hex.
    pub sha256: String,
    /// State of the hour that the file was made from. If the state changes, the hour is written again.
    pub source: String,
}

/// Path of a day's manifest, below the export's folder.
pub(crate) fn path(day: Day) -> String {
    format!("manifest/{}.jsonl", date(day))
}

/// Folder of a day's files of one kind.
pub(crate) fn folder(kind: Kind, day: Day) -> String {
    format!("{}/{}", kind.name(), date(day))
}

/// The entry of a new file. Its name has its hash, so no file is ever overwritten.
pub(crate) fn entry(
    kind: Kind,
    (day, hour): (Day, u8),
    part: usize,
    (rows, bytes): (usize, &[u8]),
    source: &str,
) -> Entry {
    let sha256 = hex::encode(Sha256::digest(bytes));
    let (date, folder) = (date(day), folder(kind, day));
    Entry {
        kind,
        file: format!("{folder}/{date}T{hour:02}-{part:04}-{}.parquet", &sha256[..16]),
        day: date,
        hour,
        rows: rows as u64,
        bytes: bytes.len() as u64,
        sha256,
        source: source.to_owned(),
    }
}

/// # Errors
/// Where a line is not an entry.
pub(crate) fn parse(day: Day, bytes: &[u8]) -> Result<Vec<Entry>, ExportError> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parsed = lines.map(|line| {
        serde_json::from_slice(line)
            .map_err(|error| ExportError::Manifest { file: path(day), detail: error.to_string() })
    });
    parsed.collect()
}

/// Ordered by hour, kind and file.
pub(crate) fn write(mut entries: Vec<Entry>) -> Vec<u8> {
    entries.sort_by(|a, b| (a.hour, a.kind, &a.file).cmp(&(b.hour, b.kind, &b.file)));
    let lines = entries.iter().filter_map(|entry| serde_json::to_string(entry).ok());
    lines.flat_map(|line| (line + "\n").into_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back_and_a_broken_line_is_named() {
        let entries = Kind::ALL.map(|kind| entry(kind, (20_786, 13), 0, (2, b"bytes"), "1:2")).to_vec();
        assert_eq!(entries[1].file, "facts/2026-11-29/2026-11-29T13-0000-277089d91c0bdf4f.parquet");
        assert_eq!(parse(20_786, &write(entries.clone())).unwrap(), entries);
        let broken = parse(20_786, b"{}\n").unwrap_err().to_string();
        assert!(broken.contains("manifest/2026-11-29.jsonl"), "{broken}");
    }
}
