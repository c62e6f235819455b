//! A loser exits before a loss settles, nothing backs the reserve, and the winner bears it: the winner is stood up and
//! leaves with what the chain has, without anybody's help.

use crate::common::{
    House, Signer, call, eventually, key,
    table::{Table, now_s, player},
};
use purr_chain_signer::chain::deploy::Wallet;
use purr_protocol::settlement::{Balance, NoticeState, Reconciliation};
use purr_runtime::{InternalClient, Role};
use serde_json::json;
use std::time::Duration;

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(20);
const LOST: u64 = 30 * USDC;

async fn balance(gateway: &InternalClient, n: usize) -> Balance {
    gateway.get(&format!("/v1/balances/{}", player(n)), WAIT).await.unwrap()
}

/// Players 1 and 2 sit with 50 each of their 100; player 2's exit is final, and an earlier hand is not submitted yet.
async fn exited(house: &House, gateway: &InternalClient, table: &Table) {
    house.fund(2, 100 * USDC).await;
    for n in 1..=2 {
        eventually("deposits", || async { (balance(gateway, n).await.free == 100 * USDC).then_some(()) })
            .await;
    }
    table.sit(house, 1, 50 * USDC, 1).await;
    let last = table.sit(house, 2, 50 * USDC, 1).await;
    table.confirmed(last).await;
    let rpc = house.rpc();
    let leaver = Wallet::new(&rpc, key(2)).await.unwrap();
    leaver.execute(house.vault(), &call("requestExit()", &[])).await.unwrap();
    house.node("evm_increaseTime", json!([3_601])).await;
    eventually("the exit's clock ends", || async {
        let block = rpc.block(None).await.unwrap().unwrap();
        (block.timestamp_s > now_s() + 3_000).then_some(())
    })
    .await;
    leaver.execute(house.vault(), &call("finaliseExit(address)", &[&player(2).0])).await.unwrap();
    eventually("the exit is seen", || async {
        let two = balance(gateway, 2).await;
        (two.free == 0 && two.seated.iter().all(|seat| seat.stack == 0)).then_some(())
    })
    .await;
}

/// A room with one table, in the state that [`exited`] leaves.
async fn begun() -> (House, Signer, Table, InternalClient) {
    let house = House::new().await;
    let signer = house.start_signer();
    signer.ready().await;
    let table = Table::open(&house, &signer).await;
    let gateway = house.client(&signer, &Role::Gateway);
    exited(&house, &gateway, &table).await;
    (house, signer, table, gateway)
}

async fn ends(house: &House, gateway: &InternalClient, table: &Table, last: u64) {
    table.confirmed(last).await;
    assert_eq!((balance(gateway, 1).await.free, balance(gateway, 2).await.free), (100 * USDC, 0));
    let found: Reconciliation = gateway.get("/v1/reconciliation", WAIT).await.unwrap();
    assert!(found.agree, "{found:#?}");
    let audit = house.program().arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_winner_who_bore_a_shortfall_is_told_to_leave_and_leaves_with_what_the_chain_has() {
    let (house, signer, table, gateway) = begun().await;
    let hand = table.submit(table.hand(&[(1, LOST as i64), (2, -(LOST as i64))], 0)).await;
    let told = table.confirmed(hand).await;
    assert_eq!(
        told.iter().filter(|notice| notice.state == NoticeState::Exit(player(1))).count(),
        1,
        "{told:?}"
    );
    // The table's own stacks are 80 and 20; the chain has 50 for the winner.
    let more = 50 * USDC as i64 + 1;
    let (status, code) = table.refused(1, table.hand(&[(1, -more), (2, more)], 0)).await;
    assert_eq!((status, code.as_str()), (422, "insolvent-seat"));
    table.leave(2, 50 * USDC - LOST).await;
    let last = table.leave(1, 50 * USDC + LOST).await;
    ends(&house, &gateway, &table, last).await;
    assert!(signer.metric("purr_signer_entries_rejected_total").await == 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leave_in_the_same_transaction_as_the_shortfall_is_tried_again_with_what_the_chain_has() {
    let (house, _signer, table, gateway) = begun().await;
    let hand = table.hand(&[(1, LOST as i64), (2, -(LOST as i64))], 0);
    table.seq.set(hand.seq);
    let leave = |n: usize, stack| purr_protocol::settlement::EntryBody::Leave {
        seat: table.seat(n),
        player: player(n),
        stack,
    };
    let first = table.entry(leave(1, 50 * USDC + LOST));
    table.seq.set(first.seq);
    let second = table.entry(leave(2, 50 * USDC - LOST));
    table.seq.set(second.seq);
    let last = table.submit_as(1, &[hand, first, second]).await.unwrap();
    ends(&house, &gateway, &table, last).await;
    let sql = house.sql().await;
    let carriers: i64 = sqlx::query_scalar("SELECT count(DISTINCT tx_id) FROM entries WHERE seq > 2")
        .fetch_one(&sql)
        .await
        .unwrap();
    assert_eq!(
        carriers, 2,
        "hand and first Leave were in one transaction, and the Leave again in a second one"
    );
}
