//! JSON-RPC over our own hyper client: several nodes, a circuit breaker for each, a request budget.
//!
//! A node is believed about the chain, not about itself: what it refuses for reasons of its own counts against it, and
//! the next one is asked.

use super::{
    Address,
    budget::{Budget, Lane},
    verdict::{Seen, Verdict, is_about_gas, is_revert, of_refusal},
};
use crate::metrics::Metrics;
use ethers_core::types::{Bloom, H256, Log, U64, U256};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use purr_runtime::breaker::{self, Breaker, Call};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Largest answer, in bytes.
const ANSWER_MAX: usize = 16 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// Tried in order.
    pub urls: Vec<String>,
    /// PEM bundle of CAs for https.
    pub ca_file: Option<PathBuf>,
    /// Requests a minute over all nodes; 0: no limit.
    pub requests_per_minute: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    #[error("RPC URL '{0}' is not an http or https URL")]
    Url(String),
    #[error("CA file for https: {0}")]
    Ca(String),
    #[error("no node answered; the last error was: {0}")]
    AllDown(#[source] NodeError),
    #[error("the node refused {method}: {message} (code {code})")]
    Refused { method: &'static str, code: i64, message: String },
    #[error("the answer to {method} cannot be read: {detail}")]
    Answer { method: &'static str, detail: String },
    #[error("{0} is beyond 64 bits")]
    Range(&'static str),
    #[error("the request budget of this minute is used up")]
    Budget,
    #[error("the node rests after failures")]
    Resting,
}

/// Why one node has not answered a request.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("all nodes are resting after failures")]
    AllResting,
    #[error("there is no node {0}")]
    NoNode(usize),
    #[error("the request: {0}")]
    Request(#[from] http::Error),
    #[error("{0:?}")]
    Transport(#[from] hyper_util::client::legacy::Error),
    #[error("the answer's body: {0}")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer within {} s", .0.as_secs())]
    TimeOut(Duration),
    #[error("HTTP {0}")]
    Status(StatusCode),
    #[error("HTTP {status}: {error}")]
    Json { status: StatusCode, error: serde_json::Error },
    #[error("the answer is to another request")]
    OtherRequest,
    #[error("{0} was not answered")]
    Unanswered(&'static str),
}

impl RpcError {
    /// The contract itself refused the call.
    pub fn is_revert(&self) -> bool {
        matches!(self, Self::Refused { code, message, .. } if is_revert(*code, message))
    }

    /// The node allows less gas for the call than it needs.
    pub fn is_about_gas(&self) -> bool {
        matches!(self, Self::Refused { message, .. } if is_about_gas(message))
    }

    /// Whether the chain itself refuses, so that every node would give the same answer.
    fn is_of_the_chain(&self) -> bool {
        matches!(self, Self::Refused { code, message, .. } if of_refusal(*code, message) == Verdict::OfTheChain)
    }
}

/// A block's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub number: u64,
    pub hash: [u8; 32],
    /// The hash of the block before.
    pub parent: [u8; 32],
    pub timestamp_s: u64,
    /// Wei per gas.
    pub base_fee: u64,
    /// Gas of all its transactions together, at most.
    pub gas_limit: u64,
}

/// A block's head with what its logs are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub block: Block,
    pub bloom: Option<Bloom>,
}

/// Headers and logs that one node returned in one response.
pub(super) struct Told {
    /// The node's index in the list.
    pub node: usize,
    /// In the order of blocks; the header of the last block comes last.
    pub headers: Vec<Header>,
    pub logs: Vec<Log>,
}

impl Told {
    pub(super) fn end(&self) -> Option<Block> {
        self.headers.last().map(|header| header.block)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    number: U64,
    hash: H256,
    parent_hash: H256,
    timestamp: U256,
    base_fee_per_gas: Option<U256>,
    gas_limit: Option<U256>,
    logs_bloom: Option<Bloom>,
}

impl Head {
    pub(super) fn read(self) -> Result<Header, RpcError> {
        let block = Block {
            number: self.number.as_u64(),
            hash: self.hash.0,
            parent: self.parent_hash.0,
            timestamp_s: small(self.timestamp, "timestamp")?,
            base_fee: small(self.base_fee_per_gas.unwrap_or_default(), "base fee")?,
            gas_limit: self.gas_limit.map_or(u64::MAX, |gas| gas.min(U256::from(u64::MAX)).as_u64()),
        };
        Ok(Header { block, bloom: self.logs_bloom })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub block: u64,
    pub block_hash: [u8; 32],
    pub gas_used: u64,
    /// Wei that the sender paid.
    pub fee_wei: u128,
    pub reverted: bool,
    pub contract: Option<Address>,
}

/// When a node gets no requests for a while. After that time all requests may be probes.
const BREAKER: breaker::Settings = breaker::Settings {
    failures_max: 3,
    open_min: Duration::from_secs(1),
    open_max: Duration::from_secs(30),
    probes_max: u32::MAX,
};

struct Node {
    url: http::Uri,
    breaker: Breaker,
}

/// A clone has the same nodes, breakers and budget.
#[derive(Clone)]
pub struct Rpc {
    shared: Arc<Shared>,
    lane: Lane,
    metrics: Option<Arc<Metrics>>,
}

pub(super) struct Shared {
    nodes: Vec<Node>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    id: AtomicU64,
    budget: Option<Mutex<Budget>>,
    seen: Mutex<Seen>,
}

#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub id: Value,
    #[serde(default)]
    pub result: Value,
    pub error: Option<Refusal>,
}

#[derive(Deserialize)]
pub(super) struct Refusal {
    pub code: i64,
    pub message: String,
}

impl Rpc {
    pub fn new(config: &RpcConfig) -> Result<Self, RpcError> {
        let mut nodes = Vec::new();
        for text in &config.urls {
            let url: http::Uri = text.parse().map_err(|_| RpcError::Url(text.clone()))?;
            if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none() {
                return Err(RpcError::Url(text.clone()));
            }
            nodes.push(Node { url, breaker: Breaker::new(BREAKER) });
        }
        let https = nodes.iter().any(|node| node.url.scheme_str() == Some("https"));
        let mut roots = rustls::RootCertStore::empty();
        if https {
            let file = config.ca_file.as_ref().ok_or_else(|| RpcError::Ca("none given".into()))?;
            load_roots(&mut roots, file)?;
        }
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| RpcError::Ca(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let budget = (config.requests_per_minute > 0)
            .then(|| Mutex::new(Budget::new(config.requests_per_minute, tokio::time::Instant::now())));
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(4).build(connector);
        let (id, seen) = (AtomicU64::new(1), Mutex::default());
        let shared = Arc::new(Shared { nodes, client, id, budget, seen });
        Ok(Self { shared, lane: Lane::Settlement, metrics: None })
    }

    /// Counts requests in these metrics.
    #[must_use]
    pub fn counted(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The same nodes and budget for comparisons of ledger and chain: settlement goes first.
    #[must_use]
    pub fn comparing(&self) -> Self {
        Self { lane: Lane::Comparison, ..self.clone() }
    }

    /// Requests that this handle may make in so many seconds; `None`: as many as it likes.
    pub fn share(&self, seconds: u64) -> Option<usize> {
        let budget = self.shared.budget.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(budget.share(self.lane, seconds))
    }

    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, RpcError> {
        self.call_until(method, params, |_| true).await
    }

    /// Asks one node after the other until `will_do` accepts an answer, and blames those whose answers it does not;
    /// otherwise returns the first answer.
    pub(super) async fn call_until<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
        will_do: impl Fn(&T) -> bool,
    ) -> Result<T, RpcError> {
        self.first(method, params, will_do, |at| self.blame(at)).await
    }

    /// As [`Self::call_until`]; the caller decides what an answer that will not do means for its node.
    pub(super) async fn first<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
        will_do: impl Fn(&T) -> bool,
        mut will_not: impl FnMut(usize),
    ) -> Result<T, RpcError> {
        let mut failed = RpcError::AllDown(NodeError::AllResting);
        let mut poor = None;
        for at in 0..self.shared.nodes.len() {
            match self.one(at, method, params.clone()).await {
                Ok(answer) if will_do(&answer) => return Ok(answer),
                Ok(answer) => {
                    will_not(at);
                    poor = poor.or(Some(answer));
                }
                Err(refused @ RpcError::Refused { .. }) if refused.is_of_the_chain() => return Err(refused),
                Err(RpcError::Budget) => return Err(RpcError::Budget),
                Err(RpcError::Resting) => {}
                Err(error) => failed = error,
            }
        }
        poor.ok_or(failed)
    }

    /// Asks one node, and records the outcome in its breaker.
    pub(super) async fn one<T: DeserializeOwned>(
        &self,
        at: usize,
        method: &'static str,
        params: Value,
    ) -> Result<T, RpcError> {
        let node = self.shared.nodes.get(at).ok_or(RpcError::Resting)?;
        let call = self.enter(at).ok_or(RpcError::Resting)?;
        if !self.may_ask(1) {
            return Err(RpcError::Budget);
        }
        let id = self.shared.id.fetch_add(1, Ordering::Relaxed);
        let body =
            Bytes::from(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
        let answer = match self.ask(&node.url, id, body).await {
            Ok(Answer { error: Some(Refusal { code, message }), .. }) => {
                Err(RpcError::Refused { method, code, message })
            }
            Ok(answer) => read(answer.result, method),
            Err(error) => Err(RpcError::AllDown(error)),
        };
        let good = answer.as_ref().map_or_else(RpcError::is_of_the_chain, |_| true);
        call.note(good);
        if let Err(error) = &answer {
            tracing::debug!(node = at, %error, "a node fails");
        }
        answer
    }

    /// Takes this many requests from the budget; false if it has no room.
    pub(super) fn may_ask(&self, requests: usize) -> bool {
        let requests = u32::try_from(requests).unwrap_or(u32::MAX);
        let may = self.shared.budget.as_ref().is_none_or(|budget| {
            let mut budget = budget.lock().unwrap_or_else(PoisonError::into_inner);
            budget.take(self.lane, requests, tokio::time::Instant::now())
        });
        if let Some(metrics) = &self.metrics {
            let count = if may { &metrics.rpc_requests } else { &metrics.rpc_over_budget };
            count.with_label_values(&[self.lane.name()]).inc_by(requests.into());
        }
        may
    }

    async fn ask(&self, url: &http::Uri, id: u64, body: Bytes) -> Result<Answer, NodeError> {
        let (status, body) = self.post_to(url, body).await?;
        let answer = serde_json::from_slice(&body).map_err(|error| NodeError::Json { status, error })?;
        checked(answer, status, id)
    }

    pub(super) async fn post(&self, at: usize, body: Bytes) -> Result<(StatusCode, Bytes), NodeError> {
        let node = self.shared.nodes.get(at).ok_or(NodeError::NoNode(at))?;
        self.post_to(&node.url, body).await
    }

    async fn post_to(&self, url: &http::Uri, body: Bytes) -> Result<(StatusCode, Bytes), NodeError> {
        let request = Request::post(url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let work = async {
            let response = self.shared.client.request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_MAX);
            let body = body.collect().await.map_err(NodeError::Body)?.to_bytes();
            Ok::<_, NodeError>((status, body))
        };
        tokio::time::timeout(TIMEOUT, work).await.map_err(|_| NodeError::TimeOut(TIMEOUT))?
    }

    /// Whether nothing bounds requests.
    pub(super) fn is_unlimited(&self) -> bool {
        self.shared.budget.is_none()
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.shared.nodes.len()
    }

    /// Reserves consecutive request ids; returns the first.
    pub(super) fn ids(&self, count: usize) -> u64 {
        self.shared.id.fetch_add(count as u64, Ordering::Relaxed)
    }

    /// Starts a request to a node, if its breaker allows it.
    pub(super) fn enter(&self, at: usize) -> Option<Call<'_>> {
        self.shared.nodes.get(at)?.breaker.enter().ok()
    }

    /// Counts a failure of a node whose answer another node has disproved.
    pub(super) fn blame(&self, at: usize) {
        self.shared.nodes.get(at).into_iter().for_each(|node| node.breaker.blame());
    }

    /// A node that does not follow the chain is not asked for a while.
    pub(super) fn rest(&self, at: usize) {
        self.shared.nodes.get(at).into_iter().for_each(|node| node.breaker.rest());
    }

    /// Whether this head needs no comparison with another node's.
    pub(super) fn is_alive(&self, head: u64) -> bool {
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_alive(head, Instant::now())
    }

    /// Returns another node to compare an answer with.
    pub(super) fn witness_of(&self, node: usize) -> Option<usize> {
        let mut others = self.shared.nodes.iter().enumerate().filter(|(at, _)| *at != node);
        others.find(|(_, other)| other.breaker.allows()).map(|(at, _)| at)
    }
}

/// Checks that a response belongs to this request and that the server reports no error of its own.
fn checked(answer: Answer, status: StatusCode, id: u64) -> Result<Answer, NodeError> {
    match &answer.error {
        Some(_) => Ok(answer),
        None if !status.is_success() => Err(NodeError::Status(status)),
        None if answer.id != json!(id) => Err(NodeError::OtherRequest),
        None => Ok(answer),
    }
}

pub(super) fn read<T: DeserializeOwned>(answer: Value, method: &'static str) -> Result<T, RpcError> {
    serde_json::from_value(answer).map_err(|error| RpcError::Answer { method, detail: error.to_string() })
}

pub(super) fn hex_of(number: u64) -> String {
    format!("0x{number:x}")
}

pub(super) fn small(value: U256, what: &'static str) -> Result<u64, RpcError> {
    u64::try_from(value).map_err(|_| RpcError::Range(what))
}

fn load_roots(roots: &mut rustls::RootCertStore, file: &std::path::Path) -> Result<(), RpcError> {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    let fail = |error: &dyn std::fmt::Display| RpcError::Ca(format!("{}: {error}", file.display()));
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| fail(&error))? {
        roots.add(certificate.map_err(|error| fail(&error))?).map_err(|error| fail(&error))?;
    }
    Ok(())
}
