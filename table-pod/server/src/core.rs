//! The table's session as a function from inputs to [`Step`]s, without sockets, store or clock.
//!
//! The actor commits a step before any of it is shown (durable before visible).

mod adopt;
mod commands;
mod dealing;
mod floor;
mod hands;
mod ids;
mod rabbit;
mod render;
mod room;
mod seating;
mod talk;
mod timing;
mod waiting;
mod written;

use crate::core::dealing::{Dealing, Wish};
pub use crate::core::dealing::{Faults, WITHHELD_MAX};
pub use adopt::{AdoptError, Adopted};
pub use hands::Recording;
pub use ids::Ids;
use purr_engine::{
    Chips, Command, Event, Millis, PlayerId, SeatIndex, SeatSet, Table,
    deal::{Commitment, Reveal, SealedDeck},
    history::SeatStart,
};
use purr_protocol::{
    TableSpec,
    drain::DrainStatus,
    fairplay::FairPlaySealer,
    floor::{PausedBy, Window},
    pb::{self, VoidCause},
    permit::PermitDomain,
    settlement::{Entry, EntryBody, Notice, Reserve},
    summary::Holding,
    timing::ActionTiming,
};
use purr_store::{HandEntry, Sealer};
use rabbit::Rabbit;
pub use render::{LogEntry, Shown};
use room::Room;
use seating::Seating;
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};
use talk::Talk;
pub use timing::Arrival;
use timing::Thinking;
use waiting::Waiting;
use written::Written;

pub use waiting::ExitBounds;

/// Command ids remembered for each player.
const APPLIED_MAX: usize = 64;
/// Players whose ids are remembered: seats and those who left lately.
const APPLIED_PLAYERS_MAX: usize = 64;
/// With this many entries not accepted by the signer, no new hand starts.
const OUTBOX_MAX: usize = 128;

/// Room for the events of most steps.
const EVENTS: usize = 8;

/// A connection of a player, named by the shell; it never outlives a process.
pub type ConnectionId = u64;

/// An input of the session.
#[derive(Debug)]
pub enum Input {
    /// A player sent a message on this connection.
    Message {
        connection: ConnectionId,
        player: PlayerId,
        message: pb::ClientMessage,
    },
    Connected {
        player: PlayerId,
    },
    Disconnected {
        player: PlayerId,
    },
    /// Time has passed; the seed is 256 bits from the operating system, for a deal that may be due.
    Tick {
        seed: [u8; 32],
    },
    /// The signer's answer to [`Step::reserve`].
    Reserved {
        connection: ConnectionId,
        id: u64,
        request: Box<Reserve>,
        refused: Option<String>,
    },
    /// The signer has these entries in its journal.
    Accepted {
        through: u64,
    },
    /// News from the chain.
    Notices(Vec<Notice>),
    /// A player has seen the table up to this offset of this epoch.
    Seen {
        epoch: u64,
        offset: u64,
    },
    /// The vault's bounds on exits.
    ExitBounds(ExitBounds),
    /// The store could not be reached from `since` until now.
    Stalled {
        since: Millis,
    },
    /// Stop dealing; if the table is to be deleted, all players leave after the running hand.
    Drain {
        delete: bool,
    },
    /// No new hands until resumed.
    Pause {
        paused: bool,
    },
    /// Staff pauses the table, or ends that pause with `None`. Part of the state, unlike the owner's pause.
    StaffPause {
        pause: Option<PausedBy>,
    },
    /// Refuse new players until opened again.
    Close {
        closed: bool,
    },
}

