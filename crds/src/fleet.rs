//! A fleet: how many tables of one kind there are, and how they are replaced.

use crate::PokerTableSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Fields of `spec.template` that a table's spec may change in place. A change of any other field makes new tables.
pub const CHANGEABLE: [&str; 7] =
    ["clock", "closed", "handHistory", "handHistoryDelaySeconds", "paused", "pod", "room"];
/// Most tables of a fleet. A namespace holds about this many pods.
pub const REPLICAS_MAX: i32 = 3_000;

/// Keeps a number of PokerTables of one kind. Tables are made, moved, closed and deleted; a table with players is
/// closed to new seats and deleted once the last player has left.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "purr.poker",
    version = "v1alpha1",
    kind = "PokerTableFleet",
    plural = "pokertablefleets",
    shortname = "pfleet",
    category = "purr",
    namespaced,
    doc = "A number of PokerTables of one kind, kept by the controller.",
    status = "PokerTableFleetStatus",
    derive = "PartialEq",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".status.desired"),
    printcolumn(name = "Ready", type_ = "integer", json_path = ".status.ready"),
    printcolumn(name = "Free", type_ = "integer", json_path = ".status.free"),
    printcolumn(name = "Seated", type_ = "integer", json_path = ".status.seated"),
    printcolumn(name = "Waiting", type_ = "integer", json_path = ".status.waiting"),
    printcolumn(name = "Updated", type_ = "integer", json_path = ".status.updated"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Closing", type_ = "integer", json_path = ".status.closing", priority = 1),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Progressing")].reason"#,
        priority = 1
    ),
    validation = Rule::new("self.metadata.name.size() <= 33").message("metadata.name: must be at most 33 characters, a table's name is longer by up to 7")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.replicas").message("spec.replicas: must be at least spec.minReplicas"),
    validation = Rule::new("self.replicas <= self.maxReplicas").message("spec.replicas: must be at most spec.maxReplicas"),
    validation = Rule::new("self.minReplicas <= self.maxReplicas").message("spec.minReplicas: must be at most spec.maxReplicas"),
    validation = Rule::new("self.buffer.tables <= self.maxReplicas").message("spec.buffer.tables: must be at most spec.maxReplicas"),
    validation = Rule::new("!has(self.template.closed) || !self.template.closed").message("spec.template.closed: must be false, the fleet itself closes tables")
)]
pub struct PokerTableFleetSpec {
    /// Spec of the tables. A change of clock or pod moves every table in place, between two hands, paced by
    /// spec.rollout. A change of paused reaches every table at once. A change of anything else makes new tables and
    /// closes the old ones to new seats, because players signed for what they play.
    #[schemars(schema_with = "template")]
    pub template: PokerTableSpec,
    /// Tables to keep, with and without players. spec.buffer adds tables where too few are free.
    #[serde(default = "replicas")]
    #[schemars(range(min = 0, max = 3000))]
    pub replicas: i32,
    /// Least value of spec.replicas that is accepted, from a person or an autoscaler.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3000))]
    pub min_replicas: i32,
    /// Most tables that take new players, including those that spec.buffer adds. Closed tables whose players have not
    /// left do not count.
    #[serde(default = "max_replicas")]
    #[schemars(range(min = 0, max = 3000))]
    pub max_replicas: i32,
    /// Free tables to keep, beyond those with players. The largest of the three values counts; where all are 0,
    /// spec.replicas alone says how many tables there are.
    #[serde(default)]
    pub buffer: Buffer,
    /// Pace at which a change of clock or pod reaches the tables.
    #[serde(default)]
    pub rollout: Rollout,
    /// Pace at which tables that spec.buffer has added go away again.
    #[serde(default)]
    pub scale_down: ScaleDown,
    /// How players get a seat in the fleet.
    #[serde(default)]
    pub seating: Seating,
    /// Statistics about other players that the fleet's tables show to everybody. none: no statistics. public: rates of
    /// everybody who sits at the table, over all hands before today (UTC), for players with 100 hands or more; no amounts.
    #[serde(default)]
    pub hud: Hud,
}

fn replicas() -> i32 {
    1
}

fn max_replicas() -> i32 {
    REPLICAS_MAX
}

/// Free tables to keep, beyond those with players. The largest of the three values counts; 0 in all of them: spec.replicas
/// alone says how many tables there are.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Buffer {
    /// Tables without a player that are to take players.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub tables: i32,
    /// Tables without a player as a share of those with players, in percent, rounded up.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub percent: i32,
    /// Empty seats to keep. Empty seats of tables with players count; the rest is kept as tables without a player.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000))]
    pub seats: i32,
}

/// Pace at which a change of clock or pod reaches the tables.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// Tables changed at once. The next batch waits until this batch is ready.
    #[serde(default = "batch")]
    #[schemars(range(min = 1, max = 100))]
    pub batch: i32,
    /// Tables without a player that may be changed at once. Tables with players do not count: they take no player
    /// away from a free table while they move.
    #[serde(default = "max_unavailable")]
    #[schemars(range(min = 1, max = 100))]
    pub max_unavailable: i32,
    /// Seconds that a new or changed table has to become ready. After this time the fleet is Stalled and changes no
    /// further table.
    #[serde(default = "progress_deadline_seconds")]
    #[schemars(range(min = 30, max = 3600))]
    pub progress_deadline_seconds: i32,
}

fn batch() -> i32 {
    Rollout::default().batch
}

fn max_unavailable() -> i32 {
    Rollout::default().max_unavailable
}

fn progress_deadline_seconds() -> i32 {
    Rollout::default().progress_deadline_seconds
}

impl Default for Rollout {
    fn default() -> Self {
        Self { batch: 1, max_unavailable: 1, progress_deadline_seconds: 180 }
    }
}

