//! The one WebSocket stack: hyper's upgrade and tokio-tungstenite, with bounds.

use crate::{
    pace::{Pace, Paced},
    serve::Place,
    trace,
};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use futures::SinkExt;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use purr_protocol::{MESSAGE_BYTES_MAX, Problem, trunk::FRAME_BYTES_MAX};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, error::ProtocolError, handshake::derive_accept_key, protocol::Role},
};

pub use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
};

/// Time, and below the number of bytes, for which a closed socket still reads what is in flight.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 32 << 20;
/// A control frame carries at most 125 bytes, two of them the code (RFC 6455, section 5.5).
const REASON_BYTES_MAX: usize = 123;

/// A server's side of a socket.
pub type ServerSocket = WebSocketStream<Paced<TokioIo<Upgraded>>>;

/// Read rate allowed to players. A player's messages are a few kilobytes a second at most, frames included.
const PACE: Pace = Pace { bytes_per_s: 64 * 1024, burst: 1024 * 1024 };

/// Limits for players' sockets: the library's defaults (64 MiB messages, an unbounded write buffer) are too large. A
/// player's messages have some hundred bytes, and a thousand idle players have a thousand read buffers.
pub fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(4 * 1024)
        .max_write_buffer_size(4 * MESSAGE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

/// Limits of a connection between two programs of the fleet that carries many players' messages.
pub fn trunk_limits() -> WebSocketConfig {
    limits()
        // The library zeroes this many bytes before each read, and a frame has some hundred bytes.
        .read_buffer_size(4 * 1024)
        .max_write_buffer_size(2 * FRAME_BYTES_MAX)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX))
}

/// A request for a socket, checked (RFC 6455, section 4.2.1).
pub struct Upgrade {
    accept_key: String,
    on_upgrade: hyper::upgrade::OnUpgrade,
    place: Option<Place>,
    /// Subprotocols that the client offered, in its order.
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
        self.accept_at(Some(PACE), limits(), Some(subprotocol), run)
    }

    /// Like [`accept`](Self::accept), with other limits, without a limit on the rate, and also for a client that asked
    /// for no subprotocol.
    pub fn accept_within<F, R>(
        self,
        limits: WebSocketConfig,
        subprotocol: Option<&'static str>,
        run: F,
    ) -> Response
    where
        F: FnOnce(ServerSocket) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.accept_at(None, limits, subprotocol, run)
    }

    fn accept_at<F, R>(
        self,
        pace: Option<Pace>,
        limits: WebSocketConfig,
        subprotocol: Option<&'static str>,
        run: F,
    ) -> Response
    where
        F: FnOnce(ServerSocket) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let (on_upgrade, place, cause) = (self.on_upgrade, self.place, trace::current());
        tokio::spawn(async move {
            match on_upgrade.await {
                Ok(upgraded) => {
                    let io = Paced::new(TokioIo::new(upgraded), pace);
                    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(limits)).await;
                    trace::within(cause, run(socket)).await;
                    drop(place);
                }
                Err(error) => tracing::debug!(%error, "upgrade"),
            }
        });
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Some(subprotocol) = subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
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

/// Performs a client's handshake over an open connection. `request` has the path and the headers.
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
    connect_within(limits(), stream, request).await
}

/// Like [`connect`], with other limits.
///
/// # Errors
/// As [`connect`].
pub async fn connect_within<S>(
    limits: WebSocketConfig,
    stream: S,
    request: tungstenite::handshake::client::Request,
) -> Result<WebSocketStream<S>, tungstenite::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Not through `connect_choosing`, because that future is larger and every player's task holds this one.
    let (socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(limits)).await?;
    Ok(socket)
}

/// As [`connect`], for a client that offers several subprotocols; also returns the server's choice.
///
/// # Errors
/// As [`connect`].
pub async fn connect_choosing<S>(
    limits: WebSocketConfig,
    stream: S,
    request: tungstenite::handshake::client::Request,
) -> Result<(WebSocketStream<S>, Option<String>), tungstenite::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (socket, response) =
        tokio_tungstenite::client_async_with_config(request, stream, Some(limits)).await?;
    let chosen = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
    Ok((socket, chosen.and_then(|name| name.to_str().ok()).map(ToOwned::to_owned)))
}

/// The result of one read of a peer's socket.
#[derive(Debug)]
pub enum Heard {
    /// Text or binary.
    Data(Message),
    /// A control frame; the library answers it with the next read or write.
    Control,
    /// Nothing more can be received: with the close code to send, or none if the peer has closed or is gone. The caller
    /// then calls [`end`].
    Ended(Option<(purr_protocol::CloseCode, &'static str)>),
}

/// Classifies the result of reading a socket, in the same way for all servers (RFC 6455, section 7.4.1).
pub fn heard(read: Option<Result<Message, Error>>) -> Heard {
    use purr_protocol::CloseCode;
    Heard::Ended(match read {
        Some(Ok(data @ (Message::Text(_) | Message::Binary(_)))) => return Heard::Data(data),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return Heard::Control,
        Some(Err(Error::Capacity(_))) => Some((CloseCode::TooBig, "too large")),
        Some(Err(Error::Utf8(_))) => Some((CloseCode::NotText, "text that is not UTF-8")),
        Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => None,
        Some(Err(Error::Protocol(_))) => Some((CloseCode::Protocol, "protocol error")),
        None | Some(Ok(Message::Close(_)) | Err(_)) => None,
    })
}

/// Ends a socket so that the peer receives the reason even while it is sending: incoming bytes are read and dropped for
/// a moment, because closing with unread bytes would reset the connection and could overtake the close frame (RFC 1122,
/// section 4.2.2.13). Without a `why`, the peer's own close frame is answered, if there was one (RFC 6455, section
/// 5.5.1).
pub async fn end<S>(mut socket: WebSocketStream<S>, why: Option<(purr_protocol::CloseCode, &str)>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let goodbye = async {
        let _ = match why {
            Some((code, reason)) => socket.close(Some(close_frame(code, reason))).await,
            // The answer waits in the library.
            None => socket.flush().await,
        };
        let stream = socket.get_mut();
        let _ = stream.shutdown().await;
        // The buffer is on the heap, so that it does not enlarge the future in every open socket's task.
        let (mut buffer, mut dropped) = (vec![0; 4096], 0);
        while dropped < LINGER_BYTES_MAX {
            match stream.read(&mut buffer).await {
                Ok(read @ 1..) => dropped += read,
                Ok(0) | Err(_) => return,
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, goodbye).await;
}

/// A close frame of the protocol's own codes.
pub fn close_frame(code: purr_protocol::CloseCode, reason: &str) -> CloseFrame {
    let end = (0..=reason.len().min(REASON_BYTES_MAX)).rev().find(|end| reason.is_char_boundary(*end));
    let reason = reason.get(..end.unwrap_or(0)).unwrap_or_default();
    CloseFrame { code: CloseCode::from(code.code()), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use purr_protocol::CloseCode;

    #[test]
    fn a_reason_fits_into_a_control_frame_and_is_never_cut_inside_a_character() {
        for (reason, length) in [("why", 3), (&"x".repeat(200), 123), (&"\u{1f0a1}".repeat(50), 120)] {
            let frame = close_frame(CloseCode::TryAgain, reason);
            assert_eq!(frame.reason.len(), length);
            assert!(reason.starts_with(frame.reason.as_str()));
        }
    }
}
