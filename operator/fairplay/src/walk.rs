//! An ended hand as a list of turns, each with what its actor could see.

use purr_engine::{Street, ids::SEATS_MAX};
use purr_fairplay_hands::{ActionKind, EndedHand};

/// One decision. Players are indexes into [`EndedHand::seats`]; sets of them are bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) actor: usize,
    /// 0 before the flop to 3 on the river.
    pub(crate) street: usize,
    pub(crate) action: ActionKind,
    /// Big blinds.
    pub(crate) to_call: f32,
    pub(crate) pot: f32,
    /// Chips that the action put in.
    pub(crate) put: f32,
    /// Bets and raises on this street so far, blinds left out.
    pub(crate) raises: u8,
    /// Players who had not folded before the action, the actor included.
    pub(crate) live: u16,
    /// Put chips in by choice before the action.
    pub(crate) entered: u16,
    pub(crate) aggressor: Option<usize>,
    /// The last to bet or raise on the street before.
    pub(crate) initiative: Option<usize>,
    pub(crate) can_raise: bool,
    pub(crate) think_ms: Option<u32>,
    /// 0: blinds, 1: early, 2: button and the seat before it.
    pub(crate) position: u8,
    /// What each player has done so far, as [`Line`].
    pub(crate) lines: [Line; SEATS_MAX],
}

/// The public story of one player: the range model infers hidden cards from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// 0: none, 1: limped or checked, 2: called a raise, 3: raised, 4: re-raised.
    pub(crate) preflop: u8,
    /// The player's last action on this street after the flop. 0: none, 1: checked, 2: called, 3: bet or raised.
    pub(crate) street: u8,
    /// The same on the street before.
    pub(crate) before: u8,
}

pub(crate) const LINES: usize = 5 * 4 * 4;

impl Line {
    pub(crate) fn index(self) -> usize {
        (usize::from(self.preflop) * 4 + usize::from(self.street)) * 4 + usize::from(self.before)
    }

    /// Whether the last thing was a bet or raise.
    pub(crate) fn strong(self) -> bool {
        self.street == 3 || (self.street == 0 && self.before == 3) || self.preflop >= 3 && self.before == 0
    }
}

fn street_number(street: Street) -> usize {
    match street {
        Street::Preflop => 0,
        Street::Flop => 1,
        Street::Turn => 2,
        Street::River => 3,
    }
}

/// Fills `turns`. The hand must be valid ([`EndedHand::validate`]).
pub(crate) fn walk(hand: &EndedHand, turns: &mut Vec<Turn>) {
    turns.clear();
    let blind = hand.big_blind as f32;
    let players = hand.seats.len();
    let mut at_seat = [usize::MAX; SEATS_MAX];
    for (at, seat) in hand.seats.iter().enumerate() {
        at_seat[seat.seat.index()] = at;
    }
    let mut front = [0u64; SEATS_MAX];
    let mut left: [u64; SEATS_MAX] = [0; SEATS_MAX];
    for (at, seat) in hand.seats.iter().enumerate() {
        left[at] = seat.stack;
    }
    let (mut pot, mut bet) = (0u64, 0u64);
    let mut posted = 0u16;
    for post in &hand.posts {
        let at = at_seat[post.seat.index()];
        left[at] = left[at].saturating_sub(post.amount);
        pot = pot.saturating_add(post.amount);
        if !post.dead {
            front[at] = front[at].saturating_add(post.amount);
            bet = bet.max(front[at]);
            posted |= 1 << at;
        }
    }
    let positions = positions(hand, posted);
    let mut lines = [Line::default(); SEATS_MAX];
    let mut live: u16 = (1 << players) - 1;
    let (mut street, mut raises, mut entered) = (0, 0u8, 0u16);
    let (mut aggressor, mut initiative) = (None, None);
    for action in &hand.actions {
        let now = street_number(action.street);
        if now != street {
            street = now;
            (front, bet, raises) = ([0; SEATS_MAX], 0, 0);
            initiative = aggressor.take();
            for line in &mut lines {
                (line.before, line.street) = (line.street, 0);
            }
        }
        let actor = at_seat[action.seat.index()];
        let owed = bet.saturating_sub(front[actor]).min(left[actor]);
        let put = match action.action {
            ActionKind::Call | ActionKind::Raise => action.to.saturating_sub(front[actor]).min(left[actor]),
            ActionKind::Fold | ActionKind::Check => 0,
        };
        turns.push(Turn {
            actor,
            street,
            action: action.action,
            to_call: owed as f32 / blind,
            pot: pot as f32 / blind,
            put: put as f32 / blind,
            raises,
            live,
            entered,
            aggressor,
            initiative,
            can_raise: left[actor] > owed,
            think_ms: action.think_ms,
            position: positions[actor],
            lines,
        });
        let line = &mut lines[actor];
        match action.action {
            ActionKind::Fold => live &= !(1 << actor),
            ActionKind::Check => {
                if street == 0 {
                    line.preflop = line.preflop.max(1);
                } else {
                    line.street = line.street.max(1);
                }
            }
            ActionKind::Call => {
                entered |= 1 << actor;
                if street == 0 {
                    line.preflop = line.preflop.max(if raises == 0 { 1 } else { 2 });
                } else {
                    line.street = line.street.max(2);
                }
            }
            ActionKind::Raise => {
                entered |= 1 << actor;
                aggressor = Some(actor);
                if street == 0 {
                    line.preflop = if raises == 0 { 3 } else { 4 };
                } else {
                    line.street = 3;
                }
                raises = raises.saturating_add(1);
            }
        }
        front[actor] = front[actor].saturating_add(put);
        left[actor] -= put;
        pot = pot.saturating_add(put);
        bet = bet.max(front[actor]);
    }
}

/// Position by player: 0 posted a blind, 2 is the button or next before it, 1 is any other.
fn positions(hand: &EndedHand, posted: u16) -> [u8; SEATS_MAX] {
    let mut positions = [1; SEATS_MAX];
    let count = hand.seats.len();
    // Seats are in order: the button's place, or the place that is next before an empty button.
    let button = hand.seats.iter().rposition(|seat| seat.seat <= hand.button).unwrap_or(count - 1);
    for (at, position) in positions.iter_mut().enumerate().take(count) {
        let before = (button + count - at) % count;
        *position = if posted & (1 << at) != 0 {
            0
        } else if before <= 1 {
            2
        } else {
            1
        };
    }
    positions
}
