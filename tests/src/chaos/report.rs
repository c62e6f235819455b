//! What came of a fault: one row of the table.

use super::Fault;
use crate::checker::Violation;
use serde::Serialize;
use std::{fmt::Write, time::Duration};

/// One run of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Felt {
    /// The longest that a player waited for an action, or that nothing came beyond the table's ordinary pace.
    pub pause: Duration,
    /// Of which it took so long until somebody saw it, or until what was taken away was given back.
    pub seen: Duration,
    /// From the fault until everything was whole again.
    pub healed: Duration,
}

/// A line of `target/chaos.json`. Times are in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub fault: &'static str,
    pub runs: usize,
    pub hands: usize,
    /// Commands that were acknowledged to players.
    pub acknowledged: usize,
    pub lost: usize,
    pub duplicated: usize,
    /// [`Felt::pause`], of the runs.
    pub pause_ms_p50: u64,
    pub pause_ms_max: u64,
    /// Of the longest: how long it was after the fault was seen. The bound is for this.
    pub after_ms_max: u64,
    pub bound_ms: u64,
    /// The longest time until everything was whole again.
    pub heal_ms: u64,
    pub met: bool,
}

#[derive(Default)]
pub struct Tally(Vec<Felt>);

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Tally {
    pub fn add(&mut self, felt: Felt) {
        self.0.push(felt);
    }

    pub fn row(&self, fault: Fault, (hands, acknowledged): (usize, usize), found: &[Violation]) -> Row {
        let mut pauses: Vec<u64> = self.0.iter().map(|felt| ms(felt.pause)).collect();
        pauses.sort_unstable();
        let after_ms_max =
            self.0.iter().map(|felt| ms(felt.pause.saturating_sub(felt.seen))).max().unwrap_or_default();
        let duplicated = found.iter().filter(|violation| violation.is_double()).count();
        let (lost, bound_ms) = (found.len() - duplicated, ms(fault.bound()));
        Row {
            fault: fault.name(),
            runs: self.0.len(),
            hands,
            acknowledged,
            lost,
            duplicated,
            pause_ms_p50: pauses.get(pauses.len() / 2).copied().unwrap_or_default(),
            pause_ms_max: pauses.last().copied().unwrap_or_default(),
            after_ms_max,
            bound_ms,
            heal_ms: self.0.iter().map(|felt| ms(felt.healed)).max().unwrap_or_default(),
            met: found.is_empty() && after_ms_max <= bound_ms,
        }
    }
}

/// For people.
pub fn render(rows: &[Row]) -> String {
    let mut text = String::from(
        "| fault | runs | hands | acknowledged | lost | duplicated | waited p50 / max, ms | after it was seen, max | bound | whole after, ms | met |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} / {} | {} | {} | {} | {} |",
            row.fault,
            row.runs,
            row.hands,
            row.acknowledged,
            row.lost,
            row.duplicated,
            row.pause_ms_p50,
            row.pause_ms_max,
            row.after_ms_max,
            row.bound_ms,
            row.heal_ms,
            if row.met { "yes" } else { "NO" }
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn felt(pause: u64, seen: u64) -> Felt {
        let ms = Duration::from_millis;
        Felt { pause: ms(pause), seen: ms(seen), healed: ms(9_000) }
    }

    #[test]
    fn a_bound_is_for_the_time_after_a_fault_was_seen() {
        let mut tally = Tally::default();
        [felt(6_500, 4_000), felt(2_000, 5_000), felt(2_900, 0)].into_iter().for_each(|felt| tally.add(felt));
        let row = tally.row(Fault::PodFrozen, (7, 80), &[]);
        assert_eq!((row.pause_ms_p50, row.pause_ms_max, row.after_ms_max), (2_900, 6_500, 2_900));
        assert!(row.met);
        tally.add(felt(7_001, 4_000));
        assert!(!tally.row(Fault::PodFrozen, (7, 80), &[]).met);
    }

    #[test]
    fn a_violation_is_lost_or_doubled_and_never_met() {
        let mut tally = Tally::default();
        tally.add(felt(10, 0));
        let (table, player) = ("t".to_owned(), "p".to_owned());
        let found = [
            Violation::SettledTwice { table: table.clone(), hand: 1, first: 2, second: 3 },
            Violation::NotSettled { table, hand: 2, player },
        ];
        let row = tally.row(Fault::None, (2, 9), &found);
        assert_eq!((row.lost, row.duplicated, row.met), (1, 1, false));
    }
}
