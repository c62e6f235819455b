//! Circuit breakers: a server that fails several times in a row gets no requests for a while, and then a few only.

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
    /// The caller gave up, which says nothing about the server.
    Dropped,
}

impl State {
    /// Decides whether a call may be sent now; otherwise returns how long it has to wait.
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
            // Answers to calls from before it opened are ignored: a probe decides.
            (Self::Open { .. }, _) | (Self::Closed { .. }, Event::Dropped) => self,
        }
    }

    /// Opens for the longest time from any state. A probe that fails after that doubles the wait from the first one
    /// again.
    fn rested(now: Instant, settings: &Settings) -> Self {
        Self::Open { until: now + settings.open_max, wait: settings.open_min }
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
    /// 0 for closed, 1 for half-open, 2 for open.
    gauge: Option<IntGauge>,
}

/// A call that is allowed to go out. If it is dropped without an answer, the breaker learns nothing.
pub struct Call<'a> {
    breaker: &'a Breaker,
    told: bool,
}

impl Breaker {
    pub const fn new(settings: Settings) -> Self {
        Self { state: Mutex::new(State::Closed { failures: 0 }), settings, gauge: None }
    }

    /// Shows the state in `gauge`: 0 for closed, 1 for half-open, 2 for open.
    #[must_use]
    pub fn shown_by(self, gauge: IntGauge) -> Self {
        gauge.set(self.state().gauge());
        Self { gauge: Some(gauge), ..self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, held: &mut State, next: State) {
        *held = next;
        if let Some(gauge) = &self.gauge {
            gauge.set(next.gauge());
        }
    }

    /// Whether a call may be sent now. Does not count as a probe.
    pub fn allows(&self) -> bool {
        self.state().enter(Instant::now(), &self.settings).1.is_ok()
    }

    /// Opens for the longest time, because something other than a call has shown that the server cannot be used.
    pub fn rest(&self) {
        self.set(&mut self.state(), State::rested(Instant::now(), &self.settings));
    }

    /// Counts a failure that was noticed after the call: the server answered, but wrongly.
    pub fn blame(&self) {
        self.tell(Event::Bad);
    }

    /// # Errors
    /// How long not to call.
    pub fn enter(&self) -> Result<Call<'_>, Duration> {
        let mut state = self.state();
        let (next, may) = state.enter(Instant::now(), &self.settings);
        self.set(&mut state, next);
        may.map(|()| Call { breaker: self, told: false })
    }

    fn tell(&self, event: Event) {
        let mut state = self.state();
        let next = state.next(event, Instant::now(), &self.settings);
        self.set(&mut state, next);
    }
}

impl Call<'_> {
    /// The server answered, with whatever status.
    pub fn good(mut self) {
        self.told = true;
        self.breaker.tell(Event::Good);
    }

    /// Says how the call ended: `good` as [`Call::good`], else as [`Call::bad`].
    pub fn note(self, good: bool) {
        if good { self.good() } else { self.bad() }
    }

    /// The server did not answer, or reported that it cannot.
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
    use proptest::prelude::*;
    use tokio::time::advance;

    const SETTINGS: Settings = Settings {
        failures_max: 3,
        open_min: Duration::from_secs(1),
        open_max: Duration::from_secs(3),
        probes_max: 2,
    };

    fn breaker() -> Breaker {
        Breaker::new(SETTINGS).shown_by(IntGauge::new("x", "x").unwrap())
    }

    fn gauge(breaker: &Breaker) -> i64 {
        breaker.gauge.as_ref().unwrap().get()
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
        assert_eq!(gauge(&breaker), 0);
        fails(&breaker, 1);
        assert_eq!(gauge(&breaker), 2);
        assert_eq!(breaker.enter().err(), Some(Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_while_a_few_may_ask_and_one_good_answer_closes_it() {
        let breaker = breaker();
        fails(&breaker, 3);
        advance(Duration::from_secs(1)).await;
        let (one, two) = (breaker.enter().ok().unwrap(), breaker.enter().ok().unwrap());
        assert_eq!(gauge(&breaker), 1);
        assert!(breaker.enter().is_err());
        // One who gave up leaves its place to another.
        drop(one);
        let three = breaker.enter().ok().unwrap();
        assert!(breaker.enter().is_err());
        two.good();
        assert_eq!(gauge(&breaker), 0);
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
        assert_eq!(gauge(&breaker), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_at_rest_gets_nothing_for_the_longest_time_whatever_its_answers_were() {
        let breaker = breaker();
        breaker.enter().ok().unwrap().good();
        breaker.rest();
        assert_eq!(breaker.enter().err(), Some(SETTINGS.open_max));
        assert!(!breaker.allows());
        advance(SETTINGS.open_max).await;
        assert!(breaker.allows());
        fails(&breaker, 1);
        assert_eq!(breaker.enter().err(), Some(2 * SETTINGS.open_min));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_answer_counts_as_a_failure_when_it_comes_to_light() {
        let breaker = breaker();
        fails(&breaker, 2);
        breaker.blame();
        assert_eq!((gauge(&breaker), breaker.allows()), (2, false));
    }

    proptest! {
        /// Random answers at random times: the breaker never opens for longer than the bound, never allows more probes
        /// than the bound, and is closed after any success of a call that it allowed while closed or half-open.
        #[test]
        fn no_history_goes_beyond_the_bounds(steps in prop::collection::vec((0_u64..1_500, 0_u8..4), 1..80)) {
            let (mut state, mut now, mut out) = (State::Closed { failures: 0 }, Instant::now(), 0_u32);
            for (wait_ms, act) in steps {
                now += Duration::from_millis(wait_ms);
                match act {
                    0 => {
                        let (next, may) = state.enter(now, &SETTINGS);
                        state = next;
                        out += u32::from(may.is_ok());
                        prop_assert!(may.err().is_none_or(|wait| wait <= SETTINGS.open_max));
                    }
                    _ if out == 0 => {}
                    1 => {
                        let open = matches!(state, State::Open { .. });
                        (state, out) = (state.next(Event::Good, now, &SETTINGS), out - 1);
                        let closed = state == State::Closed { failures: 0 };
                        prop_assert!(open || closed);
                    }
                    2 => (state, out) = (state.next(Event::Bad, now, &SETTINGS), out - 1),
                    _ => (state, out) = (state.next(Event::Dropped, now, &SETTINGS), out - 1),
                }
                match state {
                    State::Closed { failures } => prop_assert!(failures < SETTINGS.failures_max),
                    State::Open { until, wait } => {
                        prop_assert!(wait <= SETTINGS.open_max && until <= now + SETTINGS.open_max);
                    }
                    State::HalfOpen { probes, wait } => {
                        prop_assert!(probes <= SETTINGS.probes_max && wait <= SETTINGS.open_max);
                    }
                }
            }
        }
    }
}
