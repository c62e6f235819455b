//! Isolation: spectators, slow requests and lobby streams do not use up what seated players need.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::{
    SOON, UID, World, http,
    pod::{Attachment, Player, Pod},
    wallet::Wallet,
};
use purr_protocol::{
    CloseCode, Codec,
    pb::{self, ErrorCode, client_message::Body as Ask, server_message::Body as Say},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::client::TlsStream;

const SNAPSHOT: fn() -> Say = || Say::Snapshot(pb::Snapshot::default());

/// The table of one player with a seat, whose roster the gateway knows.
struct Table {
    world: World,
    pod: Pod,
    player: Player,
    attachment: Attachment,
    token: String,
}

impl Table {
    async fn new(change: impl FnOnce(&mut purr_gateway::Config)) -> Self {
        let world = World::with(change).await;
        let mut pod = Pod::start(&world).await;
        world.route("a", 1, pod.address);
        let wallet = Wallet::new(1);
        let token = wallet.sign_in(&world).await.access;
        let mut player = Player::attach(&world, &token, Codec::Proto).await;
        let attachment = pod.attached().await;
        attachment.seats(&[wallet.player()]).await;
        attachment.say(1, 1, SNAPSHOT()).await;
        assert!(matches!(player.hears().await.body, Some(Say::Snapshot(_))));
        Self { world, pod, player, attachment, token }
    }

    /// Connects a spectator and waits for the pod's attach.
    async fn spectator(&mut self, seed: u8) -> (Player, Attachment) {
        let token = Wallet::new(seed).sign_in(&self.world).await.access;
        let mut player = Player::attach(&self.world, &token, Codec::Proto).await;
        let attachment = self.pod.attached().await;
        attachment.say(1, 1, SNAPSHOT()).await;
        assert!(matches!(player.hears().await.body, Some(Say::Snapshot(_))));
        (player, attachment)
    }

    /// The close code for a spectator for whom there is no room.
    async fn refused(&self, seed: u8) -> Option<CloseCode> {
        let token = Wallet::new(seed).sign_in(&self.world).await.access;
        Player::attach(&self.world, &token, Codec::Proto).await.closes().await
    }
}

#[tokio::test]
async fn pings_are_answered_by_the_gateway_and_never_reach_the_table() {
    let mut table = Table::new(|_| {}).await;
    for _ in 0..5 {
        table.player.ask(Ask::Ping(pb::Ping {})).await;
        let pong = table.player.hears().await;
        assert!(matches!(pong.body, Some(Say::Pong(_))), "{pong:?}");
        assert_eq!((pong.epoch, pong.offset), (1, 1));
    }
    table.player.ask(Ask::SitOut(pb::SitOut {})).await;
    assert_eq!(table.attachment.hears().await.body, Some(Ask::SitOut(pb::SitOut {})));
}

#[tokio::test]
async fn a_flood_of_a_spectator_is_answered_at_a_bounded_rate_and_a_player_is_not_bounded_by_it() {
    let mut table = Table::new(|_| {}).await;
    let (mut spectator, mut attachment) = table.spectator(2).await;
    for _ in 0..60 {
        spectator.ask(Ask::Ping(pb::Ping {})).await;
    }
    let last = spectator.ask(Ask::RenewToken(pb::RenewToken::default())).await;
    assert_eq!(last, 62);
    let (mut pongs, mut refusals) = (0, 0);
    while let Ok(heard) = timeout(Duration::from_millis(400), spectator.hears()).await {
        match heard.body {
            Some(Say::Pong(_)) => pongs += 1,
            Some(Say::Error(error)) if error.code() == ErrorCode::RateLimited => refusals += 1,
            other => panic!("{other:?}"),
        }
    }
    // The burst of a spectator, less the attach and more by the time that it took; then ten refusals and silence.
    assert!((15..=25).contains(&pongs), "{pongs}");
    assert!((1..=20).contains(&refusals), "{refusals}");
    assert!(attachment.heard.try_recv().is_err(), "nothing of it reached the table");
    // For a seated player, 50 messages at once are allowed.
    for _ in 0..50 {
        table.player.ask(Ask::Ping(pb::Ping {})).await;
    }
    for _ in 0..50 {
        assert!(matches!(table.player.hears().await.body, Some(Say::Pong(_))));
    }
}

#[tokio::test]
async fn spectators_are_bounded_by_address_and_table_and_players_with_a_seat_are_not() {
    for bound in ["table", "address"] {
        let mut table = Table::new(|config| {
            let bounds = &mut config.front.spectators;
            let which = if bound == "table" { &mut bounds.table_max } else { &mut bounds.address_max };
            *which = 2;
        })
        .await;
        let one = table.spectator(2).await;
        let _two = table.spectator(3).await;
        assert_eq!(table.refused(4).await, Some(CloseCode::Crowded), "{bound}");
        // The seated player reconnects from the same crowded address.
        let mut again = Player::attach(&table.world, &table.token, Codec::Proto).await;
        let attachment = table.pod.attached().await;
        attachment.say(1, 1, SNAPSHOT()).await;
        assert!(matches!(again.hears().await.body, Some(Say::Snapshot(_))));
        // A place that is given up can be taken by another spectator.
        drop(one.0);
        table.world.becomes("purr_gateway_sockets", 3.0).await;
        table.spectator(5).await;
    }
}

#[tokio::test]
async fn an_account_watches_so_many_tables_and_no_more() {
    let mut table = Table::new(|config| config.front.spectators.account_max = 1).await;
    let _one = table.spectator(2).await;
    assert_eq!(table.refused(2).await, Some(CloseCode::Crowded));
    table.spectator(3).await;
}

#[tokio::test]
async fn whoever_sits_down_is_a_spectator_no_longer_and_whoever_leaves_is_not_sent_away() {
    let mut table = Table::new(|config| config.front.spectators.table_max = 1).await;
    let (mut sits, attachment) = table.spectator(2).await;
    let both = [Wallet::new(1).player(), Wallet::new(2).player()];
    attachment.seats(&both).await;
    attachment.say(1, 2, Say::Events(pb::Events::default())).await;
    assert_eq!(sits.hears().await.offset, 2);
    let _watches = table.spectator(3).await;
    attachment.seats(&both[..1]).await;
    attachment.say(1, 3, Say::Events(pb::Events::default())).await;
    assert_eq!(sits.hears().await.offset, 3);
    assert_eq!(table.refused(4).await, Some(CloseCode::Crowded));
}

#[tokio::test]
async fn those_who_sat_when_the_trunk_fell_have_their_place_when_it_stands_again() {
    let mut table = Table::new(|config| {
        config.front.spectators.table_max = 1;
        config.front.spectators.address_max = 1;
    })
    .await;
    let watching = table.spectator(2).await;
    // The pod dies, and the player's socket, too.
    drop((table.pod, table.attachment, table.player));
    let mut again = Player::attach(&table.world, &table.token, Codec::Proto).await;
    let mut successor = Pod::start(&table.world).await;
    table.world.route("b", 2, successor.address);
    let (one, two) = (successor.attached().await, successor.attached().await);
    one.seats(&[Wallet::new(1).player()]).await;
    for attachment in [&one, &two] {
        attachment.say(2, 2, SNAPSHOT()).await;
    }
    loop {
        if matches!(again.hears().await.body, Some(Say::Snapshot(_))) {
            break;
        }
    }
    drop(watching);
}

#[tokio::test]
async fn a_table_of_an_older_version_which_names_no_seats_bounds_nobody_as_a_spectator() {
    let world = World::with(|config| config.front.spectators.table_max = 1).await;
    let mut pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let mut all = Vec::new();
    for seed in 1..=3 {
        let token = Wallet::new(seed).sign_in(&world).await.access;
        let mut player = Player::attach(&world, &token, Codec::Proto).await;
        let attachment = pod.attached().await;
        attachment.say(1, 1, SNAPSHOT()).await;
        assert!(matches!(player.hears().await.body, Some(Say::Snapshot(_))));
        all.push((player, attachment));
    }
}

#[tokio::test]
async fn of_sockets_that_never_attach_the_oldest_of_an_address_gives_way() {
    let world = World::new().await;
    world.route("a", 1, "127.0.0.1:1".parse().unwrap());
    let path = format!("/v1/tables/{UID}/socket");
    let mut silent = Vec::new();
    for _ in 0..33 {
        silent.push(Player::open(&world, &path, Codec::Proto, None).await.unwrap());
    }
    let first = silent.remove(0);
    let mut stream = first.socket.into_inner();
    let ended = timeout(SOON, stream.read(&mut [0; 1])).await.expect("the oldest is still open");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    world.becomes("purr_gateway_sockets", 32.0).await;
}

/// Sends a request whose body never ends.
async fn half(world: &World, path: &str, token: Option<&str>) -> TlsStream<TcpStream> {
    let mut stream = http::dial(world, world.public).await;
    let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{bearer}content-length: 100\r\n\r\n{{");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn half_sent_requests_take_no_place_from_others() {
    let world = World::with(|config| config.front.requests_max = 4).await;
    let token = Wallet::new(1).sign_in(&world).await.access;
    let stream = format!("/v1/tables/{UID}/stream/{}", "0".repeat(48));
    let mut slow = Vec::new();
    for _ in 0..6 {
        slow.push(half(&world, "/v1/auth/refresh", None).await);
        slow.push(half(&world, &stream, Some(&token)).await);
    }
    // All of them are as far as they get once the last one is counted; meanwhile nobody is refused.
    for _ in 0..20 {
        assert_eq!(world.get("/v1/tables", None).await.status, 200);
        assert_eq!(world.get("/v1/balance", Some(&token)).await.status, 200);
        let refresh = world.post("/v1/auth/refresh", None, &json!({ "refreshToken": "x" })).await;
        assert_eq!(refresh.status, 401);
    }
    assert_eq!(world.metric("purr_gateway_requests_in_flight"), Some(0.0));
}

#[tokio::test]
async fn an_address_has_so_many_slow_bodies_and_its_quick_ones_pass() {
    let world = World::with(|config| config.front.address_bodies_max = 2).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(half(&world, "/v1/auth/refresh", None).await);
    }
    let mut refused = 0;
    for stream in &mut slow {
        let mut answer = vec![0; 64];
        if let Ok(read) = timeout(Duration::from_secs(2), stream.read(&mut answer)).await {
            assert!(
                answer[..read.unwrap()].starts_with(b"HTTP/1.1 429"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
            refused += 1;
        }
    }
    assert_eq!(refused, 1);
    let refresh = world.post("/v1/auth/refresh", None, &json!({ "refreshToken": "x" })).await;
    assert_eq!(refresh.status, 401, "a body that comes at once is not counted");
}

#[tokio::test]
async fn an_address_has_so_many_requests_answered_at_once() {
    let world = World::with(|config| config.front.address_requests_max = 2).await;
    let token = Wallet::new(1).sign_in(&world).await.access;
    world.hold_signer(true);
    let balance = || world.get("/v1/balance", Some(&token));
    let third = async {
        world.becomes("purr_gateway_requests_in_flight", 2.0).await;
        let third = world.get("/v1/tables", None).await;
        world.hold_signer(false);
        assert_eq!((third.status, third.problem().as_str()), (429, "crowded"));
        assert_eq!(third.header("retry-after"), Some("1"));
    };
    let (one, two, ()) = tokio::join!(balance(), balance(), third);
    assert_eq!((one.status, two.status), (200, 200));
    assert_eq!(world.get("/v1/tables", None).await.status, 200);
}

#[tokio::test]
async fn when_there_is_too_much_to_do_newcomers_are_refused_first_and_players_with_a_seat_last() {
    // Room for ten; the signer takes its time with everybody's balance.
    let table = Table::new(|config| config.front.requests_max = 10).await;
    let world = &table.world;
    let stranger = Wallet::new(2).sign_in(world).await.access;
    world.hold_signer(true);
    let inside = async |count: f64| world.becomes("purr_gateway_requests_in_flight", count).await;
    let ask = |token: String| async move { world.get("/v1/balance", Some(&token)).await.status };
    let refused = async {
        inside(5.0).await;
        let nonce = world.post("/v1/auth/nonce", None, &Value::Null).await;
        assert_eq!((nonce.status, nonce.problem().as_str()), (503, "overload"));
        assert_eq!(nonce.header("retry-after"), Some("2"));
        assert_eq!(world.get("/v1/tables", None).await.status, 200);
        let seven = async {
            inside(7.0).await;
            assert_eq!(world.get("/v1/tables", None).await.status, 503);
            // Refreshes from the address of a seated player are admitted.
            let refresh = world.post("/v1/auth/refresh", None, &json!({ "refreshToken": "x" })).await;
            assert_eq!(refresh.status, 401);
            let nine = async {
                inside(9.0).await;
                assert_eq!(ask(stranger.clone()).await, 503);
                let ten = async {
                    inside(10.0).await;
                    assert_eq!(ask(table.token.clone()).await, 503);
                    world.hold_signer(false);
                };
                tokio::join!(ask(table.token.clone()), ten).0
            };
            tokio::join!(ask(stranger.clone()), ask(stranger.clone()), nine)
        };
        tokio::join!(ask(stranger.clone()), ask(stranger.clone()), seven)
    };
    let ask = || ask(stranger.clone());
    let (a, b, c, d, e, (f, g, (h, i, j))) = tokio::join!(ask(), ask(), ask(), ask(), ask(), refused);
    assert_eq!([a, b, c, d, e, f, g, h, i, j], [200; 10]);
    for (priority, count) in [("sign_in", 1.0), ("lobby", 1.0), ("player", 1.0), ("seated", 1.0)] {
        let line = format!("purr_gateway_overloaded_total{{priority=\"{priority}\"}}");
        assert_eq!(world.metric(&line), Some(count), "{priority}");
    }
    world.becomes("purr_gateway_requests_in_flight", 0.0).await;
}

/// Asks for the stream of the lobby; its status, and the connection that holds it.
async fn lobby(world: &World, token: Option<&str>) -> (u16, TlsStream<TcpStream>) {
    let mut stream = http::dial(world, world.public).await;
    let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!("GET /v1/lobby/events HTTP/1.1\r\nhost: x\r\n{bearer}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    timeout(SOON, stream.read_exact(&mut answer)).await.expect("no answer in time").unwrap();
    (std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap(), stream)
}

#[tokio::test]
async fn one_address_has_its_share_of_the_lobbys_streams_and_no_more() {
    let world = World::with(|config| config.front.lobby_streams.address_max = 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let (status, stream) = lobby(&world, None).await;
        assert_eq!(status, 200);
        held.push(stream);
    }
    assert_eq!(lobby(&world, None).await.0, 429);
    drop(held);
    world.becomes("purr_gateway_lobby_streams", 0.0).await;
    assert_eq!(lobby(&world, None).await.0, 200);
}

#[tokio::test]
async fn a_signed_in_player_follows_the_lobby_where_strangers_fill_it() {
    let world = World::with(|config| config.front.lobby_streams.all_max = 4).await;
    let (one, two) = (lobby(&world, None).await, lobby(&world, None).await);
    assert_eq!((one.0, two.0, lobby(&world, None).await.0), (200, 200, 503));
    let token = Wallet::new(1).sign_in(&world).await.access;
    let (three, four) = (lobby(&world, Some(&token)).await, lobby(&world, Some(&token)).await);
    let five = lobby(&world, Some(&token)).await;
    assert_eq!((three.0, four.0, five.0), (200, 200, 200));
    // The oldest stream of a caller without sign-in was ended.
    let mut stranger = one.1;
    let ended = timeout(SOON, stranger.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "still open");
    // No account gets more than its share, from however many addresses.
    let world = World::with(|config| config.front.lobby_streams.account_max = 1).await;
    let token = Wallet::new(1).sign_in(&world).await.access;
    let held = lobby(&world, Some(&token)).await;
    assert_eq!((held.0, lobby(&world, Some(&token)).await.0), (200, 429));
}

#[tokio::test]
async fn connections_that_ask_nothing_are_bounded_by_address_apart_from_those_that_do() {
    let world = World::with(|config| {
        config.front.edge.arriving_max = 2;
        // With the shipped defaults.
        config.front.edge.apart = true;
    })
    .await;
    let asked = http::dial(&world, world.public).await;
    let mut asked = asked;
    asked.write_all(b"GET /v1/tables HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    asked.read_exact(&mut [0; 12]).await.unwrap();
    // A handshake that never ends, and one that is followed by nothing.
    let silent = TcpStream::connect(world.public).await.unwrap();
    let quiet = http::dial(&world, world.public).await;
    let begun = Instant::now();
    let mut third = TcpStream::connect(world.public).await.unwrap();
    let cut = timeout(SOON, third.read(&mut [0; 1])).await.expect("a third one is served");
    assert!(
        matches!(cut, Ok(0) | Err(_)) && begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    drop((silent, quiet));
    let served = async {
        loop {
            let answered = tokio::spawn({
                let (ca, address) = (world.public_ca(), world.public);
                async move {
                    let config = purr_runtime::tls::public_client_config(&ca).unwrap();
                    let stream = TcpStream::connect(address).await.ok()?;
                    let connector = tokio_rustls::TlsConnector::from(config);
                    connector.connect("localhost".try_into().unwrap(), stream).await.ok()
                }
            });
            if answered.await.unwrap().is_some() {
                return;
            }
        }
    };
    timeout(SOON, served).await.expect("the places stay taken");
}
