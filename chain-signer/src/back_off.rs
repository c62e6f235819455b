//! How long to wait before a failed part starts again.

use std::time::Duration;

const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Doubles up to a bound.
pub(crate) struct BackOff(Duration);

impl Default for BackOff {
    fn default() -> Self {
        Self(RETRY_MIN)
    }
}

impl BackOff {
    pub(crate) fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(RETRY_MAX);
        now
    }
}
