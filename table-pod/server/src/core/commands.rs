//! Handling of players' requests.

use super::{
    APPLIED_PLAYERS_MAX, Asking, ConnectionId, Core, Step, dealing::Wish, rabbit::NoRabbit, talk::NotSaid,
};
use purr_engine::{Action, Command, Event, Millis, PlayerId, Refusal, SeatIndex, config::AMOUNT_MAX};
use purr_protocol::{
    pb::{self, ErrorCode, client_message::Body as Ask, event::Kind, server_message::Body},
    permit::{PermitError, PermitFor},
    settlement::{Permit, Reserve},
    views,
};

/// Why a message changed nothing.
struct Denied {
    code: ErrorCode,
    message: String,
    bounds: Option<(u64, u64)>,
    retry_after_ms: Option<Millis>,
}

impl Denied {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), bounds: None, retry_after_ms: None }
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
        Self { bounds, ..Self::new(code, refusal.to_string()) }
    }
}

impl From<NotSaid> for Denied {
    fn from(error: NotSaid) -> Self {
        let told = error.to_string();
        match error {
            NotSaid::TooMuch(left) => {
                Self { retry_after_ms: Some(left), ..Self::new(ErrorCode::CoolDown, told) }
            }
            _ => Self::new(ErrorCode::Refused, told),
        }
    }
}

impl From<NoRabbit> for Denied {
    fn from(error: NoRabbit) -> Self {
        let code = match error {
            NoRabbit::Over(_) => ErrorCode::WrongHand,
            NoRabbit::Off | NoRabbit::NotDealtIn(_) => ErrorCode::Refused,
        };
        Self::new(code, error.to_string())
    }
}

impl From<PermitError> for Denied {
    fn from(error: PermitError) -> Self {
        Self::new(ErrorCode::Permit, error.to_string())
    }
}

