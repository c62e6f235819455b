use super::*;
use crate::{
    fleet::fleets::Parts,
    metrics::Metrics,
    pace::SharedPace,
    testing::{self, api},
};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::runtime::{
    events::{Recorder, Reporter},
    reflector::{self, store::Writer},
    watcher::Event,
};
use purr_crds::PokerTable;
use purr_namespaces::Listed;
use purr_protocol::summary::Summary;
use std::collections::HashMap;

const TABLES: &str = "pokertables";
const FLEETS: &str = "pokertablefleets";
const REVISIONS: &str = "controllerrevisions";

struct Scene {
    api: api::Api,
    fleets: Arc<Fleets>,
    watch: Writer<PokerTable>,
}

impl Scene {
    fn new(change: impl FnOnce(&mut PokerTableFleet)) -> Self {
        let api = api::Api::default();
        let mut fleet = testing::pokertablefleet();
        fleet.spec.replicas = 3;
        fleet.spec.buffer = purr_crds::Buffer::default();
        fleet.metadata.resource_version = Some("0".into());
        change(&mut fleet);
        api.put(FLEETS, &fleet);
        let (table_cache, mut watch) = reflector::store();
        watch.apply_watcher_event(&Event::InitDone);
        let client = api.client();
        let reporter = Reporter { controller: "purr-controller".into(), instance: None };
        let fleets = Fleets::new(Parts {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            table_cache,
            pod_index: Arc::default(),
            fleet_index: Arc::default(),
            tables_listed: Listed::of(["poker"]),
            pods_listed: Listed::of(["poker"]),
            summaries: Arc::default(),
            metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
            pace: Arc::new(SharedPace::new(crate::pace::Pace::new(Budget { batch: 2, deadline_s: 180 }, 0))),
            release: "purr".into(),
        });
        Self { api, fleets: Arc::new(fleets), watch }
    }

    fn fleet(&self) -> PokerTableFleet {
        self.api.get(FLEETS, "nl100").unwrap()
    }

    fn tables(&self) -> Vec<PokerTable> {
        self.api.all(TABLES)
    }

    async fn reconcile(&self) -> Result<Action, ApplyError> {
        reconcile(Arc::new(self.fleet()), self.fleets.clone()).await
    }

    /// Updates the watch cache from the API server.
    fn show(&mut self) {
        let tables = self.tables().into_iter().map(Event::InitApply);
        for event in [Event::Init].into_iter().chain(tables).chain([Event::InitDone]) {
            self.watch.apply_watcher_event(&event);
            self.fleets.fleet_index.see(&event);
        }
    }

    /// Makes every table serve its spec, with `players` players.
    fn serve(&mut self, players: u8) {
        let mut summaries = HashMap::new();
        for mut table in self.tables() {
            let condition = |kind: &str, status: &str, reason: &str| {
                serde_json::json!({"type": kind, "status": status, "reason": reason, "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"})
            };
            let status = table.status.get_or_insert_default();
            status.conditions = serde_json::from_value(serde_json::json!([
                condition("Ready", "True", "Serving"),
                condition("Progressing", "False", "Steady")
            ]))
            .unwrap();
            (status.fencing_generation, status.epoch) = (1, testing::epoch(1).get().try_into().unwrap());
            status.observed_generation = table.metadata.generation.unwrap();
            let uid = table.metadata.uid.clone().unwrap();
            let closed = table.spec.closed;
            summaries
                .insert(uid, Summary { epoch: testing::epoch(1), players, closed, ..Summary::default() });
            self.api.put(TABLES, &table);
        }
        self.fleets.summaries.replace(summaries);
        self.show();
    }
}

fn said(fleet: &PokerTableFleet, kind: &str) -> (String, String) {
    let conditions = &fleet.status.as_ref().unwrap().conditions;
    let condition = conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    (condition.status.clone(), condition.reason.clone())
}

fn pair(status: &str, reason: &str) -> (String, String) {
    (status.into(), reason.into())
}

#[tokio::test]
async fn a_fleet_gets_finalizer_revision_tables_and_a_status_that_is_complete_when_they_serve() {
    let mut scene = Scene::new(|_| {});
    scene.reconcile().await.unwrap();
    let fleet = scene.fleet();
    assert_eq!(fleet.finalizers(), [FINALIZER]);
    let names: Vec<String> = scene.tables().iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["nl100-1", "nl100-2", "nl100-3"]);
    assert_eq!(said(&fleet, "Progressing"), pair("True", "Creating"));
    assert_eq!(scene.api.all::<ControllerRevision>(REVISIONS).len(), 1);
    // The watch is behind: nothing is made twice.
    scene.reconcile().await.unwrap();
    assert_eq!(scene.api.writes("POST", TABLES), 3);
    assert_eq!(said(&scene.fleet(), "Progressing"), pair("True", "Starting"));
    scene.serve(0);
    scene.reconcile().await.unwrap();
    let fleet = scene.fleet();
    assert_eq!(said(&fleet, "Complete"), pair("True", "AsSpecified"));
    let status = fleet.status.unwrap();
    assert_eq!((status.replicas, status.ready, status.free, status.updated), (3, 3, 3, 3));
    assert!(status.current_revision.is_some() && status.current_revision == status.updated_revision);
    let writes = scene.api.writes("PATCH", "pokertablefleets/status");
    scene.reconcile().await.unwrap();
    assert_eq!(scene.api.writes("PATCH", "pokertablefleets/status"), writes, "nothing is new");
    assert_eq!(scene.api.writes("POST", REVISIONS), 1);
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_makes_one_table() {
    let mut scene = Scene::new(|_| {});
    scene.api.lose(2);
    assert!(scene.reconcile().await.is_err());
    scene.reconcile().await.unwrap();
    assert_eq!((scene.tables().len(), scene.api.writes("POST", TABLES)), (3, 5));
    scene.show();
    scene.reconcile().await.unwrap();
    assert_eq!((scene.tables().len(), scene.api.writes("POST", TABLES)), (3, 5));
}

