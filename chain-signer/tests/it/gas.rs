//! The block's gas limit falls below that of transactions in flight: they are planned again.

use crate::common::{
    House, eventually,
    table::{Table, player},
};
use purr_protocol::settlement::{Balance, Entry, EntryBody, Reconciliation, Reserve};
use purr_runtime::Role;
use serde_json::json;
use sqlx::PgPool;
use std::time::Duration;

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(20);
const SEATS: usize = 6;

/// The transaction that carries this number, once a node has it.
async fn broadcast(sql: &PgPool, seq: u64) -> i64 {
    eventually("it is on its way", || async {
        sqlx::query_scalar("SELECT tx_id FROM entries WHERE seq = $1 AND state = 'broadcast'")
            .bind(seq as i64)
            .fetch_optional(sql)
            .await
            .unwrap()
    })
    .await
}

/// Purpose of a transaction, and the gas of each version.
async fn versions(sql: &PgPool, tx: i64) -> (String, Vec<i64>) {
    let purpose = sqlx::query_scalar("SELECT purpose FROM transactions WHERE id = $1").bind(tx);
    let gas = sqlx::query_scalar("SELECT gas FROM attempts WHERE tx_id = $1 ORDER BY attempt").bind(tx);
    (purpose.fetch_one(sql).await.unwrap(), gas.fetch_all(sql).await.unwrap())
}

/// Sets the gas limit from the next block on, mines that block, and lets the chain go on.
async fn block_gas_limit(house: &House, limit: u64) {
    house.node("evm_setBlockGasLimit", json!([format!("{limit:#x}")])).await;
    house.node("evm_mine", json!([])).await;
    house.node("anvil_setIntervalMining", json!([1])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_made_before_the_blocks_gas_limit_falls_is_split_and_one_item_is_clamped() {
    let mut house = House::new().await;
    house.signer_env.push(("PURR_STUCK_AFTER_S".into(), "2".into()));
    let signer = house.start_signer();
    signer.ready().await;
    let table = Table::open(&house, &signer).await;
    let (gateway, sql) = (house.client(&signer, &Role::Gateway), house.sql().await);
    house.fund_players(1..=SEATS, 100 * USDC).await;
    eventually("the last deposit is seen", || async {
        let path = format!("/v1/balances/{}", player(SEATS));
        let balance: Balance = gateway.get(&path, WAIT).await.ok()?;
        (balance.free == 100 * USDC).then_some(())
    })
    .await;

    eventually("the sender has read what its key can pay", || async {
        (signer.metric("purr_signer_gas_balance_gwei").await > 0.0).then_some(())
    })
    .await;
    for lane in ["settlement", "comparison"] {
        let name = format!("purr_signer_rpc_requests_total{{lane=\"{lane}\"}}");
        assert!(signer.metric(&name).await > 0.0, "{lane}");
    }

    // Six players sit down in one transaction, which the chain has not mined yet.
    let mut sits = Vec::new();
    for n in 1..=SEATS {
        let ask = table.reservation(&house, n, 50 * USDC, 1);
        table.reserve(&ask).await.unwrap();
        let Reserve { seat, player, permit, .. } = ask;
        sits.push(Entry { seq: n as u64, body: EntryBody::Sit { seat, player, permit } });
    }
    house.node("anvil_setIntervalMining", json!([0])).await;
    assert_eq!(table.submit_as(1, &sits).await.unwrap(), SEATS as u64);
    table.seq.set(SEATS as u64);
    let batch = broadcast(&sql, 1).await;
    let (_, gas) = versions(&sql, batch).await;
    assert!(gas[0] > 900_000, "{gas:?}");
    block_gas_limit(&house, 900_000).await;
    table.confirmed(SEATS as u64).await;
    let (purpose, gas) = versions(&sql, batch).await;
    assert!(
        purpose == "fill" && gas.len() == 2 && gas[1] < 100_000,
        "its nonce is used for nothing: {gas:?}"
    );
    let carriers: Vec<i64> =
        sqlx::query_scalar("SELECT DISTINCT tx_id FROM entries").fetch_all(&sql).await.unwrap();
    assert!(carriers.len() >= 2 && !carriers.contains(&batch), "{carriers:?}");

    // A single item that only fits without the margin is sent again with all the gas of a block.
    house.node("anvil_setIntervalMining", json!([0])).await;
    let seq = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    let single = broadcast(&sql, seq).await;
    block_gas_limit(&house, 200_000).await;
    table.confirmed(seq).await;
    let (purpose, gas) = versions(&sql, single).await;
    assert_eq!((purpose.as_str(), gas.len(), gas[1]), ("settle", 2, 200_000));

    let found: Reconciliation = gateway.get("/v1/reconciliation", WAIT).await.unwrap();
    assert!(found.agree, "{found:#?}");
    let audit = house.program().arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}
