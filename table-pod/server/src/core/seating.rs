//! Chairs between free and occupied: while chips move on chain.

use super::{Asking, ConnectionId, Core, State, Step};
use purr_engine::{Chips, Command, Event, PlayerId, SeatIndex, Table};
use purr_protocol::{
    pb::{self, event::Kind, server_message::Body},
    settlement::{Entry, EntryBody, Notice, NoticeState, Reserve},
    summary::Taken,
};
use serde::{Deserialize, Serialize};

/// An entry of the sequence that waits for the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seating {
    pub(super) seat: SeatIndex,
    pub(super) player: PlayerId,
    seq: u64,
    what: What,
    /// The player of this top-up left meanwhile with this stack. The seat is given back with both amounts once the
    /// top-up is final, because the total is unknown until then.
    #[serde(default)]
    left_with: Option<Chips>,
    /// Maximum rake that the permit allows.
    #[serde(default)]
    rake: Option<Chips>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    Sit(Chips),
    TopUp(Chips),
    Leave,
}

impl Seating {
    pub(super) const fn new(seat: SeatIndex, player: PlayerId, seq: u64, what: What) -> Self {
        Self { seat, player, seq, what, left_with: None, rake: None }
    }

    pub(super) const fn with_rake(self, rake: Chips) -> Self {
        Self { rake: Some(rake), ..self }
    }

    pub(super) const fn is_sit(&self) -> bool {
        matches!(self.what, What::Sit(_))
    }

    pub(super) fn allow_rake(&mut self, amount: Chips) {
        self.rake = self.rake.map(|rake| rake.saturating_add(amount));
    }

    /// The rake that a top-up's permit allows once the chain has taken it.
    pub(super) const fn rake_coming(&self) -> Option<Chips> {
        if matches!(self.what, What::TopUp(_)) { self.rake } else { None }
    }

    /// Marks that the player has left the seat; a pending top-up keeps the stack that the player left with.
    pub(super) const fn left(&mut self, stack: Chips) {
        if matches!(self.what, What::TopUp(_)) {
            self.left_with = Some(stack);
        }
    }

    /// A top-up of a player who still sits there holds no seat.
    const fn holds_chair(&self) -> bool {
        !matches!(self.what, What::TopUp(_)) || self.left_with.is_some()
    }
}

impl Core {
    /// Whether a player is taking or leaving this seat.
    pub(super) fn is_held(&self, seat: SeatIndex) -> bool {
        self.state.seating.iter().any(|held| held.seat == seat && held.holds_chair())
            || self.asking.iter().any(|asking| asking.holds() && asking.seat == seat)
    }

    /// The seats that are taken or held, each once and in order.
    pub fn seats_taken(&self) -> Vec<Taken> {
        let table = &self.state.table;
        let seated = (0..self.spec.engine.seats)
            .map(SeatIndex)
            .filter_map(|seat| Some((seat, table.seat(seat)?.player)));
        let moving = self.state.seating.iter().filter(|held| held.holds_chair());
        let asking = self.asking.iter().filter(|asking| asking.holds());
        let held = moving.map(|held| (held.seat, held.player));
        let asked = asking.map(|asking| (asking.seat, asking.player));
        let mut taken: Vec<Taken> =
            seated.chain(held).chain(asked).map(|(seat, player)| Taken { seat: seat.0, player }).collect();
        taken.sort_unstable();
        taken.dedup();
        taken
    }

    pub(super) fn is_on_the_way(&self, player: PlayerId) -> bool {
        self.state.seating.iter().any(|held| held.player == player)
            || self.asking.iter().any(|asking| asking.holds() && asking.player == player)
    }

