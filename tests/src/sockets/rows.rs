//! Rows of the bench's report: name, value, unit, peer, its value, ratio, goal, met. A ratio above 1 is ahead.

use anyhow::Context;
use purr_client::load::Outcome;
use serde::Serialize;
use std::path::Path;

const PEER: &str = "socket.io 4.8.4";
/// Actions per server CPU-second, beside the peer's.
const CPU_GOAL: f64 = 3.0;
/// The goal: at most one part in this many of the peer's memory per connection.
const MEMORY_GOAL: f64 = 3.0;
/// Players from which on the tail latency has to be shorter than the peer's.
const P99_PLAYERS_MIN: usize = 99;

/// One measurement.
pub struct Run {
    pub outcome: Outcome,
    /// CPU seconds of the measurement: of the servers, of Redis, and of the players.
    pub servers_s: f64,
    pub stores_s: f64,
    pub generator_s: f64,
}

impl Run {
    fn per_cpu_s(&self) -> f64 {
        self.outcome.actions as f64 / self.servers_s
    }

    pub fn line(&self) -> String {
        let Outcome { actions_per_s, ack_ms, broadcast_ms, seconds, bytes_per_action, errors, .. } =
            &self.outcome;
        format!(
            "{actions_per_s:.0} actions/s, ack p50 {:.2} p99 {:.2} ms, seen by all p50 {:.2} p99 {:.2} ms, {:.0} actions a \
            server CPU-second; cores: servers {:.0}%, Redis {:.0}%, players {:.0}%; {bytes_per_action:.0} bytes an action, \
            {errors} errors",
            ack_ms.p50,
            ack_ms.p99,
            broadcast_ms.p50,
            broadcast_ms.p99,
            self.per_cpu_s(),
            self.servers_s / seconds * 100.0,
            self.stores_s / seconds * 100.0,
            self.generator_s / seconds * 100.0,
        )
    }
}

/// Memory of idle connections.
pub struct Idle {
    pub connections: usize,
    pub before: u64,
    pub after: u64,
    /// Memory by process, afterwards.
    pub each: Vec<(u32, u64)>,
    /// The gateway's part of the memory, per connection.
    pub gateway: Option<f64>,
}

impl Idle {
    pub fn a_connection(&self) -> f64 {
        self.after.saturating_sub(self.before) as f64 / self.connections as f64
    }

    /// The gateway's own growth, a connection. The gateway is the last of the processes.
    pub fn gateway_after(&self, before: u64) -> anyhow::Result<f64> {
        let (_, after) = self.each.last().context("no process")?;
        Ok(after.saturating_sub(before) as f64 / self.connections as f64)
    }

    pub fn line(&self) -> String {
        let gateway =
            self.gateway.map(|bytes| format!(", {bytes:.0} of them in the gateway")).unwrap_or_default();
        format!(
            "{} idle connections: {:.0} bytes each{gateway} ({:.0} MiB before, {:.0} after)",
            self.connections,
            self.a_connection(),
            self.before as f64 / 1_048_576.0,
            self.after as f64 / 1_048_576.0,
        )
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    peer: Option<&'static str>,
    peer_value: Option<f64>,
    ratio: Option<f64>,
    goal: Option<f64>,
    met: Option<bool>,
}

#[derive(Default)]
pub struct Rows(Vec<Row>);

impl Rows {
    pub fn alone(&mut self, name: String, value: f64, unit: &'static str) {
        self.0.push(Row {
            name,
            value,
            unit,
            peer: None,
            peer_value: None,
            ratio: None,
            goal: None,
            met: None,
        });
    }

    fn beside(&mut self, name: String, value: f64, peer: f64, unit: &'static str, goal: Option<f64>) {
        self.beside_of(PEER, name, (value, peer), unit, goal);
    }

    /// Our value, and this peer's.
    pub fn beside_of(
        &mut self,
        peer: &'static str,
        name: String,
        (value, peer_value): (f64, f64),
        unit: &'static str,
        goal: Option<f64>,
    ) {
        let less = matches!(unit, "ms" | "bytes");
        let ratio = if less { peer_value / value } else { value / peer_value };
        let met = goal.map(|goal| ratio >= goal);
        let (ratio, peer_value) = (Some(ratio), Some(peer_value));
        self.0.push(Row { name, value, unit, peer: Some(peer), peer_value, ratio, goal, met });
    }

    /// Compares both with `everysec`.
    pub fn compare(&mut self, ours: &Run, peer: &Run) {
        let players = ours.outcome.players;
        let name = |what: &str| format!("sockets/{players}/{what}");
        let (a, b) = (&ours.outcome, &peer.outcome);
        let tail = (players >= P99_PLAYERS_MIN).then_some(1.0);
        self.beside(name("actions"), a.actions_per_s, b.actions_per_s, "1/s", None);
        self.beside(name("actions-a-cpu-second"), ours.per_cpu_s(), peer.per_cpu_s(), "1/s", Some(CPU_GOAL));
        self.beside(name("ack-p50"), a.ack_ms.p50, b.ack_ms.p50, "ms", None);
        self.beside(name("ack-p99"), a.ack_ms.p99, b.ack_ms.p99, "ms", tail);
        self.beside(name("seen-p50"), a.broadcast_ms.p50, b.broadcast_ms.p50, "ms", None);
        self.beside(name("seen-p99"), a.broadcast_ms.p99, b.broadcast_ms.p99, "ms", tail);
        self.beside(name("wire"), a.bytes_per_action, b.bytes_per_action, "bytes", None);
    }

    /// Ours alone, as the chart has it.
    pub fn always(&mut self, run: &Run) {
        let name = |what: &str| format!("sockets/{}/always/{what}", run.outcome.players);
        self.alone(name("actions"), run.outcome.actions_per_s, "1/s");
        self.alone(name("actions-a-cpu-second"), run.per_cpu_s(), "1/s");
        self.alone(name("ack-p50"), run.outcome.ack_ms.p50, "ms");
        self.alone(name("ack-p99"), run.outcome.ack_ms.p99, "ms");
    }

    pub fn idle(&mut self, ours: &Idle, peer: &Idle) {
        let name = format!("sockets/idle/{}/memory", ours.connections);
        self.beside(name, ours.a_connection(), peer.a_connection(), "bytes", Some(MEMORY_GOAL));
    }

    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        std::fs::write(path, serde_json::to_string_pretty(&self.0)? + "\n")
            .with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_above_one_are_ahead_whichever_way_is_better() {
        let mut rows = Rows::default();
        rows.beside("a".into(), 300.0, 100.0, "1/s", Some(3.0));
        rows.beside("b".into(), 50.0, 100.0, "bytes", Some(3.0));
        rows.beside("c".into(), 2.0, 1.0, "ms", None);
        let found: Vec<_> = rows.0.iter().map(|row| (row.ratio.unwrap(), row.met)).collect();
        assert_eq!(found, [(3.0, Some(true)), (2.0, Some(false)), (0.5, None)]);
    }
}
