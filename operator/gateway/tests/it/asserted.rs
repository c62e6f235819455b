//! Identities at tables: tables get assertions of the gateway, and no access token.

use crate::common::{
    UID, World,
    pod::{Player, Pod},
    wallet::{JWT_KEY, Wallet, now_s, sign, write_key},
};
use purr_gateway::{Config, auth::keys::Keys};
use purr_protocol::{
    CloseCode, Codec,
    pb::{self, client_message::Body as Ask, server_message::Body as Say},
};
use purr_runtime::{
    assertion::{Assertion, Assertions},
    token::Claims,
};
use std::{sync::atomic::Ordering, time::Duration};
use tempfile::TempDir;

const KEY: [u8; 32] = [43; 32];

/// A folder with the assertion key, and the public part for tables.
struct Asserting(TempDir);

impl Asserting {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_key(dir.path(), "a1", &KEY);
        std::fs::write(dir.path().join("current"), "a1").unwrap();
        let keys = Keys::load(dir.path(), "", "").unwrap().published();
        std::fs::write(dir.path().join("keys.json"), serde_json::to_vec(&keys).unwrap()).unwrap();
        Self(dir)
    }

    fn set(&self, access_tokens: bool) -> impl FnOnce(&mut Config) + use<> {
        let dir = self.0.path().to_owned();
        move |config| {
            config.assertion_key_dir = Some(dir);
            config.access_tokens_at_tables = access_tokens;
        }
    }

    fn read(&self, (lane, assertion): &(u64, String)) -> Assertion {
        Assertions::new(UID, self.0.path().join("keys.json")).verify(assertion, *lane).unwrap()
    }
}

/// An access token that ends at this time.
fn token(wallet: &Wallet, until_s: u64) -> String {
    sign(&Claims { exp: until_s, ..wallet.claims() }, Some("k1"), &JWT_KEY)
}

fn ack_of(message: &pb::ServerMessage) -> Option<u64> {
    match &message.body {
        Some(Say::Ack(ack)) => Some(ack.id),
        _ => None,
    }
}

#[tokio::test]
async fn a_table_is_told_who_its_players_are_and_never_sees_their_tokens() {
    let asserting = Asserting::new();
    let world = World::with(asserting.set(true)).await;
    let mut pod = Pod::start_asserted(&world).await;
    world.route("a", 1, pod.address);
    let (wallet, until_s) = (Wallet::new(1), now_s() + 100);
    let mut player = Player::attach(&world, &token(&wallet, until_s), Codec::Proto).await;
    let mut attachment = pod.attached().await;
    assert_eq!(attachment.attach.token, "");
    let first = pod.asserted.lock().unwrap()[0].clone();
    let said = asserting.read(&first);
    assert_eq!((said.sub.as_str(), said.until), (wallet.address().as_str(), until_s));
    assert!(said.exp - said.iat <= 60 && said.roles.is_empty());

    // The gateway answers a renewal itself; the table only gets the next assertion.
    let renewed = player.ask(Ask::RenewToken(pb::RenewToken { token: token(&wallet, until_s + 7) })).await;
    assert_eq!(ack_of(&player.hears().await), Some(renewed));
    player.ask(Ask::Leave(pb::Leave {})).await;
    assert!(matches!(attachment.hears().await.body, Some(Ask::Leave(_))));
    let all = pod.asserted.lock().unwrap().clone();
    assert_eq!(all.len(), 2);
    assert_eq!(asserting.read(&all[1]).until, until_s + 7);
    assert_eq!(all[1].0, first.0, "on the same lane");
}

#[tokio::test]
async fn an_assertion_is_no_token_of_the_api() {
    let asserting = Asserting::new();
    let world = World::with(asserting.set(true)).await;
    let mut pod = Pod::start_asserted(&world).await;
    world.route("a", 1, pod.address);
    let good = token(&Wallet::new(1), now_s() + 100);
    let _player = Player::attach(&world, &good, Codec::Proto).await;
    let _attachment = pod.attached().await;
    let assertion = pod.asserted.lock().unwrap()[0].1.clone();
    assert_eq!(world.get("/v1/balance", Some(&good)).await.status, 200);
    assert_eq!(world.get("/v1/balance", Some(&assertion)).await.status, 401);
    let other = Player::attach(&world, &assertion, Codec::Proto).await;
    assert_eq!(other.closes().await, Some(CloseCode::TokenExpired));
}

#[tokio::test]
async fn a_table_of_the_release_before_gets_the_access_token_until_that_is_turned_off() {
    let asserting = Asserting::new();
    let world = World::with(asserting.set(true)).await;
    let mut old = Pod::start(&world).await;
    world.route("a", 1, old.address);
    let (wallet, until_s) = (Wallet::new(1), now_s() + 100);
    let (first, second) = (token(&wallet, until_s), token(&wallet, until_s + 7));
    let mut player = Player::attach(&world, &first, Codec::Proto).await;
    let mut attachment = old.attached().await;
    assert_eq!(attachment.attach.token, first);
    attachment.say(1, 1, Say::Snapshot(pb::Snapshot::default())).await;
    assert!(matches!(player.hears().await.body, Some(Say::Snapshot(_))));
    let renewed = player.ask(Ask::RenewToken(pb::RenewToken { token: second })).await;
    assert!(matches!(attachment.hears().await.body, Some(Ask::RenewToken(_))));

    // The table moves to a pod of this release before the old one has answered: no token goes along.
    let mut new = Pod::start_asserted(&world).await;
    world.route("b", 2, new.address);
    let mut attached = new.attached().await;
    assert_eq!(attached.attach.token, "");
    assert!(old.asserted.lock().unwrap().is_empty());
    let all = new.asserted.lock().unwrap().clone();
    assert_eq!(asserting.read(&all[0]).until, until_s + 7, "the newest token counts");
    let mut heard = Vec::new();
    while !heard.iter().any(|message| ack_of(message) == Some(renewed)) {
        heard.push(player.hears().await);
    }
    player.ask(Ask::Leave(pb::Leave {})).await;
    assert!(matches!(attached.hears().await.body, Some(Ask::Leave(_))), "the renewal is not sent again");

    let strict = World::with(asserting.set(false)).await;
    let mut old = Pod::start(&strict).await;
    strict.route("a", 1, old.address);
    let _player = Player::attach(&strict, &first, Codec::Proto).await;
    let refused = async {
        while old.asked.load(Ordering::Relaxed) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refused).await.expect("the table is asked again");
    assert!(tokio::time::timeout(Duration::from_millis(1), old.attached()).await.is_err());
}

#[tokio::test]
async fn a_lane_belongs_to_the_trace_of_the_request_that_opened_the_socket() {
    const CAUSE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let asserting = Asserting::new();
    let world = World::with(asserting.set(true)).await;
    let mut pod = Pod::start_asserted(&world).await;
    world.route("a", 1, pod.address);
    let (first, second) = (token(&Wallet::new(1), now_s() + 100), token(&Wallet::new(2), now_s() + 100));
    let traced = Some(("traceparent", CAUSE));
    let _traced = Player::attach_with(&world, &first, Codec::Proto, traced).await;
    let _first = pod.attached().await;
    let _plain = Player::attach(&world, &second, Codec::Proto).await;
    let _second = pod.attached().await;
    let traces = pod.traces.lock().unwrap().clone();
    assert_eq!(traces.len(), 2);
    assert_eq!(traces[0][..36], CAUSE[..36]);
    assert_ne!(traces[0], CAUSE, "the gateway is a step of its own");
    assert_eq!(traces[1], "");
}
