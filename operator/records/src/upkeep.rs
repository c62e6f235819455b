//! What goes on beside the stream: partitions ahead, bodies that are moved, hands that are counted late, retention.

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

/// Runs until stopped.
pub(crate) async fn run(database: Database, retention_days: u32, stop: CancellationToken) {
    loop {
        let pause = match once(&database, retention_days).await {
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
async fn once(database: &Database, retention_days: u32) -> Result<bool, DatabaseError> {
    let today = today();
    database.ensure_ahead(today).await?;
    if retention_days > 0 {
        let first = today - Day::try_from(retention_days).unwrap_or(Day::MAX / 2);
        let dropped = database.drop_bodies_before(first).await?;
        if dropped > 0 {
            tracing::info!(dropped, retention_days, "days of hand records dropped");
        }
    }
    let (moved, counted) = (database.move_bodies(MOVED_AT_ONCE).await?, database.recount().await?);
    Ok(moved + counted > 0)
}

fn today() -> Day {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    day_of(i64::try_from(ms).unwrap_or(i64::MAX))
}
