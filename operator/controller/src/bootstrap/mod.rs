//! `purr-controller bootstrap`: makes the Secrets that a release needs and does not have yet. The chart renders none, so that
//! rendering it twice, rolling it back or applying it over a running release changes no key.

mod definitions;
mod make;
mod plan;

use anyhow::Context as _;
use clap::Parser;
use k8s_openapi::{
    ByteString,
    api::{apps::v1::Deployment, core::v1::Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
    core::PartialObjectMeta,
};
use plan::{Held, Kind, Plan, Step, Wanted, decide};
use purr_runtime::CancellationToken;
use std::{collections::BTreeMap, time::SystemTime};

/// Manager of the fields that this program writes, as the API server shows it.
pub(crate) const MANAGER: &str = "purr-bootstrap";
const INSTANCE: &str = "app.kubernetes.io/instance";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const KEEP: &str = "helm.sh/resource-policy";
const NAMES: &str = "purr.poker/certificate-names";
/// Attempts when another writer changes a Secret at the same time.
const TRIES: usize = 3;

/// Makes the Secrets of a release that are missing: passwords, keys, the CA and the certificates that it signs
#[derive(Parser, Clone, Debug)]
#[command(name = "purr-controller bootstrap", version)]
pub struct Options {
    /// Namespace of the release
    #[arg(long, env = "PURR_NAMESPACE")]
    pub namespace: String,
    /// Release of the chart: the value of the Secrets' label app.kubernetes.io/instance
    #[arg(long, env = "PURR_RELEASE")]
    pub release: String,
    /// Secrets that the release needs, as the JSON that the chart renders: {"secrets": [{"name": "…", "kind": "dataKeys"}]}
    #[arg(long, env = "PURR_BOOTSTRAP_PLAN")]
    pub plan: String,
    /// Bring the definitions of PokerTable and PokerTableFleet up to date; those of a newer release stay
    #[arg(long, env = "PURR_BOOTSTRAP_DEFINITIONS", default_value_t = false, action = clap::ArgAction::Set)]
    pub definitions: bool,
    /// Log filter
    #[arg(long, env = "PURR_LOG", default_value = "info")]
    pub log: String,
}

/// Runs once, or until it is stopped.
///
/// # Errors
/// Where the plan cannot be read, the API refuses, or a Secret lacks a key that must not be made anew.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let plan: Plan = serde_json::from_str(&options.plan).context("--plan is not a plan")?;
    let client = Client::try_default().await.context("no way to the Kubernetes API")?;
    tokio::select! {
        () = stop.cancelled() => anyhow::bail!("stopped before all Secrets were there"),
        done = everything(&client, &options, &plan) => done,
    }
}

/// Selects the controllers of all releases.
const CONTROLLERS: &str = "app.kubernetes.io/part-of=purr,app.kubernetes.io/component=controller";

/// Refuses to install a second release beside another one: both controllers would take every table for their own, and each
/// would replace the pods of the other for ever.
async fn alone(client: &Client, namespace: &str, release: &str) -> anyhow::Result<()> {
    let deployments: Api<PartialObjectMeta<Deployment>> = Api::namespaced(client.clone(), namespace);
    let found = deployments.list(&ListParams::default().labels(CONTROLLERS)).await;
    let found = found.with_context(|| format!("list Deployments in {namespace}"))?;
    match other_release(&found.items, release) {
        None => Ok(()),
        Some(other) => anyhow::bail!(
            "release {other} is installed in namespace {namespace}, and one namespace has one release: both controllers \
             would replace each other's table pods. Install {release} in another namespace, or uninstall {other} first"
        ),
    }
}

fn other_release(controllers: &[PartialObjectMeta<Deployment>], release: &str) -> Option<String> {
    let mut releases = controllers.iter().filter_map(|found| found.labels().get(INSTANCE));
    releases.find(|other| *other != release).cloned()
}

async fn everything(client: &Client, options: &Options, plan: &Plan) -> anyhow::Result<()> {
    alone(client, &options.namespace, &options.release).await?;
    ensure(client, &options.namespace, &options.release, plan).await?;
    if options.definitions {
        definitions::ensure(client).await?;
    }
    Ok(())
}

async fn ensure(client: &Client, namespace: &str, release: &str, plan: &Plan) -> anyhow::Result<()> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    // Content of this plan's CAs and token keys, for Secrets that depend on them.
    let mut made = BTreeMap::new();
    for wanted in &plan.secrets {
        let data = one(&secrets, release, wanted, &made)
            .await
            .with_context(|| format!("Secret {} in {namespace}", wanted.name))?;
        if matches!(wanted.kind, Kind::Authority { .. } | Kind::TokenKeys) {
            made.insert(wanted.name.clone(), data);
        }
    }
    Ok(())
}

type Data = BTreeMap<String, Vec<u8>>;

