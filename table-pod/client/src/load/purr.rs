//! The binary subprotocol for a player who only watches for the own turn.

use super::{
    setup::Setup,
    side::{Answer, Choice, Heard, Shown, Side, Turn},
};
use crate::wallet::checksummed;
use purr_engine::{PlayerId, SeatIndex};
use purr_protocol::{
    Codec,
    pb::{self, ActionKind, ErrorCode, client_message::Body as Ask, event::Kind, server_message::Body},
    permit::PermitFor,
};
use purr_runtime::ws::Message;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio_tungstenite::tungstenite::{
    ClientRequestBuilder, client::IntoClientRequest, handshake::client::Request,
};

/// A stack below this part of the buy-in is topped up.
const LOW: u64 = 2;

/// One player at one table.
pub struct Purr {
    uid: String,
    own: PlayerId,
    /// The seat to ask for first; `None` for a spectator.
    chair: Option<u32>,
    next_id: u64,
    seat: Option<u32>,
    seat_count: u32,
    hand: u64,
    stack: u64,
    sitting_out: bool,
    /// The table wants a permit for more rake.
    needs_permit: bool,
    /// The wish under way: none other goes out before its answer.
    asked: Option<u64>,
    /// Chips that were granted and have not come yet.
    coming: bool,
    /// Wishes wait until this many messages have come: a refused one is not asked again at once.
    quiet: u32,
}

impl Purr {
    pub fn new(uid: &str, own: PlayerId, chair: Option<u8>) -> Self {
        // Ids rise over restarts of the process: the table remembers a player's last ones.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            uid: uid.to_owned(),
            own,
            chair: chair.map(u32::from),
            next_id: u64::try_from(since.as_micros()).unwrap_or(u64::MAX / 2),
            seat: None,
            seat_count: 0,
            hand: 0,
            stack: 0,
            sitting_out: false,
            needs_permit: false,
            asked: None,
            coming: false,
            quiet: 0,
        }
    }

    fn say(&mut self, body: Ask) -> (u64, Message) {
        self.next_id += 1;
        let message = pb::ClientMessage { id: self.next_id, body: Some(body) };
        // Only JSON can fail to be written.
        let bytes = Codec::Proto.encode_client(&message).unwrap_or_default();
        (self.next_id, Message::Binary(bytes))
    }

    fn turn(&self, options: pb::Options) -> Turn {
        let pb::Options { check, call, raise_min, .. } = options;
        Turn { hand: self.hand, check, call, raise_min }
    }

    fn snapshot(&mut self, snapshot: &pb::Snapshot) -> Option<Turn> {
        (self.seat, self.seat_count) = (snapshot.you, snapshot.seat_count);
        (self.asked, self.coming) = (None, false);
        let own = snapshot.seats.iter().find(|seat| Some(seat.seat) == snapshot.you);
        if let Some(own) = own {
            (self.stack, self.sitting_out) = (own.stack + own.pending, own.sitting_out);
        }
        let hand = snapshot.hand.as_ref()?;
        self.hand = hand.hand;
        let options = hand.options.filter(|_| hand.to_act.is_some() && hand.to_act == self.seat)?;
        Some(self.turn(options))
    }

    fn event(&mut self, kind: &Kind, heard: &mut Heard, offset: u64) {
        let own = |seat: u32| self.seat == Some(seat);
        match kind {
            Kind::HandStarted(started) => self.hand = started.hand,
            Kind::Acted(acted) => {
                // All acts of the message count: another player may have acted after the own act.
                heard.timed_out |= own(acted.seat) && acted.timed_out;
                let own = heard.shown.is_some_and(|shown| shown.own) || own(acted.seat) && !acted.timed_out;
                heard.shown = Some(Shown { offset, own });
            }
            Kind::Turn(turn) => {
                heard.turn = turn.options.filter(|_| own(turn.seat)).map(|options| self.turn(options));
            }
            Kind::HandEnded(end) => {
                if let Some(result) = end.results.iter().find(|result| own(result.seat)) {
                    self.stack = result.stack;
                }
            }
            Kind::Seated(seated)
                if self.seat.is_none()
                    && seated.player.parse::<PlayerId>().is_ok_and(|player| player == self.own) =>
            {
                (self.seat, self.stack, self.coming) = (Some(seated.seat), seated.stack, false);
                self.sitting_out = false;
            }
            Kind::ToppedUp(up) if own(up.seat) => (self.stack, self.coming) = (up.stack, false),
            Kind::SatOut(at) if own(at.seat) => self.sitting_out = true,
            Kind::SatIn(at) if own(at.seat) => self.sitting_out = false,
            Kind::Left(left) if own(left.seat) => self.seat = None,
            _ => {}
        }
    }

    /// A request was refused: try another seat, after a pause.
    fn denied(&mut self, error: &pb::Error) {
        (self.asked, self.coming) = (None, false);
        self.quiet = 4;
        self.needs_permit |= error.code() == ErrorCode::Rake;
        if self.seat.is_none() && error.code() == ErrorCode::Refused {
            self.chair = self.chair.map(|chair| (chair + 1) % self.seat_count.max(1));
        }
    }
}

