//! The floor for staff: the tables that it shows, and staff's one order to a table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use axum::{Json, Router, extract::Path, routing::post};
use common::{UID, World, serve, wallet, wallet::Wallet};
use purr_engine::PlayerId;
use purr_protocol::{
    Problem,
    floor::{ActKind, Floor, FloorSeat, PausedBy, Rates, StaffPause, StaffPaused},
    summary::Summary,
};
use purr_runtime::{problem::Answer, token::Claims, token::UserRole};
use serde_json::json;
use std::sync::{Arc, Mutex};

fn token(roles: &[UserRole]) -> String {
    let claims = Claims { roles: roles.to_vec(), ..Wallet::new(1).claims() };
    wallet::sign(&claims, Some("k1"), &wallet::JWT_KEY)
}

fn floor() -> Floor {
    let seat = FloorSeat {
        seat: 2,
        player: PlayerId([7; 20]),
        stack: 900,
        sitting_out: false,
        connected: true,
        rates: Rates { hands: 60, timed: 80, think_ms: 90, ..Rates::default() },
    };
    Floor { uid: UID.into(), seats: vec![seat], window_s: 1_800, hands: 60, ..Floor::default() }
}

fn tell(world: &World) {
    let summary = Summary { uid: UID.into(), name: "river".into(), big_blind: 100, ..Summary::default() };
    world.sessions.put_summary(summary);
    world.sessions.put_floor(floor());
}

/// A table that obeys, and the orders that it got.
async fn table(world: &World, refuses: bool) -> Arc<Mutex<Vec<StaffPause>>> {
    let told = Arc::<Mutex<Vec<StaffPause>>>::default();
    let hears = told.clone();
    let pause = async move |Path(uid): Path<String>, Json(order): Json<StaffPause>| {
        assert_eq!(uid, UID);
        hears.lock().unwrap().push(order.clone());
        if refuses {
            return Err(Answer(Problem::new(403, "role", "This token may not do that")));
        }
        let pause = order.pause.then(|| PausedBy { by: "0x1".into(), reason: order.reason, at_s: 5 });
        Ok(Json(StaffPaused { paused_by: pause, hand_running: true }))
    };
    let routes = Router::new().route("/v1/tables/{uid}/pause", post(pause));
    let address = serve(world.table_identity(UID), routes, &world.stop).await;
    world.route("river-1", 1, address);
    told
}

#[tokio::test]
async fn staff_see_who_sits_where_how_fast_it_goes_and_what_is_unusual_and_the_lobby_does_not() {
    let world = World::new().await;
    let _table = table(&world, false).await;
    tell(&world);
    let path = "/v1/staff/tables";
    assert_eq!(world.get(path, Some(&token(&[UserRole::Player]))).await.problem(), "role");
    let support = token(&[UserRole::Support]);
    let found = world.get(path, Some(&support)).await.json();
    let one = &found["tables"][0];
    assert_eq!((found["all"].as_u64(), one["handsPerHour"].as_u64()), (Some(1), Some(120)));
    assert_eq!(one["floor"]["seats"][0]["player"], json!(PlayerId([7; 20])));
    assert_eq!(
        (&one["unusual"][0]["rule"], one["unusual"][0]["value"].as_u64()),
        (&json!("fastDecisions"), Some(90))
    );
    assert!(
        !world.get("/v1/tables", None).await.json().to_string().contains("seats\":["),
        "nobody else sees who sits where"
    );
    for (query, count) in [
        ("name=RIV", 1),
        ("name=lake", 0),
        ("unusual=true", 1),
        ("paused=true", 0),
        ("stakes=0/100", 1),
        ("stakes=1/2", 0),
        (&*format!("player={}", PlayerId([7; 20])), 1),
        (&*format!("player={}", PlayerId([8; 20])), 0),
    ] {
        let found = world.get(&format!("{path}?{query}"), Some(&support)).await.json();
        assert_eq!(found["all"].as_u64(), Some(count), "{query}");
    }
}

#[tokio::test]
async fn thresholds_are_options() {
    let world = World::with(|config| config.front.thresholds.think_ms_min = 50).await;
    let _table = table(&world, false).await;
    tell(&world);
    let found = world.get("/v1/staff/tables", Some(&token(&[UserRole::Auditor]))).await.json();
    assert_eq!(found["tables"][0]["unusual"], json!([]));
}

#[tokio::test]
async fn an_order_is_in_the_log_before_and_after_the_table_carries_it_out() {
    let world = World::new().await;
    let told = table(&world, false).await;
    let support = token(&[UserRole::Support]);
    let path = format!("/v1/staff/tables/{UID}/pause");
    let body = json!({ "reason": " two players are looked at " });
    assert_eq!(world.post(&path, Some(&token(&[UserRole::Auditor])), &body).await.problem(), "role");
    assert_eq!(world.post(&path, Some(&support), &json!({ "reason": "" })).await.problem(), "reason");
    assert!(world.acts.lock().unwrap().is_empty() && told.lock().unwrap().is_empty());
    let paused = world.post(&path, Some(&support), &body).await.json();
    assert_eq!(paused["pausedBy"]["reason"], "two players are looked at");
    assert_eq!(told.lock().unwrap().len(), 1);
    assert!(told.lock().unwrap()[0].token == support, "the table can look at the token itself");
    let resume = format!("/v1/staff/tables/{UID}/resume");
    let resumed = world.post(&resume, Some(&support), &json!({ "reason": "all is well" })).await.json();
    assert!(resumed["pausedBy"].is_null());
    let acts = world.acts.lock().unwrap().clone();
    let kinds: Vec<(ActKind, Option<i64>)> = acts.iter().map(|act| (act.act, act.order)).collect();
    use ActKind::{Done, Pause, Resume};
    assert_eq!(kinds, [(Pause, None), (Done, Some(1)), (Resume, None), (Done, Some(3))]);
    assert!(acts.iter().all(|act| act.actor == Wallet::new(1).player() && act.table == UID));
    let log = world.get("/v1/staff/acts", Some(&token(&[UserRole::Auditor]))).await.json();
    assert_eq!(log["acts"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn what_a_table_refuses_is_in_the_log_as_failed_and_without_the_log_nothing_is_ordered() {
    let world = World::new().await;
    let told = table(&world, true).await;
    let (support, path) = (token(&[UserRole::Support]), format!("/v1/staff/tables/{UID}/pause"));
    let body = json!({ "reason": "x" });
    assert_eq!(world.post(&path, Some(&support), &body).await.problem(), "role");
    assert_eq!(world.acts.lock().unwrap().last().unwrap().act, ActKind::Failed);
    world.stop_fleet();
    let later = world.post(&path, Some(&support), &body).await;
    assert_eq!((later.status, told.lock().unwrap().len()), (503, 1));
}
