//! Options of `purr-chain-signer`, as flags or environment variables.

use crate::{
    chain::{Address, RpcConfig, parse_address},
    hsm::TokenConfig,
    signed::Trust,
};
use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand};
use purr_books::ledger::Subject;
use purr_store::{LinkConfig, SessionsArgs};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// The one holder of keys: checks, signs in an HSM, submits, confirms, keeps balances.
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Options {
    /// Log filter, for instance info,purr_chain_signer=debug
    #[arg(long, env = "PURR_LOG", default_value = "info", global = true)]
    pub log: String,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Runs the signer
    Serve(Box<ServeOptions>),
    /// Prints the addresses of the token's keys as JSON
    Keys(KeysOptions),
    /// Makes the token and its keys where there is no token, so that the signer itself never reads the security officer's PIN;
    /// a token that is there is left alone, and no PIN is tried
    Init(InitOptions),
    /// Deploys test token and vault to a development chain with a bare key; prints their addresses as JSON
    Deploy(Box<DeployOptions>),
    /// Makes every row of the journal again from its hash chain; fails where a row is another, and names it
    Audit(AuditOptions),
    /// Ends the quarantine of a table or player after a changed row was found and put right
    Release(ReleaseOptions),
    /// Has the running signer read the vault's log again, and take in what is missing; prints what it came to as JSON
    Rescan(RescanOptions),
}

#[derive(Args, Clone, Debug)]
pub struct HsmArgs {
    /// PKCS#11 module
    #[arg(long, env = "PURR_HSM_MODULE", default_value = "/usr/lib/softhsm/libsofthsm2.so")]
    pub hsm_module: PathBuf,
    /// Label of the token
    #[arg(long, env = "PURR_HSM_TOKEN_LABEL", default_value = "purr")]
    pub hsm_token_label: String,
    /// File with the user's PIN
    #[arg(long, env = "PURR_HSM_PIN_FILE", default_value = "/etc/purr/hsm/pin")]
    pub hsm_pin_file: PathBuf,
    /// File with the security officer's PIN, to initialise a token
    #[arg(long, env = "PURR_HSM_SO_PIN_FILE")]
    pub hsm_so_pin_file: Option<PathBuf>,
    /// Make the token and its keys where there are none; needs --hsm-so-pin-file
    #[arg(long, env = "PURR_INIT_TOKEN")]
    pub init_token: bool,
    /// Make keys that the token lacks, which needs the user's PIN alone
    #[arg(long, env = "PURR_CREATE_KEYS")]
    pub create_keys: bool,
    /// Label of the key that settles
    #[arg(long, env = "PURR_HSM_SETTLE_KEY", default_value = "settle")]
    pub hsm_settle_key: String,
    /// Label of the key that signs vouchers
    #[arg(long, env = "PURR_HSM_VOUCHER_KEY", default_value = "voucher")]
    pub hsm_voucher_key: String,
}

impl HsmArgs {
    pub fn token(&self) -> TokenConfig {
        TokenConfig {
            module: self.hsm_module.clone(),
            label: self.hsm_token_label.clone(),
            pin_file: self.hsm_pin_file.clone(),
            so_pin_file: self.hsm_so_pin_file.clone(),
            init: self.init_token,
        }
    }
}

#[derive(Args, Clone, Debug)]
pub struct PgArgs {
    /// Host of PostgreSQL
    #[arg(long, env = "PURR_PG_HOST", default_value = "localhost")]
    pub pg_host: String,
    /// Port of PostgreSQL
    #[arg(long, env = "PURR_PG_PORT", default_value_t = 5432)]
    pub pg_port: u16,
    /// Database; the signer's objects are in its schema `signer`
    #[arg(long, env = "PURR_PG_DATABASE", default_value = "purr")]
    pub pg_database: String,
    /// User of the database
    #[arg(long, env = "PURR_PG_USER", default_value = "signer")]
    pub pg_user: String,
    /// CA of PostgreSQL's certificate, whose name is checked too; without it the server is not verified
    #[arg(long, env = "PURR_PG_CA_FILE")]
    pub pg_ca_file: Option<PathBuf>,
    /// File with the password
    #[arg(long, env = "PURR_PG_PASSWORD_FILE")]
    pub pg_password_file: Option<PathBuf>,
}

impl PgArgs {
    pub fn connect(&self) -> anyhow::Result<PgConnectOptions> {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.pg_host)
            .port(self.pg_port)
            .database(&self.pg_database)
            .username(&self.pg_user);
        let options = match &self.pg_ca_file {
            Some(ca) => options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(ca),
            None => options,
        };
        let Some(file) = &self.pg_password_file else { return Ok(options) };
        let password = std::fs::read_to_string(file)
            .with_context(|| format!("--pg-password-file {}", file.display()))?;
        Ok(options.password(password.trim_end()))
    }
}

