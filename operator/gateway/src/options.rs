//! Options of `purr-gateway`, as flags or environment variables.

use crate::{
    api::lobby::StreamBounds,
    auth::{
        keys::{KeyError, Keys},
        outside,
    },
    front::Front,
    limits::{Class, Rate},
    networks,
    relay::SpectatorBounds,
};
use anyhow::{Context, bail, ensure};
use clap::Parser;
use http::Uri;
use purr_namespaces::{Namespaces, NamespacesArgs};
use purr_protocol::floor::Thresholds;
use purr_runtime::Cidr;
use purr_store::{LinkConfig, SessionsArgs};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// The API gateway: sign-in, tokens, limits, lobby, and players' sockets routed to their tables.
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Options {
    /// Namespace of the table pods where no other is named
    #[arg(long, env = "PURR_NAMESPACE")]
    pub namespace: String,
    #[command(flatten)]
    pub namespaces: NamespacesArgs,
    /// Name that wallets show when somebody signs in (the EIP-4361 domain)
    #[arg(long, env = "PURR_DOMAIN")]
    pub domain: String,
    /// URL under which players reach the gateway
    #[arg(long, env = "PURR_PUBLIC_URL")]
    pub public_url: String,
    /// EVM chain that sign-ins name
    #[arg(long, env = "PURR_CHAIN_ID")]
    pub chain_id: u64,
    /// Folder with tls.crt and tls.key of the public listener
    #[arg(long, env = "PURR_PUBLIC_TLS_DIR", default_value = "/etc/purr/public-tls")]
    pub public_tls_dir: PathBuf,
    /// Folder with tls.crt, tls.key and ca.crt of the fleet
    #[arg(long, env = "PURR_TLS_DIR", default_value = "/etc/purr/tls")]
    pub tls_dir: PathBuf,
    /// Folder with the keys that sign access tokens: KID.pem, and 'current' with the KID that signs
    #[arg(long, env = "PURR_JWT_KEY_DIR", default_value = "/etc/purr/jwt")]
    pub jwt_key_dir: PathBuf,
    /// Issuer of access tokens
    #[arg(long, env = "PURR_JWT_ISSUER")]
    pub jwt_issuer: String,
    /// Audience of access tokens
    #[arg(long, env = "PURR_JWT_AUDIENCE", default_value = "purr")]
    pub jwt_audience: String,
    /// Folder with the keys that sign assertions for tables, as --jwt-key-dir has them; left out: tables get players' access
    /// tokens
    #[arg(long, env = "PURR_ASSERTION_KEY_DIR")]
    pub assertion_key_dir: Option<PathBuf>,
    /// Send players' access tokens to tables that verify no assertions, those of the release before this one: true or false
    #[arg(long, env = "PURR_ACCESS_TOKENS_AT_TABLES", default_value_t = true, action = clap::ArgAction::Set)]
    pub access_tokens_at_tables: bool,
    /// JSON file with roles by wallet address, for instance {"0x…": ["auditor"]}
    #[arg(long, env = "PURR_ROLES_FILE")]
    pub roles_file: Option<PathBuf>,
    /// host:port of the chain-signer
    #[arg(long, env = "PURR_SIGNER_ADDR")]
    pub signer_addr: String,
    /// host:port of records
    #[arg(long, env = "PURR_RECORDS_ADDR")]
    pub records_addr: String,
    /// host:port of another service than --fairplay-addr that says which players are not seated at one table; without either,
    /// nobody is kept apart
    #[arg(long, env = "PURR_KEEP_APART_ADDR")]
    pub keep_apart_addr: Option<String>,
    /// host:port of the fair-play program; empty: the house has none, and its endpoints answer 404
    #[arg(long, env = "PURR_FAIRPLAY_ADDR", default_value = "")]
    pub fairplay_addr: String,
    /// Origins whose pages may ask, beside the public URL's own; comma-separated
    #[arg(long, env = "PURR_ALLOWED_ORIGINS", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,
    #[command(flatten)]
    pub sessions: SessionsArgs,
    /// Address for players (TLS)
    #[arg(long, env = "PURR_LISTEN", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// Address for table pods (mutual TLS): published keys
    #[arg(long, env = "PURR_INTERNAL_LISTEN", default_value = "0.0.0.0:8444")]
    pub internal_listen: SocketAddr,
    /// Address for probes and metrics (plain HTTP)
    #[arg(long, env = "PURR_OPS_LISTEN", default_value = "0.0.0.0:9090")]
    pub ops_listen: SocketAddr,
    /// Nonces and sign-ins a second from one address; of IPv6 from one /64, four times as many from a /56 and sixteen times
    /// as many from a /48
    #[arg(long, env = "PURR_SIGN_IN_RATE", default_value_t = 5)]
    pub sign_in_rate: u32,
    /// Refreshes a second of one sign-in, whatever its address
    #[arg(long, env = "PURR_REFRESH_RATE", default_value_t = 1)]
    pub refresh_rate: u32,
    /// Other requests a second from one address
    #[arg(long, env = "PURR_ADDRESS_RATE", default_value_t = 50)]
    pub address_rate: u32,
    /// Requests a second of one player
    #[arg(long, env = "PURR_PLAYER_RATE", default_value_t = 20)]
    pub player_rate: u32,
    /// Sockets a second that one address opens
    #[arg(long, env = "PURR_SOCKET_RATE", default_value_t = 20)]
    pub socket_rate: u32,
    /// Withdrawals and administrators' requests a second of one person
    #[arg(long, env = "PURR_MONEY_RATE", default_value_t = 1)]
    pub money_rate: u32,
    /// Requests answered at once; half of them sign-ins, three quarters sign-ins and the lobby, nine tenths all but those
    /// of players with a seat
    #[arg(long, env = "PURR_REQUESTS_MAX", default_value_t = 1_000)]
    pub requests_max: u32,
    /// Requests of one address answered at once
    #[arg(long, env = "PURR_ADDRESS_REQUESTS_MAX", default_value_t = 64)]
    pub address_requests_max: u32,
    /// Requests of one address whose body is being waited for at once
    #[arg(long, env = "PURR_ADDRESS_BODIES_MAX", default_value_t = 16)]
    pub address_bodies_max: u32,
    /// Connections of one address at once that have not sent a request yet
    #[arg(long, env = "PURR_ADDRESS_ARRIVING_MAX", default_value_t = 200)]
    pub address_arriving_max: u32,
    /// Spectators at one table at once in this gateway; players with a seat are not counted
    #[arg(long, env = "PURR_TABLE_SPECTATORS_MAX", default_value_t = 256)]
    pub table_spectators_max: u32,
    /// Spectators from one address at once in this gateway
    #[arg(long, env = "PURR_ADDRESS_SPECTATORS_MAX", default_value_t = 50)]
    pub address_spectators_max: u32,
    /// Tables that one account watches at once in this gateway without a seat
    #[arg(long, env = "PURR_ACCOUNT_SPECTATORS_MAX", default_value_t = 8)]
    pub account_spectators_max: u32,
    /// Streams of lobby changes at once; half of them for those who have not signed in
    #[arg(long, env = "PURR_LOBBY_STREAMS_MAX", default_value_t = 1_000)]
    pub lobby_streams_max: u32,
    /// Streams of lobby changes from one address at once
    #[arg(long, env = "PURR_ADDRESS_LOBBY_STREAMS_MAX", default_value_t = 20)]
    pub address_lobby_streams_max: u32,
    /// Streams of lobby changes of one account at once
    #[arg(long, env = "PURR_ACCOUNT_LOBBY_STREAMS_MAX", default_value_t = 4)]
    pub account_lobby_streams_max: u32,
    /// Floor: a mean time for decisions below this is unusual, in milliseconds; 0: no such rule
    #[arg(long, env = "PURR_FLOOR_THINK_MS_MIN", default_value_t = 400)]
    pub floor_think_ms_min: u32,
    /// Floor: decisions in the last hour that this mean needs
    #[arg(long, env = "PURR_FLOOR_TIMED_MIN", default_value_t = 50)]
    pub floor_timed_min: u32,
    /// Floor: more seats that one player takes and leaves at a table in an hour are unusual; 0: no such rule
    #[arg(long, env = "PURR_FLOOR_SEAT_CHANGES_MAX", default_value_t = 6)]
    pub floor_seat_changes_max: u32,
    /// Floor: more chips that flow from one player to another in an hour are unusual, in big blinds; 0: no such rule
    #[arg(long, env = "PURR_FLOOR_FLOW_BB_MAX", default_value_t = 300)]
    pub floor_flow_bb_max: u32,
    /// Floor: a big blind so many times the highest that a player had in the 30 days before is unusual; 0: no such rule
    #[arg(long, env = "PURR_FLOOR_STAKES_FACTOR", default_value_t = 10)]
    pub floor_stakes_factor: u32,
    /// Floor: a hand that waits longer for the chain is unusual, in seconds; 0: no such rule
    #[arg(long, env = "PURR_FLOOR_UNSETTLED_S_MAX", default_value_t = 600)]
    pub floor_unsettled_s_max: u32,
    /// Networks of proxies whose X-Forwarded-For is believed, in CIDR notation; comma-separated
    #[arg(long, env = "PURR_FORWARDED_FROM", value_delimiter = ',')]
    pub forwarded_from: Vec<Cidr>,
    /// Networks of proxies that begin each connection with a PROXY header (version 1 or 2), and must
    #[arg(long, env = "PURR_PROXY_PROTOCOL_FROM", value_delimiter = ',')]
    pub proxy_protocol_from: Vec<Cidr>,
    /// Networks from which the routes of administrators and auditors are open
    #[arg(
        long,
        env = "PURR_ADMIN_ADDRESSES",
        value_delimiter = ',',
        default_value = networks::INSIDE
    )]
    pub admin_addresses: Vec<Cidr>,
    /// Networks from which money may be withdrawn
    #[arg(long, env = "PURR_WITHDRAWAL_ADDRESSES", value_delimiter = ',', default_value = networks::ANYWHERE)]
    pub withdrawal_addresses: Vec<Cidr>,
    /// Issuer of ID tokens outside the fleet (OpenID Connect), as in their claim 'iss'
    #[arg(long, env = "PURR_OUTSIDE_ISSUER", requires_all = ["outside_audience", "outside_jwks_url"])]
    pub outside_issuer: Option<String>,
    /// This fleet's client id at that issuer
    #[arg(long, env = "PURR_OUTSIDE_AUDIENCE", requires = "outside_issuer")]
    pub outside_audience: Option<String>,
    /// https URL of that issuer's keys (JWKS)
    #[arg(long, env = "PURR_OUTSIDE_JWKS_URL", requires = "outside_issuer")]
    pub outside_jwks_url: Option<String>,
    /// PEM file of the CAs that the issuer's server may have
    #[arg(long, env = "PURR_OUTSIDE_CA_FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    pub outside_ca_file: PathBuf,
    /// JSON file with roles by the issuer's subjects, for instance {"7f3c…": ["support"]}
    #[arg(long, env = "PURR_OUTSIDE_ROLES_FILE")]
    pub outside_roles_file: Option<PathBuf>,
    /// Players' sockets at once
    #[arg(long, env = "PURR_SOCKETS_MAX", default_value_t = 20_000)]
    pub sockets_max: u32,
    /// Sockets of one player at once
    #[arg(long, env = "PURR_PLAYER_SOCKETS_MAX", default_value_t = 32)]
    pub player_sockets_max: u32,
    /// Connections of one address at once, sockets included; a proxy of --forwarded-from is not counted
    #[arg(long, env = "PURR_ADDRESS_CONNECTIONS_MAX", default_value_t = 2_000)]
    pub address_connections_max: u32,
    /// Time from SIGTERM until sockets are closed, so that no new ones are sent here, in milliseconds
    #[arg(long, env = "PURR_STOP_DELAY_MS", default_value_t = 3_000)]
    pub stop_delay_ms: u64,
    /// The page lets players sign in with a key that their browser makes and keeps
    #[arg(long, env = "PURR_GUEST_KEYS")]
    pub guest_keys: bool,
    /// Players may see leaderboards: the first of the last days, under names that only this list has
    #[arg(long, env = "PURR_LEADERBOARD")]
    pub leaderboard: bool,
    /// What the page calls the token, for instance USDC
    #[arg(long, env = "PURR_UNIT", default_value = "")]
    pub unit: String,
    /// Log filter, for instance info,purr_gateway=debug
    #[arg(long, env = "PURR_LOG", default_value = "info")]
    pub log: String,
}

