//! Continues from the signer's journal where it is ahead of Redis at a take-over.
//!
//! The order of truth is chain, signer's journal, table's memory, Redis. What the journal has was sent by a
//! table that knew more than Redis does now: its last hand carries all that the next one starts from
//! ([`Head`]), and what came after that hand is carried out again, entry by entry.

use super::{Dealing, Seating, State, seating::What};
use purr_engine::{Chips, Command, Event, PlayerId, SeatIndex, Table};
use purr_protocol::{
    floor::PausedBy,
    settlement::{Entry, EntryBody},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The state from which the next hand starts; the entry of a hand carries it to the signer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    table: Table,
    seating: Vec<Seating>,
    exiting: BTreeMap<PlayerId, u64>,
    #[serde(default)]
    frozen: BTreeSet<PlayerId>,
    sequence: u64,
    confirmed: u64,
    notice: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_by: Option<PausedBy>,
}

#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    #[error("the last hand in the signer's journal: {0}")]
    Head(#[from] serde_json::Error),
    #[error("the signer's entry {found} does not follow {last}")]
    Gap { last: u64, found: u64 },
    #[error("the signer's entry {0} is a hand later than its last one")]
    Hand(u64),
    #[error("the signer's head is {head}, its entries end with {last}")]
    Short { head: u64, last: u64 },
}

/// The result: the state to continue with, and the events for the first step.
#[derive(Debug)]
pub struct Adopted {
    pub state: State,
    pub events: Vec<Event>,
}

impl State {
    /// The state after the hand with this number has ended and these players have left.
    pub(super) fn head(&self, sequence: u64, left: &[(PlayerId, Chips)]) -> Head {
        let mut seating = self.seating.clone();
        for (player, stack) in left {
            seating.iter_mut().filter(|held| held.player == *player).for_each(|held| held.left(*stack));
        }
        let (table, exiting, frozen) = (self.table.clone(), self.exiting.clone(), self.frozen.clone());
        let (confirmed, notice, paused_by) = (self.confirmed, self.notice, self.paused_by.clone());
        Head { table, seating, exiting, frozen, sequence, confirmed, notice, paused_by }
    }

    /// The number after which [`State::adopt`] needs the journal's entries.
    pub fn adopts_after(&self, head_next: Option<&str>) -> Result<u64, AdoptError> {
        let head: Option<Head> = head_next.map(serde_json::from_str).transpose()?;
        Ok(head.map_or(0, |head| head.sequence).max(self.sequence))
    }

    /// Continues from the signer's last entry. A hand that was running may have continued unseen after the snapshot, so
    /// it is void.
    ///
    /// # Errors
    /// Where `entries` are not what follows [`State::adopts_after`] up to `head_seq`.
    pub fn adopt(
        mut self,
        head_seq: u64,
        head_next: Option<&str>,
        entries: &[Entry],
    ) -> Result<Adopted, AdoptError> {
        let head: Option<Head> = head_next.map(serde_json::from_str).transpose()?;
        let mut events = Vec::new();
        self.hands_lost += 1;
        self.commitments.clear();
        self.withheld.clear();
        self.after_deal.clear();
        let head = head.filter(|head| head.sequence > self.sequence);
        // Counts a deal with revealed entropy that will not be finished. A hand that is declared void below is counted
        // when it ends.
        if head.is_some() {
            self.deals_void += u64::from(self.has_reveals());
        } else {
            self.deals_void += u64::from(self.dealing.as_ref().is_some_and(Dealing::has_reveals));
        }
        self.dealing = None;
        if let Some(head) = head {
            self.table = head.table;
            self.seating = head.seating;
            self.exiting = head.exiting;
            self.frozen = head.frozen;
            self.sequence = head.sequence;
            self.confirmed = self.confirmed.max(head.confirmed);
            self.notice = head.notice;
            self.paused_by = head.paused_by;
            self.deal = None;
        }
        // The clock was another process's; the new process sets it.
        self.run(Command::RestartClock);
        if self.table.hand().is_some() {
            events = self.run(Command::VoidHand);
        }
        // The signer has all entries up to the head.
        self.outbox.clear();
        for entry in entries {
            if entry.seq != self.sequence + 1 {
                return Err(AdoptError::Gap { last: self.sequence, found: entry.seq });
            }
            self.replay(entry, &mut events)?;
            self.sequence = entry.seq;
        }
        if self.sequence != head_seq {
            return Err(AdoptError::Short { head: head_seq, last: self.sequence });
        }
        Ok(Adopted { state: self, events })
    }

    fn replay(&mut self, entry: &Entry, events: &mut Vec<Event>) -> Result<(), AdoptError> {
        let seq = entry.seq;
        match &entry.body {
            EntryBody::Hand { .. } => return Err(AdoptError::Hand(seq)),
            EntryBody::Sit { seat, player, permit } => {
                let sit = Seating::new(*seat, *player, seq, What::Sit(permit.amount));
                self.seating.push(sit.with_rake(permit.max_total_rake));
            }
            EntryBody::TopUp { seat, player, permit } => {
                let rake = permit.max_total_rake;
                // A player whose seat is not confirmed yet brings what both permits allow. The last one counts: an
                // earlier one failed.
                let coming = self.seating.iter_mut().rfind(|held| held.player == *player && held.is_sit());
                match coming {
                    Some(sit) => sit.allow_rake(rake),
                    None => drop(self.run(Command::AllowRake { seat: *seat, amount: rake })),
                }
                let top_up = Seating::new(*seat, *player, seq, What::TopUp(permit.amount));
                self.seating.push(top_up.with_rake(rake));
            }
            EntryBody::Leave { seat, player, .. } => {
                // A player leaves with all chips: any that were in flight had arrived or were refused.
                self.seating.retain(|held| held.player != *player);
                self.leaves(*seat, *player, events);
                self.seating.push(Seating::new(*seat, *player, seq, What::Leave));
            }
        }
        Ok(())
    }

    /// Empties the seat, unless the void or the previous hand has done so: then it is not given back twice.
    fn leaves(&mut self, seat: SeatIndex, player: PlayerId, events: &mut Vec<Event>) {
        events.retain(|event| !matches!(event, Event::Left { player: gone, .. } if *gone == player));
        if self.table.seat(seat).is_some_and(|chair| chair.player == player) {
            self.run(Command::Leave { seat });
        }
    }

    fn run(&mut self, command: Command) -> Vec<Event> {
        self.table.apply(0, command).unwrap_or_else(|refusal| {
            tracing::error!(%refusal, "while adopting the signer's head");
            Vec::new()
        })
    }
}
