//! Connections of a table, and what each has yet to be sent.

use super::{
    message,
    outlet::{Outlet, Parcel, Told},
};
use crate::{
    core::{ConnectionId, Core, Shown},
    metrics::Metrics,
    snapshot,
};
use bytes::Bytes;
use purr_engine::PlayerId;
use purr_protocol::{
    CloseCode,
    codec::replaced,
    pb::{self, server_message::Body},
    trunk::Lane,
};
use purr_store::{LogBatch, Sealer};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};
/// Steps kept for clients that reconnect.
const LOG_MAX: usize = 512;
/// Most steps that a reconnecting spectator is sent; beyond it a snapshot costs less.
pub const GUEST_STEPS_MAX: u64 = 16;
/// Maximum number of players without a seat on one trunk.
const GUESTS_MAX: usize = 512;

/// The destination of a connection.
pub(super) struct Place {
    pub outlet: Outlet,
    pub lane: Lane,
}

struct Connection {
    player: PlayerId,
    place: Place,
    /// The player has a seat, or is taking or leaving one.
    seated: bool,
}

/// Lanes that get the same message, by outlet.
#[derive(Default)]
struct Audience<'a>(Vec<(&'a Outlet, Seats)>);

/// Lanes of one trunk: those with a seat first, so that nobody waits for spectators.
#[derive(Default)]
struct Seats {
    lanes: Vec<Lane>,
    seated: usize,
}

impl Seats {
    fn add(&mut self, lane: Lane, seated: bool) {
        self.lanes.push(lane);
        if seated {
            let last = self.lanes.len() - 1;
            self.lanes.swap(self.seated, last);
            self.seated += 1;
        }
    }
}

impl<'a> Audience<'a> {
    fn add(&mut self, connection: &'a Connection) {
        let Connection { place: Place { outlet, lane }, seated, .. } = connection;
        match self.0.iter_mut().find(|(known, _)| known.is(outlet)) {
            Some((_, seats)) => seats.add(*lane, *seated),
            None => {
                let mut seats = Seats::default();
                seats.add(*lane, *seated);
                self.0.push((outlet, seats));
            }
        }
    }

    /// How many outlets had no room.
    fn deliver(self, what: &Parcel) -> u64 {
        let full = self.0.into_iter().filter_map(|(outlet, seats)| {
            let fits = outlet.deliver(seats.lanes, what.clone());
            (!fits).then_some(())
        });
        full.count().try_into().unwrap_or(u64::MAX)
    }
}

pub(super) struct Connections {
    epoch: u64,
    next: ConnectionId,
    open: HashMap<ConnectionId, Connection>,
    /// The newest connection of each player.
    current: HashMap<PlayerId, ConnectionId>,
    /// Seated players, as gateways know them.
    roster: Arc<[PlayerId]>,
    /// Each step with the epoch under which it was shown.
    log: VecDeque<(u64, Shown)>,
}

impl Connections {
    /// Opens the logs of earlier epochs again, so that players can resume after a restart.
    pub(super) fn new(sealer: &Sealer, epoch: u64, stored: &[LogBatch]) -> Self {
        let open = |batch: &LogBatch| {
            let plain = sealer.open("log", batch.epoch, batch.commit, &batch.sealed).ok()?;
            Some((batch.epoch, snapshot::read_log(&plain).ok()?))
        };
        let log = stored.iter().filter_map(open).collect();
        let roster = Arc::new([]);
        Self { epoch, next: 0, open: HashMap::new(), current: HashMap::new(), roster, log }
    }

    pub(super) fn count(&self) -> i64 {
        i64::try_from(self.open.len()).unwrap_or(i64::MAX)
    }

    pub(super) fn is_current(&self, connection: ConnectionId) -> bool {
        self.open.get(&connection).is_some_and(|open| self.current.get(&open.player) == Some(&connection))
    }

    /// Updates the seated players. Each trunk gets them before anything else of this step.
    pub(super) fn seat(&mut self, roster: &Arc<[PlayerId]>) {
        self.roster = roster.clone();
        for connection in self.open.values_mut() {
            connection.seated = roster.contains(&connection.player);
            connection.place.outlet.seated(roster);
        }
    }

    /// Whether this trunk has the maximum number of players without a seat.
    pub(super) fn is_full(&self, outlet: &Outlet, player: PlayerId) -> bool {
        let guest =
            |open: &&Connection| !open.seated && open.place.outlet.is(outlet) && open.player != player;
        !self.roster.contains(&player) && self.open.values().filter(guest).count() >= GUESTS_MAX
    }

    /// Adds a connection. It first gets the steps since its cursor, or a snapshot if the cursor is too old.
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
        // A trunk without lanes has not been sent changes.
        place.outlet.seated(&self.roster);
        let seated = self.roster.contains(&player);
        let near = |cursor: &pb::Cursor| seated || offset.saturating_sub(cursor.offset) <= GUEST_STEPS_MAX;
        let missed = resume.filter(near).and_then(|cursor| self.missed(player, &cursor, offset));
        let first =
            missed.unwrap_or_else(|| vec![self.message(offset, Body::Snapshot(core.snapshot_for(player)))]);
        if let Some(old) = self.current.insert(player, connection).and_then(|old| self.open.remove(&old)) {
            let end = Parcel::End(CloseCode::Replaced, replaced::reason(id));
            old.place.outlet.answer(old.place.lane, end);
        }
        if !place.outlet.answer(place.lane, Parcel::Messages(first)) {
            metrics.slow_readers.inc();
        }
        self.open.insert(connection, Connection { player, place, seated });
        connection
    }

    fn message(&self, offset: u64, body: Body) -> Told {
        Told::Message(Arc::new(message(self.epoch, offset, body)))
    }

    fn events(&self, offset: u64, events: Bytes) -> Told {
        Told::Events { epoch: self.epoch, offset, events }
    }

    /// All events after the cursor in this player's view; `None` if the log does not reach that far back.
    fn missed(&self, player: PlayerId, cursor: &pb::Cursor, offset: u64) -> Option<Vec<Told>> {
        let reaches = self.log.front().is_some_and(|(_, oldest)| oldest.offset <= cursor.offset + 1);
        // A cursor of a later epoch or beyond the end belongs to a lost history. So does a cursor of an earlier epoch
        // if another epoch has shown something else under its number.
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
                // No bytes are a message without events.
                self.events(shown.offset, entry.map(|entry| entry.events.clone()).unwrap_or_default())
            })
            .collect();
        // The client learns its current epoch even if it missed nothing.
        messages.push(self.message(offset, Body::TableResumed(pb::TableResumed {})));
        Some(messages)
    }

    /// Removes a connection; returns the player if it was that player's last one.
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
        for connection in self.open.values() {
            let at = shown.entry_for(connection.player);
            if let Some(audience) = at.and_then(|at| audiences.get_mut(at)) {
                audience.add(connection);
            }
        }
        for (audience, entry) in audiences.into_iter().zip(&shown.entries) {
            if !audience.0.is_empty() {
                let told = Parcel::Messages(vec![self.events(shown.offset, entry.events.clone())]);
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
        if !place.outlet.answer(place.lane, answer) {
            metrics.slow_readers.inc();
        }
    }

    fn everybody(&self) -> Audience<'_> {
        let mut all = Audience::default();
        self.open.values().for_each(|connection| all.add(connection));
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
