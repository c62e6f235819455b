//! What players ask for.

use super::{APPLIED_PLAYERS_MAX, Asking, ConnectionId, Core, Step};
use purr_engine::{Action, Command, Event, PlayerId, Refusal, SeatIndex, config::AMOUNT_MAX};
use purr_protocol::{
    pb::{self, ErrorCode, client_message::Body as Ask, event::Kind, server_message::Body},
    settlement::{Permit, Reserve},
};

/// Why a message changed nothing.
struct Denied {
    code: ErrorCode,
    message: String,
    bounds: Option<(u64, u64)>,
}

impl Denied {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), bounds: None }
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        let bounds = refusal.bounds();
        let code = match &refusal {
            Refusal::NotYourTurn(_) | Refusal::NoHand => ErrorCode::NotYourTurn,
            Refusal::ClockPaused => ErrorCode::Paused,
            Refusal::NotConserved { .. } => ErrorCode::Unavailable,
            _ if bounds.is_some() => ErrorCode::Amount,
            _ => ErrorCode::Refused,
        };
        Self { code, message: refusal.to_string(), bounds }
    }
}

/// What came of a message.
enum Outcome {
    Done,
    /// The answer comes later.
    Later,
}

impl Core {
    pub(super) fn message(
        &mut self,
        connection: ConnectionId,
        player: PlayerId,
        message: pb::ClientMessage,
        events: &mut Vec<Event>,
        step: &mut Step,
    ) {
        let id = message.id;
        let ack = |at_offset| Body::Ack(pb::Ack { id, at_offset });
        if self.is_applied(player, id) {
            // Sent again because the answer was lost: it was carried out once, and that stands.
            step.replies.push((connection, ack(self.state.offset)));
            return;
        }
        if let Some(asking) = self.asking.iter_mut().find(|asking| asking.player == player && asking.id == id)
        {
            // Sent again while the signer is being asked: the one answer is for both.
            asking.connection = connection;
            return;
        }
        match self.carry_out(connection, player, message, events, step) {
            Ok(Outcome::Done) => {
                self.remember(player, id);
                step.dirty = true;
                // The events of this step, if it has any, are the next offset.
                let visible = !events.is_empty() || !step.told.is_empty();
                step.replies.push((connection, ack(self.state.offset + u64::from(visible))));
            }
            Ok(Outcome::Later) => {}
            Err(Denied { code, message, bounds }) => {
                let error = pb::Error {
                    id,
                    code: code.into(),
                    message,
                    min: bounds.map(|(min, _)| min),
                    max: bounds.map(|(_, max)| max),
                };
                step.replies.push((connection, Body::Error(error)));
            }
        }
    }

