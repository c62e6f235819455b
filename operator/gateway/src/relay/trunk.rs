//! One connection to a table's pod, shared by all players that this gateway has at the table.
//!
//! A player who reads slowly is cut off here and delays nobody: the trunk is always read.

use super::{Shared, from_pod::FromPod};
use crate::routing::Target;
use bytes::Bytes;
// One queue per player: tokio's reserves room for 32 messages at once, this one for each message as it arrives.
use futures::channel::mpsc as queue;
use futures::{
    FutureExt, SinkExt, StreamExt,
    future::{BoxFuture, Shared as Common},
};
use purr_engine::PlayerId;
use purr_protocol::{
    CloseCode, Codec,
    timing::Rtt,
    trunk::{ASSERTED, Cursor, Down, FromTable, Lane, SUBPROTOCOL, ToTable, Up, down},
};
use purr_runtime::{
    Role,
    client::dial,
    trace,
    ws::{self, Error, Message},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::{
        Notify,
        mpsc::{self, error::TrySendError},
    },
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{WebSocketStream, tungstenite::client::IntoClientRequest};

/// Messages of all players of a trunk that are not sent yet; senders wait when the queue is full.
const UP_MAX: usize = 1_024;
/// Messages of the table that wait for one player, more than an attach ever sends; a slower reader is cut off.
const LANE_MAX: usize = 1_024;

type Socket = WebSocketStream<TlsStream<TcpStream>>;
type Dialled = Common<BoxFuture<'static, Result<Trunk, Arc<str>>>>;

/// Most players in a table's report of seats: more than a table has, including those taking or leaving one.
const ROSTER_MAX: usize = 64;
/// Maximum number of cursors kept; beyond it, tables without a pod are evicted.
const CURSORS_MAX: usize = 20_000;

/// The trunks of this gateway, by table, and each table's last cursor.
#[derive(Default)]
pub(crate) struct Trunks {
    dialled: Mutex<HashMap<String, (Target, Dialled)>>,
    /// The last sealed cursor of each table. It outlives the pod and is sent to the next one.
    seen: Mutex<HashMap<String, Cursor>>,
}

impl Trunks {
    /// The trunk to this pod. Callers wait for one connection attempt.
    pub async fn to(&self, shared: &Arc<Shared>, uid: &str, target: &Target) -> Result<Trunk, Arc<str>> {
        let dialled = {
            let mut trunks = self.dialled.lock().unwrap_or_else(PoisonError::into_inner);
            let known = trunks.get(uid).filter(|(known, dialled)| {
                let serves = |answer: &Result<Trunk, _>| answer.as_ref().is_ok_and(Trunk::is_up);
                known == target && dialled.peek().is_none_or(serves)
            });
            if let Some((_, dialled)) = known {
                dialled.clone()
            } else {
                let dialled = dial_within(shared.clone(), uid.to_owned(), target.clone()).boxed().shared();
                trunks.insert(uid.to_owned(), (target.clone(), dialled.clone()));
                dialled
            }
        };
        dialled.await
    }

    /// Removes an ended trunk to free its memory; ended trunks are never reused anyway.
    fn forget(&self, uid: &str) {
        let mut trunks = self.dialled.lock().unwrap_or_else(PoisonError::into_inner);
        let over =
            |dialled: &Dialled| dialled.peek().is_some_and(|answer| !answer.as_ref().is_ok_and(Trunk::is_up));
        if trunks.get(uid).is_some_and(|(_, dialled)| over(dialled)) {
            trunks.remove(uid);
        }
    }
}

impl Trunks {
    fn has_seen(&self, uid: &str) -> Option<Cursor> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned()
    }

    /// Stores a table's cursor. `is_there` tells whether a table has a pod.
    fn told(&self, uid: &str, cursor: Cursor, is_there: impl Fn(&str) -> bool) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = seen.get_mut(uid) {
            *held = cursor;
            return;
        }
        if seen.len() >= CURSORS_MAX {
            seen.retain(|uid, _| is_there(uid));
        }
        if seen.len() < CURSORS_MAX {
            seen.insert(uid.to_owned(), cursor);
        }
    }
}

