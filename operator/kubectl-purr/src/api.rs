//! Reads and writes objects of one namespace, with the kubeconfig's rights.

use crate::rollout::NoRevision;
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::{
    Client, Config,
    api::{ListParams, Patch, PatchParams},
    config::{KubeConfigOptions, KubeconfigError},
};
use purr_crds::{PokerTable, PokerTableFleet};
use serde_json::{Value, json};

/// Label of a fleet's tables and revisions.
const FLEET: &str = "purr.poker/fleet";

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("kubeconfig: {0}")]
    Config(#[from] KubeconfigError),
    #[error("{what}: {source}")]
    Call { what: String, source: kube::Error },
    #[error(transparent)]
    Revision(#[from] NoRevision),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Fleet,
    Table,
}

pub(crate) struct Api {
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
            revisions: kube::Api::namespaced(client, &namespace),
        })
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
        let patch = Patch::Merge(json!({"spec": {"paused": paused}}));
        let patched = self.tables.patch(table, &PatchParams::default(), &patch).await;
        patched.map(drop).map_err(failed(format!("table {table}")))
    }
}
