//! Entries of many tables in one database transaction: the end of the hash chain has one writer at a time, so what comes while
//! one batch is stored goes into the next one together.
//!
//! **Guarantees.** Nobody is answered before the transaction with their entries is durable. What is refused fails alone, and so
//! does what the database refuses. A batch has each table once, and tables take turns; what waits is bounded, in all and for
//! each table.

use crate::journal::{Ask, HourLimit, Journal, JournalError};
use purr_books::policy::Limits;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// Tables in one batch.
const BATCH_MAX: usize = 128;
/// Requests that wait.
const WAITING_MAX: usize = 4_096;
/// Waiting requests of one table: it sends one after the other, and may repeat one that timed out.
const OF_TABLE_MAX: usize = 4;
/// Times that a batch is tried again after a deadlock in the database.
const TRIES: usize = 4;

/// The queue is full, for all tables together or for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Requests that wait, by table. Tables take turns.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    waiting: BTreeMap<String, VecDeque<T>>,
    /// Tables that have something waiting, each once, whose turn is next first.
    turns: VecDeque<String>,
    count: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), turns: VecDeque::new(), count: 0 }
    }
}

impl<T> Turns<T> {
    pub(crate) fn push(&mut self, uid: &str, one: T) -> Result<(), Full> {
        let of_table = self.waiting.get(uid).map_or(0, VecDeque::len);
        if self.count >= WAITING_MAX || of_table >= OF_TABLE_MAX {
            return Err(Full);
        }
        if of_table == 0 {
            self.turns.push_back(uid.to_owned());
        }
        self.waiting.entry(uid.to_owned()).or_default().push_back(one);
        self.count += 1;
        Ok(())
    }

    /// The oldest request of each of the next tables, at most `most`. A table with more requests waits for its next
    /// turn behind all others.
    pub(crate) fn take(&mut self, most: usize) -> Vec<T> {
        let mut taken = Vec::new();
        for _ in 0..self.turns.len().min(most) {
            let Some(uid) = self.turns.pop_front() else { break };
            let Some(waiting) = self.waiting.get_mut(&uid) else { continue };
            taken.extend(waiting.pop_front());
            if waiting.is_empty() {
                self.waiting.remove(&uid);
            } else {
                self.turns.push_back(uid);
            }
        }
        self.count -= taken.len();
        taken
    }
}

type Answer = oneshot::Sender<Result<u64, JournalError>>;

#[derive(Default)]
struct State {
    turns: Turns<(Ask, Answer)>,
    /// Whether a task is storing batches; it then also takes the waiting requests.
    working: bool,
}

/// The one writer of accepted entries.
pub struct Acceptor {
    journal: Journal,
    limits: Limits,
    hour: HourLimit,
    state: Mutex<State>,
}

/// Allows another task to start if this one is cancelled in the middle of its work.
struct Working {
    acceptor: Arc<Acceptor>,
    done: bool,
}

impl Drop for Working {
    fn drop(&mut self) {
        if !self.done {
            self.acceptor.state().working = false;
        }
    }
}

impl Working {
    async fn work(mut self) {
        loop {
            let batch = {
                let mut state = self.acceptor.state();
                let batch = state.turns.take(BATCH_MAX);
                if batch.is_empty() {
                    // Under the lock, so that a request which arrives now starts another task.
                    state.working = false;
                    drop(state);
                    self.done = true;
                    return;
                }
                batch
            };
            self.acceptor.store(batch).await;
        }
    }
}

