//! The result of a fault: one row of the table.

use super::{ALL, Fault};
use crate::checker::Violation;
use anyhow::Context;
use serde::Serialize;
use std::{fmt::Write, time::Duration};

/// One run of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Felt {
    /// The longest time that a player waited for an action, or that no events came beyond the table's ordinary pace.
    pub pause: Duration,
    /// Time until the fault was noticed, or until the test removed it.
    pub seen: Duration,
    /// Time from the fault until full recovery.
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
    /// The longest wait, measured from when the fault was noticed. The bound applies to this.
    pub after_ms_max: u64,
    pub bound_ms: u64,
    /// The longest time until full recovery.
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

const BEGIN: &str = "<!-- faults: written by purr-chaos -->";
const END: &str = "<!-- faults: end -->";

/// Puts the rows into a text between its two marks; rows of faults that did not happen in this run stay.
///
/// # Errors
/// Where the marks are not there.
pub fn into_readme(text: &str, rows: &[Row]) -> anyhow::Result<String> {
    let (before, rest) = text.split_once(BEGIN).context("no mark where the table begins")?;
    let (table, after) = rest.split_once(END).context("no mark where the table ends")?;
    let is_of = |line: &str, fault: &str| line.starts_with(&format!("| {fault} |"));
    let fresh = render(rows);
    let mut lines: Vec<&str> = fresh.lines().take(2).collect();
    for fault in ALL {
        let all = fresh.lines().chain(table.lines());
        lines.extend(all.into_iter().find(|line| is_of(line, fault.name())));
    }
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", lines.join("\n")))
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
    fn a_run_replaces_its_own_rows_of_the_readme_and_keeps_the_others() {
        let row = |fault, pause| {
            let mut tally = Tally::default();
            tally.add(felt(pause, 0));
            tally.row(fault, (2, 9), &[])
        };
        let empty = format!("# Tests\n{BEGIN}\n{END}\nMore.\n");
        let first = into_readme(&empty, &[row(Fault::PodKilled, 10), row(Fault::None, 20)]).unwrap();
        let second = into_readme(&first, &[row(Fault::PodKilled, 30)]).unwrap();
        let rows: Vec<&str> = second.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!(rows.len(), 3, "{second}");
        assert!(rows[1].starts_with("| none |") && rows[1].contains("20 / 20"));
        assert!(rows[2].starts_with("| pod-killed |") && rows[2].contains("30 / 30"));
        assert!(second.starts_with("# Tests\n") && second.ends_with("\nMore.\n"));
        assert!(into_readme("no marks", &[]).is_err());
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
