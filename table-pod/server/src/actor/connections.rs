//! Who is connected, and what each has still to be sent.

use super::message;
use crate::{
    core::{ConnectionId, Core, Shown},
    metrics::Metrics,
};
use purr_engine::PlayerId;
use purr_protocol::{
    CloseCode,
    pb::{self, server_message::Body},
};
use purr_store::{LogBatch, Sealer};
use std::collections::{HashMap, VecDeque};
use tokio::sync::mpsc::{self, error::TrySendError};

/// Messages waiting for one connection; a reader slower than that is cut.
pub const SEND_QUEUE_MAX: usize = 1_024;
/// Steps kept for those who come back.
const LOG_MAX: usize = 512;

/// What the socket's task is given.
#[derive(Debug)]
pub enum Outgoing {
    Message(Box<pb::ServerMessage>),
    Close(CloseCode, &'static str),
    /// By an attachment of the same player, asked for with this id.
    Replaced(u64),
}

/// A connection that has its place at the table.
pub struct Attached {
    pub connection: ConnectionId,
    pub outgoing: mpsc::Receiver<Outgoing>,
}

struct Connection {
    player: PlayerId,
    send: mpsc::Sender<Outgoing>,
}

pub(super) struct Connections {
    epoch: u64,
    next: ConnectionId,
    open: HashMap<ConnectionId, Connection>,
    /// One connection a player: the newest.
    current: HashMap<PlayerId, ConnectionId>,
    log: VecDeque<Shown>,
}

impl Connections {
    /// The log of the epochs before is opened again, so that a player can resume over a restart.
    pub(super) fn new(sealer: &Sealer, epoch: u64, stored: &[LogBatch]) -> Self {
        let open = |batch: &LogBatch| {
            let plain = sealer.open("log", batch.epoch, batch.commit, &batch.sealed).ok()?;
            serde_json::from_slice(&plain).ok()
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
        core: &Core,
    ) -> Option<Attached> {
        self.next += 1;
        let connection = self.next;
        let (send, outgoing) = mpsc::channel(SEND_QUEUE_MAX);
        let offset = core.state().offset;
        let missed = resume.and_then(|cursor| self.missed(player, &cursor, offset));
        let first: Vec<pb::ServerMessage> = missed
            .unwrap_or_else(|| vec![message(self.epoch, offset, Body::Snapshot(core.snapshot_for(player)))]);
        for message in first {
            send.try_send(Outgoing::Message(Box::new(message))).ok()?;
        }
        if let Some(old) = self.current.insert(player, connection).and_then(|old| self.open.remove(&old)) {
            let _ = old.send.try_send(Outgoing::Replaced(id));
        }
        self.open.insert(connection, Connection { player, send });
        Some(Attached { connection, outgoing })
    }

    /// Everything after the cursor in this player's view; `None` where the log does not reach back.
    fn missed(&self, player: PlayerId, cursor: &pb::Cursor, offset: u64) -> Option<Vec<pb::ServerMessage>> {
        let reaches = self.log.front().is_some_and(|oldest| oldest.offset <= cursor.offset + 1);
        // A cursor of a later epoch or beyond the end belongs to a history that was lost.
        if cursor.epoch > self.epoch || cursor.offset > offset || !(reaches || cursor.offset == offset) {
            return None;
        }
        let later = self.log.iter().filter(|shown| shown.offset > cursor.offset);
        let mut messages: Vec<pb::ServerMessage> = later
            .map(|shown| {
                let events = shown.for_player(player).unwrap_or_default();
                message(self.epoch, shown.offset, Body::Events(events))
            })
            .collect();
        // Also where nothing was missed, the client learns the epoch that it is in now.
        messages.push(message(self.epoch, offset, Body::TableResumed(pb::TableResumed {})));
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
        let everybody: Vec<(ConnectionId, PlayerId)> =
            self.open.iter().map(|(id, connection)| (*id, connection.player)).collect();
        for (id, player) in everybody {
            if let Some(events) = shown.for_player(player) {
                self.reply(id, shown.offset, Body::Events(events), metrics);
            }
        }
        self.log.push_back(shown);
        if self.log.len() > LOG_MAX {
            self.log.pop_front();
        }
    }

    pub(super) fn reply(&mut self, to: ConnectionId, offset: u64, body: Body, metrics: &Metrics) {
        let Some(connection) = self.open.get(&to) else { return };
        let outgoing = Outgoing::Message(Box::new(message(self.epoch, offset, body)));
        if let Err(TrySendError::Full(_)) = connection.send.try_send(outgoing) {
            // Dropping the sender ends the socket's task, which says why it closes.
            metrics.slow_readers.inc();
            self.open.remove(&to);
        }
    }

    pub(super) fn tell_all(&mut self, offset: u64, body: &Body) {
        for connection in self.open.values() {
            let _ = connection.send.try_send(Outgoing::Message(Box::new(message(
                self.epoch,
                offset,
                body.clone(),
            ))));
        }
    }

    pub(super) fn close_all(&mut self, code: CloseCode, reason: &'static str) {
        for (_, connection) in self.open.drain() {
            let _ = connection.send.try_send(Outgoing::Close(code, reason));
        }
        self.current.clear();
    }
}
