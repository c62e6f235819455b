use super::*;
use crate::{
    table::validate::validate,
    testing::{UID, fleet, table},
};
use purr_protocol::TableSpec;

fn made(table: &PokerTable, generation: u64) -> Pod {
    let fleet = fleet();
    let valid = validate(table, &fleet).unwrap();
    pod(&Parts { table, valid: &valid, fleet: &fleet, generation })
}

fn hash(pod: &Pod) -> &str {
    &pod.metadata.annotations.as_ref().unwrap()[ANNOTATION_HASH]
}

fn env(pod: &Pod) -> BTreeMap<String, String> {
    let container = &pod.spec.as_ref().unwrap().containers[0];
    let value = |var: &EnvVar| Some((var.name.clone(), var.value.clone()?));
    container.env.as_ref().unwrap().iter().filter_map(value).collect()
}

#[test]
fn a_pod_meets_pod_security_restricted() {
    let pod = made(&table(), 1).spec.unwrap();
    let security = pod.security_context.unwrap();
    assert_eq!(security.run_as_non_root, Some(true));
    assert!(security.run_as_user.is_some_and(|user| user > 0));
    assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
    assert!(pod.host_network.is_none() && pod.host_pid.is_none() && pod.host_ipc.is_none());
    for container in &pod.containers {
        let security = container.security_context.as_ref().unwrap();
        assert_eq!(security.allow_privilege_escalation, Some(false));
        assert_eq!(security.read_only_root_filesystem, Some(true));
        assert_eq!(security.capabilities.as_ref().unwrap().drop, Some(vec!["ALL".to_owned()]));
        assert!(security.privileged.is_none());
        let resources = container.resources.as_ref().unwrap();
        assert!(resources.requests.as_ref().unwrap().contains_key("memory"));
        assert!(resources.limits.as_ref().unwrap().contains_key("memory"));
    }
    for volume in pod.volumes.unwrap() {
        assert!(volume.secret.is_some() || volume.empty_dir.is_some(), "{}", volume.name);
    }
}

#[test]
fn a_table_has_no_way_to_the_api() {
    let pod = made(&table(), 1).spec.unwrap();
    assert_eq!(pod.automount_service_account_token, Some(false));
    assert_eq!(pod.enable_service_links, Some(false));
}

#[test]
fn whoever_may_list_pods_reads_no_secret_in_their_environment() {
    let container = &made(&table(), 1).spec.unwrap().containers[0];
    let said: Vec<&str> =
        container.env.as_ref().unwrap().iter().map(|variable| variable.name.as_str()).collect();
    // Each of these variables is public, or the path of a mounted file. Check a new one before you add it.
    let public = [
        "PURR_TABLE_GENERATION",
        "PURR_TABLE_PAUSED",
        "PURR_TABLE_STAND_BY",
        "PURR_TABLE_UID",
        "PURR_TABLE_SPEC",
        "PURR_STORE_SENTINELS",
        "PURR_STORE_MASTER",
        "PURR_STORE_USER",
        "PURR_STORE_PASSWORD_FILE",
        "PURR_SESSIONS_SENTINELS",
        "PURR_SESSIONS_MASTER",
        "PURR_SESSIONS_USER",
        "PURR_SESSIONS_PASSWORD_FILE",
        "PURR_SIGNER_ADDR",
        "PURR_JWKS_ADDR",
        "PURR_JWT_ISSUER",
        "PURR_JWT_AUDIENCE",
        "PURR_GRACE_S",
        "PURR_LOG",
    ];
    assert_eq!(said, public);
    assert!(container.env_from.is_none());
}

