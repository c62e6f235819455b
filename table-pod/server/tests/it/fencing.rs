//! Two processes run one table on a store that loses commits: the newest epoch that has sent events wins.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;
use crate::world;

use async_trait::async_trait;
use purr_engine::PlayerId;
use purr_protocol::pb::{self, client_message::Body as Ask, server_message::Body};
use purr_store::{Commit, MemoryStore, Recovered, Store, StoreError};
use purr_table::{
    actor::{Attached, Handle, Outgoing, Stopped},
    core::Input,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use world::World;

#[derive(Clone)]
enum Write {
    Epoch(String, u64),
    Commit(Box<Commit>),
}

/// A store that can lose its last writes, as in a failover.
#[derive(Default)]
struct Forgetful {
    master: Mutex<Arc<MemoryStore>>,
    writes: Mutex<Vec<Write>>,
}

impl Forgetful {
    fn master(&self) -> Arc<MemoryStore> {
        self.master.lock().unwrap().clone()
    }

    fn written(&self) -> usize {
        self.writes.lock().unwrap().len()
    }

    /// Reduces the store to its first `count` writes.
    async fn go_back_to(&self, count: usize) {
        let left = {
            let mut writes = self.writes.lock().unwrap();
            writes.truncate(count);
            writes.clone()
        };
        let master = MemoryStore::default();
        for write in left {
            match write {
                Write::Epoch(table, epoch) => drop(master.take_over(&table, epoch).await.unwrap()),
                Write::Commit(commit) => master.commit(&commit).await.unwrap(),
            }
        }
        *self.master.lock().unwrap() = Arc::new(master);
    }
}

#[async_trait]
impl Store for Forgetful {
    async fn take_over(&self, table: &str, epoch: u64) -> Result<Recovered, StoreError> {
        let found = self.master().take_over(table, epoch).await?;
        self.writes.lock().unwrap().push(Write::Epoch(table.to_owned(), epoch));
        Ok(found)
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        self.master().commit(commit).await?;
        self.writes.lock().unwrap().push(Write::Commit(Box::new(commit.clone())));
        Ok(())
    }
}

fn world(store: &Arc<Forgetful>) -> World {
    World::new(common::spec("fencing", common::CONFIG), store.clone())
}

const PLAYER: PlayerId = PlayerId([7; 20]);

/// The test's player, connected to one of the processes.
struct Client {
    handle: Handle,
    attached: Attached,
}

/// Ids are never used again, because the table would recognise the command.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

impl Client {
    async fn attach(handle: &Handle) -> Self {
        Self { handle: handle.clone(), attached: handle.attach(PLAYER, None).await.unwrap() }
    }

    /// Sends a request; returns whether the process still runs afterwards.
    async fn ask(&mut self, body: Ask) -> bool {
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        let message = pb::ClientMessage { id, body: Some(body) };
        let connection = self.attached.connection;
        self.handle.input(Input::Message { connection, player: PLAYER, message }).await;
        self.handle.drain_status().await.is_some()
    }

    /// Makes one commit; returns whether it succeeded.
    async fn goes_out(&mut self) -> bool {
        self.ask(Ask::SitOut(pb::SitOut {})).await
    }

    async fn comes_back(&mut self) -> bool {
        self.ask(Ask::SitIn(pb::SitIn { post: false })).await
    }

    async fn sits_down(&mut self) {
        let permit = pb::Permit {
            amount: 1_000,
            max_total_rake: 9,
            expiry_s: 1_000,
            nonce: 0,
            signature: vec![0; 65],
        };
        self.ask(Ask::Sit(pb::Sit { seat: 0, amount: 1_000, permit: Some(permit) })).await;
        let seated = async {
            while self.handle.drain_status().await.unwrap().seated == 0 {
                self.handle.changed().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), seated).await.unwrap();
        // Waits until the state adopted from the journal is stored too; then nothing is written without a request.
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_went_back_beyond_what_is_kept_ends_the_table_with_an_error() {
    let store = Arc::new(Forgetful::default());
    let mut world = world(&store);
    let (handle, end, running) = world.start().await;
    let mut client = Client::attach(&handle).await;
    client.sits_down().await;
    // This process has made every commit, so it restores all of them.
    store.go_back_to(0).await;
    assert!(client.goes_out().await);
    end.cancel();
    assert!(running.await.unwrap().is_ok());

    // The next process does not stop.
    let (handle, _, running) = world.start().await;
    let mut client = Client::attach(&handle).await;
    store.go_back_to(0).await;
    assert!(!client.comes_back().await);
    let failed = running.await.unwrap().unwrap_err();
    assert!(matches!(&failed, Stopped::Failed(_)), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_another_process_took_ends_as_fenced() {
    let store = Arc::new(Forgetful::default());
    let mut world = world(&store);
    let (first, _, running) = world.start().await;
    let mut client = Client::attach(&first).await;
    client.sits_down().await;
    let (_second, _, _) = world.start().await;
    assert!(!client.goes_out().await);
    assert!(matches!(running.await.unwrap(), Err(Stopped::Fenced)));
}

#[tokio::test(start_paused = true)]
async fn what_an_older_process_wrote_over_lost_commits_is_replaced_by_them() {
    let store = Arc::new(Forgetful::default());
    let mut world = world(&store);
    let (old, _, old_running) = world.start().await;
    let mut of_old = Client::attach(&old).await;
    of_old.sits_down().await;
    let before = store.written();
    let common = store.master().take_over("t", 1).await.unwrap().commit;
    let (new, new_end, new_running) = world.start().await;
    let mut of_new = Client::attach(&new).await;
    assert!(of_new.goes_out().await && of_new.comes_back().await);

    // A failover loses the new epoch with its commits, and the old process has the store to itself.
    store.go_back_to(before).await;
    for _ in 0..3 {
        assert!(of_old.goes_out().await && of_old.comes_back().await);
    }
    let theirs = store.master().take_over("t", 1).await.unwrap();
    assert_eq!((theirs.commit, theirs.epoch), (common + 6, 1));

    assert!(of_new.goes_out().await);
    let found = store.master().take_over("t", 2).await.unwrap();
    // The commits are its first write, the player's attach, and three actions.
    assert_eq!((found.commit, found.epoch), (common + 5, 2));
    let own = found.log.iter().filter(|batch| batch.commit > common);
    assert!(own.clone().count() >= 3 && own.clone().all(|batch| batch.epoch == 2));
    assert!(found.log.windows(2).all(|pair| pair[0].commit < pair[1].commit));

    assert!(!of_old.goes_out().await);
    assert!(matches!(old_running.await.unwrap(), Err(Stopped::Fenced)));
    assert!(of_new.comes_back().await);
    new_end.cancel();
    new_running.await.unwrap().unwrap();
}

/// A store that loses a process's epoch between reading it and the first write, so that its predecessor goes on.
struct Lost {
    store: Arc<Forgetful>,
    old: tokio::sync::Mutex<Client>,
    before: usize,
}

#[async_trait]
impl Store for Lost {
    async fn take_over(&self, table: &str, epoch: u64) -> Result<Recovered, StoreError> {
        let found = self.store.take_over(table, epoch).await?;
        self.store.go_back_to(self.before).await;
        assert!(self.old.lock().await.goes_out().await);
        Ok(found)
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        self.store.commit(commit).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_has_shown_nothing_yet_replaces_nothing() {
    let store = Arc::new(Forgetful::default());
    let mut world = world(&store);
    let (old, _, _) = world.start().await;
    let mut client = Client::attach(&old).await;
    client.sits_down().await;
    let lost = Lost { store: store.clone(), old: client.into(), before: store.written() };
    world.store = Arc::new(lost);
    let failed = world.try_start().await.map(drop).unwrap_err();
    assert!(format!("{failed:#}").contains("another history"), "{failed:#}");
    // The next process continues from what the player was shown.
    world.store = store.clone();
    let (next, ..) = world.start().await;
    let mut client = Client::attach(&next).await;
    let Some(Outgoing::Message(first)) = client.attached.outgoing.recv().await else { panic!("no snapshot") };
    let Some(Body::Snapshot(snapshot)) = first.body else { panic!("no snapshot") };
    assert!(snapshot.seats[0].sitting_out);
}
