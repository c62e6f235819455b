//! A connection to a table: a WebSocket, or the stream in its place.

use super::{End, closed, fallback::Blocked, refusal, stream::Stream};
use crate::api::Gateway;
use futures::{SinkExt, StreamExt};
use http::StatusCode;
use purr_protocol::{CloseCode, Codec, Problem, pb};
use purr_runtime::ws::{self, Error, Message};
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{ClientRequestBuilder, Utf8Bytes, client::IntoClientRequest},
};

pub(super) type Socket = WebSocketStream<TlsStream<TcpStream>>;

pub(super) enum Line {
    Socket { socket: Box<Socket>, codec: Codec },
    Stream(Box<Stream>),
}

/// Why there is no socket.
pub(super) enum NoSocket {
    End(End),
    /// The server was reached, but the answer came from a proxy or portal in between.
    Blocked(Blocked, String),
}

/// TCP, TLS and the WebSocket's handshake; each of the last two within `within`.
pub(super) async fn dial(
    gateway: &Gateway,
    path: &str,
    codec: Codec,
    within: Duration,
) -> Result<Socket, NoSocket> {
    let lost = |error: std::io::Error| NoSocket::End(End::Lost(format!("{}: {error}", gateway.address)));
    let reaching = async {
        let stream = TcpStream::connect(&gateway.address).await.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        let tls = TlsConnector::from(gateway.tls.clone());
        tls.connect(gateway.server_name.clone(), stream).await.map_err(lost)
    };
    let late = |_| NoSocket::End(End::Lost("no connection in time".into()));
    let stream = timeout(within, reaching).await.map_err(late)??;
    let uri = format!("wss://{}{path}", gateway.address);
    let fatal = |text: String| NoSocket::End(End::Final(text));
    let uri = uri.parse().map_err(|error| fatal(format!("'{uri}': {error}")))?;
    let request = ClientRequestBuilder::new(uri).with_sub_protocol(codec.subprotocol());
    let request = request.into_client_request().map_err(|error| fatal(error.to_string()))?;
    let late = |_| NoSocket::Blocked(Blocked::Broken, "no answer to the upgrade".into());
    timeout(within, ws::connect(stream, request)).await.map_err(late)?.map_err(|error| match error {
        Error::Http(response) => answered(response.status(), response.body().as_deref()),
        error => NoSocket::Blocked(Blocked::Broken, error.to_string()),
    })
}

/// Classifies an answer to the upgrade that is not a WebSocket: the gateway's own answers are problem documents (RFC
/// 9457).
pub(super) fn answered(status: StatusCode, body: Option<&[u8]>) -> NoSocket {
    let problem = body.and_then(|body| serde_json::from_slice::<Problem>(body).ok());
    match problem {
        // Its own, and yet: the request came without what asks for a socket, which proxies take away.
        Some(problem) if ["upgrade-required", "bad-upgrade"].contains(&problem.code()) => {
            NoSocket::Blocked(Blocked::Answered, problem.title)
        }
        Some(_) => NoSocket::End(refusal(status, body)),
        None if status == StatusCode::UNAUTHORIZED => NoSocket::End(refusal(status, body)),
        // A gateway that is being replaced looks the same from behind a load balancer: once is no proof.
        None if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            NoSocket::Blocked(Blocked::Broken, status.to_string())
        }
        None => NoSocket::Blocked(Blocked::Answered, status.to_string()),
    }
}

