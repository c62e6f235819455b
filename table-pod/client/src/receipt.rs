//! Checks the signed receipt of a hand: whether the operator signed this record's result.
//!
//! # Guarantees
//! A receipt that passes is signed by its signer for this vault, this table with its terms, these results and
//! this record hash. # Caveats: that the hash is the record's own can be computed only from the whole record, its
//! sealed part included; a gateway names the hash.

use crate::wallet::{Vault, struct_hash};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use purr_engine::{Chips, PlayerId};
use purr_protocol::{
    permit::{PermitVersion, address_of, address_word, keccak, uint},
    record::HandRecord,
    settlement::{HandReceipt, ReceiptLane},
};

const RECEIPT: &str = "HandReceipt(bytes32 tableId,uint64 seq,bytes32 deltasHash,bytes32 recordHash)";
const TABLE: &str = "PurrTable(uint256 chainId,address vault,bytes32 uid,uint8 seats,uint16 rakeBps,uint64 rakeCap,uint64 bigBlind)";
/// Bytes of a lane as the contract packs it.
const LANE_BYTES: usize = 17;

/// The part of a receipt that does not agree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    #[error("receipt: '{field}' is '{text}': want 0x and {digits} hex digits")]
    Malformed { field: &'static str, text: String, digits: usize },
    #[error("a void hand has no receipt: every bet went back")]
    Void,
    #[error(
        "the receipt is of hand {receipt} of table {receipt_table}, the record of hand {record} of table {table}"
    )]
    OtherHand { receipt: u64, receipt_table: String, record: u64, table: String },
    #[error(
        "the receipt's table id {receipt} is not the one of the record's table and terms, {record}: \
         chain, vault, UID, seats, rake or big blind differ"
    )]
    TableId { receipt: String, record: String },
    #[error("the receipt has results of seats {receipt:?}, the record of seats {record:?}")]
    Seats { receipt: Vec<u8>, record: Vec<u8> },
    #[error("seat {seat}: the receipt says {receipt:+}, the record {record:+}")]
    Delta { seat: u8, receipt: i64, record: i64 },
    #[error("rake: the receipt says {receipt}, the record {record}")]
    Rake { receipt: Chips, record: Chips },
    #[error("the receipt's deltasHash {receipt} is not the hash of its lanes, {computed}")]
    DeltasHash { receipt: String, computed: String },
    #[error("the receipt is of the record with hash {receipt}, this record's hash is {record}")]
    RecordHash { receipt: String, record: String },
    #[error("the receipt's signature is none: want 65 bytes r, s, v with a low s")]
    BadSignature,
    #[error("the receipt names {named} as its signer, the signature is {found}'s")]
    SignerNamed { named: String, found: PlayerId },
    #[error("the receipt is signed by {found}, not by {expected}")]
    OtherSigner { found: PlayerId, expected: PlayerId },
}

/// Checks a receipt against its record. `record_hash` (64 hex digits) is the whole record's, `signer` the key that must
/// have signed; each is compared if it is known. Returns the signer.
///
/// # Errors
/// The first thing that does not agree.
pub fn check(
    record: &HandRecord,
    record_hash: Option<&str>,
    receipt: &HandReceipt,
    signer: Option<PlayerId>,
) -> Result<PlayerId, ReceiptError> {
    if record.end.void {
        return Err(ReceiptError::Void);
    }
    let hand = record.end.hand;
    if (receipt.hand, &receipt.table) != (hand, &record.table) {
        return Err(ReceiptError::OtherHand {
            receipt: receipt.hand,
            receipt_table: receipt.table.clone(),
            record: hand,
            table: record.table.clone(),
        });
    }
    let vault = Vault {
        chain_id: receipt.chain_id,
        address: bytes("vault", &receipt.vault)?,
        permits: PermitVersion::default(),
    };
    let table_id: [u8; 32] = bytes("tableId", &receipt.table_id)?;
    if let Some(expected) = table_id_of(record, &vault)
        && table_id != expected
    {
        let (receipt, record) = (receipt.table_id.clone(), text(&expected));
        return Err(ReceiptError::TableId { receipt, record });
    }
    results(record, &receipt.lanes)?;
    let computed = deltas_hash(&receipt.lanes);
    if bytes::<32>("deltasHash", &receipt.deltas_hash)? != computed {
        let (receipt, computed) = (receipt.deltas_hash.clone(), text(&computed));
        return Err(ReceiptError::DeltasHash { receipt, computed });
    }
    let signed_hash: [u8; 32] = bytes("recordHash", &receipt.record_hash)?;
    if let Some(own) = record_hash
        && !own.eq_ignore_ascii_case(&hex::encode(signed_hash))
    {
        return Err(ReceiptError::RecordHash { receipt: receipt.record_hash.clone(), record: own.into() });
    }
    let digest =
        vault.digest(&[keccak(RECEIPT.as_bytes()), table_id, uint(receipt.seq), computed, signed_hash]);
    let found = recover(&digest, &receipt.signature).ok_or(ReceiptError::BadSignature)?;
    let named: PlayerId = PlayerId(bytes("signer", &receipt.signer)?);
    if named != found {
        return Err(ReceiptError::SignerNamed { named: receipt.signer.clone(), found });
    }
    match signer.filter(|expected| *expected != found) {
        Some(expected) => Err(ReceiptError::OtherSigner { found, expected }),
        None => Ok(found),
    }
}

