//! Seats and waiting lists of fleets: the script compared with its model, the API, and refusals at a table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::{
    SOON, World,
    pod::{Player as Client, Pod as FakePod},
    redis::Redis,
    wallet::{JWT_KEY, Wallet, sign},
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use purr_engine::PlayerId;
use purr_gateway::{
    routing::Pod,
    seating::{
        apart::Apart,
        choose::Offer,
        fleets::{FleetView, LABEL_FLEET, Member},
        key::FleetKey,
        model::Books,
        script,
        step::{Outcome, Step},
    },
};
use purr_protocol::{
    Codec,
    pb::{self, ErrorCode, client_message::Body as Ask, server_message::Body},
    summary::{Summary, Taken},
};
use purr_store::Sessions;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// The first id of 0a…, which the fake pod serves.
const UID: &str = common::UID;

fn player(number: u8) -> PlayerId {
    PlayerId([number; 20])
}

fn steps() -> impl Strategy<Value = (u64, u8, u8, Step)> {
    use proptest::prelude::*;
    let id = (0_u8..4).prop_map(|number| format!("id-{number}"));
    let seat = || (0_u8..2, 0_u8..2).prop_map(|(table, seat)| Offer { table: format!("t{table}"), seat });
    let offers = || prop::collection::vec(seat(), 0..3);
    let ask = (id.clone(), any::<bool>(), offers()).prop_map(|(id, join, offers)| Step::Ask {
        id,
        hold_ms: 3_000,
        waiting_max: 3,
        join,
        offers,
    });
    let back = prop::option::of(id).prop_map(|id| Step::Back { id });
    let step = prop_oneof![
        5 => ask,
        1 => Just(Step::Own),
        2 => back,
        4 => seat().prop_map(|at| Step::Sit { at }),
        6 => seat().prop_map(|at| Step::Confirm { at }),
        3 => offers().prop_map(|offers| Step::Serve { hold_ms: 3_000, offers }),
    ];
    // Some gaps are so long that everything has expired; in total they stay below the time for which the last request
    // is remembered.
    let gap = prop_oneof![20 => 0_u64..900, 3 => 3_000_u64..6_000, 1 => 80_000_u64..100_000];
    (gap, 0_u8..2, 0_u8..4, step)
}

#[tokio::test]
async fn the_script_does_what_the_model_does() {
    let redis = Redis::start().await;
    redis.up().await;
    let sessions = Sessions::new(redis.link("gateway"));
    let seed = [7; 32];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut seen = std::collections::BTreeSet::new();
    for run in 0..42 {
        let fleets = [0, 1].map(|at| FleetKey::new(format!("run-{run}"), format!("f{at}")).unwrap());
        let mut books = Books::default();
        // Pauses and requests of the previous run have expired by then.
        let mut now = 1_000_000_000_000 + run * 10_000_000;
        let begun = now;
        for _ in 0..120 {
            let (gap, fleet, who, step) = steps().new_tree(&mut runner).unwrap().current();
            if now + gap - begun > 550_000 {
                break;
            }
            now += gap;
            // Each run has its own players and fleets, because entries expire by the server's clock.
            let (fleet, who) =
                (&fleets[usize::from(fleet)], PlayerId([u8::try_from(run).unwrap() * 6 + who; 20]));
            let expected = books.step(now, fleet, who, &step);
            let words: Vec<String> = sessions.query(&script::step(now, fleet, who, &step)).await.unwrap();
            assert_eq!(script::outcome(&words).unwrap(), expected, "run {run}: {step:?}");
            seen.insert(words[0].clone());
            let expected = books.look(now, fleet, 10);
            let words: Vec<String> = sessions.query(&script::look(now, fleet, 10, false)).await.unwrap();
            assert_eq!(script::standing(&words).unwrap(), expected, "run {run}: {step:?}");
        }
    }
    let all = [
        "behind",
        "done",
        "elsewhere",
        "ended",
        "full",
        "held",
        "list-full",
        "none",
        "other",
        "paused",
        "seated",
        "sitting",
        "taken",
        "waiting",
    ];
    assert!(seen.iter().map(String::as_str).eq(all), "not every outcome was met: {seen:?}");
}

