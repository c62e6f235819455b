//! The task that owns a table: handles inputs one by one, commits each step, and only then sends its events.

mod commit;
mod connections;
mod outbox;
mod outlet;

use crate::{
    core::{Adopted, Arrival, ConnectionId, Core, ExitBounds, Input, Pace, Recording, State, Step},
    metrics::Metrics,
    signer::{Signer, SignerError},
    snapshot::{self, Format},
};
use anyhow::{Context, bail};
use commit::Committer;
pub use commit::Stopped;
pub use connections::GUEST_STEPS_MAX;
use connections::{Connections, Place};
pub use outlet::{Deliveries, Delivery, Inlet, Outgoing, Outlet, Parcel, Told};
use purr_engine::{Millis, PlayerId, Table};
use purr_protocol::{
    Epoch, Settlement, TableSpec,
    drain::DrainStatus,
    floor::Floor,
    handover::HandedOver,
    pb,
    pb::server_message::Body,
    permit::{Domain, PermitDomain},
    settlement::{Entry, Fenced, OpenTable, TableStatus},
    summary::{Summary, Taken},
    timing::Rtt,
    trunk::Lane,
};
use purr_runtime::{
    CancellationToken, Readiness,
    trace::{self, TraceParent},
};
use purr_store::{Sealer, Sessions, Store};
use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::{Instant, sleep, sleep_until},
};

/// Inputs waiting for the actor; senders wait when it is full.
const INBOX_MAX: usize = 1_024;
/// Maximum number of waiting inputs from players without a seat, which are handled after all others.
const GUESTS_MAX: usize = 64;

/// Summaries between two floor reports.
const FLOOR_BEATS: u64 = 5;

/// A message to the actor.
pub enum Message {
    Input(Input),
    /// A player's request, with its arrival and trace context.
    Asked(Input, Arrival, Option<TraceParent>),
    /// A player's connection, with its resume cursor.
    Attach {
        player: PlayerId,
        resume: Option<pb::Cursor>,
        /// Id of the request that caused it; 0: unknown.
        id: u64,
        /// Where to send to the player.
        outlet: Outlet,
        lane: Lane,
        reply: oneshot::Sender<Result<ConnectionId, NotAttached>>,
    },
    Detach {
        connection: ConnectionId,
    },
    DrainStatus {
        reply: oneshot::Sender<DrainStatus>,
    },
    Taken {
        reply: oneshot::Sender<Vec<Taken>>,
    },
    Floor {
        reply: oneshot::Sender<Floor>,
    },
    /// A successor asks for the table. The answer is whether no hand runs.
    HandOver {
        reply: oneshot::Sender<HandedOver>,
    },
    /// A successor has taken over.
    Moved,
}

/// Why a player has no place at the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAttached {
    #[error("the table has stopped")]
    Stopped,
    #[error("there is no room for more spectators")]
    Crowded,
}

/// An attached connection of a player in this process.
pub struct Attached {
    pub connection: ConnectionId,
    pub outgoing: Inlet,
}

/// Sends inputs to a running table.
#[derive(Clone)]
pub struct Handle {
    inbox: mpsc::Sender<Message>,
    /// Requests of players without a seat. Seated players do not wait for them.
    guests: mpsc::Sender<Message>,
    /// Players with a seat.
    roster: watch::Receiver<Arc<[PlayerId]>>,
    changed: Arc<Notify>,
    /// Zero of the table's clock.
    started: Instant,
}

impl Handle {
    /// Attaches a player in this process (tests and bots). `None` when the table has stopped.
    pub async fn attach(&self, player: PlayerId, resume: Option<pb::Cursor>) -> Option<Attached> {
        self.attach_as(player, resume, 0).await
    }