/// The rake of a receipt that was signed by somebody, for [`crate::money::check`].
pub fn rake(receipt: &HandReceipt) -> Chips {
    receipt.lanes.iter().fold(0, |sum, lane| sum.saturating_add(lane.rake))
}

fn results(record: &HandRecord, lanes: &[ReceiptLane]) -> Result<(), ReceiptError> {
    let seats = |seats: &mut dyn Iterator<Item = u8>| seats.collect::<Vec<u8>>();
    let receipt = seats(&mut lanes.iter().map(|lane| lane.seat));
    let recorded = seats(&mut record.end.results.iter().map(|result| result.seat.0));
    if receipt != recorded {
        return Err(ReceiptError::Seats { receipt, record: recorded });
    }
    for (lane, result) in lanes.iter().zip(&record.end.results) {
        if lane.delta != result.delta {
            return Err(ReceiptError::Delta { seat: lane.seat, receipt: lane.delta, record: result.delta });
        }
    }
    let charged = lanes.iter().fold(0, |sum: Chips, lane| sum.saturating_add(lane.rake));
    if charged == record.end.rake {
        Ok(())
    } else {
        Err(ReceiptError::Rake { receipt: charged, record: record.end.rake })
    }
}

/// keccak256 of the lanes, each in the low bytes of a word: seat, rake, and the delta in two's complement.
fn deltas_hash(lanes: &[ReceiptLane]) -> [u8; 32] {
    let mut packed = Vec::with_capacity(lanes.len() * 32);
    for lane in lanes {
        packed.extend([0; 32 - LANE_BYTES]);
        packed.push(lane.seat);
        packed.extend(lane.rake.to_be_bytes());
        packed.extend(lane.delta.to_be_bytes());
    }
    keccak(&packed)
}

/// The contract's id of the record's table: the hash of its terms. `None` where its UID is no UUID.
fn table_id_of(record: &HandRecord, vault: &Vault) -> Option<[u8; 32]> {
    let mut uid = [0; 32];
    hex::decode_to_slice(record.table.replace('-', ""), &mut uid[..16]).ok()?;
    let config = &record.history.config;
    let cap = config.rake.caps.iter().map(|cap| cap.amount).max().unwrap_or(0);
    Some(struct_hash(&[
        keccak(TABLE.as_bytes()),
        uint(vault.chain_id),
        address_word(&vault.address),
        uid,
        uint(config.seats.into()),
        uint(config.rake.basis_points.into()),
        uint(cap),
        uint(config.big_blind),
    ]))
}

/// Returns the signer of a digest; v is 27 or 28, s is low (EIP-2).
fn recover(digest: &[u8; 32], signature: &str) -> Option<PlayerId> {
    let signature: [u8; 65] = bytes("signature", signature).ok()?;
    let (rs, v) = signature.split_at(64);
    let rs = Signature::from_slice(rs).ok()?;
    if rs.normalize_s().is_some() {
        return None;
    }
    let id = RecoveryId::from_byte(v[0].checked_sub(27).filter(|id| *id <= 1)?)?;
    Some(address_of(&VerifyingKey::recover_from_prehash(digest, &rs, id).ok()?))
}

fn bytes<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], ReceiptError> {
    let malformed =
        || ReceiptError::Malformed { field, text: text.chars().take(140).collect(), digits: 2 * N };
    let mut bytes = [0; N];
    hex::decode_to_slice(text.strip_prefix("0x").ok_or_else(malformed)?, &mut bytes)
        .map_err(|_| malformed())?;
    Ok(bytes)
}

fn text(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
