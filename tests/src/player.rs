//! One player at a table: the project's own client, driven by the bot, watched by a test.

use crate::{
    Figures,
    checker::{self, Record, Recorder, Told},
};
use anyhow::{Context, bail, ensure};
use purr_client::{
    Connection, Gateway, Permits, Session, Settings, Update,
    bot::{self, Dice},
    seat,
    view::View,
};
use purr_engine::{Action, Card, SeatIndex};
use purr_protocol::{
    pb::{self, ActionKind, ErrorCode, client_message::Body as Ask, event::Kind, server_message::Body},
    permit::PermitFor,
};
use std::{collections::BTreeMap, time::Duration};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, interval, sleep},
};

/// Most rake that a test permit allows, in buy-ins. People would not sign that much; but test tables play at machine
/// speed, and a player who waits for a new permit while the signer is away misses four big blinds in seconds and loses
/// the seat.
const RAKE_BUY_INS: u64 = 10;
/// Interval of the bot's checks.
const LOOK: Duration = Duration::from_millis(200);
const SIT_AGAIN: Duration = Duration::from_secs(1);
const OPEN_WAIT: Duration = Duration::from_secs(60);
/// A permit is signed for one try; the chain needs some seconds for it.
const REBUY_WAIT: Duration = Duration::from_secs(20);

/// How a player decides; [`Dice`] is a player without judgement.
pub trait Mind: Send {
    /// Called with each public event at the table.
    fn sees(&mut self, _event: &Kind) {}

    /// Called with the state of the table after the events.
    fn looks(&mut self, _view: &View) {}

    /// Returns the action, and its delay; `None` when it is not one's turn.
    fn act(&mut self, view: &View) -> Option<(pb::Act, Duration)>;
}

impl Mind for Dice {
    fn act(&mut self, view: &View) -> Option<(pb::Act, Duration)> {
        bot::act(view, self).map(|act| (act, Duration::ZERO))
    }
}

/// The wish of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Play,
    /// Plays on, for small pots: where two of three go broke at once nobody is dealt in, and it looks like a pause.
    PlaySmall,
    /// Sees its turns and lets them pass unanswered.
    Hesitate,
    Leave,
}

/// Returns the same action, or a cheaper one if it would cost more than two big blinds and a twentieth of these chips.
fn small(act: pb::Act, view: &View, stack: u64) -> pb::Act {
    let Some(turn) = view.your_turn() else { return act };
    let most = view.table().map_or(0, |table| 2 * table.big_blind).max(stack / 20);
    let call = turn.options.call.filter(|call| *call <= most).map(|_| Action::Call);
    let cheap = || if turn.options.check { Action::Check } else { call.unwrap_or(Action::Fold) };
    let dear = match act.kind() {
        ActionKind::RaiseTo => act.amount > most,
        ActionKind::Call => call.is_none(),
        _ => false,
    };
    if dear { bot::to_message(&turn, cheap()) } else { act }
}

/// The events that a player has seen so far.
#[derive(Clone, Debug, Default)]
pub struct PlayerState {
    pub seat: Option<SeatIndex>,
    pub stack: u64,
    pub hands: u64,
    pub showdowns: u64,
    pub hand: Option<u64>,
    pub your_turn: bool,
    /// Own cards of the running hand, and the board.
    pub cards: Vec<Card>,
    pub board: Vec<Card>,
    pub reconnects: u64,
    pub pauses: u64,
    pub refused: BTreeMap<String, u64>,
    pub deals_proven: u64,
    pub deals_wrong: Vec<String>,
    /// Voided hands, by the player's messages.
    pub voided: u64,
    /// All stacks and the pot, as this player sees them.
    pub chips: u64,
    /// Epoch and offset of the last message of the table's history.
    pub cursor: Option<(u64, u64)>,
    /// The player was notified of a pause and not yet of its end.
    pub stalled: bool,
    /// It is this player's turn, nothing is pending, and the player will not act because the test asked it to hesitate.
    pub hesitates: bool,
    pub left: bool,
    /// Why the table took the seat back, where it did.
    pub stood_up: Option<pb::StoodUpCause>,
    /// New permits that were signed because the rake that the old ones allow was nearly used up.
    pub permits_renewed: u64,
}

