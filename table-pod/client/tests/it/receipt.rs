//! Signed receipts of hands, made here from the EIP-712 text alone, in the library and through the binary.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::room;

use k256::ecdsa::SigningKey;
use purr_client::receipt::{self, ReceiptError};
use purr_engine::{Event, PlayerId};
use purr_protocol::{
    record::HandRecord,
    settlement::{HandReceipt, ReceiptLane},
};
use room::Room;
use sha3::{Digest, Keccak256};
use std::{path::Path, process::Command};

const CHAIN_ID: u64 = 31_337;
const VAULT: [u8; 20] = [0x22; 20];

fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

fn word(bytes: &[u8]) -> [u8; 32] {
    let mut word = [0; 32];
    word[32 - bytes.len()..].copy_from_slice(bytes);
    word
}

fn uint(value: u64) -> [u8; 32] {
    word(&value.to_be_bytes())
}

fn hash(words: &[[u8; 32]]) -> [u8; 32] {
    keccak(&words.concat())
}

fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn address(key: &SigningKey) -> PlayerId {
    let point = key.verifying_key().to_encoded_point(false);
    PlayerId(keccak(&point.as_bytes()[1..])[12..].try_into().unwrap())
}

fn table_id(record: &HandRecord) -> [u8; 32] {
    let mut uid = [0; 32];
    hex::decode_to_slice(record.table.replace('-', ""), &mut uid[..16]).unwrap();
    let config = &record.history.config;
    let cap = config.rake.caps.iter().map(|cap| cap.amount).max().unwrap_or(0);
    hash(&[
        keccak(
            b"PurrTable(uint256 chainId,address vault,bytes32 uid,uint8 seats,uint16 rakeBps,uint64 rakeCap,uint64 bigBlind)",
        ),
        uint(CHAIN_ID),
        word(&VAULT),
        uid,
        uint(config.seats.into()),
        uint(config.rake.basis_points.into()),
        uint(cap),
        uint(config.big_blind),
    ])
}

/// The text that the signer signs; the winner with the most is charged all rake.
fn signed(record: &HandRecord, record_hash: [u8; 32], key: &SigningKey) -> HandReceipt {
    let best = record.end.results.iter().max_by_key(|result| result.delta).unwrap().seat;
    let lanes: Vec<ReceiptLane> = record
        .end
        .results
        .iter()
        .map(|result| ReceiptLane {
            seat: result.seat.0,
            delta: result.delta,
            rake: if result.seat == best { record.end.rake } else { 0 },
        })
        .collect();
    let mut packed = Vec::new();
    for lane in &lanes {
        packed
            .extend(word(&[&[lane.seat][..], &lane.rake.to_be_bytes(), &lane.delta.to_be_bytes()].concat()));
    }
    let (table_id, deltas_hash, seq) = (table_id(record), keccak(&packed), 7);
    let domain = hash(&[
        keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
        keccak(b"Purr Poker"),
        keccak(b"1"),
        uint(CHAIN_ID),
        word(&VAULT),
    ]);
    let body = hash(&[
        keccak(b"HandReceipt(bytes32 tableId,uint64 seq,bytes32 deltasHash,bytes32 recordHash)"),
        table_id,
        uint(seq),
        deltas_hash,
        record_hash,
    ]);
    let digest = keccak(&[&[0x19, 0x01][..], &domain, &body].concat());
    let (signature, recovery) = key.sign_prehash_recoverable(&digest).unwrap();
    let signature = [signature.to_bytes().as_slice(), &[27 + recovery.to_byte()]].concat();
    HandReceipt {
        chain_id: CHAIN_ID,
        vault: hex0x(&VAULT),
        table: record.table.clone(),
        table_id: hex0x(&table_id),
        seq,
        hand: record.end.hand,
        lanes,
        deltas_hash: hex0x(&deltas_hash),
        record_hash: hex0x(&record_hash),
        signer: hex0x(&address(key).0),
        signature: hex0x(&signature),
    }
}

/// A raked hand with a sealed part, so that its hash can be computed.
fn raked() -> (HandRecord, [u8; 32]) {
    let one = |record: &HandRecord| {
        record.end.rake > 0 && record.history.events.iter().any(|event| matches!(event, Event::Shown { .. }))
    };
    let mut record = (0..99)
        .flat_map(|seed| {
            let mut room = Room::new(seed);
            (0..9).map(move |_| room.play()).collect::<Vec<_>>()
        })
        .find(one)
        .unwrap();
    record.sealed = "c2VhbGVk".into();
    let hash = HandRecord::hash(&record.to_bytes().unwrap());
    (record, hash)
}

#[test]
fn a_receipt_proves_who_signed_which_result_of_which_record() {
    let (record, hash) = raked();
    let receipt = signed(&record, hash, &key(3));
    let own = hex::encode(hash);
    assert_eq!(receipt::check(&record, Some(&own), &receipt, None), Ok(address(&key(3))));
    assert_eq!(receipt::check(&record, None, &receipt, Some(address(&key(3)))), Ok(address(&key(3))));
    assert_eq!(receipt::rake(&receipt), record.end.rake);
    let (found, expected) = (address(&key(3)), address(&key(4)));
    assert_eq!(
        receipt::check(&record, None, &receipt, Some(expected)),
        Err(ReceiptError::OtherSigner { found, expected })
    );
}

