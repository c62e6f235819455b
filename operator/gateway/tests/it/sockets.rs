//! Players' sockets over the ends of pods, tokens and gateways.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::{
    SOON, UID, World,
    pod::{Attachment, Player, Pod, cursor},
    wallet::{JWT_KEY, Tokens, Wallet, now_s, sign},
};
use futures::{SinkExt, StreamExt};
use purr_protocol::{
    CloseCode, Codec, MESSAGE_BYTES_MAX,
    pb::{self, ErrorCode, client_message::Body as Ask, server_message::Body as Say},
    trunk::RoundTrip,
};
use purr_runtime::ws::Message;
use serde_json::Value;
use std::{sync::atomic::Ordering, time::Duration};
use tokio::time::timeout;

const SOCKET: &str = "/v1/tables/0a0b0c0d-0000-4000-8000-000000000000/socket";

/// A world with a pod, and a player who is attached to it and has seen the table.
async fn playing(codec: Codec) -> (World, Pod, Attachment, Player, Tokens) {
    let world = World::new().await;
    let mut pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let tokens = Wallet::new(1).sign_in(&world).await;
    let mut player = Player::attach(&world, &tokens.access, codec).await;
    let attachment = pod.attached().await;
    assert_eq!(attachment.attach, pb::Attach { token: tokens.access.clone(), resume: None });
    attachment.say(1, 10, Say::Snapshot(pb::Snapshot::default())).await;
    assert!(matches!(player.hears().await.body, Some(Say::Snapshot(_))));
    (world, pod, attachment, player, tokens)
}

async fn survives_a_restart(codec: Codec) {
    let (world, pod, mut attachment, mut player, tokens) = playing(codec).await;
    let act = Ask::Act(pb::Act { hand: 3, kind: pb::ActionKind::Call.into(), amount: 0, question: None });
    let acted = player.ask(act.clone()).await;
    assert_eq!(attachment.hears().await.body, Some(act.clone()));
    attachment.say(1, 11, Say::Events(pb::Events::default())).await;
    assert_eq!(player.hears().await.offset, 11);

    // The pod dies before it has answered; for a while there is none.
    drop((attachment, pod));
    world.routes.delete("a");
    let paused = player.hears().await;
    assert!(matches!(paused.body, Some(Say::TablePaused(_))), "{paused:?}");
    assert_eq!((paused.epoch, paused.offset), (1, 11));
    let waits = player.ask(Ask::SitOut(pb::SitOut {})).await;
    player.ask(Ask::Ping(pb::Ping {})).await;
    assert!(matches!(player.hears().await.body, Some(Say::Pong(_))));

    let mut successor = Pod::start(&world).await;
    world.route("b", 2, successor.address);
    let mut attachment = successor.attached().await;
    let resume = Some(pb::Cursor { epoch: 1, offset: 11 });
    assert_eq!(attachment.attach, pb::Attach { token: tokens.access, resume });
    assert_eq!(*successor.seen.lock().unwrap(), [cursor(1, 11)], "the pod knows before anybody attaches");
    // The unanswered command is sent again with its id, then the waiting ones.
    let again = attachment.hears().await;
    assert_eq!((again.id, again.body), (acted, Some(act)));
    assert_eq!(attachment.hears().await.id, waits);
    attachment.say(2, 12, Say::Events(pb::Events::default())).await;
    attachment.say(2, 12, Say::TableResumed(pb::TableResumed {})).await;
    attachment.say(2, 12, Say::Ack(pb::Ack { id: acted, at_offset: 12 })).await;
    assert!(matches!(player.hears().await.body, Some(Say::Events(_))));
    assert!(matches!(player.hears().await.body, Some(Say::TableResumed(_))));
    assert!(matches!(player.hears().await.body, Some(Say::Ack(ack)) if ack.id == acted));
    assert_eq!(world.metric("purr_gateway_reattached_total"), Some(1.0));
}

#[tokio::test]
async fn a_players_socket_survives_the_pods_restart_in_binary() {
    Box::pin(survives_a_restart(Codec::Proto)).await;
}

#[tokio::test]
async fn a_players_socket_survives_the_pods_restart_in_json() {
    Box::pin(survives_a_restart(Codec::Json)).await;
}