#[derive(Args, Clone, Debug)]
pub struct RpcArgs {
    /// URLs of the chain's nodes, tried in order
    #[arg(long, env = "PURR_RPC_URLS", value_delimiter = ',', default_value = "http://127.0.0.1:8545")]
    pub rpc_urls: Vec<String>,
    /// CAs for https nodes (PEM)
    #[arg(long, env = "PURR_RPC_CA_FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    pub rpc_ca_file: PathBuf,
    /// Requests a minute over all nodes; 0: no limit
    #[arg(long, env = "PURR_RPC_REQUESTS_PER_MINUTE", default_value_t = 0)]
    pub rpc_requests_per_minute: u32,
}

impl RpcArgs {
    pub fn config(&self) -> RpcConfig {
        RpcConfig {
            urls: self.rpc_urls.clone(),
            ca_file: Some(self.rpc_ca_file.clone()),
            requests_per_minute: self.rpc_requests_per_minute,
        }
    }
}

#[derive(Args, Clone, Debug)]
pub struct ServeOptions {
    #[command(flatten)]
    pub rpc: RpcArgs,
    #[command(flatten)]
    pub hsm: HsmArgs,
    #[command(flatten)]
    pub pg: PgArgs,
    #[arg(long, env = "PURR_CHAIN_ID", default_value_t = 31337)]
    pub chain_id: u64,
    /// Address of the vault; without one the signer lives and stays not ready
    #[arg(long, env = "PURR_VAULT")]
    pub vault: Option<String>,
    /// Address of the vault's token, to be sure that it is the right vault
    #[arg(long, env = "PURR_TOKEN")]
    pub token: Option<String>,
    /// Block of the vault's deployment: where the log is read from, the first time
    #[arg(long, env = "PURR_VAULT_BLOCK", default_value_t = 0)]
    pub vault_block: u64,
    /// Blocks on top of one that make it final
    #[arg(long, env = "PURR_CONFIRMATIONS", default_value_t = 2)]
    pub confirmations: u64,
    /// Most gas in one transaction
    #[arg(long, env = "PURR_GAS_MAX", default_value_t = 2_500_000)]
    pub gas_max: u64,
    /// Priority fee of a first attempt, in wei per gas
    #[arg(long, env = "PURR_PRIORITY_FEE_WEI", default_value_t = 0)]
    pub priority_fee_wei: u64,
    /// Most that one transaction may cost, in gwei; above it the transaction waits for a lower base fee; 0: no limit
    #[arg(long, env = "PURR_TRANSACTION_FEE_MAX_GWEI", default_value_t = 500_000_000)]
    pub transaction_fee_max_gwei: u64,
    /// Most that all transactions of an hour may cost together, in gwei; above it they wait; 0: no limit
    #[arg(long, env = "PURR_HOUR_FEE_MAX_GWEI", default_value_t = 5_000_000_000)]
    pub hour_fee_max_gwei: u64,
    /// Seconds that a transaction may wait for its block before its fee is raised
    #[arg(long, env = "PURR_STUCK_AFTER_S", default_value_t = 15)]
    pub stuck_after_s: u64,
    /// Milliseconds between two looks at the chain's head
    #[arg(long, env = "PURR_POLL_MS", default_value_t = 400)]
    pub poll_ms: u64,
    /// Seconds between two comparisons of ledger and chain; 0: only when asked
    #[arg(long, env = "PURR_RECONCILE_S", default_value_t = 60)]
    pub reconcile_s: u64,
    /// Take entries only with the signature of their table's own certificate; false: also those of tables of a release
    /// before, which sign nothing
    #[arg(long, env = "PURR_REQUIRE_SIGNED_ENTRIES", default_value_t = true, action = clap::ArgAction::Set)]
    pub require_signed_entries: bool,
    /// Seconds between two signatures over the end of the journal's hash chain; 0: none
    #[arg(long, env = "PURR_CHECKPOINT_S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub checkpoint_s: u64,
    /// Chips that may change hands in one hand, in minor units; 0: no limit
    #[arg(long, env = "PURR_HAND_LIMIT", default_value_t = 0)]
    pub hand_limit: u64,
    /// Chips of one table that may change hands in an hour, in minor units; 0: no limit
    #[arg(long, env = "PURR_HOUR_LIMIT", default_value_t = 0)]
    pub hour_limit: u64,
    /// Start although the settling key has sent transactions that an empty journal does not know
    #[arg(long, env = "PURR_ACCEPT_USED_KEY")]
    pub accept_used_key: bool,
    /// Sentinels of the sessions group, where balances are published, comma-separated host:port; none: they are not
    #[arg(long, env = "PURR_SESSIONS_SENTINELS", value_delimiter = ',')]
    pub sessions_sentinels: Vec<String>,
    /// Name under which the Sentinels know the master
    #[arg(long, env = "PURR_SESSIONS_MASTER", default_value = "sessions")]
    pub sessions_master: String,
    /// ACL user
    #[arg(long, env = "PURR_SESSIONS_USER", default_value = "signer")]
    pub sessions_user: String,
    /// File that holds the user's password
    #[arg(long, env = "PURR_SESSIONS_PASSWORD_FILE", default_value = "/etc/purr/redis/signer")]
    pub sessions_password_file: PathBuf,
    /// Name of this replica, for the sender's lease
    #[arg(long, env = "HOSTNAME", default_value = "chain-signer")]
    pub replica: String,
    /// Folder with tls.crt, tls.key and ca.crt
    #[arg(long, env = "PURR_TLS_DIR", default_value = "/etc/purr/tls")]
    pub tls_dir: PathBuf,
    /// Address for the fleet (mutual TLS)
    #[arg(long, env = "PURR_LISTEN", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// Address for probes and metrics (plain HTTP)
    #[arg(long, env = "PURR_OPS_LISTEN", default_value = "0.0.0.0:9090")]
    pub ops_listen: SocketAddr,
}