async fn dial_within(shared: Arc<Shared>, uid: String, target: Target) -> Result<Trunk, Arc<str>> {
    let dialling = async {
        let (mut socket, asserted) = connect(&shared, &uid, &target).await?;
        if let Some(cursor) = shared.trunks.has_seen(&uid) {
            socket.send(Message::Binary(ToTable::seen(cursor))).await?;
        }
        Ok::<_, Error>((socket, asserted))
    };
    let (socket, asserted) = timeout(shared.pace.connect, dialling)
        .await
        .map_err(|_| Arc::from("no answer in time"))?
        .map_err(|error| Arc::from(error.to_string()))?;
    let (send, said) = mpsc::channel(UP_MAX);
    let trunk = Trunk { up: send, common: Arc::default(), asserted };
    let now = Instant::now();
    let task =
        Task { shared, uid, target, socket, said, common: trunk.common.clone(), heard: now, pinged: now };
    tokio::spawn(task.run());
    Ok(trunk)
}

/// Connects; also returns whether the table verifies assertions, because it chooses that subprotocol if it can.
async fn connect(shared: &Shared, uid: &str, target: &Target) -> Result<(Socket, bool), Error> {
    let role = Role::Table(uid.to_owned());
    let stream = dial(&shared.identity, &target.address.to_string(), &role).await?;
    let mut request = format!("wss://{}/v1/tables/{uid}/trunk", target.address).into_client_request()?;
    let assertions = &shared.auth.assertions;
    let offered: &[&str] = match (assertions.keys.is_some(), assertions.access_tokens) {
        (true, true) => &[ASSERTED, SUBPROTOCOL],
        (true, false) => &[ASSERTED],
        (false, _) => &[SUBPROTOCOL],
    };
    let offered = http::HeaderValue::try_from(offered.join(", "))?;
    request.headers_mut().insert(http::header::SEC_WEBSOCKET_PROTOCOL, offered);
    let (socket, chosen) = ws::connect_choosing(ws::trunk_limits(), stream, request).await?;
    Ok((socket, chosen.as_deref() == Some(ASSERTED)))
}

/// State shared by a trunk's task and its players.
#[derive(Default)]
struct Ways {
    lanes: Mutex<Lanes>,
    /// Notifies that a lane was closed.
    gone: Notify,
}

#[derive(Default)]
struct Lanes {
    last: Lane,
    /// Seated players; `None` until the table has sent them.
    roster: Option<Vec<PlayerId>>,
    open: HashMap<Lane, Way>,
    /// Closed lanes that the table has not been notified of yet.
    gone: Vec<Lane>,
    /// Why the trunk has ended.
    ended: Option<Arc<str>>,
}

struct Way {
    codec: Codec,
    player: PlayerId,
    /// The last seat state sent to the player's relay.
    seated: Option<bool>,
    hear: queue::Sender<FromPod>,
}

impl Ways {
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A trunk for its players.
#[derive(Clone)]
pub(crate) struct Trunk {
    up: mpsc::Sender<Up>,
    common: Arc<Ways>,
    /// The table takes assertions, and no access tokens.
    asserted: bool,
}

impl Trunk {
    fn is_up(&self) -> bool {
        self.common.lock().ended.is_none()
    }

    /// A new lane, which the table does not know of yet. `None`: the trunk has ended.
    pub fn open(&self, codec: Codec, player: PlayerId) -> Option<OpenLane> {
        let mut lanes = self.common.lock();
        if lanes.ended.is_some() {
            return None;
        }
        lanes.last += 1;
        let lane = lanes.last;
        let (hear, heard) = queue::channel(LANE_MAX);
        let seated = lanes.roster.as_ref().map(|roster| roster.contains(&player));
        let mut way = Way { codec, player, seated, hear };
        if let Some(seated) = seated {
            let _ = way.hear.try_send(FromPod::Seat(seated));
        }
        lanes.open.insert(lane, way);
        drop(lanes);
        Some(OpenLane { trunk: self.clone(), lane, heard })
    }
}

/// One player's lane. Dropping it notifies the table.
pub(crate) struct OpenLane {
    trunk: Trunk,
    lane: Lane,
    heard: queue::Receiver<FromPod>,
}

impl Drop for OpenLane {
    fn drop(&mut self) {
        let mut lanes = self.trunk.common.lock();
        if lanes.open.remove(&self.lane).is_some() {
            lanes.gone.push(self.lane);
            drop(lanes);
            self.trunk.common.gone.notify_one();
        }
    }
}

impl OpenLane {
    /// Whether assertions prove the player's identity to the table.
    pub fn is_asserted(&self) -> bool {
        self.trunk.asserted
    }

