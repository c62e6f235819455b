//! Options of `purr-records`, as flags or environment variables.

use crate::{
    day::{Day, day_of},
    export::{DAYS_MAX, Wanted},
    players::day_of_date,
    upkeep::Retention,
};
use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand};
use purr_engine::PlayerId;
use purr_protocol::hand::Site;
use purr_store::{LinkConfig, StoreArgs};
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::{collections::BTreeMap, fs, net::SocketAddr, path::PathBuf};

/// Hand history of all tables: from the Redis stream into PostgreSQL, and out to gateways.
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Options {
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Name in the stream's consumer group; the pod's own
    #[arg(long, env = "PURR_CONSUMER")]
    pub consumer: String,
    #[command(flatten)]
    pub store: StoreArgs,
    /// More Redis Sentinel groups that tables are in, as JSON: {"eu-2": {"sentinels": ["host:port"], "master": "purr"}}
    #[arg(long, env = "PURR_MORE_STORES", default_value = "{}")]
    pub more_stores: String,
    /// Host of PostgreSQL, as its certificate names it
    #[arg(long, env = "PURR_PG_HOST")]
    pub pg_host: String,
    /// Port of PostgreSQL
    #[arg(long, env = "PURR_PG_PORT", default_value_t = 5432)]
    pub pg_port: u16,
    /// Database; the records are in its schema `records`
    #[arg(long, env = "PURR_PG_DATABASE", default_value = "purr")]
    pub pg_database: String,
    /// User of the database
    #[arg(long, env = "PURR_PG_USER", default_value = "records")]
    pub pg_user: String,
    /// File that holds the user's password; read once
    #[arg(long, env = "PURR_PG_PASSWORD_FILE")]
    pub pg_password_file: PathBuf,
    /// PEM file of the CA that signed PostgreSQL's certificate; else ca.crt of --tls-dir
    #[arg(long, env = "PURR_PG_CA_FILE")]
    pub pg_ca_file: Option<PathBuf>,
    /// Days that the full record of a hand is kept; its result and what is counted of it stay. 0: for ever
    #[arg(long, env = "PURR_RETENTION_DAYS", default_value_t = 0)]
    pub retention_days: u32,
    /// Days that the event stream is kept; a consumer that is further behind has lost events. 0: for ever
    #[arg(long, env = "PURR_EVENTS_RETENTION_DAYS", default_value_t = 30)]
    pub events_retention_days: u32,
    /// host:port of the signer, which tells what became of hands on chain, and of seats and money; empty: nobody does, and
    /// every hand stays pending
    #[arg(long, env = "PURR_SIGNER_ADDR", default_value = "")]
    pub signer_addr: String,
    /// Folder with tls.crt, tls.key and ca.crt
    #[arg(long, env = "PURR_TLS_DIR", default_value = "/etc/purr/tls")]
    pub tls_dir: PathBuf,
    /// Address for gateways (mutual TLS)
    #[arg(long, env = "PURR_LISTEN", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// Address for probes and metrics (plain HTTP)
    #[arg(long, env = "PURR_OPS_LISTEN", default_value = "0.0.0.0:9090")]
    pub ops_listen: SocketAddr,
    /// Name of the poker site, as Open Hand History tells it
    #[arg(long, env = "PURR_SITE_NAME", default_value = "Purr Poker")]
    pub site_name: String,
    /// Name of the network that the site belongs to, as Open Hand History tells it [default: the site's name]
    #[arg(long, env = "PURR_NETWORK_NAME")]
    pub network_name: Option<String>,
    /// Currency of hands whose records do not say theirs (those of before), for instance USDC
    #[arg(long, env = "PURR_CURRENCY_UNIT", default_value = "")]
    pub currency_unit: String,
    /// Decimals of that currency, 0 to 18
    #[arg(long, env = "PURR_CURRENCY_DECIMALS", default_value_t = 0)]
    pub currency_decimals: u8,
    /// Log filter, for instance info,purr_records=debug
    #[arg(long, env = "PURR_LOG", default_value = "info")]
    pub log: String,
}

