//! Three data nodes: asynchronous replication, `WAIT`, failover, partitions, and lost or late messages.
//!
//! A node is the list of its writes, in order. As in Redis, a replica has a prefix of its master's list; a node that
//! follows another master replaces its own list with that one's.

use super::{Bug, Dice, Plan, Recorder};
use purr_store::{Commit, Head, StoreError};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::sleep;

/// The client's time limit for one commit.
const TIMEOUT: Duration = Duration::from_millis(400);

#[derive(Clone)]
pub(super) enum Write {
    Epoch(u64),
    Commit(Arc<Commit>),
}

#[derive(Clone, Default)]
pub(super) struct Node {
    writes: Vec<Write>,
    epoch: u64,
    pub(super) commits: Vec<Arc<Commit>>,
    down: bool,
    /// Whether the node is cut off from the other two.
    alone: bool,
}

impl Node {
    pub(super) fn write(&mut self, write: Write) {
        match &write {
            Write::Epoch(epoch) => self.epoch = *epoch,
            Write::Commit(commit) => {
                self.epoch = self.epoch.max(commit.epoch);
                if commit.replaces {
                    self.commits.retain(|held| held.number < commit.number);
                }
                let last = self.commits.last();
                // A repeat is written too, and changes nothing.
                if last.is_none_or(|last| last.number != commit.number) {
                    self.commits.push(commit.clone());
                }
            }
        }
        self.writes.push(write);
    }

    pub(super) fn head(&self) -> Head {
        let (commit, written) = self.commits.last().map_or((0, 0), |last| (last.number, last.epoch));
        Head { epoch: self.epoch, commit, written }
    }

    /// Replicates the first `upto` writes of the master.
    fn follow(&mut self, master: &Self, upto: usize) {
        for write in master.writes.get(self.writes.len()..upto).unwrap_or_default() {
            self.write(write.clone());
        }
    }

    fn copy(&mut self, master: &Self) {
        (self.writes, self.epoch) = (master.writes.clone(), master.epoch);
        self.commits.clone_from(&master.commits);
    }
}

pub(super) struct Inner {
    pub(super) nodes: [Node; 3],
    master: usize,
    /// Changes with every failover, so that messages in flight are dropped.
    run: u64,
    pub(super) dice: Dice,
    /// One message in this many is lost or late; 0: none.
    lossy: u64,
    /// The failover that the last commit came after.
    acknowledged: u64,
    /// The highest epoch ever offered, and how many commits of a lower one were taken all the same.
    highest: u64,
    stale: u64,
    /// The next possible take-over finds the table as it was some commits ago.
    pub(super) forgets: bool,
}

impl Inner {
    /// All nodes have what this one has, without its last commits.
    pub(super) fn forget(&mut self, at: usize, count: usize) {
        let node = &mut self.nodes[at];
        let Some(last) = node.commits.iter().rev().nth(count).map(|commit| commit.number) else { return };
        let writes = std::mem::take(&mut node.writes);
        (node.epoch, node.commits) = (0, Vec::new());
        let stays = |write: &Write| !matches!(write, Write::Commit(commit) if commit.number > last);
        writes.into_iter().filter(stays).for_each(|write| node.write(write));
        let list = node.clone();
        self.nodes.iter_mut().for_each(|node| node.copy(&list));
        self.run += 1;
    }

    /// The newest epoch is gone, as if each master that had it had failed before it passed that on.
    pub(super) fn lose_newest_epoch(&mut self) {
        for node in &mut self.nodes {
            while let Some(Write::Epoch(_)) = node.writes.last() {
                node.writes.pop();
            }
            let writes = std::mem::take(&mut node.writes);
            (node.epoch, node.commits) = (0, Vec::new());
            writes.into_iter().for_each(|write| node.write(write));
        }
        self.run += 1;
    }
}

/// The group, as everybody shares it.
pub struct Nodes {
    inner: Mutex<Inner>,
    pub(super) bug: Bug,
    /// The epoch of a take-over is lost right after the answer.
    pub(super) lose_epoch: bool,
    pub(super) recorder: Recorder,
}

