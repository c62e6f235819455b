//! The deal: the table publishes a root, players reveal the entropy that they committed to, and cards are dealt.
//!
//! Whoever has committed is waited for, within a bound. A commitment without its reveal stands in the
//! record, the hand is dealt from the others' entropy (why that is safe: [`purr_engine::deal`]), and
//! the third one running means sit-out. Who commits to nothing takes part without a say in the order:
//! not to commit chooses between nothing, so it is nobody's fault.

use super::{Core, Deal, Step};
use purr_engine::{
    Command, Event, Millis, PlayerId, Refusal, SeatIndex,
    deal::{Commitment, DealError, Hash, Reveal, SealedDeck, commitment},
    history::SeatStart,
};
use purr_protocol::{
    deal::committed,
    pb::{self, VoidCause, WithheldCause, event::Kind},
};
use serde::{Deserialize, Serialize};

/// Number of reveals that a seat may withhold in a row after committing; then it sits out. After that each further one
/// makes it sit out, until the seat reveals.
pub const WITHHELD_MAX: u32 = 3;

/// Reasons for refusing a player's commitment or entropy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EntropyRefused {
    #[error("the deal is under way")]
    UnderWay,
    #[error("sit in first: entropy was committed and withheld too often")]
    WithheldTooOften,
    #[error("hand {0} is not being dealt")]
    NotDealt(u64),
    #[error("this is not what was committed to")]
    NotCommitted,
}

/// Why a deal ends without a hand.
#[derive(Debug, thiserror::Error)]
enum NotStarted {
    #[error(transparent)]
    Deck(#[from] DealError),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A player's request during a deal, carried out once the hand is dealt: a player who could act on it earlier could
/// choose between deals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Wish {
    SitOut,
    Leave,
}

/// Number of void deals and withheld reveals over the table's life, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Faults {
    pub void_too_few_players: u64,
    pub void_state_lost: u64,
    pub void_frozen: u64,
    pub void_other: u64,
    pub withheld_silent: u64,
    pub withheld_disconnected: u64,
}

/// The state between publishing the root and the first card, while players reveal their entropy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dealing {
    pub(super) hand: u64,
    sealed: SealedDeck,
    commitments: Vec<Commitment>,
    reveals: Vec<Reveal>,
    pub(super) until: Millis,
}

impl Dealing {
    /// The public part: reveals are published with the cards, so nobody sees others' reveals before the own.
    pub(super) fn told(&self) -> pb::DealCommitted {
        committed(self.hand, self.sealed.root(), &self.commitments, &[])
    }

    pub(super) fn has_reveals(&self) -> bool {
        !self.reveals.is_empty()
    }

    fn is_complete(&self) -> bool {
        self.reveals.len() == self.commitments.len()
    }
}

impl Core {
    /// Decides when the next hand starts.
    pub(super) fn schedule(&mut self) {
        let running = self.state.table.hand().is_some() || self.state.dealing.is_some();
        if running || self.holding().is_some() || self.is_handing_over() || self.state.table.ready() < 2 {
            self.next_start = None;
            if running {
                self.rested_at = None;
            }
        } else {
            let at = *self.next_start.get_or_insert(self.now + self.hand_gap_ms);
            // The pause before the take-over counts, but the next hand waits until all players have reconnected.
            if let Some(rested_at) = self.rested_at
                && !self.ready_seats().iter().any(|seat| self.awaited.contains(seat))
            {
                self.rested_at = None;
                self.next_start = Some(at.min(rested_at.max(self.now)));
            }
        }
    }

    pub(super) fn tick(&mut self, seed: &Hash, events: &mut Vec<Event>, step: &mut Step) {
        self.command(Command::Tick, events);
        self.end_holds(step);
        if self.next_start.is_some_and(|at| at <= self.now) {
            self.next_start = None;
            // The next hand may also wait only for its time.
            if self.holding().is_none() && !self.is_handing_over() {
                self.sit_uncovered_out(events, step);
                if self.state.table.ready() >= 2 {
                    self.open_deal(seed, step);
                }
            }
        }
        let due = |dealing: &Dealing| dealing.is_complete() || dealing.until <= self.now;
        if self.state.dealing.as_ref().is_some_and(due) {
            self.deal(events, step);
        }
    }

