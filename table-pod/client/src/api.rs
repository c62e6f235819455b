//! The gateway's public API: HTTPS with TLS 1.3, JSON, problems as errors (RFC 9457).

use crate::wallet::{Wallet, WalletError, checksummed, hex_text};
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use purr_protocol::{
    Problem,
    limits::{ChangeLimits, LimitsTold},
    settlement::{Balance, ChainConfig, Reconciliation, TableState},
    sign_in::{Nonce, Tokens},
    summary::Summary,
    withdrawal::Withdrawal,
};
use purr_runtime::{
    TlsError,
    tls::{client_config_with, public_client_config},
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{path::Path, sync::Arc, time::Duration};

/// Time limit of one request.
const WAIT: Duration = Duration::from_secs(15);
/// Answers larger than this, in bytes, are refused.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// Seconds for which a sign-in waits where its address has asked too often.
const PATIENCE: u32 = 15;
/// Idle connections kept for the next request.
const IDLE_MAX: usize = 4;
/// Maximum number of pages of tables that a look-up by name reads.
const PAGES_MAX: usize = 64;
const PAGE: usize = 100;
/// Maximum number of tables' names in an error.
const KNOWN_MAX: usize = 20;

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("'{0}' is not a gateway: want https://host or https://host:port")]
    Url(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("'{0}' is not a server name")]
    ServerName(String),
    #[error("{what}: no answer within {} ms", WAIT.as_millis())]
    TimeOut { what: String },
    #[error("{what}: {detail}")]
    Unreachable { what: String, detail: String },
    #[error("{what}: the answer cannot be read: {detail}")]
    Answer { what: String, detail: String },
    /// The gateway refused the request.
    #[error("{what}: {} ({}){}", .problem.title, .problem.status, .problem.detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
    Problem { what: String, problem: Box<Problem> },
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The domain in a sign-in must be the gateway's own; otherwise it may be phishing.
    #[error("the gateway at {at} asks to sign in to '{domain}', which is another place")]
    Domain { at: String, domain: String },
    #[error("no table is called '{name}'{}", there(.known))]
    NoSuchTable {
        name: String,
        /// Names of some existing tables.
        known: Vec<String>,
    },
    #[error("no fleet is called '{name}'{}", there_fleets(.known))]
    NoSuchFleet {
        name: String,
        /// Names of some existing fleets.
        known: Vec<String>,
    },
    #[error("'{0}' is no name of a fleet")]
    BadFleet(String),
    #[error("'{0}' is no UID of a table")]
    BadUid(String),
    #[error("the CAs of this machine: {0}: name the gateway's CA with --ca")]
    Roots(String),
}

/// The ending of an error about an unknown name: lists the known names.
fn there(known: &[String]) -> String {
    match known {
        [] => "; there are no tables".into(),
        known => format!("; there are: {}", known.join(", ")),
    }
}

fn there_fleets(known: &[String]) -> String {
    match known {
        [] => "; there are no fleets".into(),
        known => format!("; there are: {}", known.join(", ")),
    }
}

impl ApiError {
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// Whether the token was not accepted.
    pub fn is_unauthorized(&self) -> bool {
        self.problem().is_some_and(|problem| problem.status == 401)
    }

    /// Whether the same request may succeed later: not reached, overloaded, or limited.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::TimeOut { .. } | Self::Unreachable { .. } => true,
            Self::Problem { problem, .. } => problem.status == 429 || problem.status >= 500,
            _ => false,
        }
    }
}

/// `GET /v1/tables/{uid}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableInfo {
    #[serde(flatten)]
    pub summary: Summary,
    /// The id that permits sign; empty until the signer knows the table.
    #[serde(default)]
    pub table_id: String,
    #[serde(default)]
    pub state: Option<TableState>,
    #[serde(default)]
    pub ready: bool,
}

/// One row of `GET /v1/tables`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    #[serde(flatten)]
    pub summary: Summary,
    #[serde(default)]
    pub ready: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TablePage {
    pub tables: Vec<Listed>,
    #[serde(default)]
    pub next: Option<String>,
}

