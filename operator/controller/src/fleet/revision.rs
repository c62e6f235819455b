//! The history of a fleet's template, as ControllerRevisions: an undo reads an earlier template there.

use super::{LABEL_FLEET, observe::Hashes};
use k8s_openapi::{
    api::apps::v1::ControllerRevision,
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, runtime::RawExtension},
};
use kube::Resource;
use purr_crds::{PokerTableFleet, PokerTableSpec};
use serde_json::json;
use std::collections::BTreeMap;

/// Revisions kept, beside those that tables run with.
const KEPT: usize = 10;

/// Writes that make the current template the newest revision of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The revision of the current template.
    pub name: String,
    pub create: Option<Box<ControllerRevision>>,
    /// A revision that was there before becomes the newest again.
    pub raise: Option<i64>,
    /// Names of revisions that are no longer kept.
    pub drop: Vec<String>,
}

/// Plans the writes from the revisions that the fleet owns.
pub fn plan(fleet: &PokerTableFleet, held: &[ControllerRevision]) -> Plan {
    let template = normal(&fleet.spec.template);
    let number = |revision: &ControllerRevision| revision.revision.unwrap_or_default();
    let newest = held.iter().map(number).max().unwrap_or_default();
    let same =
        held.iter().find(|revision| template_of(revision).is_some_and(|held| normal(&held) == template));
    let mut plan = match same {
        Some(same) => Plan {
            name: same.metadata.name.clone().unwrap_or_default(),
            create: None,
            raise: (number(same) < newest).then_some(newest + 1),
            drop: Vec::new(),
        },
        None => {
            let revision = build(fleet, &template, newest + 1);
            let name = revision.metadata.name.clone().unwrap_or_default();
            Plan { name, create: Some(Box::new(revision)), raise: None, drop: Vec::new() }
        }
    };
    let current = fleet.status.as_ref().and_then(|status| status.current_revision.clone());
    let mut old: Vec<(i64, String)> = held
        .iter()
        .filter_map(|revision| Some((number(revision), revision.metadata.name.clone()?)))
        .filter(|(_, name)| *name != plan.name && Some(name) != current.as_ref())
        .collect();
    old.sort_unstable();
    let many = old.len().saturating_sub(KEPT);
    plan.drop = old.into_iter().take(many).map(|(_, name)| name).collect();
    plan
}

/// The template that a revision holds, where it can be read.
pub fn template_of(revision: &ControllerRevision) -> Option<PokerTableSpec> {
    let RawExtension(data) = &revision.data;
    serde_json::from_value(data.get("spec")?.get("template")?.clone()).ok()
}

/// A pause is no revision.
fn normal(template: &PokerTableSpec) -> PokerTableSpec {
    PokerTableSpec { paused: false, closed: false, ..template.clone() }
}

fn build(fleet: &PokerTableFleet, template: &PokerTableSpec, number: i64) -> ControllerRevision {
    let name = fleet.metadata.name.clone().unwrap_or_default();
    let Hashes { play, pod } = Hashes::of(template);
    ControllerRevision {
        metadata: ObjectMeta {
            // The name is derived from the template, so that a repeated creation makes no second revision.
            name: Some(format!("{name}-{play}{pod}")),
            namespace: fleet.metadata.namespace.clone(),
            labels: Some(BTreeMap::from([(LABEL_FLEET.to_owned(), name)])),
            owner_references: fleet.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..Default::default()
        },
        data: RawExtension(json!({"spec": {"template": template}})),
        revision: Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn history(fleet: &mut PokerTableFleet, turns: impl IntoIterator<Item = i32>) -> Vec<ControllerRevision> {
        let mut held: Vec<ControllerRevision> = Vec::new();
        for turn in turns {
            fleet.spec.template.clock.turn_seconds = turn;
            let plan = plan(fleet, &held);
            held.retain(|revision| !plan.drop.contains(revision.metadata.name.as_ref().unwrap()));
            if let Some(number) = plan.raise {
                let named = held.iter_mut().find(|r| r.metadata.name.as_ref() == Some(&plan.name));
                named.unwrap().revision = Some(number);
            }
            held.extend(plan.create.map(|revision| *revision));
        }
        held
    }

    #[test]
    fn each_template_has_one_revision_and_an_undo_makes_its_revision_the_newest() {
        let mut fleet = testing::pokertablefleet();
        let held = history(&mut fleet, [10, 20, 10]);
        let numbers: Vec<(i64, i32)> = held
            .iter()
            .map(|revision| (revision.revision.unwrap(), template_of(revision).unwrap().clock.turn_seconds))
            .collect();
        assert_eq!(numbers, [(3, 10), (2, 20)]);
        fleet.spec.template.paused = true;
        assert_eq!(
            plan(&fleet, &held),
            Plan { name: plan(&fleet, &held).name, create: None, raise: None, drop: vec![] }
        );
    }

    #[test]
    fn ten_old_revisions_are_kept_and_those_that_tables_run_with() {
        let mut fleet = testing::pokertablefleet();
        let first = history(&mut fleet, [1]).remove(0).metadata.name;
        fleet.status.get_or_insert_default().current_revision = first.clone();
        let held = history(&mut fleet, 1..=30);
        assert_eq!(held.len(), KEPT + 2);
        assert!(held.iter().any(|revision| revision.metadata.name == first));
    }
}
