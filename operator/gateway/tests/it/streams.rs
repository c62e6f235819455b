//! Players behind networks that block WebSockets: the stream down, the requests up, and refusals of both.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use crate::common;

use common::{
    SOON, UID, World,
    http::{self, Answer, dial},
    pod::{Attachment, Pod},
    wallet::Wallet,
};
use purr_protocol::{
    CloseCode, Codec, MESSAGE_BYTES_MAX,
    pb::{self, client_message::Body as Ask, server_message::Body as Say},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

/// A stream as a browser's `fetch` would read it.
struct Stream {
    socket: TlsStream<TcpStream>,
    held: String,
    head: String,
    id: String,
}

impl Stream {
    async fn open(world: &World, token: &str, query: &str) -> Self {
        let mut socket = dial(world, world.public).await;
        let request = format!(
            "GET /v1/tables/{UID}/stream{query} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut stream = Self { socket, held: String::new(), head: String::new(), id: String::new() };
        while !stream.held.contains("\r\n\r\n") {
            assert!(stream.read().await, "{}", stream.held);
        }
        let (head, rest) =
            stream.held.split_once("\r\n\r\n").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        (stream.head, stream.held) = (head.to_ascii_lowercase(), rest);
        assert!(stream.head.starts_with("http/1.1 200"), "{} {}", stream.head, stream.held);
        let (name, data) = stream.event().await.unwrap();
        assert_eq!(name, "open");
        data["stream"].as_str().unwrap().clone_into(&mut stream.id);
        stream
    }

    async fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let size = timeout(SOON, self.socket.read(&mut bytes)).await.expect("nothing in time").unwrap_or(0);
        self.held += std::str::from_utf8(&bytes[..size]).unwrap();
        size > 0
    }

    /// The next event that has data. A chunk's size is on a line of its own.
    async fn event(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        loop {
            while let Some((line, rest)) =
                self.held.split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned()))
            {
                self.held = rest;
                if let Some(found) = line.strip_prefix("event: ") {
                    found.clone_into(&mut name);
                } else if let Some(data) = line.strip_prefix("data: ") {
                    return Some((name, serde_json::from_str(data).unwrap()));
                }
            }
            if !self.read().await {
                return None;
            }
        }
    }

    async fn hears(&mut self) -> pb::ServerMessage {
        let (name, data) = self.event().await.expect("the stream ended");
        assert_eq!(name, "", "{data}");
        Codec::Json.decode_server(data.to_string().as_bytes()).unwrap()
    }

    /// Returns the close code of the last event; earlier events are dropped.
    async fn closes(mut self) -> Option<CloseCode> {
        while let Some((name, data)) = self.event().await {
            if name == "close" {
                assert_eq!(self.event().await, None, "something came after the end");
                return CloseCode::from_code(data["code"].as_u64().unwrap().try_into().unwrap());
            }
        }
        None
    }

    async fn post(&self, world: &World, token: &str, body: &str) -> Answer {
        let path = format!("/v1/tables/{UID}/stream/{}", self.id);
        http::request(world, "POST", &path, &[("authorization", format!("Bearer {token}"))], body).await
    }

    async fn ask(&self, world: &World, token: &str, id: u64, body: Ask) -> u16 {
        let bytes = Codec::Json.encode_client(&pb::ClientMessage { id, body: Some(body) }).unwrap();
        self.post(world, token, std::str::from_utf8(&bytes).unwrap()).await.status
    }
}

async fn playing(world: &World, pod: &mut Pod) -> (Attachment, Stream, String) {
    world.route("a", 1, pod.address);
    let token = Wallet::new(1).sign_in(world).await.access;
    let stream = Stream::open(world, &token, "").await;
    (pod.attached().await, stream, token)
}

#[tokio::test]
async fn a_stream_carries_the_messages_of_a_socket_and_resumes_like_one() {
    let world = World::new().await;
    let mut pod = Pod::start(&world).await;
    world.route("a", 1, pod.address);
    let token = Wallet::new(1).sign_in(&world).await.access;
    let mut stream = Stream::open(&world, &token, "?epoch=3&offset=40&id=9").await;
    assert!(stream.head.contains("content-type: text/event-stream"), "{}", stream.head);
    assert!(stream.head.contains("cache-control: no-store") && stream.head.contains("x-accel-buffering: no"));
    let mut attachment = pod.attached().await;
    let resume = Some(pb::Cursor { epoch: 3, offset: 40 });
    assert_eq!(attachment.attach, pb::Attach { token: token.clone(), resume });
    attachment.say(3, 41, Say::Events(pb::Events::default())).await;
    attachment.say(3, 41, Say::TableResumed(pb::TableResumed {})).await;
    assert_eq!(stream.hears().await.offset, 41);
    assert!(matches!(stream.hears().await.body, Some(Say::TableResumed(_))));
    let act = Ask::Act(pb::Act { hand: 3, kind: pb::ActionKind::Call.into(), amount: 0, question: None });
    assert_eq!(stream.ask(&world, &token, 10, act.clone()).await, 202);
    let heard = attachment.hears().await;
    assert_eq!((heard.id, heard.body), (10, Some(act)));
    attachment.say(3, 42, Say::Ack(pb::Ack { id: 10, at_offset: 42 })).await;
    assert!(matches!(stream.hears().await.body, Some(Say::Ack(ack)) if ack.id == 10));
    // The stream outlives the pod, too.
    drop((attachment, pod));
    assert!(matches!(stream.hears().await.body, Some(Say::TablePaused(_))));
    assert_eq!(world.metric("purr_gateway_streams"), Some(1.0));
    drop(stream);
    world.becomes("purr_gateway_streams", 0.0).await;
}