/// The result of an input. If it is `dirty`, nothing of it may be shown before the state is durable.
#[derive(Debug, Default)]
pub struct Step {
    /// The state has changed and must be committed.
    pub dirty: bool,
    /// Events for all players at the table, each in their own view.
    pub shown: Option<Shown>,
    /// Answers to single connections.
    pub replies: Vec<(ConnectionId, pb::server_message::Body)>,
    /// Reservations to request from the signer; the answers come back as [`Input::Reserved`].
    pub reserve: Vec<(ConnectionId, u64, Reserve)>,
    /// New entries of the table's sequence.
    pub entries: Vec<Entry>,
    /// The record of a hand that ended.
    pub hand: Option<HandEntry>,
    /// For everybody who is attached, and nobody later.
    pub said: Vec<pb::Said>,
    /// Events to show besides the engine's.
    told: Vec<pb::event::Kind>,
}

/// The whole state of a table, as a take-over needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub table: Table,
    /// Offset of the last shown events.
    pub offset: u64,
    /// The last number of the table's sequence.
    pub sequence: u64,
    /// Number of the last entry that the chain has confirmed.
    pub confirmed: u64,
    /// Entries that the signer has not accepted yet.
    pub outbox: Vec<Entry>,
    /// The last news read from the signer.
    pub notice: u64,
    seating: Vec<Seating>,
    /// Players who asked on chain to leave for good and are still here, and after which number they did.
    #[serde(default)]
    exiting: BTreeMap<PlayerId, u64>,
    /// Players who are here and whose deposit has vanished from the chain: dealt no hands, and nothing leaves.
    #[serde(default)]
    frozen: BTreeSet<PlayerId>,
    applied: BTreeMap<PlayerId, Ids>,
    commitments: BTreeMap<SeatIndex, [u8; 32]>,
    /// Reveals withheld running.
    #[serde(default)]
    withheld: BTreeMap<SeatIndex, u32>,
    dealing: Option<Dealing>,
    deal: Option<Deal>,
    draining: bool,
    deleting: bool,
    /// New players are refused. This is part of the state, so that a successor never opens a closed table.
    #[serde(default)]
    closed: bool,
    /// Staff has paused the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_by: Option<PausedBy>,
    /// Number of hands that were void because their state was lost.
    pub hands_lost: u64,
    /// Number of deals that were void after a player had revealed entropy.
    #[serde(default)]
    pub deals_void: u64,
    /// Number of reveals that were committed to and never came.
    #[serde(default)]
    pub withheld_total: u64,
    /// Counts of both, by cause.
    #[serde(default, skip_serializing_if = "room::is_default")]
    pub faults: Faults,
    /// Players who sit out or leave once the hand of the published root is dealt.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    after_deal: BTreeMap<SeatIndex, Wish>,
    #[serde(default)]
    room: Room,
}

/// The deal of the running hand, and what has been shown of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Deal {
    sealed: SealedDeck,
    commitments: Vec<Commitment>,
    reveals: Vec<Reveal>,
    starts: Written<SeatStart>,
    events: Written<Event>,
    /// When it was dealt, in milliseconds since 1970, where this is known.
    #[serde(default)]
    started_at_ms: Option<u64>,
    /// One timing for each `Acted` event.
    #[serde(default, with = "purr_protocol::timing::packed")]
    timings: Vec<ActionTiming>,
}

/// One table.
pub struct Core {
    uid: String,
    epoch: u64,
    spec: TableSpec,
    state: State,
    sealer: Sealer,
    recording: Recording,
    /// Made once in an epoch, because a key agreement costs as much as several commits.
    fair_play: Option<FairPlaySealer>,
    thinking: Thinking,
    /// The domain that permits must be signed for; `None` with play money, where there is no contract.
    permits: Option<PermitDomain>,
    /// Seconds since 1970, as last set by the actor.
    unix_s: u64,
    now: Millis,
    /// Milliseconds since 1970 at `now` = 0, for records only; `None`: not set.
    epoch_ms: Option<u64>,
    /// Time at which the next hand starts if nothing prevents it.
    next_start: Option<Millis>,
    /// When the last hand ended at this process.
    hand_ended: Option<Millis>,
    /// Time before which no hand may start, counted from the end of the last one at the previous process. `None`: no
    /// such limit.
    rested_at: Option<Millis>,
    /// Players who were connected to the previous process and have not reconnected yet.
    awaited: SeatSet,
    /// Between two hands, in milliseconds.
    hand_gap_ms: Millis,
    /// How long players have to reveal their entropy, in milliseconds.
    reveal_ms: Millis,
    paused: bool,
    /// No hand starts until then, because a successor is taking over. A successor that fails costs no more than this
    /// time.
    handing_over: Option<Millis>,
    waiting: Waiting,
    /// Figures of the last hour for the floor.
    window: Window,
    /// The position at which this process took over.
    taken: Taken,
    /// Requests for seats that the signer has not answered yet. They are not part of the state that is stored.
    asking: Vec<Asking>,
    talk: Talk,
    /// What would have come in the last hand, where one may ask for that.
    rabbit: Option<Rabbit>,
}

