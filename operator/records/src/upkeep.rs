//! Periodic work beside reading the stream: making partitions, moving bodies, counting hands that arrived late, filling
//! rows of earlier releases, summing counters, and retention.

use crate::{
    database::{Database, DatabaseError},
    day::{Day, today},
};
use purr_runtime::CancellationToken;
use std::time::Duration;

/// Interval of the maintenance.
const EVERY: Duration = Duration::from_secs(60);
/// Pause between two batches of this work, so that the stream is read first.
const BREATH: Duration = Duration::from_millis(20);
const MOVED_AT_ONCE: i64 = 200;
const FILLED_AT_ONCE: i64 = 500;
const SUMMED_AT_ONCE: i64 = 50;
/// Interval at which committed events are moved into the stream.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// Days that each kind of data is kept; 0: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    pub bodies_days: u32,
    pub events_days: u32,
}

/// Runs until stopped.
pub(crate) async fn run(database: Database, retention: Retention, stop: CancellationToken) {
    loop {
        let pause = match once(&database, retention).await {
            Ok(true) => BREATH,
            Ok(false) => EVERY,
            Err(error) => {
                // The ingest loop reports whether the database answers.
                tracing::warn!(%error, "upkeep");
                EVERY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Does a bounded part of the work; returns whether there is more to do.
async fn once(
    database: &Database,
    Retention { bodies_days, events_days }: Retention,
) -> Result<bool, DatabaseError> {
    let today = today();
    database.ensure_ahead(today).await?;
    if bodies_days > 0 {
        let dropped = database.drop_bodies_before(before(today, bodies_days)).await?;
        if dropped > 0 {
            tracing::info!(dropped, bodies_days, "days of hand records dropped");
        }
    }
    if events_days > 0 {
        let dropped = database.drop_events_before(before(today, events_days)).await?;
        if dropped > 0 {
            tracing::info!(dropped, events_days, "days of events dropped");
        }
    }
    let (moved, counted) = (database.move_bodies(MOVED_AT_ONCE).await?, database.recount().await?);
    let filled = database.fill_players(FILLED_AT_ONCE).await?;
    let summed = database.sum_blocks(today, SUMMED_AT_ONCE).await?;
    Ok(moved + counted + filled + summed > 0)
}

fn before(today: Day, days: u32) -> Day {
    today - Day::try_from(days).unwrap_or(Day::MAX / 2)
}

/// Moves events into the stream until stopped. Every replica does; one at a time writes.
pub(crate) async fn publish(database: Database, stop: CancellationToken) {
    loop {
        let pause = match database.publish(today()).await {
            Ok(0) => PUBLISH_EVERY,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(%error, "events are not published yet");
                EVERY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}