    /// The signer has answered: the chips are reserved and get their place in the sequence, or not.
    pub(super) fn reserved(
        &mut self,
        connection: ConnectionId,
        id: u64,
        request: Reserve,
        refused: Option<String>,
        step: &mut Step,
    ) {
        let Reserve { seat, player, permit, top_up, .. } = request;
        let asked = self.asking.iter().find(|asking| asking.player == player && asking.id == id);
        let connection = asked.map_or(connection, |asking| asking.connection);
        let over = asked.is_some_and(|asking| asking.over);
        self.asking.retain(|asking| asking.player != player || asking.id != id);
        if over {
            // The player was notified already that the hold has ended.
            return tracing::info!(%player, %seat, "the signer's answer came after the hold had ended");
        }
        if refused.is_some() {
            let rules = self.spec.room;
            self.state.room.unused_hold(player, &rules, self.now);
            step.dirty = true;
        }
        // A reservation that the table does not use is freed by its expiry.
        let refused = refused.map(|why| (pb::ErrorCode::Funds, why)).or_else(|| {
            if self.state.deleting {
                Some((pb::ErrorCode::Draining, "the table is closing".into()))
            } else if top_up && !self.stays(seat, player) {
                Some((pb::ErrorCode::Refused, format!("you have left seat {seat} or are leaving it")))
            } else {
                None
            }
        });
        if let Some((code, message)) = refused {
            let retry_after_ms = self.state.room.wait(player, top_up, self.now);
            let error = pb::Error { id, code: code.into(), message, retry_after_ms, ..pb::Error::default() };
            step.replies.push((connection, Body::Error(error)));
            return;
        }
        let (amount, rake) = (permit.amount, permit.max_total_rake);
        let (what, body) = if top_up {
            (What::TopUp(amount), EntryBody::TopUp { seat, player, permit })
        } else {
            (What::Sit(amount), EntryBody::Sit { seat, player, permit })
        };
        let seq = self.enqueue(body, step);
        self.state.seating.push(Seating::new(seat, player, seq, what).with_rake(rake));
        if top_up {
            // The rake counts from the entry's place in the sequence on, as at the signer; the chips arrive when they
            // are final.
            self.taken(Command::AllowRake { seat, amount: rake }, &mut Vec::new());
            let rules = self.spec.room;
            self.state.room.topped_up(seat, player, &rules, self.now);
        }
        self.remember(player, id);
        step.replies.push((connection, Body::Ack(pb::Ack { id, at_offset: self.state.offset })));
        if !top_up {
            self.tell(Kind::Seating(seating(seat, player, pb::SeatingState::Reserved)), step);
        }
    }

    fn stays(&self, seat: SeatIndex, player: PlayerId) -> bool {
        self.state.table.seat(seat).is_some_and(|chair| chair.player == player && !chair.leaving)
    }

    /// Appends an entry with the next number. Numbers are never reused: entries stay in the outbox until the signer has
    /// them.
    pub(super) fn enqueue(&mut self, body: EntryBody, step: &mut Step) -> u64 {
        self.state.sequence += 1;
        let entry = Entry { seq: self.state.sequence, body };
        self.state.outbox.push(entry.clone());
        step.entries.push(entry);
        step.dirty = true;
        self.state.sequence
    }

    /// The seat of a player who left stays held until the chain has paid out.
    pub(super) fn left(&mut self, seat: SeatIndex, player: PlayerId, stack: Chips, step: &mut Step) {
        self.tell(Kind::Seating(seating(seat, player, pb::SeatingState::Leaving)), step);
        let top_up = |held: &&mut Seating| held.player == player && matches!(held.what, What::TopUp(_));
        match self.state.seating.iter_mut().find(top_up) {
            Some(top_up) => top_up.left(stack),
            None => self.give_back(seat, player, stack, step),
        }
    }

    fn give_back(&mut self, seat: SeatIndex, player: PlayerId, stack: Chips, step: &mut Step) {
        let seq = self.enqueue(EntryBody::Leave { seat, player, stack }, step);
        self.state.seating.push(Seating::new(seat, player, seq, What::Leave));
    }

