//! The life of a promise: chips that are set aside for a permit (a reservation) or for a voucher.

use purr_engine::PlayerId;
use std::{fmt, str::FromStr};

/// The purpose for which chips are set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PromiseKind {
    /// A seat or a top-up, by the player's permit.
    Permit,
    /// A withdrawal, by the voucher key's signature.
    Voucher,
}

/// A permit's nonce and a voucher's nonce are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PromiseId {
    pub kind: PromiseKind,
    pub player: PlayerId,
    pub nonce: u64,
}

/// Where a promise stands. Stored as text; see [`next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromiseState {
    /// Chips are set aside; no entry uses them yet.
    Held,
    /// An accepted entry uses a permit's chips.
    Used,
    /// The chain has seated them.
    Seated,
    /// The chain has paid a voucher.
    Paid,
    /// An exit took the chips of a signed voucher, which the chain still pays until its deadline: what becomes free next
    /// is set aside for it.
    Uncovered,
    /// The chips are free again, or gone with an exit.
    Released,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromiseEvent {
    /// An accepted entry uses the permit.
    Use,
    /// The chain seated the permit's chips.
    Seat,
    /// The chain paid the voucher.
    Pay,
    /// The player cancelled the permit on chain.
    Cancel,
    /// No block can take it any more: its time is over at final depth.
    Expire,
    /// The chain refused the entry, or two admins passed over it.
    Refuse,
    /// An exit or an older voucher took the chips.
    Uncover,
    /// Chips have become free and are set aside again.
    Cover,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen to a promise that is {state:?}")]
pub struct IllegalPromise {
    pub state: PromiseState,
    pub event: PromiseEvent,
}

/// The one transition function. What is not listed is an error.
pub fn next(
    kind: PromiseKind,
    state: PromiseState,
    event: PromiseEvent,
) -> Result<PromiseState, IllegalPromise> {
    use PromiseEvent as E;
    use PromiseKind as K;
    use PromiseState as S;
    Ok(match (kind, state, event) {
        (K::Permit, S::Held, E::Use) => S::Used,
        // An entry cannot be skipped: an ended reservation accepts it without chips, and the chain decides.
        (K::Permit, S::Released, E::Use) => S::Released,
        (K::Permit, S::Held | S::Used, E::Seat) => S::Seated,
        // An uncovered voucher is paid out of whatever the player has.
        (K::Voucher, S::Held | S::Uncovered, E::Pay) => S::Paid,
        // An entry that uses the permit is on its way: the chain's answer to the entry decides.
        (K::Permit, S::Held, E::Cancel | E::Expire) => S::Released,
        (K::Voucher, S::Held | S::Uncovered, E::Expire) => S::Released,
        (K::Permit, S::Held | S::Used, E::Refuse | E::Uncover) => S::Released,
        (K::Voucher, S::Held, E::Uncover) => S::Uncovered,
        (K::Voucher, S::Uncovered, E::Cover) => S::Held,
        _ => return Err(IllegalPromise { state, event }),
    })
}

impl PromiseState {
    /// States in which chips are set aside.
    pub const LIVE: [Self; 2] = [Self::Held, Self::Used];

    /// States in which a promise may still change; an uncovered voucher sets nothing aside, but may be paid.
    pub const OPEN: [Self; 3] = [Self::Held, Self::Used, Self::Uncovered];

    pub fn is_live(self) -> bool {
        Self::LIVE.contains(&self)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Used => "used",
            Self::Seated => "seated",
            Self::Paid => "paid",
            Self::Uncovered => "uncovered",
            Self::Released => "released",
        }
    }
}

impl fmt::Display for PromiseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no state of a promise")]
pub struct BadPromiseState(pub String);

impl FromStr for PromiseState {
    type Err = BadPromiseState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Held, Self::Used, Self::Seated, Self::Paid, Self::Uncovered, Self::Released];
        all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| BadPromiseState(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::{PromiseEvent as E, PromiseKind as K, PromiseState as S, next};

    const STATES: [S; 6] = [S::Held, S::Used, S::Seated, S::Paid, S::Uncovered, S::Released];
    const EVENTS: [E; 8] = [E::Use, E::Seat, E::Pay, E::Cancel, E::Expire, E::Refuse, E::Uncover, E::Cover];

    #[test]
    fn a_promise_that_has_ended_never_sets_chips_aside_again() {
        for (kind, event) in [K::Permit, K::Voucher].into_iter().flat_map(|k| EVENTS.map(|e| (k, e))) {
            for state in [S::Seated, S::Paid, S::Released] {
                assert!(!next(kind, state, event).is_ok_and(S::is_live), "{kind:?} {state} {event:?}");
            }
        }
    }

    #[test]
    fn a_permit_is_never_paid_and_a_voucher_never_seated_or_used() {
        for state in STATES {
            assert!(next(K::Permit, state, E::Pay).is_err());
            for event in [E::Use, E::Seat, E::Cancel, E::Refuse] {
                assert!(next(K::Voucher, state, event).is_err());
            }
        }
    }

    #[test]
    fn a_permit_whose_entry_is_on_its_way_does_not_end_by_time_or_by_its_player() {
        assert!(next(K::Permit, S::Used, E::Expire).is_err());
        assert!(next(K::Permit, S::Used, E::Cancel).is_err());
        assert_eq!(next(K::Permit, S::Used, E::Refuse), Ok(S::Released));
    }

    #[test]
    fn every_state_survives_its_text() {
        for state in STATES {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        assert!("lost".parse::<S>().is_err());
    }
}
