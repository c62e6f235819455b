//! Pairs of players who are not seated at one table: a copy of the list of a fair-play service.
//!
//! The list is asked for every 30 s. While the service is away the last list counts; without a service it is empty. Who is
//! on it is told to nobody: for a player a table with the other one is as full.

use arc_swap::ArcSwap;
use purr_engine::PlayerId;
use purr_runtime::{CancellationToken, InternalClient};
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// Pairs that are kept; beyond it, the rest of a list is not taken.
pub const PAIRS_MAX: usize = 100_000;
const EVERY: Duration = Duration::from_secs(30);
const WAIT: Duration = Duration::from_secs(5);
/// Where the list is.
pub const PATH: &str = "/v1/keep-apart";

/// What the service answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeepApart {
    pub pairs: Vec<(PlayerId, PlayerId)>,
}

/// Who is kept apart from whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apart(HashMap<PlayerId, HashSet<PlayerId>>);

impl Apart {
    /// From pairs, of which at most [`PAIRS_MAX`] count.
    pub fn of(pairs: impl IntoIterator<Item = (PlayerId, PlayerId)>) -> Self {
        let mut apart: HashMap<PlayerId, HashSet<PlayerId>> = HashMap::new();
        for (one, other) in pairs.into_iter().take(PAIRS_MAX) {
            apart.entry(one).or_default().insert(other);
            apart.entry(other).or_default().insert(one);
        }
        Self(apart)
    }

    pub fn are(&self, one: PlayerId, other: PlayerId) -> bool {
        self.0.get(&one).is_some_and(|others| others.contains(&other))
    }
}

/// Asks for the list until stopped.
pub async fn follow(service: InternalClient, held: Arc<ArcSwap<Apart>>, stop: CancellationToken) {
    loop {
        match service.get::<KeepApart>(PATH, WAIT).await {
            Ok(list) => {
                if list.pairs.len() > PAIRS_MAX {
                    tracing::error!(pairs = list.pairs.len(), PAIRS_MAX, "the keep-apart list is too long");
                }
                held.store(Arc::new(Apart::of(list.pairs)));
            }
            // The last list counts.
            Err(error) => tracing::warn!(%error, "the keep-apart list"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_kept_apart_whoever_is_named_first() {
        let (a, b, c) = (PlayerId([1; 20]), PlayerId([2; 20]), PlayerId([3; 20]));
        let list: KeepApart =
            serde_json::from_value(serde_json::json!({ "pairs": [[a, b]], "since": 3 })).unwrap();
        let apart = Apart::of(list.pairs);
        assert!(apart.are(a, b) && apart.are(b, a) && !apart.are(a, c) && !apart.are(a, a));
        assert_eq!(serde_json::from_str::<KeepApart>("{}").unwrap(), KeepApart::default());
    }
}
