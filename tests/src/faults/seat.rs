//! A player: the project's own client with the bot, which records everything that is sent and received.

use crate::checker::{Record, told};
use anyhow::{Context, bail, ensure};
use purr_client::{
    Connection, Gateway, Permits, Session, Settings, Update, View,
    bot::{self, Dice},
};
use purr_engine::{PlayerId, SeatIndex};
use purr_protocol::{
    pb::{self, client_message::Body as Ask, server_message::Body},
    permit::PermitFor,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, interval},
};

const LOOK: Duration = Duration::from_millis(50);
/// Pause before a refused request is sent again.
const AGAIN: Duration = Duration::from_millis(200);

/// The wish of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Play,
    /// Sits out after the running hand.
    Rest,
    /// Sends nothing more, and treats the end of the connection as its own.
    Done,
}

/// The messages from and to a player.
#[derive(Clone, Debug)]
pub struct Heard {
    pub player: PlayerId,
    pub seat: SeatIndex,
    /// Snapshots and events, in their order.
    pub told: Vec<pb::ServerMessage>,
    /// Every command by its id.
    pub asked: BTreeMap<u64, Ask>,
    pub acked: BTreeSet<u64>,
    pub refused: BTreeMap<u64, String>,
    pub reconnects: u64,
    /// Connections that were an HTTP stream.
    pub streams: u64,
    pub resent: u64,
    pub deals_proven: u64,
    pub deals_wrong: Vec<String>,
    /// Records for the history checker.
    pub records: Vec<Record>,
}

/// The state that the test can read meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Now {
    pub offset: u64,
    pub hand_running: bool,
    pub seated: bool,
    pub resting: bool,
    pub unanswered: usize,
    /// Connections so far.
    pub connections: u64,
    /// The last connection was an HTTP stream.
    pub http: bool,
}

pub struct Seat {
    pub now: watch::Receiver<Now>,
    pub player: PlayerId,
    wish: watch::Sender<Wish>,
    look: tokio::sync::mpsc::Sender<oneshot::Sender<View>>,
    task: JoinHandle<anyhow::Result<Heard>>,
}

/// A player's way to the table and plan at it.
pub struct Arrival {
    pub session: Session,
    pub gateway: Gateway,
    pub table: String,
    /// The table's name at records.
    pub name: String,
    pub settings: Settings,
    pub seat: SeatIndex,
    pub buy_in: u64,
    pub seed: u64,
    /// An injected bug: the client drops the message with this number as if it had never arrived.
    pub drops: Option<u64>,
}

impl Seat {
    /// # Errors
    /// Where the gateway cannot be asked.
    pub async fn take(arrival: Arrival) -> anyhow::Result<Self> {
        let Arrival { session, gateway, table, name, settings, seat, buy_in, seed, drops } = arrival;
        let player = session.wallet().address();
        let permits = Permits::of_table(&session, &table).await.context("the table's terms")?;
        let (publish, now) = watch::channel(Now::default());
        let (wish, wishes) = watch::channel(Wish::Play);
        let (look, looks) = tokio::sync::mpsc::channel(1);
        let heard = Heard {
            player,
            seat,
            told: Vec::new(),
            asked: BTreeMap::new(),
            acked: BTreeSet::new(),
            refused: BTreeMap::new(),
            reconnects: 0,
            streams: 0,
            resent: 0,
            deals_proven: 0,
            deals_wrong: Vec::new(),
            records: Vec::new(),
        };
        let driver = Driver {
            connection: Connection::open(session, gateway, &table, settings),
            permits,
            name,
            buy_in,
            dice: Dice::new(seed),
            drops,
            heard,
            publish,
            wishes,
            looks,
            waiting: BTreeMap::new(),
            again_at: Instant::now(),
            connections: 0,
            http: false,
        };
        Ok(Self { now, player, wish, look, task: tokio::spawn(driver.run()) })
    }

    pub fn wish(&self, wish: Wish) {
        self.wish.send_replace(wish);
    }

    /// The table as this player sees it.
    ///
    /// # Errors
    /// Where the player has ended.
    pub async fn view(&self) -> anyhow::Result<View> {
        let (reply, view) = oneshot::channel();
        self.look.send(reply).await.context("the player has ended")?;
        view.await.context("the player has ended")
    }

    /// Whether the player has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Leaves, and returns everything received.
    ///
    /// # Errors
    /// Where something went wrong that is not the network's.
    pub async fn leave(self) -> anyhow::Result<Heard> {
        drop(self.wish);
        self.task.await?
    }
}

struct Driver {
    connection: Connection,
    permits: Permits,
    name: String,
    buy_in: u64,
    dice: Dice,
    drops: Option<u64>,
    heard: Heard,
    publish: watch::Sender<Now>,
    wishes: watch::Receiver<Wish>,
    looks: tokio::sync::mpsc::Receiver<oneshot::Sender<View>>,
    /// Commands without an answer, and what each is for.
    waiting: BTreeMap<u64, For>,
    again_at: Instant,
    connections: u64,
    http: bool,
}

/// Pending requests, at most one of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Chips,
    Action,
    Presence,
}

impl Driver {
    async fn run(mut self) -> anyhow::Result<Heard> {
        let mut tick = interval(LOOK);
        loop {
            tokio::select! {
                update = self.connection.next() => match update {
                    Some(Update::Ended(_)) if *self.wishes.borrow() == Wish::Done => break,
                    Some(Update::Ended(reason)) => bail!("{}: the connection ended: {reason}", self.heard.player),
                    Some(update) => self.take(update),
                    None => bail!("{}: the connection is gone", self.heard.player),
                },
                _ = tick.tick() => {}
                Some(reply) = self.looks.recv() => drop(reply.send(self.connection.view().clone())),
                changed = self.wishes.changed() => if changed.is_err() { break },
            }
            self.publish();
            self.step().await?;
        }
        self.connection.close().await;
        Ok(self.heard)
    }

