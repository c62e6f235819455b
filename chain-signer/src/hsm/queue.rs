//! The queue of requests for the token, and how many threads work at it.
//!
//! A thread goes on with what waits when it has signed, so that under load none goes to sleep between two signatures: to
//! wake one for each takes a tenth of a signature. There are as many as the machine's cores, because a token in software
//! needs one each; more where something waits for long, because then the token is another machine.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
    time::{Duration, Instant},
};

/// A request that waits longer than this starts another thread: several signatures of a software token.
const LONG: Duration = Duration::from_millis(2);

/// As much waits as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Whether to start another thread. `cores` and `most` limit them; `waits` is how long the oldest request has waited.
fn begins(workers: usize, cores: usize, most: usize, waits: Duration) -> bool {
    workers < most && (workers < cores || waits >= LONG)
}

struct State<T> {
    waiting: VecDeque<(T, Instant)>,
    workers: usize,
}

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    cores: usize,
    workers_max: usize,
    waiting_max: usize,
}

impl<T> Queue<T> {
    pub(super) fn new(workers_max: usize, waiting_max: usize) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        let state = Mutex::new(State { waiting: VecDeque::new(), workers: 0 });
        Self { state, cores, workers_max, waiting_max }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request. Returns whether the caller has to start a worker, which is counted from now on.
    pub(super) fn push(&self, one: T) -> Result<bool, Full> {
        let mut state = self.state();
        if state.waiting.len() >= self.waiting_max {
            return Err(Full);
        }
        state.waiting.push_back((one, Instant::now()));
        Ok(self.grows(&mut state))
    }

    fn grows(&self, state: &mut State<T>) -> bool {
        let waits = state.waiting.front().map(|(_, since)| since.elapsed());
        let grows = waits.is_some_and(|waits| begins(state.workers, self.cores, self.workers_max, waits));
        state.workers += usize::from(grows);
        grows
    }

    /// A worker that was counted by [`Self::push`] or [`Worker::next`].
    pub(super) fn worker(&self) -> Worker<'_, T> {
        Worker { queue: self, done: false }
    }
}

pub(super) struct Worker<'a, T> {
    queue: &'a Queue<T>,
    done: bool,
}

impl<T> Worker<'_, T> {
    /// The oldest request, and whether another worker has to start; `None`: this worker ends.
    pub(super) fn next(&mut self) -> Option<(T, bool)> {
        let mut state = self.queue.state();
        if let Some((one, _)) = state.waiting.pop_front() {
            let more = self.queue.grows(&mut state);
            return Some((one, more));
        }
        // Under the lock, so that a request which arrives now starts another worker.
        state.workers -= 1;
        self.done = true;
        None
    }
}

impl<T> Drop for Worker<'_, T> {
    fn drop(&mut self) {
        if !self.done {
            self.queue.state().workers -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_workers_as_cores_and_more_only_where_something_waits_long() {
        let soon = Duration::ZERO;
        assert!(begins(0, 2, 8, soon) && begins(1, 2, 8, soon));
        assert!(!begins(2, 2, 8, soon));
        assert!(begins(2, 2, 8, LONG) && begins(7, 2, 8, LONG));
        assert!(!begins(8, 2, 8, LONG) && !begins(8, 16, 8, LONG));
    }

    #[test]
    fn a_worker_takes_what_waits_in_order_and_ends_when_there_is_nothing() {
        let queue = Queue { cores: 1, ..Queue::new(2, 3) };
        assert_eq!(queue.push(1), Ok(true));
        assert_eq!((queue.push(2), queue.push(3), queue.push(4)), (Ok(false), Ok(false), Err(Full)));
        let mut worker = queue.worker();
        assert_eq!(worker.next().map(|(one, _)| one), Some(1));
        assert_eq!(worker.next().map(|(one, _)| one), Some(2));
        assert_eq!(worker.next().map(|(one, _)| one), Some(3));
        assert_eq!(worker.next(), None);
        assert_eq!((queue.push(5), queue.state().workers), (Ok(true), 1));
        // One that is ended in the middle of its work makes room for another.
        drop(queue.worker());
        assert_eq!((queue.push(6), queue.state().workers), (Ok(true), 1));
    }

    #[test]
    fn what_waits_long_gets_another_worker_when_one_goes_on() {
        let queue = Queue { cores: 1, ..Queue::new(2, 9) };
        queue.push(1).unwrap();
        let mut worker = queue.worker();
        worker.next().unwrap();
        {
            let since = Instant::now().checked_sub(LONG).unwrap();
            queue.state().waiting.extend([(2, since), (3, since)]);
        }
        assert_eq!(worker.next(), Some((2, true)));
        assert_eq!(queue.state().workers, 2);
    }
}