#[tokio::test]
async fn the_newest_token_goes_to_the_next_pod_and_a_pod_that_moves_is_followed() {
    let (world, _pod, mut attachment, mut player, _) = playing(Codec::Proto).await;
    let newer = Wallet::new(1).sign_in(&world).await.access;
    let renewed = player.ask(Ask::RenewToken(pb::RenewToken { token: newer.clone() })).await;
    assert!(matches!(attachment.hears().await.body, Some(Ask::RenewToken(_))));
    // The old pod still runs; a ready one of a higher generation holds the table.
    let mut successor = Pod::start(&world).await;
    world.route("b", 2, successor.address);
    let next = successor.attached().await;
    assert_eq!(next.attach.token, newer);
    assert!(matches!(player.hears().await.body, Some(Say::TablePaused(_))));
    // The attach replaces the renewal that the old pod has not answered.
    assert!(matches!(player.hears().await.body, Some(Say::Ack(ack)) if ack.id == renewed));
    next.say(2, 30, Say::Snapshot(pb::Snapshot::default())).await;
    assert!(matches!(player.hears().await.body, Some(Say::Snapshot(_))));
    let resumed = player.hears().await;
    assert!(matches!(resumed.body, Some(Say::TableResumed(_))));
    assert_eq!((resumed.epoch, resumed.offset), (2, 30));
}

#[tokio::test]
async fn a_pod_that_goes_away_is_no_end_and_a_close_for_the_player_is() {
    let (_world, mut pod, attachment, mut player, _) = playing(Codec::Proto).await;
    attachment.close(CloseCode::GoingAway).await;
    assert!(matches!(player.hears().await.body, Some(Say::TablePaused(_))));
    let again = pod.attached().await;
    again.close(CloseCode::Replaced).await;
    assert_eq!(player.closes().await, Some(CloseCode::Replaced));
}

#[tokio::test]
async fn a_pod_that_is_another_table_is_asked_again_later() {
    let world = World::new().await;
    let mut pod = Pod::start_wrong(&world, 2).await;
    world.route("a", 1, pod.address);
    let token = Wallet::new(1).sign_in(&world).await.access;
    let mut player = Player::attach(&world, &token, Codec::Proto).await;
    let attachment = pod.attached().await;
    assert_eq!(pod.asked.load(Ordering::Relaxed), 3);
    assert!(matches!(player.hears().await.body, Some(Say::TablePaused(_))));
    attachment.say(1, 1, Say::Snapshot(pb::Snapshot::default())).await;
    assert!(matches!(player.hears().await.body, Some(Say::Snapshot(_))));
    assert_eq!(world.metric("purr_gateway_upstream_errors_total{upstream=\"table\"}"), Some(2.0));
}

#[tokio::test]
async fn a_table_without_a_pod_for_too_long_sends_its_players_away() {
    let world = World::with(|config| config.pace.pause_max = Duration::from_millis(50)).await;
    world.route("a", 1, "127.0.0.1:1".parse().unwrap());
    let token = Wallet::new(1).sign_in(&world).await.access;
    let player = Player::attach(&world, &token, Codec::Proto).await;
    assert_eq!(player.closes().await, Some(CloseCode::TryAgain));
}

