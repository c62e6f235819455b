//! The list of all tables, made anew at most once in a while however many look at it.

use super::{listed, summaries};
use crate::app::App;
use purr_protocol::summary::Summary;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};
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
    /// What somebody who looks on does not see, and what changes all the time, set aside.
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        let hidden = &mut shown.summary;
        (hidden.beat, hidden.sequence, hidden.confirmed) = (0, 0, 0);
        shown
    }
}

/// Summaries read in one command.
const CHUNK: usize = 2_000;

type All = Arc<Vec<Listed>>;

/// In the order of UIDs.
#[derive(Default)]
pub struct Board {
    held: Mutex<Option<(Instant, All)>>,
    reading: tokio::sync::Mutex<()>,
}

impl Board {
    fn held(&self) -> Option<(Instant, All)> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The list, at most as old as it may be; somewhat older while it is being read.
    pub async fn current(&self, app: &App) -> All {
        let young = |held: Option<(Instant, All)>| {
            held.filter(|(since, _)| since.elapsed() < app.front.lobby_every).map(|(_, all)| all)
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
        // Somebody else has read it meanwhile.
        if let Some(all) = young(self.held()) {
            return all;
        }
        let all = Arc::new(read(app).await);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), all.clone()));
        all
    }
}

async fn read(app: &App) -> Vec<Listed> {
    let known = app.routes.read(|table| table.list(None, usize::MAX));
    let mut all = Vec::with_capacity(known.len());
    for chunk in known.chunks(CHUNK) {
        let uids: Vec<String> = chunk.iter().map(|known| known.uid.clone()).collect();
        let summaries = summaries(app, &uids).await;
        all.extend(chunk.iter().cloned().zip(summaries).map(|(known, summary)| listed(known, summary)));
    }
    all
}