/// The table as a process took it over.
struct Taken {
    offset: u64,
    /// The hand that ran or was being dealt.
    hand: Option<u64>,
    /// A player had seen later events.
    lost: bool,
}

/// A request for chips that the signer has not answered.
struct Asking {
    seat: SeatIndex,
    player: PlayerId,
    id: u64,
    /// Where the answer goes: the last connection that asked.
    connection: ConnectionId,
    /// The hold ends then.
    until: Millis,
    /// The request has ended: the answer will be discarded.
    over: bool,
}

/// How long no hand starts after a successor's last request for the table.
pub const HANDING_OVER_MS: Millis = 5_000;

/// Timings that are the server's, not the game's.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub hand_gap_ms: Millis,
    pub reveal_ms: Millis,
}

impl State {
    pub fn new(table: Table) -> Self {
        Self {
            table,
            offset: 0,
            sequence: 0,
            confirmed: 0,
            outbox: Vec::new(),
            notice: 0,
            seating: Vec::new(),
            exiting: BTreeMap::new(),
            frozen: BTreeSet::new(),
            applied: BTreeMap::new(),
            commitments: BTreeMap::new(),
            withheld: BTreeMap::new(),
            dealing: None,
            deal: None,
            draining: false,
            deleting: false,
            closed: false,
            paused_by: None,
            hands_lost: 0,
            deals_void: 0,
            withheld_total: 0,
            faults: Faults::default(),
            after_deal: BTreeMap::new(),
            room: Room::default(),
        }
    }

    /// The hand that runs or is being dealt.
    pub fn hand_under_way(&self) -> Option<u64> {
        let dealing = || self.dealing.as_ref().map(|dealing| dealing.hand);
        self.table.hand().map(|hand| hand.number).or_else(dealing)
    }

    /// Whether a deal or hand is under way to which players have revealed entropy, so that losing it makes it void.
    pub fn has_reveals(&self) -> bool {
        self.dealing.as_ref().is_some_and(Dealing::has_reveals)
            || self.deal.as_ref().is_some_and(|deal| !deal.reveals.is_empty())
    }
}

impl Core {
    /// Continues from a state with a new epoch: clocks restart, and all players are disconnected until they attach.
    pub fn new(epoch: u64, spec: TableSpec, state: State, sealer: Sealer, pace: Pace) -> Self {
        let uid = sealer.table().to_owned();
        let paused = spec.paused;
        let Pace { hand_gap_ms, reveal_ms } = pace;
        let taken = Taken { offset: state.offset, hand: state.hand_under_way(), lost: false };
        let mut core = Self {
            uid,
            epoch,
            spec,
            state,
            sealer,
            recording: Recording::default(),
            fair_play: None,
            thinking: Thinking::default(),
            permits: None,
            unix_s: 0,
            now: 0,
            epoch_ms: None,
            next_start: None,
            hand_ended: None,
            rested_at: None,
            awaited: SeatSet::default(),
            hand_gap_ms,
            reveal_ms,
            paused,
            handing_over: None,
            waiting: Waiting::default(),
            window: Window::default(),
            taken,
            asking: Vec::new(),
            talk: Talk::default(),
            rabbit: None,
        };
        // Clocks may change during a table's life; the terms that players signed for do not.
        core.state.table.set_clock(core.spec.engine.clock);
        // A drain was an order to the previous process; a deletion remains in force.
        core.state.draining = core.state.deleting;
        if let Some(dealing) = core.state.dealing.as_mut() {
            dealing.until = reveal_ms;
        }
        let chairs = (0u8..).map(SeatIndex).zip(core.state.table.seats());
        core.state.room.rebase();
        core.state
            .room
            .note_seated(chairs.filter_map(|(seat, chair)| Some((seat, chair.as_ref()?.sitting_out))));
        core
    }

