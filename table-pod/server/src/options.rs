//! Options of `purr-table`, as flags or environment variables.

use crate::{
    core::{Pace, Recording},
    snapshot::Format,
};
use anyhow::{Context, ensure};
use clap::Parser;
use purr_protocol::{
    TableSpec, TableUid,
    record::{VERSION, VERSION_WRITTEN_MIN},
};
use purr_store::{LinkConfig, SessionsArgs, StoreArgs};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// One poker table: plays hands, commits them to Redis, hands settlements to the signer.
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Options {
    /// UID of the PokerTable
    #[arg(long, env = "PURR_TABLE_UID")]
    pub uid: String,
    /// The table as JSON (purr_protocol::TableSpec)
    #[arg(long, env = "PURR_TABLE_SPEC")]
    pub spec: String,
    /// Fencing generation that the controller gave this pod
    #[arg(long, env = "PURR_TABLE_GENERATION")]
    pub generation: u64,
    /// Connect and wait for the controller's order before taking over, as a successor does: true or false
    #[arg(long, env = "PURR_TABLE_STAND_BY", default_value_t = false, action = clap::ArgAction::Set)]
    pub stand_by: bool,
    /// Folder that lives as long as the pod
    #[arg(long, env = "PURR_STATE_DIR", default_value = "/var/lib/purr")]
    pub state_dir: PathBuf,
    /// Folder with tls.crt, tls.key and ca.crt
    #[arg(long, env = "PURR_TLS_DIR", default_value = "/etc/purr/tls")]
    pub tls_dir: PathBuf,
    /// Folder with the data keys
    #[arg(long, env = "PURR_DATA_KEY_DIR", default_value = "/etc/purr/data-key")]
    pub data_key_dir: PathBuf,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub sessions: SessionsArgs,
    /// host:port of the chain-signer
    #[arg(long, env = "PURR_SIGNER_ADDR")]
    pub signer_addr: String,
    /// host:port of the gateways' internal listener, for their published keys
    #[arg(long, env = "PURR_JWKS_ADDR")]
    pub jwks_addr: String,
    /// Issuer of players' tokens
    #[arg(long, env = "PURR_JWT_ISSUER")]
    pub jwt_issuer: String,
    /// Audience of players' tokens
    #[arg(long, env = "PURR_JWT_AUDIENCE", default_value = "purr")]
    pub jwt_audience: String,
    /// File with the public keys that gateways' assertions about players are verified with (a JWK set)
    #[arg(long, env = "PURR_ASSERTION_KEYS_FILE", default_value = "/etc/purr/assertion/keys.json")]
    pub assertion_keys_file: PathBuf,
    /// Also take players' access tokens, which gateways of the release before this one send: true or false
    #[arg(long, env = "PURR_ACCEPT_ACCESS_TOKENS", default_value_t = true, action = clap::ArgAction::Set)]
    pub accept_access_tokens: bool,
    /// Address for gateways and the controller (mutual TLS)
    #[arg(long, env = "PURR_LISTEN", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// Address for probes and metrics (plain HTTP)
    #[arg(long, env = "PURR_OPS_LISTEN", default_value = "0.0.0.0:9090")]
    pub ops_listen: SocketAddr,
    /// Pause between two hands, in milliseconds
    #[arg(long, env = "PURR_HAND_GAP_MS", default_value_t = 1_000)]
    pub hand_gap_ms: u64,
    /// Time for players to reveal their entropy, in milliseconds
    #[arg(long, env = "PURR_REVEAL_MS", default_value_t = 1_000)]
    pub reveal_ms: u64,
    /// Public key of the auditor who may open every hand's deck, 64 hex digits; empty: nobody
    #[arg(long, env = "PURR_AUDIT_KEY", default_value = "")]
    pub audit_key: String,
    /// Public key of the fair-play program, which may read the hidden cards of ended hands, 64 hex digits; empty: nobody.
    /// Needs --record-version 3
    #[arg(long, env = "PURR_FAIRPLAY_PUBLIC_KEY", default_value = "")]
    pub fairplay_public_key: String,
    /// Version of the hand records that are written: 3, or 2 while a release that reads no 3 may come back
    #[arg(long, env = "PURR_RECORD_VERSION", default_value_t = VERSION)]
    pub record_version: u8,
    /// Version of the snapshots and logs that commits write: 2, or 1 while a release that reads no 2 may come back
    #[arg(long, env = "PURR_SNAPSHOT_VERSION", default_value_t = purr_protocol::snapshot::VERSION)]
    pub snapshot_version: u8,
    /// Time to end the hand after SIGTERM, in seconds
    #[arg(long, env = "PURR_GRACE_S", default_value_t = 100)]
    pub grace_s: u64,
    /// Log filter, for instance info,purr_table=debug
    #[arg(long, env = "PURR_LOG", default_value = "info")]
    pub log: String,
}

