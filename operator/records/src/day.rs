//! Days of the calendar, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// Days since 1970, UTC.
pub type Day = i32;
pub(crate) const MS_PER_DAY: i64 = 86_400_000;

/// The day of a moment in milliseconds since 1970.
pub fn day_of(ms: i64) -> Day {
    Day::try_from(ms.div_euclid(MS_PER_DAY)).unwrap_or(Day::MAX - 1)
}

/// The current day.
pub(crate) fn today() -> Day {
    day_of(now_ms())
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    i64::try_from(ms).unwrap_or(i64::MAX)
}
