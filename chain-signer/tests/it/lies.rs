//! Nodes that lie as real ones have done. Each lie is told by the first of two nodes, or by the only one where that can
//! be found out; a seat is paid for meanwhile, and has to be final on chain as if nothing were wrong.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]

use crate::common;

use common::{
    House, Signer, eventually,
    lies::Lie,
    proxy::Proxy,
    table::{Table, player},
};
use purr_protocol::settlement::{Balance, Reconciliation, TableStatus};
use purr_runtime::{InternalClient, Role};
use serde_json::Value;
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

pub(super) const USDC: u64 = 1_000_000;
pub(super) const WAIT: Duration = Duration::from_secs(40);

pub(super) async fn a_seat_is_paid_for(
    house: &House,
    gateway: &purr_runtime::InternalClient,
    table: &Table,
    n: usize,
) {
    house.fund_players(n..=n, 100 * USDC).await;
    eventually("the deposit is seen", || async {
        let balance: Balance = gateway.get(&format!("/v1/balances/{}", player(n)), WAIT).await.ok()?;
        (balance.free == 100 * USDC).then_some(())
    })
    .await;
    let seq = table.sit(house, n, 50 * USDC, 1).await;
    table.confirmed(seq).await;
}

/// A seat is paid for while the first of two nodes tells each lie; a table has six seats.
async fn settles_behind_a_first_node(lies: impl FnOnce(u64) -> Vec<Lie>) {
    let mut house = House::new().await;
    let (liar, honest) = (Proxy::lying(house.rpc_port).await, Proxy::lying(house.rpc_port).await);
    let urls = [&liar, &honest].map(|proxy| format!("http://127.0.0.1:{}", proxy.port)).join(",");
    house.signer_env.push(("PURR_RPC_URLS".into(), urls));
    let signer = house.start_signer();
    signer.ready().await;
    let table = Table::open(&house, &signer).await;
    let gateway = house.client(&signer, &Role::Gateway);
    let head = house.rpc().block_number().await.unwrap();
    let lies = lies(head);
    for (n, lie) in (1..).zip(lies.iter().copied()) {
        let told = liar.counts.lies.load(Ordering::Relaxed);
        liar.lie(Some(lie));
        a_seat_is_paid_for(&house, &gateway, &table, n).await;
        assert!(liar.counts.lies.load(Ordering::Relaxed) > told, "{lie:?} was never told");
        liar.lie(None);
        if n == lies.len() {
            break;
        }
        let asked = liar.counts.requests.load(Ordering::Relaxed);
        eventually("the first node is asked again", || async {
            (liar.counts.requests.load(Ordering::Relaxed) > asked).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_node_that_lies_is_left_for_the_second_and_hands_settle() {
    settles_behind_a_first_node(|head| {
        vec![
            Lie::EmptyLogs,
            Lie::HeaderNotFound,
            Lie::TooManyRequests,
            Lie::InternalError,
            Lie::LimitExceeded,
            // The last, since a node that is behind rests for half a minute.
            Lie::StaleHead(head),
        ]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_node_that_answers_nothing_or_keeps_what_it_is_sent_is_left_for_the_second() {
    settles_behind_a_first_node(|_| vec![Lie::NullResults, Lie::NoReceipt, Lie::SwallowedSends]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_that_the_only_node_leaves_out_are_found_by_the_blocks_own_bloom() {
    let mut house = House::new().await;
    let (liar, _signer, table, gateway) = behind_a_liar(&mut house, &[]).await;
    liar.lie(Some(Lie::EmptyLogs));
    a_seat_is_paid_for(&house, &gateway, &table, 1).await;
    assert!(liar.counts.lies.load(Ordering::Relaxed) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_another_contract_that_the_only_node_tells_are_nobodys_money() {
    let mut house = House::new().await;
    let (liar, _signer, table, gateway) = behind_a_liar(&mut house, &[]).await;
    liar.lie(Some(Lie::ForeignLogs));
    // Each deposit, seat and hand arrives twice, once from a contract that anybody may have deployed.
    for n in 1..=2 {
        a_seat_is_paid_for(&house, &gateway, &table, n).await;
    }
    let seq = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    table.confirmed(seq).await;
    assert!(liar.counts.lies.load(Ordering::Relaxed) > 0);
    liar.lie(None);
    agreed(&gateway).await;
}

/// A signer behind the only node, which lies from time to time, and a table without players.
pub(super) async fn behind_a_liar(
    house: &mut House,
    settings: &[(&str, &str)],
) -> (Proxy, Signer, Table, InternalClient) {
    let liar = Proxy::lying(house.rpc_port).await;
    house.signer_env.push(("PURR_RPC_URLS".into(), format!("http://127.0.0.1:{}", liar.port)));
    house.signer_env.extend(settings.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    let signer = house.start_signer();
    signer.ready().await;
    let table = Table::open(house, &signer).await;
    let gateway = house.client(&signer, &Role::Gateway);
    (liar, signer, table, gateway)
}

/// The same with a table of two with 50 each.
pub(super) async fn behind_one(
    house: &mut House,
    settings: &[(&str, &str)],
) -> (Proxy, Signer, Table, InternalClient) {
    let behind = behind_a_liar(house, settings).await;
    let (_, _, table, gateway) = &behind;
    for n in 1..=2 {
        a_seat_is_paid_for(house, gateway, table, n).await;
    }
    behind
}

pub(super) async fn reaches(gateway: &InternalClient, table: &Table, seq: u64) {
    eventually("the chain has it", || async {
        let status: Option<TableStatus> = gateway.get(&table.base, WAIT).await.ok();
        status.filter(|status| status.confirmed_seq >= seq)
    })
    .await;
}

pub(super) async fn agreed(gateway: &InternalClient) {
    let found: Reconciliation = gateway.get("/v1/reconciliation", WAIT).await.unwrap();
    assert!(found.agree, "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_whose_event_the_only_node_swallows_settles_by_itself_once_the_node_says_the_truth() {
    let mut house = House::new().await;
    // No comparison helps.
    let (liar, signer, table, gateway) = behind_one(&mut house, &[("PURR_RECONCILE_S", "0")]).await;
    let before = house.rpc().block_number().await.unwrap();
    liar.lie(Some(Lie::SwallowedLogs));
    let seq = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    let sql = house.sql().await;
    // The transaction is final and its block was applied, but the node left the hand's event out.
    eventually("the cursor has passed the hand", || async {
        let row: Option<(i64,)> = sqlx::query_as(
            "SELECT c.block FROM cursors c, entries e JOIN transactions t ON t.id = e.tx_id
             WHERE c.name = 'vault' AND e.seq = $1 AND t.state = 'confirmed' AND e.state = 'mined' AND c.block > t.block_number",
        )
        .bind(seq as i64)
        .fetch_optional(&sql)
        .await
        .unwrap();
        row
    })
    .await;
    assert!(house.rpc().block_number().await.unwrap() > before);
    liar.lie(None);
    reaches(&gateway, &table, seq).await;
    assert!(signer.metric("purr_signer_logs_found_total").await >= 1.0);
    let last = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    reaches(&gateway, &table, last).await;
    agreed(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_that_the_only_node_swallows_is_found_by_the_sums_and_read_again() {
    let mut house = House::new().await;
    let (liar, signer, _table, gateway) = behind_one(&mut house, &[("PURR_RECONCILE_S", "2")]).await;
    eventually("ledger and chain agree once", || async {
        (signer.metric("purr_signer_reconciled").await >= 1.0).then_some(())
    })
    .await;
    liar.lie(Some(Lie::SwallowedLogs));
    house.fund_players(5..=5, 70 * USDC).await;
    let deposited = house.rpc().block_number().await.unwrap();
    eventually("the cursor has passed the deposit", || async {
        (signer.metric("purr_signer_block_final").await >= deposited as f64).then_some(())
    })
    .await;
    liar.lie(None);
    eventually("the deposit is seen", || async {
        let balance: Balance = gateway.get(&format!("/v1/balances/{}", player(5)), WAIT).await.ok()?;
        (balance.free == 70 * USDC).then_some(())
    })
    .await;
    agreed(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rescan_takes_in_what_a_node_swallowed_once_and_the_same_again_changes_nothing() {
    let mut house = House::new().await;
    // No comparison by itself: the operator asks.
    let (liar, signer, table, gateway) = behind_one(&mut house, &[("PURR_RECONCILE_S", "0")]).await;
    let from = house.rpc().block_number().await.unwrap();
    liar.lie(Some(Lie::SwallowedLogs));
    house.fund_players(5..=6, 70 * USDC).await;
    let deposited = house.rpc().block_number().await.unwrap();
    eventually("the cursor has passed the deposits", || async {
        (signer.metric("purr_signer_block_final").await >= deposited as f64).then_some(())
    })
    .await;
    liar.lie(None);
    let free = |n: usize| {
        let (gateway, path) = (&gateway, format!("/v1/balances/{}", player(n)));
        async move { gateway.get::<Balance>(&path, WAIT).await.unwrap().free }
    };
    assert_eq!((free(5).await, free(6).await), (0, 0));
    let rescan = |from: u64| {
        let answer = house.program().args(["rescan", "--from", &from.to_string()]).output().unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        serde_json::from_slice::<Value>(&answer.stdout).unwrap()
    };
    let first = tokio::task::block_in_place(|| rescan(from));
    assert_eq!((first["found"].as_u64(), free(5).await, free(6).await), (Some(2), 70 * USDC, 70 * USDC));
    // A rescan from the first block finds nothing missing.
    let again = tokio::task::block_in_place(|| rescan(0));
    assert_eq!((again["found"].as_u64(), free(5).await, free(6).await), (Some(0), 70 * USDC, 70 * USDC));
    let last = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    reaches(&gateway, &table, last).await;
    agreed(&gateway).await;
    let audit = house.program().arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
    let beyond = house.program().args(["rescan", "--from", "99999999"]).output().unwrap();
    assert!(!beyond.status.success() && String::from_utf8_lossy(&beyond.stderr).contains("--from 99999999"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_answers_for_its_latest_block_only_raises_no_false_alarm_while_hands_settle() {
    let mut house = House::new().await;
    let settings = [("PURR_RECONCILE_S", "1"), ("PURR_CONFIRMATIONS", "4")];
    let (liar, signer, table, gateway) = behind_one(&mut house, &settings).await;
    liar.lie(Some(Lie::LatestOnly));
    // 25 comparisons while the chain is four blocks ahead of the books, and money moves all the time.
    let begun = Instant::now();
    let mut last = 0;
    for n in 0..25 {
        let won = if n % 2 == 0 { 5 } else { -5 };
        last = table.submit(table.hand(&[(1, won), (2, -won)], 0)).await;
        if n % 8 == 0 {
            house.fund_players(7..=7, USDC).await;
        }
        let found: Reconciliation = gateway.get("/v1/reconciliation", WAIT).await.unwrap();
        assert!(found.agree, "comparison {n}: {found:#?}");
    }
    println!("25 comparisons in {:.1} s", begun.elapsed().as_secs_f64());
    reaches(&gateway, &table, last).await;
    assert!(signer.metric("purr_signer_reconcile_failures_total").await == 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_receipt_and_a_wild_base_fee_of_the_only_node_stop_no_table() {
    let mut house = House::new().await;
    let settings = [("PURR_STUCK_AFTER_S", "2")];
    let (liar, signer, table, gateway) = behind_one(&mut house, &settings).await;
    liar.lie(Some(Lie::WrongReceipt));
    let seq = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    reaches(&gateway, &table, seq).await;
    assert!(liar.counts.lies.load(Ordering::Relaxed) > 0);
    liar.lie(None);

    // A transaction may cost half a coin at most, whatever the head's base fee; the median of recent heads is a lower
    // bound still.
    liar.lie(Some(Lie::WildBaseFee));
    let seq = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    reaches(&gateway, &table, seq).await;
    let sql = house.sql().await;
    let most: i64 = sqlx::query_scalar("SELECT max(max_fee) FROM attempts").fetch_one(&sql).await.unwrap();
    assert!(most < 1_000_000_000_000_000, "no version pays what the wild head asks: {most}");
    liar.lie(None);
    assert!(signer.metric("purr_signer_entries_rejected_total").await == 0.0);
    agreed(&gateway).await;
}
