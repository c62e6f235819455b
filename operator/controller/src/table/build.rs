//! From a valid table to its Kubernetes objects. Values in, values out.

use super::validate::Valid;
use crate::{certificates::Issued, defaults::Defaults, fleet::LABEL_FLEET, names::MANAGER};
use k8s_openapi::{
    ByteString,
    api::core::v1::{
        Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, HTTPGetAction,
        KeyToPath, ObjectFieldSelector, Pod, PodSecurityContext, PodSpec, Probe, ResourceRequirements,
        SeccompProfile, Secret, SecretVolumeSource, SecurityContext, Toleration, Volume, VolumeMount,
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{ObjectMeta, OwnerReference},
        util::intstr::IntOrString,
    },
};
use kube::Resource;
use purr_crds::PokerTable;
use purr_protocol::{record::VERSION, snapshot};
use purr_runtime::ports;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

pub const LABEL_PART_OF: &str = "app.kubernetes.io/part-of";
pub const LABEL_COMPONENT: &str = "app.kubernetes.io/component";
pub const LABEL_INSTANCE: &str = "app.kubernetes.io/instance";
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
pub const LABEL_TABLE: &str = "purr.poker/table";
pub const LABEL_UID: &str = "purr.poker/table-uid";
pub const LABEL_GENERATION: &str = "purr.poker/generation";
/// Annotation with the hash of the pod's spec.
pub const ANNOTATION_HASH: &str = "purr.poker/spec-hash";
/// Whether the table deals new hands; read by the container each time it starts.
pub const ANNOTATION_PAUSED: &str = "purr.poker/paused";
/// Annotation: whether the pod was last told to accept no new players. The table itself keeps that order for its
/// successors.
pub const ANNOTATION_CLOSED: &str = "purr.poker/closed";
/// Set before a pod is told to drain for its successor.
pub const ANNOTATION_DRAINING: &str = "purr.poker/draining";
/// Whether the pod waits for an order before it takes its table over; read by the container each time it starts.
pub const ANNOTATION_STAND_BY: &str = "purr.poker/stand-by";
/// Set before a pod that stood by is told to take its table over.
pub const ANNOTATION_ORDERED: &str = "purr.poker/ordered";
/// Container variable with the pod's fencing generation. Unlike labels, neither the variable nor the pod's name can be
/// edited.
const ENV_GENERATION: &str = "PURR_TABLE_GENERATION";
const ENV_UID: &str = "PURR_TABLE_UID";
/// Selects the objects of tables.
pub const SELECTOR: &str = "app.kubernetes.io/part-of=purr,app.kubernetes.io/component=table";
pub const CONTAINER: &str = "table";

/// User of the images.
const USER: i64 = 65_532;
/// Seconds of the grace period that are kept for the work after the hand.
const GRACE_MARGIN_S: u32 = 20;
/// A pod on a node that is gone is replaced after this time, in seconds: it is fenced.
const NODE_LOST_S: i64 = 15;

/// The parts that a pod is built from.
pub struct Parts<'a> {
    pub table: &'a PokerTable,
    pub valid: &'a Valid,
    pub fleet: &'a Defaults,
    pub generation: u64,
}

const SECRET_SUFFIX: &str = "-table-tls";

pub fn secret_name(table: &str) -> String {
    format!("{table}{SECRET_SUFFIX}")
}

pub fn table_of_secret(secret: &str) -> Option<&str> {
    secret.strip_suffix(SECRET_SUFFIX)
}

pub fn pod_name(table: &str, generation: u64) -> String {
    format!("{table}-{generation}")
}

/// The table's name and the generation in the name of one of its pods.
pub fn parse_pod_name(pod: &str) -> Option<(&str, u64)> {
    let (table, generation) = pod.rsplit_once('-')?;
    let parsed =
        generation.parse().ok().filter(|parsed: &u64| *parsed > 0 && parsed.to_string() == generation)?;
    (!table.is_empty()).then_some((table, parsed))
}

/// The UID of a pod's table, from a field that cannot be edited if the pod has one.
pub fn table_uid(pod: &Pod) -> Option<&str> {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let env = containers.iter().find(|container| container.name == CONTAINER).and_then(|c| c.env.as_ref());
    let own = env.and_then(|env| env.iter().find(|var| var.name == ENV_UID)?.value.as_deref());
    let label = || pod.metadata.labels.as_ref()?.get(LABEL_UID).map(String::as_str);
    own.or_else(label)
}