    /// Sets the signer's figures about hands before this process: the age of the oldest in seconds, and the vault's
    /// bounds on exits.
    #[must_use]
    pub fn with_unsettled(mut self, unsettled_s: u64, exit: ExitBounds) -> Self {
        self.waiting.exit_bounds(exit);
        let outbox = &self.state.outbox;
        self.waiting.before(outbox.first().map_or(self.state.sequence, |first| first.seq - 1), unsettled_s);
        for entry in outbox.iter().filter(|entry| matches!(entry.body, EntryBody::Hand { .. })) {
            self.waiting.ended(entry.seq, 0);
        }
        self
    }

    /// Sets what every hand's record contains.
    #[must_use]
    pub fn with_recording(self, recording: Recording) -> Self {
        let fair_play = recording.fair_play_sealer(&self.sealer, self.epoch);
        Self { recording, fair_play, ..self }
    }

    /// Sets the wall clock for records: the current time, in milliseconds since 1970.
    pub fn set_wall_clock(&mut self, now: Millis, wall_ms: u64) {
        self.epoch_ms = Some(wall_ms.saturating_sub(now));
    }

    /// Permits are checked against this before a seat is held.
    #[must_use]
    pub fn with_permits(self, permits: Option<PermitDomain>) -> Self {
        Self { permits, ..self }
    }

    /// Seconds since 1970, for the deadlines of permits.
    pub fn tell_time(&mut self, unix_s: u64) {
        self.unix_s = unix_s;
    }

    /// The first step of a new epoch, which restarts the clocks. `events` are changes that the take-over itself has
    /// made.
    pub fn restart(&mut self, now: Millis, mut events: Vec<Event>) -> Step {
        self.now = now;
        let mut step = Step { dirty: true, ..Step::default() };
        self.command(Command::RestartClock, &mut events);
        let seated: Vec<SeatIndex> = (0..self.spec.engine.seats)
            .map(SeatIndex)
            .filter(|s| self.state.table.seat(*s).is_some())
            .collect();
        for seat in seated {
            if self.state.table.seat(seat).is_some_and(|chair| chair.connected) {
                self.awaited.insert(seat);
            }
            self.command(Command::Disconnected { seat }, &mut events);
        }
        if self.state.dealing.is_none() {
            self.carry_wishes(&mut events);
        }
        self.finish(&events, &mut step);
        self.forget_turn();
        step
    }

