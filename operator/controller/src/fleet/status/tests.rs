use super::*;
use crate::{
    fleet::{
        decide::{Memory, Observed, decide},
        observe::Hashes,
    },
    testing,
};

fn serving(number: u64) -> TableView {
    TableView {
        name: format!("nl100-{number}"),
        uid: number.to_string(),
        number,
        same_play: true,
        same_pod: true,
        served: true,
        ready: true,
        settled: true,
        taking: true,
        seats: 6,
        ..TableView::default()
    }
}

fn fleet(replicas: i32) -> PokerTableFleet {
    let mut fleet = testing::pokertablefleet();
    (fleet.spec.replicas, fleet.spec.min_replicas, fleet.spec.max_replicas) = (replicas, 0, 6);
    (fleet.spec.buffer.tables, fleet.spec.buffer.percent) = (0, 0);
    fleet
}

fn decided(fleet: &PokerTableFleet, tables: &[TableView]) -> Decision {
    let hashes = Hashes::of(&fleet.spec.template);
    let seen = Observed {
        name: "nl100",
        spec: &fleet.spec,
        hashes: &hashes,
        generation: 1,
        finalizer: true,
        deleting: fleet.metadata.deletion_timestamp.is_some(),
        orphan: false,
        tables,
        now_s: 100,
    };
    decide(&seen, &mut Memory::new(1, 0))
}

fn of(
    fleet: &PokerTableFleet,
    before: Option<&PokerTableFleetStatus>,
    tables: &[TableView],
) -> PokerTableFleetStatus {
    let decision = decided(fleet, tables);
    let now = Timestamp::from_second(1_767_225_600).unwrap();
    status(&Facts { fleet, before, decision: &decision, waiting: 0, revision: Some("nl100-b"), now })
}

fn said<'a>(status: &'a PokerTableFleetStatus, kind: &str) -> (&'a str, &'a str) {
    let condition = status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    (&condition.status, &condition.reason)
}

#[test]
fn a_fleet_is_complete_only_when_every_table_serves_with_the_template_and_none_is_closing() {
    let fleet = fleet(2);
    let all = [serving(1), serving(2)];
    let done = of(&fleet, None, &all);
    assert_eq!(said(&done, "Complete"), ("True", "AsSpecified"));
    assert_eq!(said(&done, "Progressing"), ("False", "Steady"));
    assert_eq!(said(&done, "Available"), ("True", "EnoughReady"));
    assert_eq!((done.desired, done.replicas, done.ready, done.free, done.updated), (2, 2, 2, 2, 2));
    assert_eq!((done.selector.as_str(), done.observed_generation), ("purr.poker/fleet=nl100", 1));
    let cases = [
        (TableView { same_pod: false, ..serving(2) }, "RollingOut"),
        (TableView { settled: false, taking: false, ..serving(2) }, "RollingOut"),
        (TableView { same_play: false, players: 2, ..serving(2) }, "ReplacingTables"),
        (TableView { served: false, ready: false, settled: false, ..serving(2) }, "Starting"),
    ];
    for (table, reason) in cases {
        let status = of(&fleet, None, &[serving(1), table]);
        assert_eq!(said(&status, "Complete"), ("False", reason));
        assert_eq!(said(&status, "Progressing"), ("True", reason));
        assert_eq!(said(&status, "Reconciling"), ("True", reason));
    }
    let closing = TableView { closed: true, taking: false, players: 3, ..serving(3) };
    let status = of(&fleet, None, &[serving(1), serving(2), closing]);
    assert_eq!((said(&status, "Complete"), status.closing, status.seated), (("False", "Closing"), 1, 3));
}

#[test]
fn the_current_revision_becomes_the_updated_one_when_a_rollout_is_complete() {
    let fleet = fleet(1);
    let before = PokerTableFleetStatus {
        current_revision: Some("nl100-a".into()),
        ..PokerTableFleetStatus::default()
    };
    let revisions = |table| {
        let status = of(&fleet, Some(&before), &[table]);
        (status.current_revision.unwrap(), status.updated_revision.unwrap())
    };
    assert_eq!(revisions(TableView { same_pod: false, ..serving(1) }), ("nl100-a".into(), "nl100-b".into()));
    assert_eq!(revisions(serving(1)), ("nl100-b".into(), "nl100-b".into()));
}

#[test]
fn a_stalled_fleet_says_why_and_is_not_progressing() {
    let fleet = fleet(2);
    let trouble = super::super::observe::Trouble { reason: "ImageUnavailable".into(), message: "x".into() };
    let bad = TableView { ready: false, settled: false, taking: false, trouble: Some(trouble), ..serving(2) };
    let stalled = of(&fleet, None, &[serving(1), bad]);
    assert_eq!(said(&stalled, "Stalled"), ("True", "ImageUnavailable"));
    assert_eq!(said(&stalled, "Progressing"), ("False", "ImageUnavailable"));
    assert_eq!(said(&stalled, "Complete"), ("False", "ImageUnavailable"));
    let done = of(&fleet, Some(&stalled), &[serving(1), serving(2)]);
    let events = events(&done, &stalled);
    let one = events.iter().find(|event| event.action == "Stalled").unwrap();
    assert!(one.type_ == EventType::Warning && one.note.as_ref().unwrap().contains("nl100-2"));
    assert!(super::events(&done, &done).is_empty());
}

#[test]
fn a_fleet_without_tables_that_serve_is_not_available() {
    let fleet = fleet(2);
    assert_eq!(said(&of(&fleet, None, &[]), "Available"), ("False", "TooFewReady"));
    let mut full = fleet;
    (full.spec.buffer.tables, full.spec.max_replicas) = (2, 2);
    let occupied = |number| TableView { players: 2, ..serving(number) };
    let status = of(&full, None, &[occupied(1), occupied(2)]);
    assert_eq!(said(&status, "Available"), ("True", "MaxReplicas"));
}

#[test]
fn what_an_operator_acts_on_is_written_at_once_and_counts_every_ten_seconds() {
    let fleet = fleet(2);
    let before = of(&fleet, None, &[serving(1), serving(2)]);
    assert!(is_due(None, &before, 0, || true) && !is_due(Some(&before), &before, 1_000, || true));
    let seated = of(&fleet, Some(&before), &[TableView { players: 1, ..serving(1) }, serving(2)]);
    assert!(!is_due(Some(&before), &seated, 9, || true) && is_due(Some(&before), &seated, 10, || true));
    assert!(!is_due(Some(&before), &seated, 10, || false), "too many other fleets have new counts");
    let fewer = of(&fleet, Some(&before), &[serving(1)]);
    assert!(is_due(Some(&before), &fewer, 0, || false));
}
