//! The vault's events of a range of blocks, with proof that none is missing as far as it can be had.
//!
//! A node may answer `eth_getLogs` with less than there is: its index is behind, or another node behind the same
//! address lacks the block (go-ethereum 24078 and 26098, reth 17678, lotus 13749). So headers and logs come from one
//! node in one request; a header's bloom that names the vault needs a log of that block; where none came, the block's
//! receipts decide; and where there is a second node, it must say the same.

use super::{Address, Block, Rpc, RpcError, events, rpc::Header, vault::Vault};
use ethers_core::{
    abi::ethereum_types::BloomInput,
    types::{Bloom, Log},
};
use purr_books::events::VaultLog;
use std::collections::BTreeSet;

/// Headers of all blocks are read if requests are unlimited, or if the range is this short.
const HEADERS_MAX: u64 = 2;

/// The logs of a range, and its last block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    pub end: Block,
    pub logs: Vec<VaultLog>,
}

/// Blocks that should have a log of this contract, by their bloom or by `certain`, although none was returned. A bloom
/// may have false positives.
fn doubtful(vault: Address, headers: &[Header], logs: &[Log], certain: &BTreeSet<u64>) -> Vec<[u8; 32]> {
    let told: BTreeSet<u64> = logs.iter().filter_map(|log| Some(log.block_number?.as_u64())).collect();
    headers
        .iter()
        // A header without a bloom proves nothing.
        .filter(|header| {
            let named = |bloom: Bloom| bloom.contains_input(BloomInput::Raw(&vault));
            certain.contains(&header.block.number) || header.bloom.is_some_and(named)
        })
        .filter(|header| !told.contains(&header.block.number))
        .map(|header| header.block.hash)
        .collect()
}

fn keys(logs: &[Log]) -> BTreeSet<([u8; 32], u64)> {
    let key = |log: &Log| Some((log.transaction_hash?.0, log.log_index?.low_u64()));
    logs.iter().filter_map(key).collect()
}

/// Two nodes' logs of the same range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    Same,
    /// The first node lacks some of the second node's logs.
    FirstLacks,
    SecondLacks,
    /// Both nodes lack logs that the other one has, so neither can be believed.
    Differ,
}

fn compare(first: &[Log], second: &[Log]) -> Compared {
    let (first, second) = (keys(first), keys(second));
    match (first.is_superset(&second), second.is_superset(&first)) {
        (true, true) => Compared::Same,
        (false, true) => Compared::FirstLacks,
        (true, false) => Compared::SecondLacks,
        (false, false) => Compared::Differ,
    }
}

impl Vault {
    /// The events of [`Self::range`].
    ///
    /// # Errors
    /// As there, and where no node has the last block.
    pub async fn logs(&self, rpc: &Rpc, from: u64, to: u64) -> Result<Vec<VaultLog>, RpcError> {
        let missing =
            || RpcError::Answer { method: "eth_getLogs", detail: format!("no node has block {to}") };
        self.range(rpc, from, to).await?.map(|range| range.logs).ok_or_else(missing)
    }

    /// The vault's events from block to block, both included, at most [`super::vault::LOG_BLOCKS_MAX`]; `None`: no node has the
    /// last block.
    ///
    /// # Errors
    /// Where no node answers, or the nodes do not agree.
    pub async fn range(&self, rpc: &Rpc, from: u64, to: u64) -> Result<Option<Range>, RpcError> {
        let all = rpc.is_unlimited() || to - from < HEADERS_MAX;
        self.range_of(rpc, (from, to), all, &BTreeSet::new()).await
    }

    /// As [`Self::range`], and also returns every block's header. Blocks in `certain` are known to have a log of the
    /// vault, whatever their header says.
    ///
    /// # Errors
    /// As there.
    pub async fn range_again(
        &self,
        rpc: &Rpc,
        from: u64,
        to: u64,
        certain: &BTreeSet<u64>,
    ) -> Result<Option<Range>, RpcError> {
        self.range_of(rpc, (from, to), true, certain).await
    }

