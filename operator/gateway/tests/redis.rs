//! The sessions in a real Redis behind a real Sentinel, over TLS, with the chart's own ACL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "../../runtime/tests/common/certificates.rs"]
mod certificates;

use certificates::Authority;
use purr_gateway::sessions::{RedisSessions, SessionStore};
use purr_protocol::summary::Summary;
use purr_store::{Link, LinkConfig, Sessions};
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, time::sleep};

struct Redis {
    dir: TempDir,
    programs: Vec<Child>,
    sentinel: u16,
}

impl Drop for Redis {
    fn drop(&mut self) {
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// A port that was free a moment ago.
async fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

fn user(name: &str, rules: &str) -> String {
    format!("user {name} on #{} {rules}\n", hex::encode(Sha256::digest(format!("{name}-secret"))))
}

fn run(program: &str, dir: &Path, config: &str, acl: &str) -> Child {
    let path = |end: &str| dir.join(format!("{program}.{end}"));
    std::fs::write(path("acl"), format!("user default off -@all\n{acl}")).unwrap();
    let tls = dir.join("tls");
    let common = format!(
        "port 0\ntls-cert-file {0}/tls.crt\ntls-key-file {0}/tls.key\ntls-ca-cert-file {0}/ca.crt\n\
        tls-auth-clients optional\ntls-replication yes\ndir {1}\nbind 127.0.0.1\naclfile {2}\n",
        tls.display(),
        dir.display(),
        path("acl").display(),
    );
    std::fs::write(path("conf"), common + config).unwrap();
    Command::new(program).arg(path("conf")).stdout(Stdio::null()).spawn().unwrap()
}

impl Redis {
    async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        Authority::new().issue(&dir.path().join("tls"), &["localhost", "127.0.0.1"]);
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../helm/purr/files/redis/sessions.acl");
        let chart = std::fs::read_to_string(chart).unwrap();
        let users = chart.lines().filter_map(|line| line.split_once(' '));
        let acl: String = users.map(|(name, rules)| user(name, rules)).collect();
        let (data, sentinel) = (free().await, free().await);
        let everything = user("sentinel", "~* &* +@all");
        let server =
            run("redis-server", dir.path(), &format!("tls-port {data}\nsave \"\"\n"), &(acl + &everything));
        let config = format!(
            "tls-port {sentinel}\nsentinel monitor sessions 127.0.0.1 {data} 1\n\
            sentinel auth-user sessions sentinel\nsentinel auth-pass sessions sentinel-secret\n"
        );
        let asks = "-@all +@connection +sentinel|get-master-addr-by-name +role";
        let acl = user("gateway", asks) + &user("table", asks);
        let watch = run("redis-sentinel", dir.path(), &config, &acl);
        Self { dir, programs: vec![server, watch], sentinel }
    }

    fn link(&self, user: &str) -> Link {
        let password_file = self.dir.path().join(user);
        std::fs::write(&password_file, format!("{user}-secret\n")).unwrap();
        Link::new(LinkConfig {
            sentinels: vec![("127.0.0.1".into(), self.sentinel)],
            master: "sessions".into(),
            user: user.into(),
            password_file,
            ca_file: self.dir.path().join("tls/ca.crt"),
        })
    }
}

#[tokio::test]
async fn the_sessions_group_does_what_sign_ins_need() {
    let redis = Redis::start().await;
    let sessions = RedisSessions::new(redis.link("gateway"));
    // Until both programs are up.
    let mut last = None;
    for _ in 0..200 {
        match sessions.get("x").await {
            Ok(_) => break,
            Err(error) => last = Some(error),
        }
        assert!(last.is_some());
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(sessions.get("x").await.unwrap_or_else(|error| panic!("{error}, {last:?}")), None);

    assert!(sessions.put_new("nonce:a", "1", 60).await.unwrap());
    assert!(!sessions.put_new("nonce:a", "2", 60).await.unwrap());
    assert_eq!(sessions.take("nonce:a").await.unwrap().as_deref(), Some("1"));
    assert_eq!(sessions.take("nonce:a").await.unwrap(), None);

    assert!(!sessions.swap("family:a", "one", Some(("two", 60))).await.unwrap());
    assert!(sessions.put_new("family:a", "one", 60).await.unwrap());
    assert!(!sessions.swap("family:a", "zero", Some(("two", 60))).await.unwrap());
    assert!(sessions.swap("family:a", "one", Some(("two", 60))).await.unwrap());
    assert_eq!(sessions.get("family:a").await.unwrap().as_deref(), Some("two"));
    assert!(sessions.swap("family:a", "two", None).await.unwrap());
    assert_eq!(sessions.get("family:a").await.unwrap(), None);

    let hour = 3_600_000;
    sessions.revoke("old", hour).await.unwrap();
    sessions.revoke("new", 2 * hour).await.unwrap();
    assert_eq!(sessions.revoked_since(0).await.unwrap(), ["new"]);
    assert_eq!(sessions.revoked_since(2 * hour + 1).await.unwrap(), Vec::<String>::new());

    let summary = Summary { uid: "0a".into(), players: 4, ..Summary::default() };
    Sessions::new(redis.link("table")).put_summary(&summary).await.unwrap();
    let found = sessions.summaries(&["ff".into(), "0a".into()]).await.unwrap();
    assert_eq!(found, [None, Some(summary)]);
    assert_eq!(sessions.summaries(&[]).await.unwrap(), []);
}
