//! One pod's connection to the data nodes, as the store of the table's actor.

use super::{
    Bug, TABLE,
    nodes::{Nodes, Write},
};
use crate::checker::Record;
use async_trait::async_trait;
use purr_store::{Commit, Head, LogBatch, Recovered, Store, StoreError};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// Number of commits that a group loses with its master.
const FORGOTTEN: usize = 4;
const KEPT: usize = 8;

pub struct Connection {
    pub nodes: Arc<Nodes>,
    /// Whether this pod is on the side of the isolated master.
    pub cut: Arc<AtomicBool>,
}

impl Connection {
    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Reads as the take-over script does, right after writing the epoch: no other process can write in between.
    fn read(&self) -> Result<Recovered, StoreError> {
        let mut inner = self.nodes.lock();
        let Some(at) = Nodes::master_of(&inner, self.is_cut()) else {
            return Err(StoreError::Unknown("the master is gone".into()));
        };
        // Never the whole table, because that is an error if the signer knows the table.
        let moved = inner.forgets && inner.nodes[at].commits.len() > KEPT + FORGOTTEN;
        if moved {
            // All nodes forget the last commits. Once only: a second time could remove the evidence of the first.
            inner.forgets = false;
            inner.forget(at, FORGOTTEN);
        }
        let node = &inner.nodes[at];
        let Head { commit, written: epoch, .. } = node.head();
        let log = node.commits.iter().filter(|commit| !commit.log.is_empty());
        let batch = |c: &Arc<Commit>| LogBatch { commit: c.number, epoch: c.epoch, sealed: c.log.clone() };
        Ok(Recovered {
            commit,
            epoch,
            // Set for a group that has forgotten something.
            moved,
            snapshot: node.commits.last().map(|commit| commit.snapshot.clone()),
            base: node.commits.last().and_then(|commit| Some(commit.base.as_ref()?.sealed().clone())),
            log: log.map(batch).collect(),
            outbox: Vec::new(),
        })
    }
}

#[async_trait]
impl Store for Connection {
    async fn take_over(&self, _: &str, epoch: u64) -> Result<Recovered, StoreError> {
        self.nodes.run(Write::Epoch(epoch), self.is_cut()).await?;
        let found = self.read()?;
        if self.nodes.lose_epoch {
            // Before the answer arrives, the predecessor has the store to itself.
            self.nodes.lock().lose_newest_epoch();
            let slow = self.nodes.lock().dice.roll(300);
            sleep(Duration::from_millis(slow)).await;
        }
        Ok(found)
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let written = self.nodes.run(Write::Commit(Arc::new(commit.clone())), self.is_cut()).await;
        let success = match written {
            Err(StoreError::Unknown(_)) if self.nodes.bug == Bug::TimeoutIsSuccess => Ok(()),
            other => other,
        };
        if success.is_ok() {
            let (epoch, number) = (commit.epoch, commit.number);
            self.nodes.recorder.push(Record::Acknowledged { table: TABLE.into(), epoch, number });
        }
        success
    }
}
