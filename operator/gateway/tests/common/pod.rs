//! A table pod that says what the test wants, over real TLS and a real WebSocket; and a player.

use super::{SOON, UID, World, http::dial, serve};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::Request,
    response::{IntoResponse, Response},
    routing::get,
};
use futures::{SinkExt, StreamExt};
use purr_protocol::{
    CloseCode, Codec, Problem,
    pb::{self, client_message::Body as Ask, server_message::Body as Say},
};
use purr_runtime::{
    CancellationToken,
    problem::Answer,
    ws::{self, Message, ServerSocket, Upgrade},
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{net::TcpStream, sync::mpsc, time::timeout};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{client::IntoClientRequest, http::HeaderValue},
};

/// One gateway's socket at the pod, after its attach.
pub struct Attachment {
    pub attach: pb::Attach,
    pub heard: mpsc::Receiver<pb::ClientMessage>,
    say: mpsc::Sender<Order>,
}

enum Order {
    Say(Box<pb::ServerMessage>),
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

    /// Talks without a pause until nobody takes it any more.
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
    /// Requests for a socket, refused ones included.
    pub asked: Arc<AtomicUsize>,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Shared {
    attachments: mpsc::Sender<Attachment>,
    asked: Arc<AtomicUsize>,
    /// How many of the first requests get 421.
    wrong: usize,
}

impl Pod {
    pub async fn start(world: &World) -> Self {
        Self::start_wrong(world, 0).await
    }

    /// A pod that says of the first requests that it is another table's.
    pub async fn start_wrong(world: &World, wrong: usize) -> Self {
        let (send, attachments) = mpsc::channel(8);
        let (asked, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let shared = Shared { attachments: send, asked: asked.clone(), wrong };
        let routes = Router::new().route("/v1/tables/{uid}/socket", get(open)).with_state(shared);
        let address = serve(world.table_identity(UID), routes, &stop).await;
        Self { address, attachments, asked, stop }
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
    let codec = Codec::from_subprotocol(&upgrade.subprotocols[0]).unwrap();
    upgrade.accept(codec.subprotocol(), move |socket| run(socket, codec, shared.attachments))
}

async fn run(mut socket: ServerSocket, codec: Codec, attachments: mpsc::Sender<Attachment>) {
    let first = socket.next().await.unwrap().unwrap();
    let Some(Ask::Attach(attach)) = codec.decode_client(&first.into_data()).unwrap().body else { panic!() };
    let (say, mut orders) = mpsc::channel(64);
    let (send, heard) = mpsc::channel(64);
    let _ = attachments.send(Attachment { attach, heard, say }).await;
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Say(message)) => {
                    let _ = socket.send(frame(codec, codec.encode_server(&message).unwrap())).await;
                }
                Some(Order::Close(code)) => return ws::end(socket, Some((code, "as the test wants"))).await,
                // Dropped: as if the process had been killed.
                None => return,
            },
            read = socket.next() => match read {
                Some(Ok(frame @ (Message::Binary(_) | Message::Text(_)))) => {
                    let _ = send.send(codec.decode_client(&frame.into_data()).unwrap()).await;
                }
                Some(Ok(_)) => {}
                _ => return,
            },
        }
    }
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
        let mut request = format!("wss://localhost{path}").into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(codec.subprotocol()));
        if let Some(origin) = origin {
            headers.insert("origin", HeaderValue::from_static(origin));
        }
        match ws::connect(dial(world, world.public).await, request).await {
            Ok(socket) => Ok(Self { socket, codec, id: 0 }),
            Err(ws::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn attach(world: &World, token: &str, codec: Codec) -> Self {
        let mut player = Self::open(world, &format!("/v1/tables/{UID}/socket"), codec, None).await.unwrap();
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

    /// The code that the socket is closed with; what comes before is passed over.
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