#[test]
fn a_pod_mounts_the_public_keys_of_assertions_and_is_told_where_access_tokens_are_refused() {
    let pod = made(&table(), 1);
    let volumes = pod.spec.as_ref().unwrap().volumes.clone().unwrap();
    let keys = volumes.iter().find(|volume| volume.name == "assertion").unwrap().secret.clone().unwrap();
    assert_eq!((keys.secret_name.as_deref(), keys.optional), (Some("purr-assertion-keys"), Some(true)));
    assert!(!env(&pod).contains_key("PURR_ACCEPT_ACCESS_TOKENS"), "what a table does by itself is not said");
    let fleet = Defaults { accept_access_tokens: false, ..fleet() };
    let valid = validate(&table(), &fleet).unwrap();
    let parts = Parts { table: &table(), valid: &valid, fleet: &fleet, generation: 1 };
    assert_eq!(env(&super::pod(&parts))["PURR_ACCEPT_ACCESS_TOKENS"], "false");
}

#[test]
fn a_pod_is_named_labelled_and_owned_by_its_table_and_generation() {
    let pod = made(&table(), 7);
    let labels = pod.metadata.labels.unwrap();
    assert_eq!(pod.metadata.name.as_deref(), Some("nl100-1-7"));
    assert_eq!(labels[LABEL_GENERATION], "7");
    assert_eq!(labels[LABEL_UID], UID);
    assert_eq!(labels[LABEL_TABLE], "nl100-1");
    assert_eq!((labels[LABEL_PART_OF].as_str(), labels[LABEL_COMPONENT].as_str()), ("purr", "table"));
    let owner = &pod.metadata.owner_references.unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.uid.as_str(), owner.controller), ("PokerTable", UID, Some(true)));
}

#[test]
fn the_port_that_gateways_look_for_is_there() {
    let pod = made(&table(), 1).spec.unwrap();
    let ports = pod.containers[0].ports.as_ref().unwrap();
    assert!(ports.iter().any(|port| port.name.as_deref() == Some("https") && port.container_port == 8443));
}

#[test]
fn the_spec_in_the_environment_is_one_that_the_table_reads() {
    for (annotation, paused) in [("false", false), ("true", true)] {
        let env = env(&made(&table(), 3));
        // Expands the variable as the kubelet does.
        let json = env["PURR_TABLE_SPEC"].replace("$(PURR_TABLE_PAUSED)", annotation).replace("$$", "$");
        let spec: TableSpec = serde_json::from_str(&json).unwrap();
        spec.validate().unwrap();
        assert_eq!((spec.name.as_str(), spec.paused), ("nl100-1", paused));
    }
}

#[test]
fn the_environment_names_store_sessions_signer_and_gateway() {
    let env = env(&made(&table(), 3));
    assert_eq!(env["PURR_TABLE_UID"], UID);
    assert_eq!(env["PURR_STORE_SENTINELS"], "redis-0:26379,redis-1:26379");
    assert_eq!(env["PURR_SESSIONS_MASTER"], "sessions");
    assert_eq!(env["PURR_SIGNER_ADDR"], "purr-chain-signer:8443");
    assert_eq!(env["PURR_JWKS_ADDR"], "purr-gateway-internal:8444");
    assert_eq!(env["PURR_GRACE_S"], "100");
}

#[test]
fn text_of_a_table_cannot_refer_to_other_variables() {
    let mut table = table();
    table.spec.currency = Some(purr_crds::Currency {
        token: format!("0x{}", "c".repeat(40)),
        decimals: 6,
        unit: "$(PURR_LOG)".into(),
    });
    assert!(env(&made(&table, 1))["PURR_TABLE_SPEC"].contains("$$(PURR_LOG)"));
}

#[test]
fn the_hash_does_not_depend_on_generation_and_pause() {
    let mut paused = table();
    paused.spec.paused = true;
    let first = made(&table(), 1);
    assert_eq!(hash(&first), hash(&made(&table(), 2)));
    assert_eq!(hash(&first), hash(&made(&paused, 1)));
    assert_eq!(made(&paused, 1).metadata.annotations.unwrap()[ANNOTATION_PAUSED], "true");
}

