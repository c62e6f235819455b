//! Which way to the table is tried next: the WebSocket, or where none gets through, the HTTP stream. No I/O, no clock.

use purr_runtime::{BackOff, Delays};
use std::time::Duration;
use tokio::time::Instant;

/// Upgrades that broke off in a row before the stream is tried: one may be a network that breaks.
const BROKEN_MAX: u32 = 2;
/// The longest pause before the WebSocket is tried again, in first pauses.
const PAUSES_MAX: u32 = 16;

/// A way to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Socket,
    Stream,
}

/// How an upgrade did not come about, although the other end was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// Something on the way answered in the gateway's place.
    Answered,
    /// No answer, or none that is one.
    Broken,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Fallback {
    way: Way,
    broken: u32,
    /// Waits before the WebSocket is tried again. The first one is of [`crate::Settings`].
    pauses: BackOff,
}

impl Fallback {
    pub(crate) fn new(first_pause: Duration) -> Self {
        let pauses = BackOff::new(Delays::new(first_pause, first_pause * PAUSES_MAX));
        Self { way: Way::Socket, broken: 0, pauses }
    }

    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// An upgrade was not to be had.
    pub(crate) fn blocked(&mut self, how: Blocked) {
        self.broken += 1;
        if how == Blocked::Answered || self.broken >= BROKEN_MAX {
            self.way = Way::Stream;
        }
    }

    /// A WebSocket stands: the stream is not needed.
    pub(crate) fn stands(&mut self) {
        (self.way, self.broken) = (Way::Socket, 0);
        self.pauses.reset();
    }

    /// The stream was not to be had, either: the WebSocket is as good.
    pub(crate) fn no_stream(&mut self) {
        (self.way, self.broken) = (Way::Socket, 0);
    }

    /// When the WebSocket is tried again beside a stream that stands now. Each time later.
    pub(crate) fn again(&mut self, now: Instant) -> Instant {
        now + self.pauses.next_wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(300);

    #[test]
    fn an_answer_in_the_gateways_place_is_enough_and_a_broken_upgrade_is_not() {
        let mut fallback = Fallback::new(PAUSE);
        assert_eq!(fallback.way(), Way::Socket);
        fallback.blocked(Blocked::Answered);
        assert_eq!(fallback.way(), Way::Stream);
        let mut fallback = Fallback::new(PAUSE);
        fallback.blocked(Blocked::Broken);
        assert_eq!(fallback.way(), Way::Socket);
        fallback.blocked(Blocked::Broken);
        assert_eq!(fallback.way(), Way::Stream);
    }

    #[test]
    fn broken_upgrades_count_only_in_a_row() {
        let mut fallback = Fallback::new(PAUSE);
        fallback.blocked(Blocked::Broken);
        fallback.stands();
        fallback.blocked(Blocked::Broken);
        assert_eq!(fallback.way(), Way::Socket);
    }

    #[test]
    fn where_neither_is_to_be_had_both_are_tried_in_turn() {
        let mut fallback = Fallback::new(PAUSE);
        fallback.blocked(Blocked::Answered);
        fallback.no_stream();
        assert_eq!(fallback.way(), Way::Socket);
    }

    #[test]
    fn the_socket_is_tried_again_ever_more_rarely_until_it_stands() {
        let (mut fallback, now) = (Fallback::new(PAUSE), Instant::now());
        let waits: Vec<Duration> = (0..7).map(|_| fallback.again(now) - now).collect();
        let pauses = [1, 2, 4, 8, 16, 16, 16].map(|times| PAUSE * times);
        assert_eq!(waits, pauses);
        fallback.stands();
        assert_eq!(fallback.again(now) - now, PAUSE);
    }
}
