//! Pairs of players who must not share a table: a copy of the list of a fair-play service.
//!
//! The list is read every 30 s. While the service is away the last list counts; without a service it is empty. Players
//! never learn who is on it: a table with the other player looks full to them.

use arc_swap::ArcSwap;
use purr_engine::PlayerId;
use purr_runtime::{CancellationToken, InternalClient};
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// Most pairs in memory; the rest of a longer list is ignored.
pub const PAIRS_MAX: usize = 100_000;
const EVERY: Duration = Duration::from_secs(30);
const WAIT: Duration = Duration::from_secs(5);
/// Path of the list.
pub const PATH: &str = "/v1/keep-apart";

/// The service's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeepApart {
    pub pairs: Vec<(PlayerId, PlayerId)>,
}

/// The pairs of players who are kept apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apart(HashMap<PlayerId, HashSet<PlayerId>>);

impl Apart {
    /// Builds the list from pairs; at most [`PAIRS_MAX`] count.
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
            // The previous list stays in use.
            Err(error) => tracing::warn!(%error, "the keep-apart list cannot be read"),
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
