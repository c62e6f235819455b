//! The state that reconciles of fleets share.

use super::{
    decide::Memory,
    observe::{Hashes, TableView},
};
use crate::{
    certificates::seconds,
    context::RETRY,
    index::{FleetIndex, PodIndex},
    metrics::{Metrics, Place},
    pace::{Group, SharedPace},
    spare::Spare,
    summaries::Summaries,
};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::{
    Api, Client,
    runtime::{events::Recorder, reflector::Store},
};
use purr_crds::{PokerTable, PokerTableFleet, PokerTableFleetStatus};
use purr_namespaces::Listed;
use purr_runtime::jittered;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// Statuses of fleets a second that are written for their counts alone.
const COUNTS_PER_S: u64 = 5;

/// State shared by all reconciles of fleets.
pub struct Fleets {
    client: Client,
    pub table_cache: Store<PokerTable>,
    pub pod_index: Arc<PodIndex>,
    pub fleet_index: Arc<FleetIndex>,
    pub(super) tables_listed: Listed,
    pub(super) pods_listed: Listed,
    pub recorder: Recorder,
    pub summaries: Arc<Summaries>,
    pub metrics: Metrics,
    pub pace: Arc<SharedPace>,
    pub release: String,
    held: Mutex<HashMap<String, Held>>,
    /// Writes of counts, of all fleets together.
    pub(super) spare: Mutex<Spare>,
}

/// State of one fleet, by its UID. It may be lost with the process.
pub(super) struct Held {
    pub(super) memory: Memory,
    /// The template that is known to be in the history, and the revision's name.
    pub(super) revision: Option<(Hashes, String)>,
    pub(super) written_s: i64,
    /// The status as this process last wrote it; the watch may lag behind.
    pub(super) written: Option<PokerTableFleetStatus>,
    pub(super) failures: u32,
}

/// The parts of [`Fleets`] that come from the outside.
pub struct Parts {
    pub client: Client,
    pub table_cache: Store<PokerTable>,
    pub pod_index: Arc<PodIndex>,
    pub fleet_index: Arc<FleetIndex>,
    pub tables_listed: Listed,
    pub pods_listed: Listed,
    pub recorder: Recorder,
    pub summaries: Arc<Summaries>,
    pub metrics: Metrics,
    pub pace: Arc<SharedPace>,
    pub release: String,
}

impl Fleets {
    pub fn new(parts: Parts) -> Self {
        let Parts {
            client,
            table_cache,
            pod_index,
            fleet_index,
            tables_listed,
            pods_listed,
            recorder,
            summaries,
            metrics,
            pace,
            release,
        } = parts;
        Self {
            client,
            table_cache,
            pod_index,
            fleet_index,
            tables_listed,
            pods_listed,
            recorder,
            summaries,
            metrics,
            pace,
            release,
            held: Mutex::default(),
            spare: Mutex::new(Spare::of(COUNTS_PER_S)),
        }
    }

    pub fn fleets(&self, namespace: &str) -> Api<PokerTableFleet> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub fn tables(&self, namespace: &str) -> Api<PokerTable> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub fn revisions(&self, namespace: &str) -> Api<ControllerRevision> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(super) fn held<T>(&self, fleet: &PokerTableFleet, use_it: impl FnOnce(&mut Held) -> T) -> T {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = fleet.metadata.uid.clone().unwrap_or_default();
        let new = || Held {
            memory: Memory::new(fleet.metadata.generation.unwrap_or_default(), seconds(SystemTime::now())),
            revision: None,
            written_s: 0,
            written: None,
            failures: 0,
        };
        use_it(held.entry(uid).or_insert_with(new))
    }

    pub(super) fn forget(&self, fleet: &PokerTableFleet) {
        let uid = fleet.metadata.uid.as_deref().unwrap_or_default();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        self.pace.with(|pace| pace.forget_group(&group(fleet)));
        self.metrics.forget_fleet(&place(fleet));
    }

    /// How long to wait after one more failure of this fleet.
    pub(super) fn failed(&self, fleet: &PokerTableFleet) -> Duration {
        let failures = self.held(fleet, |held| {
            held.failures = held.failures.saturating_add(1);
            held.failures
        });
        jittered(RETRY.after(failures.saturating_sub(1)))
    }

    /// The fleet's tables as the watch shows them.
    pub(super) fn views(&self, fleet: &PokerTableFleet) -> Vec<TableView> {
        let name = fleet.metadata.name.as_deref().unwrap_or_default();
        let of = |table: Arc<PokerTable>| {
            let uid = table.metadata.uid.as_deref().unwrap_or_default();
            let summary = self.summaries.get(uid);
            TableView::of(name, &fleet.spec.template, &table, summary.as_ref(), self.pod_index.node(uid))
        };
        self.tables_of(fleet).map(of).collect()
    }

    /// The tables that belong to this very fleet.
    pub fn tables_of(&self, fleet: &PokerTableFleet) -> impl Iterator<Item = Arc<PokerTable>> {
        let tables = self.fleet_index.of(fleet.metadata.uid.as_deref().unwrap_or_default());
        tables.into_iter().filter_map(|table| self.table_cache.get(&table))
    }
}

/// The fleet's tables, for the pace at which their pods change.
pub(super) fn group(fleet: &PokerTableFleet) -> Group {
    let PokerTableFleet { metadata, .. } = fleet;
    Group::Fleet(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

pub(super) fn place(fleet: &PokerTableFleet) -> Place {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    Place { namespace: part(&fleet.metadata.namespace), fleet: part(&fleet.metadata.name) }
}