#[tokio::test]
async fn a_stream_is_its_own_players_and_nobody_elses() {
    let world = World::new().await;
    let mut pod = Pod::start(&world).await;
    let (_attachment, stream, token) = playing(&world, &mut pod).await;
    let other = Wallet::new(2).sign_in(&world).await.access;
    let ping = || Ask::Ping(pb::Ping {});
    assert_eq!(stream.ask(&world, &other, 1, ping()).await, 410);
    assert_eq!(stream.ask(&world, &token, 1, ping()).await, 202);
    let path = format!("/v1/tables/{UID}/stream/{}", "0".repeat(48));
    let bearer = [("authorization", format!("Bearer {token}"))];
    let unknown = http::request(&world, "POST", &path, &bearer, "{}").await;
    assert_eq!((unknown.status, unknown.problem()), (410, "stream".to_owned()));
    let path = format!("/v1/tables/{UID}/stream");
    assert_eq!(http::request(&world, "GET", &path, &[], "").await.status, 401);
    let nowhere = http::request(&world, "GET", &path.replace("0a", "0b"), &bearer, "").await;
    assert_eq!((nowhere.status, nowhere.problem()), (404, "table".to_owned()));
    let foreign = [bearer[0].clone(), ("origin", "https://evil.example".to_owned())];
    assert_eq!(http::request(&world, "GET", &path, &foreign, "").await.problem(), "origin");
    let id = stream.id.clone();
    drop(stream);
    world.becomes("purr_gateway_streams", 0.0).await;
    let over = http::request(&world, "POST", &format!("{path}/{id}"), &bearer, "{}").await;
    assert_eq!(over.status, 410);
}

#[tokio::test]
async fn what_a_socket_would_refuse_is_refused_and_said() {
    let world = World::new().await;
    let mut pod = Pod::start(&world).await;
    let (attachment, stream, token) = playing(&world, &mut pod).await;
    let large = stream.post(&world, &token, &"x".repeat(MESSAGE_BYTES_MAX + 1)).await;
    assert_eq!((large.status, large.problem()), (413, "size".to_owned()));
    assert_eq!(stream.post(&world, &token, "no message").await.status, 202);
    assert_eq!(stream.closes().await, Some(CloseCode::Protocol));
    drop(attachment);

    let (attachment, stream, _) = playing(&world, &mut pod).await;
    attachment.close(CloseCode::Replaced).await;
    assert_eq!(stream.closes().await, Some(CloseCode::Replaced));

    let (_attachment, stream, token) = playing(&world, &mut pod).await;
    assert_eq!(world.post("/v1/auth/logout", Some(&token), &json!(null)).await.status, 204);
    assert_eq!(stream.closes().await, Some(CloseCode::Revoked));
}

#[tokio::test]
async fn who_does_not_read_or_says_nothing_is_cut() {
    let world = World::with(|config| config.pace.write = Duration::from_millis(100)).await;
    let mut pod = Pod::start(&world).await;
    let (attachment, stream, _) = playing(&world, &mut pod).await;
    let flood = tokio::spawn(attachment.floods());
    world.becomes("purr_gateway_sockets_closed_total{code=\"slow_reader\"}", 1.0).await;
    timeout(SOON, flood).await.unwrap().unwrap();
    drop(stream);

    let world = World::with(|config| {
        config.pace.ping = Duration::from_millis(50);
        config.pace.idle = Duration::from_millis(400);
    })
    .await;
    let mut pod = Pod::start(&world).await;
    let (_attachment, stream, _) = playing(&world, &mut pod).await;
    assert_eq!(stream.closes().await, Some(CloseCode::GoingAway));
}

#[tokio::test]
async fn a_gateway_that_stops_says_so_on_a_stream_and_ends() {
    let mut world = World::new().await;
    let mut pod = Pod::start(&world).await;
    let (_attachment, stream, _) = playing(&world, &mut pod).await;
    world.stop.cancel();
    assert_eq!(stream.closes().await, Some(CloseCode::GoingAway));
    timeout(SOON, world.serving.take().unwrap()).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_message_reaches_its_stream_through_whichever_gateway_the_balancer_picks() {
    let world = World::new().await;
    let other = world.beside().await;
    let mut pod = Pod::start(&world).await;
    let (mut attachment, stream, token) = playing(&world, &mut pod).await;
    timeout(SOON, async {
        while world.sessions.letter_takers() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    for id in 1..=3 {
        assert_eq!(stream.ask(&other, &token, id, Ask::SitOut(pb::SitOut {})).await, 202);
        assert_eq!(attachment.hears().await.id, id);
    }
    // Another player's token does not open the stream there either, and the answer reveals nothing.
    let stranger = Wallet::new(2).sign_in(&other).await.access;
    assert_eq!(stream.ask(&other, &stranger, 4, Ask::Leave(pb::Leave {})).await, 202);
    assert_eq!(stream.ask(&other, &token, 5, Ask::SitIn(pb::SitIn { post: false })).await, 202);
    assert_eq!(attachment.hears().await.id, 5);
}