    /// Applies what the chain has done; it must not be refused, or table and chain would differ.
    fn taken(&mut self, command: Command, events: &mut Vec<Event>) {
        match self.state.table.apply(self.now, command) {
            Ok(more) => events.extend(more),
            Err(refusal) => tracing::error!(%refusal, "the table refuses what the chain has taken"),
        }
    }

    /// Handles notices about entries on their way to the chain.
    pub(super) fn notices(&mut self, notices: &[Notice], events: &mut Vec<Event>, step: &mut Step) {
        for notice in
            notices.iter().filter(|notice| notice.id > self.state.notice).cloned().collect::<Vec<_>>()
        {
            self.state.notice = notice.id;
            step.dirty = true;
            if let NoticeState::Exit(player) = notice.state {
                self.state.exiting.insert(player, notice.seq_to);
                self.forget_exits();
                continue;
            }
            if let NoticeState::Frozen(player) | NoticeState::Thawed(player) = notice.state {
                self.freeze(player, matches!(notice.state, NoticeState::Frozen(_)), events);
                continue;
            }
            let state = match notice.state {
                NoticeState::Submitted => pb::SettlementState::Submitted,
                NoticeState::Confirmed => pb::SettlementState::Confirmed,
                NoticeState::Rejected => pb::SettlementState::Rejected,
                NoticeState::Exit(_) | NoticeState::Frozen(_) | NoticeState::Thawed(_) => continue,
            };
            let settlement = pb::Settlement {
                seq_from: notice.seq_from,
                seq_to: notice.seq_to,
                state: state.into(),
                tx_hash: notice.tx_hash.clone(),
            };
            self.tell(Kind::Settlement(settlement), step);
            match notice.state {
                NoticeState::Confirmed => self.confirmed(notice.seq_to, events, step),
                NoticeState::Rejected => self.rejected(&notice, step),
                _ => {}
            }
            self.forget_exits();
        }
    }

    /// Freezes or unfreezes a player whose deposit disappeared. A frozen seat plays its hand to the end and is dealt no
    /// other.
    fn freeze(&mut self, player: PlayerId, frozen: bool, events: &mut Vec<Event>) {
        let (table, seating, asking) = (&self.state.table, &self.state.seating, &self.asking);
        // Bounded by seats and pending requests.
        self.state.frozen.retain(|player| is_here(*player, table, seating, asking));
        if !frozen {
            self.state.frozen.remove(&player);
        } else if is_here(player, table, seating, asking) {
            tracing::error!(%player, "a deposit has vanished from the chain: the chair is frozen");
            self.state.frozen.insert(player);
            self.sit_frozen_out(events);
        }
    }

    /// Makes frozen players who are still dealt in sit out, including those whose chips have just arrived.
    fn sit_frozen_out(&mut self, events: &mut Vec<Event>) {
        let State { table, frozen, .. } = &self.state;
        let seats: Vec<SeatIndex> = (0..self.spec.engine.seats)
            .map(SeatIndex)
            .filter(|seat| {
                let chair = table.seat(*seat).filter(|chair| !chair.sitting_out);
                chair.is_some_and(|chair| frozen.contains(&chair.player))
            })
            .collect();
        for seat in seats {
            self.command(Command::SitOut { seat }, events);
        }
    }

    /// Forgets exits of players who are gone: an exit is about a player who was here by then, and a later seat is a new
    /// one. So there are never more of them than seats and pending requests.
    fn forget_exits(&mut self) {
        let (table, seating, asking) = (&self.state.table, &self.state.seating, &self.asking);
        self.state.exiting.retain(|player, asked| {
            table.seat_of(*player).is_some()
                || asking.iter().any(|asking| asking.holds() && asking.player == *player)
                || seating.iter().any(|held| held.player == *player && held.seq <= *asked)
        });
    }