    /// Publishes the root of a shuffled deck; who has committed entropy is asked to reveal it.
    fn open_deal(&mut self, seed: &Hash, step: &mut Step) {
        let sealed = match SealedDeck::new(seed) {
            Ok(sealed) => sealed,
            Err(error) => return tracing::error!(%error, "no deck"),
        };
        let commitments: Vec<Commitment> = std::mem::take(&mut self.state.commitments)
            .into_iter()
            .map(|(seat, hash)| Commitment { seat: seat.0, hash })
            .collect();
        let until = if commitments.is_empty() { self.now } else { self.now + self.reveal_ms };
        let hand = self.state.table.last_hand() + 1;
        let dealing = Dealing { hand, sealed, commitments, reveals: Vec::new(), until };
        step.extra(Kind::Deal(dealing.told()));
        step.dirty = true;
        self.state.dealing = Some(dealing);
    }

    /// Takes a player's commitment for the next deal.
    pub(super) fn commit(&mut self, seat: SeatIndex, hash: Hash) -> Result<(), EntropyRefused> {
        if self.state.dealing.is_some() {
            // The root is published: entropy chosen now could depend on it.
            return Err(EntropyRefused::UnderWay);
        }
        let withheld = self.state.withheld.get(&seat).copied().unwrap_or(0);
        let sitting_out = self.state.table.seat(seat).is_some_and(|chair| chair.sitting_out);
        if sitting_out && withheld >= WITHHELD_MAX {
            return Err(EntropyRefused::WithheldTooOften);
        }
        self.state.commitments.insert(seat, hash);
        Ok(())
    }

    /// Accepts a player's entropy if it matches the commitment.
    pub(super) fn reveal(&mut self, seat: SeatIndex, hand: u64, entropy: Hash) -> Result<(), EntropyRefused> {
        let now = self.now;
        let dealing = self.state.dealing.as_mut().filter(|dealing| dealing.hand == hand);
        let dealing = dealing.ok_or(EntropyRefused::NotDealt(hand))?;
        let committed = dealing.commitments.iter().find(|committed| committed.seat == seat.0);
        if committed.map(|committed| committed.hash) != Some(commitment(&entropy)) {
            return Err(EntropyRefused::NotCommitted);
        }
        if !dealing.reveals.iter().any(|reveal| reveal.seat == seat.0) {
            dealing.reveals.push(Reveal { seat: seat.0, entropy });
        }
        if dealing.is_complete() {
            dealing.until = now;
        }
        Ok(())
    }

    fn deal(&mut self, events: &mut Vec<Event>, step: &mut Step) {
        let Some(dealing) = self.state.dealing.take() else { return };
        step.dirty = true;
        let withheld = self.note_withheld(&dealing, step);
        let Dealing { hand, sealed, commitments, reveals, .. } = dealing;
        let stacks: Vec<Option<(PlayerId, u64)>> =
            self.state.table.seats().iter().map(|seat| seat.as_ref().map(|s| (s.player, s.stack))).collect();
        let started = sealed.deck(&reveals).map_err(NotStarted::from).and_then(|deck| {
            let start = Command::StartHand { hand, deck };
            Ok(self.state.table.apply(self.now, start)?)
        });
        let started = match started {
            Ok(started) => started,
            // A player left in the meantime: there is no hand, and the deck is discarded. The table has seen revealed
            // entropy, so players commit again.
            Err(reason) => {
                tracing::info!(%reason, hand, "no hand");
                let too_few = matches!(reason, NotStarted::Refused(Refusal::TooFewPlayers { .. }));
                let frozen = self.frozen_seat();
                let cause = match frozen {
                    Some(_) if too_few => VoidCause::Frozen,
                    None if too_few => VoidCause::TooFewPlayers,
                    _ => VoidCause::Other,
                };
                self.deal_void(hand, !reveals.is_empty(), (cause, frozen.filter(|_| too_few)), step);
                self.sit_out(&withheld, events);
                return self.carry_wishes(events);
            }
        };
        let dealt_in = started.iter().find_map(|event| match event {
            Event::HandStarted { dealt_in, .. } => Some(dealt_in.to_vec()),
            _ => None,
        });
        let starts: Vec<_> = dealt_in
            .unwrap_or_default()
            .into_iter()
            .filter_map(|seat| {
                let (player, stack) = (*stacks.get(seat.index())?)?;
                Some(SeatStart { seat, player, stack })
            })
            .collect();
        if !reveals.is_empty() {
            step.extra(Kind::Deal(committed(hand, sealed.root(), &commitments, &reveals)));
        }
        let started_at_ms = self.epoch_ms.map(|origin| origin.saturating_add(self.now));
        self.state.deal = Some(Deal {
            sealed,
            commitments,
            reveals,
            starts: starts.into(),
            events: Vec::new().into(),
            started_at_ms,
            timings: Vec::new(),
        });
        events.extend(started);
        self.sit_out(&withheld, events);
        self.carry_wishes(events);
    }

