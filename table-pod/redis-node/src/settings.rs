//! Writes the files that server and Sentinel read: settings, access lists, and the Sentinel's memory.

use crate::{
    decide::{Claim, Word},
    options::Config,
};
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} line {line}: expected USER RULES")]
    Rules { path: PathBuf, line: usize },
}

fn at(path: &Path) -> impl Fn(io::Error) -> SettingsError + '_ {
    move |source| SettingsError::File { path: path.to_owned(), source }
}

fn read(path: &Path) -> Result<String, SettingsError> {
    fs::read_to_string(path).map_err(at(path))
}

/// Replaces a file atomically and durably. It contains passwords, so only its owner may read it.
fn write(path: &Path, text: &str) -> Result<(), SettingsError> {
    let next = path.with_extension("next");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&next)
        .map_err(at(&next))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(at(&next))?;
    fs::rename(&next, path).map_err(at(path))?;
    let folder = path.parent().unwrap_or(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

/// The password of a user.
pub fn password(config: &Config, user: &str) -> Result<String, SettingsError> {
    read(&config.password_dir.join(user)).map(|text| text.trim().to_owned())
}

/// Writes the server's settings and users; returns the path of the settings.
pub fn write_server(config: &Config) -> Result<PathBuf, SettingsError> {
    let group = config.group.name();
    let acl = config.run_dir.join("users.acl");
    write(&acl, &users(config, &[&format!("{group}.acl"), "nodes.acl"])?)?;
    let mut text = read(&config.config_dir.join("redis.conf"))?;
    text.push_str(&read(&config.config_dir.join(format!("{group}.conf")))?);
    text.push_str(&tls(config, config.names.port));
    let line = |text: &mut String, line: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        let _ = text.write_fmt(line);
        text.push('\n');
    };
    line(&mut text, format_args!("dir {}", config.data_dir.display()));
    line(&mut text, format_args!("unixsocket {}", config.socket().display()));
    line(&mut text, format_args!("unixsocketperm 700"));
    line(&mut text, format_args!("aclfile {}", acl.display()));
    line(&mut text, format_args!("maxmemory {}", config.max_memory));
    line(&mut text, format_args!("replica-announce-ip {}", config.my_name()));
    line(&mut text, format_args!("replica-announce-port {}", config.names.port));
    line(&mut text, format_args!("masteruser replica"));
    line(&mut text, format_args!("masterauth {}", password(config, "replica")?));
    if let Some(count) = replicas_to_write(config) {
        line(&mut text, format_args!("min-replicas-to-write {count}"));
    }
    let path = config.run_dir.join("redis.conf");
    write(&path, &text)?;
    Ok(path)
}

/// Number of replicas that a write needs while the group is whole; `None` when writes may be lost.
pub fn replicas_to_write(config: &Config) -> Option<usize> {
    (config.group.name() == "store").then_some(usize::from(config.names.nodes.len() > 1))
}

fn tls(config: &Config, port: u16) -> String {
    let dir = config.tls_dir.display();
    let bind = Some(&config.redis_listen).filter(|address| !address.is_empty());
    let bind = bind.map(|address| format!("bind {address}\n")).unwrap_or_default();
    format!(
        "{bind}port 0\ntls-port {port}\ntls-cert-file {dir}/tls.crt\ntls-key-file {dir}/tls.key\n\
         tls-ca-cert-file {dir}/ca.crt\ntls-protocols \"TLSv1.3\"\ntls-replication yes\ntls-auth-clients optional\n"
    )
}

/// Access lists: each line is a user and its rules. A password is stored as its hash only.
fn users(config: &Config, files: &[&str]) -> Result<String, SettingsError> {
    let mut text = read(&config.config_dir.join("default.acl"))?;
    for file in files {
        let path = config.config_dir.join(file);
        for (number, line) in read(&path)?.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let rules = || SettingsError::Rules { path: path.clone(), line: number + 1 };
            let (user, rules) = line.trim().split_once(' ').ok_or_else(rules)?;
            let hash = hex::encode(Sha256::digest(password(config, user)?));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "user {user} on #{hash} {rules}");
        }
    }
    Ok(text)
}

fn sentinel_file(config: &Config) -> PathBuf {
    config.data_dir.join("sentinel.conf")
}

/// The content of the Sentinel's file. A Sentinel that forgot a vote could vote twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentinelMemory {
    /// The host that the Sentinel monitors as the master, and the configuration's epoch.
    pub master: Option<(String, u64)>,
    /// The highest epoch that the Sentinel has voted in or seen.
    pub epoch: u64,
    /// Lines of the Sentinel's file that are written back unchanged.
    lines: Vec<String>,
}

