//! Rows of the report: attack, cost to the attacker, effect on a seated player.

use super::{probe::Probed, storm::Tally, victims::Felt};
use anyhow::Context;
use serde::Serialize;
use std::{fmt::Write as _, path::Path};

/// A seated player's action takes at most so long at the 99th percentile, or twice as long as in quiet.
const P99_MS: f64 = 50.0;
/// Time within which a seated player must be back.
const BACK_S: f64 = 5.0;

/// One attack.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub attack: &'static str,
    pub cost: String,
    pub actions: u64,
    pub quiet_p99_ms: f64,
    pub p99_ms: f64,
    pub p99_ms_max: f64,
    pub pauses: u64,
    pub time_outs: u64,
    pub reconnects: u64,
    /// Time until returning players had their seats; `None` if none returned, or if they did not get them.
    pub back_s: Option<f64>,
    /// Requests of an uninvolved client, and how many of them were not answered.
    pub asked: u64,
    pub refused: u64,
    /// Bounds that the run has missed.
    pub broken: Vec<String>,
}

impl Row {
    pub fn new(attack: &'static str, cost: String, quiet: &Felt, felt: &Felt) -> Self {
        let p99_ms_max = (2.0 * quiet.p99_ms).max(P99_MS);
        let mut row = Self {
            attack,
            cost,
            actions: felt.actions,
            quiet_p99_ms: quiet.p99_ms,
            p99_ms: felt.p99_ms,
            p99_ms_max,
            pauses: felt.pauses,
            time_outs: felt.time_outs,
            reconnects: felt.reconnects,
            back_s: None,
            asked: 0,
            refused: 0,
            broken: Vec::new(),
        };
        row.holds(felt.actions > 0, "no action was acknowledged".into());
        row.holds(felt.p99_ms <= p99_ms_max, format!("p99 {:.1} ms, bound {p99_ms_max:.1} ms", felt.p99_ms));
        row.holds(felt.pauses == 0, format!("{} pauses", felt.pauses));
        row.holds(felt.time_outs == 0, format!("{} time-outs", felt.time_outs));
        row
    }

    fn holds(&mut self, kept: bool, otherwise: String) {
        if !kept {
            self.broken.push(otherwise);
        }
    }

    /// Requires that all requests of the uninvolved client are answered.
    pub fn probed(mut self, Probed { asked, refused }: Probed) -> Self {
        (self.asked, self.refused) = (asked, refused);
        self.holds(asked > 0 && refused == 0, format!("{refused} of {asked} requests refused"));
        self
    }

    /// Checks that seated players are back in their seats in time.
    pub fn back(mut self, back_s: Option<f64>) -> Self {
        self.back_s = back_s;
        let took = back_s.map_or("not back at all".to_owned(), |s| format!("back after {s:.1} s"));
        self.holds(back_s.is_some_and(|s| s <= BACK_S), format!("{took}, bound {BACK_S} s"));
        self
    }

    pub fn line(&self) -> String {
        let mut effect = format!(
            "p99 {:.1} ms (quiet {:.1}, bound {:.1}), {} pauses, {} time-outs",
            self.p99_ms, self.quiet_p99_ms, self.p99_ms_max, self.pauses, self.time_outs
        );
        if let Some(back_s) = self.back_s {
            let _ = write!(effect, ", back after {back_s:.1} s");
        }
        if self.asked > 0 {
            let _ = write!(effect, ", {} of {} requests refused", self.refused, self.asked);
        }
        let verdict = if self.broken.is_empty() {
            "kept".to_owned()
        } else {
            format!("NOT KEPT: {}", self.broken.join(", "))
        };
        format!("{:<8} {}\n         {effect}: {verdict}", self.attack, self.cost)
    }
}

/// The cost of an attack, for people.
pub(super) fn cost(what: &str, tally: &Tally) -> String {
    let Tally { connects, refused, messages, held } = tally;
    format!("{what}: {connects} connections ({refused} refused, {held} at once), {messages} messages")
}

#[derive(Default)]
pub(super) struct Report(Vec<Row>);

impl Report {
    pub fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    pub fn table(&self) -> String {
        self.0.iter().map(Row::line).collect::<Vec<_>>().join("\n")
    }

    pub fn broken(&self) -> Vec<String> {
        let broken = self.0.iter().filter(|row| !row.broken.is_empty());
        broken.map(|row| format!("{}: {}", row.attack, row.broken.join(", "))).collect()
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
    fn a_row_names_every_bound_that_was_not_kept() {
        let quiet = Felt { actions: 100, p99_ms: 4.0, ..Felt::default() };
        let good = Row::new("a", String::new(), &quiet, &Felt { p99_ms: 49.0, ..quiet.clone() });
        assert!(good.broken.is_empty(), "{:?}", good.broken);
        let slow = Felt { actions: 100, p99_ms: 51.0, pauses: 2, time_outs: 1, ..Felt::default() };
        let bad =
            Row::new("a", String::new(), &quiet, &slow).probed(Probed { asked: 3, refused: 1 }).back(None);
        assert_eq!(bad.broken.len(), 5, "{:?}", bad.broken);
        // If the quiet figure is slow itself, the bound is twice that.
        let slow_quiet = Felt { p99_ms: 30.0, ..quiet };
        assert!(Row::new("a", String::new(), &slow_quiet, &Felt { p99_ms: 59.0, ..quiet }).broken.is_empty());
    }
}
