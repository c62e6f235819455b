//! The deny list over the signer's API, and as it is published in a real Redis.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

use crate::common;

use common::{
    House, eventually, outcome,
    table::{UID, player},
};
use http::Method;
use purr_protocol::denial::{Act, DenialTrail, Denials, DeniedWallets, Deny, Lift};
use purr_protocol::hold::{HousePayments, VoucherHold, VoucherHoldTrail};
use purr_runtime::Role;
use purr_store::Sessions;
use serde_json::{Value, json};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn the_deny_list_is_published_with_each_change_and_again_after_the_store_was_lost() {
    let mut house = House::empty();
    house.start_postgres();
    let redis = house.start_sessions().await;
    let signer = house.start_signer();
    let gateway = house.client(&signer, &Role::Gateway);
    // No vault: seats and vouchers have to wait, the list does not.
    signer.not_ready("no vault configured").await;
    signer.journal_there().await;
    gateway.get::<Denials>("/v1/denials", WAIT).await.unwrap();
    let deny = Deny { player: player(1), by: "0xadmin".into(), reason: "chip dumping".into(), until_s: None };
    let trail: DenialTrail = gateway.post("/v1/denials", &deny, WAIT).await.unwrap();
    assert!(trail.denied && trail.acts[0].act == Act::Denied && trail.acts[0].by == "0xadmin");

    let sessions = Sessions::new(redis.link("gateway"));
    let published = async || -> Option<DeniedWallets> {
        serde_json::from_str(&sessions.get(DeniedWallets::KEY).await.unwrap()?).ok()
    };
    let has = async |count: usize| published().await.filter(|list| list.wallets.len() == count);
    let list = eventually("the denial is published", || has(1)).await;
    assert_eq!((list.version, list.wallets[0].player), (1, player(1)));
    assert_eq!(sessions.get(DeniedWallets::VERSION_KEY).await.unwrap().as_deref(), Some("1"));
    let asked: DeniedWallets = gateway.get("/v1/denials/wallets", WAIT).await.unwrap();
    assert_eq!(asked, list);

    sessions.remove(DeniedWallets::VERSION_KEY).await.unwrap();
    sessions.remove(DeniedWallets::KEY).await.unwrap();
    assert_eq!(eventually("the list is there again", || has(1)).await, list);

    let page: Denials = gateway.get("/v1/denials?limit=1", WAIT).await.unwrap();
    assert_eq!((page.denials[0].reason.as_str(), page.next), ("chip dumping", None));
    let lift = Lift { player: player(1), by: "0xadmin".into(), reason: "appeal".into() };
    let trail: DenialTrail = gateway.post("/v1/denials/lift", &lift, WAIT).await.unwrap();
    assert!(!trail.denied && trail.acts.len() == 2);
    eventually("the list is empty", || has(0)).await;

    // Wrong requests are named, and nobody but gateways may ask.
    let with = |reason: &str, until_s: Value| json!({ "player": player(1), "by": "x", "reason": reason, "untilS": until_s });
    let lift = serde_json::to_value(&lift).unwrap();
    for (path, body, wanted) in [
        ("/v1/denials", with("", Value::Null), (422, "denial")),
        ("/v1/denials", with("x", json!(1)), (422, "denial")),
        ("/v1/denials", json!({}), (400, "body")),
        ("/v1/denials/lift", lift, (404, "not-denied")),
    ] {
        let (status, code) = outcome(&gateway, Method::POST, path, &body).await;
        assert_eq!((status, code.as_str()), wanted, "{path} {body}");
    }
    for role in [Role::Table(UID.into()), Role::Controller, Role::Records] {
        let other = house.client(&signer, &role);
        for (method, path) in [
            (Method::POST, "/v1/denials"),
            (Method::POST, "/v1/denials/lift"),
            (Method::GET, "/v1/denials"),
            (Method::GET, "/v1/denials/wallets"),
        ] {
            let (status, _) = outcome(&other, method, path, &with("x", Value::Null)).await;
            assert_eq!(status, 403, "{role} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fair_play_program_denies_holds_and_reads_payments_and_nobody_else_holds() {
    let mut house = House::empty();
    house.start_postgres();
    let signer = house.start_signer();
    let fair_play = house.client(&signer, &Role::FairPlay);
    let hold = |hold| VoucherHold {
        player: player(1),
        hold,
        by: "fair play, case 3".into(),
        reason: "decided by reviewers".into(),
    };
    signer.journal_there().await;
    let payments: HousePayments = fair_play.get("/v1/house-payments?after=0", WAIT).await.unwrap();
    assert_eq!(payments, HousePayments::default());
    let trail: VoucherHoldTrail = fair_play.post("/v1/voucher-holds", &hold(true), WAIT).await.unwrap();
    assert!(trail.held);
    let deny = Deny { player: player(1), by: "fair play, case 3".into(), reason: "x".into(), until_s: None };
    let trail: DenialTrail = fair_play.post("/v1/denials", &deny, WAIT).await.unwrap();
    assert!(trail.denied);
    let path = format!("/v1/voucher-holds/{}", player(1));
    let gateway = house.client(&signer, &Role::Gateway);
    let trail: VoucherHoldTrail = gateway.get(&path, WAIT).await.unwrap();
    assert!(trail.held && trail.acts.len() == 1);
    let bad = serde_json::to_value(VoucherHold { by: String::new(), ..hold(false) }).unwrap();
    let said = outcome(&fair_play, Method::POST, "/v1/voucher-holds", &bad).await;
    assert_eq!((said.0, said.1.as_str()), (422, "hold"));
    for role in [Role::Gateway, Role::Table(UID.into()), Role::Controller, Role::Records] {
        let other = house.client(&signer, &role);
        let body = serde_json::to_value(hold(false)).unwrap();
        for (method, path) in [(Method::POST, "/v1/voucher-holds"), (Method::GET, "/v1/house-payments")] {
            let (status, _) = outcome(&other, method, path, &body).await;
            assert_eq!(status, 403, "{role} {path}");
        }
    }
}
