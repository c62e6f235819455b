//! A simulated player: acts when asked, repeats unanswered commands, reconnects with a cursor, and records everything
//! it receives.

use super::{Dice, Recorder, TABLE};
use crate::checker::{Record, told};
use purr_engine::PlayerId;
use purr_protocol::pb::{self, ActionKind, client_message::Body as Ask, event::Kind, server_message::Body};
use purr_table::{
    actor::{Attached, Handle, Outgoing},
    core::Input,
};
use tokio::time::{Duration, Instant, timeout};

/// How long to wait for an answer before the same command is repeated.
const PATIENCE: Duration = Duration::from_secs(2);

const ATTACH: Duration = Duration::from_secs(1);

pub(super) struct Player {
    pub(super) id: PlayerId,
    seat: u32,
    attached: Option<(Attached, Handle, String)>,
    cursor: Option<pb::Cursor>,
    next: u64,
    /// The unanswered command, and when it was last sent.
    open: Option<(pb::ClientMessage, Instant)>,
    seated: bool,
    /// The player has said whether to be asked about showing.
    wished: bool,
    sit_at: Instant,
    hand: u64,
    pub(super) ended: u64,
    /// The player has no chips left.
    pub(super) broke: bool,
    recorder: Recorder,
}

impl Player {
    pub(super) fn new(seat: u8, recorder: Recorder) -> Self {
        Self {
            id: PlayerId([seat + 1; 20]),
            seat: seat.into(),
            attached: None,
            cursor: None,
            next: 1,
            open: None,
            seated: false,
            wished: false,
            sit_at: Instant::now(),
            hand: 0,
            ended: 0,
            broke: false,
            recorder,
        }
    }

    /// The player's state, for an error about a run that is stuck.
    pub(super) fn describe(&self) -> String {
        let Self { seat, cursor, open, seated, hand, ended, broke, .. } = self;
        let (pod, open) = (self.pod(), open.as_ref().map(|(message, _)| message));
        format!(
            "seat {seat} (seated: {seated}, broke: {broke}) at {pod:?}, {cursor:?}, hand {hand}, {ended} ended, asked {open:?}"
        )
    }

    /// The process that this player's gateway relays to; `None`: none.
    pub(super) fn pod(&self) -> Option<&str> {
        self.attached.as_ref().map(|(_, _, pod)| pod.as_str())
    }

    /// The gateway connects this player to another pod, or again to the same one. `tells`: it also sends the player's
    /// cursor.
    pub(super) async fn attach(&mut self, handle: &Handle, pod: &str, tells: bool) {
        self.attached = None;
        // The gateway sends its player's cursor before the player attaches.
        if let Some(pb::Cursor { epoch, offset }) = self.cursor.filter(|_| tells) {
            let _ = timeout(ATTACH, handle.input(Input::Seen { epoch, offset })).await;
        }
        // A table that waits for its store answers nobody; the gateway tries again.
        let answer = timeout(ATTACH, handle.attach(self.id, self.cursor)).await;
        if let Some(attached) = answer.ok().flatten() {
            self.attached = Some((attached, handle.clone(), pod.to_owned()));
            if let Some((message, at)) = &mut self.open {
                *at = Instant::now();
                let message = message.clone();
                self.send(message).await;
            }
        }
    }

    async fn send(&self, message: pb::ClientMessage) {
        let Some((attached, handle, _)) = &self.attached else { return };
        handle.input(Input::Message { connection: attached.connection, player: self.id, message }).await;
    }

    async fn ask(&mut self, body: Ask) {
        let hand = match &body {
            Ask::Act(act) => Some(act.hand),
            _ => None,
        };
        let message = pb::ClientMessage { id: self.next, body: Some(body) };
        self.next += 1;
        let (table, player) = (TABLE.into(), self.id.to_string());
        self.recorder.push(Record::Asked { table, player, id: message.id, hand });
        self.open = Some((message.clone(), Instant::now()));
        self.send(message).await;
    }

