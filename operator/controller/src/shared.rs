//! Copies the release's Secrets that table pods mount into other namespaces: a pod mounts only Secrets of its own
//! namespace.
//!
//! Only the parts that a pod mounts are copied: of the Redis passwords only the tables' own.

use crate::names::MANAGER;
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use purr_runtime::jittered;
use std::{collections::BTreeMap, collections::HashMap, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// Interval between comparisons of the copies in a namespace with their originals.
const COMPARE_EVERY: Duration = Duration::from_secs(300);

#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    #[error("get Secret {name} in {namespace}: {source}")]
    Get { name: String, namespace: String, source: kube::Error },
    #[error("Secret {name} is missing in {namespace}: the chart makes it")]
    Missing { name: String, namespace: String },
    #[error(
        "Secret {name} in {namespace} is not the release's: remove it, the release's own is copied there"
    )]
    Foreign { name: String, namespace: String },
    #[error("copy Secret {name} to {namespace}: {source}")]
    Copy { name: String, namespace: String, source: kube::Error },
}

pub struct Shared {
    /// The release's namespace.
    namespace: String,
    release: String,
    /// When a namespace is compared next.
    due: Mutex<HashMap<String, Instant>>,
}

/// The keys of a Secret that are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    All,
    Only(&'static str),
    /// All keys, if the release has the Secret.
    IfAny,
}

impl Shared {
    pub fn new(namespace: &str, release: &str) -> Self {
        Self { namespace: namespace.to_owned(), release: release.to_owned(), due: Mutex::default() }
    }

    fn names(&self) -> [(String, Keys); 3] {
        [
            (format!("{}-data-key", self.release), Keys::All),
            (format!("{}-redis-auth", self.release), Keys::Only("table")),
            (format!("{}-assertion-keys", self.release), Keys::IfAny),
        ]
    }

    /// Whether [`Shared::ensure`] has to compare the copies in this namespace now.
    pub async fn is_due(&self, namespace: &str) -> bool {
        let due = self.due.lock().await;
        namespace != self.namespace && due.get(namespace).is_none_or(|at| *at <= Instant::now())
    }

    /// Makes sure that pods of this namespace find the Secrets that they mount.
    ///
    /// # Errors
    /// Where the API does not answer or refuses, or where the release's own Secret is missing.
    pub async fn ensure(
        &self,
        namespace: &str,
        secrets: impl Fn(&str) -> Api<Secret>,
    ) -> Result<(), SharedError> {
        if namespace == self.namespace {
            return Ok(());
        }
        // The lock is held over the calls, so that of many concurrent tables only one calls the API.
        let mut due = self.due.lock().await;
        if due.get(namespace).is_some_and(|at| *at > Instant::now()) {
            return Ok(());
        }
        let (ours, theirs) = (secrets(&self.namespace), secrets(namespace));
        for (name, keys) in self.names() {
            let get =
                |of: &str, source| SharedError::Get { name: name.clone(), namespace: of.into(), source };
            let own = ours.get_opt(&name).await.map_err(|source| get(&self.namespace, source))?;
            if own.is_none() && keys == Keys::IfAny {
                continue;
            }
            let missing = || SharedError::Missing { name: name.clone(), namespace: self.namespace.clone() };
            let wanted = part(&own.ok_or_else(missing)?, keys);
            let held = theirs.get_opt(&name).await.map_err(|source| get(namespace, source))?;
            if let Some(held) = held {
                if held.data.as_ref() == Some(&wanted) {
                    continue;
                }
                if !is_ours(&held, &self.release) {
                    return Err(SharedError::Foreign { name: name.clone(), namespace: namespace.into() });
                }
            }
            let copy = copy(&name, namespace, &self.release, wanted);
            let apply = PatchParams::apply(MANAGER).force();
            let copied = theirs.patch(&name, &apply, &Patch::Apply(&copy)).await;
            let failed =
                |source| SharedError::Copy { name: name.clone(), namespace: namespace.into(), source };
            copied.map_err(failed)?;
            tracing::info!(secret = name, namespace, "copied");
        }
        due.insert(namespace.to_owned(), Instant::now() + jittered(COMPARE_EVERY));
        Ok(())
    }
}

/// A copy that was made for this release, and not somebody's Secret of the same name.
fn is_ours(secret: &Secret, release: &str) -> bool {
    let label =
        |key: &str| secret.metadata.labels.as_ref()?.get(&format!("app.kubernetes.io/{key}")).cloned();
    label("part-of").as_deref() == Some("purr") && label("instance").as_deref() == Some(release)
}

fn part(secret: &Secret, keys: Keys) -> BTreeMap<String, ByteString> {
    let mut data = secret.data.clone().unwrap_or_default();
    if let Keys::Only(key) = keys {
        data.retain(|held, _| held == key);
    }
    data
}

