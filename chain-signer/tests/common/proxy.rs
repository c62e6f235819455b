//! A faulty connection to the chain: requests fail, transactions are delayed or lost although the node has confirmed
//! them, and answers are lost after the node has acted.

use super::lies::Lie;
use purr_chain_signer::chain::{Rpc, RpcConfig, RpcError};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const SEND: &str = "eth_sendRawTransaction";
const METHODS: [&str; 11] = [
    "eth_chainId",
    "eth_blockNumber",
    "eth_getBlockByNumber",
    "eth_getTransactionCount",
    "eth_estimateGas",
    "eth_call",
    "eth_getCode",
    SEND,
    "eth_getTransactionReceipt",
    "eth_getLogs",
    "eth_getBlockReceipts",
];

/// Sebastiano Vigna's SplitMix64: the seed determines the whole run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// How often each fault happened.
#[derive(Default)]
pub struct Counts {
    pub requests: AtomicU64,
    pub failed: AtomicU64,
    pub dropped: AtomicU64,
    pub delayed: AtomicU64,
    pub lost: AtomicU64,
    pub lies: AtomicU64,
    /// Requests of comparisons: those that come with a call in one batch.
    pub compared: AtomicU64,
}

impl Counts {
    pub fn all(&self) -> [(&'static str, u64); 5] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("requests", of(&self.requests)),
            ("failed", of(&self.failed)),
            ("dropped", of(&self.dropped)),
            ("delayed", of(&self.delayed)),
            ("answers lost", of(&self.lost)),
        ]
    }
}

/// A running proxy; it stops when dropped.
pub struct Proxy {
    pub port: u16,
    pub counts: Arc<Counts>,
    faults: Arc<Faults>,
    calm: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The methods that HyperEVM's public nodes let through.
pub const REQUESTS_PER_MINUTE: usize = 100;
const NONCES: u64 = 8;

enum Kind {
    /// Forwards everything; only lies change answers.
    Passing,
    Faulty,
    /// Injects no faults, but enforces the rate limits.
    Limiting(std::sync::Mutex<std::collections::VecDeque<std::time::Instant>>),
}

struct Faults {
    rpc: Rpc,
    kind: Kind,
    /// The lie that the proxy currently answers with.
    lie: std::sync::Mutex<Option<Lie>>,
    counts: Arc<Counts>,
    random: std::sync::Mutex<Random>,
    transactions: std::sync::Mutex<Deck<Fate>>,
    requests: std::sync::Mutex<Deck<Fate>>,
    calm: Arc<AtomicBool>,
}

/// The fate of a request.
#[derive(Clone, Copy)]
enum Fate {
    Passed,
    /// Refused, as by a server that is overloaded.
    Failed,
    /// The node confirms the transaction, and the pool drops it.
    Dropped,
    /// The transaction arrives later.
    Delayed,
    /// The transaction arrives, and the answer is lost.
    AnswerLost,
}

/// A shuffled deck of fates. A run that goes through the deck has met each of them, which independent random choices
/// would not guarantee.
struct Deck<T> {
    cards: Vec<T>,
    next: usize,
}

impl<T: Copy> Deck<T> {
    fn new(cards: Vec<T>) -> Self {
        Self { next: cards.len(), cards }
    }

    fn deal(&mut self, random: &mut Random) -> T {
        if self.next == self.cards.len() {
            self.next = 0;
            for last in (1..self.cards.len()).rev() {
                self.cards.swap(last, random.below(last as u64 + 1) as usize);
            }
        }
        self.next += 1;
        self.cards[self.next - 1]
    }
}

fn transactions() -> Deck<Fate> {
    use Fate::{AnswerLost, Delayed, Dropped, Passed};
    Deck::new(vec![Dropped, Delayed, AnswerLost, Passed, Passed, Passed, Passed, Passed])
}

fn requests() -> Deck<Fate> {
    let mut fates = vec![Fate::Passed; 40];
    fates[..2].copy_from_slice(&[Fate::Failed, Fate::Delayed]);
    Deck::new(fates)
}

impl Proxy {
    pub async fn faulty(node: u16, seed: u64) -> Self {
        Self::start(node, seed, Kind::Faulty).await
    }

    pub async fn limiting(node: u16) -> Self {
        Self::start(node, 0, Kind::Limiting(std::sync::Mutex::default())).await
    }

    pub async fn lying(node: u16) -> Self {
        Self::start(node, 0, Kind::Passing).await
    }

    /// Sets the lie from now on; `None`: the truth.
    pub fn lie(&self, lie: Option<Lie>) {
        *self.faults.lie.lock().unwrap() = lie;
    }

    async fn start(node: u16, seed: u64, kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let urls = vec![format!("http://127.0.0.1:{node}")];
        let rpc = Rpc::new(&RpcConfig { urls, ca_file: None, requests_per_minute: 0 }).unwrap();
        let counts = Arc::<Counts>::default();
        let random = std::sync::Mutex::new(Random(seed));
        let (transactions, requests) =
            (std::sync::Mutex::new(transactions()), std::sync::Mutex::new(requests()));
        let calm = Arc::<AtomicBool>::default();
        let (counted, calmed) = (counts.clone(), calm.clone());
        let lie = std::sync::Mutex::default();
        let faults = Arc::new(Faults {
            rpc,
            kind,
            lie,
            counts: counted,
            random,
            transactions,
            requests,
            calm: calmed,
        });
        let serving = faults.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(serving.clone(), stream));
            }
        });
        Self { port, counts, faults, calm, task }
    }

    /// Stops all faults: a comparison of everything makes hundreds of requests, and a single failure would spoil it.
    pub fn calm(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }
}

