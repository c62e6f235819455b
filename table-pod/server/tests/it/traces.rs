//! Traces: a player's request and the calls to the signer that it causes belong to one trace.

use crate::{common, world::World};
use async_trait::async_trait;
use purr_engine::PlayerId;
use purr_protocol::{
    pb::{self, client_message::Body as Ask},
    settlement::{Entry, Fenced, Notice, OpenTable, Reserve, TableStatus},
    timing::Rtt,
};
use purr_runtime::trace;
use purr_store::MemoryStore;
use purr_table::{
    play_money::PlayMoney,
    signer::{Signer, SignerError},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

const CAUSE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A signer that reports the trace in which it was asked for chips.
struct Watched {
    inner: PlayMoney,
    asked: mpsc::Sender<Option<String>>,
}

#[async_trait]
impl Signer for Watched {
    async fn open(&self, table: &OpenTable) -> Result<TableStatus, SignerError> {
        self.inner.open(table).await
    }
    async fn fence(&self, epoch: u64) -> Result<Fenced, SignerError> {
        self.inner.fence(epoch).await
    }
    async fn reserve(&self, request: &Reserve) -> Result<(), SignerError> {
        self.asked.try_send(trace::current().map(|step| step.to_string())).unwrap();
        self.inner.reserve(request).await
    }
    async fn submit(&self, epoch: u64, entries: &[Entry]) -> Result<u64, SignerError> {
        self.inner.submit(epoch, entries).await
    }
    async fn entries(&self, after: u64) -> Result<Vec<Entry>, SignerError> {
        self.inner.entries(after).await
    }
    async fn notices(&self, after: u64) -> Result<Vec<Notice>, SignerError> {
        self.inner.notices(after).await
    }
}

#[tokio::test]
async fn the_signer_is_asked_in_the_trace_in_which_the_player_asked() {
    let mut world = World::new(common::spec("t", common::CONFIG), Arc::new(MemoryStore::default()));
    let (asked, mut heard) = mpsc::channel(16);
    world.other_signer = Some(Arc::new(Watched { inner: PlayMoney::default(), asked }));
    let (handle, _end, _running) = world.start().await;
    for (seat, cause) in [(0, Some(CAUSE)), (1, None)] {
        let player = PlayerId([seat + 1; 20]);
        let attached = handle.attach(player, None).await.unwrap();
        let permit =
            pb::Permit { amount: 1_000, expiry_s: 1_000, signature: vec![1; 65], ..pb::Permit::default() };
        let sit = Ask::Sit(pb::Sit { seat: seat.into(), amount: 1_000, permit: Some(permit) });
        let message = pb::ClientMessage { id: 1, body: Some(sit) };
        let said = handle.ask(attached.connection, player, message, Instant::now(), Rtt::default());
        assert!(trace::within(cause.and_then(|cause| cause.parse().ok()), said).await);
        let trace = timeout(Duration::from_secs(10), heard.recv()).await.unwrap().unwrap();
        match cause {
            Some(cause) => assert_eq!(trace.unwrap()[..36], cause[..36]),
            None => assert_eq!(trace, None),
        }
    }
}
