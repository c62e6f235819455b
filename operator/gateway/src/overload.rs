//! Load shedding: which requests are refused first when there are too many.
//!
//! There is no queue: a waiting request costs as much as one that is answered, and its sender has often given up. The
//! remaining capacity is kept for seated players.

use crate::{metrics::Metrics, priority::Priority};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// The room for requests that are being answered.
pub struct Room {
    taken: AtomicU32,
    max: u32,
    metrics: Metrics,
}

/// A place of one request, free again when dropped.
pub struct Place(Arc<Room>);

impl Room {
    pub fn new(max: u32, metrics: Metrics) -> Self {
        Self { taken: AtomicU32::new(0), max, metrics }
    }

    fn most(&self, priority: Priority) -> u32 {
        // At least one place, or a small gateway would never admit newcomers.
        u32::try_from(u64::from(self.max) * priority.share() / 100).unwrap_or(self.max).max(1)
    }

    /// Whether a place is free now. This check makes a refused request cheap.
    pub fn has_place(&self, priority: Priority) -> bool {
        let has = self.taken.load(Ordering::Relaxed) < self.most(priority);
        if !has {
            self.metrics.overloaded(priority);
        }
        has
    }

    /// Takes a place; `None`: too many are taken for this priority.
    pub fn enter(self: &Arc<Self>, priority: Priority) -> Option<Place> {
        let most = self.most(priority);
        let more = |taken: u32| (taken < most).then_some(taken + 1);
        if self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            self.metrics.overloaded(priority);
            return None;
        }
        self.metrics.in_flight.inc();
        Some(Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.in_flight.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(max: u32) -> Arc<Room> {
        Arc::new(Room::new(max, Metrics::new(&prometheus::Registry::new()).unwrap()))
    }

    #[test]
    fn newcomers_are_refused_first_and_the_seated_last() {
        let room = room(20);
        let enter = |priority| room.enter(priority);
        let mut inside: Vec<_> = (0..10).map(|_| enter(Priority::SignIn).unwrap()).collect();
        assert!(enter(Priority::SignIn).is_none() && !room.has_place(Priority::SignIn));
        inside.extend((0..5).map(|_| enter(Priority::Lobby).unwrap()));
        assert!(enter(Priority::Lobby).is_none() && room.has_place(Priority::Player));
        inside.extend((0..3).map(|_| enter(Priority::Player).unwrap()));
        assert!(enter(Priority::Player).is_none());
        inside.extend((0..2).map(|_| enter(Priority::Seated).unwrap()));
        assert!(Priority::ALL.into_iter().all(|priority| enter(priority).is_none()));
        inside.pop();
        assert!(enter(Priority::Player).is_none());
        assert!(enter(Priority::Seated).is_some());
    }

    #[test]
    fn a_place_is_free_again_when_its_request_has_ended() {
        let room = room(1);
        for _ in 0..3 {
            let place = room.enter(Priority::SignIn).unwrap();
            assert!(room.enter(Priority::Seated).is_none());
            assert_eq!(room.metrics.in_flight.get(), 1);
            drop(place);
        }
        assert_eq!(room.metrics.in_flight.get(), 0);
    }
}