fn name(table: &PokerTable) -> &str {
    table.metadata.name.as_deref().unwrap_or_default()
}

fn uid(table: &PokerTable) -> &str {
    table.metadata.uid.as_deref().unwrap_or_default()
}

fn owner(table: &PokerTable) -> Option<Vec<OwnerReference>> {
    table.controller_owner_ref(&()).map(|owner| vec![owner])
}

fn labels(table: &PokerTable, fleet: &Defaults) -> BTreeMap<String, String> {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let of_fleet = table.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL_FLEET));
    let mut labels = BTreeMap::from([
        label(LABEL_PART_OF, "purr"),
        label(LABEL_COMPONENT, "table"),
        label(LABEL_INSTANCE, &fleet.release),
        label(LABEL_MANAGED_BY, MANAGER),
        label(LABEL_TABLE, name(table)),
        label(LABEL_UID, uid(table)),
    ]);
    labels.extend(of_fleet.map(|name| label(LABEL_FLEET, name)));
    labels
}

/// Labels that the controller relies on, or that others select by.
const OWN_LABELS: [&str; 8] = [
    LABEL_PART_OF,
    LABEL_COMPONENT,
    LABEL_INSTANCE,
    LABEL_MANAGED_BY,
    LABEL_TABLE,
    LABEL_UID,
    LABEL_FLEET,
    LABEL_GENERATION,
];

/// Our labels as an object has them.
pub fn own_labels(meta: &ObjectMeta) -> BTreeMap<&'static str, Option<&str>> {
    let value = |key| meta.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
    // As a merge patch this also removes own labels that the object should not have.
    OWN_LABELS.into_iter().map(|key| (key, value(key))).collect()
}

/// Fingerprint of an object's own labels and its owner, to detect edits.
pub fn marks(meta: &ObjectMeta) -> u64 {
    let mut hasher = DefaultHasher::new();
    own_labels(meta).hash(&mut hasher);
    let owners = meta.owner_references.iter().flatten();
    let owner = owners.into_iter().find(|owner| owner.controller == Some(true));
    owner.map(|owner| (&owner.kind, &owner.name, &owner.uid)).hash(&mut hasher);
    hasher.finish()
}

/// Labels and owner that a pod of this generation should have.
pub fn pod_marks(table: &PokerTable, fleet: &Defaults, generation: u64) -> ObjectMeta {
    let mut labels = labels(table, fleet);
    labels.insert(LABEL_GENERATION.into(), generation.to_string());
    ObjectMeta { labels: Some(labels), owner_references: owner(table), ..Default::default() }
}

/// Labels and owner that the table's Secret should have when it is created.
pub fn secret_marks(table: &PokerTable, fleet: &Defaults) -> ObjectMeta {
    ObjectMeta {
        name: Some(secret_name(name(table))),
        namespace: table.metadata.namespace.clone(),
        labels: Some(labels(table, fleet)),
        owner_references: owner(table),
        ..Default::default()
    }
}

pub fn secret(table: &PokerTable, fleet: &Defaults, issued: &Issued) -> Secret {
    let bytes = |key: &str, text: &str| (key.to_owned(), ByteString(text.as_bytes().to_vec()));
    Secret {
        metadata: secret_marks(table, fleet),
        type_: Some("kubernetes.io/tls".into()),
        data: Some(BTreeMap::from([
            bytes("tls.crt", &issued.certificate),
            bytes("tls.key", &issued.key),
            bytes("ca.crt", &issued.ca),
        ])),
        ..Default::default()
    }
}

/// Hash of a pod's content. Generation and pause are left out: the generation is filled in when the pod is created, and
/// the pause is read from the pod's annotations.
pub fn spec_hash(spec: &PodSpec) -> String {
    let json = serde_json::to_vec(spec).unwrap_or_default();
    hex::encode(&Sha256::digest(&json)[..8])
}

pub fn pod(parts: &Parts<'_>) -> Pod {
    let Parts { table, valid, fleet, generation } = parts;
    let grace_s = i64::from(fleet.grace_s);
    let spec = PodSpec {
        restart_policy: Some("Always".into()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(grace_s),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            fs_group_change_policy: Some("OnRootMismatch".into()),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), ..Default::default() }),
            ..Default::default()
        }),
        containers: vec![container(table, valid, fleet)],
        volumes: Some(volumes(table, fleet)),
        node_selector: Some(table.spec.pod.node_selector.clone()).filter(|selector| !selector.is_empty()),
        tolerations: Some(tolerations(table)),
        ..Default::default()
    };
    Pod {
        metadata: ObjectMeta {
            name: Some(pod_name(name(table), *generation)),
            namespace: table.metadata.namespace.clone(),
            annotations: Some(BTreeMap::from([
                (ANNOTATION_HASH.to_owned(), spec_hash(&spec)),
                (ANNOTATION_PAUSED.to_owned(), table.spec.paused.to_string()),
                (ANNOTATION_STAND_BY.to_owned(), false.to_string()),
            ])),
            ..pod_marks(table, fleet, *generation)
        },
        spec: Some(spec),
        status: None,
    }
}

