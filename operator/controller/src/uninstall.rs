//! `purr-controller uninstall-check`: refuses to uninstall a release while it has tables. The chart runs it before a deletion.
//!
//! A table whose controller is gone plays on, and is never drained: nobody pays its players out, and its deletion waits for a
//! finalizer that nobody removes.

use anyhow::Context as _;
use clap::Parser;
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Namespace};
use kube::{Api, Client, Resource, ResourceExt, api::ListParams, core::PartialObjectMeta};
use purr_crds::{PokerTable, PokerTableFleet};
use purr_namespaces::{Namespaces, NamespacesArgs};
use purr_runtime::CancellationToken;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Fails while there are tables or fleets in the release's namespaces, and says what to do about them
#[derive(Parser, Clone, Debug)]
#[command(name = "purr-controller uninstall-check", version)]
pub struct Options {
    /// Namespace of the release
    #[arg(long, env = "PURR_NAMESPACE")]
    pub namespace: String,
    #[command(flatten)]
    pub namespaces: NamespacesArgs,
    /// Log filter
    #[arg(long, env = "PURR_LOG", default_value = "info")]
    pub log: String,
}

/// Runs once, or until it is stopped.
///
/// # Errors
/// Where a table or fleet is there, or the API does not say.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let check = async {
        let client = Client::try_default().await.context("no way to the Kubernetes API")?;
        let namespaces = options.namespaces.clone().validate(&options.namespace)?;
        check(&client, &names(&client, &namespaces).await?).await
    };
    tokio::select! {
        () = stop.cancelled() => anyhow::bail!("stopped before all namespaces were looked at"),
        done = check => done,
    }
}

/// The namespaces that are served now.
///
/// # Errors
/// Where those with the labels cannot be listed.
pub(crate) async fn names(client: &Client, namespaces: &Namespaces) -> anyhow::Result<Vec<String>> {
    Ok(match namespaces {
        Namespaces::Named(names) => names.iter().cloned().collect(),
        Namespaces::Selected(labels) => {
            let all: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
            let found = all.list(&ListParams::default().labels(labels)).await.context("list namespaces")?;
            found.items.iter().map(ResourceExt::name_any).collect()
        }
    })
}

async fn check(client: &Client, namespaces: &[String]) -> anyhow::Result<()> {
    let mut left = Vec::new();
    for namespace in namespaces {
        let fleets = count::<PokerTableFleet>(client, namespace).await?;
        let tables = count::<PokerTable>(client, namespace).await?;
        if fleets + tables > 0 {
            left.push(format!(
                "{tables} tables and {fleets} fleets are in {namespace}: kubectl -n {namespace} delete pfleet,ptable --all"
            ));
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    anyhow::bail!(
        "without a controller nobody pays their players out, and they cannot be deleted. Delete them first, which waits for \
         running hands: {}. `helm uninstall --no-hooks` leaves them as they are, until a release is installed there again",
        left.join("; ")
    )
}

async fn count<K>(client: &Client, namespace: &str) -> anyhow::Result<usize>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned,
{
    let all: Api<PartialObjectMeta<K>> = Api::namespaced(client.clone(), namespace);
    let found = all.list(&ListParams::default()).await;
    Ok(found.with_context(|| format!("list {} in {namespace}", K::plural(&())))?.items.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, api::Api as Memory};

    #[tokio::test]
    async fn a_release_with_tables_is_not_uninstalled_and_says_how_to_delete_them() {
        let api = Memory::default();
        let namespaces = ["poker".to_owned(), "poker-2".to_owned()];
        check(&api.client(), &namespaces).await.unwrap();
        let mut table = testing::table();
        table.metadata.namespace = Some("poker-2".into());
        api.put("pokertables", &table);
        let error = check(&api.client(), &namespaces).await.unwrap_err().to_string();
        assert!(error.contains("1 tables and 0 fleets are in poker-2: kubectl -n poker-2 delete"), "{error}");
    }
}
