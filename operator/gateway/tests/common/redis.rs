//! A real Redis behind a real Sentinel, over TLS, with the chart's own ACL and memory policy.

use super::certificates::Authority;
use purr_store::{Link, LinkConfig, Sessions};
use sha2::{Digest, Sha256};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

pub struct Redis {
    dir: TempDir,
    programs: Vec<Child>,
    pub sentinel: u16,
}

impl Drop for Redis {
    fn drop(&mut self) {
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

fn chart(file: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|at| at.join("helm/purr/files/redis"));
    folder.into_iter().find(|folder| folder.is_dir()).unwrap().join(file)
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
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// Starts Redis with more lines of configuration.
    pub async fn with(more: &str) -> Self {
        Self::of(&Authority::new(), more).await
    }

    /// Starts Redis with certificates of a given CA.
    pub async fn of(authority: &Authority, more: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        authority.issue(&dir.path().join("tls"), &["localhost", "127.0.0.1"]);
        let users_of_chart = std::fs::read_to_string(chart("sessions.acl")).unwrap();
        let policy = std::fs::read_to_string(chart("sessions.conf")).unwrap();
        let policy: String = policy.lines().filter(|line| line.starts_with("maxmemory")).collect();
        let users = users_of_chart.lines().filter_map(|line| line.split_once(' '));
        let acl: String = users.map(|(name, rules)| user(name, rules)).collect();
        let [data, sentinel] = purr_test_ports::ports().unwrap();
        let everything = user("sentinel", "~* &* +@all");
        let config = format!("tls-port {data}\nsave \"\"\n{policy}\n{more}\n");
        let server = run("redis-server", dir.path(), &config, &(acl + &everything));
        let config = format!(
            "tls-port {sentinel}\nsentinel monitor sessions 127.0.0.1 {data} 1\n\
            sentinel auth-user sessions sentinel\nsentinel auth-pass sessions sentinel-secret\n"
        );
        let asks = "-@all +@connection +sentinel|get-master-addr-by-name +role";
        let acl =
            ["gateway", "table", "signer", "controller", "sentinel"].map(|name| user(name, asks)).concat();
        let watch = run("redis-sentinel", dir.path(), &config, &acl);
        Self { dir, programs: vec![server, watch], sentinel }
    }

    /// Stops the server's process, or resumes it: connections stay open, and nothing is answered.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let pid = self.programs[0].id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits until both programs are up.
    pub async fn up(&self) {
        let sessions = Sessions::new(self.link("gateway"));
        let up = async {
            while sessions.get("x").await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(timeout(Duration::from_secs(20), up).await.is_ok(), "Redis did not start in time");
    }

    /// The file with a user's password.
    pub fn password(&self, user: &str) -> PathBuf {
        let file = self.dir.path().join(user);
        std::fs::write(&file, format!("{user}-secret\n")).unwrap();
        file
    }

    pub fn link(&self, user: &str) -> Link {
        Link::new(LinkConfig {
            sentinels: vec![("127.0.0.1".into(), self.sentinel)],
            master: "sessions".into(),
            user: user.into(),
            password_file: self.password(user),
            ca_file: self.dir.path().join("tls/ca.crt"),
        })
    }
}
