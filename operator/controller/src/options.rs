//! Options of `purr-controller`, as flags or environment variables.

use crate::{
    allowed::{Allowed, ENTRIES_MAX},
    defaults::{Chain, Defaults, StoreGroup},
    pace::Budget,
    table::AUTO,
};
use anyhow::{Context, ensure};
use clap::Parser;
use purr_crds::Resources;
use purr_namespaces::{Namespaces, NamespacesArgs};
use purr_protocol::{
    audit::AuditorKey,
    fairplay::FairPlayKey,
    record::{VERSION, VERSION_WRITTEN_MIN},
    snapshot,
};
use purr_store::{LinkConfig, SessionsArgs};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

/// Reconciles PokerTables into pods. `purr-controller bootstrap --help`: makes the Secrets of a release.
/// `purr-controller pay-out --help`: pays out players at a table that is gone
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Options {
    /// Namespace of this program: of its lease, of the Secrets that table pods mount, and of the tables where no other is named
    #[arg(long, env = "PURR_NAMESPACE")]
    pub namespace: String,
    #[command(flatten)]
    pub namespaces: NamespacesArgs,
    /// Name of this process among the controllers, for the leader's lease and for Events
    #[arg(long, env = "PURR_IDENTITY")]
    pub identity: String,
    /// Release of the chart: the first part of the names of its Secrets
    #[arg(long, env = "PURR_RELEASE")]
    pub release: String,
    /// Redis Sentinel groups that tables may name, as JSON: {"default": {"sentinels": ["host:port"], "master": "purr"}}
    #[arg(long, env = "PURR_STORES")]
    pub stores: String,
    #[command(flatten)]
    pub sessions: SessionsArgs,
    /// Folder with tls.crt, tls.key and ca.crt
    #[arg(long, env = "PURR_TLS_DIR", default_value = "/etc/purr/tls")]
    pub tls_dir: PathBuf,
    /// Folder with tls.crt and tls.key of the CA that signs the tables' certificates
    #[arg(long, env = "PURR_CA_DIR", default_value = "/etc/purr/ca")]
    pub ca_dir: PathBuf,
    /// How long a table's certificate is valid, in hours; renewed when a third of it is left
    #[arg(long, env = "PURR_TABLE_CERTIFICATE_HOURS", default_value_t = 168)]
    pub table_certificate_hours: u64,
    /// host:port of the chain-signer
    #[arg(long, env = "PURR_SIGNER_ADDR")]
    pub signer_addr: String,
    /// Image of the table pods
    #[arg(long, env = "PURR_TABLE_IMAGE")]
    pub table_image: String,
    /// Always, IfNotPresent or Never
    #[arg(long, env = "PURR_TABLE_IMAGE_PULL_POLICY", default_value = "IfNotPresent")]
    pub table_image_pull_policy: String,
    /// Other images that a PokerTable may name, comma-separated. One that ends in /, : or @ allows all that begin with it
    #[arg(long, env = "PURR_TABLE_ALLOWED_IMAGES", value_delimiter = ',')]
    pub table_allowed_images: Vec<String>,
    /// Labels of nodes that a PokerTable may select, comma-separated; *: all
    #[arg(long, env = "PURR_TABLE_NODE_SELECTOR_KEYS", value_delimiter = ',')]
    pub table_node_selector_keys: Vec<String>,
    /// Keys of taints that a PokerTable may tolerate, comma-separated; *: all
    #[arg(long, env = "PURR_TABLE_TOLERATION_KEYS", value_delimiter = ',')]
    pub table_toleration_keys: Vec<String>,
    /// Requests and limits of a table pod, as JSON
    #[arg(long, env = "PURR_TABLE_RESOURCES")]
    pub table_resources: String,
    /// Time for a table pod to end its hand, in seconds
    #[arg(long, env = "PURR_TABLE_GRACE_S", default_value_t = 120)]
    pub table_grace_s: u32,
    /// Log filter of the table pods
    #[arg(long, env = "PURR_TABLE_LOG", default_value = "info")]
    pub table_log: String,
    /// host:port of the gateways' internal listener, for table pods
    #[arg(long, env = "PURR_TABLE_JWKS_ADDR")]
    pub table_jwks_addr: String,
    /// Issuer of players' tokens, for table pods
    #[arg(long, env = "PURR_TABLE_JWT_ISSUER")]
    pub table_jwt_issuer: String,
    /// Audience of players' tokens, for table pods
    #[arg(long, env = "PURR_TABLE_JWT_AUDIENCE", default_value = "purr")]
    pub table_jwt_audience: String,
    /// Tables also take players' access tokens, which gateways of the release before this one send: true or false
    #[arg(long, env = "PURR_TABLE_ACCEPT_ACCESS_TOKENS", default_value_t = true, action = clap::ArgAction::Set)]
    pub table_accept_access_tokens: bool,
    /// Public key of the auditor who may open every hand's deck, 64 hex digits; empty: nobody
    #[arg(long, env = "PURR_TABLE_AUDIT_KEY", default_value = "")]
    pub table_audit_key: String,
    /// Public key of the fair-play program, which may read the hidden cards of ended hands, 64 hex digits; empty: nobody.
    /// Needs --table-record-version 3
    #[arg(long, env = "PURR_TABLE_FAIRPLAY_PUBLIC_KEY", default_value = "")]
    pub table_fairplay_public_key: String,
    /// Version of the hand records that tables write: 3, or 2 while a release that reads no 3 may come back
    #[arg(long, env = "PURR_TABLE_RECORD_VERSION", default_value_t = VERSION)]
    pub table_record_version: u8,
    /// Version of the snapshots and logs that tables' commits write: 2, or 1 while a release that reads no 2 may come back
    #[arg(long, env = "PURR_TABLE_SNAPSHOT_VERSION", default_value_t = snapshot::VERSION)]
    pub table_snapshot_version: u8,
    /// Vault of tables that name none; empty: they wait until there is one
    #[arg(long, env = "PURR_CHAIN_VAULT", default_value = "")]
    pub chain_vault: String,
    /// Chain of tables that name none (EIP-155)
    #[arg(long, env = "PURR_CHAIN_ID")]
    pub chain_id: u64,
    /// Token of tables that name none
    #[arg(long, env = "PURR_CHAIN_TOKEN", default_value = "")]
    pub chain_token: String,
    /// Decimals of that token: how many digits of an amount are minor
    #[arg(long, env = "PURR_CHAIN_DECIMALS", default_value_t = 6)]
    pub chain_decimals: u8,
    /// What people call that token
    #[arg(long, env = "PURR_CHAIN_UNIT", default_value = "USDC")]
    pub chain_unit: String,
    /// How often all tables' summaries are read, in milliseconds
    #[arg(long, env = "PURR_SUMMARY_EVERY_MS", default_value_t = 1_000)]
    pub summary_every_ms: u64,
    /// Tables reconciled at once
    #[arg(long, env = "PURR_CONCURRENCY", default_value_t = 16)]
    pub concurrency: u16,
    /// Tables without a fleet that move to a new pod at once, when an upgrade changes their pods
    #[arg(long, env = "PURR_ROLLOUT_BATCH", default_value_t = 2)]
    pub rollout_batch: u16,
    /// Time for such a new pod to take its table over, in seconds. After it the table is Stalled, and no other one moves
    #[arg(long, env = "PURR_ROLLOUT_DEADLINE_S", default_value_t = 180)]
    pub rollout_deadline_s: u32,
    /// Address for probes and metrics (plain HTTP)
    #[arg(long, env = "PURR_OPS_LISTEN", default_value = "0.0.0.0:9090")]
    pub ops_listen: SocketAddr,
    /// Log filter, for instance info,purr_controller=debug
    #[arg(long, env = "PURR_LOG", default_value = "info")]
    pub log: String,
}

