//! One gateway's connection, with all players that it has at this table.

use crate::{
    actor::{Delivery, Handle, Outlet, Parcel, Told},
    core::Input,
    lane::{Heard as FromPlayer, Said, Session},
    tokens::Tokens,
};
use bytes::Bytes;
use futures::{SinkExt, StreamExt, channel::mpsc as queue};
use purr_engine::PlayerId;
use purr_protocol::{
    CloseCode, Codec,
    timing::Rtt,
    trunk::{Cursor, Down, Encoding, FromTable, Lane, RoundTrip, ToTable, Up, up},
};
use purr_runtime::{
    CancellationToken,
    trace::{self, TraceParent},
    ws::{self, Heard, Message, ServerSocket},
};
use purr_store::Sealer;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// Time limit of one write, for a gateway that does not read. Gateways read whatever their players do.
const WRITE: Duration = Duration::from_secs(10);
/// Maximum number of deliveries that are sent together.
const DELIVERIES_AT_ONCE: usize = 64;
/// Most lanes of one gateway at one table. The actor admits half as many spectators, so that a seated player always
/// finds a lane.
const LANES_MAX: usize = 1_024;
/// Most unread messages of one player. The gateway lets 20 messages a second pass, 60 at once.
const HEARD_MAX: usize = 64;

