//! Options of `purr-fairplay serve`, as flags or environment variables.

use crate::{DetectorLimits, Keep, judge::Thresholds};
use anyhow::{Context, ensure};
use clap::Args;
use purr_protocol::fairplay::FairPlaySecret;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

const DAY_MS: u64 = 86_400_000;

/// Reads ended hands, scores them, and keeps cases for people to decide.
#[derive(Args, Clone, Debug)]
pub struct ServeOptions {
    #[command(flatten)]
    pub postgres: PostgresOptions,
    /// Folder with tls.crt, tls.key and ca.crt
    #[arg(long, env = "PURR_TLS_DIR", default_value = "/etc/purr/tls")]
    pub tls_dir: PathBuf,
    /// Folder with fair-play secret keys, one file each with 64 hex digits: every key that tables sealed to in hands that
    /// are still to be read
    #[arg(long, env = "PURR_FAIRPLAY_KEY_DIR", default_value = "/etc/purr/fairplay")]
    pub key_dir: PathBuf,
    /// host:port of records
    #[arg(long, env = "PURR_RECORDS_ADDR")]
    pub records_addr: String,
    /// host:port of the signer
    #[arg(long, env = "PURR_SIGNER_ADDR")]
    pub signer_addr: String,
    /// Address for gateways (mutual TLS)
    #[arg(long, env = "PURR_LISTEN", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// Address for probes and metrics (plain HTTP)
    #[arg(long, env = "PURR_OPS_LISTEN", default_value = "0.0.0.0:9090")]
    pub ops_listen: SocketAddr,
    /// Seconds from the end of a hand until it may be opened, 0 to 3600
    #[arg(long, env = "PURR_FAIRPLAY_MIN_AGE_S", default_value_t = 120)]
    pub min_age_s: u64,
    /// Seconds between two looks at the statistics while hands come, 1 to 3600
    #[arg(long, env = "PURR_FAIRPLAY_LOOK_S", default_value_t = 60)]
    pub look_s: u64,
    /// Seconds between two checkpoints of the detectors' state, 10 to 86400; what is after the last one is scored again by
    /// the next start
    #[arg(long, env = "PURR_FAIRPLAY_CHECKPOINT_S", default_value_t = 600)]
    pub checkpoint_s: u64,
    /// Maximum number of players that are scored, some 3 kB of memory each; hands with players beyond it are counted as
    /// refused
    #[arg(long, env = "PURR_FAIRPLAY_PLAYERS_MAX", default_value_t = 20_000)]
    pub players_max: usize,
    /// Maximum number of pairs that are scored, some 1.4 kB of memory each; beyond it, those who shared the fewest hands are
    /// forgotten
    #[arg(long, env = "PURR_FAIRPLAY_PAIRS_MAX", default_value_t = 300_000)]
    pub pairs_max: usize,
    /// Threshold of signals about pairs, in standard deviations
    #[arg(long, env = "PURR_FAIRPLAY_THRESHOLD_PAIR", default_value_t = Thresholds::default().pair)]
    pub threshold_pair: f64,
    /// Threshold of the superuser signal, in standard deviations
    #[arg(long, env = "PURR_FAIRPLAY_THRESHOLD_SUPERUSER", default_value_t = Thresholds::default().superuser)]
    pub threshold_superuser: f64,
    /// Threshold of the bot signal, in standard deviations
    #[arg(long, env = "PURR_FAIRPLAY_THRESHOLD_BOT", default_value_t = Thresholds::default().bot)]
    pub threshold_bot: f64,
    /// Threshold of the signal of several accounts of one person, in standard deviations
    #[arg(long, env = "PURR_FAIRPLAY_THRESHOLD_SAME_PERSON", default_value_t = Thresholds::default().same_person)]
    pub threshold_same_person: f64,
    /// False-discovery rate over all pairs and signals in 30 days, above 0 and below 1; each look spends the share of the
    /// time that it covers
    #[arg(long, env = "PURR_FAIRPLAY_FALSE_DISCOVERY", default_value_t = Thresholds::default().false_discovery)]
    pub false_discovery: f64,
    /// Days that features of think times are kept, 2 to 3650
    #[arg(long, env = "PURR_FAIRPLAY_TIMING_DAYS", default_value_t = 90)]
    pub timing_days: u64,
    /// Days from a player's last hand until everything that is counted of them is forgotten, 1 to 3650
    #[arg(long, env = "PURR_FAIRPLAY_PLAYER_DAYS", default_value_t = 400)]
    pub player_days: u64,
    /// Days from the clearing of a case until its texts and hands are taken out, 1 to 3650
    #[arg(long, env = "PURR_FAIRPLAY_CLEARED_DAYS", default_value_t = 365)]
    pub cleared_days: u64,
    /// Log filter, for instance info,purr_fairplay=debug
    #[arg(long, env = "PURR_LOG", default_value = "info")]
    pub log: String,
}

/// The database with the cases.
#[derive(Args, Clone, Debug)]
pub struct PostgresOptions {
    /// Host of PostgreSQL, as its certificate names it
    #[arg(long, env = "PURR_PG_HOST")]
    pub pg_host: String,
    /// Port of PostgreSQL
    #[arg(long, env = "PURR_PG_PORT", default_value_t = 5432)]
    pub pg_port: u16,
    /// Database; everything is in its schema `fairplay`
    #[arg(long, env = "PURR_PG_DATABASE", default_value = "purr")]
    pub pg_database: String,
    /// User of the database
    #[arg(long, env = "PURR_PG_USER", default_value = "fairplay")]
    pub pg_user: String,
    /// File that holds the user's password; read once
    #[arg(long, env = "PURR_PG_PASSWORD_FILE")]
    pub pg_password_file: PathBuf,
    /// PEM file of the CA that signed PostgreSQL's certificate
    #[arg(long, env = "PURR_PG_CA_FILE", default_value = "/etc/purr/tls/ca.crt")]
    pub pg_ca_file: PathBuf,
}