    /// Carries out one input.
    pub fn handle(&mut self, now: Millis, input: Input) -> Step {
        self.now = now.max(self.now);
        let mut step = Step::default();
        let mut events = Vec::with_capacity(EVENTS);
        match input {
            Input::Message { connection, player, message } => {
                self.message(connection, player, message, &mut events, &mut step);
            }
            Input::Connected { player } => self.set_connected(player, true, &mut events),
            Input::Disconnected { player } => self.set_connected(player, false, &mut events),
            Input::Tick { seed } => self.tick(&seed, &mut events, &mut step),
            Input::Reserved { connection, id, request, refused } => {
                self.reserved(connection, id, *request, refused, &mut step);
            }
            Input::Accepted { through } => {
                let before = self.state.outbox.len();
                self.state.outbox.retain(|entry| entry.seq > through);
                step.dirty |= self.state.outbox.len() != before;
            }
            Input::Notices(notices) => self.notices(&notices, &mut events, &mut step),
            Input::Seen { epoch, offset } if epoch < self.epoch => self.seen(offset, &mut events, &mut step),
            Input::Seen { .. } => {}
            Input::ExitBounds(bounds) => self.waiting.exit_bounds(bounds),
            Input::Stalled { since } => {
                let before = std::mem::replace(&mut self.now, since.min(now));
                self.command(Command::PauseClock, &mut events);
                self.now = before;
                self.command(Command::ResumeClock, &mut events);
                let pause = now.saturating_sub(since);
                self.state.room.stalled(pause, now);
                for asking in &mut self.asking {
                    asking.until = asking.until.saturating_add(pause);
                }
            }
            Input::Drain { delete } => {
                step.dirty |= !self.state.draining || (delete && !self.state.deleting);
                self.state.draining = true;
                self.state.deleting |= delete;
            }
            Input::Pause { paused } => self.paused = paused,
            Input::StaffPause { pause } => self.staff_pause(pause, &mut step),
            Input::Close { closed } => {
                step.dirty |= self.state.closed != closed;
                self.state.closed = closed;
            }
        }
        self.leave_who_must(&mut events);
        self.stand_up(&mut events, &mut step);
        self.finish(&events, &mut step);
        step
    }

    /// A player has seen events after the position of the take-over, which the store and the previous process have
    /// lost. The hand is not replayed from an earlier street: all bets are returned.
    fn seen(&mut self, offset: u64, events: &mut Vec<Event>, step: &mut Step) {
        if offset <= self.taken.offset || std::mem::replace(&mut self.taken.lost, true) {
            return;
        }
        let (taken, hand) = (self.taken.offset, self.taken.hand);
        tracing::error!(taken, seen = offset, ?hand, "what players have seen is lost");
        self.state.hands_lost += 1;
        step.dirty = true;
        if hand.is_none() || self.state.hand_under_way() != hand {
            return;
        }
        match self.state.dealing.take() {
            Some(dealing) => {
                self.deal_void(dealing.hand, dealing.has_reveals(), (VoidCause::StateLost, None), step);
                self.carry_wishes(events);
            }
            None => self.command(Command::VoidHand, events),
        }
    }

    /// Runs one engine command that no player asked for; a refusal is only logged.
    fn command(&mut self, command: Command, events: &mut Vec<Event>) {
        if let Err(refusal) = self.state.table.apply_into(self.now, command, events) {
            tracing::debug!(%refusal, "command refused");
        }
    }

    /// Finishes every step: turns ended hands into entries, and events into views.
    fn finish(&mut self, events: &[Event], step: &mut Step) {
        step.dirty |= !events.is_empty();
        self.watch(events);
        self.conclude(events, step);
        self.schedule();
        if step.dirty {
            self.state.room.committed(self.now);
        }
    }

    fn set_connected(&mut self, player: PlayerId, connected: bool, events: &mut Vec<Event>) {
        if let Some(seat) = self.state.table.seat_of(player) {
            self.awaited.remove(seat);
            let command =
                if connected { Command::Reconnected { seat } } else { Command::Disconnected { seat } };
            self.command(command, events);
        }
    }

