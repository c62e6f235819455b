//! The player's side of a relay: frames in and out, with bounds on size, rate and time.

use super::{End, Pace, line::Line};
use purr_protocol::{CloseCode, Codec, pb, timing::Rtt};
use purr_runtime::ws::{self, Heard, Message};
use std::{pin::Pin, time::Duration};
use tokio::time::{Instant, Sleep, error::Elapsed, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Rate limit of messages. The pod has the same limit, so a message that passes here is answered there.
const SEATED: Rate = Rate { per_s: 20.0, burst: 60.0 };
/// The limit of a player without a seat, who has little to send.
const GUEST: Rate = Rate { per_s: 2.0, burst: 20.0 };
/// Frames over the limit, in a row, that are answered, and after which the socket ends.
const ANSWERED_MAX: u32 = 10;
const OVER_MAX: u32 = 200;

struct Rate {
    per_s: f64,
    burst: f64,
}

/// Input from a player's socket.
pub(super) enum FromPlayer {
    Message {
        message: pb::ClientMessage,
        /// As it came.
        bytes: bytes::Bytes,
    },
    /// A message above the rate limit: only its id was parsed.
    Limited(u64),
    Ended(Option<End>),
}

/// State of the round-trip measurement by pings.
enum RoundTrip {
    /// Waits for the first message.
    Unasked,
    /// A ping is due although the player is not silent.
    Due,
    /// The payload of the last ping; no player can answer the ping before it arrives.
    Asked([u8; 4], Rtt),
    Known(Rtt),
}

impl RoundTrip {
    fn class(&self) -> Rtt {
        match self {
            Self::Unasked | Self::Due => Rtt::Unknown,
            Self::Asked(_, rtt) | Self::Known(rtt) => *rtt,
        }
    }
}

pub(super) struct Player {
    pub line: Line,
    codec: Codec,
    pace: Pace,
    heard: Instant,
    pinged: Instant,
    round_trip: RoundTrip,
    /// Fires when the next liveness check is due. Incoming messages push it back without resetting the timer.
    look: Pin<Box<Sleep>>,
    allowance: f64,
    filled: Instant,
    over: u32,
    /// Whether the player has no seat at the table.
    pub guest: bool,
}

impl Player {
    pub fn new(line: Line, codec: Codec, pace: Pace) -> Self {
        let now = Instant::now();
        let look = Box::pin(sleep_until(now + pace.ping));
        Self {
            line,
            codec,
            pace,
            heard: now,
            pinged: now,
            round_trip: RoundTrip::Unasked,
            look,
            allowance: SEATED.burst,
            filled: now,
            over: 0,
            guest: false,
        }
    }

    /// The next message. Dropping the future loses nothing.
    pub async fn next(&mut self) -> FromPlayer {
        loop {
            if let Some(until) = self.rests_until() {
                // Boxed because it is rare: otherwise every player's task would reserve its memory.
                Box::pin(sleep_until(until)).await;
            }
            let frame = tokio::select! {
                frame = self.line.next() => frame,
                () = self.look.as_mut() => {
                    let now = Instant::now();
                    let due = self.pinged.max(self.heard) + self.pace.ping;
                    if due > now && !matches!(self.round_trip, RoundTrip::Due) {
                        self.look.as_mut().reset(due);
                        continue;
                    }
                    self.look.as_mut().reset(now + self.pace.ping);
                    if self.heard.elapsed() >= self.pace.idle {
                        return end(CloseCode::GoingAway, "no sign of life");
                    }
                    self.pinged = now;
                    let carries = getrandom::u32().unwrap_or(0).to_ne_bytes();
                    self.round_trip = RoundTrip::Asked(carries, self.round_trip.class());
                    let ping = Message::Ping(bytes::Bytes::copy_from_slice(&carries));
                    // Boxed because it is rare: otherwise every player's task would reserve its memory.
                    if let Err(end) = Box::pin(self.send_frame(ping)).await {
                        return FromPlayer::Ended(end);
                    }
                    continue;
                }
            };
            self.heard = Instant::now();
            if let Some(Ok(Message::Pong(carries))) = &frame {
                self.answered(carries);
            }
            let within = self.spend();
            if self.over > OVER_MAX {
                return end(CloseCode::Protocol, "too many messages");
            }
            let frame = match ws::heard(frame) {
                Heard::Data(frame) => frame,
                Heard::Control => continue,
                Heard::Ended(Some((code, reason))) => return end(code, reason),
                Heard::Ended(None) => return FromPlayer::Ended(None),
            };
            let bytes = match frame {
                Message::Binary(bytes) if !self.codec.is_text() => bytes,
                Message::Text(text) if self.codec.is_text() => text.into(),
                _ => return end(CloseCode::Protocol, "the other kind of frame was negotiated"),
            };
            // A message that cannot be decoded has no id to answer: the client speaks another protocol.
            let Ok(message) = self.codec.decode_client(&bytes) else {
                return end(CloseCode::Protocol, "malformed message");
            };
            if matches!(self.round_trip, RoundTrip::Unasked) {
                // A socket is not pinged before its first message.
                self.round_trip = RoundTrip::Due;
                self.look.as_mut().reset(self.heard);
            }
            if !within && self.over <= ANSWERED_MAX {
                return FromPlayer::Limited(message.id);
            }
            if !within {
                continue;
            }
            return FromPlayer::Message { message, bytes };
        }
    }

    /// The end of a pause in reading: a guest above the rate limit is not read until it may send again. Its own buffers
    /// fill meanwhile, which costs the gateway nothing.
    fn rests_until(&self) -> Option<Instant> {
        let missing = 1.0 - self.allowance;
        let rests = self.guest && self.over >= ANSWERED_MAX && missing > 0.0;
        rests.then(|| self.filled + Duration::from_secs_f64(missing / GUEST.per_s))
    }

    /// Class of the round trip to this player; a stream has no pings.
    pub fn rtt(&self) -> Rtt {
        self.round_trip.class()
    }

    fn answered(&mut self, carries: &[u8]) {
        if let RoundTrip::Asked(asked, _) = &self.round_trip
            && asked.as_slice() == carries
        {
            self.round_trip = RoundTrip::Known(Rtt::of(self.pinged.elapsed()));
        }
    }

    fn spend(&mut self) -> bool {
        let now = Instant::now();
        let since = now.duration_since(self.filled).as_secs_f64();
        self.filled = now;
        let Rate { per_s, burst } = if self.guest { GUEST } else { SEATED };
        self.allowance = (self.allowance + since * per_s).min(burst);
        if self.allowance < 1.0 {
            self.over += 1;
            return false;
        }
        self.allowance -= 1.0;
        self.over = 0;
        true
    }

    /// Encodes the message before the future waits, so that the message is not kept meanwhile.
    pub fn send(
        &mut self,
        message: &pb::ServerMessage,
    ) -> impl Future<Output = Result<(), Option<End>>> + Send + use<'_> {
        let bytes = self.codec.encode_server(message).map_err(|error| unwritable(&error));
        let frame = bytes.and_then(|bytes| frame_of(self.codec, bytes));
        async move { self.send_frame(frame?).await }
    }

    pub async fn send_frame(&mut self, frame: Message) -> Result<(), Option<End>> {
        self.feed_frame(frame).await?;
        self.flush().await
    }

    /// Takes a frame, which goes out with the next flush at the latest.
    pub async fn feed_frame(&mut self, frame: Message) -> Result<(), Option<End>> {
        written(&timeout(self.pace.write, self.line.feed(frame)).await)
    }

    pub async fn flush(&mut self) -> Result<(), Option<End>> {
        written(&timeout(self.pace.write, self.line.flush()).await)
    }
}

/// Maps the result of a write. A slow reader only holds up itself, and is disconnected.
fn written(done: &Result<Result<(), ws::Error>, Elapsed>) -> Result<(), Option<End>> {
    match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(None),
        Err(_) => Err(Some(End::new(CloseCode::SlowReader, "too slow"))),
    }
}

fn end(code: CloseCode, reason: &str) -> FromPlayer {
    FromPlayer::Ended(Some(End::new(code, reason)))
}

/// A message of this program's own that could not be written.
pub(super) fn unwritable(error: &dyn std::fmt::Display) -> End {
    tracing::error!(%error, "a message could not be written");
    End::new(CloseCode::TryAgain, "internal error")
}

/// Encoded bytes as the kind of frame that was negotiated.
pub(super) fn frame_of(codec: Codec, bytes: bytes::Bytes) -> Result<Message, End> {
    if codec.is_text() {
        Ok(Message::Text(Utf8Bytes::try_from(bytes).map_err(|error| unwritable(&error))?))
    } else {
        Ok(Message::Binary(bytes))
    }
}
