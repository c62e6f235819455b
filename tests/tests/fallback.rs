//! Hands where no WebSocket gets through: over HTTP, by the client's own choice, and back when it can.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use purr_tests::{
    faults::{Counts, Network, Played, Scene, Upgrades},
    until,
};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

async fn open(upgrades: Upgrades) -> Scene {
    let network = Network { upgrades: Some(upgrades), ..Network::default() };
    Scene::open("fallback", 2, 11, network, &Counts::default(), None).await.unwrap()
}

#[track_caller]
fn nothing_wrong(played: &Played) {
    assert_eq!((&played.wrong, &played.found), (&Vec::new(), &Vec::new()));
}

/// Two players, hands to the end over HTTP, and in the middle of one all connections break.
async fn plays_over_http(upgrades: Upgrades) {
    let mut scene = open(upgrades).await;
    for hands in [5, 10, 15] {
        scene.plays(hands, LIMIT).await.unwrap();
        until("a hand is running", LIMIT, async || {
            Ok(scene.seats.iter().all(|seat| seat.now.borrow().hand_running).then_some(()))
        })
        .await
        .unwrap();
        assert!(scene.seats.iter().all(|seat| seat.now.borrow().http), "a WebSocket got through");
        let connections = |scene: &Scene| -> Vec<u64> {
            scene.seats.iter().map(|seat| seat.now.borrow().connections).collect()
        };
        let before = connections(&scene);
        scene.cut();
        until("everybody back", LIMIT, async || {
            let back = connections(&scene).iter().zip(&before).all(|(now, before)| now > before);
            Ok(back.then_some(()))
        })
        .await
        .unwrap();
    }
    scene.plays(20, LIMIT).await.unwrap();
    let played = scene.end().await.unwrap();
    // One snapshot each, and every message after it: the judge checks this.
    nothing_wrong(&played);
    assert!(played.streams >= 8 && played.reconnects >= 6, "{played:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hands_are_played_over_http_where_a_proxy_answers_the_upgrade_itself() {
    plays_over_http(Upgrades::Refused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hands_are_played_over_http_where_a_proxy_drops_the_upgrade() {
    plays_over_http(Upgrades::Dropped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_back_to_the_websocket_when_one_gets_through_and_misses_nothing() {
    let mut scene = open(Upgrades::Refused).await;
    scene.plays(3, LIMIT).await.unwrap();
    assert!(scene.seats.iter().all(|seat| seat.now.borrow().http));
    scene.let_upgrades_pass();
    until("sockets", LIMIT, async || {
        Ok(scene.seats.iter().all(|seat| !seat.now.borrow().http).then_some(()))
    })
    .await
    .unwrap();
    let hands = scene.journal.hands() + 3;
    scene.plays(hands, LIMIT).await.unwrap();
    let played = scene.end().await.unwrap();
    nothing_wrong(&played);
    assert_eq!(played.reconnects, 0, "{played:?}");
}
