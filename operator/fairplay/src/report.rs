//! The integrity report of a month: signals, decisions, payments and losses, in numbers that can be published.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// Figures of one month (UTC). No player and no table is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// YYYY-MM.
    pub month: String,
    /// Hands that records stored in the month, by outcome. None: records was not asked.
    pub hands: Option<Hands>,
    pub cases_opened: u64,
    /// Cases at the end of the month, by state.
    pub cases: BTreeMap<String, u64>,
    /// Decisions of the month by action: cleared ones too.
    pub decisions: BTreeMap<String, u64>,
    pub appeals: u64,
    /// Appeals that ended in a milder action or in none.
    pub appeals_granted: u64,
    /// Sanctions in force now, by kind.
    pub sanctions: BTreeMap<String, u64>,
    pub refunds: Refunded,
    /// Hands whose hidden cards were opened in the month, by opener: the program or people.
    pub openings: BTreeMap<String, u64>,
    /// Rows of the whole log of openings, whose chain of hashes was checked for this report.
    pub openings_checked: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hands {
    pub stored: u64,
    /// Ended without a result: chips went back.
    pub void: u64,
    /// Hands with two records.
    pub conflict: u64,
    /// Numbers that tables have skipped and that no record has come for, counted when the gap was noticed.
    pub lost: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refunded {
    pub ordered: u64,
    pub players: u64,
    /// Minor units.
    pub ordered_amount: u64,
    /// Minor units that the chain has.
    pub paid_amount: u64,
}

/// First and last millisecond of a month, as half-open interval since 1970.
///
/// # Errors
/// What is no month from 1970 to 9998, with the text.
pub fn month(text: &str) -> Result<(u64, u64), BadMonth> {
    let bad = || BadMonth(text.chars().take(20).collect());
    let (year, month) = text.split_once('-').ok_or_else(bad)?;
    let (year, month) = (year.parse::<u64>().map_err(|_| bad())?, month.parse::<u64>().map_err(|_| bad())?);
    if text.len() != 7 || !(1970..=9998).contains(&year) || !(1..=12).contains(&month) {
        return Err(bad());
    }
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    Ok((first_ms(year, month), first_ms(next.0, next.1)))
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a month: want YYYY-MM")]
pub struct BadMonth(String);

/// Days since 1970 of the first of a month (Hinnant, days_from_civil), in milliseconds.
fn first_ms(year: u64, month: u64) -> u64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (days - 719_468) * 86_400_000
}

impl fmt::Display for Report {
    /// As Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Integrity report {}\n\n| figure | |\n|---|---|", self.month)?;
        match &self.hands {
            Some(hands) => {
                writeln!(f, "| hands stored | {} |\n| void | {} |", hands.stored, hands.void)?;
                writeln!(f, "| with two records | {} |\n| lost | {} |", hands.conflict, hands.lost)?;
            }
            None => writeln!(f, "| hands | not asked |")?,
        }
        writeln!(f, "| cases opened | {} |", self.cases_opened)?;
        for (what, figures) in [
            ("cases now", &self.cases),
            ("decisions", &self.decisions),
            ("sanctions in force", &self.sanctions),
        ] {
            for (name, count) in figures {
                writeln!(f, "| {what}: {name} | {count} |")?;
            }
        }
        writeln!(f, "| appeals | {} |\n| appeals granted | {} |", self.appeals, self.appeals_granted)?;
        let Refunded { ordered, players, ordered_amount, paid_amount } = self.refunds;
        writeln!(f, "| refunds ordered | {ordered} |\n| players refunded | {players} |")?;
        writeln!(
            f,
            "| refunds, minor units | {ordered_amount} |\n| paid on chain, minor units | {paid_amount} |"
        )?;
        for (who, count) in &self.openings {
            writeln!(f, "| hands opened by {who} | {count} |")?;
        }
        writeln!(f, "| openings in the log, chain checked | {} |", self.openings_checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_and_end_at_midnight_utc() {
        assert_eq!(month("1970-01").unwrap(), (0, 31 * 86_400_000));
        assert_eq!(month("2026-11").unwrap(), (1_793_491_200_000, 1_796_083_200_000));
        let (first, last) = month("2024-02").unwrap();
        assert_eq!(last - first, 29 * 86_400_000);
        for bad in ["2026", "2026-13", "2026-1", "26-11", "2026-11-01", "1969-12", "x-y"] {
            assert!(month(bad).is_err(), "{bad}");
        }
    }
}