/// One row of `GET /v1/fleets`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Fleet {
    pub namespace: String,
    pub name: String,
    pub policy: String,
    pub hud: String,
    pub small_blind: u64,
    pub big_blind: u64,
    pub buy_in_min: u64,
    pub buy_in_max: u64,
    pub tables: u32,
    pub players: u32,
    pub free: u32,
    pub waiting: u64,
}

impl Fleet {
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

#[derive(Deserialize)]
struct FleetList {
    fleets: Vec<Fleet>,
}

/// A player's seat or place in a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "state")]
pub enum OwnSeat {
    Held {
        table: String,
        seat: u8,
        expires_in_ms: u64,
        #[serde(default)]
        offered: bool,
    },
    Waiting {
        place: u64,
        waiting: u64,
        #[serde(default)]
        estimate_s: Option<u64>,
    },
    Seated {
        table: String,
        seat: u8,
    },
    Paused {
        retry_after_ms: u64,
    },
    None,
    /// A state of a later release.
    #[serde(other)]
    Unknown,
}

fn seats(fleet: &Fleet) -> Result<String, ApiError> {
    let name = |text: &str| {
        let good = (1..=63).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
        if good { Ok(text.to_owned()) } else { Err(ApiError::BadFleet(fleet.full_name())) }
    };
    Ok(format!("/v1/fleets/{}/{}/seats", name(&fleet.namespace)?, name(&fleet.name)?))
}

/// How a hand's record is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HandFormat {
    #[default]
    Json,
    /// Poker Hand History.
    Phh,
    /// Open Hand History, amounts in the currency.
    Ohh,
    /// The operator's signed receipt, JSON.
    Receipt,
    /// JSON with the deck that is encrypted to the auditor; for auditors.
    Audit,
}

/// TLS with the CAs that this machine trusts.
pub(crate) fn system_roots() -> Result<Arc<ClientConfig>, ApiError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(|| "none found".into(), ToString::to_string);
        return Err(ApiError::Roots(why));
    }
    Ok(client_config_with(roots)?)
}

/// The address of a gateway, and how to verify its certificate.
#[derive(Clone)]
pub struct Gateway {
    /// host:port to dial.
    pub(crate) address: String,
    pub(crate) host: String,
    pub(crate) server_name: ServerName<'static>,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) base: String,
    /// The name to sign in to, where it is not the URL's.
    domain: Option<String>,
}

impl Gateway {
    /// `url` as in `https://localhost:8443`; the certificate must come from a CA of `ca_file`.
    pub fn new(url: &str, ca_file: &Path) -> Result<Self, ApiError> {
        Self::with_tls(url, public_client_config(ca_file)?)
    }

    /// Like [`new`](Self::new), for a gateway whose certificate comes from a CA that this machine trusts.
    ///
    /// # Errors
    /// Where the machine has no CAs.
    pub fn with_system_roots(url: &str) -> Result<Self, ApiError> {
        Self::with_tls(url, system_roots()?)
    }

    pub fn with_tls(url: &str, tls: Arc<ClientConfig>) -> Result<Self, ApiError> {
        let bad = || ApiError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let plain = uri.path() == "/" && uri.query().is_none();
        if uri.scheme_str() != Some("https") || !plain {
            return Err(bad());
        }
        let authority = uri.authority().ok_or_else(bad)?;
        if authority.as_str().contains('@') {
            return Err(bad());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let server_name = ServerName::try_from(host.clone()).map_err(|_| bad())?;
        let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(443));
        Ok(Self { address, host, server_name, tls, base: format!("https://{authority}"), domain: None })
    }

    /// The certificate names this server, not the URL's host.
    pub fn server_name(mut self, name: &str) -> Result<Self, ApiError> {
        let bad = || ApiError::ServerName(name.to_owned());
        self.server_name = ServerName::try_from(name.to_owned()).map_err(|_| bad())?;
        Ok(self)
    }