/// The outcome of a request.
enum Outcome {
    Done,
    /// The command is answered later.
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
            // The client repeats a command whose answer was lost: it was carried out once, and is not carried out
            // again.
            step.replies.push((connection, ack(self.state.offset)));
            return;
        }
        let asked = |asking: &&mut Asking| asking.holds() && asking.player == player && asking.id == id;
        if let Some(asking) = self.asking.iter_mut().find(asked) {
            // The request was repeated while the signer is being asked: one answer serves both.
            asking.connection = connection;
            return;
        }
        match self.carry_out(connection, player, message, events, step) {
            Ok(Outcome::Done) => {
                self.remember(player, id);
                step.dirty = true;
                // If this step has events, they get the next offset.
                let visible = !events.is_empty() || !step.told.is_empty();
                step.replies.push((connection, ack(self.state.offset + u64::from(visible))));
            }
            Ok(Outcome::Later) => {}
            Err(Denied { code, message, bounds, retry_after_ms }) => {
                let error = pb::Error {
                    id,
                    code: code.into(),
                    message,
                    min: bounds.map(|(min, _)| min),
                    max: bounds.map(|(_, max)| max),
                    retry_after_ms,
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
                return self.hold(connection, id, request, step);
            }
            Ask::TopUp(top_up) => {
                let request = self.check_top_up(player, seated()?, &top_up)?;
                return self.hold(connection, id, request, step);
            }
            Ask::Act(act) => self.check_act(seated()?, &act)?,
            Ask::Leave(_) | Ask::SitOut(_) if self.is_bound(seated()?) => {
                let wish = if matches!(ask, Ask::Leave(_)) { Wish::Leave } else { Wish::SitOut };
                self.wish(seated()?, wish, step)?;
                return Ok(Outcome::Done);
            }
            Ask::SitIn(_) if self.state.after_deal.contains_key(&seated()?) => {
                self.unwish(seated()?)?;
                return Ok(Outcome::Done);
            }
            Ask::Leave(_) => Command::Leave { seat: seated()? },
            Ask::SitOut(_) => Command::SitOut { seat: seated()? },
            Ask::SitIn(pb::SitIn { post }) => {
                let seat = seated()?;
                self.check_covered(seat)?;
                Command::SitIn { seat, post }
            }
            Ask::Straddle(pb::Straddle { on }) => Command::Straddle { seat: seated()?, on },
            Ask::WishShow(wish) => Command::WishShow { seat: seated()?, wish: views::wish_of(wish.wish()) },
            Ask::ShowHand(pb::ShowHand { hand, show }) => {
                let seat = seated()?;
                self.check_running(hand)?;
                Command::Show { seat, show }
            }
            Ask::RunItTwice(pb::RunItTwice { hand, agree }) => {
                let seat = seated()?;
                self.check_running(hand)?;
                Command::RunItTwice { seat, agree }
            }
            Ask::Say(say) => {
                self.say(seated()?, player, &say, step)?;
                return Ok(Outcome::Done);
            }
            Ask::ReportSaid(pb::ReportSaid { number }) => {
                seated()?;
                self.report(player, number)?;
                return Ok(Outcome::Done);
            }
            Ask::HuntRabbit(pb::HuntRabbit { hand }) => {
                seated()?;
                self.hunt_rabbit(player, hand, step)?;
                return Ok(Outcome::Done);
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
        self.state.table.apply_into(self.now, command, events)?;
        // During a hand the engine has no event of it yet.
        if let Some(seat) =
            leaves.filter(|seat| self.state.table.seat(*seat).is_some_and(|chair| chair.leaving))
        {
            step.extra(Kind::Leaving(pb::Leaving { seat: seat.0.into() }));
        }
        Ok(Outcome::Done)
    }

    /// Holds the seat and asks the signer for the chips; the permit has been checked before.
    fn hold(
        &mut self,
        connection: ConnectionId,
        id: u64,
        request: Reserve,
        step: &mut Step,
    ) -> Result<Outcome, Denied> {
        let Reserve { seat, player, .. } = request;
        if self.asking.iter().any(|asking| asking.player == player && asking.id == id) {
            // Two answers with the same id could not be told apart.
            return Err(Denied::new(ErrorCode::Unavailable, "the hold of this request has ended: ask anew"));
        }
        let until = self.now.saturating_add(self.spec.room.hold_ms);
        self.asking.push(Asking { seat, player, id, connection, until, over: false });
        step.reserve.push((connection, id, request));
        Ok(Outcome::Later)
    }

    /// The deal's root is published, so a player who is to be dealt in stays in, and sits out or leaves after the hand.
    fn wish(&mut self, seat: SeatIndex, wish: Wish, step: &mut Step) -> Result<(), Denied> {
        match self.state.after_deal.get(&seat) {
            Some(Wish::Leave) => return Err(Refusal::Leaving(seat).into()),
            Some(Wish::SitOut) if wish == Wish::SitOut => return Err(Refusal::SittingOut(seat).into()),
            _ => {}
        }
        self.state.after_deal.insert(seat, wish);
        if wish == Wish::Leave {
            step.extra(Kind::Leaving(pb::Leaving { seat: seat.0.into() }));
        }
        Ok(())
    }

    fn unwish(&mut self, seat: SeatIndex) -> Result<(), Denied> {
        if self.state.after_deal.get(&seat) == Some(&Wish::Leave) {
            return Err(Refusal::Leaving(seat).into());
        }
        self.state.after_deal.remove(&seat);
        Ok(())
    }

    /// A returning player's permits must cover the rake of the next hand.
    fn check_covered(&self, seat: SeatIndex) -> Result<(), Denied> {
        let away = self.state.table.seat(seat).is_some_and(|chair| chair.sitting_out);
        match self.rake_lacking(seat).filter(|_| away) {
            Some((left, need)) => Err(Denied::new(
                ErrorCode::Rake,
                format!(
                    "your permits allow {left} more rake, and a hand may take {need}: top up with a new permit"
                ),
            )),
            None => Ok(()),
        }
    }

    /// A pause after holds or stays for nothing.
    fn check_pause(&self, player: PlayerId, top_up: bool) -> Result<(), Denied> {
        let Some(left) = self.state.room.wait(player, top_up, self.now) else { return Ok(()) };
        let message = format!("wait {} s before you ask for a seat or chips again", left.div_ceil(1_000));
        Err(Denied { retry_after_ms: Some(left), ..Denied::new(ErrorCode::CoolDown, message) })
    }

    /// Checks all of a permit except the balance, so that no seat is held for a permit that the signer or the vault
    /// would refuse.
    fn check_permit(&self, what: PermitFor, player: PlayerId, permit: &Permit) -> Result<(), Denied> {
        match &self.permits {
            Some(domain) => Ok(domain.check(what, player, permit, self.unix_s)?),
            None => Ok(()),
        }
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
        self.check_pause(player, false)?;
        let permit = permit(sit.permit.as_ref(), sit.amount, self.rake_min())?;
        self.check_permit(PermitFor::Sit(seat), player, &permit)?;
        Ok(Reserve { epoch: self.epoch, seat, player, permit, top_up: false })
    }

    fn check_top_up(&self, player: PlayerId, seat: SeatIndex, ask: &pb::TopUp) -> Result<Reserve, Denied> {
        if self.state.deleting {
            return Err(Denied::new(ErrorCode::Draining, "the table is closing"));
        }
        if self.state.draining {
            return Err(Denied::new(ErrorCode::Draining, "the table moves to another server"));
        }
        let leaves = self.state.after_deal.get(&seat) == Some(&Wish::Leave);
        if leaves || self.state.table.seat(seat).is_some_and(|chair| chair.leaving) {
            return Err(Refusal::Leaving(seat).into());
        }
        let max = self.spec.engine.buy_in_max.saturating_sub(self.chips_of(seat));
        // A player with a full stack may top up by the minimum to renew the permit.
        let max = max.max(u64::from(self.rake_lacking(seat).is_some()));
        if ask.amount == 0 || ask.amount > max {
            return Err(Refusal::TopUp { amount: ask.amount, max }.into());
        }
        if self.is_on_the_way(player) {
            return Err(Denied::new(ErrorCode::Refused, "another seat change of yours is under way"));
        }
        self.check_pause(player, true)?;
        let permit = permit(ask.permit.as_ref(), ask.amount, self.rake_min())?;
        self.check_permit(PermitFor::TopUp(seat), player, &permit)?;
        Ok(Reserve { epoch: self.epoch, seat, player, permit, top_up: true })
    }

    /// Least rake that a permit must allow: that of one hand, however large its pot. Uncapped rake has no such amount.
    pub(super) fn rake_min(&self) -> u64 {
        let rake = &self.spec.engine.rake;
        let highest = rake.caps.iter().map(|cap| cap.amount).max().unwrap_or(0);
        if rake.basis_points == 0 { 0 } else { highest }
    }

    /// A late request does not count in the next hand.
    fn check_running(&self, hand: u64) -> Result<(), Denied> {
        if self.state.table.hand().map(|hand| hand.number) != Some(hand) {
            return Err(Denied::new(ErrorCode::WrongHand, format!("hand {hand} is not running")));
        }
        Ok(())
    }

    fn check_act(&self, seat: SeatIndex, act: &pb::Act) -> Result<Command, Denied> {
        self.check_running(act.hand)?;
        self.check_question(seat, act.question.as_ref())?;
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

    /// Refuses an action that answers an earlier question: a key pressed to check must not call a raise that arrived in
    /// between.
    fn check_question(&self, seat: SeatIndex, answered: Option<&pb::Question>) -> Result<(), Denied> {
        let (Some(answered), Some(asked)) = (answered, views::question(&self.state.table, seat)) else {
            // Without a question the action stands for itself; out of turn the engine refuses it.
            return Ok(());
        };
        if *answered == asked {
            return Ok(());
        }
        let pb::Question { board_cards, to_match } = asked;
        let why = format!(
            "the action answers {} board cards and {} to match, but the table asks for {board_cards} and {to_match}",
            answered.board_cards, answered.to_match
        );
        Err(Denied::new(ErrorCode::QuestionChanged, why))
    }

    fn commit_entropy(&mut self, seat: SeatIndex, commitment: &[u8]) -> Result<(), Denied> {
        let hash = commitment.try_into().map_err(|_| Denied::new(ErrorCode::Malformed, "want 32 bytes"))?;
        self.commit(seat, hash).map_err(|why| Denied::new(ErrorCode::Refused, why.to_string()))
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
        return Err(Denied { bounds, ..Denied::new(ErrorCode::Amount, message) });
    }
    if permit.signature.len() != 65 {
        return Err(Denied::new(ErrorCode::Permit, "a permit's signature has 65 bytes"));
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
        self.reveal(seat, hand, entropy).map_err(|why| Denied::new(ErrorCode::Refused, why.to_string()))
    }
}
