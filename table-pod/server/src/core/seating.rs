//! Chairs between free and occupied: while chips move on chain.

use super::{ConnectionId, Core, Step};
use purr_engine::{Chips, Command, Event, PlayerId, SeatIndex};
use purr_protocol::{
    pb::{self, event::Kind, server_message::Body},
    settlement::{Entry, EntryBody, Notice, NoticeState, Reserve},
};
use serde::{Deserialize, Serialize};

/// An entry of the sequence that waits for the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seating {
    pub(super) seat: SeatIndex,
    pub(super) player: PlayerId,
    seq: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    Sit(Chips),
    TopUp(Chips),
    Leave,
}

impl Core {
    /// Whether somebody is on the way into or out of this chair.
    pub(super) fn is_held(&self, seat: SeatIndex) -> bool {
        self.state.seating.iter().any(|held| held.seat == seat && !matches!(held.what, What::TopUp(_)))
            || self.asking.iter().any(|(at, _)| *at == seat)
    }

    pub(super) fn is_on_the_way(&self, player: PlayerId) -> bool {
        self.state.seating.iter().any(|held| held.player == player)
            || self.asking.iter().any(|(_, who)| *who == player)
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
        self.asking.retain(|(_, who)| *who != player);
        if let Some(why) = refused {
            let error =
                pb::Error { id, code: pb::ErrorCode::Funds.into(), message: why, min: None, max: None };
            step.replies.push((connection, Body::Error(error)));
            return;
        }
        let amount = permit.amount;
        let (what, body) = if top_up {
            (What::TopUp(amount), EntryBody::TopUp { seat, player, permit })
        } else {
            (What::Sit(amount), EntryBody::Sit { seat, player, permit })
        };
        let seq = self.enqueue(body, step);
        self.state.seating.push(Seating { seat, player, seq, what });
        self.remember(player, id);
        step.replies.push((connection, Body::Ack(pb::Ack { id, at_offset: self.state.offset })));
        if !top_up {
            self.tell(Kind::Seating(seating(seat, player, pb::SeatingState::Reserved)), step);
        }
    }

    /// Gives an entry its number. Numbers are never used twice: what is in the outbox stays there
    /// until the signer has it.
    pub(super) fn enqueue(&mut self, body: EntryBody, step: &mut Step) -> u64 {
        self.state.sequence += 1;
        let entry = Entry { seq: self.state.sequence, body };
        self.state.outbox.push(entry.clone());
        step.entries.push(entry);
        step.dirty = true;
        self.state.sequence
    }

    /// The chair of a player who left stays taken until the chain has paid out.
    pub(super) fn left(&mut self, seat: SeatIndex, player: PlayerId, stack: Chips, step: &mut Step) {
        let seq = self.enqueue(EntryBody::Leave { seat, player, stack }, step);
        self.state.seating.push(Seating { seat, player, seq, what: What::Leave });
        self.tell(Kind::Seating(seating(seat, player, pb::SeatingState::Leaving)), step);
    }

    /// News of entries on their way to the chain.
    pub(super) fn notices(&mut self, notices: &[Notice], events: &mut Vec<Event>, step: &mut Step) {
        for notice in
            notices.iter().filter(|notice| notice.id > self.state.notice).cloned().collect::<Vec<_>>()
        {
            self.state.notice = notice.id;
            step.dirty = true;
            let state = match notice.state {
                NoticeState::Submitted => pb::SettlementState::Submitted,
                NoticeState::Confirmed => pb::SettlementState::Confirmed,
                NoticeState::Rejected => pb::SettlementState::Rejected,
            };
            let settlement = pb::Settlement {
                seq_from: notice.seq_from,
                seq_to: notice.seq_to,
                state: state.into(),
                tx_hash: notice.tx_hash.clone(),
            };
            self.tell(Kind::Settlement(settlement), step);
            match notice.state {
                NoticeState::Submitted => {}
                NoticeState::Confirmed => self.confirmed(notice.seq_to, events, step),
                NoticeState::Rejected => self.rejected(&notice, step),
            }
        }
    }

    /// Everything up to this number is final on chain: chips may appear now.
    fn confirmed(&mut self, through: u64, events: &mut Vec<Event>, step: &mut Step) {
        self.state.confirmed = self.state.confirmed.max(through);
        let (done, waiting) = std::mem::take(&mut self.state.seating)
            .into_iter()
            .partition(|held: &Seating| held.seq <= through);
        self.state.seating = waiting;
        let done: Vec<Seating> = done;
        for Seating { seat, player, what, .. } in done {
            match what {
                What::Sit(stack) => self.command(Command::Sit { seat, player, stack }, events),
                // Where the player has asked to leave meanwhile, the entry after this one pays it out.
                What::TopUp(amount) => self.command(Command::TopUp { seat, amount }, events),
                What::Leave => {
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
                // A chair whose leave was refused stays held: its chips are still on chain.
                held.what != What::Leave && (notice.seq_from..=notice.seq_to).contains(&held.seq)
            });
        self.state.seating = waiting;
        for Seating { seat, player, what, .. } in refused {
            if matches!(what, What::Sit(_)) {
                self.tell(Kind::Seating(seating(seat, player, pb::SeatingState::Free)), step);
            }
        }
    }

    /// Between hands only: who leaves in the middle of one would fold what others still have to play for.
    pub(super) fn leave_all_if_deleting(&mut self, events: &mut Vec<Event>) {
        if !self.state.deleting || self.state.table.hand().is_some() {
            return;
        }
        for seat in (0..self.spec.engine.seats).map(SeatIndex) {
            if self.state.table.seat(seat).is_some_and(|chair| !chair.leaving) {
                self.command(Command::Leave { seat }, events);
            }
        }
    }

    /// Adds something to what everybody sees of this step.
    fn tell(&mut self, kind: Kind, step: &mut Step) {
        step.dirty = true;
        step.extra(kind);
    }
}

fn seating(seat: SeatIndex, player: PlayerId, state: pb::SeatingState) -> pb::Seating {
    pb::Seating { seat: seat.0.into(), player: player.to_string(), state: state.into() }
}
