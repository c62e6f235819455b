//! The definitions of the custom resources. Releases of one cluster share them, so no release owns them: the newest
//! revision wins.

use super::MANAGER;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use purr_crds::{GenerateError, REVISION, REVISION_ANNOTATION};
use std::time::Duration;

/// Time for the API server to serve a new definition.
const SERVED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum DefinitionsError {
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error("get definition {name}: {source}")]
    Get { name: String, source: kube::Error },
    #[error("apply definition {name}: {source}")]
    Apply { name: String, source: kube::Error },
    #[error("the API server does not serve definition {0} {SERVED_WITHIN:?} after it was applied")]
    NotServed(String),
}

/// Whether an installed definition is older than this release's and is replaced.
fn is_older(there: Option<&CustomResourceDefinition>) -> bool {
    let revision =
        |crd: &CustomResourceDefinition| crd.annotations().get(REVISION_ANNOTATION)?.parse::<u32>().ok();
    // The same revision is applied again: somebody may have changed it by hand.
    there.and_then(revision).is_none_or(|revision| revision <= REVISION)
}

/// Brings both definitions up to date and waits until they are served.
///
/// # Errors
/// [`DefinitionsError`] names the definition.
pub async fn ensure(client: &Client) -> Result<(), DefinitionsError> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for mut crd in purr_crds::definitions()? {
        let name = crd.name_any();
        let get = |source| DefinitionsError::Get { name: name.clone(), source };
        let there = api.get_opt(&name).await.map_err(get)?;
        if !is_older(there.as_ref()) {
            tracing::warn!(definition = name, "a newer release's definition stays");
            continue;
        }
        let notes = crd.annotations_mut();
        notes.insert(REVISION_ANNOTATION.into(), REVISION.to_string());
        // An older chart rendered the definition: helm must not delete it, which would delete every table.
        notes.insert(super::KEEP.into(), "keep".into());
        let params = PatchParams::apply(MANAGER).force();
        let apply = |source| DefinitionsError::Apply { name: name.clone(), source };
        api.patch(&name, &params, &Patch::Apply(&crd)).await.map_err(apply)?;
        let served = async {
            loop {
                let now = api.get(&name).await.map_err(get)?;
                if is_served(&now) {
                    return Ok::<_, DefinitionsError>(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(SERVED_WITHIN, served)
            .await
            .map_err(|_| DefinitionsError::NotServed(name.clone()))??;
        tracing::info!(definition = name, revision = REVISION, "applied a resource definition");
    }
    Ok(())
}

fn is_served(crd: &CustomResourceDefinition) -> bool {
    let conditions = crd.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Established" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_revision(revision: Option<&str>) -> CustomResourceDefinition {
        let [mut crd, _] = purr_crds::definitions().unwrap();
        if let Some(revision) = revision {
            crd.annotations_mut().insert(REVISION_ANNOTATION.into(), revision.into());
        }
        crd
    }

    #[test]
    fn a_newer_definition_stays_and_an_older_one_is_replaced() {
        assert!(is_older(None));
        assert!(is_older(Some(&of_revision(None))));
        assert!(is_older(Some(&of_revision(Some(&REVISION.to_string())))));
        assert!(!is_older(Some(&of_revision(Some(&(REVISION + 1).to_string())))));
    }
}
