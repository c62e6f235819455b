//! A scripted table pod, over real TLS and a real WebSocket, and a player.

use super::{SOON, UID, World, http::dial, serve};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::Request,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use purr_engine::PlayerId;
use purr_protocol::{
    CloseCode, Codec, Problem,
    pb::{self, client_message::Body as Ask, server_message::Body as Say},
    trunk::{ASSERTED, Cursor, Down, Encoding, FromTable, Lane, SUBPROTOCOL, ToTable, Up, up},
};
use purr_runtime::{
    CancellationToken,
    problem::Answer,
    ws::{self, Message, ServerSocket, Upgrade, trunk_limits},
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{net::TcpStream, sync::mpsc, task::JoinHandle, time::timeout};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{client::IntoClientRequest, http::HeaderValue},
};

/// One player at the pod, after the attach.
pub struct Attachment {
    pub attach: pb::Attach,
    pub heard: mpsc::Receiver<pb::ClientMessage>,
    say: mpsc::Sender<Order>,
}

enum Order {
    Say(Box<pb::ServerMessage>),
    Seat(Vec<PlayerId>),
    Close(CloseCode),
}

impl Attachment {
    pub async fn say(&self, epoch: u64, offset: u64, body: Say) {
        assert!(self.try_say(epoch, offset, body).await);
    }

    /// Whether the socket was still there.
    pub async fn try_say(&self, epoch: u64, offset: u64, body: Say) -> bool {
        let message = pb::ServerMessage { epoch, offset, body: Some(body) };
        self.say.send(Order::Say(Box::new(message))).await.is_ok()
    }

    /// Says who has a seat at the table.
    pub async fn seats(&self, players: &[PlayerId]) {
        assert!(self.say.send(Order::Seat(players.to_vec())).await.is_ok());
    }

    /// Sends messages without a pause until the connection ends.
    pub async fn floods(self) {
        let reason = "x".repeat(60_000);
        loop {
            let body = Some(Say::TablePaused(pb::TablePaused { reason: reason.clone() }));
            let order = Order::Say(Box::new(pb::ServerMessage { epoch: 1, offset: 1, body }));
            if self.say.send(order).await.is_err() {
                return;
            }
        }
    }

    pub async fn close(self, code: CloseCode) {
        assert!(self.say.send(Order::Close(code)).await.is_ok());
    }

    pub async fn hears(&mut self) -> pb::ClientMessage {
        timeout(SOON, self.heard.recv()).await.unwrap().unwrap()
    }
}

pub struct Pod {
    pub address: SocketAddr,
    attachments: mpsc::Receiver<Attachment>,
    /// Requests for a trunk, refused ones included.
    pub asked: Arc<AtomicUsize>,
    /// Cursors of the previous pod that gateways send.
    pub seen: Arc<Mutex<Vec<Cursor>>>,
    /// Class of the round trip that came with each message.
    pub round_trips: Arc<Mutex<Vec<i32>>>,
    /// Assertions that gateways send: on opening a lane, then on each renewal.
    pub asserted: Arc<Mutex<Vec<(Lane, String)>>>,
    /// The traceparent that each lane is opened with.
    pub traces: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Shared {
    seen: Arc<Mutex<Vec<Cursor>>>,
    round_trips: Arc<Mutex<Vec<i32>>>,
    asserted: Arc<Mutex<Vec<(Lane, String)>>>,
    traces: Arc<Mutex<Vec<String>>>,
    /// Whether the pod accepts assertions.
    asserts: bool,
    attachments: mpsc::Sender<Attachment>,
    asked: Arc<AtomicUsize>,
    /// How many of the first requests get 421.
    wrong: usize,
}

impl Pod {
    pub async fn start(world: &World) -> Self {
        Self::start_wrong(world, 0).await
    }

    /// Starts a pod that accepts assertions and no access tokens.
    pub async fn start_asserted(world: &World) -> Self {
        Self::start_as(world, 0, true).await
    }

    /// Starts a pod that answers the first requests as another table's pod would.
    pub async fn start_wrong(world: &World, wrong: usize) -> Self {
        Self::start_as(world, wrong, false).await
    }