#[tokio::test]
async fn a_wrong_first_message_ends_the_socket() {
    let world = World::new().await;
    let pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let forged = Player::attach(&world, "a.b.c", Codec::Proto).await;
    assert_eq!(forged.closes().await, Some(CloseCode::TokenExpired));
    let mut rude = Player::open(&world, SOCKET, Codec::Proto, None).await.unwrap();
    rude.ask(Ask::SitOut(pb::SitOut {})).await;
    assert_eq!(rude.closes().await, Some(CloseCode::Protocol));
    let mut text = Player::open(&world, SOCKET, Codec::Proto, None).await.unwrap();
    text.socket.send(Message::text("{}")).await.unwrap();
    assert_eq!(text.closes().await, Some(CloseCode::Protocol));
    // No request of them reached the pod.
    assert_eq!(pod.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn whoever_says_nothing_is_cut() {
    let world = World::with(|config| config.pace.attach = Duration::from_millis(50)).await;
    world.route("a", 1, "127.0.0.1:1".parse().unwrap());
    let silent = Player::open(&world, SOCKET, Codec::Proto, None).await.unwrap();
    assert_eq!(silent.closes().await, Some(CloseCode::Protocol));
}

#[tokio::test]
async fn an_oversized_message_closes_the_socket() {
    let (_world, _pod, _attachment, mut player, _) = playing(Codec::Proto).await;
    // The gateway may have closed the socket before all of it was written.
    let _ = player.socket.send(Message::binary(vec![0; MESSAGE_BYTES_MAX + 1])).await;
    assert_eq!(player.closes().await, Some(CloseCode::TooBig));
}

#[tokio::test]
async fn a_malformed_message_closes_the_socket() {
    let (_world, _pod, _attachment, mut player, _) = playing(Codec::Proto).await;
    player.socket.send(Message::binary(vec![0xff; 8])).await.unwrap();
    assert_eq!(player.closes().await, Some(CloseCode::Protocol));
}

#[tokio::test]
async fn too_many_messages_are_answered_and_a_flood_is_cut() {
    let (_world, _pod, mut attachment, mut player, _) = playing(Codec::Proto).await;
    let drain = tokio::spawn(async move { while attachment.heard.recv().await.is_some() {} });
    for _ in 0..100 {
        player.ask(Ask::SitOut(pb::SitOut {})).await;
    }
    let limited = player.hears().await;
    assert!(matches!(limited.body, Some(Say::Error(error)) if error.code() == ErrorCode::RateLimited));
    for _ in 0..1_000 {
        let message = pb::ClientMessage { id: 1, body: Some(Ask::SitOut(pb::SitOut {})) };
        let bytes = Codec::Proto.encode_client(&message).unwrap();
        if player.socket.send(Message::Binary(bytes)).await.is_err() {
            break;
        }
    }
    assert_eq!(player.closes().await, Some(CloseCode::Protocol));
    drain.await.unwrap();
}

#[tokio::test]
async fn a_token_of_another_player_is_no_renewal() {
    let (world, _pod, _attachment, mut player, _) = playing(Codec::Proto).await;
    let other = Wallet::new(2).sign_in(&world).await.access;
    player.ask(Ask::RenewToken(pb::RenewToken { token: other })).await;
    assert_eq!(player.closes().await, Some(CloseCode::Protocol));
}

#[tokio::test]
async fn a_logout_on_any_gateway_ends_the_sockets_of_that_sign_in() {
    use purr_gateway::sessions::SessionStore;
    let (world, _pod, _attachment, player, tokens) = playing(Codec::Proto).await;
    let bystander = Wallet::new(2).sign_in(&world).await;
    assert_eq!(world.post("/v1/auth/logout", Some(&tokens.access), &Value::Null).await.status, 204);
    assert_eq!(player.closes().await, Some(CloseCode::Revoked));
    let again = Player::attach(&world, &tokens.access, Codec::Proto).await;
    assert_eq!(again.closes().await, Some(CloseCode::Revoked));

    // A cursor of another gateway.
    let other = Player::attach(&world, &bystander.access, Codec::Proto).await;
    let sid = bystander.refresh.split('.').next().unwrap();
    world.sessions.revoke(sid, now_s() * 1_000).await.unwrap();
    assert_eq!(other.closes().await, Some(CloseCode::Revoked));
}

/// A seated player at one gateway whose sign-in another gateway ends: how long the socket stays open.
async fn outlives_its_revocation(change: impl FnOnce(&mut purr_gateway::Config), mute: bool) -> Duration {
    use purr_gateway::sessions::SessionStore;
    let world = World::with(change).await;
    world.becomes("purr_gateway_revocations_listening", 1.0).await;
    world.sessions.set_mute(mute);
    let mut pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let tokens = Wallet::new(1).sign_in(&world).await;
    let player = Player::attach(&world, &tokens.access, Codec::Proto).await;
    let _attachment = pod.attached().await;
    let sid = tokens.refresh.split('.').next().unwrap();
    let begun = std::time::Instant::now();
    world.sessions.revoke(sid, now_s() * 1_000).await.unwrap();
    assert_eq!(player.closes().await, Some(CloseCode::Revoked));
    let lived = begun.elapsed();
    let by = if mute { "record" } else { "channel" };
    world.becomes(&format!("purr_gateway_revocations_total{{by=\"{by}\"}}"), 1.0).await;
    assert_eq!(world.get("/v1/balance", Some(&tokens.access)).await.status, 401);
    lived
}

#[tokio::test]
async fn a_revocation_reaches_an_open_socket_by_the_channel_alone() {
    let never = |config: &mut purr_gateway::Config| config.pace.revoked_every = Duration::from_secs(3_600);
    let lived = outlives_its_revocation(never, false).await;
    assert!(lived < Duration::from_secs(1), "{lived:?}");
}

#[tokio::test]
async fn a_revocation_that_the_channel_lost_reaches_an_open_socket_from_the_record() {
    let as_shipped = |config: &mut purr_gateway::Config| {
        config.pace.revoked_every = purr_gateway::relay::Pace::default().revoked_every;
    };
    let lived = outlives_its_revocation(as_shipped, true).await;
    assert!(lived < Duration::from_secs(1), "{lived:?}");
}

#[tokio::test]
async fn sockets_are_bounded_by_player_and_altogether() {
    let world = World::with(|config| {
        config.sockets_max = 3;
        config.player_sockets_max = 2;
    })
    .await;
    let mut pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let token = Wallet::new(1).sign_in(&world).await.access;
    let _first = Player::attach(&world, &token, Codec::Proto).await;
    let one = pod.attached().await;
    let _second = Player::attach(&world, &token, Codec::Proto).await;
    let two = pod.attached().await;
    let third = Player::attach(&world, &token, Codec::Proto).await;
    assert_eq!(third.closes().await, Some(CloseCode::TryAgain));
    drop((one, two));
    // The third one's place is free again when its closing has ended.
    let mut open = Vec::new();
    let refused = timeout(SOON, async {
        loop {
            match Player::open(&world, SOCKET, Codec::Proto, None).await {
                Ok(player) => open.push(player),
                Err(status) => return status,
            }
        }
    });
    assert_eq!(refused.await.unwrap(), 503);
}

#[tokio::test]
async fn a_gateway_that_stops_says_so_and_ends() {
    let (mut world, _pod, _attachment, player, _) = playing(Codec::Proto).await;
    assert_eq!(world.metric("purr_gateway_sockets"), Some(1.0));
    world.stop.cancel();
    assert_eq!(player.closes().await, Some(CloseCode::GoingAway));
    timeout(SOON, world.serving.take().unwrap()).await.unwrap().unwrap().unwrap();
    assert!(world.readiness.missing().iter().any(|missing| missing.contains("stopping")));
    assert_eq!(world.metric("purr_gateway_sockets"), Some(0.0));
}

#[tokio::test]
async fn a_socket_to_nowhere_is_refused_before_it_opens() {
    let world = World::new().await;
    let pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let open = async |path: &str, origin| Player::open(&world, path, Codec::Proto, origin).await.err();
    assert_eq!(open(&SOCKET.replace("0a0b", "ffff"), None).await, Some(404));
    for trick in [
        "/v1/tables/../socket",
        "/v1/tables/%2e%2e/socket",
        "/v1/tables/..%2fadmin/socket",
        "/v1/tables//socket",
        "/v1/tables/0A0B0C0D-0000-4000-8000-000000000000/socket",
        "/v1/tables/0a0b0c0d-0000-4000-8000-000000000000%00/socket",
        "/v1/tables/0a0b0c0d-0000-4000-8000-000000000000%2fsocket",
        "/v1/tables/0a0b0c0d-0000-4000-8000-000000000000.table/socket",
        "/v1/tables/%ff/socket",
        "/V1/tables/0a0b0c0d-0000-4000-8000-000000000000/socket",
        "/v1/tables/0a0b0c0d-0000-4000-8000-000000000000/./socket",
        "/v1/tables/x/../0a0b0c0d-0000-4000-8000-000000000000/socket",
        "/v1/tables/0a0b0c0d-0000-4000-8000-000000000000%252f..%252fsocket/socket",
        "/v1/tables/0a0b0c0d-0000-4000-8000-000000000000;x/socket",
        "/v1/tables/0a0b0c0d-0000-4000-8000-000000000000%5c/socket",
        "/v1/tables/0a0b0c0d-0000-4000-8000-000000000000%0d%0ax/socket",
        // Look-alikes: a full-width digit, an overlong slash, a letter with a combining accent.
        "/v1/tables/%ef%bc%90a0b0c0d-0000-4000-8000-000000000000/socket",
        "/v1/tables/0a0b0c0d-0000-4000-8000-000000000000%c0%af/socket",
        "/v1/tables/0a%cc%80b0c0d-0000-4000-8000-000000000000/socket",
        &format!("/v1/tables/{}/socket", "a".repeat(64)),
        &format!("/v1/tables/{}/socket", "0a".repeat(8_000)),
    ] {
        assert_eq!(open(trick, None).await, Some(404), "{trick}");
    }
    assert_eq!(open(SOCKET, Some("https://evil.example")).await, Some(403));
    assert_eq!(open(SOCKET, Some("https://app.example")).await, None);
    assert_eq!(pod.asked.load(Ordering::Relaxed), 0);
    assert_eq!(world.get(SOCKET, None).await.problem(), "upgrade-required");
    assert!(SOCKET.contains(UID));
}

#[tokio::test]
async fn a_player_who_does_not_read_is_cut() {
    let world = World::with(|config| config.pace.write = Duration::from_millis(100)).await;
    let mut pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let token = Wallet::new(1).sign_in(&world).await.access;
    let player = Player::attach(&world, &token, Codec::Proto).await;
    let flood = tokio::spawn(pod.attached().await.floods());
    world.becomes("purr_gateway_sockets_closed_total{code=\"slow_reader\"}", 1.0).await;
    // The pod's side has ended too.
    timeout(SOON, flood).await.unwrap().unwrap();
    drop(player);
}

#[tokio::test]
async fn the_table_is_told_at_once_of_a_player_for_whom_too_much_waits() {
    // The socket itself may still take its time: what waits for it has a bound of its own.
    let world = World::with(|config| config.pace.write = 3 * SOON).await;
    let mut pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let token = Wallet::new(1).sign_in(&world).await.access;
    let player = Player::attach(&world, &token, Codec::Proto).await;
    timeout(SOON, pod.attached().await.floods()).await.expect("the table still sends to the player");
    drop(player);
}

#[tokio::test]
async fn a_player_who_gives_no_sign_of_life_is_cut_and_one_who_does_is_not() {
    let world = World::with(|config| {
        config.pace.ping = Duration::from_millis(50);
        config.pace.idle = Duration::from_millis(400);
    })
    .await;
    let mut pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let token = Wallet::new(1).sign_in(&world).await.access;
    let mut alive = Player::attach(&world, &token, Codec::Proto).await;
    let attachment = pod.attached().await;
    // Answers to pings are given while one reads.
    let reading = tokio::spawn(async move { (alive.hears().await, alive) });
    let _silent = Player::attach(&world, &token, Codec::Proto).await;
    world.becomes("purr_gateway_sockets_closed_total{code=\"going_away\"}", 1.0).await;
    attachment.say(1, 1, Say::Snapshot(pb::Snapshot::default())).await;
    let (heard, _alive) = timeout(SOON, reading).await.unwrap().unwrap();
    assert!(matches!(heard.body, Some(Say::Snapshot(_))));
}

/// The first ping is sent with the attach, before any silence.
#[tokio::test]
async fn the_table_is_told_how_far_away_a_player_is_once_a_ping_is_answered() {
    let world = World::new().await;
    let mut pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let token = Wallet::new(1).sign_in(&world).await.access;
    let mut player = Player::attach(&world, &token, Codec::Proto).await;
    let mut attachment = pod.attached().await;
    // The answer is given while the player reads.
    attachment.say(1, 1, Say::Snapshot(pb::Snapshot::default())).await;
    player.hears().await;
    for _ in 0..100 {
        player.ask(Ask::Leave(pb::Leave {})).await;
        attachment.hears().await;
        if pod.round_trips.lock().unwrap().last() == Some(&RoundTrip::Under50Ms.into()) {
            assert_eq!(pod.round_trips.lock().unwrap().first(), Some(&RoundTrip::Unknown.into()));
            return;
        }
        attachment.say(1, 1, Say::Pong(pb::Pong {})).await;
        player.hears().await;
    }
    panic!("never: {:?}", pod.round_trips.lock().unwrap());
}

#[tokio::test]
async fn a_token_that_runs_out_ends_the_socket_unless_it_was_renewed() {
    let world = World::new().await;
    let mut pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let claims = purr_runtime::token::Claims { exp: now_s() + 2, ..Wallet::new(1).claims() };
    let short = sign(&claims, Some("k1"), &JWT_KEY);
    let player = Player::attach(&world, &short, Codec::Proto).await;
    let mut renewing = Player::attach(&world, &short, Codec::Proto).await;
    let longer = Wallet::new(1).sign_in(&world).await.access;
    renewing.ask(Ask::RenewToken(pb::RenewToken { token: longer })).await;
    assert_eq!(player.closes().await, Some(CloseCode::TokenExpired));
    // The order in which the two were attached is not known; both are asked to speak.
    let (one, two) = (pod.attached().await, pod.attached().await);
    for attachment in [&one, &two] {
        attachment.try_say(1, 1, Say::Snapshot(pb::Snapshot::default())).await;
    }
    assert!(matches!(renewing.hears().await.body, Some(Say::Snapshot(_))));
}

#[tokio::test]
async fn a_players_goodbye_is_answered_and_its_pod_is_told() {
    let (world, _pod, mut attachment, mut player, _) = playing(Codec::Proto).await;
    let goodbye = purr_runtime::ws::close_frame(CloseCode::Normal, "bye");
    player.socket.close(Some(goodbye)).await.unwrap();
    assert_eq!(player.closes().await, Some(CloseCode::Normal));
    assert!(timeout(SOON, attachment.heard.recv()).await.unwrap().is_none());
    world.becomes("purr_gateway_sockets", 0.0).await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_ends_the_socket_with_1007() {
    use tokio::io::AsyncWriteExt;
    let (_world, _pod, _attachment, mut player, _) = playing(Codec::Json).await;
    player.socket.get_mut().write_all(&raw_frame(0x81, &[b'{', 0xff, b'}'])).await.unwrap();
    assert_eq!(player.closes().await, Some(CloseCode::NotText));
    assert_eq!(CloseCode::NotText.code(), 1007);
}

#[tokio::test]
async fn forged_and_untimely_tokens_open_no_seat_and_renew_nothing() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use purr_runtime::token::Claims;
    let claims = Wallet::new(1).claims();
    let ours = |claims: Claims| sign(&claims, Some("k1"), &JWT_KEY);
    let good = ours(claims.clone());
    let body = good.split('.').nth(1).unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT","kid":"k1"}"#);
    let (now, short) = (now_s(), claims.clone());
    for (what, token) in [
        ("expired", ours(Claims { exp: now - 60, nbf: now - 400, ..short.clone() })),
        ("not valid yet", ours(Claims { nbf: now + 60, ..short.clone() })),
        ("another audience", ours(Claims { aud: "other".into(), ..short.clone() })),
        ("another issuer", ours(Claims { iss: "https://evil.example".into(), ..short.clone() })),
        ("another key", sign(&short, Some("k1"), &[1; 32])),
        ("alg none", format!("{none}.{body}.")),
        ("no signature", good.rsplit_once('.').unwrap().0.to_owned() + "."),
    ] {
        let (world, pod, mut attachment, mut player, _) = playing(Codec::Proto).await;
        let asked = pod.asked.load(Ordering::Relaxed);
        let attached = Player::attach(&world, &token, Codec::Proto).await;
        assert_eq!(attached.closes().await, Some(CloseCode::TokenExpired), "{what}");
        player.ask(Ask::RenewToken(pb::RenewToken { token })).await;
        assert_eq!(player.closes().await, Some(CloseCode::TokenExpired), "{what}");
        // Neither reached the pod.
        assert!(timeout(SOON, attachment.heard.recv()).await.unwrap().is_none(), "{what}");
        assert_eq!(pod.asked.load(Ordering::Relaxed), asked, "{what}");
    }
}

#[tokio::test]
async fn whoever_sends_a_frame_byte_by_byte_is_cut_before_and_after_its_attach() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::with(|config| {
        config.pace.attach = Duration::from_millis(300);
        config.pace.ping = Duration::from_millis(50);
        config.pace.idle = Duration::from_millis(300);
    })
    .await;
    let mut pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let token = Wallet::new(1).sign_in(&world).await.access;
    for (attached, code) in [(false, "protocol"), (true, "going_away")] {
        let player = if attached {
            Player::attach(&world, &token, Codec::Proto).await
        } else {
            Player::open(&world, SOCKET, Codec::Proto, None).await.unwrap()
        };
        let _attachment = if attached { Some(pod.attached().await) } else { None };
        let (mut reading, mut writing) = tokio::io::split(player.socket.into_inner());
        let dripping = tokio::spawn(async move {
            // The head of a frame of 100 bytes, and then a byte at a time: no sign of life.
            let _ = writing.write_all(&[0x82, 0x80 | 100, 0, 0, 0, 0]).await;
            while writing.write_all(b"x").await.is_ok() && writing.flush().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        // The gateway closes the connection, whatever it sends before.
        let hung_up = timeout(SOON, reading.read_to_end(&mut Vec::new())).await;
        assert!(hung_up.is_ok(), "still open, attached: {attached}");
        world.becomes(&format!("purr_gateway_sockets_closed_total{{code=\"{code}\"}}"), 1.0).await;
        dripping.abort();
    }
}

/// A client's frame (RFC 6455, section 5.2) with mask 0.
fn raw_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | length, 0, 0, 0, 0][..], payload].concat()
}