/// Serves one connection with the part of HTTP/1.1 that the signer's client uses.
async fn serve(faults: Arc<Faults>, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let request: Value = serde_json::from_slice(&body)?;
        // No answer: the connection ends.
        let Some((status, answer)) = faults.answer_all(&request).await else { return Ok(()) };
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(text.as_bytes()).await?;
    }
}

impl Faults {
    fn below(&self, n: u64) -> u64 {
        self.random.lock().unwrap().below(n)
    }

    fn fate(&self, method: &str) -> Fate {
        if self.calm.load(Ordering::Relaxed) {
            return Fate::Passed;
        }
        let deck = if method == SEND { &self.transactions } else { &self.requests };
        deck.lock().unwrap().deal(&mut self.random.lock().unwrap())
    }

    fn count(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The error for a request beyond the rate limits.
    async fn limit(&self, method: &str, id: &Value) -> Option<(&'static str, Value)> {
        let Kind::Limiting(recent) = &self.kind else { return None };
        {
            let mut recent = recent.lock().unwrap();
            while recent.front().is_some_and(|at| at.elapsed() >= Duration::from_secs(60)) {
                recent.pop_front();
            }
            if recent.len() >= REQUESTS_PER_MINUTE {
                return Some(("429 Too Many Requests", json!("rate limited")));
            }
            recent.push_back(std::time::Instant::now());
        }
        if method == SEND {
            let pool = self.rpc.raw("txpool_status", json!([])).await.ok()?;
            let waiting =
                pool["pending"].as_str().and_then(|text| u64::from_str_radix(&text[2..], 16).ok())?;
            if waiting >= NONCES {
                let error = json!({"code": -32000, "message": "nonce too far ahead"});
                return Some(("200 OK", json!({"jsonrpc": "2.0", "id": id, "error": error})));
            }
        }
        None
    }

    /// The false answer to this request, if the current lie has one.
    async fn lie(&self, method: &'static str, params: &Value, id: &Value) -> Option<(&'static str, Value)> {
        let lie = (*self.lie.lock().unwrap())?;
        lie.told(&self.rpc, method, params, id).await
    }

    /// Answers one request or a batch; a fault of one request fails the whole batch.
    async fn answer_all(self: &Arc<Self>, request: &Value) -> Option<(&'static str, Value)> {
        let Value::Array(requests) = request else { return self.answer(request).await };
        if requests.iter().any(|request| request["method"] == "eth_call") {
            self.counts.compared.fetch_add(requests.len() as u64, Ordering::Relaxed);
        }
        let mut answers = Vec::new();
        for request in requests {
            match self.answer(request).await? {
                ("200 OK", answer) => answers.push(answer),
                refused => return Some(refused),
            }
        }
        Some(("200 OK", Value::Array(answers)))
    }

    async fn answer(self: &Arc<Self>, request: &Value) -> Option<(&'static str, Value)> {
        self.count(&self.counts.requests);
        let name = request["method"].as_str().unwrap_or_default();
        let method = METHODS.into_iter().find(|known| *known == name).unwrap_or("eth_unknown");
        let params = request["params"].clone();
        if let Some(lie) = self.lie(method, &params, &request["id"]).await {
            self.count(&self.counts.lies);
            return Some(lie);
        }
        let passing = !matches!(self.kind, Kind::Faulty);
        if let Some(refusal) = self.limit(method, &request["id"]).await {
            self.count(&self.counts.failed);
            return Some(refusal);
        }
        match if passing { Fate::Passed } else { self.fate(method) } {
            Fate::Passed => {}
            Fate::Failed => {
                self.count(&self.counts.failed);
                return Some(("503 Service Unavailable", json!("try again")));
            }
            Fate::Dropped => {
                self.count(&self.counts.dropped);
                return Some(("200 OK", json!({"jsonrpc": "2.0", "id": request["id"], "result": "0x"})));
            }
            Fate::Delayed if method == SEND => {
                self.count(&self.counts.delayed);
                let (this, wait) = (self.clone(), Duration::from_millis(500 + self.below(2_500)));
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    let _ = this.rpc.raw(method, params).await;
                });
                return Some(("200 OK", json!({"jsonrpc": "2.0", "id": request["id"], "result": "0x"})));
            }
            Fate::Delayed => tokio::time::sleep(Duration::from_millis(self.below(600))).await,
            Fate::AnswerLost => {
                self.count(&self.counts.lost);
                let _ = self.rpc.raw(method, params).await;
                return None;
            }
        }
        let id = request["id"].clone();
        match self.rpc.raw(method, params).await {
            Ok(result) => Some(("200 OK", json!({"jsonrpc": "2.0", "id": id, "result": result}))),
            Err(RpcError::Refused { code, message, .. }) => {
                let error = json!({"code": code, "message": message});
                Some(("200 OK", json!({"jsonrpc": "2.0", "id": id, "error": error})))
            }
            Err(_) => None,
        }
    }
}
