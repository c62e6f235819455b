//! Metrics of the controller. Label values are static strings, and the names of a bounded number of fleets.

use crate::fleet::status::Counts;
use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use purr_crds::Phase;
use purr_runtime::metrics::Maker;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

#[derive(Clone)]
pub struct Metrics {
    /// By result: ok, conflict, error.
    pub reconciles: IntCounterVec,
    pub reconcile_seconds: HistogramVec,
    pub running: IntGauge,
    /// Tables whose state has changed and that wait for their reconcile.
    pub queued: IntGauge,
    pub tables: IntGaugeVec,
    pub leader: IntGauge,
    /// Nodes of each store group that say they are its master. The configuration lists the groups.
    pub store_masters: IntGaugeVec,
    /// Tables that are gone and at which players sit, by the signer's journal.
    pub lost_tables: IntGauge,
    /// Chips of players at lost tables, in minor units.
    pub lost_chips: IntGauge,
    pub launches: IntCounterVec,
    /// By kind: table, fleet.
    pub status_writes: IntCounterVec,
    /// Events of tables that were dropped by the rate limit.
    pub events_dropped: IntCounter,
    /// By result: ok, conflict, error.
    pub fleet_reconciles: IntCounterVec,
    /// By step and result.
    pub fleet_steps: IntCounterVec,
    /// By fleet and state. At most [`FLEETS_MAX`] fleets are shown.
    fleet_tables: IntGaugeVec,
    fleet_seated: IntGaugeVec,
    fleet_stalled: IntGaugeVec,
    fleets: Arc<Mutex<BTreeSet<Place>>>,
}

/// A fleet's namespace and name: fleets of two namespaces may have the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub namespace: String,
    pub fleet: String,
}

/// Fleets with metrics of their own.
const FLEETS_MAX: usize = 256;
const FLEET_STATES: [&str; 6] = ["desired", "live", "ready", "free", "updated", "closing"];

const PHASES: [(Phase, &str); 5] = [
    (Phase::Pending, "Pending"),
    (Phase::Running, "Running"),
    (Phase::Paused, "Paused"),
    (Phase::Draining, "Draining"),
    (Phase::Degraded, "Degraded"),
];

impl Metrics {
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Maker(registry);
        Ok(Self {
            events_dropped: make.counter(
                "purr_controller_events_dropped_total",
                "Events of tables that were not sent because many happened at once",
            )?,
            reconciles: make.counters(
                "purr_controller_reconciles_total",
                "Reconciles by result",
                &["result"],
            )?,
            reconcile_seconds: make.histograms(
                "purr_controller_reconcile_seconds",
                "Duration of a reconcile",
                &["result"],
                prometheus::DEFAULT_BUCKETS.to_vec(),
            )?,
            running: make.gauge("purr_controller_reconciles_running", "Reconciles that run")?,
            queued: make.gauge("purr_controller_queue", "Tables with news that wait to be looked at")?,
            tables: make.gauges("purr_controller_tables", "Tables by phase", &["phase"])?,
            store_masters: make.gauges(
                "purr_controller_store_masters",
                "Nodes of a store group that say they are its master",
                &["store"],
            )?,
            leader: make.gauge("purr_controller_leader", "1 while this process holds the lease")?,
            lost_tables: make.gauge(
                "purr_controller_lost_tables",
                "Tables that are gone and at which players sit by the signer's journal",
            )?,
            lost_chips: make.gauge(
                "purr_controller_lost_chips",
                "Chips of players who sit at tables that are gone, in minor units",
            )?,
            launches: make.counters("purr_controller_pods_total", "Pods created and deleted", &["action"])?,
            status_writes: make.counters(
                "purr_controller_status_writes_total",
                "Writes of a status to the Kubernetes API by kind of object",
                &["kind"],
            )?,
            fleet_reconciles: make.counters(
                "purr_controller_fleet_reconciles_total",
                "Reconciles of fleets by result",
                &["result"],
            )?,
            fleet_steps: make.counters(
                "purr_controller_fleet_steps_total",
                "Steps of fleets by kind and result",
                &["step", "result"],
            )?,
            fleet_tables: make.gauges(
                "purr_fleet_tables",
                "Tables of a fleet by state",
                &["fleet_namespace", "fleet", "state"],
            )?,
            fleet_seated: make.gauges(
                "purr_fleet_seated",
                "Players with a seat in a fleet",
                &["fleet_namespace", "fleet"],
            )?,
            fleet_stalled: make.gauges(
                "purr_fleet_stalled",
                "1 while a change of a fleet has stopped",
                &["fleet_namespace", "fleet"],
            )?,
            fleets: Arc::default(),
        })
    }

    pub fn set_fleet(&self, place: &Place, counts: &Counts, desired: usize, stalled: bool) {
        let mut fleets = self.fleets.lock().unwrap_or_else(PoisonError::into_inner);
        if fleets.len() >= FLEETS_MAX && !fleets.contains(place) {
            return;
        }
        fleets.insert(place.clone());
        let Counts { live, ready, free, updated, closing, .. } = *counts;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let labels = [place.namespace.as_str(), place.fleet.as_str()];
        for (state, count) in FLEET_STATES.iter().zip([desired, live, ready, free, updated, closing]) {
            self.fleet_tables.with_label_values(&[labels[0], labels[1], state]).set(number(count));
        }
        self.fleet_seated.with_label_values(&labels).set(number(counts.seated));
        self.fleet_stalled.with_label_values(&labels).set(stalled.into());
    }

    /// Removes the metrics of a deleted fleet.
    pub fn forget_fleet(&self, place: &Place) {
        if !self.fleets.lock().unwrap_or_else(PoisonError::into_inner).remove(place) {
            return;
        }
        let labels = [place.namespace.as_str(), place.fleet.as_str()];
        for state in FLEET_STATES {
            let _ = self.fleet_tables.remove_label_values(&[labels[0], labels[1], state]);
        }
        let _ = self.fleet_seated.remove_label_values(&labels);
        let _ = self.fleet_stalled.remove_label_values(&labels);
    }

    pub fn count_tables(&self, phases: impl Iterator<Item = Phase>) {
        let mut counts = [0; PHASES.len()];
        for phase in phases {
            if let Some(at) = PHASES.iter().position(|(known, _)| *known == phase) {
                counts[at] += 1;
            }
        }
        for ((_, name), count) in PHASES.iter().zip(counts) {
            self.tables.with_label_values(&[*name]).set(count);
        }
    }
}