    /// Whether this seat's player is bound to the current deal: its root is published, and the seat is to be dealt in.
    pub(super) fn is_bound(&self, seat: SeatIndex) -> bool {
        self.state.dealing.is_some() && self.state.table.seat(seat).is_some_and(|chair| chair.is_ready())
    }

    /// Carries out what players have asked for during the deal: from the next hand on.
    pub(super) fn carry_wishes(&mut self, events: &mut Vec<Event>) {
        for (seat, wish) in std::mem::take(&mut self.state.after_deal) {
            match wish {
                Wish::Leave => self.command(Command::Leave { seat }, events),
                Wish::SitOut => self.sit_out(&[seat], events),
            }
        }
    }

    /// Whether the seat has asked to leave during the deal under way.
    pub(super) fn leaves_after_deal(&self, seat: u32) -> bool {
        self.state.after_deal.iter().any(|(at, wish)| u32::from(at.0) == seat && *wish == Wish::Leave)
    }

    fn frozen_seat(&self) -> Option<SeatIndex> {
        self.state.frozen.iter().find_map(|player| self.state.table.seat_of(*player))
    }

    /// Counts players who withheld their reveal and publishes it; returns those who did so too often.
    fn note_withheld(&mut self, dealing: &Dealing, step: &mut Step) -> Vec<SeatIndex> {
        let mut too_often = Vec::new();
        for Commitment { seat, .. } in &dealing.commitments {
            let at = SeatIndex(*seat);
            if dealing.reveals.iter().any(|reveal| reveal.seat == *seat) {
                self.state.withheld.remove(&at);
                continue;
            }
            if self.state.table.seat(at).is_none() {
                // The player has left meanwhile.
                continue;
            }
            let count = self.state.withheld.entry(at).or_default();
            *count = count.saturating_add(1);
            let in_a_row = *count;
            self.state.withheld_total += 1;
            let cause = match self.state.table.seat(at).is_some_and(|chair| chair.connected) {
                true => WithheldCause::Silent,
                false => WithheldCause::Disconnected,
            };
            match cause {
                WithheldCause::Silent => self.state.faults.withheld_silent += 1,
                _ => self.state.faults.withheld_disconnected += 1,
            }
            step.extra(Kind::EntropyWithheld(pb::EntropyWithheld {
                seat: (*seat).into(),
                hand: dealing.hand,
                in_a_row,
                cause: cause.into(),
            }));
            if in_a_row >= WITHHELD_MAX {
                too_often.push(at);
            }
        }
        too_often
    }

    /// Sits players out from the next hand on, because they have posted for this one.
    fn sit_out(&mut self, seats: &[SeatIndex], events: &mut Vec<Event>) {
        for &seat in seats {
            if self.state.table.seat(seat).is_some_and(|chair| !chair.sitting_out) {
                self.command(Command::SitOut { seat }, events);
            }
        }
    }

    /// Ends a deal as void. After a reveal this is published and counted, because a table that knows the cards could
    /// otherwise drop the deals that it does not like.
    pub(super) fn deal_void(
        &mut self,
        hand: u64,
        revealed: bool,
        (cause, seat): (VoidCause, Option<SeatIndex>),
        step: &mut Step,
    ) {
        self.state.deals_void += u64::from(revealed);
        let faults = &mut self.state.faults;
        match cause {
            VoidCause::TooFewPlayers => faults.void_too_few_players += 1,
            VoidCause::StateLost => faults.void_state_lost += 1,
            VoidCause::Frozen => faults.void_frozen += 1,
            VoidCause::Other | VoidCause::Unspecified => faults.void_other += 1,
        }
        let (total, seat) = (self.state.deals_void, seat.map(|seat| seat.0.into()));
        step.extra(Kind::DealVoided(pb::DealVoided { hand, total, cause: cause.into(), seat }));
    }
}