/// The fate of a write at the master.
enum Answer {
    Ok { index: usize, run: u64 },
    Err(StoreError),
}

impl Nodes {
    pub fn new(seed: u64, plan: &Plan, recorder: Recorder) -> Arc<Self> {
        let Plan { lossy, bug, lose_epoch, forgets, .. } = *plan;
        let nodes = [Node::default(), Node::default(), Node::default()];
        let inner = Inner {
            nodes,
            master: 0,
            run: 0,
            dice: Dice::new(seed),
            lossy,
            acknowledged: 0,
            highest: 0,
            stale: 0,
            forgets,
        };
        Arc::new(Self { inner: Mutex::new(inner), bug, lose_epoch, recorder })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No message is lost from now on.
    pub fn calm(&self) {
        self.lock().lossy = 0;
    }

    /// Returns the group's state in the end.
    pub fn commits(&self) -> Vec<Arc<Commit>> {
        let inner = self.lock();
        inner.nodes[inner.master].commits.clone()
    }

    /// The master dies with all that it has not passed on.
    pub fn kill_master(&self) {
        let mut inner = self.lock();
        let master = inner.master;
        inner.nodes[master].down = true;
        inner.run += 1;
    }

    /// The master is alone, and still takes itself for one.
    pub fn cut_master(&self) {
        let mut inner = self.lock();
        let master = inner.master;
        inner.nodes[master].alone = true;
        inner.run += 1;
    }

    /// The two Sentinels that see each other promote the replica with the most data. With `behind`, the other one:
    /// acknowledged writes may be lost, as when a killed master comes back with a shorter file.
    pub fn fail_over(&self, behind: bool) {
        let mut inner = self.lock();
        let old = inner.master;
        if !inner.nodes[old].down && !inner.nodes[old].alone {
            return;
        }
        let mut replicas: Vec<usize> = (0..3).filter(|node| *node != old).collect();
        replicas.sort_by_key(|node| inner.nodes[*node].writes.len());
        let [less, more] = replicas[..] else { return };
        let (master, other) = if behind { (less, more) } else { (more, less) };
        let list = inner.nodes[master].clone();
        inner.nodes[other].copy(&list);
        inner.master = master;
        inner.run += 1;
    }

    /// The old master returns, and follows the new one.
    pub fn heal(&self) {
        let mut inner = self.lock();
        let master = inner.nodes[inner.master].clone();
        for node in &mut inner.nodes {
            if node.down || node.alone {
                node.copy(&master);
                (node.down, node.alone) = (false, false);
            }
        }
    }

    /// Commits that were taken from a pod which had a successor, because the store had lost that one's epoch.
    pub fn stale(&self) -> u64 {
        self.lock().stale
    }

    /// Whether a commit was acknowledged since the last failover.
    pub fn is_whole(&self) -> bool {
        let inner = self.lock();
        inner.acknowledged == inner.run
    }

    /// Which node a pod reaches as master. A pod that is cut off with the old one reaches that.
    pub(super) fn master_of(inner: &Inner, cut: bool) -> Option<usize> {
        let old = (0..3).find(|node| inner.nodes[*node].alone);
        match old {
            Some(old) if cut => Some(old),
            None if cut => None,
            _ => Some(inner.master).filter(|node| !inner.nodes[*node].down && !inner.nodes[*node].alone),
        }
    }

    fn write(&self, write: &Write, cut: bool) -> Answer {
        let mut inner = self.lock();
        let Some(at) = Self::master_of(&inner, cut) else {
            return Answer::Err(StoreError::Unavailable("no master".into()));
        };
        let run = inner.run;
        let node = &mut inner.nodes[at];
        let check = self.bug != Bug::SkipEpochCheck;
        let head = node.head();
        let epoch = match write {
            Write::Epoch(epoch) => *epoch,
            Write::Commit(commit) => commit.epoch,
        };
        let admitted = match write {
            Write::Epoch(epoch) if check && head.epoch > *epoch => {
                Err(StoreError::Fenced { highest: head.epoch })
            }
            Write::Epoch(_) => Ok(()),
            // Without the check, any process with the next number may write.
            Write::Commit(commit) if !check => match head.commit {
                at if at == commit.number || at + 1 == commit.number => Ok(()),
                at => Err(StoreError::Conflict { at, written: head.written, offered: commit.number }),
            },
            Write::Commit(commit) => head.admit(commit).map(drop),
        };
        if let Err(error) = admitted {
            return Answer::Err(error);
        }
        node.write(write.clone());
        let index = node.writes.len();
        inner.highest = inner.highest.max(epoch);
        inner.stale += u64::from(inner.highest > epoch);
        Answer::Ok { index, run }
    }

    /// Replicates the master's writes to each replica at its own pace; signals when the first has them.
    async fn replicate(self: &Arc<Self>, index: usize, run: u64, cut: bool) -> u64 {
        let mut lags = {
            let mut inner = self.lock();
            [inner.dice.roll(12) + 1, inner.dice.roll(80) + 1]
        };
        lags.sort_unstable();
        let first = {
            let mut inner = self.lock();
            let swap = inner.dice.one_in(2);
            usize::from(swap)
        };
        let shared = self.clone();
        let copy = move |which: usize| {
            let mut inner = shared.lock();
            let Some(master) = Self::master_of(&inner, cut).filter(|_| inner.run == run) else {
                return false;
            };
            let replicas: Vec<usize> = (0..3).filter(|node| *node != master).collect();
            let at = replicas[which];
            if inner.nodes[master].alone || inner.nodes[at].down || inner.nodes[at].alone {
                return false;
            }
            let list = inner.nodes[master].clone();
            inner.nodes[at].follow(&list, index);
            true
        };
        sleep(Duration::from_millis(lags[0])).await;
        let acknowledged = u64::from(copy(first));
        tokio::spawn(async move {
            sleep(Duration::from_millis(lags[1] - lags[0])).await;
            copy(1 - first);
        });
        acknowledged
    }

    pub(super) async fn run(self: &Arc<Self>, write: Write, cut: bool) -> Result<(), StoreError> {
        let (there, fate) = {
            let mut inner = self.lock();
            let there = Duration::from_millis(inner.dice.roll(4));
            let lossy = inner.lossy;
            (there, if lossy > 0 && inner.dice.one_in(lossy) { inner.dice.roll(4) } else { 4 })
        };
        sleep(there).await;
        let is_commit = matches!(write, Write::Commit(_));
        let unknown = |what: &str| StoreError::Unknown(what.to_owned());
        match fate {
            0 => {
                sleep(TIMEOUT).await;
                return Err(unknown("the request was lost"));
            }
            1 => {
                // The write arrives late, when nobody waits for it any more.
                let late = self.clone();
                tokio::spawn(async move {
                    sleep(TIMEOUT * 3).await;
                    if let Answer::Ok { index, run } = late.write(&write, cut) {
                        late.replicate(index, run, cut).await;
                    }
                });
                sleep(TIMEOUT).await;
                return Err(unknown("the request is late"));
            }
            2 => return Err(StoreError::Unavailable("no connection".into())),
            _ => {}
        }
        let (index, run) = match self.write(&write, cut) {
            Answer::Ok { index, run } => (index, run),
            Answer::Err(error) => return Err(error),
        };
        let acknowledged = if self.bug == Bug::SkipWait {
            let late = self.clone();
            tokio::spawn(async move { late.replicate(index, run, cut).await });
            1
        } else {
            self.replicate(index, run, cut).await
        };
        if fate == 3 {
            return Err(unknown("the answer was lost"));
        }
        if acknowledged == 0 {
            return Err(StoreError::ShortOfReplicas { acknowledged, wanted: 1 });
        }
        if is_commit {
            self.lock().acknowledged = run;
        }
        Ok(())
    }
}