    /// As [`Self::attach`], with the id of the request. The replaced connection is sent this id, so that a client
    /// recognises its own attach.
    pub async fn attach_as(&self, player: PlayerId, resume: Option<pb::Cursor>, id: u64) -> Option<Attached> {
        let (outlet, deliveries) = Outlet::new(CancellationToken::new());
        let connection = self.attach_on(&outlet, 0, player, resume, id).await.ok()?;
        Some(Attached { connection, outgoing: deliveries.into() })
    }

    /// Attaches a player who is reached by a lane of this outlet. Missed events are delivered first.
    pub async fn attach_on(
        &self,
        outlet: &Outlet,
        lane: Lane,
        player: PlayerId,
        resume: Option<pb::Cursor>,
        id: u64,
    ) -> Result<ConnectionId, NotAttached> {
        let (reply, answer) = oneshot::channel();
        let outlet = outlet.clone();
        let asked = Message::Attach { player, resume, id, outlet, lane, reply };
        self.queue_of(player).send(asked).await.map_err(|_| NotAttached::Stopped)?;
        answer.await.unwrap_or(Err(NotAttached::Stopped))
    }

    /// Whether this player has a seat, or is on the way to or from one.
    pub fn is_seated(&self, player: PlayerId) -> bool {
        self.roster.borrow().contains(&player)
    }

    /// All players with a seat.
    pub fn roster(&self) -> Arc<[PlayerId]> {
        self.roster.borrow().clone()
    }

    fn queue_of(&self, player: PlayerId) -> &mpsc::Sender<Message> {
        if self.is_seated(player) { &self.inbox } else { &self.guests }
    }

    /// A request of this connection's player, which arrived at `at`. Returns false if the player has no seat and too
    /// many requests of players without one are queued.
    pub async fn ask(
        &self,
        connection: ConnectionId,
        player: PlayerId,
        message: pb::ClientMessage,
        at: Instant,
        rtt: Rtt,
    ) -> bool {
        let at = Millis::try_from(at.duration_since(self.started).as_millis()).ok();
        let input = Input::Message { connection, player, message };
        let asked = Message::Asked(input, Arrival { at, rtt }, trace::current());
        if self.is_seated(player) {
            let _ = self.inbox.send(asked).await;
            return true;
        }
        !matches!(self.guests.try_send(asked), Err(mpsc::error::TrySendError::Full(_)))
    }

    pub async fn detach(&self, connection: ConnectionId) {
        let _ = self.inbox.send(Message::Detach { connection }).await;
    }

    pub async fn input(&self, input: Input) {
        let _ = self.inbox.send(Message::Input(input)).await;
    }

    pub async fn drain(&self, delete: bool) {
        self.input(Input::Drain { delete }).await;
    }

    pub async fn drain_status(&self) -> Option<DrainStatus> {
        let (reply, answer) = oneshot::channel();
        self.inbox.send(Message::DrainStatus { reply }).await.ok()?;
        answer.await.ok()
    }

    /// The seats that are taken or held.
    pub async fn taken(&self) -> Option<Vec<Taken>> {
        let (reply, answer) = oneshot::channel();
        self.inbox.send(Message::Taken { reply }).await.ok()?;
        answer.await.ok()
    }

    /// The table as operators see it; after all inputs that were sent before.
    pub async fn floor(&self) -> Option<Floor> {
        let (reply, answer) = oneshot::channel();
        self.inbox.send(Message::Floor { reply }).await.ok()?;
        answer.await.ok()
    }

    /// A successor asks for the table: no hand starts for some seconds. Answers as soon as none runs and at the latest
    /// after `wait`; `None` when the table has stopped.
    pub async fn hand_over(&self, wait: Duration) -> Option<HandedOver> {
        let end = Instant::now() + wait;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Enabled before the question, so that no change falls between the two.
            changed.as_mut().enable();
            let (reply, answer) = oneshot::channel();
            self.inbox.send(Message::HandOver { reply }).await.ok()?;
            let handed_over = answer.await.ok()?;
            if handed_over.free || tokio::time::timeout_at(end, changed).await.is_err() {
                return Some(handed_over);
            }
        }
    }

    /// Reports that a successor has taken over: the table stops in this process, and its players are redirected.
    pub async fn moved(&self) {
        let _ = self.inbox.send(Message::Moved).await;
    }

    /// Waits until the table has changed, at most a second.
    pub async fn changed(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.changed.notified()).await;
    }
}

