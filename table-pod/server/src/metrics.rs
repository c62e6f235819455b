//! What a table counts.

use crate::core::Faults;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

#[derive(Clone)]
pub struct Metrics {
    pub hands: IntCounter,
    pub actions: IntCounter,
    pub commit_seconds: Histogram,
    pub action_seconds: Histogram,
    pub commit_retries: IntCounter,
    pub connected: IntGauge,
    pub outbox: IntGauge,
    pub paused: IntGauge,
    pub slow_readers: IntCounter,
    pub hands_lost: IntGauge,
    pub deals_void: IntGauge,
    pub entropy_withheld: IntGauge,
    faults: [IntGauge; 6],
}

impl Metrics {
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let gauge = |name: &str, help: &str| {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let by_cause = |name: &str, help: &str| {
            let metric = IntGaugeVec::new(Opts::new(name, help), &["cause"])?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let void = by_cause(
            "purr_table_deals_void_by_cause",
            "Deals given up, also before any reveal, over the table's life, by cause",
        )?;
        let withheld = by_cause(
            "purr_table_entropy_withheld_by_cause",
            "Reveals that were committed to and never came, over the table's life, by cause",
        )?;
        let faults = [
            void.get_metric_with_label_values(&["too_few_players"])?,
            void.get_metric_with_label_values(&["state_lost"])?,
            void.get_metric_with_label_values(&["frozen"])?,
            void.get_metric_with_label_values(&["other"])?,
            withheld.get_metric_with_label_values(&["silent"])?,
            withheld.get_metric_with_label_values(&["disconnected"])?,
        ];
        let buckets = prometheus::exponential_buckets(0.000_5, 2.0, 14)?;
        let options = HistogramOpts::new("purr_table_commit_seconds", "Time of a commit, retries included");
        let commit_seconds = Histogram::with_opts(options.buckets(buckets))?;
        registry.register(Box::new(commit_seconds.clone()))?;
        // Few: the objective is about 250 ms, and there are many tables.
        let options = HistogramOpts::new(
            "purr_table_action_seconds",
            "From a player's message at the table to its acknowledgement, where it changed the table",
        );
        let action_seconds = Histogram::with_opts(options.buckets(vec![0.005, 0.025, 0.1, 0.25, 1.0, 5.0]))?;
        registry.register(Box::new(action_seconds.clone()))?;
        Ok(Self {
            hands: counter("purr_table_hands_total", "Hands that ended")?,
            actions: counter("purr_table_actions_total", "Players' messages that changed the table")?,
            commit_seconds,
            action_seconds,
            commit_retries: counter("purr_table_commit_retries_total", "Commits sent again")?,
            connected: gauge("purr_table_connections", "Players' connections")?,
            outbox: gauge("purr_table_outbox_entries", "Entries that the signer has not accepted")?,
            paused: gauge("purr_table_paused", "1 while the store cannot take commits")?,
            slow_readers: counter(
                "purr_table_slow_readers_total",
                "Connections cut because they read too slowly",
            )?,
            hands_lost: gauge("purr_table_hands_lost", "Hands given up because their state was lost")?,
            deals_void: gauge(
                "purr_table_deals_void",
                "Deals given up after a player had revealed entropy, over the table's life",
            )?,
            entropy_withheld: gauge(
                "purr_table_entropy_withheld",
                "Reveals that were committed to and never came, over the table's life",
            )?,
            faults,
        })
    }

    pub fn set_faults(&self, faults: &Faults) {
        let Faults {
            void_too_few_players,
            void_state_lost,
            void_frozen,
            void_other,
            withheld_silent,
            withheld_disconnected,
        } = *faults;
        let counts = [
            void_too_few_players,
            void_state_lost,
            void_frozen,
            void_other,
            withheld_silent,
            withheld_disconnected,
        ];
        for (gauge, count) in self.faults.iter().zip(counts) {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