/// Brings one Secret up to date; returns its content.
async fn one(
    secrets: &Api<Secret>,
    release: &str,
    wanted: &Wanted,
    authorities: &BTreeMap<String, Data>,
) -> anyhow::Result<Data> {
    let authority = match &wanted.kind {
        Kind::Certificate { authority: source, .. } | Kind::PublicKeys { of: source } => {
            authorities.get(source)
        }
        _ => None,
    };
    let mut tried = 0;
    loop {
        tried += 1;
        let found = secrets.get_opt(&wanted.name).await?;
        let now = SystemTime::now();
        let held = found.as_ref().map(|secret| {
            let held = held(secret, release, authority);
            let public = authority.filter(|_| matches!(wanted.kind, Kind::PublicKeys { .. }));
            Held {
                outdated: public
                    .is_some_and(|keys| make::public_keys(keys).ok().as_ref() != Some(&held.data)),
                ..held
            }
        });
        let step = decide(wanted, held.as_ref(), crate::certificates::seconds(now))?;
        let old = held.map_or_else(Data::new, |held| held.data);
        let data = match &step {
            Step::Keep | Step::Adopt => old,
            Step::Create | Step::Rewrite | Step::Reissue(_) => make::content(&wanted.kind, authority, now)?,
            Step::Add(keys) => {
                let kind = match &wanted.kind {
                    Kind::Pins { .. } => Kind::Pins { keys: keys.clone() },
                    _ => Kind::Passwords { keys: keys.clone() },
                };
                old.into_iter().chain(make::content(&kind, None, now)?).collect()
            }
        };
        let written = match (&step, found) {
            (Step::Keep, _) => Ok(()),
            (Step::Create, _) | (_, None) => {
                let post = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
                secrets.create(&post, &secret(release, wanted, &data)).await.map(drop)
            }
            (_, Some(found)) => {
                let mut change = secret(release, wanted, &data);
                // The update fails if the Secret has changed since it was read.
                change.metadata.resource_version = found.resource_version();
                change.type_ = None;
                let patch = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
                secrets.patch(&wanted.name, &patch, &Patch::Merge(&change)).await.map(drop)
            }
        };
        match written {
            Ok(()) => {
                tracing::info!(secret = wanted.name, ?step, "the Secret is in place");
                return Ok(data);
            }
            Err(kube::Error::Api(status)) if status.code == 409 && tried < TRIES => {
                tracing::info!(secret = wanted.name, "changed meanwhile, looking again");
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn held(secret: &Secret, release: &str, authority: Option<&Data>) -> Held {
    let data: Data =
        secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    let kept = secret.annotations().get(KEEP).is_some_and(|policy| policy == "keep");
    Held {
        ours: secret.labels().get(INSTANCE).is_some_and(|instance| instance == release),
        helm_deletes: !kept && secret.labels().get(MANAGED_BY).is_some_and(|by| by == "Helm"),
        said_names: secret.annotations().get(NAMES).cloned(),
        certificate: make::state(&data, authority),
        outdated: false,
        data,
    }
}

fn secret(release: &str, wanted: &Wanted, data: &Data) -> Secret {
    let labels = [("app.kubernetes.io/part-of", "purr"), (INSTANCE, release), (MANAGED_BY, MANAGER)];
    let mut annotations = BTreeMap::from([(KEEP.to_owned(), "keep".to_owned())]);
    annotations.extend(wanted.kind.said_names().map(|names| (NAMES.to_owned(), names)));
    Secret {
        metadata: ObjectMeta {
            name: Some(wanted.name.clone()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        type_: Some(wanted.kind.secret_type().into()),
        data: Some(data.iter().map(|(key, value)| (key.clone(), ByteString(value.clone()))).collect()),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::api::Api as Memory;

    fn plan(users: &[&str], names: &[&str]) -> Plan {
        serde_json::from_value(serde_json::json!({"secrets": [
            {"name": "purr-redis-auth", "kind": "passwords", "keys": users},
            {"name": "purr-data-key", "kind": "dataKeys"},
            {"name": "purr-assertion", "kind": "tokenKeys"},
            {"name": "purr-assertion-keys", "kind": "publicKeys", "of": "purr-assertion"},
            {"name": "purr-hsm", "kind": "pins", "keys": ["pin", "so-pin"]},
            {"name": "purr-ca", "kind": "authority", "validDays": 3650},
            {"name": "purr-gateway-tls", "kind": "certificate", "authority": "purr-ca", "names": names,
                "ipAddresses": [], "validDays": 365, "reissue": false},
        ]}))
        .unwrap()
    }

    async fn run(api: &Memory, plan: &Plan) -> anyhow::Result<()> {
        ensure(&api.client(), "poker", "purr", plan).await
    }

    fn data(api: &Memory, name: &str) -> BTreeMap<String, ByteString> {
        api.get::<Secret>("secrets", name).unwrap().data.unwrap()
    }

    #[tokio::test]
    async fn a_second_release_in_a_namespace_is_refused_with_the_name_of_the_first_and_its_own_upgrade_is_not()
     {
        let api = Memory::default();
        let controller = |release: &str| {
            serde_json::json!({"metadata": {"name": format!("{release}-controller"),
                "labels": {INSTANCE: release, "app.kubernetes.io/part-of": "purr"}}})
        };
        alone(&api.client(), "poker", "purr").await.unwrap();
        api.put("deployments", &controller("purr"));
        alone(&api.client(), "poker", "purr").await.unwrap();
        let error = alone(&api.client(), "poker", "second").await.unwrap_err().to_string();
        assert!(error.contains("release purr is installed in namespace poker"), "{error}");
    }

    #[tokio::test]
    async fn a_second_run_changes_nothing() {
        let (api, plan) = (Memory::default(), plan(&["table"], &["a.example"]));
        run(&api, &plan).await.unwrap();
        assert_eq!(api.writes("POST", "secrets"), plan.secrets.len());
        for _ in 0..10 {
            run(&api, &plan).await.unwrap();
        }
        assert_eq!(api.writes("POST", "secrets") + api.writes("PATCH", "secrets"), plan.secrets.len());
    }

    #[tokio::test]
    async fn a_new_user_gets_a_password_and_the_others_keep_theirs() {
        let api = Memory::default();
        run(&api, &plan(&["table"], &["a.example"])).await.unwrap();
        let before = data(&api, "purr-redis-auth");
        run(&api, &plan(&["table", "signer"], &["a.example"])).await.unwrap();
        let after = data(&api, "purr-redis-auth");
        assert_eq!(after["table"], before["table"]);
        assert_eq!(after["signer"].0.len(), 32);
    }

    #[tokio::test]
    async fn other_names_give_a_new_certificate_of_the_same_authority() {
        let api = Memory::default();
        run(&api, &plan(&["table"], &["a.example"])).await.unwrap();
        let (ca, before) = (data(&api, "purr-ca"), data(&api, "purr-gateway-tls"));
        run(&api, &plan(&["table"], &["a.example", "b.example"])).await.unwrap();
        let after = data(&api, "purr-gateway-tls");
        assert_eq!(data(&api, "purr-ca"), ca);
        assert_ne!(after["tls.crt"], before["tls.crt"]);
        assert_eq!(after["ca.crt"], ca["tls.crt"]);
    }

    #[tokio::test]
    async fn public_keys_follow_the_keys_that_they_are_of() {
        let (api, plan) = (Memory::default(), plan(&["table"], &["a.example"]));
        run(&api, &plan).await.unwrap();
        let first = data(&api, "purr-assertion-keys");
        assert_eq!(first.keys().collect::<Vec<_>>(), ["keys.json"], "no private key");
        let mut keys: Secret = api.get("secrets", "purr-assertion").unwrap();
        let fresh = make::content(&Kind::TokenKeys, None, SystemTime::now()).unwrap();
        keys.data.as_mut().unwrap().insert("k2.pem".into(), ByteString(fresh["k1.pem"].clone()));
        api.put("secrets", &keys);
        run(&api, &plan).await.unwrap();
        let set: serde_json::Value =
            serde_json::from_slice(&data(&api, "purr-assertion-keys")["keys.json"].0).unwrap();
        let before: serde_json::Value = serde_json::from_slice(&first["keys.json"].0).unwrap();
        assert_eq!(set["keys"][0], before["keys"][0]);
        assert_eq!(set["keys"][1]["kid"], "k2");
        assert_ne!(set["keys"][1]["x"], set["keys"][0]["x"]);
    }

    #[tokio::test]
    async fn secrets_that_an_older_chart_rendered_keep_their_content_and_are_adopted() {
        let api = Memory::default();
        run(&api, &plan(&["table"], &["a.example"])).await.unwrap();
        for name in ["purr-data-key", "purr-gateway-tls"] {
            let mut old: Secret = api.get("secrets", name).unwrap();
            old.labels_mut().insert(MANAGED_BY.into(), "Helm".into());
            old.annotations_mut().remove(KEEP);
            api.put("secrets", &old);
        }
        let before = (data(&api, "purr-data-key"), data(&api, "purr-gateway-tls"));
        run(&api, &plan(&["table"], &["a.example"])).await.unwrap();
        assert_eq!((data(&api, "purr-data-key"), data(&api, "purr-gateway-tls")), before);
        let now: Secret = api.get("secrets", "purr-gateway-tls").unwrap();
        assert_eq!(now.annotations()[KEEP], "keep");
    }

    #[tokio::test]
    async fn a_data_key_that_lost_its_current_key_stops_the_install_with_the_name() {
        let api = Memory::default();
        run(&api, &plan(&["table"], &["a.example"])).await.unwrap();
        let mut broken: Secret = api.get("secrets", "purr-data-key").unwrap();
        broken.data.as_mut().unwrap().remove("k1");
        api.put("secrets", &broken);
        let error = format!("{:#}", run(&api, &plan(&["table"], &["a.example"])).await.unwrap_err());
        assert!(error.contains("purr-data-key") && error.contains("'k1'"), "{error}");
        assert!(!data(&api, "purr-data-key").contains_key("k1"));
    }
}