impl SentinelMemory {
    pub fn read(config: &Config) -> Result<Self, SettingsError> {
        let path = sentinel_file(config);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text, &config.master_name)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(at(&path)(error)),
        }
    }

    fn parse(text: &str, name: &str) -> Self {
        let mut memory = Self::default();
        let (mut host, mut of) = (None, 0);
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(0);
            match words[..] {
                ["sentinel", "monitor", its, master, ..] if its == name => host = Some(master.to_owned()),
                ["sentinel", what, ..] => {
                    match what {
                        "config-epoch" if words.get(2) == Some(&name) => of = number(3),
                        "current-epoch" => memory.epoch = number(2),
                        "myid" | "config-epoch" | "leader-epoch" | "known-replica" | "known-sentinel" => {}
                        _ => continue,
                    }
                    memory.lines.push(line.to_owned());
                }
                _ => {}
            }
        }
        memory.epoch = memory.epoch.max(of);
        memory.master = host.map(|host| (host, of));
        memory
    }

    pub fn claim(&self, config: &Config) -> Option<Claim> {
        let (host, epoch) = self.master.as_ref()?;
        Some(Claim { epoch: *epoch, master: config.names.node(host) })
    }

    /// The lines to write for a Sentinel that monitors this master; of this epoch, where that is news.
    fn kept(&self, name: &str, master: &str, news: Option<u64>) -> Vec<String> {
        // A node that was known as a replica may be the master now.
        let stale = format!("sentinel known-replica {name} {master} ");
        let mut lines: Vec<String> =
            self.lines.iter().filter(|line| !line.starts_with(&stale)).cloned().collect();
        if let Some(epoch) = news {
            let epochs = ["sentinel current-epoch ", "sentinel config-epoch "];
            lines.retain(|line| !epochs.iter().any(|prefix| line.starts_with(prefix)));
            lines.push(format!("sentinel config-epoch {name} {epoch}"));
            lines.push(format!("sentinel current-epoch {}", epoch.max(self.epoch)));
        }
        lines
    }
}

/// Writes the Sentinel's file: our settings, and the state that the Sentinel itself has stored. Returns its path.
pub fn write_sentinel(config: &Config, word: Word) -> Result<PathBuf, SettingsError> {
    let memory = SentinelMemory::read(config)?;
    let (master, news) = match word {
        Word::Memory => (memory.master.as_ref().map_or(config.my_name(), |(host, _)| host), None),
        Word::Joined { master, epoch } => (config.names.name(master), Some(epoch)),
        Word::Elected { epoch } => (config.my_name(), Some(epoch)),
    };
    let acl = config.run_dir.join("sentinel.acl");
    write(&acl, &users(config, &["sentinels.acl"])?)?;
    let (name, port, me) = (&config.master_name, config.names.port, config.my_name());
    let (admin, sentinel) = (password(config, "admin")?, password(config, "sentinel")?);
    let quorum = config.names.nodes.len() / 2 + 1;
    let mut text = tls(config, config.sentinel_port);
    for line in [
        format!("dir {}", config.data_dir.display()),
        format!("aclfile {}", acl.display()),
        "sentinel resolve-hostnames yes".into(),
        "sentinel announce-hostnames yes".into(),
        format!("sentinel announce-ip {me}"),
        format!("sentinel announce-port {}", config.sentinel_port),
        "sentinel sentinel-user admin".into(),
        format!("sentinel sentinel-pass {admin}"),
        format!("sentinel monitor {name} {master} {port} {quorum}"),
        format!("sentinel auth-user {name} sentinel"),
        format!("sentinel auth-pass {name} {sentinel}"),
        format!("sentinel down-after-milliseconds {name} 4000"),
        format!("sentinel failover-timeout {name} 5000"),
        format!("sentinel parallel-syncs {name} 2"),
    ]
    .into_iter()
    .chain(memory.kept(name, master, news))
    {
        text.push_str(&line);
        text.push('\n');
    }
    let path = sentinel_file(config);
    write(&path, &text)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as Sentinel 7.0 writes it.
    const FILE: &str = "port 0\nsentinel announce-ip \"a\"\nsentinel monitor purr a 6379 2\n\
        sentinel down-after-milliseconds purr 4000\nsentinel myid 4f1e\n\
        sentinel config-epoch purr 5\nsentinel leader-epoch purr 6\nsentinel current-epoch 6\n\
        user admin on #00 ~* &* +@all\n\
        sentinel known-replica purr b 6379\nsentinel known-replica purr c 6379\n\
        sentinel known-sentinel purr b 26379 77aa\nsentinel config-epoch other 9\n";

    #[test]
    fn of_what_a_sentinel_wrote_its_memory_is_kept() {
        let memory = SentinelMemory::parse(FILE, "purr");
        assert_eq!((memory.master.clone(), memory.epoch), (Some(("a".into(), 5)), 6));
        let same = memory.kept("purr", "a", None);
        assert_eq!(same.len(), 8, "{same:?}");
        assert!(same.iter().all(|line| line.starts_with("sentinel ") && FILE.contains(line.as_str())));
        assert!(!same.iter().any(|line| line.contains("monitor") || line.contains("announce")));
    }

    #[test]
    fn an_elected_master_is_newer_than_anything_known_and_no_replica_any_more() {
        let memory = SentinelMemory::parse(FILE, "purr");
        let lines = memory.kept("purr", "b", Some(7));
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!((count("known-replica purr b"), count("known-replica purr c")), (0, 1));
        assert_eq!((count("config-epoch purr 7"), count("current-epoch 7"), count("epoch")), (1, 1, 3));
        // The Sentinel has already voted in a later epoch.
        let lines = memory.kept("purr", "b", Some(6));
        assert!(lines.contains(&"sentinel current-epoch 6".to_owned()), "{lines:?}");
    }

    #[test]
    fn an_empty_file_knows_nothing() {
        assert_eq!(SentinelMemory::parse("", "purr"), SentinelMemory::default());
        assert_eq!(SentinelMemory::parse(FILE, "sessions").master, None);
    }
}
