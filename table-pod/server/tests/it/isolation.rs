//! Spectators never take players' places at the table, and are served after them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;
use crate::world;

use purr_engine::PlayerId;
use purr_protocol::{
    pb::{self, client_message::Body as Ask},
    timing::Rtt,
};
use purr_runtime::CancellationToken;
use purr_store::MemoryStore;
use purr_table::{
    actor::{Handle, NotAttached, Outlet},
    core::ConnectionId,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use world::World;

fn player(number: u16) -> PlayerId {
    let mut address = [7; 20];
    address[..2].copy_from_slice(&number.to_be_bytes());
    PlayerId(address)
}

/// Sits a player down who has a trunk alone.
async fn sits(handle: &Handle, own: PlayerId) -> ConnectionId {
    let attached = handle.attach(own, None).await.unwrap();
    let permit =
        pb::Permit { amount: 400, max_total_rake: 0, expiry_s: u64::MAX, nonce: 1, signature: vec![1; 65] };
    let sit = Ask::Sit(pb::Sit { seat: 2, amount: 400, permit: Some(permit) });
    let message = pb::ClientMessage { id: 1, body: Some(sit) };
    assert!(handle.ask(attached.connection, own, message, Instant::now(), Rtt::default()).await);
    let seated = async {
        while !handle.is_seated(own) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), seated).await.unwrap();
    attached.connection
}

#[tokio::test]
async fn spectators_on_a_trunk_are_bounded_and_whoever_has_a_seat_always_finds_a_lane() {
    let mut world = World::new(common::spec("t", common::CONFIG), Arc::new(MemoryStore::default()));
    let (handle, end, running) = world.start().await;
    let seated = player(0);
    sits(&handle, seated).await;
    let (outlet, _deliveries) = Outlet::new(CancellationToken::new());
    let mut full = None;
    for number in 1..=600u16 {
        match handle.attach_on(&outlet, number.into(), player(number), None, 0).await {
            Ok(_) => {}
            Err(why) => {
                full = Some((number, why));
                break;
            }
        }
    }
    assert_eq!(full, Some((513, NotAttached::Crowded)));
    assert!(handle.attach_on(&outlet, 9_999, seated, None, 0).await.is_ok());
    // A player who is attached may attach again on a newer lane.
    assert!(handle.attach_on(&outlet, 10_000, player(1), None, 0).await.is_ok());
    let (other, _deliveries) = Outlet::new(CancellationToken::new());
    assert!(handle.attach_on(&other, 1, player(700), None, 0).await.is_ok(), "another gateway has its own");
    end.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_time_of_an_action_counts_from_its_arrival_at_the_socket() {
    let mut world = World::new(common::spec("t", common::CONFIG), Arc::new(MemoryStore::default()));
    let (handle, end, running) = world.start().await;
    let own = player(0);
    let connection = sits(&handle, own).await;
    tokio::time::advance(Duration::from_secs(5)).await;
    let (seconds, actions) = (world.metrics.action_seconds.clone(), world.metrics.actions.clone());
    let (before, sum) = (seconds.get_sample_count(), seconds.get_sample_sum());
    let message = pb::ClientMessage { id: 2, body: Some(Ask::SitOut(pb::SitOut {})) };
    let at = Instant::now() - Duration::from_millis(400);
    assert!(handle.ask(connection, own, message, at, Rtt::default()).await);
    let counted = async {
        while seconds.get_sample_count() == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted).await.unwrap();
    end.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(seconds.get_sample_count(), actions.get());
    let took = seconds.get_sample_sum() - sum;
    assert!((0.4..0.5).contains(&took), "{took}");
}
