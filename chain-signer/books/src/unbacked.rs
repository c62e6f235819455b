//! Losses that the chain may not have once accepted hands are final.
//!
//! A seat that an exit has emptied cannot pay what it lost in accepted hands that are not final: their winners may bear
//! it, and then have less on chain than at the table. A hand in which such a winner loses more than that would be
//! rejected for good, so it is not accepted before the shortfall is final and the books know who bore it.
//!
//! **Guarantees.** However the accepted hands are netted into ranges, no range takes more from a seat than it has on
//! chain, as far as the exits that emptied seats were final when the hands were accepted. An exit that becomes final
//! later is out of reach: then two admins have to pass over the range.

use crate::{
    books::TableBooks,
    policy::{Effect, Refusal, Table},
};
use purr_protocol::settlement::{Entry, EntryBody};
use std::collections::{BTreeMap, BTreeSet};

/// Amounts that accepted, not yet final entries take from emptied seats, and what each other seat won in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unbacked {
    emptied: BTreeSet<u8>,
    missing: u64,
    won: BTreeMap<u8, u64>,
}

impl Unbacked {
    /// Collects the losses of the accepted entries after the last final one.
    pub(crate) fn of(table: &TableBooks) -> Self {
        let emptied = table.owners.iter().filter(|(_, owner)| owner.vacated.is_some());
        let mut unbacked = Self { emptied: emptied.map(|(seat, _)| *seat).collect(), ..Self::default() };
        if unbacked.emptied.is_empty() {
            return unbacked;
        }
        for booked in table.entries.range(table.confirmed_seq + 1..).map(|(_, booked)| booked) {
            if let Some(entry) = booked.entry.as_ref().filter(|_| !booked.state.is_final()) {
                unbacked.add(entry, &booked.effect);
            }
        }
        unbacked
    }

    pub(crate) fn add(&mut self, entry: &Entry, effect: &Effect) {
        if self.emptied.is_empty() {
            return;
        }
        if let EntryBody::Leave { seat, .. } = &entry.body {
            // A player who sits down there later has neither lost nor won anything in these entries.
            self.emptied.remove(&seat.0);
            self.won.remove(&seat.0);
        }
        for (seat, lane) in &effect.lanes {
            if lane.delta > 0 {
                let won = self.won.entry(*seat).or_default();
                *won = won.saturating_add(lane.delta.unsigned_abs());
            } else if self.emptied.contains(seat) {
                self.missing = self.missing.saturating_add(lane.delta.unsigned_abs());
            }
        }
    }

    /// The most that a seat may bear of the missing amount: never more than it won, however ranges are netted.
    fn borne_at_most(&self, seat: u8) -> u64 {
        self.won.get(&seat).copied().unwrap_or(0).min(self.missing)
    }

    /// Refuses a hand in which a seat loses what the chain may not have. `seats`: before the hand; a winner who bore a
    /// shortfall that is final has less on chain by [`TableBooks::borne`].
    ///
    /// # Errors
    /// [`Refusal::Insolvent`] with the stack that is sure.
    pub(crate) fn check(&self, table: &TableBooks, seats: &Table, effect: &Effect) -> Result<(), Refusal> {
        for (seat, lane) in effect.lanes.iter().filter(|(_, lane)| lane.delta < 0) {
            let held = seats.seats.get(seat).ok_or(Refusal::SeatEmpty(*seat))?;
            // The contract also limits an emptied seat's late losses to what the seat would hold.
            let may_bear = if self.emptied.contains(seat) { 0 } else { self.borne_at_most(*seat) };
            let borne = table.borne(*seat, held.player).saturating_add(may_bear);
            let (stack, loss) = (held.stack.saturating_sub(borne), lane.delta.unsigned_abs());
            if borne > 0 && loss > stack {
                return Err(Refusal::Insolvent { seat: *seat, stack, loss });
            }
        }
        Ok(())
    }
}
