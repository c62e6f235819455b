//! The time of day by a clock that does not jump.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Differences up to this are corrected at once.
const NEAR: Duration = Duration::from_secs(2);
/// Part of the elapsed time by which a jump is followed: a jump of an hour takes ten hours.
const FOLLOWS: u32 = 10;

/// A clock that starts at the machine's time and advances by the monotonic clock. If the machine's clock jumps, it is
/// followed slowly, so that tokens and certificates do not expire all at once.
pub struct Steady(Mutex<(Instant, Duration)>);

impl Default for Steady {
    fn default() -> Self {
        Self(Mutex::new((Instant::now(), wall())))
    }
}

impl Steady {
    /// Since 1970.
    pub fn now(&self) -> Duration {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, before) = *held;
        let now = Instant::now();
        *held = (now, follow(before, now.duration_since(last), wall()));
        held.1
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns the time after `before` and `passed` when the machine's clock shows `wall`.
fn follow(before: Duration, passed: Duration, wall: Duration) -> Duration {
    let counted = before + passed;
    let away = counted.abs_diff(wall);
    let step = if away <= NEAR { away } else { passed / FOLLOWS };
    if wall > counted { counted + step } else { counted - step.min(counted) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_that_jumps_is_followed_slowly_and_one_that_drifts_at_once() {
        assert_eq!(follow(s(1_000), s(10), s(1_010)), s(1_010));
        assert_eq!(follow(s(1_000), s(10), s(1_012)), s(1_012));
        assert_eq!(follow(s(1_000), s(10), s(1_009)), s(1_009));
        assert_eq!(follow(s(1_000), s(10), s(4_610)), s(1_011));
        assert_eq!(follow(s(5_000), s(10), s(1_410)), s(5_009));
        assert_eq!(follow(s(5_000), s(0), s(0)), s(5_000));
        let mut now = s(1_000);
        for passed in 1..=400 {
            now = follow(now, s(100), s(4_600 + 100 * passed));
        }
        assert_eq!(now, s(44_600), "an hour ahead is followed within ten hours");
    }

    #[test]
    fn it_says_what_the_machine_says_where_that_does_not_jump() {
        assert!(Steady::default().now().abs_diff(wall()) < s(1));
    }
}