    /// The lane's number in assertions.
    pub fn number(&self) -> Lane {
        self.lane
    }

    /// `assertion`: where the lane [is asserted](Self::is_asserted).
    ///
    /// # Errors
    /// Where the trunk has ended.
    pub async fn greet(&self, codec: Codec, assertion: Option<String>) -> Result<(), Gone> {
        let trace = trace::current().map(|step| step.to_string()).unwrap_or_default();
        let open = Up::open_asserted(self.lane, codec, assertion.unwrap_or_default()).traced(trace);
        self.trunk.up.send(open).await.map_err(|_| Gone)
    }

    /// # Errors
    /// As [`Self::say`].
    pub async fn renew(&self, assertion: String, wait: Duration) -> Result<(), Gone> {
        self.pass(Up::renew(self.lane, assertion), wait).await
    }

    /// # Errors
    /// Where the trunk has ended, and where it has taken nothing for so long.
    pub async fn say(&self, message: Bytes, rtt: Rtt, wait: Duration) -> Result<(), Gone> {
        self.pass(Up::message(self.lane, message).with_rtt(rtt), wait).await
    }

    async fn pass(&self, up: Up, wait: Duration) -> Result<(), Gone> {
        match self.trunk.up.try_send(up) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(Gone),
            // Boxed because it is rare: otherwise every player's task would reserve its memory.
            Err(TrySendError::Full(up)) => {
                let sent = Box::pin(timeout(wait, self.trunk.up.send(up))).await;
                sent.map_err(|_| Gone)?.map_err(|_| Gone)
            }
        }
    }

    /// Returns a message that has already arrived.
    pub fn has_heard(&mut self) -> Option<FromPod> {
        self.heard.try_recv().ok()
    }

