//! Counts and measurements of a run.

use super::latencies::{Latencies, Quantiles};
use serde::Serialize;
use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    rc::Rc,
    time::Instant,
};

/// Most kinds of errors that are counted apart; the rest count as one.
const KINDS_MAX: usize = 32;
/// Actions of one table whose last viewer has not seen them.
const OPEN_MAX: usize = 64;

/// Bytes of all sockets, TLS included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bytes {
    pub read: Rc<Cell<u64>>,
    pub written: Rc<Cell<u64>>,
}

/// All connections count here. Before the measurement begins nothing is kept.
pub(crate) struct Figures {
    pub bytes: Bytes,
    begun: Option<(Instant, u64, u64)>,
    acked: u64,
    ack: Latencies,
    broadcast: Latencies,
    unseen: u64,
    reconnects: u64,
    pauses: u64,
    time_outs: u64,
    errors: u64,
    kinds: BTreeMap<String, u64>,
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Bytes::default(),
            begun: None,
            acked: 0,
            ack: Latencies::default(),
            broadcast: Latencies::default(),
            unseen: 0,
            reconnects: 0,
            pauses: 0,
            time_outs: 0,
            errors: 0,
            kinds: BTreeMap::new(),
        }
    }

    pub(crate) fn begin(&mut self, now: Instant) {
        self.begun = Some((now, self.bytes.read.get(), self.bytes.written.get()));
    }

    /// Actions that were acknowledged since the measurement began.
    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    /// Only actions that went out after the measurement began count.
    fn counts(&self, sent: Instant) -> bool {
        self.begun.is_some_and(|(begun, ..)| begun <= sent)
    }

    pub(super) fn ack(&mut self, sent: Instant, now: Instant) {
        if self.counts(sent) {
            self.acked += 1;
            self.ack.record(now.duration_since(sent));
        }
    }

    pub(super) fn broadcast(&mut self, sent: Instant, now: Instant) {
        if self.counts(sent) {
            self.broadcast.record(now.duration_since(sent));
        }
    }

    pub(super) fn reconnect(&mut self) {
        self.reconnects += u64::from(self.begun.is_some());
    }

    pub(super) fn troubled(&mut self, paused: bool, timed_out: bool) {
        if self.begun.is_some() {
            self.pauses += u64::from(paused);
            self.time_outs += u64::from(timed_out);
        }
    }

    pub(super) fn error(&mut self, kind: &str) {
        if self.begun.is_none() {
            return;
        }
        self.errors += 1;
        let known = self.kinds.contains_key(kind) || self.kinds.len() < KINDS_MAX;
        *self.kinds.entry(if known { kind } else { "others" }.to_owned()).or_default() += 1;
    }

    pub(crate) fn result(&self, players: usize, spectators: usize, tables: usize, now: Instant) -> Outcome {
        let (begun, read, written) = self.begun.unwrap_or((now, 0, 0));
        let seconds = now.duration_since(begun).as_secs_f64();
        let bytes = (self.bytes.read.get() - read) + (self.bytes.written.get() - written);
        let per =
            |value: u64, by: f64| if by > 0.0 { (value as f64 / by * 100.0).round() / 100.0 } else { 0.0 };
        Outcome {
            players,
            spectators,
            tables,
            seconds,
            actions: self.acked,
            actions_per_s: per(self.acked, seconds),
            ack_ms: self.ack.quantiles(),
            broadcast_ms: self.broadcast.quantiles(),
            bytes_per_action: per(bytes, self.acked as f64),
            unseen: self.unseen,
            reconnects: self.reconnects,
            pauses: self.pauses,
            time_outs: self.time_outs,
            errors: self.errors,
            error_kinds: self.kinds.clone(),
        }
    }
}

/// The result, for tools. Milliseconds and bytes; bytes are those of the sockets, TLS included, TCP and IP not.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub players: usize,
    pub spectators: usize,
    pub tables: usize,
    /// Length of the measurement.
    pub seconds: f64,
    /// Sent after it began, and acknowledged.
    pub actions: u64,
    pub actions_per_s: f64,
    /// Time from sending an action to its acknowledgement.
    pub ack_ms: Quantiles,
    /// Time from sending an action until the last connection of its table has seen it.
    pub broadcast_ms: Quantiles,
    pub bytes_per_action: f64,
    /// Actions that some connection of their table never saw: one that came or went meanwhile.
    pub unseen: u64,
    pub reconnects: u64,
    /// Pauses of tables that connections were notified of.
    pub pauses: u64,
    /// Turns of these players whose clock ran out.
    pub time_outs: u64,
    pub errors: u64,
    pub error_kinds: BTreeMap<String, u64>,
}

