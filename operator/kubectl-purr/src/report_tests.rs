use super::*;
use serde_json::json;
use std::io::Read;

/// Secrets that must not be in an archive, wherever they were planted.
const PLANTED: [&str; 11] = [
    "hunter2-of-redis",
    "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318",
    "MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY1Pu",
    "eyJzdWIiOiIweDEyMzQ1Njc4IiwiZXhwIjoxNzY3MjI1NjAwfQ",
    "abcdef0123456789abcdef0123456789abcdef01",
    "k3y-of-the-node",
    "198.51.100.23",
    "AsKd",
    "\"Qh\"",
    "1234-is-the-pin",
    "Zm9vYmFyQmF6MTIzNDU2Nzg5MA",
];

fn planted() -> (Value, String) {
    let [password, key, pem, jwt, wallet, node, ip, cards, card, pin, base64] = PLANTED;
    let log = format!(
        "connected with password={password} to redis\n\
         {{\"level\":\"INFO\",\"key\":\"0x{key}\",\"player\":\"0x{wallet}\"}}\n\
         -----BEGIN EC PRIVATE KEY-----\n{pem}\n-----END EC PRIVATE KEY-----\n\
         Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.{jwt}.c2lnbmF0dXJlMTIzNDU2Nzg5MA\n\
         POST https://rpc.example/v2/{node} failed for {ip}:4242\n\
         seat 3 shows {cards}; {{\"hole_cards\":[{card}]}}\npin: {pin}\nsession {base64}==\n"
    );
    let pod = json!({
        "metadata": {
            "name": "purr-gateway-0", "labels": {"a": "b"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": password, "note": pin},
            "managedFields": [{"manager": node}],
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": "gateway", "image": "purr/gateway:1", "args": [password],
                "env": [{"name": "PURR_RPC_URLS", "value": format!("https://rpc.example/v2/{node}")}]}],
        },
        "status": {"phase": "Running", "message": log, "podIP": ip},
    });
    (pod, log)
}

fn read(bytes: &[u8]) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().display().to_string(), text)
    });
    entries.collect()
}

#[test]
fn planted_secrets_wallets_and_cards_are_in_no_file_of_the_archive() {
    let (pod, log) = planted();
    let mut out = Vec::new();
    let mut archive = Archive::new(&mut out, 0);
    archive.objects("Pod", std::slice::from_ref(&pod)).unwrap();
    archive
        .objects(
            "PokerTable",
            &[json!({"metadata": {"name": "t"}, "status": {"conditions": [{"message": log}]}})],
        )
        .unwrap();
    archive.objects("Event", &[json!({"message": log, "reason": "BackOff"})]).unwrap();
    archive.text("logs/purr-gateway-0.log", &log).unwrap();
    // The whole object as one member of a log line.
    let line =
        json!({"level": "INFO", "fields": {"message": log, "token": PLANTED[0], "pin": 1234}}).to_string();
    archive.text("logs/lines.log", &format!("{line}\n{log}")).unwrap();
    // The line cut off, so that it is not valid JSON.
    archive.text("logs/cut.log", &line[..line.len() - 2]).unwrap();
    assert_eq!(archive.finish().unwrap(), 6);
    let files = read(&out);
    assert_eq!(files.len(), 6);
    for (path, text) in &files {
        for secret in PLANTED {
            assert!(!text.contains(secret), "{path} holds {secret}:\n{text}");
        }
    }
    // The archive keeps what a reader needs.
    let (path, log) = &files[3];
    assert_eq!(path, "purr-report/logs/purr-gateway-0.log");
    assert!(
        log.contains("seat 3 shows <cards>") && log.contains("https://rpc.example/<path> failed for <ip-"),
        "{log}"
    );
    assert!(
        files[0].1.contains("\"image\": \"purr/gateway:1\"") && files[2].1.contains("BackOff"),
        "{files:?}"
    );
}

#[test]
fn one_wallet_has_one_number_in_all_files() {
    let wallet = format!("0x{}", "ab".repeat(20));
    let mut out = Vec::new();
    let mut archive = Archive::new(&mut out, 0);
    archive.text("a", &format!("{} then {wallet}", "cd".repeat(20))).unwrap();
    archive.text("b", &wallet).unwrap();
    archive.finish().unwrap();
    let files = read(&out);
    assert_eq!((files[0].1.as_str(), files[1].1.as_str()), ("<hex-1> then <hex-2>", "<hex-2>"));
}

#[test]
fn a_kind_without_a_list_keeps_its_name_alone() {
    let secret = json!({"metadata": {"name": "s", "annotations": {"a": "b"}}, "data": {"tls.key": "x"}, "type": "Opaque"});
    assert_eq!(trimmed("Secret", &secret), json!({"metadata": {"name": "s"}}));
}

#[test]
fn lists_keep_the_members_that_are_named() {
    let pod = json!({"spec": {"containers": [{"name": "a", "image": "i", "env": []}, {"name": "b", "args": ["x"]}]}});
    assert_eq!(
        trimmed("Pod", &pod),
        json!({"spec": {"containers": [{"name": "a", "image": "i"}, {"name": "b"}]}})
    );
}

#[test]
fn the_last_part_of_a_long_log_is_kept() {
    let mut out = Vec::new();
    let mut archive = Archive::new(&mut out, 0);
    archive.text("log", &format!("{}é end", "x ".repeat(FILE_MAX))).unwrap();
    archive.finish().unwrap();
    let text = &read(&out)[0].1;
    assert!(text.len() <= FILE_MAX + 4 && text.ends_with("é end"));
}