    fn carry_out(
        &mut self,
        connection: ConnectionId,
        player: PlayerId,
        message: pb::ClientMessage,
        events: &mut Vec<Event>,
        step: &mut Step,
    ) -> Result<Outcome, Denied> {
        let id = message.id;
        let ask = message.body.ok_or_else(|| Denied::new(ErrorCode::Malformed, "an empty message"))?;
        let own = self.state.table.seat_of(player);
        let seated =
            || own.ok_or_else(|| Denied::new(ErrorCode::NotSeated, "you have no seat at this table"));
        if self.state.frozen.contains(&player)
            && matches!(ask, Ask::Sit(_) | Ask::TopUp(_) | Ask::SitIn(_) | Ask::Leave(_))
        {
            let why = "your seat is frozen: a deposit of yours has vanished from the chain";
            return Err(Denied::new(ErrorCode::Refused, why));
        }
        let command = match ask {
            Ask::Sit(sit) => {
                let request = self.check_sit(player, &sit)?;
                self.asking.push(Asking { seat: request.seat, player, id, connection });
                step.reserve.push((connection, id, request));
                return Ok(Outcome::Later);
            }
            Ask::TopUp(top_up) => {
                let request = self.check_top_up(player, seated()?, &top_up)?;
                self.asking.push(Asking { seat: request.seat, player, id, connection });
                step.reserve.push((connection, id, request));
                return Ok(Outcome::Later);
            }
            Ask::Act(act) => self.check_act(seated()?, &act)?,
            Ask::Leave(_) => Command::Leave { seat: seated()? },
            Ask::SitOut(_) => Command::SitOut { seat: seated()? },
            Ask::SitIn(pb::SitIn { post }) => Command::SitIn { seat: seated()?, post },
            Ask::Straddle(pb::Straddle { on }) => Command::Straddle { seat: seated()?, on },
            Ask::RunItTwice(pb::RunItTwice { hand, agree }) => {
                let seat = seated()?;
                self.check_running(hand)?;
                Command::RunItTwice { seat, agree }
            }
            Ask::CommitEntropy(commit) => {
                self.commit_entropy(seated()?, &commit.commitment)?;
                return Ok(Outcome::Done);
            }
            Ask::RevealEntropy(reveal) => {
                self.reveal_entropy(seated()?, reveal.hand, &reveal.entropy)?;
                return Ok(Outcome::Done);
            }
            Ask::Attach(_) | Ask::RenewToken(_) | Ask::Ping(_) => {
                return Err(Denied::new(ErrorCode::Malformed, "not a command of the table"));
            }
        };
        let leaves =
            matches!(command, Command::Leave { .. }).then(|| self.state.table.seat_of(player)).flatten();
        events.extend(self.state.table.apply(self.now, command)?);
        // In the middle of a hand the engine has nothing to tell of it yet.
        if let Some(seat) =
            leaves.filter(|seat| self.state.table.seat(*seat).is_some_and(|chair| chair.leaving))
        {
            step.extra(Kind::Leaving(pb::Leaving { seat: seat.0.into() }));
        }
        Ok(Outcome::Done)
    }

    fn check_sit(&self, player: PlayerId, sit: &pb::Sit) -> Result<Reserve, Denied> {
        if let Some(why) = self.holding() {
            return Err(Denied::new(ErrorCode::Draining, why));
        }
        if self.state.closed {
            return Err(Denied::new(ErrorCode::Draining, "the table takes no new players"));
        }
        let no_seat = || Denied::new(ErrorCode::Refused, format!("there is no seat {}", sit.seat));
        let seat = SeatIndex(u8::try_from(sit.seat).map_err(|_| no_seat())?);
        self.state.table.may_sit(seat, player, sit.amount)?;
        if self.is_held(seat) {
            return Err(Refusal::SeatTaken(seat).into());
        }
        if self.is_on_the_way(player) {
            return Err(Denied::new(ErrorCode::Refused, "another seat change of yours is under way"));
        }
        let permit = permit(sit.permit.as_ref(), sit.amount, self.rake_min())?;
        Ok(Reserve { epoch: self.epoch, seat, player, permit, top_up: false })
    }

    fn check_top_up(&self, player: PlayerId, seat: SeatIndex, ask: &pb::TopUp) -> Result<Reserve, Denied> {
        if self.state.deleting {
            return Err(Denied::new(ErrorCode::Draining, "the table is closing"));
        }
        if self.state.table.seat(seat).is_some_and(|chair| chair.leaving) {
            return Err(Refusal::Leaving(seat).into());
        }
        let max = self.spec.engine.buy_in_max.saturating_sub(self.chips_of(seat));
        if ask.amount == 0 || ask.amount > max {
            return Err(Refusal::TopUp { amount: ask.amount, max }.into());
        }
        if self.is_on_the_way(player) {
            return Err(Denied::new(ErrorCode::Refused, "another seat change of yours is under way"));
        }
        let permit = permit(ask.permit.as_ref(), ask.amount, self.rake_min())?;
        Ok(Reserve { epoch: self.epoch, seat, player, permit, top_up: true })
    }