/// The same pod for a raised generation, as a successor that stands by or not.
pub fn issued(pod: &Pod, table: &PokerTable, generation: u64, stand_by: bool) -> Pod {
    let mut pod = pod.clone();
    pod.metadata.name = Some(pod_name(name(table), generation));
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(LABEL_GENERATION.into(), generation.to_string());
    let annotations = pod.metadata.annotations.get_or_insert_default();
    annotations.insert(ANNOTATION_STAND_BY.into(), stand_by.to_string());
    // The hash covers the variable in its earlier form, which reads the label, so that existing pods stay as they are.
    let env =
        pod.spec.iter_mut().flat_map(|spec| &mut spec.containers).flat_map(|c| c.env.iter_mut().flatten());
    for var in env.filter(|var| var.name == ENV_GENERATION) {
        (var.value, var.value_from) = (Some(generation.to_string()), None);
    }
    pod
}

fn container(table: &PokerTable, valid: &Valid, fleet: &Defaults) -> Container {
    let own = table.spec.pod.resources.as_ref();
    let choose = |own: Option<&BTreeMap<String, Quantity>>, fleet: &BTreeMap<String, Quantity>| {
        let mut amounts = fleet.clone();
        amounts.extend(own.cloned().unwrap_or_default());
        Some(amounts)
    };
    let port = |name: &str, port: u16| ContainerPort {
        name: Some(name.into()),
        container_port: port.into(),
        ..Default::default()
    };
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: read_only.then_some(true),
        ..Default::default()
    };
    Container {
        name: CONTAINER.into(),
        image: Some(table.spec.pod.image.clone().unwrap_or_else(|| fleet.image.clone())),
        image_pull_policy: Some(fleet.image_pull_policy.clone()),
        env: Some(environment(table, valid, fleet)),
        ports: Some(vec![port("https", ports::INTERNAL), port("ops", ports::OPS)]),
        // The last lines of a crash go into the table's condition.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
            ..Default::default()
        }),
        // Liveness never depends on Redis or the signer.
        startup_probe: Some(probe("/livez", 1, 1, Some(60))),
        // A process that does not answer its probe does not finish its hand either, so it gets no grace period.
        liveness_probe: Some(Probe {
            termination_grace_period_seconds: Some(1),
            ..probe("/livez", 5, 3, None)
        }),
        readiness_probe: Some(probe("/readyz", 1, 2, None)),
        resources: Some(ResourceRequirements {
            requests: choose(own.map(|own| &own.requests), &fleet.resources.requests),
            limits: choose(own.map(|own| &own.limits), &fleet.resources.limits),
            ..Default::default()
        }),
        volume_mounts: Some(vec![
            mount("tls", "/etc/purr/tls", true),
            mount("data-key", "/etc/purr/data-key", true),
            mount("redis-auth", "/etc/purr/redis", true),
            mount("assertion", "/etc/purr/assertion", true),
            mount("state", "/var/lib/purr", false),
        ]),
        ..Default::default()
    }
}

fn probe(path: &str, period_s: i32, timeout_s: i32, failures: Option<i32>) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String("ops".into()),
            ..Default::default()
        }),
        period_seconds: Some(period_s),
        timeout_seconds: Some(timeout_s),
        failure_threshold: failures,
        ..Default::default()
    }
}