    /// Handles received messages and acts; returns whether there was anything to do.
    pub(super) async fn step(&mut self, dice: &mut Dice, newest: u64) -> bool {
        let mut wanted = None;
        let mut busy = false;
        while let Some(message) = self.attached.as_mut().and_then(|(a, ..)| a.outgoing.try_recv().ok()) {
            busy = true;
            let Outgoing::Message(message) = message else {
                self.attached = None;
                break;
            };
            // A gateway passes nothing on of a pod that it has seen a successor of.
            if message.epoch >= newest {
                self.hear(&message, &mut wanted, dice);
            }
        }
        if self.attached.as_ref().is_some_and(|(attached, ..)| attached.outgoing.is_closed()) {
            self.attached = None;
        }
        if let Some((message, at)) = &mut self.open {
            if at.elapsed() > PATIENCE {
                *at = Instant::now();
                let message = message.clone();
                self.send(message).await;
            }
        } else if let Some(body) = wanted {
            self.ask(body).await;
            // The network repeats it, or the client does, out of impatience.
            if dice.one_in(3)
                && let Some((message, _)) = self.open.clone()
            {
                self.send(message).await;
            }
        } else if self.seated && !self.wished && self.attached.is_some() {
            // Every other player is asked whether to show what may be mucked.
            self.wished = true;
            let wish = if self.seat.is_multiple_of(2) { pb::ShowWish::Ask } else { pb::ShowWish::Muck };
            self.ask(Ask::WishShow(pb::WishShow { wish: wish.into() })).await;
        } else if !self.seated && self.attached.is_some() && self.sit_at <= Instant::now() {
            self.sit_at = Instant::now() + PATIENCE;
            let permit = pb::Permit {
                amount: 1_000,
                max_total_rake: 1_000,
                expiry_s: 3_600,
                // The same permit until it is seated: another one would reserve as much again.
                nonce: 1,
                signature: vec![0; 65],
            };
            self.ask(Ask::Sit(pb::Sit { seat: self.seat, amount: 1_000, permit: Some(permit) })).await;
        }
        busy
    }

    fn hear(&mut self, message: &pb::ServerMessage, wanted: &mut Option<Ask>, dice: &mut Dice) {
        let (table, player) = (TABLE.into(), self.id.to_string());
        let pod = self.pod().map(str::to_owned);
        let (epoch, offset) = (message.epoch, message.offset);
        self.recorder.push(Record::Told { table, player, pod, epoch, offset, told: told(message) });
        match message.body.as_ref() {
            Some(Body::Snapshot(snapshot)) => {
                self.seated |= snapshot.you.is_some();
                self.cursor = None;
                let hand = snapshot.hand.as_ref();
                self.hand = hand.map_or(0, |hand| hand.hand);
                *wanted = hand.and_then(|hand| {
                    if hand.asked_to_show.contains(&self.seat) {
                        return Some(show(hand.hand, dice));
                    }
                    Some(choose(hand.hand, hand.options.as_ref()?, dice))
                });
            }
            Some(Body::Events(events)) => {
                for event in &events.events {
                    match event.kind.as_ref() {
                        Some(Kind::Seated(seated)) => self.seated |= seated.seat == self.seat,
                        Some(Kind::HandStarted(started)) => self.hand = started.hand,
                        Some(Kind::HandEnded(end)) => {
                            let own = end.results.iter().find(|result| result.seat == self.seat);
                            self.broke = own.map_or(self.broke, |own| own.stack == 0);
                            self.ended += 1;
                            *wanted = None;
                        }
                        Some(Kind::ShowAsked(asked)) => {
                            *wanted = asked.seats.contains(&self.seat).then(|| show(self.hand, dice));
                        }
                        Some(Kind::Turn(turn)) => {
                            let hand = self.hand;
                            *wanted = turn.options.as_ref().map(|options| choose(hand, options, dice));
                        }
                        _ => {}
                    }
                }
            }
            Some(Body::Ack(pb::Ack { id, .. })) => {
                if let Some((answered, _)) = self.open.take_if(|(open, _)| open.id == *id) {
                    // Reserved: the chips come when the chain has them.
                    self.seated |= matches!(answered.body, Some(Ask::Sit(_)));
                }
            }
            Some(Body::Error(error)) => drop(self.open.take_if(|(open, _)| open.id == error.id)),
            _ => {}
        }
        let before = self.cursor.map_or(0, |cursor| cursor.offset);
        self.cursor = Some(pb::Cursor { epoch, offset: offset.max(before) });
    }
}

fn show(hand: u64, dice: &mut Dice) -> Ask {
    Ask::ShowHand(pb::ShowHand { hand, show: dice.one_in(2) })
}

fn choose(hand: u64, options: &pb::Options, dice: &mut Dice) -> Ask {
    let act =
        |kind: ActionKind, amount| Ask::Act(pb::Act { hand, kind: kind.into(), amount, question: None });
    match (dice.roll(10), options.raise_min, options.raise_max) {
        (0, Some(min), Some(max)) => act(ActionKind::RaiseTo, min + dice.roll((max - min) / 4 + 1)),
        (1, Some(min), _) => act(ActionKind::RaiseTo, min),
        (2..=3, ..) if !options.check => act(ActionKind::Fold, 0),
        _ if options.check => act(ActionKind::Check, 0),
        _ => act(ActionKind::Call, 0),
    }
}
