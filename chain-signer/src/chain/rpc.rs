//! JSON-RPC over our own hyper client: several nodes, a circuit breaker for each, a request budget.
//!
//! A node is believed about the chain, not about itself: what it refuses for reasons of its own counts against it, and
//! the next one is asked.

use super::{
    Address,
    breaker::Breaker,
    verdict::{Budget, Seen, Verdict, follows, is_known, is_revert, note, of_refusal},
};
use ethers_core::types::{Bloom, H256, Log, TransactionReceipt, U64, U256};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
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
    AllDown(String),
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

impl RpcError {
    /// The contract itself refused the call.
    pub fn is_revert(&self) -> bool {
        matches!(self, Self::Refused { code, message, .. } if is_revert(*code, message))
    }

    /// Whether every node would say so.
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
}

/// A block's head with what its logs are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub block: Block,
    pub bloom: Option<Bloom>,
}

/// Headers and logs as one node tells them in one answer.
pub(super) struct Told {
    /// Its place in the list.
    pub node: usize,
    /// In their order, the last block's at the end.
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
struct Head {
    number: U64,
    hash: H256,
    parent_hash: H256,
    timestamp: U256,
    base_fee_per_gas: Option<U256>,
    logs_bloom: Option<Bloom>,
}

impl Head {
    fn read(self) -> Result<Header, RpcError> {
        let block = Block {
            number: self.number.as_u64(),
            hash: self.hash.0,
            parent: self.parent_hash.0,
            timestamp_s: small(self.timestamp, "timestamp")?,
            base_fee: small(self.base_fee_per_gas.unwrap_or_default(), "base fee")?,
        };
        Ok(Header { block, bloom: self.logs_bloom })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub block: u64,
    pub block_hash: [u8; 32],
    pub gas_used: u64,
    pub reverted: bool,
    pub contract: Option<Address>,
}

struct Node {
    url: http::Uri,
    breaker: Mutex<Breaker>,
}

/// A clone has the same nodes, breakers and budget.
#[derive(Clone)]
pub struct Rpc {
    shared: Arc<Shared>,
}

struct Shared {
    nodes: Vec<Node>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    id: AtomicU64,
    budget: Option<Mutex<Budget>>,
    seen: Mutex<Seen>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    result: Value,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    message: String,
}

impl Rpc {
    pub fn new(config: &RpcConfig) -> Result<Self, RpcError> {
        let mut nodes = Vec::new();
        for text in &config.urls {
            let url: http::Uri = text.parse().map_err(|_| RpcError::Url(text.clone()))?;
            if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none() {
                return Err(RpcError::Url(text.clone()));
            }
            nodes.push(Node { url, breaker: Mutex::default() });
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
            .then(|| Mutex::new(Budget::new(config.requests_per_minute, Instant::now())));
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(4).build(connector);
        let (id, seen) = (AtomicU64::new(1), Mutex::default());
        let shared = Arc::new(Shared { nodes, client, id, budget, seen });
        Ok(Self { shared })
    }

    async fn call<T: DeserializeOwned>(&self, method: &'static str, params: Value) -> Result<T, RpcError> {
        self.call_until(method, params, |_| true).await
    }

    /// Asks one node after the other until one gives an answer that will do; where none does, the first answer.
    async fn call_until<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
        will_do: impl Fn(&T) -> bool,
    ) -> Result<T, RpcError> {
        let mut failed = RpcError::AllDown("all nodes are resting after failures".to_owned());
        let mut poor = None;
        for at in 0..self.shared.nodes.len() {
            match self.one(at, method, params.clone()).await {
                Ok(answer) if will_do(&answer) => return Ok(answer),
                Ok(answer) => {
                    self.blame(at);
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

    /// Asks one node, and notes how it did.
    async fn one<T: DeserializeOwned>(
        &self,
        at: usize,
        method: &'static str,
        params: Value,
    ) -> Result<T, RpcError> {
        let node = self.shared.nodes.get(at).ok_or(RpcError::Resting)?;
        if !node.breaker.lock().unwrap_or_else(PoisonError::into_inner).allows(Instant::now()) {
            return Err(RpcError::Resting);
        }
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
        note(&mut node.breaker.lock().unwrap_or_else(PoisonError::into_inner), good, Instant::now());
        if let Err(error) = &answer {
            tracing::debug!(node = at, %error, "a node fails");
        }
        answer
    }

    /// Whether the budget has room for so many requests, which it then counts.
    fn may_ask(&self, requests: usize) -> bool {
        let Some(budget) = &self.shared.budget else { return true };
        let mut budget = budget.lock().unwrap_or_else(PoisonError::into_inner);
        (0..requests).all(|_| budget.take(Instant::now()))
    }

    async fn ask(&self, url: &http::Uri, id: u64, body: Bytes) -> Result<Answer, String> {
        let (status, body) = self.post(url, body).await?;
        let answer = serde_json::from_slice(&body).map_err(|error| format!("HTTP {status}: {error}"))?;
        checked(answer, status, id)
    }

    async fn post(&self, url: &http::Uri, body: Bytes) -> Result<(StatusCode, Bytes), String> {
        let request = Request::post(url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let work = async {
            let response = self.shared.client.request(request).await.map_err(|error| format!("{error:?}"))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_MAX);
            let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
            Ok((status, body))
        };
        tokio::time::timeout(TIMEOUT, work).await.map_err(|_| "no answer in time".to_owned())?
    }

    /// Any other method, for instance a development node's own.
    pub async fn raw(&self, method: &'static str, params: Value) -> Result<Value, RpcError> {
        self.call(method, params).await
    }

    pub async fn chain_id(&self) -> Result<u64, RpcError> {
        self.call::<U64>("eth_chainId", json!([])).await.map(|id| id.as_u64())
    }

    pub async fn block_number(&self) -> Result<u64, RpcError> {
        self.head().await.map(|block| block.number)
    }

    /// `None`: no node has such a block.
    pub async fn block(&self, number: Option<u64>) -> Result<Option<Block>, RpcError> {
        let Some(number) = number else { return self.head().await.map(Some) };
        let params = json!([hex_of(number), false]);
        let head: Option<Head> = self.call_until("eth_getBlockByNumber", params, Option::is_some).await?;
        head.map(|head| head.read().map(|header| header.block)).transpose()
    }

    /// The highest head. A node whose head is below what was seen, or does not move, is compared with the next one, and
    /// rests where it is behind: it would answer everything else out of the past.
    async fn head(&self) -> Result<Block, RpcError> {
        let mut heads: Vec<(usize, Block)> = Vec::new();
        let mut failed = RpcError::AllDown("all nodes are resting after failures".to_owned());
        for at in 0..self.shared.nodes.len() {
            let answer = self.one::<Option<Head>>(at, "eth_getBlockByNumber", json!(["latest", false])).await;
            match answer.and_then(|head| head.map(Head::read).transpose()) {
                Ok(Some(Header { block, .. })) => {
                    heads.push((at, block));
                    let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
                    if seen.is_alive(block.number, Instant::now()) {
                        break;
                    }
                }
                Ok(None) => {}
                Err(error) => failed = error,
            }
        }
        let best = heads.iter().map(|(_, block)| *block).max_by_key(|block| block.number);
        for (at, head) in &heads {
            if best.is_some_and(|best| !follows(head.number, best.number)) {
                tracing::warn!(
                    node = *at,
                    head = head.number,
                    ?best,
                    "a node has stopped following the chain"
                );
                if let Some(node) = self.shared.nodes.get(*at) {
                    node.breaker.lock().unwrap_or_else(PoisonError::into_inner).rest(Instant::now());
                }
            }
        }
        best.ok_or(failed)
    }

    /// Transactions of the sender in the chain.
    pub async fn nonce(&self, sender: Address) -> Result<u64, RpcError> {
        let params = json!([super::address_text(sender), "latest"]);
        small(self.call("eth_getTransactionCount", params).await?, "nonce")
    }

    pub async fn estimate_gas(&self, from: Address, to: Address, data: &[u8]) -> Result<u64, RpcError> {
        let call = json!({"from": super::address_text(from), "to": super::address_text(to),
            "data": format!("0x{}", hex::encode(data))});
        small(self.call("eth_estimateGas", json!([call])).await?, "gas")
    }

    /// Result of a call at a block.
    pub async fn eth_call(&self, to: Address, data: &[u8], block: Option<u64>) -> Result<Vec<u8>, RpcError> {
        let tag = block.map_or_else(|| "latest".to_owned(), |number| format!("0x{number:x}"));
        let call = json!({"to": super::address_text(to), "data": format!("0x{}", hex::encode(data))});
        let bytes: ethers_core::types::Bytes = self.call("eth_call", json!([call, tag])).await?;
        Ok(bytes.to_vec())
    }

    pub async fn code(&self, address: Address) -> Result<Vec<u8>, RpcError> {
        let params = json!([super::address_text(address), "latest"]);
        let bytes: ethers_core::types::Bytes = self.call("eth_getCode", params).await?;
        Ok(bytes.to_vec())
    }

    /// Hands signed bytes to a node. That it has them already is a success.
    pub async fn send_raw(&self, raw: &[u8]) -> Result<(), RpcError> {
        let params = json!([format!("0x{}", hex::encode(raw))]);
        match self.call::<Value>("eth_sendRawTransaction", params).await {
            Ok(_) => Ok(()),
            Err(RpcError::Refused { message, .. }) if is_known(&message) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub async fn receipt(&self, hash: [u8; 32]) -> Result<Option<Receipt>, RpcError> {
        let params = json!([format!("0x{}", hex::encode(hash))]);
        let receipt: Option<TransactionReceipt> = self.call("eth_getTransactionReceipt", params).await?;
        Ok(receipt.and_then(|receipt| {
            Some(Receipt {
                block: receipt.block_number?.as_u64(),
                block_hash: receipt.block_hash?.0,
                gas_used: receipt.gas_used.map_or(0, |gas| gas.min(U256::from(u64::MAX)).as_u64()),
                reverted: receipt.status == Some(U64::zero()),
                contract: receipt.contract_address.map(|address| address.0),
            })
        }))
    }

    /// Whether nothing bounds requests.
    pub(super) fn is_unlimited(&self) -> bool {
        self.shared.budget.is_none()
    }

    /// Counts against a node: another one has shown that it is wrong.
    pub(super) fn blame(&self, node: usize) {
        if let Some(node) = self.shared.nodes.get(node) {
            note(&mut node.breaker.lock().unwrap_or_else(PoisonError::into_inner), false, Instant::now());
        }
    }

    /// Another node that may be asked.
    pub(super) fn witness_of(&self, node: usize) -> Option<usize> {
        let now = Instant::now();
        let allows = |at: &usize| {
            let node = self.shared.nodes.get(*at);
            node.is_some_and(|node| node.breaker.lock().unwrap_or_else(PoisonError::into_inner).allows(now))
        };
        (0..self.shared.nodes.len()).filter(|at| *at != node).find(allows)
    }

    /// Logs of a contract in these blocks, both included, with the headers from `first_header` to the last: all of one
    /// node, the first that has the last block, from this place in the list on. `None`: none has it.
    pub(super) async fn range(
        &self,
        address: Address,
        (from, to): (u64, u64),
        first_header: u64,
        start: usize,
    ) -> Result<Option<Told>, RpcError> {
        let headers = (first_header..=to).map(|at| ("eth_getBlockByNumber", json!([hex_of(at), false])));
        let filter = json!({"address": super::address_text(address), "fromBlock": hex_of(from), "toBlock": hex_of(to)});
        let asked: Vec<_> = headers.chain([("eth_getLogs", json!([filter]))]).collect();
        let mut failed = Ok(None);
        let nodes = self.shared.nodes.iter().enumerate().skip(start);
        for (at, node) in nodes {
            if !node.breaker.lock().unwrap_or_else(PoisonError::into_inner).allows(Instant::now()) {
                continue;
            }
            if !self.may_ask(asked.len()) {
                return Err(RpcError::Budget);
            }
            let told = self.ask_all(&node.url, &asked).await.and_then(|mut answers| {
                let logs: Vec<Log> = read(answers.pop().unwrap_or_default(), "eth_getLogs")?;
                let heads: Vec<Option<Head>> = answers
                    .into_iter()
                    .map(|answer| read(answer, "eth_getBlockByNumber"))
                    .collect::<Result<_, _>>()?;
                let heads: Option<Vec<Head>> = heads.into_iter().collect();
                let headers = heads.map(|heads| heads.into_iter().map(Head::read).collect()).transpose()?;
                Ok(headers.map(|headers| Told { node: at, headers, logs }))
            });
            let good = matches!(told, Ok(Some(_)));
            note(&mut node.breaker.lock().unwrap_or_else(PoisonError::into_inner), good, Instant::now());
            match told {
                Ok(Some(told)) => return Ok(Some(told)),
                Ok(None) => {}
                Err(error) => failed = Err(error),
            }
        }
        failed
    }

    /// Logs of a contract in one block, out of its receipts.
    pub(super) async fn block_logs(&self, address: Address, block: [u8; 32]) -> Result<Vec<Log>, RpcError> {
        let params = json!([format!("0x{}", hex::encode(block))]);
        let receipts: Option<Vec<TransactionReceipt>> =
            self.call_until("eth_getBlockReceipts", params, Option::is_some).await?;
        let receipts = receipts.ok_or_else(|| RpcError::Answer {
            method: "eth_getBlockReceipts",
            detail: "no node has the block".to_owned(),
        })?;
        Ok(receipts
            .into_iter()
            .flat_map(|receipt| receipt.logs)
            .filter(|log| log.address.0 == address)
            .collect())
    }

    /// Several requests in one, answered by one node (JSON-RPC 2.0, section 6).
    async fn ask_all(
        &self,
        url: &http::Uri,
        asked: &[(&'static str, Value)],
    ) -> Result<Vec<Value>, RpcError> {
        let first = self.shared.id.fetch_add(asked.len() as u64, Ordering::Relaxed);
        let ids = || first..;
        let requests: Vec<Value> = (ids().zip(asked))
            .map(|(id, (method, params))| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .collect();
        let body = Bytes::from(Value::Array(requests).to_string());
        let (status, body) = self.post(url, body).await.map_err(RpcError::AllDown)?;
        let answers: Vec<Answer> = serde_json::from_slice(&body)
            .map_err(|error| RpcError::AllDown(format!("HTTP {status}: {error}")))?;
        ids()
            .zip(asked)
            .map(|(id, (method, _))| {
                // In any order, as the specification has it.
                let answer = answers.iter().find(|answer| answer.id == json!(id));
                let answer = answer.ok_or_else(|| RpcError::AllDown(format!("{method} was not answered")))?;
                match &answer.error {
                    Some(Refusal { code, message }) => {
                        Err(RpcError::Refused { method, code: *code, message: message.clone() })
                    }
                    None => Ok(answer.result.clone()),
                }
            })
            .collect()
    }
}

/// An answer to this request, from a server that is well.
fn checked(answer: Answer, status: StatusCode, id: u64) -> Result<Answer, String> {
    match &answer.error {
        Some(_) => Ok(answer),
        None if !status.is_success() => Err(format!("HTTP {status}")),
        None if answer.id != json!(id) => Err("the answer is to another request".to_owned()),
        None => Ok(answer),
    }
}

fn read<T: DeserializeOwned>(answer: Value, method: &'static str) -> Result<T, RpcError> {
    serde_json::from_value(answer).map_err(|error| RpcError::Answer { method, detail: error.to_string() })
}

fn hex_of(number: u64) -> String {
    format!("0x{number:x}")
}

fn small(value: U256, what: &'static str) -> Result<u64, RpcError> {
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
