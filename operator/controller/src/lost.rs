//! Finds what deleted tables left behind: seats in the signer's journal, and pods without an owner.
//!
//! If somebody removes a table's finalizer, the table disappears while players' chips are still seated. The signer
//! knows the seats, and the controller knows the tables. `purr-controller pay-out` pays such seats out.

use crate::{context::Context, index::PodIndex, table::build};
use kube::{
    api::{DeleteParams, Preconditions},
    runtime::reflector::Store,
};
use purr_crds::PokerTable;
use purr_namespaces::{Listed, Served};
use purr_protocol::seated::{SEATED_PAGE_MAX, SeatedTable};
use purr_runtime::CancellationToken;
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::MissedTickBehavior;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// Pages of an answer of the signer: a hundred thousand tables.
const PAGES_MAX: usize = 100;
/// Lost tables that are named in the log each time.
const NAMED_MAX: usize = 20;

/// Tables that were missing at the last check. A table is lost if it is missing twice in a row: a new table may be in
/// the journal before the watch shows it.
#[derive(Debug, Default)]
struct Looks {
    missing: HashSet<String>,
}

impl Looks {
    /// Returns the seated tables without a PokerTable at this check and at the previous one.
    fn lost(&mut self, seated: Vec<SeatedTable>, tables: &HashSet<String>) -> Vec<SeatedTable> {
        let missing: Vec<SeatedTable> =
            seated.into_iter().filter(|table| !tables.contains(&table.uid)).collect();
        let before = std::mem::take(&mut self.missing);
        self.missing = missing.iter().map(|table| table.uid.clone()).collect();
        missing.into_iter().filter(|table| before.contains(&table.uid)).collect()
    }
}

/// The parts that come from the watches.
pub struct Known {
    pub tables: Store<PokerTable>,
    pub pods: Arc<PodIndex>,
    pub served: Served,
    pub tables_listed: Listed,
    pub pods_listed: Listed,
}

impl Known {
    /// The UIDs of all tables; `None` while that of a namespace is not known.
    fn uids(&self) -> Option<HashSet<String>> {
        let served = self.served.borrow().clone()?;
        let all = served.iter().all(|name| self.tables_listed.has(name) && self.pods_listed.has(name));
        let uids = || self.tables.state().iter().filter_map(|table| table.metadata.uid.clone()).collect();
        all.then(uids)
    }
}

/// Looks until stopped.
pub async fn watch(context: Arc<Context>, known: Known, stop: CancellationToken) {
    let (mut seats, mut pods) = (Looks::default(), BTreeSet::new());
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let look = async {
            let Some(tables) = known.uids() else { return };
            remove_pods(&context, &known.pods, &tables, &mut pods).await;
            // The tables are read after the signer's answer: a new table exists before its first player.
            let Some(seated) = seated(&context).await else { return };
            let Some(tables) = known.uids() else { return };
            report(&context, &seats.lost(seated, &tables));
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = look => {}
        }
    }
}

/// All tables with players, from the signer; `None` if it does not answer.
async fn seated(context: &Context) -> Option<Vec<SeatedTable>> {
    let mut all: Vec<SeatedTable> = Vec::new();
    for _ in 0..PAGES_MAX {
        let after = all.last().map(|table| table.uid.clone()).unwrap_or_default();
        match context.reach.seated(&after).await {
            Ok(page) => {
                let is_last = page.len() < usize::from(SEATED_PAGE_MAX);
                all.extend(page);
                if is_last {
                    return Some(all);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "seats at the signer");
                return None;
            }
        }
    }
    Some(all)
}

fn report(context: &Context, lost: &[SeatedTable]) {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    context.metrics.lost_tables.set(number(lost.len() as u64));
    context.metrics.lost_chips.set(number(lost.iter().map(|table| table.chips).sum()));
    for SeatedTable { uid, players, chips } in lost.iter().take(NAMED_MAX) {
        tracing::error!(
            uid,
            players,
            chips,
            "players sit at a table that is gone: purr-controller pay-out {uid}"
        );
    }
}

/// Deletes pods of deleted tables that have no owner reference any more.
async fn remove_pods(
    context: &Context,
    index: &PodIndex,
    tables: &HashSet<String>,
    before: &mut BTreeSet<String>,
) {
    let alone: BTreeSet<String> =
        index.tables().into_iter().filter(|table| !tables.contains(table)).collect();
    let both: Vec<String> = alone.intersection(before).cloned().collect();
    *before = alone;
    for pod in both.iter().flat_map(|table| index.of(table)) {
        let Some((table, _)) = build::parse_pod_name(&pod.name) else { continue };
        // The watch may be behind.
        let uid = match context.tables(&pod.namespace).get_opt(table).await {
            Ok(table) => table.and_then(|table| table.metadata.uid),
            Err(error) => {
                tracing::warn!(pod = pod.name, %error, "the table of a pod could not be looked up");
                continue;
            }
        };
        if uid.is_some_and(|uid| both.contains(&uid)) {
            continue;
        }
        let this = Preconditions { uid: Some(pod.uid.clone()), ..Default::default() };
        let params = DeleteParams { preconditions: Some(this), ..Default::default() };
        match context.pods(&pod.namespace).delete(&pod.name, &params).await {
            Ok(_) => tracing::warn!(pod = pod.name, "its table is gone: deleted"),
            Err(error) => tracing::warn!(pod = pod.name, %error, "its table is gone, and it is not deleted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seated(uids: &[&str]) -> Vec<SeatedTable> {
        uids.iter().map(|uid| SeatedTable { uid: (*uid).into(), players: 2, chips: 700 }).collect()
    }

    #[test]
    fn a_table_is_lost_when_it_is_missing_twice_in_a_row_and_not_while_it_is_new() {
        let mut looks = Looks::default();
        let tables: HashSet<String> = ["a".to_owned()].into();
        assert!(looks.lost(seated(&["a", "new"]), &tables).is_empty());
        let with_new: HashSet<String> = ["a".to_owned(), "new".to_owned()].into();
        assert!(looks.lost(seated(&["a", "new", "gone"]), &with_new).is_empty());
        assert_eq!(looks.lost(seated(&["a", "new", "gone"]), &with_new), seated(&["gone"]));
        assert!(looks.lost(seated(&["a", "new"]), &with_new).is_empty(), "it was paid out");
        assert!(looks.lost(seated(&["gone"]), &with_new).is_empty(), "it counts from the start again");
    }
}
