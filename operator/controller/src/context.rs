//! State shared by all reconciles.

use crate::{
    certificates::Authority,
    defaults::Defaults,
    fleet::wake::Wake,
    index::{PodIndex, SecretIndex},
    metrics::Metrics,
    pace::SharedPace,
    placement::Placement,
    pods::Pods,
    shared::Shared,
    spare::Spare,
    stores::Stores,
    summaries::Summaries,
    table::{own::Own, secret},
};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, Client,
    runtime::{
        events::{Event, EventType, Recorder},
        reflector::Store,
    },
};
use purr_crds::PokerTable;
use purr_namespaces::Listed;
use purr_runtime::{Delays, jittered};
use purr_store::Sessions;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Waits after failures of one table or fleet.
pub const RETRY: Delays = Delays::new(Duration::from_secs(1), Duration::from_secs(60));

pub struct Context {
    client: Client,
    /// The tables as the watch has them.
    pub table_cache: Store<PokerTable>,
    /// The tables' pods as the watch has them.
    pub pod_index: Arc<PodIndex>,
    /// The namespaces of which `pod_index` has all pods.
    pub pods_listed: Listed,
    /// The tables' Secrets as the watch has them.
    pub secret_index: Arc<SecretIndex>,
    /// The namespaces of which `secret_index` has all Secrets.
    pub secrets_listed: Listed,
    pub recorder: Recorder,
    pub fleet: Defaults,
    pub authority: Authority,
    pub reach: Pods,
    pub pace: Arc<SharedPace>,
    pub summaries: Arc<Summaries>,
    pub sessions: Arc<Sessions>,
    pub stores: Stores,
    pub metrics: Metrics,
    /// Copies of the Secrets that table pods mount, in namespaces other than the controller's own.
    pub shared: Shared,
    memory: Mutex<HashMap<String, Memory>>,
    placement: Placement,
    spare: Mutex<Spare>,
    starting: Mutex<Spare>,
    told: Mutex<Told>,
    started: Instant,
    /// Fleets whose tables have changed.
    pub wake: Wake,
}

/// Normal events of tables a second.
const NORMAL_PER_S: u64 = 5;
/// Writes a second, for all tables together, of a status that only says that a new table starts.
const STARTING_PER_S: u64 = 1;
/// Warnings of tables a second.
const WARNING_PER_S: u64 = 200;

/// Events that may still be sent in this second.
struct Told {
    normal: Spare,
    warning: Spare,
}

impl Default for Told {
    fn default() -> Self {
        Self { normal: Spare::of(NORMAL_PER_S), warning: Spare::of(WARNING_PER_S) }
    }
}

/// State of one table, by its UID. It may be lost with the process.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub failures: u32,
    /// When its status was written, in seconds since 1970; 0: not by this process.
    pub written_s: i64,
    /// When this process first saw that it starts, in seconds since 1970; 0: it has not.
    pub started_s: i64,
    /// The table's Secret as this process remembers it.
    pub secret: secret::Memory,
    /// When labels and owner of one of its pods were last restored.
    pub restored: Option<Instant>,
    /// The API server does not accept the table's next pod.
    pub refused: Option<Refused>,
    /// Writes that the watches have not shown yet.
    pub own: Own,
    /// The generation whose first summary was read ahead of the regular round.
    pub greeted: u64,
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
    /// The fencing generation that was raised for the refused pod and has no pod: the next attempt uses it.
    pub unspent: u64,
}

/// The parts of a [`Context`] that come from the outside.
pub struct Parts {
    pub client: Client,
    /// The controller's own namespace.
    pub namespace: String,
    pub table_cache: Store<PokerTable>,
    pub pod_index: Arc<PodIndex>,
    pub pods_listed: Listed,
    /// The tables' Secrets as the watch has them.
    pub secret_index: Arc<SecretIndex>,
    /// The namespaces of which `secret_index` has all Secrets.
    pub secrets_listed: Listed,
    pub recorder: Recorder,
    pub fleet: Defaults,
    pub authority: Authority,
    pub reach: Pods,
    pub pace: Arc<SharedPace>,
    pub summaries: Arc<Summaries>,
    pub sessions: Arc<Sessions>,
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
            pod_index,
            pods_listed,
            secret_index,
            secrets_listed,
            recorder,
            fleet,
            authority,
            reach,
            pace,
            summaries,
            sessions,
            stores,
            metrics,
            wake,
        } = parts;
        Self {
            shared: Shared::new(&namespace, &fleet.release),
            client,
            table_cache,
            pod_index,
            pods_listed,
            secret_index,
            secrets_listed,
            recorder,
            fleet,
            authority,
            reach,
            pace,
            summaries,
            sessions,
            stores,
            metrics,
            memory: Mutex::default(),
            placement: Placement::default(),
            spare: Mutex::default(),
            starting: Mutex::new(Spare::of(STARTING_PER_S)),
            told: Mutex::default(),
            started: Instant::now(),
            wake,
        }
    }

    pub fn tables(&self, namespace: &str) -> Api<PokerTable> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub fn memory<T>(&self, uid: &str, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        change(memory.entry(uid.to_owned()).or_default())
    }

    /// Chooses a store group for a table that may be in any. The choice becomes permanent with the table's status.
    pub fn place(&self, table: &mut PokerTable) {
        if crate::table::store_name(table).is_none() {
            let all = || self.table_cache.state();
            let placed = self.placement.choose(table, all, self.fleet.stores.keys(), Instant::now());
            table.status.get_or_insert_default().store = placed;
        }
    }

    /// Whether a status that nobody acts on may be written now.
    pub fn spare_write(&self) -> bool {
        let now_s = self.started.elapsed().as_secs();
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).take(now_s)
    }

    /// Whether the status of a new table may be written now although it only says that the table starts.
    pub fn may_say_starting(&self) -> bool {
        let now_s = self.started.elapsed().as_secs();
        self.starting.lock().unwrap_or_else(PoisonError::into_inner).take(now_s)
    }

    /// Whether an event may be sent now. Events of ten thousand tables at once are dropped: nobody could read them.
    pub fn may_say(&self, event: &Event) -> bool {
        let Told { normal, warning } = &mut *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = if event.type_ == EventType::Normal { normal } else { warning };
        bucket.take(self.started.elapsed().as_secs())
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
        jittered(RETRY.after(failures.saturating_sub(1)))
    }
}