pub struct Player {
    pub session: Session,
    pub state: watch::Receiver<PlayerState>,
    wish: watch::Sender<Wish>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Player {
    /// Signs in, sits down, and plays until wished otherwise.
    pub async fn sit(
        session: Session,
        gateway: Gateway,
        uid: &str,
        buy_in: u64,
        seed: u64,
        heard: (Figures, Recorder),
    ) -> anyhow::Result<Self> {
        Self::sit_as(session, gateway, uid, buy_in, Box::new(Dice::new(seed)), heard).await
    }

    /// [`Self::sit`] of a player who decides by this mind.
    pub async fn sit_as(
        session: Session,
        gateway: Gateway,
        uid: &str,
        buy_in: u64,
        mind: Box<dyn Mind>,
        (figures, recorder): (Figures, Recorder),
    ) -> anyhow::Result<Self> {
        let end = Instant::now() + OPEN_WAIT;
        let permits = loop {
            match Permits::of_table(&session, uid).await {
                Ok(permits) => break permits,
                Err(error) if Instant::now() > end => bail!("the table is not open: {error}"),
                Err(_) => sleep(LOOK).await,
            }
        };
        let (publish, state) = watch::channel(PlayerState::default());
        let (wish, wishes) = watch::channel(Wish::Play);
        let driver = Driver {
            connection: Connection::open(session.clone(), gateway, uid, Settings::default()),
            permits,
            buy_in,
            mind,
            figures,
            heard: Heard { recorder, table: uid.to_owned(), player: session.wallet().address().to_string() },
            state: PlayerState::default(),
            publish,
            wishes,
            sitting: None,
            acting: None,
            leaving: None,
            rebuy_at: None,
            coming_back: None,
            needs_permit: false,
            own_action: None,
            tries: 0,
            sit_at: Instant::now(),
        };
        let task = tokio::spawn(driver.run());
        Ok(Self { session, state, wish, task })
    }

    pub fn wish(&self, wish: Wish) {
        self.wish.send_replace(wish);
    }

    pub fn now(&self) -> PlayerState {
        self.state.borrow().clone()
    }

    /// Waits until the player's view fulfils the condition.
    pub async fn sees(
        &mut self,
        what: &str,
        limit: Duration,
        want: impl FnMut(&PlayerState) -> bool,
    ) -> anyhow::Result<PlayerState> {
        let seen = tokio::time::timeout(limit, self.state.wait_for(want)).await;
        match seen.map(|state| state.map(|state| state.clone())) {
            Ok(Ok(state)) => Ok(state),
            Ok(Err(_)) => bail!("{what}: the player has stopped; last seen: {:?}", self.now()),
            Err(_) => bail!("{what}: not within {} s; seen: {:?}", limit.as_secs(), self.now()),
        }
    }

    /// Leaves, waits until the seat is given back, and returns the final state, or what went wrong.
    pub async fn leave(self, limit: Duration) -> anyhow::Result<PlayerState> {
        self.wish(Wish::Leave);
        self.ended(limit).await
    }

    /// Waits for the end of a player who leaves, by its own wish or the table's.
    pub async fn ended(self, limit: Duration) -> anyhow::Result<PlayerState> {
        tokio::time::timeout(limit, self.task)
            .await
            .with_context(|| format!("a player still there after {} s", limit.as_secs()))???;
        let state = self.state.borrow().clone();
        Ok(state)
    }
}

/// The messages from and to a player, for the checker.
struct Heard {
    recorder: Recorder,
    table: String,
    player: String,
}

impl Heard {
    fn told(&self, (epoch, offset): (u64, u64), told: Told) {
        let (table, player) = (self.table.clone(), self.player.clone());
        self.recorder.push(Record::Told { table, player, pod: None, epoch, offset, told });
    }

