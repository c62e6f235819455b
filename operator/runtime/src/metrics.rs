//! Makes metrics and registers them, in one step.

use prometheus::{
    Error, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, core::Collector,
};

/// Makes the metrics of one registry.
///
/// # Errors
/// Each method fails where the registry has a metric of the name already, or where the name or a label is not one.
#[derive(Clone, Copy)]
pub struct Maker<'a>(pub &'a Registry);

#[allow(clippy::missing_errors_doc, reason = "documented once, at the type")]
impl Maker<'_> {
    fn registered<M: Collector + Clone + 'static>(self, metric: M) -> Result<M, Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    pub fn counter(self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.registered(IntCounter::new(name, help)?)
    }

    pub fn counters(self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    pub fn gauge(self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.registered(IntGauge::new(name, help)?)
    }

    pub fn gauges(self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.registered(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// A gauge of fractions.
    pub fn float_gauge(self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.registered(Gauge::new(name, help)?)
    }

    /// Gauges of fractions.
    pub fn float_gauges(self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.registered(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    pub fn histogram(self, name: &str, help: &str, buckets: Vec<f64>) -> Result<Histogram, Error> {
        self.registered(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?)
    }

    pub fn histograms(
        self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: Vec<f64>,
    ) -> Result<HistogramVec, Error> {
        self.registered(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_what_the_registry_shows() {
        let registry = Registry::new();
        let make = Maker(&registry);
        make.counter("a_total", "A").unwrap().inc();
        make.counters("b_total", "B", &["how"]).unwrap().with_label_values(&["well"]).inc_by(2);
        make.gauge("c", "C").unwrap().set(3);
        make.gauges("d", "D", &["part"]).unwrap().with_label_values(&["x"]).set(4);
        make.float_gauge("e", "E").unwrap().set(0.5);
        make.float_gauges("f", "F", &["part"]).unwrap().with_label_values(&["x"]).set(0.25);
        make.histogram("g", "G", vec![1.0]).unwrap().observe(0.5);
        make.histograms("h", "H", &["part"], vec![1.0]).unwrap().with_label_values(&["x"]).observe(2.0);
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "a_total 1",
            "b_total{how=\"well\"} 2",
            "c 3",
            "d{part=\"x\"} 4",
            "e 0.5",
            "f{part=\"x\"} 0.25",
            "g_bucket{le=\"1\"} 1",
            "h_bucket{part=\"x\",le=\"1\"} 0",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_name_is_registered_once() {
        let registry = Registry::new();
        let make = Maker(&registry);
        make.counter("a_total", "A").unwrap();
        assert!(matches!(make.gauge("a_total", "A"), Err(Error::AlreadyReg)));
    }
}
