//! Metrics of the records program.

use crate::batch::Fate;
use prometheus::{IntCounter, IntGauge, Registry};
use purr_runtime::metrics::Maker;

#[derive(Clone)]
pub struct Metrics {
    pub stored: IntCounter,
    pub duplicates: IntCounter,
    pub conflicts: IntCounter,
    pub quarantined: IntCounter,
    pub retries: IntCounter,
    pub waiting: IntGauge,
    pub missing: IntGauge,
}

impl Metrics {
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Maker(registry);
        Ok(Self {
            stored: make
                .counter("purr_records_hands_stored_total", "Hands stored, conflicting ones included")?,
            duplicates: make.counter("purr_records_duplicates_total", "Records that were stored already")?,
            conflicts: make
                .counter("purr_records_conflicts_total", "Second records of a hand, with another hash")?,
            quarantined: make
                .counter("purr_records_quarantined_total", "Entries that are no hand records")?,
            retries: make.counter("purr_records_retries_total", "Attempts that failed and are made again")?,
            waiting: make.gauge("purr_records_waiting", "Hands in the stream that are not stored yet")?,
            missing: make.gauge("purr_records_missing_hands", "Hand numbers skipped by tables' records")?,
        })
    }

    pub fn count(&self, fates: &[Fate]) {
        for fate in fates {
            match fate {
                Fate::Stored => self.stored.inc(),
                Fate::Duplicate => self.duplicates.inc(),
                Fate::Conflict => {
                    self.stored.inc();
                    self.conflicts.inc();
                }
                Fate::Quarantined(_) => self.quarantined.inc(),
            }
        }
    }
}