    fn publish(&self) {
        let view = self.connection.view();
        let chair = view.your_seat().map(|(_, chair)| chair);
        self.publish.send_replace(Now {
            offset: view.cursor().map_or(0, |cursor| cursor.offset),
            hand_running: view.hand().is_some(),
            seated: chair.is_some(),
            resting: chair.is_some_and(|chair| chair.sitting_out || chair.stack == 0),
            unanswered: self.waiting.len(),
            connections: self.connections,
            http: self.http,
        });
    }

    fn take(&mut self, update: Update) {
        let heard = &mut self.heard;
        match update {
            Update::Connected { http } => {
                self.http = http;
                self.connections += 1;
                heard.streams += u64::from(http);
            }
            Update::Disconnected { .. } => heard.reconnects += 1,
            Update::Message(message) => {
                if matches!(message.body, Some(Body::Events(_)))
                    && let Some(left) = self.drops.as_mut()
                {
                    *left = left.wrapping_sub(1);
                    if *left == 0 {
                        return;
                    }
                }
                self.record(&message);
                if matches!(message.body, Some(Body::Events(_) | Body::Snapshot(_))) {
                    self.heard.told.push(*message);
                }
            }
            Update::Answer { id, result } => {
                self.waiting.remove(&id);
                let body = match result {
                    Ok(()) => {
                        heard.acked.insert(id);
                        // The link does not report the offset, and nothing here depends on it.
                        Body::Ack(pb::Ack { id, at_offset: 0 })
                    }
                    Err(refused) => {
                        heard.refused.insert(id, refused.to_string());
                        self.again_at = Instant::now() + AGAIN;
                        let code = refused.code.into();
                        Body::Error(pb::Error { id, code, message: refused.message, ..pb::Error::default() })
                    }
                };
                let (epoch, offset) =
                    self.connection.view().cursor().map_or((0, 0), |cursor| (cursor.epoch, cursor.offset));
                self.record(&pb::ServerMessage { epoch, offset, body: Some(body) });
            }
            Update::Acted(timing) => heard.resent += u64::from(timing.resent),
            Update::Checked { hand, result } => match result {
                Ok(_) => heard.deals_proven += 1,
                Err(purr_client::verify::Unproven::Partly) => {}
                Err(error) => heard.deals_wrong.push(format!("hand {hand}: {error}")),
            },
            Update::Ended(_) => {}
        }
    }

    fn record(&mut self, message: &pb::ServerMessage) {
        let (table, player) = (self.name.clone(), self.heard.player.to_string());
        let pb::ServerMessage { epoch, offset, .. } = *message;
        self.heard.records.push(Record::Told {
            table,
            player,
            pod: None,
            epoch,
            offset,
            told: told(message),
        });
    }

    async fn ask(&mut self, what: For, body: Ask) -> anyhow::Result<()> {
        let hand = match &body {
            Ask::Act(act) => Some(act.hand),
            _ => None,
        };
        let id = self.connection.send(body.clone()).await?;
        self.heard.asked.insert(id, body);
        let (table, player) = (self.name.clone(), self.heard.player.to_string());
        self.heard.records.push(Record::Asked { table, player, id, hand });
        self.waiting.insert(id, what);
        Ok(())
    }

    fn waits_for(&self, what: For) -> bool {
        self.waiting.values().any(|waiting| *waiting == what)
    }

    fn permit(&self, what: PermitFor, amount: u64) -> anyhow::Result<Option<pb::Permit>> {
        Ok(Some(self.permits.sign(what, amount, amount)?))
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        let wish = *self.wishes.borrow();
        let view = self.connection.view();
        if view.table().is_none() || wish == Wish::Done {
            return Ok(());
        }
        if !self.waits_for(For::Action)
            && let Some(act) = bot::act(view, &mut self.dice)
        {
            return self.ask(For::Action, Ask::Act(act)).await;
        }
        if self.again_at > Instant::now() {
            return Ok(());
        }
        let (own, amount) = (self.heard.seat, self.buy_in);
        let Some((seat, chair)) = view.your_seat() else {
            let reserved = view.held().values().any(|(who, _)| *who == self.heard.player);
            if wish == Wish::Play && !reserved && !self.waits_for(For::Chips) {
                let permit = self.permit(PermitFor::Sit(own), amount)?;
                return self.ask(For::Chips, Ask::Sit(pb::Sit { seat: own.0.into(), amount, permit })).await;
            }
            return Ok(());
        };
        ensure!(seat == own, "seat {seat:?}, not {own:?}");
        let (chips, sitting_out) = (chair.stack + chair.pending, chair.sitting_out);
        if wish == Wish::Rest {
            if !sitting_out && !self.waits_for(For::Presence) {
                return self.ask(For::Presence, Ask::SitOut(pb::SitOut {})).await;
            }
            return Ok(());
        }
        if view.hand().is_some_and(|hand| hand.players.contains_key(&seat)) {
            return Ok(());
        }
        if chips == 0 {
            // Wait for the chips: another attempt would need another permit.
            if !self.waits_for(For::Chips) {
                self.again_at = Instant::now() + AGAIN * 5;
                let permit = self.permit(PermitFor::TopUp(own), amount)?;
                return self.ask(For::Chips, Ask::TopUp(pb::TopUp { amount, permit })).await;
            }
        } else if sitting_out && !self.waits_for(For::Presence) {
            return self.ask(For::Presence, Ask::SitIn(pb::SitIn { post: true })).await;
        }
        Ok(())
    }
}
