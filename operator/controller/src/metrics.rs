//! What the controller counts. Label values are static strings.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use purr_crds::Phase;

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
    pub launches: IntCounterVec,
}

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
        let seconds = HistogramVec::new(
            HistogramOpts::new("purr_controller_reconcile_seconds", "Duration of a reconcile"),
            &["result"],
        )?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            reconciles: counter("purr_controller_reconciles_total", "Reconciles by result", "result")?,
            reconcile_seconds: seconds,
            running: gauge("purr_controller_reconciles_running", "Reconciles that run")?,
            queued: gauge("purr_controller_queue", "Tables with news that wait to be looked at")?,
            tables,
            store_masters,
            leader: gauge("purr_controller_leader", "1 while this process holds the lease")?,
            launches: counter("purr_controller_pods_total", "Pods created and deleted", "action")?,
        })
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
