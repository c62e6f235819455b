//! State that survives a connection: the view, and commands without an answer. No I/O, no clock.
//!
//! Commands keep their ids when they are sent again, so the table applies each once. Entropy for the
//! deal is committed and revealed by the link itself.

use crate::{
    verify::{self, Unproven},
    view::{View, ViewError},
};
use purr_engine::{
    PlayerId, SeatIndex,
    deal::{Hash, commitment},
};
use purr_protocol::pb::{self, ErrorCode, client_message::Body as Ask, event::Kind, server_message::Body};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Commands without an answer. The table remembers twice as many ids of a player.
pub const PENDING_MAX: usize = 32;
/// Remembered ids of own attaches: as many as may still have sockets in flight.
const ATTACHES_MAX: usize = 64;
/// Wait after the table asked to slow down; a table accepts 20 messages a second.
const SLOW_DOWN: Duration = Duration::from_millis(500);

/// Too many commands wait for their answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{PENDING_MAX} commands wait for an answer already")]
pub struct Full;

/// An own command that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} ({code:?})", if message.is_empty() { "refused" } else { message.as_str() })]
pub struct Refused {
    pub code: ErrorCode,
    pub message: String,
    /// Least and most, where an amount was out of bounds.
    pub bounds: Option<(u64, u64)>,
    /// When a repetition may succeed, if the table says so.
    pub retry_after_ms: Option<u64>,
}

/// One own action, from sending to seeing its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    pub id: u64,
    /// When it was first handed to the socket.
    pub sent: Instant,
    /// When the events with the action arrived; `None` where they were part of a snapshot.
    pub shown: Option<Instant>,
    pub acked: Instant,
    /// The action was sent more than once, because the connection was lost.
    pub resent: bool,
}

/// A notification for a user of the library.
#[derive(Clone, Debug)]
pub enum Update {
    /// A connection stands; messages follow. `http`: a stream in place of a WebSocket.
    Connected { http: bool },
    /// The link reconnects by itself.
    Disconnected { reason: String, retry_in: Duration },
    /// Snapshot, events, or a word about the table; already checked to continue what came before.
    Message(Box<pb::ServerMessage>),
    /// The answer to a command.
    Answer { id: u64, result: Result<(), Refused> },
    /// An action was acknowledged; follows its answer.
    Acted(Timing),
    /// A hand has ended and its deal was checked: so many cards are proven.
    Checked { hand: u64, result: Result<usize, Unproven> },
    /// The link is closed for good; this is the reason.
    Ended(String),
}

struct Pending {
    message: pb::ClientMessage,
    /// The link's own command: its answer is nobody else's.
    automatic: bool,
    /// Sent on the current connection.
    sent: bool,
    first_sent: Option<Instant>,
    resent: bool,
    shown: Option<Instant>,
}

struct Revealed {
    hand: u64,
    /// The root that the table was bound to when this was revealed.
    root: Vec<u8>,
    entropy: Hash,
    id: u64,
    accepted: bool,
}

/// Bound to for the next hand.
struct Committed {
    id: u64,
    entropy: Hash,
    /// The table has taken it, at this offset.
    taken: Option<u64>,
}

/// Returns 256 bits from the operating system, or fixed ones in a test.
pub type EntropySource = Box<dyn FnMut() -> Option<Hash> + Send + Sync>;

pub struct Link {
    view: View,
    pending: VecDeque<Pending>,
    next_id: u64,
    entropy: EntropySource,
    committed: Option<Committed>,
    revealed: Option<Revealed>,
    /// The hand whose root was published without this player's commitment, although the table had accepted it.
    left_out: Option<u64>,
    quiet_until: Option<Instant>,
    attaches: VecDeque<u64>,
}