    /// Signs in to this EIP-4361 domain, although the URL has another host.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Whether `domain` names this gateway. Ports may differ, because gateways can be reached through port forwarders.
    fn is_called(&self, domain: &str) -> bool {
        let host = |text: &str| {
            let host = text.rsplit_once(':').map_or(text, |(host, port)| {
                if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { text }
            });
            host.trim_matches(['[', ']']).to_ascii_lowercase()
        };
        match &self.domain {
            Some(expected) => expected == domain,
            None => host(domain) == self.host.to_ascii_lowercase(),
        }
    }
}

pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that keeps its connections to one gateway.
pub(crate) fn client(gateway: &Gateway) -> HttpClient {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    // A command is small, and waits for nothing.
    http.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config((*gateway.tls).clone())
        .https_only()
        .with_server_name_resolver(FixedServerNameResolver::new(gateway.server_name.clone()))
        .enable_http1()
        .wrap_connector(http);
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_MAX).build(connector)
}

/// A client of one gateway. Cheap to clone: clones share their connections.
#[derive(Clone)]
pub struct Api {
    gateway: Gateway,
    client: HttpClient,
}

/// Repeats a request after a second while the address is rate-limited (RFC 6585, section 4), at most [`PATIENCE`]
/// times. All clients behind one address share the limit of sign-ins, and nonces count as well: starting over with a
/// new nonce each time would use up the limit.
async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    for _ in 0..PATIENCE {
        match Box::pin(ask()).await {
            Err(error) if error.problem().is_some_and(|problem| problem.status == 429) => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            other => return other,
        }
    }
    Box::pin(ask()).await
}

impl Api {
    pub fn new(gateway: Gateway) -> Self {
        let client = client(&gateway);
        Self { gateway, client }
    }

    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub async fn nonce(&self) -> Result<Nonce, ApiError> {
        self.call(Method::POST, "/v1/auth/nonce", None, Some(&serde_json::json!({}))).await
    }

