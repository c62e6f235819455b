//! Circuit breakers: a server that fails again and again is left alone for a while, and then asked
//! by a few only.

use prometheus::IntGauge;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Failures in a row that open it.
    pub failures_max: u32,
    /// The first time for which it stays open; each probe that fails doubles it.
    pub open_min: Duration,
    pub open_max: Duration,
    /// Calls at once while it is half-open.
    pub probes_max: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failures_max: 5,
            open_min: Duration::from_secs(1),
            open_max: Duration::from_secs(15),
            probes_max: 1,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, wait: Duration },
    HalfOpen { probes: u32, wait: Duration },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Good,
    Bad,
    /// The caller gave up: that says nothing about the server.
    Dropped,
}

impl State {
    /// Whether a call may go out now, or how long it may not.
    fn enter(self, now: Instant, settings: &Settings) -> (Self, Result<(), Duration>) {
        match self {
            Self::Closed { .. } => (self, Ok(())),
            Self::Open { until, .. } if now < until => (self, Err(until - now)),
            Self::Open { wait, .. } => (Self::HalfOpen { probes: 1, wait }, Ok(())),
            Self::HalfOpen { probes, wait } if probes < settings.probes_max => {
                (Self::HalfOpen { probes: probes + 1, wait }, Ok(()))
            }
            // The probe's answer is not far.
            Self::HalfOpen { .. } => (self, Err(settings.open_min)),
        }
    }

    fn next(self, event: Event, now: Instant, settings: &Settings) -> Self {
        let open = |wait: Duration| Self::Open { until: now + wait, wait };
        match (self, event) {
            (Self::Closed { .. } | Self::HalfOpen { .. }, Event::Good) => Self::Closed { failures: 0 },
            (Self::Closed { failures }, Event::Bad) if failures + 1 >= settings.failures_max => {
                open(settings.open_min)
            }
            (Self::Closed { failures }, Event::Bad) => Self::Closed { failures: failures + 1 },
            (Self::HalfOpen { wait, .. }, Event::Bad) => open((wait * 2).min(settings.open_max)),
            (Self::HalfOpen { probes, wait }, Event::Dropped) => {
                Self::HalfOpen { probes: probes.saturating_sub(1), wait }
            }
            // Answers to calls of before it opened change nothing: a probe decides.
            (Self::Open { .. }, _) | (Self::Closed { .. }, Event::Dropped) => self,
        }
    }

    const fn gauge(self) -> i64 {
        match self {
            Self::Closed { .. } => 0,
            Self::HalfOpen { .. } => 1,
            Self::Open { .. } => 2,
        }
    }
}

pub struct Breaker {
    state: Mutex<State>,
    settings: Settings,
    gauge: IntGauge,
}

/// One call that may go out.
pub struct Call<'a> {
    breaker: &'a Breaker,
    told: bool,
}

impl Breaker {
    /// `gauge` shows 0 for closed, 1 for half-open, 2 for open.
    pub fn new(settings: Settings, gauge: IntGauge) -> Self {
        gauge.set(0);
        Self { state: Mutex::new(State::Closed { failures: 0 }), settings, gauge }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// How long not to call.
    pub fn enter(&self) -> Result<Call<'_>, Duration> {
        let mut state = self.state();
        let (next, may) = state.enter(Instant::now(), &self.settings);
        *state = next;
        self.gauge.set(next.gauge());
        may.map(|()| Call { breaker: self, told: false })
    }

    fn tell(&self, event: Event) {
        let mut state = self.state();
        *state = state.next(event, Instant::now(), &self.settings);
        self.gauge.set(state.gauge());
    }
}

impl Call<'_> {
    /// The server answered, whatever it said.
    pub fn good(mut self) {
        self.told = true;
        self.breaker.tell(Event::Good);
    }

    /// It did not, or it said that it cannot.
    pub fn bad(mut self) {
        self.told = true;
        self.breaker.tell(Event::Bad);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.breaker.tell(Event::Dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const SETTINGS: Settings = Settings {
        failures_max: 3,
        open_min: Duration::from_secs(1),
        open_max: Duration::from_secs(3),
        probes_max: 2,
    };

    fn breaker() -> Breaker {
        Breaker::new(SETTINGS, IntGauge::new("x", "x").unwrap())
    }

    fn fails(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.enter().unwrap_or_else(|wait| panic!("open for {wait:?}")).bad();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_others_do_not() {
        let breaker = breaker();
        fails(&breaker, 2);
        breaker.enter().ok().unwrap().good();
        fails(&breaker, 2);
        assert_eq!(breaker.gauge.get(), 0);
        fails(&breaker, 1);
        assert_eq!(breaker.gauge.get(), 2);
        assert_eq!(breaker.enter().err(), Some(Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_while_a_few_may_ask_and_one_good_answer_closes_it() {
        let breaker = breaker();
        fails(&breaker, 3);
        advance(Duration::from_secs(1)).await;
        let (one, two) = (breaker.enter().ok().unwrap(), breaker.enter().ok().unwrap());
        assert_eq!(breaker.gauge.get(), 1);
        assert!(breaker.enter().is_err());
        // One who gave up leaves its place to another.
        drop(one);
        let three = breaker.enter().ok().unwrap();
        assert!(breaker.enter().is_err());
        two.good();
        assert_eq!(breaker.gauge.get(), 0);
        three.bad();
        assert!(breaker.enter().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn each_probe_that_fails_doubles_the_wait_up_to_a_bound() {
        let breaker = breaker();
        fails(&breaker, 3);
        for seconds in [1, 2, 3, 3] {
            assert_eq!(breaker.enter().err(), Some(Duration::from_secs(seconds)));
            advance(Duration::from_secs(seconds)).await;
            fails(&breaker, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn late_answers_do_not_close_what_has_opened() {
        let breaker = breaker();
        let late = breaker.enter().ok().unwrap();
        fails(&breaker, 3);
        late.good();
        assert_eq!(breaker.gauge.get(), 2);
    }
}