#[tokio::test]
async fn frames_that_claim_compression_or_break_the_rules_close_the_socket_with_1002() {
    use tokio::io::AsyncWriteExt;
    // A bomb: 60 kB of zeros deflate to less than this, and are not inflated here.
    let bomb = [0xec, 0xc1, 0x01, 0x01, 0, 0, 0, 0x80, 0x90, 0xfe, 0xaf, 0xee, 0x08, 0x0a];
    for (what, frame) in [
        ("compressed", raw_frame(0xc2, &bomb)),
        ("another reserved bit", raw_frame(0xa2, &[1])),
        ("a reserved opcode", raw_frame(0x83, &[1])),
        ("a ping in two parts", raw_frame(0x09, &[1])),
        ("a continuation of nothing", raw_frame(0x80, &[1])),
        ("without a mask", vec![0x82, 1, 0]),
    ] {
        let (_world, _pod, _attachment, mut player, _) = playing(Codec::Proto).await;
        player.socket.get_mut().write_all(&frame).await.unwrap();
        assert_eq!(player.closes().await, Some(CloseCode::Protocol), "{what}");
    }
    assert_eq!(CloseCode::Protocol.code(), 1002);
}

#[tokio::test]
async fn compression_is_offered_and_not_taken() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let world = World::new().await;
    world.route("a", 1, "127.0.0.1:1".parse().unwrap());
    let mut request = format!("wss://localhost{SOCKET}").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "purr.v1.proto".parse().unwrap());
    headers.insert("sec-websocket-extensions", "permessage-deflate; client_max_window_bits".parse().unwrap());
    let stream = common::http::dial(&world, world.public).await;
    let (_, response) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert_eq!(response.status(), 101);
    assert!(!response.headers().contains_key("sec-websocket-extensions"));
}

