//! Typed data that wallets sign (EIP-712), and the contract's ids and hashes.

use super::Address;
use ethers_core::{
    abi::{Token, encode},
    types::{H160, U256},
    utils::keccak256,
};
use k256::ecdsa::Signature;
use purr_books::policy::Terms;
use purr_engine::PlayerId;
use purr_protocol::{
    permit::{PermitFor, PermitVersion},
    settlement::Permit,
};

/// Which vault on which chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    pub chain_id: u64,
    pub vault: Address,
}

fn word(bytes: [u8; 32]) -> Token {
    Token::FixedBytes(bytes.to_vec())
}

fn uint(value: u64) -> Token {
    Token::Uint(U256::from(value))
}

fn address(value: Address) -> Token {
    Token::Address(H160(value))
}

fn type_hash(text: &str) -> Token {
    word(keccak256(text))
}

impl Domain {
    pub fn separator(&self) -> [u8; 32] {
        keccak256(encode(&[
            type_hash("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
            word(keccak256("Purr Poker")),
            word(keccak256("1")),
            uint(self.chain_id),
            address(self.vault),
        ]))
    }

    fn digest(&self, fields: &[Token]) -> [u8; 32] {
        let mut text = vec![0x19, 0x01];
        text.extend(self.separator());
        text.extend(keccak256(encode(fields)));
        keccak256(text)
    }

    /// Returns the digest that the player signs to sit down or to top up.
    pub fn seat_permit(
        &self,
        version: PermitVersion,
        table: [u8; 32],
        what: PermitFor,
        player: Address,
        permit: &Permit,
    ) -> [u8; 32] {
        let domain = purr_protocol::permit::Domain { chain_id: self.chain_id, vault: self.vault };
        domain.seat_permit(version, &table, what, PlayerId(player), permit)
    }

    /// Returns the digest that the voucher key signs: amount, nonce and deadline (seconds since 1970).
    pub fn voucher(&self, player: Address, amount: u64, nonce: u64, deadline_s: u64) -> [u8; 32] {
        self.withdrawal(
            "Voucher(address player,uint64 amount,uint64 nonce,uint64 deadline)",
            player,
            (amount, nonce, deadline_s),
        )
    }

    /// Returns the digest that the player signs to ask for a voucher with the same values.
    pub fn withdraw_request(&self, player: Address, amount: u64, nonce: u64, deadline_s: u64) -> [u8; 32] {
        self.withdrawal(
            "WithdrawRequest(address player,uint64 amount,uint64 nonce,uint64 deadline)",
            player,
            (amount, nonce, deadline_s),
        )
    }

    fn withdrawal(&self, kind: &str, player: Address, values: (u64, u64, u64)) -> [u8; 32] {
        self.digest(&[type_hash(kind), address(player), uint(values.0), uint(values.1), uint(values.2)])
    }

    /// Returns the digest that the operator key signs for a hand's receipt.
    pub fn hand_receipt(&self, table: [u8; 32], seq: u64, deltas: [u8; 32], record: [u8; 32]) -> [u8; 32] {
        self.digest(&[
            type_hash("HandReceipt(bytes32 tableId,uint64 seq,bytes32 deltasHash,bytes32 recordHash)"),
            word(table),
            uint(seq),
            word(deltas),
            word(record),
        ])
    }

    /// What the settling key signs over the end of the hash chain. The vault knows no such type: it is worth nothing there.
    pub fn checkpoint(&self, counter: u64, rows: u64, head: [u8; 32]) -> [u8; 32] {
        self.digest(&[
            type_hash("JournalCheckpoint(uint64 counter,uint64 rows,bytes32 head)"),
            uint(counter),
            uint(rows),
            word(head),
        ])
    }

    /// The contract's id of a table: the hash of its immutable terms.
    pub fn table_id(&self, uid: [u8; 32], terms: Terms) -> [u8; 32] {
        keccak256(encode(&[
            type_hash(
                "PurrTable(uint256 chainId,address vault,bytes32 uid,uint8 seats,uint16 rakeBps,uint64 rakeCap,uint64 bigBlind)",
            ),
            uint(self.chain_id),
            address(self.vault),
            word(uid),
            uint(terms.seats.into()),
            uint(terms.rake_basis_points.into()),
            uint(terms.rake_cap),
            uint(terms.big_blind),
        ]))
    }
}

/// The UUID's 16 bytes, then 16 zero bytes.
pub fn uid_word(uid: &str) -> Option<[u8; 32]> {
    let uuid: uuid::Uuid = uid.parse().ok()?;
    let mut word = [0; 32];
    word[..16].copy_from_slice(uuid.as_bytes());
    Some(word)
}

/// The UUID of a word as [`uid_word`] makes it.
pub fn word_uid(word: &[u8; 32]) -> Option<String> {
    uuid::Uuid::from_slice(word.split_at(16).0).ok().map(|uuid| uuid.to_string())
}

/// r, s and v out of `0x` and 130 hex digits; v is 27 or 28, s is low (EIP-2).
pub fn parse_signature(text: &str) -> Option<([u8; 32], [u8; 32], u8)> {
    let mut bytes = [0; 65];
    hex::decode_to_slice(text.strip_prefix("0x")?, &mut bytes).ok()?;
    let (mut r, mut s) = ([0; 32], [0; 32]);
    r.copy_from_slice(&bytes[..32]);
    s.copy_from_slice(&bytes[32..64]);
    let signature = Signature::from_scalars(r, s).ok()?;
    if signature.normalize_s().is_some() || !matches!(bytes[64], 27 | 28) {
        return None;
    }
    Some((r, s, bytes[64]))
}

/// Returns the signer of a digest.
pub fn recover(digest: &[u8; 32], signature: &str) -> Option<Address> {
    purr_protocol::permit::recover(digest, signature).ok().map(|player| player.0)
}