    /// Everything up to this number is final on chain: chips may appear now.
    fn confirmed(&mut self, through: u64, events: &mut Vec<Event>, step: &mut Step) {
        self.state.confirmed = self.state.confirmed.max(through);
        self.waiting.settled(self.state.confirmed);
        let (done, waiting) = std::mem::take(&mut self.state.seating)
            .into_iter()
            .partition(|held: &Seating| held.seq <= through);
        self.state.seating = waiting;
        let done: Vec<Seating> = done;
        for Seating { seat, player, what, left_with, rake, .. } in done {
            match (what, left_with) {
                (What::Sit(stack), _) => {
                    self.taken(Command::Seat { seat, player, stack, rake_allowed: rake }, events);
                    self.sit_frozen_out(events);
                }
                (What::TopUp(amount), None) => self.taken(Command::TopUp { seat, amount }, events),
                (What::TopUp(amount), Some(stack)) => self.give_back(seat, player, stack + amount, step),
                (What::Leave, _) => {
                    self.tell(Kind::Seating(seating(seat, player, pb::SeatingState::Free)), step);
                }
            }
        }
    }

    /// The chain refused these: chips that never moved must not appear at the table.
    fn rejected(&mut self, notice: &Notice, step: &mut Step) {
        tracing::error!(seq_from = notice.seq_from, seq_to = notice.seq_to, "refused by the chain");
        let (refused, waiting): (Vec<Seating>, Vec<Seating>) =
            std::mem::take(&mut self.state.seating).into_iter().partition(|held| {
                // A seat whose leave was refused stays held, because its chips are still on chain.
                held.what != What::Leave && (notice.seq_from..=notice.seq_to).contains(&held.seq)
            });
        self.state.seating = waiting;
        for Seating { seat, player, what, left_with, rake, .. } in refused {
            match (what, left_with) {
                (_, Some(stack)) => self.give_back(seat, player, stack, step),
                (What::TopUp(_), None) => {
                    let amount = rake.unwrap_or(0);
                    self.taken(Command::DisallowRake { seat, amount }, &mut Vec::new());
                }
                _ => {}
            }
            if matches!(what, What::Sit(_)) {
                let rules = self.spec.room;
                self.state.room.unused_hold(player, &rules, self.now);
                self.tell(Kind::Seating(seating(seat, player, pb::SeatingState::Free)), step);
            }
        }
    }

    /// Makes players leave: all if the table is deleted, otherwise those who exited on chain. Such a seat is dealt no
    /// more hands. This only happens between hands: leaving during a hand would fold a hand that others play against. A
    /// deal with a published root counts as a hand.
    pub(super) fn leave_who_must(&mut self, events: &mut Vec<Event>) {
        let State { table, exiting, frozen, deleting, .. } = &self.state;
        if (!deleting && exiting.is_empty()) || !self.between_hands() {
            return;
        }
        let goes = |seat: &SeatIndex| {
            let chair = table.seat(*seat).filter(|chair| !chair.leaving);
            chair.is_some_and(|chair| {
                let must = *deleting || exiting.contains_key(&chair.player);
                must && !frozen.contains(&chair.player)
            })
        };
        let seats: Vec<SeatIndex> = (0..self.spec.engine.seats).map(SeatIndex).filter(goes).collect();
        for seat in seats {
            self.command(Command::Leave { seat }, events);
        }
        self.forget_exits();
    }

    /// Adds an event to this step that everybody sees.
    fn tell(&mut self, kind: Kind, step: &mut Step) {
        step.dirty = true;
        step.extra(kind);
    }
}

fn is_here(player: PlayerId, table: &Table, seating: &[Seating], asking: &[Asking]) -> bool {
    table.seat_of(player).is_some()
        || asking.iter().any(|asking| asking.holds() && asking.player == player)
        || seating.iter().any(|held| held.player == player)
}

fn seating(seat: SeatIndex, player: PlayerId, state: pb::SeatingState) -> pb::Seating {
    pb::Seating { seat: seat.0.into(), player: player.to_string(), state: state.into() }
}