/// Why a trunk ends; `None`: the other side has ended it.
type End = Option<(CloseCode, &'static str)>;

struct Open {
    codec: Codec,
    say: queue::Sender<FromPlayer>,
}

struct Trunk {
    socket: ServerSocket,
    lanes: HashMap<Lane, Open>,
    outlet: Outlet,
    handle: Handle,
    tokens: Arc<Tokens>,
    sealer: Sealer,
    /// Whether the gateway asserts who players are.
    asserted: bool,
}

/// Sealing purpose of cursors.
const PURPOSE: &str = "cursor";

/// Carries messages both ways until one side ends it; all players on it are gone then.
pub(crate) async fn serve(
    socket: ServerSocket,
    handle: Handle,
    tokens: Arc<Tokens>,
    sealer: Sealer,
    asserted: bool,
) {
    let cut = CancellationToken::new();
    let (outlet, mut deliveries) = Outlet::new(cut.clone());
    let mut trunk = Trunk { socket, lanes: HashMap::new(), outlet, handle, tokens, sealer, asserted };
    let mut due = Vec::new();
    let roster = trunk.handle.roster();
    trunk.outlet.was_told(roster.clone());
    // Sent before any attach, so that the gateway knows for which players to keep room.
    if let Err(end) = trunk.send(FromTable::seated(&roster)).await {
        return ws::end(trunk.socket, end).await;
    }
    let end = loop {
        let step = tokio::select! {
            // Never 0: the trunk has an outlet itself.
            _ = deliveries.recv_many(&mut due, DELIVERIES_AT_ONCE) => trunk.deliver(&mut due).await,
            read = trunk.socket.next() => match ws::heard(read) {
                Heard::Data(Message::Binary(frame)) => trunk.hear(frame).await,
                Heard::Data(_) => Err(Some((CloseCode::Protocol, "binary was negotiated"))),
                Heard::Control => Ok(()),
                Heard::Ended(end) => Err(end),
            },
            () = cut.cancelled() => Err(Some((CloseCode::SlowReader, "too slow"))),
        };
        if let Err(end) = step {
            break end;
        }
    };
    let Trunk { socket, lanes, .. } = trunk;
    // The sessions end when the lanes are dropped, before the close frame is sent.
    drop(lanes);
    ws::end(socket, end).await;
}

impl Trunk {
    async fn deliver(&mut self, deliveries: &mut Vec<Delivery>) -> Result<(), End> {
        let (mut said, mut last) = (Vec::new(), (0, 0));
        for delivery in deliveries.drain(..) {
            if let Parcel::Messages(messages) = &delivery.what {
                let places = messages.iter().map(Told::place);
                last = places.fold(last, Ord::max);
            }
            if let Parcel::Roster(players) = &delivery.what {
                // Flushed first: earlier messages belong to the players who were seated then.
                self.flush(&mut said, last).await?;
                self.seated(players).await?;
                continue;
            }
            self.say(delivery, &mut said)?;
        }
        self.flush(&mut said, last).await
    }

    async fn flush(&mut self, said: &mut Vec<Down>, last: (u64, u64)) -> Result<(), End> {
        if said.is_empty() {
            return Ok(());
        }
        let mut told = self.cursor(last);
        while let Some(frame) = FromTable::next_frame(said, &mut told) {
            self.send(frame).await?;
        }
        Ok(())
    }

    async fn seated(&mut self, players: &[PlayerId]) -> Result<(), End> {
        self.send(FromTable::seated(players)).await
    }

    async fn send(&mut self, frame: Bytes) -> Result<(), End> {
        match timeout(WRITE, self.socket.send(Message::Binary(frame))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(None),
            Err(_) => Err(Some((CloseCode::SlowReader, "too slow"))),
        }
    }

    /// Seals the cursor for the next pod. Without a cursor, a loss of both memory and store would go unnoticed: an
    /// error in the log, and play continues.
    fn cursor(&self, (epoch, offset): (u64, u64)) -> Option<Cursor> {
        if offset == 0 {
            return None;
        }
        let sealed = self.sealer.seal(PURPOSE, epoch, offset, &[]);
        let seal = sealed.inspect_err(|error| tracing::error!(%error, "a cursor was not sealed")).ok()?;
        Some(Cursor { epoch, offset, seal })
    }

    async fn seen(&mut self, cursor: Cursor) {
        let Cursor { epoch, offset, seal } = cursor;
        match self.sealer.open(PURPOSE, epoch, offset, &seal) {
            Ok(_) => self.handle.input(Input::Seen { epoch, offset }).await,
            Err(error) => {
                tracing::error!(%error, epoch, offset, "a gateway brought a cursor that is none of ours");
            }
        }
    }

    fn say(&mut self, delivery: Delivery, said: &mut Vec<Down>) -> Result<(), End> {
        let Delivery { lanes, what, .. } = delivery;
        match what {
            Parcel::Messages(messages) => {
                for codec in Codec::ALL {
                    let speaks = |lane: &Lane| self.lanes.get(lane).is_some_and(|open| open.codec == codec);
                    let mut own = Vec::with_capacity(lanes.len());
                    own.extend(lanes.iter().copied().filter(speaks));
                    if own.is_empty() {
                        continue;
                    }
                    for message in &messages {
                        let bytes = message.encode(codec).map_err(|error| {
                            tracing::error!(%error, "a message could not be written");
                            Some((CloseCode::TryAgain, "internal error"))
                        })?;
                        said.push(Down::message(own.clone(), bytes));
                    }
                }
            }
            Parcel::End(code, reason) => {
                let lanes: Vec<Lane> =
                    lanes.into_iter().filter(|lane| self.lanes.remove(lane).is_some()).collect();
                if !lanes.is_empty() {
                    said.push(Down::end(lanes, code, reason));
                }
            }
            Parcel::Roster(_) => {}
        }
        Ok(())
    }

    async fn hear(&mut self, frame: Bytes) -> Result<(), End> {
        let malformed = Some((CloseCode::Protocol, "malformed frame"));
        let ToTable { said, seen } = ToTable::read(frame).map_err(|_| malformed)?;
        if let Some(seen) = seen {
            self.seen(seen).await;
        }
        let at = Instant::now();
        for Up { lane, body, rtt } in said {
            match body.ok_or(malformed)? {
                up::Body::Open(open) => {
                    let encoding = Encoding::try_from(open.encoding).map_err(|_| malformed)?;
                    let assertion = self.asserted.then_some(open.assertion);
                    // A text that is no traceparent counts as none.
                    let cause = open.traceparent.parse().ok();
                    self.open(lane, encoding.into(), assertion, cause)?;
                }
                up::Body::Message(bytes) => {
                    // A class of a later release is unknown to this one.
                    let rtt = RoundTrip::try_from(rtt).map(Rtt::from).unwrap_or_default();
                    self.pass_on(lane, FromPlayer::Said(Said { bytes, at, rtt }));
                }
                up::Body::Renew(renew) if self.asserted => {
                    self.pass_on(lane, FromPlayer::Renewed(renew.assertion));
                }
                up::Body::Renew(_) => return Err(malformed),
                up::Body::Gone(_) => drop(self.lanes.remove(&lane)),
            }
        }
        Ok(())
    }

    fn open(
        &mut self,
        lane: Lane,
        codec: Codec,
        assertion: Option<String>,
        cause: Option<TraceParent>,
    ) -> Result<(), End> {
        if self.lanes.contains_key(&lane) {
            return Err(Some((CloseCode::Protocol, "this lane is open")));
        }
        let full = self.lanes.len() >= LANES_MAX;
        let (say, heard) = queue::channel(HEARD_MAX);
        self.lanes.insert(lane, Open { codec, say });
        if full {
            self.end(lane, CloseCode::Crowded, "no room for more players");
            return Ok(());
        }
        let (outlet, handle, tokens) = (self.outlet.clone(), self.handle.clone(), self.tokens.clone());
        let session = Session { lane, codec, outlet, handle, tokens, assertion, heard };
        tokio::spawn(trace::within(cause, session.run()));
        Ok(())
    }

    /// Forwards a player's message to its lane. Messages to a lane that has ended were in flight, and are dropped.
    fn pass_on(&mut self, lane: Lane, said: FromPlayer) {
        let Some(open) = self.lanes.get_mut(&lane) else { return };
        if open.say.try_send(said).is_err_and(|error| error.is_full()) {
            self.end(lane, CloseCode::TryAgain, "too much waits to be read");
        }
    }

    fn end(&self, lane: Lane, code: CloseCode, reason: &str) {
        self.outlet.answer(lane, Parcel::End(code, reason.into()));
    }
}