#[tokio::test]
async fn an_oversized_frame_is_refused_by_its_head_alone() {
    use tokio::io::AsyncWriteExt;
    let (_world, _pod, _attachment, mut player, _) = playing(Codec::Proto).await;
    // The header claims an exabyte, and nothing follows: no memory is reserved for it.
    let head = [&[0x82, 0xff][..], &(1u64 << 60).to_be_bytes(), &[0; 4]].concat();
    player.socket.get_mut().write_all(&head).await.unwrap();
    assert_eq!(player.closes().await, Some(CloseCode::TooBig));
}

#[tokio::test]
async fn an_administrator_ends_all_sign_ins_of_a_player_and_its_open_sockets() {
    use purr_runtime::token::{Claims, UserRole};
    let (world, _pod, _attachment, player, tokens) = playing(Codec::Proto).await;
    let second = Wallet::new(1).sign_in(&world).await;
    let bystander = Wallet::new(2).sign_in(&world).await;
    let admin = Claims { roles: vec![UserRole::Admin], sid: "admin".into(), ..Wallet::new(9).claims() };
    let admin = sign(&admin, Some("k1"), &JWT_KEY);
    let ask = serde_json::json!({ "player": Wallet::new(1).address() });
    let begun = std::time::Instant::now();
    let answer = world.post("/v1/admin/revocations", Some(&admin), &ask).await;
    assert_eq!((answer.status, &answer.json()["ended"]), (200, &serde_json::json!(2)));
    assert_eq!(player.closes().await, Some(CloseCode::Revoked));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    for tokens in [&tokens, &second] {
        assert_eq!(world.get("/v1/balance", Some(&tokens.access)).await.status, 401);
        let refresh = serde_json::json!({ "refreshToken": tokens.refresh });
        assert_eq!(world.post("/v1/auth/refresh", None, &refresh).await.status, 401);
    }
    assert_eq!(world.get("/v1/balance", Some(&bystander.access)).await.status, 200);
    // The wallet itself may sign in again, and a second revocation only finds that sign-in.
    Wallet::new(1).sign_in(&world).await;
    assert_eq!(world.post("/v1/admin/revocations", Some(&admin), &ask).await.json()["ended"], 1);
}

