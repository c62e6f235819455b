//! Tests of stops that were requested.

use crate::group::{Group, NODES, TABLE, until};
use purr_store::Store;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_master_that_is_asked_to_end_hands_over_first_and_loses_nothing() {
    let mut group = Group::new();
    group.start_all();
    let store = group.store(1);
    let old = group.whole().await;
    store.take_over(TABLE, 1).await.unwrap();
    group.commits(&store, 20).await;
    let first = group.next;
    // A table that commits all the time, each commit until it is acknowledged.
    let commits: Vec<_> = (first..first + 100_000).map(|number| group.commit(number)).collect();
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let writer = tokio::spawn(async move {
        let (mut acknowledged, mut gap, mut last) = (first - 1, Duration::ZERO, Instant::now());
        for commit in commits {
            while store.commit(&commit).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (acknowledged, gap, last) = (commit.number, gap.max(last.elapsed()), Instant::now());
            if stopped.has_changed().unwrap_or(true) {
                stopped.mark_unchanged();
                break;
            }
        }
        (acknowledged, gap)
    });
    let (status, took) = group.terminate(old).await;
    assert!(status.success(), "{status}");
    let masters = group.masters().await;
    assert!(masters.len() == 1 && masters[0] != old, "it ended before another was the master: {masters:?}");
    assert!(took < Duration::from_secs(25), "it took {took:?}");
    let master = masters[0];
    let moment = group.head(master).await;
    until("writing goes on", || async { (group.head(master).await > moment + 5).then_some(()) }).await;
    stop.send(true).unwrap();
    let (acknowledged, gap) = writer.await.unwrap();
    assert!(group.head(master).await >= acknowledged, "an acknowledged commit is lost");
    eprintln!("drained in {took:?}; longest time without a commit {gap:?}");
    let log = group.log(old);
    assert!(log.contains("pause-writes") && log.contains("failover"), "{log}");
    group.start(old);
    assert_eq!(group.whole().await, master);
}

#[tokio::test]
async fn a_replica_ends_at_once_and_a_group_ends_in_any_order() {
    let mut group = Group::new();
    group.start_all();
    let master = group.whole().await;
    let others = [1, 2].map(|more| (master + more) % NODES);
    let (status, took) = group.terminate(others[0]).await;
    assert!(status.success() && took < Duration::from_secs(12), "{status}, {took:?}");
    // In the end no node is left that could take over.
    for node in [others[1], master] {
        let (status, took) = group.terminate(node).await;
        assert!(status.success() && took < Duration::from_secs(40), "{status}, {took:?}");
    }
    group.start_all();
    group.whole().await;
}
