//! The view of a table that a fleet's decision needs, from the API object and the table's own summary.

use super::{ANNOTATION_CLOSED_FOR, ANNOTATION_PAUSED_BY};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use purr_crds::{CHANGEABLE, PokerTable, PokerTableSpec};
use purr_protocol::summary::Summary;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Reasons of a table's condition `Ready` that do not pass by themselves.
const LASTING: [&str; 12] = [
    "ApiRefused",
    "CertificateFailed",
    "ContainerRefused",
    "CrashLoop",
    "ImageUnavailable",
    "InvalidSpec",
    "NoVault",
    "PodFailed",
    "PodRefused",
    "SecretMissing",
    "SecretTaken",
    "UnknownStore",
];

/// A table of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableView {
    pub name: String,
    pub uid: String,
    /// The number at the end of the name; 0: none.
    pub number: u64,
    /// Generation of the object's spec.
    pub generation: i64,
    /// The terms that players sign for equal those of the fleet's template.
    pub same_play: bool,
    /// Clock and pod are as in the fleet's template.
    pub same_pod: bool,
    /// `spec.closed` is set.
    pub closed: bool,
    /// The fleet has closed the table because fewer tables are wanted, so the table may open again.
    pub scaled_in: bool,
    /// The table's own summary says that it accepts no new players.
    pub confirmed: bool,
    pub paused: bool,
    pub paused_by_fleet: bool,
    pub deleting: bool,
    /// A process of the table has run.
    pub served: bool,
    /// A process of the table serves now.
    pub ready: bool,
    /// Serves with its current spec, and nothing is under way.
    pub settled: bool,
    /// Its pod is outdated, and it waits for its turn. It plays on.
    pub queued: bool,
    /// Serves, and takes new players.
    pub taking: bool,
    /// Does not serve for a reason that lasts.
    pub trouble: Option<Trouble>,
    /// Does not serve since then, in seconds since 1970.
    pub unready_since_s: Option<i64>,
    /// Players with a seat, and players whose seat is being paid for.
    pub players: u32,
    /// The table's summary has a recent player count. The count in its status may be minutes old.
    pub counted: bool,
    pub seats: u32,
    pub node: Option<String>,
}

/// Why a table does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub reason: String,
    pub message: String,
}

/// Hashes of the two parts of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hashes {
    /// Hash of the terms that players sign for. A change makes new tables.
    pub play: String,
    /// Clock and pod. A change moves tables in place.
    pub pod: String,
}

impl Hashes {
    pub fn of(spec: &PokerTableSpec) -> Self {
        let hash = |value: &Value| hex::encode(&Sha256::digest(value.to_string())[..5]);
        let (play, pod) = split(spec);
        Self { play: hash(&play), pod: hash(&pod) }
    }
}

/// Splits a spec into the terms that players sign for and the fields that may change in place. Both are compared as
/// values, so a release that adds a field with a default changes neither.
fn split(spec: &PokerTableSpec) -> (Value, Value) {
    let mut play = serde_json::to_value(spec).unwrap_or_default();
    let mut pod = serde_json::Map::new();
    if let Some(fields) = play.as_object_mut() {
        for name in CHANGEABLE {
            if let Some(value) = fields.remove(name) {
                pod.insert(name.to_owned(), value);
            }
        }
    }
    // The fleet sees to these at once, and not for a rollout.
    pod.remove("closed");
    pod.remove("paused");
    (play, Value::Object(pod))
}

/// The number at the end of the name of a fleet's table, or of a table's pod.
pub fn number(owner: &str, name: &str) -> Option<u64> {
    name.strip_prefix(owner)?.strip_prefix('-')?.parse().ok()
}

