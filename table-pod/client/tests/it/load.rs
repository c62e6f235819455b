//! A generator of load at a real table over TLS, on a wire that breaks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use common::{UID, World, spec};
use purr_client::{
    Permits,
    load::{Moment, Outcome, Plan, Player, Purr, Setup, drive},
};
use purr_protocol::settlement::EntryBody;
use purr_table::signer::Signer;
use std::{sync::atomic::Ordering, time::Duration};

const PLAYERS: u8 = 5;
const BUY_IN: u64 = 400;

fn plan() -> Plan {
    Plan {
        // Below the table's limit of messages.
        think: Duration::from_millis(20),
        arrive_max: Duration::from_secs(30),
        warm_up: Duration::ZERO,
        // Longer than a token of this world lives.
        measure: Duration::from_secs(common::TOKEN_S + 1),
        actions_max: u64::MAX,
        big_blind: spec().engine.big_blind,
        leave_max: Some(Duration::from_secs(30)),
    }
}

/// Five seated players and a spectator.
async fn players(world: &World) -> Vec<Player<Purr>> {
    let mut players = Vec::new();
    for number in 0..=PLAYERS {
        let (session, spectator) = (world.session(), number == PLAYERS);
        let permits = Permits::of_table(&session, UID).await.unwrap();
        let side = Purr::new(UID, session.wallet().address(), (!spectator).then_some(number));
        let permits = (!spectator).then_some(permits);
        let setup = Setup { session: Some(session), permits, buy_in: BUY_IN, max_rake: BUY_IN };
        players.push(Player { side, setup, table: 0, spectator });
    }
    players
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_of_players_plays_over_a_cut_wire_renews_its_tokens_and_gives_its_chairs_back() {
    let world = Box::pin(World::start()).await;
    let (players, target, wire) = (players(&world).await, world.socket.target(), world.wire.clone());
    let mut cut = false;
    let tell = move |moment, _| {
        // In the middle of the run every connection is cut once.
        if matches!(moment, Moment::Measuring { actions: 30.. }) && !std::mem::replace(&mut cut, true) {
            wire.cut();
        }
    };
    let run = tokio::task::spawn_blocking(move || drive(&plan(), target, players, tell));
    let outcome: Outcome = run.await.unwrap().unwrap();
    println!("{}", outcome.table());
    let Outcome { actions, ack_ms, broadcast_ms, reconnects, errors, bytes_per_action, .. } = &outcome;
    assert_eq!((outcome.players, outcome.spectators, outcome.tables), (5, 1, 1));
    assert!(*actions > 100, "{actions} actions in {} s", outcome.seconds);
    assert_eq!((ack_ms.count, *reconnects), (*actions, 6));
    // All six have to see an action; those that some missed on the cut wire are not among these.
    assert!(broadcast_ms.count + 10 > *actions && broadcast_ms.max >= ack_ms.p50, "{broadcast_ms:?}");
    assert!(*errors >= 6 && *errors < 12, "{:?}", outcome.error_kinds);
    assert!(*bytes_per_action > 100.0, "{bytes_per_action}");
    assert!(world.door.refreshes.load(Ordering::Relaxed) >= 6, "no token was renewed");

    let entries = world.signer.entries(0).await.unwrap();
    let left = entries.iter().filter(|entry| matches!(entry.body, EntryBody::Leave { .. })).count();
    assert_eq!(left, usize::from(PLAYERS), "chairs were not given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_not_everybody_gets_into_ends_with_an_error() {
    let world = Box::pin(World::start()).await;
    let mut players = players(&world).await;
    // Less than the table asks for.
    players[0].setup.buy_in = 1;
    let plan = Plan { arrive_max: Duration::from_secs(2), ..plan() };
    let target = world.socket.target();
    let run = tokio::task::spawn_blocking(move || drive(&plan, target, players, |_, _| {}));
    let error = run.await.unwrap().unwrap_err().to_string();
    assert_eq!(error, "only 5 of 6 got in within 2 s");
}
