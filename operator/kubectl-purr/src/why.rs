//! Why a table deals no hands, in one sentence: from its spec and its conditions, the first cause that applies.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use purr_crds::PokerTable;

pub fn why(table: &PokerTable) -> String {
    let status = table.status.clone().unwrap_or_default();
    let find = |kind: &str| status.conditions.iter().find(|condition| condition.type_ == kind);
    let because = |condition: &Condition| format!("{} ({})", condition.message, condition.reason);
    if table.metadata.deletion_timestamp.is_some() {
        let stage = find("Progressing").map_or_else(|| "nobody has seen it yet".to_owned(), because);
        return format!("it is being deleted: {stage}");
    }
    if status.observed_generation < table.metadata.generation.unwrap_or_default() {
        return "the controller has not seen its last change yet: is the controller running?".into();
    }
    let Some(ready) = find("Ready") else {
        return "the controller has said nothing of it yet: is the controller running?".into();
    };
    match (ready.status.as_str(), ready.reason.as_str()) {
        ("True", "Serving") if status.players < 2 => {
            format!("it deals as soon as two players are ready; it had {} when last written", status.players)
        }
        ("True", "Serving") => "it deals hands".into(),
        // Ready is True with this reason under a controller of the previous release.
        (_, "Paused") => "it is paused (spec.paused): kubectl purr resume TABLE ends that".into(),
        ("True", _) => format!("it serves and deals no hands: {}", because(ready)),
        _ => format!("it does not serve: {}", because(ready)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(status: &str, reason: &str, players: i32) -> String {
        let mut table: PokerTable =
            serde_yaml::from_str(include_str!("../../../crds/examples/table.yaml")).unwrap();
        let ready = json!({"type": "Ready", "status": status, "reason": reason, "message": "the message",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        table.status =
            Some(serde_json::from_value(json!({"players": players, "conditions": [ready]})).unwrap());
        why(&table)
    }

    #[test]
    fn the_first_cause_that_applies_is_named() {
        assert_eq!(said("True", "Serving", 4), "it deals hands");
        assert!(said("True", "Serving", 1).contains("two players"));
        assert!(said("False", "Paused", 4).contains("spec.paused"));
        assert!(said("True", "Paused", 4).contains("spec.paused"), "by a controller of the release before");
        assert_eq!(said("True", "Holding", 4), "it serves and deals no hands: the message (Holding)");
        assert_eq!(said("False", "ImageUnavailable", 0), "it does not serve: the message (ImageUnavailable)");
    }

    #[test]
    fn a_table_that_no_controller_has_seen_asks_for_the_controller() {
        let table: PokerTable =
            serde_yaml::from_str(include_str!("../../../crds/examples/table.yaml")).unwrap();
        assert!(why(&table).contains("is the controller running"));
    }
}
