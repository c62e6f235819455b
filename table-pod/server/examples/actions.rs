//! Plays so many actions through a table's actor with the store in memory: what one costs is the difference of two runs.
//! usage: actions COUNT
//!
//! `valgrind --tool=callgrind --callgrind-out-file=/dev/null actions 500`, and again with 2500. PURR_SNAPSHOT_VERSION chooses
//! how commits write the state.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement may fail loudly")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/world.rs"]
mod world;

use purr_engine::PlayerId;
use purr_protocol::pb::{self, ActionKind, client_message::Body as Ask, event::Kind, server_message::Body};
use purr_runtime::CancellationToken;
use purr_store::MemoryStore;
use purr_table::{
    actor::{Outlet, Parcel},
    core::Input,
    snapshot::Format,
};
use std::sync::Arc;
use world::World;

const SEATS: u8 = 6;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let most: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut world = World::new(common::spec("t", common::CONFIG), Arc::new(MemoryStore::default()));
    if let Ok(version) = std::env::var("PURR_SNAPSHOT_VERSION") {
        world.format = Format::try_from(version.parse::<u8>().unwrap()).unwrap();
    }
    let (handle, _end, _running) = world.start().await;
    let (outlet, mut deliveries) = Outlet::new(CancellationToken::new());
    let player = |seat: u8| PlayerId([seat + 1; 20]);
    let mut connections = Vec::new();
    for (id, seat) in (1..).zip(0..SEATS) {
        let attached = handle.attach_on(&outlet, seat.into(), player(seat), None, 0).await;
        // An option in older versions, a result in newer ones: measured by the same program.
        let connection = attached.into_iter().next().unwrap();
        connections.push(connection);
        let signature = vec![1; 65];
        let permit = Some(pb::Permit { amount: 1_000, expiry_s: 1_000, signature, ..pb::Permit::default() });
        let sit = Ask::Sit(pb::Sit { seat: seat.into(), amount: 1_000, permit });
        let message = pb::ClientMessage { id, body: Some(sit) };
        handle.input(Input::Message { connection, player: player(seat), message }).await;
    }
    // Each player has an own sequence of ids, as clients do.
    let mut own = [1_764_000_000_000_000_u64; SEATS as usize];
    let (mut acted, mut hand) = (0, 0);
    while acted < most {
        let delivery = deliveries.recv().await.unwrap();
        let Parcel::Messages(messages) = delivery.what else { continue };
        for told in messages {
            let message = told.read().unwrap();
            let Some(Body::Events(events)) = &message.body else { continue };
            for event in &events.events {
                match &event.kind {
                    Some(Kind::SatOut(at)) => panic!("seat {} sits out", at.seat),
                    Some(Kind::HandStarted(started)) => hand = started.hand,
                    _ => {}
                }
                let Some(Kind::Turn(turn)) = &event.kind else { continue };
                let Some(options) = turn.options else { continue };
                let kind = if options.check { ActionKind::Check } else { ActionKind::Fold };
                let kind = if options.call.is_some() { ActionKind::Call } else { kind };
                let seat = u8::try_from(turn.seat).unwrap();
                own[usize::from(seat)] += 1;
                let id = own[usize::from(seat)];
                let act = Ask::Act(pb::Act { hand, kind: kind.into(), amount: 0, question: None });
                let message = pb::ClientMessage { id, body: Some(act) };
                let connection = connections[usize::from(seat)];
                handle.input(Input::Message { connection, player: player(seat), message }).await;
                acted += 1;
            }
        }
    }
}