/// Options that have been checked.
#[derive(Clone)]
pub struct Config {
    /// The controller's own namespace.
    pub namespace: String,
    /// The tables' namespaces.
    pub namespaces: Namespaces,
    pub identity: String,
    pub fleet: Defaults,
    pub sessions: LinkConfig,
    /// The ways to the store groups, by name.
    pub stores: Vec<(String, LinkConfig)>,
    pub tls_dir: PathBuf,
    pub ca_dir: PathBuf,
    pub certificate_valid: Duration,
    pub summary_every: Duration,
    pub concurrency: u16,
    /// Budget of the tables without a fleet.
    pub rollout: Budget,
    pub ops_listen: SocketAddr,
}

impl Options {
    pub fn validate(self) -> anyhow::Result<Config> {
        ensure!(!self.namespace.is_empty(), "--namespace is empty");
        let namespaces = self.namespaces.validate(&self.namespace)?;
        ensure!(!self.identity.is_empty(), "--identity is empty");
        let stores: BTreeMap<String, StoreGroup> = serde_json::from_str(&self.stores).context("--stores")?;
        ensure!(!stores.contains_key(AUTO), "--stores: no group may be called '{AUTO}'");
        for (name, group) in &stores {
            ensure!(!group.sentinels.is_empty(), "--stores: group '{name}' has no sentinels");
        }
        let resources: Resources =
            serde_json::from_str(&self.table_resources).context("--table-resources")?;
        for (what, amounts) in [("requests", &resources.requests), ("limits", &resources.limits)] {
            ensure!(amounts.contains_key("memory"), "--table-resources: {what}.memory is missing");
        }
        let policies = ["Always", "IfNotPresent", "Never"];
        ensure!(
            policies.contains(&self.table_image_pull_policy.as_str()),
            "--table-image-pull-policy is one of {policies:?}"
        );
        let lists = [
            ("--table-allowed-images", &self.table_allowed_images),
            ("--table-node-selector-keys", &self.table_node_selector_keys),
            ("--table-toleration-keys", &self.table_toleration_keys),
        ];
        for (option, list) in lists {
            ensure!(list.len() <= ENTRIES_MAX, "{option} has at most {ENTRIES_MAX} entries");
        }
        // An empty variable is an empty list.
        let listed = |list: Vec<String>| list.into_iter().filter(|entry| !entry.is_empty()).collect();
        let allowed = Allowed {
            images: listed(self.table_allowed_images),
            node_selector_keys: listed(self.table_node_selector_keys),
            toleration_keys: listed(self.table_toleration_keys),
        };
        ensure!((30..=3_600).contains(&self.table_grace_s), "--table-grace-s is 30 to 3600");
        ensure!(
            (1..=8_760).contains(&self.table_certificate_hours),
            "--table-certificate-hours is 1 to 8760"
        );
        ensure!((500..=60_000).contains(&self.summary_every_ms), "--summary-every-ms is 500 to 60000");
        ensure!(self.concurrency > 0, "--concurrency is at least 1");
        ensure!((1..=1_000).contains(&self.rollout_batch), "--rollout-batch is 1 to 1000");
        ensure!((30..=3_600).contains(&self.rollout_deadline_s), "--rollout-deadline-s is 30 to 3600");
        ensure!(self.chain_decimals <= 18, "--chain-decimals is at most 18");
        for (option, address) in [("--chain-vault", &self.chain_vault), ("--chain-token", &self.chain_token)]
        {
            ensure!(address.is_empty() || is_address(address), "{option} is 0x and 40 hex digits");
        }
        ensure!(
            self.chain_vault.is_empty() == self.chain_token.is_empty(),
            "--chain-vault and --chain-token go together"
        );
        if !self.table_audit_key.is_empty() {
            // A key that no table could use would only show when their pods do not start.
            self.table_audit_key.parse::<AuditorKey>().context("--table-audit-key")?;
        }
        ensure!(
            (VERSION_WRITTEN_MIN..=VERSION).contains(&self.table_record_version),
            "--table-record-version {}: must be {VERSION_WRITTEN_MIN} to {VERSION}",
            self.table_record_version
        );
        ensure!(
            (snapshot::VERSION_WRITTEN_MIN..=snapshot::VERSION).contains(&self.table_snapshot_version),
            "--table-snapshot-version {}: must be {} to {}",
            self.table_snapshot_version,
            snapshot::VERSION_WRITTEN_MIN,
            snapshot::VERSION
        );
        if !self.table_fairplay_public_key.is_empty() {
            self.table_fairplay_public_key.parse::<FairPlayKey>().context("--table-fairplay-public-key")?;
            ensure!(
                self.table_record_version >= 3,
                "--table-fairplay-public-key needs --table-record-version 3"
            );
        }
        let chain = (!self.chain_vault.is_empty()).then(|| Chain {
            vault: self.chain_vault.to_ascii_lowercase(),
            chain_id: self.chain_id,
            token: self.chain_token.to_ascii_lowercase(),
            decimals: self.chain_decimals,
            unit: self.chain_unit,
        });
        let ca = self.tls_dir.join("ca.crt");
        let sessions = self.sessions.link(ca.clone()).context("--sessions-sentinels")?;
        let mut store_links = Vec::with_capacity(stores.len());
        for (name, group) in &stores {
            // The same user and password in every group.
            let args = SessionsArgs {
                sessions_sentinels: group.sentinels.clone(),
                sessions_master: group.master.clone(),
                ..self.sessions.clone()
            };
            let link = args.link(ca.clone()).with_context(|| format!("--stores: group '{name}'"))?;
            store_links.push((name.clone(), link));
        }
        let fleet = Defaults {
            release: self.release,
            stores,
            sessions: StoreGroup {
                sentinels: self.sessions.sessions_sentinels,
                master: self.sessions.sessions_master,
            },
            chain,
            signer_addr: self.signer_addr,
            image: self.table_image,
            image_pull_policy: self.table_image_pull_policy,
            allowed,
            resources,
            grace_s: self.table_grace_s,
            log: self.table_log,
            jwks_addr: self.table_jwks_addr,
            jwt_issuer: self.table_jwt_issuer,
            jwt_audience: self.table_jwt_audience,
            accept_access_tokens: self.table_accept_access_tokens,
            audit_key: self.table_audit_key.to_ascii_lowercase(),
            fairplay_key: self.table_fairplay_public_key.to_ascii_lowercase(),
            record_version: self.table_record_version,
            snapshot_version: self.table_snapshot_version,
        };
        Ok(Config {
            namespace: self.namespace,
            namespaces,
            identity: self.identity,
            fleet,
            sessions,
            stores: store_links,
            tls_dir: self.tls_dir,
            ca_dir: self.ca_dir,
            certificate_valid: Duration::from_secs(self.table_certificate_hours * 3_600),
            summary_every: Duration::from_millis(self.summary_every_ms),
            concurrency: self.concurrency,
            rollout: Budget { batch: self.rollout_batch.into(), deadline_s: self.rollout_deadline_s.into() },
            ops_listen: self.ops_listen,
        })
    }
}