/// How tables that spec.buffer has added go away again.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaleDown {
    /// Seconds for which fewer tables must have been enough before tables are closed, and seconds between two such
    /// closings. A change of spec.replicas or spec.maxReplicas takes effect at once.
    #[serde(default = "stabilization_seconds")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_seconds: i32,
}

fn stabilization_seconds() -> i32 {
    ScaleDown::default().stabilization_seconds
}

impl Default for ScaleDown {
    fn default() -> Self {
        Self { stabilization_seconds: 600 }
    }
}

/// How players get a seat in the fleet.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seating {
    /// Pick: players choose a table. SeatMe: players ask for a seat and the fleet chooses the table.
    #[serde(default)]
    pub policy: SeatingPolicy,
    /// Seconds for which a seat that was given to a player is held until the player sits down.
    #[serde(default = "hold_seconds")]
    #[schemars(range(min = 5, max = 300))]
    pub hold_seconds: i32,
    /// Most players on the waiting list; 0 for no waiting list.
    #[serde(default = "waiting_max")]
    #[schemars(range(min = 0, max = 10_000))]
    pub waiting_max: i32,
}

fn hold_seconds() -> i32 {
    Seating::default().hold_seconds
}

fn waiting_max() -> i32 {
    Seating::default().waiting_max
}

impl Default for Seating {
    fn default() -> Self {
        Self { policy: SeatingPolicy::Pick, hold_seconds: 30, waiting_max: 500 }
    }
}

/// Pick: players choose a table. SeatMe: players ask for a seat and the fleet chooses the table.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeatingPolicy {
    #[default]
    Pick,
    SeatMe,
}

/// Statistics about other players: none, or those that everybody may see.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Hud {
    #[default]
    None,
    Public,
}

#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct PokerTableFleetStatus {
    /// The generation of the spec that this status is about.
    pub observed_generation: i64,
    /// Tables that the fleet works towards: spec.replicas and what spec.buffer adds.
    pub desired: i32,
    /// Tables that take players or will: without closed tables and without tables that are being deleted.
    pub replicas: i32,
    /// Tables of these that serve.
    pub ready: i32,
    /// Tables of these that serve, take new players and have none.
    pub free: i32,
    /// Tables of these that run with the current template.
    pub updated: i32,
    /// Closed tables whose players have not left, and tables that are being deleted.
    pub closing: i32,
    /// Players with a seat at the fleet's tables. May be some seconds old.
    pub seated: i32,
    /// Players on the waiting list. May be some seconds old.
    pub waiting: i32,
    /// Selects the pods of the fleet's tables.
    pub selector: String,
    /// Name of the ControllerRevision that all tables ran with when the last rollout was complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_revision: Option<String>,
    /// Name of the ControllerRevision that holds the current template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_revision: Option<String>,
    /// Available: enough tables serve. Progressing and Reconciling: something is being changed. Complete: every table
    /// serves with the current template and none is closing. Stalled: a change has stopped; the reason says why.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The schema of a table's spec without the rules that forbid a change: here a change makes new tables.
fn template(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = PokerTableSpec::json_schema(generator);
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("description");
        fields.values_mut().for_each(loosen);
        loosen_rules(fields);
    }
    schema
}

fn loosen(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            loosen_rules(fields);
            fields.values_mut().for_each(loosen);
        }
        Value::Array(values) => values.iter_mut().for_each(loosen),
        _ => {}
    }
}

/// Drops transition rules, and names fields in messages by where they stand in a fleet.
fn loosen_rules(fields: &mut serde_json::Map<String, Value>) {
    const RULES: &str = "x-kubernetes-validations";
    let Some(Value::Array(rules)) = fields.get_mut(RULES) else { return };
    rules.retain(|rule| !rule["rule"].as_str().is_some_and(|rule| rule.contains("oldSelf")));
    for message in rules.iter_mut().filter_map(|rule| rule.get_mut("message")) {
        if let Some(text) = message.as_str() {
            *message = text.replace("spec.", "spec.template.").into();
        }
    }
    if rules.is_empty() {
        fields.remove(RULES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::CustomResourceExt;

    fn schema(crd: &impl Serialize) -> Value {
        let crd = serde_json::to_value(crd).unwrap();
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
    }

    #[test]
    fn a_fleets_template_is_a_tables_spec_without_the_rules_against_a_change() {
        let (fleet, table) = (schema(&PokerTableFleet::crd()), schema(&crate::PokerTable::crd()));
        let template = &fleet["properties"]["template"];
        let names =
            |schema: &Value| schema["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(template), names(&table));
        let text = template.to_string();
        assert!(table.to_string().contains("oldSelf") && !text.contains("oldSelf"));
        assert!(text.contains("spec.template.rake.cap[].players: must be at most"), "{text}");
        assert_eq!(template["properties"]["seats"]["maximum"], 10.0);
        assert!(text.contains("self.buyIn.min >= self.blinds.big"));
    }

    #[test]
    fn every_field_of_a_table_is_either_fixed_by_a_rule_or_listed_as_changeable() {
        let table = schema(&crate::PokerTable::crd());
        let whole = serde_json::to_value(crate::PokerTable::crd()).unwrap();
        let root = &whole["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["x-kubernetes-validations"];
        for (name, field) in table["properties"].as_object().unwrap() {
            let fixed = table["x-kubernetes-validations"].to_string().contains(&format!("oldSelf.{name}"))
                || field["x-kubernetes-validations"].to_string().contains("oldSelf")
                || root.to_string().contains(&format!("oldSelf.spec.{name}"));
            let changeable = CHANGEABLE.contains(&name.as_str());
            assert!(
                fixed != changeable,
                "spec.{name}: give it a rule against a change, or list it in CHANGEABLE (moved in place)"
            );
        }
    }
}
