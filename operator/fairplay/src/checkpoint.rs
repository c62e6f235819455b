//! A detector's state in parts of some megabyte, so that it is written and read without a second copy in memory.

use crate::{
    Detector, DetectorLimits,
    detector::{PairHasher, TablesAndTotals},
    pack::{Pack, VERSION},
    pairs::Pair,
    players::Player,
};
use std::{collections::HashMap, hash::BuildHasherDefault};

/// Players and pairs in one part: some 1.5 MB each.
const PLAYERS: usize = 500;
const PAIRS: usize = 1_000;

const HEAD: u8 = 0;
const PLAYER_PART: u8 = 1;
const PAIR_PART: u8 = 2;
const END: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCheckpoint {
    #[error("the checkpoint is of version {0}, not {VERSION}")]
    Version(u32),
    #[error("part {0} of the checkpoint cannot be read")]
    Part(usize),
    #[error("the checkpoint is not whole")]
    Unfinished,
}

impl Detector {
    /// The state, part by part; [`Restore`] takes them in this order.
    pub fn parts(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let mut keys: Vec<u64> = self.pairs.keys().copied().collect();
        keys.sort_unstable();
        let head = std::iter::once_with(|| {
            let mut out = vec![HEAD];
            VERSION.pack(&mut out);
            self.pack_head(&mut out);
            out
        });
        let players = self.players.chunks(PLAYERS).map(|players| {
            let mut out = vec![PLAYER_PART];
            (players.len() as u64).pack(&mut out);
            players.iter().for_each(|player| player.pack(&mut out));
            out
        });
        let counts = (self.players.len() as u64, keys.len() as u64);
        let pair_parts = keys.len().div_ceil(PAIRS);
        let pairs = (0..pair_parts).map(move |part| {
            let mut out = vec![PAIR_PART];
            let keys = &keys[part * PAIRS..keys.len().min((part + 1) * PAIRS)];
            (keys.len() as u64).pack(&mut out);
            for key in keys {
                key.pack(&mut out);
                if let Some(pair) = self.pairs.get(key) {
                    pair.pack(&mut out);
                }
            }
            out
        });
        let end = std::iter::once_with(move || {
            let mut out = vec![END];
            counts.0.pack(&mut out);
            counts.1.pack(&mut out);
            out
        });
        head.chain(players).chain(pairs).chain(end)
    }
}

/// Puts a detector together again.
#[derive(Default)]
pub struct Restore {
    head: Option<TablesAndTotals>,
    players: Vec<Player>,
    pairs: HashMap<u64, Pair, BuildHasherDefault<PairHasher>>,
    parts: usize,
    whole: bool,
}

impl Restore {
    /// Takes the next part.
    ///
    /// # Errors
    /// [`BadCheckpoint`]: nothing of this checkpoint can be used.
    pub fn part(&mut self, bytes: &[u8]) -> Result<(), BadCheckpoint> {
        let (bad, mut from) = (BadCheckpoint::Part(self.parts), bytes);
        self.parts += 1;
        match u8::unpack(&mut from).ok_or(bad)? {
            HEAD => {
                let version = u32::unpack(&mut from).ok_or(bad)?;
                if version != VERSION {
                    return Err(BadCheckpoint::Version(version));
                }
                self.head = Some(TablesAndTotals::unpack(&mut from).ok_or(bad)?);
            }
            PLAYER_PART => self.players.extend(Vec::<Player>::unpack(&mut from).ok_or(bad)?),
            PAIR_PART => {
                for _ in 0..u64::unpack(&mut from).ok_or(bad)? {
                    let key = u64::unpack(&mut from).ok_or(bad)?;
                    self.pairs.insert(key, Pair::unpack(&mut from).ok_or(bad)?);
                }
            }
            END => {
                let counts = (u64::unpack(&mut from), u64::unpack(&mut from));
                let have = (Some(self.players.len() as u64), Some(self.pairs.len() as u64));
                self.whole = counts == have;
            }
            _ => return Err(bad),
        }
        if from.is_empty() { Ok(()) } else { Err(bad) }
    }

    /// # Errors
    /// [`BadCheckpoint::Unfinished`] where parts are missing.
    pub fn finish(self, limits: DetectorLimits) -> Result<Detector, BadCheckpoint> {
        let Self { head, players, pairs, whole, .. } = self;
        let head = head.filter(|_| whole).ok_or(BadCheckpoint::Unfinished)?;
        Detector::restored(limits, head, players, pairs).ok_or(BadCheckpoint::Unfinished)
    }
}