    async fn range_of(
        &self,
        rpc: &Rpc,
        (from, to): (u64, u64),
        all_headers: bool,
        certain: &BTreeSet<u64>,
    ) -> Result<Option<Range>, RpcError> {
        let first_header = if all_headers { from } else { to };
        let Some(mut told) = rpc.range(self.address, (from, to), first_header, 0).await? else {
            return Ok(None);
        };
        for hash in doubtful(self.address, &told.headers, &told.logs, certain) {
            let more = rpc.block_logs(self.address, hash).await?;
            if !more.is_empty() {
                tracing::error!(block = hex::encode(hash), logs = more.len(), "a node had left out logs");
                rpc.blame(told.node);
            }
            told.logs.extend(more);
        }
        if let Some(witness) = rpc.witness_of(told.node) {
            match rpc.range(self.address, (from, to), to, witness).await {
                Ok(Some(other)) if other.node != told.node => {
                    if other.end().map(|end| end.hash) != told.end().map(|end| end.hash) {
                        let detail = format!("two nodes have different blocks {to}");
                        return Err(RpcError::Answer { method: "eth_getBlockByNumber", detail });
                    }
                    match compare(&told.logs, &other.logs) {
                        Compared::Same => {}
                        Compared::SecondLacks => rpc.blame(other.node),
                        Compared::FirstLacks => {
                            tracing::error!(from, to, "a node had left out logs that another one has");
                            rpc.blame(told.node);
                            told = other;
                        }
                        Compared::Differ => {
                            let detail = format!("two nodes differ over blocks {from} to {to}");
                            return Err(RpcError::Answer { method: "eth_getLogs", detail });
                        }
                    }
                }
                // A second node that is unreachable or behind does not stop the work: many signers have only one node.
                Ok(_) | Err(_) => tracing::debug!(from, to, "no witness"),
            }
        }
        let Some(end) = told.end() else { return Ok(None) };
        let mut logs: Vec<VaultLog> = told.logs.iter().filter_map(events::read).collect();
        logs.sort_by_key(|log| (log.block, log.index));
        logs.dedup_by_key(|log| (log.block, log.index));
        Ok(Some(Range { end, logs }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ethers_core::types::{H256, U64, U256};

    const VAULT: Address = [7; 20];

    fn header(number: u64, bloom: Option<Bloom>) -> Header {
        let hash = [u8::try_from(number).unwrap(); 32];
        let block = Block { number, hash, parent: [0; 32], timestamp_s: 0, base_fee: 0, gas_limit: 0 };
        Header { block, bloom }
    }

    fn log(block: u64, index: u64) -> Log {
        Log {
            block_number: Some(U64::from(block)),
            transaction_hash: Some(H256([u8::try_from(block).unwrap(); 32])),
            log_index: Some(U256::from(index)),
            ..Log::default()
        }
    }

    fn naming(address: Address) -> Option<Bloom> {
        let mut bloom = Bloom::zero();
        bloom.accrue(BloomInput::Raw(&address));
        Some(bloom)
    }

    #[test]
    fn a_block_whose_bloom_names_the_vault_and_has_no_log_is_doubtful() {
        let headers =
            [header(1, naming(VAULT)), header(2, naming([8; 20])), header(3, naming(VAULT)), header(4, None)];
        let none = BTreeSet::new();
        assert_eq!(doubtful(VAULT, &headers, &[log(3, 0)], &none), [[1; 32]]);
        assert!(doubtful(VAULT, &headers, &[log(1, 0), log(3, 2)], &none).is_empty());
        // Blocks 3 and 4 contain transactions of the signer, so a bloom without the vault is false.
        let certain = BTreeSet::from([3, 4]);
        assert_eq!(doubtful(VAULT, &headers, &[log(1, 0), log(3, 2)], &certain), [[4; 32]]);
    }

    #[test]
    fn two_nodes_logs_are_compared_by_what_they_are_not_by_how_many() {
        let (a, b, c) = (log(1, 0), log(1, 1), log(2, 0));
        assert_eq!(compare(std::slice::from_ref(&a), std::slice::from_ref(&a)), Compared::Same);
        assert_eq!(compare(&[], std::slice::from_ref(&a)), Compared::FirstLacks);
        assert_eq!(compare(&[a.clone(), b.clone()], std::slice::from_ref(&b)), Compared::SecondLacks);
        assert_eq!(compare(&[a, b.clone()], &[b, c]), Compared::Differ);
    }
}
