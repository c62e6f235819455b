//! Processes that take a table over, one after the other, as a successor does or a second one by mistake.

use purr_protocol::{TableSpec, settlement::OpenTable};
use purr_runtime::{CancellationToken, Readiness};
use purr_store::{DataKeys, Sealer, Store};
use purr_table::{
    actor::{Actor, Handle, Stopped, TakeOver},
    core::{Pace, Recording},
    metrics::Metrics,
    play_money::PlayMoney,
    snapshot::Format,
};
use std::sync::Arc;
use tokio::{task::JoinHandle, time::Instant};

pub struct World {
    pub store: Arc<dyn Store>,
    pub signer: Arc<PlayMoney>,
    pub keys: Arc<DataKeys>,
    pub epoch: u64,
    /// Of the processes to come.
    pub format: Format,
    /// Of all processes together.
    pub metrics: Metrics,
    spec: TableSpec,
}

impl World {
    pub fn new(spec: TableSpec, store: Arc<dyn Store>) -> Self {
        let keys = Arc::new(DataKeys::ephemeral([1; 32]));
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        Self { store, signer: Arc::default(), keys, epoch: 0, format: Format::default(), metrics, spec }
    }

    pub fn sealer(&self) -> Sealer {
        Sealer::new(self.keys.clone(), "t")
    }

    /// Another process takes the table over.
    pub async fn start(&mut self) -> (Handle, CancellationToken, JoinHandle<Result<(), Stopped>>) {
        Self::run(self.try_start().await.unwrap())
    }

    /// After a predecessor whose last hand ended then.
    pub async fn start_after(
        &mut self,
        hand_ended: Instant,
    ) -> (Handle, CancellationToken, JoinHandle<Result<(), Stopped>>) {
        let actor = self.try_start().await.unwrap().after_hand(hand_ended);
        Self::run(actor)
    }

    fn run(actor: Actor) -> (Handle, CancellationToken, JoinHandle<Result<(), Stopped>>) {
        let end = CancellationToken::new();
        let handle = actor.handle();
        let running = tokio::spawn(actor.run(end.clone()));
        (handle, end, running)
    }

    pub async fn try_start(&mut self) -> anyhow::Result<Actor> {
        self.epoch += 1;
        let open = OpenTable::from_spec(self.epoch, &self.spec);
        Actor::take_over(TakeOver {
            epoch: self.epoch,
            spec: self.spec.clone(),
            pace: Pace { hand_gap_ms: 500, reveal_ms: 500 },
            sealer: self.sealer(),
            store: self.store.clone(),
            signer: self.signer.clone(),
            recording: Recording::default(),
            format: self.format,
            sessions: None,
            metrics: self.metrics.clone(),
            readiness: Readiness::default(),
            open,
        })
        .await
    }
}