    /// Signs in with the wallet (EIP-4361). `issued_at` is the wallet's clock.
    pub async fn sign_in(&self, wallet: &Wallet, issued_at: jiff::Timestamp) -> Result<Tokens, ApiError> {
        let nonce = patiently(|| self.nonce()).await?;
        if !self.gateway.is_called(&nonce.domain) {
            return Err(ApiError::Domain { at: self.gateway.base.clone(), domain: nonce.domain });
        }
        let message = sign_in_message(wallet, &nonce, issued_at);
        let signature = hex_text(&wallet.personal_sign(&message)?);
        let body = serde_json::json!({ "message": message, "signature": signature });
        patiently(|| self.call(Method::POST, "/v1/auth/sign-in", None, Some(&body))).await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens, ApiError> {
        let body = serde_json::json!({ "refreshToken": refresh_token });
        self.call(Method::POST, "/v1/auth/refresh", None, Some(&body)).await
    }

    pub async fn logout(&self, token: &str) -> Result<(), ApiError> {
        self.raw(Method::POST, "/v1/auth/logout", Some(token), None).await.map(drop)
    }

    pub async fn config(&self) -> Result<ChainConfig, ApiError> {
        self.call(Method::GET, "/v1/config", None, None).await
    }

    /// A page of tables after this UID.
    pub async fn tables(&self, after: Option<&str>) -> Result<TablePage, ApiError> {
        let after = after.map(|uid| format!("&after={uid}")).unwrap_or_default();
        self.call(Method::GET, &format!("/v1/tables?limit={PAGE}{after}"), None, None).await
    }

    pub async fn table(&self, uid: &str) -> Result<TableInfo, ApiError> {
        self.call(Method::GET, &format!("/v1/tables/{}", segment(uid)?), None, None).await
    }

    /// The UID of a table by UID or name.
    pub async fn find_table(&self, uid_or_name: &str) -> Result<String, ApiError> {
        let (mut after, mut known) = (None, Vec::new());
        for _ in 0..PAGES_MAX {
            let page = self.tables(after.as_deref()).await?;
            let names = page.tables.iter().map(|listed| match listed.summary.name.as_str() {
                "" => listed.summary.uid.clone(),
                name => name.to_owned(),
            });
            known.extend(names.take(KNOWN_MAX.saturating_sub(known.len())));
            let called = |listed: &&Listed| {
                listed.summary.uid == uid_or_name
                    || listed.summary.name == uid_or_name
                    || listed.summary.name.rsplit('/').next() == Some(uid_or_name)
            };
            if let Some(found) = page.tables.iter().find(called) {
                return Ok(found.summary.uid.clone());
            }
            match page.next {
                Some(next) if !page.tables.is_empty() => after = Some(next),
                _ => break,
            }
        }
        Err(ApiError::NoSuchTable { name: uid_or_name.to_owned(), known })
    }

    pub async fn fleets(&self) -> Result<Vec<Fleet>, ApiError> {
        let list: FleetList = self.call(Method::GET, "/v1/fleets", None, None).await?;
        Ok(list.fleets)
    }

    /// A fleet by its name, or by `namespace/name`.
    pub async fn find_fleet(&self, name: &str) -> Result<Fleet, ApiError> {
        let fleets = self.fleets().await?;
        let called = |fleet: &&Fleet| fleet.name == name || fleet.full_name() == name;
        let known = || fleets.iter().map(Fleet::full_name).take(KNOWN_MAX).collect();
        fleets
            .iter()
            .find(called)
            .cloned()
            .ok_or_else(|| ApiError::NoSuchFleet { name: name.to_owned(), known: known() })
    }

    /// A seat in the fleet, or with `wait` a place on its waiting list. The same id gets the same answer.
    pub async fn ask_seat(
        &self,
        token: &str,
        fleet: &Fleet,
        id: &str,
        wait: bool,
    ) -> Result<OwnSeat, ApiError> {
        let body = serde_json::json!({ "id": id, "wait": wait });
        self.call(Method::POST, &seats(fleet)?, Some(token), Some(&body)).await
    }

    /// Returns the player's seat or place in the fleet.
    pub async fn own_seat(&self, token: &str, fleet: &Fleet) -> Result<OwnSeat, ApiError> {
        self.call(Method::GET, &seats(fleet)?, Some(token), None).await
    }

    /// Gives a held seat back or leaves the waiting list; with an id only if the hold or place came from that request.
    pub async fn give_seat_back(&self, token: &str, fleet: &Fleet, id: Option<&str>) -> Result<(), ApiError> {
        let id = id.map(|id| format!("?id={}", escaped(id))).unwrap_or_default();
        self.raw(Method::DELETE, &format!("{}{id}", seats(fleet)?), Some(token), None).await.map(drop)
    }

    pub async fn balance(&self, token: &str) -> Result<Balance, ApiError> {
        self.call(Method::GET, "/v1/balance", Some(token), None).await
    }

    /// The newest hands of a table, before this number.
    pub async fn hands(
        &self,
        token: &str,
        uid: &str,
        before: Option<u64>,
    ) -> Result<serde_json::Value, ApiError> {
        let before = before.map(|hand| format!("?before={hand}")).unwrap_or_default();
        let path = format!("/v1/tables/{}/hands{before}", segment(uid)?);
        self.call(Method::GET, &path, Some(token), None).await
    }

    /// The player's own statistics over hands that match these filters.
    pub async fn statistics(
        &self,
        token: &str,
        query: &[(&str, Option<&str>)],
    ) -> Result<serde_json::Value, ApiError> {
        let pairs = query.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped((*value)?))));
        let path = format!("/v1/players/me/statistics?{}", pairs.collect::<Vec<String>>().join("&"));
        self.call(Method::GET, &path, Some(token), None).await
    }

    /// Returns one hand's record as the gateway sends it.
    pub async fn hand(
        &self,
        token: &str,
        uid: &str,
        hand: u64,
        format: HandFormat,
    ) -> Result<Bytes, ApiError> {
        let format = match format {
            HandFormat::Json => "?format=json",
            HandFormat::Phh => "?format=phh",
            HandFormat::Ohh => "?format=ohh",
            HandFormat::Audit => "/audit",
            HandFormat::Receipt => "/receipt",
        };
        let path = format!("/v1/tables/{}/hands/{hand}{format}", segment(uid)?);
        self.raw(Method::GET, &path, Some(token), None).await
    }

    /// The voucher that the contract pays out.
    pub async fn withdraw(
        &self,
        token: &str,
        withdrawal: &Withdrawal,
    ) -> Result<serde_json::Value, ApiError> {
        let body = serde_json::to_value(withdrawal).map_err(|error| ApiError::Answer {
            what: "POST /v1/withdrawals".into(),
            detail: error.to_string(),
        })?;
        self.call(Method::POST, "/v1/withdrawals", Some(token), Some(&body)).await
    }

    /// The player's own limits, and the amounts that count towards them.
    pub async fn limits(&self, token: &str) -> Result<LimitsTold, ApiError> {
        self.call(Method::GET, "/v1/limits", Some(token), None).await
    }

    pub async fn change_limits(&self, token: &str, change: &ChangeLimits) -> Result<LimitsTold, ApiError> {
        let body = serde_json::to_value(change).map_err(|error| ApiError::Answer {
            what: "POST /v1/limits".into(),
            detail: error.to_string(),
        })?;
        self.call(Method::POST, "/v1/limits", Some(token), Some(&body)).await
    }

    pub async fn reconciliation(&self, token: &str) -> Result<Reconciliation, ApiError> {
        self.call(Method::GET, "/v1/reconciliation", Some(token), None).await
    }

    /// A request of staff, as the gateway's OpenAPI document describes it: POST where there is a body, else GET. Retries
    /// while the gateway refuses it for its rate, because staff ask for many things in a row.
    pub async fn staff(
        &self,
        token: &str,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, ApiError> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        patiently(|| self.call(method.clone(), path, Some(token), body)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&serde_json::Value>,
    ) -> Result<T, ApiError> {
        let what = what(&method, path);
        let answer = self.raw(method, path, token, body).await?;
        serde_json::from_slice(&answer).map_err(|error| ApiError::Answer { what, detail: error.to_string() })
    }

    async fn raw(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&serde_json::Value>,
    ) -> Result<Bytes, ApiError> {
        let what = what(&method, path);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.gateway.base))
            .header(header::ACCEPT, "application/json, application/problem+json, text/plain");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = body.map(|body| Bytes::from(body.to_string()));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| ApiError::Unreachable { what: what.clone(), detail: error.to_string() })?;
        let exchange = self.exchange(&what, request);
        let (status, body) = tokio::time::timeout(WAIT, exchange)
            .await
            .map_err(|_| ApiError::TimeOut { what: what.clone() })??;
        if status.is_success() {
            return Ok(body);
        }
        let unnamed =
            || Problem::new(status.as_u16(), "unnamed", status.canonical_reason().unwrap_or("error"));
        let problem = serde_json::from_slice(&body).unwrap_or_else(|_| unnamed());
        Err(ApiError::Problem { what, problem: Box::new(problem) })
    }

    async fn exchange(
        &self,
        what: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), ApiError> {
        let response = self.client.request(request).await.map_err(|error| {
            // The library's own text ("client error (Connect)") hides the cause.
            let mut detail = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                detail = format!("{detail}: {cause}");
                source = cause.source();
            }
            ApiError::Unreachable { what: what.to_owned(), detail }
        })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
        let body =
            body.map_err(|error| ApiError::Answer { what: what.to_owned(), detail: error.to_string() })?;
        Ok((status, body.to_bytes()))
    }
}

