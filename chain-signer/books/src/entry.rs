//! The life of an entry and of the transaction that carries it.

use std::{fmt, str::FromStr};

/// Hash of a number that admins passed over before the journal had an entry under it; no payload has this hash.
pub const UNBOUND: [u8; 32] = [0; 32];

/// State of an entry or a transaction. Stored as text; see [`next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Accepted from the table, bound to its payload for ever.
    Requested,
    /// In a transaction that the policy passed, with nonce, gas and fee fixed.
    Checked,
    /// Its signed bytes are stored.
    Signed,
    /// A node has taken it.
    Broadcast,
    /// In a block.
    Mined,
    /// In a block at final depth.
    Confirmed,
    /// The chain refused it, at final depth.
    Rejected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Put into a transaction that the policy passed.
    Check,
    /// Signed bytes stored.
    Sign,
    /// A node answered that it has it.
    Send,
    /// A replacement with a higher fee is about to be signed.
    Replace,
    /// Seen in a block.
    Mine,
    /// The block is no longer in the chain.
    Reorg,
    /// Final, as wanted.
    Confirm,
    /// Final, refused.
    Reject,
    /// Its transaction is final without having carried it out, or was given up: it may be tried again.
    Requeue,
    /// Gives up a transaction of a key that may settle no more, if no block contains the transaction.
    Abandon,
    /// Its transaction will never be signed, because one of its rows was changed. It waits again.
    GiveUp,
    /// The vault's log has the entry as carried out, at final depth.
    Settle,
    /// The vault's log has the entry as refused, at final depth.
    Refuse,
    /// The vault's log has the entry's item as rejected for good, at final depth.
    Fail,
    /// The vault's log has the entry as too early, at final depth: it may be tried again.
    PutOff,
    /// Passed over by two admins, at final depth.
    Void,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen to something that is {state:?}")]
pub struct IllegalTransition {
    pub state: State,
    pub event: Event,
}

/// The one transition function, in live work and in recovery. What is not listed is an error.
pub fn next(state: State, event: Event) -> Result<State, IllegalTransition> {
    use Event as E;
    use State as S;
    Ok(match (state, event) {
        (S::Requested, E::Check) => S::Checked,
        (S::Checked, E::Sign) => S::Signed,
        // Sending the same bytes again is always allowed.
        (S::Signed | S::Broadcast, E::Send) => S::Broadcast,
        // All versions share one nonce, so at most one of them is mined. A version whose fee is below the base fee, so
        // that no node accepts it, is replaced as well.
        (S::Signed | S::Broadcast, E::Replace) => S::Checked,
        // The transaction was sent before a crash that lost the note of the sending, or an older version was mined
        // instead of its replacement.
        (S::Checked | S::Signed | S::Broadcast | S::Mined, E::Mine) => S::Mined,
        (S::Mined, E::Reorg) => S::Broadcast,
        (S::Mined, E::Confirm) => S::Confirmed,
        (S::Mined, E::Reject) => S::Rejected,
        (S::Checked | S::Signed | S::Broadcast | S::Mined, E::Requeue) | (S::Checked, E::GiveUp) => {
            S::Requested
        }
        // Its key was revoked at final depth without a signature, or the version was never signed: no block can contain
        // it.
        (S::Checked | S::Signed | S::Broadcast, E::Abandon) => S::Rejected,
        // The vault's log at final depth decides wherever the entry stands: a receipt may have been missing or wrong,
        // and the entry may wait again or be on its way a second time.
        (S::Requested | S::Checked | S::Signed | S::Broadcast | S::Mined, log) => match log {
            E::Settle => S::Confirmed,
            E::Refuse | E::Fail | E::Void => S::Rejected,
            E::PutOff => S::Requested,
            _ => return Err(IllegalTransition { state, event }),
        },
        _ => return Err(IllegalTransition { state, event }),
    })
}

impl State {
    /// Final states, which nothing changes.
    pub const FINAL: [Self; 2] = [Self::Confirmed, Self::Rejected];
    /// States of an entry that a transaction carries.
    pub const UNDER_WAY: [Self; 4] = [Self::Checked, Self::Signed, Self::Broadcast, Self::Mined];

    pub fn is_final(self) -> bool {
        Self::FINAL.contains(&self)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Checked => "checked",
            Self::Signed => "signed",
            Self::Broadcast => "broadcast",
            Self::Mined => "mined",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no state")]
pub struct BadState(pub String);

impl FromStr for State {
    type Err = BadState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "requested" => Self::Requested,
            "checked" => Self::Checked,
            "signed" => Self::Signed,
            "broadcast" => Self::Broadcast,
            "mined" => Self::Mined,
            "confirmed" => Self::Confirmed,
            "rejected" => Self::Rejected,
            other => return Err(BadState(other.into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 7] = [
        State::Requested,
        State::Checked,
        State::Signed,
        State::Broadcast,
        State::Mined,
        State::Confirmed,
        State::Rejected,
    ];
    const EVENTS: [Event; 16] = [
        Event::Check,
        Event::Sign,
        Event::Send,
        Event::Replace,
        Event::Mine,
        Event::Reorg,
        Event::Confirm,
        Event::Reject,
        Event::Requeue,
        Event::Abandon,
        Event::GiveUp,
        Event::Settle,
        Event::Refuse,
        Event::Fail,
        Event::PutOff,
        Event::Void,
    ];

    #[test]
    fn nothing_is_sent_before_it_is_signed_nor_signed_before_it_is_checked() {
        assert!(next(State::Requested, Event::Sign).is_err());
        assert!(next(State::Requested, Event::Send).is_err());
        assert!(next(State::Checked, Event::Send).is_err());
        let path = [Event::Check, Event::Sign, Event::Send, Event::Mine, Event::Confirm];
        let end = path.into_iter().try_fold(State::Requested, next);
        assert_eq!(end, Ok(State::Confirmed));
    }

    #[test]
    fn what_is_final_never_changes() {
        for event in EVENTS {
            assert!(next(State::Confirmed, event).is_err());
            assert!(next(State::Rejected, event).is_err());
        }
    }

    #[test]
    fn a_transaction_becomes_final_only_out_of_a_block() {
        for state in STATES.into_iter().filter(|state| *state != State::Mined) {
            assert!(next(state, Event::Confirm).is_err());
            assert!(next(state, Event::Reject).is_err());
        }
    }

    #[test]
    fn what_is_in_a_block_is_never_given_up_and_what_a_lost_transaction_carried_waits_again() {
        for state in State::UNDER_WAY {
            assert_eq!(next(state, Event::Requeue), Ok(State::Requested));
            assert_eq!(next(state, Event::Abandon).is_ok(), state != State::Mined, "{state}");
        }
        assert!(next(State::Requested, Event::Abandon).is_err());
    }

    #[test]
    fn the_vaults_log_ends_an_entry_wherever_it_stands() {
        for state in STATES.into_iter().filter(|state| !state.is_final()) {
            assert_eq!(next(state, Event::Settle), Ok(State::Confirmed));
            assert_eq!(next(state, Event::Refuse), Ok(State::Rejected));
            assert_eq!(next(state, Event::Fail), Ok(State::Rejected));
            assert_eq!(next(state, Event::Void), Ok(State::Rejected));
            assert_eq!(next(state, Event::PutOff), Ok(State::Requested));
        }
    }

    #[test]
    fn every_state_survives_its_text() {
        for state in STATES {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("lost".parse::<State>().is_err());
    }
}