#[tokio::test]
async fn a_players_socket_outlives_a_change_of_the_signing_key() {
    let (world, _pod, mut attachment, mut player, tokens) = playing(Codec::Proto).await;
    let dir = world.dir.path().join("jwt");
    // Both keys are published, then the second one signs; tokens of the first stay valid.
    common::wallet::write_key(&dir, "k2", &[43; 32]);
    world.reload_keys().await;
    std::fs::write(dir.join("current"), "k2").unwrap();
    world.reload_keys().await;
    let published = world.get("/.well-known/jwks.json", None).await.json();
    assert_eq!(published["keys"].as_array().unwrap().len(), 2);
    let renewed = Wallet::new(1).sign_in(&world).await;
    assert_eq!(world.get("/v1/balance", Some(&tokens.access)).await.status, 200);
    player.ask(Ask::RenewToken(pb::RenewToken { token: renewed.access.clone() })).await;
    assert!(matches!(attachment.hears().await.body, Some(Ask::RenewToken(_))));
    // The old key is removed once its tokens have expired; tokens of the new key stay valid.
    std::fs::remove_file(dir.join("k1.pem")).unwrap();
    world.reload_keys().await;
    assert_eq!(world.get("/v1/balance", Some(&tokens.access)).await.status, 401);
    assert_eq!(world.get("/v1/balance", Some(&renewed.access)).await.status, 200);
    attachment.say(1, 11, Say::Events(pb::Events::default())).await;
    assert_eq!(player.hears().await.offset, 11);
}

