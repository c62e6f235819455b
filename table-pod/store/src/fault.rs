//! A store that fails on purpose, by a seed.

use crate::types::{Commit, Recovered, Store, StoreError};
use async_trait::async_trait;
use std::sync::{Mutex, PoisonError};

/// A fault of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The write fails with an error.
    Unavailable,
    /// Written, and the answer was lost.
    UnknownWritten,
    /// The write fails, and its answer is lost.
    UnknownLost,
    /// Written by the master alone.
    ShortOfReplicas,
}

/// Wraps another store and injects faults, chosen by a function of the call's number.
pub struct FaultStore<S> {
    inner: S,
    plan: Box<dyn Fn(u64) -> Fault + Send + Sync>,
    calls: Mutex<u64>,
}

impl<S> FaultStore<S> {
    pub fn new(inner: S, plan: impl Fn(u64) -> Fault + Send + Sync + 'static) -> Self {
        Self { inner, plan: Box::new(plan), calls: Mutex::new(0) }
    }

    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn next(&self) -> Fault {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls += 1;
        (self.plan)(*calls)
    }
}

#[async_trait]
impl<S: Store> Store for FaultStore<S> {
    async fn take_over(&self, table: &str, epoch: u64) -> Result<Recovered, StoreError> {
        match self.next() {
            Fault::None => self.inner.take_over(table, epoch).await,
            _ => Err(StoreError::Unavailable("injected".into())),
        }
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let lost = || StoreError::Unknown("injected".into());
        match self.next() {
            Fault::None => self.inner.commit(commit).await,
            Fault::Unavailable => Err(StoreError::Unavailable("injected".into())),
            Fault::UnknownLost => Err(lost()),
            Fault::UnknownWritten => self.inner.commit(commit).await.and(Err(lost())),
            Fault::ShortOfReplicas => {
                self.inner.commit(commit).await?;
                Err(StoreError::ShortOfReplicas { acknowledged: 0, wanted: 1 })
            }
        }
    }
}
