//! A table and a gateway's trunk: each lane its own player, one message to many sent once.
#![allow(clippy::large_futures, reason = "a test has room")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use crate::common;

use bytes::Bytes;
use common::{UID, World, sealer};
use futures::{SinkExt, StreamExt};
use purr_client::Permits;
use purr_engine::{PlayerId, SeatIndex};
use purr_protocol::{
    CloseCode, Codec,
    pb::{self, client_message::Body as Ask, server_message::Body as Say},
    permit::PermitFor,
    trunk::{Cursor, Down, FromTable, Lane, SUBPROTOCOL, ToTable, Up, down},
};
use purr_runtime::{
    Role,
    client::dial,
    ws::{self, Message, trunk_limits},
};
use purr_store::Store;
use purr_table::snapshot;
use std::{collections::HashMap, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{WebSocketStream, tungstenite::client::IntoClientRequest};

const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Trunk {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    pub(crate) codecs: HashMap<Lane, Codec>,
    heard: Vec<Down>,
    /// The table's reports of seated players.
    rosters: Vec<Vec<PlayerId>>,
}

impl Trunk {
    async fn open(world: &World) -> Self {
        Self::open_as(world, SUBPROTOCOL).await.unwrap().0
    }

    /// Opens a trunk; returns the subprotocol that the table has chosen from those offered.
    pub(crate) async fn open_as(world: &World, offered: &str) -> Result<(Self, Option<String>), ws::Error> {
        let address = world.table.to_string();
        let stream = dial(&world.gateway, &address, &Role::Table(UID.into())).await.unwrap();
        let mut request = format!("wss://{address}/v1/tables/{UID}/trunk").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
        let (socket, chosen) = ws::connect_choosing(trunk_limits(), stream, request).await?;
        Ok((Self { socket, codecs: HashMap::new(), heard: Vec::new(), rosters: Vec::new() }, chosen))
    }

    pub(crate) async fn say(&mut self, mut said: Vec<Up>) {
        let frame = ToTable::next_frame(&mut said).unwrap();
        self.socket.send(Message::Binary(frame)).await.unwrap();
    }

    pub(crate) fn message(&self, lane: Lane, id: u64, body: Ask) -> Up {
        let message = pb::ClientMessage { id, body: Some(body) };
        Up::message(lane, self.codecs[&lane].encode_client(&message).unwrap())
    }

    pub(crate) async fn ask(&mut self, lane: Lane, id: u64, body: Ask) {
        let said = self.message(lane, id, body);
        self.say(vec![said]).await;
    }

    /// Opens a lane for a player of its own, who has seen the table then.
    async fn attach(&mut self, lane: Lane, codec: Codec, token: &str) {
        self.codecs.insert(lane, codec);
        let attach = self.message(lane, 1, Ask::Attach(pb::Attach { token: token.into(), resume: None }));
        self.say(vec![Up::open(lane, codec), attach]).await;
        let (lanes, message) = self.hears().await;
        assert_eq!(lanes, [lane]);
        assert!(matches!(message.body, Some(Say::Snapshot(_))), "{message:?}");
    }

    /// Returns the table's next message; `None` when it has closed the trunk.
    async fn next(&mut self) -> Option<Down> {
        while self.heard.is_empty() {
            match timeout(SOON, self.socket.next()).await.expect("nothing in time") {
                Some(Ok(Message::Binary(frame))) => {
                    let FromTable { said, roster, .. } = FromTable::read(frame).unwrap();
                    self.rosters.extend(roster.map(|roster| roster.players().collect::<Vec<_>>()));
                    self.heard = said;
                }
                Some(Ok(Message::Close(_))) | None | Some(Err(_)) => return None,
                Some(Ok(_)) => {}
            }
        }
        Some(self.heard.remove(0))
    }

    pub(crate) async fn hears(&mut self) -> (Vec<Lane>, pb::ServerMessage) {
        let Down { mut lanes, body } = self.next().await.expect("the trunk has ended");
        let Some(down::Body::Message(bytes)) = body else { panic!("{lanes:?}: {body:?}") };
        lanes.sort_unstable();
        (lanes.clone(), self.codecs[&lanes[0]].decode_server(&bytes).unwrap())
    }

    pub(crate) async fn ends(&mut self, lane: Lane) -> Option<CloseCode> {
        let Down { lanes, body } = self.next().await.expect("the trunk has ended");
        let Some(down::Body::End(end)) = body else { panic!("{lanes:?}: {body:?}") };
        assert_eq!(lanes, [lane]);
        CloseCode::from_code(end.code.try_into().unwrap())
    }

    pub(crate) async fn pings(&mut self, lane: Lane) {
        self.ask(lane, 99, Ask::Ping(pb::Ping {})).await;
        let (lanes, message) = self.hears().await;
        assert_eq!(lanes, [lane]);
        assert!(matches!(message.body, Some(Say::Pong(_))), "{message:?}");
    }
}

async fn token(world: &World) -> String {
    world.session().token().await.unwrap().text.to_string()
}

#[tokio::test]
async fn what_players_saw_and_the_table_has_not_is_a_loss_only_where_the_table_itself_has_sealed_it() {
    let world = World::start().await;
    let mut trunk = Trunk::open(&world).await;
    trunk.attach(1, Codec::Proto, &token(&world).await).await;
    let lost = async || {
        let held = world.store.take_over(UID, 1 << 16).await.unwrap();
        snapshot::open(&sealer(), &held).unwrap().unwrap().hands_lost
    };
    let seal = |epoch: u64, offset: u64| sealer().seal("cursor", epoch, offset, &[]).unwrap();
    let (old, far) = (7, 1_000_000);
    for (epoch, offset, seal) in [
        // Made up; of another place; of this very pod.
        (old, far, Bytes::from_static(b"\x01kseal")),
        (old, far, seal(old, far - 1)),
        (1 << 16, far, seal(1 << 16, far)),
    ] {
        let frame = ToTable::seen(Cursor { epoch, offset, seal });
        trunk.socket.send(Message::Binary(frame)).await.unwrap();
        trunk.pings(1).await;
        assert_eq!(lost().await, 0, "epoch {epoch}, offset {offset}");
    }
    for _ in 0..2 {
        let frame = ToTable::seen(Cursor { epoch: old, offset: far, seal: seal(old, far) });
        trunk.socket.send(Message::Binary(frame)).await.unwrap();
        trunk.pings(1).await;
        // One loss, however many messages report it.
        assert_eq!(lost().await, 1);
    }
}

#[tokio::test]
async fn what_all_see_alike_is_said_once_for_each_encoding() {
    let world = World::start().await;
    let mut trunk = Trunk::open(&world).await;
    let session = world.session();
    let own = session.token().await.unwrap().text;
    for (lane, codec) in [(4, Codec::Proto), (7, Codec::Json), (9, Codec::Proto)] {
        trunk.attach(lane, codec, &token(&world).await).await;
    }
    trunk.attach(12, Codec::Proto, &own).await;
    let permit =
        Permits::of_table(&session, UID).await.unwrap().sign(PermitFor::Sit(SeatIndex(2)), 400, 400).unwrap();
    trunk.ask(12, 2, Ask::Sit(pb::Sit { seat: 2, amount: 400, permit: Some(permit) })).await;
    let mut seated: Vec<Vec<Lane>> = Vec::new();
    while seated.len() < 2 {
        let (lanes, message) = trunk.hears().await;
        let Some(Say::Events(events)) = message.body else { continue };
        if events.events.iter().any(|event| matches!(event.kind, Some(pb::event::Kind::Seated(_)))) {
            seated.push(lanes);
        }
    }
    seated.sort_unstable();
    assert_eq!(seated, [vec![4, 9, 12], vec![7]]);
}

#[tokio::test]
async fn a_player_who_ends_or_breaks_the_protocol_takes_nobody_along() {
    let world = World::start().await;
    let mut trunk = Trunk::open(&world).await;
    for lane in 1..=4 {
        trunk.attach(lane, Codec::Proto, &token(&world).await).await;
    }
    trunk.say(vec![Up::message(1, Bytes::from_static(b"\xff\xff"))]).await;
    assert_eq!(trunk.ends(1).await, Some(CloseCode::Protocol));
    trunk.ask(2, 5, Ask::Attach(pb::Attach::default())).await;
    assert_eq!(trunk.ends(2).await, Some(CloseCode::Protocol));
    // Messages in flight to a closed lane, and the closing of a lane that is gone, are no errors.
    let late = trunk.message(1, 6, Ask::Ping(pb::Ping {}));
    trunk.say(vec![late, Up::gone(3), Up::gone(3)]).await;
    trunk.pings(4).await;
    // An invalid token ends only its own lane.
    trunk.codecs.insert(5, Codec::Json);
    let forged = trunk.message(5, 1, Ask::Attach(pb::Attach { token: "forged".into(), resume: None }));
    trunk.say(vec![Up::open(5, Codec::Json), forged]).await;
    assert_eq!(trunk.ends(5).await, Some(CloseCode::TokenExpired));
    trunk.pings(4).await;
}

#[tokio::test]
async fn the_newer_lane_of_a_player_has_the_place_also_from_another_gateway() {
    let world = World::start().await;
    let (mut one, mut other) = (Trunk::open(&world).await, Trunk::open(&world).await);
    let own = token(&world).await;
    one.attach(1, Codec::Proto, &own).await;
    other.attach(1, Codec::Json, &own).await;
    assert_eq!(one.ends(1).await, Some(CloseCode::Replaced));
    other.pings(1).await;
    one.attach(2, Codec::Proto, &token(&world).await).await;
    one.pings(2).await;
}

#[tokio::test]
async fn a_gateway_that_breaks_the_protocol_of_trunks_is_cut() {
    let world = World::start().await;
    let mut twice = Trunk::open(&world).await;
    twice.attach(1, Codec::Proto, &token(&world).await).await;
    twice.say(vec![Up::open(1, Codec::Proto)]).await;
    assert_eq!(twice.next().await, None);
    let mut empty = Trunk::open(&world).await;
    empty.say(vec![Up { lane: 1, ..Up::default() }]).await;
    assert_eq!(empty.next().await, None);
    let mut text = Trunk::open(&world).await;
    text.socket.send(Message::Text("{}".into())).await.unwrap();
    assert_eq!(text.next().await, None);
}

#[tokio::test]
async fn lanes_with_full_bursts_of_pings_take_nothing_from_a_player_of_the_same_gateway() {
    let world = World::start().await;
    let mut trunk = Trunk::open(&world).await;
    let lanes = 40;
    for lane in 1..=lanes {
        trunk.attach(lane, Codec::Proto, &token(&world).await).await;
    }
    trunk.attach(100, Codec::Proto, &token(&world).await).await;
    // Nothing is read meanwhile: 2,400 answers where the whole trunk has room for 1,024.
    let bursts = (0..60).flat_map(|id| (1..=lanes).map(move |lane| (lane, id)));
    let pings: Vec<Up> =
        bursts.map(|(lane, id)| trunk.message(lane, 1_000 + id, Ask::Ping(pb::Ping {}))).collect();
    for part in pings.chunks(200) {
        trunk.say(part.to_vec()).await;
    }
    trunk.ask(100, 99, Ask::Ping(pb::Ping {})).await;
    loop {
        let Down { lanes, body } = trunk.next().await.expect("the trunk was cut");
        match body {
            Some(down::Body::Message(_)) if lanes == [100] => return,
            Some(down::Body::Message(_)) => {}
            other => panic!("{lanes:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_trunk_begins_with_who_has_a_seat_and_hears_of_changes_before_what_they_show() {
    let world = World::start().await;
    let mut trunk = Trunk::open(&world).await;
    let session = world.session();
    let own = session.token().await.unwrap().text;
    trunk.attach(1, Codec::Proto, &own).await;
    assert_eq!(trunk.rosters, [Vec::new()]);
    let permit =
        Permits::of_table(&session, UID).await.unwrap().sign(PermitFor::Sit(SeatIndex(2)), 400, 400).unwrap();
    trunk.ask(1, 2, Ask::Sit(pb::Sit { seat: 2, amount: 400, permit: Some(permit) })).await;
    loop {
        let (_, message) = trunk.hears().await;
        let Some(Say::Events(events)) = message.body else { continue };
        if events.events.iter().any(|event| matches!(event.kind, Some(pb::event::Kind::Seated(_)))) {
            break;
        }
    }
    assert_eq!(trunk.rosters.last(), Some(&vec![session.wallet().address()]));
    let late = Trunk::open(&world).await;
    let mut late = late;
    late.attach(1, Codec::Proto, &token(&world).await).await;
    assert_eq!(late.rosters, [vec![session.wallet().address()]]);
}
