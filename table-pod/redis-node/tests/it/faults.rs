//! Failures of one process or one volume of a node, and two masters.

use crate::group::{Group, NODES, TABLE, empty, host, until};
use purr_store::Store;

#[tokio::test]
async fn a_node_with_an_emptied_disk_rejoins_and_gets_everything() {
    let mut group = Group::new();
    group.start_all();
    let store = group.store(1);
    let mut master = group.whole().await;
    store.take_over(TABLE, 1).await.unwrap();
    group.commits(&store, 10).await;
    // Empties a replica's volume, then the master's.
    for emptied in [(master + 1) % NODES, master] {
        group.kill(emptied);
        empty(&group.folder(emptied, "data"));
        group.start(emptied);
        master = group.whole().await;
        assert_ne!(master, emptied, "an empty node became the master");
        group.commits(&store, 10).await;
        let expected = group.next - 1;
        until("the emptied node has it all", || async {
            (group.head(emptied).await == expected).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_and_a_sentinel_that_end_start_again_in_place() {
    let mut group = Group::new();
    group.start_all();
    let master = group.whole().await;
    let replica = (master + 1) % NODES;
    let id = group.sentinel(replica, &["MYID"]).await.unwrap();
    group.kill_process(replica, "redis-sentinel");
    group.kill_process(replica, "redis-server");
    let started = |step: &'static str| {
        let group = &group;
        async move {
            let name = format!("purr_redis_steps_total{{step=\"{step}\"}}");
            group.metric(replica, &name).await.unwrap_or(0)
        }
    };
    until("both have started again", || async {
        let sentinels = started("start-sentinel").await;
        let servers = started("start-following").await + started("start-as-candidate").await;
        (sentinels >= 2 && servers >= 2).then_some(())
    })
    .await;
    assert_eq!(group.whole().await, master);
    assert_eq!(group.sentinel(replica, &["MYID"]).await.unwrap(), id, "the Sentinel forgot who it is");
    // The master's server alone: its Sentinel stays, and another one is promoted or the log is read again.
    let store = group.store(1);
    store.take_over(TABLE, 1).await.unwrap();
    group.commits(&store, 10).await;
    group.kill_process(master, "redis-server");
    group.commits(&store, 10).await;
    let master = group.whole().await;
    assert_eq!(group.head(master).await, 20);
}

#[tokio::test]
async fn a_second_master_takes_no_writes_and_becomes_a_replica_again() {
    let mut group = Group::new();
    group.start_all();
    let master = group.whole().await;
    let store = group.store(1);
    store.take_over(TABLE, 1).await.unwrap();
    group.commits(&store, 5).await;
    let [rebel, follower] = [1, 2].map(|more| (master + more) % NODES);
    let port = group.server_port();
    let command = async |node: usize, words: &[&str]| {
        let mut server = group.server(node).await.unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async::<redis::Value>(&mut server).await
    };
    command(rebel, &["REPLICAOF", "NO", "ONE"]).await.unwrap();
    command(follower, &["REPLICAOF", &host(rebel), &port.to_string()]).await.unwrap();
    // The second master has a replica that would acknowledge writes, and must refuse them all the same.
    until("the second master takes no writes", || async {
        let answer = command(rebel, &["SET", "t:split-brain", "1"]).await;
        answer.err().filter(|error| error.code() == Some("NOREPLICAS"))
    })
    .await;
    assert_eq!(group.whole().await, master);
    group.commits(&store, 5).await;
    until("writes are allowed again everywhere", || async {
        let mut refused = 0;
        for node in 0..NODES {
            refused += group.metric(node, "purr_redis_writes_refused").await.unwrap_or(1);
        }
        (refused == 0).then_some(())
    })
    .await;
}
