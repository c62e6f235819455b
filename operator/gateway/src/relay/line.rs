//! The connection to a player: a WebSocket, or where WebSockets are blocked, a streamed answer down and requests up.
//!
//! The stream is server-sent events (the HTML standard, section 9.2): first `open` with the stream's id, then the
//! table's messages as `purr.v1.json`, last `close` with code and reason as a close frame has them.

use super::streams::Place;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use purr_protocol::CloseCode;
use purr_runtime::ws::{self, Error, Message, ServerSocket};
use serde_json::json;
use std::time::Duration;
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Time limit for the last event of a stream with a slow reader.
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) enum Line {
    Socket(Box<ServerSocket>),
    Stream(Stream),
}

/// The gateway's end of a stream.
pub(super) struct Stream {
    /// Messages that were posted to the stream.
    pub up: mpsc::Receiver<Utf8Bytes>,
    /// Events, as they go out.
    pub down: mpsc::Sender<Bytes>,
    /// Routes messages for the stream's id to this line while it is held.
    pub _place: Place,
}

/// Formats one event. `data` must not contain a line break.
pub(super) fn event(name: &str, data: &str) -> Bytes {
    let mut text = String::with_capacity(name.len() + data.len() + 32);
    if !name.is_empty() {
        text += &format!("event: {name}\n");
    }
    for line in data.split(['\n', '\r']) {
        text += &format!("data: {line}\n");
    }
    text.push('\n');
    text.into()
}

impl Line {
    /// The next frame. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        match self {
            Self::Socket(socket) => socket.next().await,
            Self::Stream(Stream { up, down, .. }) => tokio::select! {
                // The server drops the receiver when the connection is gone.
                () = down.closed() => None,
                text = up.recv() => text.map(|text| Ok(Message::Text(text))),
            },
        }
    }

    /// Takes a frame, which goes out with the next [`Line::flush`] at the latest.
    pub async fn feed(&mut self, frame: Message) -> Result<(), Error> {
        let stream = match self {
            Self::Socket(socket) => return socket.feed(frame).await,
            Self::Stream(stream) => stream,
        };
        let event = match frame {
            Message::Text(text) => event("", &text),
            // An SSE comment shows the client that the connection is alive.
            Message::Ping(_) => Bytes::from_static(b":\n\n"),
            _ => return Ok(()),
        };
        // Boxed because few lines are streams: otherwise every socket's task would reserve its memory.
        Box::pin(stream.down.send(event)).await.map_err(|_| Error::ConnectionClosed)
    }

    pub async fn flush(&mut self) -> Result<(), Error> {
        match self {
            Self::Socket(socket) => socket.flush().await,
            Self::Stream(_) => Ok(()),
        }
    }

    /// `why`: none if the player has closed the connection or is gone.
    pub async fn close(self, why: Option<(CloseCode, &str)>) {
        match (self, why) {
            (Self::Socket(socket), why) => Box::pin(ws::end(*socket, why)).await,
            (Self::Stream(Stream { down, .. }), Some((code, reason))) => {
                let data = json!({ "code": code.code(), "reason": reason }).to_string();
                let _ = timeout(GOODBYE, down.send(event("close", &data))).await;
            }
            (Self::Stream(_), None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_with_an_empty_line_and_has_none_within() {
        assert_eq!(&event("", "{}")[..], b"data: {}\n\n");
        assert_eq!(&event("close", "a\nb\r\n")[..], b"event: close\ndata: a\ndata: b\ndata: \ndata: \n\n");
    }
}