/// Forwards bytes until it is told to swallow them, without closing a connection: a player whose network is gone.
async fn black_hole(to: std::net::SocketAddr) -> (std::net::SocketAddr, tokio::sync::watch::Sender<bool>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (gone, watching) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        while let Ok((outside, _)) = listener.accept().await {
            let inside = tokio::net::TcpStream::connect(to).await.unwrap();
            let (mut one, mut two) = (outside.into_split(), inside.into_split());
            let gone = watching.clone();
            tokio::spawn(async move {
                let (mut up, mut down) = ([0; 4096], [0; 4096]);
                loop {
                    tokio::select! {
                        read = one.0.read(&mut up) => match read {
                            Ok(n @ 1..) if !*gone.borrow() => two.1.write_all(&up[..n]).await.unwrap(),
                            Ok(1..) => {}
                            _ => return,
                        },
                        read = two.0.read(&mut down) => match read {
                            Ok(n @ 1..) if !*gone.borrow() => one.1.write_all(&down[..n]).await.unwrap(),
                            Ok(1..) => {}
                            _ => return,
                        },
                    }
                }
            });
        }
    });
    (address, gone)
}

#[tokio::test]
async fn a_half_open_socket_is_noticed_and_its_pod_is_told() {
    let mut world = World::with(|config| {
        config.pace.ping = Duration::from_millis(50);
        config.pace.idle = Duration::from_millis(300);
    })
    .await;
    let mut pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let token = Wallet::new(1).sign_in(&world).await.access;
    let (through, gone) = black_hole(world.public).await;
    world.public = through;
    let mut player = Player::attach(&world, &token, Codec::Proto).await;
    let mut attachment = pod.attached().await;
    attachment.say(1, 1, Say::Snapshot(pb::Snapshot::default())).await;
    assert!(matches!(player.hears().await.body, Some(Say::Snapshot(_))));
    // Answers to pings are given while the player reads; its network then swallows them.
    let reading = tokio::spawn(async move { player.socket.next().await.map(drop) });
    gone.send_replace(true);
    world.becomes("purr_gateway_sockets_closed_total{code=\"going_away\"}", 1.0).await;
    assert!(timeout(SOON, attachment.heard.recv()).await.unwrap().is_none());
    reading.abort();
}
