//! A table and a gateway's assertions, which take the place of players' access tokens.
#![allow(clippy::large_futures, reason = "a test has room")]

use crate::{
    common::{UID, World},
    trunk::Trunk,
};
use purr_protocol::{
    CloseCode, Codec,
    pb::{self, client_message::Body as Ask, server_message::Body as Say},
    trunk::{ASSERTED, Lane, SUBPROTOCOL, Up},
};
use purr_runtime::{
    assertion::{Assertion, audience},
    ws::Error,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep_until};

fn said(lane: Lane, good_s: u64) -> Assertion {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // A player of its own: two lanes of one player take the table over from each other.
    Assertion::new(UID, format!("0x{:040x}", 0xa0 + lane), lane, now_s, now_s + good_s)
}

async fn asserted(world: &World) -> Trunk {
    let (trunk, chosen) = Trunk::open_as(world, &[ASSERTED, SUBPROTOCOL].join(", ")).await.unwrap();
    assert_eq!(chosen.as_deref(), Some(ASSERTED), "a table that knows assertions asks for them");
    trunk
}

/// Opens a lane with this assertion and attaches without a token, or with one.
async fn attach(trunk: &mut Trunk, lane: Lane, assertion: String, token: &str) {
    trunk.codecs.insert(lane, Codec::Proto);
    let attach = trunk.message(lane, 1, Ask::Attach(pb::Attach { token: token.into(), resume: None }));
    trunk.say(vec![Up::open_asserted(lane, Codec::Proto, assertion), attach]).await;
}

async fn is_attached(trunk: &mut Trunk, lane: Lane) {
    let (lanes, message) = trunk.hears().await;
    assert_eq!(lanes, [lane]);
    assert!(matches!(message.body, Some(Say::Snapshot(_))), "{message:?}");
}

#[tokio::test]
async fn a_player_is_who_the_gateway_asserts_and_needs_no_token() {
    let world = World::start().await;
    let mut trunk = asserted(&world).await;
    attach(&mut trunk, 1, world.assertion(&said(1, 300)), "").await;
    is_attached(&mut trunk, 1).await;
    trunk.pings(1).await;
}

#[tokio::test]
async fn an_assertion_for_another_lane_or_table_or_none_ends_the_lane() {
    let world = World::start().await;
    let mut trunk = asserted(&world).await;
    let token = world.session().token().await.unwrap().text.to_string();
    let elsewhere = Assertion { aud: audience("0b0b0c0d-0000-4000-8000-000000000000"), ..said(2, 300) };
    let old = said(3, 300);
    let old = Assertion { iat: old.iat - 200, exp: old.exp - 200, ..old };
    for (lane, assertion) in [
        (1, world.assertion(&said(9, 300))),
        (2, world.assertion(&elsewhere)),
        (3, world.assertion(&old)),
        // A player's access token is not accepted as an assertion.
        (4, token.clone()),
        (5, String::new()),
    ] {
        attach(&mut trunk, lane, assertion, &token).await;
        assert_eq!(trunk.ends(lane).await, Some(CloseCode::TokenExpired), "lane {lane}");
    }
}

#[tokio::test]
async fn a_lane_ends_with_the_players_token_unless_the_gateway_renews_it() {
    let world = World::start().await;
    let mut trunk = asserted(&world).await;
    let begun = Instant::now();
    for lane in [1, 2] {
        attach(&mut trunk, lane, world.assertion(&said(lane, 2)), "").await;
        is_attached(&mut trunk, lane).await;
    }
    trunk.say(vec![Up::renew(2, world.assertion(&said(2, 300)))]).await;
    assert_eq!(trunk.ends(1).await, Some(CloseCode::TokenExpired));
    assert!(begun.elapsed() >= Duration::from_secs(2));
    sleep_until(begun + Duration::from_millis(2_500)).await;
    trunk.pings(2).await;
    // An assertion about somebody else.
    let other = Assertion { sub: format!("0x{}", "b2".repeat(20)), ..said(2, 300) };
    trunk.say(vec![Up::renew(2, world.assertion(&other))]).await;
    assert_eq!(trunk.ends(2).await, Some(CloseCode::Protocol));
}

#[tokio::test]
async fn an_access_token_in_a_renewal_ends_an_asserted_lane() {
    let world = World::start().await;
    let mut trunk = asserted(&world).await;
    attach(&mut trunk, 1, world.assertion(&said(1, 300)), "").await;
    is_attached(&mut trunk, 1).await;
    let token = world.session().token().await.unwrap().text.to_string();
    trunk.ask(1, 2, Ask::RenewToken(pb::RenewToken { token })).await;
    assert_eq!(trunk.ends(1).await, Some(CloseCode::Protocol));
}

#[tokio::test]
async fn a_gateway_of_the_release_before_is_served_by_access_tokens_where_they_are_taken() {
    let world = World::start().await;
    let (mut trunk, chosen) = Trunk::open_as(&world, SUBPROTOCOL).await.unwrap();
    assert_eq!(chosen.as_deref(), Some(SUBPROTOCOL));
    let token = world.session().token().await.unwrap().text.to_string();
    attach(&mut trunk, 1, String::new(), &token).await;
    is_attached(&mut trunk, 1).await;

    let strict = World::with(false).await;
    match Trunk::open_as(&strict, SUBPROTOCOL).await.err().unwrap() {
        Error::Http(response) => assert_eq!(response.status().as_u16(), 400),
        error => panic!("{error}"),
    }
    asserted(&strict).await;
}
