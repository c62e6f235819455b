//! JSON-RPC to a node of the chain, over HTTPS or to this machine.

use super::abi::selector;
use crate::{
    api::{ApiError, system_roots},
    wallet::{WalletError, hex_text},
};
use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use purr_runtime::{TlsError, tls::public_client_config};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

/// Time limit of one request.
const WAIT: Duration = Duration::from_secs(20);
/// Answers larger than this, in bytes, are refused.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// The most of a node's own words that an error repeats, in characters.
const WORDS_MAX: usize = 300;

/// Advice for the player on the vault's refusals.
const REFUSALS: &[(&str, &str)] = &[
    ("ZeroAmount()", "the amount is zero"),
    ("DepositsPaused()", "deposits are paused at the moment"),
    ("ContractWallet()", "the vault takes no deposits for contracts: they cannot sign permits"),
    ("TooMuchHeld()", "the vault holds as much as it may"),
    ("TokenTookFee()", "the token took a fee, and the vault takes whole amounts only"),
    ("VoucherExpired()", "the voucher has expired: ask for the withdrawal again"),
    ("NonceUsed()", "this was done already"),
    ("InsufficientBalance()", "the vault has not settled enough of your chips yet: try again in a moment"),
    ("OutflowLimitReached(uint64)", "the vault pays out only so much at a time: ask for less, or later"),
    ("ExitPending()", "an exit is under way"),
    ("NoExitPending()", "no exit is under way"),
    ("ExitNotReady(uint64)", "the exit's clock has not run out"),
    ("BadSignature()", "the vault does not accept the signature"),
];

