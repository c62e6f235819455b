//! The settling key is revoked after an incident and another one replaces it: entries in transactions of the old key
//! are settled exactly once, whatever happened to those transactions.

use crate::common::{
    GUARDIAN_KEY, House, Signer, call, eventually,
    table::{Table, player},
};
use purr_books::events::VaultEvent;
use purr_chain_signer::chain::{Vault, deploy::Wallet, parse_address};
use purr_protocol::settlement::{Balance, NoticeState, Reconciliation, TableStatus};
use purr_runtime::Role;
use serde_json::json;
use sqlx::PgPool;
use std::time::Duration;

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(40);

fn uid(n: usize) -> String {
    format!("0a0b0c0d-0000-4000-8000-{n:012x}")
}

/// Tables of two players with 50 each.
async fn seated(house: &House, signer: &Signer, tables: usize) -> Vec<Table> {
    house.fund_players(1..=2 * tables, 100 * USDC).await;
    let gateway = house.client(signer, &Role::Gateway);
    eventually("the last deposit is seen", || async {
        let path = format!("/v1/balances/{}", player(2 * tables));
        let balance: Balance = gateway.get(&path, WAIT).await.ok()?;
        (balance.free == 100 * USDC).then_some(())
    })
    .await;
    let mut all = Vec::new();
    for n in 0..tables {
        let table = Table::open_as(house, signer, &uid(n), 2 * n).await;
        table.sit(house, 2 * n + 1, 50 * USDC, 1).await;
        let last = table.sit(house, 2 * n + 2, 50 * USDC, 1).await;
        table.confirmed(last).await;
        all.push(table);
    }
    all
}

async fn hand(table: &Table) -> u64 {
    let n = table.others + 1;
    table.submit(table.hand(&[(n, 5), (n + 1, -5)], 0)).await
}

/// Waits until the table's last entry is in a transaction that a node has; returns the transaction's hash.
async fn broadcast(sql: &PgPool, table: &Table, seq: u64) -> String {
    eventually("the hand is on its way", || async {
        let row: Option<(String, Vec<u8>)> = sqlx::query_as(
            "SELECT e.state, a.tx_hash FROM entries e JOIN attempts a ON a.tx_id = e.tx_id
             WHERE e.uid = $1 AND e.seq = $2 AND a.tx_hash IS NOT NULL",
        )
        .bind(&table.uid)
        .bind(seq as i64)
        .fetch_optional(sql)
        .await
        .unwrap();
        row.filter(|(state, _)| state == "broadcast").map(|(_, hash)| format!("0x{}", hex::encode(hash)))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_revoked_key_had_on_its_way_is_settled_once_by_the_key_in_its_place() {
    let mut house = House::with_standby().await;
    let mut signer = house.start_signer();
    signer.ready().await;
    let mut tables = seated(&house, &signer, 3).await;
    let sql = house.sql().await;
    let old = parse_address(&house.keys(&[]).settle).unwrap();
    let guardian: [u8; 32] = hex::decode(GUARDIAN_KEY).unwrap().try_into().unwrap();
    let rpc = house.rpc();
    let guardian = Wallet::new(&rpc, guardian).await.unwrap();

    // The first table's hand is in a block from before the revocation, and the signer dies before it sees the block.
    house.node("anvil_setIntervalMining", json!([0])).await;
    let mut last = vec![hand(&tables[0]).await];
    broadcast(&sql, &tables[0], last[0]).await;
    // The second's waits in the pool and reverts after the revocation, the third's is lost.
    last.push(hand(&tables[1]).await);
    broadcast(&sql, &tables[1], last[1]).await;
    last.push(hand(&tables[2]).await);
    let lost = broadcast(&sql, &tables[2], last[2]).await;
    signer.process.kill();
    let pending = house.node("txpool_status", json!([])).await;
    assert_eq!(pending["pending"], "0x3");
    house.node("anvil_dropTransaction", json!([lost])).await;
    let (hash, raw): (Vec<u8>, Vec<u8>) = sqlx::query_as(
        "SELECT a.tx_hash, a.raw FROM entries e JOIN attempts a ON a.tx_id = e.tx_id
         WHERE e.uid = $1 AND e.state = 'broadcast'",
    )
    .bind(&tables[1].uid)
    .fetch_one(&sql)
    .await
    .unwrap();
    let reverting = format!("0x{}", hex::encode(hash));
    house.node("anvil_dropTransaction", json!([reverting])).await;
    house.node("evm_mine", json!([])).await;
    let vault = Vault { address: house.vault() };
    assert_eq!(vault.table(&rpc, tables[0].id, None).await.unwrap().seq, last[0], "the first is settled");
    house.node("eth_sendRawTransaction", json!([format!("0x{}", hex::encode(raw))])).await;
    // The revocation pays a tip, a settlement none: it is the first of its block.
    let revocation = call("revokeKey(address)", &[&old]);
    let (revoked, ()) = tokio::join!(guardian.execute(house.vault(), &revocation), async {
        eventually("both wait for the block", || async {
            (house.node("txpool_status", json!([])).await["pending"] == "0x2").then_some(())
        })
        .await;
        house.node("evm_mine", json!([])).await;
        house.node("anvil_setIntervalMining", json!([1])).await;
    });
    revoked.unwrap();
    assert_eq!(vault.table(&rpc, tables[1].id, None).await.unwrap().seq, last[1] - 1, "the second reverted");

    house.use_settling_key("settle-2");
    let standby = house.keys(&[]).settle;
    house.node("anvil_setBalance", json!([standby, "0x8ac7230489e80000"])).await;
    signer = house.start_signer();
    signer.ready().await;
    for (table, seq) in tables.iter_mut().zip(&last) {
        table.again(&house, &signer);
        let notices = table.confirmed(*seq).await;
        let confirmed: Vec<_> = notices
            .iter()
            .filter(|notice| notice.state == NoticeState::Confirmed && notice.seq_to == *seq)
            .collect();
        assert_eq!(confirmed.len(), 1, "told once: {notices:?}");
    }
    // The new key goes on, and all players leave.
    let gateway = house.client(&signer, &Role::Gateway);
    for table in &tables {
        let n = table.others + 1;
        hand(table).await;
        table.leave(n, 50 * USDC + 10).await;
        let end = table.leave(n + 1, 50 * USDC - 10).await;
        eventually("all is confirmed", || async {
            let status: TableStatus = gateway.get(&table.base, WAIT).await.ok()?;
            (status.confirmed_seq == end).then_some(())
        })
        .await;
    }
    let found: Reconciliation = gateway.get("/v1/reconciliation", WAIT).await.unwrap();
    assert!(found.agree, "{found:#?}");
    let head = rpc.block_number().await.unwrap();
    let mut settled = Vec::new();
    for from in (0..=head).step_by(50) {
        for log in vault.logs(&rpc, from, head.min(from + 49)).await.unwrap() {
            if let VaultEvent::HandsSettled { table, first, last, .. } = log.event {
                settled.extend((first..=last).map(|seq| (table, seq)));
            }
        }
    }
    let mut once = settled.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!((once.len(), settled.len()), (6, 6), "two hands a table, each once");
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM entries WHERE state <> 'confirmed'")
        .fetch_one(&sql)
        .await
        .unwrap();
    assert_eq!(open, 0);
    let audit = house.program().arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}