#[test]
fn the_hash_changes_with_image_resources_and_clock() {
    let first = made(&table(), 1);
    let mut image = table();
    image.spec.pod.image = Some("localhost/purr/table:next".into());
    let mut resources = table();
    resources.spec.pod.resources = Some(serde_json::from_str(r#"{"limits":{"memory":"300Mi"}}"#).unwrap());
    let mut clock = table();
    clock.spec.clock.turn_seconds = 21;
    for changed in [image, resources, clock] {
        assert_ne!(hash(&first), hash(&made(&changed, 1)));
    }
}

#[test]
fn a_tables_own_resources_are_laid_over_the_fleets() {
    let mut table = table();
    table.spec.pod.resources = Some(serde_json::from_str(r#"{"limits":{"memory":"300Mi"}}"#).unwrap());
    let pod = made(&table, 1).spec.unwrap();
    let resources = pod.containers[0].resources.as_ref().unwrap();
    assert_eq!(resources.limits.as_ref().unwrap()["memory"].0, "300Mi");
    assert_eq!(resources.requests.as_ref().unwrap()["cpu"].0, "25m");
}

#[test]
fn the_secret_holds_certificate_key_and_ca() {
    let (table, fleet) = (table(), fleet());
    let issued = Issued { certificate: "C".into(), key: "K".into(), ca: "A".into(), not_after_s: 0 };
    let (secret, pod) = (secret(&table, &fleet, &issued), made(&table, 1));
    let data = secret.data.unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["ca.crt", "tls.crt", "tls.key"]);
    let mounted = pod.spec.unwrap().volumes.unwrap()[0].secret.clone().unwrap().secret_name;
    assert_eq!(mounted, secret.metadata.name);
}

#[test]
fn an_issued_pod_has_its_generation_where_nobody_can_edit_it_and_the_hash_of_pods_of_before() {
    let table = table();
    let pod = made(&table, 1);
    let issued = issued(&pod, &table, 7, true);
    assert_eq!((issued.metadata.name.as_deref(), hash(&issued)), (Some("nl100-1-7"), hash(&pod)));
    assert_eq!(env(&issued)["PURR_TABLE_GENERATION"], "7");
    assert_eq!(hash(&pod), spec_hash(pod.spec.as_ref().unwrap()), "the variable read the label then, too");
    assert_eq!(table_uid(&issued), Some(UID));
    let stripped = Pod { metadata: ObjectMeta::default(), ..issued };
    assert_eq!(table_uid(&stripped), Some(UID));
}

#[test]
fn a_pods_name_says_table_and_generation_and_other_names_say_nothing() {
    assert_eq!(parse_pod_name("nl100-1-7"), Some(("nl100-1", 7)));
    for other in ["nl100", "nl100-x", "-7", "nl100-0", "nl100-07", "nl100-+7", ""] {
        assert_eq!(parse_pod_name(other), None, "{other}");
    }
    for generation in [1, 9, u64::MAX] {
        assert_eq!(parse_pod_name(&pod_name("t", generation)), Some(("t", generation)));
    }
}

#[test]
fn marks_are_of_our_labels_and_the_owner_and_of_nothing_that_others_add() {
    let (table, fleet) = (table(), fleet());
    let wanted = marks(&pod_marks(&table, &fleet, 7));
    let pod = issued(&made(&table, 1), &table, 7, false);
    assert_eq!(marks(&pod.metadata), wanted);
    let edited = |edit: &dyn Fn(&mut ObjectMeta)| {
        let mut meta = pod.metadata.clone();
        edit(&mut meta);
        marks(&meta) == wanted
    };
    assert!(edited(&|meta| drop(
        meta.labels.as_mut().unwrap().insert("sidecar/injected".into(), "yes".into())
    )));
    for key in OWN_LABELS.iter().filter(|key| **key != LABEL_FLEET) {
        assert!(!edited(&|meta| drop(meta.labels.as_mut().unwrap().remove(*key))), "{key}");
        assert!(
            !edited(&|meta| drop(meta.labels.as_mut().unwrap().insert((*key).into(), "x".into()))),
            "{key}"
        );
    }
    assert!(!edited(&|meta| meta.owner_references = None));
    assert!(!edited(&|meta| meta.owner_references.as_mut().unwrap()[0].uid = "x".into()));
}