/// Inputs of a take-over.
pub struct TakeOver {
    pub epoch: u64,
    pub spec: TableSpec,
    pub pace: Pace,
    pub sealer: Sealer,
    pub store: Arc<dyn Store>,
    pub signer: Arc<dyn Signer>,
    pub recording: Recording,
    /// How commits write the state. Any format is read.
    pub format: Format,
    /// Where summaries are published; `None` for a table on its own.
    pub sessions: Option<Arc<Sessions>>,
    pub metrics: Metrics,
    pub readiness: Readiness,
    pub open: OpenTable,
}

/// A running table.
pub struct Actor {
    core: Box<Core>,
    committer: Committer,
    connections: Connections,
    inbox: mpsc::Receiver<Message>,
    guests: mpsc::Receiver<Message>,
    handle: Handle,
    roster: watch::Sender<Arc<[PlayerId]>>,
    signer: Arc<dyn Signer>,
    sessions: Option<Arc<Sessions>>,
    metrics: Metrics,
    readiness: Readiness,
    outbox: watch::Sender<outbox::Pending>,
    started: Instant,
    beat: u64,
    open: OpenTable,
    settlement_open: bool,
    /// Requests wait until gateways have had time to send the cursors that their players have seen.
    hold: Option<Hold>,
}

struct Hold {
    since: Millis,
    until: Instant,
    asked: Vec<(Input, Arrival)>,
}

/// Wait after a take-over in a hand from a store that may have lost a part of it.
const HOLD: Duration = Duration::from_secs(1);
/// Most requests that wait meanwhile; further players have to ask again.
const HELD_MAX: usize = 256;
/// Limit for requests of players without a seat; the rest of the room is for seated players.
const HELD_GUESTS_MAX: usize = 64;

impl Actor {
    /// Fences the predecessor at the signer and in Redis, reads the table's state and continues from it.
    ///
    /// # Errors
    /// Where another process has a higher epoch, and where Redis has lost a table that the signer
    /// knows: such a table must not start from nothing.
    pub async fn take_over(what: TakeOver) -> anyhow::Result<Self> {
        // Boxed, because the future holds the whole state of a table.
        Box::pin(Self::taken_over(what)).await
    }

