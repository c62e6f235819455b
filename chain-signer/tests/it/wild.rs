//! Figures that no chain has, told by the only node for a moment: what is decided by them lasts no longer than the lie.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_wrap)]

use crate::{
    common::{
        House, eventually, key,
        lies::Lie,
        proxy::Proxy,
        table::{now_s, player},
    },
    lies::{USDC, WAIT, a_seat_is_paid_for, agreed, behind_a_liar, behind_one, reaches},
};
use purr_chain_signer::chain::sign_digest_with_raw_key;
use purr_protocol::{
    settlement::Balance,
    withdrawal::{OwnedWithdrawal, Voucher, Withdrawal},
};
use serde_json::json;
use sqlx::PgPool;
use std::sync::atomic::Ordering;

/// Until the liar has told its lie so many times.
async fn told(liar: &Proxy, times: u64) {
    let before = liar.counts.lies.load(Ordering::Relaxed);
    eventually("the lie is told", || async {
        (liar.counts.lies.load(Ordering::Relaxed) >= before + times).then_some(())
    })
    .await;
}

async fn live(sql: &PgPool) -> i64 {
    let count = "SELECT count(*) FROM transactions WHERE state NOT IN ('confirmed', 'rejected')";
    sqlx::query_scalar(count).fetch_one(sql).await.unwrap()
}