/// Options that have been checked.
pub struct Config {
    pub options: ServeOptions,
    pub vault: Option<Address>,
    pub token: Option<Address>,
    pub pg: PgConnectOptions,
    /// The CA is read with the other certificates.
    pub trust: Trust,
    /// `None`: balances are not published.
    pub sessions: Option<LinkConfig>,
    pub poll: Duration,
}

impl ServeOptions {
    pub fn validate(self) -> anyhow::Result<Config> {
        let address = |text: &Option<String>| match text.as_deref().map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => parse_address(text).map(Some).map_err(anyhow::Error::new),
        };
        ensure!(self.chain_id > 0, "--chain-id is a positive number");
        ensure!(self.confirmations <= 1_000, "--confirmations is at most 1000");
        ensure!(self.gas_max >= 1_000_000, "--gas-max is at least 1000000: one item needs up to 400000");
        let (one, hour) = (self.transaction_fee_max_gwei, self.hour_fee_max_gwei);
        ensure!(
            one == 0 || hour == 0 || one <= hour,
            "--transaction-fee-max-gwei {one} is above --hour-fee-max-gwei {hour}"
        );
        ensure!((50..=60_000).contains(&self.poll_ms), "--poll-ms is 50 to 60000");
        ensure!(
            self.hsm.hsm_settle_key != self.hsm.hsm_voucher_key,
            "--hsm-settle-key and --hsm-voucher-key must differ: no key both settles and pays out"
        );
        ensure!(
            !self.hsm.init_token || self.hsm.hsm_so_pin_file.is_some(),
            "--init-token needs --hsm-so-pin-file"
        );
        let sessions = SessionsArgs {
            sessions_sentinels: self.sessions_sentinels.clone(),
            sessions_master: self.sessions_master.clone(),
            sessions_user: self.sessions_user.clone(),
            sessions_password_file: self.sessions_password_file.clone(),
        };
        let sessions = match self.sessions_sentinels.as_slice() {
            [] => None,
            _ => Some(sessions.link(self.tls_dir.join("ca.crt")).context("--sessions-sentinels")?),
        };
        Ok(Config {
            sessions,
            trust: Trust { authority: None, required: self.require_signed_entries },
            vault: address(&self.vault).context("--vault")?,
            token: address(&self.token).context("--token")?,
            pg: self.pg.connect()?,
            poll: Duration::from_millis(self.poll_ms),
            options: self,
        })
    }
}

