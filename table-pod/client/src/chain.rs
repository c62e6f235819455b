//! The vault and its token, called with the player's own key through a node of the player's choice.
//!
//! # Guarantees
//! Nothing here needs the room: whoever knows the vault's address can exit with it. What the vault would refuse is found
//! by a call before it costs a fee, and a transaction's hash is told before its block is waited for.
//!
//! # Caveats
//! Balances, clocks and blocks are what the node says. A node can lie about them; it cannot change what is signed.

pub mod abi;
pub mod rpc;
pub mod transaction;

use crate::wallet::{Wallet, WalletError, hex_text, parse_table_id};
use abi::{Value, address_at, call, number_at};
use purr_engine::{Chips, PlayerId};
use purr_protocol::{permit::keccak, settlement::ChainConfig};
pub use rpc::{ChainError, Rpc};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use transaction::Transaction;

/// Interval between checks of a transaction.
const LOOK: Duration = Duration::from_secs(1);
/// Wei in a gwei.
const GWEI: u64 = 1_000_000_000;
/// Blocks in one search for a settlement: what most nodes allow.
const SEARCH_BLOCKS: u64 = 10_000;
/// Searches for one settlement at most.
const SEARCHES_MAX: u64 = 100;

const SETTLED: &str = "HandsSettled(bytes32,uint64,uint64,uint64,bytes32)";
const EXITED: &str = "ExitFinalised(address,uint64)";

/// Which contracts on which chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub chain_id: u64,
    pub vault: [u8; 20],
    pub token: [u8; 20],
    pub decimals: u8,
    /// Blocks after which the room counts a deposit, its own block included.
    pub confirmations: u64,
}

impl Place {
    /// The vault as the room's configuration names it.
    ///
    /// # Errors
    /// [`WalletError::BadVault`] for what is no address.
    pub fn of_room(config: &ChainConfig) -> Result<Self, WalletError> {
        let address = |text: &str| {
            let bad = || WalletError::BadVault(text.chars().take(64).collect());
            text.parse::<PlayerId>().map(|found| found.0).map_err(|_| bad())
        };
        Ok(Self {
            chain_id: config.chain_id,
            vault: address(&config.vault)?,
            token: address(&config.token)?,
            decimals: config.decimals,
            confirmations: config.confirmations.max(1),
        })
    }

    /// The vault as the contract itself describes it, for players who do not use the room.
    pub async fn of_vault(rpc: &Rpc, vault: [u8; 20]) -> Result<Self, ChainError> {
        let none = |detail: &str| ChainError::Answer { method: "eth_call", detail: detail.into() };
        let token = address_at(&rpc.read(vault, &call("token()", &[])).await?, 0)
            .ok_or_else(|| none("there is no vault at this address"))?;
        let decimals = number_at(&rpc.read(token, &call("decimals()", &[])).await?, 0);
        let decimals = decimals.and_then(|found| u8::try_from(found).ok()).filter(|found| *found <= 18);
        Ok(Self {
            chain_id: rpc.number("eth_chainId", json!([])).await?,
            vault,
            token,
            decimals: decimals.ok_or_else(|| none("the token has no decimals"))?,
            confirmations: 1,
        })
    }
}

/// The chain's state of a player. Amounts in minor units, times in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Tokens in the player's own wallet.
    pub wallet: Chips,
    /// The part of the tokens that the vault may take.
    pub allowance: Chips,
    /// Balance in the vault that is not at a table, as far as hands are settled.
    pub free: Chips,
    /// The amount that the vault would pay for a voucher now.
    pub payable: Chips,
    /// 0: no exit was asked for.
    pub exit_ready_at_s: u64,
    pub exit_delay_s: u64,
    pub is_paused: bool,
    /// Time of the newest block.
    pub time_s: u64,
}

/// A transaction that is on the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mined {
    pub hash: String,
    pub block: u64,
    pub confirmations: u64,
    /// The payment of an exit, where the transaction finalised one.
    pub paid: Option<Chips>,
}

/// The transaction that settled a hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    pub hash: String,
    pub block: u64,
    pub first_seq: u64,
    pub last_seq: u64,
}

/// A player with a key, at one vault.
pub struct Chain {
    rpc: Rpc,
    wallet: Wallet,
    place: Place,
    /// Limit in gwei for each unit of gas.
    fee_limit: u64,
}