/// Options that have been checked.
pub struct Config {
    pub uid: String,
    pub spec: TableSpec,
    pub generation: u64,
    pub stand_by: bool,
    pub state_dir: PathBuf,
    pub tls_dir: PathBuf,
    pub data_key_dir: PathBuf,
    pub store: LinkConfig,
    pub sessions: LinkConfig,
    pub signer_addr: String,
    pub jwks_addr: String,
    pub jwt_issuer: String,
    pub jwt_audience: String,
    pub assertion_keys_file: PathBuf,
    pub accept_access_tokens: bool,
    pub listen: SocketAddr,
    pub ops_listen: SocketAddr,
    pub pace: Pace,
    pub recording: Recording,
    pub format: Format,
    pub grace: Duration,
}

impl Options {
    pub fn validate(self) -> anyhow::Result<Config> {
        TableUid::check(&self.uid).with_context(|| format!("--uid '{}'", self.uid))?;
        let spec: TableSpec = serde_json::from_str(&self.spec).context("--spec")?;
        spec.validate().context("--spec")?;
        ensure!(self.generation > 0, "--generation counts from 1");
        ensure!(self.hand_gap_ms <= 60_000, "--hand-gap-ms is at most 60000");
        ensure!(self.reveal_ms <= 10_000, "--reveal-ms is at most 10000");
        let auditor = match self.audit_key.as_str() {
            "" => None,
            key => Some(key.parse().context("--audit-key")?),
        };
        let version = self.record_version;
        ensure!(
            (VERSION_WRITTEN_MIN..=VERSION).contains(&version),
            "--record-version {version}: must be {VERSION_WRITTEN_MIN} to {VERSION}"
        );
        let fair_play = match self.fairplay_public_key.as_str() {
            "" => None,
            key => Some(key.parse().context("--fairplay-public-key")?),
        };
        ensure!(fair_play.is_none() || version >= 3, "--fairplay-public-key needs --record-version 3");
        let ca = self.tls_dir.join("ca.crt");
        Ok(Config {
            store: self.store.link(ca.clone()).context("--store-sentinels")?,
            sessions: self.sessions.link(ca).context("--sessions-sentinels")?,
            pace: Pace { hand_gap_ms: self.hand_gap_ms, reveal_ms: self.reveal_ms },
            recording: Recording { version, auditor, fair_play },
            format: self.snapshot_version.try_into().context("--snapshot-version")?,
            grace: Duration::from_secs(self.grace_s),
            uid: self.uid,
            spec,
            generation: self.generation,
            stand_by: self.stand_by,
            state_dir: self.state_dir,
            tls_dir: self.tls_dir,
            data_key_dir: self.data_key_dir,
            signer_addr: self.signer_addr,
            jwks_addr: self.jwks_addr,
            jwt_issuer: self.jwt_issuer,
            jwt_audience: self.jwt_audience,
            assertion_keys_file: self.assertion_keys_file,
            accept_access_tokens: self.accept_access_tokens,
            listen: self.listen,
            ops_listen: self.ops_listen,
        })
    }
}
