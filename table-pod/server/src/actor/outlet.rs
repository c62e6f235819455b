//! The send queue of one trunk, bounded for each lane.
//!
//! **Guarantees.** A lane never misses one delivery and gets the next: a lane whose own answers pile up is closed, alone,
//! with [`CloseCode::SlowReader`]. Answers of one lane never close another one. The trunk ends only where what all lanes
//! are sent together piles up: then the gateway does not read.

use bytes::Bytes;
use prost::Message as _;
use purr_engine::PlayerId;
use purr_protocol::{CloseCode, Codec, CodecError, pb, trunk::Lane};
use purr_runtime::CancellationToken;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::mpsc::{self, error::TryRecvError};

/// Maximum number of deliveries to many lanes that wait for one trunk.
const SHARED_MAX: u32 = 1_024;
/// Maximum number of answers that wait for one lane: enough for all that its burst of messages may ask for, its attach
/// and its end.
const OWN_MAX: u32 = 64;

/// A delivery to some lanes of a trunk.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub lanes: Vec<Lane>,
    pub what: Parcel,
    /// Whether the delivery counts for its one lane instead of the trunk.
    own: bool,
}

/// A message to players.
#[derive(Clone, Debug)]
pub enum Told {
    Message(Arc<pb::ServerMessage>),
    /// Events in protobuf, as the log has them: for most players they are sent without being decoded and encoded again.
    Events {
        epoch: u64,
        offset: u64,
        events: Bytes,
    },
}

impl Told {
    /// Epoch and offset.
    pub fn place(&self) -> (u64, u64) {
        match self {
            Self::Message(message) => (message.epoch, message.offset),
            Self::Events { epoch, offset, .. } => (*epoch, *offset),
        }
    }

    /// # Errors
    /// Where this codec cannot write it.
    pub fn encode(&self, codec: Codec) -> Result<Bytes, CodecError> {
        match self {
            Self::Message(message) => codec.encode_server(message),
            Self::Events { epoch, offset, events } => codec.encode_events(*epoch, *offset, events),
        }
    }

    /// # Errors
    /// Where the events cannot be read.
    pub fn read(&self) -> Result<pb::ServerMessage, CodecError> {
        match self {
            Self::Message(message) => Ok((**message).clone()),
            Self::Events { epoch, offset, events } => {
                let body = Some(pb::server_message::Body::Events(pb::Events::decode(events.clone())?));
                Ok(pb::ServerMessage { epoch: *epoch, offset: *offset, body })
            }
        }
    }
}

#[derive(Clone, Debug)]
pub enum Parcel {
    Messages(Vec<Told>),
    /// The last message of a lane.
    End(CloseCode, String),
    /// For the gateway itself: the seated players.
    Roster(Arc<[PlayerId]>),
}

#[derive(Default)]
struct Load {
    shared: u32,
    /// Queued messages of lanes; `None`: the lane is closed because its queue was full.
    own: HashMap<Lane, Option<u32>>,
    /// The seated players as last sent to this trunk.
    roster: Option<Arc<[PlayerId]>>,
}

/// Queues deliveries for the players of one trunk.
#[derive(Clone)]
pub struct Outlet {
    send: mpsc::UnboundedSender<Delivery>,
    load: Arc<Mutex<Load>>,
    cut: CancellationToken,
}

/// The other end of an [`Outlet`].
pub struct Deliveries {
    waiting: mpsc::UnboundedReceiver<Delivery>,
    load: Arc<Mutex<Load>>,
}

fn held(load: &Mutex<Load>) -> MutexGuard<'_, Load> {
    load.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outlet {
    /// `cut` is cancelled when the trunk itself is not read.
    pub fn new(cut: CancellationToken) -> (Self, Deliveries) {
        // Bounded by the load, lane by lane.
        let (send, waiting) = mpsc::unbounded_channel();
        let load = Arc::<Mutex<Load>>::default();
        (Self { send, load: load.clone(), cut }, Deliveries { waiting, load })
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.send.same_channel(&other.send)
    }

    /// Records that the trunk's task has sent these seated players itself.
    pub fn was_told(&self, roster: Arc<[PlayerId]>) {
        held(&self.load).roster = Some(roster);
    }

    /// Queues the seated players, before all later deliveries, unless the trunk has them already.
    pub(super) fn seated(&self, roster: &Arc<[PlayerId]>) {
        let told = held(&self.load).roster.replace(roster.clone());
        if told.as_ref() != Some(roster) {
            self.deliver(Vec::new(), Parcel::Roster(roster.clone()));
        }
    }

    /// Queues a message for all of these lanes. Returns whether there was room; otherwise the trunk ends.
    pub fn deliver(&self, lanes: Vec<Lane>, what: Parcel) -> bool {
        {
            let mut load = held(&self.load);
            if load.shared >= SHARED_MAX {
                self.cut.cancel();
                return false;
            }
            load.shared += 1;
        }
        let _ = self.send.send(Delivery { lanes, what, own: false });
        true
    }

    /// Queues an answer to one lane. Returns whether there was room; if not, the lane is closed and gets nothing more.
    pub fn answer(&self, lane: Lane, what: Parcel) -> bool {
        let last = matches!(what, Parcel::End(..));
        let (what, fits) = {
            let mut load = held(&self.load);
            let Some(waiting) = load.own.entry(lane).or_insert(Some(0)) else { return false };
            let fits = *waiting < OWN_MAX || last;
            *waiting += 1;
            if !fits {
                load.own.insert(lane, None);
            }
            let end = || Parcel::End(CloseCode::SlowReader, "too many answers wait to be read".into());
            (if fits { what } else { end() }, fits)
        };
        let _ = self.send.send(Delivery { lanes: vec![lane], what, own: true });
        fits
    }
}

