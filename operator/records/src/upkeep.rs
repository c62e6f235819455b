//! Work beside the stream: partitions ahead, bodies that are moved, hands that are counted late, rows that are filled, sums of
//! counters, retention.

use crate::{
    database::{Database, DatabaseError},
    partitions::{Day, day_of},
};
use purr_runtime::CancellationToken;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often there is a look at it.
const EVERY: Duration = Duration::from_secs(60);
/// Between two batches while there is more to do: the stream goes first.
const BREATH: Duration = Duration::from_millis(20);
const MOVED_AT_ONCE: i64 = 200;
const FILLED_AT_ONCE: i64 = 500;
const SUMMED_AT_ONCE: i64 = 50;
/// How often there is a look for events that have committed.
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
                // The stream's loop says whether the database is there.
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

/// A bounded piece of the work; true: there is more.
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

pub(crate) fn today() -> Day {
    day_of(now_ms())
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    i64::try_from(ms).unwrap_or(i64::MAX)
}