/// A command to run instead of serving.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Counts all players' statistics again from the records, beside the programs that serve; figures are incomplete
    /// until it ends. Safe to stop: what is left is counted by the programs that serve
    Rebuild,
    /// Forgets a player: no statistics, a name instead of the address in results and events. Records of hands keep their
    /// bytes until their retention ends, and the signer's ledger is not touched
    Erase {
        /// The player's address
        player: PlayerId,
    },
    /// Writes hands and what they say of each player as Parquet files, hour by hour, and brings the files of hours that
    /// have changed to their present state. README.md has queries for DuckDB and ClickHouse
    Export(ExportArgs),
}

/// Which hands are exported, and where to.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ExportArgs {
    /// Folder of the export; made where it is not there
    #[arg(long, env = "PURR_EXPORT_OUT")]
    pub out: PathBuf,
    /// First day (UTC), for instance 2026-11-01 [default: as --days says]
    #[arg(long, env = "PURR_EXPORT_FROM")]
    pub from: Option<String>,
    /// Last day (UTC), itself included [default: today]
    #[arg(long, env = "PURR_EXPORT_TO")]
    pub to: Option<String>,
    /// Days that are compared with what was exported before, today included, where --from is not given
    #[arg(long, env = "PURR_EXPORT_DAYS", default_value_t = 31)]
    pub days: u16,
    /// Minutes after the end of an hour from which on it is exported; hands that come later make its files anew
    #[arg(long, env = "PURR_EXPORT_DELAY_MINUTES", default_value_t = 5)]
    pub delay_minutes: u16,
    /// Players stand under names that nobody can turn back without the database's key, instead of their addresses
    #[arg(long, env = "PURR_EXPORT_PSEUDONYMOUS")]
    pub pseudonymous: bool,
}

impl ExportArgs {
    pub(crate) fn wanted(&self, now_ms: i64) -> anyhow::Result<Wanted> {
        ensure!(!self.out.as_os_str().is_empty(), "--out is empty");
        ensure!((1..=3_660).contains(&self.days), "--days is 1 to 3660");
        let day = |option: &str, text: &Option<String>| {
            let day = text.as_deref().filter(|text| !text.is_empty()).map(|text| {
                day_of_date(text).with_context(|| format!("{option} '{text}' is not a date like 2026-11-01"))
            });
            day.transpose()
        };
        let to = day("--to", &self.to)?.unwrap_or(day_of(now_ms));
        let from = day("--from", &self.from)?.unwrap_or(to - Day::from(self.days) + 1);
        ensure!(from >= 0, "--from is before 1970");
        ensure!(from <= to, "--from is after --to");
        ensure!(to - from < DAYS_MAX, "--from to --to are more than {DAYS_MAX} days");
        let until_ms = now_ms - i64::from(self.delay_minutes) * 60_000;
        Ok(Wanted { from, to, until_ms, pseudonymous: self.pseudonymous })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    /// host:port
    sentinels: Vec<String>,
    master: String,
}

/// Options that have been checked.
pub struct Config {
    pub consumer: String,
    /// All store groups whose hands are read.
    pub stores: Vec<LinkConfig>,
    pub postgres: PgConnectOptions,
    pub retention: Retention,
    /// `None`: no signer reports the outcome of hands.
    pub signer_addr: Option<String>,
    pub tls_dir: PathBuf,
    pub listen: SocketAddr,
    pub ops_listen: SocketAddr,
    pub site: Site,
}

/// Text of a name in a hand's record, in characters.
const NAME_MAX: usize = 100;

impl Options {
    /// The connection options for PostgreSQL.
    ///
    /// # Errors
    /// Where an option is not usable.
    pub fn postgres(&self) -> anyhow::Result<PgConnectOptions> {
        ensure!(!self.pg_host.is_empty(), "--pg-host is empty");
        ensure!(self.pg_port > 0, "--pg-port is 0");
        let ca = self.tls_dir.join("ca.crt");
        let password = fs::read_to_string(&self.pg_password_file)
            .with_context(|| format!("--pg-password-file {}", self.pg_password_file.display()))?;
        Ok(PgConnectOptions::new_without_pgpass()
            .host(&self.pg_host)
            .port(self.pg_port)
            .database(&self.pg_database)
            .username(&self.pg_user)
            .password(password.trim())
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert(self.pg_ca_file.as_ref().unwrap_or(&ca)))
    }

