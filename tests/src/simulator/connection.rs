//! One pod's way to the data nodes: the port that the table's actor is given.

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

/// Commits that a group loses with its master.
const FORGOTTEN: usize = 4;
const KEPT: usize = 8;

pub struct Connection {
    pub nodes: Arc<Nodes>,
    /// On the side of the master that is alone.
    pub cut: Arc<AtomicBool>,
}

impl Connection {
    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// As the script reads it that has just written the epoch: nobody else can have written since.
    fn read(&self) -> Result<Recovered, StoreError> {
        let mut inner = self.nodes.lock();
        let Some(at) = Nodes::master_of(&inner, self.is_cut()) else {
            return Err(StoreError::Unknown("the master is gone".into()));
        };
        // Never the whole table: that is an error where the signer knows of it.
        let moved = inner.forgets && inner.nodes[at].commits.len() > KEPT + FORGOTTEN;
        if moved {
            // The last commits are forgotten, at all nodes. Once: a second time could take what told of the first.
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
            // Of a group that has forgotten something this is so.
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
            // The answer takes its time, and the predecessor has the store to itself.
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
