//! A group of three nodes: 127.0.0.1 to 127.0.0.3, on the same ports.

use crate::certificates::Authority;
use bytes::Bytes;
use purr_store::{Commit, Link, LinkConfig, RedisStore, Store, StoreError};
use redis::aio::MultiplexedConnection;
use std::{
    collections::HashMap,
    fs::{self, File},
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub const NODES: usize = 3;
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../helm/purr/files/redis");
const USERS: [&str; 8] =
    ["table", "records", "gateway", "controller", "signer", "replica", "sentinel", "admin"];
pub const WHOLE: Duration = Duration::from_secs(60);
pub const TABLE: &str = "t";

pub struct Group {
    dir: TempDir,
    authority: Authority,
    redis: u16,
    sentinel: u16,
    ops: [u16; NODES],
    running: [Option<Child>; NODES],
    /// Number of the next commit that the test writes.
    pub next: u64,
}

pub fn host(node: usize) -> String {
    format!("127.0.0.{}", node + 1)
}

fn address(node: usize) -> Ipv4Addr {
    host(node).parse().unwrap()
}

/// A port that is free on every node's address.
fn free_port() -> u16 {
    let addresses: [IpAddr; NODES] = std::array::from_fn(|node| address(node).into());
    purr_test_ports::port_of(&addresses).unwrap()
}

impl Group {
    pub fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let (config, passwords) = (dir.path().join("config"), dir.path().join("passwords"));
        for folder in [&config, &passwords] {
            fs::create_dir(folder).unwrap();
        }
        // Uses the chart's files.
        for file in fs::read_dir(CHART).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), config.join(file.file_name())).unwrap();
        }
        for user in USERS {
            fs::write(passwords.join(user), format!("of-{user}\n")).unwrap();
        }
        let [redis, sentinel] = [free_port(), free_port()];
        let ops = [0; NODES].map(|_| free_port());
        let group = Self {
            dir,
            authority: Authority::new(),
            redis,
            sentinel,
            ops,
            running: [const { None }; NODES],
            next: 1,
        };
        for node in 0..NODES {
            for what in ["data", "run"] {
                fs::create_dir_all(group.folder(node, what)).unwrap();
            }
            group.issue(node);
        }
        group
    }

    pub fn folder(&self, node: usize, what: &str) -> PathBuf {
        self.dir.path().join(format!("{node}/{what}"))
    }

    pub fn issue(&self, node: usize) {
        self.authority.issue(&self.folder(node, "tls"), &[&host(node), "localhost"]);
    }

    pub fn start(&mut self, node: usize) {
        let log = File::options().create(true).append(true).open(self.folder(node, "log")).unwrap();
        let nodes: Vec<String> = (0..NODES).map(host).collect();
        let path = |what: &str| self.folder(node, what).display().to_string();
        let shared = |what: &str| self.dir.path().join(what).display().to_string();
        let child = Command::new(env!("CARGO_BIN_EXE_purr-redis-node"))
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .args(["--group=store", "--master-name=purr", "--max-memory=64mb"])
            .arg(format!("--node={}", host(node)))
            .arg(format!("--nodes={}", nodes.join(",")))
            .arg(format!("--redis-listen={}", host(node)))
            .arg(format!("--redis-port={}", self.redis))
            .arg(format!("--sentinel-port={}", self.sentinel))
            .arg(format!("--ops-listen={}:{}", host(0), self.ops[node]))
            .arg(format!("--data-dir={}", path("data")))
            .arg(format!("--run-dir={}", path("run")))
            .arg(format!("--tls-dir={}", path("tls")))
            .arg(format!("--config-dir={}", shared("config")))
            .arg(format!("--password-dir={}", shared("passwords")))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            // Server and Sentinel die with it, as in a container.
            .process_group(0)
            .spawn()
            .unwrap();
        self.running[node] = Some(child);
    }

    pub fn start_all(&mut self) {
        (0..NODES).for_each(|node| self.start(node));
    }

    /// Supervisor, server and Sentinel end at once.
    pub fn kill(&mut self, node: usize) {
        if let Some(mut child) = self.running[node].take() {
            signal("KILL", &format!("-{}", child.id()));
            child.wait().unwrap();
        }
    }

    /// Stops supervisor, server and Sentinel with SIGSTOP.
    pub fn freeze(&self, node: usize) {
        signal("STOP", &format!("-{}", self.running[node].as_ref().unwrap().id()));
    }

    /// Asks the supervisor to end and waits until it has.
    pub async fn terminate(&mut self, node: usize) -> (ExitStatus, Duration) {
        let mut child = self.running[node].take().unwrap();
        let begun = Instant::now();
        signal("TERM", &child.id().to_string());
        let ended = until("the supervisor ends", || {
            let ended = child.try_wait().unwrap();
            async move { ended }
        });
        (ended.await, begun.elapsed())
    }

    /// Kills one process of a node.
    pub fn kill_process(&self, node: usize, name: &str) {
        let supervisor = self.running[node].as_ref().unwrap().id();
        let children = fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children")).unwrap();
        let named = |pid: &&str| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim() == name;
        let pid = children.split_whitespace().find(named);
        signal("KILL", pid.unwrap_or_else(|| panic!("node {node} has no {name}")));
    }

    /// Returns a node's answer over HTTP: status and body.
    pub async fn http(&self, node: usize, path: &str) -> Option<(u16, String)> {
        let to = SocketAddr::from((address(0), self.ops[node]));
        let mut stream = TcpStream::connect(to).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    /// The value of one of the node's metrics.
    pub async fn metric(&self, node: usize, name: &str) -> Option<i64> {
        let (_, text) = self.http(node, "/metrics").await?;
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line?.rsplit(' ').next()?.parse().ok()
    }

    pub fn link(&self, user: &str) -> Link {
        Link::new(LinkConfig {
            sentinels: (0..NODES).map(|node| (host(node), self.sentinel)).collect(),
            master: "purr".into(),
            user: user.into(),
            password_file: self.dir.path().join("passwords").join(user),
            ca_file: self.folder(0, "tls").join("ca.crt"),
        })
    }

    pub async fn server(&self, node: usize) -> Result<MultiplexedConnection, StoreError> {
        self.link("admin").node(&host(node), self.redis).await
    }

    pub fn server_port(&self) -> u16 {
        self.redis
    }

    /// A field of a server's INFO.
    pub async fn info(&self, node: usize) -> HashMap<String, String> {
        let Ok(mut server) = self.server(node).await else { return HashMap::new() };
        let text: String = redis::cmd("INFO").query_async(&mut server).await.unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
    }

    /// The index of the master that a node's Sentinel names.
    pub async fn named(&self, node: usize) -> Option<usize> {
        let mut sentinel = self.link("admin").node(&host(node), self.sentinel).await.ok()?;
        let asked = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg("purr").to_owned();
        let (master, _): (String, u16) = asked.query_async(&mut sentinel).await.ok()?;
        (0..NODES).find(|node| host(*node) == master)
    }

    /// Returns the master that a node's Sentinel knows.
    async fn known(&self, node: usize) -> HashMap<String, String> {
        let Ok(mut sentinel) = self.link("admin").node(&host(node), self.sentinel).await else {
            return HashMap::new();
        };
        let asked = redis::cmd("SENTINEL").arg("MASTER").arg("purr").to_owned();
        asked.query_async(&mut sentinel).await.unwrap_or_default()
    }

    /// An answer of a node's Sentinel.
    pub async fn sentinel(&self, node: usize, question: &[&str]) -> Option<String> {
        let mut sentinel = self.link("admin").node(&host(node), self.sentinel).await.ok()?;
        redis::cmd("SENTINEL").arg(question).query_async(&mut sentinel).await.ok()
    }

    pub async fn masters(&self) -> Vec<usize> {
        let mut masters = Vec::new();
        for node in 0..NODES {
            if self.info(node).await.get("role").is_some_and(|role| role == "master") {
                masters.push(node);
            }
        }
        masters
    }

    /// Waits until one master has two replicas in sync, every Sentinel names it, and every node is ready.
    pub async fn whole(&self) -> usize {
        until("one master with two replicas", || async {
            let [master] = self.masters().await[..] else { return None };
            for node in 0..NODES {
                let info = self.info(node).await;
                let follows = info.get("master_host").is_some_and(|of| *of == host(master))
                    && info.get("master_link_status").is_some_and(|link| link == "up");
                let ready = self.http(node, "/readyz").await.is_some_and(|(status, _)| status == 200);
                if !(node == master || follows) || self.named(node).await != Some(master) || !ready {
                    return None;
                }
                // The new Sentinel finds the others within ten seconds.
                let knows = self.known(node).await;
                if ["num-slaves", "num-other-sentinels"]
                    .iter()
                    .any(|what| knows.get(*what).map(String::as_str) != Some("2"))
                {
                    return None;
                }
            }
            Some(master)
        })
        .await
    }

    /// Waits until another node is a master.
    pub async fn other_master(&self, than: usize) -> usize {
        until("another master", || async { self.masters().await.into_iter().find(|node| *node != than) })
            .await
    }

    pub fn store(&self, replicas: u64) -> RedisStore {
        RedisStore::new(self.link("table"), replicas)
    }

    /// Writes commits of the table, as often as it takes; what this returns from is acknowledged.
    pub async fn commits(&mut self, store: &RedisStore, count: u64) {
        for _ in 0..count {
            let commit = self.commit(self.next);
            until("a commit is acknowledged", || async { store.commit(&commit).await.ok() }).await;
            self.next += 1;
        }
    }

    pub fn commit(&self, number: u64) -> Commit {
        Commit {
            table: TABLE.into(),
            epoch: 1,
            number,
            follows: u64::from(number > 1),
            replaces: false,
            snapshot: Bytes::from(format!("snapshot {number}")),
            base: None,
            log: Bytes::from(format!("log {number}")),
            hand: None,
            outbox: Vec::new(),
            outbox_done: 0,
        }
    }

    /// Number of the table's last commit on one server.
    pub async fn head(&self, node: usize) -> u64 {
        let Ok(mut server) = self.server(node).await else { return 0 };
        let asked = redis::cmd("HGET").arg(format!("t:{{{TABLE}}}:head")).arg("commit").to_owned();
        let head: Option<u64> = asked.query_async(&mut server).await.unwrap_or_default();
        head.unwrap_or(0)
    }

    pub fn log(&self, node: usize) -> String {
        fs::read_to_string(self.folder(node, "log")).unwrap_or_default()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        (0..NODES).for_each(|node| self.kill(node));
        if std::thread::panicking() {
            for node in 0..NODES {
                let log = self.log(node);
                let lines: Vec<&str> = log.lines().rev().take(60).collect();
                eprintln!("--- node {node}");
                lines.iter().rev().for_each(|line| eprintln!("{line}"));
            }
        }
    }
}

fn signal(name: &str, to: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), "--", to]).status().unwrap();
    assert!(done.success(), "kill -{name} {to}");
}

/// Repeats the question until it has an answer.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let end = Instant::now() + WHOLE;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Deletes the contents of a folder.
pub fn empty(folder: &Path) {
    fs::remove_dir_all(folder).unwrap();
    fs::create_dir(folder).unwrap();
}