    fn asked(&self, id: u64, hand: u64) {
        let (table, player) = (self.table.clone(), self.player.clone());
        self.recorder.push(Record::Asked { table, player, id, hand: Some(hand) });
    }
}

struct Driver {
    connection: Connection,
    permits: Permits,
    buy_in: u64,
    mind: Box<dyn Mind>,
    figures: Figures,
    heard: Heard,
    state: PlayerState,
    publish: watch::Sender<PlayerState>,
    wishes: watch::Receiver<Wish>,
    /// Ids of requests under way.
    sitting: Option<u64>,
    acting: Option<u64>,
    leaving: Option<u64>,
    coming_back: Option<u64>,
    needs_permit: bool,
    rebuy_at: Option<Instant>,
    /// Epoch and offset of the player's last own action.
    own_action: Option<(u64, u64)>,
    tries: usize,
    sit_at: Instant,
}

impl Driver {
    async fn run(mut self) -> anyhow::Result<()> {
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                update = self.connection.next() => match update {
                    Some(Update::Ended(reason)) if self.state.left => {
                        tracing::debug!(reason, "ended");
                        break;
                    }
                    Some(Update::Ended(reason)) => bail!("the connection ended: {reason}"),
                    Some(update) => self.take(update),
                    None => break,
                },
                _ = look.tick() => {}
                changed = self.wishes.changed() => if changed.is_err() { break },
            }
            self.look();
            if self.state.left {
                break;
            }
            self.step().await?;
        }
        self.publish.send_replace(self.state.clone());
        self.connection.close().await;
        ensure!(self.state.deals_wrong.is_empty(), "deals do not prove: {:?}", self.state.deals_wrong);
        Ok(())
    }

    fn take(&mut self, update: Update) {
        match update {
            Update::Disconnected { .. } => self.state.reconnects += 1,
            Update::Message(message) => {
                let cursor = (message.epoch, message.offset);
                self.heard.told(cursor, checker::told(&message));
                match &message.body {
                    Some(Body::Events(events)) => {
                        self.figures.arrived(cursor);
                        events.events.iter().filter_map(|event| event.kind.as_ref()).for_each(|kind| {
                            self.see(kind, cursor);
                        });
                    }
                    Some(Body::TablePaused(_)) => self.state.pauses += 1,
                    _ => {}
                }
            }
            Update::Acted(timing) => {
                self.figures.acted(timing.sent, timing.acked.max(timing.shown.unwrap_or(timing.acked)));
                if let (Some(cursor), false) = (self.own_action.take(), timing.resent) {
                    self.figures.sent(cursor, timing.sent);
                }
            }
            Update::Answer { id, result } => self.answered(id, result),
            Update::Checked { hand, result } => match result {
                Ok(_) => self.state.deals_proven += 1,
                Err(purr_client::verify::Unproven::Partly) => {}
                Err(error) => self.state.deals_wrong.push(format!("hand {hand}: {error}")),
            },
            Update::Connected { .. } | Update::Ended(_) => {}
        }
    }

    fn see(&mut self, kind: &Kind, cursor: (u64, u64)) {
        let own = self.state.seat.map(|seat| u32::from(seat.0));
        self.mind.sees(kind);
        match kind {
            Kind::Acted(acted) if own == Some(acted.seat) && !acted.timed_out => {
                self.own_action = Some(cursor);
            }
            Kind::HandEnded(ended) => {
                self.acting = None;
                if ended.void {
                    self.state.voided += 1;
                } else if ended.results.iter().any(|result| own == Some(result.seat)) {
                    self.state.hands += 1;
                }
            }
            Kind::Shown(shown) if own == Some(shown.seat) => self.state.showdowns += 1,
            Kind::Settlement(settlement) => match settlement.state() {
                pb::SettlementState::Settling => self.figures.hand_ended(settlement.seq_to),
                pb::SettlementState::Confirmed => {
                    self.figures.confirmed(settlement.seq_from, settlement.seq_to);
                }
                _ => {}
            },
            Kind::PermitNeeded(needed) if own == Some(needed.seat) => self.needs_permit = true,
            Kind::StoodUp(stood) if own == Some(stood.seat) => self.state.stood_up = Some(stood.cause()),
            // Left by its own wish, or because the table is deleted.
            Kind::Left(left) if own == Some(left.seat) => self.state.left = true,
            _ => {}
        }
    }

    fn answered(&mut self, id: u64, result: Result<(), purr_client::link::Refused>) {
        let cursor = self.state.cursor.unwrap_or_default();
        self.heard.told(
            cursor,
            match &result {
                Ok(()) => Told::Ack { id, at_offset: cursor.1 },
                Err(_) => Told::Error { id },
            },
        );
        let sitting = self.sitting == Some(id);
        if self.acting == Some(id) {
            self.acting = None;
        }
        if self.coming_back == Some(id) {
            self.coming_back = None;
        }
        if let Err(refused) = result {
            self.needs_permit |= refused.code == ErrorCode::Rake;
            if sitting {
                self.sitting = None;
                self.tries += 1;
                self.sit_at = Instant::now() + SIT_AGAIN;
            }
            if self.leaving == Some(id) {
                self.leaving = None;
            }
            if self.state.refused.len() < 32 {
                *self.state.refused.entry(refused.to_string()).or_default() += 1;
            }
        }
    }

    /// Publishes the current state.
    fn look(&mut self) {
        let view = self.connection.view();
        self.mind.looks(view);
        let state = &mut self.state;
        if let Some((seat, chair)) = view.your_seat() {
            state.seat = Some(seat);
            state.stack = chair.stack + chair.pending;
        }
        let hand = view.hand();
        state.hand = hand.map(|hand| hand.number);
        state.board = hand.map(|hand| hand.board.clone()).unwrap_or_default();
        state.cards = view.your_cards().to_vec();
        state.your_turn = view.your_turn().is_some();
        state.cursor = view.cursor().map(|cursor| (cursor.epoch, cursor.offset));
        state.stalled = view.stalled().is_some();
        state.hesitates = state.your_turn && self.acting.is_none() && *self.wishes.borrow() == Wish::Hesitate;
        let stacks = view.table().map(|table| table.seats.values().map(|s| s.stack + s.pending).sum::<u64>());
        state.chips = stacks.unwrap_or(0) + hand.map_or(0, |hand| hand.pot);
        self.publish.send_replace(state.clone());
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        let wish = *self.wishes.borrow();
        let view = self.connection.view();
        if view.table().is_none() {
            return Ok(());
        }
        let Some((seat, chair)) = view.your_seat() else {
            if wish == Wish::Leave && self.state.seat.is_some() {
                self.state.left = true;
            } else if self.state.seat.is_none()
                && self.sitting.is_none()
                && wish == Wish::Play
                && self.sit_at <= Instant::now()
            {
                ensure!(self.tries < 60, "no chair: {:?}", self.state.refused);
                if let Some(seat) = seat::pick(view, None, self.tries) {
                    let what = PermitFor::Sit(seat);
                    let permit = Some(self.permits.sign(what, self.buy_in, self.buy_in * RAKE_BUY_INS)?);
                    let sit = pb::Sit { seat: seat.0.into(), amount: self.buy_in, permit };
                    self.sitting = Some(self.connection.send(Ask::Sit(sit)).await?);
                }
            }
            return Ok(());
        };
        if self.acting.is_none()
            && wish != Wish::Hesitate
            && let Some((act, after)) = self.mind.act(view)
        {
            if !after.is_zero() {
                sleep(after).await;
            }
            let act = if wish == Wish::PlaySmall { small(act, view, chair.stack) } else { act };
            let hand = act.hand;
            let id = self.connection.send(Ask::Act(act)).await?;
            self.heard.asked(id, hand);
            self.acting = Some(id);
            return Ok(());
        }
        if wish == Wish::Leave {
            if self.leaving.is_none() {
                self.leaving = Some(self.connection.send(Ask::Leave(pb::Leave {})).await?);
            }
            return Ok(());
        }
        if view.hand().is_some_and(|hand| hand.players.contains_key(&seat)) {
            return Ok(());
        }
        let broke = chair.stack + chair.pending == 0;
        if broke || (chair.sitting_out && self.needs_permit) {
            if self.rebuy_at.is_none_or(|at| at <= Instant::now()) {
                self.rebuy_at = Some(Instant::now() + REBUY_WAIT);
                // A player with chips needs a permit for more rake, which comes with the smallest top-up.
                self.state.permits_renewed += u64::from(!broke);
                self.needs_permit = false;
                let amount = if broke { self.buy_in } else { 1 };
                let what = PermitFor::TopUp(seat);
                let permit = Some(self.permits.sign(what, amount, self.buy_in * RAKE_BUY_INS)?);
                self.connection.send(Ask::TopUp(pb::TopUp { amount, permit })).await?;
            }
        } else if chair.sitting_out && self.coming_back.is_none() {
            self.coming_back = Some(self.connection.send(Ask::SitIn(pb::SitIn { post: true })).await?);
        }
        Ok(())
    }
}
