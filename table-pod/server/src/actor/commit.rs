//! Commits a step to the store: repeats the same bytes until the store has them.

use super::connections::Connections;
use crate::{
    core::{Core, Step},
    metrics::Metrics,
    snapshot::{self, Format, Writer},
};
use bytes::Bytes;
use purr_protocol::pb::{TablePaused, TableResumed, server_message::Body};
use purr_runtime::{BackOff, Delays};
use purr_store::{Commit, OutboxEntry, Sealer, Store, StoreError};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// A commit that takes longer is a pause: players are notified and clocks stop.
pub(super) const STALL_MS: u64 = 500;
/// Whole commits kept for a new master that lacks them.
const KEPT_MAX: usize = 256;
const RETRY: Delays = Delays::new(Duration::from_millis(20), Duration::from_secs(1));

/// Reasons for which a table stops for good.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    #[error("fenced: another process has the table")]
    Fenced,
    /// This process cannot continue; the next one takes over from the store and the signer.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

pub(super) struct Committer {
    store: Arc<dyn Store>,
    sealer: Sealer,
    format: Format,
    snapshots: Writer,
    epoch: u64,
    number: u64,
    /// The epoch that wrote commit `number`.
    written: u64,
    kept: VecDeque<Commit>,
    /// Whether the store has acknowledged a commit of this process; from then on nothing from an earlier process
    /// counts.
    acknowledged: bool,
    metrics: Metrics,
}

impl Committer {
    /// `number`, `written`: number and epoch of the last commit before the take-over.
    pub(super) fn new(
        store: Arc<dyn Store>,
        sealer: Sealer,
        format: Format,
        epoch: u64,
        (number, written): (u64, u64),
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            sealer,
            format,
            snapshots: Writer::new(format),
            epoch,
            number,
            written,
            kept: VecDeque::new(),
            acknowledged: false,
            metrics,
        }
    }

    /// Returns when the step is durable.
    pub(super) async fn commit(
        &mut self,
        core: &Core,
        step: &Step,
        connections: &mut Connections,
    ) -> Result<(), Stopped> {
        // A state that cannot be written must not be shown, so the table stops here.
        let commit = self
            .build(core, step)
            .map_err(|error| Stopped::Failed(error.context("a commit could not be made")))?;
        (self.number, self.written) = (commit.number, self.epoch);
        self.kept.push_back(commit.clone());
        if self.kept.len() > KEPT_MAX {
            self.kept.pop_front();
        }
        let begun = Instant::now();
        let mut back_off = BackOff::new(RETRY);
        let mut told = false;
        // The events of this step have not been seen: a cursor that counted them would skip them for ever.
        let seen = step.shown.as_ref().map_or(core.state().offset, |shown| shown.offset - 1);
        loop {
            let error = match self.store.commit(&commit).await {
                Ok(()) => break,
                Err(error) => error,
            };
            match error {
                StoreError::Fenced { highest } => {
                    tracing::error!(highest, epoch = self.epoch, "fenced: this process stops acting");
                    return Err(Stopped::Fenced);
                }
                StoreError::Conflict { at, written, .. } => {
                    let Some(missing) = self.missing(at, written) else {
                        // Neither replaying nor waiting can join these two histories.
                        let what = format!("the store holds another history than commit {}", commit.number);
                        return Err(Stopped::Failed(anyhow::Error::new(error).context(what)));
                    };
                    tracing::warn!(at, written, commit = commit.number, "the store lacks commits: replaying");
                    if let Err(error) = self.replay(missing).await {
                        tracing::warn!(%error, "replay");
                    }
                }
                error if error.is_retryable() => tracing::warn!(%error, commit = commit.number, "commit"),
                error => return Err(Stopped::Failed(error.into())),
            }
            self.metrics.commit_retries.inc();
            if !told && begun.elapsed() >= Duration::from_millis(STALL_MS) {
                told = true;
                self.metrics.paused.set(1);
                let reason = "the store is not answering".to_owned();
                connections.tell_all(seen, &Body::TablePaused(TablePaused { reason }));
            }
            sleep(back_off.next_wait()).await;
        }
        self.acknowledged = true;
        self.metrics.commit_seconds.observe(begun.elapsed().as_secs_f64());
        if told {
            self.metrics.paused.set(0);
            connections.tell_all(seen, &Body::TableResumed(TableResumed {}));
        }
        Ok(())
    }

    fn build(&mut self, core: &Core, step: &Step) -> anyhow::Result<Commit> {
        let number = self.number + 1;
        let (snapshot, base) = self.snapshots.write(&self.sealer, (self.epoch, number), core.state())?;
        let log = match &step.shown {
            Some(shown) => {
                self.sealer.seal("log", self.epoch, number, &snapshot::log(self.format, shown)?)?
            }
            None => Bytes::new(),
        };
        let entry = |entry: &purr_protocol::settlement::Entry| {
            Ok(OutboxEntry { seq: entry.seq, payload: serde_json::to_vec(entry)?.into() })
        };
        let outbox: Result<Vec<OutboxEntry>, serde_json::Error> = step.entries.iter().map(entry).collect();
        let oldest = core.state().outbox.first().map_or(core.state().sequence + 1, |entry| entry.seq);
        Ok(Commit {
            table: core.uid().to_owned(),
            epoch: self.epoch,
            number,
            follows: self.written,
            replaces: false,
            snapshot,
            base,
            log,
            hand: step.hand.clone(),
            outbox: outbox?,
            outbox_done: oldest - 1,
        })
    }

    /// The kept commits that a new master lacks if its last commit is this one; `None` if its history is another.
    fn missing(&self, at: u64, written: u64) -> Option<Missing> {
        let follows = |kept: &Commit| (kept.number, kept.follows) == (at + 1, written);
        if let Some(first) = self.kept.iter().position(follows) {
            return Some(Missing { first, replaces: false });
        }
        // An older process wrote more commits on a master that had lost this process's epoch and commits. Nobody uses
        // them, because gateway and signer have this epoch already. Before this process's first acknowledged commit it
        // is the other way round.
        let reaches = self.kept.front().is_some_and(|kept| kept.number <= at + 1);
        let replaces = self.acknowledged && written < self.epoch && reaches;
        replaces.then_some(Missing { first: 0, replaces })
    }

    async fn replay(&self, missing: Missing) -> Result<(), StoreError> {
        let mut kept = self.kept.iter().skip(missing.first);
        if let Some(first) = kept.next() {
            self.store.commit(&Commit { replaces: missing.replaces, ..first.clone() }).await?;
        }
        for commit in kept {
            self.store.commit(commit).await?;
        }
        Ok(())
    }
}

struct Missing {
    /// Index of the first in [`Committer::kept`].
    first: usize,
    replaces: bool,
}
