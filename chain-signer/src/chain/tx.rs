//! EIP-1559 transactions.

use super::Address;
use crate::{
    hsm::{HsmError, Signature, Signer, address_of, to_ethereum},
    journal::Fees,
};
use ethers_core::types::{Eip1559TransactionRequest, H256, U256, transaction::eip2718::TypedTransaction};
use k256::ecdsa::{SigningKey, signature::hazmat::PrehashSigner};

/// Signed bytes and their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTx {
    pub hash: [u8; 32],
    pub raw: Vec<u8>,
}

fn request(chain_id: u64, nonce: u64, to: Option<Address>, data: &[u8], fees: Fees) -> TypedTransaction {
    let mut tx = Eip1559TransactionRequest::new()
        .chain_id(chain_id)
        .nonce(nonce)
        .data(data.to_vec())
        .gas(fees.gas)
        .value(U256::zero())
        .max_fee_per_gas(fees.max_fee)
        .max_priority_fee_per_gas(fees.priority_fee);
    if let Some(to) = to {
        tx = tx.to(ethers_core::types::H160(to));
    }
    TypedTransaction::Eip1559(tx)
}

/// Returns the digest that is signed for a transaction.
pub fn sighash(chain_id: u64, nonce: u64, to: Option<Address>, data: &[u8], fees: Fees) -> [u8; 32] {
    request(chain_id, nonce, to, data, fees).sighash().0
}

fn assemble(tx: &TypedTransaction, signature: Signature) -> SignedTx {
    let signature = ethers_core::types::Signature {
        r: U256::from_big_endian(&signature.r),
        s: U256::from_big_endian(&signature.s),
        v: u64::from(signature.v),
    };
    let raw = tx.rlp_signed(&signature).to_vec();
    let H256(hash) = tx.hash(&signature);
    SignedTx { hash, raw }
}

/// Has the token sign a transaction.
pub async fn sign(
    signer: &dyn Signer,
    chain_id: u64,
    nonce: u64,
    to: Address,
    data: &[u8],
    fees: Fees,
) -> Result<SignedTx, HsmError> {
    let tx = request(chain_id, nonce, Some(to), data, fees);
    let signature = signer.sign(tx.sighash().0).await?;
    Ok(assemble(&tx, signature))
}

/// Signs with a bare key: only for the demo's deployer and for tests.
pub fn sign_with_raw_key(
    key: &[u8; 32],
    (chain_id, nonce): (u64, u64),
    to: Option<Address>,
    value_wei: u128,
    data: &[u8],
    fees: Fees,
) -> Result<SignedTx, HsmError> {
    let mut tx = request(chain_id, nonce, to, data, fees);
    tx.set_value(U256::from(value_wei));
    let signature = sign_digest_with_raw_key(key, &tx.sighash().0)?;
    Ok(assemble(&tx, signature))
}

/// Signs a digest with a bare key, as a wallet does.
pub fn sign_digest_with_raw_key(key: &[u8; 32], digest: &[u8; 32]) -> Result<Signature, HsmError> {
    let key = SigningKey::from_slice(key).map_err(|_| HsmError::BadSignature)?;
    let raw: k256::ecdsa::Signature = key.sign_prehash(digest).map_err(|_| HsmError::BadSignature)?;
    to_ethereum(&raw.to_bytes(), digest, key.verifying_key())
}

/// The address of a bare key.
pub fn address_of_raw_key(key: &[u8; 32]) -> Result<Address, HsmError> {
    let key = SigningKey::from_slice(key).map_err(|_| HsmError::BadSignature)?;
    Ok(address_of(key.verifying_key()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_transaction_decodes_to_itself_and_to_its_sender() {
        let key = [7; 32];
        let fees = Fees { gas: 100_000, max_fee: 30, priority_fee: 0 };
        let signed = sign_with_raw_key(&key, (999, 5), Some([3; 20]), 0, &[1, 2, 3], fees).unwrap();
        let rlp = ethers_core::utils::rlp::Rlp::new(&signed.raw);
        let (tx, signature) = TypedTransaction::decode_signed(&rlp).unwrap();
        assert_eq!(tx.nonce(), Some(&U256::from(5)));
        assert_eq!(tx.sighash().0, sighash(999, 5, Some([3; 20]), &[1, 2, 3], fees));
        let sender = signature.recover(ethers_core::types::RecoveryMessage::Hash(tx.sighash())).unwrap();
        assert_eq!(sender.0, address_of_raw_key(&key).unwrap());
    }
}