impl TableView {
    pub fn of(
        fleet: &str,
        template: &PokerTableSpec,
        table: &PokerTable,
        summary: Option<&Summary>,
        node: Option<String>,
    ) -> Self {
        let meta = &table.metadata;
        let annotation = |key: &str| meta.annotations.as_ref()?.get(key).map(String::as_str);
        let name = meta.name.clone().unwrap_or_default();
        let status = table.status.clone().unwrap_or_default();
        let generation = meta.generation.unwrap_or_default();
        let condition = |kind: &str| status.conditions.iter().find(|condition| condition.type_ == kind);
        let is = |condition: Option<&Condition>, value: &str| condition.is_some_and(|c| c.status == value);
        let (ready, progressing) = (condition("Ready"), condition("Progressing"));
        // A summary of an earlier process does not describe the running one. The newest pod is not always the running
        // one either: a successor that never took over has used up a generation, and the previous pod plays on.
        let newest = u64::try_from(status.fencing_generation).unwrap_or_default();
        let holder = status.pod.as_deref().and_then(|pod| number(&name, pod)).unwrap_or(newest);
        let current = summary.filter(|summary| summary.epoch.generation() == holder);
        // A paused table is not ready for players, and its process serves.
        let is_paused = ready.is_some_and(|c| c.reason == crate::table::PAUSED);
        let serves = (is(ready, "True") || is_paused) && meta.deletion_timestamp.is_none();
        let settled = serves && status.observed_generation == generation && is(progressing, "False");
        let last = u32::try_from(status.players).unwrap_or_default();
        let players =
            summary.map_or(last, |summary| u32::from(summary.players) + u32::from(summary.arriving));
        let trouble = ready.filter(|c| c.status == "False" && LASTING.contains(&c.reason.as_str()));
        // A table that plays on in the previous pod counts as stuck as well, unless its spec has changed since.
        let stuck =
            condition("Stalled").filter(|c| c.status == "True" && status.observed_generation == generation);
        let trouble = trouble.or(stuck);
        let closed = table.spec.closed;
        let confirmed = current.is_some_and(|summary| summary.closed);
        let (play, pod) = split(&table.spec);
        let (wanted_play, wanted_pod) = split(template);
        Self {
            number: number(fleet, &name).unwrap_or_default(),
            name,
            uid: meta.uid.clone().unwrap_or_default(),
            generation,
            same_play: play == wanted_play,
            same_pod: pod == wanted_pod,
            closed,
            scaled_in: annotation(ANNOTATION_CLOSED_FOR) == Some(super::step::Why::ScaleIn.as_str()),
            confirmed,
            paused: table.spec.paused,
            paused_by_fleet: annotation(ANNOTATION_PAUSED_BY) == Some("fleet"),
            deleting: meta.deletion_timestamp.is_some(),
            served: status.epoch > 0 || summary.is_some(),
            ready: serves,
            settled,
            queued: progressing.is_some_and(|c| c.reason == crate::table::QUEUED),
            taking: settled && ready.is_some_and(|c| c.reason == "Serving") && !closed && !confirmed,
            trouble: trouble.map(|c| Trouble { reason: c.reason.clone(), message: c.message.clone() }),
            unready_since_s: match ready {
                Some(condition) if condition.status == "True" || is_paused => None,
                Some(condition) => Some(condition.last_transition_time.0.as_second()),
                None => meta.creation_timestamp.as_ref().map(|at| at.0.as_second()),
            },
            players,
            counted: summary.is_some(),
            seats: u32::try_from(table.spec.seats).unwrap_or_default(),
            node,
        }
    }

    /// Accepts players or will soon: open, not being deleted, and with the template's game.
    pub fn is_live(&self) -> bool {
        !self.deleting && !self.closed && self.same_play
    }

    pub fn is_occupied(&self) -> bool {
        self.players > 0
    }

    /// Empty, so that the next player has the table alone.
    pub fn is_free(&self) -> bool {
        self.is_live() && self.taking && !self.is_occupied()
    }

    /// Whether the table may be deleted: nobody plays there and nobody can sit down. The table's own drain covers any
    /// case that this check misses. A table that has had players and does not report their number stays until it does.
    pub fn may_go(&self) -> bool {
        let is_out = !self.ready && (self.counted || !self.served);
        self.closed && !self.deleting && !self.is_occupied() && (self.confirmed || is_out)
    }

    /// Whether the table has not become ready in time, or cannot become ready without a change.
    pub fn is_broken(&self, now_s: i64, deadline_s: i64) -> bool {
        self.trouble.is_some() || (!self.ready && self.unready_s(now_s) > deadline_s)
    }

