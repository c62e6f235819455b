//! Which store group a table goes to that may be in any.

use crate::table::store_name;
use purr_crds::PokerTable;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What was chosen and is perhaps not in a status yet, by the table's UID. May be lost with the process: only what a status
/// holds has a pod.
#[derive(Default)]
pub struct Placement(Mutex<HashMap<String, String>>);

impl Placement {
    /// The group with the fewest tables; of equals the first by name. `None` where there is no group.
    pub fn choose<'a>(
        &self,
        table: &PokerTable,
        all: &[Arc<PokerTable>],
        groups: impl Iterator<Item = &'a String>,
    ) -> Option<String> {
        let uid = |table: &PokerTable| table.metadata.uid.clone().unwrap_or_default();
        let mut chosen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = chosen.get(&uid(table)) {
            return Some(group.clone());
        }
        let mut load: HashMap<String, usize> = HashMap::new();
        for other in all {
            // The watch may be behind what was chosen a moment ago.
            let group = store_name(other).map(str::to_owned).or_else(|| chosen.get(&uid(other)).cloned());
            if let Some(group) = group {
                *load.entry(group).or_default() += 1;
            }
        }
        let group = groups.min_by_key(|group| load.get(*group).copied().unwrap_or_default())?.clone();
        chosen.insert(uid(table), group.clone());
        Some(group)
    }

    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
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
        // The watch has them all, and none of what is chosen below.
        all.extend(fresh.iter().cloned());
        let placement = Placement::default();
        let mut counts = HashMap::from([("a", 4), ("b", 1), ("c", 0)]);
        for table in &fresh {
            let group = placement.choose(table, &all, groups.iter()).unwrap();
            *counts.get_mut(group.as_str()).unwrap() += 1;
        }
        assert_eq!(counts, HashMap::from([("a", 5), ("b", 5), ("c", 5)]));
    }

    #[test]
    fn a_choice_stands_until_the_table_is_gone() {
        let groups = ["a", "b"].map(str::to_owned);
        let placement = Placement::default();
        let all = [Arc::new(table(1, Some("a")))];
        assert_eq!(placement.choose(&table(2, None), &all, groups.iter()).as_deref(), Some("b"));
        let more = [all[0].clone(), Arc::new(table(3, Some("b"))), Arc::new(table(4, Some("b")))];
        assert_eq!(placement.choose(&table(2, None), &more, groups.iter()).as_deref(), Some("b"));
        placement.forget("2");
        assert_eq!(placement.choose(&table(2, None), &more, groups.iter()).as_deref(), Some("a"));
        assert_eq!(placement.choose(&table(5, None), &more, [].iter()), None);
    }
}
