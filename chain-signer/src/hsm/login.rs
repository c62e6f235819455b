//! When to log in to a token again: a function of what happened and of the time. No I/O, no clock.
//!
//! A token that was away has to be logged in to again, or its private keys stay invisible. Tokens lock after a few wrong
//! PINs, so a PIN that a token refused is never tried a second time: the login waits until the PIN file has changed.

use purr_runtime::Delays;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Waits between two attempts to log in.
const RETRY: Delays = Delays::new(RETRY_MIN, RETRY_MAX);
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// SHA-256 of a PIN, to tell whether the PIN file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinDigest([u8; 32]);

impl PinDigest {
    pub fn of(pin: &str) -> Self {
        Self(Sha256::digest(pin.as_bytes()).into())
    }
}

/// The state of a login. Times are those of one monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Login {
    #[default]
    Open,
    /// The token or the login is gone; the next attempt is due at `retry_at`.
    Lost { failures: u32, retry_at: Duration },
    /// The token refused this PIN.
    PinRefused { pin: PinDigest },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A call failed as it does when the token or the login is gone.
    Lost {
        now: Duration,
    },
    LoggedIn,
    LoginFailed {
        now: Duration,
    },
    PinRefused {
        pin: PinDigest,
    },
}

/// The step before a call of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    LogIn,
    /// Fail at once; an attempt is due later.
    Wait(Duration),
    /// Fail at once, until the PIN file has changed.
    NewPin,
}

impl Login {
    pub(super) fn next(self, event: Event) -> Self {
        match (self, event) {
            (_, Event::LoggedIn) => Self::Open,
            (_, Event::PinRefused { pin }) => Self::PinRefused { pin },
            // A refused PIN stays refused, whatever else fails.
            (Self::PinRefused { pin }, Event::Lost { .. } | Event::LoginFailed { .. }) => {
                Self::PinRefused { pin }
            }
            // The first attempt is due at once.
            (Self::Open, Event::Lost { now }) => Self::Lost { failures: 0, retry_at: now },
            (lost @ Self::Lost { .. }, Event::Lost { .. }) => lost,
            (Self::Open, Event::LoginFailed { now }) => failed(0, now),
            (Self::Lost { failures, .. }, Event::LoginFailed { now }) => failed(failures, now),
        }
    }

    pub(super) fn due(self, now: Duration, pin: PinDigest) -> Due {
        match self {
            Self::Open => Due::Nothing,
            Self::Lost { retry_at, .. } if retry_at <= now => Due::LogIn,
            Self::Lost { retry_at, .. } => Due::Wait(retry_at.saturating_sub(now)),
            Self::PinRefused { pin: refused } if refused == pin => Due::NewPin,
            Self::PinRefused { .. } => Due::LogIn,
        }
    }
}

fn failed(failures: u32, now: Duration) -> Login {
    let retry_at = now.saturating_add(RETRY.after(failures));
    Login::Lost { failures: failures.saturating_add(1), retry_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: PinDigest = PinDigest([1; 32]);
    const OTHER: PinDigest = PinDigest([2; 32]);
    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_lost_token_is_tried_at_once_and_then_ever_more_rarely_until_it_works() {
        let mut login = Login::Open.next(Event::Lost { now: s(5) });
        assert_eq!(login.due(s(5), PIN), Due::LogIn);
        let (mut now, mut waits) = (s(5), Vec::new());
        for _ in 0..10 {
            login = login.next(Event::LoginFailed { now });
            let Due::Wait(wait) = login.due(now, PIN) else { panic!("{login:?}") };
            waits.push(wait);
            now += wait;
            assert_eq!(login.due(now, PIN), Due::LogIn);
        }
        assert_eq!((waits[0], waits[9]), (RETRY_MIN, RETRY_MAX));
        assert!(waits.is_sorted());
        assert_eq!(login.next(Event::LoggedIn).due(now, PIN), Due::Nothing);
    }

    #[test]
    fn calls_that_fail_meanwhile_do_not_bring_the_next_attempt_forward() {
        let login = Login::Open.next(Event::Lost { now: s(0) }).next(Event::LoginFailed { now: s(0) });
        assert_eq!(login.next(Event::Lost { now: s(100) }), login);
    }

    #[test]
    fn a_refused_pin_is_tried_once_whatever_happens_and_a_changed_one_is_tried() {
        let login = Login::Open.next(Event::Lost { now: s(0) }).next(Event::PinRefused { pin: PIN });
        for event in [Event::Lost { now: s(1) }, Event::LoginFailed { now: s(2) }] {
            assert_eq!(login.next(event).due(s(3_600), PIN), Due::NewPin);
        }
        assert_eq!(login.due(s(1), OTHER), Due::LogIn);
        assert_eq!(login.next(Event::PinRefused { pin: OTHER }).due(s(2), OTHER), Due::NewPin);
    }

    #[test]
    fn the_wait_never_overflows() {
        let lost = Login::Lost { failures: u32::MAX, retry_at: Duration::MAX };
        assert!(matches!(lost.next(Event::LoginFailed { now: Duration::MAX }), Login::Lost { .. }));
    }
}