impl Deliveries {
    fn taken(&self, deliveries: &[Delivery]) {
        let mut load = held(&self.load);
        for delivery in deliveries {
            let Some(lane) = delivery.lanes.first().filter(|_| delivery.own) else {
                load.shared = load.shared.saturating_sub(1);
                continue;
            };
            let last = matches!(delivery.what, Parcel::End(..));
            match load.own.get_mut(lane) {
                Some(Some(waiting)) if *waiting > 1 && !last => *waiting -= 1,
                // A closed lane is removed with the delivery of its end, the last that waits for it.
                Some(None) if !last => {}
                _ => drop(load.own.remove(lane)),
            }
        }
    }

    /// Waits for the first delivery, then appends up to `most` waiting ones to `due`. Returns their number.
    pub async fn recv_many(&mut self, due: &mut Vec<Delivery>, most: usize) -> usize {
        let from = due.len();
        let count = self.waiting.recv_many(due, most).await;
        self.taken(due.get(from..).unwrap_or_default());
        count
    }

    /// `None` when the outlet is closed and empty.
    pub async fn recv(&mut self) -> Option<Delivery> {
        let delivery = self.waiting.recv().await?;
        self.taken(std::slice::from_ref(&delivery));
        Some(delivery)
    }

    /// # Errors
    /// Where nothing is there, and where nothing will come.
    pub fn try_recv(&mut self) -> Result<Delivery, TryRecvError> {
        let delivery = self.waiting.try_recv()?;
        self.taken(std::slice::from_ref(&delivery));
        Ok(delivery)
    }

    fn is_closed(&self) -> bool {
        self.waiting.is_closed()
    }
}

/// A message to a player in this process.
#[derive(Debug)]
pub enum Outgoing {
    Message(Box<pb::ServerMessage>),
    Close(CloseCode, String),
}

/// The receiving side of one player in this process.
pub struct Inlet {
    deliveries: Deliveries,
    waiting: VecDeque<Outgoing>,
}

impl From<Deliveries> for Inlet {
    fn from(deliveries: Deliveries) -> Self {
        Self { deliveries, waiting: VecDeque::new() }
    }
}

impl Inlet {
    fn take(&mut self, delivery: Delivery) {
        match delivery.what {
            Parcel::Messages(messages) => {
                let read = messages.iter().filter_map(|told| {
                    let message = told.read();
                    message.inspect_err(|error| tracing::error!(%error, "events cannot be read")).ok()
                });
                self.waiting.extend(read.map(|message| Outgoing::Message(Box::new(message))));
            }
            Parcel::End(code, reason) => self.waiting.push_back(Outgoing::Close(code, reason)),
            Parcel::Roster(_) => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pong() -> Parcel {
        let body = Some(pb::server_message::Body::Pong(pb::Pong {}));
        Parcel::Messages(vec![Told::Message(Arc::new(pb::ServerMessage { epoch: 0, offset: 0, body }))])
    }

    fn outlet() -> (Outlet, Deliveries, CancellationToken) {
        let cut = CancellationToken::new();
        let (outlet, deliveries) = Outlet::new(cut.clone());
        (outlet, deliveries, cut)
    }

    #[test]
    fn a_lane_that_asks_for_more_than_it_reads_is_closed_alone_with_a_reason() {
        let (outlet, mut deliveries, cut) = outlet();
        assert!((0..OWN_MAX).all(|_| outlet.answer(7, pong())));
        assert!(!outlet.answer(7, pong()) && !outlet.answer(7, pong()));
        assert!(outlet.answer(8, pong()) && outlet.deliver(vec![7, 8], pong()));
        assert!(!cut.is_cancelled(), "the trunk goes on");
        let mut ends = Vec::new();
        let mut count = 0;
        while let Ok(delivery) = deliveries.try_recv() {
            count += 1;
            if let Parcel::End(code, _) = delivery.what {
                ends.push((delivery.lanes, code));
            }
        }
        assert_eq!((count, ends), (OWN_MAX + 3, vec![(vec![7], CloseCode::SlowReader)]));
        assert!(held(&outlet.load).own.is_empty(), "nothing is kept of lanes for which nothing waits");
    }

    #[test]
    fn forty_lanes_with_full_bursts_take_nothing_from_the_others() {
        let (outlet, mut deliveries, cut) = outlet();
        for lane in 1..=40 {
            assert!((0..60).all(|_| outlet.answer(lane, pong())));
        }
        assert!(outlet.deliver(vec![41], pong()) && !cut.is_cancelled());
        let mut count = 0;
        while deliveries.try_recv().is_ok() {
            count += 1;
        }
        assert_eq!(count, 40 * 60 + 1);
    }

    #[test]
    fn a_trunk_that_nobody_reads_ends() {
        let (outlet, _deliveries, cut) = outlet();
        assert!((0..SHARED_MAX).all(|_| outlet.deliver(vec![1, 2], pong())));
        assert!(!cut.is_cancelled());
        assert!(!outlet.deliver(vec![1, 2], pong()) && cut.is_cancelled());
    }

    #[test]
    fn who_reads_has_room_again_and_an_end_always_has() {
        let (outlet, mut deliveries, _) = outlet();
        for _ in 0..10 * OWN_MAX {
            assert!(outlet.answer(7, pong()));
            deliveries.try_recv().unwrap();
        }
        assert!((0..OWN_MAX).all(|_| outlet.answer(7, pong())));
        assert!(outlet.answer(7, Parcel::End(CloseCode::Replaced, String::new())));
    }
}