/// Failures between a player and the chain. The node's address is never repeated: it may hold a key.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    #[error("--rpc is not a node: want https://…, or http:// to this machine (localhost, 127.0.0.1, [::1])")]
    Url,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Roots(#[from] ApiError),
    #[error(transparent)]
    Wallet(#[from] WalletError),
    #[error("the node gave no answer to {method} within {} s", WAIT.as_secs())]
    TimeOut { method: &'static str },
    #[error("the node cannot be asked {method}: {detail}")]
    Unreachable { method: &'static str, detail: String },
    #[error("the node's answer to {method} cannot be read: {detail}")]
    Answer { method: &'static str, detail: String },
    /// The node or the contract refused the call.
    #[error("{method} was refused: {why}")]
    Refused { method: &'static str, why: String },
    #[error("the node is of chain {found}, the room plays on chain {wanted}")]
    OtherChain { found: u64, wanted: u64 },
    #[error("gas costs {gwei} gwei at the moment, more than --fee-limit allows: wait, or raise the limit")]
    Fee { gwei: u64 },
    #[error("transaction {0} failed on the chain: nothing was moved, its fee is spent")]
    Failed(String),
    #[error(
        "transaction {hash} has {confirmations} of {wanted} confirmations after {waited_s} s: it may still come"
    )]
    NotConfirmed { hash: String, confirmations: u64, wanted: u64, waited_s: u64 },
}

impl ChainError {
    /// Whether the same request may succeed in a moment.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self, Self::TimeOut { .. } | Self::Unreachable { .. })
    }
}

/// A node. Its requests are independent of each other.
pub struct Rpc {
    uri: Uri,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl std::fmt::Debug for Rpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rpc({})", self.uri.host().unwrap_or_default())
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Value,
}

/// Whether the URL is encrypted or on this machine. Otherwise others could read and change requests.
fn is_allowed(uri: &Uri) -> bool {
    let here = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match uri.scheme_str() {
        Some("https") => uri.host().is_some(),
        Some("http") => here,
        _ => false,
    }
}

impl Rpc {
    /// A node at this URL; its certificate must come from a CA of `ca_file`, or from one that this machine trusts.
    ///
    /// # Errors
    /// [`ChainError::Url`] for anything but HTTPS, and HTTP to this machine.
    pub fn new(url: &str, ca_file: Option<&Path>) -> Result<Self, ChainError> {
        let uri: Uri = url.parse().map_err(|_| ChainError::Url)?;
        if !is_allowed(&uri) {
            return Err(ChainError::Url);
        }
        let tls = match ca_file {
            Some(file) => (*public_client_config(file)?).clone(),
            None if uri.scheme_str() == Some("https") => (*system_roots()?).clone(),
            // Never used, because the connection stays on this machine.
            None => (*purr_runtime::tls::client_config_with(rustls::RootCertStore::empty())?).clone(),
        };
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Ok(Self { uri, client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    pub(crate) async fn ask(&self, method: &'static str, params: Value) -> Result<Value, ChainError> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| ChainError::Unreachable { method, detail: error.to_string() })?;
        let unreadable = |detail: String| ChainError::Answer { method, detail };
        let exchange = async {
            let answer = self.client.request(request).await;
            let answer =
                answer.map_err(|error| ChainError::Unreachable { method, detail: error.to_string() })?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), BODY_MAX).collect().await;
            let body = body.map_err(|error| unreadable(error.to_string()))?;
            Ok::<_, ChainError>((status, body.to_bytes()))
        };
        let (status, body) =
            tokio::time::timeout(WAIT, exchange).await.map_err(|_| ChainError::TimeOut { method })??;
        let answer: Answer = match serde_json::from_slice(&body) {
            Ok(answer) => answer,
            Err(_) if !status.is_success() => {
                return Err(ChainError::Unreachable { method, detail: format!("status {status}") });
            }
            Err(error) => return Err(unreadable(error.to_string())),
        };
        match answer.error {
            Some(failure) => Err(ChainError::Refused { method, why: words(&failure) }),
            None => Ok(answer.result),
        }
    }

    /// An answer that is a number in hex.
    pub(crate) async fn number(&self, method: &'static str, params: Value) -> Result<u64, ChainError> {
        number(method, &self.ask(method, params).await?)
    }

    /// The answer of a contract at the newest block.
    pub(crate) async fn read(&self, to: [u8; 20], data: &[u8]) -> Result<Vec<u8>, ChainError> {
        let method = "eth_call";
        let call = json!({ "to": hex_text(&to), "data": hex_text(data) });
        let answer = self.ask(method, json!([call, "latest"])).await?;
        bytes(method, &answer)
    }
}

pub(crate) fn number(method: &'static str, value: &Value) -> Result<u64, ChainError> {
    let text = value.as_str().and_then(|text| text.strip_prefix("0x"));
    text.and_then(|text| u64::from_str_radix(text, 16).ok())
        .ok_or_else(|| ChainError::Answer { method, detail: "want a number in hex".into() })
}

pub(crate) fn bytes(method: &'static str, value: &Value) -> Result<Vec<u8>, ChainError> {
    let text = value.as_str().and_then(|text| text.strip_prefix("0x"));
    text.and_then(|text| hex::decode(text).ok())
        .ok_or_else(|| ChainError::Answer { method, detail: "want bytes in hex".into() })
}

/// Returns the meaning of a refusal: nodes put the revert's data in one of several places.
fn words(failure: &Failure) -> String {
    let data = match &failure.data {
        Value::String(text) => text.clone(),
        other => other["data"].as_str().unwrap_or_default().to_owned(),
    };
    let known = data.strip_prefix("0x").and_then(|hex| hex.get(..8)).and_then(|found| {
        REFUSALS.iter().find(|(signature, _)| hex::encode(selector(signature)) == found.to_ascii_lowercase())
    });
    match known {
        Some((_, words)) => (*words).to_owned(),
        None => failure.message.chars().take(WORDS_MAX).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_nodes() {
        for good in
            ["https://node.example/v3/key", "http://127.0.0.1:8545", "http://localhost:1/", "http://[::1]:9"]
        {
            assert!(is_allowed(&good.parse().unwrap()), "{good}");
        }
        for bad in
            ["http://node.example", "ws://localhost:1", "http://127.0.0.1.example", "/x", "localhost:1"]
        {
            assert!(!bad.parse().is_ok_and(|uri| is_allowed(&uri)), "{bad}");
        }
    }

    #[test]
    fn the_vaults_refusals_are_told_in_words_wherever_a_node_puts_them() {
        let data = format!("0x{}{}", hex::encode(selector("ExitNotReady(uint64)")), "00".repeat(32));
        let failure = |data| Failure { message: "execution reverted".into(), data };
        for place in [json!(data), json!({ "data": data })] {
            assert_eq!(words(&failure(place)), "the exit's clock has not run out");
        }
        assert_eq!(words(&failure(Value::Null)), "execution reverted");
        assert_eq!(words(&failure(json!("0xffffffff"))), "execution reverted");
    }
}
