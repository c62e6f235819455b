//! Positions of button and blinds, missed blinds, and the players dealt in.

use super::Table;
use crate::ids::{SeatIndex, SeatSet};
use serde::{Deserialize, Serialize};

/// Seats of button and blinds. They name seats, not players: a seat may be empty (dead button).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Positions {
    pub(super) button: SeatIndex,
    pub(super) small: SeatIndex,
    pub(super) big: SeatIndex,
}

/// Players of the last hand that was not void, by where they sit now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Last {
    pub(super) hand: u64,
    /// Players who were dealt in and have kept their seats since.
    pub(super) played: SeatSet,
    /// The player who had the last big blind, even after leaving and returning.
    pub(super) payer: Option<SeatIndex>,
}

impl Default for Last {
    /// Positions of a table that does not have them, as earlier releases stored it: anybody may have played.
    fn default() -> Self {
        Self { hand: 0, played: SeatSet::first(u8::MAX), payer: None }
    }
}

impl Last {
    pub(super) fn forget(&mut self, seat: SeatIndex) {
        self.played.remove(seat);
        self.payer = self.payer.filter(|payer| *payer != seat);
    }
}

impl Table {
    /// Button and blinds of the next hand, the players dealt in, and who buys the button.
    ///
    /// The game begins where nobody who was dealt into the last hand is ready: the button at the first
    /// chair, and those who are ready owe nothing. Else positions and debts go on (WSOP 151, 154).
    pub(super) fn place(
        &mut self,
        before: Option<Positions>,
        ready: SeatSet,
    ) -> (Positions, SeatSet, Option<SeatIndex>) {
        let Some(last) = before else {
            self.forgive(ready);
            return (self.first_positions(ready), ready, None);
        };
        // Two can always be dealt in, for somebody of the last hand is ready and owes nothing: except
        // where the only other one had its big blind, left, and came back as a newcomer. What they
        // paid in that hand counts then, or they would pay twice running.
        let payer = ready.iter().filter(|seat| self.last.payer == Some(*seat)).collect();
        for forgiven in [SeatSet::default(), payer, ready] {
            self.forgive(forgiven);
            if let Some((positions, dealt_in)) = self.rotate(last, ready) {
                return self.bought(positions, dealt_in, ready);
            }
        }
        (self.first_positions(ready), ready, None)
    }

    fn forgive(&mut self, seats: SeatSet) {
        for seat in seats {
            if let Some(chair) = self.seats[seat.index()].as_mut() {
                (chair.owes_big, chair.owes_small, chair.posts) = (false, false, false);
            }
        }
    }

    fn first_positions(&self, ready: SeatSet) -> Positions {
        let next = |from: SeatIndex| ready.clockwise(from).next().unwrap_or(from);
        let button = next(SeatIndex(self.config.seats - 1));
        let small = if ready.len() == 2 { button } else { next(button) };
        Positions { button, small, big: next(small) }
    }

    /// Moves the big blind to the next player who can have it (WSOP 151). It skips the player who had it in the last
    /// hand, in whatever seat (WSOP Tournament 87), and a player with whom nobody could be dealt in: a player who owes
    /// a big blind posts it then (WSOP 154), because heads-up nobody comes in by posting on the button (WSOP 156).
    fn rotate(&self, last: Positions, ready: SeatSet) -> Option<(Positions, SeatSet)> {
        let candidates = self.last.payer.map_or(ready, |payer| ready.without(payer));
        candidates.clockwise(last.big).find_map(|big| {
            let positions = Self::after(last, ready, big);
            let dealt_in = self.dealt_in(positions, ready);
            let posts = |seat: SeatIndex| !self.is_due(seat, positions);
            match dealt_in.len() {
                0 | 1 => None,
                2 if dealt_in.iter().any(posts) => None,
                2 => {
                    // The others wait for the big blind: these two play heads-up (WSOP 153).
                    let other = dealt_in.without(big).iter().next()?;
                    Some((Positions { button: other, small: other, big }, dealt_in))
                }
                _ => Some((positions, dealt_in)),
            }
        })
    }

