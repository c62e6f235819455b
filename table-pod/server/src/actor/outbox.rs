//! Sends the entries of the table's outbox to the signer, in order, and repeats each until it is accepted.

use super::Handle;
use crate::{
    core::{ConnectionId, Input},
    signer::{Signer, SignerError},
};
use purr_protocol::settlement::{Entry, Notice, NoticeState, Reserve};
use purr_runtime::{BackOff, CancellationToken, Delays};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

const RETRY: Delays = Delays::new(Duration::from_millis(100), Duration::from_secs(5));
/// Entries in one request.
const BATCH_MAX: usize = 32;

/// Entries that the signer does not have yet, as of the last durable step.
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
    let mut back_off = BackOff::new(RETRY);
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
                back_off.reset();
                done = through;
                handle.input(Input::Accepted { through }).await;
            }
            Err(SignerError::Fenced) => {
                return tracing::error!("fenced by the signer: nothing more is delivered");
            }
            Err(error) => {
                tracing::warn!(%error, first = batch[0].seq, "entries not delivered");
                if !back_off.wait(&end).await {
                    return;
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

/// Requests a reservation of a player's chips repeatedly for as long as the seat is held; the answer comes back as an
/// input.
pub(super) async fn reserve(
    handle: Handle,
    signer: Arc<dyn Signer>,
    connection: ConnectionId,
    id: u64,
    request: Reserve,
    hold: Duration,
) {
    let until = Instant::now() + hold;
    let mut back_off = BackOff::new(RETRY);
    let refused = loop {
        match signer.reserve(&request).await {
            Ok(()) => break None,
            // The reservation may have been made all the same: only a repetition can tell.
            Err(SignerError::Unavailable(why)) if Instant::now() + back_off.peek() < until => {
                tracing::warn!(why, "reservation");
                sleep(back_off.next_wait()).await;
            }
            Err(error) => break Some(error.to_string()),
        }
    };
    handle.input(Input::Reserved { connection, id, request: Box::new(request), refused }).await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;
    use crate::{actor::Message, play_money::PlayMoney};
    use async_trait::async_trait;
    use purr_engine::{PlayerId, SeatIndex};
    use purr_protocol::settlement::{Fenced, OpenTable, Permit, TableStatus};
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::mpsc;

    /// Answers a reservation only after a number of time-outs, or with a refusal.
    struct Slow {
        inner: PlayMoney,
        timeouts: AtomicU32,
        refuses: bool,
    }

    #[async_trait]
    impl Signer for Slow {
        async fn open(&self, table: &OpenTable) -> Result<TableStatus, SignerError> {
            self.inner.open(table).await
        }
        async fn fence(&self, epoch: u64) -> Result<Fenced, SignerError> {
            self.inner.fence(epoch).await
        }
        async fn reserve(&self, request: &Reserve) -> Result<(), SignerError> {
            if self.refuses {
                return Err(SignerError::Refused("no funds".into()));
            }
            match self.timeouts.load(Ordering::SeqCst) {
                0 => self.inner.reserve(request).await,
                left => {
                    self.timeouts.store(left - 1, Ordering::SeqCst);
                    Err(SignerError::Unavailable("timed out".into()))
                }
            }
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

    /// The answer that the table gets, and after how long.
    async fn ask(timeouts: u32, refuses: bool) -> (Option<String>, Duration) {
        let (sender, mut inbox) = mpsc::channel(1);
        let (guests, _none) = mpsc::channel(1);
        let (_roster, roster) = watch::channel(Arc::from([]));
        let handle =
            Handle { inbox: sender, guests, roster, changed: Arc::default(), started: Instant::now() };
        let permit =
            Permit { amount: 1, max_total_rake: 1, expiry_s: 600, nonce: 1, signature: String::new() };
        let (seat, player) = (SeatIndex(0), PlayerId([1; 20]));
        let request = Reserve { epoch: 1, seat, player, permit, top_up: false };
        let signer = Slow { inner: PlayMoney::default(), timeouts: AtomicU32::new(timeouts), refuses };
        let terms = OpenTable {
            epoch: 1,
            seats: 2,
            big_blind: 2,
            rake_basis_points: 0,
            rake_cap: 0,
            max_hands: 1,
            max_delay_ms: 0,
        };
        signer.open(&terms).await.unwrap();
        let begun = Instant::now();
        reserve(handle, Arc::new(signer), 1, 1, request, Duration::from_secs(30)).await;
        match inbox.recv().await.unwrap() {
            Message::Input(Input::Reserved { refused, .. }) => (refused, begun.elapsed()),
            _ => (Some("another input".into()), begun.elapsed()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reservation_that_timed_out_is_asked_for_again_as_long_as_the_hold() {
        assert_eq!(ask(4, false).await.0, None);
        let (refused, after) = ask(u32::MAX, false).await;
        assert!(refused.is_some());
        assert!((20..=30).contains(&after.as_secs()), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reservation_that_is_refused_is_not_asked_for_again() {
        assert_eq!(ask(0, true).await, (Some("no funds".into()), Duration::ZERO));
    }
}
