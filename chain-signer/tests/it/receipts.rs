//! Receipts of hands, over the real token, database and contract.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

use crate::common;

use common::{
    House, Signer, eventually, outcome,
    table::{Table, UID, player},
};
use http::Method;
use purr_chain_signer::{
    chain::{eip712::recover, parse_address},
    journal::audit,
    signed::Trust,
};
use purr_protocol::settlement::{ChainConfig, HandReceipt};
use purr_runtime::{InternalClient, Role};
use serde_json::Value;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(10);

/// Two players sit with 200 each; the hands that were played, by their numbers.
async fn played(house: &House, signer: &Signer, hands: &[(i64, u64)]) -> (Table, Vec<u64>) {
    house.fund(2, 1_000_000_000).await;
    let table = Table::open(house, signer).await;
    let gateway = house.client(signer, &Role::Gateway);
    for n in 1..=2 {
        eventually("the deposit is seen", || async {
            let path = format!("/v1/balances/{}", player(n));
            let balance: Value = gateway.get(&path, WAIT).await.ok()?;
            (balance["free"] == 1_000_000_000_u64).then_some(())
        })
        .await;
        table.sit(house, n, 200_000_000, 7).await;
    }
    let mut numbers = Vec::new();
    for (won, rake) in hands {
        let lost = won + i64::try_from(*rake).unwrap();
        numbers.push(table.submit(table.hand(&[(1, *won), (2, -lost)], *rake)).await);
    }
    (table, numbers)
}

async fn receipt(gateway: &InternalClient, hand: u64) -> HandReceipt {
    let path = format!("/v1/tables/{UID}/hands/{hand}/receipt");
    eventually("the receipt is signed", || async { gateway.get(&path, WAIT).await.ok() }).await
}

/// Asks the contract's view function to verify a receipt.
async fn verified(house: &House, receipt: &HandReceipt) -> (bool, [u8; 20]) {
    use sha3::{Digest, Keccak256};
    let bytes = |text: &str| hex::decode(&text[2..]).unwrap();
    let word = |bytes: &[u8]| [vec![0; 32 - bytes.len()], bytes.to_vec()].concat();
    let signature = bytes(&receipt.signature);
    let mut data = Keccak256::digest("verifyReceipt(bytes32,uint64,bytes32,bytes32,bytes)")[..4].to_vec();
    data.extend(bytes(&receipt.table_id));
    data.extend(word(&receipt.seq.to_be_bytes()));
    data.extend(bytes(&receipt.deltas_hash));
    data.extend(bytes(&receipt.record_hash));
    data.extend(word(&160_u64.to_be_bytes()));
    data.extend(word(&65_u64.to_be_bytes()));
    data.extend([signature, vec![0; 31]].concat());
    let answer = house.rpc().eth_call(house.vault(), &data, None).await.unwrap();
    (answer[31] == 1, answer[44..64].try_into().unwrap())
}

async fn unsigned(house: &House) -> i64 {
    let sql = house.sql().await;
    sqlx::query_scalar("SELECT count(*) FROM receipts WHERE signature IS NULL").fetch_one(&sql).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_hand_gets_the_operators_receipt_which_the_contract_accepts() {
    let house = House::new().await;
    let signer = house.start_signer();
    signer.ready().await;
    let (table, hands) = played(&house, &signer, &[(10, 1), (-4, 1)]).await;
    let gateway = house.client(&signer, &Role::Gateway);
    let operator = parse_address(&house.keys(&[]).settle).unwrap();
    let config: ChainConfig = gateway.get("/v1/config", WAIT).await.unwrap();
    assert_eq!(parse_address(&config.operator).unwrap(), operator);

    let found = receipt(&gateway, hands[0]).await;
    assert_eq!((found.table.as_str(), found.hand, found.seq), (UID, hands[0], hands[0]));
    let lanes: Vec<_> = found.lanes.iter().map(|lane| (lane.seat, lane.delta, lane.rake)).collect();
    assert_eq!(lanes, [(0, 10, 1), (1, -11, 0)]);
    assert_eq!(found.record_hash, format!("0x{}", "ab".repeat(32)));
    assert_eq!(found.table_id, format!("0x{}", hex::encode(table.id)));
    let word = |text: &str| -> [u8; 32] { hex::decode(&text[2..]).unwrap().try_into().unwrap() };
    let digest =
        house.domain().hand_receipt(table.id, found.seq, word(&found.deltas_hash), word(&found.record_hash));
    assert_eq!(recover(&digest, &found.signature), Some(operator));
    assert_eq!(verified(&house, &found).await, (true, operator));
    let mut other = found.clone();
    other.seq += 1;
    assert!(!verified(&house, &other).await.0);
    // The next hand is another one.
    assert_ne!(receipt(&gateway, hands[1]).await.signature, found.signature);

    // The two that sat down are no hands; a number that nobody played has no receipt.
    let path = |hand: u64| format!("/v1/tables/{UID}/hands/{hand}/receipt");
    for hand in [1, 999] {
        let refused = outcome(&gateway, Method::GET, &path(hand), &Value::Null).await;
        assert_eq!(refused, (404, "no-receipt".into()), "hand {hand}");
    }
    let stranger = house.client(&signer, &Role::Records);
    assert_eq!(outcome(&stranger, Method::GET, &path(hands[0]), &Value::Null).await, (403, "role".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn hands_without_a_receipt_get_theirs_after_a_restart_old_journals_too() {
    let house = House::new().await;
    let mut signer = house.start_signer();
    signer.ready().await;
    let (_, hands) = played(&house, &signer, &[(10, 0), (-4, 0), (6, 1)]).await;
    let gateway = house.client(&signer, &Role::Gateway);
    let first = receipt(&gateway, hands[0]).await;
    eventually("all are signed", || async { (unsigned(&house).await == 0).then_some(()) }).await;

    // The process ends after the journal has a hand and before its receipt is signed.
    signer.process.kill();
    let sql = house.sql().await;
    sqlx::query("UPDATE receipts SET signer = NULL, signature = NULL").execute(&sql).await.unwrap();
    let mut signer = house.start_signer();
    let gateway = house.client(&signer, &Role::Gateway);
    let again = receipt(&gateway, hands[0]).await;
    assert_eq!((&again.deltas_hash, again.seq), (&first.deltas_hash, first.seq));
    eventually("all are signed again", || async { (unsigned(&house).await == 0).then_some(()) }).await;

    // A journal of a release that knew no receipts.
    signer.process.kill();
    sqlx::query("DROP TABLE receipts").execute(&sql).await.unwrap();
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 20").execute(&sql).await.unwrap();
    let signer = house.start_signer();
    let gateway = house.client(&signer, &Role::Gateway);
    for hand in &hands {
        assert_eq!(receipt(&gateway, *hand).await.hand, *hand);
    }
    let receipts: i64 = sqlx::query_scalar("SELECT count(*) FROM receipts").fetch_one(&sql).await.unwrap();
    assert_eq!(receipts, 3);
    let audited = audit(&mut sql.acquire().await.unwrap(), None, &Trust::default()).await.unwrap();
    assert_eq!(audited.broken, None);
}
