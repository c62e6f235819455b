//! Figures that no chain has, told by the only node for a moment: what is decided by them lasts no longer than the lie.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_wrap,
    reason = "tests may fail loudly, and their numbers are small"
)]

use crate::{
    common::{
        House, eventually, key,
        lies::Lie,
        proxy::Proxy,
        table::{Table, now_s, player, terms},
    },
    lies::{USDC, WAIT, a_seat_is_paid_for, agreed, behind_a_liar, behind_one, reaches},
};
use purr_chain_signer::chain::sign_digest_with_raw_key;
use purr_protocol::{
    settlement::{Balance, Entry, EntryBody, Reserve, TableState, TableStatus},
    withdrawal::{OwnedWithdrawal, Voucher, Withdrawal},
};
use purr_runtime::Role;
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

/// The UID of a table that no other test's has.
fn other(n: usize) -> String {
    format!("0a0b0c0d-0000-4000-8000-{:012x}", 0x100 + n)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_nonce_a_wild_count_passes_is_sent_until_a_block_has_it() {
    let mut house = House::new().await;
    let (liar, signer, table, gateway) = behind_one(&mut house, &[]).await;
    let sql = house.sql().await;
    // Blocks go on without it: they cost more than it pays.
    house.node("anvil_setNextBlockBaseFeePerGas", json!(["0x9184e72a000"])).await;
    let uid = other(0);
    let client = house.client(&signer, &Role::Table(uid.clone()));
    let path = format!("/v1/tables/{uid}");
    let ask = || async { client.put::<_, TableStatus>(&path, &terms(), WAIT).await.ok() };
    eventually("the signer knows the table", ask).await;
    eventually("it is on its way", || async {
        let sent = "SELECT count(*) FROM transactions WHERE purpose = 'open' AND state = 'broadcast'";
        let sent: i64 = sqlx::query_scalar(sent).fetch_one(&sql).await.unwrap();
        (sent > 0).then_some(())
    })
    .await;
    liar.lie(Some(Lie::WildNonce));
    // No pool has it any more, so only who sends it again brings it into a block.
    house.node("anvil_dropAllTransactions", json!([])).await;
    let head = house.rpc().block_number().await.unwrap() + 6;
    eventually("blocks at final depth have passed it", || async {
        (signer.metric("purr_signer_block_final").await >= head as f64).then_some(())
    })
    .await;
    liar.lie(None);
    house.node("anvil_dropAllTransactions", json!([])).await;
    house.node("anvil_setNextBlockBaseFeePerGas", json!(["0x3b9aca00"])).await;
    eventually("the table is open", || async {
        let status: TableStatus = gateway.get(&path, WAIT).await.ok()?;
        (status.state == TableState::Open).then_some(())
    })
    .await;
    let seq = table.submit(table.hand(&won(0), 0)).await;
    reaches(&gateway, &table, seq).await;
    agreed(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_open_without_a_receipt_fill_no_pool() {
    let mut house = House::new().await;
    let (liar, signer, table, gateway) = behind_one(&mut house, &[]).await;
    liar.lie(Some(Lie::NoReceipt));
    // More than a pool takes of one key.
    let (house_, signer_) = (&house, &signer);
    let open = (0..12).map(|n| async move { Table::open_as(house_, signer_, &other(n), 2 + n).await });
    futures::future::join_all(open).await;
    let seq = table.submit(table.hand(&won(0), 0)).await;
    reaches(&gateway, &table, seq).await;
    let sql = house.sql().await;
    eventually("none is on its way", || async { (live(&sql).await == 0).then_some(()) }).await;
    liar.lie(None);
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
async fn a_batch_of_many_seats_that_a_node_says_cost_nothing_is_taken_with_what_its_bytes_cost() {
    let mut house = House::new().await;
    let (liar, signer, _, gateway) = behind_a_liar(&mut house, &[("PURR_STUCK_AFTER_S", "2")]).await;
    let (count, seats) = (3, 6);
    let mut tables = Vec::new();
    for n in 0..count {
        tables.push(Table::open_as(&house, &signer, &other(n), n * seats).await);
    }
    house.fund_players(1..=count * seats, 100 * USDC).await;
    eventually("the last deposit is seen", || async {
        let path = format!("/v1/balances/{}", player(count * seats));
        let balance: Balance = gateway.get(&path, WAIT).await.ok()?;
        (balance.free == 100 * USDC).then_some(())
    })
    .await;
    // Nothing is made meanwhile, so that all of them are due together.
    liar.lie(Some(Lie::WildNonce));
    for (n, table) in tables.iter().enumerate() {
        let mut sits = Vec::new();
        for seq in 1..=seats {
            let ask = table.reservation(&house, n * seats + seq, 50 * USDC, 1);
            table.reserve(&ask).await.unwrap();
            let Reserve { seat, player, permit, .. } = ask;
            sits.push(Entry { seq: seq as u64, body: EntryBody::Sit { seat, player, permit } });
        }
        assert_eq!(table.submit_as(1, &sits).await.unwrap(), seats as u64);
    }
    liar.lie(Some(Lie::LowEstimate));
    let sql = house.sql().await;
    let versions = "SELECT t.calldata, a.gas FROM transactions t JOIN attempts a ON a.tx_id = t.id
         WHERE t.purpose = 'settle' ORDER BY length(t.calldata) DESC LIMIT 1";
    let (calldata, gas): (Vec<u8>, i64) = eventually("a transaction carries them", || async {
        sqlx::query_as(versions).fetch_optional(&sql).await.unwrap()
    })
    .await;
    liar.lie(None);
    for table in &tables {
        reaches(&gateway, table, seats as u64).await;
    }
    // EIP-7623.
    let floor: i64 = 21_000 + calldata.iter().map(|byte| if *byte == 0 { 10 } else { 40 }).sum::<i64>();
    assert!(floor > 21_000 * 5 / 4 + 150_000, "the batch is too small to show anything: {floor}");
    assert!(gas >= floor, "{gas} of {floor}");
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
