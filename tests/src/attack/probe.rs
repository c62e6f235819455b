//! An uninvolved client that repeats a request during an attack.

use super::wire;
use anyhow::Context;
use purr_runtime::CancellationToken;
use rustls::ClientConfig;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{task::JoinHandle, time::sleep};

const EVERY: Duration = Duration::from_millis(200);

/// The results of the requests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probed {
    pub asked: u64,
    pub refused: u64,
}

pub(super) struct Probe {
    stop: CancellationToken,
    task: JoinHandle<Probed>,
}

impl Probe {
    /// Sends the request to each gateway in turn, each time over a new connection.
    pub fn start(tls: Arc<ClientConfig>, gateways: Vec<SocketAddr>, request: String) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut probed = Probed::default();
            for gateway in gateways.iter().cycle() {
                let asking = async {
                    let stream = wire::dial(&tls, wire::BYSTANDER, *gateway).await?;
                    wire::ask(stream, &request).await
                };
                let status = tokio::select! {
                    () = stopped.cancelled() => break,
                    answer = asking => answer.map_or(0, |(status, _)| status),
                };
                probed.asked += 1;
                probed.refused += u64::from(!matches!(status, 101 | 200));
                sleep(EVERY).await;
            }
            probed
        });
        Self { stop, task }
    }

    pub async fn end(self) -> anyhow::Result<Probed> {
        self.stop.cancel();
        self.task.await.context("the probe")
    }
}
