//! JSON-RPC over our own hyper client: several nodes, a circuit breaker for each, a request budget.

use super::{
    Address,
    breaker::Breaker,
    verdict::{is_known, is_revert, is_verdict},
};
use ethers_core::types::{Log, TransactionReceipt, U64, U256};
use http::{Request, header};
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
        Mutex, PoisonError,
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
}

impl RpcError {
    /// The contract itself refused the call.
    pub fn is_revert(&self) -> bool {
        matches!(self, Self::Refused { code, message, .. } if is_revert(*code, message))
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

pub struct Rpc {
    nodes: Vec<Node>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    id: AtomicU64,
    budget: Option<Mutex<Bucket>>,
}

/// A leaking bucket of requests.
struct Bucket {
    per_minute: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let gained = now.duration_since(self.at).as_secs_f64() * self.per_minute / 60.0;
        self.tokens = (self.tokens + gained).min(self.per_minute);
        self.at = now;
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }
}

#[derive(Deserialize)]
struct Answer {
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
        let budget = (config.requests_per_minute > 0).then(|| {
            let per_minute = f64::from(config.requests_per_minute);
            Mutex::new(Bucket { per_minute, tokens: per_minute, at: Instant::now() })
        });
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(4).build(connector);
        Ok(Self { nodes, client, id: AtomicU64::new(1), budget })
    }

    async fn call<T: DeserializeOwned>(&self, method: &'static str, params: Value) -> Result<T, RpcError> {
        if let Some(budget) = &self.budget
            && !budget.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
        {
            return Err(RpcError::Budget);
        }
        let id = self.id.fetch_add(1, Ordering::Relaxed);
        let body =
            Bytes::from(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
        let mut last = RpcError::AllDown("all nodes are resting after failures".to_owned());
        for node in &self.nodes {
            if !node.breaker.lock().unwrap_or_else(PoisonError::into_inner).allows(Instant::now()) {
                continue;
            }
            let answer = self.ask(&node.url, body.clone()).await;
            let mut breaker = node.breaker.lock().unwrap_or_else(PoisonError::into_inner);
            match answer {
                Ok(Answer { error: Some(Refusal { code, message }), .. }) => {
                    let verdict = is_verdict(code, &message);
                    let refused = RpcError::Refused { method, code, message };
                    if verdict {
                        breaker.succeeded();
                        return Err(refused);
                    }
                    breaker.failed(Instant::now());
                    last = refused;
                }
                Ok(answer) => {
                    breaker.succeeded();
                    return serde_json::from_value(answer.result)
                        .map_err(|error| RpcError::Answer { method, detail: error.to_string() });
                }
                Err(error) => {
                    breaker.failed(Instant::now());
                    last = RpcError::AllDown(error);
                }
            }
        }
        Err(last)
    }

    async fn ask(&self, url: &http::Uri, body: Bytes) -> Result<Answer, String> {
        let request = Request::post(url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let work = async {
            let response = self.client.request(request).await.map_err(|error| format!("{error:?}"))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_MAX);
            let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
            let answer: Answer =
                serde_json::from_slice(&body).map_err(|error| format!("HTTP {status}: {error}"))?;
            // Some nodes say with a 4xx what they refuse. A result beside it is none.
            if !status.is_success() && answer.error.is_none() {
                return Err(format!("HTTP {status}"));
            }
            Ok(answer)
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
        self.call::<U64>("eth_blockNumber", json!([])).await.map(|number| number.as_u64())
    }

    /// `None`: the node has no such block.
    pub async fn block(&self, number: Option<u64>) -> Result<Option<Block>, RpcError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            number: U64,
            hash: ethers_core::types::H256,
            parent_hash: ethers_core::types::H256,
            timestamp: U256,
            base_fee_per_gas: Option<U256>,
        }
        let tag = number.map_or_else(|| "latest".to_owned(), |number| format!("0x{number:x}"));
        let head: Option<Head> = self.call("eth_getBlockByNumber", json!([tag, false])).await?;
        head.map(|head| {
            Ok(Block {
                number: head.number.as_u64(),
                hash: head.hash.0,
                parent: head.parent_hash.0,
                timestamp_s: small(head.timestamp, "timestamp")?,
                base_fee: small(head.base_fee_per_gas.unwrap_or_default(), "base fee")?,
            })
        })
        .transpose()
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

    /// Logs of a contract, both blocks included.
    pub(super) async fn logs(&self, address: Address, from: u64, to: u64) -> Result<Vec<Log>, RpcError> {
        let filter = json!({"address": super::address_text(address),
            "fromBlock": format!("0x{from:x}"), "toBlock": format!("0x{to:x}")});
        self.call("eth_getLogs", json!([filter])).await
    }
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
