//! The chain: JSON-RPC, the vault's calls and events, transactions. Only this module uses ethers (upstream is
//! deprecated; its types do not leave the module).

mod abi;
pub mod batch;
mod budget;
pub mod deploy;
pub mod eip712;
mod events;
mod methods;
mod range;
mod rpc;
mod together;
mod tx;
pub mod vault;
mod verdict;
mod views;

pub use range::Range;
pub use rpc::{Block, NodeError, Receipt, Rpc, RpcConfig, RpcError};
pub use tx::{SignedTx, address_of_raw_key, sighash, sign, sign_digest_with_raw_key, sign_with_raw_key};
pub use vault::Vault;
pub use views::{Asked, ChainSeat, ChainTable, Figures, SAMPLE_REQUESTS, Sample};

/// An address of the chain.
pub type Address = [u8; 20];

/// `0x` and 40 lower-case hex digits.
pub fn address_text(address: Address) -> String {
    format!("0x{}", hex::encode(address))
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an address: want 0x and 40 hex digits")]
pub struct BadAddress(pub String);

/// # Errors
/// Where the text is no address.
pub fn parse_address(text: &str) -> Result<Address, BadAddress> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut address = [0; 20];
    hex::decode_to_slice(digits, &mut address).map_err(|_| BadAddress(text.to_owned()))?;
    Ok(address)
}
