//! Who is connected, and what each has still to be sent.

use super::message;
use crate::{
    core::{ConnectionId, Core, LogEntry, Shown},
    metrics::Metrics,
};
use purr_engine::PlayerId;
use purr_protocol::{
    CloseCode,
    codec::replaced,
    pb::{self, server_message::Body},
    trunk::Lane,
};
use purr_runtime::CancellationToken;
use purr_store::{LogBatch, Sealer};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};
use tokio::sync::mpsc::{
    self,
    error::{TryRecvError, TrySendError},
};

/// Deliveries waiting for one trunk; a reader slower than that is cut.
const DELIVERIES_MAX: usize = 1_024;
/// Steps kept for those who come back.
const LOG_MAX: usize = 512;

/// What some lanes of a trunk are given.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub lanes: Vec<Lane>,
    pub what: Parcel,
}

#[derive(Clone, Debug)]
pub enum Parcel {
    Messages(Vec<Arc<pb::ServerMessage>>),
    /// Nothing comes after it.
    End(CloseCode, String),
}

/// The way to the players of one trunk.
#[derive(Clone)]
pub struct Outlet {
    send: mpsc::Sender<Delivery>,
    cut: CancellationToken,
}

impl Outlet {
    /// `cut` is cancelled when deliveries are taken too slowly.
    pub fn new(cut: CancellationToken) -> (Self, mpsc::Receiver<Delivery>) {
        let (send, deliveries) = mpsc::channel(DELIVERIES_MAX);
        (Self { send, cut }, deliveries)
    }

    /// Says whether there was room. Without it the whole trunk ends: nobody misses one message and gets the next.
    pub fn deliver(&self, lanes: Vec<Lane>, what: Parcel) -> bool {
        let full = matches!(self.send.try_send(Delivery { lanes, what }), Err(TrySendError::Full(_)));
        if full {
            self.cut.cancel();
        }
        !full
    }
}

/// A connection that has its place at the table, of a player in this process.
pub struct Attached {
    pub connection: ConnectionId,
    pub outgoing: Inlet,
}

/// What a player in this process is given.
#[derive(Debug)]
pub enum Outgoing {
    Message(Box<pb::ServerMessage>),
    Close(CloseCode, String),
}

/// One player's deliveries, one by one.
pub struct Inlet {
    deliveries: mpsc::Receiver<Delivery>,
    waiting: VecDeque<Outgoing>,
}

impl From<mpsc::Receiver<Delivery>> for Inlet {
    fn from(deliveries: mpsc::Receiver<Delivery>) -> Self {
        Self { deliveries, waiting: VecDeque::new() }
    }
}

impl Inlet {
    fn take(&mut self, delivery: Delivery) {
        match delivery.what {
            Parcel::Messages(messages) => {
                let own = messages.into_iter().map(|message| Outgoing::Message(Box::new((*message).clone())));
                self.waiting.extend(own);
            }
            Parcel::End(code, reason) => self.waiting.push_back(Outgoing::Close(code, reason)),
        }
    }

    /// `None` when the connection has ended.
    pub async fn recv(&mut self) -> Option<Outgoing> {
        while self.waiting.is_empty() {
            let delivery = self.deliveries.recv().await?;
            self.take(delivery);
        }
        self.waiting.pop_front()
    }

    /// # Errors
    /// Where nothing is there, and where nothing will come.
    pub fn try_recv(&mut self) -> Result<Outgoing, TryRecvError> {
        while self.waiting.is_empty() {
            let delivery = self.deliveries.try_recv()?;
            self.take(delivery);
        }
        self.waiting.pop_front().ok_or(TryRecvError::Empty)
    }

    pub fn is_closed(&self) -> bool {
        self.waiting.is_empty() && self.deliveries.is_closed()
    }
}

/// Where a connection is reached.
pub(super) struct Place {
    pub outlet: Outlet,
    pub lane: Lane,
}

struct Connection {
    player: PlayerId,
    place: Place,
}

/// The lanes that are told the same, by outlet.
#[derive(Default)]
struct Audience<'a>(Vec<(&'a Outlet, Vec<Lane>)>);

impl<'a> Audience<'a> {
    fn add(&mut self, place: &'a Place) {
        let Place { outlet, lane } = place;
        match self.0.iter_mut().find(|(known, _)| known.send.same_channel(&outlet.send)) {
            Some((_, lanes)) => lanes.push(*lane),
            None => self.0.push((outlet, vec![*lane])),
        }
    }

    /// How many outlets had no room.
    fn deliver(self, what: &Parcel) -> u64 {
        let full = self.0.into_iter().filter(|(outlet, lanes)| !outlet.deliver(lanes.clone(), what.clone()));
        full.count().try_into().unwrap_or(u64::MAX)
    }
}

pub(super) struct Connections {
    epoch: u64,
    next: ConnectionId,
    open: HashMap<ConnectionId, Connection>,
    /// One connection a player: the newest.
    current: HashMap<PlayerId, ConnectionId>,
    /// Each with the epoch that it was shown under.
    log: VecDeque<(u64, Shown)>,
}

impl Connections {
    /// The log of the epochs before is opened again, so that a player can resume over a restart.
    pub(super) fn new(sealer: &Sealer, epoch: u64, stored: &[LogBatch]) -> Self {
        let open = |batch: &LogBatch| {
            let plain = sealer.open("log", batch.epoch, batch.commit, &batch.sealed).ok()?;
            Some((batch.epoch, serde_json::from_slice(&plain).ok()?))
        };
        let log = stored.iter().filter_map(open).collect();
        Self { epoch, next: 0, open: HashMap::new(), current: HashMap::new(), log }
    }

