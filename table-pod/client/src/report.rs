//! A bot's report: its acts, and how long the table took.

use crate::link::Timing;
use serde::Serialize;
use std::time::Duration;

/// Timings kept; of more, the first are kept.
const SAMPLES_MAX: usize = 100_000;

/// Milliseconds from sending an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// The JSON line at a bot's end.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub player: String,
    pub table: String,
    /// Hands that were played to their end.
    pub hands: u64,
    pub actions: u64,
    pub acks: u64,
    /// Refusals, by text: at most 32 kinds.
    pub errors: u64,
    pub error_kinds: std::collections::BTreeMap<String, u64>,
    pub reconnects: u64,
    pub showdowns: u64,
    /// Hands whose deal was proven, and cards in them.
    pub deals_proven: u64,
    pub cards_proven: u64,
    /// Hands of which only a part was seen.
    pub deals_partly: u64,
    /// The fault of a deal.
    pub deals_wrong: Vec<String>,
    pub bought_in: u64,
    /// Chips that the player left with.
    pub left_with: Option<u64>,
    /// Why it ended before its time.
    pub cut_short: Option<String>,
    pub ack_ms: Percentiles,
    pub broadcast_ms: Percentiles,
    #[serde(skip)]
    ack: Vec<Duration>,
    #[serde(skip)]
    broadcast: Vec<Duration>,
}

impl Report {
    pub fn acted(&mut self, timing: &Timing) {
        if self.ack.len() >= SAMPLES_MAX {
            return;
        }
        self.ack.push(timing.acked.duration_since(timing.sent));
        if let Some(shown) = timing.shown {
            self.broadcast.push(shown.duration_since(timing.sent));
        }
    }

    pub fn refused(&mut self, why: String) {
        self.errors += 1;
        if self.error_kinds.len() < 32 || self.error_kinds.contains_key(&why) {
            *self.error_kinds.entry(why).or_default() += 1;
        }
    }

    /// Times from sending an action to its acknowledgement, and to its broadcast.
    pub fn timings(&self) -> (&[Duration], &[Duration]) {
        (&self.ack, &self.broadcast)
    }

    #[must_use]
    pub fn finished(mut self) -> Self {
        self.ack_ms = Percentiles::of(&mut self.ack);
        self.broadcast_ms = Percentiles::of(&mut self.broadcast);
        self
    }
}

impl Percentiles {
    /// Quantiles by nearest rank; sorts the samples.
    pub fn of(samples: &mut [Duration]) -> Self {
        samples.sort_unstable();
        let at = |percent: usize| {
            let rank = (samples.len() * percent).div_ceil(100).saturating_sub(1);
            samples.get(rank).map_or(0.0, |sample| (sample.as_secs_f64() * 1e5).round() / 100.0)
        };
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut samples: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        let Percentiles { p50, p99, max } = Percentiles::of(&mut samples);
        assert_eq!((p50, p99, max), (100.0, 198.0, 200.0));
        assert_eq!(Percentiles::of(&mut []), Percentiles::default());
    }
}
