//! The progress of a rollout, and its undo.

use crate::{exit::Exit, row::Row};
use k8s_openapi::{
    api::apps::v1::ControllerRevision,
    apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta},
    apimachinery::pkg::runtime::RawExtension,
};
use purr_crds::{PokerTable, PokerTableFleet};
use serde::Serialize;
use serde_json::Value;

/// How a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Complete,
    /// Stopped, and does not go on by itself.
    Stalled,
    UnderWay,
}

impl Outcome {
    pub fn exit(self) -> Exit {
        match self {
            Self::Complete => Exit::Done,
            Self::Stalled => Exit::Stopped,
            Self::UnderWay => Exit::Unfinished,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    pub name: String,
    pub outcome: Outcome,
    /// Reason of the condition that says so.
    pub reason: String,
    pub message: String,
}

fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

fn holds<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    find(conditions, kind).filter(|condition| condition.status == "True")
}

impl Progress {
    pub fn of_fleet(fleet: &PokerTableFleet) -> Self {
        let status = fleet.status.as_ref().map(|s| (s.observed_generation, s.conditions.as_slice()));
        Self::of(&fleet.metadata, status, |conditions| {
            let complete = holds(conditions, "Complete").map(|done| (Outcome::Complete, done));
            complete.or_else(|| Some((Outcome::UnderWay, find(conditions, "Progressing")?)))
        })
    }

    pub fn of_table(table: &PokerTable) -> Self {
        let status = table.status.as_ref().map(|s| (s.observed_generation, s.conditions.as_slice()));
        Self::of(&table.metadata, status, |conditions| {
            let moves = find(conditions, "Progressing")?;
            match find(conditions, "Ready") {
                Some(ready) if moves.status == "False" && moves.reason == "Steady" => {
                    // A paused table has its new pod, and is not ready for players.
                    let done = ready.status == "True" || ready.reason == "Paused";
                    Some((if done { Outcome::Complete } else { Outcome::UnderWay }, ready))
                }
                _ => Some((Outcome::UnderWay, moves)),
            }
        })
    }