fn copy(name: &str, namespace: &str, release: &str, data: BTreeMap<String, ByteString>) -> Secret {
    let label = |key: &str, value: &str| (format!("app.kubernetes.io/{key}"), value.to_owned());
    Secret {
        metadata: ObjectMeta {
            name: Some(name.into()),
            namespace: Some(namespace.into()),
            labels: Some(BTreeMap::from([
                label("part-of", "purr"),
                label("instance", release),
                label("managed-by", MANAGER),
            ])),
            ..Default::default()
        },
        data: Some(data),
        type_: Some("Opaque".into()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::api;

    fn secret(name: &str, keys: &[(&str, &str)]) -> Secret {
        let bytes = |(key, value): &(&str, &str)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()));
        Secret {
            metadata: ObjectMeta {
                name: Some(name.into()),
                namespace: Some("purr".into()),
                ..Default::default()
            },
            data: Some(keys.iter().map(bytes).collect()),
            ..Default::default()
        }
    }

    fn scene() -> (api::Api, Shared) {
        let api = api::Api::default();
        api.put("secrets", &secret("purr-data-key", &[("current", "k1"), ("k1", "key")]));
        api.put("secrets", &secret("purr-redis-auth", &[("table", "a"), ("admin", "b")]));
        (api, Shared::new("purr", "purr"))
    }

    async fn ensure(api: &api::Api, shared: &Shared, namespace: &str) -> Result<(), SharedError> {
        let client = api.client();
        shared.ensure(namespace, |namespace| Api::namespaced(client.clone(), namespace)).await
    }

    fn keys(api: &api::Api, namespace: &str, name: &str) -> Vec<String> {
        let held: Option<Secret> = api.get_in(namespace, "secrets", name);
        held.and_then(|held| held.data).unwrap_or_default().into_keys().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_gets_what_its_pods_mount_and_of_the_passwords_only_the_tables() {
        let (api, shared) = scene();
        ensure(&api, &shared, "poker-2").await.unwrap();
        assert_eq!(keys(&api, "poker-2", "purr-data-key"), ["current", "k1"]);
        assert_eq!(keys(&api, "poker-2", "purr-redis-auth"), ["table"]);
        assert_eq!(api.writes("PATCH", "secrets"), 2);
        ensure(&api, &shared, "purr").await.unwrap();
        ensure(&api, &shared, "poker-2").await.unwrap();
        assert_eq!(api.writes("PATCH", "secrets"), 2, "nothing has changed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_password_that_has_changed_is_copied_again_and_only_that_one() {
        let (api, shared) = scene();
        ensure(&api, &shared, "poker-2").await.unwrap();
        api.put("secrets", &secret("purr-redis-auth", &[("table", "new"), ("admin", "b")]));
        tokio::time::advance(COMPARE_EVERY).await;
        ensure(&api, &shared, "poker-2").await.unwrap();
        assert_eq!(api.writes("PATCH", "secrets"), 3);
        let held: Secret = api.get_in("poker-2", "secrets", "purr-redis-auth").unwrap();
        assert_eq!(held.data.unwrap()["table"], ByteString(b"new".to_vec()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_foreign_secret_of_a_copys_name_is_named_and_left_as_it_is() {
        let (api, shared) = scene();
        let mut foreign = secret("purr-data-key", &[("theirs", "x")]);
        foreign.metadata.namespace = Some("poker-2".into());
        api.put("secrets", &foreign);
        let error = ensure(&api, &shared, "poker-2").await.unwrap_err().to_string();
        assert!(error.starts_with("Secret purr-data-key in poker-2 is not the release's"), "{error}");
        assert_eq!(keys(&api, "poker-2", "purr-data-key"), ["theirs"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_public_keys_of_assertions_are_copied_where_the_release_has_them() {
        let (api, shared) = scene();
        ensure(&api, &shared, "poker-2").await.unwrap();
        assert!(keys(&api, "poker-2", "purr-assertion-keys").is_empty());
        api.put("secrets", &secret("purr-assertion-keys", &[("keys.json", "{}")]));
        tokio::time::advance(COMPARE_EVERY).await;
        ensure(&api, &shared, "poker-2").await.unwrap();
        assert_eq!(keys(&api, "poker-2", "purr-assertion-keys"), ["keys.json"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_the_release_lacks_is_named_and_asked_for_again() {
        let shared = Shared::new("purr", "purr");
        let api = api::Api::default();
        let error = ensure(&api, &shared, "poker-2").await.unwrap_err().to_string();
        assert_eq!(error, "Secret purr-data-key is missing in purr: the chart makes it");
        assert!(ensure(&api, &shared, "poker-2").await.is_err());
    }
}