impl Acceptor {
    pub fn new(journal: Journal, limits: Limits, hour: HourLimit) -> Self {
        Self { journal, limits, hour, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Journal::accept`], in one database transaction with the entries of other tables that arrive meanwhile.
    ///
    /// # Errors
    /// As of [`Journal::accept`]; [`JournalError::Full`] where too many wait.
    pub async fn accept(self: &Arc<Self>, ask: Ask) -> Result<u64, JournalError> {
        let (answer, answered) = oneshot::channel();
        let uid = ask.uid.clone();
        let begins = {
            let mut state = self.state();
            state.turns.push(&uid, (ask, answer)).map_err(|Full| JournalError::Full(uid))?;
            !std::mem::replace(&mut state.working, true)
        };
        if begins {
            // The task ends when its batches are stored, even if a caller stops waiting for an answer.
            tokio::spawn(Working { acceptor: Arc::clone(self), done: false }.work());
        }
        answered.await.unwrap_or_else(|_| Err(JournalError::Batch("its task has ended".into())))
    }

    async fn store(&self, batch: Vec<(Ask, Answer)>) {
        let (asks, answers): (Vec<Ask>, Vec<Answer>) = batch.into_iter().unzip();
        match self.together(&asks).await {
            Ok(results) => {
                for (answer, result) in answers.into_iter().zip(results) {
                    // A caller that gave up is ignored: its entries are stored all the same, and the table submits them
                    // again.
                    let _ = answer.send(result);
                }
            }
            Err(error) if asks.len() > 1 && error.is_of_a_statement() => {
                tracing::warn!(%error, asks = asks.len(), "a batch is stored one by one");
                for (ask, answer) in asks.iter().zip(answers) {
                    let result = self.together(std::slice::from_ref(ask)).await;
                    let _ = answer.send(result.and_then(|mut results| {
                        results.pop().unwrap_or_else(|| Err(JournalError::Batch("no answer".into())))
                    }));
                }
            }
            Err(error) => {
                let error = error.to_string();
                for answer in answers {
                    let _ = answer.send(Err(JournalError::Batch(error.clone())));
                }
            }
        }
    }

    async fn together(&self, asks: &[Ask]) -> Result<Vec<Result<u64, JournalError>>, JournalError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match Box::pin(self.journal.accept_all(asks, &self.limits, self.hour)).await {
                Err(error) if error.is_deadlock() && tries < TRIES => {}
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_table_has_a_bound_of_its_own_and_holds_up_nobody_else() {
        let mut turns = Turns::default();
        for n in 0..OF_TABLE_MAX {
            turns.push("a", n).unwrap();
        }
        assert_eq!(turns.push("a", 9), Err(Full));
        turns.push("b", 10).unwrap();
        assert_eq!(turns.take(9), [0, 10]);
        assert_eq!(turns.take(9), [1]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

        #[test]
        fn each_batch_has_a_table_once_in_its_order_and_nobody_waits_for_two_turns_of_another(
            steps in prop::collection::vec((0..6_u8, 1..5_usize), 1..200),
        ) {
            let mut turns = Turns::default();
            let mut sent = BTreeMap::<String, Vec<usize>>::new();
            let mut got = BTreeMap::<String, Vec<usize>>::new();
            // How often each other table had its turn since this one began to wait.
            let mut passed = BTreeMap::<(String, String), usize>::new();
            for (n, (table, most)) in steps.into_iter().enumerate() {
                if table > 0 {
                    let uid = table.to_string();
                    if turns.push(&uid, (uid.clone(), n)).is_ok() {
                        sent.entry(uid).or_default().push(n);
                    }
                    continue;
                }
                let waiting: Vec<String> = turns.waiting.keys().cloned().collect();
                let batch = turns.take(most);
                prop_assert_eq!(batch.len(), waiting.len().min(most));
                let mut uids: Vec<String> = batch.iter().map(|(uid, _)| uid.clone()).collect();
                for (uid, n) in batch {
                    got.entry(uid).or_default().push(n);
                }
                for late in waiting.iter().filter(|uid| !uids.contains(uid)) {
                    for uid in &uids {
                        let times = passed.entry((late.clone(), uid.clone())).or_default();
                        *times += 1;
                        prop_assert!(*times <= 1, "{uid} passes {late} again");
                    }
                }
                passed.retain(|(late, _), _| !uids.contains(late));
                let count = uids.len();
                uids.sort_unstable();
                uids.dedup();
                prop_assert_eq!(uids.len(), count);
            }
            while turns.count > 0 {
                for (uid, n) in turns.take(3) {
                    got.entry(uid).or_default().push(n);
                }
            }
            prop_assert_eq!(got, sent);
        }
    }
}
