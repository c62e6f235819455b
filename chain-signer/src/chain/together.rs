//! Several answers from one node in one batch request, so that they belong together.

use super::{
    Address,
    rpc::{Answer, Block, Head, NodeError, Refusal, Rpc, RpcError, Told, hex_of, read},
};
use ethers_core::types::{Log, TransactionReceipt};
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A block, and the results of the calls at that block.
type AtHead = (Block, Vec<Vec<u8>>);

/// Leaves out logs that nobody asked for: of other contracts, and of other blocks. Whoever deploys a contract can write any
/// event, so one of another address is nobody's money.
///
/// # Errors
/// Where the headers are not those of the blocks asked for, or a log is of another block than the header with its number:
/// the two do not belong together.
fn asked_for(
    mut told: Told,
    address: Address,
    (from, to): (u64, u64),
    first_header: u64,
) -> Result<Told, RpcError> {
    let answer = |method, detail| RpcError::Answer { method, detail };
    let numbers = told.headers.iter().map(|header| header.block.number);
    if !numbers.eq(first_header..=to) {
        let detail = format!("not the headers of blocks {first_header} to {to}");
        return Err(answer("eth_getBlockByNumber", detail));
    }
    let all = told.logs.len();
    told.logs.retain(|log| {
        let here = log.block_number.is_some_and(|block| block >= from.into() && block <= to.into());
        here && log.address.0 == address
    });
    if told.logs.len() < all {
        let foreign = all - told.logs.len();
        tracing::error!(node = told.node, foreign, "a node told logs that were not asked for");
    }
    let hashes: BTreeMap<u64, [u8; 32]> =
        told.headers.iter().map(|header| (header.block.number, header.block.hash)).collect();
    let other = |log: &&Log| {
        let header = log.block_number.and_then(|block| hashes.get(&block.as_u64()));
        header.zip(log.block_hash).is_some_and(|(header, hash)| *header != hash.0)
    };
    if let Some(log) = told.logs.iter().find(other) {
        let detail = format!("a log of another block {}", log.block_number.unwrap_or_default());
        return Err(answer("eth_getLogs", detail));
    }
    Ok(told)
}

/// Attempts of a batch when a new block came in between.
const TRIES: usize = 3;

/// The calls' results, if the first and the last head are the same block.
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
            let Some(call) = self.enter(at) else { continue };
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
                let told = headers.map(|headers| Told { node: at, headers, logs });
                told.map(|told| asked_for(told, address, (from, to), first_header)).transpose()
            });
            let good = matches!(told, Ok(Some(_)));
            call.note(good);
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
                let Some(call) = self.enter(at) else { break };
                if !self.may_ask(asked.len()) {
                    return Err(RpcError::Budget);
                }
                let answer = self.ask_all(at, &asked).await.and_then(of_one_block);
                call.note(answer.is_ok());
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
            .map_err(|error| RpcError::AllDown(NodeError::Json { status, error }))?;
        ids()
            .zip(asked)
            .map(|(id, (method, _))| {
                // JSON-RPC allows the responses of a batch in any order.
                let answer = answers.iter().find(|answer| answer.id == json!(id));
                let answer = answer.ok_or_else(|| RpcError::AllDown(NodeError::Unanswered(method)))?;
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

#[cfg(test)]
mod tests {
    use super::super::rpc::Header;
    use super::*;
    use ethers_core::types::{H160, H256, U64};

    const VAULT: Address = [7; 20];

    fn header(number: u8) -> Header {
        let (number, hash) = (number.into(), [number; 32]);
        let block = Block { number, hash, parent: [0; 32], timestamp_s: 0, base_fee: 0, gas_limit: 0 };
        Header { block, bloom: None }
    }

    fn log(address: Address, block: u8) -> Log {
        Log {
            address: H160(address),
            block_number: Some(U64::from(block)),
            block_hash: Some(H256([block; 32])),
            ..Log::default()
        }
    }

    fn told(headers: Vec<Header>, logs: Vec<Log>) -> Told {
        Told { node: 0, headers, logs }
    }

    #[test]
    fn logs_of_other_contracts_and_of_other_blocks_are_left_out() {
        let logs = vec![log(VAULT, 3), log([8; 20], 3), log(VAULT, 1), log(VAULT, 4), log(VAULT, 2)];
        let good = asked_for(told(vec![header(2), header(3)], logs), VAULT, (2, 3), 2).unwrap();
        assert_eq!(good.logs, [log(VAULT, 3), log(VAULT, 2)]);
        // A log of a block whose header was not requested has no header to match.
        let one = asked_for(told(vec![header(3)], vec![log(VAULT, 2)]), VAULT, (2, 3), 3).unwrap();
        assert_eq!(one.logs.len(), 1);
    }

    #[test]
    fn headers_and_logs_that_do_not_belong_together_are_no_answer() {
        // A node that answers for its latest block, whichever block is requested.
        assert!(asked_for(told(vec![header(2), header(9)], Vec::new()), VAULT, (2, 3), 2).is_err());
        assert!(asked_for(told(vec![header(2)], Vec::new()), VAULT, (2, 3), 2).is_err());
        let orphan = Log { block_hash: Some(H256([9; 32])), ..log(VAULT, 3) };
        assert!(asked_for(told(vec![header(2), header(3)], vec![orphan]), VAULT, (2, 3), 2).is_err());
    }
}