fn environment(table: &PokerTable, valid: &Valid, fleet: &Defaults) -> Vec<EnvVar> {
    let own = |name: &str, path: &str| EnvVar {
        name: name.into(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector { field_path: path.into(), ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let value = |name: &str, value: &str| EnvVar {
        name: name.into(),
        // Kubernetes would expand $(NAME).
        value: Some(value.replace('$', "$$")),
        ..Default::default()
    };
    let mut all = vec![
        own(ENV_GENERATION, &format!("metadata.labels['{LABEL_GENERATION}']")),
        own("PURR_TABLE_PAUSED", &format!("metadata.annotations['{ANNOTATION_PAUSED}']")),
        own("PURR_TABLE_STAND_BY", &format!("metadata.annotations['{ANNOTATION_STAND_BY}']")),
        value(ENV_UID, uid(table)),
        EnvVar { name: "PURR_TABLE_SPEC".into(), value: Some(spec_json(valid)), ..Default::default() },
        value("PURR_STORE_SENTINELS", &valid.store.sentinels.join(",")),
        value("PURR_STORE_MASTER", &valid.store.master),
        value("PURR_STORE_USER", "table"),
        value("PURR_STORE_PASSWORD_FILE", "/etc/purr/redis/table"),
        value("PURR_SESSIONS_SENTINELS", &fleet.sessions.sentinels.join(",")),
        value("PURR_SESSIONS_MASTER", &fleet.sessions.master),
        value("PURR_SESSIONS_USER", "table"),
        value("PURR_SESSIONS_PASSWORD_FILE", "/etc/purr/redis/table"),
        value("PURR_SIGNER_ADDR", &fleet.signer_addr),
        value("PURR_JWKS_ADDR", &fleet.jwks_addr),
        value("PURR_JWT_ISSUER", &fleet.jwt_issuer),
        value("PURR_JWT_AUDIENCE", &fleet.jwt_audience),
        value("PURR_GRACE_S", &fleet.grace_s.saturating_sub(GRACE_MARGIN_S).to_string()),
        value("PURR_LOG", &fleet.log),
    ];
    if !fleet.accept_access_tokens {
        all.push(value("PURR_ACCEPT_ACCESS_TOKENS", "false"));
    }
    if !fleet.audit_key.is_empty() {
        all.push(value("PURR_AUDIT_KEY", &fleet.audit_key));
    }
    if !fleet.fairplay_key.is_empty() {
        all.push(value("PURR_FAIRPLAY_PUBLIC_KEY", &fleet.fairplay_key));
    }
    // The default is left out, so that existing pods stay as they are.
    if fleet.record_version != VERSION {
        all.push(value("PURR_RECORD_VERSION", &fleet.record_version.to_string()));
    }
    if fleet.snapshot_version != snapshot::VERSION {
        all.push(value("PURR_SNAPSHOT_VERSION", &fleet.snapshot_version.to_string()));
    }
    all
}

/// The spec with a `paused` that the container reads from the pod's annotation at each start, so that a table paused
/// after its pod's creation stays paused when the container restarts.
fn spec_json(valid: &Valid) -> String {
    let mut json = serde_json::to_value(&valid.spec).unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        fields.remove("paused");
    }
    let json = json.to_string().replace('$', "$$");
    let open = json.strip_suffix('}').unwrap_or(&json);
    format!("{open},\"paused\":$(PURR_TABLE_PAUSED)}}")
}

fn volumes(table: &PokerTable, fleet: &Defaults) -> Vec<Volume> {
    let secret = |volume: &str, secret: String, key: Option<&str>| Volume {
        name: volume.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret),
            default_mode: Some(0o440),
            items: key.map(|key| vec![KeyToPath { key: key.into(), path: key.into(), ..Default::default() }]),
            ..Default::default()
        }),
        ..Default::default()
    };
    vec![
        secret("tls", secret_name(name(table)), None),
        secret("data-key", format!("{}-data-key", fleet.release), None),
        secret("redis-auth", format!("{}-redis-auth", fleet.release), Some("table")),
        optional(secret("assertion", format!("{}-assertion-keys", fleet.release), None)),
        Volume {
            name: "state".into(),
            empty_dir: Some(EmptyDirVolumeSource {
                size_limit: Some(Quantity("4Mi".into())),
                ..Default::default()
            }),
            ..Default::default()
        },
    ]
}

/// Lets the pod start without the Secret; the files appear once the Secret exists.
fn optional(mut volume: Volume) -> Volume {
    if let Some(secret) = &mut volume.secret {
        secret.optional = Some(true);
    }
    volume
}

fn tolerations(table: &PokerTable) -> Vec<Toleration> {
    let lost = |key: &str| Toleration {
        key: Some(format!("node.kubernetes.io/{key}")),
        operator: Some("Exists".into()),
        effect: Some("NoExecute".into()),
        toleration_seconds: Some(NODE_LOST_S),
        ..Default::default()
    };
    let mut all = vec![lost("not-ready"), lost("unreachable")];
    all.extend(table.spec.pod.tolerations.iter().cloned());
    all
}

#[cfg(test)]
mod tests;