/// Configuration of the API.
#[derive(Clone, Debug)]
pub struct Config {
    pub domain: String,
    pub public_url: String,
    pub chain_id: u64,
    pub jwt_key_dir: PathBuf,
    pub jwt_issuer: String,
    pub jwt_audience: String,
    pub assertion_key_dir: Option<PathBuf>,
    pub access_tokens_at_tables: bool,
    pub roles_file: Option<PathBuf>,
    /// In the form that browsers send, including the public URL's own origin.
    pub allowed_origins: Vec<String>,
    /// Rates of sign-ins and of other requests by address, of a player, and of a sign-in's refreshes.
    pub rates: [Rate; 4],
    pub sockets_max: u32,
    pub player_sockets_max: u32,
    pub stop_delay: Duration,
    pub pace: crate::relay::Pace,
    pub front: Front,
    pub page: crate::page::PageConfig,
}

impl Config {
    /// Keys that sign assertions for tables.
    pub(crate) fn assertions_keys(&self) -> Result<Option<Keys>, KeyError> {
        let load = |dir: &PathBuf| Keys::load(dir, &self.jwt_issuer, "");
        self.assertion_key_dir.as_ref().map(load).transpose()
    }

    /// Rates in the order of [`Class::ALL`].
    pub fn rates_by_class(&self) -> [Rate; Class::ALL.len()] {
        let [sign_in, address, player, refresh] = self.rates;
        Class::ALL.map(|class| match class {
            Class::SignIn => sign_in,
            Class::Address => address,
            Class::Player => player,
            Class::Socket => self.front.socket_rate,
            Class::Money => self.front.money_rate,
            Class::Refresh => refresh,
        })
    }
}