    pub fn unready_s(&self, now_s: i64) -> i64 {
        self.unready_since_s.map_or(0, |since| now_s - since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{epoch, table};

    fn view(table: &PokerTable, summary: Option<&Summary>) -> TableView {
        TableView::of("nl100", &crate::testing::table().spec, table, summary, None)
    }

    fn conditions(all: &[(&str, &str, &str)]) -> Vec<Condition> {
        let condition = |(kind, status, reason): &(&str, &str, &str)| {
            serde_json::json!({"type": kind, "status": status, "reason": reason, "message": "m",
                "lastTransitionTime": "1970-01-01T00:00:07Z"})
        };
        serde_json::from_value(all.iter().map(condition).collect()).unwrap()
    }

    fn serving() -> PokerTable {
        let mut table = table();
        let status = table.status.get_or_insert_default();
        (status.observed_generation, status.fencing_generation, status.epoch) =
            (1, 3, epoch(3).get().try_into().unwrap());
        status.conditions = conditions(&[("Ready", "True", "Serving"), ("Progressing", "False", "Steady")]);
        table
    }

    #[test]
    fn a_change_of_the_clock_moves_a_table_and_a_change_of_the_blinds_makes_another() {
        let mut table = serving();
        table.spec.clock.turn_seconds = 7;
        let seen = view(&table, None);
        assert!(seen.same_play && !seen.same_pod && seen.number == 1);
        table.spec.blinds.big += 1;
        assert!(!view(&table, None).same_play);
        let (a, b) = (Hashes::of(&serving().spec), Hashes::of(&table.spec));
        assert!(a.play != b.play && a.pod != b.pod);
    }

    #[test]
    fn closed_and_paused_belong_to_neither_part_of_a_template() {
        let mut table = serving();
        (table.spec.closed, table.spec.paused) = (true, true);
        let seen = view(&table, None);
        assert!(seen.same_play && seen.same_pod && !seen.taking);
    }

    #[test]
    fn a_table_takes_players_once_its_current_spec_serves() {
        let mut table = serving();
        assert!(view(&table, None).is_free());
        table.metadata.generation = Some(2);
        let seen = view(&table, None);
        assert!(seen.ready && !seen.settled && !seen.is_free());
    }

    #[test]
    fn players_on_their_way_to_a_seat_keep_a_closed_table() {
        let mut table = serving();
        table.spec.closed = true;
        let summary = Summary { epoch: epoch(3), closed: true, arriving: 1, ..Summary::default() };
        assert!(!view(&table, Some(&summary)).may_go());
        let empty = Summary { arriving: 0, ..summary };
        assert!(view(&table, Some(&empty)).may_go());
        let old = Summary { epoch: epoch(2), ..empty };
        assert!(!view(&table, Some(&old)).may_go(), "an earlier process has said it");
        assert!(!view(&table, None).may_go(), "nobody has said it");
        table.status.as_mut().unwrap().conditions = conditions(&[("Ready", "False", "CrashLoop")]);
        assert!(!view(&table, None).may_go(), "nobody knows who is there");
        table.status = None;
        assert!(view(&table, None).may_go(), "nobody has ever been there");
    }

    #[test]
    fn a_closed_table_goes_though_a_successor_that_never_took_over_has_used_up_a_generation() {
        let mut table = serving();
        table.spec.closed = true;
        let pod = |generation: u64| Some(format!("{}-{generation}", table.metadata.name.as_deref().unwrap()));
        let (before, after) = (pod(3), pod(4));
        let said = Summary { epoch: epoch(3), closed: true, ..Summary::default() };
        let status = table.status.get_or_insert_default();
        (status.fencing_generation, status.pod) = (4, before);
        assert!(view(&table, Some(&said)).may_go());
        table.status.get_or_insert_default().pod = after;
        assert!(!view(&table, Some(&said)).may_go(), "the successor has taken over and has not said it");
    }

    #[test]
    fn a_table_that_cannot_run_is_broken_at_once_and_one_that_starts_after_the_deadline() {
        let mut table = serving();
        let status = table.status.as_mut().unwrap();
        status.conditions = conditions(&[("Ready", "False", "ImageUnavailable")]);
        assert!(view(&table, None).is_broken(8, 180));
        table.status.as_mut().unwrap().conditions = conditions(&[("Ready", "False", "Starting")]);
        assert!(!view(&table, None).is_broken(187, 180));
        assert!(view(&table, None).is_broken(188, 180));
    }
}
