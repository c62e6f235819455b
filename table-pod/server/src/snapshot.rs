//! Encoding of a table's state in commits.
//!
//! **Version 1** is the whole state as JSON, sealed.
//!
//! **Version 2** has two parts, each sealed by itself. The base is the whole state ([`node`]) as of some commit; the live
//! part is what has changed since ([`change`]), and is the only one that every commit writes. It names its base by epoch,
//! commit and SHA-256, so a live part opens with no other base. A new base is written once the changes have cost as much
//! as one: when cards are dealt, when a hand ends, and in a long hand. Store keys and fields: `purr-store`, `commit.lua`.
//!
//! A reader knows both by the first byte. That of version 1 is the length of a key's name ([`Sealer`]), at most 32.

mod change;
mod decode;
mod encode;
mod malformed;
mod names;
mod node;
#[cfg(test)]
mod tests;

pub use decode::DecodeError;
pub use encode::EncodeError;
pub(crate) use encode::Raw;
pub(crate) use encode::encode;
pub use malformed::Malformed;

use crate::core::{Shown, State};
use bytes::Bytes;
use purr_protocol::snapshot::{VERSION, VERSION_WRITTEN_MIN};
use purr_store::{Base, Recovered, SealError, Sealer};
use serde::de::DeserializeOwned;

/// The first byte of a live part: no sealed JSON begins so.
const LIVE: u8 = 0x80 | VERSION;
/// The first byte of a log in nodes: JSON begins with a brace.
const LOG: u8 = VERSION;
/// Initial capacity for a state: enough for a table of nine in the middle of a hand, in bytes.
const STATE_BYTES: usize = 8 * 1024;

/// Room for a log's fields beside its events.
const LOG_BYTES: usize = 96;

/// Ways to write a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Version 1: the whole state with every commit.
    Whole,
    /// Version 2: only changes.
    #[default]
    Parts,
}

#[derive(Debug, thiserror::Error)]
#[error("version {0} of snapshots: must be {VERSION_WRITTEN_MIN} to {VERSION}")]
pub struct UnknownVersion(pub u8);

impl TryFrom<u8> for Format {
    type Error = UnknownVersion;