impl PostgresOptions {
    /// # Errors
    /// Names the option that cannot be.
    pub fn validate(&self) -> anyhow::Result<PgConnectOptions> {
        ensure!(!self.pg_host.is_empty(), "--pg-host is empty");
        ensure!(self.pg_port > 0, "--pg-port is 0");
        let password = fs::read_to_string(&self.pg_password_file)
            .with_context(|| format!("--pg-password-file {}", self.pg_password_file.display()))?;
        Ok(PgConnectOptions::new_without_pgpass()
            .host(&self.pg_host)
            .port(self.pg_port)
            .database(&self.pg_database)
            .username(&self.pg_user)
            .password(password.trim())
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert(&self.pg_ca_file))
    }
}

/// Secret keys by [`purr_protocol::fairplay::FairPlayKey::id`].
pub type Keys = BTreeMap<String, FairPlaySecret>;

/// Options that have been checked.
pub struct Config {
    pub postgres: PgConnectOptions,
    pub tls_dir: PathBuf,
    pub keys: Keys,
    pub records_addr: String,
    pub signer_addr: String,
    pub listen: SocketAddr,
    pub ops_listen: SocketAddr,
    pub pace: Pace,
    pub limits: DetectorLimits,
    pub keep: Keep,
    /// How long texts and hands of cleared cases are kept.
    pub cleared: Duration,
    pub thresholds: Thresholds,
}

/// How often what is done.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub min_age: Duration,
    pub look: Duration,
    pub checkpoint: Duration,
    /// Between two questions for hands where there were none, and between two rounds of what decisions ask for.
    pub poll: Duration,
}

impl ServeOptions {
    /// # Errors
    /// Names the option that cannot be.
    pub fn validate(self) -> anyhow::Result<Config> {
        for (option, address) in
            [("--records-addr", &self.records_addr), ("--signer-addr", &self.signer_addr)]
        {
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            let named = port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
            ensure!(named, "{option} '{address}' is not host:port");
        }
        ensure!(
            self.listen != self.ops_listen || self.listen.port() == 0,
            "--listen and --ops-listen are the same"
        );
        ensure!(self.min_age_s <= 3_600, "--min-age-s is at most 3600");
        ensure!((1..=3_600).contains(&self.look_s), "--look-s is 1 to 3600");
        ensure!((10..=86_400).contains(&self.checkpoint_s), "--checkpoint-s is 10 to 86400");
        ensure!((2..=1_000_000).contains(&self.players_max), "--players-max is 2 to 1000000");
        ensure!((1..=5_000_000).contains(&self.pairs_max), "--pairs-max is 1 to 5000000");
        for (option, days, least) in [
            ("--timing-days", self.timing_days, 2),
            ("--player-days", self.player_days, 1),
            ("--cleared-days", self.cleared_days, 1),
        ] {
            ensure!((least..=3_650).contains(&days), "{option} is {least} to 3650");
        }
        for (option, threshold) in [
            ("--threshold-pair", self.threshold_pair),
            ("--threshold-superuser", self.threshold_superuser),
            ("--threshold-bot", self.threshold_bot),
            ("--threshold-same-person", self.threshold_same_person),
        ] {
            ensure!((1.0..=20.0).contains(&threshold), "{option} is 1 to 20 standard deviations");
        }
        ensure!(
            self.false_discovery > 0.0 && self.false_discovery < 1.0,
            "--false-discovery is above 0 and below 1"
        );
        Ok(Config {
            postgres: self.postgres.validate()?,
            tls_dir: self.tls_dir,
            keys: read_keys(&self.key_dir)?,
            records_addr: self.records_addr,
            signer_addr: self.signer_addr,
            listen: self.listen,
            ops_listen: self.ops_listen,
            pace: Pace {
                min_age: Duration::from_secs(self.min_age_s),
                look: Duration::from_secs(self.look_s),
                checkpoint: Duration::from_secs(self.checkpoint_s),
                poll: Duration::from_secs(2),
            },
            limits: DetectorLimits { pairs_max: self.pairs_max, players_max: self.players_max },
            keep: Keep { timing_ms: self.timing_days * DAY_MS, player_ms: self.player_days * DAY_MS },
            cleared: Duration::from_millis(self.cleared_days * DAY_MS),
            thresholds: Thresholds {
                pair: self.threshold_pair,
                superuser: self.threshold_superuser,
                bot: self.threshold_bot,
                same_person: self.threshold_same_person,
                false_discovery: self.false_discovery,
            },
        })
    }
}

/// Every visible file of the folder; a mounted Secret has hidden ones beside them.
fn read_keys(dir: &Path) -> anyhow::Result<Keys> {
    let mut keys = Keys::new();
    let named = || format!("--key-dir {}", dir.display());
    for entry in fs::read_dir(dir).with_context(named)? {
        let path = entry.with_context(named)?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if hidden || path.is_dir() {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        let key: FairPlaySecret =
            text.trim().parse().with_context(|| format!("{}: want 64 hex digits", path.display()))?;
        keys.insert(key.public().id(), key);
    }
    ensure!(!keys.is_empty(), "{}: there is no key", named());
    Ok(keys)
}