#[tokio::test]
async fn the_controller_reads_how_many_wait_and_nothing_else_of_the_books() {
    use purr_gateway::sessions::SessionStore;
    let redis = Redis::start().await;
    let gateway = common::sessions(&redis).await;
    let controller = Sessions::new(redis.link("controller"));
    let keys = ["nl100", "nl200"].map(|name| FleetKey::new("purr", name).unwrap());
    let names = keys.clone().map(|key| key.to_string());
    assert_eq!(controller.waiting(&names).await.unwrap(), [0, 0]);
    for number in 0..3 {
        let (hold_ms, waiting_max) = (30_000, 500);
        let ask = Step::Ask { id: "a".into(), hold_ms, waiting_max, join: true, offers: Vec::new() };
        let asked = gateway.seat(&keys[1], player(number), &ask).await.unwrap();
        assert!(matches!(asked, Outcome::Waiting { .. }), "{asked:?}");
    }
    assert_eq!(controller.waiting(&names).await.unwrap(), [0, 3]);
    let back = Step::Back { id: None };
    assert_eq!(gateway.seat(&keys[1], player(1), &back).await.unwrap(), Outcome::Done);
    assert_eq!(controller.waiting(&names).await.unwrap(), [0, 2]);
    for (key, allowed) in [("list", true), ("seats", false), ("ids", false)] {
        let kind: Result<String, _> =
            controller.query(redis::cmd("TYPE").arg(purr_store::seating_key(&keys[1], key))).await;
        assert_eq!(kind.is_ok(), allowed, "{key}: {kind:?}");
    }
}

#[tokio::test]
async fn two_gateways_never_hold_one_seat_for_two_players() {
    let redis = Redis::start().await;
    let stores = [common::sessions(&redis).await, common::sessions(&redis).await];
    let stores = stores.map(Arc::new);
    let key = FleetKey::new("purr", "nl100").unwrap();
    let offers: Vec<Offer> = (0..6).map(|seat| Offer { table: "t".into(), seat }).collect();
    let asked = (0..40_u8).map(|number| {
        use purr_gateway::sessions::SessionStore;
        let (store, key, offers) = (stores[usize::from(number % 2)].clone(), key.clone(), offers.clone());
        tokio::spawn(async move {
            let ask = Step::Ask { id: "a".into(), hold_ms: 30_000, waiting_max: 500, join: false, offers };
            let first = store.seat(&key, player(number), &ask).await.unwrap();
            // The answer was lost, and the request is sent again.
            let again = store.seat(&key, player(number), &ask).await.unwrap();
            (first, again)
        })
    });
    let mut held = Vec::new();
    for answer in asked.collect::<Vec<_>>() {
        match answer.await.unwrap() {
            (Outcome::Held { at, .. }, Outcome::Held { at: again, .. }) => {
                assert_eq!(at, again);
                held.push(at);
            }
            both => assert_eq!(both, (Outcome::Taken, Outcome::Taken)),
        }
    }
    held.sort();
    assert_eq!(held, offers);
}

#[tokio::test]
async fn a_hold_that_is_not_used_ends_and_brings_a_pause_that_grows() {
    let mut books = Books::default();
    let key = FleetKey::new("purr", "nl100").unwrap();
    let offers = vec![Offer { table: "t".into(), seat: 0 }];
    let (mut now, mut pauses) = (1_000_000, Vec::new());
    for number in 0..8 {
        let ask = Step::Ask {
            id: format!("{number}"),
            hold_ms: 30_000,
            waiting_max: 0,
            join: false,
            offers: offers.clone(),
        };
        let held = books.step(now, &key, player(1), &ask);
        assert!(matches!(held, Outcome::Held { left_ms: 30_000, .. }), "{held:?}");
        now += 30_000;
        let Outcome::Paused { left_ms } = books.step(now, &key, player(1), &Step::Own) else {
            panic!("no pause")
        };
        pauses.push(left_ms / 1_000);
        assert!(books.look(now, &key, 0).held.is_empty());
        now += left_ms;
    }
    assert_eq!(pauses, [15, 30, 60, 120, 240, 480, 600, 600]);
}