#[test]
fn every_part_of_a_receipt_that_is_changed_is_named() {
    let (record, hash) = raked();
    let good = signed(&record, hash, &key(3));
    let own = hex::encode(hash);
    let check = |receipt: &HandReceipt| receipt::check(&record, Some(&own), receipt, None).unwrap_err();
    let changed = |change: &dyn Fn(&mut HandReceipt)| {
        let mut receipt = good.clone();
        change(&mut receipt);
        check(&receipt)
    };
    assert!(matches!(changed(&|r| r.hand += 1), ReceiptError::OtherHand { .. }));
    assert!(matches!(changed(&|r| r.table.push('0')), ReceiptError::OtherHand { .. }));
    assert!(matches!(changed(&|r| r.chain_id = 1), ReceiptError::TableId { .. }));
    assert!(matches!(changed(&|r| r.vault = hex0x(&[1; 20])), ReceiptError::TableId { .. }));
    assert!(matches!(changed(&|r| r.table_id = hex0x(&[1; 32])), ReceiptError::TableId { .. }));
    assert!(matches!(
        changed(&|r| r.seq += 1),
        ReceiptError::SignerNamed { .. } | ReceiptError::BadSignature
    ));
    assert!(matches!(changed(&|r| r.lanes.truncate(1)), ReceiptError::Seats { .. }));
    assert!(matches!(changed(&|r| r.lanes[0].delta += 1), ReceiptError::Delta { .. }));
    assert!(matches!(changed(&|r| r.lanes[0].rake += 1), ReceiptError::Rake { .. }));
    let moved = |r: &mut HandReceipt| {
        let at = r.lanes.iter().position(|lane| lane.rake > 0).unwrap();
        let other = (at + 1) % r.lanes.len();
        r.lanes[at].rake -= 1;
        r.lanes[other].rake += 1;
    };
    assert!(matches!(changed(&moved), ReceiptError::DeltasHash { .. }));
    assert!(matches!(changed(&|r| r.deltas_hash = hex0x(&[1; 32])), ReceiptError::DeltasHash { .. }));
    assert!(matches!(changed(&|r| r.record_hash = hex0x(&[1; 32])), ReceiptError::RecordHash { .. }));
    assert!(matches!(changed(&|r| r.signer = hex0x(&[1; 20])), ReceiptError::SignerNamed { .. }));
    assert!(matches!(changed(&|r| r.signature = "0x00".into()), ReceiptError::BadSignature));
    assert!(matches!(changed(&|r| r.vault = "vault".into()), ReceiptError::Malformed { field: "vault", .. }));
    // A signature of another key is valid, but by that key.
    assert_eq!(receipt::check(&record, None, &signed(&record, hash, &key(4)), None), Ok(address(&key(4))));

    let mut shifted = record.clone();
    shifted.end.results[0].delta += 1;
    assert!(matches!(receipt::check(&shifted, None, &good, None), Err(ReceiptError::Delta { .. })));
    let mut richer = record.clone();
    richer.history.config.big_blind += 2;
    assert!(matches!(receipt::check(&richer, None, &good, None), Err(ReceiptError::TableId { .. })));
    let mut void = record.clone();
    void.end.void = true;
    assert_eq!(receipt::check(&void, None, &good, None), Err(ReceiptError::Void));
}

fn purr(words: &[&str]) -> (Option<i32>, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_purr")).args(words).env_remove("PURR_GATEWAY").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_binary_checks_deal_money_and_receipt_of_many_hands() {
    let dir = tempfile::tempdir().unwrap();
    let (records, receipts) = (dir.path().join("hands.json"), dir.path().join("receipts.json"));
    let (record, hash) = raked();
    let bytes = String::from_utf8(record.to_bytes().unwrap()).unwrap();
    let mut second = record.clone();
    second.table = "0a0b0c0d-0000-4000-8000-000000000009".into();
    let second_bytes = String::from_utf8(second.to_bytes().unwrap()).unwrap();
    let second_hash = HandRecord::hash(second_bytes.as_bytes());
    std::fs::write(&records, format!("{bytes}\n{second_bytes}\n")).unwrap();
    let line = |receipt: &HandReceipt| serde_json::to_string(receipt).unwrap();
    let both = [signed(&second, second_hash, &key(3)), signed(&record, hash, &key(3))];
    std::fs::write(&receipts, both.each_ref().map(line).join("\n")).unwrap();

    let signer = address(&key(3)).to_string();
    let words = ["verify", text(&records), "--receipt", text(&receipts), "--signer", &signer];
    let (code, said, wrong) = purr(&words);
    assert_eq!((code, said.lines().count()), (Some(0), 2), "{said}{wrong}");
    assert!(
        said.contains(&format!("receipt signed by {signer}")) && said.contains(&hex::encode(hash)),
        "{said}"
    );

    // Without a named signer the command reports that it knows none.
    let (code, said, _) = purr(&words[..4]);
    assert!(code == Some(0) && said.contains("name it with --signer"), "{said}");
    let (code, said, _) = purr(&words[..2]);
    assert!(code == Some(0) && said.contains("no receipt checked"), "{said}");
    let other = address(&key(9)).to_string();
    let (code, _, wrong) =
        purr(&["verify", text(&records), "--receipt", text(&receipts), "--signer", &other]);
    assert_eq!(code, Some(1));
    assert!(wrong.contains("error: hand ") && wrong.contains(&format!("not by {other}")), "{wrong}");

    // A raised pot in a consistent record, as an expert forger would write it.
    let mut raised: serde_json::Value = serde_json::from_str(&bytes).unwrap();
    let events = raised["history"]["events"].as_array_mut().unwrap();
    let won = events.iter_mut().find_map(|event| event.get_mut("potWon")).unwrap();
    won["amount"] = (won["amount"].as_u64().unwrap() + 100).into();
    let raised = raised.to_string();
    std::fs::write(&records, raised).unwrap();
    let (code, said, wrong) = purr(&["verify", text(&records)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        wrong.starts_with("error: hand ") && wrong.contains("the money: 'history.events: pot 0"),
        "{wrong}"
    );
    assert!(!wrong.contains('{'), "a sentence, not a log line: {wrong}");
}