impl Chain {
    /// # Errors
    /// [`ChainError::OtherChain`] where the node is of another chain: signatures would be good there.
    pub async fn open(rpc: Rpc, wallet: Wallet, place: Place, fee_limit: u64) -> Result<Self, ChainError> {
        let found = rpc.number("eth_chainId", json!([])).await?;
        if found != place.chain_id {
            return Err(ChainError::OtherChain { found, wanted: place.chain_id });
        }
        Ok(Self { rpc, wallet, place, fee_limit })
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    fn own(&self) -> Value {
        Value::Address(self.wallet.address().0)
    }

    pub async fn state(&self) -> Result<State, ChainError> {
        let Place { vault, token, .. } = self.place;
        let none = || ChainError::Answer { method: "eth_call", detail: "want a number".into() };
        let read = async |to, data: Vec<u8>| number_at(&self.rpc.read(to, &data).await?, 0).ok_or_else(none);
        Ok(State {
            wallet: read(token, call("balanceOf(address)", &[self.own()])).await?,
            allowance: read(token, call("allowance(address,address)", &[self.own(), Value::Address(vault)]))
                .await?,
            free: read(vault, call("balanceOf(address)", &[self.own()])).await?,
            payable: read(vault, call("withdrawable(address)", &[self.own()])).await?,
            exit_ready_at_s: read(vault, call("exitReadyAt(address)", &[self.own()])).await?,
            exit_delay_s: read(vault, call("limits()", &[])).await?,
            is_paused: read(vault, call("paused()", &[])).await? != 0,
            time_s: self.newest().await?.time_s,
        })
    }

    async fn newest(&self) -> Result<Block, ChainError> {
        let method = "eth_getBlockByNumber";
        let block = self.rpc.ask(method, json!(["latest", false])).await?;
        Ok(Block {
            time_s: rpc::number(method, &block["timestamp"])?,
            // Chains without a base fee ask for none.
            base_fee: rpc::number(method, &block["baseFeePerGas"]).unwrap_or(0),
        })
    }

    /// Lets the vault take this amount, and no more.
    pub async fn approve(&self, amount: Chips) -> Result<String, ChainError> {
        let data =
            call("approve(address,uint256)", &[Value::Address(self.place.vault), Value::Number(amount)]);
        self.send(self.place.token, data).await
    }

    pub async fn deposit(&self, amount: Chips) -> Result<String, ChainError> {
        self.send(self.place.vault, call("deposit(uint64)", &[Value::Number(amount)])).await
    }

    /// Redeems a voucher; anybody may, the player is paid.
    pub async fn withdraw(
        &self,
        player: PlayerId,
        (amount, nonce, deadline_s): (Chips, u64, u64),
        signature: &[u8],
    ) -> Result<String, ChainError> {
        let values = [
            Value::Address(player.0),
            Value::Number(amount),
            Value::Number(nonce),
            Value::Number(deadline_s),
            Value::Bytes(signature.to_vec()),
        ];
        self.send(self.place.vault, call("withdraw(address,uint64,uint64,uint64,bytes)", &values)).await
    }

    pub async fn request_exit(&self) -> Result<String, ChainError> {
        self.send(self.place.vault, call("requestExit()", &[])).await
    }

    pub async fn cancel_exit(&self) -> Result<String, ChainError> {
        self.send(self.place.vault, call("cancelExit()", &[])).await
    }

    pub async fn finalise_exit(&self) -> Result<String, ChainError> {
        self.send(self.place.vault, call("finaliseExit(address)", &[self.own()])).await
    }

    /// Tries the call, signs it and hands it to the node; gives the transaction's hash.
    async fn send(&self, to: [u8; 20], data: Vec<u8>) -> Result<String, ChainError> {
        let own = hex_text(&self.wallet.address().0);
        let what = json!({ "from": own, "to": hex_text(&to), "data": hex_text(&data) });
        // Simulated first: a call that the vault would refuse costs no fee, and the error says why.
        self.rpc.ask("eth_call", json!([what, "latest"])).await?;
        let gas = self.rpc.number("eth_estimateGas", json!([what])).await?;
        let priority_fee = self.rpc.number("eth_maxPriorityFeePerGas", json!([])).await?;
        let base_fee = self.newest().await?.base_fee;
        // The base fee at most doubles within six blocks (EIP-1559).
        let max_fee = base_fee.saturating_mul(2).saturating_add(priority_fee);
        if max_fee > self.fee_limit.saturating_mul(GWEI) {
            return Err(ChainError::Fee { gwei: max_fee.div_ceil(GWEI) });
        }
        let nonce = self.rpc.number("eth_getTransactionCount", json!([own, "pending"])).await?;
        let transaction = Transaction {
            chain_id: self.place.chain_id,
            nonce,
            priority_fee,
            max_fee,
            gas: gas.saturating_add(gas / 4),
            to,
            data,
        };
        let signed = transaction.sign(&self.wallet)?;
        let sent = self.rpc.ask("eth_sendRawTransaction", json!([hex_text(&signed.raw)])).await;
        match sent {
            // A lost answer says nothing about the transaction: its hash is known and is polled.
            Ok(_) => {}
            Err(error) if error.is_temporary() => {
                tracing::warn!(%error, "the transaction could not be sent, trying again");
            }
            Err(error) => return Err(error),
        }
        Ok(hex_text(&signed.hash))
    }

    /// Waits until a transaction has this many confirmations, its own block included; `told` is called with each new
    /// count.
    ///
    /// # Errors
    /// [`ChainError::Failed`] where it failed, [`ChainError::NotConfirmed`] where the time is over.
    pub async fn confirmed(
        &self,
        hash: &str,
        wanted: u64,
        wait: Duration,
        mut told: impl FnMut(u64),
    ) -> Result<Mined, ChainError> {
        let (until, mut last) = (Instant::now() + wait, 0);
        loop {
            match self.mined(hash).await {
                Ok(Some(mined)) => {
                    if mined.confirmations > last {
                        last = mined.confirmations;
                        told(last);
                    }
                    if last >= wanted {
                        return Ok(mined);
                    }
                }
                Ok(None) => {}
                Err(error) if error.is_temporary() => {
                    tracing::info!(%error, "the node did not answer, asking again for the transaction");
                }
                Err(error) => return Err(error),
            }
            if Instant::now() >= until {
                let (hash, waited_s) = (hash.to_owned(), wait.as_secs());
                return Err(ChainError::NotConfirmed { hash, confirmations: last, wanted, waited_s });
            }
            sleep(LOOK).await;
        }
    }

    async fn mined(&self, hash: &str) -> Result<Option<Mined>, ChainError> {
        let method = "eth_getTransactionReceipt";
        let receipt = self.rpc.ask(method, json!([hash])).await?;
        if receipt.is_null() {
            return Ok(None);
        }
        if rpc::number(method, &receipt["status"])? == 0 {
            return Err(ChainError::Failed(hash.to_owned()));
        }
        let block = rpc::number(method, &receipt["blockNumber"])?;
        let head = self.rpc.number("eth_blockNumber", json!([])).await?;
        let (exited, vault) = (hex_text(&keccak(EXITED.as_bytes())), hex_text(&self.place.vault));
        let paid = receipt["logs"].as_array().into_iter().flatten().find(|log| {
            log["topics"][0] == exited.as_str()
                && log["address"].as_str().is_some_and(|address| address.eq_ignore_ascii_case(&vault))
        });
        let paid = paid.map(|log| rpc::bytes(method, &log["data"])).transpose()?;
        Ok(Some(Mined {
            hash: hash.to_owned(),
            block,
            confirmations: head.saturating_sub(block) + 1,
            paid: paid.and_then(|data| number_at(&data, 0)),
        }))
    }

    /// The transaction that settled this number of a table's sequence, newest blocks first; `None` where none did within the
    /// blocks that are searched.
    pub async fn settled(
        &self,
        table_id: &str,
        seq: u64,
        from_block: u64,
    ) -> Result<Option<Settled>, ChainError> {
        let method = "eth_getLogs";
        let table_id = hex_text(&parse_table_id(table_id)?);
        let mut to = self.rpc.number("eth_blockNumber", json!([])).await?;
        for _ in 0..SEARCHES_MAX {
            let from = to.saturating_sub(SEARCH_BLOCKS - 1).max(from_block);
            let filter = json!({
                "address": hex_text(&self.place.vault),
                "topics": [hex_text(&keccak(SETTLED.as_bytes())), table_id],
                "fromBlock": format!("{from:#x}"),
                "toBlock": format!("{to:#x}"),
            });
            let logs = self.rpc.ask(method, json!([filter])).await?;
            for log in logs.as_array().into_iter().flatten() {
                let data = rpc::bytes(method, &log["data"])?;
                let (Some(first_seq), Some(last_seq)) = (number_at(&data, 0), number_at(&data, 1)) else {
                    continue;
                };
                if (first_seq..=last_seq).contains(&seq) {
                    let block = rpc::number(method, &log["blockNumber"])?;
                    let hash = log["transactionHash"].as_str().unwrap_or_default().to_owned();
                    return Ok(Some(Settled { hash, block, first_seq, last_seq }));
                }
            }
            if from <= from_block {
                return Ok(None);
            }
            to = from - 1;
        }
        Ok(None)
    }
}

struct Block {
    time_s: u64,
    base_fee: u64,
}
