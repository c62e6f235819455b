//! One player's lane on a gateway's trunk: incoming messages, and the end of the lane.
//!
//! The table's messages do not pass here: they go from the actor to the trunk.

use crate::{
    actor::{Handle, NotAttached, Outlet, Parcel, Told},
    core::ConnectionId,
    tokens::Tokens,
};
use bytes::Bytes;
// One queue per player: tokio's reserves room for 32 messages at once, this one for each message as it arrives.
use futures::channel::mpsc as queue;
use purr_engine::PlayerId;
use purr_protocol::{
    CloseCode, Codec,
    pb::{self, ErrorCode, client_message::Body as Ask, server_message::Body},
    timing::Rtt,
    trunk::Lane,
};
use purr_runtime::bucket::{Bucket, Rate};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};

/// Time for the first message.
const ATTACH: Duration = Duration::from_secs(10);
/// Messages a second, and how many at once (a token bucket): of a player with a seat, and of one without.
const SEATED: Rate = Rate { per_s: 20.0, burst: 60.0 };
const GUEST: Rate = Rate { per_s: 2.0, burst: 20.0 };
/// Messages over the limit in a row that are answered, and after which the lane ends.
const ANSWERED_MAX: u32 = 10;
const OVER_MAX: u32 = 200;

/// Why a lane ends.
type End = (CloseCode, &'static str);

/// Input on a lane.
pub(crate) enum Heard {
    Said(Said),
    /// The gateway asserts that the player has a newer token.
    Renewed(String),
}

/// A player's message, with its measured times.
pub(crate) struct Said {
    pub bytes: Bytes,
    /// Time at which the message arrived at this process.
    pub at: Instant,
    pub rtt: Rtt,
}

pub(crate) struct Session {
    pub lane: Lane,
    pub codec: Codec,
    pub outlet: Outlet,
    pub handle: Handle,
    pub tokens: Arc<Tokens>,
    /// The gateway's assertion of the player's identity; `None`: the player sends a token.
    pub assertion: Option<String>,
    /// The player's messages in order. Ends with the lane.
    pub heard: queue::Receiver<Heard>,
}

/// An attached player.
struct Player {
    id: PlayerId,
    expires: Instant,
    connection: ConnectionId,
}

impl Session {
    pub(crate) async fn run(mut self) {
        // Boxed, so that its memory is freed long before the lane ends.
        let end = match Box::pin(timeout(ATTACH, self.attach())).await {
            Ok(Ok(player)) => {
                let connection = player.connection;
                let end = self.listen(player).await;
                self.handle.detach(connection).await;
                end
            }
            Ok(Err(end)) => end,
            Err(_) => Some((CloseCode::Protocol, "no attach in time")),
        };
        if let Some((code, reason)) = end {
            self.outlet.answer(self.lane, Parcel::End(code, reason.into()));
        }
    }

    /// Reads the first message, which names the player by a token (unless the gateway has done that) and where to
    /// resume.
    async fn attach(&mut self) -> Result<Player, Option<End>> {
        let Heard::Said(first) = self.heard.recv().await.map_err(|_| None)? else {
            return Err(Some((CloseCode::Protocol, "attach comes first")));
        };
        let pb::ClientMessage { id, body: Some(Ask::Attach(attach)) } = self.read(&first.bytes)? else {
            return Err(Some((CloseCode::Protocol, "attach comes first")));
        };
        // Frees the assertion's memory, because a lane lasts long.
        let (player, expires) = match self.assertion.as_mut().map(std::mem::take) {
            Some(assertion) => self.asserted(&assertion)?,
            None => self.verify(&attach.token).await?,
        };
        let attached = self.handle.attach_on(&self.outlet, self.lane, player, attach.resume, id).await;
        let connection = attached.map_err(|why| match why {
            NotAttached::Stopped => Some((CloseCode::TryAgain, "the table has stopped")),
            NotAttached::Crowded => Some((CloseCode::Crowded, "there is no room for more spectators")),
        })?;
        Ok(Player { id: player, expires, connection })
    }

    async fn verify(&self, token: &str) -> Result<(PlayerId, Instant), Option<End>> {
        let (player, claims) = self.tokens.player(token).await.map_err(|why| {
            tracing::info!(%why, "token refused");
            Some((CloseCode::TokenExpired, "the token is not valid"))
        })?;
        Ok((player, Instant::now() + self.tokens.left(&claims)))
    }

    fn asserted(&self, assertion: &str) -> Result<(PlayerId, Instant), Option<End>> {
        let (player, said) = self.tokens.asserted(assertion, self.lane).map_err(|why| {
            tracing::warn!(%why, "assertion refused");
            Some((CloseCode::TokenExpired, "the gateway's assertion is not valid"))
        })?;
        Ok((player, Instant::now() + said.left()))
    }

    /// Forwards the player's messages to the actor until the lane or the token ends.
    async fn listen(&mut self, player: Player) -> Option<End> {
        let Player { id: player, expires, connection } = player;
        let mut expired = pin!(sleep_until(expires));
        let mut allowance = Allowance::new();
        loop {
            let heard = tokio::select! {
                heard = self.heard.recv() => heard.ok()?,
                () = &mut expired => return Some((CloseCode::TokenExpired, "the token ran out")),
            };
            let heard = match heard {
                Heard::Said(said) => said,
                Heard::Renewed(assertion) => match self.asserted(&assertion) {
                    Ok((same, until)) if same == player => {
                        expired.as_mut().reset(until);
                        continue;
                    }
                    Ok(_) => return Some((CloseCode::Protocol, "the assertion of another player")),
                    Err(end) => return end,
                },
            };
            let message = match self.read(&heard.bytes) {
                Ok(message) => message,
                Err(end) => return end,
            };
            let rate = if self.handle.is_seated(player) { SEATED } else { GUEST };
            match allowance.spend(rate) {
                Spent::Within => {}
                Spent::Over(count) if count > OVER_MAX => {
                    return Some((CloseCode::Protocol, "too many messages"));
                }
                Spent::Over(count) => {
                    if count <= ANSWERED_MAX {
                        self.say(error(message.id, ErrorCode::RateLimited, "too many messages"));
                    }
                    continue;
                }
            }
            match message.body {
                Some(Ask::RenewToken(_)) if self.assertion.is_some() => {
                    return Some((CloseCode::Protocol, "the gateway renews"));
                }
                Some(Ask::RenewToken(renew)) => {
                    match Box::pin(self.verify(&renew.token)).await {
                        Ok((same, until)) if same == player => expired.as_mut().reset(until),
                        Ok(_) => return Some((CloseCode::Protocol, "the token of another player")),
                        Err(end) => return end,
                    }
                    self.say(plain(Body::Ack(pb::Ack { id: message.id, at_offset: 0 })));
                }
                Some(Ask::Ping(_)) => self.say(plain(Body::Pong(pb::Pong {}))),
                Some(Ask::Attach(_)) => return Some((CloseCode::Protocol, "attached already")),
                _ => {
                    let id = message.id;
                    if !self.handle.ask(connection, player, message, heard.at, heard.rtt).await {
                        self.say(error(id, ErrorCode::RateLimited, "too many without a seat ask at once"));
                    }
                }
            }
        }
    }

    fn read(&self, bytes: &[u8]) -> Result<pb::ClientMessage, Option<End>> {
        // A message that cannot be read has no id to answer: its sender speaks another protocol.
        self.codec.decode_client(bytes).map_err(|error| {
            tracing::debug!(%error, "malformed message");
            Some((CloseCode::Protocol, "malformed message"))
        })
    }

    fn say(&self, message: pb::ServerMessage) {
        self.outlet.answer(self.lane, Parcel::Messages(vec![Told::Message(Arc::new(message))]));
    }
}

/// An answer of the lane itself, which has no place in the table's history.
fn plain(body: Body) -> pb::ServerMessage {
    pb::ServerMessage { epoch: 0, offset: 0, body: Some(body) }
}

fn error(id: u64, code: ErrorCode, message: &str) -> pb::ServerMessage {
    plain(Body::Error(pb::Error { id, code: code.into(), message: message.into(), ..pb::Error::default() }))
}

/// Rate limit of a lane.
struct Allowance {
    bucket: Bucket,
    /// Messages over the limit in a row.
    over: u32,
}

enum Spent {
    Within,
    /// Over the limit, for this many messages in a row.
    Over(u32),
}

impl Allowance {
    fn new() -> Self {
        Self { bucket: Bucket::full(Instant::now()), over: 0 }
    }

    fn spend(&mut self, rate: Rate) -> Spent {
        if !self.bucket.take(1.0, rate, Instant::now()) {
            self.over = self.over.saturating_add(1);
            return Spent::Over(self.over);
        }
        self.over = 0;
        Spent::Within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(allowance: &mut Allowance, rate: Rate, count: u32) -> u32 {
        (0..count).filter(|_| matches!(allowance.spend(rate), Spent::Within)).count().try_into().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_player_without_a_seat_may_say_less_and_one_who_sits_down_more_at_once() {
        let mut allowance = Allowance::new();
        assert_eq!(within(&mut allowance, GUEST, 100), 20);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(within(&mut allowance, GUEST, 100), 2);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(within(&mut allowance, SEATED, 100), 20);
        assert!(matches!(allowance.spend(SEATED), Spent::Over(81)));
    }
}