    pub(super) fn count(&self) -> i64 {
        i64::try_from(self.open.len()).unwrap_or(i64::MAX)
    }

    pub(super) fn is_current(&self, connection: ConnectionId) -> bool {
        self.open.get(&connection).is_some_and(|open| self.current.get(&open.player) == Some(&connection))
    }

    /// Takes a connection in. What it missed since its cursor comes first, or the whole table where
    /// that is too long ago.
    pub(super) fn attach(
        &mut self,
        player: PlayerId,
        resume: Option<pb::Cursor>,
        id: u64,
        place: Place,
        core: &Core,
        metrics: &Metrics,
    ) -> ConnectionId {
        self.next += 1;
        let connection = self.next;
        let offset = core.state().offset;
        let missed = resume.and_then(|cursor| self.missed(player, &cursor, offset));
        let first =
            missed.unwrap_or_else(|| vec![self.message(offset, Body::Snapshot(core.snapshot_for(player)))]);
        if let Some(old) = self.current.insert(player, connection).and_then(|old| self.open.remove(&old)) {
            let end = Parcel::End(CloseCode::Replaced, replaced::reason(id));
            old.place.outlet.deliver(vec![old.place.lane], end);
        }
        if !place.outlet.deliver(vec![place.lane], Parcel::Messages(first)) {
            metrics.slow_readers.inc();
        }
        self.open.insert(connection, Connection { player, place });
        connection
    }

    fn message(&self, offset: u64, body: Body) -> Arc<pb::ServerMessage> {
        Arc::new(message(self.epoch, offset, body))
    }

    /// Everything after the cursor in this player's view; `None` where the log does not reach back.
    fn missed(
        &self,
        player: PlayerId,
        cursor: &pb::Cursor,
        offset: u64,
    ) -> Option<Vec<Arc<pb::ServerMessage>>> {
        let reaches = self.log.front().is_some_and(|(_, oldest)| oldest.offset <= cursor.offset + 1);
        // A cursor of a later epoch or beyond the end belongs to a history that was lost, and so does one of an epoch before
        // the one that has told what is under its number: there the table took another way.
        let told =
            self.log.iter().rev().find(|(_, shown)| shown.offset == cursor.offset).map(|(epoch, _)| *epoch);
        let other = match told {
            Some(epoch) => epoch > cursor.epoch,
            None => cursor.offset > 0 && cursor.epoch < self.epoch,
        };
        if cursor.epoch > self.epoch
            || other
            || cursor.offset > offset
            || !(reaches || cursor.offset == offset)
        {
            return None;
        }
        let later = self.log.iter().filter(|(_, shown)| shown.offset > cursor.offset);
        let mut messages: Vec<_> = later
            .map(|(_, shown)| {
                let entry = shown.entry_for(player).and_then(|at| shown.entries.get(at));
                let events = entry.and_then(LogEntry::read).unwrap_or_default();
                self.message(shown.offset, Body::Events(events))
            })
            .collect();
        // Also where nothing was missed, the client learns the epoch that it is in now.
        messages.push(self.message(offset, Body::TableResumed(pb::TableResumed {})));
        Some(messages)
    }

    /// The player whose last connection this was.
    pub(super) fn detach(&mut self, connection: ConnectionId) -> Option<PlayerId> {
        let gone = self.open.remove(&connection)?;
        if self.current.get(&gone.player) == Some(&connection) {
            self.current.remove(&gone.player);
            return Some(gone.player);
        }
        None
    }

    /// Shows a durable step to everybody, each in their own view.
    pub(super) fn show(&mut self, shown: Shown, metrics: &Metrics) {
        let mut audiences: Vec<Audience<'_>> = shown.entries.iter().map(|_| Audience::default()).collect();
        for Connection { player, place } in self.open.values() {
            if let Some(audience) = shown.entry_for(*player).and_then(|at| audiences.get_mut(at)) {
                audience.add(place);
            }
        }
        for (audience, entry) in audiences.into_iter().zip(&shown.entries) {
            if let Some(events) = entry.read().filter(|_| !audience.0.is_empty()) {
                let told = Parcel::Messages(vec![self.message(shown.offset, Body::Events(events))]);
                metrics.slow_readers.inc_by(audience.deliver(&told));
            }
        }
        self.log.push_back((self.epoch, shown));
        if self.log.len() > LOG_MAX {
            self.log.pop_front();
        }
    }

    pub(super) fn reply(&mut self, to: ConnectionId, offset: u64, body: Body, metrics: &Metrics) {
        let Some(Connection { place, .. }) = self.open.get(&to) else { return };
        let answer = Parcel::Messages(vec![self.message(offset, body)]);
        if !place.outlet.deliver(vec![place.lane], answer) {
            metrics.slow_readers.inc();
        }
    }

    fn everybody(&self) -> Audience<'_> {
        let mut all = Audience::default();
        self.open.values().for_each(|connection| all.add(&connection.place));
        all
    }

    pub(super) fn tell_all(&mut self, offset: u64, body: &Body) {
        self.everybody().deliver(&Parcel::Messages(vec![self.message(offset, body.clone())]));
    }

    pub(super) fn close_all(&mut self, code: CloseCode, reason: &'static str) {
        self.everybody().deliver(&Parcel::End(code, reason.into()));
        self.open.clear();
        self.current.clear();
    }
}
