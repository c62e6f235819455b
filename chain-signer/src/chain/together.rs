//! Several answers that belong together: out of one node, in one request.

use super::{
    Address,
    rpc::{Answer, Block, Head, Refusal, Rpc, RpcError, Told, hex_of, read},
};
use ethers_core::types::{Log, TransactionReceipt};
use hyper::body::Bytes;
use serde_json::{Value, json};

/// A block, and the calls' results out of it.
type AtHead = (Block, Vec<Vec<u8>>);

/// Times that a batch is asked for again because a block came in between.
const TRIES: usize = 3;

/// The calls' results, where the first and the last head are the same block.
fn of_one_block(mut answers: Vec<Value>) -> Result<Option<AtHead>, RpcError> {
    let head = |answer: Option<Value>| -> Result<Option<Block>, RpcError> {
        let head: Option<Head> = read(answer.unwrap_or_default(), "eth_getBlockByNumber")?;
        head.map(|head| head.read().map(|header| header.block)).transpose()
    };
    let last = head(answers.pop())?;
    let mut answers = answers.into_iter();
    let first = head(answers.next())?;
    let Some(block) = first.filter(|_| first == last) else { return Ok(None) };
    let results: Result<Vec<Vec<u8>>, RpcError> = answers
        .map(|answer| read::<ethers_core::types::Bytes>(answer, "eth_call").map(|bytes| bytes.to_vec()))
        .collect();
    Ok(Some((block, results?)))
}

impl Rpc {
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
        for at in start..self.nodes() {
            if !self.allows(at) {
                continue;
            }
            if !self.may_ask(asked.len()) {
                return Err(RpcError::Budget);
            }
            let told = self.ask_all(at, &asked).await.and_then(|mut answers| {
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
            self.note(at, good);
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

    /// Results of calls at the head, all of one block of one node. `None`: a new block came in between each time.
    pub(super) async fn calls_at_head(
        &self,
        calls: &[(Address, Vec<u8>)],
    ) -> Result<Option<AtHead>, RpcError> {
        let head = ("eth_getBlockByNumber", json!(["latest", false]));
        let each = calls.iter().map(|(to, data)| {
            let call = json!({"to": super::address_text(*to), "data": format!("0x{}", hex::encode(data))});
            ("eth_call", json!([call, "latest"]))
        });
        let asked: Vec<_> = [head.clone()].into_iter().chain(each).chain([head]).collect();
        let (mut failed, mut moved) = (RpcError::Resting, false);
        for at in 0..self.nodes() {
            for _ in 0..TRIES {
                if !self.allows(at) {
                    break;
                }
                if !self.may_ask(asked.len()) {
                    return Err(RpcError::Budget);
                }
                let answer = self.ask_all(at, &asked).await.and_then(of_one_block);
                self.note(at, answer.is_ok());
                match answer {
                    Ok(Some(found)) => return Ok(Some(found)),
                    Ok(None) => moved = true,
                    Err(error) => {
                        failed = error;
                        break;
                    }
                }
            }
        }
        if moved { Ok(None) } else { Err(failed) }
    }

    /// Several requests in one, answered by one node (JSON-RPC 2.0, section 6).
    async fn ask_all(&self, at: usize, asked: &[(&'static str, Value)]) -> Result<Vec<Value>, RpcError> {
        let first = self.ids(asked.len());
        let ids = || first..;
        let requests: Vec<Value> = (ids().zip(asked))
            .map(|(id, (method, params))| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .collect();
        let body = Bytes::from(Value::Array(requests).to_string());
        let (status, body) = self.post(at, body).await.map_err(RpcError::AllDown)?;
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