    /// When [`Input::Tick`] is due next.
    pub fn next_deadline(&self) -> Option<Millis> {
        let dealing = self.state.dealing.as_ref().map(|dealing| dealing.until);
        let table = self.state.table.next_deadline();
        let handing_over = self.handing_over.filter(|until| *until > self.now);
        [table, self.next_start, dealing, self.room_deadline(), handing_over].into_iter().flatten().min()
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn uid(&self) -> &str {
        &self.uid
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn spec(&self) -> &TableSpec {
        &self.spec
    }

    /// Players with a seat, and those on the way to or from one; each once.
    pub fn players(&self) -> Vec<PlayerId> {
        let seated = self.state.table.seats().iter().flatten().map(|chair| chair.player);
        let mut players: Vec<PlayerId> =
            seated.chain(self.state.seating.iter().map(|held| held.player)).collect();
        players.sort_unstable();
        players.dedup();
        players
    }

    /// How long a seat is held while the signer is asked.
    pub fn hold_ms(&self) -> Millis {
        self.spec.room.hold_ms
    }

    /// The reason for which no hands are dealt; `None` when they are.
    pub fn holding(&self) -> Option<Cow<'static, str>> {
        let holding = self.held_by()?;
        Some(match (holding, &self.state.paused_by) {
            (Holding::Staff, Some(paused)) => format!("{}: {}", holding.text(), paused.reason).into(),
            _ => holding.text().into(),
        })
    }

    /// The reason why no hands are dealt, for programs.
    pub fn held_by(&self) -> Option<Holding> {
        if self.state.deleting {
            Some(Holding::Closing)
        } else if self.state.paused_by.is_some() {
            Some(Holding::Staff)
        } else if self.state.draining {
            Some(Holding::Moving)
        } else if self.paused {
            Some(Holding::Owner)
        } else if self.state.outbox.len() >= OUTBOX_MAX {
            Some(Holding::Outbox)
        } else if self.waiting.too_long(self.now) {
            Some(Holding::ChainLate)
        } else if self.waiting.too_many(self.state.sequence, self.state.confirmed) {
            Some(Holding::ChainBehind)
        } else {
            None
        }
    }

    /// Continues the pause of the previous process, which handed the table over between two hands. `at` is the end of
    /// the pause.
    pub const fn rests_until(&mut self, at: Millis) {
        self.rested_at = Some(at);
    }

    pub const fn hand_gap_ms(&self) -> Millis {
        self.hand_gap_ms
    }

    /// Time since the last hand ended here; `None`: none has ended here.
    pub fn rested(&self, now: Millis) -> Option<Millis> {
        self.hand_ended.map(|at| now.saturating_sub(at))
    }

    /// A successor asks for the table: no hand starts for [`HANDING_OVER_MS`].
    pub fn hand_over(&mut self, now: Millis) {
        self.now = now.max(self.now);
        self.handing_over = Some(self.now + HANDING_OVER_MS);
    }

    /// Whether no hand starts because a successor is taking over. Players are not notified, because it only lasts a
    /// moment.
    fn is_handing_over(&self) -> bool {
        self.handing_over.is_some_and(|until| until > self.now)
    }

    /// Whether a successor that takes over now interrupts no hand and no seat that is being asked for.
    pub fn is_free_to_go(&self) -> bool {
        self.is_handing_over()
            && self.state.hand_under_way().is_none()
            && !self.asking.iter().any(Asking::holds)
    }

    /// Whether the table is closed to new players.
    pub fn is_closed(&self) -> bool {
        self.state.closed
    }

    /// Number of players whose buy-in is at the signer or on its way to the table.
    pub fn arriving(&self) -> usize {
        let paying = self.state.seating.iter().filter(|held| held.is_sit()).count();
        paying + self.asking.len()
    }

    /// The state of a drain: whether a hand runs, the seated players, and entries that the signer does not have yet.
    pub fn drain_status(&self) -> DrainStatus {
        let hand_running = self.state.table.hand().is_some() || self.state.dealing.is_some();
        let seated = self.state.table.seats().iter().flatten().count() + self.state.seating.len();
        let unsettled = self.state.outbox.len();
        let empty = seated == 0 || !self.state.deleting;
        // A pending request for a seat may still become an entry.
        let settled = unsettled == 0 && !self.asking.iter().any(Asking::holds);
        let drained = self.state.draining && !hand_running && settled && empty;
        DrainStatus { drained, hand_running, seated, unsettled, asked: self.state.draining }
    }

    fn chips_of(&self, seat: SeatIndex) -> Chips {
        self.state.table.seat(seat).map_or(0, |chair| chair.stack + chair.pending)
    }
}