    /// The small blind follows to where the big one was, and the button to where the small one was,
    /// occupied or not (WSOP 151). Heads-up the button has the small blind (WSOP 153).
    fn after(last: Positions, ready: SeatSet, big: SeatIndex) -> Positions {
        if let (2, Some(other)) = (ready.len(), ready.without(big).iter().next()) {
            return Positions { button: other, small: other, big };
        }
        let small = last.big;
        // After heads-up the small blind's old seat may be one of the new blinds'; then the button goes to the seat
        // before the small blind.
        let button = if last.small == big || last.small == small {
            ready.without(small).without(big).clockwise(small).last().unwrap_or(last.small)
        } else {
            last.small
        };
        Positions { button, small, big }
    }

    /// A player who missed the blinds, or a newcomer, between the button and the small blind, who wants
    /// to post, buys the button: that hand's blinds are this player's alone, the small one dead; the
    /// others' wait for one hand, and the button comes to the buyer next (WSOP 154; T. Angelo, "Buy
    /// the Button"). Not for a hand of two.
    fn bought(
        &self,
        now: Positions,
        dealt_in: SeatSet,
        ready: SeatSet,
    ) -> (Positions, SeatSet, Option<SeatIndex>) {
        let alone = self.config.house.newcomer_posts_big_alone;
        let mut between = self.chairs().clockwise(now.button).take_while(|&seat| seat != now.small);
        let buys = |seat: &SeatIndex| {
            let buys = |chair: &super::Seat| chair.owes_big && chair.posts && (chair.owes_small || !alone);
            *seat != now.button && dealt_in.contains(*seat) && self.seat(*seat).is_some_and(buys)
        };
        if dealt_in.len() > 2
            && let Some(buyer) = between.find(buys)
        {
            let positions = Positions { small: buyer, big: buyer, ..now };
            let with_buyer = self.dealt_in(positions, ready);
            if with_buyer.len() > 2 {
                return (positions, with_buyer, Some(buyer));
            }
        }
        (now, dealt_in, None)
    }

    fn dealt_in(&self, positions: Positions, ready: SeatSet) -> SeatSet {
        let posts = |seat| seat != positions.button && self.seat(seat).is_some_and(|chair| chair.posts);
        ready.iter().filter(|&seat| self.is_due(seat, positions) || posts(seat)).collect()
    }

    /// A player who owes a blind waits for the big blind, or posts anywhere but on the button. A newcomer in the small
    /// blind's seat posts, and has the button next.
    fn is_due(&self, seat: SeatIndex, positions: Positions) -> bool {
        let due = |chair: &super::Seat| {
            !chair.owes() || seat == positions.big || (seat == positions.small && !chair.owes_big)
        };
        self.seat(seat).is_some_and(due)
    }

    /// The blinds passed over those who sat between the old and the new big blind, and the small
    /// blind over who had the big one and is away (WSOP 156). Returns who owes a big blind, and who a
    /// small one, that they did not owe before.
    pub(super) fn note_missed(&mut self, before: Option<Positions>, now: Positions) -> [SeatSet; 2] {
        let (mut big, mut small) = (SeatSet::default(), SeatSet::default());
        let Some(before) = before else { return [big, small] };
        for seat in self.chairs().clockwise(before.big).take_while(|&seat| seat != now.big) {
            if let Some(chair) = self.seats[seat.index()].as_mut()
                && !chair.is_ready()
                && !std::mem::replace(&mut chair.owes_big, true)
            {
                big.insert(seat);
                // A newcomer, who owes a big blind already, owes that alone.
                if !std::mem::replace(&mut chair.owes_small, true) {
                    small.insert(seat);
                }
            }
        }
        if now.small != now.big
            && let Some(chair) = self.seats[now.small.index()].as_mut()
            && !chair.is_ready()
            && !chair.owes_big
            && !std::mem::replace(&mut chair.owes_small, true)
        {
            small.insert(now.small);
        }
        [big, small]
    }
}
