//! Reads and writes objects of one namespace, with the kubeconfig's rights.

use crate::rollout::NoRevision;
use http::Request;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::ControllerRevision,
        batch::v1::{CronJob, Job},
        core::v1::Pod,
    },
};
use kube::{
    Client, Config, Resource,
    api::{ListParams, LogParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, KubeconfigError},
};
use purr_crds::{PokerTable, PokerTableFleet};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{fmt::Debug, time::Duration};

/// Label of a fleet's tables and revisions.
const FLEET: &str = "purr.poker/fleet";

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("kubeconfig: {0}")]
    Config(#[from] KubeconfigError),
    #[error("{what}: {source}")]
    Call { what: String, source: kube::Error },
    #[error("{0}: no answer within {1} s")]
    Late(String, u64),
    #[error(transparent)]
    Revision(#[from] NoRevision),
}

/// Time limit for one pod's metrics.
const SCRAPE: Duration = Duration::from_secs(5);
/// Port of metrics and probes of every program of the fleet.
pub(crate) const OPS_PORT: u16 = 9_090;
/// Objects of one answer of the API server.
const PAGE: u32 = 500;
/// Bytes of a log that are asked for.
const LOG_MAX: i64 = 4 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Fleet,
    Table,
}

pub(crate) struct Api {
    client: Client,
    pub(crate) namespace: String,
    fleets: kube::Api<PokerTableFleet>,
    tables: kube::Api<PokerTable>,
    revisions: kube::Api<ControllerRevision>,
}

fn failed(what: impl Into<String>) -> impl FnOnce(kube::Error) -> ApiError {
    move |source| ApiError::Call { what: what.into(), source }
}

impl Api {
    pub(crate) async fn new(namespace: Option<String>) -> Result<Self, ApiError> {
        // kube's client asks for the process's default.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let config = Config::from_kubeconfig(&KubeConfigOptions::default()).await?;
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(failed("client"))?;
        Ok(Self {
            fleets: kube::Api::namespaced(client.clone(), &namespace),
            tables: kube::Api::namespaced(client.clone(), &namespace),
            revisions: kube::Api::namespaced(client.clone(), &namespace),
            client,
            namespace,
        })
    }

    fn of<K>(&self) -> kube::Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        kube::Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The first [`PAGE`] objects of a kind.
    pub(crate) async fn list<K>(&self, labels: &str, fields: &str) -> Result<Vec<K>, ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let params = ListParams::default().labels(labels).fields(fields).limit(PAGE);
        let list = self.of::<K>().list(&params).await;
        Ok(list.map_err(failed(K::plural(&K::DynamicType::default()).into_owned()))?.items)
    }

    pub(crate) async fn cron_job(&self, name: &str) -> Result<Option<CronJob>, ApiError> {
        self.of().get_opt(name).await.map_err(failed(format!("cronjob {name}")))
    }

    pub(crate) async fn job(&self, name: &str) -> Result<Job, ApiError> {
        self.of().get(name).await.map_err(failed(format!("job {name}")))
    }

    pub(crate) async fn create_job(&self, job: &Job) -> Result<(), ApiError> {
        let name = job.metadata.name.clone().unwrap_or_default();
        let made = self.of::<Job>().create(&PostParams::default(), job).await;
        made.map(drop).map_err(failed(format!("job {name}")))
    }

    /// A pod's metrics, through the API server: network policies leave the port open, and nothing listens here.
    pub(crate) async fn metrics(&self, pod: &str) -> Result<String, ApiError> {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}:{OPS_PORT}/proxy/metrics", self.namespace);
        let what = || format!("metrics of {pod} (needs get of pods/proxy)");
        let request = Request::get(path).body(Vec::new());
        let request = request.map_err(|error| failed(what())(kube::Error::HttpError(error)))?;
        match tokio::time::timeout(SCRAPE, self.client.request_text(request)).await {
            Ok(text) => text.map_err(failed(what())),
            Err(_) => Err(ApiError::Late(what(), SCRAPE.as_secs())),
        }
    }

    pub(crate) async fn log(
        &self,
        pod: &str,
        container: &str,
        lines: Option<i64>,
        previous: bool,
    ) -> Result<String, ApiError> {
        let params = LogParams {
            container: Some(container.to_owned()),
            tail_lines: lines,
            limit_bytes: Some(LOG_MAX),
            previous,
            ..LogParams::default()
        };
        self.of::<Pod>().logs(pod, &params).await.map_err(failed(format!("log of {pod}/{container}")))
    }

    pub(crate) async fn close(&self, table: &str, closed: bool) -> Result<(), ApiError> {
        self.set(table, json!({"closed": closed})).await
    }

    pub(crate) async fn fleet(&self, name: &str) -> Result<PokerTableFleet, ApiError> {
        self.fleets.get(name).await.map_err(failed(format!("fleet {name}")))
    }

    pub(crate) async fn table(&self, name: &str) -> Result<PokerTable, ApiError> {
        self.tables.get(name).await.map_err(failed(format!("table {name}")))
    }

    pub(crate) async fn tables(&self, fleet: Option<&str>) -> Result<Vec<PokerTable>, ApiError> {
        let selector = fleet.map(|fleet| format!("{FLEET}={fleet}")).unwrap_or_default();
        let list = self.tables.list(&ListParams::default().labels(&selector)).await;
        Ok(list.map_err(failed("tables"))?.items)
    }

    pub(crate) async fn revisions(&self, fleet: &str) -> Result<Vec<ControllerRevision>, ApiError> {
        let selector = ListParams::default().labels(&format!("{FLEET}={fleet}"));
        Ok(self.revisions.list(&selector).await.map_err(failed("revisions"))?.items)
    }

    /// Fails where the fleet has changed since it was read.
    pub(crate) async fn set_template(
        &self,
        fleet: &PokerTableFleet,
        template: &Value,
    ) -> Result<(), ApiError> {
        let name = fleet.metadata.name.as_deref().unwrap_or_default();
        let patch = serde_json::from_value(json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": fleet.metadata.resource_version},
            {"op": "replace", "path": "/spec/template", "value": template},
        ]));
        let patch =
            Patch::Json::<()>(patch.map_err(|error| failed("patch")(kube::Error::SerdeError(error)))?);
        let patched = self.fleets.patch(name, &PatchParams::default(), &patch).await;
        patched.map(drop).map_err(failed(format!("fleet {name}")))
    }

    pub(crate) async fn pause(&self, table: &str, paused: bool) -> Result<(), ApiError> {
        self.set(table, json!({"paused": paused})).await
    }

    async fn set(&self, table: &str, spec: Value) -> Result<(), ApiError> {
        let patch = Patch::Merge(json!({"spec": spec}));
        let patched = self.tables.patch(table, &PatchParams::default(), &patch).await;
        patched.map(drop).map_err(failed(format!("table {table}")))
    }
}