    /// Receives the next message, or the reason for the end. Cancel-safe.
    pub async fn hears(&mut self) -> FromPod {
        if let Ok(heard) = self.heard.recv().await {
            return heard;
        }
        match &self.trunk.common.lock().ended {
            Some(why) => FromPod::Ended(None, why.to_string()),
            None => FromPod::too_slow(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the connection to the pod has ended")]
pub(crate) struct Gone;

/// Owns the socket.
struct Task {
    shared: Arc<Shared>,
    uid: String,
    target: Target,
    socket: Socket,
    said: mpsc::Receiver<Up>,
    common: Arc<Ways>,
    heard: Instant,
    pinged: Instant,
}

/// `Err` ends the trunk.
type Step = Result<(), Arc<str>>;

impl Task {
    async fn run(mut self) {
        let why = self.carry().await;
        tracing::debug!(%why, pod = self.target.pod, table = self.uid, "trunk ended");
        self.common.lock().end(why);
        self.shared.seats.ended(&self.uid);
        self.shared.trunks.forget(&self.uid);
        ws::end(self.socket, None).await;
    }

    async fn carry(&mut self) -> Arc<str> {
        let mut changed = self.shared.routes.subscribe();
        let mut said = Vec::new();
        loop {
            if self.shared.routes.read(|table| table.is_outdated(&self.uid, &self.target)) {
                return "the table has moved".into();
            }
            loop {
                let silent = self.pinged.max(self.heard) + self.shared.pace.pod_ping;
                let step = tokio::select! {
                    _ = changed.changed() => break,
                    frame = self.socket.next() => self.hear(frame),
                    // Without any sender left, the next ping ends the trunk.
                    _ = self.said.recv_many(&mut said, UP_MAX),
                        if !self.said.is_closed() || !self.said.is_empty() => self.say(&mut said).await,
                    () = self.common.gone.notified() => self.say(&mut said).await,
                    () = sleep_until(silent) => self.ping().await,
                };
                if let Err(why) = step {
                    return why;
                }
            }
        }
    }

    /// Sends the queued messages of all players. A player's messages go before the notice that the player's lane is
    /// closed.
    async fn say(&mut self, said: &mut Vec<Up>) -> Step {
        let gone = std::mem::take(&mut self.common.lock().gone);
        for _ in 0..UP_MAX {
            let Ok(more) = self.said.try_recv() else { break };
            said.push(more);
        }
        said.extend(gone.into_iter().map(Up::gone));
        while let Some(frame) = ToTable::next_frame(said) {
            self.send(Message::Binary(frame)).await?;
        }
        Ok(())
    }

    async fn send(&mut self, frame: Message) -> Step {
        match timeout(self.shared.pace.write, self.socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string().into()),
            Err(_) => Err("does not take messages".into()),
        }
    }

    async fn ping(&mut self) -> Step {
        if self.heard.elapsed() >= self.shared.pace.pod_idle {
            return Err("silent".into());
        }
        if self.common.lock().open.is_empty() {
            return Err("nobody needs it".into());
        }
        self.pinged = Instant::now();
        self.send(Message::Ping(Bytes::new())).await
    }

    fn hear(&mut self, frame: Option<Result<Message, Error>>) -> Step {
        self.heard = Instant::now();
        match frame {
            None => Err("ended".into()),
            Some(Err(error)) => Err(error.to_string().into()),
            Some(Ok(Message::Close(frame))) => {
                Err(frame.map_or("closed".into(), |frame| Arc::from(frame.reason.as_str())))
            }
            Some(Ok(Message::Binary(frame))) => {
                let FromTable { said, told, roster } =
                    FromTable::read(frame).map_err(|error| Arc::from(error.to_string()))?;
                let Shared { trunks, routes, seats, .. } = &*self.shared;
                let is_there = |uid: &str| routes.read(|tables| tables.known(uid).is_some());
                if let Some(told) = told {
                    trunks.told(&self.uid, told, is_there);
                }
                if said.iter().any(goes_away) {
                    // Forgets this pod first, so that players who reconnect do not choose it again.
                    routes.leave(&self.target.pod);
                    return Err("the table has moved".into());
                }
                let mut lanes = self.common.lock();
                if let Some(roster) = roster {
                    let players: Vec<PlayerId> = roster.players().take(ROSTER_MAX).collect();
                    lanes.seat(players.clone());
                    seats.told(&self.uid, players, is_there);
                }
                said.into_iter().for_each(|down| lanes.hand_out(down));
                let cut = !lanes.gone.is_empty();
                drop(lanes);
                if cut {
                    // Otherwise the table would go on sending to the closed lane until another player sends something.
                    self.common.gone.notify_one();
                }
                Ok(())
            }
            Some(Ok(_)) => Ok(()),
        }
    }
}

/// Whether a message says that the table's process ends, or has lost its table to a successor.
fn goes_away(down: &Down) -> bool {
    let code = CloseCode::GoingAway.code();
    matches!(&down.body, Some(down::Body::End(end)) if end.code == u32::from(code))
}

impl Lanes {
    fn end(&mut self, why: Arc<str>) {
        self.ended = Some(why);
        self.open.clear();
    }

    /// Stores the seated players of the table's report; notifies each relay whose player's state has changed.
    fn seat(&mut self, roster: Vec<PlayerId>) {
        let Self { open, gone, .. } = self;
        open.retain(|lane, way| {
            let seated = roster.contains(&way.player);
            let changed = way.seated.replace(seated) != Some(seated);
            let slow = changed && way.hear.try_send(FromPod::Seat(seated)).is_err();
            if slow {
                gone.push(*lane);
            }
            !slow
        });
        self.roster = Some(roster);
    }

    fn hand_out(&mut self, down: Down) {
        let Down { lanes, body: Some(body) } = down else { return };
        let Some(codec) = lanes.iter().find_map(|lane| self.open.get(lane)).map(|way| way.codec) else {
            return;
        };
        let (what, last) = match body {
            down::Body::Message(bytes) => (FromPod::message(codec, bytes), false),
            down::Body::End(end) => (FromPod::Ended(u16::try_from(end.code).ok(), end.reason), true),
        };
        for lane in lanes {
            let Some(way) = self.open.get_mut(&lane) else { continue };
            let slow = way.hear.try_send(what.clone()).is_err();
            if slow || last {
                self.open.remove(&lane);
            }
            if slow && !last {
                self.gone.push(lane);
            }
        }
    }
}