#[derive(Args, Clone, Debug)]
pub struct AuditOptions {
    #[command(flatten)]
    pub pg: PgArgs,
    /// URLs of the chain's nodes, which say what the vault's log has; without one the journal's own word is taken
    #[arg(long, env = "PURR_AUDIT_RPC_URLS", value_delimiter = ',')]
    pub rpc_urls: Vec<String>,
    /// CAs for https nodes (PEM)
    #[arg(long, env = "PURR_RPC_CA_FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    pub rpc_ca_file: PathBuf,
    /// Block of the vault's deployment: where the log is read from
    #[arg(long, env = "PURR_VAULT_BLOCK", default_value_t = 0)]
    pub vault_block: u64,
    /// The fleet's CA (PEM), to check the tables' signatures over their entries; without one they are not looked at
    #[arg(long, env = "PURR_AUDIT_CA_FILE")]
    pub ca_file: Option<PathBuf>,
    /// Name entries without a signature too
    #[arg(long, requires = "ca_file")]
    pub require_signed_entries: bool,
    /// File with checkpoints as the signer's log or the stream `checkpoints` has them, whatever is around them; - is the
    /// standard input
    #[arg(long, env = "PURR_AUDIT_CHECKPOINT")]
    pub checkpoint: Option<PathBuf>,
    /// Address of the key that signed the checkpoints; without it any key's count
    #[arg(long, env = "PURR_AUDIT_CHECKPOINT_KEY")]
    pub checkpoint_key: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub struct ReleaseOptions {
    #[command(flatten)]
    pub pg: PgArgs,
    /// What is released: table:UID or player:ADDRESS
    #[arg(long)]
    pub subject: Subject,
}

#[derive(Args, Clone, Debug)]
pub struct InitOptions {
    #[command(flatten)]
    pub hsm: HsmArgs,
}

#[derive(Args, Clone, Debug)]
pub struct KeysOptions {
    #[command(flatten)]
    pub hsm: HsmArgs,
    /// Make the keys that are missing
    #[arg(long)]
    pub create: bool,
}

#[derive(Args, Clone, Debug)]
pub struct RescanOptions {
    #[command(flatten)]
    pub pg: PgArgs,
    /// First block that is read again; nothing before it is
    #[arg(long)]
    pub from: u64,
    /// Seconds to wait until the signer that sends has read all of it; the order stays where they are over
    #[arg(long, default_value_t = 600)]
    pub wait_s: u64,
}

#[derive(Args, Clone, Debug)]
pub struct DeployOptions {
    #[command(flatten)]
    pub rpc: RpcArgs,
    /// File with the deployer's private key, 64 hex digits
    #[arg(long, env = "PURR_DEPLOYER_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// The deployer's private key itself, 64 hex digits
    #[arg(long, env = "PURR_DEPLOYER_KEY", hide_env_values = true, conflicts_with = "key_file")]
    pub key: Option<String>,
    /// The settling key's address (`keys` prints it)
    #[arg(long)]
    pub operator: String,
    /// The voucher key's address (`keys` prints it)
    #[arg(long)]
    pub voucher: String,
    /// An ERC-20 that exists; without one a test token is deployed
    #[arg(long)]
    pub token: Option<String>,
    /// A second settling key, active from the start, which waits for the day on which the first is revoked; without
    /// one a revocation stops settlement until a new key is active
    #[arg(long)]
    pub standby: Option<String>,
    /// May stop keys, deposits and sitting; neither the deployer nor anybody who has another role
    #[arg(long)]
    pub guardian: String,
    /// Three addresses, any two of which act together; the default is anvil's accounts 7 to 9
    #[arg(long, value_delimiter = ',', default_values_t = ANVIL_ADMINS.map(str::to_owned))]
    pub admins: Vec<String>,
    /// Seconds from requestExit to finaliseExit
    #[arg(long, default_value_t = 3_600)]
    pub exit_delay_s: u32,
    /// Seconds until a new key is active, at least the exit delay
    #[arg(long, default_value_t = 86_400)]
    pub key_delay_s: u32,
    /// Seconds in which the outflow limit, a player's share of it and a table's share of the reserve refill
    #[arg(long, default_value_t = 86_400)]
    pub outflow_period_s: u32,
    /// What vouchers pay out at once beyond what their players brought lately, in minor units
    #[arg(long, default_value_t = 1_000_000_000_000)]
    pub outflow_limit: u64,
    /// One player's share of the outflow limit, in minor units; the default is a tenth
    #[arg(long)]
    pub player_outflow: Option<u64>,
    /// What the house's reserve bears of one table's shortfalls in a period, in minor units; it counts as outflow
    #[arg(long, default_value_t = 0)]
    pub table_reserve: u64,
    /// Native currency for the operator's gas, in wei
    #[arg(long, default_value_t = 10_000_000_000_000_000_000)]
    pub operator_wei: u128,
}

/// Addresses of the development mnemonic that anvil shows when it starts.
const ANVIL_ADMINS: [&str; 3] = [
    "0x14dc79964da2c08b23698b3d3cc7ca32193d9955",
    "0x23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f",
    "0xa0ee7a142d267c1f36714e4a8f75612f20a79720",
];

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn an_empty_vault_is_none_and_a_malformed_one_is_named() {
        let serve = |vault: &str| {
            let options = Options::parse_from(["purr-chain-signer", "serve", "--vault", vault]);
            let Command::Serve(options) = options.command else { panic!("not serve") };
            options.validate()
        };
        assert!(serve("").unwrap().vault.is_none());
        let error = format!("{:#}", serve("0x12").err().unwrap());
        assert!(error.contains("--vault") && error.contains("0x12"), "{error}");
    }
}