    /// What a permit must allow at least: the rake of one hand, however large its pot. Uncapped rake
    /// has no such amount.
    fn rake_min(&self) -> u64 {
        let rake = &self.spec.engine.rake;
        let highest = rake.caps.iter().map(|cap| cap.amount).max().unwrap_or(0);
        if rake.basis_points == 0 { 0 } else { highest }
    }

    /// What comes late does not count in the next hand.
    fn check_running(&self, hand: u64) -> Result<(), Denied> {
        if self.state.table.hand().map(|hand| hand.number) != Some(hand) {
            return Err(Denied::new(ErrorCode::WrongHand, format!("hand {hand} is not running")));
        }
        Ok(())
    }

    fn check_act(&self, seat: SeatIndex, act: &pb::Act) -> Result<Command, Denied> {
        self.check_running(act.hand)?;
        let action = match act.kind() {
            pb::ActionKind::Fold => Action::Fold,
            pb::ActionKind::Check => Action::Check,
            pb::ActionKind::Call => Action::Call,
            pb::ActionKind::RaiseTo => Action::RaiseTo(act.amount),
            pb::ActionKind::Unspecified => {
                return Err(Denied::new(ErrorCode::Malformed, "an action without a kind"));
            }
        };
        Ok(Command::Act { seat, action })
    }

    fn commit_entropy(&mut self, seat: SeatIndex, commitment: &[u8]) -> Result<(), Denied> {
        let hash = commitment.try_into().map_err(|_| Denied::new(ErrorCode::Malformed, "want 32 bytes"))?;
        self.commit(seat, hash).map_err(|why| Denied::new(ErrorCode::Refused, why))
    }

    fn is_applied(&self, player: PlayerId, id: u64) -> bool {
        self.state.applied.get(&player).is_some_and(|ids| ids.contains(id))
    }

    pub(super) fn remember(&mut self, player: PlayerId, id: u64) {
        let known = self.state.applied.contains_key(&player);
        if !known && self.state.applied.len() == APPLIED_PLAYERS_MAX {
            let table = &self.state.table;
            let gone = self.state.applied.keys().find(|player| table.seat_of(**player).is_none()).copied();
            if let Some(gone) = gone {
                self.state.applied.remove(&gone);
            }
        }
        self.state.applied.entry(player).or_default().push(id);
    }
}

fn permit(permit: Option<&pb::Permit>, amount: u64, rake_min: u64) -> Result<Permit, Denied> {
    let permit = permit.ok_or_else(|| Denied::new(ErrorCode::Malformed, "a permit is needed"))?;
    if permit.amount != amount {
        return Err(Denied::new(
            ErrorCode::Amount,
            format!("the permit is for {}, not {amount}", permit.amount),
        ));
    }
    if permit.max_total_rake < rake_min {
        let message = format!("the permit's rake is {}, one hand's may be {rake_min}", permit.max_total_rake);
        let bounds = Some((rake_min, AMOUNT_MAX));
        return Err(Denied { code: ErrorCode::Amount, message, bounds });
    }
    if permit.signature.len() != 65 {
        return Err(Denied::new(ErrorCode::Malformed, "a permit's signature has 65 bytes"));
    }
    Ok(Permit {
        amount: permit.amount,
        max_total_rake: permit.max_total_rake,
        expiry_s: permit.expiry_s,
        nonce: permit.nonce,
        signature: format!("0x{}", hex::encode(&permit.signature)),
    })
}

impl Core {
    fn reveal_entropy(&mut self, seat: SeatIndex, hand: u64, entropy: &[u8]) -> Result<(), Denied> {
        let entropy: [u8; 32] =
            entropy.try_into().map_err(|_| Denied::new(ErrorCode::Malformed, "want 32 bytes"))?;
        self.reveal(seat, hand, entropy).map_err(|why| Denied::new(ErrorCode::Refused, why))
    }
}
