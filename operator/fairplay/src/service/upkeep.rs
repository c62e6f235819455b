//! Maintenance once a minute: checks the hash chain of openings, measures how long cases have waited, and deletes texts
//! of cleared cases after their retention.

use super::{
    database::{Database, DatabaseError, db, now_ms},
    metrics::Metrics,
    openings::Checked,
};
use purr_runtime::CancellationToken;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const EVERY: Duration = Duration::from_secs(60);
/// Steps of the log's check in one round, 5,000 rows each.
const STEPS_MAX: usize = 20;
/// Time after which the whole log is checked again.
const AGAIN_AFTER: Duration = Duration::from_secs(86_400);

pub struct Upkeep {
    pub database: Database,
    pub metrics: Metrics,
    /// How long texts and hands of cleared cases are kept.
    pub cleared: Duration,
    pub stop: CancellationToken,
}

/// Progress of the check of the log.
struct Check {
    begun: Instant,
    at: Checked,
    /// The newest row that an earlier pass has seen: it must not change.
    known: Checked,
}

impl Upkeep {
    /// Runs until stopped; retries failures in the next round.
    pub async fn run(self) {
        let mut check = Check { begun: Instant::now(), at: Checked::default(), known: Checked::default() };
        loop {
            for done in [self.check_log(&mut check).await, self.cases().await, self.redact().await] {
                match done {
                    Ok(()) => {}
                    Err(error @ DatabaseError::Chain(_)) => {
                        tracing::error!(%error, "ALARM: the log of openings");
                        self.metrics.log_broken.set(1);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "upkeep");
                        self.metrics.retries.inc();
                    }
                }
            }
            tokio::select! {
                () = sleep(EVERY) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    async fn check_log(&self, check: &mut Check) -> Result<(), DatabaseError> {
        self.database.still_there(check.known).await?;
        for _ in 0..STEPS_MAX {
            let next = self.database.verify_more(check.at).await?;
            let ended = next == check.at;
            check.at = next;
            if check.at.count > check.known.count {
                check.known = check.at;
            }
            self.metrics.log_checked.set(check.at.count);
            if ended {
                if check.begun.elapsed() >= AGAIN_AFTER {
                    (check.begun, check.at) = (Instant::now(), Checked::default());
                }
                break;
            }
        }
        Ok(())
    }

    async fn cases(&self) -> Result<(), DatabaseError> {
        self.metrics.waiting(&self.database.waiting_since().await?, db(now_ms()));
        self.metrics.cases(&self.database.case_counts().await?);
        Ok(())
    }

    async fn redact(&self) -> Result<(), DatabaseError> {
        let kept_ms = u64::try_from(self.cleared.as_millis()).unwrap_or(u64::MAX);
        let redacted = self.database.redact_cleared(now_ms().saturating_sub(kept_ms)).await?;
        if redacted > 0 {
            tracing::info!(redacted, "cleared cases are past their retention");
        }
        Ok(())
    }
}
