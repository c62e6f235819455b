//! Where button and blinds are, who has missed them, and who is dealt in.

use super::Table;
use crate::ids::{SeatIndex, SeatSet};
use serde::{Deserialize, Serialize};

/// Where button and blinds are. They name chairs, not players: a chair may have emptied (dead button).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Positions {
    pub(super) button: SeatIndex,
    pub(super) small: SeatIndex,
    pub(super) big: SeatIndex,
}

impl Table {
    /// Moves the big blind to the next player who may have it; the small blind follows to where the
    /// big one was and the button to where the small one was, occupied or not (WSOP 151).
    pub(super) fn next_positions(&self, last: Option<Positions>, ready: SeatSet) -> Positions {
        let next = |from: SeatIndex| ready.clockwise(from).next().unwrap_or(from);
        let heads_up = |big: SeatIndex| Positions { button: next(big), small: next(big), big };
        let Some(last) = last else {
            let button = next(SeatIndex(self.config.seats - 1));
            if ready.len() == 2 {
                return heads_up(next(button));
            }
            let small = next(button);
            return Positions { button, small, big: next(small) };
        };
        let big = next(last.big);
        if ready.len() == 2 {
            // Nobody has the big blind twice running; the other player has button and small blind (WSOP 153).
            return heads_up(big);
        }
        let small = last.big;
        // The button goes where the small blind was; after heads-up that chair may be the new big
        // blind's, and then it is the chair before the small blind.
        let button = if last.small == big || last.small == small {
            ready.without(small).clockwise(small).last().unwrap_or(last.small)
        } else {
            last.small
        };
        Positions { button, small, big }
    }

    /// Who is dealt in. Where only two are, because the others wait for the big blind, they play
    /// heads-up: the one without the big blind has button and small blind (WSOP 153).
    pub(super) fn deal_in(&self, positions: &mut Positions, ready: SeatSet) -> SeatSet {
        let at = *positions;
        let dealt_in: SeatSet = ready.iter().filter(|&seat| self.is_dealt_in(seat, at)).collect();
        if dealt_in.len() == 2
            && let Some(other) = dealt_in.without(at.big).iter().next()
        {
            *positions = Positions { button: other, small: other, big: at.big };
        }
        dealt_in
    }

    /// Who buys the button: a player who missed the blinds, between the button and the small blind,
    /// and wants to post. That hand's blinds are this player's alone, the small one dead; the others'
    /// wait for one hand, and the button comes to the buyer next (WSOP 154; T. Angelo, "Buy the
    /// Button").
    pub(super) fn buyer(&self, now: Positions, ready: SeatSet) -> Option<SeatIndex> {
        if ready.len() < 3 {
            return None;
        }
        let mut between = self.chairs().clockwise(now.button).take_while(|&seat| seat != now.small);
        let buys = |seat: &SeatIndex| self.seat(*seat).is_some_and(|chair| chair.owes_big && chair.posts);
        between.find(|seat| *seat != now.button && ready.contains(*seat) && buys(seat))
    }

    /// Whoever owes a blind waits for the big one, or posts: anywhere but on the button. A newcomer on
    /// the small blind's chair posts both, the small one dead, and has the button next.
    fn is_dealt_in(&self, seat: SeatIndex, positions: Positions) -> bool {
        let Some(chair) = self.seat(seat) else {
            return false;
        };
        let due = seat == positions.big || (seat == positions.small && !chair.owes_big);
        !chair.owes() || due || (chair.posts && seat != positions.button)
    }

    /// The blinds passed over those who sat between the old and the new big blind, and the small
    /// blind over who had the big one and is away (WSOP 156).
    pub(super) fn note_missed(&mut self, before: Option<Positions>, now: Positions) {
        let Some(before) = before else { return };
        for seat in self.chairs().clockwise(before.big).take_while(|&seat| seat != now.big) {
            if let Some(chair) = self.seats[seat.index()].as_mut()
                && !chair.is_ready()
            {
                // A newcomer owes the big blind alone.
                chair.owes_small = !chair.owes_big || chair.owes_small;
                chair.owes_big = true;
            }
        }
        if now.small != now.big
            && let Some(chair) = self.seats[now.small.index()].as_mut()
            && !chair.is_ready()
            && !chair.owes_big
        {
            chair.owes_small = true;
        }
    }
}
