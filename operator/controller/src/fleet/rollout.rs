//! Which tables take a changed clock or pod next. One batch at a time, free tables first; tables with players follow once
//! a table has served with the change.

use super::{demand::Demand, observe::TableView};
use purr_crds::PokerTableFleetSpec;

/// A rollout at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// UIDs of the tables to change now.
    pub moves: Vec<String>,
    /// Tables that run with an earlier template.
    pub outdated: usize,
    /// Tables that have the current template and do not serve with it yet.
    pub moving: usize,
    /// A table has served with the current template.
    pub proven: bool,
    pub stalled: Option<Stalled>,
}

/// Why a change has stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stalled {
    pub reason: String,
    pub message: String,
}

impl Rollout {
    /// Computes the rollout from tables that exist or are being created.
    pub fn of(spec: &PokerTableFleetSpec, tables: &[TableView], demand: &Demand, now_s: i64) -> Self {
        let deadline_s = i64::from(spec.rollout.progress_deadline_seconds);
        let live: Vec<&TableView> = tables.iter().filter(|table| table.is_live()).collect();
        let current = || live.iter().filter(|table| table.same_pod);
        // A table that waits for its turn still serves with the previous pod, so it proves nothing about the template.
        let serves = |table: &TableView| table.settled && !table.queued;
        let proven = current().any(|table| serves(table));
        let moving = current().filter(|table| table.served && !serves(table)).count();
        let fresh = current().filter(|table| !table.served).count();
        // Before the template is proven a new table counts only if it has served; otherwise one bad node could stop the
        // fleet.
        let answers = |table: &TableView| table.served || !proven;
        let broken = current().find(|table| answers(table) && table.is_broken(now_s, deadline_s));
        let stalled = broken.map(|table| stalled(table, deadline_s));
        let mut outdated: Vec<&TableView> = live.iter().copied().filter(|table| !table.same_pod).collect();
        outdated.sort_by_key(|table| (table.settled, table.is_occupied(), table.players, table.number));
        let mut rollout = Self { moves: Vec::new(), outdated: outdated.len(), moving, proven, stalled };
        // Tables that are only being created have no UID yet and cannot be moved.
        outdated.retain(|table| !table.uid.is_empty());
        // Moving a table that cannot run costs no capacity: this is how an undo repairs a batch that did not start. A
        // closed table has to run once more as well, to end its seats.
        let (lame, sound): (Vec<_>, Vec<_>) = outdated.into_iter().partition(|table| table.trouble.is_some());
        let closed = tables.iter().filter(|t| t.closed && !t.deleting && !t.same_pod && t.trouble.is_some());
        rollout.moves.extend(lame.into_iter().chain(closed).map(|table| table.uid.clone()));
        if rollout.stalled.is_some() || moving > 0 {
            return rollout;
        }
        let free = live.iter().filter(|table| table.is_free()).count();
        let at_most = usize::try_from(spec.rollout.max_unavailable).unwrap_or(1);
        let full = live.len() >= demand.max;
        // No free table can prove the template before a table with players uses it.
        let blind = full && fresh == 0 && !sound.iter().any(|table| table.is_free());
        let (mut batch, mut taken) = (usize::try_from(spec.rollout.batch).unwrap_or(1), 0);
        for table in sound {
            if batch == 0 {
                break;
            }
            let may = if table.is_free() {
                let kept = free > taken + demand.buffer || (full && demand.surge > 0);
                taken < at_most && kept
            } else {
                proven || blind || !table.is_occupied()
            };
            if may {
                taken += usize::from(table.is_free());
                batch -= 1;
                rollout.moves.push(table.uid.clone());
            }
        }
        rollout
    }
}

fn stalled(table: &TableView, deadline_s: i64) -> Stalled {
    match &table.trouble {
        Some(trouble) => Stalled {
            reason: trouble.reason.clone(),
            message: format!("table {} does not serve with the template: {}", table.name, trouble.message),
        },
        None => Stalled {
            reason: "ProgressDeadlineExceeded".into(),
            message: format!("table {} has not become ready within {deadline_s} s", table.name),
        },
    }
}
