//! False answers of a node, as real ones have given them.

use super::proxy::Random;
use purr_chain_signer::chain::Rpc;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// No logs, whatever there is (go-ethereum 24078, reth 17678).
    EmptyLogs,
    /// No logs, and neither blooms nor receipts that betray them (lotus 13749).
    SwallowedLogs,
    /// Each log a second time as another contract's: the address that was asked for does not count.
    ForeignLogs,
    /// Every transaction reverted.
    WrongReceipt,
    /// The base fee is a million gwei (optimism 13382).
    WildBaseFee,
    /// No head says what a block's gas costs.
    NoBaseFee,
    /// Blocks hold less gas than the smallest transaction needs.
    TinyBlocks,
    /// Blocks are three days in the future.
    WildTime,
    /// The sender has sent a trillion transactions.
    WildNonce,
    /// Calls need no more gas than a plain transfer.
    LowEstimate,
    /// Calls need more gas than any block has.
    HighEstimate,
    /// No receipt of any transaction, as while a node indexes.
    NoReceipt,
    /// It takes transactions and passes them on to nobody.
    SwallowedSends,
    /// Logs from the first block on, each twice, whatever range was asked for.
    AllLogsTwice,
    /// `null`, whatever it is asked.
    NullResults,
    /// It stopped at this block and answers on.
    StaleHead(u64),
    /// It answers for its latest block, whichever it is asked about (HyperEVM).
    LatestOnly,
    /// It has the head and not its state.
    HeaderNotFound,
    /// HTTP 429 with a JSON-RPC error in it.
    TooManyRequests,
    /// -32603 for everything.
    InternalError,
    /// -32005 for everything, with HTTP 200.
    LimitExceeded,
}

pub const MILLION_GWEI: &str = "0x38d7ea4c68000";

/// All of them; the head where one stops is `head`.
pub fn all(head: u64) -> [Lie; 21] {
    [
        Lie::EmptyLogs,
        Lie::SwallowedLogs,
        Lie::ForeignLogs,
        Lie::WrongReceipt,
        Lie::WildBaseFee,
        Lie::NoBaseFee,
        Lie::TinyBlocks,
        Lie::WildTime,
        Lie::WildNonce,
        Lie::LowEstimate,
        Lie::HighEstimate,
        Lie::NoReceipt,
        Lie::SwallowedSends,
        Lie::AllLogsTwice,
        Lie::NullResults,
        Lie::LatestOnly,
        Lie::HeaderNotFound,
        Lie::TooManyRequests,
        Lie::InternalError,
        Lie::LimitExceeded,
        Lie::StaleHead(head),
    ]
}

/// Lies in a shuffled order, each as often as the others.
pub struct Deal {
    random: Random,
    left: Vec<usize>,
    /// For how long a lie is told, on average.
    span_ms: u64,
}

/// Longest average span of a lie.
const SPAN_MS_MAX: u64 = 2_500;
/// Shortest: the signer's poll interval, in which each question is asked once.
const SPAN_MS_MIN: u64 = 400;

impl Deal {
    /// As many seconds as a run has are enough for each lie and as much truth, within the bounds.
    pub fn within(seed: u64, seconds: u64) -> Self {
        let span_ms = seconds * 1_000 / (2 * all(0).len() as u64);
        Self { random: Random(seed), left: Vec::new(), span_ms: span_ms.clamp(SPAN_MS_MIN, SPAN_MS_MAX) }
    }

    /// The next lie's place in [`all`], and for how many milliseconds it is told.
    pub fn next(&mut self) -> (usize, u64) {
        if self.left.is_empty() {
            self.left = (0..all(0).len()).collect();
        }
        // A node that stopped rests for half a minute: that lie, the last of them, ends each deal.
        let at = self.random.below((self.left.len() as u64 - 1).max(1)) as usize;
        (self.left.remove(at), self.span_ms / 2 + self.random.below(self.span_ms))
    }
}

type Answer = (&'static str, Value);

fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// The same event of another contract, behind all others of its block.
fn foreign(log: &Value) -> Value {
    let mut copy = log.clone();
    copy["address"] = json!(format!("0x{}", "ee".repeat(20)));
    copy["logIndex"] = json!(format!("0x{:x}", number(&log["logIndex"]).unwrap_or_default() + 1_000));
    copy
}

impl Lie {
    /// The lie in place of an answer; `None`: about this the node says the truth.
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
            Self::WildBaseFee | Self::NoBaseFee | Self::TinyBlocks | Self::WildTime
                if method == "eth_getBlockByNumber" =>
            {
                let mut head = truth().await?;
                match self {
                    Self::NoBaseFee => head["baseFeePerGas"] = Value::Null,
                    Self::TinyBlocks => head["gasLimit"] = json!("0x3e8"),
                    Self::WildTime => {
                        let time = number(&head["timestamp"]).unwrap_or_default() + 3 * 86_400;
                        head["timestamp"] = json!(format!("0x{time:x}"));
                    }
                    _ => head["baseFeePerGas"] = json!(MILLION_GWEI),
                }
                Some(result(head))
            }
            Self::WildNonce => (method == "eth_getTransactionCount").then(|| result(json!("0xe8d4a51000"))),
            Self::LowEstimate => (method == "eth_estimateGas").then(|| result(json!("0x5208"))),
            Self::HighEstimate => (method == "eth_estimateGas").then(|| result(json!("0x5af3107a4000"))),
            Self::NoReceipt => (method == "eth_getTransactionReceipt").then(|| result(Value::Null)),
            Self::SwallowedSends => {
                (method == "eth_sendRawTransaction").then(|| result(json!(format!("0x{}", "5e".repeat(32)))))
            }
            Self::AllLogsTwice if method == "eth_getLogs" => {
                let mut filter = params[0].clone();
                (filter["fromBlock"], filter["toBlock"]) = (json!("0x0"), json!("latest"));
                let mut logs = rpc.raw(method, json!([filter])).await.ok()?;
                let again = logs.as_array()?.clone();
                logs.as_array_mut()?.extend(again.into_iter().rev());
                Some(result(logs))
            }
            Self::NullResults => Some(result(Value::Null)),
            Self::LatestOnly if method == "eth_call" => {
                let params = json!([params[0], "latest"]);
                Some(result(rpc.raw(method, params).await.ok()?))
            }
            Self::ForeignLogs
            | Self::WrongReceipt
            | Self::WildBaseFee
            | Self::NoBaseFee
            | Self::TinyBlocks
            | Self::WildTime
            | Self::AllLogsTwice
            | Self::LatestOnly => None,
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
