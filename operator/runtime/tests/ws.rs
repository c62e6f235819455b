//! Tests the socket code that gateway and table share against a client that writes its own bytes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use axum::{Router, body::Body, http::Request, routing::get};
use futures::{SinkExt, StreamExt};
use purr_protocol::MESSAGE_BYTES_MAX;
use purr_runtime::{
    problem::Answer,
    ws::{self, Error, Heard, Message, ServerSocket, Upgrade},
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::client::IntoClientRequest};

const WAIT: Duration = Duration::from_secs(10);

async fn echo(mut socket: ServerSocket) {
    let why = loop {
        match ws::heard(socket.next().await) {
            Heard::Data(message) => socket.send(message).await.unwrap(),
            Heard::Control => {}
            Heard::Ended(why) => break why,
        }
    };
    ws::end(socket, why).await;
}

async fn server() -> SocketAddr {
    let open = async |mut request: Request<Body>| {
        Ok::<_, Answer>(Upgrade::from_request(&mut request)?.accept("echo", echo))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(open))).await });
    address
}

async fn client() -> WebSocketStream<TcpStream> {
    let address = server().await;
    let mut request = format!("ws://{address}/").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "echo".parse().unwrap());
    ws::connect(TcpStream::connect(address).await.unwrap(), request).await.unwrap()
}

/// Returns all messages until the server has closed, and the close code.
async fn all(socket: &mut WebSocketStream<TcpStream>) -> (Vec<Message>, Option<u16>) {
    let (mut heard, mut code) = (Vec::new(), None);
    let reading = async {
        while let Some(read) = socket.next().await {
            match read {
                Ok(Message::Close(frame)) => code = frame.map(|frame| frame.code.into()),
                Ok(message) => heard.push(message),
                Err(Error::ConnectionClosed | Error::Io(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(WAIT, reading).await.unwrap();
    (heard, code)
}

/// A frame of a client (RFC 6455, section 5.2), with the mask 0.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ 0..=125) => frame.push(0x80 | length),
        _ => {
            frame.push(0xff);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_with_1009_after_all_that_came_before_it_was_answered() {
    let mut socket = client().await;
    let small: Vec<Message> = (0..3_u8).map(|n| Message::binary(vec![n; 1_000])).collect();
    let largest = Message::binary(vec![7; MESSAGE_BYTES_MAX]);
    for message in small.iter().chain([&largest]) {
        socket.send(message.clone()).await.unwrap();
    }
    // The client is still sending when it is refused, and receives the reason all the same.
    let (read, mut write) = tokio::io::split(socket.into_inner());
    let sending = tokio::spawn(async move { write.write_all(&frame(0x82, &vec![0; 16 << 20])).await });
    let mut read = read;
    let mut bytes = Vec::new();
    timeout(WAIT, read.read_to_end(&mut bytes)).await.unwrap().unwrap();
    sending.await.unwrap().unwrap();
    let answered = 3 * (1_000 + 4) + MESSAGE_BYTES_MAX + 10;
    assert_eq!(bytes[answered..answered + 1], [0x88], "a close frame follows the answers");
    assert_eq!(u16::from_be_bytes([bytes[answered + 2], bytes[answered + 3]]), 1009);
    assert_eq!(bytes.len(), answered + 2 + usize::from(bytes[answered + 1]));
}

#[tokio::test]
async fn a_goodbye_is_answered_with_its_own_code() {
    let mut socket = client().await;
    let goodbye = ws::close_frame(purr_protocol::CloseCode::Normal, "bye");
    socket.close(Some(goodbye)).await.unwrap();
    assert_eq!(all(&mut socket).await, (Vec::new(), Some(1000)));
}

#[tokio::test]
async fn text_that_is_no_text_ends_with_1007_and_compression_that_nobody_agreed_on_with_1002() {
    for (what, sent, code) in [
        ("a lone continuation byte", frame(0x81, &[0x80]), 1007),
        ("the first reserved bit", frame(0xc1, &[0x80]), 1002),
        ("a close frame with half a code", frame(0x88, &[0x03]), 1002),
    ] {
        let mut socket = client().await;
        socket.get_mut().write_all(&sent).await.unwrap();
        assert_eq!(all(&mut socket).await, (Vec::new(), Some(code)), "{what}");
    }
}
