//! Events of sign-ins and of staff's access, reported to records in the background: requests never wait for it.
//!
//! The queue is bounded. Events that do not fit while records is away are lost (staff's access is also in the gateway's
//! log), counted in `purr_gateway_events_lost_total`, and logged once per outage.

use super::Caller;
use crate::metrics::Metrics;
use http::Method;
use purr_engine::PlayerId;
use purr_runtime::{CancellationToken, InternalClient};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::sync::mpsc;

/// Sign-ins that wait for records.
const QUEUE_MAX: usize = 1_024;
/// Sign-ins of one report.
const AT_ONCE: usize = 100;
/// Characters of a path that are kept.
const PATH_MAX: usize = 200;
const WAIT: Duration = Duration::from_secs(5);
/// Between two tries while records does not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// How somebody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Way {
    Wallet,
    Outside,
    /// An outside identity that was linked by this sign-in.
    Linked,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    id: String,
    kind: &'static str,
    at_ms: u64,
    data: Value,
}

/// The sending half: queues events.
pub struct Reported {
    queue: mpsc::Sender<Event>,
    losing: AtomicBool,
    metrics: Metrics,
}

/// The background task that sends events to records.
pub struct Reporter {
    queue: mpsc::Receiver<Event>,
    metrics: Metrics,
}

pub fn reported(metrics: Metrics) -> (Reported, Reporter) {
    let (queue, waiting) = mpsc::channel(QUEUE_MAX);
    (
        Reported { queue, losing: AtomicBool::new(false), metrics: metrics.clone() },
        Reporter { queue: waiting, metrics },
    )
}

impl Reported {
    /// Queues an event of a sign-in; never waits.
    pub(crate) fn sign_in(&self, sid: &str, player: PlayerId, way: Way, at_ms: u64) {
        let data = json!({ "player": player, "way": way });
        self.tell(Event { id: sid.to_owned(), kind: "signIn", at_ms, data });
    }

    /// Queues an event of staff's access or action; never waits.
    pub(crate) fn staff(&self, id: String, by: &Caller, method: &Method, path: &str, at_ms: u64) {
        let path: String = path.chars().take(PATH_MAX).collect();
        tracing::info!(target: "purr_gateway::access", by = %by.player, %method, path, "staff");
        let data = json!({ "by": by.player, "roles": by.roles, "method": method.as_str(), "path": path });
        self.tell(Event { id, kind: "staffAccess", at_ms, data });
    }

    fn tell(&self, event: Event) {
        let lost = self.queue.try_send(event).is_err();
        if lost {
            self.metrics.event_lost();
        }
        if lost && !self.losing.swap(lost, Ordering::Relaxed) {
            tracing::warn!(
                waiting = QUEUE_MAX,
                "the records service does not answer: events about sign-ins are lost"
            );
        } else if !lost {
            self.losing.store(false, Ordering::Relaxed);
        }
    }
}

impl Reporter {
    /// Sends reports until stopped; a failed report is repeated with the same ids.
    pub async fn run(mut self, records: InternalClient, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(AT_ONCE);
        loop {
            tokio::select! {
                got = self.queue.recv_many(&mut batch, AT_ONCE) => if got == 0 { return },
                () = stop.cancelled() => return,
            }
            while !batch.is_empty() {
                match self.report(&records, &batch).await {
                    Ok(()) => batch.clear(),
                    Err(error) => {
                        tracing::debug!(%error, "sign-ins are not reported yet");
                        tokio::select! {
                            () = tokio::time::sleep(PAUSE) => {}
                            () = stop.cancelled() => return,
                        }
                    }
                }
            }
        }
    }

    async fn report(&self, records: &InternalClient, batch: &[Event]) -> anyhow::Result<()> {
        let body = serde_json::to_vec(&json!({ "events": batch }))?;
        let (status, _) = records.raw(Method::POST, "/v1/events", body.into(), WAIT).await?;
        if status.is_client_error() {
            // An earlier release of records does not have this path, and would refuse the same report again.
            tracing::debug!(%status, "records does not take sign-ins");
            batch.iter().for_each(|_| self.metrics.event_lost());
            return Ok(());
        }
        anyhow::ensure!(status.is_success(), "records answered {status}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sign_in_never_waits_and_what_does_not_fit_is_counted() {
        let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
        let (reported, mut reporter) = reported(metrics.clone());
        for n in 0..QUEUE_MAX + 3 {
            reported.sign_in(&n.to_string(), PlayerId([1; 20]), Way::Wallet, 7);
        }
        assert_eq!(metrics.events_lost(), 3);
        let first = reporter.queue.recv().await.unwrap();
        assert_eq!((first.id.as_str(), first.at_ms), ("0", 7));
        assert_eq!((first.kind, &first.data["way"]), ("signIn", &json!("wallet")));
        reported.sign_in("again", PlayerId([1; 20]), Way::Wallet, 8);
        assert_eq!(metrics.events_lost(), 3);
    }
}