#[tokio::test]
async fn a_name_that_somebody_else_has_is_passed_over() {
    let mut scene = Scene::new(|_| {});
    let mut foreign = testing::table();
    foreign.metadata.name = Some("nl100-2".into());
    scene.api.put(TABLES, &foreign);
    assert!(matches!(scene.reconcile().await, Err(ApplyError::Foreign(name)) if name == "nl100-2"));
    scene.show();
    scene.reconcile().await.unwrap();
    let names: Vec<String> = scene.tables().iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["nl100-1", "nl100-2", "nl100-3", "nl100-4"]);
    assert_eq!(scene.api.get::<PokerTable>(TABLES, "nl100-2").unwrap().metadata.uid, foreign.metadata.uid);
}

#[tokio::test]
async fn a_quota_is_said_in_the_condition_and_is_no_error() {
    let mut scene = Scene::new(|_| {});
    scene.api.refuse(Some("exceeded quota: tables"));
    scene.reconcile().await.unwrap();
    scene.reconcile().await.unwrap();
    let fleet = scene.fleet();
    assert_eq!(said(&fleet, "Stalled"), pair("True", "CreateRefused"));
    assert_eq!(scene.api.writes("POST", TABLES), 3, "not again at once");
    scene.api.refuse(None);
    scene.show();
}

#[tokio::test]
async fn a_scale_in_closes_a_table_and_deletes_it_once_the_table_says_that_nobody_can_sit_down() {
    let mut scene = Scene::new(|_| {});
    scene.reconcile().await.unwrap();
    scene.serve(0);
    let mut fleet = scene.fleet();
    (fleet.spec.replicas, fleet.spec.min_replicas, fleet.metadata.generation) = (2, 0, Some(2));
    scene.api.put(FLEETS, &fleet);
    scene.reconcile().await.unwrap();
    let closed: Vec<PokerTable> = scene.tables().into_iter().filter(|table| table.spec.closed).collect();
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].annotations()[super::super::ANNOTATION_CLOSED_FOR], "scale-in");
    scene.show();
    scene.reconcile().await.unwrap();
    assert_eq!(scene.tables().len(), 3, "the table has not said so");
    scene.serve(0);
    scene.reconcile().await.unwrap();
    assert_eq!((scene.tables().len(), scene.api.writes("DELETE", TABLES)), (2, 1));
}

#[tokio::test]
async fn a_changed_image_reaches_one_batch_after_the_other_and_has_a_revision_of_its_own() {
    let mut scene = Scene::new(|fleet| fleet.spec.rollout.batch = 2);
    scene.reconcile().await.unwrap();
    scene.serve(0);
    scene.reconcile().await.unwrap();
    let first = scene.fleet().status.unwrap().current_revision.unwrap();
    let mut fleet = scene.fleet();
    fleet.spec.template.pod.image = Some("localhost/purr/table:2".into());
    fleet.metadata.generation = Some(2);
    scene.api.put(FLEETS, &fleet);
    let moved = |scene: &Scene| {
        scene.tables().iter().filter(|table| table.spec.pod.image.is_some() && !table.spec.closed).count()
    };
    scene.reconcile().await.unwrap();
    assert_eq!(moved(&scene), 2);
    scene.show();
    scene.reconcile().await.unwrap();
    assert_eq!(moved(&scene), 2, "the batch is not ready");
    scene.serve(0);
    scene.reconcile().await.unwrap();
    assert_eq!(moved(&scene), 3);
    scene.serve(0);
    scene.reconcile().await.unwrap();
    let status = scene.fleet().status.unwrap();
    assert_ne!(status.current_revision.as_ref(), Some(&first));
    assert_eq!(status.current_revision, status.updated_revision);
    assert_eq!(scene.api.all::<ControllerRevision>(REVISIONS).len(), 2);
}

#[tokio::test]
async fn a_deleted_fleet_closes_its_tables_and_goes_after_them() {
    let mut scene = Scene::new(|_| {});
    scene.reconcile().await.unwrap();
    scene.serve(1);
    let mut fleet = scene.fleet();
    fleet.metadata.deletion_timestamp = serde_json::from_str("\"2026-01-01T00:00:00Z\"").unwrap();
    scene.api.put(FLEETS, &fleet);
    scene.reconcile().await.unwrap();
    assert!(scene.tables().iter().all(|table| table.spec.closed));
    scene.serve(1);
    scene.reconcile().await.unwrap();
    assert_eq!((scene.tables().len(), scene.fleet().finalizers().len()), (3, 1));
    assert_eq!(said(&scene.fleet(), "Progressing"), pair("True", "Deleting"));
    scene.serve(0);
    scene.reconcile().await.unwrap();
    assert!(scene.tables().is_empty());
    scene.show();
    scene.reconcile().await.unwrap();
    assert!(scene.fleet().finalizers().is_empty());
}