/// Adds a fleet of six-seat tables with this buy-in; the stand-in signer gives every player a balance of 5.
fn fleet(world: &World, name: &str, policy: &str, least: u64) -> Value {
    let template = json!({
        "seats": 6, "blinds": { "small": 1, "big": 2 }, "buyIn": { "min": least, "max": 100 },
    });
    let object = json!({
        "apiVersion": "purr.poker/v1alpha1", "kind": "PokerTableFleet",
        "metadata": { "name": name, "namespace": "purr" },
        "spec": { "template": template, "seating": { "policy": policy, "waitingMax": 2 }, "hud": "public" },
    });
    world.fleets.apply_fleet(FleetView::of(&serde_json::from_value(object).unwrap()).unwrap());
    template
}

fn table(world: &World, fleet: &str, template: &Value, uid: &str, taken: &[(u8, PlayerId)]) {
    let object = json!({
        "apiVersion": "purr.poker/v1alpha1", "kind": "PokerTable",
        "metadata": { "name": uid, "namespace": "purr", "uid": uid, "labels": { LABEL_FLEET: fleet } },
        "spec": template,
    });
    world.fleets.apply_table(Member::of(&serde_json::from_value(object).unwrap()).unwrap());
    world.routes.apply(Pod {
        name: format!("pod-{uid}"),
        uid: uid.into(),
        table: uid.into(),
        generation: 1,
        address: Some("127.0.0.1:1".parse().unwrap()),
        ready: true,
    });
    says(world, uid, taken);
}

fn says(world: &World, uid: &str, taken: &[(u8, PlayerId)]) {
    let taken: Vec<Taken> =
        taken.iter().map(|(seat, player)| Taken { seat: *seat, player: *player }).collect();
    let players = u8::try_from(taken.len()).unwrap();
    world.sessions.put_summary(Summary { uid: uid.into(), seats: 6, players, taken, ..Summary::default() });
}

fn token(wallet: &Wallet) -> String {
    sign(&wallet.claims(), Some("k1"), &JWT_KEY)
}

