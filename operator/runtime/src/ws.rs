//! The one WebSocket stack: hyper's upgrade and tokio-tungstenite, with bounds.

use crate::serve::Place;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use purr_protocol::{MESSAGE_BYTES_MAX, Problem};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self,
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

pub use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

/// How long, and for how many reads of 4 KiB, a closed socket listens to what is still on its way.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_READS_MAX: usize = 256;

/// A server's side of a socket.
pub type ServerSocket = WebSocketStream<TokioIo<Upgraded>>;

/// The library's own limits (64 MiB messages, an unbounded write buffer) are not for strangers.
pub fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MESSAGE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

/// A request for a socket, checked (RFC 6455, section 4.2.1).
pub struct Upgrade {
    accept_key: String,
    on_upgrade: hyper::upgrade::OnUpgrade,
    place: Option<Place>,
    /// What the client offered, in its order.
    pub subprotocols: Vec<String>,
}

impl Upgrade {
    /// # Errors
    /// 426 where the request asks for no socket or another version than 13, 400 where it is malformed.
    pub fn from_request(request: &mut Request<Body>) -> Result<Self, Problem> {
        let headers = request.headers();
        let no_socket = || Problem::new(426, "upgrade-required", "This resource is a WebSocket");
        if !has_token(headers, &header::CONNECTION, "upgrade")
            || !has_token(headers, &header::UPGRADE, "websocket")
        {
            return Err(no_socket());
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(no_socket().detail("Sec-WebSocket-Version must be 13"));
        }
        let malformed =
            |detail: &str| Problem::new(400, "bad-upgrade", "Malformed WebSocket request").detail(detail);
        if request.version() < Version::HTTP_11 {
            return Err(malformed("HTTP/1.1 is needed"));
        }
        let key = headers
            .get(header::SEC_WEBSOCKET_KEY)
            .ok_or_else(|| malformed("Sec-WebSocket-Key is missing"))?;
        let accept_key = derive_accept_key(key.as_bytes());
        let subprotocols = headers
            .get_all(header::SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .take(8)
            .collect();
        let on_upgrade = request
            .extensions_mut()
            .remove::<hyper::upgrade::OnUpgrade>()
            .ok_or_else(|| malformed("this connection cannot be upgraded"))?;
        let place = request.extensions_mut().remove::<Place>();
        Ok(Self { accept_key, on_upgrade, place, subprotocols })
    }

    /// Answers 101 and hands the socket to `run` in a task of its own. Extensions are never
    /// negotiated, so a compressed frame (a reserved bit) is a protocol error.
    pub fn accept<F, R>(self, subprotocol: &'static str, run: F) -> Response
    where
        F: FnOnce(ServerSocket) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let (on_upgrade, place) = (self.on_upgrade, self.place);
        tokio::spawn(async move {
            match on_upgrade.await {
                Ok(upgraded) => {
                    let io = TokioIo::new(upgraded);
                    run(WebSocketStream::from_raw_socket(io, Role::Server, Some(limits())).await).await;
                    drop(place);
                }
                Err(error) => tracing::debug!(%error, "upgrade"),
            }
        });
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        if let Ok(key) = HeaderValue::from_str(&self.accept_key) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
        }
        response
    }
}

fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// A client's handshake over a connection that stands already. `request` carries path and headers.
///
/// # Errors
/// [`tungstenite::Error::Http`] holds the server's refusal.
pub async fn connect<S>(
    stream: S,
    request: tungstenite::handshake::client::Request,
) -> Result<WebSocketStream<S>, tungstenite::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(limits())).await?;
    Ok(socket)
}

/// Ends a socket so that the peer learns why, even where it was in the middle of sending: what it
/// still sends is read and dropped for a moment, because closing on unread bytes would reset the
/// connection and could overtake the close frame (RFC 1122, section 4.2.2.13).
pub async fn close<S>(mut socket: WebSocketStream<S>, code: purr_protocol::CloseCode, reason: &str)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let goodbye = async {
        let _ = socket.close(Some(close_frame(code, reason))).await;
        let stream = socket.get_mut();
        let _ = stream.shutdown().await;
        let mut dropped = [0; 4096];
        for _ in 0..LINGER_READS_MAX {
            match stream.read(&mut dropped).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, goodbye).await;
}

/// A close frame of the protocol's own codes.
pub fn close_frame(code: purr_protocol::CloseCode, reason: &str) -> CloseFrame {
    // A control frame carries at most 125 bytes, two of them the code (RFC 6455, section 5.5).
    let reason: String = reason.chars().take(40).collect();
    CloseFrame { code: CloseCode::from(code.code()), reason: reason.into() }
}
