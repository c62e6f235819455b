//! What reconciles share.

use crate::{
    certificates::Authority, defaults::Defaults, fleet::wake::Wake, metrics::Metrics, pace::SharedPace,
    placement::Placement, pods::Pods, stores::Stores, summaries::Summaries, table::status::Spare,
};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, Client,
    runtime::{events::Recorder, reflector::Store},
};
use purr_crds::PokerTable;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

pub const MANAGER: &str = "purr-controller";
/// Between the first failure and the next try.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

pub struct Context {
    pub tables: Api<PokerTable>,
    pub pods: Api<Pod>,
    pub secrets: Api<Secret>,
    /// The tables as the watch has them.
    pub table_cache: Store<PokerTable>,
    /// The tables' pods as the watch has them.
    pub pod_cache: Store<Pod>,
    pub recorder: Recorder,
    pub fleet: Defaults,
    pub authority: Authority,
    pub reach: Pods,
    pub pace: Arc<SharedPace>,
    pub summaries: Arc<Summaries>,
    pub stores: Stores,
    pub metrics: Metrics,
    memory: Mutex<HashMap<String, Memory>>,
    placement: Placement,
    spare: Mutex<Spare>,
    started: Instant,
    /// Fleets whose tables have changed.
    pub wake: Wake,
}

/// Of one table, by its UID; may be lost with the process.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub failures: u32,
    /// When its status was written, in seconds since 1970; 0: not by this process.
    pub written_s: i64,
    /// When its certificate is due, in seconds since 1970; 0: not looked at yet.
    pub renew_at_s: i64,
    /// The API server does not accept the table's next pod.
    pub refused: Option<Refused>,
}

/// A pod that the API server has refused, for instance because of a quota.
#[derive(Clone, Debug)]
pub struct Refused {
    pub message: String,
    /// Hash of the pod.
    pub wanted: Option<String>,
    pub times: u32,
    /// No other attempt before then, in seconds since 1970.
    pub until_s: i64,
    /// The fencing generation that was given out for it, of which there is no pod: the next attempt has it.
    pub unspent: u64,
}

/// The parts of a [`Context`] that come from the outside.
pub struct Parts {
    pub client: Client,
    pub namespace: String,
    pub table_cache: Store<PokerTable>,
    pub pod_cache: Store<Pod>,
    pub recorder: Recorder,
    pub fleet: Defaults,
    pub authority: Authority,
    pub reach: Pods,
    pub pace: Arc<SharedPace>,
    pub summaries: Arc<Summaries>,
    pub stores: Stores,
    pub metrics: Metrics,
    pub wake: Wake,
}

impl Context {
    pub fn new(parts: Parts) -> Self {
        let Parts {
            client,
            namespace,
            table_cache,
            pod_cache,
            recorder,
            fleet,
            authority,
            reach,
            pace,
            summaries,
            stores,
            metrics,
            wake,
        } = parts;
        Self {
            tables: Api::namespaced(client.clone(), &namespace),
            pods: Api::namespaced(client.clone(), &namespace),
            secrets: Api::namespaced(client, &namespace),
            table_cache,
            pod_cache,
            recorder,
            fleet,
            authority,
            reach,
            pace,
            summaries,
            stores,
            metrics,
            memory: Mutex::default(),
            placement: Placement::default(),
            spare: Mutex::default(),
            started: Instant::now(),
            wake,
        }
    }

    pub fn memory<T>(&self, uid: &str, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        change(memory.entry(uid.to_owned()).or_default())
    }

    /// Gives a table that may be anywhere its store group, for good once its status has it.
    pub fn place(&self, table: &mut PokerTable) {
        if crate::table::store_name(table).is_none() {
            let placed = self.placement.choose(table, &self.table_cache.state(), self.fleet.stores.keys());
            table.status.get_or_insert_default().store = placed;
        }
    }

    /// Whether a status that nobody acts on may be written now.
    pub fn spare_write(&self) -> bool {
        let now_s = self.started.elapsed().as_secs();
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).take(now_s)
    }

    pub fn forget(&self, uid: &str) {
        self.placement.forget(uid);
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// How long to wait after one more failure of this table.
    pub fn failed(&self, uid: &str) -> Duration {
        let failures = self.memory(uid, |memory| {
            memory.failures = memory.failures.saturating_add(1);
            memory.failures
        });
        jittered(backoff(failures))
    }
}

pub fn backoff(failures: u32) -> Duration {
    BACKOFF_MIN.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(BACKOFF_MAX)
}

/// Between half of it and all of it, so that tables that failed together do not try together.
pub fn jittered(wait: Duration) -> Duration {
    let half = wait / 2;
    let share = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    half + half.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let waits: Vec<u64> = [1, 2, 3, 7, 40].map(|failures| backoff(failures).as_secs()).to_vec();
        assert_eq!(waits, [1, 2, 4, 60, 60]);
    }

    #[test]
    fn jitter_keeps_at_least_half() {
        for _ in 0..100 {
            let wait = jittered(Duration::from_secs(8));
            assert!((4..=8).contains(&wait.as_secs()), "{wait:?}");
        }
    }
}