    fn try_from(version: u8) -> Result<Self, UnknownVersion> {
        match version {
            1 => Ok(Self::Whole),
            2 => Ok(Self::Parts),
            _ => Err(UnknownVersion(version)),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("snapshot as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("snapshot: {0}")]
    Encode(#[from] EncodeError),
    #[error("snapshot: {0}")]
    Decode(#[from] DecodeError),
    #[error("snapshot: {0}")]
    Malformed(#[from] Malformed),
    #[error("snapshot of version {}, which a later release wrote", .0 & 0x7F)]
    Version(u8),
    #[error("the store has no base for this snapshot, which needs that of commit {number} of epoch {epoch}")]
    NoBase { epoch: u64, number: u64 },
    #[error("the store's base is not that of commit {number} of epoch {epoch}, which this snapshot needs")]
    OtherBase { epoch: u64, number: u64 },
}

/// Writes one process's snapshots.
pub struct Writer {
    format: Format,
    held: Option<Held>,
    /// Buffer that is used again for each commit.
    state: Vec<u8>,
    live: Vec<u8>,
}

/// The base that changes refer to.
struct Held {
    state: Vec<u8>,
    base: Base,
    epoch: u64,
    number: u64,
    /// Bytes of the changes written since.
    spent: usize,
}

impl Writer {
    pub fn new(format: Format) -> Self {
        Self { format, held: None, state: Vec::new(), live: Vec::new() }
    }

    /// The sealed state for one commit, and its base where it needs one.
    ///
    /// # Errors
    /// Where a value cannot be written down or sealed.
    pub fn write(
        &mut self,
        sealer: &Sealer,
        (epoch, number): (u64, u64),
        state: &State,
    ) -> Result<(Bytes, Option<Base>), SnapshotError> {
        self.state.clear();
        // Grown once, and not doubled from nothing with every step.
        self.state.reserve(STATE_BYTES);
        match self.format {
            Format::Whole => {
                serde_json::to_writer(&mut self.state, state)?;
                Ok((sealer.seal("snapshot", epoch, number, &self.state)?, None))
            }
            Format::Parts => {
                encode::encode_into(state, &mut self.state)?;
                if !self.changed()? {
                    self.rebase(sealer, epoch, number)?;
                }
                let sealed = sealer.seal("live", epoch, number, &self.live)?;
                let mut snapshot = Vec::with_capacity(1 + sealed.len());
                snapshot.push(LIVE);
                snapshot.extend_from_slice(&sealed);
                Ok((snapshot.into(), self.held.as_ref().map(|held| held.base.clone())))
            }
        }
    }

    /// Writes the state as changes of the held base; returns false when a new base is due.
    fn changed(&mut self) -> Result<bool, Malformed> {
        let Some(held) = &mut self.held else { return Ok(false) };
        let head = put_head(&mut self.live, held);
        change::between(&held.state, &self.state, &mut self.live)?;
        held.spent += self.live.len() - head;
        // Writing a new base once the changes have cost as much as a base is at most twice as expensive as the optimum
        // (the ski-rental rule).
        Ok(held.spent <= held.state.len())
    }

    fn rebase(&mut self, sealer: &Sealer, epoch: u64, number: u64) -> Result<(), SnapshotError> {
        let base = Base::new(sealer.seal("base", epoch, number, &self.state)?);
        // The buffer of the previous base is used for the next state.
        let before = self.held.take().map(|held| held.state).unwrap_or_default();
        let state = std::mem::replace(&mut self.state, before);
        let held = self.held.insert(Held { state, base, epoch, number, spent: 0 });
        put_head(&mut self.live, held);
        change::between(&held.state, &held.state, &mut self.live)?;
        Ok(())
    }
}

/// Begins a live part with the name of its base; returns how long that is.
fn put_head(live: &mut Vec<u8>, held: &Held) -> usize {
    live.clear();
    node::put_number(live, held.epoch);
    node::put_number(live, held.number);
    live.extend_from_slice(held.base.id());
    live.len()
}

/// Reads the state to continue from at a take-over; `None`: the store has none.
///
/// # Errors
/// Where it was changed, is of another commit in one of its parts, or is of a later release.
pub fn open(sealer: &Sealer, found: &Recovered) -> Result<Option<State>, SnapshotError> {
    let Some(snapshot) = &found.snapshot else { return Ok(None) };
    read(sealer, (found.epoch, found.commit), snapshot, found.base.as_deref()).map(Some)
}

/// Reads what [`Writer::write`] wrote for this epoch and commit, or the part of it that `T` has.
///
/// # Errors
/// As [`open`].
pub fn read<T: DeserializeOwned>(
    sealer: &Sealer,
    (epoch, number): (u64, u64),
    snapshot: &[u8],
    base: Option<&[u8]>,
) -> Result<T, SnapshotError> {
    let sealed = match snapshot.split_first() {
        Some((&LIVE, sealed)) => sealed,
        Some((&version @ 0x80.., _)) => return Err(SnapshotError::Version(version)),
        _ => {
            let plain = sealer.open("snapshot", epoch, number, snapshot)?;
            return Ok(serde_json::from_slice(&plain)?);
        }
    };
    let live = sealer.open("live", epoch, number, sealed)?;
    let mut rest = live.as_slice();
    let mut next =
        || -> Result<u64, Malformed> { node::number(&mut rest)?.try_into().map_err(|_| Malformed::Number) };
    let (epoch, number) = (next()?, next()?);
    let id = node::take(&mut rest, Base::ID_BYTES)?;
    let base = Base::new(Bytes::copy_from_slice(base.ok_or(SnapshotError::NoBase { epoch, number })?));
    if base.id() != id {
        return Err(SnapshotError::OtherBase { epoch, number });
    }
    let base = sealer.open("base", epoch, number, base.sealed())?;
    Ok(decode::decode(&change::apply(&base, rest)?)?)
}

/// Encodes what one commit shows to the players, as an item of the store's log.
///
/// # Errors
/// Where a value cannot be written down.
pub fn log(format: Format, shown: &Shown) -> Result<Vec<u8>, SnapshotError> {
    match format {
        Format::Whole => Ok(serde_json::to_vec(shown)?),
        Format::Parts => {
            let events: usize = shown.entries.iter().map(|entry| entry.events.len()).sum();
            let mut log = Vec::with_capacity(LOG_BYTES + events);
            log.push(LOG);
            encode::encode_into(shown, &mut log)?;
            Ok(log)
        }
    }
}

/// Reads a log of either version.
///
/// # Errors
/// What is no log.
pub fn read_log(plain: &[u8]) -> Result<Shown, SnapshotError> {
    match plain.split_first() {
        Some((&LOG, nodes)) => Ok(decode::decode(nodes)?),
        _ => Ok(serde_json::from_slice(plain)?),
    }
}