    async fn taken_over(what: TakeOver) -> anyhow::Result<Self> {
        let TakeOver {
            epoch,
            spec,
            pace,
            sealer,
            store,
            signer,
            recording,
            format,
            sessions,
            metrics,
            readiness,
            open,
        } = what;
        let (fenced, status) = loop {
            // A new table has to be known before it can be fenced; a known one takes the same terms again.
            let fenced = match signer.open(&open).await {
                Ok(status) => signer.fence(epoch).await.map(|fenced| (fenced, status)),
                Err(error) => Err(error),
            };
            match fenced {
                Ok(answers) => break answers,
                Err(error @ SignerError::Unavailable(_)) => {
                    readiness.not_ready("take-over", error.to_string());
                    sleep(Duration::from_secs(1)).await;
                }
                Err(error) => bail!("signer: {error}"),
            }
        };
        let permits = permit_domain(&spec, &status)?;
        let recovered = loop {
            match store.take_over(sealer.table(), epoch).await {
                Ok(recovered) => break recovered,
                Err(error) if error.is_retryable() => {
                    readiness.not_ready("take-over", error.to_string());
                    sleep(Duration::from_millis(500)).await;
                }
                Err(error) => return Err(error).context("take-over"),
            }
        };
        let mut state = match snapshot::open(&sealer, &recovered)? {
            Some(state) => state,
            None if fenced.head_seq > 0 => {
                bail!("the store has no table, but the signer has its entry {}", fenced.head_seq)
            }
            None => State::new(Table::new(spec.engine.clone())?),
        };
        // The signer's journal outranks Redis: its entries came from a process that knew more.
        let mut events = Vec::new();
        if fenced.head_seq > state.sequence {
            let (signer_head, store_head) = (fenced.head_seq, state.sequence);
            tracing::error!(signer_head, store_head, "commits were lost: adopting the signer's head");
            let adopted = adopt(state, &fenced, &*signer, &readiness).await?;
            (state, events) = (adopted.state, adopted.events);
        }
        let last = (recovered.commit, recovered.epoch);
        let doubtful = recovered.moved && state.hand_under_way().is_some();
        let committer = Committer::new(store, sealer.clone(), format, epoch, last, metrics.clone());
        let connections = Connections::new(&sealer, epoch, &recovered.log);
        let core = Core::new(epoch, spec, state, sealer, pace)
            .with_recording(recording)
            .with_permits(permits)
            .with_unsettled(fenced.unsettled_s, ExitBounds::from(&status));
        let (inbox_of, inbox) = mpsc::channel(INBOX_MAX);
        let (guests_of, guests) = mpsc::channel(GUESTS_MAX);
        let (roster, roster_of) = watch::channel(Arc::from([]));
        let started = Instant::now();
        let handle = Handle {
            inbox: inbox_of,
            guests: guests_of,
            roster: roster_of,
            changed: Arc::default(),
            started,
        };
        let (outbox, _) = watch::channel(outbox::Pending::default());
        let mut actor = Self {
            core: Box::new(core),
            committer,
            connections,
            inbox,
            guests,
            handle,
            roster,
            signer,
            sessions,
            metrics,
            readiness,
            outbox,
            started,
            beat: 0,
            open,
            settlement_open: false,
            hold: None,
        };
        // The first write with the new epoch: the predecessor cannot write any more.
        let step = actor.core.restart(0, events);
        actor.commit_and_show(step).await.context("while taking over")?;
        if doubtful {
            tracing::warn!("the store may have lost something: waiting for what gateways have seen");
            actor.hold = Some(Hold { since: actor.now(), until: Instant::now() + HOLD, asked: Vec::new() });
        }
        actor.readiness.ready("take-over");
        Ok(actor)
    }

    /// Continues the pause after the last hand, which ended at the process that handed the table over.
    #[must_use]
    pub fn after_hand(mut self, ended: Instant) -> Self {
        let rested = ended + Duration::from_millis(self.core.hand_gap_ms());
        let at = rested.saturating_duration_since(self.started).as_millis();
        self.core.rests_until(Millis::try_from(at).unwrap_or(Millis::MAX));
        self
    }