    async fn start_as(world: &World, wrong: usize, asserts: bool) -> Self {
        let asserted = Arc::<Mutex<Vec<(Lane, String)>>>::default();
        let traces = Arc::<Mutex<Vec<String>>>::default();
        let (send, attachments) = mpsc::channel(8);
        let (asked, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let seen = Arc::<Mutex<Vec<Cursor>>>::default();
        let round_trips = Arc::<Mutex<Vec<i32>>>::default();
        let shared = Shared {
            attachments: send,
            asked: asked.clone(),
            seen: seen.clone(),
            round_trips: round_trips.clone(),
            asserted: asserted.clone(),
            traces: traces.clone(),
            asserts,
            wrong,
        };
        let routes = Router::new().route("/v1/tables/{uid}/trunk", get(open)).with_state(shared);
        let address = serve(world.table_identity(UID), routes, &stop).await;
        Self { address, attachments, asked, seen, round_trips, asserted, traces, stop }
    }

    pub async fn attached(&mut self) -> Attachment {
        timeout(SOON, self.attachments.recv()).await.expect("no attach in time").unwrap()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn open(State(shared): State<Shared>, Path(uid): Path<String>, mut request: Request<Body>) -> Response {
    assert_eq!(uid, UID);
    if shared.asked.fetch_add(1, Ordering::Relaxed) < shared.wrong {
        return Answer(Problem::new(421, "wrong-table", "This pod is another table")).into_response();
    }
    let upgrade = Upgrade::from_request(&mut request).unwrap();
    let subprotocol = if shared.asserts { ASSERTED } else { SUBPROTOCOL };
    if !upgrade.subprotocols.iter().any(|offered| offered == subprotocol) {
        return Answer(Problem::new(400, "subprotocol", "Ask for another one")).into_response();
    }
    let run = |socket| async move { Trunk::new(shared).run(socket).await };
    upgrade.accept_within(trunk_limits(), Some(subprotocol), run)
}

/// One player of a trunk.
struct Way {
    codec: Codec,
    hear: mpsc::Sender<pb::ClientMessage>,
    /// The attachment, until the attach arrives.
    new: Option<Attachment>,
    /// Forwards the test's messages to the trunk.
    orders: JoinHandle<()>,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.orders.abort();
    }
}

struct Trunk {
    ways: HashMap<Lane, Way>,
    attachments: mpsc::Sender<Attachment>,
    said: mpsc::Sender<(Lane, Option<Order>)>,
    orders: mpsc::Receiver<(Lane, Option<Order>)>,
    seen: Arc<Mutex<Vec<Cursor>>>,
    round_trips: Arc<Mutex<Vec<i32>>>,
    asserted: Arc<Mutex<Vec<(Lane, String)>>>,
    traces: Arc<Mutex<Vec<String>>>,
}

impl Trunk {
    fn new(shared: Shared) -> Self {
        let Shared { attachments, seen, round_trips, asserted, traces, .. } = shared;
        let (said, orders) = mpsc::channel(64);
        Self { ways: HashMap::new(), attachments, said, orders, seen, round_trips, asserted, traces }
    }

    async fn run(mut self, mut socket: ServerSocket) {
        loop {
            let mut told = None;
            let down = tokio::select! {
                order = self.orders.recv() => match order.unwrap() {
                    (lane, Some(Order::Say(message))) => {
                        let Some(way) = self.ways.get(&lane) else { continue };
                        told = Some(cursor(message.epoch, message.offset));
                        Down::message(vec![lane], way.codec.encode_server(&message).unwrap())
                    }
                    (_, Some(Order::Seat(players))) => {
                        let _ = socket.send(Message::Binary(FromTable::seated(&players))).await;
                        continue;
                    }
                    (lane, Some(Order::Close(code))) => {
                        self.ways.remove(&lane);
                        Down::end(vec![lane], code, "as the test wants")
                    }
                    // Dropped: as if the process had been killed.
                    (..) => return,
                },
                read = socket.next() => match read {
                    Some(Ok(Message::Binary(frame))) => {
                        let ToTable { said, seen } = ToTable::read(frame).unwrap();
                        self.seen.lock().unwrap().extend(seen);
                        for Up { lane, body, rtt } in said {
                            self.round_trips.lock().unwrap().push(rtt);
                            self.hear(lane, body.unwrap()).await;
                        }
                        continue;
                    }
                    Some(Ok(_)) => continue,
                    _ => return,
                },
            };
            let _ = socket
                .send(Message::Binary(FromTable::next_frame(&mut vec![down], &mut told).unwrap()))
                .await;
        }
    }

    async fn hear(&mut self, lane: Lane, body: up::Body) {
        match body {
            up::Body::Open(open) => {
                self.traces.lock().unwrap().push(open.traceparent);
                if !open.assertion.is_empty() {
                    self.asserted.lock().unwrap().push((lane, open.assertion));
                }
                let (say, mut orders) = mpsc::channel(64);
                let (hear, heard) = mpsc::channel(64);
                let said = self.said.clone();
                let orders = tokio::spawn(async move {
                    while let Some(order) = orders.recv().await {
                        let _ = said.send((lane, Some(order))).await;
                    }
                    let _ = said.send((lane, None)).await;
                });
                let new = Some(Attachment { attach: pb::Attach::default(), heard, say });
                let codec = Encoding::try_from(open.encoding).unwrap().into();
                assert!(self.ways.insert(lane, Way { codec, hear, new, orders }).is_none());
            }
            up::Body::Message(message) => {
                let Some(way) = self.ways.get_mut(&lane) else { return };
                let message = way.codec.decode_client(&message).unwrap();
                match way.new.take() {
                    Some(mut attachment) => {
                        let Some(Ask::Attach(attach)) = message.body else { panic!("attach comes first") };
                        attachment.attach = attach;
                        let _ = self.attachments.send(attachment).await;
                    }
                    None => {
                        let _ = way.hear.send(message).await;
                    }
                }
            }
            up::Body::Renew(renew) => self.asserted.lock().unwrap().push((lane, renew.assertion)),
            up::Body::Gone(_) => drop(self.ways.remove(&lane)),
        }
    }
}

/// A cursor sealed by this pod.
pub fn cursor(epoch: u64, offset: u64) -> Cursor {
    Cursor { epoch, offset, seal: Bytes::from_static(b"sealed") }
}

pub fn frame(codec: Codec, bytes: bytes::Bytes) -> Message {
    if codec.is_text() { Message::Text(bytes.try_into().unwrap()) } else { Message::Binary(bytes) }
}

/// A player's socket.
pub struct Player {
    pub socket: WebSocketStream<TlsStream<TcpStream>>,
    codec: Codec,
    id: u64,
}

impl Player {
    /// # Errors
    /// The status of a refusal.
    pub async fn open(
        world: &World,
        path: &str,
        codec: Codec,
        origin: Option<&'static str>,
    ) -> Result<Self, u16> {
        Self::open_with(world, path, codec, origin.map(|origin| ("origin", origin))).await
    }

    async fn open_with(
        world: &World,
        path: &str,
        codec: Codec,
        header: Option<(&'static str, &'static str)>,
    ) -> Result<Self, u16> {
        let mut request = format!("wss://localhost{path}").into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(codec.subprotocol()));
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        match ws::connect(dial(world, world.public).await, request).await {
            Ok(socket) => Ok(Self { socket, codec, id: 0 }),
            Err(ws::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn attach(world: &World, token: &str, codec: Codec) -> Self {
        Self::attach_with(world, token, codec, None).await
    }

    /// As [`Self::attach`], with this header in the request.
    pub async fn attach_with(
        world: &World,
        token: &str,
        codec: Codec,
        header: Option<(&'static str, &'static str)>,
    ) -> Self {
        let path = format!("/v1/tables/{UID}/socket");
        let mut player = Self::open_with(world, &path, codec, header).await.unwrap();
        player.ask(Ask::Attach(pb::Attach { token: token.into(), resume: None })).await;
        player
    }

    /// Sends a message; its id.
    pub async fn ask(&mut self, body: Ask) -> u64 {
        self.id += 1;
        let message = pb::ClientMessage { id: self.id, body: Some(body) };
        let bytes = self.codec.encode_client(&message).unwrap();
        self.socket.send(frame(self.codec, bytes)).await.unwrap();
        self.id
    }

    pub async fn hears(&mut self) -> pb::ServerMessage {
        loop {
            match timeout(SOON, self.socket.next()).await.expect("nothing heard in time") {
                Some(Ok(frame @ (Message::Binary(_) | Message::Text(_)))) => {
                    return self.codec.decode_server(&frame.into_data()).unwrap();
                }
                Some(Ok(Message::Close(frame))) => panic!("closed: {frame:?}"),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Returns the close code of the socket; earlier messages are dropped.
    pub async fn closes(mut self) -> Option<CloseCode> {
        loop {
            match timeout(SOON, self.socket.next()).await.expect("not closed in time") {
                Some(Ok(Message::Close(frame))) => return CloseCode::from_code(frame?.code.into()),
                Some(Ok(_)) => {}
                _ => return None,
            }
        }
    }
}
