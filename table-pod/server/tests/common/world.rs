//! Starts processes that take a table over, one after the other as successors do, or a second one by mistake.

use purr_protocol::{TableSpec, settlement::OpenTable};
use purr_runtime::{CancellationToken, Readiness};
use purr_store::{DataKeys, Sealer, Store};
use purr_table::{
    actor::{Actor, Handle, Stopped, TakeOver},
    core::{Pace, Recording},
    metrics::Metrics,
    play_money::PlayMoney,
    signer::Signer,
    snapshot::Format,
};
use std::sync::Arc;
use tokio::task::JoinHandle;

pub struct World {
    pub store: Arc<dyn Store>,
    pub signer: Arc<PlayMoney>,
    /// Replaces the default signer.
    pub other_signer: Option<Arc<dyn Signer>>,
    pub keys: Arc<DataKeys>,
    pub epoch: u64,
    /// Format of snapshots of processes started from now on.
    pub format: Format,
    /// Metrics that all processes of the world share.
    pub metrics: Metrics,
    spec: TableSpec,
}

impl World {
    pub fn new(spec: TableSpec, store: Arc<dyn Store>) -> Self {
        let keys = Arc::new(DataKeys::ephemeral([1; 32]));
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        Self {
            store,
            signer: Arc::default(),
            other_signer: None,
            keys,
            epoch: 0,
            format: Format::default(),
            metrics,
            spec,
        }
    }

    pub fn sealer(&self) -> Sealer {
        Sealer::new(self.keys.clone(), "t")
    }

    /// Starts another process, which takes the table over.
    pub async fn start(&mut self) -> (Handle, CancellationToken, JoinHandle<Result<(), Stopped>>) {
        let actor = self.try_start().await.unwrap();
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
            signer: self.other_signer.clone().unwrap_or_else(|| self.signer.clone()),
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
