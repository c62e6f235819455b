//! Redis as the chart runs it, on one machine: a master and its replicas of the table store, the sessions, a Sentinel that
//! knows both, TLS 1.3 and the chart's ACL.

use super::programs::{Program, free};
use anyhow::{Context, ensure};
use purr_store::Link;
use std::{
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

// The chart's rights, in the program: it need not run where it was built.
const NODES_ACL: &str = include_str!("../../../helm/purr/files/redis/nodes.acl");
const STORE_ACL: &str = include_str!("../../../helm/purr/files/redis/store.acl");
const SESSIONS_ACL: &str = include_str!("../../../helm/purr/files/redis/sessions.acl");
const PASSWORD: &str = "of-the-bench";
/// Most replicas of the table store.
const REPLICAS_MAX: usize = 2;
const UP: Duration = Duration::from_secs(20);
/// The peer's user: it may do anything.
pub const PEER: &str = "peer";

/// When writes are synced to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    EverySecond,
    Always,
}

impl fmt::Display for Fsync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Always { "always" } else { "everysec" })
    }
}

pub struct Redis {
    dir: PathBuf,
    pub master: SocketAddr,
    pub sentinel: SocketAddr,
    programs: Vec<Program>,
}

impl Redis {
    /// `tls` holds a certificate for 127.0.0.1; the data goes to `dir`, which must be on a disk for `fsync` to mean
    /// anything.
    pub async fn start(
        dir: &Path,
        tls: &Path,
        core: usize,
        fsync: Fsync,
        replicas: usize,
    ) -> anyhow::Result<Self> {
        ensure!((1..=REPLICAS_MAX).contains(&replicas), "1 to {REPLICAS_MAX} replicas");
        let [master, sessions, sentinel] = free()?;
        let more: [SocketAddr; REPLICAS_MAX] = free()?;
        let acl = |text: &str| -> String {
            let users = text.lines().filter_map(|line| line.split_once(' '));
            users.map(|(name, rights)| user(name, rights)).collect()
        };
        let nodes = acl(NODES_ACL);
        let peer = user(PEER, "~* &* +@all");
        let store = acl(STORE_ACL) + &nodes + &peer;
        let keeps = format!(
            "appendonly yes\nappendfsync {fsync}\nsave \"\"\nmasteruser replica\nmasterauth {PASSWORD}\n\
            repl-diskless-sync yes\nrepl-diskless-sync-delay 0\nmaxmemory-policy noeviction\n"
        );
        let follows = format!("{keeps}replicaof 127.0.0.1 {}\n", master.port());
        let watch = [("purr", master), ("sessions", sessions)].map(|(name, at)| {
            format!(
                "sentinel monitor {name} 127.0.0.1 {} 1\nsentinel auth-user {name} sentinel\n\
                sentinel auth-pass {name} {PASSWORD}\nsentinel down-after-milliseconds {name} 60000\n",
                at.port()
            )
        });
        let asks = "-@all +@connection +sentinel|get-master-addr-by-name +sentinel|replicas +role";
        let asking = ["table", "gateway"].map(|name| user(name, asks)).concat();
        let mut redis = Self { dir: dir.to_owned(), master, sentinel, programs: Vec::new() };
        let mut servers = vec![("master", master, keeps, store.clone())];
        let names = ["replica", "replica-2"].into_iter().zip(more).take(replicas);
        servers.extend(names.map(|(name, at)| (name, at, follows.clone(), store.clone())));
        servers.extend([
            ("sessions", sessions, "save \"\"\n".into(), acl(SESSIONS_ACL) + &nodes + &peer),
            ("sentinel", sentinel, watch.concat(), asking),
        ]);
        for (name, at, config, users) in servers {
            redis.server(name, at, tls, core, &config, &users).await?;
        }
        Ok(redis)
    }

    async fn server(
        &mut self,
        name: &str,
        at: SocketAddr,
        tls: &Path,
        core: usize,
        config: &str,
        users: &str,
    ) -> anyhow::Result<()> {
        let dir = self.dir.join(format!("redis-{name}"));
        fs::create_dir_all(&dir)?;
        let (dir, tls) = (dir.display(), tls.display());
        let config = format!(
            "port 0\ntls-port {}\nbind 127.0.0.1\ndir {dir}\ntls-protocols TLSv1.3\ntls-replication yes\n\
            tls-auth-clients no\ntls-cert-file {tls}/tls.crt\ntls-key-file {tls}/tls.key\ntls-ca-cert-file {tls}/ca.crt\n\
            maxclients 9000\nuser default off -@all\n{users}{config}",
            at.port()
        );
        let path = self.dir.join(format!("{name}.conf"));
        fs::write(&path, config)?;
        let mut command = vec!["redis-server".to_owned(), path.display().to_string()];
        if name == "sentinel" {
            command.push("--sentinel".into());
        }
        let mut program = Program::start(&format!("redis-{name}"), core, &command, &[], &self.dir)?;
        program.up(at, false, UP).await.context("redis-server (Debian package redis-server)")?;
        self.programs.push(program);
        Ok(())
    }

    /// Waits until so many replicas follow the master.
    pub async fn replicas_are_there(&self, link: &Link, replicas: usize) -> anyhow::Result<()> {
        let end = Instant::now() + UP;
        // Listening is not yet answering: the Sentinel has to have seen its master.
        let mut connection = loop {
            match link.connect().await {
                Ok(connection) => break connection,
                Err(error) => ensure!(Instant::now() < end, "{error}"),
            }
        };
        loop {
            // A WAIT counts those that are in step; the user of tables may not ask for more.
            let there: usize =
                redis::cmd("WAIT").arg(replicas).arg(1_000).query_async(&mut connection).await?;
            if there == replicas {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{there} of {replicas} replicas are there");
        }
    }

    /// A file with everybody's password.
    pub fn password_file(&self) -> anyhow::Result<PathBuf> {
        let path = self.dir.join("redis-password");
        fs::write(&path, PASSWORD)?;
        Ok(path)
    }

    pub fn pids(&self) -> Vec<u32> {
        self.programs.iter().map(Program::pid).collect()
    }

    pub fn check(&mut self) -> anyhow::Result<()> {
        ensure!(!self.programs.is_empty(), "no Redis");
        self.programs.iter_mut().try_for_each(Program::check)
    }
}

fn user(name: &str, rights: &str) -> String {
    format!("user {name} on >{PASSWORD} {rights}\n")
}