/// Options that have been checked.
pub struct Checked {
    pub config: Config,
    /// Namespaces of the table pods.
    pub namespaces: Namespaces,
    pub public_tls_dir: PathBuf,
    pub tls_dir: PathBuf,
    pub signer_addr: String,
    pub records_addr: String,
    pub keep_apart_addr: Option<String>,
    pub fairplay_addr: Option<String>,
    pub sessions: LinkConfig,
    pub listen: SocketAddr,
    pub internal_listen: SocketAddr,
    pub ops_listen: SocketAddr,
}

/// Scheme and authority, as in the header `Origin` (RFC 6454, section 6.2).
fn origin(url: &str) -> anyhow::Result<String> {
    let uri: Uri = url.parse().with_context(|| format!("'{url}' is not a URL"))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme @ ("https" | "http")), Some(authority)) => {
            Ok(format!("{scheme}://{authority}").to_ascii_lowercase())
        }
        _ => bail!("'{url}' has no scheme http or https, or no host"),
    }
}

fn rate(name: &str, per_s: u32) -> anyhow::Result<Rate> {
    ensure!((1..=100_000).contains(&per_s), "--{name} is 1 to 100000 a second");
    Ok(Rate { per_s, burst: per_s.saturating_mul(4) })
}

impl Options {
    pub fn validate(self) -> anyhow::Result<Checked> {
        ensure!(!self.namespace.is_empty(), "--namespace is empty");
        let namespaces = self.namespaces.validate(&self.namespace)?;
        ensure!(
            !self.domain.is_empty() && !self.domain.contains('/'),
            "--domain '{}' is host or host:port, without a scheme",
            self.domain
        );
        if let Some(address) = self.keep_apart_addr.as_deref().filter(|address| !address.is_empty()) {
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            let good = port.is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            ensure!(good, "--keep-apart-addr '{address}' is not host:port");
        }
        let own = origin(&self.public_url).context("--public-url")?;
        ensure!(own.starts_with("https://"), "--public-url is https");
        let mut allowed_origins = vec![own];
        for text in self.allowed_origins.iter().filter(|text| !text.is_empty()) {
            let origin = origin(text).context("--allowed-origins")?;
            ensure!(
                origin == text.to_ascii_lowercase(),
                "--allowed-origins: '{text}' has more than an origin"
            );
            allowed_origins.push(origin);
        }
        ensure!((1..=100_000).contains(&self.sockets_max), "--sockets-max is 1 to 100000");
        ensure!(self.player_sockets_max > 0, "--player-sockets-max is at least 1");
        ensure!(self.address_connections_max > 0, "--address-connections-max is at least 1");
        ensure!(
            self.assertion_key_dir.is_some() || self.access_tokens_at_tables,
            "--access-tokens-at-tables false needs --assertion-key-dir: tables would not be told who players are"
        );
        ensure!(self.stop_delay_ms <= 20_000, "--stop-delay-ms is at most 20000");
        ensure!((1..=100_000).contains(&self.requests_max), "--requests-max is 1 to 100000");
        for (name, value) in [
            ("address-requests-max", self.address_requests_max),
            ("address-bodies-max", self.address_bodies_max),
            ("address-arriving-max", self.address_arriving_max),
            ("table-spectators-max", self.table_spectators_max),
            ("address-spectators-max", self.address_spectators_max),
            ("account-spectators-max", self.account_spectators_max),
            ("lobby-streams-max", self.lobby_streams_max),
            ("address-lobby-streams-max", self.address_lobby_streams_max),
            ("account-lobby-streams-max", self.account_lobby_streams_max),
        ] {
            ensure!((1..=100_000).contains(&value), "--{name} is 1 to 100000");
        }
        let thresholds = Thresholds {
            think_ms_min: self.floor_think_ms_min,
            timed_min: self.floor_timed_min,
            changes_max: self.floor_seat_changes_max,
            flow_bb_max: self.floor_flow_bb_max,
            stakes_factor: self.floor_stakes_factor,
            unsettled_s_max: self.floor_unsettled_s_max,
        };
        for (name, value) in [
            ("think-ms-min", thresholds.think_ms_min),
            ("timed-min", thresholds.timed_min),
            ("seat-changes-max", thresholds.changes_max),
            ("flow-bb-max", thresholds.flow_bb_max),
            ("stakes-factor", thresholds.stakes_factor),
            ("unsettled-s-max", thresholds.unsettled_s_max),
        ] {
            ensure!(value <= 1_000_000, "--floor-{name} is at most 1000000");
        }
        let outside = match (self.outside_issuer, self.outside_audience, self.outside_jwks_url) {
            (Some(issuer), Some(audience), Some(jwks_url)) => {
                // An access token of the fleet must never be accepted as an ID token.
                ensure!(issuer != self.jwt_issuer, "--outside-issuer is the fleet's own --jwt-issuer");
                Some(outside::Settings {
                    issuer,
                    audience,
                    jwks_url,
                    ca_file: self.outside_ca_file,
                    roles_file: self.outside_roles_file,
                    keys_age_max: Duration::from_secs(600),
                    keys_every_min: Duration::from_secs(30),
                })
            }
            _ => None,
        };
        let mut front = Front {
            forwarded_from: self.forwarded_from,
            admin_addresses: self.admin_addresses,
            withdrawal_addresses: self.withdrawal_addresses,
            socket_rate: rate("socket-rate", self.socket_rate)?,
            money_rate: rate("money-rate", self.money_rate)?,
            requests_max: self.requests_max,
            address_requests_max: self.address_requests_max,
            address_bodies_max: self.address_bodies_max,
            lobby_streams: StreamBounds {
                all_max: self.lobby_streams_max,
                address_max: self.address_lobby_streams_max,
                account_max: self.account_lobby_streams_max,
            },
            spectators: SpectatorBounds {
                table_max: self.table_spectators_max,
                address_max: self.address_spectators_max,
                account_max: self.account_spectators_max,
            },
            thresholds,
            outside,
            ..Front::default()
        };
        front.edge.proxies = self.proxy_protocol_from;
        front.edge.address_max = self.address_connections_max;
        front.edge.arriving_max = self.address_arriving_max;
        front.edge.apart = true;
        let ca = self.tls_dir.join("ca.crt");
        Ok(Checked {
            config: Config {
                domain: self.domain,
                public_url: self.public_url,
                chain_id: self.chain_id,
                jwt_key_dir: self.jwt_key_dir,
                jwt_issuer: self.jwt_issuer,
                jwt_audience: self.jwt_audience,
                assertion_key_dir: self.assertion_key_dir,
                access_tokens_at_tables: self.access_tokens_at_tables,
                roles_file: self.roles_file,
                allowed_origins,
                rates: [
                    rate("sign-in-rate", self.sign_in_rate)?,
                    rate("address-rate", self.address_rate)?,
                    rate("player-rate", self.player_rate)?,
                    rate("refresh-rate", self.refresh_rate)?,
                ],
                sockets_max: self.sockets_max,
                player_sockets_max: self.player_sockets_max,
                stop_delay: Duration::from_millis(self.stop_delay_ms),
                pace: crate::relay::Pace::default(),
                front,
                page: crate::page::PageConfig {
                    guest_keys: self.guest_keys,
                    leaderboard: self.leaderboard,
                    unit: self.unit,
                    ..Default::default()
                },
            },
            namespaces,
            public_tls_dir: self.public_tls_dir,
            sessions: self.sessions.link(ca).context("--sessions-sentinels")?,
            tls_dir: self.tls_dir,
            signer_addr: self.signer_addr,
            records_addr: self.records_addr,
            keep_apart_addr: self.keep_apart_addr.filter(|address| !address.is_empty()),
            fairplay_addr: Some(self.fairplay_addr).filter(|address| !address.is_empty()),
            listen: self.listen,
            internal_listen: self.internal_listen,
            ops_listen: self.ops_listen,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(more: &[&str]) -> anyhow::Result<Checked> {
        let all = [
            "purr-gateway",
            "--namespace=purr",
            "--domain=play.example",
            "--public-url=https://play.example",
            "--chain-id=31337",
            "--jwt-issuer=https://play.example",
            "--signer-addr=signer:8443",
            "--records-addr=records:8443",
            "--sessions-sentinels=redis-0:26379",
            "--sessions-user=gateway",
            "--sessions-password-file=/nowhere",
        ];
        Options::try_parse_from(all.iter().chain(more))?.validate()
    }

    #[test]
    fn the_public_url_and_the_listed_origins_may_ask() {
        let checked = with(&["--allowed-origins=https://App.example,http://localhost:3000"]).unwrap();
        let expected = ["https://play.example", "https://app.example", "http://localhost:3000"];
        assert_eq!(checked.config.allowed_origins, expected);
        assert_eq!(with(&[]).unwrap().config.allowed_origins.len(), 1);
    }

    #[test]
    fn administrators_come_from_inside_unless_it_is_said_otherwise() {
        let may = |more: &[&str], ip: &str| {
            let front = with(more).unwrap().config.front;
            Cidr::any_contains(&front.admin_addresses, ip.parse().unwrap())
        };
        assert!(may(&[], "10.1.2.3") && may(&[], "::1") && !may(&[], "192.0.2.1"));
        assert!(may(&["--admin-addresses=192.0.2.0/24"], "192.0.2.1"));
        assert!(!may(&["--admin-addresses=192.0.2.0/24"], "10.1.2.3"));
        let front = with(&[]).unwrap().config.front;
        assert!(Cidr::any_contains(&front.withdrawal_addresses, "2001:db8::1".parse().unwrap()));
        assert!(front.forwarded_from.is_empty() && front.edge.proxies.is_empty());
    }

    #[test]
    fn the_fleets_own_issuer_is_no_outside_issuer() {
        let own = [
            "--outside-issuer=https://play.example",
            "--outside-audience=purr",
            "--outside-jwks-url=https://play.example/keys",
        ];
        assert!(with(&own).err().unwrap().to_string().contains("--outside-issuer"));
    }

    #[test]
    fn options_that_cannot_work_are_named() {
        for (option, named) in [
            ("--allowed-origins=https://a.example/path", "--allowed-origins"),
            ("--allowed-origins=*", "--allowed-origins"),
            ("--sockets-max=0", "--sockets-max"),
            ("--sign-in-rate=0", "--sign-in-rate"),
            ("--refresh-rate=0", "--refresh-rate"),
            ("--requests-max=0", "--requests-max"),
            ("--address-bodies-max=0", "--address-bodies-max"),
            ("--table-spectators-max=0", "--table-spectators-max"),
            ("--account-lobby-streams-max=200000", "--account-lobby-streams-max"),
            ("--floor-flow-bb-max=1000001", "--floor-flow-bb-max"),
            ("--forwarded-from=10.0.0.1/8", "--forwarded-from"),
            ("--admin-addresses=everywhere", "--admin-addresses"),
            ("--outside-issuer=https://id.example", "--outside-audience"),
            ("--stop-delay-ms=60000", "--stop-delay-ms"),
            ("--sessions-sentinels=host", "--sessions-sentinels"),
            ("--keep-apart-addr=host", "--keep-apart-addr"),
        ] {
            // The last of two wins only for lists; all others are given here for the first time.
            let error = format!("{:#}", with(&[option]).err().unwrap());
            assert!(error.contains(named), "{option}: {error}");
        }
    }
}
