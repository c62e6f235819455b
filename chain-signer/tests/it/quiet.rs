//! Requests to a node in the quiet, within HyperEVM's limit of 100 a minute, at the poll interval that the chart's values
//! for HyperEVM set.

use crate::common::{
    House, eventually,
    proxy::{Proxy, REQUESTS_PER_MINUTE},
    table::{Table, player},
};
use purr_protocol::settlement::Balance;
use purr_runtime::Role;
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

const USDC: u64 = 1_000_000;
const WAIT: Duration = Duration::from_secs(40);
const VALUES: &str = include_str!("../../../helm/purr/values-hyperevm.yaml");

fn value(name: &str) -> String {
    let line = VALUES.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": ")).unwrap();
    line.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_quiet_a_minute_has_60_requests_at_most_and_10_of_them_for_comparisons() {
    let mut house = House::new().await;
    let proxy = Proxy::limiting(house.rpc_port).await;
    assert_eq!(value("rpcRequestsPerMinute"), REQUESTS_PER_MINUTE.to_string());
    for (name, value) in [
        ("PURR_RPC_URLS", format!("http://127.0.0.1:{}", proxy.port)),
        ("PURR_RPC_REQUESTS_PER_MINUTE", value("rpcRequestsPerMinute")),
        ("PURR_POLL_MS", value("pollMs")),
        ("PURR_RECONCILE_S", value("reconcileSeconds")),
    ] {
        house.signer_env.push((name.into(), value));
    }
    let signer = house.start_signer();
    signer.ready().await;
    // Funds a table and 40 players whom the ledger knows.
    house.fund_players(1..=40, 100 * USDC).await;
    let table = Table::open(&house, &signer).await;
    let gateway = house.client(&signer, &Role::Gateway);
    eventually("the last deposit is seen", || async {
        let balance: Balance = gateway.get(&format!("/v1/balances/{}", player(40)), WAIT).await.ok()?;
        (balance.free == 100 * USDC).then_some(())
    })
    .await;
    table.sit(&house, 1, 50 * USDC, 1).await;
    let last = table.sit(&house, 2, 50 * USDC, 1).await;
    table.confirmed(last).await;

    let counted = || {
        let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        (of(&proxy.counts.requests), of(&proxy.counts.compared), of(&proxy.counts.failed))
    };
    // Waits for the last requests of the settlement, then for a minute (or PURR_QUIET_S).
    let seconds = std::env::var("PURR_QUIET_S").map_or(60, |text| text.parse().unwrap());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (requests, compared, failed) = counted();
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (after, after_compared, after_failed) = counted();
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    #[allow(clippy::cast_precision_loss)]
    let a_minute = |count: u64| count as f64 / minutes;
    let (all, comparisons) = (a_minute(after - requests), a_minute(after_compared - compared));
    println!(
        "at {} ms, for {seconds} s: {all:.1} requests a minute, {comparisons:.1} of them for comparisons",
        value("pollMs")
    );
    assert!(all <= 60.0, "{all}");
    assert!(comparisons <= 10.0 && comparisons > 0.0, "{comparisons}");
    assert_eq!(after_failed, failed, "none was refused");

    // A hand reaches a node at once, whatever was requested before: it does not wait for the next minute's budget. The
    // bound is far below a minute and far above the time on a busy machine.
    let begun = Instant::now();
    let seq = table.submit(table.hand(&[(1, 5), (2, -5)], 0)).await;
    let notices = eventually("the hand is sent", || async {
        let all = table.events(0, 0).await.ok()?;
        all.iter().any(|notice| notice.seq_to == seq).then_some(all)
    })
    .await;
    println!("a hand is sent after {:.1} s", begun.elapsed().as_secs_f64());
    assert!(begun.elapsed() < Duration::from_secs(20) && !notices.is_empty());
}