impl Side for Purr {
    fn open(&mut self, address: &str) -> anyhow::Result<Request> {
        (self.asked, self.coming, self.quiet) = (None, false, 0);
        let uri = format!("wss://{address}/v1/tables/{}/socket", self.uid).parse()?;
        let request = ClientRequestBuilder::new(uri).with_sub_protocol(Codec::Proto.subprotocol());
        Ok(request.into_client_request()?)
    }

    fn hello(&mut self, token: &str) -> Option<Message> {
        let attach = pb::Attach { token: token.to_owned(), resume: None };
        Some(self.say(Ask::Attach(attach)).1)
    }

    fn hear(&mut self, frame: &Message) -> anyhow::Result<Heard> {
        let Message::Binary(bytes) = frame else { return Ok(Heard::default()) };
        let message = Codec::Proto.decode_server(bytes)?;
        let mut heard = Heard::default();
        self.quiet = self.quiet.saturating_sub(1);
        match &message.body {
            Some(Body::Snapshot(snapshot)) => {
                heard.attached = true;
                heard.turn = self.snapshot(snapshot);
            }
            Some(Body::Events(events)) => {
                for kind in events.events.iter().filter_map(|event| event.kind.as_ref()) {
                    self.event(kind, &mut heard, message.offset);
                }
            }
            Some(Body::Ack(ack)) => {
                if self.asked == Some(ack.id) {
                    self.asked = None;
                }
                heard.answer = Some(Answer { id: ack.id, refused: None, again: false });
            }
            Some(Body::Error(error)) => {
                if self.asked == Some(error.id) {
                    self.denied(error);
                }
                let refused = Some(format!("{:?}: {}", error.code(), error.message));
                heard.answer =
                    Some(Answer { id: error.id, refused, again: error.code() == ErrorCode::RateLimited });
            }
            Some(Body::Closing(closing)) => heard.ended = Some(closing.reason.clone()),
            Some(Body::TablePaused(_)) => heard.paused = true,
            Some(Body::TableResumed(_) | Body::Pong(_) | Body::Said(_)) | None => {}
        }
        Ok(heard)
    }

    fn settled(&self) -> bool {
        self.chair.is_none() || self.seat.is_some()
    }

    fn wish(&mut self, setup: &Setup) -> Option<(u64, Message)> {
        let first = self.chair?;
        if self.asked.is_some() || self.coming || self.quiet > 0 || self.seat_count == 0 {
            return None;
        }
        let low = self.stack < setup.buy_in / LOW;
        let body = match self.seat {
            None => {
                let (seat, amount) = (first % self.seat_count, setup.buy_in);
                let permit = Some(setup.permit(PermitFor::Sit(index(seat)?), amount)?);
                Ask::Sit(pb::Sit { seat, amount, permit })
            }
            Some(seat) if low => {
                let amount = setup.buy_in - self.stack;
                let permit = Some(setup.permit(PermitFor::TopUp(index(seat)?), amount)?);
                Ask::TopUp(pb::TopUp { amount, permit })
            }
            Some(seat) if std::mem::take(&mut self.needs_permit) => {
                let permit = Some(setup.permit(PermitFor::TopUp(index(seat)?), 1)?);
                Ask::TopUp(pb::TopUp { amount: 1, permit })
            }
            Some(_) if self.sitting_out => Ask::SitIn(pb::SitIn { post: true }),
            Some(_) => return None,
        };
        // The seat and the chips arrive with events of their own, once the chain has them.
        self.coming = !matches!(body, Ask::SitIn(_));
        let (id, message) = self.say(body);
        self.asked = Some(id);
        Some((id, message))
    }

    fn act(&mut self, hand: u64, choice: Choice) -> (u64, Message) {
        let (kind, amount) = match choice {
            Choice::Fold => (ActionKind::Fold, 0),
            Choice::Check => (ActionKind::Check, 0),
            Choice::Call => (ActionKind::Call, 0),
            Choice::RaiseTo(amount) => (ActionKind::RaiseTo, amount),
        };
        self.say(Ask::Act(pb::Act { hand, kind: kind.into(), amount, question: None }))
    }

    fn leave(&mut self) -> Option<Message> {
        self.seat.and(self.chair.take())?;
        Some(self.say(Ask::Leave(pb::Leave {})).1)
    }

    fn seated(&self) -> bool {
        self.seat.is_some()
    }

    fn renew(&mut self, token: &str) -> Option<Message> {
        Some(self.say(Ask::RenewToken(pb::RenewToken { token: token.to_owned() })).1)
    }
}

impl std::fmt::Debug for Purr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", checksummed(self.own), self.uid)
    }
}

fn index(seat: u32) -> Option<SeatIndex> {
    u8::try_from(seat).ok().map(SeatIndex)
}
