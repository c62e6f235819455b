//! What the controller counts. Label values are static strings, and the names of a bounded number of fleets.

use crate::fleet::status::Counts;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use purr_crds::Phase;
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
    /// Tables whose state has changed and that wait for their turn to be looked at.
    pub queued: IntGauge,
    pub tables: IntGaugeVec,
    pub leader: IntGauge,
    /// By store group, of which the configuration names all: nodes that say they are its master.
    pub store_masters: IntGaugeVec,
    /// Tables that are gone and at which players sit, by the signer's journal.
    pub lost_tables: IntGauge,
    /// What those players have there, in minor units.
    pub lost_chips: IntGauge,
    pub launches: IntCounterVec,
    /// By kind: table, fleet.
    pub status_writes: IntCounterVec,
    /// Events of tables beyond what is told at a time.
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

/// Which fleet: its name alone may be there in another namespace as well.
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
        let counter = |name: &str, help: &str, label| {
            let counter = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let tables = IntGaugeVec::new(Opts::new("purr_controller_tables", "Tables by phase"), &["phase"])?;
        registry.register(Box::new(tables.clone()))?;
        let store_masters = IntGaugeVec::new(
            Opts::new("purr_controller_store_masters", "Nodes of a store group that say they are its master"),
            &["store"],
        )?;
        registry.register(Box::new(store_masters.clone()))?;
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauges.clone()))?;
            Ok::<_, prometheus::Error>(gauges)
        };
        let fleet_steps = IntCounterVec::new(
            Opts::new("purr_controller_fleet_steps_total", "Steps of fleets by kind and result"),
            &["step", "result"],
        )?;
        registry.register(Box::new(fleet_steps.clone()))?;
        let seconds = HistogramVec::new(
            HistogramOpts::new("purr_controller_reconcile_seconds", "Duration of a reconcile"),
            &["result"],
        )?;
        registry.register(Box::new(seconds.clone()))?;
        let events_dropped = IntCounter::new(
            "purr_controller_events_dropped_total",
            "Events of tables that were not sent because many happened at once",
        )?;
        registry.register(Box::new(events_dropped.clone()))?;
        Ok(Self {
            events_dropped,
            reconciles: counter("purr_controller_reconciles_total", "Reconciles by result", "result")?,
            reconcile_seconds: seconds,
            running: gauge("purr_controller_reconciles_running", "Reconciles that run")?,
            queued: gauge("purr_controller_queue", "Tables with news that wait to be looked at")?,
            tables,
            store_masters,
            leader: gauge("purr_controller_leader", "1 while this process holds the lease")?,
            lost_tables: gauge(
                "purr_controller_lost_tables",
                "Tables that are gone and at which players sit by the signer's journal",
            )?,
            lost_chips: gauge(
                "purr_controller_lost_chips",
                "Chips of players who sit at tables that are gone, in minor units",
            )?,
            launches: counter("purr_controller_pods_total", "Pods created and deleted", "action")?,
            status_writes: counter(
                "purr_controller_status_writes_total",
                "Writes of a status to the Kubernetes API by kind of object",
                "kind",
            )?,
            fleet_reconciles: counter(
                "purr_controller_fleet_reconciles_total",
                "Reconciles of fleets by result",
                "result",
            )?,
            fleet_steps,
            fleet_tables: gauges(
                "purr_fleet_tables",
                "Tables of a fleet by state",
                &["fleet_namespace", "fleet", "state"],
            )?,
            fleet_seated: gauges(
                "purr_fleet_seated",
                "Players with a seat in a fleet",
                &["fleet_namespace", "fleet"],
            )?,
            fleet_stalled: gauges(
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

    /// Of a fleet that is gone.
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
