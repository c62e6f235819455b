//! Masters that die, and outages of all nodes.

use crate::group::{Group, NODES, TABLE, until};
use purr_store::Store;

#[tokio::test]
async fn a_killed_master_is_replaced_and_comes_back_as_a_replica() {
    let mut group = Group::new();
    group.start_all();
    let old = group.whole().await;
    let store = group.store(1);
    store.take_over(TABLE, 1).await.unwrap();
    group.commits(&store, 20).await;
    group.kill(old);
    group.commits(&store, 20).await;
    let new = group.other_master(old).await;
    group.start(old);
    assert_eq!(group.whole().await, new);
    group.commits(&store, 5).await;
    assert_eq!(group.head(new).await, 45);
    until("the former master has all of it", || async { (group.head(old).await == 45).then_some(()) }).await;
    // Redis continues after a part of its own log that it could not read, and reports that in this line alone.
    assert!(!group.log(old).contains("AOF-loading-client"));
}

/// Makes the three histories differ: one node lacks the last five commits, one the last one, and one has everything, a
/// commit that nobody acknowledged included. Returns the nodes, the shortest history first.
async fn outage(group: &mut Group) -> [usize; NODES] {
    let master = group.whole().await;
    let [short, middle] = [1, 2].map(|more| (master + more) % NODES);
    let store = group.store(1);
    let took = async || store.take_over(TABLE, 1).await.ok();
    until("the table is taken over", took).await;
    group.commits(&store, 10).await;
    until("all have it", || async { (group.head(short).await == group.next - 1).then_some(()) }).await;
    group.kill(short);
    group.commits(&store, 5).await;
    // A master accepts writes for three seconds after the last acknowledgement; this write does not wait for one.
    group.freeze(middle);
    let alone = group.commit(group.next);
    group.store(0).commit(&alone).await.unwrap();
    group.kill(master);
    group.kill(middle);
    group.next += 1;
    [short, middle, master]
}

#[tokio::test]
async fn after_an_outage_of_all_the_longest_history_starts_as_master_in_any_order() {
    let mut group = Group::new();
    group.start_all();
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let nodes = outage(&mut group).await;
        for (started, place) in order.into_iter().enumerate() {
            group.start(nodes[place]);
            if started == 0 {
                // The node has observed the group, and waits for the others.
                let waits = async || {
                    let role = group.metric(nodes[place], "purr_redis_role{role=\"candidate\"}").await;
                    (role == Some(1)).then_some(())
                };
                until("the first one is a candidate", waits).await;
            }
        }
        assert_eq!(group.whole().await, nodes[2], "the longest history, started in the order {order:?}");
        assert_eq!(group.head(nodes[2]).await, group.next - 1);
        let era = group.info(nodes[2]).await;
        assert_eq!(era.get("role").map(String::as_str), Some("master"));
    }
}

#[tokio::test]
async fn all_but_one_node_are_enough_after_a_while_and_hold_all_that_was_acknowledged() {
    let mut group = Group::new();
    group.start_all();
    let [short, middle, longest] = outage(&mut group).await;
    group.start(short);
    group.start(middle);
    let elected = async || group.masters().await.first().copied();
    assert_eq!(until("a master without the third node", elected).await, middle);
    // The unacknowledged commit is gone, and the acknowledged ones are there.
    assert_eq!(group.head(middle).await, group.next - 2);
    group.start(longest);
    assert_eq!(group.whole().await, middle);
    assert_eq!(group.head(longest).await, group.next - 2);
}
