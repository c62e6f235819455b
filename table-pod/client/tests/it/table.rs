//! Players at a real table over TLS, on a wire that breaks.
#![allow(clippy::large_futures, reason = "a test has room")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use common::{UID, World};
use futures::future::join_all;
use purr_client::{ApiError, Connection, Permits, Plan, Report, Settings, Update, runner::RunError, verify};
use purr_engine::{Event, SeatIndex};
use purr_protocol::{
    Codec,
    pb::{self, client_message::Body as Ask},
    permit::PermitFor,
    record::HandRecord,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const BUY_IN: u64 = 1_000;

fn plan(seed: u64, hands: u64) -> Plan {
    Plan {
        buy_in: BUY_IN,
        max_total_rake: BUY_IN,
        hands,
        seed,
        seat: None,
        rebuys: 8,
        patience: Duration::from_secs(6),
        time_limit: Duration::from_secs(180),
    }
}

fn line(report: &Report) -> String {
    serde_json::to_string(report).unwrap()
}

fn settings(codec: Codec) -> Settings {
    Settings { codec, back_off_max: Duration::from_millis(400), ..Settings::default() }
}

async fn bot(
    world: &World,
    seed: u64,
    hands: u64,
    progress: impl FnMut(&Report),
) -> Result<Report, RunError> {
    let session = world.session();
    let permits = Permits::of_table(&session, UID).await.unwrap();
    let codec = if seed.is_multiple_of(2) { Codec::Proto } else { Codec::Json };
    let connection = Connection::open(session, world.socket.clone(), UID, settings(codec));
    purr_client::run(connection, permits, plan(seed, hands), progress).await
}

#[tokio::test(flavor = "multi_thread")]
async fn six_bots_play_thirty_hands_over_a_wire_that_breaks() {
    let world = World::start().await;
    let cuts = Arc::new(AtomicU64::new(0));
    let bots = (0..6).map(|seed| {
        let (wire, cuts) = (world.wire.clone(), cuts.clone());
        bot(&world, seed, 30, move |report| {
            // After every fifth hand of the busiest player all connections are cut.
            let due = report.hands / 5;
            if cuts.fetch_max(due, Ordering::Relaxed) < due {
                wire.cut();
            }
        })
    });
    let reports: Vec<Report> = join_all(bots).await.into_iter().map(Result::unwrap).collect();
    for report in &reports {
        println!("{}", line(report));
    }

    let records = world.store.hands(UID);
    let parse =
        |entry: &purr_store::HandEntry| -> HandRecord { serde_json::from_slice(&entry.record).unwrap() };
    let records: Vec<HandRecord> = records.iter().map(parse).collect();
    let rake: u64 = records.iter().map(|record| record.end.rake).sum();
    let left: u64 = reports.iter().map(|report| report.left_with.unwrap()).sum();
    let bought: u64 = reports.iter().map(|report| report.bought_in).sum();
    assert_eq!(
        left + rake,
        bought,
        "chips are conserved: {:#?}",
        reports.iter().map(line).collect::<Vec<_>>()
    );
    assert!(rake > 0);

    assert!(
        reports.iter().any(|report| report.hands == 30),
        "{:#?}",
        reports.iter().map(line).collect::<Vec<_>>()
    );
    for report in &reports {
        // The last remaining player cannot play on.
        assert!(report.hands >= 15, "{}", line(report));
        assert!(report.reconnects >= 3, "{}", line(report));
        assert_eq!(report.deals_wrong, Vec::<String>::new());
        assert!(report.deals_proven >= 20, "{}", line(report));
        assert!(
            report.acks + report.errors >= report.actions && report.acks <= report.actions,
            "{}",
            line(report)
        );
        assert!(report.ack_ms.p50 > 0.0 && report.broadcast_ms.p50 <= report.ack_ms.p50, "{}", line(report));
    }
    assert!(cuts.load(Ordering::Relaxed) >= 5);
    assert!(world.wire.carried.load(Ordering::Relaxed) >= 6 * 4, "everybody came back");
    assert_eq!(world.door.sign_ins.load(Ordering::Relaxed), 6, "one sign-in is enough");
    assert!(world.door.refreshes.load(Ordering::Relaxed) >= 6, "tokens were renewed");
    let numbers = world.signer.sequence();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());

    // The records agree, and contain the entropy of all players.
    let mut shown = 0;
    for record in &records {
        let proven = verify::record(record).unwrap().cards;
        shown += record.history.events.iter().filter(|e| matches!(e, Event::Shown { .. })).count();
        let board = record.history.events.iter().filter_map(|event| match event {
            Event::StreetDealt { cards, .. } => Some(cards.len()),
            _ => None,
        });
        assert!(proven >= board.sum::<usize>());
    }
    assert!(shown > 10, "showdowns were seen");
    let with_entropy = records.iter().filter(|record| record.reveals.len() >= 2).count();
    assert!(with_entropy * 10 >= records.len() * 7, "{with_entropy} of {} hands", records.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_ended_is_begun_again_by_the_wallet() {
    let world = World::start().await;
    let session = world.session();
    let first = session.token().await.unwrap();
    assert_eq!(session.token().await.unwrap().text, first.text, "a good token is kept");
    session.refused(&first).await;
    let second = session.token().await.unwrap();
    assert_ne!(second.text, first.text);
    assert_eq!(world.door.refreshes.load(Ordering::Relaxed), 1);
    world.door.end_sessions();
    session.refused(&second).await;
    session.token().await.unwrap();
    assert_eq!(world.door.sign_ins.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_says_no_in_words() {
    let world = World::start().await;
    let api = world.session().api().clone();
    let error = api.refresh("nonsense").await.err().unwrap();
    assert!(error.is_unauthorized());
    assert_eq!(error.to_string(), "POST /v1/auth/refresh: Sign in first (401): the session is over");
    assert_eq!(api.find_table("loop").await.unwrap(), UID);
    assert!(matches!(api.find_table("none").await, Err(ApiError::NoSuchTable { .. })));
    assert!(matches!(api.table("../x").await, Err(ApiError::BadUid(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_connections_of_one_player_end_with_the_newer_one() {
    let world = World::start().await;
    let session = world.session();
    let open = || Connection::open(session.clone(), world.socket.clone(), UID, settings(Codec::Proto));
    let mut old = open();
    while old.view().table().is_none() {
        old.next().await.unwrap();
    }
    let mut new = open();
    while new.view().table().is_none() {
        new.next().await.unwrap();
    }
    let reason = loop {
        if let Update::Ended(reason) = old.next().await.unwrap() {
            break reason;
        }
    };
    assert!(reason.contains("4001"), "{reason}");
    assert!(old.next().await.is_none());
    new.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_survives_the_loss_of_its_connection() {
    let world = World::start().await;
    let session = world.session();
    let permits = Permits::of_table(&session, UID).await.unwrap();
    let mut player = Connection::open(session, world.socket.clone(), UID, settings(Codec::Proto));
    while player.view().table().is_none() {
        player.next().await.unwrap();
    }
    world.wire.cut();
    while !matches!(player.next().await.unwrap(), Update::Disconnected { .. }) {}
    let permit = Some(permits.sign(PermitFor::Sit(SeatIndex(3)), BUY_IN, BUY_IN).unwrap());
    let sit = player.send(Ask::Sit(pb::Sit { seat: 3, amount: BUY_IN, permit })).await.unwrap();
    loop {
        if let Update::Answer { id, result } = player.next().await.unwrap() {
            assert_eq!((id, result), (sit, Ok(())));
            break;
        }
    }
    while player.view().your_seat().is_none() {
        player.next().await.unwrap();
    }
    assert_eq!(player.view().your_seat().unwrap().0, SeatIndex(3));
    let act = player.send(Ask::Act(pb::Act { hand: 1, kind: 1, amount: 0, question: None })).await.unwrap();
    loop {
        if let Update::Answer { id, result: Err(refused) } = player.next().await.unwrap() {
            assert_eq!((id, refused.code), (act, pb::ErrorCode::WrongHand));
            break;
        }
    }
    player.close().await;
}
