//! The JSON-RPC methods, one function each.

use super::{
    Address,
    rpc::{Block, Head, Header, NodeError, Receipt, Rpc, RpcError, hex_of, small},
    verdict::{follows, is_known},
};
use ethers_core::types::{TransactionReceipt, U64, U256};
use serde_json::{Value, json};

impl Rpc {
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

    /// Returns the highest head. If a node's head is below one seen earlier, or does not move, the next node is asked
    /// as well; a node that turns out to be behind is not used for a while, because all its answers would be outdated.
    async fn head(&self) -> Result<Block, RpcError> {
        let mut heads: Vec<(usize, Block)> = Vec::new();
        let mut failed = RpcError::AllDown(NodeError::AllResting);
        for at in 0..self.nodes() {
            let answer = self.one::<Option<Head>>(at, "eth_getBlockByNumber", json!(["latest", false])).await;
            match answer.and_then(|head| head.map(Head::read).transpose()) {
                Ok(Some(Header { block, .. })) => {
                    heads.push((at, block));
                    if self.is_alive(block.number) {
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
                self.rest(*at);
            }
        }
        best.ok_or(failed)
    }

    /// Transactions of the sender in the chain.
    pub async fn nonce(&self, sender: Address) -> Result<u64, RpcError> {
        let params = json!([super::address_text(sender), "latest"]);
        small(self.call("eth_getTransactionCount", params).await?, "nonce")
    }

    /// Transactions of the sender in the chain, at most so many: a node that counts more is passed over for one that does
    /// not. Where all count more, the first one's count.
    pub async fn nonce_within(&self, sender: Address, most: u64) -> Result<u64, RpcError> {
        let params = json!([super::address_text(sender), "latest"]);
        let within = |count: &U256| *count <= U256::from(most);
        let mut beyond = Vec::new();
        let count: U256 = self.first("eth_getTransactionCount", params, within, |at| beyond.push(at)).await?;
        if !within(&count) {
            return Ok(u64::try_from(count).unwrap_or(u64::MAX));
        }
        // Another node's count shows that they are wrong.
        beyond.into_iter().for_each(|at| self.blame(at));
        small(count, "nonce")
    }

    /// What an account has, in whole gwei.
    pub async fn balance_gwei(&self, account: Address) -> Result<u64, RpcError> {
        let params = json!([super::address_text(account), "latest"]);
        let wei: U256 = self.call("eth_getBalance", params).await?;
        Ok(u64::try_from(wei / U256::exp10(9)).unwrap_or(u64::MAX))
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

    /// Sends signed bytes to a node. If the node has them already, that is a success.
    pub async fn send_raw(&self, raw: &[u8]) -> Result<(), RpcError> {
        let params = json!([format!("0x{}", hex::encode(raw))]);
        match self.call::<Value>("eth_sendRawTransaction", params).await {
            Ok(_) => Ok(()),
            Err(RpcError::Refused { message, .. }) if is_known(&message) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Hands signed bytes to every node: one that takes them and passes them on to nobody must not keep a transaction.
    ///
    /// # Errors
    /// The last error, where no node takes them.
    pub async fn send_raw_to_all(&self, raw: &[u8]) -> Result<(), RpcError> {
        let params = json!([format!("0x{}", hex::encode(raw))]);
        let (mut taken, mut failed) = (false, RpcError::Resting);
        for at in 0..self.nodes() {
            match self.one::<Value>(at, "eth_sendRawTransaction", params.clone()).await {
                Ok(_) => taken = true,
                Err(RpcError::Refused { message, .. }) if is_known(&message) => taken = true,
                Err(error) => failed = error,
            }
        }
        if taken { Ok(()) } else { Err(failed) }
    }

    /// `None`: no node that answers has one. A node may lack the receipts of what it has, so the next one is asked.
    pub async fn receipt(&self, hash: [u8; 32]) -> Result<Option<Receipt>, RpcError> {
        let params = json!([format!("0x{}", hex::encode(hash))]);
        let (mut receipt, mut failed) = (None, Some(RpcError::Resting));
        for at in 0..self.nodes() {
            let answer =
                self.one::<Option<TransactionReceipt>>(at, "eth_getTransactionReceipt", params.clone());
            match answer.await {
                Ok(Some(told)) => {
                    (receipt, failed) = (Some(told), None);
                    break;
                }
                Ok(None) => failed = None,
                Err(error) => failed = failed.map(|_| error),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(receipt.and_then(|receipt| {
            Some(Receipt {
                block: receipt.block_number?.as_u64(),
                block_hash: receipt.block_hash?.0,
                gas_used: receipt.gas_used.map_or(0, |gas| gas.min(U256::from(u64::MAX)).as_u64()),
                fee_wei: fee(&receipt),
                reverted: receipt.status == Some(U64::zero()),
                contract: receipt.contract_address.map(|address| address.0),
            })
        }))
    }
}

/// Wei that a transaction cost its sender.
fn fee(receipt: &TransactionReceipt) -> u128 {
    let (used, price) =
        (receipt.gas_used.unwrap_or_default(), receipt.effective_gas_price.unwrap_or_default());
    u128::try_from(used.saturating_mul(price)).unwrap_or(u128::MAX)
}
