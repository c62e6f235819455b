//! Echoes every message, with the socket code of gateway and table: the server of the conformance cases
//! (`tests/autobahn.sh`). `/production` has the production limits, `/raised` has room for the largest case.

use axum::{Router, body::Body, http::Request, response::Response, routing::get};
use futures::{SinkExt, StreamExt};
use purr_runtime::{
    problem::Answer,
    ws::{self, Heard, ServerSocket, Upgrade, WebSocketConfig},
};
use tokio::net::TcpListener;

/// The largest case has messages of 16 MiB.
const RAISED_BYTES: usize = 32 << 20;

fn raised() -> WebSocketConfig {
    ws::limits()
        .max_write_buffer_size(2 * RAISED_BYTES)
        .max_message_size(Some(RAISED_BYTES))
        .max_frame_size(Some(RAISED_BYTES))
}

async fn echo(mut socket: ServerSocket) {
    let why = loop {
        match ws::heard(socket.next().await) {
            Heard::Data(message) => {
                if socket.send(message).await.is_err() {
                    break None;
                }
            }
            Heard::Control => {}
            Heard::Ended(why) => break why,
        }
    };
    ws::end(socket, why).await;
}

fn open(limits: WebSocketConfig, mut request: Request<Body>) -> Result<Response, Answer> {
    Ok(Upgrade::from_request(&mut request)?.accept_within(limits, None, echo))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let routes = Router::new()
        .route("/raised", get(async |request: Request<Body>| open(raised(), request)))
        .route("/production", get(async |request: Request<Body>| open(ws::limits(), request)));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    // The test script reads the address.
    println!("{}", listener.local_addr()?);
    axum::serve(listener, routes).await
}
