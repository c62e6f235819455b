//! The loop: read, store, acknowledge, in this order and for ever.

use crate::{batch::Fate, database::Database, metrics::Metrics};
use purr_runtime::{BackOff, CancellationToken, Delays, Readiness};
use purr_store::{HandReader, StoredHand};
use std::time::Duration;
use tokio::time::Instant;

pub const POSTGRES: &str = "postgres";
pub const REDIS: &str = "redis";

/// First and longest pause after a failure.
const RETRY: Delays = Delays::new(Duration::from_millis(200), Duration::from_secs(10));
/// How often gauges and readiness are updated.
const REFRESH: Duration = Duration::from_secs(5);
/// A consumer that has not acknowledged a hand for this long counts as gone.
const ABANDONED: Duration = Duration::from_secs(60);

/// The parts of one replica.
pub struct Ingest {
    pub database: Database,
    pub metrics: Metrics,
    pub readiness: Readiness,
    pub stop: CancellationToken,
    /// Whether this reader reads the default store group, which decides the program's readiness. Failures of other
    /// groups are logged and counted, because history can be served without them.
    pub is_default: bool,
}

impl Ingest {
    pub async fn run(self, mut reader: HandReader) {
        if !self.migrate().await {
            return;
        }
        let mut back_off = BackOff::new(RETRY);
        let mut refreshed: Option<Instant> = None;
        let mut waiting = 0;
        loop {
            // Entries that were read and not acknowledged are read again, so a read may be cut off anywhere.
            let read = tokio::select! {
                read = self.step(&mut reader, &mut refreshed, &mut waiting) => read,
                () = self.stop.cancelled() => return,
            };
            let batch = match read {
                Ok(batch) => batch,
                Err(error) => {
                    if self.is_default {
                        self.readiness.not_ready(REDIS, error.to_string());
                    } else {
                        tracing::warn!(%error, "a store group's hands cannot be read");
                    }
                    self.metrics.retries.inc();
                    if back_off.wait(&self.stop).await {
                        continue;
                    }
                    return;
                }
            };
            if self.is_default {
                self.readiness.ready(REDIS);
            }
            back_off.reset();
            if batch.is_empty() {
                continue;
            }
            if self.store(&batch).await.is_none() {
                return;
            }
            let ids: Vec<String> = batch.into_iter().map(|hand| hand.id).collect();
            if let Err(error) = reader.acknowledge(&ids).await {
                // The hands are delivered again, and are duplicates then.
                tracing::warn!(%error, "hands were stored, but could not be acknowledged to the store");
            }
        }
    }

    async fn step(
        &self,
        reader: &mut HandReader,
        refreshed: &mut Option<Instant>,
        waiting: &mut i64,
    ) -> Result<Vec<StoredHand>, purr_store::StoreError> {
        if refreshed.is_none_or(|at| at.elapsed() >= REFRESH) {
            *refreshed = Some(Instant::now());
            self.look().await;
            // The gauge is the sum over all groups.
            let now = i64::try_from(reader.waiting().await?).unwrap_or(i64::MAX);
            self.metrics.waiting.add(now - *waiting);
            *waiting = now;
            let claimed = reader.claim_abandoned(ABANDONED).await?;
            if claimed > 0 {
                tracing::info!(claimed, "took over unfinished hands of a consumer that is gone");
            }
        }
        reader.read().await
    }

    /// Checks that the database answers, and whether hands are missing.
    async fn look(&self) {
        match self.database.missing().await {
            Ok(missing) => {
                self.metrics.missing.set(missing);
                self.readiness.ready(POSTGRES);
            }
            Err(error) => self.readiness.not_ready(POSTGRES, error.to_string()),
        }
    }

    async fn migrate(&self) -> bool {
        let mut back_off = BackOff::new(RETRY);
        loop {
            match self.database.migrate().await {
                Ok(()) => {
                    self.readiness.ready(POSTGRES);
                    return true;
                }
                Err(error) => self.readiness.not_ready(POSTGRES, error.to_string()),
            }
            if !back_off.wait(&self.stop).await {
                return false;
            }
        }
    }

    /// Tries until the batch is stored; `None`: stopped before that.
    pub async fn store(&self, batch: &[StoredHand]) -> Option<Vec<Fate>> {
        let mut back_off = BackOff::new(RETRY);
        loop {
            match self.database.ingest(batch).await {
                Ok(fates) => {
                    self.readiness.ready(POSTGRES);
                    self.metrics.count(&fates);
                    for (hand, fate) in batch.iter().zip(&fates) {
                        tell(hand, fate);
                    }
                    return Some(fates);
                }
                Err(error) => self.readiness.not_ready(POSTGRES, error.to_string()),
            }
            self.metrics.retries.inc();
            if !back_off.wait(&self.stop).await {
                return None;
            }
        }
    }
}

fn tell(stored: &StoredHand, fate: &Fate) {
    let StoredHand { id, table, hand, hash, record: _ } = stored;
    match fate {
        Fate::Stored | Fate::Duplicate => tracing::debug!(table, hand, hash, ?fate, "record"),
        Fate::Conflict => tracing::error!(table, hand, hash, "a second record of a hand"),
        Fate::Quarantined(reason) => tracing::error!(id, table, hand, reason, "no record: quarantined"),
    }
}
