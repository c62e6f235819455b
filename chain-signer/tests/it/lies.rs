//! Nodes that lie as real ones have done. Each lie is told by the first of two nodes, or by the only one where that can
//! be found out; a seat is paid for meanwhile, and has to be final on chain as if nothing were wrong.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use crate::common;

use common::{
    House, eventually,
    proxy::{Lie, Proxy},
    table::{Table, player},
};
use purr_protocol::settlement::Balance;
use purr_runtime::Role;
use std::{sync::atomic::Ordering, time::Duration};

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(10);

async fn a_seat_is_paid_for(house: &House, gateway: &purr_runtime::InternalClient, table: &Table, n: usize) {
    house.fund_players(n..=n, 100 * USDC).await;
    eventually("the deposit is seen", || async {
        let balance: Balance = gateway.get(&format!("/v1/balances/{}", player(n)), WAIT).await.ok()?;
        (balance.free == 100 * USDC).then_some(())
    })
    .await;
    let seq = table.sit(house, n, 50 * USDC, 1).await;
    table.confirmed(seq).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_node_that_lies_is_left_for_the_second_and_hands_settle() {
    let mut house = House::new().await;
    let (liar, honest) = (Proxy::lying(house.rpc_port).await, Proxy::lying(house.rpc_port).await);
    let urls = [&liar, &honest].map(|proxy| format!("http://127.0.0.1:{}", proxy.port)).join(",");
    house.signer_env.push(("PURR_RPC_URLS".into(), urls));
    let signer = house.start_signer();
    signer.ready().await;
    let table = Table::open(&house, &signer).await;
    let gateway = house.client(&signer, &Role::Gateway);
    let head = house.rpc().block_number().await.unwrap();
    let lies = [
        Lie::EmptyLogs,
        Lie::HeaderNotFound,
        Lie::TooManyRequests,
        Lie::InternalError,
        Lie::LimitExceeded,
        // The last, since a node that is behind rests for half a minute.
        Lie::StaleHead(head),
    ];
    for (n, lie) in (1..).zip(lies) {
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
async fn logs_that_the_only_node_leaves_out_are_found_by_the_blocks_own_bloom() {
    let mut house = House::new().await;
    let liar = Proxy::lying(house.rpc_port).await;
    house.signer_env.push(("PURR_RPC_URLS".into(), format!("http://127.0.0.1:{}", liar.port)));
    let signer = house.start_signer();
    signer.ready().await;
    let table = Table::open(&house, &signer).await;
    let gateway = house.client(&signer, &Role::Gateway);
    liar.lie(Some(Lie::EmptyLogs));
    a_seat_is_paid_for(&house, &gateway, &table, 1).await;
    assert!(liar.counts.lies.load(Ordering::Relaxed) > 0);
}