fn won(n: usize) -> [(usize, i64); 2] {
    if n.is_multiple_of(2) { [(1, 5), (2, -5)] } else { [(1, -5), (2, 5)] }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_without_a_receipt_are_final_by_their_events_and_fill_no_pool() {
    let mut house = House::new().await;
    let (liar, _signer, table, gateway) = behind_one(&mut house, &[]).await;
    liar.lie(Some(Lie::NoReceipt));
    // More than a pool takes of one key.
    for n in 0..12 {
        let seq = table.submit(table.hand(&won(n), 0)).await;
        reaches(&gateway, &table, seq).await;
    }
    let sql = house.sql().await;
    eventually("none is on its way", || async { (live(&sql).await == 0).then_some(()) }).await;
    assert!(liar.counts.lies.load(Ordering::Relaxed) > 0);
    liar.lie(None);
    agreed(&gateway).await;
    let audit = house.program().arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_of_transactions_that_no_key_has_sent_opens_no_gap_in_the_nonces() {
    let mut house = House::new().await;
    let (liar, _signer, table, gateway) = behind_one(&mut house, &[]).await;
    liar.lie(Some(Lie::WildNonce));
    let seq = table.submit(table.hand(&won(0), 0)).await;
    told(&liar, 3).await;
    liar.lie(None);
    reaches(&gateway, &table, seq).await;
    let nonces = "SELECT max(nonce) - count(*) FROM transactions";
    let gap: i64 = sqlx::query_scalar(nonces).fetch_one(&house.sql().await).await.unwrap();
    assert_eq!(gap, -1);
    agreed(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_the_future_sets_no_promise_free() {
    let mut house = House::new().await;
    let (liar, signer, _table, gateway) = behind_one(&mut house, &[]).await;
    let (path, deadline_s) = (format!("/v1/balances/{}", player(1)), now_s() + 600);
    let free = || async { gateway.get::<Balance>(&path, WAIT).await.unwrap().free };
    let before = free().await;
    let digest = house.domain().withdraw_request(player(1).0, 20 * USDC, 7, deadline_s);
    let signature = sign_digest_with_raw_key(&key(1), &digest).unwrap().to_bytes();
    let signature = format!("0x{}", hex::encode(signature));
    let withdrawal = Withdrawal { amount: 20 * USDC, nonce: 7, deadline_s, signature };
    let ask = OwnedWithdrawal { player: player(1), withdrawal };
    let _: Voucher = gateway.post("/v1/withdrawals", &ask, WAIT).await.unwrap();
    liar.lie(Some(Lie::WildTime));
    let head = house.rpc().block_number().await.unwrap() + 3;
    house.node("anvil_mine", json!(["0x3"])).await;
    eventually("the log was read beyond the lie", || async {
        (signer.metric("purr_signer_block_final").await >= head as f64).then_some(())
    })
    .await;
    liar.lie(None);
    assert_eq!(free().await, before - 20 * USDC, "the vault pays the voucher for ten minutes still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_holds_nothing_leaves_no_transaction_that_no_node_takes() {
    let mut house = House::new().await;
    let (liar, _signer, table, gateway) = behind_one(&mut house, &[("PURR_STUCK_AFTER_S", "2")]).await;
    let sql = house.sql().await;
    house.node("anvil_setIntervalMining", json!([0])).await;
    let seq = table.submit(table.hand(&won(0), 0)).await;
    eventually("it is on its way", || async {
        let sent = "SELECT count(*) FROM transactions WHERE state = 'broadcast'";
        let sent: i64 = sqlx::query_scalar(sent).fetch_one(&sql).await.unwrap();
        (sent > 0).then_some(())
    })
    .await;
    // Blocks go on without it: they cost more than it pays.
    house.node("anvil_setNextBlockBaseFeePerGas", json!(["0x9184e72a000"])).await;
    liar.lie(Some(Lie::TinyBlocks));
    house.node("anvil_setIntervalMining", json!([1])).await;
    eventually("it has waited long enough for another version", || async {
        let waited = "SELECT bool_or(changed < now() - interval '5 s' OR a.attempt > 0) FROM transactions t
             JOIN attempts a ON a.tx_id = t.id WHERE t.state NOT IN ('confirmed', 'rejected')";
        let waited: Option<bool> = sqlx::query_scalar(waited).fetch_one(&sql).await.unwrap();
        waited.unwrap_or_default().then_some(())
    })
    .await;
    let tiny: i64 =
        sqlx::query_scalar("SELECT count(*) FROM attempts WHERE gas < 21000").fetch_one(&sql).await.unwrap();
    assert_eq!(tiny, 0, "no transfer costs less than 21,000");
    house.node("anvil_setNextBlockBaseFeePerGas", json!(["0x3b9aca00"])).await;
    liar.lie(None);
    reaches(&gateway, &table, seq).await;
    let last = table.submit(table.hand(&won(1), 0)).await;
    reaches(&gateway, &table, last).await;
    agreed(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_estimates_and_heads_without_a_fee_put_a_hand_off_and_no_longer() {
    let mut house = House::new().await;
    let (liar, signer, table, gateway) = behind_a_liar(&mut house, &[("PURR_STUCK_AFTER_S", "2")]).await;
    for (n, lie) in (1..).zip([Lie::LowEstimate, Lie::HighEstimate, Lie::NoBaseFee]) {
        house.fund_players(n..=n, 100 * USDC).await;
        eventually("the deposit is seen", || async {
            let balance: Balance = gateway.get(&format!("/v1/balances/{}", player(n)), WAIT).await.ok()?;
            (balance.free == 100 * USDC).then_some(())
        })
        .await;
        liar.lie(Some(lie));
        let seq = table.sit(&house, n, 50 * USDC, 1).await;
        told(&liar, 2).await;
        liar.lie(None);
        reaches(&gateway, &table, seq).await;
    }
    assert!(
        signer.metric("purr_signer_entries_rejected_total").await == 0.0,
        "a lack of gas rejects nothing"
    );
    agreed(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_all_blocks_told_twice_are_booked_once() {
    let mut house = House::new().await;
    let (liar, _signer, table, gateway) = behind_a_liar(&mut house, &[]).await;
    liar.lie(Some(Lie::AllLogsTwice));
    for n in 1..=2 {
        a_seat_is_paid_for(&house, &gateway, &table, n).await;
    }
    let seq = table.submit(table.hand(&won(0), 0)).await;
    reaches(&gateway, &table, seq).await;
    assert!(liar.counts.lies.load(Ordering::Relaxed) > 0);
    liar.lie(None);
    agreed(&gateway).await;
}
