//! The gateway's part for tests without one: players' sockets in, a trunk to a table out.

use super::UID;
use axum::{Router, body::Body, extract::State, http::Request, response::Response, routing::get};
use futures::{SinkExt, StreamExt};
use purr_protocol::{
    CloseCode, Codec,
    trunk::{FromTable, SUBPROTOCOL, ToTable, Up, down},
};
use purr_runtime::{
    Identity, Role,
    client::dial,
    ws::{self, Heard, Message, ServerSocket, Upgrade, trunk_limits},
};
use std::net::SocketAddr;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

#[derive(Clone)]
struct Landing {
    identity: Identity,
    table: SocketAddr,
}

pub fn routes(identity: Identity, table: SocketAddr) -> Router {
    Router::new().route("/v1/tables/{uid}/socket", get(open)).with_state(Landing { identity, table })
}

async fn open(State(landing): State<Landing>, mut request: Request<Body>) -> Response {
    let upgrade = Upgrade::from_request(&mut request).unwrap();
    let codec = Codec::from_subprotocol(&upgrade.subprotocols[0]).unwrap();
    upgrade.accept(codec.subprotocol(), move |player| landing.carry(player, codec))
}

fn frame(said: Up) -> Message {
    Message::Binary(ToTable::next_frame(&mut vec![said]).unwrap())
}

impl Landing {
    async fn carry(self, mut player: ServerSocket, codec: Codec) {
        let stream = dial(&self.identity, &self.table.to_string(), &Role::Table(UID.into())).await.unwrap();
        let mut request =
            format!("wss://{}/v1/tables/{UID}/trunk", self.table).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
        let mut trunk = ws::connect_within(trunk_limits(), stream, request).await.unwrap();
        trunk.send(frame(Up::open(1, codec))).await.unwrap();
        loop {
            tokio::select! {
                read = player.next() => match ws::heard(read) {
                    Heard::Data(said) => {
                        if trunk.send(frame(Up::message(1, said.into_data()))).await.is_err() {
                            return;
                        }
                    }
                    Heard::Control => {}
                    Heard::Ended(why) => {
                        let _ = trunk.send(frame(Up::gone(1))).await;
                        return ws::end(player, why).await;
                    }
                },
                read = trunk.next() => {
                    let Some(Ok(Message::Binary(read))) = read else { return };
                    for down in FromTable::read(read).unwrap().said {
                        match down.body.unwrap() {
                            down::Body::Message(bytes) if codec.is_text() => {
                                let _ = player.send(Message::Text(bytes.try_into().unwrap())).await;
                            }
                            down::Body::Message(bytes) => {
                                let _ = player.send(Message::Binary(bytes)).await;
                            }
                            down::Body::End(end) => {
                                let code = CloseCode::from_code(end.code.try_into().unwrap()).unwrap();
                                return ws::end(player, Some((code, &end.reason))).await;
                            }
                        }
                    }
                }
            }
        }
    }
}
