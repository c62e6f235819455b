//! One player's socket.

use crate::{
    actor::{Attached, Handle, Outgoing},
    core::Input,
    http::Tokens,
};
use futures::{SinkExt, StreamExt};
use purr_engine::PlayerId;
use purr_protocol::{
    CloseCode, Codec,
    codec::replaced,
    pb::{self, ErrorCode, client_message::Body as Ask, server_message::Body},
};
use purr_runtime::ws::{self, Error, Heard, Message, ServerSocket};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Time for the first message.
const ATTACH: Duration = Duration::from_secs(10);
/// One write to a peer that does not read.
const WRITE: Duration = Duration::from_secs(10);
/// Messages a second, and how many at once (a token bucket).
const RATE_PER_S: f64 = 20.0;
const BURST: f64 = 60.0;

/// Why a socket ends.
type End = (CloseCode, &'static str);

pub(crate) async fn serve(socket: ServerSocket, codec: Codec, handle: Handle, tokens: Arc<Tokens>) {
    let mut session = Session { socket, codec, handle, tokens };
    let end = match timeout(ATTACH, session.attach()).await {
        Ok(Ok((player, expires, attached))) => {
            let connection = attached.connection;
            let end = session.run(player, expires, attached).await;
            session.handle.detach(connection).await;
            end
        }
        Ok(Err(end)) => end,
        Err(_) => Some((CloseCode::Protocol, "no attach in time")),
    };
    ws::end(session.socket, end).await;
}

struct Session {
    socket: ServerSocket,
    codec: Codec,
    handle: Handle,
    tokens: Arc<Tokens>,
}

impl Session {
    /// The first message names the player by a token, and where to resume.
    async fn attach(&mut self) -> Result<(PlayerId, Instant, Attached), Option<End>> {
        let first = self.next().await?;
        let Some(Ask::Attach(attach)) = first.body else {
            return Err(Some((CloseCode::Protocol, "attach comes first")));
        };
        let (player, expires) = Self::verify(&self.tokens, &attach.token).await?;
        let attached = self.handle.attach_as(player, attach.resume, first.id).await;
        let attached = attached.ok_or(Some((CloseCode::TryAgain, "the table has stopped")))?;
        Ok((player, expires, attached))
    }

    async fn verify(tokens: &Tokens, token: &str) -> Result<(PlayerId, Instant), Option<End>> {
        let (player, claims) = tokens.player(token).await.map_err(|why| {
            tracing::info!(why, "token refused");
            Some((CloseCode::TokenExpired, "the token is not valid"))
        })?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let left = Duration::from_secs(claims.exp.saturating_sub(now));
        Ok((player, Instant::now() + left))
    }

    /// Carries messages both ways until one side ends it.
    async fn run(&mut self, player: PlayerId, mut expires: Instant, attached: Attached) -> Option<End> {
        let Attached { connection, mut outgoing } = attached;
        let mut allowance = (BURST, Instant::now());
        loop {
            tokio::select! {
                out = outgoing.recv() => match out {
                    Some(Outgoing::Message(message)) => {
                        if let Err(end) = self.send(&message).await {
                            return end;
                        }
                    }
                    Some(Outgoing::Close(code, reason)) => return Some((code, reason)),
                    Some(Outgoing::Replaced(by)) => {
                        let close = ws::close_frame(CloseCode::Replaced, &replaced::reason(by));
                        let _ = timeout(WRITE, self.socket.close(Some(close))).await;
                        return None;
                    }
                    None => return Some((CloseCode::SlowReader, "too slow")),
                },
                read = self.socket.next() => {
                    let message = match self.read(read) {
                        Ok(Some(message)) => message,
                        Ok(None) => continue,
                        Err(end) => return end,
                    };
                    if !spend(&mut allowance) {
                        let error = Self::error(message.id, ErrorCode::RateLimited, "too many messages");
                        if let Err(end) = self.send(&error).await { return end }
                        continue;
                    }
                    match message.body {
                        Some(Ask::RenewToken(renew)) => {
                            match Self::verify(&self.tokens, &renew.token).await {
                                Ok((same, until)) if same == player => expires = until,
                                Ok(_) => return Some((CloseCode::Protocol, "the token of another player")),
                                Err(end) => return end,
                            }
                            let ack = Body::Ack(pb::Ack { id: message.id, at_offset: 0 });
                            if let Err(end) = self.send(&plain(ack)).await { return end }
                        }
                        Some(Ask::Ping(_)) => {
                            if let Err(end) = self.send(&plain(Body::Pong(pb::Pong {}))).await { return end }
                        }
                        Some(Ask::Attach(_)) => return Some((CloseCode::Protocol, "attached already")),
                        _ => self.handle.input(Input::Message { connection, player, message }).await,
                    }
                },
                () = sleep_until(expires) => return Some((CloseCode::TokenExpired, "the token ran out")),
            }
        }
    }

    /// The next message before the attach.
    async fn next(&mut self) -> Result<pb::ClientMessage, Option<End>> {
        loop {
            let read = self.socket.next().await;
            if let Some(message) = self.read(read)? {
                return Ok(message);
            }
        }
    }

    /// A frame as a message of the protocol; `Ok(None)` for control frames.
    fn read(&self, frame: Option<Result<Message, Error>>) -> Result<Option<pb::ClientMessage>, Option<End>> {
        let bytes = match ws::heard(frame) {
            Heard::Data(Message::Binary(bytes)) if !self.codec.is_text() => bytes,
            Heard::Data(Message::Text(text)) if self.codec.is_text() => text.into(),
            Heard::Data(_) => {
                return Err(Some((CloseCode::Protocol, "the other kind of frame was negotiated")));
            }
            Heard::Control => return Ok(None),
            Heard::Ended(end) => return Err(end),
        };
        match self.codec.decode_client(&bytes) {
            Ok(message) => Ok(Some(message)),
            // A message that cannot be read has no id to answer: its sender speaks another protocol.
            Err(error) => {
                tracing::debug!(%error, "malformed message");
                Err(Some((CloseCode::Protocol, "malformed message")))
            }
        }
    }

    async fn send(&mut self, message: &pb::ServerMessage) -> Result<(), Option<End>> {
        let bytes = self.codec.encode_server(message).map_err(|error| {
            tracing::error!(%error, "a message could not be written");
            Some((CloseCode::TryAgain, "internal error"))
        })?;
        let frame = if self.codec.is_text() {
            // JSON is UTF-8.
            Message::Text(Utf8Bytes::try_from(bytes).map_err(|_| None)?)
        } else {
            Message::Binary(bytes)
        };
        match timeout(WRITE, self.socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(None),
            Err(_) => Err(Some((CloseCode::SlowReader, "too slow"))),
        }
    }

    fn error(id: u64, code: ErrorCode, message: &str) -> pb::ServerMessage {
        plain(Body::Error(pb::Error { id, code: code.into(), message: message.into(), min: None, max: None }))
    }
}

/// An answer of the socket itself, which has no place in the table's history.
fn plain(body: Body) -> pb::ServerMessage {
    pb::ServerMessage { epoch: 0, offset: 0, body: Some(body) }
}

fn spend(allowance: &mut (f64, Instant)) -> bool {
    let (tokens, since) = *allowance;
    let now = Instant::now();
    let filled = (tokens + now.duration_since(since).as_secs_f64() * RATE_PER_S).min(BURST);
    let enough = filled >= 1.0;
    *allowance = (if enough { filled - 1.0 } else { filled }, now);
    enough
}
