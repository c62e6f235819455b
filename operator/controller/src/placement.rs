//! Which store group a table goes to that may be in any.

use crate::table::store_name;
use purr_crds::PokerTable;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Between two counts of all tables. A count for each table would take ten thousand times ten thousand looks.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Choices that may not be in a status yet. They may be lost with the process: only a table whose status has its group
/// gets a pod.
#[derive(Default)]
pub struct Placement(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Chosen group, by the table's UID.
    chosen: HashMap<String, String>,
    /// Tables by group: the last count, plus choices made since.
    load: HashMap<String, usize>,
    counted: Option<Instant>,
}

impl Placement {
    /// Chooses the group with the fewest tables, among equals the first by name. `None` if there is no group.
    pub fn choose<'a>(
        &self,
        table: &PokerTable,
        all: impl FnOnce() -> Vec<Arc<PokerTable>>,
        groups: impl Iterator<Item = &'a String>,
        now: Instant,
    ) -> Option<String> {
        let uid = table.metadata.uid.clone().unwrap_or_default();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = inner.chosen.get(&uid) {
            return Some(group.clone());
        }
        if inner.counted.is_none_or(|at| now.duration_since(at) >= COUNT_EVERY) {
            inner.count(&all());
            inner.counted = Some(now);
        }
        let group = groups.min_by_key(|group| inner.load.get(*group).copied().unwrap_or_default())?.clone();
        *inner.load.entry(group.clone()).or_default() += 1;
        inner.chosen.insert(uid, group.clone());
        Some(group)
    }

    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).chosen.remove(uid);
    }
}

impl Inner {
    fn count(&mut self, all: &[Arc<PokerTable>]) {
        let mut load: HashMap<String, usize> = HashMap::new();
        for table in all {
            // The watch may not show a recent choice yet.
            let chosen = || self.chosen.get(table.metadata.uid.as_deref()?).map(String::as_str);
            if let Some(group) = store_name(table).or_else(chosen) {
                *load.entry(group.to_owned()).or_default() += 1;
            }
        }
        self.load = load;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{table::AUTO, testing};
    use purr_crds::PokerTableStatus;

    fn table(uid: usize, held: Option<&str>) -> PokerTable {
        let mut table = testing::table();
        table.metadata.uid = Some(uid.to_string());
        table.spec.store = AUTO.into();
        table.status = Some(PokerTableStatus { store: held.map(str::to_owned), ..Default::default() });
        table
    }

    #[test]
    fn tables_go_where_the_fewest_are_also_when_many_come_at_once() {
        let groups = ["a", "b", "c"].map(str::to_owned);
        let mut all: Vec<Arc<PokerTable>> = (0..4).map(|uid| Arc::new(table(uid, Some("a")))).collect();
        all.push(Arc::new(table(4, Some("b"))));
        let fresh: Vec<Arc<PokerTable>> = (5..15).map(|uid| Arc::new(table(uid, None))).collect();
        // The watch shows all of them, but none of the choices below.
        all.extend(fresh.iter().cloned());
        let placement = Placement::default();
        let now = Instant::now();
        let mut counts = HashMap::from([("a", 4), ("b", 1), ("c", 0)]);
        for table in &fresh {
            let group = placement.choose(table, || all.clone(), groups.iter(), now).unwrap();
            *counts.get_mut(group.as_str()).unwrap() += 1;
        }
        assert_eq!(counts, HashMap::from([("a", 5), ("b", 5), ("c", 5)]));
    }

    #[test]
    fn a_choice_stands_until_the_table_is_gone() {
        let groups = ["a", "b"].map(str::to_owned);
        let placement = Placement::default();
        let now = Instant::now();
        let later = now + COUNT_EVERY;
        let all = [Arc::new(table(1, Some("a")))];
        let more = [all[0].clone(), Arc::new(table(3, Some("b"))), Arc::new(table(4, Some("b")))];
        let choose = |uid, all: &[Arc<PokerTable>], at| {
            placement.choose(&table(uid, None), || all.to_vec(), groups.iter(), at)
        };
        assert_eq!(choose(2, &all, now).as_deref(), Some("b"));
        assert_eq!(choose(2, &more, later).as_deref(), Some("b"));
        placement.forget("2");
        assert_eq!(choose(2, &more, later).as_deref(), Some("a"));
        assert_eq!(placement.choose(&table(5, None), || more.to_vec(), [].iter(), later), None);
    }

    #[test]
    fn all_tables_are_counted_once_a_second_and_not_for_each_new_table() {
        let groups = ["a", "b"].map(str::to_owned);
        let (placement, now) = (Placement::default(), Instant::now());
        let mut counts = 0;
        for uid in 0..1_000 {
            let count = || {
                counts += 1;
                Vec::new()
            };
            placement.choose(&table(uid, None), count, groups.iter(), now);
        }
        assert_eq!(counts, 1);
    }
}
