//! The ids of one player's last commands, and their encoding.
//!
//! Every commit carries them. Clients count up, so they are written as runs: as they are they were most of the snapshot.

use super::APPLIED_MAX;
use crate::snapshot::{Raw, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error};
use std::{collections::VecDeque, sync::OnceLock};

/// In the order of application; at most [`APPLIED_MAX`].
#[derive(Clone, Debug, Default)]
pub struct Ids {
    ids: VecDeque<u64>,
    /// The encoding in snapshots of version 2, cached because most players' ids do not change between commits.
    node: OnceLock<Box<[u8]>>,
}

impl PartialEq for Ids {
    fn eq(&self, other: &Self) -> bool {
        self.ids == other.ids
    }
}

impl Eq for Ids {}

/// A run of ids that starts here, each one higher than the previous.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Run {
    Of(u64, u64),
    /// The form before there were runs.
    One(u64),
}

impl Ids {
    pub(super) fn push(&mut self, id: u64) {
        self.node = OnceLock::new();
        self.ids.push_back(id);
        if self.ids.len() > APPLIED_MAX {
            self.ids.pop_front();
        }
    }

    pub(super) fn contains(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.ids.iter().copied()
    }
}

/// The serialised form of ids.
struct Runs<'a>(&'a Ids);

impl Serialize for Ids {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return Runs(self).serialize(serializer);
        }
        let node = match self.node.get() {
            Some(node) => node,
            None => {
                let node = encode(&Runs(self)).map_err(S::Error::custom)?;
                self.node.get_or_init(|| node.into())
            }
        };
        Raw(node).serialize(serializer)
    }
}

impl Serialize for Runs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for id in self.0.iter() {
            match runs.last_mut() {
                Some((first, count)) if first.checked_add(*count) == Some(id) => *count += 1,
                _ => runs.push((id, 1)),
            }
        }
        serializer.collect_seq(runs.into_iter().map(|(first, count)| Run::Of(first, count)))
    }
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut ids = Self::default();
        for run in Vec::<Run>::deserialize(deserializer)? {
            let (first, count) = match run {
                Run::Of(first, count) => (first, count),
                Run::One(id) => (id, 1),
            };
            // No run is longer than the number of ids that are kept.
            let count = count.min(APPLIED_MAX as u64);
            (0..count).filter_map(|step| first.checked_add(step)).for_each(|id| ids.push(id));
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ids: &[u64]) -> Ids {
        let mut all = Ids::default();
        ids.iter().for_each(|id| all.push(*id));
        all
    }

    #[test]
    fn ids_come_back_in_their_order_and_a_run_is_two_numbers() {
        for ids in [
            vec![],
            vec![7],
            vec![1, 2, 3],
            vec![9, 3, 4, 5, 2, 2, 1],
            vec![u64::MAX, 0, u64::MAX - 1, u64::MAX],
        ] {
            let text = serde_json::to_string(&of(&ids)).unwrap();
            let back: Ids = serde_json::from_str(&text).unwrap();
            assert_eq!(back.iter().collect::<Vec<_>>(), ids, "{text}");
        }
        let counted: Vec<u64> = (1_764_000_000_000_000..).take(100).collect();
        let last = of(&counted);
        assert_eq!(serde_json::to_string(&last).unwrap(), "[[1764000000000036,64]]");
        assert!(last.contains(1_764_000_000_000_099) && !last.contains(1_764_000_000_000_035));
    }

    #[test]
    fn snapshots_from_before_there_were_runs_are_read() {
        let old: Ids = serde_json::from_str("[5,6,9]").unwrap();
        assert_eq!(old, of(&[5, 6, 9]));
    }
}
