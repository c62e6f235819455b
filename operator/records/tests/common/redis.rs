//! A Redis master and its Sentinel, TLS and the chart's ACL users included.
#![allow(dead_code, reason = "each test has its own need of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use purr_store::{Link, LinkConfig};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

const PASSWORD: &str = "of-the-test";

const STORE: &str = include_str!("../../../../helm/purr/files/redis/store.acl");
const SESSIONS: &str = include_str!("../../../../helm/purr/files/redis/sessions.acl");
const DEFAULT: &str = include_str!("../../../../helm/purr/files/redis/default.acl");

pub struct Redis {
    dir: TempDir,
    acl: &'static str,
    /// Settings beside the common ones.
    more: &'static str,
    ports: [u16; 2],
    running: [Option<Child>; 2],
}

impl Redis {
    /// `issue` writes a certificate for the names into a folder.
    pub fn new(issue: impl Fn(&Path, &[&str])) -> Self {
        Self::with(STORE, "", issue)
    }

    /// Writes survive a kill, as in the store group.
    pub fn durable(issue: impl Fn(&Path, &[&str])) -> Self {
        Self::with(STORE, "appendonly yes\nappendfsync always\n", issue)
    }

    /// Like [`Self::new`], with the users of the sessions group.
    pub fn sessions(issue: impl Fn(&Path, &[&str])) -> Self {
        Self::with(SESSIONS, "", issue)
    }

    fn with(acl: &'static str, more: &'static str, issue: impl Fn(&Path, &[&str])) -> Self {
        let dir = tempfile::tempdir().unwrap();
        issue(&dir.path().join("tls"), &["localhost", "127.0.0.1"]);
        fs::write(dir.path().join("password"), PASSWORD).unwrap();
        let ports = purr_test_ports::ports().unwrap();
        let mut redis = Self { dir, acl, more, ports, running: [None, None] };
        redis.write();
        redis.start();
        redis.running[1] = Some(redis.spawn("sentinel.conf", &["--sentinel"]));
        redis
    }

    fn write(&self) {
        let [port, sentinel] = self.ports;
        let dir = self.dir.path().display();
        let tls = |port: u16| {
            format!(
                "port 0\ntls-port {port}\nbind 127.0.0.1\ndir {dir}\nsave \"\"\ntls-replication yes\n\
                 tls-auth-clients no\ntls-cert-file {dir}/tls/tls.crt\ntls-key-file {dir}/tls/tls.key\n\
                 tls-ca-cert-file {dir}/tls/ca.crt\n"
            )
        };
        let user = |line: &str| {
            let (name, rights) = line.split_once(' ').unwrap();
            format!("user {name} on >{PASSWORD} {rights}\n")
        };
        let users: String = self.acl.lines().filter(|line| !line.trim().is_empty()).map(user).collect();
        let config = format!("{}{}{DEFAULT}{users}", tls(port), self.more);
        fs::write(self.dir.path().join("master.conf"), config).unwrap();
        let watch: String = ["table", "records", "controller"]
            .map(|name| format!("user {name} on >{PASSWORD} +@all\n"))
            .concat();
        let watch = format!("{}{watch}sentinel monitor purr 127.0.0.1 {port} 1\n", tls(sentinel));
        fs::write(self.dir.path().join("sentinel.conf"), watch).unwrap();
    }

    fn spawn(&self, config: &str, more: &[&str]) -> Child {
        Command::new("redis-server")
            .arg(self.dir.path().join(config))
            .args(more)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("redis-server (Debian package redis-server): {error}"))
    }

    pub fn start(&mut self) {
        self.running[0] = Some(self.spawn("master.conf", &[]));
    }

    /// Kills the master, and with it its data unless it is durable.
    pub fn kill(&mut self) {
        Self::end(&mut self.running[0]);
    }

    fn end(child: &mut Option<Child>) {
        if let Some(mut child) = child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn link(&self, user: &str) -> Link {
        let file = |name: &str| -> PathBuf { self.dir.path().join(name) };
        Link::new(LinkConfig {
            sentinels: vec![("127.0.0.1".into(), self.ports[1])],
            master: "purr".into(),
            user: user.into(),
            password_file: file("password"),
            ca_file: file("tls/ca.crt"),
        })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.running.iter_mut().for_each(Self::end);
    }
}