impl Outcome {
    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let spectators =
            if self.spectators > 0 { format!(", {} spectators", self.spectators) } else { String::new() };
        let _ = writeln!(
            text,
            "{} players{spectators} at {} tables, {:.1} s\n{:24}{:>12}\n{:24}{:>12.1}\n{:24}{:>12.0}",
            self.players,
            self.tables,
            self.seconds,
            "actions",
            self.actions,
            "actions/s",
            self.actions_per_s,
            "bytes an action",
            self.bytes_per_action,
        );
        let _ = writeln!(
            text,
            "{:24}{:>12}{:>10}{:>10}{:>10}{:>10}",
            "milliseconds", "p50", "p90", "p99", "p99.9", "max"
        );
        for (name, q) in [("sent to acknowledged", &self.ack_ms), ("sent to seen by all", &self.broadcast_ms)]
        {
            let _ = writeln!(
                text,
                "{name:24}{:>12.2}{:>10.2}{:>10.2}{:>10.2}{:>10.2}",
                q.p50, q.p90, q.p99, q.p999, q.max
            );
        }
        let _ = write!(
            text,
            "reconnects {}, errors {}, not seen by all {}",
            self.reconnects, self.errors, self.unseen
        );
        for (kind, count) in &self.error_kinds {
            let _ = write!(text, "\n  {count} x {kind}");
        }
        text
    }
}

/// Players of a table who have seen an action.
#[derive(Default)]
pub(crate) struct Spread {
    /// Connections that are attached.
    pub viewers: usize,
    open: VecDeque<(u64, usize, Option<Instant>)>,
}

impl Spread {
    /// Records that a connection has seen the action at this offset; `sent` is set by its sender.
    pub(crate) fn seen(&mut self, offset: u64, sent: Option<Instant>, now: Instant, figures: &mut Figures) {
        let at = self.open.iter().position(|(open, ..)| *open == offset).unwrap_or_else(|| {
            if self.open.len() >= OPEN_MAX && self.open.pop_front().is_some_and(|(.., sent)| sent.is_some()) {
                figures.unseen += u64::from(figures.begun.is_some());
            }
            self.open.push_back((offset, 0, None));
            self.open.len() - 1
        });
        let Some((_, seen, by)) = self.open.get_mut(at) else { return };
        *seen += 1;
        *by = by.or(sent);
        if *seen < self.viewers {
            return;
        }
        // All have seen it, its sender included; an action that no connection sent (a clock that ran out) has no
        // latency.
        if let Some((.., Some(sent))) = self.open.remove(at) {
            figures.broadcast(sent, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_broadcast_is_over_when_the_last_viewer_has_seen_it() {
        let mut figures = Figures::new();
        let begun = Instant::now();
        let ms = |ms| begun + Duration::from_millis(ms);
        figures.begin(begun);
        let mut spread = Spread { viewers: 3, ..Spread::default() };
        // Another connection sees the action before its sender does.
        spread.seen(7, None, ms(3), &mut figures);
        spread.seen(7, Some(ms(1)), ms(4), &mut figures);
        spread.seen(8, Some(ms(4)), ms(5), &mut figures);
        assert_eq!(figures.broadcast.quantiles().count, 0);
        spread.seen(7, None, ms(11), &mut figures);
        let quantiles = figures.broadcast.quantiles();
        assert_eq!((quantiles.count, quantiles.max.round()), (1, 10.0));
        // Messages from before the measurement do not count.
        figures.begin(ms(20));
        for _ in 0..3 {
            spread.seen(9, Some(ms(19)), ms(30), &mut figures);
        }
        figures.ack(ms(19), ms(30));
        assert_eq!((figures.broadcast.quantiles().count, figures.acked()), (1, 0));
    }

    #[test]
    fn what_never_spreads_is_counted_and_forgotten() {
        let mut figures = Figures::new();
        let begun = Instant::now();
        figures.begin(begun);
        let mut spread = Spread { viewers: 2, ..Spread::default() };
        for offset in 0..OPEN_MAX as u64 + 5 {
            spread.seen(offset, Some(begun), begun, &mut figures);
        }
        assert_eq!((spread.open.len(), figures.unseen), (OPEN_MAX, 5));
    }

    #[test]
    fn errors_have_a_bounded_number_of_kinds() {
        let mut figures = Figures::new();
        figures.error("before the measurement");
        figures.begin(Instant::now());
        for kind in 0..100 {
            figures.error(&kind.to_string());
        }
        let outcome = figures.result(9, 0, 1, Instant::now());
        assert_eq!((outcome.errors, outcome.error_kinds.len()), (100, KINDS_MAX + 1));
        assert_eq!(outcome.error_kinds["others"], 100 - KINDS_MAX as u64);
    }
}
