//! Probes, metrics and certificates.

use crate::group::{Group, NODES, host, until};
use std::{fs, process::Command};

#[tokio::test]
async fn a_node_says_whether_it_serves_and_what_it_is() {
    let mut group = Group::new();
    group.start(0);
    until("it lives", || async { group.http(0, "/livez").await.filter(|(status, _)| *status == 200) }).await;
    let (status, why) = group.http(0, "/readyz").await.unwrap();
    assert_eq!(status, 503, "alone it has no place: {why}");
    assert!(why.contains("data node"), "{why}");
    group.start(1);
    group.start(2);
    let master = group.whole().await;
    for node in 0..NODES {
        let role = if node == master { "master" } else { "replica" };
        assert_eq!(group.metric(node, &format!("purr_redis_role{{role=\"{role}\"}}")).await, Some(1));
        assert_eq!(group.metric(node, "purr_redis_role{role=\"silent\"}").await, Some(0));
        assert_eq!(group.metric(node, "purr_redis_link_up").await, Some(1));
        let offset = async || group.metric(node, "purr_redis_offset_bytes").await.filter(|bytes| *bytes > 0);
        until("the stream has begun", offset).await;
        let free = group.metric(node, "purr_redis_disk_free_bytes").await.unwrap();
        let size = group.metric(node, "purr_redis_disk_bytes").await.unwrap();
        assert!(0 < free && free <= size, "{free} of {size}");
        let end = group.metric(node, "purr_certificate_end_seconds{certificate=\"internal\"}").await;
        assert!(end.unwrap() > 1_700_000_000);
    }
}

/// Returns the certificate that a port presents, as text.
fn presented(node: usize, port: u16) -> Option<String> {
    let script = format!(
        "openssl s_client -connect {}:{port} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256",
        host(node)
    );
    let output = Command::new("sh").args(["-c", &script]).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|text| !text.is_empty())
}

#[tokio::test]
async fn new_certificates_are_loaded_without_a_new_master() {
    let mut group = Group::new();
    group.start_all();
    let master = group.whole().await;
    for node in 0..NODES {
        let port = group.server_port();
        let old = presented(node, port).unwrap();
        let started = group.info(node).await["run_id"].clone();
        group.issue(node);
        until("the server presents the new certificate", || async {
            presented(node, port).filter(|now| *now != old)
        })
        .await;
        assert_eq!(group.info(node).await["run_id"], started, "the server was started again");
    }
    assert_eq!(group.whole().await, master);
    let file = fs::metadata(group.folder(0, "run").join("users.acl")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777, 0o600);
}