fn is_address(text: &str) -> bool {
    text.strip_prefix("0x").is_some_and(|hex| hex.len() == 40 && hex.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(changes: &[(&str, &str)]) -> anyhow::Result<Config> {
        let mut all = vec![
            ("--namespace", "poker"),
            ("--identity", "controller-0"),
            ("--release", "purr"),
            ("--stores", r#"{"default": {"sentinels": ["redis-0:26379"], "master": "purr"}}"#),
            ("--sessions-sentinels", "sessions-0:26379"),
            ("--sessions-user", "controller"),
            ("--sessions-password-file", "/etc/purr/redis/controller"),
            ("--signer-addr", "signer:8443"),
            ("--table-image", "localhost/purr/table:dev"),
            ("--table-resources", r#"{"requests": {"memory": "32Mi"}, "limits": {"memory": "256Mi"}}"#),
            ("--table-jwks-addr", "gateway:8444"),
            ("--table-jwt-issuer", "https://localhost"),
            ("--chain-id", "31337"),
        ];
        all.retain(|(option, _)| changes.iter().all(|(changed, _)| changed != option));
        all.extend(changes);
        let words = all.into_iter().flat_map(|(option, value)| [option, value]);
        Options::try_parse_from(["purr-controller"].into_iter().chain(words))?.validate()
    }

    #[test]
    fn the_charts_options_are_valid_with_and_without_a_vault() {
        assert!(options(&[]).unwrap().fleet.chain.is_none());
        let (vault, token) = (format!("0x{}", "A".repeat(40)), format!("0x{}", "b".repeat(40)));
        let config = options(&[("--chain-vault", &vault), ("--chain-token", &token)]).unwrap();
        assert_eq!(config.fleet.chain.unwrap().vault, vault.to_ascii_lowercase());
    }

    #[test]
    fn the_lists_of_what_tables_may_name_are_empty_unless_they_are_set() {
        assert_eq!(options(&[]).unwrap().fleet.allowed, Allowed::default());
        assert_eq!(options(&[("--table-allowed-images", "")]).unwrap().fleet.allowed, Allowed::default());
        let images = options(&[("--table-allowed-images", "a/,b@sha256:c")]).unwrap().fleet.allowed.images;
        assert_eq!(images, ["a/", "b@sha256:c"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("--namespaces", "a,B", "'B'"),
            ("--stores", "[]", "--stores"),
            ("--stores", r#"{"a": {"sentinels": [], "master": "m"}}"#, "'a'"),
            ("--stores", r#"{"auto": {"sentinels": ["a:1"], "master": "m"}}"#, "'auto'"),
            ("--table-resources", "{}", "requests.memory"),
            ("--table-image-pull-policy", "Sometimes", "--table-image-pull-policy"),
            ("--table-grace-s", "5", "--table-grace-s"),
            ("--summary-every-ms", "10", "--summary-every-ms"),
            ("--rollout-batch", "0", "--rollout-batch"),
            ("--rollout-deadline-s", "5", "--rollout-deadline-s"),
            ("--chain-vault", "0x1", "--chain-vault"),
            ("--sessions-sentinels", "nowhere", "--sessions-sentinels"),
            ("--table-audit-key", "00", "--table-audit-key"),
            ("--table-fairplay-public-key", "00", "--table-fairplay-public-key"),
            ("--table-record-version", "1", "--table-record-version 1"),
            ("--table-record-version", "4", "must be 2 to 3"),
            ("--table-snapshot-version", "3", "must be 1 to 2"),
        ];
        for (option, value, named) in cases {
            let error = options(&[(option, value)]).err().map(|error| format!("{error:#}"));
            assert!(error.as_ref().is_some_and(|error| error.contains(named)), "{option}: {error:?}");
        }
    }
}
