//! Checks a recorded history for losses, duplicates and inventions. Values in, verdicts out.
//!
//! A [`Record`] is what somebody saw: a player who asked and was told, the store whose commits are left in the end, the
//! signer's journal. [`check`] puts them beside each other. It takes nobody's word: what a player was told must be in
//! the store and the journal, and what two players were told must agree.
//!
//! # Caveats
//! A rule looks at what was recorded. Without the store's records (a real cluster, where only clients are heard), an
//! acknowledged action counts as missing where another player's events at its offset do not have it; without the
//! journal's, nothing is said of settlement.

mod books;
mod record;
#[cfg(test)]
mod tests;
mod verdict;
mod views;

pub use record::{HandSeen, Ledger, Purse, Record, Seen, Survivor, Told, told};
pub use verdict::Violation;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// A history while it is recorded.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Record>>>);

impl Recorder {
    pub fn push(&self, record: Record) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }

    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the records until now.
    pub fn so_far(&self) -> Vec<Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Hands that each epoch of a table reports as lost, in any of its commits or by its metric: gateways may report a loss
/// after the epoch has begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses(BTreeMap<(String, u64), u64>);

impl Losses {
    fn of(records: &[Record]) -> Self {
        let mut losses = BTreeMap::new();
        for record in records {
            let (table, epoch, lost) = match record {
                Record::Survived(commit) => (&commit.table, commit.epoch, commit.hands_lost),
                Record::Counted { table, epoch, hands_lost } => (table, *epoch, *hands_lost),
                _ => continue,
            };
            let most = losses.entry((table.clone(), epoch)).or_insert(lost);
            *most = lost.max(*most);
        }
        Self(losses)
    }

    /// The count as of this epoch, or of the last earlier one with a count.
    fn at(&self, table: &str, epoch: u64) -> u64 {
        let from = (table.to_owned(), 0);
        self.0.range(from..=(table.to_owned(), epoch)).next_back().map_or(0, |(_, lost)| *lost)
    }

    /// Whether a later epoch reports a loss, so that messages of this epoch may be among the lost ones.
    fn after(&self, table: &str, epoch: u64) -> bool {
        self.at(table, u64::MAX) > self.at(table, epoch)
    }
}

/// Everything that is wrong with a history, in the order of the rules; empty: nothing.
pub fn check(records: &[Record]) -> Vec<Violation> {
    let losses = Losses::of(records);
    let mut found = views::check(records, &losses);
    found.extend(books::check(records, &losses));
    found
}