    /// Sets the wall clock for records: the current time, in milliseconds since 1970.
    #[must_use]
    pub fn with_wall_clock(mut self, wall_ms: u64) -> Self {
        let now = self.now();
        self.core.set_wall_clock(now, wall_ms);
        self
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.started.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// Runs until `end`.
    ///
    /// # Errors
    /// [`Stopped`]: where the table cannot go on in this process. Nothing is written after that.
    pub async fn run(mut self, end: CancellationToken) -> Result<(), Stopped> {
        // Tasks started here end with this one, however it ends.
        let end = end.child_token();
        let _guard = end.clone().drop_guard();
        tokio::spawn(outbox::deliver(
            self.handle(),
            self.signer.clone(),
            self.outbox.subscribe(),
            end.clone(),
        ));
        tokio::spawn(outbox::listen(
            self.handle(),
            self.signer.clone(),
            self.core.state().notice,
            self.core.state().confirmed,
            end.clone(),
        ));
        let mut summary = tokio::time::interval(Duration::from_secs(1));
        summary.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let due = match &self.hold {
                Some(hold) => Some(hold.until),
                None => self.core.next_deadline().map(|at| self.started + Duration::from_millis(at)),
            };
            let message = tokio::select! {
                () = end.cancelled() => break,
                message = next(&mut self.inbox, &mut self.guests) => message,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    if let Some(hold) = self.hold.take() {
                        self.release(hold).await?;
                        continue;
                    }
                    let mut seed = [0; 32];
                    if let Err(error) = getrandom::fill(&mut seed) {
                        tracing::error!(%error, "no entropy: no hand is dealt");
                        sleep(Duration::from_secs(1)).await;
                        continue;
                    }
                    Some(Message::Input(Input::Tick { seed }))
                }
                _ = summary.tick() => {
                    self.publish();
                    self.open_settlement();
                    continue;
                }
            };
            let Some(message) = message else { break };
            if let Err(stopped) = self.take(message).await {
                self.readiness.not_ready("fencing", stopped.to_string());
                self.connections.close_all(purr_protocol::CloseCode::GoingAway, "the table has moved");
                return Err(stopped);
            }
        }
        self.connections.close_all(purr_protocol::CloseCode::GoingAway, "the table moves");
        Ok(())
    }

    /// Handles the requests that players sent meanwhile. The time of this wait is taken from nobody's turn.
    async fn release(&mut self, hold: Hold) -> Result<(), Stopped> {
        let step = self.core.handle(self.now(), Input::Stalled { since: hold.since });
        self.commit_and_show(step).await?;
        for (input, arrival) in hold.asked {
            self.carry_out(input, arrival).await?;
        }
        Ok(())
    }

    async fn take(&mut self, message: Message) -> Result<(), Stopped> {
        match message {
            Message::Input(input @ Input::Message { .. }) => self.asked(input, Arrival::default()).await,
            Message::Asked(input, arrival, cause) => trace::within(cause, self.asked(input, arrival)).await,
            Message::Input(input) => self.carry_out(input, Arrival::default()).await,
            Message::Attach { player, resume, id, outlet, lane, reply } => {
                if self.connections.is_full(&outlet, player) {
                    let _ = reply.send(Err(NotAttached::Crowded));
                    return Ok(());
                }
                let place = Place { outlet, lane };
                let attached = self.connections.attach(player, resume, id, place, &self.core, &self.metrics);
                let _ = reply.send(Ok(attached));
                self.metrics.connected.set(self.connections.count());
                self.carry_out(Input::Connected { player }, Arrival::default()).await
            }
            Message::Detach { connection } => {
                let gone = self.connections.detach(connection);
                self.metrics.connected.set(self.connections.count());
                match gone {
                    Some(player) => self.carry_out(Input::Disconnected { player }, Arrival::default()).await,
                    None => Ok(()),
                }
            }
            Message::Floor { reply } => {
                let _ = reply.send(self.core.floor());
                Ok(())
            }
            Message::DrainStatus { reply } => {
                let _ = reply.send(self.core.drain_status());
                Ok(())
            }
            Message::Taken { reply } => {
                let _ = reply.send(self.core.seats_taken());
                Ok(())
            }
            Message::HandOver { reply } => {
                let now = self.now();
                self.core.hand_over(now);
                let (free, rested_ms) = (self.core.is_free_to_go(), self.core.rested(now));
                let _ = reply.send(HandedOver { free, rested_ms });
                Ok(())
            }
            Message::Moved => {
                tracing::info!(epoch = self.core.epoch(), "a successor has taken over");
                Err(Stopped::Fenced)
            }
        }
    }

    async fn asked(&mut self, input: Input, arrival: Arrival) -> Result<(), Stopped> {
        let Some(hold) = self.hold.as_mut() else { return self.carry_out(input, arrival).await };
        let guest = matches!(&input, Input::Message { player, .. } if !self.handle.is_seated(*player));
        if hold.asked.len() < if guest { HELD_GUESTS_MAX } else { HELD_MAX } {
            hold.asked.push((input, arrival));
        }
        Ok(())
    }

    async fn carry_out(&mut self, input: Input, arrival: Arrival) -> Result<(), Stopped> {
        if let Input::Message { connection, .. } = &input
            && !self.connections.is_current(*connection)
        {
            // The connection was replaced by another one.
            return Ok(());
        }
        let before = self.now();
        if matches!(input, Input::Message { .. }) {
            self.core.tell_time(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        }
        let counts = matches!(input, Input::Message { .. });
        let step = self.core.handle_arrived(before, arrival, input);
        let counts = counts && step.dirty;
        self.commit_and_show(step).await?;
        if counts {
            self.metrics.actions.inc();
            // Measured at the socket if possible, so that waiting for the actor counts.
            let since = Duration::from_millis(arrival.at.unwrap_or(before));
            self.metrics.action_seconds.observe(self.started.elapsed().saturating_sub(since).as_secs_f64());
        }
        // A long stop is nobody's thinking time.
        let now = self.now();
        if now.saturating_sub(before) > commit::STALL_MS {
            let step = self.core.handle(now, Input::Stalled { since: before });
            return self.commit_and_show(step).await;
        }
        Ok(())
    }

    async fn commit_and_show(&mut self, step: Step) -> Result<(), Stopped> {
        if step.dirty {
            self.committer.commit(&self.core, &step, &mut self.connections).await?;
        }
        if step.hand.is_some() {
            self.metrics.hands.inc();
        }
        if step.dirty {
            self.seat();
        }
        if let Some(shown) = step.shown {
            self.connections.show(shown, &self.metrics);
            self.core.sent(self.now());
        }
        for said in step.said {
            self.connections.tell_all(self.core.state().offset, &Body::Said(said));
        }
        for (connection, body) in step.replies {
            self.connections.reply(connection, self.core.state().offset, body, &self.metrics);
        }
        for (connection, id, request) in step.reserve {
            let hold = Duration::from_millis(self.core.hold_ms());
            let asked = outbox::reserve(self.handle(), self.signer.clone(), connection, id, request, hold);
            tokio::spawn(trace::within(trace::current(), asked));
        }
        let pending = &self.core.state().outbox;
        self.metrics.outbox.set(i64::try_from(pending.len()).unwrap_or(i64::MAX));
        let state = self.core.state();
        for (gauge, count) in [
            (&self.metrics.hands_lost, state.hands_lost),
            (&self.metrics.deals_void, state.deals_void),
            (&self.metrics.entropy_withheld, state.withheld_total),
        ] {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.metrics.set_faults(&state.faults);
        self.outbox.send_if_modified(|held| held.update(self.core.epoch(), pending));
        self.handle.changed.notify_waiters();
        Ok(())
    }

    /// Tells the outlets who has a seat, if that has changed.
    fn seat(&mut self) {
        let players = self.core.players();
        if **self.roster.borrow() != *players {
            let players = Arc::from(players);
            self.connections.seat(&players);
            self.roster.send_replace(players);
        }
    }

    /// Tells the signer of the table, until it is open on chain.
    fn open_settlement(&mut self) {
        if std::mem::replace(&mut self.settlement_open, true) {
            return;
        }
        let (signer, open, handle) = (self.signer.clone(), self.open.clone(), self.handle());
        tokio::spawn(async move {
            loop {
                match signer.open(&open).await {
                    Ok(status) if status.state == purr_protocol::settlement::TableState::Open => {
                        handle.input(Input::ExitBounds(ExitBounds::from(&status))).await;
                        break;
                    }
                    Ok(_) => {}
                    Err(SignerError::Fenced) => break,
                    Err(error) => tracing::warn!(%error, "table not open at the signer"),
                }
                sleep(Duration::from_secs(1)).await;
            }
        });
    }

    /// Publishes a short summary of the table for status and lobby; it may be lost.
    fn publish(&mut self) {
        let Some(sessions) = self.sessions.clone() else { return };
        self.beat += 1;
        let (state, config) = (self.core.state(), &self.core.spec().engine);
        let summary = Summary {
            uid: self.core.uid().to_owned(),
            name: self.core.spec().name.clone(),
            epoch: Epoch::from_number(self.core.epoch()),
            seats: config.seats,
            players: u8::try_from(state.table.seats().iter().flatten().count()).unwrap_or(u8::MAX),
            arriving: u8::try_from(self.core.arriving()).unwrap_or(u8::MAX),
            closed: self.core.is_closed(),
            hand: state.table.last_hand(),
            hand_running: self.core.drain_status().hand_running,
            small_blind: config.small_blind,
            big_blind: config.big_blind,
            buy_in_min: config.buy_in_min,
            buy_in_max: config.buy_in_max,
            paused: self.core.holding().map(Cow::into_owned),
            held_by: self.core.held_by(),
            sequence: state.sequence,
            confirmed: state.confirmed,
            deals_void: state.deals_void,
            beat: self.beat,
            taken: self.core.seats_taken(),
        };
        // The floor report is larger and has few readers, so it is sent less often.
        let floor = (self.beat % FLOOR_BEATS == 1).then(|| self.core.floor());
        tokio::spawn(async move {
            if let Err(error) = sessions.put_summary(&summary).await {
                tracing::debug!(%error, "summary");
            }
            if let Some(floor) = floor
                && let Err(error) = sessions.put_floor(&floor).await
            {
                tracing::debug!(%error, "floor");
            }
        });
    }
}

/// Returns the next message; one from a player without a seat only if nothing else waits. Dropping the future loses
/// nothing.
async fn next(inbox: &mut mpsc::Receiver<Message>, guests: &mut mpsc::Receiver<Message>) -> Option<Message> {
    tokio::select! {
        biased;
        message = inbox.recv() => message,
        message = guests.recv() => message,
    }
}

/// The domain that permits for this table are signed for; `None` with play money, where there is no contract.
fn permit_domain(spec: &TableSpec, status: &TableStatus) -> anyhow::Result<Option<PermitDomain>> {
    let Some(table_id) = status.contract_id().context("the signer's id of the table")? else {
        return Ok(None);
    };
    let Settlement { vault, chain_id, .. } = &spec.settlement;
    let vault: PlayerId = vault.parse().with_context(|| format!("settlement.vault '{vault}'"))?;
    let version = status.permit_version.try_into().context("the signer's vault")?;
    Ok(Some(PermitDomain { domain: Domain { chain_id: *chain_id, vault: vault.0 }, table_id, version }))
}

/// Reads the journal's entries after the last hand, and continues from there.
async fn adopt(
    state: State,
    fenced: &Fenced,
    signer: &dyn Signer,
    readiness: &Readiness,
) -> anyhow::Result<Adopted> {
    let next = fenced.head_next.as_deref();
    let mut entries: Vec<Entry> = Vec::new();
    let mut last = state.adopts_after(next)?;
    while last < fenced.head_seq {
        match signer.entries(last).await {
            Ok(more) => {
                let Some(end) = more.last().map(|entry| entry.seq).filter(|end| *end > last) else {
                    bail!("the signer's head is {}, its entries end with {last}", fenced.head_seq);
                };
                last = end;
                entries.extend(more.into_iter().filter(|entry| entry.seq <= fenced.head_seq));
            }
            Err(error @ SignerError::Unavailable(_)) => {
                readiness.not_ready("take-over", error.to_string());
                sleep(Duration::from_secs(1)).await;
            }
            Err(error) => bail!("signer: {error}"),
        }
    }
    Ok(state.adopt(fenced.head_seq, next, &entries)?)
}

/// Builds a message to one connection.
pub(crate) fn message(epoch: u64, offset: u64, body: Body) -> pb::ServerMessage {
    pb::ServerMessage { epoch, offset, body: Some(body) }
}
