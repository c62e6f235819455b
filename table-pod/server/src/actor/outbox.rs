//! Between the table's outbox and the signer: in order, again and again, until it is taken.

use super::Handle;
use crate::{
    core::{ConnectionId, Input},
    signer::{Signer, SignerError},
};
use purr_protocol::settlement::{Entry, Notice, NoticeState, Reserve};
use purr_runtime::CancellationToken;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::sleep};

const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// Entries in one request.
const BATCH_MAX: usize = 32;

/// What the signer does not have yet, as of the last durable step.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    epoch: u64,
    entries: Vec<Entry>,
}

impl Pending {
    /// Says whether anything has changed.
    pub(super) fn update(&mut self, epoch: u64, entries: &[Entry]) -> bool {
        let ends = |list: &[Entry]| (list.first().map(|e| e.seq), list.last().map(|e| e.seq));
        if ends(&self.entries) == ends(entries) {
            return false;
        }
        *self = Self { epoch, entries: entries.to_vec() };
        true
    }
}

pub(super) async fn deliver(
    handle: Handle,
    signer: Arc<dyn Signer>,
    mut pending: watch::Receiver<Pending>,
    end: CancellationToken,
) {
    let mut back_off = BACK_OFF_MIN;
    let mut done = 0;
    loop {
        let Pending { epoch, entries } = pending.borrow_and_update().clone();
        let batch: Vec<Entry> =
            entries.into_iter().filter(|entry| entry.seq > done).take(BATCH_MAX).collect();
        if batch.is_empty() {
            tokio::select! {
                () = end.cancelled() => return,
                changed = pending.changed() => if changed.is_err() { return },
            }
            continue;
        }
        match signer.submit(epoch, &batch).await {
            Ok(through) => {
                back_off = BACK_OFF_MIN;
                done = through;
                handle.input(Input::Accepted { through }).await;
            }
            Err(SignerError::Fenced) => {
                return tracing::error!("fenced by the signer: nothing more is delivered");
            }
            Err(error) => {
                tracing::warn!(%error, first = batch[0].seq, "entries not delivered");
                tokio::select! {
                    () = end.cancelled() => return,
                    () = sleep(back_off) => back_off = (back_off * 2).min(BACK_OFF_MAX),
                }
            }
        }
    }
}

pub(super) async fn listen(
    handle: Handle,
    signer: Arc<dyn Signer>,
    mut after: u64,
    mut confirmed: u64,
    end: CancellationToken,
) {
    loop {
        let news = tokio::select! {
            () = end.cancelled() => return,
            news = signer.notices(after) => news,
        };
        match news {
            Ok(notices) => {
                let last =
                    |state| notices.iter().filter(|n: &&Notice| n.state == state).map(|n| n.seq_to).max();
                confirmed = confirmed.max(last(NoticeState::Confirmed).unwrap_or(0));
                after = after.max(notices.iter().map(|notice| notice.id).max().unwrap_or(0));
                if !notices.is_empty() {
                    tracing::debug!(confirmed, "news from the chain");
                    handle.input(Input::Notices(notices)).await;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "no news");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Asks for a player's chips; the answer comes back as an input.
pub(super) async fn reserve(
    handle: Handle,
    signer: Arc<dyn Signer>,
    connection: ConnectionId,
    id: u64,
    request: Reserve,
) {
    let refused = signer.reserve(&request).await.err().map(|error| error.to_string());
    handle.input(Input::Reserved { connection, id, request: Box::new(request), refused }).await;
}