    /// `status` is the observed generation with the conditions. `rest` chooses the condition that counts where nothing has
    /// stalled.
    fn of<'a>(
        meta: &ObjectMeta,
        status: Option<(i64, &'a [Condition])>,
        rest: impl FnOnce(&'a [Condition]) -> Option<(Outcome, &'a Condition)>,
    ) -> Self {
        let current = status.filter(|(observed, _)| *observed >= meta.generation.unwrap_or_default());
        let said = current.and_then(|(_, conditions)| {
            holds(conditions, "Stalled")
                .map(|stalled| (Outcome::Stalled, stalled))
                .or_else(|| rest(conditions))
        });
        let (outcome, reason, message) = said.map_or(
            (Outcome::UnderWay, "NotObserved", "the controller has not seen the change yet"),
            |(outcome, condition)| (outcome, condition.reason.as_str(), condition.message.as_str()),
        );
        Self {
            name: meta.name.clone().unwrap_or_default(),
            outcome,
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }
}

/// Why there is nothing to go back to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRevision {
    #[error("fleet {0} has no revision before the current one")]
    None(String),
    #[error("fleet {0} has no revision {1}")]
    Unknown(String, i64),
    #[error("revision {0} holds no template")]
    Unreadable(i64),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Undo {
    pub revision: i64,
    pub template: Value,
}

impl Undo {
    pub fn said(&self, fleet: &str) -> String {
        format!("fleet {fleet} has the template of revision {} again", self.revision)
    }
}

fn number(revision: &ControllerRevision) -> i64 {
    revision.revision.unwrap_or_default()
}

/// The template to go back to. A pause of the fleet stays.
///
/// # Errors
/// Where there is no such revision.
pub fn undo(
    fleet: &PokerTableFleet,
    revisions: &[ControllerRevision],
    to: Option<i64>,
) -> Result<Undo, NoRevision> {
    let name = fleet.metadata.name.clone().unwrap_or_default();
    let newest = revisions.iter().map(number).max().unwrap_or_default();
    let chosen = match to {
        Some(to) => revisions
            .iter()
            .find(|revision| number(revision) == to)
            .ok_or_else(|| NoRevision::Unknown(name.clone(), to))?,
        None => revisions
            .iter()
            .filter(|revision| number(revision) < newest)
            .max_by_key(|revision| number(revision))
            .ok_or_else(|| NoRevision::None(name.clone()))?,
    };
    let RawExtension(data) = &chosen.data;
    let mut template = data["spec"]["template"].clone();
    let fields = template.as_object_mut().ok_or_else(|| NoRevision::Unreadable(number(chosen)))?;
    fields.insert("paused".into(), fleet.spec.template.paused.into());
    Ok(Undo { revision: number(chosen), template })
}

/// The revisions of a fleet, oldest first.
pub fn history(revisions: &[ControllerRevision]) -> Vec<Row> {
    let mut all: Vec<&ControllerRevision> = revisions.iter().collect();
    all.sort_by_key(|revision| number(revision));
    let newest = all.last().map(|revision| number(revision));
    let row = |revision: &&ControllerRevision| {
        let current = if Some(number(revision)) == newest { "current" } else { "" };
        Row::new([
            ("revision", number(revision).to_string()),
            ("name", revision.metadata.name.clone().unwrap_or_default()),
            ("state", current.to_owned()),
        ])
    };
    all.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fleet(conditions: &Value) -> PokerTableFleet {
        let mut fleet: PokerTableFleet =
            serde_yaml::from_str(include_str!("../../../crds/examples/fleet.yaml")).unwrap();
        fleet.metadata.generation = Some(3);
        let status = json!({"observedGeneration": 3, "conditions": conditions});
        fleet.status = Some(serde_json::from_value(status).unwrap());
        fleet
    }

    fn condition(kind: &str, status: &str, reason: &str) -> Value {
        json!({"type": kind, "status": status, "reason": reason, "message": format!("{reason}!"),
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    #[test]
    fn a_stalled_rollout_is_no_success_and_one_that_nobody_has_seen_is_under_way() {
        let stalled = condition("Stalled", "True", "ImageUnavailable");
        let fleet_of = |all: Vec<Value>| fleet(&Value::Array(all));
        let progress = Progress::of_fleet(&fleet_of(vec![condition("Complete", "False", "x"), stalled]));
        assert_eq!((progress.outcome, progress.reason.as_str()), (Outcome::Stalled, "ImageUnavailable"));
        let done = condition("Complete", "True", "AsSpecified");
        let mut complete = fleet_of(vec![condition("Stalled", "False", "AsExpected"), done]);
        assert_eq!(Progress::of_fleet(&complete).outcome, Outcome::Complete);
        complete.metadata.generation = Some(4);
        assert_eq!(Progress::of_fleet(&complete).reason, "NotObserved");
        let moving = fleet_of(vec![condition("Progressing", "True", "RollingOut")]);
        assert_eq!(Progress::of_fleet(&moving).message, "RollingOut!");
    }

    #[test]
    fn a_table_that_is_queued_or_moves_is_under_way() {
        let mut table: PokerTable =
            serde_yaml::from_str(include_str!("../../../crds/examples/table.yaml")).unwrap();
        let mut outcome = |ready: &str, moves: (&str, &str)| {
            let conditions =
                [condition("Ready", ready, "Serving"), condition("Progressing", moves.0, moves.1)];
            table.status = Some(serde_json::from_value(json!({"conditions": conditions})).unwrap());
            Progress::of_table(&table).outcome
        };
        assert_eq!(outcome("True", ("False", "Steady")), Outcome::Complete);
        assert_eq!(outcome("True", ("False", "RolloutQueued")), Outcome::UnderWay);
        assert_eq!(outcome("True", ("True", "RollingOut")), Outcome::UnderWay);
        assert_eq!(outcome("False", ("False", "Steady")), Outcome::UnderWay);
    }

    fn revision(number: i64, turn: i64) -> ControllerRevision {
        ControllerRevision {
            revision: Some(number),
            data: RawExtension(json!({"spec": {"template": {"clock": {"turnSeconds": turn}}}})),
            ..ControllerRevision::default()
        }
    }

    #[test]
    fn an_undo_takes_the_newest_revision_before_the_current_one_and_keeps_a_pause() {
        let mut fleet = fleet(&json!([]));
        fleet.spec.template.paused = true;
        let held = [revision(5, 50), revision(3, 30), revision(4, 40)];
        let taken = undo(&fleet, &held, None).unwrap();
        assert_eq!((taken.revision, &taken.template["clock"]["turnSeconds"]), (4, &json!(40)));
        assert_eq!(taken.template["paused"], true);
        assert_eq!(undo(&fleet, &held, Some(3)).unwrap().revision, 3);
        assert_eq!(undo(&fleet, &held, Some(9)), Err(NoRevision::Unknown("nl100".into(), 9)));
        assert_eq!(undo(&fleet, &held[..1], None), Err(NoRevision::None("nl100".into())));
    }
}