impl Line {
    /// Receives the next message; `Ok(None)` for a frame without one. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<pb::ServerMessage>, End> {
        match self {
            Self::Socket { socket, codec } => read(*codec, socket.next().await),
            Self::Stream(stream) => stream.next().await.map(Some),
        }
    }

    pub(crate) async fn send(&mut self, message: &pb::ClientMessage, within: Duration) -> Result<(), End> {
        let (socket, codec) = match self {
            Self::Socket { socket, codec } => (socket, *codec),
            Self::Stream(stream) => return stream.send(message),
        };
        let bytes = codec.encode_client(message).map_err(|error| End::Final(error.to_string()))?;
        let frame = if codec.is_text() {
            let text = Utf8Bytes::try_from(bytes).map_err(|_| End::Final("JSON that is not UTF-8".into()))?;
            Message::Text(text)
        } else {
            Message::Binary(bytes)
        };
        match timeout(within, socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            // The server may have sent the reason before it closed the connection.
            Ok(Err(error)) => Err(last_words(socket, codec, &error).await),
            Err(_) => Err(End::Lost("the other side does not read".into())),
        }
    }

    /// Sends a close frame, if the kind of connection has one.
    pub(crate) async fn close(&mut self, code: CloseCode) {
        if let Self::Socket { socket, .. } = self {
            let goodbye = socket.as_mut().close(Some(ws::close_frame(code, "bye")));
            let _ = timeout(Duration::from_secs(1), goodbye).await;
        }
    }
}

async fn last_words(socket: &mut Socket, codec: Codec, error: &Error) -> End {
    let words = async {
        while let Some(frame) = socket.next().await {
            if let Err(end) = read(codec, Some(frame)) {
                return Some(end);
            }
        }
        None
    };
    let words = timeout(Duration::from_millis(200), words).await.ok().flatten();
    words.unwrap_or_else(|| End::Lost(error.to_string()))
}

/// `Ok(None)` for control frames.
fn read(codec: Codec, frame: Option<Result<Message, Error>>) -> Result<Option<pb::ServerMessage>, End> {
    let bytes = match frame {
        None => return Err(End::Lost("the connection is gone".into())),
        Some(Err(error)) => return Err(End::Lost(error.to_string())),
        Some(Ok(Message::Close(frame))) => return Err(closed(frame.as_ref())),
        Some(Ok(Message::Binary(bytes))) if !codec.is_text() => bytes,
        Some(Ok(Message::Text(text))) if codec.is_text() => text.into(),
        Some(Ok(Message::Binary(_) | Message::Text(_))) => {
            return Err(End::Final("the table speaks another codec than was agreed".into()));
        }
        Some(Ok(_)) => return Ok(None),
    };
    let message = codec.decode_server(&bytes);
    message.map(Some).map_err(|error| End::Final(format!("the table speaks another protocol: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, code: &str) -> NoSocket {
        let body = serde_json::to_vec(&Problem::new(status, code, "No")).unwrap_or_default();
        answered(StatusCode::from_u16(status).unwrap_or_default(), Some(&body))
    }

    #[test]
    fn a_refusal_of_the_gateways_own_is_believed_unless_the_upgrade_was_taken_out() {
        assert!(matches!(problem(404, "table"), NoSocket::End(End::Final(_))));
        assert!(matches!(problem(503, "full"), NoSocket::End(End::Lost(_))));
        assert!(matches!(problem(429, "rate"), NoSocket::End(End::Lost(_))));
        for (status, code) in [(426, "upgrade-required"), (400, "bad-upgrade")] {
            assert!(matches!(problem(status, code), NoSocket::Blocked(Blocked::Answered, _)), "{code}");
        }
    }

    #[test]
    fn an_answer_without_a_problem_is_somebody_elses() {
        for (status, how) in [(400, Blocked::Answered), (403, Blocked::Answered), (200, Blocked::Answered)] {
            let answer = answered(StatusCode::from_u16(status).unwrap_or_default(), Some(b"<html>"));
            assert!(matches!(answer, NoSocket::Blocked(found, _) if found == how), "{status}");
        }
        for status in
            [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS]
        {
            assert!(matches!(answered(status, None), NoSocket::Blocked(Blocked::Broken, _)), "{status}");
        }
        assert!(matches!(answered(StatusCode::UNAUTHORIZED, None), NoSocket::End(End::Token(_))));
    }
}
