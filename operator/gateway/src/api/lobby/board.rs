//! The list of all tables, built at most once per interval, however many clients read it.

use purr_protocol::summary::Summary;
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// A table as the lobby shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listed {
    #[serde(flatten)]
    pub summary: Summary,
    /// Whether a pod holds the table and can be reached.
    pub ready: bool,
}

impl Listed {
    /// The entry without data that spectators must not see and without figures that change all the time.
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        let hidden = &mut shown.summary;
        (hidden.beat, hidden.sequence, hidden.confirmed) = (0, 0, 0);
        shown
    }
}

pub type All = Arc<Vec<Listed>>;

/// Sorted by UID.
#[derive(Default)]
pub struct Board {
    held: Mutex<Option<(Instant, All)>>,
    reading: tokio::sync::Mutex<()>,
}

impl Board {
    fn held(&self) -> Option<(Instant, All)> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The list, at most as old as this; somewhat older while it is being read.
    pub async fn current(&self, every: Duration, read: impl Future<Output = Vec<Listed>>) -> All {
        let young = |held: Option<(Instant, All)>| {
            held.filter(|(since, _)| since.elapsed() < every).map(|(_, all)| all)
        };
        if let Some(all) = young(self.held()) {
            return all;
        }
        let held = self.held();
        let _reading = match (self.reading.try_lock(), held) {
            (Ok(reading), _) => reading,
            (Err(_), Some((_, all))) => return all,
            (Err(_), None) => self.reading.lock().await,
        };
        // Another request has read the list in the meantime.
        if let Some(all) = young(self.held()) {
            return all;
        }
        let all = Arc::new(read.await);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), all.clone()));
        all
    }
}