    pub fn validate(self) -> anyhow::Result<Config> {
        let named =
            (1..=253).contains(&self.consumer.len()) && self.consumer.chars().all(|c| c.is_ascii_graphic());
        ensure!(named, "--consumer '{}' must be 1 to 253 visible ASCII characters", self.consumer);
        let postgres = self.postgres()?;
        ensure!(
            self.listen != self.ops_listen || self.listen.port() == 0,
            "--listen and --ops-listen are the same"
        );
        ensure!(self.retention_days <= 36_500, "--retention-days is at most 36500");
        ensure!(self.events_retention_days <= 36_500, "--events-retention-days is at most 36500");
        let signer_addr = Some(self.signer_addr).filter(|address| !address.is_empty());
        if let Some(address) = &signer_addr {
            let port = address.rsplit_once(':').and_then(|(host, port)| {
                let port: u16 = port.parse().ok()?;
                (!host.is_empty() && port > 0).then_some(port)
            });
            ensure!(port.is_some(), "--signer-addr '{address}' is not host:port");
        }
        let network_name =
            self.network_name.filter(|name| !name.is_empty()).unwrap_or(self.site_name.clone());
        for (option, text) in [
            ("--site-name", &self.site_name),
            ("--network-name", &network_name),
            ("--currency-unit", &self.currency_unit),
        ] {
            let fits = text.chars().count() <= NAME_MAX && !text.chars().any(char::is_control);
            ensure!(fits, "{option} is at most {NAME_MAX} characters on one line");
        }
        ensure!(!self.site_name.is_empty(), "--site-name is empty");
        ensure!(self.currency_decimals <= 18, "--currency-decimals is at most 18");
        let site = Site {
            name: self.site_name,
            network: network_name,
            unit: self.currency_unit,
            decimals: self.currency_decimals,
        };
        let ca = self.tls_dir.join("ca.crt");
        let more: BTreeMap<String, Group> =
            serde_json::from_str(&self.more_stores).context("--more-stores")?;
        let mut stores = vec![self.store.link(ca.clone()).context("--store-sentinels")?];
        for (name, Group { sentinels, master }) in more {
            ensure!(!sentinels.is_empty(), "--more-stores: group '{name}' has no sentinels");
            // The same user and password in every group.
            let args = StoreArgs { store_sentinels: sentinels, store_master: master, ..self.store.clone() };
            stores.push(args.link(ca.clone()).with_context(|| format!("--more-stores: group '{name}'"))?);
        }
        Ok(Config {
            consumer: self.consumer,
            stores,
            postgres,
            retention: Retention {
                bodies_days: self.retention_days,
                events_days: self.events_retention_days,
            },
            signer_addr,
            tls_dir: self.tls_dir,
            listen: self.listen,
            site,
            ops_listen: self.ops_listen,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(from: &str, to: &str) -> anyhow::Result<Wanted> {
        let (from, to) = (Some(from.to_owned()), Some(to.to_owned()));
        let args =
            ExportArgs { out: "out".into(), from, to, days: 31, delay_minutes: 5, pseudonymous: false };
        args.wanted(20_786 * 86_400_000)
    }

    #[test]
    fn an_export_is_of_the_last_days_or_of_the_days_that_are_named() {
        let wanted = export("", "").unwrap();
        assert_eq!((wanted.from, wanted.to), (20_756, 20_786));
        assert_eq!(wanted.until_ms, 20_786 * 86_400_000 - 300_000);
        assert_eq!(export("2026-11-29", "2026-11-29").unwrap().from, 20_786);
        for (from, to, said) in [
            ("2026-11-29", "2026-11-28", "--from is after --to"),
            ("29.11.2026", "", "--from '29.11.2026'"),
            ("1970-01-01", "2026-11-28", "more than 3660 days"),
        ] {
            assert!(export(from, to).unwrap_err().to_string().contains(said), "{from} {to}");
        }
    }
}
