//! Metrics of a table.

use crate::core::Faults;
use prometheus::{Histogram, IntCounter, IntGauge, Registry};
use purr_runtime::metrics::Maker;

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
        let make = Maker(registry);
        let void = make.gauges(
            "purr_table_deals_void_by_cause",
            "Deals given up, also before any reveal, over the table's life, by cause",
            &["cause"],
        )?;
        let withheld = make.gauges(
            "purr_table_entropy_withheld_by_cause",
            "Reveals that were committed to and never came, over the table's life, by cause",
            &["cause"],
        )?;
        let faults = [
            void.get_metric_with_label_values(&["too_few_players"])?,
            void.get_metric_with_label_values(&["state_lost"])?,
            void.get_metric_with_label_values(&["frozen"])?,
            void.get_metric_with_label_values(&["other"])?,
            withheld.get_metric_with_label_values(&["silent"])?,
            withheld.get_metric_with_label_values(&["disconnected"])?,
        ];
        Ok(Self {
            hands: make.counter("purr_table_hands_total", "Hands that ended")?,
            actions: make.counter("purr_table_actions_total", "Players' messages that changed the table")?,
            commit_seconds: make.histogram(
                "purr_table_commit_seconds",
                "Time of a commit, retries included",
                prometheus::exponential_buckets(0.000_5, 2.0, 14)?,
            )?,
            // Few buckets, because the objective is about 250 ms and there are many tables.
            action_seconds: make.histogram(
                "purr_table_action_seconds",
                "From a player's message at the table to its acknowledgement, where it changed the table",
                vec![0.005, 0.025, 0.1, 0.25, 1.0, 5.0],
            )?,
            commit_retries: make.counter("purr_table_commit_retries_total", "Commits sent again")?,
            connected: make.gauge("purr_table_connections", "Players' connections")?,
            outbox: make.gauge("purr_table_outbox_entries", "Entries that the signer has not accepted")?,
            paused: make.gauge("purr_table_paused", "1 while the store cannot take commits")?,
            slow_readers: make
                .counter("purr_table_slow_readers_total", "Connections cut because they read too slowly")?,
            hands_lost: make.gauge("purr_table_hands_lost", "Hands given up because their state was lost")?,
            deals_void: make.gauge(
                "purr_table_deals_void",
                "Deals given up after a player had revealed entropy, over the table's life",
            )?,
            entropy_withheld: make.gauge(
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
