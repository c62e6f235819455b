//! False answers that real nodes have given.

use super::proxy::Random;
use purr_chain_signer::chain::Rpc;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// No logs at all (go-ethereum 24078, reth 17678).
    EmptyLogs,
    /// No logs, and neither blooms nor receipts that would reveal them (lotus 13749).
    SwallowedLogs,
    /// Returns each log a second time with another contract's address, ignoring the requested address.
    ForeignLogs,
    /// Every transaction reverted.
    WrongReceipt,
    /// The base fee is a million gwei (optimism 13382).
    WildBaseFee,
    /// The node's head stays at this block.
    StaleHead(u64),
    /// The node answers every question for its latest block (HyperEVM).
    LatestOnly,
    /// The node knows the head but not its state.
    HeaderNotFound,
    /// HTTP 429 with a JSON-RPC error in it.
    TooManyRequests,
    /// -32603 for everything.
    InternalError,
    /// -32005 for everything, with HTTP 200.
    LimitExceeded,
}

pub const MILLION_GWEI: &str = "0x38d7ea4c68000";

/// All lies; `head` is the block at which a head that stays behind stops.
pub fn all(head: u64) -> [Lie; 11] {
    [
        Lie::EmptyLogs,
        Lie::SwallowedLogs,
        Lie::ForeignLogs,
        Lie::WrongReceipt,
        Lie::WildBaseFee,
        Lie::StaleHead(head),
        Lie::LatestOnly,
        Lie::HeaderNotFound,
        Lie::TooManyRequests,
        Lie::InternalError,
        Lie::LimitExceeded,
    ]
}

/// Lies in a shuffled order, each as often as the others.
pub struct Deal {
    random: Random,
    left: Vec<usize>,
}

impl Deal {
    pub fn new(seed: u64) -> Self {
        Self { random: Random(seed), left: Vec::new() }
    }

    /// Returns the index of the next lie in [`all`], and how many milliseconds it lasts.
    pub fn next(&mut self) -> (usize, u64) {
        if self.left.is_empty() {
            self.left = (0..all(0).len()).collect();
        }
        let at = self.random.below(self.left.len() as u64) as usize;
        (self.left.swap_remove(at), 1_000 + self.random.below(3_000))
    }
}

type Answer = (&'static str, Value);

fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// The same event from another contract, after all others of its block.
fn foreign(log: &Value) -> Value {
    let mut copy = log.clone();
    copy["address"] = json!(format!("0x{}", "ee".repeat(20)));
    copy["logIndex"] = json!(format!("0x{:x}", number(&log["logIndex"]).unwrap_or_default() + 1_000));
    copy
}

impl Lie {
    /// Returns the false answer; `None` where this lie leaves the method alone.
    pub async fn told(self, rpc: &Rpc, method: &'static str, params: &Value, id: &Value) -> Option<Answer> {
        let result = |result: Value| ("200 OK", json!({"jsonrpc": "2.0", "id": id, "result": result}));
        let error = |status: &'static str, code: i64, message: &str| {
            (status, json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}))
        };
        let truth =
            || async { rpc.raw(method, params.clone()).await.ok().filter(|answer| !answer.is_null()) };
        match self {
            Self::EmptyLogs => (method == "eth_getLogs").then(|| result(json!([]))),
            Self::SwallowedLogs => match method {
                "eth_getLogs" => Some(result(json!([]))),
                "eth_getBlockByNumber" => {
                    let mut head = truth().await?;
                    head["logsBloom"] = json!(format!("0x{}", "0".repeat(512)));
                    Some(result(head))
                }
                "eth_getBlockReceipts" => {
                    let mut receipts = truth().await?;
                    receipts.as_array_mut()?.iter_mut().for_each(|receipt| receipt["logs"] = json!([]));
                    Some(result(receipts))
                }
                _ => None,
            },
            Self::ForeignLogs if method == "eth_getLogs" => {
                let mut logs = truth().await?;
                let foreign: Vec<Value> = logs.as_array()?.iter().map(foreign).collect();
                logs.as_array_mut()?.extend(foreign);
                Some(result(logs))
            }
            Self::WrongReceipt if method == "eth_getTransactionReceipt" => {
                let mut receipt = truth().await?;
                receipt["status"] = json!("0x0");
                receipt["logs"] = json!([]);
                Some(result(receipt))
            }
            Self::WildBaseFee if method == "eth_getBlockByNumber" => {
                let mut head = truth().await?;
                head["baseFeePerGas"] = json!(MILLION_GWEI);
                Some(result(head))
            }
            Self::LatestOnly if method == "eth_call" => {
                let params = json!([params[0], "latest"]);
                Some(result(rpc.raw(method, params).await.ok()?))
            }
            Self::ForeignLogs | Self::WrongReceipt | Self::WildBaseFee | Self::LatestOnly => None,
            Self::StaleHead(head) => match method {
                "eth_blockNumber" => Some(result(json!(format!("0x{head:x}")))),
                "eth_getBlockByNumber" => match number(&params[0]) {
                    Some(number) if number <= head => None,
                    Some(_) => Some(result(Value::Null)),
                    None => {
                        let params = json!([format!("0x{head:x}"), false]);
                        Some(result(rpc.raw("eth_getBlockByNumber", params).await.ok()?))
                    }
                },
                "eth_getTransactionReceipt" => Some(result(Value::Null)),
                "eth_getLogs" => {
                    let from = number(&params[0]["fromBlock"]).unwrap_or_default();
                    (from > head).then(|| result(json!([])))
                }
                _ => None,
            },
            Self::HeaderNotFound => matches!(method, "eth_call" | "eth_getBlockByNumber" | "eth_getLogs")
                .then(|| error("200 OK", -32_000, "header not found")),
            Self::TooManyRequests => Some(error("429 Too Many Requests", 429, "Too Many Requests")),
            Self::InternalError => Some(error("200 OK", -32_603, "internal error")),
            Self::LimitExceeded => Some(error("200 OK", -32_005, "request rate limited")),
        }
    }
}