/// The method and path without the query, for error messages.
fn what(method: &Method, path: &str) -> String {
    format!("{method} {}", path.split('?').next().unwrap_or(path))
}

/// A UID is user input and must not change the rest of the path.
fn segment(text: &str) -> Result<&str, ApiError> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if plain { Ok(text) } else { Err(ApiError::BadUid(text.to_owned())) }
}

/// The message of EIP-4361 that the wallet signs.
fn sign_in_message(wallet: &Wallet, nonce: &Nonce, issued_at: jiff::Timestamp) -> String {
    format!(
        "{} wants you to sign in with your Ethereum account:\n{}\n\nSign in to Purr Poker.\n\n\
         URI: {}\nVersion: 1\nChain ID: {}\nNonce: {}\nIssued At: {issued_at:.0}",
        nonce.domain,
        checksummed(wallet.address()),
        nonce.uri,
        nonce.chain_id,
        nonce.nonce,
    )
}

/// A value of a query (RFC 3986, section 2.3).
fn escaped(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(url: &str) -> Result<Gateway, ApiError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        Gateway::with_tls(url, Arc::new(tls))
    }

    #[test]
    fn only_an_https_origin_is_a_gateway() {
        let good = gateway("https://localhost:8443").unwrap();
        assert_eq!(good.address, "localhost:8443");
        assert_eq!(gateway("https://purr.example").unwrap().address, "purr.example:443");
        assert_eq!(gateway("https://[::1]:9").unwrap().address, "[::1]:9");
        for bad in ["http://localhost", "https://a@localhost", "https://localhost/x", "localhost:1", ""] {
            assert!(matches!(gateway(bad), Err(ApiError::Url(_))), "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_step_of_a_sign_in_is_asked_again_alone_and_not_for_ever() {
        let refused = |status: u16| ApiError::Problem {
            what: "step".into(),
            problem: Box::new(Problem {
                kind: "urn:purr:problem:rate".into(),
                title: "no".into(),
                status,
                detail: None,
                instance: None,
            }),
        };
        for (status, refusals, asked) in [(429, 3, 4), (429, u32::MAX, PATIENCE + 1), (403, 1, 1)] {
            let (begun, count) = (tokio::time::Instant::now(), std::cell::Cell::new(0));
            let answer = patiently(|| {
                count.set(count.get() + 1);
                std::future::ready(if count.get() > refusals { Ok(()) } else { Err(refused(status)) })
            })
            .await;
            assert_eq!(count.get(), asked, "{status} {refusals} times");
            assert_eq!(answer.is_ok(), status == 429 && refusals == 3);
            assert_eq!(begun.elapsed(), Duration::from_secs((asked - 1).into()));
        }
    }

    #[test]
    fn a_sign_in_to_another_place_is_not_signed() {
        let here = gateway("https://localhost:8443").unwrap();
        assert!(here.is_called("localhost") && here.is_called("localhost:443"));
        assert!(!here.is_called("purr.example"));
        let told = here.domain("purr.example");
        assert!(told.is_called("purr.example") && !told.is_called("localhost"));
    }

    #[test]
    fn the_message_is_the_one_of_the_standard() {
        let wallet =
            Wallet::from_hex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").unwrap();
        let nonce = Nonce {
            nonce: "32891756".into(),
            domain: "example.com".into(),
            uri: "https://example.com".into(),
            chain_id: 1,
            expires_in_s: 300,
        };
        let at = "2021-09-30T16:25:24.5Z".parse().unwrap();
        assert_eq!(
            sign_in_message(&wallet, &nonce, at),
            "example.com wants you to sign in with your Ethereum account:\n\
             0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\n\nSign in to Purr Poker.\n\n\
             URI: https://example.com\nVersion: 1\nChain ID: 1\nNonce: 32891756\n\
             Issued At: 2021-09-30T16:25:24Z"
        );
    }

    #[test]
    fn a_uid_stays_in_its_place() {
        assert!(segment("0a0b-1").is_ok());
        for bad in ["", "a/b", "a?b", "a%2f"] {
            assert!(segment(bad).is_err(), "{bad}");
        }
    }
}
