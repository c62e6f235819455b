//! The service with real PostgreSQL and real records: hands of a dumper pair are stored, people decide, and the
//! decisions reach the signer. The signer is a stand-in that records the requests; the real one has tests of its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use crate::world;

use http::Method;
use purr_engine::PlayerId;
use purr_fairplay::{
    Signal,
    cases::{Action, State},
    refunds::{RefundHand, refunds},
    service::refunding::refund_hand,
};
use purr_fairplay_hands::HandKey;
use purr_protocol::fairplay_feed::FedHand;
use purr_runtime::Role;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use world::{WAIT, World, eventually};

fn players(value: &Value) -> BTreeSet<PlayerId> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().parse().unwrap()).collect()
}

fn opinion(by: &str, action: Action) -> Value {
    json!({
        "by": by, "action": action, "reasons": "five hands lost on purpose",
        "innocentExplanation": "tilt: but only against this player",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dumper_pair_becomes_a_case_two_reviewers_decide_and_the_pair_is_kept_apart_and_refunds_are_exact()
{
    let world = World::new().await;
    let pair = world.play(2, 26).await;
    let service = world.serve().await;
    let gateway = service.client(&Role::Gateway);

    // Several looks see the group, but it has one case.
    let queue = eventually("a case appears", || async {
        let queue: Value = gateway.get("/v1/cases?state=open", WAIT).await.ok()?;
        (!queue["cases"].as_array()?.is_empty()).then_some(queue)
    })
    .await;
    service.caught_up().await;
    let line = &queue["cases"][0];
    assert_eq!(queue["cases"].as_array().unwrap().len(), 1);
    assert_eq!(players(&line["members"]), pair);
    assert_eq!(line["strongest"]["signal"], json!(Signal::Transfer));
    let id = line["id"].as_i64().unwrap();

    // The evidence opens one hand at a time, and each opening is counted.
    let case: Value = gateway.get(&format!("/v1/cases/{id}?by=0xr1"), WAIT).await.unwrap();
    assert!(case["explained"][0]["innocent"].as_str().unwrap().contains("tilt"));
    assert_eq!(case["opened"], 0);
    let opened: Value =
        gateway.post(&format!("/v1/cases/{id}/evidence/0"), &json!({ "by": "0xr1" }), WAIT).await.unwrap();
    assert_eq!((&opened["hasCards"], &opened["opened"]), (&json!(true), &json!(1)));
    let seats = opened["replay"]["seats"].as_array().unwrap();
    assert!(seats.iter().all(|seat| seat["cards"].as_array().unwrap().len() == 2));
    for street in opened["replay"]["streets"].as_array().unwrap().iter().skip(1) {
        let sum: f64 =
            street["equities"].as_array().unwrap().iter().map(|e| e["equity"].as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{street}");
    }
    let log: Value = gateway.get("/v1/openings?people=true", WAIT).await.unwrap();
    let logged = &log["openings"][0];
    assert_eq!((&logged["opener"], &logged["reason"]), (&json!("0xr1"), &json!(format!("case {id}"))));
    assert_eq!(logged["hand"], case["evidence"][0]["hand"]);

    // Reviewers are independent of each other, and no member reviews.
    let give = async |by: &str, action| {
        let path = format!("/v1/cases/{id}/opinions");
        gateway.post::<_, Value>(&path, &opinion(by, action), WAIT).await
    };
    let member = pair.first().unwrap().to_string();
    assert_eq!(give(&member, Action::Clear).await.unwrap_err().problem().unwrap().status, 409);
    give("0xr1", Action::HoldVouchers).await.unwrap();
    assert_eq!(give("0xr1", Action::Clear).await.unwrap_err().problem().unwrap().status, 409);
    let unseen: Value = gateway.get(&format!("/v1/cases/{id}?by=0xr2"), WAIT).await.unwrap();
    assert_eq!((&unseen["case"]["opinions"], &unseen["opinionsGiven"]), (&json!([]), &json!(1)));
    let apart: Value = gateway.get("/v1/keep-apart", WAIT).await.unwrap();
    assert_eq!(apart, json!({ "pairs": [] }), "one reviewer decides nothing");
    let decided = give("0xr2", Action::HoldVouchers).await.unwrap();
    assert_eq!(decided["case"]["state"], json!(State::Decided { action: Action::HoldVouchers }));

    // Both players are kept apart, and the signer holds their vouchers; it got no other request.
    let apart: Value = gateway.get("/v1/keep-apart", WAIT).await.unwrap();
    assert_eq!(apart, json!({ "pairs": [pair.iter().collect::<Vec<_>>()] }));
    eventually("vouchers are held", || async { (world.signer.held() == pair).then_some(()) }).await;
    assert_eq!(world.signer.denied(), BTreeSet::new());

    // The refund equals the replayable function's result to the last unit, and the calls pay exactly that.
    let hands: Vec<HandKey> = serde_json::from_value(case["evidence"].clone()).unwrap();
    let order = json!({ "by": "0xr1", "hands": hands, "withRake": true });
    let ordered: Value = gateway.post(&format!("/v1/cases/{id}/refunds"), &order, WAIT).await.unwrap();
    let records = service.client_of_records();
    let mut inputs: Vec<RefundHand> = Vec::new();
    for key in &hands {
        let path = format!("/v1/fairplay/tables/{}/hands/{}", key.table, key.hand);
        let fed: FedHand = records.get(&path, WAIT).await.unwrap();
        inputs.push(refund_hand(key, &fed).unwrap());
    }
    let expected = refunds(&inputs, &pair, true).unwrap();
    let refund = &ordered["refunds"][0];
    assert_eq!(refund["refund"]["result"], serde_json::to_value(&expected).unwrap());
    let payments = refund["payments"].as_array().unwrap();
    assert_eq!(payments.len(), expected.refunds.len());
    for (payment, (player, amount)) in payments.iter().zip(&expected.refunds) {
        let hex = player.to_string().to_lowercase();
        let words =
            format!("{:0>64}{:0>64}{:0>64}", hex.trim_start_matches("0x"), format!("{amount:x}"), "3");
        assert!(payment["call"]["data"].as_str().unwrap().ends_with(&words), "{payment}");
        assert_eq!((&payment["call"]["to"], &payment["tx"]), (&json!(world::VAULT), &Value::Null));
    }
    let again = gateway.post::<_, Value>(&format!("/v1/cases/{id}/refunds"), &order, WAIT).await;
    assert_eq!(again.unwrap_err().problem().unwrap().status, 409, "a hand is refunded once");

    // A refund counts as paid only by the chain: the ledger's events, matched by player and amount.
    for (player, amount) in &expected.refunds {
        world.signer.pay(*player, *amount);
    }
    eventually("the payments arrive", || async {
        let now: Value = gateway.get(&format!("/v1/cases/{id}/refunds"), WAIT).await.ok()?;
        now["refunds"][0]["payments"]
            .as_array()?
            .iter()
            .all(|payment| payment["tx"].is_string())
            .then_some(())
    })
    .await;

    // An appeal that is granted by others releases the vouchers and the pair.
    let by = pair.last().unwrap();
    let stranger = json!({ "by": PlayerId([9; 20]), "text": "let me in" });
    let path = format!("/v1/cases/{id}/appeals");
    let refused = gateway.post::<_, Value>(&path, &stranger, WAIT).await.unwrap_err();
    assert_eq!(refused.problem().unwrap().status, 404);
    gateway.post::<_, Value>(&path, &json!({ "by": by, "text": "we only tilt" }), WAIT).await.unwrap();
    assert_eq!(world.signer.held(), pair, "in force while it is appealed");
    assert_eq!(give("0xr1", Action::Clear).await.unwrap_err().problem().unwrap().status, 409);
    give("0xr3", Action::Clear).await.unwrap();
    give("0xr4", Action::Clear).await.unwrap();
    eventually("vouchers are released", || async { world.signer.held().is_empty().then_some(()) }).await;
    let apart: Value = gateway.get("/v1/keep-apart", WAIT).await.unwrap();
    assert_eq!(apart, json!({ "pairs": [] }));

    // The month's report counts all of this, over a log whose hash chain is intact.
    let report: Value =
        gateway.get(&format!("/v1/report?month={}", world::this_month()), WAIT).await.unwrap();
    assert_eq!(report["decisions"], json!({ "holdVouchers": 1, "clear": 1 }));
    assert_eq!(
        (&report["appeals"], &report["appealsGranted"], &report["casesOpened"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(report["refunds"]["orderedAmount"], json!(expected.total));
    assert_eq!(report["refunds"]["paidAmount"], json!(expected.total));
    assert_eq!(report["openings"]["reviewers"], 1);
    assert_eq!(report["openingsChecked"], json!(world.hands() + 1));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_from_the_checkpoint_and_every_opening_is_in_a_log_that_cannot_be_changed() {
    let world = World::new().await;
    world.play(3, 2).await;
    let service = world.serve().await;
    service.caught_up().await;
    let first = service.database.openings(0, 500, false).await.unwrap();
    assert_eq!(first.count, 200);
    // SIGTERM: the state is stored.
    service.stop().await;

    world.play(4, 2).await;
    let service = world.serve().await;
    service.caught_up().await;
    let log = service.database.openings(0, 500, false).await.unwrap();
    assert_eq!(log.count, 400, "no hand of before was opened again");
    assert_eq!(log.openings[..200], first.openings[..]);
    assert_eq!(service.database.verify_openings().await.unwrap(), 400);
    assert!((service.hands("opened") - 200.0).abs() < 0.5);

    let pool = world.pool().await;
    for change in ["UPDATE openings SET opener = 'nobody'", "DELETE FROM openings", "TRUNCATE openings"] {
        let refused = sqlx::query(change).execute(&pool).await.unwrap_err().to_string();
        assert!(refused.contains("never changed or deleted"), "{change}: {refused}");
    }
    // The owner of the table can disable the trigger; the hash chain then exposes the change.
    sqlx::query("ALTER TABLE openings DISABLE TRIGGER ALL").execute(&pool).await.unwrap();
    sqlx::query("UPDATE openings SET reason = 'x' WHERE id = 17").execute(&pool).await.unwrap();
    assert!(service.database.verify_openings().await.unwrap_err().to_string().contains("opening 17"));
    service.stop().await;
    // The next start finds the change by itself.
    let service = world.serve().await;
    eventually("the metric of the alert says so", || async {
        (service.gauge("purr_fairplay_log_broken") > 0.5).then_some(())
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_who_was_erased_and_plays_no_more_is_forgotten_unless_a_case_is_about_them() {
    let world = World::new().await;
    let pair = world.play(2, 26).await;
    let service = world.serve().await;
    let gateway = service.client(&Role::Gateway);
    eventually("a case appears", || async {
        let queue: Value = gateway.get("/v1/cases?state=open", WAIT).await.ok()?;
        (!queue["cases"].as_array()?.is_empty()).then_some(())
    })
    .await;
    service.caught_up().await;
    let players = "purr_fairplay_players";
    eventually("everybody is scored", || async { (service.gauge(players) > 11.5).then_some(()) }).await;
    assert!(service.gauge("purr_fairplay_log_broken") < 0.5);
    let read = service.gauge("purr_fairplay_read_timestamp_seconds");
    assert!(read > 1e9, "{read}");
    service.stop().await;

    let honest = world.players().await.into_iter().find(|player| !pair.contains(player)).unwrap();
    world.erase(honest).await;
    world.erase(*pair.first().unwrap()).await;
    // Twelve more players join, and a look follows.
    world.play(4, 2).await;
    let service = world.serve().await;
    service.caught_up().await;
    eventually("one of twenty-four is forgotten", || async {
        ((service.gauge(players) - 23.0).abs() < 0.5).then_some(())
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_gateways_are_answered_and_bad_questions_are_named() {
    let world = World::new().await;
    let service = world.serve().await;
    for role in [Role::Records, Role::ChainSigner, Role::Controller, Role::FairPlay, Role::Table("0a".into())]
    {
        let client = service.client(&role);
        for path in ["/v1/cases", "/v1/keep-apart", "/v1/openings"] {
            let (status, _) = client.raw(Method::GET, path, Default::default(), WAIT).await.unwrap();
            assert_eq!(status.as_u16(), 403, "{role} {path}");
        }
    }
    let gateway = service.client(&Role::Gateway);
    for (path, wanted) in [
        ("/v1/cases?state=guilty", 400),
        ("/v1/cases?limit=0", 400),
        ("/v1/cases/7?by=0xr1", 404),
        ("/v1/report?month=2026-13", 400),
    ] {
        let (status, _) = gateway.raw(Method::GET, path, Default::default(), WAIT).await.unwrap();
        assert_eq!(status.as_u16(), wanted, "{path}");
    }
    service.stop().await;
}
