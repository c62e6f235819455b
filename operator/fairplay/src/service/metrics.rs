//! Prometheus metrics of the service.

use super::cases::STATES;
use crate::Signal;
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use std::collections::BTreeMap;

#[derive(Clone)]
pub struct Metrics {
    pub hands: IntCounterVec,
    pub behind: IntGauge,
    pub lag_s: Gauge,
    pub look_s: Gauge,
    pub players: IntGauge,
    pub pairs: IntGauge,
    pub openings: IntCounterVec,
    pub retries: IntCounter,
    pub enforcing: IntGauge,
    pub payments_due: IntGauge,
    /// Set to the start's time at first, so that a program that never reads is as late as one that stopped.
    pub read_at: Gauge,
    pub oldest_unscored_s: Gauge,
    pub log_broken: IntGauge,
    pub log_checked: IntGauge,
    waiting: GaugeVec,
    signals: IntCounterVec,
    cases: IntGaugeVec,
}

const fn label(signal: Signal) -> &'static str {
    match signal {
        Signal::Transfer => "transfer",
        Signal::SoftPlay => "soft_play",
        Signal::Isolation => "isolation",
        Signal::HiddenCardsExact => "hidden_cards_exact",
        Signal::HiddenCards => "hidden_cards",
        Signal::RaisesFollowCards => "raises_follow_cards",
        Signal::KnowsCards => "knows_cards",
        Signal::Superuser => "superuser",
        Signal::BotTiming => "bot_timing",
        Signal::SamePerson => "same_person",
    }
}

impl Metrics {
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        macro_rules! made {
            ($metric:expr) => {{
                let metric = $metric?;
                registry.register(Box::new(metric.clone()))?;
                metric
            }};
        }
        let metrics = Self {
            hands: made!(IntCounterVec::new(
                Opts::new("purr_fairplay_hands_total", "Hands read, by what became of them"),
                &["how"]
            )),
            behind: made!(IntGauge::new(
                "purr_fairplay_behind_hands",
                "Hands that records has and that are not read yet, at most"
            )),
            lag_s: made!(Gauge::new(
                "purr_fairplay_hand_to_signal_seconds",
                "Longest time from the end of a hand to the look that judged it, of the last look"
            )),
            look_s: made!(Gauge::new("purr_fairplay_look_seconds", "Time that the last look took")),
            players: made!(IntGauge::new("purr_fairplay_players", "Players that are scored")),
            pairs: made!(IntGauge::new("purr_fairplay_pairs", "Pairs that are scored")),
            openings: made!(IntCounterVec::new(
                Opts::new("purr_fairplay_openings_total", "Fair-play parts opened, by whom"),
                &["who"]
            )),
            retries: made!(IntCounter::new(
                "purr_fairplay_retries_total",
                "Failures of records, signer or PostgreSQL that were tried again"
            )),
            enforcing: made!(IntGauge::new(
                "purr_fairplay_enforcing",
                "Sanctions that the signer has not taken yet"
            )),
            payments_due: made!(IntGauge::new(
                "purr_fairplay_refunds_due",
                "Refund payments that the chain does not have yet"
            )),
            read_at: made!(Gauge::new(
                "purr_fairplay_read_timestamp_seconds",
                "When records last gave hands, or said that there are none, since 1970"
            )),
            oldest_unscored_s: made!(Gauge::new(
                "purr_fairplay_lag_seconds",
                "Time since the oldest hand ended that is not scored yet, as of the last read; 0 where all are"
            )),
            log_broken: made!(IntGauge::new(
                "purr_fairplay_log_broken",
                "1 where a row of the log of openings does not follow from the one before it, or is gone"
            )),
            log_checked: made!(IntGauge::new(
                "purr_fairplay_log_checked_rows",
                "Rows of the log of openings up to which its chain was checked"
            )),
            waiting: made!(GaugeVec::new(
                Opts::new(
                    "purr_fairplay_oldest_case_seconds",
                    "Time that the oldest case of a state has waited for people, 0 where none waits"
                ),
                &["state"]
            )),
            signals: made!(IntCounterVec::new(
                Opts::new("purr_fairplay_signals_total", "Signals that a case took, by detector"),
                &["signal"]
            )),
            cases: made!(IntGaugeVec::new(Opts::new("purr_fairplay_cases", "Cases, by state"), &["state"])),
        };
        for how in ["opened", "blind", "void", "refused", "conflict"] {
            metrics.hands.with_label_values(&[how]).inc_by(0);
        }
        for who in ["detectors", "reviewers"] {
            metrics.openings.with_label_values(&[who]).inc_by(0);
        }
        Ok(metrics)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.signals.with_label_values(&[label(signal)]).inc();
    }

    /// For each state that waits for people: when its oldest case began to wait.
    pub(crate) fn waiting(&self, since_ms: &BTreeMap<String, i64>, now_ms: i64) {
        for state in ["open", "dissent", "appealed"] {
            let waited_ms = since_ms.get(state).map_or(0, |since| now_ms.saturating_sub(*since).max(0));
            self.waiting.with_label_values(&[state]).set(waited_ms as f64 / 1_000.0);
        }
    }

    pub(crate) fn cases(&self, counts: &BTreeMap<String, i64>) {
        for state in STATES {
            self.cases.with_label_values(&[state]).set(counts.get(state).copied().unwrap_or(0));
        }
    }
}