impl Link {
    /// `first_id` must be above every id that this player ever used at the table.
    pub fn new(own: PlayerId, first_id: u64, entropy: EntropySource) -> Self {
        Self {
            view: View::new(own),
            pending: VecDeque::new(),
            next_id: first_id,
            entropy,
            committed: None,
            revealed: None,
            left_out: None,
            quiet_until: None,
            attaches: VecDeque::new(),
        }
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    /// The first message of a new connection; all without an answer goes out again after it.
    pub fn attach(&mut self, token: &str) -> pb::ClientMessage {
        for pending in &mut self.pending {
            pending.resent |= pending.sent;
            pending.sent = false;
        }
        self.quiet_until = None;
        let attach = pb::Attach { token: token.to_owned(), resume: self.view.cursor() };
        let id = self.id();
        self.attaches.push_back(id);
        if self.attaches.len() > ATTACHES_MAX {
            self.attaches.pop_front();
        }
        pb::ClientMessage { id, body: Some(Ask::Attach(attach)) }
    }

    /// Whether this was an attach of this link. Then the close came from an earlier connection of its own, not from
    /// another window, and the link reconnects.
    pub fn attached_as(&self, id: u64) -> bool {
        self.attaches.contains(&id)
    }

    /// A message that is not sent again.
    pub fn once(&mut self, body: Ask) -> pb::ClientMessage {
        pb::ClientMessage { id: self.id(), body: Some(body) }
    }

    /// Takes a command up; its id names it in [`Update::Answer`].
    pub fn submit(&mut self, body: Ask) -> Result<u64, Full> {
        self.push(body, false)
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn push(&mut self, body: Ask, automatic: bool) -> Result<u64, Full> {
        if self.pending.len() >= PENDING_MAX {
            return Err(Full);
        }
        let id = self.id();
        let message = pb::ClientMessage { id, body: Some(body) };
        let (first_sent, shown) = (None, None);
        self.pending.push_back(Pending { message, automatic, sent: false, first_sent, resent: false, shown });
        Ok(id)
    }

    /// The next message to send now.
    pub fn transmit(&mut self, now: Instant) -> Option<pb::ClientMessage> {
        if self.quiet_until.is_some_and(|until| now < until) {
            return None;
        }
        self.quiet_until = None;
        let next = self.pending.iter_mut().find(|pending| !pending.sent)?;
        next.sent = true;
        next.first_sent.get_or_insert(now);
        Some(next.message.clone())
    }

    /// When [`Self::transmit`] may have something again although it had nothing.
    pub fn quiet_until(&self) -> Option<Instant> {
        self.quiet_until
    }

    /// Processes a message and returns the updates for the user.
    ///
    /// # Errors
    /// Where the message does not continue what was seen: connect again.
    pub fn receive(&mut self, message: pb::ServerMessage, now: Instant) -> Result<Vec<Update>, ViewError> {
        let seat_before = self.view.your_seat().map(|(seat, _)| seat);
        let ended_before = self.view.ended().map(|ended| ended.hand);
        self.view.apply(&message)?;
        let seat = self.view.your_seat().map(|(seat, _)| seat);
        let mut updates = Vec::new();
        match &message.body {
            Some(Body::Ack(ack)) => self.acked(*ack, now, &mut updates),
            Some(Body::Error(error)) => self.refused(error, now, &mut updates),
            Some(Body::Snapshot(snapshot)) => {
                let running = snapshot.hand.as_ref().map(|hand| hand.hand);
                let dealing = snapshot.dealing.as_ref().map(|dealing| dealing.hand);
                self.revealed = self.revealed.take().filter(|r| [running, dealing].contains(&Some(r.hand)));
                match &snapshot.dealing {
                    Some(dealing) => self.reveal(dealing, seat, message.offset),
                    // The fate of a commitment sent before the gap is unknown: it is sent again.
                    None => self.commit(),
                }
                updates.push(Update::Message(Box::new(message)));
            }
            Some(Body::Events(events)) => {
                for kind in events.events.iter().filter_map(|event| event.kind.as_ref()) {
                    self.event(kind, seat_before.or(seat), message.offset, now);
                }
                updates.push(Update::Message(Box::new(message)));
                updates.extend(self.check(ended_before, seat_before.or(seat)));
            }
            Some(Body::TablePaused(_) | Body::TableResumed(_) | Body::Said(_)) => {
                updates.push(Update::Message(Box::new(message)));
            }
            Some(Body::Pong(_) | Body::Closing(_)) | None => {}
        }
        Ok(updates)
    }

    /// Events are missing: the next attach asks for a snapshot.
    pub fn forget(&mut self) {
        self.view.forget();
    }

    fn event(&mut self, kind: &Kind, own: Option<SeatIndex>, offset: u64, now: Instant) {
        let is_own = |seat: u32| own.is_some_and(|own| u32::from(own.0) == seat);
        match kind {
            Kind::Acted(acted) if is_own(acted.seat) && !acted.timed_out => {
                let act = self.pending.iter_mut().find(|pending| {
                    let is_act = matches!(pending.message.body, Some(Ask::Act(_)));
                    is_act && pending.first_sent.is_some() && pending.shown.is_none()
                });
                if let Some(act) = act {
                    act.shown = Some(now);
                }
            }
            Kind::Deal(deal) if deal.reveals.is_empty() => self.reveal(deal, own, offset),
            // Entropy revealed for a deal that was given up is known: it must not count again.
            Kind::HandStarted(_) | Kind::DealVoided(_) => self.commit(),
            Kind::SatIn(at) if is_own(at.seat) && self.committed.is_none() => self.commit(),
            Kind::Seated(seated) if is_own(seated.seat) => self.commit(),
            Kind::Left(left) if is_own(left.seat) => {
                self.pending.retain(|pending| !pending.automatic);
                (self.committed, self.revealed) = (None, None);
            }
            _ => {}
        }
    }

    /// Binds oneself to new entropy, if one has a seat and no commitment is under way.
    fn commit(&mut self) {
        if self.view.your_seat().is_none() {
            return;
        }
        if let Some(Committed { id, .. }) = self.committed
            && self.pending.iter().any(|pending| pending.message.id == id)
        {
            return;
        }
        // Entropy that was never revealed is as good as new. The table may hold this commitment already and open the deal
        // before it reads another: it would wait for a reveal of the first in vain.
        let unrevealed = self.committed.take().map(|committed| committed.entropy);
        let Some(entropy) = unrevealed.or_else(|| (self.entropy)()) else {
            return tracing::warn!("no entropy: this player adds none to the next deal");
        };
        let commit = pb::CommitEntropy { commitment: commitment(&entropy).to_vec() };
        match self.push(Ask::CommitEntropy(commit), true) {
            Ok(id) => self.committed = Some(Committed { id, entropy, taken: None }),
            Err(error) => tracing::warn!(%error, "no entropy committed"),
        }
    }

    /// Reveals entropy only for the root that the table has published: revealed entropy cannot be used again.
    fn reveal(&mut self, deal: &pb::DealCommitted, own: Option<SeatIndex>, offset: u64) {
        let hand = deal.hand;
        let dealt = self.view.hand().map(|hand| hand.number) == Some(hand)
            || self.view.ended().is_some_and(|ended| ended.hand == hand);
        let Some(own) = own.filter(|_| !dealt) else { return };
        let Some(Committed { id, entropy, taken }) = self.committed.take() else { return };
        let hash = commitment(&entropy);
        let listed = deal.commitments.iter().find(|committed| committed.seat == u32::from(own.0));
        if listed.map(|committed| committed.commitment.as_slice()) != Some(&hash[..]) {
            // The commitment is still in flight, so it counts for the next hand; or it was accepted before the root and
            // left out.
            if taken.is_some_and(|at| at < offset) {
                self.left_out = Some(hand);
            }
            self.committed = Some(Committed { id, entropy, taken });
            return;
        }
        // Applied or not, this commitment has had its turn: sent again it would count for the hand after.
        self.pending.retain(|pending| pending.message.id != id);
        let reveal = pb::RevealEntropy { hand, entropy: entropy.to_vec() };
        match self.push(Ask::RevealEntropy(reveal), true) {
            Ok(id) => {
                let root = deal.root.clone();
                self.revealed = Some(Revealed { hand, root, entropy, id, accepted: false });
            }
            Err(error) => tracing::warn!(%error, "entropy not revealed"),
        }
    }

    fn take_pending(&mut self, id: u64) -> Option<Pending> {
        let at = self.pending.iter().position(|pending| pending.message.id == id)?;
        self.pending.remove(at)
    }

    fn acked(&mut self, ack: pb::Ack, now: Instant, updates: &mut Vec<Update>) {
        let pb::Ack { id, at_offset } = ack;
        let Some(pending) = self.take_pending(id) else { return };
        if let Some(committed) = self.committed.as_mut().filter(|committed| committed.id == id) {
            committed.taken = Some(at_offset);
        }
        if let Some(revealed) = self.revealed.as_mut().filter(|revealed| revealed.id == id) {
            // Sent again, the answer may mean an earlier time, but never that it was not taken.
            revealed.accepted = true;
        }
        if pending.automatic {
            return;
        }
        updates.push(Update::Answer { id, result: Ok(()) });
        if let (Some(Ask::Act(_)), Some(sent)) = (&pending.message.body, pending.first_sent) {
            let Pending { shown, resent, .. } = pending;
            updates.push(Update::Acted(Timing { id, sent, shown, acked: now, resent }));
        }
    }

    fn refused(&mut self, error: &pb::Error, now: Instant, updates: &mut Vec<Update>) {
        if error.code() == ErrorCode::RateLimited {
            if let Some(pending) = self.pending.iter_mut().find(|p| p.message.id == error.id) {
                pending.sent = false;
                self.quiet_until = Some(now + SLOW_DOWN);
            }
            return;
        }
        let Some(pending) = self.take_pending(error.id) else { return };
        if self.committed.as_ref().is_some_and(|committed| committed.id == error.id) {
            self.committed = None;
        }
        if self.revealed.as_ref().is_some_and(|revealed| revealed.id == error.id) {
            self.revealed = None;
        }
        if pending.automatic {
            return tracing::debug!(code = ?error.code(), message = error.message, "entropy not taken");
        }
        let refused = Refused {
            code: error.code(),
            message: error.message.clone(),
            bounds: error.min.zip(error.max),
            retry_after_ms: error.retry_after_ms,
        };
        updates.push(Update::Answer { id: error.id, result: Err(refused) });
    }

    fn check(&self, before: Option<u64>, seat: Option<SeatIndex>) -> Option<Update> {
        let ended = self.view.ended().filter(|ended| Some(ended.hand) != before)?;
        let hand = ended.hand;
        let revealed = self.revealed.as_ref().filter(|revealed| revealed.hand == hand);
        let own = revealed.filter(|r| r.accepted).and_then(|r| Some((seat?, r.entropy)));
        let root_changed =
            revealed.is_some_and(|revealed| ended.deal.root.is_some_and(|root| revealed.root != root));
        let left_out = seat.filter(|seat| self.left_out == Some(hand) && ended.deal.order.contains(seat));
        let result = match left_out {
            _ if root_changed => Err(Unproven::RootChanged),
            Some(seat) => Err(Unproven::CommitmentLeftOut(seat)),
            None => verify::deal(&ended.deal, own),
        };
        Some(Update::Checked { hand, result })
    }
}