/// Waits until the gateway's next round shows this of a fleet.
async fn shows(world: &World, name: &str, field: &str, value: u64) {
    let shown = async {
        loop {
            let listed = world.get("/v1/fleets", None).await.json();
            let fleet = listed["fleets"].as_array().unwrap().iter().find(|fleet| fleet["name"] == name);
            if fleet.is_some_and(|fleet| fleet[field] == value) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, shown).await.unwrap_or_else(|_| panic!("{name}: {field} never was {value}"));
}

const SEATS: &str = "/v1/fleets/purr/nl2/seats";

#[tokio::test]
async fn statistics_of_those_who_sit_there_are_shown_where_the_fleet_shows_them_and_from_a_hundred_hands_on()
{
    let world = World::new().await;
    let template = fleet(&world, "nl2", "Pick", 5);
    table(&world, "nl2", &template, "a1", &[(0, player(1)), (4, player(2))]);
    shows(&world, "nl2", "free", 4).await;
    let one = token(&Wallet::new(1));
    let shown = world.get("/v1/tables/a1/statistics", Some(&one)).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let seats = shown.json()["seats"].clone();
    assert_eq!((&seats[0]["seat"], &seats[0]["statistics"]), (&json!(0), &Value::Null), "too few hands");
    assert_eq!((&seats[1]["seat"], &seats[1]["statistics"]["hands"]), (&json!(4), &json!(100)));
    assert_eq!(world.get("/v1/tables/a1/statistics", None).await.status, 401);
    // A fleet that shows none, which is the default, and a table of no fleet.
    let object = json!({
        "apiVersion": "purr.poker/v1alpha1", "kind": "PokerTableFleet",
        "metadata": { "name": "nl2", "namespace": "purr" }, "spec": { "template": template },
    });
    world.fleets.apply_fleet(FleetView::of(&serde_json::from_value(object).unwrap()).unwrap());
    for uid in ["a1", UID] {
        let shown = world.get(&format!("/v1/tables/{uid}/statistics"), Some(&one)).await;
        assert_eq!((shown.status, shown.json()), (200, json!({ "seats": [] })), "{uid}");
    }
}

#[tokio::test]
async fn a_seat_is_held_once_however_often_the_answer_is_lost() {
    let world = World::new().await;
    let template = fleet(&world, "nl2", "SeatMe", 5);
    table(&world, "nl2", &template, "a1", &[(0, player(1))]);
    table(&world, "nl2", &template, "a2", &[(0, player(2)), (2, player(3))]);
    shows(&world, "nl2", "free", 9).await;
    let one = token(&Wallet::new(1));
    let ask = json!({ "id": "first" });
    let held = world.post(SEATS, Some(&one), &ask).await;
    assert_eq!(held.status, 200, "{held:?}");
    let held = held.json();
    assert_eq!((&held["state"], &held["table"], &held["seat"]), (&json!("held"), &json!("a2"), &json!(1)));
    let left = held["expiresInMs"].as_u64().unwrap();
    assert!((29_000..=30_000).contains(&left), "{left}");
    let again = world.post(SEATS, Some(&one), &ask).await.json();
    assert_eq!((&again["table"], &again["seat"]), (&held["table"], &held["seat"]));
    assert_eq!(world.get(SEATS, Some(&one)).await.json()["state"], "held");
    // Another player gets another seat.
    let other = world.post(SEATS, Some(&token(&Wallet::new(2))), &ask).await.json();
    assert_eq!((&other["table"], &other["seat"]), (&json!("a2"), &json!(3)));

    let back = async |path: &str| world.ask("DELETE", path, &one, &[]).await;
    assert_eq!(back(&format!("{SEATS}?id=another")).await.problem(), "other-request");
    assert_eq!(back(&format!("{SEATS}?id=first")).await.status, 204);
    assert_eq!(back(&format!("{SEATS}?id=first")).await.status, 204, "the answer was lost");
    assert_eq!(world.post(SEATS, Some(&one), &ask).await.problem(), "request-over");
    let paused = world.post(SEATS, Some(&one), &json!({ "id": "second" })).await;
    assert_eq!((paused.status, paused.problem().as_str()), (429, "cool-down"));
    assert!(paused.header("retry-after").is_some());
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_name() {
    let world = World::new().await;
    let template = fleet(&world, "nl2", "Pick", 5);
    fleet(&world, "rich", "Pick", 6);
    table(&world, "nl2", &template, "a1", &[]);
    shows(&world, "nl2", "free", 6).await;
    let one = token(&Wallet::new(1));
    let ask = async |path: &str, body: Value| world.post(path, Some(&one), &body).await.problem();
    assert_eq!(world.post(SEATS, None, &json!({ "id": "a" })).await.status, 401);
    assert_eq!(ask(SEATS, json!({ "id": "a b" })).await, "id");
    assert_eq!(ask(SEATS, json!({})).await, "json");
    assert_eq!(ask("/v1/fleets/purr/none/seats", json!({ "id": "a" })).await, "fleet");
    assert_eq!(ask("/v1/fleets/purr/rich/seats", json!({ "id": "a" })).await, "funds");
    assert_eq!(world.get("/v1/fleets/purr/none", None).await.problem(), "fleet");
    let shown = world.get("/v1/fleets/purr/nl2", None).await.json();
    assert_eq!(
        (&shown["policy"], &shown["hud"], &shown["bigBlind"]),
        (&json!("pick"), &json!("public"), &json!(2))
    );
    // Seated players are not shown to everybody.
    says(&world, "a1", &[(0, player(7))]);
    shows(&world, "nl2", "free", 5).await;
    let lobby = world.get("/v1/tables", None).await;
    assert!(lobby.body.contains("\"uid\":\"a1\"") && !lobby.body.contains("taken"), "{lobby:?}");
    // The store of holds is away.
    world.sessions.set_down(true);
    let away = world.post(SEATS, Some(&one), &json!({ "id": "b" })).await;
    assert_eq!((away.status, away.problem().as_str()), (503, "seating"));
    world.becomes("purr_gateway_seating_available", 0.0).await;
    world.sessions.set_down(false);
    world.becomes("purr_gateway_seating_available", 1.0).await;
    // All holds were lost with the store: players ask again.
    world.sessions.lose();
    says(&world, "a1", &[]);
    shows(&world, "nl2", "free", 6).await;
    assert_eq!(world.post(SEATS, Some(&one), &json!({ "id": "b" })).await.status, 200);
}

#[tokio::test]
async fn who_waits_gets_the_next_seat_in_turn_and_newcomers_come_after() {
    let world = World::new().await;
    let template = fleet(&world, "nl2", "SeatMe", 5);
    let full: Vec<(u8, PlayerId)> = (0..6).map(|seat| (seat, player(100 + seat))).collect();
    table(&world, "nl2", &template, "a1", &full);
    shows(&world, "nl2", "players", 6).await;
    let tokens: Vec<String> = (1..=4).map(|seed| token(&Wallet::new(seed))).collect();
    let ask = async |at: usize, wait: bool| {
        world.post(SEATS, Some(&tokens[at]), &json!({ "id": "a", "wait": wait })).await
    };
    assert_eq!(ask(0, false).await.problem(), "no-seat");
    let waits = ask(0, true).await.json();
    assert_eq!(
        (&waits["state"], &waits["place"], &waits["waiting"]),
        (&json!("waiting"), &json!(1), &json!(1))
    );
    assert_eq!(ask(1, false).await.problem(), "waiting-list");
    assert_eq!(ask(1, true).await.json()["place"], 2);
    assert_eq!(ask(1, true).await.json()["place"], 2, "asked again");
    assert_eq!(ask(2, true).await.problem(), "list-full");
    shows(&world, "nl2", "waiting", 2).await;

    says(&world, "a1", &full[1..]);
    let offered = async {
        loop {
            let own = world.get(SEATS, Some(&tokens[0])).await.json();
            if own["state"] == "held" {
                return own;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let offered = timeout(SOON, offered).await.unwrap();
    assert_eq!(
        (&offered["table"], &offered["seat"], &offered["offered"]),
        (&json!("a1"), &json!(0), &json!(true))
    );
    assert_eq!(world.get(SEATS, Some(&tokens[1])).await.json()["place"], 1);
    // The first one sits down, so the hold becomes a seat, and nobody else gets it.
    let first = Wallet::new(1).player();
    let there: Vec<(u8, PlayerId)> = [(0, first)].into_iter().chain(full[1..].iter().copied()).collect();
    says(&world, "a1", &there);
    let seated = async {
        while world.get(SEATS, Some(&tokens[0])).await.json()["state"] != "seated" {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, seated).await.unwrap();
    assert_eq!(ask(0, true).await.json()["state"], "seated", "the same request");
    assert_eq!(world.ask("DELETE", SEATS, &tokens[1], &[]).await.status, 204);
    shows(&world, "nl2", "waiting", 0).await;
}

#[tokio::test]
async fn a_table_that_closes_is_offered_to_nobody_and_a_pair_is_not_seated_together() {
    let world = World::new().await;
    let template = fleet(&world, "nl2", "Pick", 5);
    table(&world, "nl2", &template, "a1", &[(0, player(9))]);
    shows(&world, "nl2", "free", 5).await;
    world.sessions.put_summary(Summary { uid: "a1".into(), seats: 6, closed: true, ..Summary::default() });
    shows(&world, "nl2", "free", 0).await;
    assert_eq!(
        world.post(SEATS, Some(&token(&Wallet::new(1))), &json!({ "id": "a" })).await.problem(),
        "no-seat"
    );
    says(&world, "a1", &[]);
    shows(&world, "nl2", "free", 6).await;
    // Another template: players signed for other terms at the existing tables.
    fleet(&world, "nl2", "Pick", 4);
    shows(&world, "nl2", "free", 0).await;
    fleet(&world, "nl2", "Pick", 5);
    shows(&world, "nl2", "free", 6).await;
    let (one, other) = (Wallet::new(1), Wallet::new(2));
    let apart = Apart::of([(other.player(), one.player())]);
    world.keep_apart(apart);
    let ask = async |wallet: &Wallet| world.post(SEATS, Some(&token(wallet)), &json!({ "id": "b" })).await;
    assert_eq!(ask(&one).await.json()["table"], "a1");
    assert_eq!(ask(&other).await.problem(), "no-seat", "the only table has the other one of the pair");
    assert_eq!(ask(&Wallet::new(3)).await.json()["table"], "a1");
}

/// At a table outside any fleet no hold is needed before the player sits down.
#[tokio::test]
async fn who_is_kept_apart_from_somebody_at_a_table_cannot_sit_down_there_and_is_not_told_why() {
    let world = World::new().await;
    let mut pod = FakePod::start(&world).await;
    world.routes.apply(Pod {
        name: "pod".into(),
        uid: UID.into(),
        table: "river".into(),
        generation: 1,
        address: Some(pod.address),
        ready: true,
    });
    let (one, other) = (Wallet::new(1), Wallet::new(2));
    let mut client = Client::attach(&world, &token(&one), Codec::Proto).await;
    let mut attached = pod.attached().await;
    attached.seats(&[other.player()]).await;
    attached.say(1, 1, Body::Snapshot(pb::Snapshot::default())).await;
    client.hears().await;
    let sit = || Ask::Sit(pb::Sit { seat: 0, amount: 5, permit: None });
    world.keep_apart(Apart::of([(other.player(), one.player())]));
    let id = client.ask(sit()).await;
    match client.hears().await.body {
        Some(Body::Error(error)) => {
            assert_eq!((error.id, error.code()), (id, ErrorCode::Refused));
            let named = other.player().to_string();
            assert!(!error.message.contains(&named) && !error.message.contains("apart"), "{}", error.message);
        }
        heard => panic!("{heard:?}"),
    }
    // The pair is no longer kept apart, or one of them left: the table decides.
    world.keep_apart(Apart::default());
    let id = client.ask(sit()).await;
    assert_eq!(attached.hears().await.id, id);
    world.keep_apart(Apart::of([(one.player(), other.player())]));
    attached.seats(&[]).await;
    attached.say(1, 2, Body::TablePaused(pb::TablePaused::default())).await;
    client.hears().await;
    let id = client.ask(sit()).await;
    assert_eq!(attached.hears().await.id, id);
}

#[tokio::test]
async fn nobody_sits_down_at_a_table_that_the_fleet_chooses_without_a_hold_of_the_seat() {
    let world = World::new().await;
    let template = fleet(&world, "nl2", "SeatMe", 5);
    table(&world, "nl2", &template, UID, &[]);
    world.routes.delete(&format!("pod-{UID}"));
    let mut pod = FakePod::start(&world).await;
    world.routes.apply(Pod {
        name: "pod".into(),
        uid: UID.into(),
        table: "river".into(),
        generation: 1,
        address: Some(pod.address),
        ready: true,
    });
    shows(&world, "nl2", "free", 6).await;
    let wallet = Wallet::new(1);
    let one = token(&wallet);
    let mut client = Client::attach(&world, &one, Codec::Proto).await;
    let mut attached = pod.attached().await;
    attached.say(1, 1, Body::Snapshot(pb::Snapshot::default())).await;
    client.hears().await;
    let sit = |seat| Ask::Sit(pb::Sit { seat, amount: 5, permit: None });
    let refused = |message: pb::ServerMessage| match message.body {
        Some(Body::Error(error)) => (error.id, error.code()),
        other => panic!("{other:?}"),
    };
    let id = client.ask(sit(0)).await;
    assert_eq!(refused(client.hears().await), (id, ErrorCode::Refused));
    let held = world.post(SEATS, Some(&one), &json!({ "id": "a" })).await.json();
    assert_eq!((&held["table"], &held["seat"]), (&json!(UID), &json!(0)));
    // A seat that is not the held one, and one that no table has.
    for seat in [1, 256] {
        let id = client.ask(sit(seat)).await;
        assert_eq!(refused(client.hears().await), (id, ErrorCode::Refused));
    }
    let id = client.ask(sit(0)).await;
    let heard = attached.hears().await;
    assert!(heard.id == id && matches!(heard.body, Some(Ask::Sit(_))), "{heard:?}");
    // While the books are away nobody new sits down.
    world.sessions.set_down(true);
    let id = client.ask(sit(0)).await;
    assert_eq!(refused(client.hears().await), (id, ErrorCode::Unavailable));
}
